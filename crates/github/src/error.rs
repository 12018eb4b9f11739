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
    /// Its answer is longer than any that is read; it will not be shorter later.
    #[error("GitHub's answer about {what} is longer than {limit_mb} MB, and is not read")]
    TooLong {
        /// What was asked for.
        what: String,
        /// How long an answer may be.
        limit_mb: usize,
    },
    /// It does not let us see or do that.
    #[error("GitHub does not show {what}: {why}")]
    Denied {
        /// What was asked for.
        what: String,
        /// GitHub's reason.
        why: String,
    },
    /// It does not do that, whoever asks: there is no place for it, or not as it was sent.
    #[error("GitHub refuses {what}: {why}")]
    Refused {
        /// What was to be done.
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
            Self::TooLong { .. } => Name::TooMuchToRead,
            Self::Denied { .. } | Self::Refused { .. } => Name::GitHubDenied,
        }
    }

    /// The failure, as the ledger keeps it.
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }
}
