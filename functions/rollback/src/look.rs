//! Looking at alarms: before a release comes, while it bakes, and afterwards.

use domain::bake::{After, Course, Obstacles, Surroundings, Watch, may_begin};
use domain::deployment::Deployment;
use domain::life::Event;
use domain::message;
use domain::names::{AccountId, DeploymentId, Region};
use domain::parking::{Key, WaitsFor};
use jiff::Timestamp;

use crate::{Context, Error, Output, bake, go_back};

/// Whether the alarms that are to watch a release let it begin.
pub async fn check(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Output, Error> {
    let environment = &deployment.environment;
    if let Some(policy) = &environment.bake {
        let alarms = context.alarms(&deployment.id, &environment.account, &environment.region);
        let seen = alarms.look_at_alarms(&policy.alarms, now).await?;
        may_begin(&seen).map_err(Error::Named)?;
    }
    Ok(Output::Clear)
}

/// Looks at everything that the alarms of an account and region watch. One that cannot be looked at stands in no other's
/// way. What is only told of is looked at when an alarm goes off, and not by the clock.
pub async fn look(
    context: &Context,
    account: &AccountId,
    region: &Region,
    by_event: bool,
    now: Timestamp,
) -> Result<Output, Error> {
    let mut first = None;
    let begun = begin_forgotten(context, account, region, now).await;
    if let Err(error) = begun {
        first.get_or_insert(error);
    }
    let watches = context.ledger.watches(account, region).await?;
    let mut watched = 0;
    for watch in &watches {
        let looked = match watch.course {
            Course::Baking => Box::pin(bake::look_at(context, watch, now)).await,
            Course::Watching { .. } => look_after(context, watch, now).await,
            Course::Telling if by_event => look_after(context, watch, now).await,
            Course::Telling | Course::Over => continue,
        };
        watched += 1;
        if let Err(error) = looked {
            tracing::error!(deployment.id = %watch.deployment, error.cause = %error, "cannot be looked at");
            first.get_or_insert(error);
        }
    }
    match first {
        Some(error) => Err(error),
        None => Ok(Output::Looked { watched }),
    }
}

/// Begins to watch for those who wait and whose watch nobody began: whoever parked them died before.
async fn begin_forgotten(context: &Context, account: &AccountId, region: &Region, now: Timestamp) -> Result<(), Error> {
    for parked in context.ledger.parked(&Key::alarms(account, region)).await? {
        if !matches!(parked.waits_for, WaitsFor::Bake { .. }) {
            continue;
        }
        let Some(deployment) = requested(context, &parked.deployment).await? else {
            continue;
        };
        let head = context.ledger.head(&parked.deployment).await?;
        let release = head.and_then(|head| head.status.release);
        let place = (account, region);
        let watch = context
            .ledger
            .watch(place, &deployment.application, &deployment.environment.name)
            .await?;
        let is_watched = watch.is_some_and(|watch| watch.deployment == deployment.id);
        if let Some(release) = release.filter(|_| !is_watched) {
            bake::begin(context, &deployment, release, now).await?;
        }
    }
    Ok(())
}

/// Looks at a release that is stable, and does what follows.
async fn look_after(context: &Context, watch: &Watch, now: Timestamp) -> Result<(), Error> {
    let (application, environment) = (&watch.application, &watch.environment);
    let state = context.ledger.environment(application, environment).await?;
    let earlier = go_back::earlier(context, application, environment, &watch.release).await?;
    let around = Surroundings {
        stable: state.stable.map(|stable| stable.release),
        under_way: state.holder.map(|holder| holder.deployment),
        has_earlier: earlier.is_some(),
    };
    if around.stable.as_ref() != Some(&watch.release) {
        return given_up(context, watch, &around, now).await;
    }
    let since = match watch.told_of {
        Some(told) => told.max(watch.bakes_until),
        None => watch.bakes_until,
    };
    let alarms = context.alarms(&watch.deployment, &watch.account, &watch.region);
    let seen = alarms.look_at_alarms(&watch.policy.alarms, since).await?;
    let head = context.ledger.head(&watch.deployment).await?;
    let taken_back = context
        .ledger
        .taken_back(application, environment, &watch.release)
        .await?;
    let obstacles = Obstacles {
        data_at_risk: head.map(|head| head.status.data_at_risk()).unwrap_or_default(),
        taken_back_before: taken_back.is_some(),
    };
    match watch.after(&seen, &obstacles, &around, now) {
        After::Wait(at) => look_again(context, watch, at).await,
        After::Quiet => bake::proceed(context, watch, Course::Telling, now).await,
        After::Over => bake::proceed(context, watch, Course::Over, now).await,
        After::Tell { alarm, at, why } => {
            if let Some(deployment) = requested(context, &watch.deployment).await? {
                let message = message::alarm_told(&deployment, &alarm, &why);
                context.notifications.tell(&message.subject, &message.body).await?;
            }
            change(context, watch, |watch| {
                watch.told_of = Some(at);
                watch.look_at = now + domain::bake::LOOK_EVERY;
            })
            .await
        }
        After::RollBack(alarm) => {
            // Its end is noted when it is under way, so that whoever dies here is followed by another.
            go_back::because_of_alarm(context, watch, &alarm, now).await?;
            bake::proceed(context, watch, Course::Over, now).await
        }
    }
}

/// The release is not the environment's. It may become that in a moment: its execution closes after its bake has passed.
async fn given_up(context: &Context, watch: &Watch, around: &Surroundings, now: Timestamp) -> Result<(), Error> {
    if around.under_way.as_ref() == Some(&watch.deployment) {
        return look_again(context, watch, now + domain::bake::LOOK_EVERY).await;
    }
    bake::proceed(context, watch, Course::Over, now).await
}

async fn look_again(context: &Context, watch: &Watch, at: Timestamp) -> Result<(), Error> {
    change(context, watch, |watch| watch.look_at = at).await
}

async fn change(context: &Context, watch: &Watch, change: impl Fn(&mut Watch)) -> Result<(), Error> {
    let place = (&watch.account, &watch.region);
    context
        .ledger
        .change_watch(place, &watch.application, &watch.environment, |found| {
            if let Some(found) = found.as_mut().filter(|found| found.deployment == watch.deployment) {
                change(found);
            }
        })
        .await?;
    Ok(())
}

/// The deployment as it was asked for.
pub async fn requested(context: &Context, id: &DeploymentId) -> Result<Option<Deployment>, Error> {
    let entries = context.ledger.entries(id).await?;
    Ok(entries.into_iter().find_map(|entry| match entry.what {
        Event::Requested { deployment } => Some(*deployment),
        _ => None,
    }))
}
