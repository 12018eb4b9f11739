//! What the pages show, read by the functions of the commands that show the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{Aws, Kind, Ledger};
use domain::configuration::Application;
use domain::deployment::Environment;
use domain::harmless::harmless;
use domain::ledger::Entry;
use domain::metrics::{Attempt, Figures, Period};
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use futures::future::try_join_all;
use futures::try_join;
use jiff::Timestamp;

use super::sharing::{SHARED_FOR, Shared, SharedByDeployment};
use crate::history::{self, HistoryError, Past};
use crate::over::Over;
use crate::period::{Moment, period};
use crate::records::RecordsError;
use crate::status::{self, Standing};
use crate::{metrics, show};

/// Where everything is read from, and what was read lately.
pub struct Source {
    aws: Aws,
    ledger: Ledger,
    application: Option<RepositoryName>,
    since: Moment,
    machine: Option<String>,
    now: fn() -> Timestamp,
    pasts: Over<Past>,
    attempts: Over<Option<Attempt>>,
    overview: Shared<Result<Arc<Overview>, Failed>>,
    records: SharedByDeployment<Result<Arc<Record>, Failed>>,
}

/// Everything about all applications that are shown.
#[derive(Debug)]
pub struct Overview {
    /// When it was read.
    pub at: Timestamp,
    /// Of which time history and figures are.
    pub period: Period,
    /// Each application.
    pub applications: Vec<Ladder>,
}

/// One application.
#[derive(Debug)]
pub struct Ladder {
    /// As the pipeline was configured with it.
    pub application: Application,
    /// Its environments, each after the one that it comes after.
    pub rungs: Vec<Rung>,
    /// Its deployments, the newest first.
    pub pasts: Vec<Past>,
    /// The figures of its environments.
    pub figures: BTreeMap<EnvironmentName, Figures>,
}

/// One environment.
#[derive(Debug)]
pub struct Rung {
    /// As it is configured.
    pub environment: Environment,
    /// How it stands.
    pub standing: Standing,
    /// What is recorded of the deployment that is under way; nothing, where none is.
    pub moving: Vec<Entry>,
}

/// One deployment.
#[derive(Debug)]
pub struct Record {
    /// When it was read.
    pub at: Timestamp,
    /// Which.
    pub deployment: DeploymentId,
    /// All that is recorded of it.
    pub entries: Vec<Entry>,
    /// Its execution in the Step Functions console; nothing, where the state machine is not known.
    pub console: Option<String>,
}

/// Why there is nothing to show.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The HTTP status.
    pub status: u16,
    /// In a few words.
    pub heading: &'static str,
    /// What happened.
    pub sentence: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Source {
    /// Nothing is read yet.
    pub fn new(
        aws: &Aws,
        ledger: Ledger,
        application: Option<RepositoryName>,
        since: Moment,
        machine: Option<String>,
    ) -> Self {
        Self {
            aws: aws.clone(),
            ledger,
            application,
            since,
            machine,
            now: Timestamp::now,
            pasts: Over::default(),
            attempts: Over::default(),
            overview: Shared::new(SHARED_FOR),
            records: SharedByDeployment::default(),
        }
    }

    /// The same, at a time of which a test knows.
    #[cfg(test)]
    pub fn at(self, now: fn() -> Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Everything about all applications, as it was at most [`SHARED_FOR`] ago.
    pub async fn overview(&self) -> Result<Arc<Overview>, Failed> {
        let read = async { self.read_all().await.map(Arc::new).map_err(|error| Failed::of(&error)) };
        self.overview.or(read).await
    }

    /// All that is recorded of a deployment, as it was at most [`SHARED_FOR`] ago.
    pub async fn record(&self, deployment: &DeploymentId) -> Result<Arc<Record>, Failed> {
        let read = async {
            let record = self.read_record(deployment).await;
            record.map(Arc::new).map_err(|error| Failed::of(&error.into()))
        };
        self.records.of(deployment).or(read).await
    }

    async fn read_all(&self) -> Result<Overview, HistoryError> {
        let at = (self.now)();
        let period = period(self.since, None, at)?;
        let mut applications = Vec::new();
        for application in status::applications(&self.aws, self.application.as_ref()).await? {
            applications.push(self.read_ladder(application, period).await?);
        }
        Ok(Overview {
            at,
            period,
            applications,
        })
    }

    async fn read_ladder(&self, application: Application, period: Period) -> Result<Ladder, HistoryError> {
        let (ledger, name) = (&self.ledger, &application.repository);
        let of_one = std::slice::from_ref(&application);
        let (standings, pasts, figures) = try_join!(
            async {
                status::read(ledger, of_one, period.until)
                    .await
                    .map_err(HistoryError::from)
            },
            async { Ok(history::read(ledger, name, None, period, &self.pasts).await?) },
            async { Ok(metrics::read(ledger, name, None, period, &self.attempts).await?) },
        )?;
        let rungs = application.environments.iter().cloned().zip(standings);
        let rungs = try_join_all(rungs.map(|(environment, standing)| self.read_rung(environment, standing))).await?;
        Ok(Ladder {
            rungs: in_order(rungs),
            application,
            pasts,
            figures,
        })
    }

    async fn read_rung(&self, environment: Environment, standing: Standing) -> Result<Rung, aws::Error> {
        let moving = match &standing.under_way {
            None => Vec::new(),
            Some(under_way) => self.ledger.entries(&under_way.deployment).await?,
        };
        Ok(Rung {
            environment,
            standing,
            moving,
        })
    }

    async fn read_record(&self, deployment: &DeploymentId) -> Result<Record, RecordsError> {
        let region = self.aws.config().region().map(ToString::to_string).unwrap_or_default();
        let machine = self.machine.as_ref();
        Ok(Record {
            at: (self.now)(),
            deployment: deployment.clone(),
            entries: show::read(&self.ledger, deployment).await?,
            console: machine.map(|machine| domain::addresses::execution(machine, &region, deployment)),
        })
    }
}

/// Environments in the order in which a release climbs them: each after the one that its `after` names, otherwise as
/// lockgate.toml has them.
fn in_order(rungs: Vec<Rung>) -> Vec<Rung> {
    let mut ordered: Vec<Rung> = Vec::with_capacity(rungs.len());
    let mut left = rungs;
    while !left.is_empty() {
        let is_next = |rung: &Rung| {
            let is_left = |name: &EnvironmentName| left.iter().any(|left| left.environment.name == *name);
            !rung.environment.after.as_ref().is_some_and(is_left)
        };
        // lockgate.toml has no circle; in one, the first goes first.
        let next = left.iter().position(is_next).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

const TRIES_AGAIN: &str = "Nothing has to be done: this page tries again by itself, and `lockgate dashboard` goes on.";

impl Failed {
    /// What a browser is told.
    fn of(error: &HistoryError) -> Self {
        let (status, heading, remedy) = match error {
            HistoryError::Aws(aws) | HistoryError::Records(RecordsError::Aws(aws)) => match aws.kind {
                Kind::Throttled => (503, "AWS asks to be called less often", TRIES_AGAIN),
                Kind::Unavailable | Kind::Unanswered => (
                    503,
                    "AWS was not reached",
                    "Look whether this machine reaches AWS, and whether your credentials are still there. This page tries \
                     again by itself.",
                ),
                Kind::AccessDenied => (
                    502,
                    "AWS does not let these credentials in",
                    "Where they have expired, sign in again, end `lockgate dashboard` with Ctrl-C and start it anew: it \
                     keeps those that it was started with. Otherwise they lack a permission: docs/OPERATIONS.md lists, \
                     under \"The command lockgate\", what each command needs.",
                ),
                _ => (
                    502,
                    "The records cannot be read",
                    "Look whether the command reads the right table, account and region. This page tries again by itself.",
                ),
            },
            HistoryError::Records(RecordsError::NoDeployment(_)) => (
                404,
                "There is no such deployment",
                "The overview lists those that are under way, and the history of each application.",
            ),
            HistoryError::Records(_) | HistoryError::Period(_) => (
                502,
                "The records cannot be read",
                "When that is mended, this page shows it by itself.",
            ),
        };
        Self {
            status,
            heading,
            sentence: harmless(&error.to_string(), 500),
            remedy,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::fake::{Fake, configured};

    #[tokio::test]
    async fn environments_are_climbed_in_the_order_of_after_and_otherwise_stand_as_they_were_written() {
        let toml = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.demo]
account = "555555555555"
on = "prerelease"
after = "dev"
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
"#;
        let fake = Fake::with(toml).await;
        let applications = configured(toml);
        let now = Timestamp::UNIX_EPOCH;
        let standings = status::read(&fake.ledger(), &applications, now).await.unwrap();
        let environments = applications[0].environments.iter().cloned();
        let rungs = environments.zip(standings).map(|(environment, standing)| Rung {
            environment,
            standing,
            moving: Vec::new(),
        });
        let ordered = in_order(rungs.collect());
        let names: Vec<&str> = ordered.iter().map(|rung| rung.environment.name.as_str()).collect();
        assert_eq!(names, ["dev", "demo", "test", "production"]);
    }
}
