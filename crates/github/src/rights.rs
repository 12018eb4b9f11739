//! What we may see and do at GitHub, asked without doing it.

use domain::doctor::{Grant, Permissions, Sight};
use domain::names::RepositoryName;
use jiff::Timestamp;
use serde::Deserialize;

use crate::http::Bearer;
use crate::{Credentials, Error, GitHub, tag};

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
        let asking = self.asking(repository, format!("the GitHub App's installation on {repository}"));
        let itself = Bearer::Token(app.signed(&asking, Timestamp::now())?);
        let asking = asking.first(format!("the GitHub App's installation on {repository}"), itself);
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
        match self.has_branch(repository, branch).await {
            Ok(true) => Sight::Seen,
            Ok(false) => Sight::NoBranch,
            Err(error @ (Error::Denied { .. } | Error::Refused { .. })) => Sight::Hidden(error.to_string()),
            Err(error @ (Error::Unavailable { .. } | Error::TooLong { .. })) => Sight::Unknown(error.to_string()),
        }
    }

    async fn has_branch(&self, repository: &RepositoryName, branch: &str) -> Result<bool, Error> {
        if !tag::is_valid(branch) {
            return Ok(false);
        }
        let asking = self.asking(repository, format!("the branch {} of {repository}", tag::shown(branch)));
        let path = format!("/repos/{repository}/branches/{}", tag::encoded(branch));
        if self.http.get(&asking, &path).await?.is_some() {
            return Ok(true);
        }
        self.must_see(&asking, repository).await?;
        Ok(false)
    }
}
