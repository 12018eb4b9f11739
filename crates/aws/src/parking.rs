//! What waits: task tokens under what they wait for.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::names::DeploymentId;
use domain::parking::{Key, Parked};
use jiff::Timestamp;

use crate::error::{Error, Kind, during};
use crate::ledger::{Ledger, instant, item, mark_due, read};

/// The kind under which parked tasks are due.
const PARKED: &str = "parked";

impl Ledger {
    /// Parks a task. Parking the same deployment there again replaces its token: the older one is dead.
    pub async fn park(&self, parked: &Parked) -> Result<(), Error> {
        let operation = "dynamodb:PutItem";
        let pk = partition(&parked.waits_for.key(&parked.deployment));
        let mut item = item(&pk, parked.deployment.as_str(), parked, operation)?;
        mark_due(&mut item, PARKED, parked.look_at);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(during(operation))?;
        Ok(())
    }

    /// Writes what is known by now of what a parked task waits for. One that was answered or parked anew in the meantime
    /// stays as it is.
    pub async fn park_further(&self, parked: &Parked) -> Result<(), Error> {
        let operation = "dynamodb:PutItem";
        let pk = partition(&parked.waits_for.key(&parked.deployment));
        let mut item = item(&pk, parked.deployment.as_str(), parked, operation)?;
        mark_due(&mut item, PARKED, parked.look_at);
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", AttributeValue::S(parked.token.expose().to_owned()))
            .send()
            .await
            .map_err(during(operation));
        match written {
            Err(error) if !error.is(Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }

    /// Everything that waits under a key.
    pub async fn parked(&self, key: &Key) -> Result<Vec<Parked>, Error> {
        self.query(&partition(key), None)
            .await?
            .into_iter()
            .map(|item| read(item, "dynamodb:Query"))
            .collect()
    }

    /// Takes a task away once it was answered. One that was parked anew in the meantime stays.
    pub async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        let removed = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(
                "pk",
                AttributeValue::S(partition(&parked.waits_for.key(&parked.deployment))),
            )
            .key("sk", AttributeValue::S(parked.deployment.as_str().to_owned()))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", AttributeValue::S(parked.token.expose().to_owned()))
            .send()
            .await
            .map_err(during("dynamodb:DeleteItem"));
        match removed {
            Err(error) if !error.is(Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts off the sweep's next look at a task that still waits, by what is usual for what it waits for.
    pub async fn wait_on(&self, parked: &Parked, now: Timestamp) -> Result<(), Error> {
        let key = parked.waits_for.key(&parked.deployment);
        let at = now + parked.waits_for.patience();
        self.look_again(&key, &parked.deployment, at).await
    }

    /// Has the sweep look at a task at this time, if it still waits.
    pub async fn look_again(&self, key: &Key, deployment: &DeploymentId, at: Timestamp) -> Result<(), Error> {
        let put_off = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition(key)))
            .key("sk", AttributeValue::S(deployment.as_str().to_owned()))
            .update_expression("SET due_at = :at, look_at = :look_at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", AttributeValue::S(instant(at)))
            .expression_attribute_values(":look_at", AttributeValue::S(at.to_string()))
            .send()
            .await
            .map_err(during("dynamodb:UpdateItem"));
        match put_off {
            Err(error) if !error.is(Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
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
