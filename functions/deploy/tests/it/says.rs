//! What CloudFormation says, as its API reference writes it.

use std::fmt::Write as _;

pub const STACK: &str = "arn:aws:cloudformation:eu-west-1:222222222222:stack/shop-dev/0f1e";
pub const SET: &str = "arn:aws:cloudformation:eu-west-1:222222222222:changeSet/lockgate/5a5a";
/// When the change set was made.
pub const MADE: &str = "2026-11-20T10:00:00Z";

type Said = (u16, String);

pub fn error(code: &str, message: &str) -> Said {
    let status = match code {
        "AccessDenied" => 403,
        "ChangeSetNotFound" => 404,
        "InternalFailure" => 500,
        _ => 400,
    };
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    (
        status,
        format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"),
    )
}

pub fn result(action: &str, inner: &str) -> Said {
    let result = format!("<{action}Result>{inner}</{action}Result>");
    (200, format!("<{action}Response>{result}</{action}Response>"))
}

pub fn no_stack() -> Said {
    error("ValidationError", "Stack with id shop-dev does not exist")
}

pub fn no_set() -> Said {
    error("ChangeSetNotFound", "ChangeSet [lockgate] does not exist")
}

pub fn stack(status: &str) -> Said {
    stack_with(status, "")
}

pub fn stack_with(status: &str, more: &str) -> Said {
    let member = format!(
        "<member><StackId>{STACK}</StackId><StackName>shop-dev</StackName><StackStatus>{status}</StackStatus>\
         <CreationTime>{MADE}</CreationTime>{more}</member>"
    );
    result("DescribeStacks", &format!("<Stacks>{member}</Stacks>"))
}

/// A change set: how its making and its execution stand, and why.
pub fn set(status: &str, execution: &str, reason: &str) -> Said {
    set_page(status, execution, reason, &[], None)
}

pub fn set_page(status: &str, execution: &str, reason: &str, changes: &[&str], next: Option<&str>) -> Said {
    let mut inner = format!(
        "<ChangeSetId>{SET}</ChangeSetId><StackId>{STACK}</StackId><Status>{status}</Status>\
         <ExecutionStatus>{execution}</ExecutionStatus><StatusReason>{reason}</StatusReason>\
         <CreationTime>{MADE}</CreationTime>"
    );
    let rows = changes.concat();
    write!(inner, "<Changes>{rows}</Changes>").unwrap();
    if let Some(next) = next {
        write!(inner, "<NextToken>{next}</NextToken>").unwrap();
    }
    result("DescribeChangeSet", &inner)
}

pub fn change(action: &str, logical_id: &str, kind: &str, more: &str) -> String {
    format!(
        "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action>\
         <LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>{kind}</ResourceType>{more}\
         </ResourceChange></member>"
    )
}

/// An event: its id, time after ten o'clock in seconds, resource, status, reason and token.
pub fn event(id: u32, resource: (&str, &str, &str), status: &str, reason: &str, token: &str) -> String {
    let (logical_id, physical_id, kind) = resource;
    format!(
        "<member><EventId>e{id}</EventId><StackId>{STACK}</StackId><StackName>shop-dev</StackName>\
         <LogicalResourceId>{logical_id}</LogicalResourceId><PhysicalResourceId>{physical_id}</PhysicalResourceId>\
         <ResourceType>{kind}</ResourceType><ResourceStatus>{status}</ResourceStatus>\
         <ResourceStatusReason>{reason}</ResourceStatusReason>\
         <Timestamp>2026-11-20T10:{:02}:{:02}Z</Timestamp><ClientRequestToken>{token}</ClientRequestToken></member>",
        id / 60,
        id % 60
    )
}

/// An event of the stack itself.
pub fn of_stack(id: u32, status: &str, token: &str) -> String {
    event(id, ("shop-dev", STACK, "AWS::CloudFormation::Stack"), status, "", token)
}

/// A page of events, newest first.
pub fn events(events: &[String], next: Option<&str>) -> Said {
    let mut inner = format!("<StackEvents>{}</StackEvents>", events.concat());
    if let Some(next) = next {
        write!(inner, "<NextToken>{next}</NextToken>").unwrap();
    }
    result("DescribeStackEvents", &inner)
}

pub fn template(parameters: &[&str], types: &[&str]) -> Said {
    let parameters = members(parameters, |name| format!("<ParameterKey>{name}</ParameterKey>"));
    let types = members(types, |kind| (*kind).to_owned());
    let inner = format!("<Parameters>{parameters}</Parameters><ResourceTypes>{types}</ResourceTypes>");
    result("GetTemplateSummary", &inner)
}

pub fn resources(left: &[(&str, &str)]) -> Said {
    let left = members(left, |(id, status)| {
        format!(
            "<LogicalResourceId>{id}</LogicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
             <ResourceStatus>{status}</ResourceStatus><LastUpdatedTimestamp>{MADE}</LastUpdatedTimestamp>"
        )
    });
    result(
        "ListStackResources",
        &format!("<StackResourceSummaries>{left}</StackResourceSummaries>"),
    )
}

fn members<T>(all: &[T], inner: impl Fn(&T) -> String) -> String {
    let members: Vec<String> = all
        .iter()
        .map(|one| format!("<member>{}</member>", inner(one)))
        .collect();
    members.concat()
}
