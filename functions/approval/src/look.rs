//! Looks at an approval that waits: what is due is done, and what was decided is carried out.

use aws::tasks::Delivered;
use domain::approval::{Act, Approval, Approver, Outcome};
use domain::deployment::Deployment;
use domain::failure::{Class, Failure};
use domain::life::Event;
use domain::parking::{Key, Parked, WaitsFor};
use jiff::{SignedDuration, Timestamp};

use crate::{Context, Decision, Error, TaskOutput, ask};

/// When to try again what another service kept from being done.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// Looks at everything that is parked under a key.
pub async fn wake(context: &Context, key: &Key, now: Timestamp) -> Result<TaskOutput, Error> {
    let waiting = context.ledger.parked(key).await?;
    if waiting.is_empty() {
        tracing::info!(key = key.as_str(), "nothing waits here");
    }
    let mut answered = 0;
    for parked in waiting {
        if at(context, &parked, now).await? {
            answered += 1;
        }
    }
    Ok(TaskOutput::Woken { answered })
}

/// Looks at one approval; whether its task was answered.
pub async fn at(context: &Context, parked: &Parked, now: Timestamp) -> Result<bool, Error> {
    let WaitsFor::Approval {
        approval: id,
        application,
        environment,
    } = &parked.waits_for
    else {
        return Ok(false);
    };
    let key = parked.waits_for.key(&parked.deployment);
    let Some(approval) = context.ledger.approval(id).await? else {
        return ask_again(context, parked, &key, now).await;
    };
    let state = context.ledger.environment(application, environment).await?;
    let newer = state.newer_waiting(&parked.deployment);
    let approval = match approval.next_act(newer, now) {
        Act::Supersede(by) => change(context, approval, |approval| approval.supersede(by.clone(), now)).await?,
        Act::Expire => change(context, approval, |approval| approval.expire(now)).await?,
        Act::GiveUp => change(context, approval, |approval| approval.give_up_unreachable(now)).await?,
        Act::Mail { ask, remind } => mail(context, approval, &ask, &remind, now).await?,
        Act::Nothing => approval,
    };
    match &approval.outcome {
        Some(outcome) => {
            carry_out(context, parked, &approval, outcome, now).await?;
            Ok(true)
        }
        None => {
            context
                .ledger
                .look_again(&key, &parked.deployment, approval.look_at(now))
                .await?;
            Ok(false)
        }
    }
}

/// What kept the question from being put together may be over. When the time for an answer is over, nobody was asked.
async fn ask_again(context: &Context, parked: &Parked, key: &Key, now: Timestamp) -> Result<bool, Error> {
    let Some(deployment) = requested(context, parked).await? else {
        return Ok(false);
    };
    let release = context
        .ledger
        .head(&parked.deployment)
        .await?
        .and_then(|head| head.status.release);
    let Some(release) = release else { return Ok(false) };
    let error = match ask::put(context, &deployment, &release, now).await {
        Ok(()) => return Box::pin(at(context, parked, now)).await,
        Err(error) => error,
    };
    let decision = match error {
        Error::GitHub(error @ github::Error::Unavailable { .. }) if now < last_moment(&deployment, parked) => {
            tracing::warn!(error.cause = %error, "nobody can be asked yet");
            context.ledger.look_again(key, &parked.deployment, now + SOON).await?;
            return Ok(false);
        }
        Error::GitHub(error @ github::Error::Unavailable { .. }) => Ok(Decision::Expired {
            cause: format!("nobody could be asked in time, since nobody knows who wrote it: {error}"),
        }),
        error => {
            let failure = Failure::from(error);
            if failure.name.class() == Class::Transient {
                // Whoever woke us tries again.
                return Err(Error::Named(failure));
            }
            Err(failure)
        }
    };
    match decision {
        Ok(decision) => context.tasks.succeed(&parked.token, &decision).await?,
        Err(failure) => context.tasks.fail(&parked.token, &failure).await?,
    };
    context.ledger.unpark(parked).await?;
    Ok(true)
}

fn last_moment(deployment: &Deployment, parked: &Parked) -> Timestamp {
    let within = deployment
        .environment
        .approval
        .as_ref()
        .map_or(0, |policy| policy.within_seconds);
    parked.since + SignedDuration::from_secs(i64::try_from(within).unwrap_or(i64::MAX))
}

async fn requested(context: &Context, parked: &Parked) -> Result<Option<Deployment>, Error> {
    let entries = context.ledger.entries(&parked.deployment).await?;
    Ok(entries.into_iter().find_map(|entry| match entry.what {
        Event::Requested { deployment } => Some(*deployment),
        _ => None,
    }))
}

/// Changes the record, and returns it as it is then.
async fn change(
    context: &Context,
    before: Approval,
    transition: impl Fn(&mut Approval) -> bool,
) -> Result<Approval, Error> {
    context
        .ledger
        .change_approval(&before.id, |approval| transition(approval))
        .await?;
    Ok(context.ledger.approval(&before.id).await?.unwrap_or(before))
}

/// Sends what is due. A mail that cannot be sent is tried again at the next look, and keeps no other from being sent.
async fn mail(
    context: &Context,
    approval: Approval,
    ask: &[Approver],
    remind: &[Approver],
    now: Timestamp,
) -> Result<Approval, Error> {
    let due = ask
        .iter()
        .map(|approver| (approver, false))
        .chain(remind.iter().map(|approver| (approver, true)));
    let mut sent = Vec::new();
    for (approver, is_reminder) in due {
        match ask::mail(context, &approval, approver, is_reminder, now).await {
            Ok(()) => sent.push(approver),
            Err(error) => tracing::warn!(error.cause = %error, "a mail is not sent yet"),
        }
    }
    change(context, approval, |approval| {
        for approver in &sent {
            approval.note_mailed(approver, now);
        }
        true
    })
    .await
}

/// Writes down what was decided, and lets the deployment go on. Everything here may be done again.
async fn carry_out(
    context: &Context,
    parked: &Parked,
    approval: &Approval,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), Error> {
    for ballot in &approval.ballots {
        let ballot = ballot.clone();
        context
            .ledger
            .tell(&parked.deployment, Event::Voted { ballot }, now)
            .await?;
    }
    let outcome = outcome.clone();
    let decision = match &outcome {
        Outcome::Accepted { .. } => Decision::Accepted,
        Outcome::Rejected { .. } => Decision::Rejected {
            cause: approval.cause(),
        },
        Outcome::Expired { .. } => Decision::Expired {
            cause: approval.cause(),
        },
        Outcome::Unreachable { .. } => Decision::Unreachable {
            cause: approval.cause(),
        },
        Outcome::Superseded { by, .. } => Decision::Superseded { by: by.clone() },
    };
    context
        .ledger
        .tell(&parked.deployment, Event::Decided { outcome }, now)
        .await?;
    if context.tasks.succeed(&parked.token, &decision).await? == Delivered::Gone {
        tracing::info!(deployment.id = %parked.deployment, "nobody waits for this decision any more");
    }
    Ok(context.ledger.unpark(parked).await?)
}
