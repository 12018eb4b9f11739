//! What AWS refused, classified in one place by asking: could this call have acted?

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::causes::with_causes;
use domain::failure::{Failure, Name};

/// A call to AWS that did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct Error {
    /// What kind of refusal this is.
    pub kind: Kind,
    /// The call, as IAM names it, such as `dynamodb:PutItem`.
    pub operation: &'static str,
    /// AWS's error code, where it gave one.
    pub code: String,
    /// AWS's own words.
    pub detail: String,
}

/// What a refused call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AWS asked to be called less often; nothing happened.
    Throttled,
    /// AWS was not reached, or answered with a fault of its own, after which nobody knows whether the call has acted.
    Unavailable,
    /// No answer came: the call may have acted. Safe to repeat only with a client token or a condition.
    Unanswered,
    /// The caller may not do this; nothing happened.
    AccessDenied,
    /// What was named does not exist.
    NotFound,
    /// A condition did not hold, or it is there already.
    Conflict,
    /// A call with the same client token came before: what it asks for is done already, or being done.
    AlreadyAsked,
    /// The request is not valid as it stands.
    Invalid,
    /// Our own records contradict each other, or AWS's answer contradicts its documentation.
    Unexpected,
}

impl Error {
    /// Something that is in AWS and cannot be read as what it should be.
    pub fn unexpected(operation: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: Kind::Unexpected,
            operation,
            code: String::new(),
            detail: detail.into(),
        }
    }

    /// Whether it is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// Whether it is certain that this call did nothing.
    pub fn did_nothing(&self) -> bool {
        match self.kind {
            Kind::Throttled | Kind::AccessDenied | Kind::NotFound | Kind::Conflict | Kind::Invalid => true,
            Kind::Unavailable | Kind::Unanswered | Kind::AlreadyAsked | Kind::Unexpected => false,
        }
    }

    /// The failure's name for a call that makes no change, or that a client token or a condition makes safe to repeat.
    pub fn name(&self) -> Name {
        match self.kind {
            Kind::Throttled => Name::Throttled,
            Kind::Unavailable | Kind::Unanswered => Name::Unavailable,
            Kind::AccessDenied => Name::AccessDenied,
            Kind::NotFound | Kind::Conflict | Kind::AlreadyAsked | Kind::Invalid | Kind::Unexpected => Name::Unexpected,
        }
    }

    /// The failure, as the ledger keeps it.
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }
}

/// Turns an SDK error into ours; `operation` is the call as IAM names it.
pub fn during<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    move |error| {
        let code = error.code().unwrap_or_default().to_owned();
        let status = error.raw_response().map(|response| response.status().as_u16());
        let kind = kind(&error, &code, status);
        let detail = match error.message() {
            Some(message) => message.to_owned(),
            // The chain of sources says what a connector saw; the outermost text is only "dispatch failure".
            None => with_causes(&error),
        };
        Error {
            kind,
            operation,
            code,
            detail,
        }
    }
}

fn kind<E>(error: &SdkError<E, HttpResponse>, code: &str, status: Option<u16>) -> Kind
where
    E: std::error::Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => return Kind::Invalid,
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => return Kind::Unanswered,
        SdkError::DispatchFailure(failure) => {
            // Credentials that cannot be had (AssumeRole refused) fail here, before anything was sent.
            return if failure.is_io() || failure.is_timeout() {
                Kind::Unanswered
            } else if with_causes(error).contains("AccessDenied") {
                Kind::AccessDenied
            } else {
                Kind::Unavailable
            };
        }
        _ => {}
    }
    match code {
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "AccountLimitExceededException"
        | "ExecutionLimitExceeded"
        | "RequestThrottled"
        | "Throttled"
        | "KMSThrottlingException"
        | "TransactionInProgressException" => Kind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "KMSAccessDeniedException" => Kind::AccessDenied,
        "ResourceNotFoundException"
        | "NoSuchEntity"
        | "NoSuchKey"
        | "NotFound"
        | "NoSuchBucket"
        | "ChangeSetNotFound"
        | "ChangeSetNotFoundException"
        | "ParameterNotFound"
        | "ExecutionDoesNotExist"
        | "StateMachineDoesNotExist"
        | "TaskDoesNotExist" => Kind::NotFound,
        "TokenAlreadyExistsException" => Kind::AlreadyAsked,
        // S3 may say so in an answer that begins as a success (Amazon S3 API reference, `CopyObject`).
        "RequestTimeout" | "RequestTimeoutException" | "InternalError" | "InternalFailure" | "ServiceUnavailable" => {
            Kind::Unavailable
        }
        "ConditionalCheckFailedException"
        | "TransactionCanceledException"
        | "TransactionConflictException"
        | "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "ExecutionAlreadyExists"
        | "AlreadyExistsException"
        | "TaskTimedOut"
        | "InvalidChangeSetStatus"
        | "InvalidChangeSetStatusException"
        | "OperationAbortedException" => Kind::Conflict,
        _ => match status {
            Some(429) => Kind::Throttled,
            Some(403) => Kind::AccessDenied,
            Some(404) => Kind::NotFound,
            Some(409 | 412) => Kind::Conflict,
            Some(500..=599) => Kind::Unavailable,
            _ => Kind::Invalid,
        },
    }
}
