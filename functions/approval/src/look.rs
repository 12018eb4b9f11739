//! Looks at an approval that waits: what is due is done, and what was decided is carried out.

use std::ops::ControlFlow;

use aws::executions::Standing;
use aws::tasks::Delivered;
use domain::approval::{Act, Approval, Approver, Outcome};
use domain::deployment::Deployment;
use domain::failure::{Class, Failure, Name};
use domain::life::Event;
use domain::message;
use domain::names::DeploymentId;
use domain::parking::{Key, Parked, WaitsFor};
use jiff::{SignedDuration, Timestamp};

use crate::{Context, Decision, Error, TaskOutput, ask};

/// When to try again what another service kept from being done.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// For so long, it is no news to operators that GitHub does not answer.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// What a look led to.
#[derive(Debug, Default)]
pub struct Looked {
    /// Whether the task waits no longer.
    pub answered: bool,
    /// Why people wait for a mail that is due. Everything else was done all the same.
    pub unsent: Option<Error>,
}

/// Looks at everything that is parked under a key.
pub async fn wake(context: &Context, key: &Key, now: Timestamp) -> Result<TaskOutput, Error> {
    let waiting = waiting(context, key).await?;
    if waiting.is_empty() {
        tracing::info!(key = key.as_str(), "nothing waits here");
    }
    let mut answered = 0;
    let mut unsent = None;
    for parked in waiting {
        let looked = Box::pin(at(context, &parked, now)).await?;
        answered += usize::from(looked.answered);
        unsent = unsent.or(looked.unsent);
    }
    // Nobody else would notice that people wait for a mail: the alarm on this function's errors tells operators.
    unsent.map_or(Ok(TaskOutput::Woken { answered }), Err)
}

/// The tasks to look at: those that Step Functions still waits for, and, where it waits for none, one of the others, so
/// that the question is withdrawn. The rest were called again, and are taken away.
async fn waiting(context: &Context, key: &Key) -> Result<Vec<Parked>, Error> {
    let (mut awaited, mut dead) = (Vec::new(), Vec::new());
    for parked in context.ledger.parked(key).await? {
        match context.tasks.still_waits(&parked.token).await? {
            Delivered::Yes => awaited.push(parked),
            Delivered::Gone => dead.push(parked),
        }
    }
    if awaited.is_empty() {
        awaited.extend(dead.pop());
    }
    for parked in &dead {
        context.ledger.unpark(parked).await?;
    }
    Ok(awaited)
}

/// Looks at one approval.
pub async fn at(context: &Context, parked: &Parked, now: Timestamp) -> Result<Looked, Error> {
    let WaitsFor::Approval { approval: id, .. } = &parked.waits_for else {
        return Ok(Looked::default());
    };
    let known = context.ledger.approval(id).await?;
    let is_open = known.as_ref().is_none_or(|approval| approval.outcome.is_none());
    let over = is_open && is_over(context, &parked.deployment).await?;
    let approval = match known {
        Some(approval) if over => change(context, approval, |approval| approval.withdraw(now)).await?,
        Some(approval) => approval,
        None if over => {
            context.ledger.unpark(parked).await?;
            return Ok(Looked {
                answered: true,
                unsent: None,
            });
        }
        None => match Box::pin(ask_anew(context, parked, now)).await? {
            ControlFlow::Continue(approval) => approval,
            ControlFlow::Break(looked) => return Ok(looked),
        },
    };
    if is_about_another(context, &approval).await? {
        // The one who parked it was answered; its people are asked about other change sets by now.
        context.ledger.unpark(parked).await?;
        return Ok(Looked {
            answered: true,
            unsent: None,
        });
    }
    ask::announce(context, &approval, now).await?;
    let (approval, unsent) = if approval.outcome.is_none() {
        Box::pin(do_what_is_due(context, parked, approval, now)).await?
    } else {
        (approval, None)
    };
    let answered = approval.outcome.is_some();
    if let Some(outcome) = &approval.outcome {
        carry_out(context, parked, &approval, outcome, now).await?;
    } else {
        context.ledger.look_again(parked, approval.look_at(now)).await?;
    }
    Ok(Looked { answered, unsent })
}

/// Whether nobody waits for people's answers any more: the deployment has ended or goes back, or its execution was
/// stopped or ran out of time.
pub async fn is_over(context: &Context, deployment: &DeploymentId) -> Result<bool, Error> {
    let head = context.ledger.head(deployment).await?;
    let is_past = head.is_some_and(|head| head.status.ending.is_some() || head.status.back_to.is_some());
    Ok(is_past || context.executions.standing(deployment).await? != Standing::Running)
}

/// Whether people are asked about other change sets than these by now: what was said about these counts for nothing.
async fn is_about_another(context: &Context, approval: &Approval) -> Result<bool, Error> {
    let Some(asked) = &approval.prepared else {
        return Ok(false);
    };
    let head = context.ledger.head(&approval.deployment).await?;
    Ok(head.is_some_and(|head| head.status.prepared_hash().as_ref() != Some(asked)))
}

/// Puts the question together. What kept it from being put may be over now; when the time for an answer is over, nobody
/// was asked.
async fn ask_anew(context: &Context, parked: &Parked, now: Timestamp) -> Result<ControlFlow<Looked, Approval>, Error> {
    let deployment = context.ledger.requested(&parked.deployment).await?;
    let asked = match &deployment {
        Some(deployment) => ask::put(context, deployment, parked.since, now).await,
        None => Err(contradiction("its record does not say that it was asked for")),
    };
    let error = match asked {
        Ok(approval) => return Ok(ControlFlow::Continue(approval)),
        Err(error) => error,
    };
    match error {
        Error::GitHub(error @ github::Error::Unavailable { .. }) => {
            if now < last_moment(deployment.as_ref(), parked) {
                tracing::warn!(error.cause = %error, "nobody can be asked yet");
                context.ledger.look_again(parked, now + SOON).await?;
                let is_news = now.duration_since(parked.since) >= PATIENCE;
                return Ok(ControlFlow::Break(Looked {
                    answered: false,
                    unsent: is_news.then_some(Error::GitHub(error)),
                }));
            }
            let cause = format!("nobody could be asked in time, since nobody knows who wrote it: {error}");
            context
                .tasks
                .succeed(&parked.token, &Decision::Expired { cause })
                .await?;
        }
        error => {
            let failure = Failure::from(error);
            if failure.name.class() == Class::Transient {
                // Whoever woke us tries again.
                return Err(Error::Named(failure));
            }
            context.tasks.fail(&parked.token, &failure).await?;
        }
    }
    context.ledger.unpark(parked).await?;
    Ok(ControlFlow::Break(Looked {
        answered: true,
        unsent: None,
    }))
}

pub fn contradiction(sentence: &str) -> Error {
    Error::Named(Failure::new(Name::Unexpected, sentence))
}

fn last_moment(deployment: Option<&Deployment>, parked: &Parked) -> Timestamp {
    let policy = deployment.and_then(|deployment| deployment.environment.approval.as_ref());
    policy.map_or(parked.since, |policy| Approval::deadline_of(policy, parked.since))
}

/// Changes the record, and returns it as it is then.
async fn change<Said>(
    context: &Context,
    before: Approval,
    transition: impl Fn(&mut Approval) -> Said,
) -> Result<Approval, Error> {
    let changed = context
        .ledger
        .change_approval(&before.id, |approval| {
            transition(approval);
            approval.clone()
        })
        .await?;
    Ok(changed.unwrap_or(before))
}

/// Does what is due, and says why a mail is not sent.
async fn do_what_is_due(
    context: &Context,
    parked: &Parked,
    approval: Approval,
    now: Timestamp,
) -> Result<(Approval, Option<Error>), Error> {
    let (application, environment) = (&approval.application, &approval.environment);
    let state = context.ledger.environment(application, environment).await?;
    // Where nothing is changed yet, whoever takes the environment back from what is there does not wait for people either.
    let back = state.way_back_waiting(&parked.deployment);
    let newer = back.filter(|_| approval.prepared.is_some());
    let newer = newer.or_else(|| state.newer_waiting(&parked.deployment));
    let approval = Box::pin(note_confirmed(context, approval)).await?;
    let approval = match approval.next_act(newer, now) {
        Act::Supersede(by) => change(context, approval, |approval| approval.supersede(by.clone(), now)).await?,
        Act::Expire => change(context, approval, |approval| approval.expire(now)).await?,
        Act::GiveUp => change(context, approval, |approval| approval.give_up_unreachable(now)).await?,
        Act::Mail { ask, remind } => return send(context, approval, &ask, &remind, now).await,
        Act::Nothing => return send(context, approval, &[], &[], now).await,
    };
    Ok((approval, None))
}

/// Who has confirmed their subscription by now gets the question after all, and who has ended it gets no reminder.
async fn note_confirmed(context: &Context, approval: Approval) -> Result<Approval, Error> {
    if approval.awaited().iter().all(|approver| approver.mail().is_none()) {
        return Ok(approval);
    }
    match context.approvers.confirmed().await {
        Ok(confirmed) => {
            let mut noted = approval.clone();
            noted.note_confirmed(&confirmed);
            if noted == approval {
                return Ok(approval);
            }
            change(context, approval, |approval| approval.note_confirmed(&confirmed)).await
        }
        Err(error) => {
            tracing::warn!(error.cause = %error, "nobody knows who wants mail now");
            Ok(approval)
        }
    }
}

/// Sends what is due. A mail that cannot be sent is tried again at the next look, and keeps no other from being sent.
async fn send(
    context: &Context,
    mut approval: Approval,
    ask: &[Approver],
    remind: &[Approver],
    now: Timestamp,
) -> Result<(Approval, Option<Error>), Error> {
    let due = ask
        .iter()
        .map(|approver| (approver, false))
        .chain(remind.iter().map(|approver| (approver, true)));
    let mut unsent = None;
    // Before anybody waits for somebody whom no mail reaches.
    if approval.owes_operators() {
        let message = message::unconfirmed(&approval);
        match context.operators.tell(&message.subject, &message.body).await {
            Ok(()) => approval = change(context, approval, |approval| approval.operators_told = true).await?,
            Err(error) => {
                tracing::warn!(error.cause = %error, "operators are not told yet");
                unsent = Some(error.into());
            }
        }
    }
    for (approver, is_reminder) in due {
        match ask::mail(context, &approval, approver, is_reminder, now).await {
            // Noted one by one: who dies in between sends one mail twice, and not all of them.
            Ok(()) => approval = change(context, approval, |approval| approval.note_mailed(approver, now)).await?,
            Err(error) => {
                tracing::warn!(%approver, error.cause = %error, "a mail is not sent yet");
                unsent = unsent.or(Some(error));
            }
        }
        if approval.outcome.is_some() {
            break;
        }
    }
    Ok((approval, unsent))
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
    let decided = Event::Decided {
        outcome: outcome.clone(),
    };
    context.ledger.tell(&parked.deployment, decided, now).await?;
    let delivered = match decision(approval, outcome) {
        Ok(decision) => context.tasks.succeed(&parked.token, &decision).await?,
        Err(failure) => context.tasks.fail(&parked.token, &failure).await?,
    };
    if delivered == Delivered::Gone {
        tracing::info!(deployment.id = %parked.deployment, "nobody waits for this decision any more");
    }
    Ok(context.ledger.unpark(parked).await?)
}

/// What the task is answered. One that is withdrawn waits no longer, unless somebody had its execution go on.
fn decision(approval: &Approval, outcome: &Outcome) -> Result<Decision, Failure> {
    let cause = approval.cause();
    match outcome {
        Outcome::Accepted { .. } => Ok(Decision::Accepted),
        Outcome::Rejected { .. } => Ok(Decision::Rejected { cause }),
        Outcome::Expired { .. } => Ok(Decision::Expired { cause }),
        Outcome::Unreachable { .. } => Ok(Decision::Unreachable { cause }),
        Outcome::Superseded { by, .. } => Ok(Decision::Superseded { by: by.clone() }),
        Outcome::Withdrawn { .. } => Err(Failure::new(Name::Unexpected, cause)),
    }
}
