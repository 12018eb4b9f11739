//! What we may see and do at GitHub, asked without doing it.

use domain::doctor::{Grant, Permissions, Sight};
use domain::names::RepositoryName;
use jiff::Timestamp;
use serde::Deserialize;

use crate::http::Bearer;
use crate::{Credentials, Error, GitHub};

/// An App's installation ("Get a repository installation for the authenticated app" in GitHub's documentation).
#[derive(Deserialize)]
struct Installation {
    permissions: Permissions,
    suspended_at: Option<Timestamp>,
}

impl GitHub {
    /// What the App may do in a repository. Of a token GitHub does not say it.
    pub async fn grant(&self, repository: &RepositoryName) -> Result<Grant, Error> {
        let Credentials::App(app) = self.credentials() else {
            return Ok(Grant::Untold);
        };
        let what = format!("the GitHub App's installation on {repository}");
        let itself = Bearer::Token(app.signed(&what, Timestamp::now())?);
        let asking = self.asking(repository, what.clone()).first(what, itself);
        let path = format!("/repos/{repository}/installation");
        let Some(reply) = self.http.get(&asking, &path).await? else {
            return Ok(Grant::NotInstalled);
        };
        let installation = asking.read::<Installation>(&reply)?;
        Ok(match installation.suspended_at {
            Some(_) => Grant::Suspended,
            None => Grant::Installed(installation.permissions),
        })
    }

    /// Whether a branch of a repository can be seen. GitHub shows branches to whoever may read contents.
    pub async fn sight(&self, repository: &RepositoryName, branch: &str) -> Sight {
        match self.head_of(repository, branch).await {
            Ok(Some(_)) => Sight::Seen,
            Ok(None) => Sight::NoBranch,
            Err(error @ (Error::Denied { .. } | Error::Refused { .. })) => Sight::Hidden(error.to_string()),
            Err(error @ (Error::Unavailable { .. } | Error::TooLong { .. })) => Sight::Unknown(error.to_string()),
        }
    }
}
