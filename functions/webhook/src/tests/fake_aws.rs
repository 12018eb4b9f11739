//! AWS as the webhook sees it: parameters, a table with one condition, and executions that start once per name.
//!
//! It answers in the SDK's own HTTP client, so that requests are real and nothing listens on a port. Its answers follow
//! the API references of SSM (`GetParameter`), `DynamoDB` (`PutItem`, `GetItem`, `UpdateItem`) and Step Functions
//! (`StartExecution`); an operation that it does not know is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws::Aws;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What AWS holds, and how it behaves.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) items: BTreeMap<String, Value>,
    /// Name and input of every execution.
    pub(super) executions: BTreeMap<String, Value>,
    /// Every operation that was asked for, in order.
    pub(super) calls: Vec<String>,
    /// Operations that fail this many times more; `true`: although they act.
    pub(super) failing: HashMap<&'static str, (usize, bool)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakeAws(Arc<Mutex<State>>);

impl FakeAws {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            // What is tried again by the SDK is the SDK's matter, and takes time.
            .retry_config(RetryConfig::disabled())
            .build();
        Aws::with(config)
    }

    /// Counts the calls of an operation.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.state().calls.iter().filter(|call| *call == operation).count()
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let (status, answer) = self.state().answer(&operation, &input);
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(answer.to_string()));
        response
            .headers_mut()
            .insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl State {
    fn answer(&mut self, operation: &str, input: &Value) -> (u16, Value) {
        self.calls.push(operation.to_owned());
        let fails = self
            .failing
            .get_mut(operation)
            .filter(|(times, _)| *times > 0)
            .map(|(times, although_it_acts)| {
                *times -= 1;
                *although_it_acts
            });
        let fault = (
            500,
            json!({ "__type": "InternalServerError", "message": "a fault of AWS" }),
        );
        if fails == Some(false) {
            return fault;
        }
        let answer = self.act(operation, input);
        if fails == Some(true) { fault } else { answer }
    }

    fn act(&mut self, operation: &str, input: &Value) -> (u16, Value) {
        let error = |name: &str| (400, json!({ "__type": name, "message": name }));
        let key = |key: &Value| {
            format!(
                "{} {}",
                key["pk"]["S"].as_str().unwrap(),
                key["sk"]["S"].as_str().unwrap()
            )
        };
        match operation {
            "GetParameter" => match self.parameters.get(input["Name"].as_str().unwrap()) {
                Some(value) => (200, json!({ "Parameter": { "Name": input["Name"], "Value": value } })),
                None => error("ParameterNotFound"),
            },
            "PutItem" if input["ConditionExpression"] == "attribute_not_exists(pk)" => {
                let key = key(&input["Item"]);
                if self.items.contains_key(&key) {
                    return error("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
                }
                self.items.insert(key, input["Item"].clone());
                (200, json!({}))
            }
            "GetItem" => match self.items.get(&key(&input["Key"])) {
                Some(item) => (200, json!({ "Item": item })),
                None => (200, json!({})),
            },
            "UpdateItem" if input["UpdateExpression"] == "SET #state = :started REMOVE due_kind, due_at" => {
                let Some(item) = self.items.get_mut(&key(&input["Key"])) else {
                    return error("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
                };
                if item["state"]["S"] != "received" {
                    return error("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
                }
                item["state"] = json!({ "S": "started" });
                let attributes = item.as_object_mut().unwrap();
                attributes.remove("due_kind");
                attributes.remove("due_at");
                (200, json!({}))
            }
            "StartExecution" => {
                let name = input["name"].as_str().unwrap().to_owned();
                let arn = format!("arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:{name}");
                if self.executions.contains_key(&name) {
                    return error("ExecutionAlreadyExists");
                }
                let deployment = serde_json::from_str(input["input"].as_str().unwrap()).unwrap();
                self.executions.insert(name, deployment);
                (200, json!({ "executionArn": arn, "startDate": 1_795_000_000 }))
            }
            _ => error("UnknownOperationException"),
        }
    }
}
