//! A deployment as data: what an execution is given, and the environment and release it speaks of.
//!
//! The execution's input is the whole truth of its deployment. Nothing reads configuration afterwards, so a
//! changed configuration never reaches a deployment that is under way.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::approval::{ApprovalPolicy, When};
use crate::bake::BakePolicy;
use crate::failure::Failure;
use crate::freeze::Freeze;
use crate::names::{
    AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, Qualifier, Region, RepositoryName, StackName,
};

/// What an execution is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The deployment's id, which is also the execution's name.
    pub id: DeploymentId,
    /// The application: its repository.
    pub application: RepositoryName,
    /// Where it goes, with that environment's policy as it was when this was asked.
    pub environment: Environment,
    /// The commit that is deployed.
    pub commit: CommitSha,
    /// The branch or tag it was asked from, made harmless for logs and mail.
    pub reference: String,
    /// The release, where it is known beforehand (a promotion or a rollback); `None` has it built.
    pub release: Option<Digest>,
    /// Who asked, when and why.
    pub requested: Request,
    /// Set where it takes the environment back to a release that was stable there: `release` says to which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// Whether it only says what it would change: its change sets are made, and nobody executes them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plans: bool,
}

impl Deployment {
    /// Whether people are asked before anything is executed on this way.
    pub fn asks_before(&self, leg: Leg) -> bool {
        let policy = self.environment.approval.as_ref().filter(|_| self.rollback.is_none());
        leg == Leg::Forward && policy.is_some_and(|policy| policy.when == When::Before)
    }

    /// Whether it shows a pull request what merging it would change: of a commit that no environment has to have had before.
    /// It never changes anything, whatever else is said of it.
    pub fn previews(&self) -> bool {
        self.plans && self.pull_request().is_some()
    }

    /// The pull request whose newest commit this is, by GitHub's number.
    pub fn pull_request(&self) -> Option<u64> {
        match self.requested.at_github {
            Some(AtGitHub::PullRequest(number)) => Some(number),
            Some(AtGitHub::Deployment(_)) | None => None,
        }
    }

    /// GitHub's own deployment that asked for it, by GitHub's number.
    pub fn github_deployment(&self) -> Option<u64> {
        match self.requested.at_github {
            Some(AtGitHub::Deployment(number)) => Some(number),
            Some(AtGitHub::PullRequest(_)) | None => None,
        }
    }

    /// Whether change sets are made before anything is executed on this way: for people to decide on, or to be looked at
    /// only.
    pub fn prepares(&self, leg: Leg) -> bool {
        self.plans || self.asks_before(leg)
    }
}

/// What a deployment takes its environment back from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The release that is there now.
    pub from: Digest,
    /// The release that was stable there when this was asked: the same, unless what is there never became stable.
    pub stable: Digest,
    /// Why.
    pub because: Failure,
}

/// Who asked for a deployment, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The GitHub login, or the ARN of the operator; made harmless.
    pub by: String,
    /// When Lockgate took it in.
    pub at: Timestamp,
    /// When it happened at its origin (GitHub's `pushed_at`, in whole seconds); orders requests that arrive out of order.
    pub happened_at: Timestamp,
    /// The event that asked.
    pub because: Cause,
    /// GitHub's delivery id, where there was one.
    pub delivery: Option<String>,
    /// The branch's commit before this push; tells the order of two pushes of the same second.
    pub before: Option<CommitSha>,
    /// The first line of the commit message, made harmless and cut to 100 characters.
    pub title: String,
    /// What GitHub has for it already, where somebody asked there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_github: Option<AtGitHub>,
}

/// What at GitHub asked for a deployment, and is told how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtGitHub {
    /// GitHub's own deployment of this number.
    Deployment(u64),
    /// The pull request of this number.
    PullRequest(u64),
}

/// What starts deployments of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    /// A push to the application's branch.
    Push,
    /// A GitHub pre-release.
    Prerelease,
    /// A GitHub release.
    Release,
    /// A person, by command.
    Manual,
    /// An alarm, while what was deployed is watched.
    Alarm,
    /// A pull request, which is shown what merging it would change.
    PullRequest,
}

impl Cause {
    /// The words of those that an environment can name.
    pub const NAMED: [&str; 4] = ["push", "prerelease", "release", "manual"];
}

/// A rung of the ladder, with its policy.
///
/// What versions before this one did not know is left out where it is nothing special: the entries of the ledger are
/// hashed as they are written, and those of before have to come out the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in lockgate.toml")]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The account its stacks live in.
    pub account: AccountId,
    /// The region its stacks live in.
    pub region: Region,
    /// What starts a deployment here.
    pub on: Vec<Cause>,
    /// The environment in which the same digest has to be stable first.
    pub after: Option<EnvironmentName>,
    /// What happens to deployments that wait.
    pub queue: QueuePolicy,
    /// Patterns of the stacks that belong to it; none means every stack of the assembly for this account and region.
    pub stacks: Vec<String>,
    /// The CDK bootstrap's qualifier.
    pub qualifier: Qualifier,
    /// What to do when a deployment fails after a change and there is no stable release to go back to.
    pub without_stable: WithoutStable,
    /// Whether a stack whose first creation failed, and of which nothing is left, may be deleted and made again.
    pub replace_failed_stacks: bool,
    /// When it takes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// Whether the repository's integration tests are run here, if it has any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub integration_tests: bool,
    /// Whether pull requests are shown what merging them would change here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pull_requests: bool,
    /// The output that says where people find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<StackOutput>,
    /// Whom it asks whether a release is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalPolicy>,
    /// Whether the environment that `after` names asks people, so that a release has to be accepted there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_acceptance: bool,
    /// For how many seconds a release may have been stable, and accepted, before this environment takes it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// How a release is watched before it counts as stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<BakePolicy>,
    /// For how many seconds after its bake a release is watched and taken back by an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_seconds: Option<u64>,
    /// Whether nothing is admitted after it went back, until a person releases it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds: bool,
    /// How many releases that were stable can be gone back to; [`KEEP`] where nothing else is said.
    #[serde(default = "keep", skip_serializing_if = "is_keep")]
    pub keep: u32,
}

/// How many releases of an environment can be gone back to where nothing else is said.
pub const KEEP: u32 = 20;

fn keep() -> u32 {
    KEEP
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_keep(keep: &u32) -> bool {
    *keep == KEEP
}

/// An output of a stack, written `<stack>.<output>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StackOutput {
    /// The stack.
    pub stack: StackName,
    /// The output's logical id.
    pub output: String,
}

/// A text that names no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no stack and an output of it, such as \"shop-web.Url\"")]
pub struct InvalidStackOutput;

impl FromStr for StackOutput {
    type Err = InvalidStackOutput;

    fn from_str(text: &str) -> Result<Self, InvalidStackOutput> {
        let (stack, output) = text.split_once('.').ok_or(InvalidStackOutput)?;
        // Logical ids of outputs are alphanumeric (AWS CloudFormation user guide, "Outputs").
        let is_output = (1..=255).contains(&output.len()) && output.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Ok(Self {
            stack: stack.parse().map_err(|_| InvalidStackOutput)?,
            output: is_output.then(|| output.to_owned()).ok_or(InvalidStackOutput)?,
        })
    }
}

impl TryFrom<String> for StackOutput {
    type Error = InvalidStackOutput;

    fn try_from(text: String) -> Result<Self, InvalidStackOutput> {
        text.parse()
    }
}

impl From<StackOutput> for String {
    fn from(StackOutput { stack, output }: StackOutput) -> String {
        format!("{stack}.{output}")
    }
}

/// What happens to deployments that wait for an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum QueuePolicy {
    /// A newer one supersedes an older one that waits.
    Newest,
    /// First come, first served.
    Every,
}

/// What to do when a deployment fails after a change and there is nothing to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WithoutStable {
    /// Give the lock back: the next deployment is the way forward.
    GiveBack,
    /// Keep the lock and call an operator.
    CallOperator,
}

/// Which way an execution goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Leg {
    /// To the release that was asked for.
    Forward,
    /// Back to the environment's last stable release.
    Back,
}
