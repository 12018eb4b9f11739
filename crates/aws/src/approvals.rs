//! Approvals: one record each, changed by transitions of the domain, and beside it what was refused.

use domain::approval::{Approval, ApprovalId, Approver};
use domain::parking::WaitsFor;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::{Error, during};
use crate::ledger::{Condition, Ledger, instant, item};

const RECORD: &str = "approval";

/// Longer than any approval waits until it is looked at again.
const EVER: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Something that was tried with an approval and changed nothing.
#[derive(Debug, Serialize)]
struct Refused<'refused> {
    why: &'refused str,
    by: Option<&'refused Approver>,
    at: Timestamp,
}

impl Ledger {
    /// An approval; nothing, where nobody was asked yet.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, Error> {
        self.look(&partition(id), RECORD).await
    }

    /// Writes an approval, unless it is there: whoever was first put the question.
    pub async fn create_approval(&self, approval: &Approval) -> Result<(), Error> {
        let create = |found: &mut Option<Approval>| {
            found.get_or_insert_with(|| approval.clone());
        };
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
    pub async fn record_refused_answer(
        &self,
        id: &ApprovalId,
        why: &str,
        by: Option<&Approver>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let operation = "dynamodb:PutItem";
        // Two refusals of one nanosecond are one: nothing is decided by their number.
        let sk = format!("refused#{}#{:09}", instant(now), now.subsec_nanosecond());
        let item = item(&partition(id), &sk, &Refused { why, by, at: now }, operation)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(during(operation))?;
        Ok(())
    }

    /// The approvals that wait for people.
    pub async fn waiting_approvals(&self, now: Timestamp) -> Result<Vec<Approval>, Error> {
        let mut waiting = Vec::new();
        for parked in self.overdue_tasks(now + EVER).await?.into_iter().flatten() {
            if let WaitsFor::Approval { approval, .. } = &parked.waits_for
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
