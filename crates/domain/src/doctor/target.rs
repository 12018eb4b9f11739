//! What is in the account that an environment is in.

use super::pipeline::stack;
use super::{Check, Finding, deploy};
use crate::bake::{AlarmState, Seen};
use crate::names::{AccountId, Qualifier, Region};
use crate::stack_status::{StackResource, StackStatus};

/// From this version on, the deploy role of CDK's bootstrap may roll stacks back and continue rollbacks (AWS CDK v2
/// developer guide, "cdk rollback" and "Bootstrap template version history"), which is what Lockgate asks of it where
/// CloudFormation's own rollback failed.
pub const BOOTSTRAP_AT_LEAST: u32 = 23;

/// An environment's account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The environment and its application, in words.
    pub about: String,
    /// The environment's name alone, as `--profile-of` takes it.
    pub environment: String,
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Of the CDK bootstrap.
    pub qualifier: Qualifier,
    /// The tools account's number.
    pub tools: String,
}

/// The stack `CDKToolkit`, by which the CDK CLI bootstraps where no other name is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolkit {
    /// Its parameter `Qualifier`.
    pub qualifier: String,
    /// Its parameter `TrustedAccounts`, separated by commas.
    pub trusted: String,
}

impl Place {
    pub(super) fn bootstrap(&self) -> String {
        let Self {
            account,
            region,
            qualifier,
            tools,
            ..
        } = self;
        let qualifier = if qualifier.as_str() == "hnb659fds" {
            String::new()
        } else {
            format!(" --qualifier {qualifier}")
        };
        format!(
            "`cdk bootstrap aws://{account}/{region} --trust {tools}{qualifier} --cloudformation-execution-policies \
             arn:aws:iam::aws:policy/AdministratorAccess` with credentials of that account, and with --trust for others that it trusts"
        )
    }

    pub(super) fn stack(&self) -> String {
        format!("Environment-{}-{}", self.account, self.region)
    }
}

/// Nobody said with which profile the account is to be looked at.
pub fn not_looked_at(place: &Place) -> Finding {
    Finding::unchecked(
        Check::Target,
        &place.about,
        format!(
            "account {} was not looked at: neither its bootstrap and whom that trusts, nor the stack lockgate-environment with its \
             roles and rules, nor alarms",
            place.account
        ),
        format!(
            "Ask again with `--profile-of {}=<a profile of that account>`.",
            place.environment
        ),
    )
}

/// The profile leads to another account.
pub fn other_account(place: &Place, profile: &str, account: &str) -> Finding {
    Finding::unchecked(
        Check::Target,
        &place.about,
        format!(
            "the profile {profile} is one of account {account}, and the environment is in {}",
            place.account
        ),
        format!(
            "Ask again with `--profile-of {}=<a profile of that account>`.",
            place.environment
        ),
    )
}

/// The version of the account's bootstrap, as its parameter says it.
pub fn bootstrap(place: &Place, version: Option<&str>) -> Finding {
    let name = Check::Bootstrap;
    let about = &place.about;
    let parameter = format!("/cdk-bootstrap/{}/version", place.qualifier);
    match version.map(|version| version.trim().parse::<u32>()) {
        None => Finding::broken(
            name,
            about,
            format!(
                "account {} is not bootstrapped in {}: there is no parameter {parameter}",
                place.account, place.region
            ),
            format!("Run {}.", place.bootstrap()),
        ),
        Some(Err(_)) => Finding::broken(
            name,
            about,
            format!("the parameter {parameter} is no version"),
            format!("Run {}.", place.bootstrap()),
        ),
        Some(Ok(version)) if version < BOOTSTRAP_AT_LEAST => Finding::warning(
            name,
            about,
            format!(
                "the bootstrap has version {version}, whose deploy role may not continue a rollback that failed; \
                 {BOOTSTRAP_AT_LEAST} may"
            ),
            format!("Run {}.", place.bootstrap()),
        ),
        Some(Ok(version)) => Finding::ok(name, about, format!("the bootstrap has version {version}")),
    }
}

/// Whether the bootstrap lets the tools account deploy, as its stack was told: for who may not look at the role itself.
pub fn toolkit(place: &Place, toolkit: Option<&Toolkit>) -> Finding {
    let name = Check::BootstrapTrust;
    let about = &place.about;
    if place.account.as_str() == place.tools {
        return Finding::ok(name, about, "it is in the tools account, which its own roles trust");
    }
    let Some(toolkit) = toolkit.filter(|toolkit| toolkit.qualifier == place.qualifier.as_str()) else {
        return Finding::unchecked(
            name,
            about,
            format!(
                "there is no stack CDKToolkit with the qualifier {} that says whom the bootstrap trusts",
                place.qualifier
            ),
            format!(
                "Look for account {} in what `aws iam get-role --role-name cdk-{}-deploy-role-{}-{} --query \
                 Role.AssumeRolePolicyDocument` prints there.",
                place.tools, place.qualifier, place.account, place.region
            ),
        );
    };
    if toolkit.trusted.split(',').any(|account| account.trim() == place.tools) {
        return Finding::ok(
            name,
            about,
            format!(
                "the bootstrap was told to trust the tools account {}; its role was not looked at",
                place.tools
            ),
        );
    }
    Finding::broken(
        name,
        about,
        format!("the bootstrap was not told to trust the tools account {}", place.tools),
        format!("Run {}.", place.bootstrap()),
    )
}

/// The stack `lockgate-environment`.
pub fn environment_stack(place: &Place, status: Option<&StackStatus>) -> Finding {
    stack(Check::EnvironmentStack, &place.about, status, &place.stack())
}

/// How the ids of what a deployment needs of `lockgate-environment` begin, and what each is.
const PARTS: [(&str, &str, &str); 5] = [
    ("AWS::IAM::Role", "Publisher", "the role that publishes assets"),
    ("AWS::IAM::Role", "Tester", "the role that runs smoke tests"),
    ("AWS::IAM::Role", "Observer", "the role that watches alarms"),
    ("AWS::Events::Rule", "Settled", "the rule that tells of stacks"),
    ("AWS::Events::Rule", "Fired", "the rule that tells of alarms"),
];

/// The roles and rules of `lockgate-environment`, as CloudFormation lists them.
pub fn parts(place: &Place, resources: &[StackResource]) -> Finding {
    let is_there = |kind: &str, id: &str| {
        resources.iter().any(|resource| {
            resource.resource_type == kind
                && resource.logical_id.starts_with(id)
                && !resource.status.starts_with("DELETE_")
                && !resource.status.ends_with("_FAILED")
        })
    };
    let missing = PARTS.iter().filter(|(kind, id, _)| !is_there(kind, id));
    let missing: Vec<&str> = missing.map(|(.., what)| *what).collect();
    if missing.is_empty() {
        return Finding::ok(
            Check::EnvironmentParts,
            &place.about,
            "lockgate-environment has its three roles and two rules",
        );
    }
    Finding::broken(
        Check::EnvironmentParts,
        &place.about,
        format!("lockgate-environment lacks {}", missing.join(", ")),
        format!("Run {}.", deploy(&place.stack())),
    )
}

/// The alarms by which releases are watched there, and whether a release is stable there, which then may bring no alarm of
/// its own any more.
pub fn alarms(place: &Place, seen: &Seen, has_stable: bool) -> Vec<Finding> {
    let name = Check::Alarms;
    let about = &place.about;
    let missing = seen.missing.iter().map(|alarm| {
        let what = format!("there is no such alarm: {alarm}");
        if has_stable {
            let remedy = "Make it there, or take it out of `bake` in lockgate.toml and deploy the configuration: until then \
                          every deployment is refused as Rejected.AlarmMissing.";
            Finding::broken(name, about, what, remedy)
        } else {
            Finding::warning(name, about, what, "See to it that the first release brings it, or make it there.")
        }
    });
    let raised = seen
        .alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .map(|alarm| {
            Finding::warning(
                name,
                about,
                format!("{} is in ALARM", alarm.name),
                "Mend what it tells of: until then every deployment is refused as Rejected.AlarmAlreadyRaised.",
            )
        });
    let mut findings: Vec<Finding> = missing.chain(raised).collect();
    if findings.is_empty() {
        let what = match seen.alarms.len() {
            1 => "1 alarm is there, and is not in ALARM".to_owned(),
            more => format!("{more} alarms are there, and none is in ALARM"),
        };
        findings.push(Finding::ok(name, about, what));
    }
    findings
}
