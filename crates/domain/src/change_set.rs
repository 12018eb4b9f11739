//! Change sets: what they are called, whether they can be executed, and what they would do.

mod changes;
mod prepared;
mod told;

use sha2::{Digest as _, Sha256};

use crate::deployment::Leg;
use crate::harmless::harmless;
use crate::names::{DeploymentId, StackName};

pub use changes::{Action, Change, Changed, How, Loss, Policy, Replacement, Summary, is_stateful};
pub use prepared::{Found, Prepared, hash_of_all};
pub use told::Tense;

/// A call of CloudFormation that changes something, and has a name of its own in each deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Call {
    /// `CreateChangeSet`.
    Create,
    /// `ExecuteChangeSet`.
    Execute,
    /// `ContinueUpdateRollback`.
    ContinueRollback,
    /// `DeleteStack`.
    Delete,
    /// `UpdateTerminationProtection`. It takes no token.
    Protect,
}

/// The name of the change set that a deployment makes for a stack: the same one however often it is asked.
///
/// Letters, digits and hyphens, at most 128 (AWS CloudFormation API reference, `CreateChangeSet`, `ChangeSetName`).
pub fn change_set_name(deployment: &DeploymentId, leg: Leg, stack: &StackName) -> String {
    named("lockgate", deployment, leg, stack)
}

/// The token of a call: whoever repeats the call with it gets the first one's answer, and the stack events of what it
/// starts carry it.
///
/// At most 128 of `[a-zA-Z][-a-zA-Z0-9]*` (AWS CloudFormation API reference, `ClientRequestToken`).
pub fn client_token(call: Call, deployment: &DeploymentId, leg: Leg, stack: &StackName) -> String {
    named(&call.to_string(), deployment, leg, stack)
}

fn named(first: &str, deployment: &DeploymentId, leg: Leg, stack: &StackName) -> String {
    let leg = leg.to_string();
    let mut hash = Sha256::new();
    for part in [first, deployment.as_str(), &leg, stack.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    // An id may have underscores, which CloudFormation does not take; the hash keeps two such ids apart.
    let readable = deployment.as_str().replace('_', "-");
    format!("{first}-{leg}-{readable}-{}", &hex::encode(hash.finalize())[..12])
}

/// What `DescribeChangeSet` says of the making of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are CloudFormation's own words")]
pub enum ChangeSetStatus {
    CreatePending,
    CreateInProgress,
    CreateComplete,
    DeletePending,
    DeleteInProgress,
    DeleteComplete,
    DeleteFailed,
    Failed,
    /// A word that is newer than this program.
    Other(String),
}

impl From<&str> for ChangeSetStatus {
    fn from(text: &str) -> Self {
        match text {
            "CREATE_PENDING" => Self::CreatePending,
            "CREATE_IN_PROGRESS" => Self::CreateInProgress,
            "CREATE_COMPLETE" => Self::CreateComplete,
            "DELETE_PENDING" => Self::DeletePending,
            "DELETE_IN_PROGRESS" => Self::DeleteInProgress,
            "DELETE_COMPLETE" => Self::DeleteComplete,
            "DELETE_FAILED" => Self::DeleteFailed,
            "FAILED" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// What `DescribeChangeSet` says of the execution of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are CloudFormation's own words")]
pub enum ExecutionStatus {
    Unavailable,
    Available,
    ExecuteInProgress,
    ExecuteComplete,
    ExecuteFailed,
    Obsolete,
    /// A word that is newer than this program.
    Other(String),
}

impl From<&str> for ExecutionStatus {
    fn from(text: &str) -> Self {
        match text {
            "UNAVAILABLE" => Self::Unavailable,
            "AVAILABLE" => Self::Available,
            "EXECUTE_IN_PROGRESS" => Self::ExecuteInProgress,
            "EXECUTE_COMPLETE" => Self::ExecuteComplete,
            "EXECUTE_FAILED" => Self::ExecuteFailed,
            "OBSOLETE" => Self::Obsolete,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// How the making of a change set went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// It can be executed.
    Ready,
    /// The stack already is as the release wants it. The change set is of no use and has to be deleted.
    NoChanges,
    /// CloudFormation still works on it.
    Pending,
    /// CloudFormation will not make it, for this reason; `DescribeEvents` may know more.
    Refused(String),
    /// It is being deleted. Its name is free when that is over, and then another can be made.
    Going,
    /// It was deleted, and is of no use.
    Gone,
}

/// How a change set without changes begins to explain itself: for a plain template, and for one with transforms
/// (aws-cdk issue 10650). The reasons of early validation quote templates, so only the beginning counts.
const NO_CHANGES: [&str; 3] = [
    "The submitted information didn't contain changes",
    "The submitted information didn\u{2019}t contain changes",
    "No updates are to be performed",
];

/// What has become of a change set that was asked for.
pub fn assess_created(status: &ChangeSetStatus, reason: Option<&str>) -> Creation {
    let reason = reason.unwrap_or_default().trim();
    match status {
        ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress => Creation::Pending,
        ChangeSetStatus::CreateComplete => Creation::Ready,
        ChangeSetStatus::Failed if NO_CHANGES.iter().any(|text| reason.starts_with(text)) => Creation::NoChanges,
        ChangeSetStatus::Failed if reason.is_empty() => Creation::Refused("CloudFormation gives no reason".to_owned()),
        ChangeSetStatus::Failed => Creation::Refused(harmless(reason, 500)),
        ChangeSetStatus::DeletePending | ChangeSetStatus::DeleteInProgress => Creation::Going,
        ChangeSetStatus::DeleteComplete => Creation::Gone,
        ChangeSetStatus::DeleteFailed => Creation::Refused("the change set could not be deleted".to_owned()),
        ChangeSetStatus::Other(word) if word.ends_with("_PENDING") || word.ends_with("_IN_PROGRESS") => {
            Creation::Pending
        }
        ChangeSetStatus::Other(word) => Creation::Refused(harmless(
            &format!("the change set is in the unknown state {word}: {reason}"),
            500,
        )),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_set_without_changes_is_told_from_one_that_is_refused() {
        use ChangeSetStatus as S;
        let refused = |text: &str| Creation::Refused(text.to_owned());
        for (status, reason, wanted) in [
            (S::CreatePending, "", Creation::Pending),
            (S::CreateInProgress, "", Creation::Pending),
            (S::CreateComplete, "", Creation::Ready),
            (
                S::Failed,
                "The submitted information didn't contain changes. Submit different information to create a change set.",
                Creation::NoChanges,
            ),
            (S::Failed, "No updates are to be performed.", Creation::NoChanges),
            (S::Failed, "No updates are to be performed", Creation::NoChanges),
            (S::Failed, "", refused("CloudFormation gives no reason")),
            (
                S::Failed,
                "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.",
                refused(
                    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.",
                ),
            ),
            (
                S::Failed,
                "Property Description: 'No updates are to be performed' is too long",
                refused("Property Description: 'No updates are to be performed' is too long"),
            ),
            (
                S::Failed,
                "Nested change set arn:aws:cloudformation:eu-west-1:222222222222:changeSet/x/y was not successful: Currently in FAILED.",
                refused(
                    "Nested change set arn:aws:cloudformation:eu-west-1:222222222222:changeSet/x/y was not successful: Currently in FAILED.",
                ),
            ),
            (
                S::Failed,
                "Transform AWS::X\nfailed\u{1b}[31m",
                refused("Transform AWS::X failed [31m"),
            ),
            (S::DeletePending, "", Creation::Going),
            (S::DeleteInProgress, "", Creation::Going),
            (S::DeleteComplete, "", Creation::Gone),
            (S::DeleteFailed, "", refused("the change set could not be deleted")),
            (S::Other("VALIDATE_IN_PROGRESS".to_owned()), "", Creation::Pending),
            (
                S::Other("PUZZLED".to_owned()),
                "why",
                refused("the change set is in the unknown state PUZZLED: why"),
            ),
        ] {
            assert_eq!(assess_created(&status, Some(reason)), wanted, "{status:?} {reason}");
        }
    }

    proptest! {
        #[test]
        fn names_and_tokens_are_what_cloudformation_takes(
            id in "[A-Za-z0-9_-]{1,80}", stack in "[A-Za-z][A-Za-z0-9-]{0,127}", other in "[A-Za-z0-9_-]{1,80}",
        ) {
            let deployment: DeploymentId = id.parse().unwrap();
            let stack: StackName = stack.parse().unwrap();
            let mut all = vec![
                change_set_name(&deployment, Leg::Forward, &stack),
                change_set_name(&deployment, Leg::Back, &stack),
                client_token(Call::Create, &deployment, Leg::Forward, &stack),
                client_token(Call::Execute, &deployment, Leg::Forward, &stack),
                client_token(Call::ContinueRollback, &deployment, Leg::Back, &stack),
                client_token(Call::Delete, &deployment, Leg::Forward, &stack),
            ];
            for name in &all {
                prop_assert!(name.len() <= 128, "{} has {}", name, name.len());
                prop_assert!(name.parse::<StackName>().is_ok(), "{}", name);
            }
            prop_assert_eq!(&all[0], &change_set_name(&deployment, Leg::Forward, &stack));
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), 6);
            let other: DeploymentId = other.parse().unwrap();
            prop_assert_eq!(
                change_set_name(&deployment, Leg::Forward, &stack) == change_set_name(&other, Leg::Forward, &stack),
                deployment == other
            );
        }
    }
}
