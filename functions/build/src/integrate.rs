//! Integration tests: the repository's own, run against the environment in a project whose role may do nothing there.

use aws::artifacts::ArtifactError;
use aws::builds::{Build, BuildState, Start, TestRun};
use aws::tasks::Delivered;
use domain::deployment::Deployment;
use domain::failure::{Class, Failure, Name};
use domain::life::Event;
use domain::names::{DeploymentId, Digest, TaskToken};
use domain::parking::{Key, Parked, WaitsFor};
use domain::release::INTEGRATION_TESTS;
use domain::smoke_test::{Outputs, handed_over};
use jiff::Timestamp;

use crate::{Context, Error, Integrated, Output};

/// Parks the deployment, then starts its integration tests; without any there is nothing to wait for.
pub async fn integrate(
    context: &Context,
    deployment: &Deployment,
    release: &Digest,
    outputs: &Outputs,
    token: TaskToken,
    now: Timestamp,
) -> Result<Output, Error> {
    let waits_for = WaitsFor::Integration {
        application: deployment.application.clone(),
        environment: deployment.environment.name.clone(),
        commit: deployment.commit.clone(),
        release: release.clone(),
        outputs: outputs.clone(),
        build: None,
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    start(context, &parked, now).await?;
    Ok(Output::Parked)
}

/// Starts tests that wait for it, and says whether they were answered for instead. While CodeBuild takes no more, they
/// wait on: the sweep asks again, for as long as the state waits, since a release that works is not to be taken back
/// because CodeBuild is busy.
async fn start(context: &Context, parked: &Parked, now: Timestamp) -> Result<bool, Error> {
    let WaitsFor::Integration {
        application,
        environment,
        commit,
        release,
        outputs,
        ..
    } = &parked.waits_for
    else {
        return Ok(false);
    };
    let specification = match specification(context, release).await {
        Ok(Some(specification)) => specification,
        Ok(None) => {
            conclude(context, parked, None, "", now).await?;
            return Ok(true);
        }
        Err(error) if error.name().class() == Class::Transient => return Err(error.into()),
        Err(error) => return refuse(context, parked, &error.failure()).await,
    };
    let outputs = match handed_over(outputs) {
        Ok(outputs) => outputs,
        Err(too_many) => {
            conclude(context, parked, Some(too_many.to_string()), "", now).await?;
            return Ok(true);
        }
    };
    let run = TestRun {
        application,
        commit,
        deployment: &parked.deployment,
        environment,
        specification: &specification,
        outputs: &outputs,
    };
    let build = match context.integration.test(&run, idempotency(&parked.deployment)).await? {
        Start::Begun(build) => build,
        Start::Full => {
            context.ledger.wait_on(parked, now).await?;
            return Ok(false);
        }
        Start::Refused(failure) => return refuse(context, parked, &failure).await,
    };
    // Only from here on does a build's end say anything, and only this one's.
    let known = begun(parked, build.id.clone(), now);
    context.ledger.park_further(&known).await?;
    let event = Event::IntegrationTesting {
        build: build.id,
        log: build.log,
    };
    context.ledger.tell(&parked.deployment, event, now).await?;
    Ok(false)
}

/// The same, once it is known which build it waits for.
fn begun(parked: &Parked, id: String, now: Timestamp) -> Parked {
    let mut waits_for = parked.waits_for.clone();
    if let WaitsFor::Integration { build, .. } = &mut waits_for {
        *build = Some(id);
    }
    Parked {
        look_at: now + waits_for.patience(),
        waits_for,
        ..parked.clone()
    }
}

/// Tells a task that its tests will never run.
async fn refuse(context: &Context, parked: &Parked, failure: &Failure) -> Result<bool, Error> {
    let delivered = context.tasks.fail(&parked.token, failure).await?;
    context.ledger.unpark(parked).await?;
    Ok(delivered == Delivered::Yes)
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

/// The sweep asks after tests that wait. Whoever was about to start them may be gone, or CodeBuild was full.
pub async fn look(context: &Context, parked: &Parked, now: Timestamp) -> Result<bool, Error> {
    let Some(id) = build_of(parked) else {
        return start(context, parked, now).await;
    };
    let build = context.integration.look(id).await?;
    settle(context, parked, build.as_ref(), now).await
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
async fn specification(context: &Context, release: &Digest) -> Result<Option<String>, ArtifactError> {
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
