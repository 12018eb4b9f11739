//! `lockgate rollback` and `lockgate releases`: the way back, by hand.

use std::process::ExitCode;
use std::time::Duration;

use aws::artifacts::Artifacts;
use aws::executions::{Asked, Executions};
use aws::operator_acts::{Act, OperatorAct};
use aws::{Aws, Ledger};
use domain::approval::{StackFacts, compared};
use domain::bake::Says;
use domain::change_set::Tense;
use domain::deployment::{KEEP, Leg};
use domain::environment_state::StableRelease;
use domain::life::Ending;
use domain::message;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use domain::way_back::{Ask, Earlier, candidates};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::baking::{self, Said};
use crate::records::{Records, RecordsError, reason};
use crate::table::{Ended, Output};
use crate::{table, terminal, watch};

/// Takes an environment back to a release that was stable there.
///
/// While a release bakes there, that release goes, and the deployment that brought it goes back by itself. Otherwise a
/// deployment of its own takes the environment back to the newest stable release before the present one, or to the one
/// named. Afterwards, unless `hold = false`, the environment holds until `lockgate release`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    #[command(flatten)]
    records: Records,
    /// To which release: the beginning of its digest or of its commit, as `lockgate releases` lists them.
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
    /// Why: it is in the report, and kept beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
    /// Say what would be changed, and change nothing: the change sets are made, shown and deleted.
    ///
    /// It is refused while anything is under way there. While it lasts, some seconds, nothing else is deployed there.
    #[arg(long, conflicts_with = "detach")]
    plan: bool,
    /// Return as soon as it is under way.
    #[arg(long)]
    detach: bool,
    /// How to print how it ended.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Lists the releases that an environment can go back to, and whether everything of them is there.
#[derive(Debug, clap::Args)]
pub struct Releases {
    #[command(flatten)]
    records: Records,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was asked for, and how it ended, for programs.
#[derive(Debug, Serialize)]
struct Told<'t> {
    application: &'t RepositoryName,
    environment: &'t EnvironmentName,
    /// The deployment that goes back: one of its own, or the one that bakes.
    deployment: &'t DeploymentId,
    /// Nothing, where nobody waited for it.
    ending: Option<&'t Ending>,
    /// Whether nothing goes forward there until `lockgate release`.
    held: bool,
    /// Of a plan, what would change in each stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    stacks: Option<Vec<StackFacts>>,
}

/// Why an environment does not go back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// It was refused.
    #[error("{error}: {cause}")]
    Refused {
        /// The failure's name.
        error: String,
        /// Why.
        cause: String,
    },
    /// Another release than the last stable one was named while one bakes.
    #[error(
        "{0} bakes there, and goes back to the last stable release; take it back without --to or --plan first, then go \
         on to the release that you want"
    )]
    Bakes(DeploymentId),
    /// Somebody was faster.
    #[error("{by} has said already how the bake goes on: {why}")]
    Said {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// It is under way and ended otherwise.
    #[error("{0}")]
    Ended(String),
}

/// Takes the environment back, and tells how that goes.
pub async fn rollback(options: &Rollback, aws: &Aws) -> Result<Ended, RollbackError> {
    let Rollback {
        records,
        to,
        why,
        plan,
        detach,
        output,
    } = options;
    let ledger = records.ledger(aws).await?;
    let state = records.state(aws, &ledger).await?;
    let by = aws.caller().await?;
    let baking = baking::find(&ledger, records, &state).await?;
    let deployment = match baking {
        Some(watch) if to.is_some() || *plan => return Err(RollbackError::Bakes(watch.deployment)),
        Some(watch) => {
            let now = Timestamp::now();
            let act = OperatorAct {
                act: Act::TookBack,
                deployment: Some(watch.deployment.clone()),
                release: Some(watch.release.clone()),
                by: by.clone(),
                why: why.clone(),
                at: now,
            };
            let (application, environment) = (&records.application, &records.environment);
            ledger.record_operator_act(application, environment, &act).await?;
            match baking::say(&ledger, &watch, Says::GoBack, (&by, why), now).await? {
                Said::Heard => {}
                Said::After(word) => {
                    return Err(RollbackError::Said {
                        by: word.by,
                        why: word.why,
                    });
                }
                Said::TooLate => {
                    let said = format!("{} bakes no more; run this command again", watch.deployment);
                    return Err(RollbackError::Ended(said));
                }
            }
            terminal::say(&format!(
                "{} bakes there, and goes back with the next sweep",
                watch.deployment
            ));
            watch.deployment
        }
        None => ask(aws, options, by).await?,
    };
    if *detach {
        let told = Told {
            application: &records.application,
            environment: &records.environment,
            deployment: &deployment,
            ending: None,
            held: state.hold.is_some(),
            stacks: None,
        };
        let said = || format!("{deployment} takes {} back", records.place());
        return Ok((output.print(&told, said), ExitCode::SUCCESS));
    }
    let ending = watch::follow(&ledger, &deployment).await?;
    over(&ledger, records, &deployment, &ending, (*plan, *output)).await
}

/// Has a deployment of its own take the environment back.
async fn ask(aws: &Aws, options: &Rollback, by: String) -> Result<DeploymentId, RollbackError> {
    #[derive(Deserialize)]
    struct Started {
        deployment: DeploymentId,
    }
    let Rollback {
        records, to, why, plan, ..
    } = options;
    let machine = records
        .output(aws, "RollbackMachine", "; deploy the stack again")
        .await?;
    let executions = Executions::new(aws.step_functions(), machine);
    let ask = Ask {
        application: records.application.clone(),
        environment: records.environment.clone(),
        to: to.clone(),
        by: Some(by),
        why: why.clone(),
        plan: *plan,
    };
    let execution = executions.ask(&ask).await?;
    loop {
        match executions.asked(&execution).await? {
            Asked::Running => tokio::time::sleep(Duration::from_millis(500)).await,
            Asked::Refused { error, cause } => {
                let cause = domain::failure::ReportedError {
                    error: error.clone(),
                    cause,
                };
                let cause = cause.failure().map_or_else(String::new, |failure| failure.cause);
                return Err(RollbackError::Refused { error, cause });
            }
            Asked::Started(output) => {
                let started: Started = serde_json::from_str(&output).map_err(|error| RollbackError::Refused {
                    error: "Bug.Unexpected".to_owned(),
                    cause: format!("the execution {execution} does not name its deployment: {error}"),
                })?;
                return Ok(started.deployment);
            }
        }
    }
}

/// Tells how it ended and, of a plan, what going back would change.
async fn over(
    ledger: &Ledger,
    records: &Records,
    deployment: &DeploymentId,
    ending: &Ending,
    (plan, output): (bool, Output),
) -> Result<Ended, RollbackError> {
    let state = ledger.environment(&records.application, &records.environment).await?;
    let held = state.hold.is_some();
    let stacks = if plan {
        let entries = ledger.entries(deployment).await?;
        Some(compared(entries.iter().map(|entry| &entry.what), Leg::Back))
    } else {
        None
    };
    let changes = stacks.as_ref().map(|stacks| message::changes(stacks, Tense::Planned));
    let told = Told {
        application: &records.application,
        environment: &records.environment,
        deployment,
        ending: Some(ending),
        held,
        stacks,
    };
    match (ended(records, ending, held), &changes) {
        (Ok(ended), None) => Ok((output.print(&told, || ended), ExitCode::SUCCESS)),
        (Ok(ended), Some(changes)) => {
            let said = || format!("\nGoing back would change this:\n{changes}\n{ended}");
            Ok((output.print(&told, said), ExitCode::SUCCESS))
        }
        (Err(error), changes) => {
            if let Some(changes) = changes
                .as_ref()
                .filter(|_| told.stacks.as_ref().is_some_and(|stacks| !stacks.is_empty()))
            {
                terminal::say(&format!(
                    "\nGoing back would change this, as far as it is known:\n{changes}"
                ));
            }
            output.red(&told, &error.to_string()).ok_or(error)
        }
    }
}

fn ended(records: &Records, ending: &Ending, holds: bool) -> Result<String, RollbackError> {
    use domain::life::WayBack::WentBack;
    let place = records.place();
    match ending {
        Ending::RolledBack { to, .. }
        | Ending::FailedClean {
            way_back: WentBack { to, .. },
            ..
        } => {
            let then = if holds {
                " Nothing goes forward there until `lockgate release`."
            } else {
                ""
            };
            Ok(format!("{place} is back on {}.{then}", to.short()))
        }
        Ending::FailedClean { failure, .. } => Err(RollbackError::Ended(format!("{place} stays as it was: {failure}"))),
        Ending::OperatorNeeded { failure } => Err(RollbackError::Ended(format!(
            "{place} needs an operator: {failure}. See docs/OPERATIONS.md, \"Failed, operator needed\"."
        ))),
        Ending::Planned => Ok(format!("Nothing was changed in {place}.")),
        Ending::Deployed | Ending::NothingToDeploy | Ending::Superseded { .. } => Err(RollbackError::Ended(format!(
            "{place} did not go back: it had ended already"
        ))),
    }
}

/// A release that an environment can go back to, or has.
#[derive(Debug, Serialize)]
struct Listed {
    release: String,
    commit: String,
    reference: String,
    since: Timestamp,
    deployment: DeploymentId,
    /// `present`, `usable`, `taken_back` or `unusable`.
    standing: &'static str,
    /// Why it is not usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// Lists what the environment can go back to.
pub async fn releases(options: &Releases, aws: &Aws) -> Result<String, RollbackError> {
    let records = &options.records;
    let ledger = records.ledger(aws).await?;
    let state = records.state(aws, &ledger).await?;
    let bucket = records
        .output(aws, "ArtifactsBucket", "; deploy the stack again")
        .await?;
    let artifacts = Artifacts::new(aws, bucket);
    let stable = ledger
        .stable_releases(&records.application, &records.environment)
        .await?;
    let unsettled = match &state.unsettled {
        Some(deployment) => ledger.head(deployment).await?.and_then(|head| head.status.release),
        None => None,
    };
    let known = Earlier {
        stable: state.stable.as_ref(),
        unsettled: unsettled.as_ref(),
        under_way: None,
        all: &stable,
        taken_back: &[],
        keep: keep(&ledger, &stable).await?,
    };
    let present = state.stable.as_ref().filter(|_| unsettled.is_none());
    let mut listed = Vec::new();
    for stable in present.into_iter().chain(candidates(&known)) {
        let is_present = present.is_some_and(|present| present.release == stable.release);
        listed.push(list(&ledger, records, &artifacts, stable, is_present).await?);
    }
    Ok(options.output.print(&listed, || shown(records, &listed)))
}

/// How many releases the environment keeps, as the newest of them was told.
async fn keep(ledger: &Ledger, stable: &[StableRelease]) -> Result<u32, RollbackError> {
    let Some(newest) = stable.first() else { return Ok(KEEP) };
    let requested = ledger.requested(&newest.deployment).await?;
    Ok(requested.map_or(KEEP, |requested| requested.environment.keep))
}

async fn list(
    ledger: &Ledger,
    records: &Records,
    artifacts: &Artifacts,
    stable: &StableRelease,
    present: bool,
) -> Result<Listed, RollbackError> {
    let taken_back = ledger
        .taken_back(&records.application, &records.environment, &stable.release)
        .await?;
    let (standing, because) = match (present, missing(artifacts, stable).await, taken_back) {
        (_, Some(missing), _) => ("unusable", Some(missing)),
        (true, None, _) => ("present", None),
        (false, None, Some(taken_back)) => ("taken_back", Some(taken_back.because.to_string())),
        (false, None, None) => ("usable", None),
    };
    let requested = ledger.requested(&stable.deployment).await?;
    Ok(Listed {
        release: stable.release.to_string(),
        commit: stable.commit.to_string(),
        reference: requested.map(|requested| requested.reference).unwrap_or_default(),
        since: stable.since,
        deployment: stable.deployment.clone(),
        standing,
        because,
    })
}

/// What of a release is not there, or why that cannot be told.
async fn missing(artifacts: &Artifacts, stable: &StableRelease) -> Option<String> {
    let index = match artifacts.read_index(&stable.release).await {
        Ok(index) => index,
        Err(error) => return Some(error.to_string()),
    };
    for file in index.files() {
        if let Err(error) = artifacts.verify_object(file).await {
            return Some(error.to_string());
        }
    }
    None
}

fn shown(records: &Records, listed: &[Listed]) -> String {
    if listed.is_empty() {
        return format!("No release was ever stable in {}.", records.place());
    }
    let mut shown = table::new(&["RELEASE", "COMMIT", "FROM", "STABLE SINCE", ""]);
    for release in listed {
        let standing = match (&release.because, release.standing) {
            (_, "present") => "is there now".to_owned(),
            (Some(because), "taken_back") => format!("was taken back: {because}"),
            (Some(because), _) => format!("unusable: {because}"),
            (None, _) => String::new(),
        };
        shown.add_row([
            release.release.chars().take(12).collect::<String>(),
            release.commit.chars().take(8).collect(),
            release.reference.clone(),
            release.since.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            standing,
        ]);
    }
    shown.trim_fmt()
}

#[cfg(test)]
mod tests;
