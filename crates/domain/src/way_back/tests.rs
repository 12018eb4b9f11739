use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn stable(release: &str, commit: &str, since: i64) -> StableRelease {
    StableRelease {
        release: format!("{release:0<64}").parse().unwrap(),
        commit: format!("{commit:0<40}").parse().unwrap(),
        deployment: "before".parse().unwrap(),
        since: Timestamp::from_second(since).unwrap(),
        accepted: None,
        rejected: None,
    }
}

/// The newest first: the present one, two releases of one commit, one that was taken back, and an old one.
fn history() -> Vec<StableRelease> {
    vec![
        stable("aa11", "c5", 50),
        stable("bb22", "c4", 40),
        stable("bb33", "c4", 30),
        stable("dd44", "c3", 20),
        stable("ee55", "f2", 10),
    ]
}

/// What is gone back to where this is named, or why nothing is.
fn chosen(known: &Earlier<'_>, named: Option<&str>) -> String {
    match choose(known, named) {
        Ok(Way { from, stable, to }) => {
            assert_eq!(Some(stable), known.stable.map(|stable| &stable.release));
            assert_eq!(from, known.unsettled.unwrap_or(stable));
            format!("to {}", &to.release.as_str()[..4])
        }
        Err(failure) => {
            assert_eq!(failure.name, Name::NoWayBack);
            failure.cause
        }
    }
}

#[test]
fn an_environment_goes_back_to_what_is_named_or_to_the_newest_that_was_not_taken_back() {
    let history = history();
    let present = &history[0].release;
    let taken_back = [history[1].release.clone(), history[3].release.clone()];
    let known = Earlier {
        stable: Some(&history[0]),
        unsettled: None,
        under_way: None,
        all: &history,
        taken_back: &taken_back,
        keep: 20,
    };
    let told: Vec<String> = [
        None,
        Some(" "),
        Some("bb33"),
        Some(history[2].release.as_str()),
        Some("bb22"),
        Some("dd"),
        Some("c3"),
        Some(" f2 "),
        Some(history[4].commit.as_str()),
        Some("bb"),
        Some("c4"),
        Some("aa"),
        Some(present.as_str()),
        Some("c5"),
        Some("BB33"),
        Some("b22"),
        Some("9"),
    ]
    .map(|named| format!("{named:?}: {}", chosen(&known, named)))
    .into();
    insta::assert_snapshot!(told.join("\n"), @r#"
    None: to bb33
    Some(" "): to bb33
    Some("bb33"): to bb33
    Some("bb33000000000000000000000000000000000000000000000000000000000000"): to bb33
    Some("bb22"): to bb22
    Some("dd"): to dd44
    Some("c3"): to dd44
    Some(" f2 "): to ee55
    Some("f200000000000000000000000000000000000000"): to ee55
    Some("bb"): "bb" is the beginning of more than one release; write more of it
    Some("c4"): "c4" is the beginning of more than one release; write more of it
    Some("aa"): "aa" is what is there now
    Some("aa11000000000000000000000000000000000000000000000000000000000000"): "aa11000000000000000000000000000000000000000000000000000000000000" is what is there now
    Some("c5"): "c5" is what is there now
    Some("BB33"): "BB33" is none of the last 20 releases that were stable there, nor the beginning of a commit of theirs
    Some("b22"): "b22" is none of the last 20 releases that were stable there, nor the beginning of a commit of theirs
    Some("9"): "9" is none of the last 20 releases that were stable there, nor the beginning of a commit of theirs
    "#);
}

#[test]
fn from_what_never_became_stable_an_environment_goes_back_to_what_is_stable() {
    let history = history();
    let unsettled = Digest::of(b"rejected");
    let known = Earlier {
        stable: Some(&history[0]),
        unsettled: Some(&unsettled),
        under_way: None,
        all: &history,
        taken_back: &[],
        keep: 2,
    };
    assert_eq!(chosen(&known, None), "to aa11");
    assert_eq!(chosen(&known, Some("bb22")), "to bb22");
    let named = &unsettled.as_str()[..12];
    assert!(chosen(&known, Some(named)).ends_with("is what is there now"));
    // What is there was stable once: it is no way back.
    let known = Earlier {
        unsettled: Some(&history[2].release),
        ..known
    };
    assert_eq!(chosen(&known, None), "to aa11");
    assert!(chosen(&known, Some("bb33")).ends_with("is what is there now"));
    let known = Earlier {
        taken_back: std::slice::from_ref(&history[0].release),
        ..known
    };
    assert_eq!(chosen(&known, None), "to bb22", "the stable one was taken back");
}

#[test]
fn an_environment_that_went_back_goes_further_back_and_not_forward_again() {
    let history = history();
    let known = Earlier {
        stable: Some(&history[2]),
        unsettled: None,
        under_way: None,
        all: &history,
        taken_back: &[],
        keep: 20,
    };
    assert_eq!(chosen(&known, None), "to dd44");
    assert_eq!(chosen(&known, Some("aa11")), "to aa11", "forward where it is named");
    let oldest = Earlier {
        stable: Some(&history[4]),
        ..known
    };
    assert!(chosen(&oldest, None).starts_with("there is no earlier stable release"));
}

#[test]
fn s09_where_there_is_no_way_back_it_is_said_why() {
    let history = history();
    let under_way: DeploymentId = "shop-production-2".parse().unwrap();
    let all: Vec<Digest> = history.iter().map(|stable| stable.release.clone()).collect();
    let known = Earlier {
        stable: Some(&history[0]),
        unsettled: None,
        under_way: None,
        all: &history,
        taken_back: &[],
        keep: 2,
    };
    let foreign = stable("ff", "f1", 60);
    let cases = [
        ("the second before it, and no more are kept", known, Some("bb33")),
        ("the third, and two are kept", known, Some("dd44")),
        (
            "what is kept was taken back",
            Earlier {
                taken_back: &all[..3],
                ..known
            },
            None,
        ),
        (
            "nothing else was ever stable",
            Earlier {
                all: &history[..1],
                ..known
            },
            None,
        ),
        (
            "another is under way",
            Earlier {
                under_way: Some(&under_way),
                ..known
            },
            Some("bb22"),
        ),
        (
            "nothing is stable",
            Earlier {
                stable: None,
                all: &[],
                ..known
            },
            None,
        ),
        (
            "nothing is stable, and something is there",
            Earlier {
                stable: None,
                unsettled: Some(&all[0]),
                all: &[],
                ..known
            },
            None,
        ),
        (
            "what is there is not of these",
            Earlier {
                stable: Some(&foreign),
                ..known
            },
            Some("aa11"),
        ),
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|(what, known, named)| format!("{what}: {}", chosen(known, *named)))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    the second before it, and no more are kept: to bb33
    the third, and two are kept: "dd44" is none of the last 2 releases that were stable there, nor the beginning of a commit of theirs
    what is kept was taken back: to dd44
    nothing else was ever stable: there is no earlier stable release that was not taken back itself
    another is under way: shop-production-2 is under way there; wait for its end, or stop its execution and look after what it left
    nothing is stable: no release was ever stable there
    nothing is stable, and something is there: no release was ever stable there
    what is there is not of these: to aa11
    "#);
}

#[test]
fn what_can_be_gone_back_to_is_listed_without_the_present_one_which_takes_no_place() {
    let history = history();
    let list = |stable: Option<&StableRelease>, unsettled, keep| {
        let known = Earlier {
            stable,
            unsettled,
            under_way: None,
            all: &history,
            taken_back: &[],
            keep,
        };
        candidates(&known)
            .map(|stable| stable.release.as_str()[..4].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(Some(&history[0]), None, 3), ["bb22", "bb33", "dd44"]);
    assert_eq!(list(Some(&history[1]), None, 3), ["aa11", "bb33", "dd44"]);
    assert_eq!(
        list(Some(&history[0]), Some(&history[2].release), 3),
        ["aa11", "bb22", "dd44"]
    );
    assert_eq!(list(None, None, 2), ["aa11", "bb22"]);
    assert_eq!(list(Some(&history[0]), None, 20).len(), 4);
}

/// Releases that were stable, the newest first, of few commits, so that names are shared.
fn releases() -> impl Strategy<Value = Vec<StableRelease>> {
    let all = prop::sample::subsequence((0_u8..8).collect::<Vec<_>>(), 0..=8).prop_shuffle();
    (all, proptest::collection::vec(0_u8..4, 8)).prop_map(|(numbers, commits)| {
        let newest_first = numbers.into_iter().zip(commits).zip((0..100).rev());
        newest_first
            .map(|((number, commit), since)| StableRelease {
                release: Digest::of(&[number]),
                ..stable("", &format!("{commit}"), since)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn s09_whatever_is_gone_back_to_was_stable_there_and_is_not_there_now(
        history in releases(),
        stable in proptest::option::weighted(0.9, any::<prop::sample::Index>()),
        unsettled in proptest::option::weighted(0.3, 0_u8..9),
        taken_back in prop::sample::subsequence((0_u8..8).collect::<Vec<_>>(), 0..=8),
        keep in 1_u32..6,
        is_busy in proptest::bool::weighted(0.1),
        named in proptest::option::of((0_u8..9, 1_usize..5, any::<bool>())),
    ) {
        let stable = stable.filter(|_| !history.is_empty()).map(|index| index.get(&history));
        let unsettled = unsettled.map(|number| Digest::of(&[number]));
        let taken_back: Vec<Digest> = taken_back.into_iter().map(|number| Digest::of(&[number])).collect();
        let under_way: DeploymentId = "other".parse().unwrap();
        let named = named.map(|(number, length, by_commit)| {
            if by_commit {
                format!("{number}{}", "0".repeat(length - 1))
            } else {
                Digest::of(&[number]).as_str()[..length].to_owned()
            }
        });
        let known = Earlier {
            stable,
            unsettled: unsettled.as_ref(),
            under_way: is_busy.then_some(&under_way),
            all: &history,
            taken_back: &taken_back,
            keep,
        };
        let present = unsettled.as_ref().or(stable.map(|stable| &stable.release));
        // What is named is one of those that are kept; the newest before is found however many came after it.
        let most = if named.is_some() { keep as usize } else { usize::MAX };
        let others = history.iter().filter(|other| Some(&other.release) != present).take(most);
        // Not forward, unless that is named: what was stable last is older than what is there in its place.
        let is_back = |other: &StableRelease| {
            stable.is_some_and(|stable| other.since < stable.since || unsettled.is_some() && other == stable)
        };
        let fits = |other: &StableRelease| match &named {
            Some(named) => other.release.as_str().starts_with(named) || other.commit.as_str().starts_with(named),
            None => is_back(other) && !taken_back.contains(&other.release),
        };
        let fitting: Vec<&StableRelease> = others.filter(|other| fits(other)).collect();
        match choose(&known, named.as_deref()) {
            Ok(way) => {
                prop_assert!(!is_busy);
                prop_assert_eq!(Some(way.from), present);
                prop_assert_eq!(Some(way.stable), stable.map(|stable| &stable.release));
                prop_assert!(history.contains(way.to));
                prop_assert_ne!(&way.to.release, way.from);
                prop_assert_eq!(fitting[0], way.to);
                prop_assert!(named.is_none() || fitting.len() == 1);
            }
            Err(failure) => {
                prop_assert_eq!(failure.name, Name::NoWayBack);
                // Nothing is refused without need.
                let is_clear = if named.is_some() { fitting.len() == 1 } else { !fitting.is_empty() };
                prop_assert!(is_busy || stable.is_none() || !is_clear, "{}", failure);
            }
        }
    }
}
