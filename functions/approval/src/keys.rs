//! The keys that links are signed with: one that signs, and while it is being changed the one before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws::Error;
use aws::parameters::Parameters;
use domain::approval::Keys;
use domain::approval::token::Key;
use jiff::{SignedDuration, Timestamp};

/// Whoever sends made-up links must not make us ask SSM each time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// A key that was taken away holds no longer than this.
const AT_LEAST_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// The keys as last read.
#[derive(Debug)]
pub struct KeyStore {
    parameters: Parameters,
    path: String,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    keys: Keys,
    read_at: Timestamp,
}

impl KeyStore {
    /// The keys at `<path>/key` and `<path>/key-previous`.
    pub fn new(parameters: Parameters, path: String) -> Self {
        Self {
            parameters,
            path,
            known: Mutex::default(),
        }
    }

    /// The keys, read again from time to time.
    pub async fn keys(&self, now: Timestamp) -> Result<Keys, Error> {
        self.younger_than(AT_LEAST_EVERY, now).await
    }

    /// The keys, where those did not do: there may be new ones.
    pub async fn newest(&self, now: Timestamp) -> Result<Keys, Error> {
        self.younger_than(AT_MOST_EVERY, now).await
    }

    async fn younger_than(&self, age: SignedDuration, now: Timestamp) -> Result<Keys, Error> {
        let is_young = |known: &&Known| now.duration_since(known.read_at).abs() < age;
        if let Some(known) = self.known().as_ref().filter(is_young) {
            return Ok(known.keys.clone());
        }
        let keys = Keys {
            current: self
                .key("key")
                .await?
                .ok_or_else(|| self.unusable("key", "is not there"))?,
            previous: self.key("key-previous").await?,
        };
        *self.known() = Some(Known {
            keys: keys.clone(),
            read_at: now,
        });
        Ok(keys)
    }

    async fn key(&self, name: &str) -> Result<Option<Key>, Error> {
        let value = self.parameters.value(&format!("{}/{name}", self.path)).await?;
        value
            .map(|text| text.parse().map_err(|_| self.unusable(name, "is no key")))
            .transpose()
    }

    fn unusable(&self, name: &str, fault: &str) -> Error {
        Error::unexpected(
            "ssm:GetParameter",
            format!(
                "{}/{name} {fault}; store what `openssl rand -hex 32` prints there, as a SecureString",
                self.path
            ),
        )
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
