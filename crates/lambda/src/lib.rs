//! How a Lockgate function starts, logs, measures and fails.
//!
//! Step Functions sees an error's name exactly as we give it: payloads are decoded here and panics are caught here,
//! because `lambda_runtime` would report both under the name of a Rust type (measured with `lambda_runtime` 1.5.0).

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use domain::failure::{Failure, Name};
use futures::FutureExt as _;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument as _;
use tracing_subscriber::filter::LevelFilter;

/// What stops a function before its first event.
pub type StartError = lambda_runtime::Error;

/// Runs a function until Lambda ends it.
///
/// `handle` gets the decoded input. Its error becomes the invocation's error, under the failure's own name.
pub async fn run<Input, Output, HandlerError, Handler, Answer>(handle: Handler) -> Result<(), StartError>
where
    Input: DeserializeOwned,
    Output: Serialize,
    HandlerError: Into<Failure>,
    Handler: Fn(Input) -> Answer,
    Answer: Future<Output = Result<Output, HandlerError>>,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        answer(handle, event.payload).await.map_err(|failure| Diagnostic {
            error_type: failure.name.as_str().to_owned(),
            error_message: failure.cause,
        })
    }))
    .await
}

/// Starts logging: JSON lines, from the level on that Lambda's advanced logging controls set (`AWS_LAMBDA_LOG_LEVEL`).
///
/// Not by `lambda_runtime`'s own subscriber, whose filter understands directives in `RUST_LOG` and brings a compiler of
/// regular expressions into every function for that.
pub fn start_logging() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok();
    tracing_subscriber::fmt()
        .json()
        .with_max_level(level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO))
        .with_target(false)
        // Lambda writes the time beside each line.
        .without_time()
        .init();
    // One line of JSON as well, and none of the text that was being worked on: the usual hook prints several, with it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// A setting from the function's environment.
///
/// # Errors
/// When it is missing or empty, naming it: the stack gives every function what it reads.
pub fn setting(name: &'static str) -> Result<String, StartError> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            format!("{name} is not set; deploy the stack lockgate-pipeline again, it sets what each function reads")
                .into()
        })
}

/// Decodes, runs and guards one invocation.
async fn answer<Input, Output, HandlerError, Handler, Answer>(
    handle: &Handler,
    payload: Value,
) -> Result<Output, Failure>
where
    Input: DeserializeOwned,
    HandlerError: Into<Failure>,
    Handler: Fn(Input) -> Answer,
    Answer: Future<Output = Result<Output, HandlerError>>,
{
    let span = span_of(&payload);
    let started = std::time::Instant::now();
    let result = match serde_path_to_error::deserialize(payload) {
        Ok(input) => AssertUnwindSafe(Box::pin(handle(input)))
            .catch_unwind()
            .instrument(span.clone())
            .await
            .map_or_else(|panic| Err(panicked(&*panic)), |result| result.map_err(Into::into)),
        Err(error) => Err(Failure::new(
            Name::InvalidInput,
            format!("{} at {}", error.inner(), error.path()),
        )),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| match &result {
        Ok(_) => tracing::info!(duration_ms, "done"),
        Err(failure) => {
            tracing::error!(duration_ms, error.name = %failure.name, error.cause = %failure.cause, "failed");
        }
    });
    result
}

/// The span of an invocation: what an operator searches the logs by.
fn span_of(payload: &Value) -> tracing::Span {
    let text = |pointer: &str| {
        payload
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    tracing::info_span!(
        "invocation",
        act = text("/do"),
        deployment.id = text("/deployment/id"),
        environment.name = text("/deployment/environment/name"),
    )
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    Failure::new(
        Name::Panicked,
        message
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Input {
        number: u8,
    }

    async fn halve(input: Input) -> Result<u8, Failure> {
        assert!(input.number != 13, "thirteen is refused");
        if input.number.is_multiple_of(2) {
            Ok(input.number / 2)
        } else {
            Err(Failure::new(Name::Unexpected, "odd"))
        }
    }

    #[tokio::test]
    async fn an_answer_an_error_a_panic_and_a_wrong_input_each_have_their_name() {
        let name = async |payload| {
            answer(&halve, payload)
                .await
                .map_err(|failure| (failure.name, failure.cause))
        };
        assert_eq!(name(json!({ "number": 4 })).await, Ok(2));
        assert_eq!(
            name(json!({ "number": 3 })).await,
            Err((Name::Unexpected, "odd".to_owned()))
        );
        assert_eq!(
            name(json!({ "number": 13 })).await,
            Err((Name::Panicked, "thirteen is refused".to_owned()))
        );
        let (wrong, cause) = name(json!({ "number": "x" })).await.expect_err("a text is no number");
        assert_eq!(wrong, Name::InvalidInput);
        assert!(cause.ends_with("at number"), "{cause}");
    }
}
