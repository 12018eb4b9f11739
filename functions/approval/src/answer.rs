//! A person answers.

use domain::approval::{Approval, ApprovalId, Ballot, Refusal};
use domain::life::Event;
use domain::parking::Key;
use jiff::Timestamp;

use crate::{Context, Error, look};

/// What became of an answer.
#[derive(Debug)]
pub enum Answered {
    /// It counts.
    Counted,
    /// It does not count, and why.
    Refused(Refusal),
    /// There is no such approval.
    Unknown,
}

/// Takes an answer: one write, and the first one wins.
pub async fn take(context: &Context, id: &ApprovalId, ballot: Ballot, now: Timestamp) -> Result<Answered, Error> {
    let Some(known) = context.ledger.approval(id).await? else {
        return Ok(Answered::Unknown);
    };
    let Some(voted) = context
        .ledger
        .change_approval(id, |approval: &mut Approval| approval.vote(ballot.clone()))
        .await?
    else {
        return Ok(Answered::Unknown);
    };
    let outcome = match voted {
        Ok(outcome) => outcome,
        Err(refusal) => {
            audit(context, id, &ballot, &refusal, now).await?;
            return Ok(Answered::Refused(refusal));
        }
    };
    // The answer counts from here on; what is left is found by the sweep, whatever happens to this invocation.
    let told = carry_on(context, &known, ballot, outcome.is_some(), now).await;
    if let Err(error) = told {
        tracing::warn!(error.cause = %error, "the sweep carries this answer on");
    }
    Ok(Answered::Counted)
}

async fn carry_on(
    context: &Context,
    approval: &Approval,
    ballot: Ballot,
    decided: bool,
    now: Timestamp,
) -> Result<(), Error> {
    context
        .ledger
        .tell(&approval.deployment, Event::Voted { ballot }, now)
        .await?;
    if decided {
        look::wake(context, &Key::approval(&approval.deployment), now).await?;
    }
    Ok(())
}

async fn audit(
    context: &Context,
    id: &ApprovalId,
    ballot: &Ballot,
    refusal: &Refusal,
    now: Timestamp,
) -> Result<(), Error> {
    tracing::warn!(approval.id = %id, approver = %ballot.by, why = %refusal, "an answer does not count");
    Ok(context
        .ledger
        .record_refused_answer(id, &refusal.to_string(), Some(&ballot.by), now)
        .await?)
}
