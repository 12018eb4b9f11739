//! The keys that links are signed with: one that signs, and while it is being changed the one before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws::Error;
use aws::parameters::Parameters;
use domain::approval::Keys;
use domain::approval::token::Key;
use jiff::{SignedDuration, Timestamp};

/// Whoever sends made-up links must not make us ask SSM each time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// The keys as last read.
#[derive(Debug)]
pub struct KeyStore {
    parameters: Parameters,
    path: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Keys>,
    read_at: Option<Timestamp>,
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

    /// The keys; read again where `again` says that the known ones did not do and some seconds have gone.
    pub async fn keys(&self, again: bool, now: Timestamp) -> Result<Keys, Error> {
        {
            let mut known = self.known();
            let may_read = known
                .read_at
                .is_none_or(|at| now.duration_since(at).abs() >= AT_MOST_EVERY);
            if let Some(keys) = known.keys.as_ref().filter(|_| !(again && may_read)) {
                return Ok(keys.clone());
            }
            known.read_at = Some(now);
        }
        let keys = Keys {
            current: self
                .key("key")
                .await?
                .ok_or_else(|| self.unusable("key", "is not there"))?,
            previous: self.key("key-previous").await?,
        };
        self.known().keys = Some(keys.clone());
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
