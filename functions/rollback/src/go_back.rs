//! Starting a deployment that takes an environment back.

use domain::bake::Watch;
use domain::configuration::Application;
use domain::deployment::{Cause, Deployment, Environment, Request, Rollback};
use domain::environment_state::{EnvironmentState, StableRelease};
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::{Event, Phase};
use domain::names::{DeploymentId, Digest, EnvironmentName, RepositoryName};
use domain::way_back::{self, Earlier, Way};
use futures::{TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{Context, Error, GoBack, Output};

/// How many files of a release are looked for at once.
const AT_ONCE: usize = 16;

/// What is known of an environment's releases, as it was read.
pub struct Known {
    state: EnvironmentState,
    all: Vec<StableRelease>,
    taken_back: Vec<Digest>,
    unsettled: Option<Digest>,
    under_way: Option<DeploymentId>,
}

impl Known {
    /// Reads all of it.
    pub async fn read(
        context: &Context,
        application: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<Self, Error> {
        let ledger = &context.ledger;
        let state = ledger.environment(application, environment).await?;
        let taken_back = ledger.taken_back_releases(application, environment).await?;
        let unsettled = match &state.unsettled {
            Some(deployment) => ledger.head(deployment).await?.and_then(|head| head.status.release),
            None => None,
        };
        Ok(Self {
            all: ledger.stable_releases(application, environment).await?,
            taken_back: taken_back.into_iter().map(|(release, _)| release).collect(),
            unsettled,
            under_way: under_way(context, &state).await?,
            state,
        })
    }

    /// As the decision takes it.
    pub fn earlier(&self, keep: u32) -> Earlier<'_> {
        Earlier {
            stable: self.state.stable.as_ref(),
            unsettled: self.unsettled.as_ref(),
            under_way: self.under_way.as_ref(),
            all: &self.all,
            taken_back: &self.taken_back,
            keep,
        }
    }
}

/// The deployment that has the environment's lock, and is a reason not to go back. Who only wants to see what going back
/// would change is none: that is over within moments, and whoever goes back waits for it. Nor is who asks people before
/// anything is changed: what is there is what would be taken back, and whoever goes back takes that one's place.
pub async fn under_way(context: &Context, state: &EnvironmentState) -> Result<Option<DeploymentId>, Error> {
    let Some(holder) = &state.holder else { return Ok(None) };
    let head = context.ledger.head(&holder.deployment).await?;
    let status = head.map(|head| head.status).unwrap_or_default();
    let only_asks = status.asks_before && status.phase == Phase::Accepting && !status.changed_anything();
    Ok((!status.plans && !only_asks).then(|| holder.deployment.clone()))
}

/// Takes an environment back because an alarm went off after its release's bake.
pub async fn because_of_alarm(context: &Context, watch: &Watch, alarm: &Failure, now: Timestamp) -> Result<(), Error> {
    let (application, name) = (&watch.application, &watch.environment);
    let environment = configured(context, application, name).await?;
    let known = Known::read(context, application, name).await?;
    let Some(to) = way_back::earlier(&known.earlier(environment.keep)) else {
        return Err(Error::new(Name::NoWayBack, "there is no earlier stable release"));
    };
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
        at_github: None,
    };
    let rollback = Rollback {
        from: watch.release.clone(),
        stable: watch.release.clone(),
        because: alarm.clone(),
    };
    start(
        context,
        id,
        application,
        environment,
        (to, rollback),
        request,
        false,
        now,
    )
    .await?;
    Ok(())
}

/// Takes an environment back because somebody asks for it.
pub async fn go_back(context: &Context, asked: &GoBack, now: Timestamp) -> Result<Output, Error> {
    let GoBack { execution, ask } = asked;
    let (application, name) = (&ask.application, &ask.environment);
    let environment = configured(context, application, name).await?;
    let mut known = Known::read(context, application, name).await?;
    if ask.plan
        && let Some(holder) = &known.state.holder
    {
        // It would wait for people: nobody's place is taken for a look.
        known.under_way = Some(holder.deployment.clone());
    }
    let known = known.earlier(environment.keep);
    let Way { from, stable, to } = way_back::choose(&known, ask.to.as_deref()).map_err(Error::Named)?;
    // Now, and not half-way.
    let index = context.artifacts.read_index(&to.release).await?;
    let mut verified = stream::FuturesUnordered::new();
    for file in index.files() {
        if verified.len() >= AT_ONCE {
            verified.try_next().await?;
        }
        verified.push(context.artifacts.verify_object(file));
    }
    while verified.try_next().await?.is_some() {}
    let by = harmless(
        ask.by.as_deref().unwrap_or("somebody in the Step Functions console"),
        300,
    );
    let why = harmless(&ask.why, 500);
    let id = DeploymentId::derive(
        application,
        name,
        &to.commit,
        &[
            if ask.plan { "plan" } else { "rollback" },
            execution,
            from.as_str(),
            to.release.as_str(),
        ],
    );
    let request = Request {
        by: by.clone(),
        at: now,
        happened_at: now,
        because: Cause::Manual,
        delivery: None,
        before: None,
        title: String::new(),
        at_github: None,
    };
    let rollback = Rollback {
        from: from.clone(),
        stable: stable.clone(),
        because: Failure::new(Name::TakenBack, format!("{by} says: {why}")),
    };
    let way = (to, rollback);
    let deployment = start(context, id, application, environment, way, request, ask.plan, now).await?;
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
    (to, rollback): (&StableRelease, Rollback),
    request: Request,
    plans: bool,
    now: Timestamp,
) -> Result<DeploymentId, Error> {
    let brought = context.ledger.requested(&to.deployment).await?;
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
        plans,
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
            Name::NoWayBack,
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
    found.ok_or_else(|| Error::new(Name::NoWayBack, format!("{application} has no environment {name}")))
}
