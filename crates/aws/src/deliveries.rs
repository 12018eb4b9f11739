//! GitHub's deliveries in the ledger, so that a duplicate does nothing and one that failed half-way is completed.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::intake::{Course, Delivery, DeliveryId};
use domain::life::Event;
use jiff::Timestamp;

use crate::error::{Error, Kind, during};
use crate::executions::Executions;
use crate::ledger::{Item, Ledger, PUT, item, mark_due, read};

/// The index's name for deliveries that were claimed and not yet started.
const RECEIVED: &str = "delivery";

/// What the ledger knew when a delivery was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is recorded now, as it was given.
    New,
    /// It was claimed before, and this is what was decided then.
    Before(Delivery),
}

impl Ledger {
    /// Records a delivery unless it is recorded already. Of any number of copies exactly one gets [`Claim::New`].
    pub async fn claim_delivery(&self, delivery: &Delivery) -> Result<Claim, Error> {
        let mut item = item(&partition(&delivery.id), RECEIVED, delivery, PUT)?;
        if let Some(at) = delivery.look_at() {
            mark_due(&mut item, RECEIVED, at);
        }
        match self.put_new(item).await {
            Ok(()) => Ok(Claim::New),
            Err(error) if error.is(Kind::Conflict) => {
                let known = self.delivery(&delivery.id).await?.ok_or_else(|| {
                    Error::unexpected(PUT, format!("delivery {} is there and cannot be read", delivery.id))
                })?;
                Ok(Claim::Before(known))
            }
            Err(error) => Err(error),
        }
    }

    /// A delivery's record.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, Error> {
        let item = self.get(&partition(id), RECEIVED).await?;
        item.map(|item| read(item, "dynamodb:GetItem")).transpose()
    }

    /// Records that all deployments of a delivery were started. Recording it twice is harmless.
    pub async fn finish_delivery(&self, id: &DeliveryId) -> Result<(), Error> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition(id)))
            .key("sk", AttributeValue::S(RECEIVED.to_owned()))
            .update_expression("SET #state = :started REMOVE due_kind, due_at")
            .condition_expression("#state = :received")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":started", AttributeValue::S("started".to_owned()))
            .expression_attribute_values(":received", AttributeValue::S("received".to_owned()))
            .send()
            .await
            .map_err(during("dynamodb:UpdateItem"));
        match updated {
            Err(error) if !error.is(Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts what a delivery asks for that stopped half-way. What was started before is found under its own name, so
    /// doing it twice is harmless. Says whether there was anything to do.
    pub async fn complete_delivery(
        &self,
        executions: &Executions,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Course::Received { deployments } = &delivery.course else {
            return Ok(false);
        };
        self.note_pushes(deployments).await?;
        for deployment in deployments {
            let event = Event::Requested {
                deployment: Box::new(deployment.clone()),
            };
            self.tell(&deployment.id, event, now).await?;
            executions.start(deployment).await?;
        }
        self.finish_delivery(&delivery.id).await?;
        Ok(true)
    }

    /// The deliveries that were claimed a while ago and still are half-way, oldest first. One that cannot be read stands
    /// in no other's way.
    ///
    /// The index lags behind: what it names is read again, and what is finished by now is left out.
    pub async fn unfinished_deliveries(&self, now: Timestamp) -> Result<Vec<Result<Delivery, Error>>, Error> {
        let mut unfinished = Vec::new();
        for item in self.due(RECEIVED, now).await? {
            unfinished.extend(self.still_unfinished(item).await.transpose());
        }
        Ok(unfinished)
    }

    async fn still_unfinished(&self, found: Item) -> Result<Option<Delivery>, Error> {
        let found: Delivery = read(found, "dynamodb:Query")?;
        let delivery = self.delivery(&found.id).await?;
        Ok(delivery.filter(|delivery| delivery.look_at().is_some()))
    }
}

fn partition(id: &DeliveryId) -> String {
    format!("delivery#{id}")
}
