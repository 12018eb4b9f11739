//! AWS as the webhook sees it while nothing goes wrong, and nothing comes twice: every answer is constant.
//!
//! The answers follow the API references of SSM (`GetParameter`), `DynamoDB` (`GetItem`, `PutItem`, `UpdateItem`) and Step
//! Functions (`StartExecution`). An operation that it does not know is refused: the figures would be of something else.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use local::http::{Answer, Request, serve};
use serde_json::{Value, json};

/// Operations, and how often each was asked for.
pub type Calls = BTreeMap<String, u32>;

/// The endpoint.
#[derive(Debug)]
pub struct FakeAws {
    pub address: SocketAddr,
    calls: Arc<Mutex<Calls>>,
}

impl FakeAws {
    /// Starts to answer, with these parameters in SSM.
    pub async fn start(parameters: BTreeMap<String, String>) -> io::Result<Self> {
        let calls = Arc::new(Mutex::new(Calls::new()));
        let parameters = Arc::new(parameters);
        let counted = calls.clone();
        let address = serve(move |request| {
            let answer = answer(&request, &parameters, &counted);
            std::future::ready(answer)
        })
        .await?;
        Ok(Self { address, calls })
    }

    /// What was asked for since this was called last.
    pub fn take_calls(&self) -> Calls {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(request: &Request, parameters: &BTreeMap<String, String>, calls: &Mutex<Calls>) -> Answer {
    let target = request.header("x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    *calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(operation.to_owned())
        .or_default() += 1;
    let (status, body) = match operation {
        "GetParameter" => parameter(&request.body, parameters),
        "GetItem" | "PutItem" | "UpdateItem" => (200, json!({})),
        "StartExecution" => (
            200,
            json!({
                "executionArn": "arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:any",
                "startDate": 1_795_000_000,
            }),
        ),
        _ => (400, json!({ "__type": "UnknownOperationException" })),
    };
    Answer {
        status,
        headers: vec![("content-type", "application/x-amz-json-1.0".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn parameter(body: &[u8], parameters: &BTreeMap<String, String>) -> (u16, Value) {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    match input["Name"].as_str().and_then(|name| parameters.get(name)) {
        Some(value) => (200, json!({ "Parameter": { "Name": input["Name"], "Value": value } })),
        None => (400, json!({ "__type": "ParameterNotFound" })),
    }
}
