//! What an examination of an installation finds: what is wrong, and its remedy.
//!
//! Each function here says of one thing that was seen what it means. What could not be seen is
//! [`Severity::Unchecked`], and never counts as well.

mod github;
mod mail;
mod pipeline;
mod reach;
mod target;
#[cfg(test)]
mod tests;
mod trust;

use std::fmt;

use serde::Serialize;
use strum::Display;

pub use self::github::{
    Grant, Level, Permissions, Sight, TokenSeen, Who, build_source, credentials, permissions, repository, token,
};
pub use self::mail::{Asked, Subscription, approvers, operators};
pub use self::pipeline::{
    CONCURRENT_AT_LEAST, approval_key, concurrency, ledger, no_application, no_output, nothing_else, pipeline_stack,
    signed_ping, state_machine, unsigned_delivery, webhook_secret,
};
pub use self::reach::{Assumed, RuleSeen, build_project, deploy_role, grants, own_roles, rules};
pub use self::target::{
    BOOTSTRAP_AT_LEAST, Place, Toolkit, alarms, bootstrap, environment_stack, not_looked_at, other_account, parts,
    toolkit,
};
pub use self::trust::{Trust, trust};

/// What was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// The stack in the tools account.
    PipelineStack,
    /// The table of all records.
    Ledger,
    /// The state machines: the one that deploys, and the one by which people go back.
    StateMachine,
    /// What is configured to be deployed.
    Applications,
    /// What GitHub signs deliveries with.
    WebhookSecret,
    /// Whether the webhook is there, and turns away what nobody signed.
    WebhookAddress,
    /// Whether the webhook takes what the stored secret signs.
    WebhookSignature,
    /// What links to approvals are signed with.
    ApprovalKey,
    /// As whom GitHub is asked.
    GithubCredentials,
    /// Whether a repository can be read.
    GithubRepository,
    /// What the GitHub App, or the token, may do in a repository.
    GithubPermissions,
    /// The CodeBuild projects that build and test.
    BuildProject,
    /// Whether CodeBuild can clone a repository.
    BuildSource,
    /// The rules by which events wake the pipeline.
    EventRules,
    /// Whether operators get mail.
    OperatorsMail,
    /// Whether those who approve get mail.
    ApproversMail,
    /// How many functions may run at once.
    LambdaConcurrency,
    /// Whether the pipeline's functions may assume the roles of an environment, as far as their own policies go.
    RoleGrants,
    /// The account of an environment.
    Target,
    /// The CDK bootstrap of that account.
    Bootstrap,
    /// Whether that bootstrap lets the tools account deploy.
    BootstrapTrust,
    /// Lockgate's own stack there.
    EnvironmentStack,
    /// The roles and rules of that stack.
    EnvironmentParts,
    /// Whether those roles let the pipeline's functions assume them.
    EnvironmentRoles,
    /// Whether those rules send their events to the pipeline.
    EnvironmentRules,
    /// The alarms by which releases are watched.
    Alarms,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// Nothing has to be done.
    Ok,
    /// Nobody looked, or could look.
    Unchecked,
    /// It works, and not as well as it should; or it will work, and not yet.
    Warning,
    /// Something of the pipeline cannot work.
    Broken,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined.
    pub name: Check,
    /// How bad it is.
    pub severity: Severity,
    /// Which one of its kind: a stack, a parameter, a repository, an environment.
    pub about: String,
    /// What was found.
    pub what: String,
    /// What to do about it, with the command where there is one; nothing, where nothing has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(name: Check, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            name,
            severity: Severity::Ok,
            about: about.into(),
            what: what.into(),
            remedy: None,
        }
    }

    fn to_do(
        severity: Severity,
        name: Check,
        about: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            remedy: Some(remedy.into()),
            ..Self::ok(name, about, what)
        }
    }

    fn warning(name: Check, about: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::to_do(Severity::Warning, name, about, what, remedy)
    }

    fn broken(name: Check, about: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::to_do(Severity::Broken, name, about, what, remedy)
    }

    fn unchecked(name: Check, about: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::to_do(Severity::Unchecked, name, about, what, remedy)
    }

    /// What could not be seen, for a reason that says nothing about the installation: a right that the operator does not
    /// have, or no answer.
    pub fn not_told(name: Check, about: impl Into<String>, why: &str) -> Self {
        Self::unchecked(
            name,
            about,
            format!("could not be looked at: {why}"),
            "Ask again, with credentials that may ask this: docs/OPERATIONS.md lists what doctor needs.",
        )
    }
}

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Of [`Severity::Ok`].
    pub ok: usize,
    /// Of [`Severity::Unchecked`].
    pub unchecked: usize,
    /// Of [`Severity::Warning`].
    pub warnings: usize,
    /// Of [`Severity::Broken`].
    pub broken: usize,
}

impl Summary {
    /// Of these.
    pub fn of(findings: &[Finding]) -> Self {
        let mut summary = Self::default();
        for finding in findings {
            *match finding.severity {
                Severity::Ok => &mut summary.ok,
                Severity::Unchecked => &mut summary.unchecked,
                Severity::Warning => &mut summary.warnings,
                Severity::Broken => &mut summary.broken,
            } += 1;
        }
        summary
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = match self.warnings {
            1 => "1 warning".to_owned(),
            more => format!("{more} warnings"),
        };
        write!(
            f,
            "{} broken, {warnings}, {} not checked, {} ok",
            self.broken, self.unchecked, self.ok
        )
    }
}

/// The command that stores a secret; `value` is what stands for it, and not the secret.
fn store(parameter: &str, value: &str) -> String {
    format!("`aws ssm put-parameter --type SecureString --overwrite --name {parameter} --value {value}`")
}

/// The command that deploys a stack, in the repository's folder `infra`.
fn deploy(stack: &str) -> String {
    format!("`cdk deploy {stack} -c lockgate=../resolved.json` in infra")
}
