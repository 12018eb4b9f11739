//! `lockgate history`: the deployments of an application.

use aws::history::{Listed, Outline};
use aws::{Aws, Ledger};
use domain::approval::Approver;
use domain::harmless::harmless;
use domain::history::{CameTo, waited_for_people};
use domain::life::Ending;
use domain::message::duration;
use domain::metrics::Period;
use domain::names::{CommitSha, DeploymentId, Digest, EnvironmentName, RepositoryName};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::over::Over;
use crate::period::{InvalidMoment, Moment, period};
use crate::records::{AT_ONCE, Pipeline, RecordsError};
use crate::table::{self, Output};

/// Lists the deployments of an application, the newest first: where to, which version, how each ended, how long it took,
/// who asked and who accepted.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name.
    application: RepositoryName,
    /// Only those of this environment.
    #[arg(long, value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// Those that were asked for since then: "30 days", a day or a time, in UTC.
    #[arg(long, value_name = "WHEN", default_value = "30 days")]
    since: Moment,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Why it is not listed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// The period is none.
    #[error(transparent)]
    Period(#[from] InvalidMoment),
}

/// One deployment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Past {
    pub(crate) deployment: DeploymentId,
    pub(crate) environment: EnvironmentName,
    /// When Lockgate took it in.
    pub(crate) at: Timestamp,
    /// The branch or tag it was asked from.
    pub(crate) version: String,
    pub(crate) commit: CommitSha,
    /// Nothing, before it is known.
    pub(crate) release: Option<Digest>,
    pub(crate) came_to: CameTo,
    /// Why it failed, or was taken back.
    pub(crate) failure: Option<String>,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// From when Lockgate took it in to its end, or until now, in whole seconds.
    pub(crate) took_seconds: i64,
    /// For how long of that it waited for people, in whole seconds; nothing, where nobody was asked.
    pub(crate) people_seconds: Option<i64>,
    pub(crate) asked_by: String,
    pub(crate) accepted_by: Vec<Approver>,
}

/// Reads and lists them.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, HistoryError> {
    let now = Timestamp::now();
    let period = period(options.since, None, now)?;
    let ledger = options.pipeline.ledger(aws).await?;
    let environment = options.environment.as_ref();
    let pasts = read(&ledger, &options.application, environment, period, &Over::default()).await?;
    Ok(options.output.print(&pasts, || text(&pasts)))
}

/// The deployments of a period, the newest first. Those of which `over` knows are not read again.
pub(crate) async fn read(
    ledger: &Ledger,
    application: &RepositoryName,
    environment: Option<&EnvironmentName>,
    period: Period,
    over: &Over<Past>,
) -> Result<Vec<Past>, aws::Error> {
    let mut listed = ledger.history(application, period.since, period.until).await?;
    listed.retain(|listed| environment.is_none_or(|environment| listed.environment == *environment));
    let pasts = stream::iter(listed).map(|listed| past(ledger, listed, period.until, over));
    pasts
        .buffered(AT_ONCE)
        .try_filter_map(async |past| Ok(past))
        .try_collect()
        .await
}

/// A deployment as it is told; nothing, where its record is not there.
async fn past(ledger: &Ledger, listed: Listed, now: Timestamp, over: &Over<Past>) -> Result<Option<Past>, aws::Error> {
    if let Some(past) = over.of(&listed.deployment) {
        return Ok(Some(past));
    }
    let Some(Outline { requested, head, last }) = ledger.outline(&listed.deployment).await? else {
        return Ok(None);
    };
    let status = head.status;
    // Only the entries say how long people took, and most deployments ask nobody.
    let people_seconds = if status.asks || status.bake_asked.is_some() {
        let entries = ledger.entries(&listed.deployment).await?;
        Some(waited_for_people(&entries, now).as_secs())
    } else {
        None
    };
    let failure = match &status.ending {
        Some(Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure }) => Some(failure),
        Some(Ending::RolledBack { .. }) => requested.rollback.as_ref().map(|rollback| &rollback.because),
        _ => None,
    };
    let ended = status.ending.is_some().then_some(last.at);
    let past = Past {
        deployment: listed.deployment,
        environment: listed.environment,
        at: listed.at,
        version: requested.reference,
        commit: listed.commit,
        came_to: CameTo::of(&status),
        failure: failure.map(ToString::to_string),
        ended,
        took_seconds: ended.unwrap_or(now).duration_since(listed.at).as_secs(),
        people_seconds,
        asked_by: requested.requested.by,
        accepted_by: status.accepted.map(|accepted| accepted.by).unwrap_or_default(),
        release: status.release,
    };
    if ended.is_some() {
        over.keep(past.deployment.clone(), past.clone());
    }
    Ok(Some(past))
}

fn text(pasts: &[Past]) -> String {
    if pasts.is_empty() {
        return "No deployments.".to_owned();
    }
    let mut shown = table::new(&[
        "asked (UTC)",
        "environment",
        "version",
        "commit",
        "came to",
        "took",
        "asked by",
        "accepted by",
        "deployment",
    ]);
    for past in pasts {
        let took = seconds(past.took_seconds);
        let accepted_by: Vec<&str> = past.accepted_by.iter().map(Approver::as_str).collect();
        shown.add_row([
            past.at.strftime("%Y-%m-%d %H:%M").to_string(),
            past.environment.to_string(),
            harmless(&past.version, 60),
            past.commit.short().to_owned(),
            past.outcome(),
            match past.people_seconds {
                None => took,
                Some(people) => format!("{took},\npeople {}", seconds(people)),
            },
            harmless(&past.asked_by, 200),
            accepted_by.join(",\n"),
            past.deployment.to_string(),
        ]);
    }
    shown.trim_fmt()
}

/// Whole seconds, as people read a time.
pub(crate) fn seconds(seconds: i64) -> String {
    duration(jiff::SignedDuration::from_secs(seconds))
}

impl Past {
    /// What it came to, and the name of why.
    fn outcome(&self) -> String {
        let words = self.came_to.words();
        let name = self.failure.as_ref().and_then(|failure| failure.split(':').next());
        name.map_or_else(|| words.to_owned(), |name| format!("{words}\n{}", harmless(name, 60)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::story::{all, shop, story};

    #[tokio::test]
    async fn people_read_what_was_deployed_and_how_it_ended() {
        let (_aws, ledger) = story().await;
        let pasts = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        insta::assert_snapshot!(format!("{}\n", text(&pasts)));
        assert_eq!(text(&[]), "No deployments.");
    }

    #[tokio::test]
    async fn programs_get_the_same() {
        let (_aws, ledger) = story().await;
        let test = "test".parse().unwrap();
        let pasts = read(&ledger, &shop(), Some(&test), all(), &Over::default())
            .await
            .unwrap();
        insta::assert_snapshot!(Output::Json.print(&pasts, String::new));
    }

    #[tokio::test]
    async fn entries_are_read_of_those_alone_that_asked_people_and_few_at_once() {
        let (aws, ledger) = story().await;
        aws.forget_calls();
        aws.lingers("GetItem");
        let pasts = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        let asked = pasts.iter().filter(|past| past.people_seconds.is_some()).count();
        assert_eq!((pasts.len(), asked), (6, 2));
        // The list itself is one more.
        assert_eq!(aws.count("Query"), asked + 1);
        assert!(aws.count("GetItem") <= 3 * pasts.len());
        assert!((2..=AT_ONCE).contains(&aws.most_at_once("GetItem")));
    }

    #[tokio::test]
    async fn what_is_over_is_read_once() {
        let (aws, ledger) = story().await;
        let over = Over::default();
        let first = read(&ledger, &shop(), None, all(), &over).await.unwrap();
        aws.forget_calls();
        let again = read(&ledger, &shop(), None, all(), &over).await.unwrap();
        assert_eq!(text(&again), text(&first));
        // The list, and the one that is under way.
        assert_eq!((aws.count("Query"), aws.count("GetItem")), (1, 3));
    }

    #[tokio::test]
    async fn what_is_listed_and_not_recorded_is_left_out() {
        let (aws, ledger) = story().await;
        aws.state()
            .table
            .items
            .retain(|(pk, _), _| pk != "deployment#shop-dev-1");
        let pasts = read(&ledger, &shop(), None, all(), &Over::default()).await.unwrap();
        assert_eq!(pasts.len(), 5);
    }
}
