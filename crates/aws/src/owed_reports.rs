//! Reports that are owed: written before a deployment's end is told, taken away when it was told.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::names::DeploymentId;
use jiff::Timestamp;

use crate::error::{Error, during};
use crate::ledger::{Item, Ledger, PUT, mark_due, text};

/// The kind under which reports are due.
const REPORT: &str = "report";

/// The sort key of a report that is owed.
const SK: &str = "owed";

impl Ledger {
    /// Notes that people are to be told how a deployment ended, at the latest when the sweep finds this.
    pub async fn owe_report(&self, deployment: &DeploymentId, due: Timestamp) -> Result<(), Error> {
        let mut item: Item = key(deployment).into();
        mark_due(&mut item, REPORT, due);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(during(PUT))?;
        Ok(())
    }

    /// Whether people are still to be told how it ended.
    pub async fn is_report_owed(&self, deployment: &DeploymentId) -> Result<bool, Error> {
        Ok(self.get(&pk(deployment), SK).await?.is_some())
    }

    /// Notes that people were told.
    pub async fn report_given(&self, deployment: &DeploymentId) -> Result<(), Error> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(deployment).into()))
            .send()
            .await
            .map_err(during("dynamodb:DeleteItem"))?;
        Ok(())
    }

    /// The deployments whose end has not been told in time.
    pub async fn overdue_reports(&self, now: Timestamp) -> Result<Vec<DeploymentId>, Error> {
        let found = self.due(REPORT, now).await?;
        Ok(found
            .iter()
            .filter_map(|item| text(item, "pk")?.strip_prefix("report#")?.parse().ok())
            .collect())
    }
}

fn key(deployment: &DeploymentId) -> [(String, AttributeValue); 2] {
    [
        ("pk".to_owned(), AttributeValue::S(pk(deployment))),
        ("sk".to_owned(), AttributeValue::S(SK.to_owned())),
    ]
}

fn pk(deployment: &DeploymentId) -> String {
    format!("report#{deployment}")
}
