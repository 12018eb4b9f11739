//! What people are told, through an SNS topic.

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

    /// Tells everybody who subscribed. A subject keeps at most 99 characters, all ASCII (SNS API reference, `Publish`).
    pub async fn tell(&self, subject: &str, body: &str) -> Result<(), Error> {
        let subject: String = subject
            .chars()
            .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' })
            .take(99)
            .collect();
        self.client
            .publish()
            .topic_arn(&self.topic)
            .subject(subject)
            .message(body)
            .send()
            .await
            .map_err(during("sns:Publish"))?;
        Ok(())
    }
}
