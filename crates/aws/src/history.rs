//! Which deployments an application had: one small item each, written with the first entry of its record, so that they
//! can be listed without reading what happened to them.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::deployment::Deployment;
use domain::ledger::{Entry, Head};
use domain::life::Event;
use domain::names::{CommitSha, DeploymentId, EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ledger::{Item, Ledger, all, instant, item, partition as record, read};

/// A deployment in the list of its application's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub deployment: DeploymentId,
    /// Where it was to go.
    pub environment: EnvironmentName,
    /// Which commit.
    pub commit: CommitSha,
    /// When Lockgate took it in; by this they are ordered, to the millisecond.
    pub at: Timestamp,
    /// When what asked for it happened at its origin.
    pub happened_at: Timestamp,
}

/// A deployment without what happened in between: three items, however long its record is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// What was asked.
    pub requested: Deployment,
    /// How it stands.
    pub head: Head,
    /// The last entry that was recorded.
    pub last: Entry,
}

impl Ledger {
    /// The deployments that an application asked for from `since` until before `until`, the newest first, every page.
    ///
    /// Those whose record began before there was this list are not in it.
    pub async fn history(
        &self,
        application: &RepositoryName,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Listed>, Error> {
        // DynamoDB refuses bounds of which the first is above the second.
        if since >= until {
            return Ok(Vec::new());
        }
        let bound = |at| AttributeValue::S(instant(at));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            // A key goes on after its time, so that one of exactly `until` is above it.
            .key_condition_expression("pk = :pk AND sk BETWEEN :since AND :until")
            .expression_attribute_values(":pk", AttributeValue::S(partition(application)))
            .expression_attribute_values(":since", bound(since))
            .expression_attribute_values(":until", bound(until))
            .scan_index_forward(false)
            .consistent_read(true);
        let found = all(query).await?.into_iter();
        found.map(|item| read(item, "dynamodb:Query")).collect()
    }

    /// A deployment in outline; nothing, where nothing is recorded of it.
    pub async fn outline(&self, deployment: &DeploymentId) -> Result<Option<Outline>, Error> {
        let Some(head) = self.head(deployment).await? else {
            return Ok(None);
        };
        let Some(first) = self.entry(deployment, 1).await? else {
            return Ok(None);
        };
        let Event::Requested { deployment: requested } = first.what.clone() else {
            return Ok(None);
        };
        let last = match head.sequence {
            0 | 1 => None,
            sequence => self.entry(deployment, sequence).await?,
        };
        Ok(Some(Outline {
            requested: *requested,
            head,
            last: last.unwrap_or(first),
        }))
    }

    async fn entry(&self, deployment: &DeploymentId, sequence: u64) -> Result<Option<Entry>, Error> {
        let found = self.get(&record(deployment), &entry_key(sequence)).await?;
        found.map(|item| read(item, "dynamodb:GetItem")).transpose()
    }
}

/// The item that lists a deployment. Written again it is the same.
pub(crate) fn listing(deployment: &Deployment, operation: &'static str) -> Result<Item, Error> {
    let listed = Listed {
        deployment: deployment.id.clone(),
        environment: deployment.environment.name.clone(),
        commit: deployment.commit.clone(),
        at: deployment.requested.at,
        happened_at: deployment.requested.happened_at,
    };
    let sk = format!("{}#{}", instant(listed.at), listed.deployment);
    item(&partition(&deployment.application), &sk, &listed, operation)
}

/// The sort key of an entry.
pub(crate) fn entry_key(sequence: u64) -> String {
    format!("entry#{sequence:08}")
}

fn partition(application: &RepositoryName) -> String {
    format!("history#{application}")
}
