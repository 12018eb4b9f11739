//! Starting a deployment that takes an environment back.

use domain::bake::Watch;
use domain::configuration::Application;
use domain::deployment::{Cause, Deployment, Environment, Request, Rollback};
use domain::environment_state::StableRelease;
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::Event;
use domain::names::{DeploymentId, Digest, EnvironmentName, RepositoryName};
use domain::way_back::{Earlier, choose};
use jiff::Timestamp;

use crate::{Context, Error, GoBack, Output, look};

/// The stable release before this one that is not known to be bad; nothing, where there is none.
pub async fn earlier(
    context: &Context,
    application: &RepositoryName,
    environment: &EnvironmentName,
    present: &Digest,
) -> Result<Option<StableRelease>, Error> {
    for stable in context.ledger.stable_releases(application, environment).await? {
        if stable.release != *present
            && context
                .ledger
                .taken_back(application, environment, &stable.release)
                .await?
                .is_none()
        {
            return Ok(Some(stable));
        }
    }
    Ok(None)
}

/// Takes an environment back because an alarm went off after its release's bake.
pub async fn because_of_alarm(context: &Context, watch: &Watch, alarm: &Failure, now: Timestamp) -> Result<(), Error> {
    let (application, name) = (&watch.application, &watch.environment);
    let Some(to) = earlier(context, application, name, &watch.release).await? else {
        return Err(Error::new(Name::NoWayBack, "there is no earlier stable release"));
    };
    let environment = configured(context, application, name).await?;
    let id = DeploymentId::derive(
        application,
        name,
        &to.commit,
        &[
            "rollback",
            watch.deployment.as_str(),
            watch.release.as_str(),
            to.release.as_str(),
        ],
    );
    let request = Request {
        by: format!("CloudWatch in {} {}", watch.account, watch.region),
        at: now,
        happened_at: now,
        because: Cause::Alarm,
        delivery: None,
        before: None,
        title: String::new(),
    };
    let rollback = Rollback {
        from: watch.release.clone(),
        because: alarm.clone(),
    };
    start(context, id, application, environment, &to, request, rollback, now).await?;
    Ok(())
}

/// Takes an environment back because somebody asks for it.
pub async fn go_back(context: &Context, asked: &GoBack, now: Timestamp) -> Result<Output, Error> {
    let GoBack { execution, ask } = asked;
    let (application, name) = (&ask.application, &ask.environment);
    let environment = configured(context, application, name).await?;
    let state = context.ledger.environment(application, name).await?;
    let stable = context.ledger.stable_releases(application, name).await?;
    let mut taken_back = Vec::new();
    for stable in &stable {
        if context
            .ledger
            .taken_back(application, name, &stable.release)
            .await?
            .is_some()
        {
            taken_back.push(stable.release.clone());
        }
    }
    let known = Earlier {
        present: state.stable.as_ref().map(|stable| &stable.release),
        under_way: state.holder.as_ref().map(|holder| &holder.deployment),
        stable: &stable,
        taken_back: &taken_back,
        keep: environment.keep,
    };
    let (from, to) = choose(&known, ask.to.as_deref()).map_err(Error::Named)?;
    let (from, to) = (from.clone(), to.clone());
    // Now, and not half-way.
    for file in context.artifacts.read_index(&to.release).await?.files() {
        context.artifacts.verify_object(file).await?;
    }
    let by = harmless(
        ask.by.as_deref().unwrap_or("somebody in the Step Functions console"),
        300,
    );
    let why = harmless(&ask.why, 500);
    let id = DeploymentId::derive(
        application,
        name,
        &to.commit,
        &["rollback", execution, from.as_str(), to.release.as_str()],
    );
    let request = Request {
        by: by.clone(),
        at: now,
        happened_at: now,
        because: Cause::Manual,
        delivery: None,
        before: None,
        title: String::new(),
    };
    let rollback = Rollback {
        from,
        because: Failure::new(Name::TakenBack, format!("{by} says: {why}")),
    };
    let deployment = start(context, id, application, environment, &to, request, rollback, now).await?;
    Ok(Output::Started { deployment })
}

/// Starts it, or finds that it was started. The commit's title and the reference are those of the deployment that had
/// brought the release.
#[expect(
    clippy::too_many_arguments,
    reason = "they are the parts of a deployment, each from elsewhere"
)]
async fn start(
    context: &Context,
    id: DeploymentId,
    application: &RepositoryName,
    environment: Environment,
    to: &StableRelease,
    request: Request,
    rollback: Rollback,
    now: Timestamp,
) -> Result<DeploymentId, Error> {
    let brought = look::requested(context, &to.deployment).await?;
    let (reference, title) = match brought {
        Some(brought) => (brought.reference, brought.requested.title),
        None => (to.commit.to_string(), String::new()),
    };
    let deployment = Deployment {
        id: id.clone(),
        application: application.clone(),
        environment,
        commit: to.commit.clone(),
        reference,
        release: Some(to.release.clone()),
        requested: Request { title, ..request },
        rollback: Some(rollback),
    };
    let requested = Event::Requested {
        deployment: Box::new(deployment.clone()),
    };
    context.ledger.tell(&id, requested, now).await?;
    context.executions.start(&deployment).await?;
    Ok(id)
}

/// The environment as it is configured now: a rollback is a deployment of its own.
async fn configured(
    context: &Context,
    application: &RepositoryName,
    name: &EnvironmentName,
) -> Result<Environment, Error> {
    let parameter = format!("{}/{application}", context.applications);
    let json = context.parameters.value(&parameter).await?;
    let json = json.ok_or_else(|| {
        Error::new(
            Name::InvalidInput,
            format!("{application} is no application of lockgate.toml"),
        )
    })?;
    let configured: Application = serde_json::from_str(&json).map_err(|error| {
        Error::new(
            Name::Unexpected,
            format!("{parameter} is no application ({error}); deploy the stack lockgate-pipeline again"),
        )
    })?;
    let found = configured.environments.into_iter().find(|found| found.name == *name);
    found.ok_or_else(|| Error::new(Name::InvalidInput, format!("{application} has no environment {name}")))
}
