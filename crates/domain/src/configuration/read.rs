//! From the text of a `lockgate.toml` to a [`Configuration`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use glob::Pattern;
use strum::VariantNames as _;
use toml::de::DeTable;

use super::actions;
use super::approval::{self, People};
use super::bake;
use super::document::{At, Findings, Section};
use super::freeze;
use super::time_span::{self, DAY, MINUTE};
use super::{Application, Configuration, Pipeline, Problems};
use crate::approval::ApprovalPolicy;
use crate::bake::BakePolicy;
use crate::deployment::{Cause, Environment, KEEP, QueuePolicy, StackOutput, WithoutStable};
use crate::freeze::Freeze;
use crate::names::{AccountId, EnvironmentName, Qualifier, Region, RepositoryName};
use crate::nearest;

/// Where GitHub's API is, for who puts nothing in its place.
const DEFAULT_GITHUB_API: &str = "https://api.github.com";

/// The qualifier of an ordinary `cdk bootstrap`.
const DEFAULT_QUALIFIER: &str = "hnb659fds";

/// An alarm's text has at most 1024 characters (Amazon CloudWatch API reference, `PutMetricAlarm`), and more to say.
const RUNBOOK_LIMIT: usize = 300;

/// A standard parameter of SSM Parameter Store keeps 4 KB (AWS General Reference, Systems Manager endpoints and
/// quotas), and each application is stored in one.
const PARAMETER_LIMIT: usize = 4096;

pub(super) fn read(text: &str) -> Result<Configuration, Problems> {
    let mut findings = Findings::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        findings.syntax(error);
    }
    let top = Section::top(document.get_ref());
    findings.only(&top, &["pipeline", "actions", "application"]);
    let (pipeline, default_region) = read_pipeline(&mut findings, &top);
    let actions = actions::read(&mut findings, &top);

    let place = (
        pipeline.as_ref().map(|pipeline| &pipeline.account),
        default_region.as_ref(),
    );
    let section = findings.section(&top, "application");
    let drafts: Vec<ApplicationDraft<'_>> = findings
        .sections(&section)
        .into_iter()
        .map(|(name, section)| ApplicationDraft::read(&mut findings, name, section, place))
        .collect();
    if section.is_empty() && !findings.is_broken() {
        findings.problem(
            section.offset,
            "application",
            "there is none; write [application.\"owner/repository\"]",
        );
    }
    check_repositories(&mut findings, &drafts);
    check_shared_stacks(&mut findings, &drafts);

    let applications: Option<Vec<Application>> = drafts
        .into_iter()
        .map(|draft| draft.finish(&mut findings))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    if let Some(applications) = &applications {
        check_subscriptions(&mut findings, section.offset, applications);
    }
    let configuration = pipeline
        .zip(applications)
        .map(|(pipeline, applications)| Configuration {
            pipeline,
            actions,
            applications,
        });
    findings.conclude(configuration)
}

fn read_pipeline(findings: &mut Findings<'_>, top: &Section<'_>) -> (Option<Pipeline>, Option<Region>) {
    findings.require(top, "pipeline", "[pipeline] with account, region and external_id");
    let section = findings.section(top, "pipeline");
    if section.is_absent() {
        return (None, None);
    }
    let known = [
        "account",
        "region",
        "external_id",
        "notify",
        "smoke_test_addresses",
        "customer_managed_keys",
        "github_api",
        "runbook",
    ];
    findings.only(&section, &known);

    let account = findings.required_text(&section, "account", "account = \"111111111111\"");
    let account = findings.parse::<AccountId>(&section.path_of("account"), account);
    let region = findings.required_text(&section, "region", "region = \"eu-west-1\"");
    let region = findings
        .parse::<Region>(&section.path_of("region"), region)
        .map(|region| region.value);
    let external_id = findings.required_text(&section, "external_id", "what `openssl rand -hex 16` prints");
    if let Some(At { value, offset }) = external_id.as_ref()
        && !is_external_id(value)
    {
        findings.problem(
            *offset,
            &section.path_of("external_id"),
            "is not 22 to 1224 of A-Z, a-z, 0-9 and + = , . @ : / -; take what `openssl rand -hex 16` prints",
        );
    }
    let notify = findings.texts(&section, "notify");
    for At { value, offset } in &notify {
        if !is_mail_address(value) {
            findings.problem(
                *offset,
                &section.path_of("notify"),
                format!("{value:?} is not a mail address"),
            );
        }
    }
    let addresses = findings.texts(&section, "smoke_test_addresses");
    for At { value, offset } in &addresses {
        if let Err(reason) = check_address_range(value) {
            findings.problem(*offset, &section.path_of("smoke_test_addresses"), reason);
        }
    }
    let customer_managed_keys = findings.flag(&section, "customer_managed_keys").unwrap_or(false);
    let github_api = findings.text(&section, "github_api");
    if let Some(At { value, offset }) = &github_api
        && !is_address(value)
    {
        let message =
            format!("{value:?} is not the address of a GitHub API; write, for example, \"{DEFAULT_GITHUB_API}\"");
        findings.problem(*offset, &section.path_of("github_api"), message);
    }
    let runbook = findings.text(&section, "runbook");
    if let Some(At { value, offset }) = &runbook
        && !(value.starts_with("https://") && is_address(value) && value.len() <= RUNBOOK_LIMIT)
    {
        let message = format!(
            "{value:?} is not an address that begins with https:// and ends with a file's name; write, for example, \"https://github.com/acme/lockgate/blob/main/docs/OPERATIONS.md\""
        );
        findings.problem(*offset, &section.path_of("runbook"), message);
    }

    let pipeline = account
        .zip(region.clone())
        .zip(external_id)
        .map(|((account, region), external_id)| Pipeline {
            account: account.value,
            region,
            external_id: external_id.value.to_owned(),
            notify: owned(&notify),
            smoke_test_addresses: owned(&addresses),
            customer_managed_keys,
            github_api: github_api
                .map_or(DEFAULT_GITHUB_API, |text| text.value)
                .trim_end_matches('/')
                .to_owned(),
            runbook: runbook.map(|text| text.value.to_owned()),
        });
    (pipeline, region)
}

/// The most filter policies of one topic (Amazon SNS developer guide, "Filter policy constraints").
const ADDRESSES_LIMIT: usize = 200;

/// An application as far as it could be read.
struct ApplicationDraft<'d> {
    section: Section<'d>,
    repository: Option<RepositoryName>,
    branch: Option<At<&'d str>>,
    environments: Vec<EnvironmentDraft<'d>>,
}

/// An environment as far as it could be read.
struct EnvironmentDraft<'d> {
    section: Section<'d>,
    name: Option<EnvironmentName>,
    account: Option<At<AccountId>>,
    region: Option<Region>,
    on: Vec<Cause>,
    after: Option<At<EnvironmentName>>,
    queue: Option<QueuePolicy>,
    stacks: Vec<At<&'d str>>,
    qualifier: Option<Qualifier>,
    without_stable: Option<WithoutStable>,
    replace_failed_stacks: Option<bool>,
    freezes: Vec<Freeze>,
    integration_tests: Option<bool>,
    pull_requests: Option<bool>,
    url: Option<StackOutput>,
    approval: Option<ApprovalPolicy>,
    max_age_seconds: Option<u64>,
    bake: Option<BakePolicy>,
    watch_seconds: Option<u64>,
    holds: Option<bool>,
    keep: Option<u32>,
}

/// The most releases of an environment that are kept for going back: what is older was replaced a hundred times.
const MOST_KEPT: u32 = 100;

impl<'d> ApplicationDraft<'d> {
    /// `tools` is the account of the pipeline, `region` its region.
    fn read(
        findings: &mut Findings<'_>,
        name: &'d str,
        section: Section<'d>,
        (tools, region): (Option<&AccountId>, Option<&Region>),
    ) -> Self {
        findings.only(&section, &["branch", "people", "groups", "environment"]);
        let key = At {
            value: name,
            offset: section.offset,
        };
        let repository = findings.parse::<RepositoryName>(&section.path, Some(key));
        let branch = findings.required_text(&section, "branch", "branch = \"main\"");
        if let Some(At { value, offset }) = &branch
            && !is_branch(value)
        {
            let message = format!("{value:?} cannot be a branch of Git (see `git help check-ref-format`)");
            findings.problem(*offset, &section.path_of("branch"), message);
        }
        let mut people = People::read(findings, &section, tools);
        let parent = findings.section(&section, "environment");
        let environments: Vec<EnvironmentDraft<'_>> = findings
            .sections(&parent)
            .into_iter()
            .map(|(name, section)| EnvironmentDraft::read(findings, name, section, region, &mut people))
            .collect();
        if parent.is_empty() && !findings.is_broken() {
            let message = format!("has no environment; write [{}.environment.dev]", section.path);
            findings.problem(section.offset, &section.path, message);
        }
        check_order(findings, &environments);
        check_places(findings, &environments);
        Self {
            section,
            repository: repository.map(|name| name.value),
            branch,
            environments,
        }
    }

    fn finish(self, findings: &mut Findings<'_>) -> Option<Application> {
        let environments: Option<Vec<Environment>> =
            self.environments.into_iter().map(EnvironmentDraft::finish).collect();
        let mut environments = environments?;
        let asking: Vec<EnvironmentName> = environments
            .iter()
            .filter(|environment| environment.approval.is_some())
            .map(|environment| environment.name.clone())
            .collect();
        for environment in &mut environments {
            environment.after_acceptance = environment.after.as_ref().is_some_and(|after| asking.contains(after));
        }
        let application = Application {
            repository: self.repository?,
            branch: self.branch?.value.to_owned(),
            environments,
        };
        let size = serde_json::to_string(&application).map_or(usize::MAX, |json| json.len());
        if size > PARAMETER_LIMIT {
            let message = format!(
                "resolves to {size} bytes; more than {PARAMETER_LIMIT} cannot be stored, use fewer environments, people, freezes or stack patterns"
            );
            findings.problem(self.section.offset, &self.section.path, message);
        }
        Some(application)
    }
}

impl<'d> EnvironmentDraft<'d> {
    fn read(
        findings: &mut Findings<'_>,
        name: &'d str,
        section: Section<'d>,
        region: Option<&Region>,
        people: &mut People<'d>,
    ) -> Self {
        let known = [
            "account",
            "region",
            "on",
            "after",
            "queue",
            "stacks",
            "qualifier",
            "without_stable",
            "replace_failed_stacks",
            "freeze",
            "integration_tests",
            "pull_requests",
            "url",
            "approval",
            "max_age",
            "bake",
            "watch",
            "hold",
            "keep",
        ];
        findings.only(&section, &known);
        let key = At {
            value: name,
            offset: section.offset,
        };
        let name = findings
            .parse::<EnvironmentName>(&section.path, Some(key))
            .map(|name| name.value);
        let account = findings.required_text(&section, "account", "account = \"222222222222\"");
        let account = findings.parse(&section.path_of("account"), account);
        let own_region = findings.text(&section, "region");
        let region = match own_region {
            Some(text) => findings
                .parse(&section.path_of("region"), Some(text))
                .map(|region| region.value),
            None => region.cloned(),
        };
        let on = Self::read_on(findings, &section);
        let after = findings.text(&section, "after");
        let after = findings.parse(&section.path_of("after"), after);
        let queue = findings.text(&section, "queue");
        let queue = queue.and_then(|text| findings.choose(&section.path_of("queue"), &text, QueuePolicy::VARIANTS));
        let stacks = findings.texts(&section, "stacks");
        for At { value, offset } in &stacks {
            // Alternatives in braces are no pattern here, and would be taken for a name.
            if value.is_empty() || value.contains(['{', '}']) || Pattern::new(value).is_err() {
                let message = format!("{value:?} is not a pattern of stack names; write, for example, \"shop-*\"");
                findings.problem(*offset, &section.path_of("stacks"), message);
            }
        }
        let qualifier = findings.text(&section, "qualifier").unwrap_or(At {
            value: DEFAULT_QUALIFIER,
            offset: 0,
        });
        let qualifier = findings
            .parse(&section.path_of("qualifier"), Some(qualifier))
            .map(|found| found.value);
        let without_stable = findings
            .text(&section, "without_stable")
            .and_then(|text| findings.choose(&section.path_of("without_stable"), &text, WithoutStable::VARIANTS));
        let replace_failed_stacks = findings.flag(&section, "replace_failed_stacks");
        let freezes = freeze::read(findings, &section);
        let integration_tests = findings.flag(&section, "integration_tests");
        let pull_requests = findings.flag(&section, "pull_requests");
        let url = Self::read_url(findings, &section);
        let approval = approval::read(findings, &section, people);
        let words = ("1 minute to 365 days", "\"30 days\"");
        let max_age_seconds = time_span::read(findings, &section, "max_age", MINUTE..=365 * DAY, words);
        if max_age_seconds.is_some() && after.is_none() {
            let message = "is the age of what was stable before, and there is no after";
            findings.problem(section.offset_of("max_age"), &section.path_of("max_age"), message);
        }
        let bake = bake::read(findings, &section);
        let says_bake = section.names().contains(&"bake");
        let watch_seconds = bake::read_watch(findings, &section, says_bake);
        let holds = findings.flag(&section, "hold");
        let keep = Self::read_keep(findings, &section);
        Self {
            section,
            name,
            account,
            region,
            on,
            after,
            queue,
            stacks,
            qualifier,
            without_stable,
            replace_failed_stacks,
            freezes,
            integration_tests,
            pull_requests,
            url,
            approval,
            max_age_seconds,
            bake,
            watch_seconds,
            holds,
            keep,
        }
    }

    fn read_url(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<StackOutput> {
        let text = findings.text(section, "url");
        let url = findings.parse::<StackOutput>(&section.path_of("url"), text)?;
        Some(url.value)
    }

    fn read_keep(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<u32> {
        let Some(At { value, offset }) = findings.number(section, "keep") else {
            return section.names().iter().all(|name| *name != "keep").then_some(KEEP);
        };
        let keep = u32::try_from(value).ok().filter(|keep| (1..=MOST_KEPT).contains(keep));
        if keep.is_none() {
            let message = format!("{value} is not 1 to {MOST_KEPT} releases");
            findings.problem(offset, &section.path_of("keep"), message);
        }
        keep
    }

    fn read_on(findings: &mut Findings<'_>, section: &Section<'_>) -> Vec<Cause> {
        let example = format!("on = \"push\" (or {})", Cause::NAMED[1..].join(", "));
        findings.require(section, "on", &example);
        let path = section.path_of("on");
        let causes = findings.text_or_texts(section, "on");
        if let Some(offset) = section.offset_of_empty_list("on") {
            findings.problem(
                offset,
                &path,
                "names nothing; write \"manual\" for what only people start",
            );
        }
        causes
            .iter()
            .filter_map(|text| findings.choose(&path, text, &Cause::NAMED))
            .collect()
    }

    /// The environment with its defaults, if all of it could be read.
    fn finish(self) -> Option<Environment> {
        // What is asked for often and can be made again is put right by the next one; the rest waits for a person.
        let often = self.on.contains(&Cause::Push) || self.on.contains(&Cause::Prerelease);
        Some(Environment {
            name: self.name?,
            account: self.account?.value,
            region: self.region?,
            on: self.on,
            after: self.after.map(|after| after.value),
            queue: self
                .queue
                .unwrap_or(if often { QueuePolicy::Newest } else { QueuePolicy::Every }),
            stacks: owned(&self.stacks),
            qualifier: self.qualifier?,
            without_stable: self.without_stable.unwrap_or(if often {
                WithoutStable::GiveBack
            } else {
                WithoutStable::CallOperator
            }),
            replace_failed_stacks: self.replace_failed_stacks.unwrap_or(often),
            freezes: self.freezes,
            // Who asks people spares them what a machine can find.
            integration_tests: self.integration_tests.unwrap_or(self.approval.is_some()),
            pull_requests: self.pull_requests.unwrap_or(false),
            url: self.url,
            approval: self.approval,
            after_acceptance: false,
            max_age_seconds: self.max_age_seconds,
            // Where customers are watched, nobody goes forward before somebody has looked.
            holds: self.holds.unwrap_or(self.bake.is_some()),
            bake: self.bake,
            watch_seconds: self.watch_seconds,
            keep: self.keep?,
        })
    }
}

/// A rule that could not be kept is refused instead of ignored.
const PUSHED_AFTER: &str =
    "what a push starts is built here and was stable nowhere before; leave out after, or \"push\" in on";

/// `after` names another environment of the application, and following it comes to an end.
fn check_order(findings: &mut Findings<'_>, environments: &[EnvironmentDraft<'_>]) {
    let names: Vec<&str> = environments
        .iter()
        .filter_map(|e| e.name.as_ref())
        .map(EnvironmentName::as_str)
        .collect();
    let before = |name: &EnvironmentName| {
        let environment = environments.iter().find(|e| e.name.as_ref() == Some(name))?;
        environment.after.as_ref().map(|after| &after.value)
    };
    let mut reported: Vec<&EnvironmentName> = Vec::new();
    for environment in environments {
        let (Some(name), Some(At { value: after, offset })) = (&environment.name, &environment.after) else {
            continue;
        };
        let path = environment.section.path_of("after");
        if environment.on.contains(&Cause::Push) {
            findings.problem(*offset, &path, PUSHED_AFTER);
        }
        if !names.contains(&after.as_str()) {
            let hint = nearest::hint(after.as_str(), &names);
            findings.problem(
                *offset,
                &path,
                format!("{after} is no environment of this application{hint}"),
            );
            continue;
        }
        let mut way = vec![name];
        let mut next = Some(after);
        while let Some(here) = next.filter(|here| !way.contains(here)) {
            way.push(here);
            next = before(here);
        }
        if next == Some(name) && !reported.contains(&name) {
            reported.extend(&way);
            way.push(name);
            let circle: Vec<&str> = way.into_iter().map(EnvironmentName::as_str).collect();
            findings.problem(
                *offset,
                &path,
                format!("goes round in a circle: {}", circle.join(" after ")),
            );
        }
    }
}

/// Each approver has a subscription of their own to one topic, with a filter policy.
fn check_subscriptions(findings: &mut Findings<'_>, offset: usize, applications: &[Application]) {
    let environments = applications.iter().flat_map(|application| &application.environments);
    let policies = environments.filter_map(|environment| environment.approval.as_ref());
    let asked = policies.flat_map(|policy| &policy.people);
    let addresses: BTreeSet<&str> = asked.filter_map(|person| person.name.mail()).collect();
    if addresses.len() > ADDRESSES_LIMIT {
        let message = format!(
            "{} mail addresses are asked to accept, and a topic of SNS has {ADDRESSES_LIMIT} filter policies; name \
             fewer, or some by their ARN",
            addresses.len()
        );
        findings.problem(offset, "application", message);
    }
}

/// Two environments of one application in the same account and region are told apart by their stacks alone.
fn check_places(findings: &mut Findings<'_>, environments: &[EnvironmentDraft<'_>]) {
    for (index, later) in environments.iter().enumerate() {
        for earlier in &environments[..index] {
            let Some((account, name)) = later.shares_place_with(earlier).zip(earlier.name.as_ref()) else {
                continue;
            };
            let overlap = if later.stacks.is_empty() || earlier.stacks.is_empty() {
                Some((account.offset, "account", "give both of them `stacks`".to_owned()))
            } else {
                later
                    .stacks
                    .iter()
                    .find(|a| earlier.stacks.iter().any(|b| overlap(a.value, b.value)))
                    .map(|stack| {
                        (
                            stack.offset,
                            "stacks",
                            format!("{:?} may name a stack of {name}", stack.value),
                        )
                    })
            };
            if let Some((offset, key, what)) = overlap {
                let message = format!("{name} is in the same account and region: {what}");
                findings.problem(offset, &later.section.path_of(key), message);
            }
        }
    }
}

impl EnvironmentDraft<'_> {
    /// The account, if both are in the same one and in the same region.
    fn shares_place_with(&self, other: &Self) -> Option<&At<AccountId>> {
        let account = self.account.as_ref()?;
        let same = account.value == other.account.as_ref()?.value && self.region.as_ref()? == other.region.as_ref()?;
        same.then_some(account)
    }
}

/// GitHub takes two spellings of a name that differ in case for the same repository.
fn check_repositories(findings: &mut Findings<'_>, drafts: &[ApplicationDraft<'_>]) {
    for (index, later) in drafts.iter().enumerate() {
        let Some(repository) = &later.repository else { continue };
        let same = drafts[..index]
            .iter()
            .filter_map(|draft| draft.repository.as_ref())
            .find(|other| other.as_str().eq_ignore_ascii_case(repository.as_str()));
        if let Some(other) = same {
            let message = format!("is the same repository as {other}; write it as GitHub spells it, once");
            findings.problem(later.section.offset, &later.section.path, message);
        }
    }
}

/// Two applications may live in one account, but no stack belongs to both. Patterns are compared with stack names only
/// when a release is there; what can be seen here is a name that is written out in both.
fn check_shared_stacks(findings: &mut Findings<'_>, drafts: &[ApplicationDraft<'_>]) {
    for (index, later) in drafts.iter().enumerate() {
        for earlier in &drafts[..index] {
            for (a, b) in later
                .environments
                .iter()
                .flat_map(|a| earlier.environments.iter().map(move |b| (a, b)))
            {
                let Some(repository) = earlier.repository.as_ref().filter(|_| a.shares_place_with(b).is_some()) else {
                    continue;
                };
                for At { value, offset } in &a.stacks {
                    if is_plain(value) && b.stacks.iter().any(|other| other.value == *value) {
                        let message = format!("{value:?} also belongs to {repository} in the same account and region");
                        findings.problem(*offset, &a.section.path_of("stacks"), message);
                    }
                }
            }
        }
    }
}

/// Whether a stack may match both patterns, as far as can be told without knowing the stacks: where there is doubt, it may.
fn overlap(a: &str, b: &str) -> bool {
    let matches = |pattern: &str, name: &str| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name));
    match (is_plain(a), is_plain(b)) {
        (true, true) => a == b,
        (true, false) => matches(b, a) || b.contains('/'),
        (false, true) => matches(a, b) || a.contains('/'),
        // A path and a name are told of one stack.
        (false, false) if a.contains('/') != b.contains('/') => true,
        (false, false) => {
            let (begins_a, begins_b) = (beginning(a), beginning(b));
            let (ends_a, ends_b) = (end(a), end(b));
            (begins_a.starts_with(begins_b) || begins_b.starts_with(begins_a))
                && (ends_a.ends_with(ends_b) || ends_b.ends_with(ends_a))
        }
    }
}

/// What everything that a pattern matches begins with.
fn beginning(pattern: &str) -> &str {
    pattern.split(WILDCARDS).next().unwrap_or_default()
}

/// What everything that a pattern matches ends with.
fn end(pattern: &str) -> &str {
    pattern.rsplit(WILDCARDS).next().unwrap_or_default()
}

/// What makes a name a pattern.
const WILDCARDS: [char; 4] = ['*', '?', '[', ']'];

/// Whether a pattern is just a name.
fn is_plain(pattern: &str) -> bool {
    pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn owned(texts: &[At<&str>]) -> Vec<String> {
    texts.iter().map(|text| text.value.to_owned()).collect()
}

/// Long enough for 128 bits in base64, and of the characters that STS takes (AWS STS API reference, `AssumeRole`).
fn is_external_id(text: &str) -> bool {
    (22..=1224).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+=,.@:/-".contains(&b))
}

/// Plausible is enough: SNS asks the address itself for confirmation.
pub(super) fn is_mail_address(text: &str) -> bool {
    let domain_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 254
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len())
                && local
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b))
                && domain.contains('.')
                && domain.split('.').all(domain_label)
        })
}

fn check_address_range(text: &str) -> Result<(), String> {
    let wrong = || format!("{text:?} is not a range of addresses; write, for example, \"10.20.0.0/16\"");
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32_u32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    // `+16` and `016` parse as numbers and are no lengths.
    let length: u32 = length
        .parse()
        .ok()
        .filter(|n: &u32| n.to_string() == length && *n <= width)
        .ok_or_else(wrong)?;
    let rest = width - length;
    let network = bits.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0);
    if network == bits {
        Ok(())
    } else {
        Err(format!(
            "{text:?} has bits set behind its first {length}; write the range's first address"
        ))
    }
}

/// Whether it is a plain address over TLS, or on this very machine.
fn is_address(text: &str) -> bool {
    let is_plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, "443"),
    };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address: Option<IpAddr> = literal.unwrap_or(host).parse().ok();
    let is_host = match literal {
        Some(_) => address.is_some_and(|address| address.is_ipv6()),
        None => !host.is_empty() && is_plain(host),
    };
    let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let is_port = port
        .parse()
        .is_ok_and(|number: u16| number > 0 && number.to_string() == port);
    is_host
        && is_port
        && path.split('/').all(is_plain)
        && match scheme {
            "https" => true,
            "http" => here,
            _ => false,
        }
}

/// The rules of `git help check-ref-format` for the part of a reference after `refs/heads/`.
pub(super) fn is_branch(text: &str) -> bool {
    let part = |part: &str| {
        let lock = part.len() >= 5 && part.as_bytes()[part.len() - 5..].eq_ignore_ascii_case(b".lock");
        !part.is_empty() && !part.starts_with('.') && !lock
    };
    !text.is_empty()
        && text.len() <= 255
        && !text.starts_with('-')
        && !text.ends_with('.')
        && text != "@"
        && !text.contains("..")
        && !text.contains("@{")
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
        && text.split('/').all(part)
}
