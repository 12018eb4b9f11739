//! An account of the local AWS, as its root.

use std::collections::BTreeMap;

use aws::Aws;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types::{Stack, StackEvent};
use aws_sdk_sts::config::Credentials;
use jiff::Timestamp;

use crate::{REGION, Trouble};

/// Somebody's access key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key's id.
    pub key: String,
    /// The secret.
    pub secret: String,
    /// What goes with a key that is of no use after an hour.
    pub session: Option<String>,
}

/// An account, with every right in it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its 12 digits.
    pub id: String,
    /// The way in.
    pub aws: Aws,
}

impl Account {
    /// The root of an account: the local AWS takes an access key of 12 digits as that.
    pub async fn root(endpoint: &str, id: &str) -> Self {
        let config: SdkConfig = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(aws::clients::http_client())
            .endpoint_url(endpoint)
            .region(aws_config::Region::new(REGION))
            .credentials_provider(Credentials::new(id, "local", None, None, "local"))
            .load()
            .await;
        Self {
            id: id.to_owned(),
            aws: Aws::with(config),
        }
    }

    /// Its root's own access key.
    pub fn identity(&self) -> Identity {
        Identity {
            key: self.id.clone(),
            secret: "local".to_owned(),
            session: None,
        }
    }

    /// Somebody who signed in to a role of the account.
    pub async fn sign_in(&self, role: &str, session: &str) -> Result<Identity, Trouble> {
        let what = format!("signing in to {role}");
        let assumed = aws_sdk_sts::Client::new(self.aws.config())
            .assume_role()
            .role_arn(format!("arn:aws:iam::{}:role/{role}", self.id))
            .role_session_name(session)
            .send()
            .await
            .map_err(|error| Trouble(format!("{what}: {:?}", error.into_service_error())))?;
        let credentials = assumed.credentials().ok_or(Trouble(what))?;
        Ok(Identity {
            key: credentials.access_key_id().to_owned(),
            secret: credentials.secret_access_key().to_owned(),
            session: Some(credentials.session_token().to_owned()),
        })
    }

    /// The outputs of a stack, by key.
    pub async fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>, Trouble> {
        let described = self.describe(stack).await?;
        let outputs = described.as_ref().map(Stack::outputs).unwrap_or_default();
        Ok(outputs
            .iter()
            .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
            .collect())
    }

    /// The status of a stack; nothing, where there is none.
    pub async fn stack_status(&self, stack: &str) -> Option<String> {
        let described = self.describe(stack).await.ok()??;
        Some(described.stack_status()?.as_str().to_owned())
    }

    /// When CloudFormation was asked for a change set, by its ARN.
    pub async fn change_set_asked(&self, change_set: &str) -> Result<Timestamp, Trouble> {
        let what = format!("describing {change_set}");
        let asked = self
            .aws
            .cloudformation()
            .describe_change_set()
            .change_set_name(change_set);
        let described = asked.send().await;
        let described = described.map_err(|error| Trouble(format!("{what}: {:?}", error.into_service_error())))?;
        described.creation_time().and_then(timestamp).ok_or(Trouble(what))
    }

    /// When a stack came into the status that it has, by its own last event.
    pub async fn stack_settled(&self, stack: &str) -> Result<Timestamp, Trouble> {
        let what = format!("reading the events of {stack}");
        let asked = self.aws.cloudformation().describe_stack_events().stack_name(stack);
        let answer = asked.send().await;
        let answer = answer.map_err(|error| Trouble(format!("{what}: {:?}", error.into_service_error())))?;
        // The newest come first, and the stack's own carry its id twice.
        let own = |event: &&StackEvent| event.physical_resource_id() == event.stack_id();
        let newest = answer.stack_events().iter().find(own);
        newest
            .and_then(|event| timestamp(event.timestamp()?))
            .ok_or(Trouble(what))
    }

    async fn describe(&self, stack: &str) -> Result<Option<Stack>, Trouble> {
        let asked = self.aws.cloudformation().describe_stacks().stack_name(stack);
        let answer = asked.send().await;
        let answer =
            answer.map_err(|error| Trouble(format!("describing {stack}: {:?}", error.into_service_error())))?;
        Ok(answer.stacks.unwrap_or_default().into_iter().next())
    }
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
}
