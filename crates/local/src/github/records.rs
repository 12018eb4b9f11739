//! What GitHub keeps beside Git: deployments and their statuses, check runs, releases, and who may write them.
//!
//! Behaviour is that of GitHub's documentation ("REST API endpoints for deployments", "… for deployment statuses", "… for
//! check runs", "… for releases", "… for GitHub Apps"), also where that is a trap: what a deployment does by default, and
//! that only an App has check runs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::deliveries::{AskedDeployment, Delivery, Release};

use super::{APP, Found, Page, Paging, not_found, parameter};

const API: &str = "https://api.github.com/repos";

/// Everything that was written, of all repositories.
#[derive(Debug, Default)]
pub(super) struct Records {
    last: u64,
    deployments: Vec<Value>,
    statuses: BTreeMap<u64, Vec<Value>>,
    checks: Vec<Value>,
    releases: Vec<Value>,
    /// The attempts to deliver something to the App's webhook, the newest last.
    attempts: Vec<Value>,
    /// What is delivered again on demand, and where.
    deliveries: BTreeMap<String, (Delivery, String)>,
    /// The tokens that the App was given.
    tokens: BTreeMap<String, Timestamp>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Nobody,
    /// Somebody, by a token of theirs.
    Person,
    /// The App, as installed on a repository.
    Installation,
    /// The App itself.
    App,
}

impl Records {
    pub(super) fn publish(&mut self, release: &Release, page: &str) {
        self.releases.retain(|known| known["id"] != release.id);
        let repository = &release.repository;
        self.releases.push(json!({
            "id": release.id, "node_id": "RE_1", "tag_name": release.tag, "name": release.name, "body": page,
            "draft": release.draft, "prerelease": release.prerelease, "target_commitish": release.target_commitish,
            "url": format!("{API}/{repository}/releases/{}", release.id), "repository": repository,
            "published_at": release.published_at.map(second), "author": { "login": release.by },
        }));
    }

    pub(super) fn release_page(&self, repository: &str, tag: &str) -> Option<String> {
        let release = self.releases.iter().find(|release| is(release, repository, tag))?;
        Some(release["body"].as_str()?.to_owned())
    }

    /// Everything of a repository, as one document.
    pub(super) fn all(&self, repository: &str) -> Value {
        let of = |records: &[Value]| -> Vec<Value> {
            let ours = records.iter().filter(|record| record["repository"] == repository);
            ours.cloned().collect()
        };
        let mut deployments = of(&self.deployments);
        for deployment in &mut deployments {
            let number = deployment["id"].as_u64().unwrap_or_default();
            deployment["statuses"] = json!(self.statuses.get(&number));
        }
        json!({ "deployments": deployments, "checks": of(&self.checks), "releases": of(&self.releases) })
    }

    pub(super) fn asker(&self, authorization: Option<&str>, now: Timestamp) -> Result<Asker, (u16, String)> {
        let bad = || (401, "Bad credentials".to_owned());
        let Some(authorization) = authorization else {
            return Ok(Asker::Nobody);
        };
        let token = authorization.strip_prefix("Bearer ").ok_or_else(bad)?;
        if let Some(ends) = self.tokens.get(token) {
            return if now < *ends {
                Ok(Asker::Installation)
            } else {
                Err(bad())
            };
        }
        if token.split('.').count() == 3 {
            return itself(token, now).ok_or_else(|| (401, "A JSON web token could not be decoded".to_owned()));
        }
        Ok(Asker::Person)
    }

    /// Notes that a delivery did not get through, some minutes ago.
    pub(super) fn lose(&mut self, delivery: &Delivery, url: &str, now: Timestamp) {
        let at = now - SignedDuration::from_mins(3);
        self.attempted(delivery, 503, at);
        self.deliveries
            .insert(delivery.id.clone(), (delivery.clone(), url.to_owned()));
    }

    /// Notes an attempt to deliver something.
    pub(super) fn attempted(&mut self, delivery: &Delivery, status: u16, at: Timestamp) {
        let number = self.number();
        self.attempts.push(json!({
            "id": number, "guid": delivery.id, "delivered_at": second(at), "redelivery": false, "duration": 0.03,
            "status": if status == 202 { "OK" } else { "Service Unavailable" }, "status_code": status,
            "event": delivery.event, "action": null, "installation_id": 4711, "repository_id": 1, "url": "",
        }));
    }

    pub(super) fn attempts(&self, asker: Asker, paging: &Paging) -> Found {
        if asker != Asker::App {
            return Err((401, "A JSON web token could not be decoded".to_owned()));
        }
        Ok(paged(self.attempts.iter().rev().cloned().collect(), paging))
    }

    /// What is to be delivered again, and where.
    pub(super) fn again(&self, asker: Asker, number: &str) -> Result<(Delivery, String), (u16, String)> {
        if asker != Asker::App {
            return Err((401, "A JSON web token could not be decoded".to_owned()));
        }
        let known = self.attempts.iter().find(|attempt| has_number(attempt, number));
        let guid = known.and_then(|attempt| attempt["guid"].as_str());
        guid.and_then(|guid| self.deliveries.get(guid))
            .cloned()
            .ok_or_else(not_found)
    }

    pub(super) fn releases(&self, repository: &str, paging: &Paging) -> Page {
        let found = self.releases.iter().rev();
        let found: Vec<Value> = found
            .filter(|release| release["repository"] == repository)
            .cloned()
            .collect();
        paged(found, paging)
    }

    pub(super) fn installation(&self, asker: Asker) -> Found {
        if asker != Asker::App {
            return Err((401, "A JSON web token could not be decoded".to_owned()));
        }
        Ok(json!({ "id": 4711, "app_slug": "lockgate", "target_type": "Organization" }).into())
    }

    pub(super) fn token(&mut self, asker: Asker, now: Timestamp) -> Found {
        if asker != Asker::App {
            return Err((401, "A JSON web token could not be decoded".to_owned()));
        }
        let token = format!("ghs_{}", self.number());
        let expires_at = now + SignedDuration::from_hours(1);
        self.tokens.insert(token.clone(), expires_at);
        Ok(created(
            json!({ "token": token, "expires_at": second(expires_at), "permissions": {}, "repository_selection": "selected" }),
        ))
    }

    /// Makes a deployment of a commit that the repository has.
    pub(super) fn deploy(&mut self, repository: &str, sha: &str, body: &Value, now: Timestamp) -> Found {
        if body["auto_merge"] != json!(false) {
            return Err((
                409,
                "Merged main into the deployed branch: auto_merge was not false".to_owned(),
            ));
        }
        if body["required_contexts"] != json!([]) {
            return Err((409, "Conflict: Commit status checks failed for the commit.".to_owned()));
        }
        let number = self.number();
        let environment = body["environment"].as_str().unwrap_or("production");
        let deployment = json!({
            "id": number, "node_id": "DE_1", "url": format!("{API}/{repository}/deployments/{number}"),
            "sha": sha, "ref": body["ref"], "task": body["task"].as_str().unwrap_or("deploy"),
            "payload": body["payload"], "environment": environment, "original_environment": environment,
            "description": body["description"],
            "transient_environment": body["transient_environment"].as_bool().unwrap_or(false),
            "production_environment": body["production_environment"].as_bool().unwrap_or(environment == "production"),
            "creator": null, "created_at": second(now), "updated_at": second(now), "repository": repository,
        });
        self.deployments.push(deployment.clone());
        Ok(created(deployment))
    }

    /// Makes a deployment that a person asks for.
    pub(super) fn ask_for_deployment(&mut self, asked: &AskedDeployment, now: Timestamp) -> u64 {
        let body = json!({
            "ref": asked.reference, "task": domain::intake::TASK, "environment": asked.environment, "auto_merge": false,
            "required_contexts": [], "payload": {}, "description": "",
        });
        // Nothing of this is refused.
        drop(self.deploy(&asked.repository, asked.commit.as_str(), &body, now));
        self.last
    }

    pub(super) fn deployments(&self, repository: &str, query: &str, paging: &Paging) -> Page {
        let asked = |name: &'static str, field: &'static str| {
            let wanted = parameter(query, name);
            move |deployment: &&Value| wanted.as_deref().is_none_or(|wanted| deployment[field] == wanted)
        };
        // Newest first.
        let found = self.deployments.iter().rev();
        let found: Vec<Value> = found
            .filter(|deployment| deployment["repository"] == repository)
            .filter(asked("sha", "sha"))
            .filter(asked("environment", "environment"))
            .cloned()
            .collect();
        paged(found, paging)
    }

    pub(super) fn tell_status(&mut self, repository: &str, number: &str, body: &Value, now: Timestamp) -> Found {
        let deployment = self
            .deployments
            .iter()
            .find(|deployment| deployment["repository"] == repository && has_number(deployment, number))
            .cloned()
            .ok_or_else(not_found)?;
        let description = body["description"].as_str().unwrap_or_default();
        if description.chars().count() > 140 {
            return Err((
                422,
                "Validation Failed: description is too long (maximum is 140 characters)".to_owned(),
            ));
        }
        let own = self.number();
        let status = json!({
            "id": own, "node_id": "DES_1", "state": body["state"], "description": description,
            "environment": deployment["environment"], "log_url": body["log_url"].as_str().unwrap_or_default(),
            "environment_url": body["environment_url"].as_str().unwrap_or_default(),
            "created_at": second(now), "updated_at": second(now), "creator": null,
        });
        let number = deployment["id"].as_u64().unwrap_or_default();
        self.statuses.entry(number).or_default().push(status.clone());
        if body["state"] == "success" && body["auto_inactive"] != json!(false) {
            self.leave(&deployment);
        }
        Ok(created(status))
    }

    /// What GitHub does by itself: others of the environment become inactive, except in production.
    fn leave(&mut self, deployment: &Value) {
        let left = self.deployments.iter().filter(|other| {
            other["id"] != deployment["id"]
                && ["repository", "environment"]
                    .iter()
                    .all(|key| other[*key] == deployment[*key])
                && other["production_environment"] == json!(false)
                && other["transient_environment"] == json!(false)
        });
        let left: Vec<u64> = left.filter_map(|other| other["id"].as_u64()).collect();
        for number in left {
            let statuses = self.statuses.entry(number).or_default();
            statuses.push(json!({ "state": "inactive", "description": "by GitHub" }));
        }
    }

    pub(super) fn check(&mut self, repository: &str, asker: Asker, number: Option<&str>, body: &Value) -> Found {
        if asker != Asker::Installation {
            return Err((403, "You must authenticate via a GitHub App.".to_owned()));
        }
        if body["status"] == "completed" && body["conclusion"].is_null() {
            return Err((
                422,
                "Invalid request. conclusion is required when status is completed".to_owned(),
            ));
        }
        if body["output"]["summary"]
            .as_str()
            .is_some_and(|summary| summary.chars().count() > 65_535)
        {
            return Err((422, "Invalid request. summary is too long".to_owned()));
        }
        let Some(number) = number else {
            let number = self.number();
            let mut check = json!({ "id": number, "node_id": "CR_1", "repository": repository, "conclusion": null });
            merge(&mut check, body);
            self.checks.push(check.clone());
            return Ok(created(check));
        };
        let known = self
            .checks
            .iter_mut()
            .find(|check| check["repository"] == repository && has_number(check, number))
            .ok_or_else(not_found)?;
        merge(known, body);
        Ok(known.clone().into())
    }

    pub(super) fn checks(&self, repository: &str, sha: &str, paging: &Paging) -> Page {
        let found = self.checks.iter();
        let found: Vec<Value> = found
            .filter(|check| check["repository"] == repository && check["head_sha"] == sha)
            .cloned()
            .collect();
        let total = found.len();
        let mut page = paged(found, paging);
        page.document = json!({ "total_count": total, "check_runs": page.document });
        page
    }

    pub(super) fn release_by_tag(&self, repository: &str, tag: &str) -> Found {
        let found = self.releases.iter().find(|release| is(release, repository, tag));
        Ok(found.cloned().ok_or_else(not_found)?.into())
    }

    pub(super) fn edit_release(&mut self, repository: &str, number: &str, body: &Value) -> Found {
        let known = self
            .releases
            .iter_mut()
            .find(|release| release["repository"] == repository && has_number(release, number))
            .ok_or_else(not_found)?;
        merge(known, body);
        Ok(known.clone().into())
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// The App, where the token says so for ten minutes at most.
fn itself(token: &str, now: Timestamp) -> Option<Asker> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let (from, until) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    let now = now.as_second();
    let holds = claims["iss"] == APP && from <= now && now < until && until - now <= 600;
    holds.then_some(Asker::App)
}

fn is(release: &Value, repository: &str, tag: &str) -> bool {
    release["repository"] == repository && release["tag_name"] == tag
}

fn has_number(record: &Value, number: &str) -> bool {
    record["id"].as_u64() == number.parse().ok()
}

fn created(document: Value) -> Page {
    Page {
        status: 201,
        ..document.into()
    }
}

fn paged(all: Vec<Value>, paging: &Paging) -> Page {
    let links = paging.links(all.len());
    Page {
        links,
        ..Value::Array(paging.of_all(all)).into()
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
