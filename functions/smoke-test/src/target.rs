//! The environment's account, seen with the tester's role: stack outputs, and functions to invoke.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws::error::during;
use aws::{Aws, Error, Kind};
use domain::names::StackName;
use domain::smoke_test::{LambdaReply, LambdaRequest, Outputs};
use futures::{StreamExt as _, TryStreamExt as _};

/// How many stacks are looked at at once: `DescribeStacks` is throttled per account.
const AT_ONCE: usize = 4;

/// The environment's account, seen with the tester's role.
#[derive(Debug, Clone)]
pub struct Target {
    tester: Aws,
    once: Aws,
}

impl Target {
    /// With the tester's credentials.
    pub fn new(tester: Aws) -> Self {
        // A check is tried again by its own rounds: an order that was placed must not be placed again unseen.
        let once = tester
            .config()
            .retry_config()
            .cloned()
            .map(|retry| retry.with_max_attempts(1));
        let mut config = tester.config().to_builder();
        config.set_retry_config(once);
        Self {
            once: Aws::with(config.build()),
            tester,
        }
    }

    /// The outputs of those of these stacks that there are.
    pub async fn outputs(&self, stacks: impl IntoIterator<Item = StackName>) -> Result<Outputs, Error> {
        let found: Vec<Option<(StackName, BTreeMap<String, String>)>> =
            futures::stream::iter(stacks.into_iter().map(|stack| self.outputs_of(stack)))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn outputs_of(&self, name: StackName) -> Result<Option<(StackName, BTreeMap<String, String>)>, Error> {
        let answer = self
            .tester
            .cloudformation()
            .describe_stacks()
            .stack_name(name.as_str())
            .send()
            .await;
        let stacks = match answer.map_err(during("cloudformation:DescribeStacks")) {
            Ok(found) => found.stacks.unwrap_or_default(),
            // CloudFormation has no error code of its own for a stack that is not there.
            Err(error) if error.is(Kind::NotFound) || error.detail.contains("does not exist") => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(stacks.into_iter().next().map(|stack| {
            let outputs = stack.outputs.unwrap_or_default().into_iter();
            (
                name,
                outputs
                    .filter_map(|output| Some((output.output_key?, output.output_value?)))
                    .collect(),
            )
        }))
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// With the reason why there is no answer, as a sentence.
    pub async fn invoke(&self, request: &LambdaRequest, longest: Duration) -> Result<LambdaReply, String> {
        let started = Instant::now();
        let payload = request.payload.to_string().into_bytes();
        let invoked = self
            .once
            .lambda()
            .invoke()
            .function_name(&request.function)
            .payload(payload.into())
            .send();
        match tokio::time::timeout(longest, invoked).await {
            Err(_) => Err(format!("there was no answer within {} ms", longest.as_millis())),
            Ok(Err(error)) => Err(during("lambda:InvokeFunction")(error).to_string()),
            Ok(Ok(answer)) => Ok(LambdaReply {
                error: answer.function_error,
                payload: answer.payload.map(|payload| payload.into_inner()).unwrap_or_default(),
                took: started.elapsed(),
            }),
        }
    }
}
