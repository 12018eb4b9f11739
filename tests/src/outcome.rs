//! How deployments ended, as the tests ask for it.

use domain::deployment::Leg;
use domain::failure::Failure;
use domain::ledger::Entry;
use domain::life::{Ending, Event, WayBack};
use local::executions::Ended;

/// It brought its release.
pub fn deployed(ended: &Ended) {
    assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
    assert_eq!(ended.status, "SUCCEEDED");
}

/// The failure's name and cause and what the environment has now, of a deployment that ended red and clean.
pub fn failed_clean(ended: &Ended) -> (&str, &str, &WayBack) {
    match &ended.head.status.ending {
        Some(Ending::FailedClean { failure, way_back }) => {
            red(ended, failure);
            (failure.name.as_str(), &failure.cause, way_back)
        }
        other => panic!("{other:?}\n{ended:#?}"),
    }
}

/// The failure's name and cause, of a deployment that ended red and calls an operator.
pub fn operator_needed(ended: &Ended) -> (&str, &str) {
    match &ended.head.status.ending {
        Some(Ending::OperatorNeeded { failure }) => {
            red(ended, failure);
            (failure.name.as_str(), &failure.cause)
        }
        other => panic!("{other:?}\n{ended:#?}"),
    }
}

/// The execution shows the failure that the record has.
fn red(ended: &Ended, failure: &Failure) {
    assert_eq!(ended.status, "FAILED", "{ended:#?}");
    let shown = ended.error.as_ref().map(|(name, _)| name.as_str());
    assert_eq!(shown, Some(failure.name.as_str()), "{ended:#?}");
}

/// What became of the stacks on one leg, in the order in which they ended: each with whether it has changed.
pub fn stacks(entries: &[Entry], way: Leg) -> Vec<(&str, bool)> {
    let what = entries.iter().map(|entry| &entry.what);
    what.filter_map(|event| match event {
        Event::Updated { leg, stack } if *leg == way => Some((stack.as_str(), true)),
        Event::NotUpdated { leg, stack, .. } if *leg == way => Some((stack.as_str(), false)),
        _ => None,
    })
    .collect()
}
