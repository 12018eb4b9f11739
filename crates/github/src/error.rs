//! What GitHub did not answer.

use domain::failure::{Failure, Name};
use jiff::Timestamp;

/// A question that GitHub did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It could not be asked, has a fault of its own, or has been asked too often. The same question is safe later.
    #[error("GitHub could not be asked for {what}: {why}{}", .until.map(|at| format!("; it answers again from {at}")).unwrap_or_default())]
    Unavailable {
        /// What was asked for.
        what: String,
        /// What happened.
        why: String,
        /// From when on it answers again, where it says so.
        until: Option<Timestamp>,
    },
    /// It does not let us see that.
    #[error("GitHub does not show {what}: {why}")]
    Denied {
        /// What was asked for.
        what: String,
        /// GitHub's reason.
        why: String,
    },
}

impl Error {
    /// The failure's name.
    pub fn name(&self) -> Name {
        match self {
            Self::Unavailable { .. } => Name::GitHubUnavailable,
            Self::Denied { .. } => Name::GitHubDenied,
        }
    }

    /// The failure, as the ledger keeps it.
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }
}
