//! One build per commit, however many deployments ask for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::names::{CommitSha, Digest, RepositoryName};

/// What is known of a commit's build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BuildRecord {
    /// Nobody asked yet.
    #[default]
    None,
    /// Attempt `attempt` was decided on and, unless somebody crashed, started.
    Building {
        /// Counts from 1; a failed build may be tried again.
        attempt: u32,
        /// CodeBuild's id of it, once known.
        build: Option<String>,
        /// Since when.
        since: Timestamp,
    },
    /// It gave a release.
    Built {
        /// The release.
        release: Digest,
        /// CodeBuild's id of the build.
        build: String,
        /// Since when.
        since: Timestamp,
    },
    /// It gave none.
    Failed {
        /// Which attempt this was.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// CodeBuild's id of the build.
        build: String,
        /// Since when.
        since: Timestamp,
    },
}

/// What a deployment that needs a build has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start attempt `attempt`; starting it again is safe, CodeBuild knows it by its token.
    Start(u32),
    /// Wait for what is under way.
    Wait,
    /// Take this release.
    Take(Digest),
}

impl BuildRecord {
    /// What a deployment has to do, and the record that says so.
    pub fn ask(&self, now: Timestamp) -> (Step, Self) {
        let start = |attempt| {
            (
                Step::Start(attempt),
                Self::Building {
                    attempt,
                    build: None,
                    since: now,
                },
            )
        };
        match self {
            Self::None => start(1),
            // Decided on and perhaps never started: whoever decided may have crashed before the call.
            Self::Building {
                attempt, build: None, ..
            } => (Step::Start(*attempt), self.clone()),
            Self::Building { .. } => (Step::Wait, self.clone()),
            Self::Built { release, .. } => (Step::Take(release.clone()), self.clone()),
            Self::Failed { attempt, .. } => start(attempt + 1),
        }
    }

    /// The record once CodeBuild has given the build's id. A word about an older attempt changes nothing.
    #[must_use]
    pub fn started(&self, of_attempt: u32, id: &str) -> Self {
        match self {
            Self::Building {
                attempt,
                build: None,
                since,
            } if *attempt == of_attempt => Self::Building {
                attempt: *attempt,
                build: Some(id.to_owned()),
                since: *since,
            },
            _ => self.clone(),
        }
    }

    /// The record once the build has ended. A build that is not the one under way changes nothing, and while it is not
    /// known which one that is, none does: it may be an earlier attempt's event that comes late. Starting the attempt
    /// again tells its id.
    #[must_use]
    pub fn ended(&self, id: &str, result: Result<Digest, Failure>, now: Timestamp) -> Self {
        let Self::Building {
            attempt,
            build: Some(known),
            ..
        } = self
        else {
            return self.clone();
        };
        if known != id {
            return self.clone();
        }
        match result {
            Ok(release) => Self::Built {
                release,
                build: id.to_owned(),
                since: now,
            },
            Err(failure) => Self::Failed {
                attempt: *attempt,
                failure,
                build: id.to_owned(),
                since: now,
            },
        }
    }
}

/// The token by which CodeBuild knows a start that it has seen before (`StartBuild`, `idempotencyToken`: kept 5 minutes).
/// It stands for one request: a commit that a pull request brings is asked for in other words than the same one on a branch.
pub fn idempotency_token(
    application: &RepositoryName,
    commit: &CommitSha,
    pull_request: Option<u64>,
    attempt: u32,
) -> String {
    let from = pull_request.map(|number| format!("\n{number}")).unwrap_or_default();
    Digest::of(format!("{application}\n{commit}\n{attempt}{from}").as_bytes())
        .as_str()
        .to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::failure::Name;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn many_ask_and_one_build_runs() {
        let (step, record) = BuildRecord::None.ask(at(1));
        assert_eq!(step, Step::Start(1));
        assert_eq!(
            record.ask(at(2)),
            (Step::Start(1), record.clone()),
            "who asked first may have crashed"
        );
        let record = record.started(1, "lockgate-build:a");
        assert_eq!(record.ask(at(3)), (Step::Wait, record.clone()));
        assert_eq!(record.started(1, "lockgate-build:b"), record, "the first id stays");
        let release = Digest::of(b"x");
        let built = record.ended("lockgate-build:a", Ok(release.clone()), at(4));
        assert_eq!(built.ask(at(5)).0, Step::Take(release.clone()));
        assert_eq!(
            built.ended("lockgate-build:z", Ok(Digest::of(b"y")), at(6)),
            built,
            "a late word changes nothing"
        );
    }

    #[test]
    fn a_failed_build_may_be_tried_again() {
        let building = BuildRecord::None.ask(at(1)).1.started(1, "b:1");
        assert_eq!(
            building.ended("b:0", Ok(Digest::of(b"x")), at(2)),
            building,
            "another build's end"
        );
        let failed = building.ended("b:1", Err(Failure::new(Name::BuildFailed, "npm test")), at(2));
        let (step, second) = failed.ask(at(3));
        assert_eq!(step, Step::Start(2));
        assert_eq!(
            second.ended("b:1", Err(Failure::new(Name::BuildFailed, "npm test")), at(4)),
            second,
            "the first attempt's event, late, while the second's id is not known yet"
        );
    }
}
