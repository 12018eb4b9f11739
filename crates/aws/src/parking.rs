//! What waits: task tokens under what they wait for.

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::parking::{Key, Parked};
use jiff::Timestamp;

use crate::error::{Error, Kind, during};
use crate::ledger::{Ledger, PUT, instant, item, mark_due, read};
use crate::tasks::{Delivered, Tasks};

/// The kind under which parked tasks are due.
const PARKED: &str = "parked";

impl Ledger {
    /// Parks a task, beside whatever else waits under its key: another token of the same deployment is another task.
    pub async fn park(&self, parked: &Parked) -> Result<(), Error> {
        let put = self.put_parked(parked)?;
        put.send().await.map_err(during(PUT))?;
        Ok(())
    }

    /// Parks a task before something is done for it, and says whether anybody waits for it. Nobody does where this
    /// invocation was so slow that Step Functions has called again, or has gone on: then nothing is left parked, and
    /// nothing is to be done.
    pub async fn park_awaited(&self, tasks: &Tasks, parked: &Parked) -> Result<Delivered, Error> {
        self.park(parked).await?;
        let awaited = tasks.still_waits(&parked.token).await?;
        if awaited == Delivered::Gone {
            tracing::info!(deployment.id = %parked.deployment, "called too late: nobody waits for it any more");
            self.unpark(parked).await?;
        }
        Ok(awaited)
    }

    /// Writes what is known by now of what a parked task waits for. One that was answered in the meantime does not come
    /// back.
    pub async fn park_further(&self, parked: &Parked) -> Result<(), Error> {
        let put = self.put_parked(parked)?.condition_expression("attribute_exists(pk)");
        unless_gone(put.send().await.map_err(during(PUT)))
    }

    fn put_parked(&self, parked: &Parked) -> Result<PutItemFluentBuilder, Error> {
        let mut item = item(&partition_of(parked), &parked.name(), parked, PUT)?;
        mark_due(&mut item, PARKED, parked.look_at);
        Ok(self.client.put_item().table_name(&self.table).set_item(Some(item)))
    }

    /// Everything that waits under a key. A deployment may be there more than once, with tokens of which only the newest
    /// is waited for.
    pub async fn parked(&self, key: &Key) -> Result<Vec<Parked>, Error> {
        self.query(&partition(key), None)
            .await?
            .into_iter()
            .map(|item| read(item, "dynamodb:Query"))
            .collect()
    }

    /// What waits under a key and is still waited for. What nobody waits for any more is taken away.
    pub async fn awaited(&self, tasks: &Tasks, key: &Key) -> Result<Vec<Parked>, Error> {
        let mut awaited = Vec::new();
        for parked in self.parked(key).await? {
            match tasks.still_waits(&parked.token).await? {
                Delivered::Yes => awaited.push(parked),
                Delivered::Gone => self.unpark(&parked).await?,
            }
        }
        Ok(awaited)
    }

    /// Takes a task away, once it was answered or nobody waits for it any more. Other tokens of its deployment stay.
    pub async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition_of(parked)))
            .key("sk", AttributeValue::S(parked.name()))
            .send()
            .await
            .map_err(during("dynamodb:DeleteItem"))?;
        Ok(())
    }

    /// Puts off the sweep's next look at a task that still waits, by what is usual for what it waits for.
    pub async fn wait_on(&self, parked: &Parked, now: Timestamp) -> Result<(), Error> {
        self.look_again(parked, now + parked.waits_for.patience()).await
    }

    /// Has the sweep look at a task at this time, if it still waits.
    pub async fn look_again(&self, parked: &Parked, at: Timestamp) -> Result<(), Error> {
        let put_off = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition_of(parked)))
            .key("sk", AttributeValue::S(parked.name()))
            .update_expression("SET due_at = :at, look_at = :look_at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", AttributeValue::S(instant(at)))
            .expression_attribute_values(":look_at", AttributeValue::S(at.to_string()))
            .send()
            .await
            .map_err(during("dynamodb:UpdateItem"));
        unless_gone(put_off)
    }

    /// What is parked longer than it should be, oldest first. One that cannot be read, such as another version's, stands
    /// in no other's way.
    pub async fn overdue_tasks(&self, now: Timestamp) -> Result<Vec<Result<Parked, Error>>, Error> {
        let found = self.due(PARKED, now).await?;
        Ok(found.into_iter().map(|item| read(item, "dynamodb:Query")).collect())
    }
}

fn partition(key: &Key) -> String {
    format!("parked#{}", key.as_str())
}

fn partition_of(parked: &Parked) -> String {
    partition(&parked.waits_for.key(&parked.deployment))
}

/// A task that is not there any more was answered: there is nothing to write of it.
fn unless_gone<Written>(written: Result<Written, Error>) -> Result<(), Error> {
    match written {
        Err(error) if !error.is(Kind::Conflict) => Err(error),
        _ => Ok(()),
    }
}
