//! Rules of EventBridge, looked at.

use aws_sdk_eventbridge::types::RuleState;

use crate::error::{Error, Kind, during};

/// EventBridge's rules of one account and region.
#[derive(Debug, Clone)]
pub struct Rules {
    client: aws_sdk_eventbridge::Client,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whether it is on.
    pub is_on: bool,
    /// The ARNs of what it sends events to.
    pub targets: Vec<String>,
}

impl Rules {
    /// The rules of the account and region that this client acts in.
    pub fn new(client: aws_sdk_eventbridge::Client) -> Self {
        Self { client }
    }

    /// A rule by what CloudFormation calls it: its name, with that of its bus and a `|` before it, where that is one of its
    /// own. Nothing, where there is no such rule.
    pub async fn look(&self, named: &str) -> Result<Option<Rule>, Error> {
        let (bus, name) = match named.split_once('|') {
            Some((bus, name)) => (Some(bus.to_owned()), name),
            None => (None, named),
        };
        let answer = self
            .client
            .describe_rule()
            .name(name)
            .set_event_bus_name(bus.clone())
            .send()
            .await;
        let state = match answer.map_err(during("events:DescribeRule")) {
            Ok(rule) => rule.state,
            Err(error) if error.is(Kind::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut targets = Vec::new();
        let mut page = None;
        loop {
            let request = self
                .client
                .list_targets_by_rule()
                .rule(name)
                .set_event_bus_name(bus.clone());
            let answer = request.set_next_token(page).send().await;
            let answer = answer.map_err(during("events:ListTargetsByRule"))?;
            targets.extend(answer.targets.unwrap_or_default().into_iter().map(|target| target.arn));
            page = answer.next_token;
            if page.is_none() {
                break;
            }
        }
        Ok(Some(Rule {
            is_on: state.is_some_and(|state| state != RuleState::Disabled),
            targets,
        }))
    }
}
