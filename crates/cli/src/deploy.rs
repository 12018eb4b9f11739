//! `lockgate deploy` and `lockgate plan`: a deployment by hand, and what it would change.

use std::process::ExitCode;

use aws::executions::Executions;
use aws::operator_acts::{Act, OperatorAct};
use aws::{Aws, Ledger};
use domain::approval::{StackFacts, compared};
use domain::by_hand::{self, Choice, Known, Refusal, Wish};
use domain::change_set::Tense;
use domain::deployment::{Deployment, Environment, KEEP, Leg};
use domain::environment_state::StableRelease;
use domain::failure::Failure;
use domain::life::{End, Ending, Event};
use domain::message;
use domain::names::{CommitSha, DeploymentId, EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::Serialize;

use crate::records::{Records, RecordsError, reason};
use crate::table::{Ended, Output};
use crate::{terminal, watch};

/// Asks for a deployment by hand, where lockgate.toml has on = "manual", and tells how it goes.
///
/// It is a deployment as any other: what is asked of releases, of people and of alarms there is asked of this one too, and
/// nobody accepts what they asked for themselves. Typed twice within the same minute, it is one deployment.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    #[command(flatten)]
    asked: Asked,
    /// Why: kept beside your name.
    #[arg(long, value_parser = reason)]
    why: Option<String>,
    /// Return as soon as it is under way.
    #[arg(long)]
    detach: bool,
}

/// Says what a deployment by hand would change, and changes nothing: the change sets are made, shown and deleted.
///
/// It is refused while anything is under way there. A commit that was never built is built first. While change sets are made,
/// some seconds, nothing else is deployed there.
#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    asked: Asked,
}

/// What both are told.
#[derive(Debug, clap::Args)]
struct Asked {
    #[command(flatten)]
    records: Records,
    /// What to deploy: a commit by all 40 of its digits; or, of the newest that are known, the beginning of a commit or of a
    /// release, or the branch or tag it was asked from [default: what is stable in the environment before; where there is
    /// none before, the newest].
    #[arg(long = "ref", value_name = "COMMIT")]
    reference: Option<String>,
    /// How to print how it ended.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Why nothing was deployed, or planned.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// It is not started.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The release may not come from the environment before.
    #[error("{0}; nothing was started")]
    NotPromoted(Failure),
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// It ended red.
    #[error("{0}")]
    Red(String),
}

/// What was asked for, and how it ended.
#[derive(Debug, Serialize)]
struct Told {
    deployment: DeploymentId,
    application: RepositoryName,
    environment: EnvironmentName,
    commit: CommitSha,
    /// Nothing, where nobody waited for it.
    ending: Option<Ending>,
    /// Of a plan, what would change in each stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    stacks: Option<Vec<StackFacts>>,
}

/// Asks for it, and tells how it goes.
pub async fn deploy(options: &Deploy, aws: &Aws) -> Result<Ended, DeployError> {
    let Deploy { asked, why, detach } = options;
    let ledger = asked.records.ledger(aws).await?;
    let deployment = asked
        .start(aws, &ledger, why.as_deref(), false, Timestamp::now())
        .await?;
    if *detach {
        let told = Told::of(&deployment, None, None);
        let said = || format!("{} is under way: lockgate watch {}", what(&deployment), deployment.id);
        return Ok((asked.output.print(&told, said), ExitCode::SUCCESS));
    }
    let ending = watch::follow(&ledger, &deployment.id).await?;
    ended(&deployment, &ending, asked.output)
}

/// Waits until it is known what would change, and says it.
pub async fn plan(options: &Plan, aws: &Aws) -> Result<Ended, DeployError> {
    let asked = &options.asked;
    let ledger = asked.records.ledger(aws).await?;
    let deployment = asked.start(aws, &ledger, None, true, Timestamp::now()).await?;
    let ending = watch::follow(&ledger, &deployment.id).await?;
    planned(&ledger, &deployment, &ending, asked.output).await
}

impl Asked {
    /// Starts it, or finds that it was started within this minute.
    async fn start(
        &self,
        aws: &Aws,
        ledger: &Ledger,
        why: Option<&str>,
        plans: bool,
        now: Timestamp,
    ) -> Result<Deployment, DeployError> {
        let records = &self.records;
        let environment = records.configured(aws).await?;
        let state = ledger.environment(&records.application, &environment.name).await?;
        let known = choices(ledger, records, &environment).await?;
        let wish = Wish {
            application: records.application.clone(),
            environment,
            reference: self.reference.clone(),
            by: aws.caller().await?,
            plans,
            at: now,
        };
        let under_way = state.holder.as_ref().map(|holder| &holder.deployment);
        let known = Known {
            choices: &known,
            under_way,
        };
        let mut deployment = by_hand::ask(&wish, known)?;
        if let Some(Err(refused)) = ledger.promoted(&deployment, now).await? {
            return Err(DeployError::NotPromoted(refused));
        }
        let machine = records.output(aws, "StateMachine", "; deploy the stack again").await?;
        if let Some(before) = ledger.requested(&deployment.id).await? {
            deployment = before;
        } else {
            if !plans {
                let act = OperatorAct {
                    act: Act::Asked,
                    deployment: Some(deployment.id.clone()),
                    release: None,
                    by: wish.by,
                    why: why.unwrap_or_default().to_owned(),
                    at: now,
                };
                let (application, name) = (&deployment.application, &deployment.environment.name);
                ledger.record_operator_act(application, name, &act).await?;
            }
            let event = Event::Requested {
                deployment: Box::new(deployment.clone()),
            };
            ledger.tell(&deployment.id, event, now).await?;
        }
        Executions::new(aws.step_functions(), machine)
            .start(&deployment)
            .await?;
        terminal::say(&what(&deployment));
        Ok(deployment)
    }
}

/// What can be brought, the newest first.
async fn choices(ledger: &Ledger, records: &Records, environment: &Environment) -> Result<Vec<Choice>, DeployError> {
    let from = environment.after.as_ref().unwrap_or(&environment.name);
    let state = ledger.environment(&records.application, from).await?;
    let stable = ledger.stable_releases(&records.application, from).await?;
    let mut choices = Vec::new();
    if let Some(newest) = state.newest.filter(|_| environment.after.is_none()) {
        choices.push(choice(ledger, &newest.deployment, newest.commit, None).await?);
    }
    // What is there now may have come before others, where somebody went back to it.
    for stable in state.stable.iter().chain(&stable).take(KEEP as usize) {
        let StableRelease { commit, release, .. } = stable.clone();
        choices.push(choice(ledger, &stable.deployment, commit, Some(release)).await?);
    }
    Ok(choices)
}

async fn choice(
    ledger: &Ledger,
    brought_by: &DeploymentId,
    commit: CommitSha,
    release: Option<domain::names::Digest>,
) -> Result<Choice, DeployError> {
    let (reference, title) = match ledger.requested(brought_by).await? {
        Some(brought) => (brought.reference, brought.requested.title),
        None => (commit.to_string(), String::new()),
    };
    Ok(Choice {
        commit,
        release,
        reference,
        title,
    })
}

impl Told {
    fn of(deployment: &Deployment, ending: Option<Ending>, stacks: Option<Vec<StackFacts>>) -> Self {
        Self {
            deployment: deployment.id.clone(),
            application: deployment.application.clone(),
            environment: deployment.environment.name.clone(),
            commit: deployment.commit.clone(),
            ending,
            stacks,
        }
    }
}

/// In a few words, what is brought where.
fn what(deployment: &Deployment) -> String {
    let does = if deployment.plans { "planning" } else { "deploying" };
    format!(
        "{does} {} ({}) to {} of {}",
        deployment.reference,
        deployment.commit.short(),
        deployment.environment.name,
        deployment.application
    )
}

fn ended(deployment: &Deployment, ending: &Ending, output: Output) -> Result<Ended, DeployError> {
    let said = format!(
        "{}: {}",
        deployment.id,
        message::sentence(&Event::Ended(ending.clone()))
    );
    let told = Told::of(deployment, Some(ending.clone()), None);
    match ending.end() {
        End::Deployed | End::NothingToDeploy => Ok((output.print(&told, || said), ExitCode::SUCCESS)),
        End::FailedClean | End::OperatorNeeded => output.red(&told, &said).ok_or(DeployError::Red(said)),
    }
}

async fn planned(
    ledger: &Ledger,
    deployment: &Deployment,
    ending: &Ending,
    output: Output,
) -> Result<Ended, DeployError> {
    let entries = ledger.entries(&deployment.id).await?;
    let stacks = compared(entries.iter().map(|entry| &entry.what), Leg::Forward);
    let changes = message::changes(&stacks, Tense::Planned);
    let place = format!("{} of {}", deployment.environment.name, deployment.application);
    let known = !stacks.is_empty();
    let told = Told::of(deployment, Some(ending.clone()), Some(stacks));
    if *ending == Ending::Planned {
        let said = || format!("This would change in {place}:\n{changes}\nNothing was changed.");
        return Ok((output.print(&told, said), ExitCode::SUCCESS));
    }
    if known {
        terminal::say(&format!(
            "\nThis would change in {place}, as far as it is known:\n{changes}"
        ));
    }
    let said = message::sentence(&Event::Ended(ending.clone()));
    let said = format!("{}: {said}", deployment.id);
    output.red(&told, &said).ok_or(DeployError::Red(said))
}

#[cfg(test)]
mod tests;
