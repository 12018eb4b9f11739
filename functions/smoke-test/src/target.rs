//! The environment's account, seen with the tester's role: stack outputs, and functions to invoke.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws::error::during;
use aws::stacks::outputs;
use aws::{Aws, Error};
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
        let found = outputs(&self.tester, name.as_str()).await?;
        Ok(found.map(|outputs| (name, outputs)))
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
                payload: answer
                    .payload
                    .as_ref()
                    .map(|payload| payload.as_ref().to_vec())
                    .unwrap_or_default(),
                took: started.elapsed(),
            }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use aws::Kind;
    use aws_config::retry::RetryConfig;
    use aws_config::{BehaviorVersion, SdkConfig};
    use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
    use domain::smoke_test::LambdaExpectation;
    use serde_json::json;

    use super::*;
    use crate::http::tests::{Server, say};

    /// The target account, as this server answers for it.
    fn target(server: &Server) -> Target {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(server.url("127.0.0.1"))
            .region(aws_config::Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "a", "s", None, None, "test",
            )))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::ZERO))
            .build();
        Target::new(Aws::with(config))
    }

    fn answer(status: &str, header: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{header}\r\n{body}",
            body.len()
        )
    }

    fn request() -> LambdaRequest {
        LambdaRequest {
            function: "shop".to_owned(),
            payload: json!({ "sku": "tea" }),
            expect: LambdaExpectation {
                json: vec![],
                within: Duration::ZERO,
            },
        }
    }

    /// As `DescribeStacks` and "Common error types" of the API reference show them.
    #[tokio::test]
    async fn outputs_are_those_of_the_stacks_that_there_are() {
        let server = Server::start(|_, request, mut stream| async move {
            let text = if request.contains("StackName=web") {
                answer(
                    "200 OK",
                    "",
                    "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
                     <DescribeStacksResult><Stacks><member><StackName>web</StackName>\
                     <CreationTime>2026-11-23T18:00:00.000Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
                     <Outputs><member><OutputKey>Url</OutputKey><OutputValue>https://a.example</OutputValue></member>\
                     </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
                )
            } else if request.contains("StackName=gone") {
                error("ValidationError", "Stack with id gone does not exist")
            } else {
                error(
                    "AccessDenied",
                    "not authorized to perform: cloudformation:DescribeStacks",
                )
            };
            say(&mut stream, &text).await;
        })
        .await;
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.parse().unwrap())
                .collect::<Vec<StackName>>()
        };
        let outputs = target(&server).outputs(names(&["web", "gone"])).await.unwrap();
        assert_eq!(
            outputs,
            Outputs::from([(
                "web".parse().unwrap(),
                [("Url".to_owned(), "https://a.example".to_owned())].into()
            )])
        );
        let refused = target(&server).outputs(names(&["web", "secret"])).await.unwrap_err();
        assert!(refused.is(Kind::AccessDenied), "{refused:?}");
    }

    fn error(code: &str, message: &str) -> String {
        let body = format!(
            "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        answer("400 Bad Request", "", &body)
    }

    #[tokio::test]
    async fn an_answer_and_an_error_of_a_function_are_told_apart() {
        let server = Server::start(|number, request, mut stream| async move {
            assert!(
                request.starts_with("POST /2015-03-31/functions/shop/invocations ")
                    && request.ends_with(r#"{"sku":"tea"}"#)
            );
            let text = match number {
                0 => answer("200 OK", "", r#"{"total":42}"#),
                _ => answer(
                    "200 OK",
                    "x-amz-function-error: Unhandled\r\n",
                    r#"{"errorMessage":"no table"}"#,
                ),
            };
            say(&mut stream, &text).await;
        })
        .await;
        let target = target(&server);
        let longest = Duration::from_secs(5);
        let reply = target.invoke(&request(), longest).await.unwrap();
        assert_eq!((reply.error, reply.payload), (None, br#"{"total":42}"#.to_vec()));
        let reply = target.invoke(&request(), longest).await.unwrap();
        assert_eq!(reply.error.as_deref(), Some("Unhandled"));
    }

    #[tokio::test]
    async fn an_invocation_is_never_repeated_unseen_and_ends_at_the_cap() {
        let server = Server::saying(answer("500 Internal Server Error", "", "{}")).await;
        let reason = target(&server)
            .invoke(&request(), Duration::from_secs(5))
            .await
            .unwrap_err();
        assert!(reason.starts_with("lambda:InvokeFunction: "), "{reason}");
        assert_eq!(server.connections(), 1);

        let silent = Server::start(|_, _, stream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let reason = target(&silent)
            .invoke(&request(), Duration::from_millis(50))
            .await
            .unwrap_err();
        assert_eq!(reason, "there was no answer within 50 ms");
    }
}
