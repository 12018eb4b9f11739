//! The four figures that DORA measures software delivery by, for each environment, from the ledger alone.
//!
//! The names and what they are for are DORA's (dora.dev/guides/dora-metrics-four-keys/). The ledger knows deployments and
//! not incidents, so each figure here is of deployments: the doc comment of its field in [`Figures`] says what is counted
//! and what is not. DORA speaks of production; an environment before it has the same figures, and they say how fast that
//! rung of the ladder is.
//!
//! A deployment belongs to the period in which Lockgate took it in. Plans, and deployments that are not over, are in no
//! figure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::deployment::Deployment;
use crate::failure::Name;
use crate::life::{Ending, Status, WayBack};
use crate::names::{CommitSha, Digest, EnvironmentName};

const WEEK: i64 = 7 * 24 * 60 * 60;

/// From none to the most deployments of a week.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The time that is looked at: from `since` until before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From here.
    pub since: Timestamp,
    /// To there; in the practice of the command, now.
    pub until: Timestamp,
}

/// A deployment, as far as the figures need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where it was to go.
    pub environment: EnvironmentName,
    /// Which commit.
    pub commit: CommitSha,
    /// The release that it brought; of a rollback, the one that it went back to.
    pub release: Option<Digest>,
    /// Set where it was started to take the environment back: from this release.
    pub takes_back: Option<Digest>,
    /// When Lockgate took it in.
    pub asked: Timestamp,
    /// Whether a stack was changed, be it that CloudFormation put it back.
    pub touched: bool,
    /// When it was found to have failed, where that was before its end: when it began to go back.
    pub failed: Option<Timestamp>,
    /// How and when it ended; nothing, where it is not over.
    pub ended: Option<(Ending, Timestamp)>,
}

/// The figures of one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How many deployments brought their release there, to the end: it is stable. Those that changed nothing, rollbacks,
    /// and those that failed are not counted.
    pub deployments: u32,
    /// Deployment frequency: the same for each day of the period, by the calendar and not by working days. Nothing, where
    /// the period is empty.
    pub per_day: Option<f64>,
    /// The same figures for each week of the period, the oldest first. Weeks are counted back from the period's end, so the
    /// first may be a shorter one.
    pub weeks: Vec<Week>,
    /// Lead time for changes: from when the commit first came to Lockgate's notice, which is the push of the oldest of its
    /// deployments in any environment, to when its first deployment of the period to this environment ended well. Waiting
    /// for people and baking are in it. A commit that came along with a later one has no lead time of its own, as the ledger
    /// does not know what a commit holds; the time from writing a commit to pushing it is not in it.
    pub lead_time: Option<Times>,
    /// How many deployments changed the environment: the same, and those that failed or were superseded after they had.
    pub changes: u32,
    /// How many of these failed: they ended red after they had changed something, went back, were not accepted, or were
    /// taken back by a later deployment of the period. A change that CloudFormation put back counts, a deployment that was
    /// refused before it changed anything does not.
    pub failures: u32,
    /// Time to restore: from when a deployment was found to have failed (it began to go back, its taking back was asked
    /// for, or else it ended red) to when the environment had a stable release again (the way back ended, or a later
    /// deployment did well). What CloudFormation put back is not in it, as there was nothing left to restore.
    pub restore: Option<Times>,
    /// How many failures had no such end in the period. What a person mends by hand is not in the record of any deployment,
    /// and only ends with the next one that does well.
    pub unrestored: u32,
}

/// What one week of an environment adds to its figures: all that is counted of the deployments that ended in it. A
/// failure is in the week of the deployment that failed, and so is the time in which it was restored, however late that
/// was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    /// From here, for seven days or to the end of the period.
    pub since: Timestamp,
    /// How many deployments brought their release there, to the end.
    pub deployments: u32,
    /// Lead time for changes.
    pub lead_time: Option<Times>,
    /// How many deployments changed the environment.
    pub changes: u32,
    /// How many of these failed.
    pub failures: u32,
    /// Time to restore.
    pub restore: Option<Times>,
}

/// How long things took. By the nearest rank, so each is the time of one that there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How many there were; at least one.
    pub count: u32,
    /// Half of them took at most so long.
    pub median: SignedDuration,
    /// Nine in ten of them took at most so long.
    pub p90: SignedDuration,
}

impl Attempt {
    /// What the figures need of a deployment: what was asked, how it stands, when its record got its last entry, and when
    /// it began to go back. Nothing of a plan.
    pub fn of(requested: &Deployment, status: &Status, last: Timestamp, failed: Option<Timestamp>) -> Option<Self> {
        if requested.plans {
            return None;
        }
        let put_back = match &status.ending {
            Some(Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure }) => {
                failure.name == Name::StackRolledBack
            }
            _ => false,
        };
        Some(Self {
            environment: requested.environment.name.clone(),
            commit: requested.commit.clone(),
            release: status.release.clone(),
            takes_back: requested.rollback.as_ref().map(|rollback| rollback.from.clone()),
            asked: requested.requested.at,
            touched: status.changed_anything() || put_back,
            failed,
            ended: status.ending.clone().map(|ending| (ending, last)),
        })
    }

    /// When it was over; nothing, where it is not.
    fn over(&self) -> Option<Timestamp> {
        self.ended.as_ref().map(|(_, at)| *at)
    }

    /// When it brought its release to the end; nothing, where it did not, or changed nothing.
    fn deployed(&self) -> Option<Timestamp> {
        let ended = self.ended.as_ref().filter(|_| self.takes_back.is_none());
        ended
            .filter(|(ending, _)| *ending == Ending::Deployed)
            .map(|(_, at)| *at)
    }

    /// When the environment had a stable release by it; nothing, where it had not.
    fn settled(&self) -> Option<Timestamp> {
        let (ending, at) = self.ended.as_ref()?;
        let settles = matches!(
            ending,
            Ending::Deployed
                | Ending::NothingToDeploy
                | Ending::RolledBack { .. }
                | Ending::FailedClean {
                    way_back: WayBack::WentBack { .. },
                    ..
                }
        );
        settles.then_some(*at)
    }

    /// Whether it brought, or was to bring, something new, and changed the environment.
    fn is_change(&self) -> bool {
        self.takes_back.is_none() && self.ended.is_some() && (self.touched || self.deployed().is_some())
    }

    /// When this change failed by itself, and whether anything was left to restore.
    fn failure(&self) -> Option<(Timestamp, bool)> {
        let (ending, at) = self.ended.as_ref()?;
        let left = match ending {
            Ending::FailedClean { way_back, .. } => *way_back != WayBack::NothingChanged,
            Ending::OperatorNeeded { .. } => true,
            _ => return None,
        };
        Some((self.failed.unwrap_or(*at), left))
    }
}

impl Figures {
    /// Change failure rate: the share of [`changes`](Self::changes) that are [`failures`](Self::failures), from 0 to 1.
    /// Nothing, where nothing was changed.
    pub fn failure_rate(&self) -> Option<f64> {
        share(self.failures, self.changes)
    }

    /// Deployments of each week as one line of blocks, the fullest week the highest.
    pub fn sparkline(&self) -> String {
        let deployments = || self.weeks.iter().map(|week| week.deployments);
        let most = deployments().max().unwrap_or(0).max(1);
        // From 0 to 7: the lowest is for weeks without any.
        let level = |count: u32| (u64::from(count) * 7).div_ceil(u64::from(most));
        let block = |count: u32| usize::try_from(level(count)).ok().and_then(|level| LEVELS.get(level));
        deployments().filter_map(block).collect()
    }
}

impl Week {
    /// Change failure rate of the week, from 0 to 1. Nothing, where nothing was changed in it.
    pub fn failure_rate(&self) -> Option<f64> {
        share(self.failures, self.changes)
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// The figures of each environment to which anything was to go in the period. `came` says when each commit came to
/// Lockgate's notice, by whichever of its deployments was the oldest; one that it does not name has no lead time.
pub fn figures(
    attempts: &[Attempt],
    came: &BTreeMap<CommitSha, Timestamp>,
    period: Period,
) -> BTreeMap<EnvironmentName, Figures> {
    let mut environments: BTreeMap<EnvironmentName, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        if attempt.asked >= period.since && attempt.asked < period.until {
            environments
                .entry(attempt.environment.clone())
                .or_default()
                .push(attempt);
        }
    }
    let of = |(name, mut attempts): (EnvironmentName, Vec<&Attempt>)| {
        attempts.sort_by_key(|attempt| (attempt.asked, attempt.ended.as_ref().map(|(_, at)| *at)));
        (name, of_one(&attempts, came, period))
    };
    environments.into_iter().map(of).collect()
}

/// The figures of one environment, given its attempts in the order in which they were asked for.
fn of_one(attempts: &[&Attempt], came: &BTreeMap<CommitSha, Timestamp>, period: Period) -> Figures {
    let deployed: Vec<Timestamp> = attempts.iter().filter_map(|attempt| attempt.deployed()).collect();
    let changed = attempts.iter().filter(|attempt| attempt.is_change());
    let changed: Vec<Timestamp> = changed.filter_map(|attempt| attempt.over()).collect();
    let failures = failures(attempts);
    let settled: Vec<Timestamp> = attempts.iter().filter_map(|attempt| attempt.settled()).collect();
    let (mut failed, mut restored, mut unrestored) = (Vec::new(), Vec::new(), 0);
    for (place, (since, left)) in &failures {
        let ended = attempts.get(*place).and_then(|attempt| attempt.over());
        failed.extend(ended);
        if !left {
            continue;
        }
        match settled.iter().filter(|at| *at >= since).min() {
            Some(at) => restored.extend(ended.map(|ended| (ended, at.duration_since(*since)))),
            None => unrestored += 1,
        }
    }
    let lead_times = lead_times(attempts, came);
    let days = period.until.duration_since(period.since).as_secs_f64() / 86_400.0;
    Figures {
        deployments: count(deployed.len()),
        per_day: (days > 0.0).then(|| f64::from(count(deployed.len())) / days),
        weeks: weeks(period, &deployed, &lead_times, &changed, &failed, &restored),
        lead_time: times(lead_times.iter().map(|(_, took)| *took).collect()),
        changes: count(changed.len()),
        failures: count(failed.len()),
        restore: times(restored.iter().map(|(_, took)| *took).collect()),
        unrestored,
    }
}

/// The changes that failed, by their place: since when, and whether anything was left to restore.
fn failures(attempts: &[&Attempt]) -> BTreeMap<usize, (Timestamp, bool)> {
    let mut failures: BTreeMap<usize, (Timestamp, bool)> = BTreeMap::new();
    for (place, attempt) in attempts.iter().enumerate() {
        if attempt.is_change()
            && let Some(failure) = attempt.failure()
        {
            failures.insert(place, failure);
        }
        // A rollback that came to nothing took nothing back.
        let Some(from) = attempt
            .takes_back
            .as_ref()
            .filter(|_| attempt.settled().is_some() || attempt.touched)
        else {
            continue;
        };
        let mut earlier = attempts[..place].iter().enumerate().rev();
        let brought = earlier.find(|(_, earlier)| earlier.is_change() && earlier.release.as_ref() == Some(from));
        if let Some((place, _)) = brought {
            failures.entry(place).or_insert((attempt.asked, true));
        }
    }
    failures
}

/// When each first deployment of a commit ended well, and how long the commit took to get there.
fn lead_times(attempts: &[&Attempt], came: &BTreeMap<CommitSha, Timestamp>) -> Vec<(Timestamp, SignedDuration)> {
    let mut seen = BTreeSet::new();
    let first = attempts
        .iter()
        .filter_map(|attempt| Some((&attempt.commit, attempt.deployed()?)))
        .filter(|(commit, _)| seen.insert(*commit));
    // Clocks of two machines: a push is not after what came of it.
    first
        .filter_map(|(commit, at)| Some((at, at.duration_since(*came.get(commit)?).max(SignedDuration::ZERO))))
        .collect()
}

/// The weeks of a period, given when each deployment ended that is counted, with how long it took where that is.
fn weeks(
    period: Period,
    deployed: &[Timestamp],
    lead_times: &[(Timestamp, SignedDuration)],
    changed: &[Timestamp],
    failed: &[Timestamp],
    restored: &[(Timestamp, SignedDuration)],
) -> Vec<Week> {
    let seconds = period.until.duration_since(period.since).as_secs().max(0);
    let all = seconds.saturating_add(WEEK - 1) / WEEK;
    // How many weeks before the last one; what ended before the period, or after it, is at its edge.
    let back = |at: Timestamp| (period.until.duration_since(at).as_secs().max(0) / WEEK).min(all - 1);
    let of = |week: i64| {
        let many = |ended: &[Timestamp]| count(ended.iter().filter(|at| back(**at) == week).count());
        let took = |took: &[(Timestamp, SignedDuration)]| {
            let of_week = took.iter().filter(|(at, _)| back(*at) == week);
            times(of_week.map(|(_, took)| *took).collect())
        };
        let begins = period.until - SignedDuration::from_secs((week + 1).saturating_mul(WEEK));
        Week {
            since: begins.max(period.since),
            deployments: many(deployed),
            lead_time: took(lead_times),
            changes: many(changed),
            failures: many(failed),
            restore: took(restored),
        }
    };
    (0..all).rev().map(of).collect()
}

fn times(mut durations: Vec<SignedDuration>) -> Option<Times> {
    durations.sort();
    // The smallest that so many in a hundred do not exceed.
    let rank = |percent: usize| {
        durations
            .get((durations.len() * percent).div_ceil(100).max(1) - 1)
            .copied()
    };
    Some(Times {
        count: count(durations.len()),
        median: rank(50)?,
        p90: rank(90)?,
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
