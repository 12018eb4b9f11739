//! The services beside the table: tasks and executions, builds, parameters, objects, mail, functions, roles.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::names::Digest;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::wire::{Answer, Asked, Protocol, Refusal};
use crate::{Execution, Invocation, Mail, Stack, State, Subscription};

type Answered<T> = Result<T, Refusal>;

/// SNS gives a hundred; with so few, whoever reads one page only is found out.
const SUBSCRIPTIONS_OF_A_PAGE: usize = 2;

impl State {
    /// Does what is asked. An operation that the fake does not know stops the test.
    pub(crate) fn act(&mut self, asked: &Asked) -> Answer {
        let answered = match asked.protocol {
            Protocol::Json => self.json(asked).map(|answer| Answer::json(&answer)),
            Protocol::Cbor => panic!("nobody wrote down what AWS answers to {}", asked.operation),
            Protocol::Query => self.query(asked),
            Protocol::Lambda if asked.operation == "GetFunctionConfiguration" => self.function_configuration(asked),
            Protocol::Lambda if asked.operation == "GetAccountSettings" => Ok(self.account_settings()),
            Protocol::Lambda => Ok(self.invoke(asked)),
            Protocol::Bucket => self.bucket(asked),
        };
        answered.unwrap_or_else(|refusal| Answer::refusal(asked.protocol, refusal))
    }

    fn json(&mut self, asked: &Asked) -> Answered<Value> {
        let input = Value::Object(asked.input.clone());
        match asked.operation.as_str() {
            "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "TransactWriteItems" => {
                self.table.answer(&asked.operation, &input)
            }
            "SendTaskHeartbeat" | "SendTaskSuccess" | "SendTaskFailure" => self.answer_task(&asked.operation, &input),
            "StartExecution" => self.start_execution(&input),
            "DescribeExecution" => self.describe_execution(&input),
            "DescribeStateMachine" => self.describe_state_machine(&input),
            "StartBuild" => Ok(self.start_build(&input)),
            "BatchGetBuilds" => {
                let asked = input["ids"].as_array().into_iter().flatten();
                let (known, unknown): (Vec<&Value>, Vec<&Value>) =
                    asked.partition(|id| self.builds.contains_key(said(id)));
                let known: Vec<&Value> = known.into_iter().map(|id| &self.builds[said(id)]).collect();
                Ok(json!({ "builds": known, "buildsNotFound": unknown }))
            }
            "BatchGetProjects" => {
                let asked = input["names"].as_array().into_iter().flatten();
                let known = asked.filter(|name| self.projects.contains(said(name)));
                Ok(json!({ "projects": known.map(|name| json!({ "name": name })).collect::<Vec<_>>() }))
            }
            "ListSourceCredentials" => {
                let known = self.source_credentials.iter();
                let known = known.map(|kind| json!({ "arn": "arn:token", "serverType": "GITHUB", "authType": kind }));
                Ok(json!({ "sourceCredentialsInfos": known.collect::<Vec<_>>() }))
            }
            "DescribeRule" => {
                let (is_on, _) = self.rule(&input["Name"], &input["EventBusName"])?;
                Ok(json!({ "Name": input["Name"], "State": if *is_on { "ENABLED" } else { "DISABLED" } }))
            }
            "ListTargetsByRule" => {
                let (_, targets) = self.rule(&input["Rule"], &input["EventBusName"])?;
                let from = input["NextToken"]
                    .as_str()
                    .map_or(0, |token| token.parse().expect("a token of ours"));
                // One a page, so that whoever reads the first only is found out.
                let page: Vec<Value> = targets
                    .iter()
                    .skip(from)
                    .take(1)
                    .map(|arn| json!({ "Id": "t", "Arn": arn }))
                    .collect();
                let next = (from + 1 < targets.len()).then(|| (from + 1).to_string());
                Ok(json!({ "Targets": page, "NextToken": next }))
            }
            "GetParameter" => match self.parameters.get(said(&input["Name"])) {
                Some(value) => Ok(json!({ "Parameter": { "Name": input["Name"], "Value": value } })),
                None => Err(Refusal::new("ParameterNotFound")),
            },
            "GetParametersByPath" => {
                let below = format!("{}/", said(&input["Path"]));
                let found = self.parameters.iter().filter(|(name, _)| name.starts_with(&below));
                let found = found.map(|(name, value)| json!({ "Name": name, "Value": value }));
                Ok(json!({ "Parameters": found.collect::<Vec<_>>() }))
            }
            other => panic!("the fake does not know {other}; does the test say what it answers?"),
        }
    }

    fn answer_task(&mut self, operation: &str, input: &Value) -> Answered<Value> {
        let token = said(&input["taskToken"]).to_owned();
        if self.gone.contains(&token) {
            return Err(Refusal::new("TaskTimedOut"));
        }
        let answer = match operation {
            "SendTaskHeartbeat" => return Ok(json!({})),
            "SendTaskSuccess" => serde_json::from_str(said(&input["output"])).expect("a task's output is JSON"),
            _ => json!({ "error": input["error"], "cause": input["cause"] }),
        };
        self.gone.insert(token.clone());
        self.answers.push((token, answer));
        Ok(json!({}))
    }

    /// A name is taken for ninety days; while its execution runs, the same input is the same execution.
    fn start_execution(&mut self, input: &Value) -> Answered<Value> {
        let name = said(&input["name"]).to_owned();
        let arn = format!(
            "{}:{name}",
            said(&input["stateMachineArn"]).replacen(":stateMachine:", ":execution:", 1)
        );
        let given: Value = serde_json::from_str(said(&input["input"])).expect("an execution's input is JSON");
        let execution = self.executions.entry(name).or_insert_with(|| Execution {
            input: given.clone(),
            status: "RUNNING".to_owned(),
        });
        if execution.status != "RUNNING" || execution.input != given {
            return Err(Refusal::new("ExecutionAlreadyExists"));
        }
        Ok(json!({ "executionArn": arn, "startDate": 1_795_000_000 }))
    }

    fn describe_execution(&mut self, input: &Value) -> Answered<Value> {
        let arn = said(&input["executionArn"]);
        let name = arn.rsplit(':').next().unwrap_or_default();
        let execution = self
            .executions
            .get(name)
            .ok_or_else(|| Refusal::new("ExecutionDoesNotExist"))?;
        let machine = arn.replacen(":execution:", ":stateMachine:", 1);
        let mut told = json!({
            "executionArn": arn, "stateMachineArn": machine, "name": name, "status": execution.status,
            "startDate": 1_795_000_000,
        });
        if execution.status != "RUNNING" {
            told["stopDate"] = self.stopped_at.unwrap_or_else(Timestamp::now).as_second().into();
        }
        Ok(told)
    }

    fn describe_state_machine(&self, input: &Value) -> Answered<Value> {
        let arn = said(&input["stateMachineArn"]);
        if !self.machines.contains(arn) {
            return Err(Refusal::new("StateMachineDoesNotExist"));
        }
        Ok(json!({
            "stateMachineArn": arn, "name": "machine", "status": "ACTIVE", "definition": "{}", "type": "STANDARD",
            "roleArn": "arn:aws:iam::111111111111:role/machine", "creationDate": 1_795_000_000,
        }))
    }

    /// A start with a token that was seen before is the same build.
    fn start_build(&mut self, input: &Value) -> Value {
        let token = said(&input["idempotencyToken"]).to_owned();
        let next = format!("{}:{}", said(&input["projectName"]), self.builds.len() + 1);
        let id = self.starts.entry(token).or_insert(next).clone();
        let build = self.builds.entry(id.clone()).or_insert_with(|| {
            json!({
                "id": id, "arn": format!("arn:aws:codebuild:eu-west-1:111111111111:build/{id}"),
                "projectName": input["projectName"], "sourceVersion": input["sourceVersion"],
                "buildStatus": "IN_PROGRESS", "currentPhase": "SUBMITTED",
                "environment": {
                    "type": "ARM_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
                    "environmentVariables": input["environmentVariablesOverride"],
                },
                "logs": { "deepLink": format!("https://logs.test/{id}") },
            })
        });
        json!({ "build": build })
    }

    fn query(&mut self, asked: &Asked) -> Answered<Answer> {
        Ok(match asked.operation.as_str() {
            "AssumeRole" => {
                let credentials = "<Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                                   <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>";
                Answer::result("AssumeRole", credentials)
            }
            "GetCallerIdentity" => Answer::result(
                "GetCallerIdentity",
                "<Account>111111111111</Account><Arn>arn:aws:sts::111111111111:assumed-role/one/session</Arn>",
            ),
            "Publish" => {
                let part = |name: &str| asked.input.get(name).map(said).unwrap_or_default().to_owned();
                let attributes = (1..)
                    .map(|number| format!("MessageAttributes.entry.{number}"))
                    .take_while(|entry| asked.input.contains_key(&format!("{entry}.Name")))
                    .map(|entry| {
                        (
                            part(&format!("{entry}.Name")),
                            part(&format!("{entry}.Value.StringValue")),
                        )
                    });
                self.mails.push(Mail {
                    topic: part("TopicArn"),
                    subject: part("Subject"),
                    body: part("Message"),
                    attributes: attributes.collect(),
                });
                Answer::result("Publish", "<MessageId>m</MessageId>")
            }
            "ListSubscriptionsByTopic" => self.list_subscriptions(&asked.input),
            "DescribeStacks" => self.describe_stack(said(&asked.input["StackName"])),
            "ListStackResources" => self.list_resources(said(&asked.input["StackName"])),
            "GetRole" => self.get_role(said(&asked.input["RoleName"]))?,
            "SimulatePrincipalPolicy" => {
                let other = said(&asked.input["ResourceArns.member.1"]);
                let decision = if self.unassumable.contains(other) {
                    "implicitDeny"
                } else {
                    "allowed"
                };
                let action = said(&asked.input["ActionNames.member.1"]);
                let result = format!(
                    "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{other}</EvalResourceName>\
                     <EvalDecision>{decision}</EvalDecision></member>"
                );
                Answer::result(
                    "SimulatePrincipalPolicy",
                    &format!("<EvaluationResults>{result}</EvaluationResults><IsTruncated>false</IsTruncated>"),
                )
            }
            other => panic!("nobody wrote down what AWS answers to {other}"),
        })
    }

    fn get_role(&self, name: &str) -> Answered<Answer> {
        let policy = self.roles.get(name).ok_or_else(|| Refusal::new("NoSuchEntity"))?;
        let policy: String = url::form_urlencoded::byte_serialize(policy.as_bytes()).collect();
        // IAM writes a blank as %20.
        let policy = policy.replace('+', "%20");
        Ok(Answer::result(
            "GetRole",
            &format!(
                "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROAEXAMPLE</RoleId>\
                 <Arn>arn:aws:iam::111111111111:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
                 <AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role>"
            ),
        ))
    }

    fn function_configuration(&self, asked: &Asked) -> Answered<Answer> {
        let function = said(&asked.input["FunctionName"]);
        let variables = self.variables.get(function);
        let variables = variables.ok_or_else(|| Refusal::new("ResourceNotFoundException"))?;
        let configuration = json!({ "FunctionName": function, "Environment": { "Variables": variables } });
        Ok(Answer::json(&configuration))
    }

    /// A rule by its name and that of its bus, which is left out where it is the account's own.
    fn rule(&self, name: &Value, bus: &Value) -> Answered<&(bool, Vec<String>)> {
        let name = match bus.as_str() {
            Some(bus) => format!("{bus}|{}", said(name)),
            None => said(name).to_owned(),
        };
        self.rules
            .get(&name)
            .ok_or_else(|| Refusal::new("ResourceNotFoundException"))
    }

    fn list_subscriptions(&self, input: &Map<String, Value>) -> Answer {
        let topic = said(&input["TopicArn"]);
        let from = input
            .get("NextToken")
            .map_or(0, |token| said(token).parse().expect("a token of ours"));
        let of_topic: Vec<&Subscription> = self.subscriptions.iter().filter(|one| one.topic == topic).collect();
        let page = of_topic.iter().enumerate().skip(from).take(SUBSCRIPTIONS_OF_A_PAGE);
        let members = page.map(|(number, one)| {
            let arn = if one.confirmed {
                format!("{topic}:{number}")
            } else {
                "PendingConfirmation".to_owned()
            };
            let endpoint = &one.endpoint;
            format!(
                "<member><SubscriptionArn>{arn}</SubscriptionArn><Owner>111111111111</Owner>\
                 <Protocol>email</Protocol><Endpoint>{endpoint}</Endpoint><TopicArn>{topic}</TopicArn></member>"
            )
        });
        let members: String = members.collect();
        let next = from + SUBSCRIPTIONS_OF_A_PAGE;
        let next = if next < of_topic.len() {
            format!("<NextToken>{next}</NextToken>")
        } else {
            String::new()
        };
        Answer::result(
            "ListSubscriptionsByTopic",
            &format!("<Subscriptions>{members}</Subscriptions>{next}"),
        )
    }

    fn describe_stack(&self, name: &str) -> Answer {
        let Some(stack) = self.stacks.get(name) else {
            return no_such_stack(name);
        };
        let Stack {
            status,
            outputs,
            parameters,
            ..
        } = stack;
        Answer::result(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackName>{name}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
                 <StackStatus>{status}</StackStatus><Outputs>{}</Outputs><Parameters>{}</Parameters></member></Stacks>",
                members(outputs, "OutputKey", "OutputValue"),
                members(parameters, "ParameterKey", "ParameterValue"),
            ),
        )
    }

    fn list_resources(&self, name: &str) -> Answer {
        let Some(stack) = self.stacks.get(name) else {
            return no_such_stack(name);
        };
        let resources = stack.resources.iter().map(|(id, kind)| {
            format!(
                "<member><LogicalResourceId>{id}</LogicalResourceId>\
                 <PhysicalResourceId>{id}</PhysicalResourceId><ResourceType>{kind}</ResourceType>\
                 <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp>\
                 <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
            )
        });
        let resources: String = resources.collect();
        Answer::result(
            "ListStackResources",
            &format!("<StackResourceSummaries>{resources}</StackResourceSummaries>"),
        )
    }

    fn account_settings(&self) -> Answer {
        let limit = self.concurrent_executions;
        let settings =
            json!({ "AccountLimit": { "ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit } });
        Answer::json(&settings)
    }

    fn invoke(&mut self, asked: &Asked) -> Answer {
        assert_eq!(asked.input["InvocationType"], "Event", "the fake runs no function");
        self.invocations.push(Invocation {
            function: said(&asked.input["FunctionName"]).to_owned(),
            payload: serde_json::from_slice(&asked.body).expect("a function's input is JSON"),
        });
        Answer::new(202, "")
    }

    fn bucket(&mut self, asked: &Asked) -> Answered<Answer> {
        let bucket = said(&asked.input["Bucket"]);
        let path = asked
            .input
            .get("Key")
            .map(|key| format!("{bucket}/{}", said(key)))
            .unwrap_or_default();
        match asked.operation.as_str() {
            "HeadBucket" if self.buckets.contains(bucket) => Ok(Answer::new(200, "")),
            "HeadBucket" => Ok(Answer::new(404, "")),
            "HeadObject" => Ok(match self.objects.get(&path) {
                Some(bytes) => {
                    let content: &[u8] = if self.altered.contains(&path) { b"other" } else { bytes };
                    Answer::new(200, "")
                        .with("x-amz-checksum-sha256", checksum(content))
                        .with("content-length", bytes.len().to_string())
                }
                None => Answer::new(404, ""),
            }),
            "GetObject" => match self.objects.get(&path) {
                Some(bytes) => Ok(Answer::new(200, bytes.clone())),
                None => Err(Refusal::new("NoSuchKey")),
            },
            _ if !self.buckets.contains(bucket) => Err(Refusal::new("NoSuchBucket")),
            "PutObject" => {
                assert_eq!(
                    asked.input["IfNoneMatch"], "*",
                    "the bucket's policy refuses a write without a condition"
                );
                if self.objects.contains_key(&path) {
                    return Err(Refusal::new("PreconditionFailed"));
                }
                if asked.input["ChecksumSHA256"] != checksum(&asked.body) {
                    return Err(Refusal::new("BadDigest"));
                }
                self.objects.insert(path, asked.body.clone());
                Ok(Answer::new(200, ""))
            }
            _ => {
                let source = said(&asked.input["CopySource"]);
                let bytes = self
                    .objects
                    .get(source)
                    .cloned()
                    .ok_or_else(|| Refusal::new("NoSuchKey"))?;
                let sum = checksum(&bytes);
                self.objects.insert(path, bytes);
                let result = format!("<CopyObjectResult><ChecksumSHA256>{sum}</ChecksumSHA256></CopyObjectResult>");
                Ok(Answer::new(200, result))
            }
        }
    }
}

/// CloudFormation has no code of its own for this.
fn no_such_stack(name: &str) -> Answer {
    let error = format!("<Code>ValidationError</Code><Message>Stack with id {name} does not exist</Message>");
    Answer::new(
        400,
        format!("<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"),
    )
    .with("content-type", "text/xml")
}

fn members(pairs: &BTreeMap<String, String>, key: &str, value: &str) -> String {
    let members = pairs
        .iter()
        .map(|(name, text)| format!("<member><{key}>{name}</{key}><{value}>{text}</{value}></member>"));
    members.collect()
}

/// S3 writes checksums in base64.
fn checksum(bytes: &[u8]) -> String {
    let digest = hex::decode(Digest::of(bytes).as_str()).expect("a digest is hexadecimal");
    BASE64_STANDARD.encode(digest)
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
