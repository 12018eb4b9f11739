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
                checks: Vec::new(),
                url: None,
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

/// What a reader compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Each entry's `previous` with the hash of the one before.
    Hashes,
    /// Each entry's place with its number.
    Numbers,
    /// The last entry's hash with the head's, which is written in the same transaction.
    Head,
}

/// Whether a reader who does not compare all of that would take these entries for the record: what is not compared is
/// mended beforehand.
fn passes_without(missing: &[Compared], entries: &[Entry], head: &Head) -> bool {
    let mut mended = entries.to_vec();
    let mut previous = Head::empty(id()).hash;
    for (place, entry) in mended.iter_mut().enumerate() {
        if missing.contains(&Compared::Numbers) {
            entry.sequence = u64::try_from(place + 1).expect("small");
        }
        if missing.contains(&Compared::Hashes) {
            entry.previous = previous;
        }
        previous = entry.hash();
    }
    verify(&id(), &mended).is_ok_and(|found| missing.contains(&Compared::Head) || found.hash == head.hash)
}

/// A record of four entries.
fn small_record() -> (Vec<Entry>, Head) {
    let events = [
        Event::Queued { before: 1 },
        Event::Admitted { fence: 1 },
        Event::Building {
            build: "shop:1".to_owned(),
            log: String::new(),
        },
        Event::Released {
            release: Digest::of(b"1"),
        },
    ];
    let mut head = Head::empty(id());
    let entries = events.map(|event| {
        let appended = head.append(event, Timestamp::UNIX_EPOCH).expect("it can have happened");
        let (entry, next) = appended.expect("it is news");
        head = next;
        entry
    });
    (entries.to_vec(), head)
}

/// For each way to tamper with a record: it is found, and passes once the comparison that finds it is left out.
mod each_comparison_is_needed {
    use super::*;

    fn needs(missing: &[Compared], tamper: fn(&mut Vec<Entry>)) {
        let (entries, head) = small_record();
        assert!(passes_without(&[], &entries, &head));
        let mut tampered = entries;
        tamper(&mut tampered);
        assert!(!passes(&tampered, &head));
        assert!(!passes_without(&[], &tampered, &head));
        for left_out in 0..missing.len() {
            let mut fewer = missing.to_vec();
            fewer.remove(left_out);
            assert!(
                !passes_without(&fewer, &tampered, &head),
                "{fewer:?} need not be compared"
            );
        }
        assert!(passes_without(missing, &tampered, &head));
    }

    #[test]
    fn s11_the_head_tells_of_another_last_entry() {
        needs(&[Compared::Head], |entries| entries[3].at = Timestamp::MAX);
    }

    #[test]
    fn s11_the_head_tells_of_a_missing_last_entry() {
        needs(&[Compared::Head], |entries| entries.truncate(3));
    }

    // Once the chain is mended behind it, only the head tells: both have to go.
    #[test]
    fn s11_the_hashes_tell_of_another_entry() {
        needs(&[Compared::Hashes, Compared::Head], |entries| {
            entries[0].what = Event::Queued { before: 2 };
        });
    }

    // A missing entry leaves a gap in the numbers and a break in the hashes.
    #[test]
    fn s11_hashes_and_numbers_tell_of_a_missing_entry() {
        needs(&[Compared::Hashes, Compared::Numbers, Compared::Head], |entries| {
            entries.remove(2);
        });
    }
}
