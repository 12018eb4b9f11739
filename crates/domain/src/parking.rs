//! What waits, under which key, and when somebody should look.
//!
//! A task that cannot finish at once parks its token under what it waits for, and then starts the work. Whatever
//! happens later looks up what was waiting, checks the truth with the service itself, and sends the result. The
//! sweep looks at whatever is parked longer than its `look_at`, as if its event had come.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::approval::ApprovalId;
use crate::bake::{Guard, LOOK_EVERY};
use crate::deployment::Leg;
use crate::environment_state::Fence;
use crate::names::{
    AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, Qualifier, Region, RepositoryName, StackName,
    TaskToken,
};
use crate::smoke_test::Outputs;

/// A task that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The deployment whose execution waits.
    pub deployment: DeploymentId,
    /// What it waits for, with all that is needed to find out the truth.
    pub waits_for: WaitsFor,
    /// The token that answers for it.
    pub token: TaskToken,
    /// Since when it waits.
    pub since: Timestamp,
    /// When the sweep looks, unless an event came before.
    pub look_at: Timestamp,
}

impl Parked {
    /// A task that waits from now on, to be looked at when its patience is over.
    pub fn new(deployment: DeploymentId, waits_for: WaitsFor, token: TaskToken, now: Timestamp) -> Self {
        Self {
            deployment,
            look_at: now + waits_for.patience(),
            waits_for,
            token,
            since: now,
        }
    }

    /// What this task is called among those that wait under its key. Every token has a name of its own, which does not
    /// show it: where Step Functions calls again because an invocation was slow, the two invocations park two tasks,
    /// whichever of them writes last, and the one that nobody waits for takes nothing from the other.
    pub fn name(&self) -> String {
        let token = Digest::of(self.token.expose().as_bytes());
        format!("{}#{}", self.deployment, &token.as_str()[..16])
    }
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum WaitsFor {
    /// The environment's lock.
    Lock {
        /// The application.
        application: RepositoryName,
        /// The environment.
        environment: EnvironmentName,
    },
    /// A build of a commit.
    Build {
        /// The application.
        application: RepositoryName,
        /// The commit.
        commit: CommitSha,
        /// The pull request that brings it, by GitHub's number, where it may be found nowhere else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pull_request: Option<u64>,
    },
    /// A change set to be ready.
    ChangeSet(StackChange),
    /// A change set to be executed.
    StackUpdate(StackChange),
    /// Integration tests, with all that it takes to start them: CodeBuild may take them much later than they are asked
    /// for, and nobody else has the outputs then.
    Integration {
        /// The application.
        application: RepositoryName,
        /// The environment that is tested.
        environment: EnvironmentName,
        /// The commit whose source is checked out.
        commit: CommitSha,
        /// The release that says what to run.
        release: Digest,
        /// The outputs of the environment's stacks.
        outputs: Outputs,
        /// CodeBuild's id of the build that runs them; nothing before it was started.
        build: Option<String>,
    },
    /// A release to bake.
    Bake {
        /// The account whose alarms are watched.
        account: AccountId,
        /// The region of the alarms.
        region: Region,
    },
    /// People to decide.
    Approval {
        /// What they are asked.
        approval: ApprovalId,
        /// The application.
        application: RepositoryName,
        /// The environment.
        environment: EnvironmentName,
    },
}

/// One stack's change by one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackChange {
    /// The application.
    pub application: RepositoryName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The account of the stack.
    pub account: AccountId,
    /// The region of the stack.
    pub region: Region,
    /// The bootstrap through whose role the stack is reached.
    pub qualifier: Qualifier,
    /// The stack.
    pub stack: StackName,
    /// The release that is being brought.
    pub release: Digest,
    /// Which way.
    pub leg: Leg,
    /// The fence under which it is done.
    pub fence: Fence,
    /// The change set's name before it exists, its ARN afterwards.
    pub change_set: String,
    /// Whether the change set creates the stack.
    pub creates: bool,
    /// The alarms by which CloudFormation turns back while it changes the stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
    /// Whether the change set is made for people to decide on, or to be looked at only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prepares: bool,
}

/// Under what a task is parked: events name the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// How the key of what is watched by alarms begins.
const ALARMS: &str = "alarms/";

impl Key {
    /// The key of a deployment that waits for its environment's lock.
    pub fn lock(deployment: &DeploymentId) -> Self {
        Self(format!("lock/{deployment}"))
    }

    /// The key of those that wait for a commit's build.
    pub fn build(application: &RepositoryName, commit: &CommitSha) -> Self {
        Self(format!("build/{application}/{commit}"))
    }

    /// The key of a stack's change.
    pub fn stack(account: &AccountId, region: &Region, stack: &StackName) -> Self {
        Self(format!("stack/{account}/{region}/{stack}"))
    }

    /// The key of a deployment whose integration tests run.
    pub fn integration(deployment: &DeploymentId) -> Self {
        Self(format!("integration/{deployment}"))
    }

    /// The key of a deployment that waits for people.
    pub fn approval(deployment: &DeploymentId) -> Self {
        Self(format!("approval/{deployment}"))
    }

    /// The key of what is watched by the alarms of an account and region.
    pub fn alarms(account: &AccountId, region: &Region) -> Self {
        Self(format!("{ALARMS}{account}/{region}"))
    }

    /// The account and region whose alarms a key stands for; nothing, where it stands for something else.
    pub fn account_and_region(&self) -> Option<(AccountId, Region)> {
        let (account, region) = self.0.strip_prefix(ALARMS)?.split_once('/')?;
        Some((account.parse().ok()?, region.parse().ok()?))
    }

    /// The key that a stack's ARN stands for (`arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>`).
    pub fn of_stack_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (Some("arn"), Some(_), Some("cloudformation")) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let region = parts.next()?.parse().ok()?;
        let account = parts.next()?.parse().ok()?;
        let name = parts.next()?.strip_prefix("stack/")?.split('/').next()?.parse().ok()?;
        Some(Self::stack(&account, &region, &name))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl WaitsFor {
    /// The key under which this is parked.
    pub fn key(&self, deployment: &DeploymentId) -> Key {
        match self {
            Self::Lock { .. } => Key::lock(deployment),
            Self::Build {
                application, commit, ..
            } => Key::build(application, commit),
            Self::ChangeSet(change) | Self::StackUpdate(change) => {
                Key::stack(&change.account, &change.region, &change.stack)
            }
            Self::Integration { .. } => Key::integration(deployment),
            Self::Bake { account, region } => Key::alarms(account, region),
            Self::Approval { .. } => Key::approval(deployment),
        }
    }

    /// How long after parking, and after each look, the sweep should look again.
    ///
    /// Short where no event comes (CloudFormation sends none for a change set), longer where a look costs a call and an
    /// event is the rule.
    pub fn patience(&self) -> SignedDuration {
        match self {
            Self::ChangeSet(_) => SignedDuration::from_secs(30),
            Self::StackUpdate(_) | Self::Build { .. } | Self::Integration { .. } => SignedDuration::from_secs(90),
            Self::Bake { .. } => LOOK_EVERY,
            Self::Lock { .. } | Self::Approval { .. } => SignedDuration::from_mins(2),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn every_token_of_a_deployment_has_a_name_that_does_not_show_it() {
        let name = |token: &str| {
            let waits_for = WaitsFor::Lock {
                application: "acme/shop".parse().unwrap(),
                environment: "dev".parse().unwrap(),
            };
            let token = TaskToken::from(token.to_owned());
            Parked::new("shop-dev-1".parse().unwrap(), waits_for, token, Timestamp::UNIX_EPOCH).name()
        };
        // The first digits of `printf abc | sha256sum`.
        assert_eq!(name("abc"), "shop-dev-1#ba7816bf8f01cfea");
        assert_ne!(name("abc"), name("abd"));
    }

    #[test]
    fn an_event_and_a_parked_task_name_the_same_key() {
        let arn = "arn:aws:cloudformation:eu-west-1:222222222222:stack/shop-dev-web/0f1e2d3c";
        let stack = Key::stack(
            &"222222222222".parse().unwrap(),
            &"eu-west-1".parse().unwrap(),
            &"shop-dev-web".parse().unwrap(),
        );
        assert_eq!(Key::of_stack_arn(arn), Some(stack));
    }

    #[test]
    fn what_is_no_stack_has_no_key() {
        for arn in [
            "",
            "arn:aws:cloudformation",
            "arn:aws:codebuild:eu-west-1:222222222222:build/x:y",
            "arn:aws:cloudformation:eu-west-1:222222222222:changeSet/x/y",
            "arn:aws:cloudformation:eu-west-1:2222:stack/x/y",
            "arn:aws:cloudformation:eu-west-1:222222222222:stack/../y",
        ] {
            assert_eq!(Key::of_stack_arn(arn), None, "{arn}");
        }
    }
}
