//! Who wrote a release: nobody accepts their own work.

use serde::{Deserialize, Serialize};

/// Somebody who had a part in what is to be accepted, as Git and GitHub tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contributor {
    /// What they call themselves, harmless.
    pub name: String,
    /// Their GitHub login, where GitHub knows one; of somebody who asked by command, the ARN of their AWS principal.
    pub login: Option<String>,
    /// Their mail address as it stands in the commit.
    pub mail: Option<String>,
    /// Their part.
    pub role: Role,
}

/// What somebody did for a release.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::EnumString, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Wrote a commit.
    Author,
    /// Made a commit of it.
    Committer,
    /// Is named in a commit's message as one of its authors.
    CoAuthor,
    /// Asked for the deployment.
    Requester,
}
