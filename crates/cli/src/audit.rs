//! `lockgate audit`: who asked for, accepted and deployed what, where and when, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};

use aws::history::Listed;
use aws::operator_acts::OperatorAct;
use aws::{Aws, Ledger};
use domain::approval::Outcome;
use domain::deployment::Deployment;
use domain::harmless::harmless;
use domain::ledger::{Entry, Head, verify};
use domain::life::Event;
use domain::message;
use domain::metrics::Period;
use domain::names::{AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, RepositoryName};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::period::{InvalidMoment, Moment, period};
use crate::records::{AT_ONCE, Pipeline, RecordsError};

/// The most characters of a detail.
const DETAIL: usize = 2000;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// Prints every entry of the ledger about the deployments of an application, one line each, the oldest deployment first,
/// and after them what operators did by hand.
///
/// The record of each deployment is a chain of entries, each with the hash of the one before. It is checked on the way:
/// where one is not as it was written, that is said after all lines, and the command fails.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name.
    application: RepositoryName,
    /// Of the deployments that were asked for since then: "30 days", a day or a time, in UTC.
    #[arg(long, value_name = "WHEN", default_value = "30 days")]
    since: Moment,
    /// Of the deployments that were asked for before then [default: now].
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// How lines are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// One JSON object a line; fields are added to it and never taken away.
    #[default]
    Jsonl,
    /// Comma-separated cells (RFC 4180) below a line of their names. A cell that a spreadsheet would take for a formula,
    /// because it begins with =, +, - or @, gets an apostrophe before it.
    Csv,
}

/// Why the audit is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// The period is none.
    #[error(transparent)]
    Period(#[from] InvalidMoment),
    /// Whoever reads the lines went away, or there is no room for them.
    #[error("not all lines were printed ({0}); run it again")]
    Unprinted(#[from] io::Error),
    /// A chain is broken.
    #[error(
        "the record is not as it was written; treat it as tampering, keep the table as it is, and find out in CloudTrail \
         who wrote these items:\n{}",
        .0.join("\n")
    )]
    Broken(Vec<String>),
}

/// One line.
#[derive(Debug, Serialize)]
struct Line<'l> {
    /// When Lockgate recorded it.
    time: Timestamp,
    deployment: Option<&'l DeploymentId>,
    environment: &'l EnvironmentName,
    account: Option<&'l AccountId>,
    commit: Option<&'l CommitSha>,
    /// The release, from when it is known.
    release: Option<&'l Digest>,
    event: String,
    /// Who asked, who answered, or which operator; nothing, where Lockgate did it.
    actor: Option<String>,
    /// In one sentence.
    detail: String,
    /// Its place in its deployment's record, from 1; nothing of what operators did.
    sequence: Option<u64>,
    /// The hash that the next entry carries on.
    hash: Option<Digest>,
}

/// Where lines go.
enum Lines<W: Write> {
    Json(W),
    Csv(Box<csv::Writer<W>>),
}

/// Prints it.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, AuditError> {
    let period = period(options.since, options.until, Timestamp::now())?;
    let ledger = options.pipeline.ledger(aws).await?;
    let mut lines = Lines::new(options.format, BufWriter::new(io::stdout()))?;
    let broken = print(&ledger, &options.application, period, &mut lines).await?;
    lines.end()?;
    if broken.is_empty() {
        Ok(String::new())
    } else {
        Err(AuditError::Broken(broken))
    }
}

/// Prints all lines, and returns what is broken. The entries of a few deployments are in memory at once, and no line is.
async fn print<W: Write>(
    ledger: &Ledger,
    application: &RepositoryName,
    period: Period,
    lines: &mut Lines<W>,
) -> Result<Vec<String>, AuditError> {
    // All of them, since operators may have acted where nothing was asked for in the period; the list is small.
    let mut listed = ledger.history(application, Timestamp::UNIX_EPOCH, period.until).await?;
    let environments: BTreeSet<EnvironmentName> = listed.iter().map(|listed| listed.environment.clone()).collect();
    listed.retain(|listed| listed.at >= period.since);
    listed.reverse();
    let mut accounts = BTreeMap::new();
    let mut broken = Vec::new();
    let mut records = stream::iter(listed)
        .map(|listed| record(ledger, listed))
        .buffered(AT_ONCE);
    while let Some((listed, head, entries)) = records.try_next().await? {
        let mut requested = None;
        let mut release = None;
        for entry in &entries {
            if let Event::Requested { deployment } = &entry.what {
                requested = Some(&**deployment);
                release = deployment.release.as_ref();
            }
            if let Event::Released { release: found } = &entry.what {
                release = Some(found);
            }
            lines.add(&line(&listed, requested, release, entry))?;
        }
        if let Some(requested) = requested {
            accounts.insert(listed.environment, requested.environment.account.clone());
        }
        broken.extend(
            problem(&listed.deployment, head.as_ref(), &entries).map(|why| format!("{}: {why}", listed.deployment)),
        );
    }
    for environment in &environments {
        let acts = ledger.operator_acts(application, environment).await?;
        for act in acts
            .iter()
            .filter(|act| act.at >= period.since && act.at < period.until)
        {
            lines.add(&by_hand(environment, accounts.get(environment), act))?;
        }
    }
    Ok(broken)
}

/// A deployment's head and its entries. The head is read first: entries that come meanwhile are more than it says.
async fn record(ledger: &Ledger, listed: Listed) -> Result<(Listed, Option<Head>, Vec<Entry>), aws::Error> {
    let head = ledger.head(&listed.deployment).await?;
    let entries = ledger.entries(&listed.deployment).await?;
    Ok((listed, head, entries))
}

/// Why a record is not as it was written; nothing, where it is whole.
fn problem(deployment: &DeploymentId, head: Option<&Head>, entries: &[Entry]) -> Option<String> {
    if let Err(broken) = verify(deployment, entries) {
        return Some(broken.to_string());
    }
    let Some(head) = head else {
        return Some("it is listed, and its record is not there".to_owned());
    };
    let last = entries.iter().find(|entry| entry.sequence == head.sequence);
    match last {
        None => Some(format!("entry {} is missing", head.sequence)),
        Some(last) if last.hash() != head.hash => {
            Some(format!("entry {} is not the one that was written", head.sequence))
        }
        Some(_) => None,
    }
}

fn line<'l>(
    listed: &'l Listed,
    requested: Option<&'l Deployment>,
    release: Option<&'l Digest>,
    entry: &'l Entry,
) -> Line<'l> {
    let detail = match &entry.what {
        Event::Requested { deployment } => {
            let title = &deployment.requested.title;
            format!("requested by {}: {title}", message::asked_from(deployment))
        }
        event => message::sentence(event),
    };
    Line {
        time: entry.at,
        deployment: Some(&listed.deployment),
        environment: &listed.environment,
        account: requested.map(|requested| &requested.environment.account),
        commit: Some(&listed.commit),
        release,
        event: entry.what.name().to_owned(),
        actor: actor(&entry.what),
        detail: harmless(&detail, DETAIL),
        sequence: Some(entry.sequence),
        hash: Some(entry.hash()),
    }
}

/// Whose doing it is; nothing, where it is Lockgate's own.
fn actor(event: &Event) -> Option<String> {
    match event {
        Event::Requested { deployment } => Some(deployment.requested.by.clone()),
        Event::Voted { ballot } => Some(ballot.by.to_string()),
        Event::Decided {
            outcome: Outcome::Rejected { by, .. },
        } => Some(by.to_string()),
        Event::BakeAnswered { word } => Some(word.by.clone()),
        Event::LetIn { words, .. } => {
            let by: Vec<&str> = words.iter().map(|word| word.by.as_str()).collect();
            Some(by.join(", "))
        }
        _ => None,
    }
}

fn by_hand<'l>(environment: &'l EnvironmentName, account: Option<&'l AccountId>, act: &'l OperatorAct) -> Line<'l> {
    let did = serde_json::to_value(act.act).ok();
    let did = did.as_ref().and_then(|did| did.as_str()).unwrap_or_default();
    Line {
        time: act.at,
        deployment: act.deployment.as_ref(),
        environment,
        account,
        commit: None,
        release: act.release.as_ref(),
        event: format!("operator_{did}"),
        actor: Some(act.by.clone()),
        detail: harmless(&act.why, DETAIL),
        sequence: None,
        hash: None,
    }
}

impl Line<'_> {
    const CELLS: [&'static str; 11] = [
        "time",
        "deployment",
        "environment",
        "account",
        "commit",
        "release",
        "event",
        "actor",
        "detail",
        "sequence",
        "hash",
    ];

    fn cells(&self) -> [String; 11] {
        let text = |cell: Option<&str>| cell.unwrap_or_default().to_owned();
        [
            self.time.to_string(),
            text(self.deployment.map(DeploymentId::as_str)),
            self.environment.to_string(),
            text(self.account.map(AccountId::as_str)),
            text(self.commit.map(CommitSha::as_str)),
            text(self.release.map(Digest::as_str)),
            self.event.clone(),
            text(self.actor.as_deref()),
            self.detail.clone(),
            self.sequence.map(|place| place.to_string()).unwrap_or_default(),
            text(self.hash.as_ref().map(Digest::as_str)),
        ]
        .map(no_formula)
    }
}

/// A cell that no spreadsheet takes for a formula.
fn no_formula(cell: String) -> String {
    if cell.starts_with(FORMULA) {
        format!("'{cell}")
    } else {
        cell
    }
}

impl<W: Write> Lines<W> {
    fn new(format: Format, to: W) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Json(to),
            Format::Csv => {
                let mut cells = csv::Writer::from_writer(to);
                cells.write_record(Line::CELLS)?;
                Self::Csv(Box::new(cells))
            }
        })
    }

    fn add(&mut self, line: &Line<'_>) -> io::Result<()> {
        match self {
            Self::Json(to) => {
                serde_json::to_writer(&mut *to, line)?;
                to.write_all(b"\n")
            }
            Self::Csv(cells) => Ok(cells.write_record(line.cells())?),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Json(to) => to.flush(),
            Self::Csv(cells) => cells.flush(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use aws::operator_acts::Act;
    use fake_aws::FakeAws;

    use super::*;
    use crate::story::{all, shop, story};

    async fn audit(ledger: &Ledger, format: Format, period: Period) -> (String, Vec<String>) {
        let mut printed = Vec::new();
        let mut lines = Lines::new(format, &mut printed).unwrap();
        let broken = print(ledger, &shop(), period, &mut lines).await.unwrap();
        lines.end().unwrap();
        drop(lines);
        (String::from_utf8(printed).unwrap(), broken)
    }

    /// The story of the two weeks, in which an operator let something go in the end.
    async fn told() -> (FakeAws, Ledger) {
        let (aws, ledger) = story().await;
        let act = OperatorAct {
            act: Act::LetGo,
            deployment: Some("shop-dev-3".parse().unwrap()),
            release: None,
            by: "arn:aws:iam::111111111111:user/ann".to_owned(),
            why: "+the price list is right again".to_owned(),
            at: "2026-11-24T10:00:00Z".parse().unwrap(),
        };
        let dev = "dev".parse().unwrap();
        ledger.record_operator_act(&shop(), &dev, &act).await.unwrap();
        (aws, ledger)
    }

    #[tokio::test]
    async fn every_entry_is_a_line_of_json() {
        let (_aws, ledger) = told().await;
        let (printed, broken) = audit(&ledger, Format::Jsonl, all()).await;
        assert_eq!(broken, Vec::<String>::new());
        insta::assert_snapshot!(printed);
    }

    #[tokio::test]
    async fn cells_are_quoted_and_none_is_a_formula() {
        let (_aws, ledger) = told().await;
        let (printed, _) = audit(&ledger, Format::Csv, all()).await;
        insta::assert_snapshot!(printed);
        let mut read = csv::Reader::from_reader(printed.as_bytes());
        assert_eq!(read.headers().unwrap(), &csv::StringRecord::from(Line::CELLS.to_vec()));
        let rows: Vec<csv::StringRecord> = read.records().collect::<Result<_, _>>().unwrap();
        let (json, _) = audit(&ledger, Format::Jsonl, all()).await;
        assert_eq!(rows.len(), json.lines().count());
        assert!(rows.iter().flatten().all(|cell| !cell.starts_with(FORMULA)));
    }

    #[test]
    fn only_the_beginning_of_a_cell_makes_it_a_formula() {
        for (given, wanted) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(no_formula(given.to_owned()), wanted);
        }
    }

    #[tokio::test]
    async fn a_period_holds_the_deployments_that_were_asked_for_in_it_and_what_operators_did() {
        let (_aws, ledger) = told().await;
        let period = Period {
            since: "2026-11-24T09:30:00Z".parse().unwrap(),
            until: "2026-11-26T00:00:00Z".parse().unwrap(),
        };
        let (printed, _) = audit(&ledger, Format::Jsonl, period).await;
        let events: Vec<String> = printed
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                format!("{} {}", line["deployment"], line["event"])
            })
            .collect();
        assert_eq!(
            events,
            [
                r#""shop-dev-4" "requested""#,
                r#""shop-dev-4" "ended""#,
                r#""shop-dev-3" "operator_let_go""#,
            ]
        );
    }

    #[tokio::test]
    async fn a_record_that_somebody_changed_is_told_after_all_lines() {
        let lines = audit(&told().await.1, Format::Jsonl, all()).await.0.lines().count();
        for (what, why, missing) in [
            // In the middle, at the end, its head, all of it.
            (
                "entry#00000003",
                "shop-dev-1: entry 4 does not continue the one before it",
                1,
            ),
            ("entry#00000008", "shop-dev-1: entry 8 is missing", 1),
            ("head", "shop-dev-1: it is listed, and its record is not there", 0),
            ("", "shop-dev-1: it is listed, and its record is not there", 8),
        ] {
            let (aws, ledger) = told().await;
            let is_it = |pk: &str, sk: &str| pk == "deployment#shop-dev-1" && sk.starts_with(what);
            aws.state().table.items.retain(|(pk, sk), _| !is_it(pk, sk));
            let (printed, broken) = audit(&ledger, Format::Jsonl, all()).await;
            assert_eq!(
                (broken, printed.lines().count()),
                (vec![why.to_owned()], lines - missing)
            );
        }
        // The last entry alone is bound by nothing but the head.
        let (aws, ledger) = told().await;
        let last = ("deployment#shop-dev-1".to_owned(), "entry#00000008".to_owned());
        let ending = serde_json::json!({ "S": "nothing_to_deploy" });
        aws.state().table.items.get_mut(&last).unwrap()["what"]["M"]["ending"] = ending;
        let (_, broken) = audit(&ledger, Format::Jsonl, all()).await;
        assert_eq!(broken, ["shop-dev-1: entry 8 is not the one that was written"]);
        let error = AuditError::Broken(broken).to_string();
        assert!(
            error.ends_with("\nshop-dev-1: entry 8 is not the one that was written"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_no_success() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (_aws, ledger) = story().await;
        for format in [Format::Jsonl, Format::Csv] {
            let mut lines = Lines::new(format, Gone).unwrap();
            let printed = print(&ledger, &shop(), all(), &mut lines).await.map(drop);
            let ended = printed.and_then(|()| Ok(lines.end()?));
            assert!(matches!(ended, Err(AuditError::Unprinted(_))), "{ended:?}");
        }
    }
}
