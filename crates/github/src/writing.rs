//! What GitHub is told: deployments, statuses, check runs, releases' pages.
//!
//! Requests and answers are those of GitHub's documentation ("REST API endpoints for deployments", "… for deployment
//! statuses", "… for check runs", "… for releases"). Whatever makes something is looked for by what only we write there,
//! the deployment's id, since GitHub keeps nobody from making it twice.

use domain::deployment::Deployment;
use domain::github::{self as news, Check, Progress, Status};
use domain::names::RepositoryName;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Asking;
use crate::{Error, GitHub, PAGE, tag};

/// How many pages of a commit's deployments or check runs are looked through.
const PAGES: usize = 10;

/// A release's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePage {
    /// GitHub's number of the release.
    pub number: u64,
    /// Its text, Markdown as people wrote it.
    pub body: String,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct FoundDeployment {
    id: u64,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct FoundChecks {
    check_runs: Vec<FoundCheck>,
}

#[derive(Deserialize)]
struct FoundCheck {
    id: u64,
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct FoundRelease {
    id: u64,
    body: Option<String>,
}

impl GitHub {
    /// Makes GitHub's deployment, and returns its number.
    ///
    /// Nothing is merged and no status of the commit is waited for: both are GitHub's defaults, and would be decided here
    /// by the environment's policy.
    pub async fn make_deployment(&self, deployment: &Deployment) -> Result<u64, Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the making of a deployment");
        let body = json!({
            "ref": deployment.commit,
            "task": "deploy",
            "auto_merge": false,
            "required_contexts": [],
            "payload": { "lockgate": deployment.id },
            "environment": deployment.environment.name,
            "description": format!("{} {}", deployment.reference, deployment.requested.title),
            "transient_environment": false,
            "production_environment": news::is_production(deployment),
        });
        let path = format!("/repos/{repository}/deployments");
        let reply = self.http.act(&asking, "POST", &path, Some(&body)).await?;
        Ok(asking.read::<Numbered>(&reply)?.id)
    }

    /// GitHub's number of a deployment that was made before; nothing, where none was.
    pub async fn find_deployment(&self, deployment: &Deployment) -> Result<Option<u64>, Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the deployments of a commit");
        for page in 1..=PAGES {
            let path = format!(
                "/repos/{repository}/deployments?sha={}&environment={}&per_page={PAGE}&page={page}",
                deployment.commit, deployment.environment.name
            );
            let Some(reply) = self.http.get(&asking, &path).await? else {
                return Ok(None);
            };
            let found = asking.read::<Vec<FoundDeployment>>(&reply)?;
            let ours = found.iter().find(|found| names(&found.payload, deployment));
            if let Some(ours) = ours {
                return Ok(Some(ours.id));
            }
            if !reply.has_next {
                return Ok(None);
            }
        }
        Err(asking.unavailable("it has more deployments of this commit than are looked through", None))
    }

    /// Tells a status of GitHub's deployment of this number.
    pub async fn tell_status(
        &self,
        deployment: &Deployment,
        number: u64,
        status: &Status,
        console: &str,
    ) -> Result<(), Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the telling of a status");
        let mut body = json!({
            "state": status.state,
            "log_url": console,
            "description": status.description,
            "environment": deployment.environment.name,
            // GitHub would tell others inactive only outside production, so that is done by ourselves everywhere.
            "auto_inactive": false,
        });
        if let Some(url) = &status.url {
            body["environment_url"] = json!(url);
        }
        let path = format!("/repos/{repository}/deployments/{number}/statuses");
        self.http.act(&asking, "POST", &path, Some(&body)).await.map(drop)
    }

    /// Tells GitHub's deployment of this number, which somebody made to ask for one of ours, why there is none.
    pub async fn refuse_deployment(&self, repository: &RepositoryName, number: u64, why: &str) -> Result<(), Error> {
        let asking = self.asking(
            repository,
            format!("the refusal of deployment {number} of {repository}"),
        );
        let body = json!({ "state": "error", "description": why, "auto_inactive": false });
        let path = format!("/repos/{repository}/deployments/{number}/statuses");
        self.http.act(&asking, "POST", &path, Some(&body)).await.map(drop)
    }

    /// Makes a check run, and returns its number.
    pub async fn make_check(&self, deployment: &Deployment, check: &Check, console: &str) -> Result<u64, Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the making of a check run");
        let mut body = checked(check, console);
        body["head_sha"] = json!(deployment.commit);
        body["external_id"] = json!(deployment.id);
        let path = format!("/repos/{repository}/check-runs");
        let reply = self.http.act(&asking, "POST", &path, Some(&body)).await?;
        Ok(asking.read::<Numbered>(&reply)?.id)
    }

    /// GitHub's number of a check run that was made before; nothing, where none was.
    pub async fn find_check(&self, deployment: &Deployment) -> Result<Option<u64>, Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the check runs of a commit");
        for page in 1..=PAGES {
            let path = format!(
                "/repos/{repository}/commits/{}/check-runs?filter=all&per_page={PAGE}&page={page}",
                deployment.commit
            );
            let Some(reply) = self.http.get(&asking, &path).await? else {
                return Ok(None);
            };
            let found = asking.read::<FoundChecks>(&reply)?.check_runs;
            let ours = |found: &&FoundCheck| found.external_id.as_deref() == Some(deployment.id.as_str());
            if let Some(ours) = found.iter().find(ours) {
                return Ok(Some(ours.id));
            }
            if !reply.has_next {
                return Ok(None);
            }
        }
        Err(asking.unavailable("it has more check runs of this commit than are looked through", None))
    }

    /// Has a check run show this.
    pub async fn update_check(
        &self,
        deployment: &Deployment,
        number: u64,
        check: &Check,
        console: &str,
    ) -> Result<(), Error> {
        let repository = &deployment.application;
        let asking = self.about(deployment, "the showing of a check run");
        let path = format!("/repos/{repository}/check-runs/{number}");
        let body = checked(check, console);
        self.http.act(&asking, "PATCH", &path, Some(&body)).await.map(drop)
    }

    /// The page of the release that has this tag; nothing, where it is gone.
    pub async fn release_page(&self, repository: &RepositoryName, name: &str) -> Result<Option<ReleasePage>, Error> {
        if !tag::is_valid(name) {
            return Ok(None);
        }
        let asking = self.asking(repository, format!("the release {} of {repository}", tag::shown(name)));
        let path = format!("/repos/{repository}/releases/tags/{}", tag::encoded(name));
        let Some(reply) = self.http.get(&asking, &path).await? else {
            return Ok(None);
        };
        let found = asking.read::<FoundRelease>(&reply)?;
        Ok(Some(ReleasePage {
            number: found.id,
            body: found.body.unwrap_or_default(),
        }))
    }

    /// Has a release's page read so.
    pub async fn write_release_page(&self, repository: &RepositoryName, number: u64, body: &str) -> Result<(), Error> {
        let asking = self.asking(repository, format!("the writing of release {number} of {repository}"));
        let path = format!("/repos/{repository}/releases/{number}");
        let body = json!({ "body": body });
        self.http.act(&asking, "PATCH", &path, Some(&body)).await.map(drop)
    }

    fn about(&self, deployment: &Deployment, what: &str) -> Asking {
        self.asking(&deployment.application, format!("{what} ({})", deployment.id))
    }
}

/// Whether GitHub's deployment was made for this one. What was sent as an object may come back as its text.
fn names(payload: &Value, deployment: &Deployment) -> bool {
    let parsed: Value;
    let payload = match payload.as_str() {
        Some(text) => {
            parsed = serde_json::from_str(text).unwrap_or_default();
            &parsed
        }
        None => payload,
    };
    payload["lockgate"] == deployment.id.as_str()
}

fn checked(check: &Check, console: &str) -> Value {
    let mut body = json!({
        "name": check.name,
        "details_url": console,
        "started_at": second(check.started_at),
        "output": { "title": check.title, "summary": check.summary },
    });
    match check.progress {
        Progress::Queued => body["status"] = json!("queued"),
        Progress::InProgress => body["status"] = json!("in_progress"),
        Progress::Completed { conclusion, at } => {
            body["status"] = json!("completed");
            body["conclusion"] = json!(conclusion);
            body["completed_at"] = json!(second(at));
        }
    }
    body
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
