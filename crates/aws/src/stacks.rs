//! Stacks and change sets of one account and region, as its CloudFormation tells them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::retry::RetryConfig;
use aws_sdk_cloudformation::types::{
    self, Capability, ChangeSetType, EventFilter, Parameter, RollbackConfiguration, RollbackTrigger, Tag,
};
use aws_smithy_types::DateTime;
use domain::assembly::{Location, partition};
use domain::bake::Guard;
use domain::change_set::{Change, ChangeSetStatus, ExecutionStatus, Policy};
use domain::names::{Region, StackName};
use domain::root_cause::StackEvent;
use domain::stack_status::{StackResource, StackStatus};
use jiff::Timestamp;

use crate::clients::Aws;
use crate::error::{Error, Kind, during};

/// CloudFormation in one account and region.
#[derive(Debug, Clone)]
pub struct Stacks {
    client: Client,
    buckets: String,
}

/// A stack as `DescribeStacks` shows it, which may be a little out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its ARN.
    pub id: String,
    /// Its state.
    pub status: StackStatus,
    /// Why it is in that state.
    pub reason: String,
    /// The names of the parameters it was last given.
    pub parameters: BTreeSet<String>,
    /// Whether it is protected against deletion.
    pub protected: bool,
    /// When it was last changed, or made.
    pub changed_at: Option<Timestamp>,
}

/// A change set as `DescribeChangeSet` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// The ARN of its stack.
    pub stack_id: String,
    /// How its making went.
    pub status: ChangeSetStatus,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// How its execution went.
    pub execution: ExecutionStatus,
    /// Since when there is such a change set: no operation of it is older.
    pub created_at: Option<Timestamp>,
}

/// What is asked of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChangeSet<'a> {
    /// The stack.
    pub stack: &'a StackName,
    /// What the change set is called.
    pub name: &'a str,
    /// The token that makes asking twice harmless.
    pub token: &'a str,
    /// For people who find it in the console.
    pub description: &'a str,
    /// Whether it makes the stack.
    pub creates: bool,
    /// The role that CloudFormation makes the resources with.
    pub role: &'a str,
    /// Where the template lies.
    pub template_url: &'a str,
    /// Values of parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// Parameters that keep the value they have.
    pub kept_parameters: &'a BTreeSet<String>,
    /// The stack's tags.
    pub tags: &'a BTreeMap<String, String>,
    /// Who CloudFormation tells about the stack.
    pub notification_arns: &'a [String],
    /// Whether the stacks inside the stack are compared too.
    pub nested: bool,
    /// The alarms by which CloudFormation turns back while it executes the change set, and no others.
    pub guards: &'a [Guard],
}

/// What a template asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// The names of its parameters.
    pub parameters: BTreeSet<String>,
    /// Whether there are stacks in it.
    pub nested: bool,
}

const NESTED: &str = "AWS::CloudFormation::Stack";

impl Stacks {
    /// The stacks that can be reached so, in this region.
    pub fn new(target: &Aws, region: &Region) -> Self {
        let buckets = match target.config().endpoint_url() {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            // Path style, as the CDK CLI writes it: a bucket may have dots, which its own host name's certificate has not.
            None if partition(region) == "aws-cn" => format!("https://s3.{region}.amazonaws.com.cn"),
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        Self {
            client: target.cloudformation(),
            buckets,
        }
    }

    /// An object's address, as CloudFormation takes it for a template.
    pub fn template_url(&self, template: &Location) -> String {
        format!("{}/{}/{}", self.buckets, template.bucket, template.key)
    }

    /// A stack by name or ARN; nothing, where there is none. One that was deleted is only found by its ARN.
    pub async fn look(&self, stack: &str) -> Result<Option<Stack>, Error> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await;
        let found = match answer.map_err(during("cloudformation:DescribeStacks")) {
            Ok(answer) => answer.stacks.unwrap_or_default(),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(found.into_iter().next().map(|stack| {
            let parameters = stack.parameters().iter();
            Stack {
                id: stack.stack_id().unwrap_or_default().to_owned(),
                status: stack
                    .stack_status()
                    .map_or(StackStatus::Absent, |status| status.as_str().into()),
                reason: stack.stack_status_reason().unwrap_or_default().to_owned(),
                parameters: parameters
                    .filter_map(|parameter| parameter.parameter_key().map(str::to_owned))
                    .collect(),
                protected: stack.enable_termination_protection().unwrap_or_default(),
                changed_at: stack.last_updated_time().or(stack.creation_time()).and_then(instant),
            }
        }))
    }

    /// A change set by ARN, or by its name and its stack's; nothing, where there is none.
    pub async fn change_set(&self, id: &str, stack: &StackName) -> Result<Option<ChangeSet>, Error> {
        let request = self.client.describe_change_set().change_set_name(id);
        let answer = request.set_stack_name(stack_of(id, stack)).send().await;
        let found = match answer.map_err(during("cloudformation:DescribeChangeSet")) {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(ChangeSet {
            id: found.change_set_id().unwrap_or(id).to_owned(),
            stack_id: found.stack_id().unwrap_or_default().to_owned(),
            status: found.status().map_or("", |status| status.as_str()).into(),
            reason: found.status_reason().map(str::to_owned),
            execution: found.execution_status().map_or("", |status| status.as_str()).into(),
            created_at: found.creation_time().and_then(instant),
        }))
    }

    /// All that a change set changes, every page of it and of the change sets of nested stacks.
    pub async fn changes(&self, id: &str) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        let mut seen = BTreeSet::from([id.to_owned()]);
        let mut open = vec![id.to_owned()];
        while let Some(id) = open.pop() {
            let mut page = None;
            loop {
                let request = self.client.describe_change_set().change_set_name(&id);
                let answer = request.set_next_token(page).send().await;
                let answer = answer.map_err(during("cloudformation:DescribeChangeSet"))?;
                for change in answer.changes().iter().filter_map(|change| change.resource_change()) {
                    if let Some(nested) = change.change_set_id()
                        && seen.insert(nested.to_owned())
                    {
                        open.push(nested.to_owned());
                    }
                    changes.push(Change {
                        action: change.action().map_or("", |action| action.as_str()).into(),
                        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
                        resource_type: change.resource_type().unwrap_or_default().to_owned(),
                        replacement: change.replacement().map(types::Replacement::as_str).into(),
                        policy: change.policy_action().and_then(|policy| Policy::named(policy.as_str())),
                    });
                }
                page = answer.next_token;
                if page.is_none() {
                    break;
                }
            }
        }
        Ok(changes)
    }

    /// What a template asks for. Refused with [`Kind::Invalid`] where CloudFormation cannot read it.
    pub async fn template(&self, url: &str) -> Result<Template, Error> {
        let answer = self.client.get_template_summary().template_url(url).send().await;
        let summary = answer.map_err(during("cloudformation:GetTemplateSummary"))?;
        Ok(Template {
            parameters: summary
                .parameters()
                .iter()
                .filter_map(|parameter| parameter.parameter_key().map(str::to_owned))
                .collect(),
            nested: summary.resource_types().iter().any(|kind| kind == NESTED),
        })
    }

    /// Asks for a change set, and returns its ARN. It is not ready yet.
    pub async fn create_change_set(&self, asked: &NewChangeSet<'_>) -> Result<String, Error> {
        let operation = "cloudformation:CreateChangeSet";
        let given = asked
            .parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
        let kept = asked
            .kept_parameters
            .iter()
            .map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build());
        let tags = asked
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let answer = self
            .client
            .create_change_set()
            .stack_name(asked.stack.as_str())
            .change_set_name(asked.name)
            .client_token(asked.token)
            .description(asked.description)
            .change_set_type(if asked.creates {
                ChangeSetType::Create
            } else {
                ChangeSetType::Update
            })
            .role_arn(asked.role)
            .template_url(asked.template_url)
            .set_parameters(Some(given.chain(kept).collect()))
            // Given even when empty: left out, what the stack has would stay.
            .set_tags(Some(tags.collect()))
            .set_notification_arns(Some(asked.notification_arns.to_vec()))
            // The same: those of the last operation would stay, and turn back the way back.
            .rollback_configuration(guarded_by(asked.guards))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityNamedIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .set_include_nested_stacks(asked.nested.then_some(true))
            .send()
            .await
            .map_err(during(operation))?;
        answer
            .id
            .ok_or_else(|| Error::unexpected(operation, "the answer names no change set"))
    }

    /// Deletes a change set. One that is not there is deleted.
    pub async fn delete_change_set(&self, id: &str, stack: &StackName) -> Result<(), Error> {
        let request = self.client.delete_change_set().change_set_name(id);
        let answer = request.set_stack_name(stack_of(id, stack)).send().await;
        match answer.map_err(during("cloudformation:DeleteChangeSet")) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Why CloudFormation made nothing of a change set, where it says so only among its events
    /// (AWS CloudFormation User Guide, "Validate stack deployments").
    pub async fn validation_failures(&self, change_set: &str) -> Result<Vec<String>, Error> {
        let failed = EventFilter::builder().failed_events(true).build();
        let request = self.client.describe_events().change_set_name(change_set);
        let pages = request.filters(failed).into_paginator().items().send();
        let events = pages.collect::<Result<Vec<_>, _>>().await;
        let events = events.map_err(during("cloudformation:DescribeEvents"))?;
        let failures = events.iter().filter_map(|event| {
            let why = event.validation_status_reason().or(event.resource_status_reason())?;
            Some(match event.logical_resource_id() {
                Some(resource) => format!("{resource}: {why}"),
                None => why.to_owned(),
            })
        });
        Ok(failures.collect())
    }

    /// Executes a change set, in one attempt: what its error says is true of that attempt, and of no other before it.
    pub async fn execute(&self, change_set: &str, token: &str) -> Result<(), Error> {
        let once = aws_sdk_cloudformation::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self
            .client
            .execute_change_set()
            .change_set_name(change_set)
            .client_request_token(token);
        let answer = request.customize().config_override(once).send().await;
        answer.map(drop).map_err(during("cloudformation:ExecuteChangeSet"))
    }

    /// Continues a rollback that failed.
    pub async fn continue_rollback(&self, stack: &str, role: &str, token: &str) -> Result<(), Error> {
        let request = self.client.continue_update_rollback().stack_name(stack);
        let answer = request.role_arn(role).client_request_token(token).send().await;
        answer
            .map(drop)
            .map_err(during("cloudformation:ContinueUpdateRollback"))
    }

    /// Deletes a stack, given by its ARN: one made anew under its name is another one.
    pub async fn delete(&self, stack_id: &str, role: &str, token: &str) -> Result<(), Error> {
        let request = self.client.delete_stack().stack_name(stack_id);
        let answer = request.role_arn(role).client_request_token(token).send().await;
        answer.map(drop).map_err(during("cloudformation:DeleteStack"))
    }

    /// Protects a stack, given by its ARN, against deletion, or no longer does.
    pub async fn protect(&self, stack_id: &str, protected: bool) -> Result<(), Error> {
        let request = self.client.update_termination_protection().stack_name(stack_id);
        let answer = request.enable_termination_protection(protected).send().await;
        answer
            .map(drop)
            .map_err(during("cloudformation:UpdateTerminationProtection"))
    }

    /// The events of a stack since then, newest first, each once.
    ///
    /// A page's token may expire before the page is asked for; then all is read once more from the start.
    pub async fn events(&self, stack: &str, since: Timestamp) -> Result<Vec<StackEvent>, Error> {
        match self.read_events(stack, since).await {
            Err((error, true)) if error.is(Kind::Invalid) => self.read_events(stack, since).await,
            read => read,
        }
        .map_err(|(error, _)| error)
    }

    /// With the error: whether pages had been read before it.
    async fn read_events(&self, stack: &str, since: Timestamp) -> Result<Vec<StackEvent>, (Error, bool)> {
        let operation = "cloudformation:DescribeStackEvents";
        let mut events = Vec::new();
        let mut ids = BTreeSet::new();
        let mut page: Option<String> = None;
        loop {
            let later = page.is_some();
            let request = self.client.describe_stack_events().stack_name(stack);
            let answer = match request.set_next_token(page).send().await.map_err(during(operation)) {
                Ok(answer) => answer,
                Err(error) if is_absent(&error) && !later => return Ok(Vec::new()),
                Err(error) => return Err((error, later)),
            };
            let mut reached = false;
            for event in answer.stack_events() {
                let Some(timestamp) = event.timestamp().and_then(instant) else {
                    let error = Error::unexpected(operation, "an event has no time");
                    return Err((error, false));
                };
                reached |= timestamp < since;
                if timestamp < since || !ids.insert(event.event_id().unwrap_or_default().to_owned()) {
                    continue;
                }
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                events.push(StackEvent {
                    timestamp,
                    stack_id: text(event.stack_id()),
                    logical_id: text(event.logical_resource_id()),
                    physical_id: event.physical_resource_id().map(str::to_owned),
                    resource_type: text(event.resource_type()),
                    status: text(event.resource_status().map(types::ResourceStatus::as_str)),
                    reason: event.resource_status_reason().map(str::to_owned),
                    client_token: event.client_request_token().map(str::to_owned),
                });
            }
            page = answer.next_token;
            if reached || page.is_none() {
                return Ok(events);
            }
        }
    }

    /// The resources of a stack, every page.
    pub async fn resources(&self, stack: &str) -> Result<Vec<StackResource>, Error> {
        let pages = self.client.list_stack_resources().stack_name(stack).into_paginator();
        let read = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        let resources = read.map_err(during("cloudformation:ListStackResources"))?;
        Ok(resources
            .into_iter()
            .map(|resource| StackResource {
                logical_id: resource.logical_resource_id.unwrap_or_default(),
                physical_id: resource.physical_resource_id.unwrap_or_default(),
                resource_type: resource.resource_type.unwrap_or_default(),
                status: resource
                    .resource_status
                    .map_or_else(String::new, |status| status.as_str().to_owned()),
            })
            .collect())
    }
}

/// Whether CloudFormation says that there is no such stack or change set. Of a stack it has no error code for that.
fn is_absent(error: &Error) -> bool {
    error.is(Kind::NotFound) || (error.is(Kind::Invalid) && error.detail.contains("does not exist"))
}

/// What a stack tells everybody who may look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its state.
    pub status: StackStatus,
    /// Its outputs, by name.
    pub outputs: BTreeMap<String, String>,
    /// The parameters it was last given, by name; those that are secret are asterisks.
    pub parameters: BTreeMap<String, String>,
}

/// What a stack tells; nothing, where there is no such stack.
pub async fn told(aws: &Aws, stack: &str) -> Result<Option<Told>, Error> {
    let answer = aws.cloudformation().describe_stacks().stack_name(stack).send().await;
    let found = match answer.map_err(during("cloudformation:DescribeStacks")) {
        Ok(answer) => answer.stacks.unwrap_or_default(),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(found.into_iter().next().map(|stack| {
        let status = stack.stack_status.as_ref();
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        Told {
            status: status.map_or(StackStatus::Absent, |status| status.as_str().into()),
            outputs: outputs
                .filter_map(|output| Some((output.output_key?, output.output_value?)))
                .collect(),
            parameters: parameters
                .filter_map(|parameter| Some((parameter.parameter_key?, parameter.parameter_value?)))
                .collect(),
        }
    }))
}

/// The outputs of a stack, by name; nothing, where there is no such stack.
pub async fn outputs(aws: &Aws, stack: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
    Ok(told(aws, stack).await?.map(|told| told.outputs))
}

/// A change set's ARN says all; its name does only beside its stack's.
fn stack_of(change_set: &str, stack: &StackName) -> Option<String> {
    (!change_set.starts_with("arn:")).then(|| stack.as_str().to_owned())
}

fn instant(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at.as_nanos()).ok()
}

/// As CloudFormation is told of alarms: for as long as it works on the stack, and no longer.
fn guarded_by(guards: &[Guard]) -> RollbackConfiguration {
    let trigger = |guard: &Guard| {
        let kind = if guard.composite {
            "AWS::CloudWatch::CompositeAlarm"
        } else {
            "AWS::CloudWatch::Alarm"
        };
        RollbackTrigger::builder().arn(&guard.arn).r#type(kind).build()
    };
    RollbackConfiguration::builder()
        .set_rollback_triggers(Some(guards.iter().map(trigger).collect()))
        .monitoring_time_in_minutes(0)
        .build()
}
