//! A person answers.

use aws::approvals::{RefusedAnswer, Source};
use domain::approval::{Approval, ApprovalId, Approver, Ballot, Refusal, Via};
use domain::harmless::harmless;
use domain::life::Event;
use domain::parking::Key;
use jiff::Timestamp;

use crate::{Context, Error, look};

/// What became of an answer, and what the approval is then.
#[derive(Debug)]
pub struct Answered {
    /// Why it does not count, where it does not.
    pub refused: Option<Refusal>,
    /// As it was when that was decided.
    pub approval: Approval,
}

/// Takes an answer: one write, and the first one wins. `known` is the approval as it was read just before.
pub async fn take(context: &Context, known: &Approval, ballot: Ballot, now: Timestamp) -> Result<Answered, Error> {
    // An answer that nobody waits for must not be taken for one that counts.
    if known.may_answer(&ballot.by, now).is_ok() && look::is_over(context, &known.deployment).await? {
        let withdraw = |approval: &mut Approval| approval.withdraw(now);
        context.ledger.change_approval(&known.id, withdraw).await?;
    }
    let vote = |approval: &mut Approval| (approval.vote(ballot.clone()), approval.clone());
    let voted = context.ledger.change_approval(&known.id, vote).await?;
    let (voted, approval) = voted.ok_or_else(|| look::contradiction("an approval's record is gone"))?;
    let refused = match voted {
        Ok(outcome) => {
            // The answer counts from here on; what is left is found by the sweep, whatever happens to this invocation.
            if let Err(error) = Box::pin(carry_on(context, &approval, ballot, outcome.is_some(), now)).await {
                tracing::warn!(error.cause = %error, "the sweep carries this answer on");
            }
            None
        }
        Err(refusal) => {
            let sender = match &ballot.via {
                Via::Link { .. } => Sender::Link(Some(&ballot.by)),
                Via::Command { arn } => Sender::Command(Some(&ballot.by), arn.as_str()),
            };
            audit(context, &known.id, &refusal.to_string(), sender, now).await;
            Some(refusal)
        }
    };
    Ok(Answered { refused, approval })
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

/// Where something comes from that does not count, and who that is, where it is proven.
#[derive(Debug, Clone, Copy)]
pub enum Sender<'a> {
    /// A link out of a mail.
    Link(Option<&'a Approver>),
    /// The command of the AWS principal with this ARN.
    Command(Option<&'a Approver>, &'a str),
}

/// Keeps what was tried. Whoever tried it is refused, whether or not that can be kept now.
pub async fn audit(context: &Context, id: &ApprovalId, why: &str, sender: Sender<'_>, now: Timestamp) {
    let (by, caller, source) = match sender {
        Sender::Link(by) => (by, None, Source::Link),
        Sender::Command(by, arn) => (by, Some(harmless(arn, 700)), Source::Command),
    };
    let approver = by.map(Approver::as_str);
    tracing::warn!(approval.id = %id, approver, caller, ?source, why, "an answer does not count");
    let refused = RefusedAnswer {
        why: why.to_owned(),
        by: by.cloned(),
        caller,
        source,
        at: now,
    };
    if let Err(error) = context.ledger.record_refused_answer(id, &refused).await {
        tracing::error!(approval.id = %id, error.cause = %error, "a refused answer is in this log only");
    }
}
