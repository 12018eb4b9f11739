//! Whether people get mail.

use std::collections::BTreeMap;

use super::{Check, Finding};

/// A mail address that is subscribed to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The address, in lower case.
    pub address: String,
    /// Whether its owner said yes; before that, it gets nothing.
    pub confirmed: bool,
}

/// Somebody who is asked by mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// By which environments.
    pub by: Vec<String>,
    /// Whether they can answer by command, too.
    pub by_command: bool,
}

/// Amazon SNS takes a subscription away that nobody confirmed for 48 hours (Amazon SNS developer guide, "Deleting an
/// Amazon SNS topic and subscription"), so that waiting for the first mail may be in vain.
fn subscribe(topic: &str, address: &str, attributes: &str) -> String {
    format!(
        "Answer the mail \"AWS Notification - Subscription Confirmation\"; where it is lost or two days old, have another sent: \
         `aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {address}{attributes}`."
    )
}

/// Each approver takes their own mails and no others.
fn own_mails(address: &str) -> String {
    format!(" --attributes '{{\"FilterPolicy\":\"{{\\\"approver\\\":[\\\"{address}\\\"]}}\"}}'")
}

/// Those who are told how deployments go.
pub fn operators(topic: &str, subscriptions: &[Subscription]) -> Vec<Finding> {
    let name = Check::OperatorsMail;
    let pending = subscriptions.iter().filter(|subscription| !subscription.confirmed);
    let mut findings: Vec<Finding> = pending
        .map(|Subscription { address, .. }| {
            Finding::warning(
                name,
                address,
                "gets no mail about deployments and alarms until it confirms that it wants them",
                subscribe(topic, address, ""),
            )
        })
        .collect();
    match subscriptions
        .iter()
        .filter(|subscription| subscription.confirmed)
        .count()
    {
        0 if findings.is_empty() => findings.push(Finding::warning(
            name,
            topic,
            "nobody is told of deployments and alarms by mail",
            "Write the operators' addresses into `notify` of lockgate.toml, and deploy the configuration.",
        )),
        0 => {}
        1 => findings.push(Finding::ok(name, topic, "1 address is confirmed")),
        more => findings.push(Finding::ok(name, topic, format!("{more} addresses are confirmed"))),
    }
    findings
}

/// Those who are asked whether a release is accepted, by their address in lower case.
pub fn approvers(topic: &str, asked: &BTreeMap<String, Asked>, subscriptions: &[Subscription]) -> Vec<Finding> {
    let name = Check::ApproversMail;
    let is_confirmed = |address: &str| subscriptions.iter().any(|one| one.confirmed && one.address == address);
    let mut findings = Vec::new();
    let mut confirmed = 0_usize;
    for (address, Asked { by, by_command }) in asked {
        if is_confirmed(address) {
            confirmed += 1;
            continue;
        }
        let remedy = subscribe(topic, address, &own_mails(address));
        let by = by.join(", ");
        findings.push(if *by_command {
            let what =
                format!("is asked by {by}, gets no mail until it confirms that it wants them, and answers by command");
            Finding::warning(name, address, what, remedy)
        } else {
            let what = format!("is asked by {by}, and gets no mail until it confirms that it wants them");
            Finding::broken(name, address, what, remedy)
        });
    }
    let others = subscriptions
        .iter()
        .filter(|one| !one.confirmed && !asked.contains_key(&one.address));
    findings.extend(others.map(|Subscription { address, .. }| {
        Finding::warning(
            name,
            address,
            "has not confirmed that it wants mails, and no environment asks it",
            "Leave it: AWS takes it away by itself within 48 hours.",
        )
    }));
    match (confirmed, asked.len()) {
        (_, 0) => findings.push(Finding::ok(name, topic, "no environment asks anybody by mail")),
        (0, _) => {}
        (confirmed, all) => findings.push(Finding::ok(
            name,
            topic,
            format!("of {all} who are asked by mail, {confirmed} confirmed that they want them"),
        )),
    }
    findings
}
