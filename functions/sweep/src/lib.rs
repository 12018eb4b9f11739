//! **sweep** looks, once a minute, after whatever waits too long, as if its event had come: parked tasks, environments whose
//! holder is silent, deliveries that stopped half-way, ends that nobody was told of. Losing an event costs a minute.

use std::collections::BTreeSet;
use std::future::Future;

use aws::executions::{Executions, Standing};
use aws::functions::Functions;
use aws::{Aws, Ledger};
use domain::failure::{Failure, Name};
use domain::intake::{Course, Delivery};
use domain::life::Event;
use domain::names::{EnvironmentName, RepositoryName};
use domain::parking::{Key, WaitsFor};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What starts it; nothing of it is used.
#[derive(Debug, Deserialize)]
pub struct Input {}

/// What it looked after.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Keys of parked tasks that were woken.
    pub woken: usize,
    /// Environments whose holder turned out to be dead.
    pub tidied: usize,
    /// Deliveries that were completed.
    pub completed: usize,
    /// Ends that are told now.
    pub told: usize,
    /// What could not be looked after this time.
    pub failed: usize,
}

/// The failures sweep raises.
pub const RAISES: &[Name] = &[Name::InvalidInput, Name::Panicked];

/// What sweep works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    executions: Executions,
    functions: Functions,
    gate: String,
    build: String,
    deploy: String,
    approval: String,
    report: String,
}

impl Context {
    /// Reads the function's settings.
    pub async fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::from_environment().await;
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            executions: Executions::new(aws.step_functions(), lambda::setting("LOCKGATE_STATE_MACHINE")?),
            functions: Functions::new(aws.lambda()),
            gate: lambda::setting("LOCKGATE_WAKE_GATE")?,
            build: lambda::setting("LOCKGATE_WAKE_BUILD")?,
            deploy: lambda::setting("LOCKGATE_WAKE_DEPLOY")?,
            approval: lambda::setting("LOCKGATE_WAKE_APPROVAL")?,
            report: lambda::setting("LOCKGATE_WAKE_REPORT")?,
        })
    }
}

/// Looks after everything that is due. One thing that fails keeps nothing else from being looked after.
pub async fn handle(context: &Context, _: Input) -> Result<Output, Failure> {
    let now = Timestamp::now();
    let mut output = Output::default();
    tally(wake_parked(context, now).await, &mut output.woken, &mut output.failed);
    tally(
        look_at_holders(context, now).await,
        &mut output.tidied,
        &mut output.failed,
    );
    tally(
        complete_deliveries(context, now).await,
        &mut output.completed,
        &mut output.failed,
    );
    tally(tell_ends(context, now).await, &mut output.told, &mut output.failed);
    tracing::info!(
        woken = output.woken,
        tidied = output.tidied,
        completed = output.completed,
        told = output.told,
        failed = output.failed,
        "swept"
    );
    Ok(output)
}

async fn wake_parked(context: &Context, now: Timestamp) -> Result<(usize, usize), aws::Error> {
    let mut keys: BTreeSet<(&str, Key)> = BTreeSet::new();
    let mut unreadable = 0;
    for parked in context.ledger.overdue_tasks(now).await? {
        let parked = match parked {
            Ok(parked) => parked,
            Err(error) => {
                unreadable += 1;
                missed(&error);
                continue;
            }
        };
        let function = match parked.waits_for {
            WaitsFor::Lock { .. } => &context.gate,
            WaitsFor::Build { .. } | WaitsFor::Integration { .. } => &context.build,
            WaitsFor::ChangeSet(_) | WaitsFor::StackUpdate(_) => &context.deploy,
            WaitsFor::Approval { .. } => &context.approval,
        };
        keys.insert((function, parked.waits_for.key(&parked.deployment)));
    }
    let (woken, failed) = each(keys, async |(function, key)| {
        context
            .functions
            .wake(function, &json!({ "do": "wake", "key": key }))
            .await?;
        Ok(true)
    })
    .await?;
    Ok((woken, failed + unreadable))
}

async fn look_at_holders(context: &Context, now: Timestamp) -> Result<(usize, usize), aws::Error> {
    let overdue = context.ledger.overdue_environments(now).await?;
    each(overdue, async |(application, environment)| {
        look_at_holder(context, &application, &environment, now).await
    })
    .await
}

/// Whether the holder turned out to be dead.
async fn look_at_holder(
    context: &Context,
    application: &RepositoryName,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<bool, aws::Error> {
    let state = context.ledger.environment(application, environment).await?;
    let Some(holder) = state.overdue(now) else {
        return Ok(false);
    };
    let id = &holder.deployment;
    if context.executions.standing(id).await? == Standing::Running {
        context
            .ledger
            .change_environment(application, environment, |state| state.renew(id, now))
            .await?;
        return Ok(false);
    }
    let execution = context.executions.arn_of(id);
    context
        .functions
        .wake(&context.gate, &json!({ "do": "tidy", "execution": execution }))
        .await?;
    Ok(true)
}

async fn complete_deliveries(context: &Context, now: Timestamp) -> Result<(usize, usize), aws::Error> {
    let unfinished = context.ledger.unfinished_deliveries(now).await?;
    each(unfinished, async |delivery| complete(context, &delivery?, now).await).await
}

/// Starts what a delivery asks for. What was started before is found under its own name.
async fn complete(context: &Context, delivery: &Delivery, now: Timestamp) -> Result<bool, aws::Error> {
    let Course::Received { deployments } = &delivery.course else {
        return Ok(false);
    };
    for deployment in deployments {
        let event = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        context.ledger.tell(&deployment.id, event, now).await?;
        context.executions.start(deployment).await?;
    }
    context.ledger.finish_delivery(&delivery.id).await?;
    Ok(true)
}

async fn tell_ends(context: &Context, now: Timestamp) -> Result<(usize, usize), aws::Error> {
    let owed = context.ledger.overdue_reports(now).await?;
    each(owed, async |id| {
        context
            .functions
            .wake(&context.report, &json!({ "do": "owed", "id": id }))
            .await?;
        Ok(true)
    })
    .await
}

/// Does something for each, in turn; returns how many counted and how many failed.
async fn each<Item, Done>(
    items: impl IntoIterator<Item = Item>,
    act: impl Fn(Item) -> Done,
) -> Result<(usize, usize), aws::Error>
where
    Done: Future<Output = Result<bool, aws::Error>>,
{
    let (mut counted, mut failed) = (0, 0);
    for item in items {
        match act(item).await {
            Ok(true) => counted += 1,
            Ok(false) => {}
            Err(error) => {
                failed += 1;
                missed(&error);
            }
        }
    }
    Ok((counted, failed))
}

fn tally(result: Result<(usize, usize), aws::Error>, counted: &mut usize, failed: &mut usize) {
    match result {
        Ok((more, lost)) => {
            *counted += more;
            *failed += lost;
        }
        Err(error) => {
            *failed += 1;
            missed(&error);
        }
    }
}

fn missed(error: &aws::Error) {
    tracing::warn!(error.cause = %error, "not looked after this time");
}

#[cfg(test)]
mod tests;
