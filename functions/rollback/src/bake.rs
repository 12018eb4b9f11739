//! A release bakes: its task waits until the alarms, the evidence or a person say how it goes on.

use aws::executions::Standing;
use aws::tasks::Delivered;
use domain::bake::{Asked, Course, Next, Obstacles, Question, Seen, Watch};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::life::{Event, Status};
use domain::message;
use domain::names::{DeploymentId, Digest, TaskToken};
use domain::parking::{Parked, WaitsFor};
use jiff::Timestamp;

use crate::{Baked, Context, Error, Output};

/// Parks, begins to watch, and looks for the first time: an alarm may have gone off while the release came.
pub async fn bake(
    context: &Context,
    deployment: &Deployment,
    release: Digest,
    token: TaskToken,
    now: Timestamp,
) -> Result<Output, Error> {
    let environment = &deployment.environment;
    let waits_for = WaitsFor::Bake {
        account: environment.account.clone(),
        region: environment.region.clone(),
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    let watch = match begin(context, deployment, release, now).await {
        Ok(watch) => watch,
        // Nobody else could begin it either.
        Err(error @ Error::Named(_)) => {
            context.ledger.unpark(&parked).await?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    // The task is parked, and the sweep has it looked at in a minute: a fault of AWS's is no fault of the release.
    if let Err(error) = look_at(context, &watch, now).await {
        tracing::warn!(deployment.id = %deployment.id, error.cause = %error, "looked at again by the sweep");
    }
    Ok(Output::Parked)
}

/// Begins to watch what a deployment has brought, in the place of what was watched there before; where it is watched
/// already, because this was called again, that goes on.
pub async fn begin(
    context: &Context,
    deployment: &Deployment,
    release: Digest,
    now: Timestamp,
) -> Result<Watch, Error> {
    let environment = &deployment.environment;
    let mut new = Watch::begin(deployment, release, now).ok_or_else(|| {
        Error::new(
            Name::InvalidInput,
            format!("{} has no bake in its policy", environment.name),
        )
    })?;
    let place = (&environment.account, &environment.region);
    let before = context
        .ledger
        .watch(place, &deployment.application, &environment.name)
        .await?;
    if let Some(before) = before.filter(|before| before.release == new.release && before.deployment != new.deployment) {
        new.at_risk = before.at_risk;
        new.at_risk
            .extend(status(context, &before.deployment).await?.data_at_risk());
    }
    let begun = context
        .ledger
        .change_watch(
            (&environment.account, &environment.region),
            &deployment.application,
            &environment.name,
            |watch| match watch {
                Some(watch) if watch.deployment == new.deployment => watch.clone(),
                watch => watch.insert(new.clone()).clone(),
            },
        )
        .await?;
    let baking = Event::Baking {
        until: begun.bakes_until,
        alarms: begun.policy.alarms.iter().map(ToString::to_string).collect(),
    };
    context.ledger.tell(&deployment.id, baking, now).await?;
    Ok(begun)
}

/// Looks at a release that bakes, and does what follows.
pub async fn look_at(context: &Context, watch: &Watch, now: Timestamp) -> Result<(), Error> {
    let id = &watch.deployment;
    let key = domain::parking::Key::alarms(&watch.account, &watch.region);
    let waiting = context.ledger.awaited(&context.tasks, &key).await?;
    let waiting: Vec<Parked> = waiting.into_iter().filter(|parked| parked.deployment == *id).collect();
    if waiting.is_empty() {
        return forsaken(context, watch).await;
    }
    let status = status(context, id).await?;
    if let Some(word) = &watch.word
        && status.bake_answered.as_ref() != Some(word)
    {
        let answered = Event::BakeAnswered { word: word.clone() };
        context.ledger.tell(id, answered, now).await?;
    }
    // Its end is on record; whoever was to answer it died.
    if status.baked {
        answer(context, &waiting, &Baked::Passed).await?;
        return proceed(context, watch, watch.after_bake(now), now).await;
    }
    let seen = see(context, watch, now).await?;
    let taken_back = context
        .ledger
        .taken_back(&watch.application, &watch.environment, &watch.release)
        .await?;
    let obstacles = Obstacles {
        data_at_risk: [watch.at_risk.clone(), status.data_at_risk()].concat(),
        taken_back_before: taken_back.is_some_and(|before| before.deployment != *id),
    };
    match watch.bake(&seen, &obstacles, now) {
        Next::Wait(at) => {
            for parked in &waiting {
                context.ledger.look_again(parked, at).await?;
            }
            Ok(())
        }
        Next::Ask(question) => {
            ask(context, watch, question, now).await?;
            for parked in &waiting {
                context.ledger.wait_on(parked, now).await?;
            }
            Ok(())
        }
        Next::Passed => {
            let how = watch.passed(&seen);
            context.ledger.tell(id, Event::Baked { how }, now).await?;
            // The answer first: once the watch goes on, nobody looks after a task that still waits.
            answer(context, &waiting, &Baked::Passed).await?;
            proceed(context, watch, watch.after_bake(now), now).await
        }
        Next::GoBack(failure) => {
            let Failure { name, cause } = failure;
            let baked = if name == Name::TakenBack {
                Baked::TakenBack { cause }
            } else {
                Baked::AlarmRaised { cause }
            };
            answer(context, &waiting, &baked).await?;
            proceed(context, watch, Course::Over, now).await
        }
    }
}

/// What is to be seen. Where that is refused for good, the release is watched by nobody: people hear of it in the end.
async fn see(context: &Context, watch: &Watch, now: Timestamp) -> Result<Seen, Error> {
    let alarms = context.alarms(&watch.deployment, &watch.account, &watch.region);
    match alarms.look(&watch.policy, watch.since, now).await {
        Ok(seen) => Ok(seen),
        Err(error) if error.name().class() == domain::failure::Class::Transient && watch.word.is_none() => {
            Err(error.into())
        }
        Err(error) => {
            tracing::error!(deployment.id = %watch.deployment, error.cause = %error, "its alarms cannot be read");
            Ok(Seen {
                blind: Some(error.to_string()),
                ..Seen::default()
            })
        }
    }
}

/// Asks people, once for each question. What was not told for sure is told again.
async fn ask(context: &Context, watch: &Watch, question: Question, now: Timestamp) -> Result<(), Error> {
    let is_told = |asked: &Asked| asked.told && asked.question == question;
    if watch.asked.as_ref().is_some_and(is_told) {
        return Ok(());
    }
    let id = &watch.deployment;
    let asked = Event::BakeAsked {
        question: question.clone(),
    };
    let known = status(context, id).await?.bake_asked;
    if known.as_ref() != Some(&question) {
        context.ledger.tell(id, asked, now).await?;
    }
    if let Some(deployment) = context.ledger.requested(id).await? {
        let message = message::bake_asks(&deployment, &question);
        context.notifications.tell(&message.subject, &message.body).await?;
    }
    let told = Asked {
        question: question.clone(),
        at: now,
        told: true,
    };
    context
        .ledger
        .change_watch(
            (&watch.account, &watch.region),
            &watch.application,
            &watch.environment,
            |found| {
                if let Some(found) = found.as_mut().filter(|found| found.deployment == *id) {
                    found.asked = Some(told.clone());
                }
            },
        )
        .await?;
    Ok(())
}

/// Goes on with a watch, unless another deployment's has taken its place.
pub async fn proceed(context: &Context, watch: &Watch, course: Course, now: Timestamp) -> Result<(), Error> {
    context
        .ledger
        .change_watch(
            (&watch.account, &watch.region),
            &watch.application,
            &watch.environment,
            |found| {
                if let Some(found) = found.as_mut().filter(|found| found.deployment == watch.deployment) {
                    found.course = course;
                    found.look_at = now + domain::bake::LOOK_EVERY;
                }
            },
        )
        .await?;
    Ok(())
}

async fn answer(context: &Context, waiting: &[Parked], baked: &Baked) -> Result<(), Error> {
    for parked in waiting {
        let delivered = context.tasks.succeed(&parked.token, baked).await?;
        tracing::info!(deployment.id = %parked.deployment, ?delivered, ?baked, "answered");
        context.ledger.unpark(parked).await?;
    }
    Ok(())
}

/// Nobody waits for this bake any more. Where it was answered, the watch goes on from there; where its execution is over, so
/// is the watch: what it left is gate's.
async fn forsaken(context: &Context, watch: &Watch) -> Result<(), Error> {
    let now = Timestamp::now();
    let status = status(context, &watch.deployment).await?;
    if status.baked {
        return proceed(context, watch, watch.after_bake(now), now).await;
    }
    if status.back_to.is_some() {
        return proceed(context, watch, Course::Over, now).await;
    }
    match context.executions.standing(&watch.deployment).await? {
        Standing::Over { .. } => proceed(context, watch, Course::Over, Timestamp::now()).await,
        Standing::Running | Standing::Unknown => Ok(()),
    }
}

/// The fold of a deployment's record.
async fn status(context: &Context, deployment: &DeploymentId) -> Result<Status, Error> {
    let head = context.ledger.head(deployment).await?;
    Ok(head.map(|head| head.status).unwrap_or_default())
}
