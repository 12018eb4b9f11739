//! What was read of deployments that are over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::names::DeploymentId;

/// Of how many deployments it is kept: some 20 MB.
const LIMIT: usize = 20_000;

/// What was read of deployments that are over, by their id. An end is the end: it is never read again.
#[derive(Debug)]
pub struct Over<T>(Mutex<BTreeMap<DeploymentId, T>>);

impl<T> Default for Over<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Over<T> {
    /// What was read of this one.
    pub fn of(&self, deployment: &DeploymentId) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(deployment).cloned()
    }

    /// Keeps what was read of one that is over. Where there are too many, it begins anew.
    pub fn keep(&self, deployment: DeploymentId, read: T) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= LIMIT {
            kept.clear();
        }
        kept.insert(deployment, read);
    }
}
