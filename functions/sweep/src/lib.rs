//! **sweep** looks, once a minute, after whatever waits too long, as if its event had come: parked tasks, environments whose
//! holder is silent, deliveries that stopped half-way, ends that nobody was told of, what GitHub was not told. Losing an event
//! costs a minute.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use aws::executions::{Executions, Standing};
use aws::functions::Functions;
use aws::parameters::Parameters;
use aws::{Aws, Ledger};
use domain::failure::{Failure, Name};
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use domain::parking::{Key, WaitsFor};
use futures::{StreamExt as _, stream};
use github::{Access, Credentials, GitHub};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

mod comparing;

pub use comparing::Compared;

/// What it is to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Input {
    /// Look after whatever waits too long.
    Sweep,
    /// Compare what GitHub shows with what was asked.
    Compare,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// What it looked after.
    Swept(Swept),
    /// What it found by comparing.
    Compared(Compared),
}

/// What it looked after.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Keys of parked tasks and of watches that were woken.
    pub woken: usize,
    /// Environments whose holder turned out to be dead.
    pub tidied: usize,
    /// Deliveries that were completed.
    pub completed: usize,
    /// Ends that people are told of now.
    pub told: usize,
    /// Deployments of which GitHub is told more now.
    pub shown: usize,
    /// What could not be looked after this time.
    pub failed: usize,
    /// What the time did not suffice for: it is the oldest that is due a minute later, and comes first then.
    pub left: usize,
}

/// How many calls are under way at once: enough for some thousands in the time there is, and fewer than Lambda's rate for
/// asynchronous invocations would notice.
const AT_ONCE: usize = 16;

/// After so long nothing is begun any more: a call that is never answered takes 25 seconds ([`aws::clients`]).
const BEGINS_WITHIN: Duration = Duration::from_secs(24);

/// After so long nothing is waited for any more. The function has 50 seconds, of which what it says at the end needs few.
/// Whatever is broken off may be done again.
const ENDS_WITHIN: Duration = Duration::from_secs(48);

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
    rollback: String,
    report: String,
    parameters: Parameters,
    applications: String,
    github: Access,
    begins_within: Duration,
    ends_within: Duration,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        let github = GitHub::new(&lambda::setting("LOCKGATE_GITHUB_API")?, Credentials::None)?;
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            executions: Executions::new(aws.step_functions(), lambda::setting("LOCKGATE_STATE_MACHINE")?),
            functions: Functions::new(aws.lambda()),
            gate: lambda::setting("LOCKGATE_WAKE_GATE")?,
            build: lambda::setting("LOCKGATE_WAKE_BUILD")?,
            deploy: lambda::setting("LOCKGATE_WAKE_DEPLOY")?,
            approval: lambda::setting("LOCKGATE_WAKE_APPROVAL")?,
            rollback: lambda::setting("LOCKGATE_WAKE_ROLLBACK")?,
            report: lambda::setting("LOCKGATE_WAKE_REPORT")?,
            parameters: Parameters::new(aws.ssm()),
            applications: lambda::setting("LOCKGATE_APPLICATIONS")?,
            github: Access::new(github, &lambda::setting("LOCKGATE_GITHUB")?),
            begins_within: BEGINS_WITHIN,
            ends_within: ENDS_WITHIN,
        })
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Failure> {
    match input {
        Input::Sweep => Ok(Output::Swept(sweep(context).await)),
        Input::Compare => {
            let compared = match timeout_at(
                Instant::now() + context.ends_within,
                comparing::compare(context, Timestamp::now()),
            )
            .await
            {
                Ok(compared) => compared,
                Err(_) => Compared {
                    failed: 1,
                    ..Compared::default()
                },
            };
            tracing::info!(
                redelivered = compared.redelivered,
                recovered = compared.recovered,
                failed = compared.failed,
                "compared with GitHub"
            );
            Ok(Output::Compared(compared))
        }
    }
}

/// Looks after everything that is due. One thing that fails keeps nothing else from being looked after.
///
/// What is parked comes last: of it there may be thousands, one for each deployment in each queue, and of the rest there is
/// one at most for each environment, delivery or end.
async fn sweep(context: &Context) -> Swept {
    let now = Timestamp::now();
    let started = Instant::now();
    let (begin_by, end_by) = (started + context.begins_within, started + context.ends_within);
    let mut output = Swept::default();
    let tidied = in_time(end_by, look_at_holders(context, now, begin_by)).await;
    output.add(tidied, |output| &mut output.tidied);
    let completed = in_time(end_by, complete_deliveries(context, now, begin_by)).await;
    output.add(completed, |output| &mut output.completed);
    let told = in_time(end_by, tell_ends(context, now, begin_by)).await;
    output.add(told, |output| &mut output.told);
    let shown = in_time(end_by, tell_github(context, now, begin_by)).await;
    output.add(shown, |output| &mut output.shown);
    let woken = in_time(end_by, wake_parked(context, now, begin_by)).await;
    output.add(woken, |output| &mut output.woken);
    tracing::info!(
        woken = output.woken,
        tidied = output.tidied,
        completed = output.completed,
        told = output.told,
        shown = output.shown,
        failed = output.failed,
        left = output.left,
        "swept"
    );
    output
}

impl Swept {
    fn add(&mut self, tally: Tally, counts: impl FnOnce(&mut Self) -> &mut usize) {
        *counts(self) += tally.counted;
        self.failed += tally.failed;
        self.left += tally.left;
    }
}

/// Breaks off what takes too long.
async fn in_time(end_by: Instant, looked: impl Future<Output = Result<Tally, aws::Error>>) -> Tally {
    match timeout_at(end_by, looked).await {
        Ok(Ok(tally)) => return tally,
        Ok(Err(error)) => missed(&error),
        Err(_) => tracing::warn!("AWS did not answer in the time of one sweep"),
    }
    Tally {
        failed: 1,
        ..Tally::default()
    }
}

async fn wake_parked(context: &Context, now: Timestamp, begin_by: Instant) -> Result<Tally, aws::Error> {
    let mut seen: BTreeSet<(&str, Key)> = BTreeSet::new();
    let mut keys = Vec::new();
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
            WaitsFor::Bake { .. } => &context.rollback,
        };
        let wake = (function.as_str(), parked.waits_for.key(&parked.deployment));
        if seen.insert(wake.clone()) {
            keys.push(wake);
        }
    }
    let watched = context.ledger.overdue_watches(now).await?;
    for wake in watched.into_iter().map(|key| (context.rollback.as_str(), key)) {
        if seen.insert(wake.clone()) {
            keys.push(wake);
        }
    }
    let woken = each(keys, begin_by, async |(function, key)| {
        context
            .functions
            .wake(function, &json!({ "do": "wake", "key": key }))
            .await?;
        Ok(true)
    })
    .await?;
    Ok(Tally {
        failed: woken.failed + unreadable,
        ..woken
    })
}

async fn look_at_holders(context: &Context, now: Timestamp, begin_by: Instant) -> Result<Tally, aws::Error> {
    let overdue = context.ledger.overdue_environments(now).await?;
    each(overdue, begin_by, async |(application, environment)| {
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

async fn complete_deliveries(context: &Context, now: Timestamp, begin_by: Instant) -> Result<Tally, aws::Error> {
    let unfinished = context.ledger.unfinished_deliveries(now).await?;
    each(unfinished, begin_by, async |delivery| {
        let ledger = &context.ledger;
        ledger.complete_delivery(&context.executions, &delivery?, now).await
    })
    .await
}

async fn tell_ends(context: &Context, now: Timestamp, begin_by: Instant) -> Result<Tally, aws::Error> {
    have_told(context, "owed", context.ledger.overdue_reports(now).await?, begin_by).await
}

async fn tell_github(context: &Context, now: Timestamp, begin_by: Instant) -> Result<Tally, aws::Error> {
    have_told(context, "github", context.ledger.due_outboxes(now).await?, begin_by).await
}

/// Has report do this for each of them.
async fn have_told(
    context: &Context,
    what: &str,
    of: Vec<DeploymentId>,
    begin_by: Instant,
) -> Result<Tally, aws::Error> {
    each(of, begin_by, async |id| {
        context
            .functions
            .wake(&context.report, &json!({ "do": what, "id": id }))
            .await?;
        Ok(true)
    })
    .await
}

/// What became of the things of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    counted: usize,
    failed: usize,
    left: usize,
}

/// Does something for each, some at once and the first first; what it has not come to in time, it leaves.
async fn each<Item, Done>(
    items: impl IntoIterator<Item = Item>,
    begin_by: Instant,
    act: impl Fn(Item) -> Done,
) -> Result<Tally, aws::Error>
where
    Done: Future<Output = Result<bool, aws::Error>>,
{
    let acts = stream::iter(items).map(|item| {
        let done = act(item);
        async move {
            if Instant::now() < begin_by {
                Some(done.await)
            } else {
                None
            }
        }
    });
    let mut acts = std::pin::pin!(acts.buffer_unordered(AT_ONCE));
    let mut tally = Tally::default();
    while let Some(done) = acts.next().await {
        match done {
            Some(Ok(true)) => tally.counted += 1,
            Some(Ok(false)) => {}
            Some(Err(error)) => {
                tally.failed += 1;
                missed(&error);
            }
            None => tally.left += 1,
        }
    }
    Ok(tally)
}

fn missed(error: &aws::Error) {
    tracing::warn!(error.cause = %error, "not looked after this time");
}

#[cfg(test)]
mod tests;
