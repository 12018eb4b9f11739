//! What can go wrong, by name.
//!
//! The first word of a name is its class: a person and the state machine can both read the action off it.
//! `docs/ERRORS.md` has a section for every name here, and the state machine handles every one; tests hold the
//! three equal. Expected answers (no changes, superseded, a red smoke test) are values and not in this list.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::harmless::harmless;

/// What a failure's class asks for; the later, the more it asks of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing happened; the same call is safe and is tried again.
    Transient,
    /// Refused before any change.
    Rejected,
    /// A change was made; AWS undid it, or we can.
    Failed,
    /// Unknown or half-changed: a person has to look.
    Stuck,
    /// Ours.
    Bug,
}

macro_rules! names {
    ($($variant:ident = $text:literal, $meaning:literal, $remedy:literal;)*) => {
        /// The name of a failure, as Step Functions, the ledger and people see it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Name {
            $(#[doc = $meaning] #[serde(rename = $text)] $variant,)*
        }

        impl Name {
            /// Every name there is.
            pub const ALL: &'static [Name] = &[$(Name::$variant),*];

            /// The name as text, class first.
            pub const fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $text),* }
            }

            /// What happened, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Name::$variant => $meaning),* }
            }

            /// What to do about it, in one sentence.
            pub const fn remedy(self) -> &'static str {
                match self { $(Name::$variant => $remedy),* }
            }
        }
    };
}

names! {
    Throttled = "Transient.Throttled",
        "AWS asked to be called less often.",
        "Deploy again; if it stays, raise the quota that the cause names.";
    Unavailable = "Transient.Unavailable",
        "AWS could not be reached or answered with a fault of its own.",
        "Deploy again when the AWS Health Dashboard is green.";
    GitHubUnavailable = "Transient.GitHubUnavailable",
        "GitHub could not be reached, answered with a fault of its own, or asked to be called less often.",
        "Deploy again when githubstatus.com is green; where GitHub counts calls, give Lockgate a GitHub App of its own.";
    AccessDenied = "Rejected.AccessDenied",
        "AWS refused a call; the cause names the role and the action.",
        "Give the role that permission (usually by deploying the stack lockgate-environment or running \
         `cdk bootstrap` again), then deploy again.";
    GitHubDenied = "Rejected.GitHubDenied",
        "GitHub refused a call, or does not show the repository to whoever asks.",
        "See with `lockgate doctor` what the GitHub App below /lockgate/github, or the token there, may not do; mend it, then deploy \
         again.";
    TooMuchToRead = "Rejected.TooMuchToRead",
        "The release holds more commits than Lockgate reads, so that nobody knows who wrote it and may not accept it.",
        "Have an earlier commit accepted first, then this one; if history was rewritten, join it to what was accepted.";
    Quarantined = "Rejected.Quarantined",
        "The environment waits for an operator after a deployment that ended half-way.",
        "Look after the deployment that the cause names, open the environment (`lockgate release`), then deploy again.";
    Held = "Rejected.Held",
        "Nothing goes forward in the environment until a person has looked.",
        "Read the reason in the cause; when it is settled, let go of the environment (`lockgate release`), then deploy again.";
    Frozen = "Rejected.Frozen",
        "The environment is frozen.",
        "Deploy again when the time in the cause is over; in an emergency, two people can let this commit in \
         (`lockgate emergency`).";
    AlarmAlreadyRaised = "Rejected.AlarmAlreadyRaised",
        "An alarm that is to watch the release had gone off before anything was changed.",
        "Find out what is wrong in the environment; deploy again when the alarm is quiet.";
    AlarmMissing = "Rejected.AlarmMissing",
        "An alarm that is to watch the release is not there.",
        "Create the alarm in the environment's account and region, or mend its name or tag in `bake` of lockgate.toml.";
    TakenBackBefore = "Rejected.TakenBackBefore",
        "The release was taken back from this environment before.",
        "Mend it and bring the new release; to let this very one in again, name it (`lockgate release --allow`).";
    ApprovalVoid = "Rejected.ApprovalVoid",
        "What people had approved is not what would be executed any more.",
        "Find out who changed the stack or its change set meanwhile; then deploy again, and people are asked anew.";
    NoWayBack = "Rejected.NoWayBack",
        "There is no such release to go back to.",
        "Choose one of those that `lockgate releases` lists as usable.";
    QueueFull = "Rejected.QueueFull",
        "More deployments wait for the environment than it holds places for.",
        "Wait until the queue is shorter, or let newer deployments supersede older ones (queue = \"newest\").";
    NotStableBefore = "Rejected.NotStableBefore",
        "The release is not stable, or not accepted, in the environment that comes before this one.",
        "Bring the same commit there first, as the cause says, then publish another pre-release, or release, of it.";
    BuildFailed = "Rejected.BuildFailed",
        "The repository's own build or tests failed.",
        "Read the build's log at the link in the cause, mend the commit and push.";
    BuildStopped = "Rejected.BuildStopped",
        "Somebody stopped the build.",
        "Deploy again if that was not meant.";
    BuildTimedOut = "Rejected.BuildTimedOut",
        "The build took longer than its project allows.",
        "Read the log for what took so long; raise the build project's time-out if it is right.";
    NoRelease = "Rejected.NoRelease",
        "The build succeeded and named no release.",
        "Let the buildspec end with `LOCKGATE_RELEASE=$(lockgate package cdk.out) && export LOCKGATE_RELEASE`, and \
         name that variable in its `exported-variables`.";
    ReleaseMissing = "Rejected.ReleaseMissing",
        "A file of the release is not in the artifacts bucket.",
        "Bring it back from the bucket's versions, where a deletion only hides it, or push a new commit.";
    ReleaseAltered = "Rejected.ReleaseAltered",
        "A file of the release does not have the content that its digest names.",
        "Treat it as tampering: keep the object's versions, look at who wrote them, and remove the wrong ones.";
    UnsupportedAssembly = "Rejected.UnsupportedAssembly",
        "The cloud assembly holds something that Lockgate does not deploy; the cause lists it.",
        "Change the application as the cause says.";
    MissingContext = "Rejected.MissingContext",
        "The cloud assembly was synthesised without context it needs; the cause lists the keys.",
        "Run `cdk synth` with credentials once, commit cdk.context.json, and push.";
    NoStacks = "Rejected.NoStacks",
        "No stack of the release belongs to the environment.",
        "Compare the account, the region and `stacks` in lockgate.toml with the stacks of the release, which the cause lists.";
    BootstrapMissing = "Rejected.BootstrapMissing",
        "The account is not bootstrapped as the release needs it.",
        "Run the `cdk bootstrap` command in the cause.";
    ChangeSetRefused = "Rejected.ChangeSetRefused",
        "CloudFormation refused to make the change set; the cause gives its reason.",
        "Mend the template, push, and bring the new release this far.";
    StackBlocked = "Rejected.StackBlocked",
        "The stack is in a state from which it cannot be updated.",
        "Do what the cause says to this stack, then deploy again.";
    StackBusy = "Rejected.StackBusy",
        "Somebody else's operation is in progress on the stack and did not end in time.",
        "Wait for it to end, and find out who changes this stack beside Lockgate.";
    LostLock = "Rejected.LostLock",
        "The environment's lock went to another deployment while this one slept.",
        "Nothing: the other deployment goes on. Deploy again if this one is still wanted.";
    InvalidSmokeTests = "Rejected.InvalidSmokeTests",
        "lockgate.smoke.toml of the release cannot be read; the cause lists every problem.",
        "Mend the file (`lockgate package` checks it too), push, and bring the new release this far.";
    InvalidChecklist = "Rejected.InvalidChecklist",
        "lockgate.uat.md of the release cannot be read as a checklist; the cause says why.",
        "Mend the file (`lockgate package` checks it too), push, and bring the new release this far.";
    StackRolledBack = "Failed.StackRolledBack",
        "A stack could not be changed, and CloudFormation put it back.",
        "Mend what the cause names, push, and bring the new release this far.";
    SmokeTestsFailed = "Failed.SmokeTests",
        "The environment did not answer as lockgate.smoke.toml asks.",
        "See which check failed in the deployment's record, mend it, push, and bring the new release this far.";
    IntegrationTestsFailed = "Failed.IntegrationTests",
        "The repository's own integration tests failed in the environment.",
        "Read the log at the link in the cause, mend what it shows, push, and bring the new release this far.";
    NotAccepted = "Failed.NotAccepted",
        "One of the people who were asked did not accept the release.",
        "Read their comment in the cause, mend what it says, and publish the next pre-release.";
    ApprovalExpired = "Failed.ApprovalExpired",
        "Too few of the people who were asked accepted the release before the deadline.",
        "Find out why nobody answered, give them longer (`within`) if need be, and publish another pre-release.";
    NobodyMayAccept = "Failed.NobodyMayAccept",
        "Too few people are left who may accept the release: nobody accepts what they wrote or asked for.",
        "Name further people in `approval` of lockgate.toml, deploy it, and publish another pre-release.";
    AlarmRaised = "Failed.AlarmRaised",
        "An alarm went off after the release had come into the environment.",
        "Find out from the alarm's metric and the application's logs what failed, mend it, and bring the new release this far.";
    TakenBack = "Failed.TakenBack",
        "A person had the release taken back.",
        "Read their reason in the cause; mend it, and bring the new release this far.";
    Stopped = "Failed.Stopped",
        "Somebody stopped the execution.",
        "Deploy again if that was not meant.";
    RollbackFailed = "Stuck.RollbackFailed",
        "CloudFormation could not put a stack back.",
        "Follow the runbook: continue the update rollback or mend the stack by hand, then open the environment \
         (`lockgate release`).";
    WayBackClosed = "Stuck.WayBackClosed",
        "The release failed, and does not go back without a person.",
        "Weigh the reason in the cause; open the environment (`lockgate release`), then go back (`lockgate rollback`) or \
         bring a release that mends it.";
    StackUnknown = "Stuck.StackUnknown",
        "It could not be found out how a change of a stack ended.",
        "Look at the stack in the CloudFormation console; open the environment (`lockgate release`) when it is in a \
         state you accept.";
    TimedOut = "Stuck.TimedOut",
        "A state took longer than it may.",
        "Look at what the cause names; where the environment was closed, open it (`lockgate release`) when nothing is in \
         progress there.";
    InvalidInput = "Bug.InvalidInput",
        "A function was called with something it does not understand.",
        "Report it with the execution's input; open the environment (`lockgate release`) when nothing is in progress there.";
    Panicked = "Bug.Panicked",
        "A function stopped on an assertion of its own.",
        "Report it with the function's log; open the environment (`lockgate release`) when nothing is in progress there.";
    Unexpected = "Bug.Unexpected",
        "Lockgate's records contradict each other, or AWS answered outside its documentation.",
        "Report it with the cause; open the environment (`lockgate release`) when nothing is in progress there.";
}

impl Name {
    /// The class: the first word of the name.
    pub fn class(self) -> Class {
        match self.as_str().split_once('.').map(|(class, _)| class) {
            Some("Transient") => Class::Transient,
            Some("Rejected") => Class::Rejected,
            Some("Failed") => Class::Failed,
            Some("Stuck") => Class::Stuck,
            _ => Class::Bug,
        }
    }

    /// Finds the name in an error as Step Functions reports it, its own names (`States.Timeout`, `Lambda.…`) included.
    ///
    /// What is not known at all is a bug of ours: an error that nobody named.
    pub fn of_reported_error(error: &str) -> Self {
        if let Some(name) = Self::ALL.iter().find(|name| name.as_str() == error) {
            return *name;
        }
        match error {
            "States.Timeout" | "States.HeartbeatTimeout" | "Sandbox.Timedout" => Self::TimedOut,
            "Lambda.TooManyRequestsException" => Self::Throttled,
            "Lambda.ServiceException"
            | "Lambda.AWSLambdaException"
            | "Lambda.SdkClientException"
            | "Lambda.ClientExecutionTimeoutException" => Self::Unavailable,
            "Runtime.ExitError" | "Lambda.Unknown" => Self::Panicked,
            _ => Self::Unexpected,
        }
    }
}

/// An error as Step Functions reports it (`$states.errorOutput`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReportedError {
    /// The error's name; `none`, where the execution has met no error.
    pub error: String,
    /// Its cause: our own sentence, or, from a function that was invoked without a task token, Lambda's JSON around it;
    /// nothing, where Step Functions gives none.
    #[serde(default)]
    pub cause: String,
}

impl From<Failure> for ReportedError {
    fn from(failure: Failure) -> Self {
        Self {
            error: failure.name.as_str().to_owned(),
            cause: failure.cause,
        }
    }
}

impl ReportedError {
    /// The failure, unless there is none.
    pub fn failure(&self) -> Option<Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FromLambda {
            error_message: String,
        }

        if self.error == "none" {
            return None;
        }
        let name = Name::of_reported_error(&self.error);
        let cause = serde_json::from_str::<FromLambda>(&self.cause)
            .map_or_else(|_| self.cause.clone(), |lambda| lambda.error_message);
        // What nobody named keeps the name it came with, for whoever reports the bug.
        Some(match cause.as_str() {
            cause if name.as_str() == self.error => Failure::new(name, cause),
            "" => Failure::new(name, &self.error),
            cause => Failure::new(name, format!("{}: {cause}", self.error)),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as the ledger keeps it and people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its name.
    pub name: Name,
    /// What happened in this case, in one sentence; at most [`Failure::CAUSE_LIMIT`] characters.
    pub cause: String,
}

impl Failure {
    /// The most characters a cause keeps: 200 stacks of a wave have to fit into one Step Functions payload of 256 KiB.
    pub const CAUSE_LIMIT: usize = 600;

    /// A failure with its cause made harmless and cut to the limit: much of it is in others' words, and goes into mails.
    pub fn new(name: Name, cause: impl AsRef<str>) -> Self {
        Self {
            name,
            cause: harmless(cause.as_ref(), Self::CAUSE_LIMIT),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.cause)
    }
}

/// The failure that stands for several: the gravest, and the first of those that are equally grave.
pub fn gravest(failures: &[Failure]) -> Option<&Failure> {
    // `max_by_key` takes the last of equals.
    failures.iter().rev().max_by_key(|failure| failure.name.class())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_begins_with_its_class_and_ends_in_sentences() {
        for name in Name::ALL {
            let class = format!("{:?}.", name.class());
            assert!(name.as_str().starts_with(&class), "{name}");
            assert!(name.meaning().ends_with('.') && name.remedy().ends_with('.'), "{name}");
            assert_eq!(Name::of_reported_error(name.as_str()), *name);
        }
    }

    #[test]
    fn what_nobody_named_is_a_bug() {
        assert_eq!(
            Name::of_reported_error("&alloc::boxed::Box<dyn core::error::Error>").class(),
            Class::Bug
        );
        assert_eq!(Name::of_reported_error("States.Timeout").class(), Class::Stuck);
    }

    #[test]
    fn what_kept_lambda_from_running_or_answering_is_transient() {
        for error in [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.TooManyRequestsException",
        ] {
            assert_eq!(Name::of_reported_error(error).class(), Class::Transient, "{error}");
        }
    }

    #[test]
    fn a_reported_error_is_read_whoever_wraps_it() {
        let read = |error: &str, cause: &str| {
            ReportedError {
                error: error.to_owned(),
                cause: cause.to_owned(),
            }
            .failure()
            .map(|failure| failure.to_string())
        };
        assert_eq!(read("none", "none"), None);
        assert_eq!(
            read("Rejected.NoStacks", "nothing fits").as_deref(),
            Some("Rejected.NoStacks: nothing fits")
        );
        let lambda = r#"{"errorType":"Rejected.NoStacks","errorMessage":"nothing fits"}"#;
        assert_eq!(
            read("Rejected.NoStacks", lambda).as_deref(),
            Some("Rejected.NoStacks: nothing fits")
        );
        assert_eq!(
            read("States.Timeout", "").as_deref(),
            Some("Stuck.TimedOut: States.Timeout")
        );
    }

    #[test]
    fn the_gravest_stands_for_all_and_the_first_of_equals() {
        // From the least grave to the gravest.
        let names = [
            Name::Throttled,
            Name::ChangeSetRefused,
            Name::StackRolledBack,
            Name::RollbackFailed,
            Name::Unexpected,
        ];
        for pair in names.windows(2) {
            let [lesser, graver] = [pair[0], pair[1]].map(|name| Failure::new(name, ""));
            assert_eq!(gravest(&[lesser.clone(), graver.clone()]), Some(&graver));
            assert_eq!(gravest(&[graver.clone(), lesser]), Some(&graver));
        }
        let equals = ["first", "second"].map(|cause| Failure::new(Name::StackRolledBack, cause));
        assert_eq!(gravest(&equals), Some(&equals[0]));
        assert_eq!(gravest(&[]), None);
    }

    #[test]
    fn a_cause_is_one_line_that_is_cut_between_characters() {
        let failure = Failure::new(Name::Throttled, "ü".repeat(5_000));
        assert_eq!(failure.cause.chars().count(), Failure::CAUSE_LIMIT);
        let told = Failure::new(Name::BuildFailed, "false\n\nWhat to do: click\u{1b}[31m here");
        assert_eq!(told.cause, "false What to do: click [31m here");
    }
}
