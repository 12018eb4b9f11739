//! Looking at alarms: before a release comes, while it bakes, and afterwards.

use domain::bake::{After, Course, Guard, Obstacles, Surroundings, Watch, may_begin};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::life::Event;
use domain::message;
use domain::names::{AccountId, Region};
use domain::parking::{Key, WaitsFor};
use domain::way_back;
use jiff::Timestamp;

use crate::{Context, Error, Output, bake, go_back};

/// Whether the alarms that are to watch a release let it begin.
pub async fn check(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Output, Error> {
    let environment = &deployment.environment;
    let Some(policy) = &environment.bake else {
        return Ok(Output::Clear { guards: Vec::new() });
    };
    let alarms = context.alarms(&deployment.id, &environment.account, &environment.region);
    let (seen, all) = alarms.look_before(&policy.alarms).await?;
    let state = context
        .ledger
        .environment(&deployment.application, &environment.name)
        .await?;
    may_begin(&seen, state.stable.is_some()).map_err(Error::Named)?;
    let (guards, others) = Guard::choose(all);
    let checked = Event::AlarmsChecked {
        guards: guards.iter().map(|guard| guard.alarm.clone()).collect(),
        others,
    };
    context.ledger.tell(&deployment.id, checked, now).await?;
    Ok(Output::Clear { guards })
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
    let mut looked_at = 0;
    for watch in &watches {
        let looked = match watch.course {
            Course::Baking => Box::pin(bake::look_at(context, watch, now)).await,
            Course::Watching { .. } => look_after(context, watch, now).await,
            Course::Telling if by_event => look_after(context, watch, now).await,
            Course::Telling | Course::Over => continue,
        };
        looked_at += 1;
        if let Err(error) = looked {
            tracing::error!(deployment.id = %watch.deployment, error.cause = %error, "cannot be looked at");
            first.get_or_insert(error);
        }
    }
    match first {
        Some(error) => Err(error),
        None => Ok(Output::Looked { watched: looked_at }),
    }
}

/// Begins to watch for those who wait and whose watch nobody began: whoever parked them died before.
async fn begin_forgotten(context: &Context, account: &AccountId, region: &Region, now: Timestamp) -> Result<(), Error> {
    let key = Key::alarms(account, region);
    for parked in context.ledger.awaited(&context.tasks, &key).await? {
        if !matches!(parked.waits_for, WaitsFor::Bake { .. }) {
            continue;
        }
        let Some(deployment) = context.ledger.requested(&parked.deployment).await? else {
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
    let under_way = go_back::under_way(context, &state).await?;
    let stable = state.stable.map(|stable| stable.release);
    // It may become the environment's release in a moment: its execution closes after its bake has passed.
    if under_way.as_ref() == Some(&watch.deployment) {
        return look_again(context, watch, now + domain::bake::LOOK_EVERY).await;
    }
    if stable.as_ref() != Some(&watch.release) {
        return bake::proceed(context, watch, Course::Over, now).await;
    }
    // A person may have let it pass early.
    let ended = watch
        .bakes_until
        .min(watch.word.as_ref().map_or(Timestamp::MAX, |word| word.at));
    let since = watch.told_of.map_or(ended, |told| told.max(ended));
    let alarms = context.alarms(&watch.deployment, &watch.account, &watch.region);
    let seen = alarms.look_at_alarms(&watch.policy.alarms, since).await?;
    let has_earlier = if seen.alarms.iter().any(|alarm| alarm.fired.is_some()) {
        let known = go_back::Known::read(context, application, environment).await?;
        way_back::earlier(&known.earlier(0)).is_some()
    } else {
        false
    };
    let around = Surroundings {
        stable,
        under_way,
        has_earlier,
    };
    let head = context.ledger.head(&watch.deployment).await?;
    let taken_back = context
        .ledger
        .taken_back(application, environment, &watch.release)
        .await?;
    let obstacles = Obstacles {
        data_at_risk: [
            watch.at_risk.clone(),
            head.map(|head| head.status.data_at_risk()).unwrap_or_default(),
        ]
        .concat(),
        taken_back_before: taken_back.is_some(),
    };
    match watch.after(&seen, &obstacles, &around, now) {
        After::Wait(at) => look_again(context, watch, at).await,
        After::Quiet => bake::proceed(context, watch, Course::Telling, now).await,
        After::Over => bake::proceed(context, watch, Course::Over, now).await,
        After::Tell { alarm, at, why } => tell(context, watch, &alarm, (at, &why), now).await,
        After::RollBack(alarm) => {
            // Its end is noted when it is under way, so that whoever dies here is followed by another.
            match go_back::because_of_alarm(context, watch, &alarm, now).await {
                Ok(()) => bake::proceed(context, watch, Course::Over, now).await,
                // There is no environment, or no release, any more that it could go back to.
                Err(Error::Named(refused)) if refused.name == Name::NoWayBack => {
                    let at = seen
                        .alarms
                        .iter()
                        .filter_map(|alarm| alarm.fired.as_ref())
                        .map(|fired| fired.at);
                    let at = at.max().unwrap_or(now);
                    tell(context, watch, &alarm, (at, &refused.cause), now).await
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// Tells people that an alarm went off at this time, and why nothing is done about it.
async fn tell(
    context: &Context,
    watch: &Watch,
    alarm: &Failure,
    (at, why): (Timestamp, &str),
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(deployment) = context.ledger.requested(&watch.deployment).await? {
        let message = message::alarm_told(&deployment, alarm, why);
        context.notifications.tell(&message.subject, &message.body).await?;
    }
    change(context, watch, |watch| {
        watch.told_of = Some(at);
        watch.look_at = now + domain::bake::LOOK_EVERY;
    })
    .await
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
