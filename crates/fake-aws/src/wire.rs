//! Requests and replies as they are sent: the SDK writes the ones and reads the others.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value, json};

use crate::cbor;

/// How an operation is asked for and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON both ways, the operation in a header: `DynamoDB`, Step Functions, CodeBuild, SSM, tags, EventBridge.
    Json,
    /// CBOR both ways, the operation in the path: CloudWatch.
    Cbor,
    /// A form one way and XML the other: CloudFormation, STS, SNS, IAM.
    Query,
    /// Lambda's `Invoke`, `GetAccountSettings` and `GetFunctionConfiguration`.
    Lambda,
    /// S3.
    Bucket,
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) protocol: Protocol,
    pub(crate) operation: String,
    pub(crate) input: Map<String, Value>,
    pub(crate) body: Vec<u8>,
}

/// What AWS answers instead of doing it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    more: Map<String, Value>,
}

impl Refusal {
    pub(crate) fn new(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            more: Map::new(),
        }
    }

    pub(crate) fn with(mut self, member: &str, value: Value) -> Self {
        self.more.insert(member.to_owned(), value);
        self
    }
}

/// An answer: its status, headers and body.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Asked {
    pub(crate) fn read(request: &HttpRequest, body: Vec<u8>) -> Self {
        let header = |name: &str| request.headers().get(name).map(str::to_owned);
        if let Some(target) = header("x-amz-target") {
            return Self {
                protocol: Protocol::Json,
                operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
                input: serde_json::from_slice(&body).expect("the SDK writes JSON"),
                body,
            };
        }
        if header("smithy-protocol").as_deref() == Some("rpc-v2-cbor") {
            let Value::Object(input) = cbor::read(&body) else {
                panic!("the SDK writes a map");
            };
            return Self {
                protocol: Protocol::Cbor,
                operation: request.uri().rsplit('/').next().unwrap_or_default().to_owned(),
                input,
                body,
            };
        }
        if body.starts_with(b"Action=") {
            let input: Map<String, Value> = url::form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
                .collect();
            return Self {
                protocol: Protocol::Query,
                operation: input["Action"].as_str().unwrap_or_default().to_owned(),
                input,
                body,
            };
        }
        let uri = url::Url::parse(request.uri()).expect("the SDK writes a URI");
        let path = uri.path().trim_matches('/');
        let mut input = Map::new();
        let mut note = |member: &str, value: Option<String>| {
            input.extend(value.map(|value| (member.to_owned(), value.into())));
        };
        if path == "2016-08-19/account-settings" {
            return Self {
                protocol: Protocol::Lambda,
                operation: "GetAccountSettings".to_owned(),
                input,
                body,
            };
        }
        if let Some(function) = path
            .strip_prefix("2015-03-31/functions/")
            .and_then(|rest| rest.strip_suffix("/configuration"))
        {
            note("FunctionName", Some(function.to_owned()));
            return Self {
                protocol: Protocol::Lambda,
                operation: "GetFunctionConfiguration".to_owned(),
                input,
                body,
            };
        }
        if let Some(function) = path.strip_prefix("2015-03-31/functions/") {
            note("FunctionName", function.strip_suffix("/invocations").map(str::to_owned));
            note("InvocationType", header("x-amz-invocation-type"));
            return Self {
                protocol: Protocol::Lambda,
                operation: "Invoke".to_owned(),
                input,
                body,
            };
        }
        let (bucket, key) = path
            .split_once('/')
            .map_or((path, None), |(bucket, key)| (bucket, Some(key)));
        note("Bucket", Some(bucket.to_owned()));
        note("Key", key.map(str::to_owned));
        note("IfNoneMatch", header("if-none-match"));
        note("ChecksumSHA256", header("x-amz-checksum-sha256"));
        note("ExpectedBucketOwner", header("x-amz-expected-bucket-owner"));
        note(
            "CopySource",
            header("x-amz-copy-source").map(|source| source.trim_start_matches('/').to_owned()),
        );
        let operation = match (request.method(), key, input.contains_key("CopySource")) {
            ("HEAD", None, _) => "HeadBucket",
            ("HEAD", Some(_), _) => "HeadObject",
            ("GET", Some(_), _) => "GetObject",
            ("PUT", Some(_), true) => "CopyObject",
            ("PUT", Some(_), false) => "PutObject",
            (method, ..) => panic!("the fake does not know {method} {path}"),
        };
        Self {
            protocol: Protocol::Bucket,
            operation: operation.to_owned(),
            input,
            body,
        }
    }
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(200, value.to_string()).with("content-type", "application/x-amz-json-1.0")
    }

    fn cbor(status: u16, value: Value) -> Self {
        Self::new(status, cbor::write(value))
            .with("content-type", "application/cbor")
            .with("smithy-protocol", "rpc-v2-cbor")
    }

    /// What a test says, in the words of the protocol.
    pub(crate) fn said(protocol: Protocol, status: u16, body: String) -> Self {
        match protocol {
            Protocol::Cbor => Self::cbor(status, serde_json::from_str(&body).expect("a test writes JSON")),
            Protocol::Json | Protocol::Query | Protocol::Lambda | Protocol::Bucket => Self::new(status, body),
        }
    }

    pub(crate) fn result(operation: &str, inner: &str) -> Self {
        let result = format!("<{operation}Result>{inner}</{operation}Result>");
        Self::new(200, format!("<{operation}Response>{result}</{operation}Response>")).with("content-type", "text/xml")
    }

    /// A refusal, in the words of the protocol.
    pub(crate) fn refusal(protocol: Protocol, refusal: Refusal) -> Self {
        let Refusal { code, more } = refusal;
        let status = status(&code);
        let error = format!("<Code>{code}</Code><Message>{code}, says the fake</Message>");
        match protocol {
            Protocol::Json => {
                // Kept from what the shapes are named by; SDKs cut it off.
                let mut body = json!({ "__type": format!("com.amazonaws.fake#{code}"), "message": format!("{code}, says the fake") });
                body.as_object_mut()
                    .into_iter()
                    .for_each(|body| body.extend(more.clone()));
                Self::new(status, body.to_string()).with("content-type", "application/x-amz-json-1.0")
            }
            Protocol::Cbor => {
                let shape = format!("com.amazonaws.cloudwatch#{code}");
                let body = json!({ "__type": shape, "message": format!("{code}, says the fake") });
                // Where CloudWatch was asked with a form before, its errors were called otherwise: that name is kept here.
                Self::cbor(status, body).with("x-amzn-query-error", format!("{code};Sender"))
            }
            Protocol::Query => {
                let error = format!("<Error><Type>Sender</Type>{error}</Error>");
                Self::new(
                    status,
                    format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"),
                )
                .with("content-type", "text/xml")
            }
            Protocol::Lambda => Self::new(status, json!({ "Message": code }).to_string())
                .with("content-type", "application/json")
                .with("x-amzn-errortype", code),
            Protocol::Bucket => {
                Self::new(status, format!("<Error>{error}</Error>")).with("content-type", "application/xml")
            }
        }
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let length = self.body.len().to_string();
        let status = self.status.try_into().expect("the fake answers with a status");
        let mut response = HttpResponse::new(status, SdkBody::from(self.body));
        response.headers_mut().insert("content-length", length);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The status that comes with an error's code; most come with 400, whatever they say.
fn status(code: &str) -> u16 {
    match code {
        "AccessDenied" => 403,
        "NoSuchEntity" | "NoSuchKey" | "NoSuchBucket" | "NotFound" | "ChangeSetNotFound" => 404,
        "ConditionalRequestConflict" => 409,
        "PreconditionFailed" => 412,
        "TooManyRequestsException" => 429,
        "InternalServerError" | "InternalFailure" | "InternalError" | "ServiceException" => 500,
        "SlowDown" | "ServiceUnavailable" => 503,
        _ => 400,
    }
}
