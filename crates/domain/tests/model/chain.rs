//! S11: a record is append-only, and each entry carries the hash of the one before.

use domain::deployment::Leg;
use domain::failure::{Failure, Name};
use domain::ledger::{Entry, Head, verify};
use domain::life::{Ending, Event, WayBack};
use domain::names::{DeploymentId, Digest};
use domain::smoke_test::Report;
use jiff::Timestamp;
use proptest::prelude::*;

fn id() -> DeploymentId {
    "shop-dev-1".parse().expect("an id")
}

/// What may be told of a deployment, in no particular order: the record takes what can have happened.
fn told() -> impl Strategy<Value = Event> {
    let stack = || prop_oneof![Just("data"), Just("web")].prop_map(|name| name.parse().expect("a stack's name"));
    let leg = || prop_oneof![3 => Just(Leg::Forward), 1 => Just(Leg::Back)];
    let release = || (0u8..3).prop_map(|n| Digest::of(&[n]));
    let failure = || {
        proptest::sample::select(vec![
            Name::StackRolledBack,
            Name::RollbackFailed,
            Name::SmokeTestsFailed,
        ])
        .prop_map(|name| Failure::new(name, "because"))
    };
    let waves = || {
        vec![
            vec!["data".parse().expect("a name")],
            vec!["web".parse().expect("a name")],
        ]
    };
    prop_oneof![
        (0usize..3).prop_map(|before| Event::Queued { before }),
        (1u64..3).prop_map(|fence| Event::Admitted { fence }),
        release().prop_map(|release| Event::Released { release }),
        (leg(), release()).prop_map(move |(leg, release)| Event::Planned {
            leg,
            release,
            waves: waves()
        }),
        (leg(), stack()).prop_map(|(leg, stack)| Event::Compared {
            leg,
            stack,
            summary: None
        }),
        (leg(), stack()).prop_map(|(leg, stack)| Event::Executing {
            leg,
            stack,
            change_set: "arn".to_owned()
        }),
        (leg(), stack()).prop_map(|(leg, stack)| Event::Updated { leg, stack }),
        (leg(), stack(), failure()).prop_map(|(leg, stack, failure)| Event::NotUpdated { leg, stack, failure }),
        (leg(), any::<bool>()).prop_map(|(leg, passed)| Event::SmokeTested {
            leg,
            report: Report {
                passed,
                checks: Vec::new()
            },
        }),
        (release(), failure()).prop_map(|(to, because)| Event::GoingBack { to, because }),
        Just(Event::Ended(Ending::Deployed)),
        failure().prop_map(|failure| Event::Ended(Ending::FailedClean {
            failure,
            way_back: WayBack::NothingChanged,
        })),
    ]
}

/// A record as it comes about: what cannot have happened is refused and leaves nothing.
fn record() -> impl Strategy<Value = (Vec<Entry>, Head)> {
    let path = || {
        vec![
            Event::Admitted { fence: 1 },
            Event::Released {
                release: Digest::of(b"1"),
            },
        ]
    };
    proptest::collection::vec(told(), 3..24).prop_map(move |told| {
        let mut entries = Vec::new();
        let mut head = Head::empty(id());
        for (second, event) in path().into_iter().chain(told).enumerate() {
            let at = Timestamp::from_second(second.try_into().expect("small")).expect("a moment");
            if let Ok(Some((entry, next))) = head.append(event, at) {
                entries.push(entry);
                head = next;
            }
        }
        (entries, head)
    })
}

/// Whether a reader who knows where the record stood would take these entries for it.
fn passes(entries: &[Entry], head: &Head) -> bool {
    verify(&id(), entries).is_ok_and(|found| found == *head)
}

proptest! {
    #[test]
    fn s11_a_record_that_nobody_touched_is_whole((entries, head) in record()) {
        prop_assert_eq!(verify(&id(), &entries), Ok(head));
    }

    #[test]
    fn s11_an_altered_entry_is_found((entries, head) in record(), at in any::<prop::sample::Index>(), event in told()) {
        let mut altered = entries.clone();
        let place = at.index(altered.len());
        prop_assume!(altered[place].what != event);
        altered[place].what = event;
        prop_assert!(!passes(&altered, &head));
    }

    #[test]
    fn s11_another_time_is_found((entries, head) in record(), at in any::<prop::sample::Index>()) {
        let mut altered = entries.clone();
        let place = at.index(altered.len());
        altered[place].at = Timestamp::MAX;
        prop_assert!(!passes(&altered, &head));
    }

    #[test]
    fn s11_a_missing_entry_is_found((entries, head) in record(), at in any::<prop::sample::Index>()) {
        let mut altered = entries.clone();
        altered.remove(at.index(entries.len()));
        prop_assert!(!passes(&altered, &head));
    }

    #[test]
    fn s11_another_order_is_found(
        (entries, head) in record(),
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let mut altered = entries.clone();
        let (one, other) = (one.index(entries.len()), other.index(entries.len()));
        prop_assume!(one != other);
        altered.swap(one, other);
        prop_assert!(!passes(&altered, &head));
    }

    #[test]
    fn s11_a_missing_entry_is_found_even_where_the_numbers_are_mended(
        (entries, head) in record(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut altered = entries.clone();
        altered.remove(at.index(entries.len()));
        for (place, entry) in altered.iter_mut().enumerate() {
            entry.sequence = u64::try_from(place + 1).expect("small");
        }
        prop_assert!(!passes(&altered, &head));
    }

    #[test]
    fn s11_another_deployments_entry_is_found((entries, head) in record(), at in any::<prop::sample::Index>()) {
        let mut altered = entries.clone();
        let place = at.index(altered.len());
        altered[place].deployment = "shop-dev-2".parse().expect("an id");
        prop_assert!(!passes(&altered, &head));
    }
}

/// Without the hashes, a record in which one harmless entry was exchanged would pass: it is they that are checked above.
#[test]
fn s11_without_the_hashes_an_altered_entry_would_pass() {
    let at = Timestamp::UNIX_EPOCH;
    let Ok(Some((first, head))) = Head::empty(id()).append(Event::Queued { before: 1 }, at) else {
        panic!("the first entry is written");
    };
    let Ok(Some((second, head))) = head.append(Event::Admitted { fence: 1 }, at) else {
        panic!("the second entry is written");
    };
    let mut altered = vec![first, second];
    altered[0].what = Event::Queued { before: 2 };
    assert!(!passes(&altered, &head));
    altered[1].previous = altered[0].hash();
    let rehashed = verify(&id(), &altered).expect("the chain alone is whole again");
    assert_ne!(
        rehashed.hash, head.hash,
        "the head, which is written in the same transaction, gives it away"
    );
}
