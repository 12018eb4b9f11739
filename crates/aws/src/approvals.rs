//! Approvals: one record each, changed by transitions of the domain, and beside it what was refused.

use std::collections::BTreeSet;

use domain::approval::{Approval, ApprovalId, Approver};
use domain::parking::WaitsFor;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::{Error, during};
use crate::ledger::{Condition, Ledger, instant, item};

const RECORD: &str = "approval";

/// Longer than any approval waits until it is looked at again.
const EVER: SignedDuration = SignedDuration::from_hours(24 * 30);

/// An answer that was tried and changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedAnswer {
    /// Why it does not count.
    pub why: String,
    /// Whose it was, where that was proven.
    pub by: Option<Approver>,
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
    pub async fn record_refused_answer(&self, id: &ApprovalId, refused: &RefusedAnswer) -> Result<(), Error> {
        let operation = "dynamodb:PutItem";
        // Two refusals of one nanosecond are one: nothing is decided by their number.
        let sk = format!("refused#{}#{:09}", instant(refused.at), refused.at.subsec_nanosecond());
        let item = item(&partition(id), &sk, refused, operation)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(during(operation))?;
        Ok(())
    }

    /// The approvals that wait for people.
    pub async fn waiting_approvals(&self, now: Timestamp) -> Result<Vec<Approval>, Error> {
        let mut waiting = Vec::new();
        let mut seen = BTreeSet::new();
        for parked in self.overdue_tasks(now + EVER).await?.into_iter().flatten() {
            if let WaitsFor::Approval { approval, .. } = &parked.waits_for
                && seen.insert(approval.clone())
                && let Some(approval) = self.approval(approval).await?
                && approval.outcome.is_none()
            {
                waiting.push(approval);
            }
        }
        Ok(waiting)
    }
}

fn partition(id: &ApprovalId) -> String {
    format!("approval#{id}")
}
