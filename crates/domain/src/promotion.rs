//! Whether a release may go on into the next environment: the same digest was stable in the one before, and accepted
//! there where people are asked.

use jiff::Timestamp;

use crate::build_record::BuildRecord;
use crate::environment_state::{LastWord, StableRelease};
use crate::failure::{Failure, Name};
use crate::names::{CommitSha, Digest, EnvironmentName};

/// The release that a commit brings on from the environment `after`.
///
/// `build` is what is known of the commit's build, and `stable` what is kept of the release that it made: that it got to
/// the end of a deployment in `after`, at any time, and who accepted or rejected it there. The last word counts. Neither may
/// be older than the age, where one is given.
///
/// # Errors
/// [`Name::NotStableBefore`], with a sentence that says what is missing and where.
pub fn promote(
    after: &EnvironmentName,
    must_be_accepted: bool,
    commit: &CommitSha,
    build: &BuildRecord,
    stable: Option<&StableRelease>,
    (max_age_seconds, now): (Option<u64>, Timestamp),
) -> Result<Digest, Failure> {
    let refuse = |sentence: String| Err(Failure::new(Name::NotStableBefore, sentence));
    let short = commit.short();
    let release = match build {
        BuildRecord::Built { release, .. } => release,
        BuildRecord::None => {
            return refuse(format!(
                "commit {short} was never built, so it cannot be stable in {after}; bring it there first"
            ));
        }
        BuildRecord::Building { .. } => {
            return refuse(format!(
                "commit {short} is still being built; it has to be stable in {after} first"
            ));
        }
        BuildRecord::Failed { failure, .. } => {
            return refuse(format!(
                "the build of commit {short} failed ({}), so it cannot be stable in {after}",
                failure.name
            ));
        }
    };
    let Some(stable) = stable.filter(|stable| stable.release == *release) else {
        return refuse(format!(
            "release {} of commit {short} was never stable in {after}; bring it to the end of a deployment there first",
            release.short()
        ));
    };
    let too_old = |since: Timestamp| {
        let age = u64::try_from(now.duration_since(since).as_secs()).unwrap_or_default();
        max_age_seconds.is_some_and(|most| age > most)
    };
    if too_old(stable.since) {
        return refuse(format!(
            "release {} of commit {short} was stable in {after} last at {}, which is too long ago; bring it there again",
            release.short(),
            stable.since
        ));
    }
    match stable.last_word() {
        Some(LastWord::Accepted(acceptance)) if must_be_accepted && too_old(acceptance.at) => refuse(format!(
            "release {} of commit {short} was accepted in {after} last at {}, which is too long ago; have it accepted again",
            release.short(),
            acceptance.at
        )),
        _ if !must_be_accepted => Ok(release.clone()),
        Some(LastWord::Accepted(_)) => Ok(release.clone()),
        Some(LastWord::Rejected(rejection)) => refuse(format!(
            "release {} of commit {short} was stable in {after}, and {} rejected it there last, at {}",
            release.short(),
            rejection.by,
            rejection.at
        )),
        None => refuse(format!(
            "release {} of commit {short} is stable in {after}, and nobody accepted it there",
            release.short()
        )),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::environment_state::{Acceptance, Rejection};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn digest() -> impl Strategy<Value = Digest> {
        (0_u8..3).prop_map(|n| Digest::of(&[n]))
    }

    fn build() -> impl Strategy<Value = BuildRecord> {
        prop_oneof![
            1 => Just(BuildRecord::None),
            1 => (1_u32..3, any::<bool>()).prop_map(|(attempt, started)| BuildRecord::Building {
                attempt,
                build: started.then(|| "b:1".to_owned()),
                since: NOW,
            }),
            4 => digest().prop_map(|release| BuildRecord::Built {
                release,
                build: "b:1".to_owned(),
                since: NOW,
            }),
            1 => Just(BuildRecord::Failed {
                attempt: 1,
                failure: Failure::new(Name::BuildFailed, "npm test"),
                build: "b:1".to_owned(),
                since: NOW,
            }),
        ]
    }

    fn stable() -> impl Strategy<Value = Option<StableRelease>> {
        let when = || proptest::option::of((0_i64..3).prop_map(|second| Timestamp::from_second(second).unwrap()));
        let kept = (digest(), when(), when()).prop_map(|(release, accepted, rejected)| StableRelease {
            release,
            commit: "a".repeat(40).parse().unwrap(),
            deployment: "before".parse().unwrap(),
            since: NOW,
            accepted: accepted.map(|at| Acceptance {
                by: vec!["qa@acme.example".parse().unwrap()],
                at,
            }),
            rejected: rejected.map(|at| Rejection {
                by: "lead@acme.example".parse().unwrap(),
                at,
            }),
        });
        proptest::option::weighted(0.8, kept)
    }

    proptest! {
        #[test]
        fn f24_what_goes_on_is_what_was_built_of_this_commit_and_was_stable_and_accepted_before(
            must in any::<bool>(), build in build(), stable in stable(),
        ) {
            let after = "dev".parse().unwrap();
            let commit = "b".repeat(40).parse().unwrap();
            // Accepted, and not rejected at that time or later.
            let is_accepted = |stable: &StableRelease| {
                let rejected = stable.rejected.as_ref().map(|rejection| rejection.at);
                stable.accepted.as_ref().is_some_and(|acceptance| rejected < Some(acceptance.at))
            };
            match promote(&after, must, &commit, &build, stable.as_ref(), (None, NOW)) {
                Ok(release) => {
                    let built = matches!(&build, BuildRecord::Built { release: made, .. } if *made == release);
                    prop_assert!(built);
                    let stable = stable.unwrap();
                    prop_assert_eq!(&stable.release, &release);
                    prop_assert!(!must || is_accepted(&stable));
                }
                Err(failure) => {
                    prop_assert_eq!(failure.name, Name::NotStableBefore);
                    prop_assert!(failure.cause.contains("dev") && failure.cause.contains("bbbbbbbbbbbb"));
                    // Nothing is refused without need.
                    let BuildRecord::Built { release, .. } = build else { return Ok(()) };
                    let was_there = stable.filter(|stable| stable.release == release);
                    prop_assert!(was_there.is_none_or(|stable| must && !is_accepted(&stable)));
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_missing_and_where() {
        let after: EnvironmentName = "test".parse().unwrap();
        let commit: CommitSha = "1a2b3c4d".repeat(5).parse().unwrap();
        let release = Digest::of(b"release");
        let built = BuildRecord::Built {
            release: release.clone(),
            build: "b:1".to_owned(),
            since: NOW,
        };
        let stable = StableRelease {
            release,
            commit: commit.clone(),
            deployment: "before".parse().unwrap(),
            since: NOW,
            accepted: None,
            rejected: None,
        };
        let rejected = StableRelease {
            accepted: Some(Acceptance {
                by: vec!["qa@acme.example".parse().unwrap()],
                at: NOW,
            }),
            rejected: Some(Rejection {
                by: "lead@acme.example".parse().unwrap(),
                at: NOW + jiff::SignedDuration::from_hours(1),
            }),
            ..stable.clone()
        };
        let failed = BuildRecord::Failed {
            attempt: 1,
            failure: Failure::new(Name::BuildFailed, "npm test"),
            build: "b:1".to_owned(),
            since: NOW,
        };
        let building = BuildRecord::None.ask(NOW).1;
        let said: Vec<String> = [
            (&BuildRecord::None, None),
            (&building, None),
            (&failed, None),
            (&built, None),
            (&built, Some(&stable)),
            (&built, Some(&rejected)),
        ]
        .into_iter()
        .map(|(build, stable)| {
            promote(&after, true, &commit, build, stable, (None, NOW))
                .unwrap_err()
                .to_string()
        })
        .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        Rejected.NotStableBefore: commit 1a2b3c4d1a2b was never built, so it cannot be stable in test; bring it there first
        Rejected.NotStableBefore: commit 1a2b3c4d1a2b is still being built; it has to be stable in test first
        Rejected.NotStableBefore: the build of commit 1a2b3c4d1a2b failed (Rejected.BuildFailed), so it cannot be stable in test
        Rejected.NotStableBefore: release a4d451ec2346 of commit 1a2b3c4d1a2b was never stable in test; bring it to the end of a deployment there first
        Rejected.NotStableBefore: release a4d451ec2346 of commit 1a2b3c4d1a2b is stable in test, and nobody accepted it there
        Rejected.NotStableBefore: release a4d451ec2346 of commit 1a2b3c4d1a2b was stable in test, and lead@acme.example rejected it there last, at 1970-01-01T01:00:00Z
        ");
    }
}
