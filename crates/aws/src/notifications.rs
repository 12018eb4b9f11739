//! What people are told and asked, through SNS topics.

use std::collections::BTreeSet;

use aws_sdk_sns::types::MessageAttributeValue;
use domain::approval::Approver;
use domain::doctor::Subscription;

use crate::error::{Error, during};

/// The topic that operators and developers subscribe to.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: aws_sdk_sns::Client,
    topic: String,
}

impl Notifications {
    /// The topic of this ARN.
    pub fn new(client: aws_sdk_sns::Client, topic: impl Into<String>) -> Self {
        Self {
            client,
            topic: topic.into(),
        }
    }

    /// Tells everybody who subscribed.
    pub async fn tell(&self, subject: &str, body: &str) -> Result<(), Error> {
        self.client
            .publish()
            .topic_arn(&self.topic)
            .subject(ascii(subject))
            .message(body)
            .send()
            .await
            .map_err(during("sns:Publish"))?;
        Ok(())
    }
}

/// The topic that approvers are asked through: each has a subscription of their own, which lets through what has their
/// address in the message attribute `approver`.
#[derive(Debug, Clone)]
pub struct Approvers {
    client: aws_sdk_sns::Client,
    topic: String,
}

impl Approvers {
    /// The topic of this ARN.
    pub fn new(client: aws_sdk_sns::Client, topic: impl Into<String>) -> Self {
        Self {
            client,
            topic: topic.into(),
        }
    }

    /// Sends one approver a mail; those without an address get none.
    pub async fn ask(&self, approver: &Approver, subject: &str, body: &str) -> Result<(), Error> {
        let Some(mail) = approver.mail() else { return Ok(()) };
        let operation = "sns:Publish";
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(mail)
            .build()
            .map_err(|error| Error::unexpected(operation, error.to_string()))?;
        self.client
            .publish()
            .topic_arn(&self.topic)
            .subject(ascii(subject))
            .message(body)
            .message_attributes("approver", attribute)
            .send()
            .await
            .map_err(during(operation))?;
        Ok(())
    }

    /// The addresses whose owners confirmed their subscription: the others get nothing, and SNS does not say so when it is
    /// given a message (SNS developer guide, "Email notifications"). In lower case, as an approver's address is.
    pub async fn confirmed(&self) -> Result<BTreeSet<String>, Error> {
        let subscriptions = subscriptions(&self.client, &self.topic).await?.into_iter();
        let confirmed = subscriptions.filter(|subscription| subscription.confirmed);
        Ok(confirmed.map(|subscription| subscription.address).collect())
    }
}

/// The addresses that are subscribed to a topic, every page of them.
pub async fn subscriptions(client: &aws_sdk_sns::Client, topic: &str) -> Result<Vec<Subscription>, Error> {
    let pages = client
        .list_subscriptions_by_topic()
        .topic_arn(topic)
        .into_paginator()
        .send()
        .try_collect()
        .await
        .map_err(during("sns:ListSubscriptionsByTopic"))?;
    let subscriptions = pages
        .into_iter()
        .flat_map(|page| page.subscriptions.unwrap_or_default());
    Ok(subscriptions
        .filter_map(|subscription| {
            // "PendingConfirmation" or "Deleted" stand where the ARN of a working one does.
            let arn = subscription.subscription_arn.unwrap_or_default();
            let address = subscription.endpoint.filter(|_| arn != "Deleted")?;
            Some(Subscription {
                address: address.to_ascii_lowercase(),
                confirmed: arn.starts_with("arn:"),
            })
        })
        .collect())
}

/// A subject as SNS takes it: at most 99 characters, all ASCII (SNS API reference, `Publish`).
fn ascii(subject: &str) -> String {
    subject
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' })
        .take(99)
        .collect()
}
