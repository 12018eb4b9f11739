//! The webhook secrets.

use aws::Error;
use aws::parameters::Parameters;
use aws::remembered::Remembered;
use domain::signature::{BadSignature, Secrets, UnusableSecret, WebhookSecret, Which, verify};
use jiff::Timestamp;

/// Why a delivery was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is signed with none of our secrets.
    BadSignature,
    /// We have no secret to compare with.
    NoSecret,
}

/// The secrets as last read.
#[derive(Debug)]
pub struct SecretStore {
    parameters: Parameters,
    path: String,
    remembered: Remembered<Secrets, ReadError>,
}

#[derive(Debug, Clone, thiserror::Error)]
enum ReadError {
    #[error("there is no parameter {0}; store the secret that the GitHub webhook was given there, as a SecureString")]
    Missing(String),
    #[error("{0}: {1}")]
    Unusable(String, UnusableSecret),
    #[error(transparent)]
    Aws(#[from] Error),
}

impl SecretStore {
    /// Reads the secrets for the first time. That there are none yet is no reason not to start: an operator may store
    /// them after the function was deployed.
    pub async fn open(parameters: Parameters, path: &str, now: Timestamp) -> Self {
        let store = Self {
            parameters,
            path: path.to_owned(),
            remembered: Remembered::sparing(),
        };
        told(store.remembered.known(now, || store.read()).await);
        store
    }

    /// Verifies a signature. When it fails, the secrets may have been changed since they were read.
    pub async fn verify(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<Which, Refused> {
        let with = |secrets: Option<Secrets>| {
            let secrets = secrets.ok_or(Refused::NoSecret)?;
            verify(&secrets, header, body).map_err(|BadSignature| Refused::BadSignature)
        };
        let first = with(told(self.remembered.known(now, || self.read()).await));
        if first.is_ok() {
            return first;
        }
        // Where they cannot be read now, those that are known have answered.
        told(self.remembered.newest(now, || self.read()).await).map_or(first, |newest| with(Some(newest)))
    }

    async fn read(&self) -> Result<Secrets, ReadError> {
        let current = format!("{}/secret", self.path);
        let previous = format!("{}/secret-previous", self.path);
        let secret = |name: String, value| WebhookSecret::new(value).map_err(|why| ReadError::Unusable(name, why));
        let Some(value) = self.parameters.value(&current).await? else {
            return Err(ReadError::Missing(current));
        };
        let current = secret(current, value)?;
        let value = self.parameters.value(&previous).await?;
        let previous = value.map(|value| secret(previous, value)).transpose()?;
        Ok(Secrets { current, previous })
    }
}

/// What was read, or nothing, said in the log.
fn told(read: Result<Secrets, ReadError>) -> Option<Secrets> {
    read.inspect_err(|error| tracing::error!(error.cause = %error, "the webhook secrets cannot be read"))
        .ok()
}
