//! `lockgate metrics`: how fast and how safely an application is delivered.

use std::collections::BTreeMap;

use aws::history::Outline;
use aws::{Aws, Ledger};
use domain::life::Event;
use domain::message::duration;
use domain::metrics::{Attempt, Figures, Period, Times, figures};
use domain::names::{CommitSha, DeploymentId, EnvironmentName, RepositoryName};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::history::HistoryError;
use crate::over::Over;
use crate::period::{Moment, period};
use crate::records::{AT_ONCE, Pipeline};
use crate::table::{self, Output};

/// Shows the four DORA figures of each environment: deployment frequency, lead time for changes, change failure rate and
/// time to restore.
///
/// They are computed from the ledger alone: a deployment counts in the period in which it was asked for. The lead time
/// begins with the push and not with the commit, and failures are those that the pipeline knows of: what was deployed and
/// then failed, went back, was not accepted or was taken back. docs/OPERATIONS.md says what is counted.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name.
    application: RepositoryName,
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// Of the deployments that were asked for since then: "90 days", a day or a time, in UTC.
    #[arg(long, value_name = "WHEN", default_value = "90 days")]
    since: Moment,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// The figures of an application, for programs.
#[derive(Debug, Serialize)]
struct Told<'f> {
    application: &'f RepositoryName,
    since: Timestamp,
    until: Timestamp,
    environments: Vec<Delivered<'f>>,
}

#[derive(Debug, Serialize)]
struct Delivered<'f> {
    environment: &'f EnvironmentName,
    deployments: u32,
    deployments_per_day: Option<f64>,
    deployments_per_week: Option<f64>,
    /// Of each week, the oldest first; the first may be a shorter one.
    weeks: Vec<u32>,
    lead_time: Option<Took>,
    changes: u32,
    failures: u32,
    /// From 0 to 1.
    change_failure_rate: Option<f64>,
    time_to_restore: Option<Took>,
    not_restored: u32,
}

#[derive(Debug, Serialize)]
struct Took {
    count: u32,
    median_seconds: i64,
    p90_seconds: i64,
}

/// Reads the ledger and computes them.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, HistoryError> {
    let period = period(options.since, None, Timestamp::now())?;
    let ledger = options.pipeline.ledger(aws).await?;
    let environment = options.environment.as_ref();
    let found = read(&ledger, &options.application, environment, period, &Over::default()).await?;
    let told = Told::of(&options.application, period, &found);
    Ok(options.output.print(&told, || text(&options.application, &found)))
}

/// The figures of each environment. Deployments of which `over` knows are not read again; of a plan that is nothing.
pub(crate) async fn read(
    ledger: &Ledger,
    application: &RepositoryName,
    environment: Option<&EnvironmentName>,
    period: Period,
    over: &Over<Option<Attempt>>,
) -> Result<BTreeMap<EnvironmentName, Figures>, aws::Error> {
    // All of them, since a commit may have come long before the period in which it got here; its list is small.
    let mut listed = ledger.history(application, Timestamp::UNIX_EPOCH, period.until).await?;
    let mut came: BTreeMap<CommitSha, Timestamp> = BTreeMap::new();
    for listed in &listed {
        let first = came.entry(listed.commit.clone()).or_insert(listed.happened_at);
        *first = listed.happened_at.min(*first);
    }
    listed.retain(|listed| {
        listed.at >= period.since && environment.is_none_or(|environment| listed.environment == *environment)
    });
    let attempts = stream::iter(listed).map(|listed| attempt(ledger, listed.deployment, over));
    let attempts: Vec<Attempt> = attempts
        .buffer_unordered(AT_ONCE)
        .try_filter_map(async |attempt| Ok(attempt))
        .try_collect()
        .await?;
    Ok(figures(&attempts, &came, period))
}

async fn attempt(
    ledger: &Ledger,
    deployment: DeploymentId,
    over: &Over<Option<Attempt>>,
) -> Result<Option<Attempt>, aws::Error> {
    if let Some(attempt) = over.of(&deployment) {
        return Ok(attempt);
    }
    let Some(Outline { requested, head, last }) = ledger.outline(&deployment).await? else {
        return Ok(None);
    };
    // When it began to go back only the entries say; a rollback has done nothing else from the beginning.
    let failed = if head.status.back_to.is_some() && requested.rollback.is_none() {
        let entries = ledger.entries(&deployment).await?;
        let back = entries
            .iter()
            .find(|entry| matches!(entry.what, Event::GoingBack { .. }));
        back.map(|entry| entry.at)
    } else {
        None
    };
    let attempt = Attempt::of(&requested, &head.status, last.at, failed);
    if head.status.ending.is_some() {
        over.keep(deployment, attempt.clone());
    }
    Ok(attempt)
}

impl<'f> Told<'f> {
    fn of(application: &'f RepositoryName, period: Period, found: &'f BTreeMap<EnvironmentName, Figures>) -> Self {
        let environments = found.iter().map(|(environment, figures)| Delivered {
            environment,
            deployments: figures.deployments,
            deployments_per_day: figures.per_day,
            deployments_per_week: figures.per_day.map(|per_day| per_day * 7.0),
            weeks: figures.weeks.iter().map(|week| week.deployments).collect(),
            lead_time: figures.lead_time.map(Took::of),
            changes: figures.changes,
            failures: figures.failures,
            change_failure_rate: figures.failure_rate(),
            time_to_restore: figures.restore.map(Took::of),
            not_restored: figures.unrestored,
        });
        Self {
            application,
            since: period.since,
            until: period.until,
            environments: environments.collect(),
        }
    }
}

impl Took {
    fn of(times: Times) -> Self {
        Self {
            count: times.count,
            median_seconds: times.median.as_secs(),
            p90_seconds: times.p90.as_secs(),
        }
    }
}

/// How often that is.
pub(crate) fn often(per_day: f64) -> String {
    let (how_many, every) = if per_day >= 1.0 {
        (per_day, "day")
    } else {
        (per_day * 7.0, "week")
    };
    format!("{how_many:.1} a {every}")
}

fn text(application: &RepositoryName, found: &BTreeMap<EnvironmentName, Figures>) -> String {
    if found.is_empty() {
        return format!("{application}: no deployments");
    }
    let mut shown = table::new(&[
        "environment",
        "deployments",
        "each week",
        "lead time",
        "change failures",
        "time to restore",
    ]);
    for (environment, figures) in found {
        let deployments = match figures.per_day {
            Some(per_day) if figures.deployments > 0 => format!("{}, {}", figures.deployments, often(per_day)),
            _ => "no deployments".to_owned(),
        };
        let lead_time = figures.lead_time.map_or_else(String::new, |times| {
            format!("median {},\np90 {}", duration(times.median), duration(times.p90))
        });
        let failures = figures.failure_rate().map_or_else(String::new, |rate| {
            format!("{:.0}%, {} of {}", rate * 100.0, figures.failures, figures.changes)
        });
        let restore = figures
            .restore
            .map(|times| format!("median {}", duration(times.median)));
        let unrestored = (figures.unrestored > 0).then(|| format!("{} not restored", figures.unrestored));
        let restore: Vec<String> = restore.into_iter().chain(unrestored).collect();
        shown.add_row([
            environment.to_string(),
            deployments,
            figures.sparkline(),
            lead_time,
            failures,
            restore.join(",\n"),
        ]);
    }
    format!("{application}\n\n{}", shown.trim_fmt())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::story::{all, shop, story};

    #[tokio::test]
    async fn people_read_the_four_figures_of_each_environment() {
        let (_aws, ledger) = story().await;
        let found = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        insta::assert_snapshot!(format!("{}\n", text(&shop(), &found)));
        assert_eq!(text(&shop(), &BTreeMap::new()), "acme/shop: no deployments");
    }

    #[tokio::test]
    async fn programs_get_the_same() {
        let (_aws, ledger) = story().await;
        let found = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        insta::assert_snapshot!(Output::Json.print(&Told::of(&shop(), all(), &found), String::new));
    }

    #[tokio::test]
    async fn a_commit_came_with_its_first_deployment_wherever_and_whenever_that_was() {
        let (_aws, ledger) = story().await;
        let test = "test".parse().unwrap();
        // The period begins after the push to dev.
        let late = Period {
            since: "2026-11-20T10:00:00Z".parse().unwrap(),
            ..all()
        };
        let found = read(&ledger, &shop(), Some(&test), late, &Over::default())
            .await
            .unwrap();
        let whole = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[&test].lead_time, whole[&test].lead_time);
    }
}
