//! How a wave went: well, or with its gravest failure.

use domain::failure::{Failure, ReportedError, gravest};
use domain::names::StackName;
use serde::Deserialize;

use crate::{Error, Output};

/// How one stack of a wave ended, as the state machine keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StackResult {
    /// It was changed.
    Updated {
        /// The stack.
        stack: StackName,
    },
    /// It had no changes.
    NoChanges {
        /// The stack.
        stack: StackName,
    },
    /// It failed.
    Failed {
        /// The error that a state caught.
        failure: ReportedError,
    },
}

pub(crate) fn review_wave(results: Vec<StackResult>) -> Result<Output, Error> {
    let mut failures: Vec<Failure> = Vec::new();
    let (mut updated, mut unchanged) = (0, 0);
    for result in results {
        match result {
            StackResult::Updated { .. } => updated += 1,
            StackResult::NoChanges { .. } => unchanged += 1,
            StackResult::Failed { failure } => failures.extend(failure.failure()),
        }
    }
    match gravest_of(&failures) {
        None => Ok(Output::Settled { updated, unchanged }),
        Some(gravest) => Err(gravest),
    }
}

/// The gravest failure, which stands for them all; nothing, where there is none.
pub(crate) fn gravest_of(failures: &[Failure]) -> Option<Error> {
    let gravest = gravest(failures)?;
    if failures.len() == 1 {
        return Some(Error::Failed(gravest.clone()));
    }
    let more = failures.len() - 1;
    let cause = format!("{} ({more} more of the wave failed)", gravest.cause);
    Some(Error::new(gravest.name, cause))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::failure::Name;
    use serde_json::{Value, json};

    use super::*;

    fn failed(error: &str, cause: &str) -> Value {
        json!({ "outcome": "failed", "failure": { "Error": error, "Cause": cause } })
    }

    fn review(results: &[Value]) -> Result<Output, Failure> {
        let results = serde_json::from_value(Value::from(results.to_vec())).unwrap();
        review_wave(results).map_err(Into::into)
    }

    #[test]
    fn a_wave_without_failures_is_counted() {
        let updated = json!({ "outcome": "updated", "stack": "a" });
        let unchanged = json!({ "outcome": "no_changes", "stack": "b" });
        let settled = review(&[updated.clone(), unchanged, updated]).unwrap();
        assert_eq!(
            serde_json::to_value(settled).unwrap(),
            json!({ "outcome": "settled", "updated": 2, "unchanged": 1 })
        );
        assert_eq!(
            review(&[]),
            Ok(Output::Settled {
                updated: 0,
                unchanged: 0
            })
        );
    }

    #[test]
    fn the_gravest_failure_stands_for_the_wave() {
        // From the least grave to the gravest; each pair is reviewed in both orders.
        let names = [
            "Transient.Throttled",
            "Rejected.ChangeSetRefused",
            "Failed.StackRolledBack",
            "Stuck.RollbackFailed",
            "Bug.Unexpected",
        ];
        for (at, graver) in names.iter().enumerate() {
            for lesser in &names[..at] {
                let (lesser, graver_first) = (failed(lesser, "x: lesser"), failed(graver, "y: graver"));
                for results in [[lesser.clone(), graver_first.clone()], [graver_first, lesser]] {
                    let failure = review(&results).unwrap_err();
                    assert_eq!(failure.name.as_str(), *graver);
                    assert_eq!(failure.cause, "y: graver (1 more of the wave failed)");
                }
            }
        }
        let twice = [failed(names[2], "a: first"), failed(names[2], "b: second")];
        assert!(review(&twice).unwrap_err().cause.starts_with("a: first"));
    }

    #[test]
    fn a_failure_is_relayed_as_it_was_reported() {
        let lambda = r#"{"errorMessage":"shop-dev: not authorized","errorType":"Rejected.AccessDenied"}"#;
        let table = [
            (
                failed("Rejected.AccessDenied", lambda),
                Name::AccessDenied,
                "shop-dev: not authorized",
            ),
            (
                failed("Failed.StackRolledBack", "shop-dev: taken"),
                Name::StackRolledBack,
                "shop-dev: taken",
            ),
            (
                json!({ "outcome": "failed", "failure": { "Error": "States.Timeout" } }),
                Name::TimedOut,
                "States.Timeout",
            ),
            (
                failed("Lambda.Unknown", "it ended"),
                Name::Panicked,
                "Lambda.Unknown: it ended",
            ),
            (failed("Nobody.Knows", "why"), Name::Unexpected, "Nobody.Knows: why"),
        ];
        for (result, name, cause) in table {
            let failure = review(&[result]).unwrap_err();
            assert_eq!((failure.name, failure.cause.as_str()), (name, cause));
        }
    }
}
