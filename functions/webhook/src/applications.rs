//! The applications' configuration, one SSM parameter each, as the CDK app stored it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::Error;
use aws::parameters::Parameters;
use domain::configuration::Application;
use domain::names::RepositoryName;
use jiff::{SignedDuration, Timestamp};

/// How long what was read counts: an operator's change takes effect within a minute.
const COUNTS_FOR: SignedDuration = SignedDuration::from_secs(60);

/// More repositories than this are not remembered: an organisation's webhook may send pushes of thousands.
const AT_MOST: usize = 1_000;

/// What was read of each repository, and when.
type Known = HashMap<RepositoryName, (Timestamp, Option<Arc<Application>>)>;

/// The applications.
#[derive(Debug)]
pub struct Applications {
    parameters: Parameters,
    path: String,
    known: Mutex<Known>,
}

impl Applications {
    /// The applications whose parameters are below this path.
    pub fn new(parameters: Parameters, path: &str) -> Self {
        Self {
            parameters,
            path: path.to_owned(),
            known: Mutex::default(),
        }
    }

    /// The application of a repository; nothing, where operators named none. Both are remembered for a minute.
    pub async fn find(&self, repository: &RepositoryName, now: Timestamp) -> Result<Option<Arc<Application>>, Error> {
        if let Some((read_at, application)) = self.known().get(repository)
            && now.duration_since(*read_at).abs() < COUNTS_FOR
        {
            return Ok(application.clone());
        }
        let name = format!("{}/{repository}", self.path);
        let application = match self.parameters.value(&name).await? {
            Some(json) => Some(Arc::new(serde_json::from_str(&json).map_err(|error| {
                Error::unexpected(
                    "ssm:GetParameter",
                    format!("{name} is no application ({error}); deploy the stack lockgate-pipeline again"),
                )
            })?)),
            None => None,
        };
        let mut known = self.known();
        if known.len() >= AT_MOST {
            known.clear();
        }
        known.insert(repository.clone(), (now, application.clone()));
        Ok(application)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
