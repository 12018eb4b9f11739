//! Admission: the lock, a place in the queue, or the news that a newer deployment makes this one superfluous.

use aws::executions;
use aws::tasks::Delivered;
use domain::build_record::BuildRecord;
use domain::deployment::{Deployment, Leg};
use domain::environment_state::{Candidate, EnvironmentState, Standing};
use domain::failure::{Failure, Name};
use domain::freeze;
use domain::life::{Event, Phase};
use domain::names::{DeploymentId, Digest, TaskToken};
use domain::parking::{Key, Parked, WaitsFor};
use jiff::Timestamp;
use serde_json::json;

use crate::{Admission, Context, Error, Output, assess, tidy};

/// Parks the deployment, then asks for the lock, so that whoever gives it back in between finds it waiting.
pub async fn admit(
    context: &Context,
    deployment: &Deployment,
    token: TaskToken,
    now: Timestamp,
) -> Result<Output, Error> {
    // Whoever started the execution wrote this already, unless it was started by hand in the console.
    if context.ledger.head(&deployment.id).await?.is_none() {
        let requested = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        context.ledger.tell(&deployment.id, requested, now).await?;
    }
    // The same request may come again when Step Functions has forgotten its execution, which it does after 90 days
    // (AWS Step Functions API reference, `StartExecution`). What it asked for has long been done, or refused.
    if assess::status(context, &deployment.id).await?.ending.is_some() {
        let by = deployment.id.clone();
        context.tasks.succeed(&token, &Admission::Superseded { by }).await?;
        return Ok(Output::Parked);
    }
    let waits_for = WaitsFor::Lock {
        application: deployment.application.clone(),
        environment: deployment.environment.name.clone(),
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    context.ledger.park(&parked).await?;
    // Asked before it takes anybody's place: a candidate that may not come here supersedes none that waits.
    if let Some(refused) = Box::pin(refused(context, deployment, now)).await? {
        context.tasks.fail(&parked.token, &refused).await?;
        return Ok(context.ledger.unpark(&parked).await.map(|()| Output::Parked)?);
    }
    if builds_first(context, deployment).await? {
        context.tasks.succeed(&parked.token, &Admission::NotBuilt).await?;
        return Ok(context.ledger.unpark(&parked).await.map(|()| Output::Parked)?);
    }
    let candidate = Candidate::of(deployment);
    let (standing, superseded, state) = context
        .ledger
        .change_environment(
            &deployment.application,
            &deployment.environment.name,
            |state: &mut EnvironmentState| {
                let (standing, superseded) = state.admit(candidate.clone(), now);
                (standing, superseded, state.clone())
            },
        )
        .await?;
    Box::pin(answer(context, &parked, standing, now)).await?;
    for older in superseded {
        wake(context, &Key::lock(&older), now).await?;
    }
    // One that asks nobody comes after others that ask nobody.
    if deployment.environment.approval.is_some() {
        tell_holder(context, &state).await;
    }
    Ok(Output::Parked)
}

/// Whether a deployment has to be built before it may ask for the lock: one that only plans is over within moments then, and
/// keeps nobody waiting.
async fn builds_first(context: &Context, deployment: &Deployment) -> Result<bool, Error> {
    if !deployment.plans || deployment.release.is_some() {
        return Ok(false);
    }
    let build = context
        .ledger
        .build(&deployment.application, &deployment.commit)
        .await?;
    Ok(!matches!(build, BuildRecord::Built { .. }))
}

/// Fails where something keeps a deployment out by now that let it in before: a hold, a freeze, or what became of its
/// release where it comes from. Its alarms, and who else waits, are not asked.
pub async fn check(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Output, Error> {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    if let Some(hold) = context.ledger.environment(application, environment).await?.hold {
        return Err(Error::Named(hold.refusal()));
    }
    let status = assess::status(context, &deployment.id).await?;
    match Box::pin(refused(context, deployment, now)).await? {
        // People let it in with their eyes open.
        Some(refused) if !(refused.name == Name::Frozen && status.let_in) => Err(Error::Named(refused)),
        _ => Ok(Output::StillAdmitted),
    }
}

/// Why a deployment may not come here, whoever has the lock; nothing, where it may.
async fn refused(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Option<Failure>, Error> {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    if deployment.previews() {
        return Ok(None);
    }
    if deployment.rollback.is_some() {
        let to = deployment.release.as_ref();
        let stable = match to {
            Some(to) => context.ledger.stable(application, environment, to).await?,
            None => None,
        };
        return Ok(stable.is_none().then(|| {
            let to = to.map_or("which it does not name", Digest::short);
            Failure::new(
                Name::NoWayBack,
                format!("release {to} was never stable in {environment}"),
            )
        }));
    }
    if let Some(frozen) = frozen(context, deployment, now).await? {
        return Ok(Some(frozen));
    }
    let release = match context.ledger.promoted(deployment, now).await? {
        Some(Err(refused)) => return Ok(Some(refused)),
        Some(Ok(release)) => Some(release),
        None => match context.ledger.build(application, &deployment.commit).await? {
            BuildRecord::Built { release, .. } => Some(release),
            BuildRecord::None | BuildRecord::Building { .. } | BuildRecord::Failed { .. } => None,
        },
    };
    let Some(release) = release.filter(|_| deployment.environment.holds) else {
        return Ok(None);
    };
    let taken_back = context.ledger.taken_back(application, environment, &release).await?;
    Ok(taken_back.and_then(|taken_back| taken_back.refuses(&release, environment)))
}

/// Why a deployment has to wait for the end of a freeze; nothing, where there is none, or where people let it in, which is
/// on its record then.
async fn frozen(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Option<Failure>, Error> {
    let freezes = &deployment.environment.freezes;
    let Some(frozen) = freeze::frozen(freezes, now).filter(|_| !deployment.previews()) else {
        return Ok(None);
    };
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let emergency = context
        .ledger
        .emergency(application, environment, &deployment.commit)
        .await?;
    let frozen = frozen.to_string();
    match emergency.lets_in(now) {
        Some(words) => {
            let words = words.into_iter().cloned().collect();
            context
                .ledger
                .tell(&deployment.id, Event::LetIn { frozen, words }, now)
                .await?;
            Ok(None)
        }
        None => Ok(Some(Failure::new(Name::Frozen, frozen))),
    }
}

/// What a deployment learns that has the lock. One that is to take the environment back from another release than it finds
/// there comes too late.
async fn admitted(
    context: &Context,
    parked: &Parked,
    fence: u64,
    now: Timestamp,
) -> Result<Result<Admission, Failure>, Error> {
    let id = &parked.deployment;
    let status = assess::status(context, id).await?;
    let Some(deployment) = context.ledger.requested(id).await? else {
        return Err(Error::Contradiction(format!(
            "the record of {id} does not say what was asked"
        )));
    };
    if !status.rolls_back {
        // It may have waited until a freeze began.
        return Ok(
            match frozen(context, &deployment, now).await?.filter(|_| !status.let_in) {
                Some(frozen) => Err(frozen),
                None => Ok(Admission::Admitted {
                    fence,
                    leg: Leg::Forward,
                    failure: None,
                }),
            },
        );
    }
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let stable = context.ledger.environment(application, environment).await?.stable;
    let present = stable.map(|stable| stable.release);
    let Some(rollback) = deployment
        .rollback
        .as_ref()
        .filter(|rollback| present.as_ref() == Some(&rollback.stable))
    else {
        let cause = format!(
            "{environment} has another release by now than the one that it was to be taken back from: {}",
            present.as_ref().map_or("none", Digest::short)
        );
        return Ok(Err(Failure::new(Name::NoWayBack, cause)));
    };
    Ok(Ok(Admission::Admitted {
        fence,
        leg: Leg::Back,
        failure: Some(rollback.because.clone().into()),
    }))
}

/// The holder may be asking people about what is no longer the newest.
async fn tell_holder(context: &Context, state: &EnvironmentState) {
    let Some(holder) = state
        .holder
        .as_ref()
        .map(|holder| &holder.deployment)
        .filter(|holder| state.newer_waiting(holder).or(state.way_back_waiting(holder)).is_some())
    else {
        return;
    };
    have_approval_look(context, holder).await;
}

/// Has approval look at a deployment that may be asking people. The sweep has it look in the end, be it that this fails
/// or that the policy was changed in between.
pub async fn have_approval_look(context: &Context, deployment: &DeploymentId) {
    let wake = json!({ "do": "wake", "key": Key::approval(deployment) });
    if let Err(error) = context.functions.wake(&context.approval, &wake).await {
        tracing::warn!(deployment.id = %deployment, error.cause = %error, "the sweep has approval look at it");
    }
}

/// Looks at a deployment that waits for a lock, as it stands now.
pub async fn wake(context: &Context, key: &Key, now: Timestamp) -> Result<Output, Error> {
    let waiting = context.ledger.parked(key).await?;
    if waiting.is_empty() {
        tracing::info!(key = key.as_str(), "nothing waits here");
    }
    // One and the same for all its tokens: to be turned away ends its place in the queue.
    let mut known = None;
    for parked in waiting {
        let WaitsFor::Lock {
            application,
            environment,
        } = &parked.waits_for
        else {
            continue;
        };
        let standing = if let Some(standing) = &known {
            Standing::clone(standing)
        } else {
            let state = context.ledger.environment(application, environment).await?;
            known.insert(state.standing(&parked.deployment)).clone()
        };
        let asked = assess::status(context, &parked.deployment).await?.phase >= Phase::Queued;
        if !asked && matches!(standing, Standing::Superseded(_) | Standing::Unknown) {
            // Parked, and about to ask: what is known of others says nothing about it yet.
            continue;
        }
        Box::pin(answer(context, &parked, standing, now)).await?;
    }
    Ok(Output::Parked)
}

/// Answers a deployment that waits, or lets it wait on.
async fn answer(context: &Context, parked: &Parked, standing: Standing, now: Timestamp) -> Result<(), Error> {
    let id = &parked.deployment;
    let delivered = match standing {
        Standing::Waits(before) => {
            context.ledger.tell(id, Event::Queued { before }, now).await?;
            context.ledger.wait_on(parked, now).await?;
            // One that was stopped while it waited would hold its place for ever. Of one that was called again, only the
            // older token is gone.
            let is_over = matches!(
                context.executions.standing(id).await?,
                executions::Standing::Over { .. }
            );
            if !is_over && context.tasks.still_waits(&parked.token).await? == Delivered::Yes {
                return Ok(());
            }
            Delivered::Gone
        }
        Standing::Holds(fence) => {
            context.ledger.tell(id, Event::Admitted { fence }, now).await?;
            match Box::pin(admitted(context, parked, fence, now)).await? {
                Ok(admission) => context.tasks.succeed(&parked.token, &admission).await?,
                Err(refused) => context.tasks.fail(&parked.token, &refused).await?,
            }
        }
        Standing::Held(hold) => {
            let delivered = context.tasks.fail(&parked.token, &hold.refusal()).await?;
            leave(context, parked, id).await?;
            delivered
        }
        Standing::Superseded(by) => {
            context
                .tasks
                .succeed(&parked.token, &Admission::Superseded { by })
                .await?
        }
        Standing::Quarantined(quarantine) => {
            let cause = format!(
                "{} ended half-way at {}: {}",
                quarantine.deployment, quarantine.since, quarantine.why
            );
            let refused = Failure::new(Name::Quarantined, cause);
            let delivered = context.tasks.fail(&parked.token, &refused).await?;
            // Not before it was told: without its place it would be taken for one that was superseded.
            leave(context, parked, id).await?;
            delivered
        }
        Standing::QueueFull => {
            let cause = format!("{} deployments wait already", domain::environment_state::QUEUE_LIMIT);
            context
                .tasks
                .fail(&parked.token, &Failure::new(Name::QueueFull, cause))
                .await?
        }
        Standing::Unknown => {
            let cause = "it neither holds the lock nor waits for it, and nothing newer is known";
            context
                .tasks
                .fail(&parked.token, &Failure::new(Name::Unexpected, cause))
                .await?
        }
    };
    context.ledger.unpark(parked).await?;
    if delivered == Delivered::Gone {
        // Closing wakes the next in the queue, which may be dead as well.
        Box::pin(tidy::put_right(context, id, now)).await?;
    }
    Ok(())
}

async fn leave(context: &Context, parked: &Parked, id: &DeploymentId) -> Result<(), Error> {
    if let WaitsFor::Lock {
        application,
        environment,
    } = &parked.waits_for
    {
        context
            .ledger
            .change_environment(application, environment, |state| state.leave(id))
            .await?;
    }
    Ok(())
}
