//! The ledger: one DynamoDB table that holds everything Lockgate knows.
//!
//! Items are found by `pk` and `sk`. What somebody has to look at some day carries `due_kind` and `due_at`, and is found
//! through the index `by_due`. Records that change are read, changed by a pure function and written back on condition
//! that their `revision` is still the one that was read; entries are only ever added.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, TransactWriteItem};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use domain::deployment::Deployment;
use domain::ledger::{Entry, Head};
use domain::life::Event;
use domain::names::DeploymentId;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, during};
use crate::history::{entry_key, listing};

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The call that writes an item, as IAM names it.
pub(crate) const PUT: &str = "dynamodb:PutItem";

/// The call that writes several items at once, as IAM names it.
const TRANSACT: &str = "dynamodb:TransactWriteItems";

/// How often a transaction is tried again that was cancelled because there are too many calls.
const THROTTLED_ATTEMPTS: u32 = 3;

/// How often a conditional write is tried again when somebody else was faster.
const ATTEMPTS: u32 = 24;

/// The table.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) table: String,
}

/// A record that changes, as its item holds it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record<State> {
    revision: u64,
    state: State,
}

/// What a write asks for beyond "nobody changed it meanwhile", stated in DynamoDB's own condition.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl Ledger {
    /// The ledger in this table.
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// Records what happened to a deployment, and returns where its record then stands.
    ///
    /// Recording the same thing twice is harmless.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when that cannot have happened now; otherwise what DynamoDB refused.
    pub async fn record(&self, deployment: &DeploymentId, what: Event, now: Timestamp) -> Result<Head, Error> {
        for attempt in 0..ATTEMPTS {
            let head = self
                .head(deployment)
                .await?
                .unwrap_or_else(|| Head::empty(deployment.clone()));
            let (entry, next) = match head.append(what.clone(), now) {
                Ok(Some(step)) => step,
                Ok(None) => return Ok(head),
                Err(illegal) => {
                    return Err(Error {
                        kind: Kind::Conflict,
                        operation: "ledger:Append",
                        code: "IllegalTransition".to_owned(),
                        detail: format!("{deployment}: {illegal}"),
                    });
                }
            };
            match self.append(&head, &entry, &next).await {
                Ok(()) => return Ok(next),
                Err(error) if error.is(Kind::Conflict) => back_off(attempt).await,
                // The SDK does not try again what was cancelled.
                Err(error) if is_cancelled(&error) && error.is(Kind::Throttled) && attempt < THROTTLED_ATTEMPTS => {
                    back_off(attempt).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(contended("ledger:Append", deployment.as_str()))
    }

    /// Records what happened, unless the record has gone on since: a retried function, or an event that came late, tells
    /// what everybody knows.
    pub async fn tell(&self, deployment: &DeploymentId, what: Event, now: Timestamp) -> Result<(), Error> {
        match self.record(deployment, what, now).await {
            Err(error) if error.is(Kind::Conflict) => {
                tracing::info!(detail = %error, "told late");
                Ok(())
            }
            recorded => recorded.map(drop),
        }
    }

    /// Where a deployment's record stands; nothing, where there is none.
    pub async fn head(&self, deployment: &DeploymentId) -> Result<Option<Head>, Error> {
        match self.get(&partition(deployment), "head").await? {
            Some(item) => read(item, "dynamodb:GetItem").map(Some),
            None => Ok(None),
        }
    }

    /// Whether the table answers; what it is asked for is in no ledger.
    pub async fn answers(&self) -> Result<(), Error> {
        self.get("doctor", "doctor").await.map(drop)
    }

    /// All entries of a deployment, in order.
    pub async fn entries(&self, deployment: &DeploymentId) -> Result<Vec<Entry>, Error> {
        self.query(&partition(deployment), Some("entry#"))
            .await?
            .into_iter()
            .map(|item| read(item, "dynamodb:Query"))
            .collect()
    }

    /// A deployment as it was asked for; nothing, where its record does not say.
    pub async fn requested(&self, deployment: &DeploymentId) -> Result<Option<Deployment>, Error> {
        let entries = self.entries(deployment).await?;
        Ok(entries.into_iter().find_map(|entry| match entry.what {
            Event::Requested { deployment } => Some(*deployment),
            _ => None,
        }))
    }

    async fn append(&self, head: &Head, entry: &Entry, next: &Head) -> Result<(), Error> {
        let operation = TRANSACT;
        let pk = partition(&head.deployment);
        // No condition: it is only ever written with the first entry, whose own condition says that there is none.
        let listed = match &entry.what {
            Event::Requested { deployment } if head.sequence == 0 => Some(
                Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(listing(deployment, operation)?)),
            ),
            _ => None,
        };
        let entry = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(&pk, &entry_key(entry.sequence), entry, operation)?))
            .condition_expression("attribute_not_exists(pk)");
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(&pk, "head", next, operation)?));
        put = if head.sequence == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#sequence = :sequence")
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_values(":sequence", AttributeValue::N(head.sequence.to_string()))
        };
        let built = |put: aws_sdk_dynamodb::types::builders::PutBuilder| {
            put.build()
                .map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|error| Error::unexpected(operation, error.to_string()))
        };
        let mut transaction = self
            .client
            .transact_write_items()
            .transact_items(built(entry)?)
            .transact_items(built(put)?);
        if let Some(listed) = listed {
            transaction = transaction.transact_items(built(listed)?);
        }
        transaction.send().await.map_err(cancelled)?;
        Ok(())
    }

    /// Changes a record: reads it, lets `change` decide, writes it back unless somebody else did meanwhile, in which case
    /// all of that is done again. A change that changes nothing is not written.
    ///
    /// `due` says when somebody has to look at the record as it then is; `condition` states more in the write itself.
    pub(crate) async fn change<State, Answer>(
        &self,
        pk: &str,
        sk: &str,
        change: impl Fn(&mut State) -> Answer,
        due: impl Fn(&State) -> Option<(&'static str, Timestamp)>,
        condition: impl Fn(&State) -> Condition,
    ) -> Result<Answer, Error>
    where
        State: Serialize + DeserializeOwned + Default + Clone + PartialEq,
    {
        let mut tried: Option<(Record<State>, Answer)> = None;
        for attempt in 0..ATTEMPTS {
            let record: Record<State> = match self.get(pk, sk).await? {
                Some(item) => read(item, "dynamodb:GetItem")?,
                None => Record {
                    revision: 0,
                    state: State::default(),
                },
            };
            // A condition fails as well where the SDK repeated a call that had written and whose answer got lost.
            if let Some((written, answer)) = tried.take()
                && written == record
            {
                return Ok(answer);
            }
            let mut state = record.state.clone();
            let answer = change(&mut state);
            if state == record.state {
                return Ok(answer);
            }
            let more = condition(&record.state);
            let due = due(&state);
            let next = Record {
                revision: record.revision + 1,
                state,
            };
            let mut item = item(pk, sk, &next, PUT)?;
            if let Some((kind, at)) = due {
                mark_due(&mut item, kind, at);
            }
            let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
            let unchanged = if record.revision == 0 {
                "attribute_not_exists(pk)".to_owned()
            } else {
                put = put.expression_attribute_values(":revision", AttributeValue::N(record.revision.to_string()));
                "revision = :revision".to_owned()
            };
            for (placeholder, name) in more.names {
                put = put.expression_attribute_names(placeholder, name);
            }
            for (name, value) in more.values {
                put = put.expression_attribute_values(name, value);
            }
            let expression = if more.expression.is_empty() {
                unchanged
            } else {
                format!("{unchanged} AND {}", more.expression)
            };
            match put.condition_expression(expression).send().await.map_err(during(PUT)) {
                Ok(_) => return Ok(answer),
                Err(error) if error.is(Kind::Conflict) => {
                    tried = Some((next, answer));
                    back_off(attempt).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(contended(PUT, pk))
    }

    /// Reads a record that changes.
    pub(crate) async fn look<State: DeserializeOwned + Default>(&self, pk: &str, sk: &str) -> Result<State, Error> {
        match self.get(pk, sk).await? {
            Some(item) => read::<Record<State>>(item, "dynamodb:GetItem").map(|record| record.state),
            None => Ok(State::default()),
        }
    }

    /// Writes an item unless one is there under its keys: then the error is a conflict, and nothing is written.
    pub(crate) async fn put_new(&self, item: Item) -> Result<(), Error> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map_err(during(PUT))?;
        Ok(())
    }

    pub(crate) async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(during("dynamodb:GetItem"))?;
        Ok(answer.item)
    }

    /// All items of a partition, or those whose sort key begins so, every page.
    pub(crate) async fn query(&self, pk: &str, begins: Option<&str>) -> Result<Vec<Item>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true);
        let query = match begins {
            Some(begins) => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :begins)")
                .expression_attribute_values(":begins", AttributeValue::S(begins.to_owned())),
            None => query.key_condition_expression("pk = :pk"),
        };
        all(query).await
    }

    /// Everything of a kind that somebody has to look at by now, oldest first, every page.
    ///
    /// The index is eventually consistent: what is found has to be read again before anything is done about it.
    pub(crate) async fn due(&self, kind: &str, now: Timestamp) -> Result<Vec<Item>, Error> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_due")
            .key_condition_expression("due_kind = :kind AND due_at <= :now")
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(instant(now)));
        all(query).await
    }
}

/// What a query finds, every page.
pub(crate) async fn all(query: QueryFluentBuilder) -> Result<Vec<Item>, Error> {
    query
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(during("dynamodb:Query"))
}

pub(crate) fn partition(deployment: &DeploymentId) -> String {
    format!("deployment#{deployment}")
}

/// A time as an index sorts it: always the same number of digits.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Has the item found through `by_due`.
pub(crate) fn mark_due(item: &mut Item, kind: &str, at: Timestamp) {
    item.insert("due_kind".to_owned(), AttributeValue::S(kind.to_owned()));
    item.insert("due_at".to_owned(), AttributeValue::S(instant(at)));
}

/// An item of this content under this key.
pub(crate) fn item<T: Serialize>(pk: &str, sk: &str, content: &T, operation: &'static str) -> Result<Item, Error> {
    let mut item: Item =
        serde_dynamo::to_item(content).map_err(|error| Error::unexpected(operation, error.to_string()))?;
    item.insert("pk".to_owned(), AttributeValue::S(pk.to_owned()));
    item.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
    Ok(item)
}

/// The content of an item.
pub(crate) fn read<T: DeserializeOwned>(item: Item, operation: &'static str) -> Result<T, Error> {
    serde_dynamo::from_item(item).map_err(|error| Error::unexpected(operation, error.to_string()))
}

/// The content of the item of a record that changes.
pub(crate) fn state<State: DeserializeOwned>(item: Item) -> Result<State, Error> {
    read::<Record<State>>(item, "dynamodb:Query").map(|record| record.state)
}

/// A text attribute of an item.
pub(crate) fn text<'item>(item: &'item Item, name: &str) -> Option<&'item str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// Waits a little longer after each lost race, and never as long as the one it lost to.
async fn back_off(attempt: u32) {
    let ceiling = 10u64 << attempt.min(5);
    let jitter = u64::from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos()),
    );
    tokio::time::sleep(Duration::from_millis(1 + jitter % ceiling)).await;
}

/// What it means that a transaction was not carried out. DynamoDB cancels one for each item's own reason (Amazon DynamoDB
/// API reference, `TransactWriteItems`): only that somebody else was faster is worth another look at the record.
fn cancelled(refused: SdkError<TransactWriteItemsError, HttpResponse>) -> Error {
    let reasons: Vec<String> = match refused.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let codes = cancelled
                .cancellation_reasons()
                .iter()
                .filter_map(CancellationReason::code);
            codes.filter(|code| *code != "None").map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    let mut error = during(TRANSACT)(refused);
    let any = |codes: &[&str]| reasons.iter().any(|reason| codes.contains(&reason.as_str()));
    if reasons.is_empty() || any(&["ConditionalCheckFailed", "TransactionConflict"]) {
        return error;
    }
    error.kind = if any(&["ThrottlingError", "ProvisionedThroughputExceeded"]) {
        Kind::Throttled
    } else {
        Kind::Invalid
    };
    error
}

fn is_cancelled(error: &Error) -> bool {
    error.code == "TransactionCanceledException"
}

fn contended(operation: &'static str, what: &str) -> Error {
    Error {
        kind: Kind::Throttled,
        operation,
        code: "Contended".to_owned(),
        detail: format!("{what} was changed by others {ATTEMPTS} times in a row"),
    }
}
