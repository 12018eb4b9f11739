//! The keys that links are signed with: one that signs, and while it is being changed the one before.

use aws::Error;
use aws::parameters::Parameters;
use aws::remembered::Remembered;
use domain::approval::Keys;
use domain::approval::token::Key;
use jiff::Timestamp;

/// The keys as last read.
#[derive(Debug)]
pub struct KeyStore {
    parameters: Parameters,
    path: String,
    remembered: Remembered<Keys, Error>,
}

impl KeyStore {
    /// The keys at `<path>/key` and `<path>/key-previous`.
    pub fn new(parameters: Parameters, path: String) -> Self {
        Self {
            parameters,
            path,
            remembered: Remembered::default(),
        }
    }

    /// The keys, read again from time to time.
    pub async fn keys(&self, now: Timestamp) -> Result<Keys, Error> {
        self.remembered.known(now, || self.read()).await
    }

    /// The keys, where those did not do: there may be new ones.
    pub async fn newest(&self, now: Timestamp) -> Result<Keys, Error> {
        self.remembered.newest(now, || self.read()).await
    }

    async fn read(&self) -> Result<Keys, Error> {
        Ok(Keys {
            current: self
                .key("key")
                .await?
                .ok_or_else(|| self.unusable("key", "is not there"))?,
            previous: self.key("key-previous").await?,
        })
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
}
