//! What GitHub knows and did not tell: a branch's newest commit of which no push came, a release of which no event came.
//!
//! GitHub sends a delivery once (its documentation, "Handling failed webhook deliveries"), and none at all of a push that is
//! too long or takes more than three tags along. Every few minutes what it shows is therefore compared with what was asked.
//! A commit that was seen once may have its delivery on the way; one that is seen again is asked for without it.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DeliveryId, Push, Release, ReleaseAction};
use crate::names::{CommitSha, RepositoryName};

/// How long a delivery may take before what it would ask is asked without it.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(100);

/// Releases that are older than this are not looked at: GitHub keeps deliveries no longer either.
pub const LOOKS_BACK: SignedDuration = SignedDuration::from_hours(72);

/// How many commits are remembered, the newest last.
const REMEMBERED: usize = 100;

/// GitHub's clock and ours may differ by so much.
const SKEW: SignedDuration = SignedDuration::from_secs(10);

/// What was asked of a repository's branch, and what was missed of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Since when it is compared; what is older is nobody's loss.
    pub since: Option<Timestamp>,
    /// The commits that were asked for.
    pub asked: VecDeque<Asked>,
    /// The commit that GitHub shows and that nobody asked for yet.
    pub missing: Option<Missing>,
}

/// A commit that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The commit.
    pub commit: CommitSha,
    /// Since when it was asked for without its delivery; nothing, where that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Timestamp>,
}

/// A commit that nobody asked for yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The commit.
    pub commit: CommitSha,
    /// Since when GitHub shows it.
    pub since: Timestamp,
}

/// What a look at a branch's newest commit leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is the first look ever: what is there was there before.
    First,
    /// It was asked for.
    Known,
    /// Its delivery may be on the way.
    Wait,
    /// It has to be asked for.
    Ask,
}

impl Watched {
    /// Looks at the newest commit of the branch.
    pub fn look(&mut self, head: &CommitSha, now: Timestamp) -> Look {
        if self.since.is_none() {
            self.since = Some(now);
            if !self.knows(head) {
                self.remember(head, None);
            }
            return Look::First;
        }
        if self.knows(head) {
            self.missing = None;
            return Look::Known;
        }
        match &self.missing {
            Some(missing) if missing.commit == *head => {
                if now.duration_since(missing.since) < PATIENCE {
                    Look::Wait
                } else {
                    Look::Ask
                }
            }
            _ => {
                self.missing = Some(Missing {
                    commit: head.clone(),
                    since: now,
                });
                Look::Wait
            }
        }
    }

    /// Notes that a commit was asked for, by its delivery or without it. Saying it again changes nothing.
    pub fn asked_for(&mut self, commit: &CommitSha, recovered_at: Option<Timestamp>) {
        if self.missing.as_ref().is_some_and(|missing| missing.commit == *commit) {
            self.missing = None;
        }
        if !self.knows(commit) {
            self.remember(commit, recovered_at);
        }
    }

    /// Whether a push is the one whose delivery was given up, and which was asked for without it.
    pub fn was_recovered(&self, push: &Push) -> bool {
        let Some(commit) = &push.after else { return false };
        let found = self.asked.iter().find(|asked| asked.commit == *commit);
        let recovered_at = found.and_then(|asked| asked.recovered_at);
        // Whoever takes the branch away and back later means it anew.
        recovered_at.is_some_and(|at| push.pushed_at.is_none_or(|pushed_at| pushed_at <= at + SKEW))
    }

    fn knows(&self, commit: &CommitSha) -> bool {
        self.asked.iter().any(|asked| asked.commit == *commit)
    }

    fn remember(&mut self, commit: &CommitSha, recovered_at: Option<Timestamp>) {
        if self.asked.len() >= REMEMBERED {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked {
            commit: commit.clone(),
            recovered_at,
        });
    }
}

/// The push that would have told of a branch's newest commit.
pub fn push_of(
    repository: &RepositoryName,
    branch: &str,
    head: &CommitSha,
    by: &str,
    title: &str,
    at: Timestamp,
) -> Push {
    Push {
        repository: repository.clone(),
        fork: false,
        reference: format!("refs/heads/{branch}"),
        before: None,
        after: Some(head.clone()),
        pushed_at: Some(at),
        by: by.to_owned(),
        title: title.to_owned(),
    }
}

/// The name under which a push is kept whose delivery never came: the same however often it is recovered.
pub fn delivery_of_push(push: &Push) -> Option<DeliveryId> {
    let commit = push.after.as_ref()?;
    named(&[push.repository.as_str(), &push.reference, commit.as_str()])
}

/// The name under which a release is kept of which no event came.
pub fn delivery_of_release(release: &Release) -> Option<DeliveryId> {
    let kind = if release.prerelease { "prerelease" } else { "release" };
    named(&[release.repository.as_str(), &release.id.to_string(), &release.tag, kind])
}

/// Whether a release that GitHub lists may have been missed: it was published after the repository was first looked at, long
/// enough ago for its event to be there, and not longer ago than anybody would expect it to start something now.
pub fn may_be_missed(release: &Release, watched: &Watched, now: Timestamp) -> bool {
    let (Some(published), Some(since)) = (release.at, watched.since) else {
        return false;
    };
    let age = now.duration_since(published);
    release.action == ReleaseAction::Published
        && !release.draft
        && published > since
        && (PATIENCE..LOOKS_BACK).contains(&age)
}

/// One attempt of GitHub's to deliver something, as it lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// GitHub's number of this attempt.
    pub number: u64,
    /// The delivery, whose attempts all carry the same.
    pub delivery: String,
    /// The event.
    pub event: String,
    /// When it was made.
    pub at: Timestamp,
    /// What it was answered; 0 where it was not answered.
    pub status: u16,
}

/// The attempts that GitHub is to make again: of each delivery that might have started something and did not get through.
///
/// What was answered that it is malformed or too long would be answered the same again, and is left to the comparison of what
/// GitHub shows with what was asked. The rest is tried again after two minutes, four, eight, …: some ten times in the three
/// days that GitHub keeps it.
pub fn to_redeliver(attempts: &[Attempt], now: Timestamp) -> Vec<u64> {
    let mut deliveries: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        deliveries.entry(&attempt.delivery).or_default().push(attempt);
    }
    let mut again = Vec::new();
    for attempts in deliveries.into_values() {
        let Some(last) = attempts.iter().max_by_key(|attempt| (attempt.at, attempt.number)) else {
            continue;
        };
        let starts_something = ["push", "release"].contains(&last.event.as_str());
        let got_through = attempts.iter().any(|attempt| (200..300).contains(&attempt.status));
        let would_again = matches!(last.status, 400 | 413);
        let made = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        let pause = SignedDuration::from_secs(60).saturating_mul(1_i32.checked_shl(made).unwrap_or(i32::MAX).max(1));
        if starts_something && !got_through && !would_again && now.duration_since(last.at) >= pause {
            again.push(last.number);
        }
    }
    again
}

fn named(parts: &[&str]) -> Option<DeliveryId> {
    let digest = crate::names::Digest::of(parts.join("\0").as_bytes());
    digest.as_str().get(..32)?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commit(number: u8) -> CommitSha {
        format!("{number:02x}").repeat(20).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn push(number: u8, pushed_at: i64) -> Push {
        push_of(
            &"acme/shop".parse().unwrap(),
            "main",
            &commit(number),
            "ada",
            "Tea",
            at(pushed_at),
        )
    }

    #[test]
    fn what_is_seen_first_was_there_before_and_what_is_seen_twice_is_asked_for() {
        let mut watched = Watched::default();
        assert_eq!(watched.look(&commit(1), at(0)), Look::First);
        assert_eq!(watched.look(&commit(1), at(120)), Look::Known);
        assert_eq!(watched.look(&commit(2), at(240)), Look::Wait);
        assert_eq!(watched.look(&commit(2), at(300)), Look::Wait);
        assert_eq!(watched.look(&commit(2), at(360)), Look::Ask);
        assert_eq!(
            watched.look(&commit(2), at(480)),
            Look::Ask,
            "as long as it was not asked for"
        );
        watched.asked_for(&commit(2), Some(at(480)));
        assert_eq!(watched.look(&commit(2), at(600)), Look::Known);
    }

    #[test]
    fn a_delivery_that_comes_in_time_is_what_asks() {
        let mut watched = Watched::default();
        watched.asked_for(&commit(1), None);
        assert_eq!(watched.look(&commit(1), at(0)), Look::First);
        assert_eq!(watched.look(&commit(2), at(120)), Look::Wait);
        watched.asked_for(&commit(2), None);
        assert_eq!(watched.missing, None);
        assert_eq!(watched.look(&commit(2), at(240)), Look::Known);
        assert!(!watched.was_recovered(&push(2, 100)));
        // Two commits in a row: what is waited for is the newest.
        assert_eq!(watched.look(&commit(3), at(360)), Look::Wait);
        assert_eq!(watched.look(&commit(4), at(480)), Look::Wait);
        assert_eq!(watched.look(&commit(4), at(600)), Look::Ask);
    }

    #[test]
    fn a_delivery_that_comes_after_all_asks_for_nothing_and_a_new_push_of_the_same_commit_does() {
        let mut watched = Watched::default();
        watched.look(&commit(1), at(0));
        watched.asked_for(&commit(2), Some(at(500)));
        assert!(watched.was_recovered(&push(2, 100)));
        assert!(watched.was_recovered(&push(2, 509)), "by the other clock");
        assert!(!watched.was_recovered(&push(2, 511)));
        assert!(!watched.was_recovered(&push(3, 100)));
        let unknown = Push {
            pushed_at: None,
            ..push(2, 0)
        };
        assert!(watched.was_recovered(&unknown));
    }

    #[test]
    fn a_release_may_be_missed_for_three_days() {
        let release = |published: Option<Timestamp>| Release {
            repository: "acme/shop".parse().unwrap(),
            fork: false,
            id: 7,
            tag: "v1".to_owned(),
            draft: false,
            prerelease: true,
            action: ReleaseAction::Published,
            by: "ada".to_owned(),
            name: "v1".to_owned(),
            at: published,
        };
        let mut watched = Watched::default();
        assert!(
            !may_be_missed(&release(Some(at(10))), &watched, at(200)),
            "nobody looked before"
        );
        watched.look(&commit(1), at(0));
        for (published, now, missed) in [
            (Some(at(10)), at(200), true),
            (Some(at(10)), at(100), false),
            (Some(at(-10)), at(200), false),
            (Some(at(10)), at(10 + 72 * 3_600), false),
            (None, at(200), false),
        ] {
            assert_eq!(
                may_be_missed(&release(published), &watched, now),
                missed,
                "{published:?} {now}"
            );
        }
        let draft = Release {
            draft: true,
            ..release(Some(at(10)))
        };
        assert!(!may_be_missed(&draft, &watched, at(200)));
    }

    #[test]
    fn what_is_recovered_has_one_name() {
        let name = |push: &Push| delivery_of_push(push).unwrap();
        assert_eq!(name(&push(1, 0)), name(&push(1, 99)));
        assert_ne!(name(&push(1, 0)), name(&push(2, 0)));
    }

    #[test]
    fn what_did_not_get_through_is_delivered_again_less_and_less_often() {
        let attempt = |number: u64, delivery: &str, event: &str, second: i64, status: u16| Attempt {
            number,
            delivery: delivery.to_owned(),
            event: event.to_owned(),
            at: at(second),
            status,
        };
        let attempts = [
            attempt(1, "a", "push", 0, 503),
            attempt(2, "b", "push", 0, 202),
            attempt(3, "c", "release", 0, 0),
            attempt(4, "c", "release", 130, 502),
            attempt(5, "d", "push", 0, 500),
            attempt(6, "d", "push", 200, 200),
            attempt(7, "e", "star", 0, 500),
            attempt(8, "f", "push", 0, 413),
            attempt(9, "g", "push", 0, 401),
        ];
        assert_eq!(
            to_redeliver(&attempts, at(60)),
            Vec::<u64>::new(),
            "GitHub has just tried"
        );
        assert_eq!(to_redeliver(&attempts, at(120)), [1, 9]);
        assert_eq!(to_redeliver(&attempts, at(130 + 240)), [1, 4, 9]);
        let many: Vec<Attempt> = (0..80).map(|number| attempt(number, "a", "push", 0, 500)).collect();
        assert_eq!(to_redeliver(&many, at(259_200)), Vec::<u64>::new());
    }

    proptest! {
        /// Whatever deliveries come and whatever is looked at: what was asked for is not asked for again, and the newest
        /// commit is asked for in the end.
        #[test]
        fn everything_is_asked_for_once(steps in prop::collection::vec((0_u8..6, any::<bool>(), 1_i64..400), 1..60)) {
            let mut watched = Watched::default();
            watched.look(&commit(0), at(0));
            let mut asked = vec![commit(0)];
            let (mut now, mut newest) = (0, 0);
            for (number, is_delivered, seconds) in steps {
                now += seconds;
                newest = newest.max(number);
                let head = commit(newest);
                if is_delivered && !asked.contains(&head) {
                    watched.asked_for(&head, None);
                    asked.push(head);
                } else if watched.look(&head, at(now)) == Look::Ask {
                    prop_assert!(!asked.contains(&head));
                    watched.asked_for(&head, Some(at(now)));
                    asked.push(head);
                }
            }
            let head = commit(newest);
            for _ in 0..2 {
                now += 120;
                if watched.look(&head, at(now)) == Look::Ask {
                    prop_assert!(!asked.contains(&head));
                    watched.asked_for(&head, Some(at(now)));
                    asked.push(head.clone());
                }
            }
            prop_assert!(asked.contains(&head));
        }
    }
}
