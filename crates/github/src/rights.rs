//! What we may see and do at GitHub, asked without doing it.

use domain::doctor::{Grant, Permissions, Sight, TokenSeen};
use domain::names::RepositoryName;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::http::Bearer;
use crate::{Credentials, Error, GitHub};

/// An App's installation ("Get a repository installation for the authenticated app" in GitHub's documentation).
#[derive(Deserialize)]
struct Installation {
    permissions: Permissions,
    suspended_at: Option<Timestamp>,
}

/// A repository, as far as it says who sees it.
#[derive(Deserialize)]
struct Shown {
    private: bool,
}

fn scopes(header: &str) -> Vec<String> {
    let scopes = header.split(',').map(str::trim).filter(|scope| !scope.is_empty());
    scopes.map(str::to_owned).collect()
}

/// As GitHub writes it: `2026-12-31 09:00:00 UTC`, or with an offset.
fn expires(header: &str) -> Option<Timestamp> {
    match header.strip_suffix(" UTC") {
        Some(civil) => {
            let civil: DateTime = civil.trim().replacen(' ', "T", 1).parse().ok()?;
            TimeZone::UTC.to_timestamp(civil).ok()
        }
        None => Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", header).ok(),
    }
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

    /// Whether a repository is private.
    pub async fn is_private(&self, repository: &RepositoryName) -> Result<bool, Error> {
        let asking = self.asking(repository, format!("the repository {repository}"));
        let Some(reply) = self.http.get(&asking, &format!("/repos/{repository}")).await? else {
            return Err(asking.denied("GitHub shows no such repository"));
        };
        Ok(asking.read::<Shown>(&reply)?.private)
    }

    /// What GitHub shows of the token by which a repository is asked for: nothing is written to find it out.
    pub async fn token_seen(&self, repository: &RepositoryName) -> Result<TokenSeen, Error> {
        let asking = self.asking(repository, format!("what the token may do in {repository}"));
        let Some(reply) = self.http.get(&asking, &format!("/repos/{repository}")).await? else {
            return Err(asking.denied("GitHub shows no such repository"));
        };
        let private = asking.read::<Shown>(&reply)?.private;
        let deployments = format!("/repos/{repository}/deployments?per_page=1");
        let reads_deployments = match self.http.get(&asking, &deployments).await {
            Ok(reply) => reply.is_some(),
            // 403 "Resource not accessible by personal access token" is the answer, and no failure to get one.
            Err(Error::Denied { .. }) => false,
            Err(error) => return Err(error),
        };
        let of_token = reply.of_token;
        Ok(TokenSeen {
            scopes: of_token.scopes.as_deref().map(scopes),
            expires: of_token.expires.as_deref().and_then(expires),
            reads_deployments,
            private,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_s_end_and_scopes_are_read_as_github_writes_them() {
        let at = |text: &str| expires(text).map(|at| at.to_string());
        assert_eq!(at("2026-12-31 09:00:00 UTC").as_deref(), Some("2026-12-31T09:00:00Z"));
        assert_eq!(at("2026-12-31 10:00:00 +0100").as_deref(), Some("2026-12-31T09:00:00Z"));
        assert_eq!(at("soon"), None);
        assert_eq!(scopes("repo, read:org"), ["repo", "read:org"]);
        assert_eq!(scopes(""), Vec::<String>::new());
    }
}
