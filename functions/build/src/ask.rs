//! A deployment asks for its release.

use aws::builds::Start;
use aws::tasks::Delivered;
use domain::build_record::{BuildRecord, Step, idempotency_token};
use domain::deployment::Deployment;
use domain::life::Event;
use domain::names::{CommitSha, RepositoryName, TaskToken};
use domain::parking::{Parked, WaitsFor};
use jiff::Timestamp;

use crate::{Context, Error, Output, wake};

/// Parks the deployment, then starts the build or joins the one that runs; a release that is there is taken at once.
pub async fn ask(
    context: &Context,
    deployment: &Deployment,
    token: TaskToken,
    now: Timestamp,
) -> Result<Output, Error> {
    let waits_for = WaitsFor::Build {
        application: deployment.application.clone(),
        commit: deployment.commit.clone(),
        pull_request: deployment.pull_request(),
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    if let Some(release) = &deployment.release {
        let there = wake::check(context, release).await;
        wake::answer(context, &parked, &there, now).await?;
        return Ok(Output::Parked);
    }
    // What comes after another environment was built and tried there, and is never built here.
    if let Some(promoted) = context.ledger.promoted(deployment, now).await? {
        let there = match promoted {
            Ok(release) => wake::check(context, &release).await,
            Err(refused) => Err(refused),
        };
        wake::answer(context, &parked, &there, now).await?;
        return Ok(Output::Parked);
    }
    let (application, commit) = (&deployment.application, &deployment.commit);
    let from = deployment.pull_request();
    let step = context
        .ledger
        .change_build(application, commit, BuildRecord::ask, now)
        .await?;
    match step {
        Step::Start(attempt) => match start(context, (application, commit, from), attempt, now).await? {
            // While it takes no more, the sweep asks again, for as long as the state waits.
            Start::Begun(_) | Start::Full => {}
            Start::Refused(failure) => {
                wake::answer(context, &parked, &Err(failure), now).await?;
                return Ok(Output::Parked);
            }
        },
        Step::Wait => {}
        // The record speaks of an object that may be gone since.
        Step::Take(release) => {
            let there = wake::check(context, &release).await;
            wake::answer(context, &parked, &there, now).await?;
            return Ok(Output::Parked);
        }
    }
    if let BuildRecord::Building { build: Some(build), .. } = context.ledger.build(application, commit).await? {
        let log = context
            .builds
            .look(&build)
            .await?
            .map(|build| build.log)
            .unwrap_or_default();
        context
            .ledger
            .tell(&deployment.id, Event::Building { build, log }, now)
            .await?;
    }
    Ok(Output::Parked)
}

/// Starts an attempt, or finds the one that was started with the same token.
pub async fn start(
    context: &Context,
    (application, commit, pull_request): (&RepositoryName, &CommitSha, Option<u64>),
    attempt: u32,
    now: Timestamp,
) -> Result<Start, Error> {
    let token = idempotency_token(application, commit, pull_request, attempt);
    let start = context.builds.start(application, commit, pull_request, token).await?;
    if let Start::Begun(build) = &start {
        let started = |record: &BuildRecord, _| ((), record.started(attempt, &build.id));
        context.ledger.change_build(application, commit, started, now).await?;
    }
    Ok(start)
}
