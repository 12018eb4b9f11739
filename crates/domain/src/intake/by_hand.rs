//! A person asks for a deployment at GitHub, by a `deployment` or a `repository_dispatch` event, where the environment's
//! policy has `on = "manual"`.

use jiff::Timestamp;

use super::{DeliveryId, Found, Reason, configured};
use crate::configuration::Application;
use crate::deployment::{AtGitHub, Cause, Deployment, Environment, Request};
use crate::harmless::harmless;
use crate::names::{CommitSha, DeploymentId, RepositoryName};

/// The `task` of a deployment, and the `event_type` of a dispatch, that mean us. GitHub's own default is `deploy`, and a
/// workflow's job that names an environment makes a deployment as well (GitHub Docs, "Deployments and environments"): who
/// wants one of ours says so.
pub const TASK: &str = "lockgate";

/// Somebody asked at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The repository it happened in.
    pub repository: RepositoryName,
    /// Whether that repository is somebody's fork of another one.
    pub fork: bool,
    /// Whether it was asked just now, and did not merely change.
    pub is_new: bool,
    /// What is to be done, in their words.
    pub task: String,
    /// GitHub's number of the deployment; nothing of a dispatch.
    pub deployment: Option<u64>,
    /// Where, as they wrote it.
    pub environment: String,
    /// What: a commit, a branch or a tag, as they wrote it; nothing for the application's branch.
    pub reference: Option<String>,
    /// The commit that this stood for, where GitHub says so: its deployment is of that one, wherever a branch is by now.
    pub commit: Option<CommitSha>,
    /// Who, made harmless.
    pub by: String,
    /// The person's login as GitHub sent it; nothing, where no person is known to have asked.
    pub login: Option<String>,
    /// When, in whole seconds.
    pub at: Option<Timestamp>,
}

impl ByHand {
    /// Whether it asks for anything.
    pub(super) fn asks(&self) -> Result<(), Reason> {
        if self.fork {
            return Err(Reason::Fork);
        }
        if self.task != TASK || !self.is_new {
            return Err(Reason::OtherTask);
        }
        if self.login.is_none() {
            return Err(Reason::NobodyAsks);
        }
        Ok(())
    }

    /// Whose right to write has to be asked.
    pub(super) fn needs_right_of(&self, application: Option<&Application>) -> Option<&str> {
        self.environment(application).ok()?;
        self.login.as_deref()
    }

    /// The commit, branch or tag whose commit has to be asked.
    pub(super) fn needs_commit<'a>(&'a self, application: Option<&'a Application>) -> Option<&'a str> {
        self.environment(application).ok()?;
        match &self.commit {
            Some(commit) => Some(commit.as_str()),
            None => self.named(application),
        }
    }

    /// What is asked for, by its name.
    fn named<'a>(&'a self, application: Option<&'a Application>) -> Option<&'a str> {
        let branch = || application.map(|application| application.branch.as_str());
        self.reference.as_deref().or_else(branch)
    }

    fn environment<'a>(&self, application: Option<&'a Application>) -> Result<&'a Environment, Reason> {
        self.asks()?;
        let application = configured(application, &self.repository)?;
        let mut environments = application.environments.iter();
        let environment = environments
            .find(|environment| environment.name.as_str() == self.environment)
            .ok_or(Reason::UnknownEnvironment)?;
        if environment.on.contains(&Cause::Manual) {
            Ok(environment)
        } else {
            Err(Reason::NotByHand)
        }
    }

    pub(super) fn asked(
        &self,
        application: Option<&Application>,
        delivery: &DeliveryId,
        found: &Found,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, Reason> {
        let environment = self.environment(application)?;
        if !found.may_write {
            return Err(Reason::MayNotWrite);
        }
        let resolved = found.commit.as_ref().ok_or(Reason::CommitMissing)?;
        let number = self.deployment.map(|number| number.to_string());
        // A dispatch has no number: it is named by its delivery, which a redelivery keeps.
        let identity = match &number {
            Some(number) => ["deployment", number.as_str()],
            None => ["dispatch", delivery.as_str()],
        };
        let reference = self.named(application).unwrap_or_default();
        Ok(vec![Deployment {
            id: DeploymentId::derive(&self.repository, &environment.name, &resolved.commit, &identity),
            application: self.repository.clone(),
            environment: environment.clone(),
            commit: resolved.commit.clone(),
            reference: harmless(reference, 255),
            release: None,
            requested: Request {
                by: self.by.clone(),
                at: now,
                happened_at: self.at.unwrap_or(now),
                because: Cause::Manual,
                delivery: Some(delivery.to_string()),
                before: None,
                title: resolved.title.clone(),
                at_github: self.deployment.map(AtGitHub::Deployment),
            },
            rollback: None,
            plans: false,
        }])
    }
}
