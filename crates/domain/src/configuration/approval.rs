//! Whom an environment asks: the people and groups of an application, and the policies that name them.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{At, Findings, Item, Section};
use super::read::is_mail_address;
use super::time_span::{self, DAY, MINUTE};
use crate::approval::{
    ApprovalPolicy, Approver, Duty, Login, MailAddress, OnReject, Person, PrincipalArn, When, account_of, names_nobody,
};
use crate::names::AccountId;
use crate::nearest;

/// How long people have where nothing is said.
const DEFAULT_WITHIN: u64 = 3 * DAY;
/// The longest that people may have, in seconds: the states that wait meanwhile last at least a day longer.
pub const LONGEST_WITHIN: u64 = 14 * DAY;

/// The words for what becomes of a candidate that is not accepted.
const ON_REJECT: [(&str, OnReject); 2] = [("stay", OnReject::Stay), ("roll back", OnReject::RollBack)];

/// The words for when people are asked.
const WHEN: [(&str, When); 2] = [("before", When::Before), ("after", When::After)];

/// Who is who in an application, as far as it could be read.
pub(super) struct People<'d> {
    known: BTreeMap<Approver, Person>,
    /// In the order in which they are first named, to tell when one person is named as two.
    named: Vec<Person>,
    /// Those of whom it is said who they are on GitHub, be it that they are nobody there.
    on_github: BTreeSet<Approver>,
    groups: Vec<(&'d str, Vec<Approver>)>,
    /// The tools account, where it could be read: who answers by the command calls an API there.
    tools: Option<AccountId>,
}

impl<'d> People<'d> {
    /// Reads `people` and `groups` of an application.
    pub(super) fn read(findings: &mut Findings<'_>, application: &Section<'d>, tools: Option<&AccountId>) -> Self {
        let mut people = Self {
            known: BTreeMap::new(),
            named: Vec::new(),
            on_github: BTreeSet::new(),
            groups: Vec::new(),
            tools: tools.cloned(),
        };
        let section = findings.section(application, "people");
        for (name, section) in findings.sections(&section) {
            people.read_person(findings, name, &section);
        }
        let section = findings.section(application, "groups");
        for name in section.names() {
            people.read_group(findings, name, &section);
        }
        people
    }

    fn approver(&self, findings: &mut Findings<'_>, path: &str, text: &At<&str>) -> Option<At<Approver>> {
        let name = findings.parse::<Approver>(path, Some(text.clone()))?;
        if name.value.mail().is_some_and(|mail| !is_mail_address(mail)) {
            findings.problem(text.offset, path, format!("{:?} is not a mail address", text.value));
            return None;
        }
        self.is_somebody(findings, path, name.value.as_str(), name.offset)
            .then_some(name)
    }

    /// Refuses a principal that anybody could be, or that can call nothing in the tools account: an HTTP API has no resource
    /// policy, and therefore takes no callers of other accounts (AWS re:Post, "How can I provide cross-account IAM
    /// authorization for API Gateway HTTP APIs?").
    fn is_somebody(&self, findings: &mut Findings<'_>, path: &str, principal: &str, offset: usize) -> bool {
        let elsewhere = || {
            let (tools, account) = (self.tools.as_ref()?, account_of(principal)?);
            (tools.as_str() != account).then(|| {
                format!(
                    "people answer in the tools account, {tools}, with a user or a role of that account; this one is of {account}"
                )
            })
        };
        let why = names_nobody(principal).or_else(elsewhere);
        if let Some(why) = &why {
            findings.problem(offset, path, format!("{principal} names nobody: {why}"));
        }
        why.is_none()
    }

    fn read_person(&mut self, findings: &mut Findings<'_>, name: &'d str, section: &Section<'d>) {
        findings.only(section, &["github", "mail", "aws"]);
        let key = At {
            value: name,
            offset: section.offset,
        };
        let logins = named::<Login>(findings, section, "github");
        let mails = named::<MailAddress>(findings, section, "mail");
        let mut arns = named::<PrincipalArn>(findings, section, "aws");
        arns.retain(|arn| self.is_somebody(findings, &section.path_of("aws"), arn.value.as_str(), arn.offset));
        let says_login = section.names().contains(&"github");
        let Some(name) = self.approver(findings, &section.path, &key) else {
            return;
        };
        if self.known.contains_key(&name.value) {
            findings.problem(name.offset, &section.path, format!("{} is listed twice", name.value));
            return;
        }
        if says_login {
            self.on_github.insert(name.value.clone());
        }
        let person = Person {
            name: name.value.clone(),
            logins: values(logins),
            mails: values(mails),
            arns: values(arns),
        };
        self.name(findings, &section.path, &name, &person);
        self.known.insert(name.value, person);
    }

    fn read_group(&mut self, findings: &mut Findings<'_>, name: &'d str, section: &Section<'d>) {
        let path = section.path_of(name);
        let texts = findings.texts(section, name);
        let is_name = (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !is_name {
            findings.problem(
                section.offset_of(name),
                &path,
                format!("{name:?} is not a group's name: 1 to 40 letters, digits, '-' and '_'"),
            );
        }
        if let Some(offset) = section.offset_of_empty_list(name) {
            findings.problem(offset, &path, "names nobody");
        }
        let people = self.approvers(findings, &path, &texts);
        self.groups.push((name, people));
    }

    /// The people of a list, each once.
    fn approvers(&mut self, findings: &mut Findings<'_>, path: &str, texts: &[At<&str>]) -> Vec<Approver> {
        let mut people: Vec<Approver> = Vec::with_capacity(texts.len());
        for text in texts {
            let Some(name) = self.approver(findings, path, text) else {
                continue;
            };
            if people.contains(&name.value) {
                findings.problem(name.offset, path, format!("{} is listed twice", name.value));
                continue;
            }
            let person = self.person(&name.value);
            self.name(findings, path, &name, &person);
            self.ask_for_login(findings, path, &name);
            people.push(name.value);
        }
        people
    }

    /// Refuses, once, somebody of whom nothing says who they are on GitHub. Who asks for a release is known by their
    /// login alone, and who wrote it often is: they would accept what is their own.
    fn ask_for_login(&mut self, findings: &mut Findings<'_>, path: &str, name: &At<Approver>) {
        if !findings.is_broken() && self.on_github.insert(name.value.clone()) {
            let message = format!(
                "nothing says who {0} is on GitHub, so they could accept what they wrote or asked for; write \
                 {0:?} = {{ github = [\"login\"] }} into the application's people, or github = [] for somebody without \
                 an account",
                name.value
            );
            findings.problem(name.offset, path, message);
        }
    }

    /// Whoever is named so, with all that is known of them.
    fn person(&self, name: &Approver) -> Person {
        self.known.get(name).cloned().unwrap_or_else(|| Person {
            name: name.clone(),
            logins: Vec::new(),
            mails: Vec::new(),
            arns: Vec::new(),
        })
    }

    /// Takes note that somebody is named, and refuses one person under two names: they would count twice.
    fn name(&mut self, findings: &mut Findings<'_>, path: &str, name: &At<Approver>, person: &Person) {
        if self.named.iter().any(|other| other.name == person.name) {
            return;
        }
        if let Some((other, by)) = self
            .named
            .iter()
            .find_map(|other| other.in_common(person).map(|by| (other, by)))
        {
            let message = format!(
                "{} is the same person as {} ({by}); name them once",
                person.name, other.name
            );
            findings.problem(name.offset, path, message);
        }
        self.named.push(person.clone());
    }
}

/// Reads `approval` of an environment; nothing, where it asks nobody or what it says cannot be kept.
pub(super) fn read<'d>(
    findings: &mut Findings<'_>,
    environment: &Section<'d>,
    people: &mut People<'d>,
) -> Option<ApprovalPolicy> {
    let section = findings.section(environment, "approval");
    if section.is_absent() {
        return None;
    }
    findings.only(&section, &["when", "by", "need", "within", "on_reject"]);
    let duties = read_duties(findings, &section, people);
    let words = ("1 minute to 14 days", "\"90 minutes\", \"36 hours\" or \"3 days\"");
    let within_seconds = if section.names().contains(&"within") {
        time_span::read(findings, &section, "within", MINUTE..=LONGEST_WITHIN, words)
    } else {
        Some(DEFAULT_WITHIN)
    };
    let when = read_word(findings, &section, "when", &WHEN, When::After);
    let on_reject = read_word(findings, &section, "on_reject", &ON_REJECT, OnReject::Stay);
    if when == Some(When::Before) && section.names().contains(&"on_reject") {
        let message = "says what becomes of a release that is there; where people are asked before, nothing is";
        findings.problem(section.offset_of("on_reject"), &section.path_of("on_reject"), message);
    }
    let duties = duties?;
    let mut asked: Vec<Person> = Vec::new();
    for name in duties.iter().flat_map(|duty| &duty.people) {
        if asked.iter().all(|person| person.name != *name) {
            asked.push(people.person(name));
        }
    }
    let policy = ApprovalPolicy {
        when: when?,
        people: asked,
        duties,
        within_seconds: within_seconds?,
        on_reject: on_reject?,
    };
    let by = section.offset_of("by");
    if policy.people.len() > ApprovalPolicy::MOST_PEOPLE {
        let message = format!(
            "asks {} people; at most {} can be asked",
            policy.people.len(),
            ApprovalPolicy::MOST_PEOPLE
        );
        findings.problem(by, &section.path_of("by"), message);
    } else if !policy.can_be_met() {
        let message = "cannot be met: each person counts in one group only, and there are too few";
        findings.problem(by, &section.path_of("by"), message);
    }
    Some(policy)
}

/// What one of a few words stands for; nothing, where it is none of them.
fn read_word<Meaning: Copy>(
    findings: &mut Findings<'_>,
    section: &Section<'_>,
    key: &str,
    known: &[(&str, Meaning)],
    otherwise: Meaning,
) -> Option<Meaning> {
    let Some(text) = findings.text(section, key) else {
        return Some(otherwise);
    };
    let found = known.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let hint = nearest::hint(text.value, &words);
        let message = format!("{:?} is none of {}{hint}", text.value, words.join(", "));
        findings.problem(text.offset, &section.path_of(key), message);
    }
    found.map(|(_, meaning)| *meaning)
}

/// The duties that `by` and `need` come to, if all of them can be met, each for itself.
fn read_duties<'d>(findings: &mut Findings<'_>, section: &Section<'d>, people: &mut People<'d>) -> Option<Vec<Duty>> {
    let path = section.path_of("by");
    findings.require(section, "by", "by = [\"qa@acme.example\"]");
    if let Some(offset) = section.offset_of_empty_list("by") {
        findings.problem(offset, &path, "names nobody");
    }
    let (mut texts, mut groups) = (Vec::new(), Vec::new());
    for item in findings.items(section, "by") {
        match item {
            Item::Text(text) => texts.push(text),
            Item::Table(group) => groups.push(group),
        }
    }
    let need = findings.number(section, "need");
    if let (Some(_), Some(group)) = (texts.first(), groups.first()) {
        let message = "people and groups stand side by side; make a group of these people";
        findings.problem(group.offset, &path, message);
        return None;
    }
    if groups.is_empty() {
        let named = people.approvers(findings, &path, &texts);
        if named.is_empty() {
            return None;
        }
        let whole = named.len() == texts.len();
        let need = needed(findings, &section.path_of("need"), need.as_ref(), named.len(), whole)?;
        return Some(vec![Duty {
            group: None,
            people: named,
            need,
        }]);
    }
    if let Some(At { offset, .. }) = need {
        let message = "stands beside groups; write it into each of them";
        findings.problem(offset, &section.path_of("need"), message);
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut duties = Vec::with_capacity(groups.len());
    for group in &groups {
        findings.only(group, &["group", "need"]);
        let need = findings.number(group, "need");
        let name = findings.required_text(group, "group", "group = \"testers\"")?;
        let Some((_, members)) = people.groups.iter().find(|(known, _)| *known == name.value) else {
            let known: Vec<&str> = people.groups.iter().map(|(known, _)| *known).collect();
            let hint = nearest::hint(name.value, &known);
            let message = format!("{:?} is no group of this application{hint}", name.value);
            findings.problem(name.offset, &group.path_of("group"), message);
            continue;
        };
        if seen.contains(&name.value) {
            let message = format!("{:?} is listed twice", name.value);
            findings.problem(name.offset, &group.path_of("group"), message);
            continue;
        }
        seen.push(name.value);
        let members = members.clone();
        // What is wrong with an empty group was said where it stands.
        let whole = !members.is_empty();
        if let Some(need) = needed(findings, &group.path_of("need"), need.as_ref(), members.len(), whole) {
            duties.push(Duty {
                group: Some(name.value.to_owned()),
                people: members,
                need,
            });
        }
    }
    (duties.len() == groups.len()).then_some(duties)
}

/// How many of so many have to accept, if so many can.
fn needed(
    findings: &mut Findings<'_>,
    path: &str,
    need: Option<&At<i64>>,
    of: usize,
    all_could_be_read: bool,
) -> Option<u32> {
    let Some(At { value, offset }) = need else {
        return Some(1);
    };
    match u32::try_from(*value) {
        Ok(need) if need >= 1 && (!all_could_be_read || need as usize <= of) => Some(need),
        Ok(1..) => {
            findings.problem(*offset, path, format!("needs {value} people, but names only {of}"));
            None
        }
        _ => {
            findings.problem(
                *offset,
                path,
                format!("{value} is no number of people; write 1 or more"),
            );
            None
        }
    }
}

/// The names of one kind under a key.
fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    findings: &mut Findings<'_>,
    section: &Section<'_>,
    key: &str,
) -> Vec<At<T>> {
    let path = section.path_of(key);
    findings
        .text_or_texts(section, key)
        .into_iter()
        .filter_map(|text| findings.parse(&path, Some(text)))
        .collect()
}

fn values<T>(found: Vec<At<T>>) -> Vec<T> {
    found.into_iter().map(|found| found.value).collect()
}
