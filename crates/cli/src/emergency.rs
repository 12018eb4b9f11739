//! `lockgate emergency`: two people let a commit into an environment that is frozen.

use aws::Aws;
use aws::operator_acts::{Act, OperatorAct};
use domain::emergency::{COUNTS_FOR, PEOPLE, Plea, is_somebody};
use domain::message::duration;
use domain::names::CommitSha;
use jiff::Timestamp;

use crate::records::{Records, RecordsError, reason};

/// Says that a commit has to come into an environment although it is frozen.
///
/// It takes two people, each with their own AWS identity; then the commit is let in for four hours from the earlier word,
/// and the deployment's record says who did and why. Ask for the deployment afterwards, for example by publishing the release.
/// Everything else is asked of it as of any other: that it was accepted before, that no alarm has gone off.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    records: Records,
    /// The commit, by all 40 of its digits.
    commit: CommitSha,
    /// Why it cannot wait: it is on the deployment's record, and kept beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
}

/// Says so.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let Options { records, commit, why } = options;
    let (application, environment) = (&records.application, &records.environment);
    let ledger = records.ledger(aws).await?;
    let (by, now) = (aws.caller().await?, Timestamp::now());
    if !is_somebody(&by) {
        return Err(RecordsError::Nobody(by));
    }
    let act = OperatorAct {
        act: Act::Pleaded,
        deployment: None,
        release: None,
        by: by.clone(),
        why: format!("commit {commit}: {why}"),
        at: now,
    };
    ledger.record_operator_act(application, environment, &act).await?;
    let plea = Plea {
        by,
        why: why.clone(),
        at: now,
    };
    let emergency = ledger.plead(application, environment, commit, &plea).await?;
    let place = records.place();
    let commit = commit.short();
    Ok(match emergency.lets_in(now) {
        Some(heard) => {
            let first = heard.iter().map(|word| word.at).min().unwrap_or(now);
            let left = (first + COUNTS_FOR).duration_since(now);
            format!(
                "{commit} is let into {place} for {}. Ask for its deployment now.",
                duration(left)
            )
        }
        None => format!(
            "{} says so; {PEOPLE} people have to. The next one runs the same command with their own AWS identity within {}.",
            plea.by,
            duration(COUNTS_FOR)
        ),
    })
}
