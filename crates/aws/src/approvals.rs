//! Approvals: one record each, changed by transitions of the domain, and beside it what was refused.

use std::collections::BTreeSet;

use domain::approval::{Approval, ApprovalId, Approver};
use domain::names::Digest;
use domain::parking::WaitsFor;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::{Error, Kind};
use crate::ledger::{Condition, Ledger, PUT, instant, item};

const RECORD: &str = "approval";

/// Longer than any approval waits until it is looked at again.
const EVER: SignedDuration = SignedDuration::from_hours(24 * 30);

/// For so long, what is refused again for the same reason is not kept again.
const SILENCE: SignedDuration = SignedDuration::from_hours(1);

/// An answer that was tried and changed nothing, or a link that was opened and does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedAnswer {
    /// Why it does not count.
    pub why: String,
    /// Whose it was, where that was proven.
    pub by: Option<Approver>,
    /// The ARN of whoever gave it by the command, harmless.
    pub caller: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A link out of a mail.
    Link,
    /// The command.
    Command,
}

impl Ledger {
    /// An approval; nothing, where nobody was asked yet.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, Error> {
        self.look(&partition(id), RECORD).await
    }

    /// Writes an approval, unless it is there: whoever was first put the question. Returns the one that is there then.
    pub async fn create_approval(&self, approval: &Approval) -> Result<Approval, Error> {
        let create = |found: &mut Option<Approval>| found.get_or_insert_with(|| approval.clone()).clone();
        self.change(
            &partition(&approval.id),
            RECORD,
            create,
            |_| None,
            |_| Condition::default(),
        )
        .await
    }

    /// Changes an approval by a transition of the domain; nothing, where there is none.
    pub async fn change_approval<Answer>(
        &self,
        id: &ApprovalId,
        transition: impl Fn(&mut Approval) -> Answer,
    ) -> Result<Option<Answer>, Error> {
        let change = |found: &mut Option<Approval>| found.as_mut().map(&transition);
        self.change(&partition(id), RECORD, change, |_| None, |_| Condition::default())
            .await
    }

    /// Keeps what was tried and refused: who looks into a dispute finds it beside the approval.
    ///
    /// Whoever knows a deployment can send made-up links as often as they like, and what is kept is kept for good: of
    /// what is refused to the same person in the same words within an hour, the first is kept.
    pub async fn record_refused_answer(&self, id: &ApprovalId, refused: &RefusedAnswer) -> Result<(), Error> {
        let item = item(&partition(id), &refused.key(), refused, PUT)?;
        match self.put_new(item).await {
            Err(error) if !error.is(Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }

    /// The approvals that have waited longest for people, so many at most, and how many wait beside them.
    pub async fn waiting_approvals(&self, at_most: usize, now: Timestamp) -> Result<(Vec<Approval>, usize), Error> {
        let mut parked: Vec<(Timestamp, ApprovalId)> = Vec::new();
        for task in self.overdue_tasks(now + EVER).await?.into_iter().flatten() {
            if let WaitsFor::Approval { approval, .. } = task.waits_for {
                parked.push((task.since, approval));
            }
        }
        parked.sort();
        // A state that was called again left a token of its own.
        let mut seen = BTreeSet::new();
        parked.retain(|(_, id)| seen.insert(id.clone()));
        let more = parked.len().saturating_sub(at_most);
        let mut waiting = Vec::new();
        for (_, id) in parked.iter().take(at_most) {
            let approval = self.approval(id).await?;
            waiting.extend(approval.filter(|approval| approval.outcome.is_none()));
        }
        Ok((waiting, more))
    }
}

impl RefusedAnswer {
    fn key(&self) -> String {
        let hour = self.at.as_second().div_euclid(SILENCE.as_secs()) * SILENCE.as_secs();
        let hour = Timestamp::from_second(hour).unwrap_or(self.at);
        let by = self.by.as_ref().map_or("", Approver::as_str);
        let caller = self.caller.as_deref().unwrap_or_default();
        // None of these has a line end in it.
        let what = format!("{}\n{by}\n{caller}\n{:?}", self.why, self.source);
        format!("refused#{}#{}", instant(hour), Digest::of(what.as_bytes()).short())
    }
}

fn partition(id: &ApprovalId) -> String {
    format!("approval#{id}")
}
