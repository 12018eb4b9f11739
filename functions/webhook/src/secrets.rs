//! The webhook secrets, and when to read them again.

use std::sync::Mutex;

use aws::Error;
use aws::parameters::Parameters;
use domain::signature::{BadSignature, Secrets, UnusableSecret, WebhookSecret, Which, verify};
use jiff::{SignedDuration, Timestamp};

/// Whoever sends wrong signatures must not make us ask SSM each time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// When something may be read again.
#[derive(Debug, Clone, Copy)]
struct Readings {
    last: Timestamp,
}

impl Readings {
    /// Whether it may be read now, which then counts as the last time. A clock that was set back does not stop it.
    fn may_read(&mut self, now: Timestamp) -> bool {
        let due = now.duration_since(self.last).abs() >= AT_MOST_EVERY;
        if due {
            self.last = now;
        }
        due
    }
}

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
    known: Mutex<(Option<Secrets>, Readings)>,
}

#[derive(Debug, thiserror::Error)]
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
            known: Mutex::new((None, Readings { last: now })),
        };
        store.read_again().await;
        store
    }

    /// Verifies a signature. When it fails, the secrets may have been changed since they were read.
    pub async fn verify(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<Which, Refused> {
        let first = self.verify_with_known(header, body);
        if first.is_ok() || !self.known().1.may_read(now) {
            return first;
        }
        self.read_again().await;
        self.verify_with_known(header, body)
    }

    fn verify_with_known(&self, header: Option<&str>, body: &[u8]) -> Result<Which, Refused> {
        let known = self.known();
        let secrets = known.0.as_ref().ok_or(Refused::NoSecret)?;
        verify(secrets, header, body).map_err(|BadSignature| Refused::BadSignature)
    }

    /// Reads the secrets; those that are known stay when they cannot be read.
    async fn read_again(&self) {
        match self.read().await {
            Ok(secrets) => self.known().0 = Some(secrets),
            Err(error) => tracing::error!(error.cause = %error, "the webhook secrets cannot be read"),
        }
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

    fn known(&self) -> std::sync::MutexGuard<'_, (Option<Secrets>, Readings)> {
        // What is guarded is replaced as a whole, so that a panic elsewhere cannot have left half of it.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_more_often_than_every_few_seconds() {
        let start = Timestamp::UNIX_EPOCH;
        let mut readings = Readings { last: start };
        let answers: Vec<bool> = [0, 1, 4, 5, 6, 9, 10, 3_600, 3_601]
            .into_iter()
            .map(|seconds| readings.may_read(start + SignedDuration::from_secs(seconds)))
            .collect();
        assert_eq!(answers, [false, false, false, true, false, false, true, true, false]);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let late = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let mut readings = Readings { last: late };
        assert!(readings.may_read(Timestamp::UNIX_EPOCH));
        assert!(!readings.may_read(Timestamp::UNIX_EPOCH));
    }
}
