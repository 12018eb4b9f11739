//! DynamoDB with one table, keys `pk` and `sk`, and one index `by_due`.
//!
//! It is stricter than the service where that is of use to a test: reads of the table have to be consistent, and
//! whatever it does not know stops the test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::expression::{Condition, Reader};
use crate::wire::Refusal;

/// An item as DynamoDB writes it: every attribute with its type.
pub type Item = Map<String, Value>;

/// The name that the table has to be called by.
pub const TABLE: &str = "ledger";

type Items = BTreeMap<(String, String), Item>;

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    /// What is in it, by `pk` and `sk`.
    pub items: Items,
    /// How many items a query gives at once; everything, where nothing is said.
    pub page: Option<usize>,
    /// What the index shows, where it lags behind the table.
    pub index: Option<Items>,
    /// Transactions that were carried out, by their token.
    done: BTreeSet<String>,
}

/// The members that a request may have which the table understands.
fn members(operation: &str) -> &'static [&'static str] {
    match operation {
        "GetItem" => &["Key", "ConsistentRead"],
        "PutItem" => &["Item", "ConditionExpression"],
        "DeleteItem" | "ConditionCheck" => &["Key", "ConditionExpression"],
        "UpdateItem" => &["Key", "ConditionExpression", "UpdateExpression"],
        "Query" => &[
            "KeyConditionExpression",
            "ConsistentRead",
            "IndexName",
            "ExclusiveStartKey",
            "Limit",
            "ScanIndexForward",
        ],
        other => panic!("the fake table does not know {other}"),
    }
}

impl Table {
    pub(crate) fn answer(&mut self, operation: &str, input: &Value) -> Result<Value, Refusal> {
        if operation == "TransactWriteItems" {
            return self.transact(input);
        }
        understood(operation, input);
        match operation {
            "GetItem" => {
                assert_eq!(
                    input["ConsistentRead"], true,
                    "a read of the ledger has to be consistent"
                );
                let found = self.items.get(&key(&input["Key"]));
                Ok(found.map_or_else(|| json!({}), |item| json!({ "Item": item })))
            }
            "Query" => Ok(self.query(input)),
            _ => {
                if !self.allows(operation, input) {
                    return Err(Refusal::new("ConditionalCheckFailedException"));
                }
                self.write(operation, input);
                Ok(json!({}))
            }
        }
    }

    fn transact(&mut self, input: &Value) -> Result<Value, Refusal> {
        if let Some(token) = input["ClientRequestToken"].as_str()
            && self.done.contains(token)
        {
            return Ok(json!({}));
        }
        let writes: Vec<(&'static str, &Value)> = input["TransactItems"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|write| write.as_object().into_iter().flatten())
            .map(|(kind, write)| match kind.as_str() {
                "Put" => ("PutItem", write),
                "Update" => ("UpdateItem", write),
                "Delete" => ("DeleteItem", write),
                "ConditionCheck" => ("ConditionCheck", write),
                other => panic!("the fake table does not know {other}"),
            })
            .collect();
        let mut keys = BTreeSet::new();
        for (kind, write) in &writes {
            understood(kind, write);
            assert!(
                keys.insert(target(write)),
                "DynamoDB refuses a transaction that speaks of one item twice"
            );
        }
        let reasons: Vec<Value> = writes
            .iter()
            .map(|(kind, write)| {
                if self.allows(kind, write) {
                    json!({ "Code": "None" })
                } else {
                    json!({ "Code": "ConditionalCheckFailed", "Message": "The conditional request failed" })
                }
            })
            .collect();
        if reasons.iter().any(|reason| reason["Code"] != "None") {
            return Err(Refusal::new("TransactionCanceledException").with("CancellationReasons", reasons.into()));
        }
        for (kind, write) in writes {
            self.write(kind, write);
        }
        self.done
            .extend(input["ClientRequestToken"].as_str().map(str::to_owned));
        Ok(json!({}))
    }

    /// Whether the condition of a write holds.
    fn allows(&self, operation: &str, input: &Value) -> bool {
        let mut reader = Reader::new(input);
        let condition = reader.condition("ConditionExpression");
        if operation == "UpdateItem" {
            reader.update();
        }
        reader.finish();
        condition.is_none_or(|condition| condition.holds(self.items.get(&target(input))))
    }

    fn write(&mut self, operation: &str, input: &Value) {
        let key = target(input);
        match operation {
            "PutItem" => {
                self.items.insert(key, object(&input["Item"]));
            }
            "DeleteItem" => {
                self.items.remove(&key);
            }
            "UpdateItem" => {
                let update = Reader::new(input).update();
                let item = self.items.entry(key).or_insert_with(|| object(&input["Key"]));
                item.extend(update.set);
                for name in update.remove {
                    item.remove(&name);
                }
            }
            _ => {}
        }
    }

    fn query(&self, input: &Value) -> Value {
        let mut reader = Reader::new(input);
        let condition = reader.condition("KeyConditionExpression");
        reader.finish();
        let condition = condition.expect("a query has a key condition");
        let (items, keys) = match input["IndexName"].as_str() {
            None => {
                assert_eq!(
                    input["ConsistentRead"], true,
                    "a read of the ledger has to be consistent"
                );
                (&self.items, ["pk", "sk"])
            }
            Some("by_due") => {
                assert_ne!(
                    input["ConsistentRead"], true,
                    "DynamoDB refuses consistent reads of an index"
                );
                (self.index.as_ref().unwrap_or(&self.items), ["due_kind", "due_at"])
            }
            Some(other) => panic!("the fake table has no index {other}"),
        };
        asks_for(&condition, keys);
        let mut found: Vec<(Vec<&str>, &Item)> = items
            .values()
            .filter(|item| keys.iter().all(|name| item.contains_key(*name)) && condition.holds(Some(item)))
            .map(|item| (place(item, keys), item))
            .collect();
        found.sort_by(|(left, _), (right, _)| left.cmp(right));
        let backwards = input["ScanIndexForward"] == false;
        if backwards {
            found.reverse();
        }
        if let Some(start) = input["ExclusiveStartKey"].as_object() {
            let start = place(start, keys);
            found.retain(|(place, _)| if backwards { *place < start } else { *place > start });
        }
        let limit = input["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let page = limit.into_iter().chain(self.page).min().unwrap_or(usize::MAX);
        found.truncate(page);
        let mut answer = json!({ "Items": found.iter().map(|(_, item)| item).collect::<Vec<_>>() });
        // As DynamoDB does, which knows that a page is full and not whether anything follows.
        if found.len() == page
            && let Some((_, last)) = found.last()
        {
            let names = ["pk", "sk"].into_iter().chain(keys);
            let last: Item = names.map(|name| (name.to_owned(), last[name].clone())).collect();
            answer["LastEvaluatedKey"] = last.into();
        }
        answer
    }
}

/// Stops at whatever this table would not heed.
fn understood(operation: &str, input: &Value) {
    assert_eq!(input["TableName"], TABLE, "the fake has one table");
    let always = ["TableName", "ExpressionAttributeNames", "ExpressionAttributeValues"];
    for member in input.as_object().into_iter().flat_map(|input| input.keys()) {
        assert!(
            always.contains(&member.as_str()) || members(operation).contains(&member.as_str()),
            "the fake table does not know {member} of {operation}"
        );
    }
}

/// DynamoDB takes the whole partition key and at most one range of the sort key.
fn asks_for(condition: &Condition, [partition, sort]: [&str; 2]) {
    match condition.speaks_of().as_slice() {
        [(first, "=")] if *first == partition => {}
        [(first, "="), (second, _)] if *first == partition && *second == sort => {}
        other => panic!("DynamoDB refuses a query by {other:?}"),
    }
}

/// Where an item stands in the table, or in an index.
fn place<'item>(item: &'item Item, [partition, sort]: [&str; 2]) -> Vec<&'item str> {
    [partition, sort, "pk", "sk"]
        .iter()
        .map(|name| text(&item[*name]))
        .collect()
}

fn target(input: &Value) -> (String, String) {
    key(input.get("Key").unwrap_or(&input["Item"]))
}

fn key(item: &Value) -> (String, String) {
    (text(&item["pk"]).to_owned(), text(&item["sk"]).to_owned())
}

fn text(attribute: &Value) -> &str {
    let text = attribute["S"].as_str().filter(|text| !text.is_empty());
    text.unwrap_or_else(|| panic!("{attribute} is no key"))
}

fn object(value: &Value) -> Item {
    value.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &mut Table, sk: &str, due: &str) {
        let item = json!({ "pk": { "S": "p" }, "sk": { "S": sk }, "due_kind": { "S": "x" }, "due_at": { "S": due } });
        let written = table.answer("PutItem", &json!({ "TableName": TABLE, "Item": item }));
        assert!(written.is_ok());
    }

    fn pages(table: &mut Table, query: &Value) -> Vec<Vec<String>> {
        let mut query = query.clone();
        let mut pages = Vec::new();
        loop {
            let answer = table.answer("Query", &query).unwrap_or_default();
            let items = answer["Items"].as_array().into_iter().flatten();
            pages.push(items.map(|item| text(&item["sk"]).to_owned()).collect());
            match answer.get("LastEvaluatedKey") {
                Some(last) => query["ExclusiveStartKey"] = last.clone(),
                None => return pages,
            }
        }
    }

    #[test]
    fn a_query_comes_in_pages_in_the_order_of_its_keys() {
        let mut table = Table {
            page: Some(2),
            ..Table::default()
        };
        for (sk, due) in [("c", "1"), ("a", "3"), ("d", "2"), ("b", "2"), ("e", "9")] {
            put(&mut table, sk, due);
        }
        let by_key = json!({
            "TableName": TABLE, "ConsistentRead": true, "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": { ":pk": { "S": "p" } },
        });
        assert_eq!(pages(&mut table, &by_key), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        let mut backwards = by_key.clone();
        backwards["ScanIndexForward"] = false.into();
        assert_eq!(
            pages(&mut table, &backwards),
            [vec!["e", "d"], vec!["c", "b"], vec!["a"]]
        );
        let by_due = json!({
            "TableName": TABLE, "IndexName": "by_due", "KeyConditionExpression": "due_kind = :k AND due_at <= :now",
            "ExpressionAttributeValues": { ":k": { "S": "x" }, ":now": { "S": "3" } },
        });
        // A full page does not say that it is the last.
        assert_eq!(pages(&mut table, &by_due), [vec!["c", "b"], vec!["d", "a"], vec![]]);
    }

    #[test]
    fn a_transaction_is_all_or_nothing_and_its_token_makes_it_once() {
        let mut table = Table::default();
        put(&mut table, "a", "1");
        let write = |sk: &str| {
            json!({ "Put": {
                "TableName": TABLE, "Item": { "pk": { "S": "p" }, "sk": { "S": sk } },
                "ConditionExpression": "attribute_not_exists(pk)",
            } })
        };
        let transaction = |writes: [Value; 2]| json!({ "TransactItems": writes, "ClientRequestToken": "t" });
        let refused = table.answer("TransactWriteItems", &transaction([write("b"), write("a")]));
        assert_eq!(
            refused.err().map(|refusal| refusal.code).as_deref(),
            Some("TransactionCanceledException")
        );
        assert_eq!(table.items.len(), 1);
        for _ in 0..2 {
            assert!(
                table
                    .answer("TransactWriteItems", &transaction([write("b"), write("c")]))
                    .is_ok()
            );
        }
        assert_eq!(table.items.len(), 3);
    }

    #[test]
    fn what_the_table_would_not_heed_stops_the_test() {
        let key = json!({ "pk": { "S": "p" }, "sk": { "S": "s" } });
        for (operation, request) in [
            ("GetItem", json!({ "TableName": TABLE, "Key": key })),
            (
                "GetItem",
                json!({ "TableName": "other", "Key": key, "ConsistentRead": true }),
            ),
            (
                "PutItem",
                json!({ "TableName": TABLE, "Item": key, "ReturnValues": "ALL_OLD" }),
            ),
            (
                "PutItem",
                json!({ "TableName": TABLE, "Item": { "pk": { "S": "" }, "sk": { "S": "s" } } }),
            ),
            ("Scan", json!({ "TableName": TABLE })),
            (
                "Query",
                json!({
                    "TableName": TABLE, "ConsistentRead": true, "KeyConditionExpression": "sk = :sk",
                    "ExpressionAttributeValues": { ":sk": { "S": "s" } },
                }),
            ),
        ] {
            let stopped = std::panic::catch_unwind(|| Table::default().answer(operation, &request).is_ok());
            assert!(stopped.is_err(), "{operation} {request}");
        }
    }
}
