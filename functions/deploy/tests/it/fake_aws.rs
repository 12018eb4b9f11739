//! AWS as deploy sees it: a table, a bucket, tasks that wait, and a CloudFormation that says what a test lets it say.
//!
//! It answers in the SDK's own HTTP client, so that requests are real and nothing listens on a port. What CloudFormation
//! says is written down per action, the last answer standing for all that follow; an action without one is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use aws::Aws;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use domain::names::Digest;
use serde_json::{Value, json};

/// What AWS holds, and what it says.
#[derive(Debug, Default)]
pub struct State {
    pub items: BTreeMap<(String, String), Value>,
    pub objects: BTreeMap<String, Vec<u8>>,
    pub buckets: BTreeSet<String>,
    /// Objects whose stored checksum is not that of what they are named by.
    pub altered: BTreeSet<String>,
    pub parameters: BTreeMap<String, String>,
    /// The tasks that nobody waits for any more.
    pub gone: BTreeSet<String>,
    /// What tasks were answered: the token, and the output or the error with its cause.
    pub answers: Vec<(String, Value)>,
    /// What CloudFormation answers next.
    pub says: HashMap<&'static str, VecDeque<(u16, String)>>,
    /// Every call of CloudFormation and STS, with its parameters.
    pub calls: Vec<(String, BTreeMap<String, String>)>,
}

#[derive(Debug, Clone, Default)]
pub struct FakeAws(Arc<Mutex<State>>);

impl FakeAws {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub async fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .endpoint_url("http://aws.test")
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            // What is tried again by the SDK is the SDK's matter, and takes time.
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        Aws::with(config)
    }

    /// Lets CloudFormation answer so, in this order; the last answer stays.
    pub fn says(&self, action: &'static str, answers: impl IntoIterator<Item = (u16, String)>) {
        self.state().says.insert(action, answers.into_iter().collect());
    }

    /// The parameters of every call of an action.
    pub fn calls(&self, action: &str) -> Vec<BTreeMap<String, String>> {
        let state = self.state();
        let of_action = state.calls.iter().filter(|(name, _)| name == action);
        of_action.map(|(_, parameters)| parameters.clone()).collect()
    }

    pub fn answers(&self) -> Vec<(String, Value)> {
        self.state().answers.clone()
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let target = request.headers().get("x-amz-target").map(str::to_owned);
        let mut state = self.state();
        let response = if let Some(target) = target {
            let operation = target.rsplit('.').next().unwrap_or_default();
            let input: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (status, answer) = state.json(operation, &input);
            respond(
                status,
                &[("content-type", "application/x-amz-json-1.0")],
                answer.to_string().into_bytes(),
            )
        } else if body.starts_with(b"Action=") {
            let (status, answer) = state.query(&body);
            respond(status, &[("content-type", "text/xml")], answer.into_bytes())
        } else {
            state.s3(&request)
        };
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn respond(status: u16, headers: &[(&'static str, &str)], body: Vec<u8>) -> HttpResponse {
    let length = body.len().to_string();
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(*name, (*value).to_owned());
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        response.headers_mut().insert("content-length", length);
    }
    response
}

impl State {
    fn query(&mut self, body: &[u8]) -> (u16, String) {
        let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let action = parameters["Action"].clone();
        self.calls.push((action.clone(), parameters));
        match action.as_str() {
            "AssumeRole" => (
                200,
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
                    .to_owned(),
            ),
            "GetCallerIdentity" => (
                200,
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111111111111</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>"
                    .to_owned(),
            ),
            action => match self.says.get_mut(action) {
                Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
                Some(answers) => answers[0].clone(),
                None => super::says::error("InvalidAction", &format!("{action} is not expected")),
            },
        }
    }

    fn json(&mut self, operation: &str, input: &Value) -> (u16, Value) {
        let error = |name: &str| (400, json!({ "__type": name, "message": name }));
        let key = |key: &Value| (text(&key["pk"]), text(&key["sk"]));
        match operation {
            "GetItem" => match self.items.get(&key(&input["Key"])) {
                Some(item) => (200, json!({ "Item": item })),
                None => (200, json!({})),
            },
            "PutItem" => {
                let key = key(&input["Item"]);
                if !self.holds(&key, input) {
                    return error("ConditionalCheckFailedException");
                }
                self.items.insert(key, input["Item"].clone());
                (200, json!({}))
            }
            "TransactWriteItems" => {
                let puts: Vec<&Value> = input["TransactItems"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| &item["Put"])
                    .collect();
                if !puts.iter().all(|put| self.holds(&key(&put["Item"]), put)) {
                    return error("TransactionCanceledException");
                }
                for put in puts {
                    self.items.insert(key(&put["Item"]), put["Item"].clone());
                }
                (200, json!({}))
            }
            "DeleteItem" => {
                let key = key(&input["Key"]);
                if !self.holds(&key, input) {
                    return error("ConditionalCheckFailedException");
                }
                self.items.remove(&key);
                (200, json!({}))
            }
            "UpdateItem" => {
                let Some(item) = self.items.get_mut(&key(&input["Key"])) else {
                    return error("ConditionalCheckFailedException");
                };
                let values = &input["ExpressionAttributeValues"];
                item["due_at"] = values[":at"].clone();
                item["look_at"] = values[":look_at"].clone();
                (200, json!({}))
            }
            "Query" => {
                let values = &input["ExpressionAttributeValues"];
                let (pk, begins) = (text(&values[":pk"]), text(&values[":begins"]));
                let found = self
                    .items
                    .iter()
                    .filter(|((of, sk), _)| *of == pk && sk.starts_with(&begins));
                (200, json!({ "Items": found.map(|(_, item)| item).collect::<Vec<_>>() }))
            }
            "SendTaskHeartbeat" | "SendTaskSuccess" | "SendTaskFailure" => {
                let token = input["taskToken"].as_str().unwrap().to_owned();
                if self.gone.contains(&token) {
                    return error("TaskTimedOut");
                }
                let answer = match operation {
                    "SendTaskHeartbeat" => return (200, json!({})),
                    "SendTaskSuccess" => serde_json::from_str(input["output"].as_str().unwrap()).unwrap(),
                    _ => json!({ "error": input["error"], "cause": input["cause"] }),
                };
                self.gone.insert(token.clone());
                self.answers.push((token, answer));
                (200, json!({}))
            }
            "GetParameter" => match self.parameters.get(input["Name"].as_str().unwrap()) {
                Some(value) => (200, json!({ "Parameter": { "Name": input["Name"], "Value": value } })),
                None => error("ParameterNotFound"),
            },
            _ => error("UnknownOperationException"),
        }
    }

    /// Evaluates the conditions that the ledger writes under, as far as they guard against other writers.
    fn holds(&self, key: &(String, String), input: &Value) -> bool {
        let condition = input["ConditionExpression"].as_str().unwrap_or_default();
        let values = &input["ExpressionAttributeValues"];
        let same = |attribute: &str| {
            let value = values.get(format!(":{attribute}"));
            self.items.get(key).and_then(|item| item.get(attribute)) == value
        };
        let first = condition.split(" AND ").next().unwrap_or_default();
        match first {
            "" => true,
            "attribute_not_exists(pk)" => !self.items.contains_key(key),
            "revision = :revision" => same("revision"),
            "#sequence = :sequence" => same("sequence"),
            "#token = :token" => same("token"),
            other => panic!("a condition that the table does not know: {other}"),
        }
    }

    fn s3(&mut self, request: &HttpRequest) -> HttpResponse {
        let uri = url::Url::parse(request.uri()).unwrap();
        let path = uri.path().trim_start_matches('/').trim_end_matches('/').to_owned();
        let not_found = |code: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
            respond(404, &[], body.into_bytes())
        };
        let Some((bucket, _)) = path.split_once('/') else {
            return if self.buckets.contains(&path) {
                respond(200, &[], Vec::new())
            } else {
                respond(404, &[], Vec::new())
            };
        };
        let checksum = |bytes: &[u8]| {
            let digest = hex::decode(Digest::of(bytes).as_str()).unwrap();
            base64::prelude::BASE64_STANDARD.encode(digest)
        };
        match request.method() {
            "HEAD" => match self.objects.get(&path) {
                Some(bytes) => {
                    let content: &[u8] = if self.altered.contains(&path) { b"other" } else { bytes };
                    let (sum, length) = (checksum(content), bytes.len().to_string());
                    respond(
                        200,
                        &[("x-amz-checksum-sha256", &sum), ("content-length", &length)],
                        Vec::new(),
                    )
                }
                None => respond(404, &[], Vec::new()),
            },
            "GET" => match self.objects.get(&path) {
                Some(bytes) => respond(200, &[], bytes.clone()),
                None => not_found("NoSuchKey"),
            },
            "PUT" => {
                let source = request
                    .headers()
                    .get("x-amz-copy-source")
                    .unwrap()
                    .trim_start_matches('/')
                    .to_owned();
                if !self.buckets.contains(bucket) {
                    return not_found("NoSuchBucket");
                }
                let Some(bytes) = self.objects.get(&source).cloned() else {
                    return not_found("NoSuchKey");
                };
                let sum = checksum(&bytes);
                self.objects.insert(path, bytes);
                let body = format!("<CopyObjectResult><ChecksumSHA256>{sum}</ChecksumSHA256></CopyObjectResult>");
                respond(200, &[], body.into_bytes())
            }
            other => panic!("{other} {path} is not expected"),
        }
    }
}

fn text(value: &Value) -> String {
    value["S"].as_str().unwrap_or_default().to_owned()
}
