//! Why a stack could not be changed: the first failure among its events, in one sentence.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::harmless::harmless;

/// Something that happened to a resource of a stack, or to the stack itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// When.
    pub timestamp: Timestamp,
    /// The stack it happened in, by its ARN.
    pub stack_id: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// The resource itself; of a nested stack, its ARN.
    pub physical_id: Option<String>,
    /// The resource's type.
    pub resource_type: String,
    /// The state it came to.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The token of the operation that it belongs to.
    pub client_token: Option<String>,
}

const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

impl StackEvent {
    /// Whether it happened to the stack, and not to something in it.
    pub fn is_of_the_stack_itself(&self) -> bool {
        self.resource_type == STACK_TYPE && self.physical_id.as_deref() == Some(&self.stack_id)
    }

    fn failed(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    fn nested_stack(&self) -> Option<&str> {
        let nested = self.resource_type == STACK_TYPE && !self.is_of_the_stack_itself();
        self.physical_id.as_deref().filter(|id| nested && !id.is_empty())
    }

    /// Whether it only follows from another failure. "Resource creation cancelled" and "Resource update cancelled" are
    /// what CloudFormation says of everything it stops when something else has failed.
    fn is_a_consequence(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        reason.is_empty() || reason.contains("cancelled") || reason.starts_with("The following resource(s) failed")
    }
}

/// The first failure of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCause {
    /// The names of the resource and of the nested stacks around it, outermost first. Empty for the stack itself.
    pub path: Vec<String>,
    /// The resource's type.
    pub resource_type: String,
    /// What CloudFormation says.
    pub reason: String,
}

impl RootCause {
    /// The most characters of a sentence, so that it fits into a failure's cause with a word before it.
    pub const LIMIT: usize = 500;

    /// The failure in one line, such as `Web/Handler (AWS::Lambda::Function): The role cannot be assumed`.
    pub fn sentence(&self) -> String {
        let text = if self.path.is_empty() {
            self.reason.clone()
        } else {
            format!("{} ({}): {}", self.path.join("/"), self.resource_type, self.reason)
        };
        harmless(&text, Self::LIMIT)
    }
}

/// The nested stacks that failed in these events: whoever wants the innermost cause reads their events too, and asks
/// again until no stack is new.
pub fn nested_stacks_that_failed(events: &[StackEvent]) -> BTreeSet<String> {
    let failed = events.iter().filter(|event| event.failed());
    failed
        .filter_map(|event| event.nested_stack().map(str::to_owned))
        .collect()
}

/// Why an operation on the stack failed, from its events and those of the nested stacks that were read, in any order.
///
/// With a token, only events that carry it count, unless none does. Without one, only those since the stack's newest
/// operation began.
pub fn root_cause(events: &[StackEvent], stack_id: &str, token: Option<&str>) -> Option<RootCause> {
    let mut ordered: Vec<&StackEvent> = events.iter().collect();
    // Newest first is how CloudFormation lists them; of one instant, the one listed later happened first.
    ordered.reverse();
    ordered.sort_by_key(|event| event.timestamp);
    let of_stack = |event: &&&StackEvent| event.stack_id == stack_id;
    let of_operation = |event: &&&StackEvent| token.is_some() && event.client_token.as_deref() == token;
    let begin = ordered
        .iter()
        .filter(of_stack)
        .find(of_operation)
        .or_else(|| {
            ordered
                .iter()
                .filter(of_stack)
                .rev()
                .find(|event| begins_an_operation(event))
        })
        .map_or(Timestamp::MIN, |event| event.timestamp);
    let tokens_are_known = ordered.iter().filter(of_stack).any(|event| of_operation(&event));
    ordered.retain(|event| {
        let foreign = tokens_are_known && event.stack_id == stack_id && event.client_token.as_deref() != token;
        event.timestamp >= begin && !foreign
    });
    first_failure(&ordered, stack_id, &mut BTreeSet::new()).or_else(|| what_the_stack_says(&ordered, stack_id))
}

fn begins_an_operation(event: &StackEvent) -> bool {
    event.is_of_the_stack_itself()
        && matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS"
        )
}

fn first_failure<'a>(ordered: &[&'a StackEvent], stack_id: &str, seen: &mut BTreeSet<&'a str>) -> Option<RootCause> {
    let failures = || {
        ordered
            .iter()
            .filter(|event| event.stack_id == stack_id && event.failed())
    };
    let event = failures().find(|event| !event.is_of_the_stack_itself() && !event.is_a_consequence())?;
    let inner = event
        .nested_stack()
        .filter(|nested| seen.insert(nested))
        .and_then(|nested| {
            let inner = first_failure(ordered, nested, seen)?;
            let path = [event.logical_id.clone()].into_iter().chain(inner.path).collect();
            Some(RootCause { path, ..inner })
        });
    Some(inner.unwrap_or_else(|| RootCause {
        path: vec![event.logical_id.clone()],
        resource_type: event.resource_type.clone(),
        reason: event.reason.clone().unwrap_or_default(),
    }))
}

/// What the stack itself gives as a reason, where no resource has one of its own.
fn what_the_stack_says(ordered: &[&StackEvent], stack_id: &str) -> Option<RootCause> {
    let told = ordered.iter().find(|event| {
        event.stack_id == stack_id
            && event.is_of_the_stack_itself()
            && (event.failed()
                || matches!(
                    event.status.as_str(),
                    "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS"
                ))
            && event.reason.as_deref().is_some_and(|reason| !reason.is_empty())
    })?;
    Some(RootCause {
        path: Vec::new(),
        resource_type: told.resource_type.clone(),
        reason: told.reason.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "arn:aws:cloudformation:eu-west-1:222222222222:stack/shop-dev/1";
    const NESTED: &str = "arn:aws:cloudformation:eu-west-1:222222222222:stack/shop-dev-Api-9/2";

    /// Events from a table, newest first as CloudFormation lists them:
    /// seconds, stack, logical id, type, status, token, reason.
    fn events(table: &str) -> Vec<StackEvent> {
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [seconds, stack, logical_id, resource_type, status, token, reason] = cells[..] else {
                panic!("{line}")
            };
            let id = |stack: &str| if stack == "nested" { NESTED } else { ROOT }.to_owned();
            let physical = match logical_id {
                "shop-dev" => Some(ROOT.to_owned()),
                "shop-dev-Api-9" | "Api" => Some(NESTED.to_owned()),
                other => Some(format!("physical-{other}")),
            };
            StackEvent {
                timestamp: format!("2026-11-23T10:00:{seconds}Z").parse().unwrap(),
                stack_id: id(stack),
                logical_id: logical_id.to_owned(),
                physical_id: physical,
                resource_type: if resource_type == "Stack" {
                    STACK_TYPE.to_owned()
                } else {
                    format!("AWS::{resource_type}")
                },
                status: status.to_owned(),
                reason: (!reason.is_empty()).then(|| reason.to_owned()),
                client_token: (!token.is_empty()).then(|| token.to_owned()),
            }
        };
        table.trim().lines().map(row).collect()
    }

    fn sentence(events: &[StackEvent], token: Option<&str>) -> String {
        root_cause(events, ROOT, token).map_or("-".to_owned(), |cause| cause.sentence())
    }

    #[test]
    fn the_first_failure_counts_and_not_what_it_stopped() {
        let events = events(
            r"
            20 | root | shop-dev | Stack            | UPDATE_ROLLBACK_COMPLETE    | t1 |
            12 | root | Handler  | Lambda::Function | UPDATE_COMPLETE             | t1 |
            10 | root | shop-dev | Stack            | UPDATE_ROLLBACK_IN_PROGRESS | t1 | The following resource(s) failed to update: [Handler, Topic].
            09 | root | Topic    | SNS::Topic       | UPDATE_FAILED               | t1 | Resource update cancelled
            08 | root | Handler  | Lambda::Function | UPDATE_FAILED               | t1 | The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400)
            02 | root | Handler  | Lambda::Function | UPDATE_IN_PROGRESS          | t1 |
            01 | root | shop-dev | Stack            | UPDATE_IN_PROGRESS          | t1 | User Initiated
            ",
        );
        insta::assert_snapshot!(sentence(&events, Some("t1")), @"Handler (AWS::Lambda::Function): The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400)");
        insta::assert_snapshot!(sentence(&events, None), @"Handler (AWS::Lambda::Function): The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400)");
    }

    #[test]
    fn a_failure_is_followed_into_the_nested_stack() {
        let outer = events(
            r"
            12 | root   | shop-dev       | Stack            | ROLLBACK_IN_PROGRESS | t1 | The following resource(s) failed to create: [Api].
            11 | root   | Api            | Stack            | CREATE_FAILED        | t1 | Embedded stack was not successfully created: The following resource(s) failed to create: [Handler].
            01 | root   | shop-dev       | Stack            | CREATE_IN_PROGRESS   | t1 | User Initiated
            ",
        );
        let inner = events(
            r"
            10 | nested | shop-dev-Api-9 | Stack            | ROLLBACK_IN_PROGRESS |    | The following resource(s) failed to create: [Handler].
            09 | nested | Role           | IAM::Role        | CREATE_FAILED        |    | Resource creation cancelled
            08 | nested | Handler        | Lambda::Function | CREATE_FAILED        |    | Runtime python2.7 is not supported
            ",
        );
        assert_eq!(nested_stacks_that_failed(&outer), BTreeSet::from([NESTED.to_owned()]));
        insta::assert_snapshot!(sentence(&outer, Some("t1")), @"Api (AWS::CloudFormation::Stack): Embedded stack was not successfully created: The following resource(s) failed to create: [Handler].");
        let both: Vec<StackEvent> = outer.into_iter().chain(inner).collect();
        insta::assert_snapshot!(sentence(&both, Some("t1")), @"Api/Handler (AWS::Lambda::Function): Runtime python2.7 is not supported");
    }

    #[test]
    fn an_earlier_operation_is_not_blamed() {
        let events = events(
            r"
            30 | root | shop-dev | Stack            | UPDATE_ROLLBACK_IN_PROGRESS | t2 | The following resource(s) failed to update: [Alarm].
            29 | root | Alarm    | CloudWatch::Alarm | UPDATE_FAILED              | t2 | Invalid operator
            21 | root | shop-dev | Stack            | UPDATE_IN_PROGRESS          | t2 | User Initiated
            20 | root | shop-dev | Stack            | UPDATE_ROLLBACK_COMPLETE    | t1 |
            08 | root | Handler  | Lambda::Function | UPDATE_FAILED               | t1 | An old story
            01 | root | shop-dev | Stack            | UPDATE_IN_PROGRESS          | t1 | User Initiated
            ",
        );
        insta::assert_snapshot!(sentence(&events, Some("t2")), @"Alarm (AWS::CloudWatch::Alarm): Invalid operator");
        insta::assert_snapshot!(sentence(&events, Some("t1")), @"Handler (AWS::Lambda::Function): An old story");
        insta::assert_snapshot!(sentence(&events, None), @"Alarm (AWS::CloudWatch::Alarm): Invalid operator");
    }

    #[test]
    fn where_no_resource_failed_the_stack_speaks_for_itself() {
        let cancelled = events(
            r"
            05 | root | shop-dev | Stack | UPDATE_ROLLBACK_IN_PROGRESS | t1 | User requested cancel
            01 | root | shop-dev | Stack | UPDATE_IN_PROGRESS          | t1 | User Initiated
            ",
        );
        insta::assert_snapshot!(sentence(&cancelled, Some("t1")), @"User requested cancel");
        let fine = events("05 | root | shop-dev | Stack | UPDATE_COMPLETE | t1 |");
        insta::assert_snapshot!(sentence(&fine, Some("t1")), @"-");
        insta::assert_snapshot!(sentence(&[], None), @"-");
    }

    #[test]
    fn what_a_custom_resource_says_is_made_harmless() {
        let mut events = events("08 | root | Seed | CloudFormation::CustomResource | CREATE_FAILED | t1 | x");
        events[0].reason = Some(format!(
            "Traceback\r\n\u{1b}[31m  File \"/var/task/i.py\"\u{202e}\n{}",
            "x".repeat(5_000)
        ));
        let sentence = sentence(&events, Some("t1"));
        assert_eq!(sentence.chars().count(), RootCause::LIMIT);
        assert!(
            sentence
                .starts_with("Seed (AWS::CloudFormation::CustomResource): Traceback [31m File \"/var/task/i.py\" xxx")
        );
    }

    proptest! {
        #[test]
        fn stacks_nested_in_themselves_do_not_loop(picks in proptest::collection::vec((0_usize..3, 0_usize..3, any::<bool>()), 0..8)) {
            let ids = [ROOT, NESTED, "arn:third"];
            let events: Vec<StackEvent> = picks
                .iter()
                .map(|(stack, inner, failed)| StackEvent {
                    timestamp: Timestamp::UNIX_EPOCH,
                    stack_id: ids[*stack].to_owned(),
                    logical_id: "Inner".to_owned(),
                    physical_id: Some(ids[*inner].to_owned()),
                    resource_type: STACK_TYPE.to_owned(),
                    status: if *failed { "CREATE_FAILED" } else { "CREATE_COMPLETE" }.to_owned(),
                    reason: Some("it failed".to_owned()),
                    client_token: None,
                })
                .collect();
            if let Some(cause) = root_cause(&events, ROOT, None) {
                prop_assert!(cause.path.len() <= 4);
            }
        }
    }
}
