//! Integration tests: the repository's own, run against the environment in a project whose role may do nothing there.

use aws::builds::{Build, BuildState, TestRun};
use aws::tasks::Delivered;
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::life::Event;
use domain::names::{DeploymentId, Digest, TaskToken};
use domain::parking::{Key, Parked, WaitsFor};
use domain::release::INTEGRATION_TESTS;
use domain::smoke_test::Outputs;
use jiff::Timestamp;

use crate::{Context, Error, Integrated, Output};

/// CodeBuild hands the outputs over as an environment variable, and refuses one of more characters. All variables
/// together it takes up to about 5,500 (CodeBuild user guide, "Troubleshooting", "environment variables that are too
/// large"), which leaves a thousand for ours beside it.
const OUTPUTS_LIMIT: usize = 4096;

/// Parks the deployment, then starts its integration tests; without any there is nothing to wait for.
pub async fn integrate(
    context: &Context,
    deployment: &Deployment,
    release: &Digest,
    outputs: &Outputs,
    token: TaskToken,
    now: Timestamp,
) -> Result<Output, Error> {
    let parked = parked(deployment, None, token.clone(), now);
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    let Some(specification) = specification(context, release).await? else {
        conclude(context, &parked, None, "", now).await?;
        return Ok(Output::Parked);
    };
    let outputs = serde_json::json!(outputs).to_string();
    let characters = outputs.chars().count();
    if characters > OUTPUTS_LIMIT {
        let cause = format!(
            "the outputs of the environment's stacks have {characters} characters as JSON, and CodeBuild hands over \
             {OUTPUTS_LIMIT}"
        );
        conclude(context, &parked, Some(cause), "", now).await?;
        return Ok(Output::Parked);
    }
    let run = TestRun {
        application: &deployment.application,
        commit: &deployment.commit,
        deployment: &deployment.id,
        environment: &deployment.environment.name,
        specification: &specification,
        outputs: &outputs,
    };
    let build = context.integration.test(&run, idempotency(&deployment.id)).await?;
    // Only from here on does a build's end say anything, and only this one's.
    let known = self::parked(deployment, Some(build.id.clone()), token, now);
    context.ledger.park_further(&known).await?;
    let event = Event::IntegrationTesting {
        build: build.id,
        log: build.log,
    };
    context.ledger.tell(&deployment.id, event, now).await?;
    Ok(Output::Parked)
}

/// CodeBuild says that one of the project's builds ended. What it is not known to have been started for, it says
/// nothing about: the sweep looks.
pub async fn ended(context: &Context, build: &Build, now: Timestamp) -> Result<Output, Error> {
    let Some(deployment) = &build.deployment else {
        tracing::info!(build = build.id, "nobody asked for these tests");
        return Ok(Output::Woken { answered: 0 });
    };
    let mut answered = 0;
    for parked in context.ledger.parked(&Key::integration(deployment)).await? {
        if build_of(&parked) == Some(&build.id) && settle(context, &parked, Some(build), now).await? {
            answered += 1;
        }
    }
    Ok(Output::Woken { answered })
}

/// The sweep asks after tests that wait.
pub async fn look(context: &Context, parked: &Parked, now: Timestamp) -> Result<bool, Error> {
    let Some(id) = build_of(parked) else {
        return start_again(context, parked).await;
    };
    let build = context.integration.look(id).await?;
    settle(context, parked, build.as_ref(), now).await
}

/// Whoever was about to start the tests is gone: this is asked long after its time was over. Step Functions saw it fail
/// and has called again, with a token of its own, or has given up; where it waits all the same, it is told to call
/// again, since only it has the outputs.
async fn start_again(context: &Context, parked: &Parked) -> Result<bool, Error> {
    let failure = Failure::new(
        Name::Unavailable,
        "whoever was to start the integration tests stopped half-way",
    );
    let delivered = context.tasks.fail(&parked.token, &failure).await?;
    context.ledger.unpark(parked).await?;
    Ok(delivered == Delivered::Yes)
}

/// Whether the tests are over, and were answered for. A build that CodeBuild no longer knows is over.
async fn settle(context: &Context, parked: &Parked, build: Option<&Build>, now: Timestamp) -> Result<bool, Error> {
    let log = build.map_or("", |build| build.log.as_str());
    let fault = match build.map(|build| &build.state) {
        Some(BuildState::InProgress) => {
            context.ledger.wait_on(parked, now).await?;
            return Ok(false);
        }
        Some(BuildState::Succeeded) => None,
        Some(BuildState::Failed(why)) => Some(why.clone()),
        Some(BuildState::Stopped) => Some("somebody stopped them".to_owned()),
        Some(BuildState::TimedOut) => Some("they took too long".to_owned()),
        None => Some("CodeBuild no longer knows their build".to_owned()),
    };
    conclude(context, parked, fault, log, now).await?;
    Ok(true)
}

async fn conclude(
    context: &Context,
    parked: &Parked,
    fault: Option<String>,
    log: &str,
    now: Timestamp,
) -> Result<(), Error> {
    // Cut as every failure's cause is, which this becomes.
    let cause = fault.map(|fault| {
        let where_to = if log.is_empty() {
            String::new()
        } else {
            format!(". Log: {log}")
        };
        Failure::new(Name::IntegrationTestsFailed, format!("{fault}{where_to}")).cause
    });
    let event = Event::IntegrationTested {
        passed: cause.is_none(),
        cause: cause.clone(),
        log: log.to_owned(),
    };
    context.ledger.tell(&parked.deployment, event, now).await?;
    let integrated = cause.map_or(Integrated::Passed, |cause| Integrated::Failed { cause });
    if context.tasks.succeed(&parked.token, &integrated).await? == Delivered::Gone {
        tracing::info!(deployment.id = %parked.deployment, "nobody waits for these tests any more");
    }
    Ok(context.ledger.unpark(parked).await?)
}

/// The buildspec that travelled in the release; nothing, where it has none.
async fn specification(context: &Context, release: &Digest) -> Result<Option<String>, Error> {
    let index = context.artifacts.read_index(release).await?;
    let Some(file) = index
        .files()
        .iter()
        .find(|file| file.path.as_str() == INTEGRATION_TESTS)
    else {
        return Ok(None);
    };
    let bytes = context.artifacts.read_object(file).await?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn parked(deployment: &Deployment, build: Option<String>, token: TaskToken, now: Timestamp) -> Parked {
    let waits_for = WaitsFor::Integration {
        application: deployment.application.clone(),
        environment: deployment.environment.name.clone(),
        build,
    };
    Parked::new(deployment.id.clone(), waits_for, token, now)
}

fn build_of(parked: &Parked) -> Option<&str> {
    match &parked.waits_for {
        WaitsFor::Integration { build, .. } => build.as_deref(),
        _ => None,
    }
}

/// CodeBuild takes at most 64 characters (CodeBuild API reference, `StartBuild`).
fn idempotency(deployment: &DeploymentId) -> String {
    let whole = Digest::of(format!("integration\n{deployment}").as_bytes());
    whole.as_str().to_owned()
}
