//! A pull request is shown what merging it would change, in every environment whose policy has it so. It is built and
//! compared, and changes nothing.

use jiff::Timestamp;

use super::{DeliveryId, Found, Reason, configured};
use crate::configuration::Application;
use crate::deployment::{AtGitHub, Cause, Deployment, Environment, Request};
use crate::names::{CommitSha, DeploymentId, RepositoryName};

/// The label by which somebody who may write to the repository has a pull request looked at: one of a fork, or one that was
/// looked at before.
pub const LABEL: &str = "lockgate-plan";

/// A pull request of which something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The repository that it is to be merged into.
    pub repository: RepositoryName,
    /// Whether that repository is somebody's fork of another one.
    pub fork: bool,
    /// GitHub's number of it.
    pub number: u64,
    /// What happened.
    pub action: PullRequestAction,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Its newest commit.
    pub head: CommitSha,
    /// The repository that its branch is in; nothing, where that is gone.
    pub from: Option<RepositoryName>,
    /// Who did that, made harmless.
    pub by: String,
    /// Their login as GitHub sent it.
    pub login: String,
    /// Its title, made harmless.
    pub title: String,
    /// When that happened, in whole seconds.
    pub at: Option<Timestamp>,
}

/// What happens to pull requests, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullRequestAction {
    /// It has a commit that nobody was shown: it was opened, opened again, or got new commits.
    Brought,
    /// It got a label of this name.
    Labelled(String),
    /// Something else.
    Other,
}

impl PullRequest {
    /// Whether it asks for anything.
    pub(super) fn asks(&self) -> Result<(), Reason> {
        if self.fork {
            return Err(Reason::Fork);
        }
        match &self.action {
            PullRequestAction::Brought if self.is_foreign() => Err(Reason::ForeignPullRequest),
            PullRequestAction::Brought => Ok(()),
            PullRequestAction::Labelled(label) if label == LABEL => Ok(()),
            PullRequestAction::Labelled(_) | PullRequestAction::Other => Err(Reason::SameCommits),
        }
    }

    /// Whose right to write has to be asked: that of who put the label on. A branch of the repository itself can be
    /// brought by nobody without it.
    pub(super) fn needs_right_of(&self, application: Option<&Application>) -> Option<&str> {
        self.environments(application).ok()?;
        matches!(self.action, PullRequestAction::Labelled(_)).then_some(&self.login)
    }

    fn is_foreign(&self) -> bool {
        self.from.as_ref() != Some(&self.repository)
    }

    fn environments<'a>(&self, application: Option<&'a Application>) -> Result<Vec<&'a Environment>, Reason> {
        self.asks()?;
        let application = configured(application, &self.repository)?;
        if self.base != application.branch {
            return Err(Reason::OtherBase);
        }
        let shown = |environment: &&Environment| environment.pull_requests;
        let environments: Vec<_> = application.environments.iter().filter(shown).collect();
        if environments.is_empty() {
            return Err(Reason::NoEnvironmentForPullRequests);
        }
        Ok(environments)
    }

    pub(super) fn asked(
        &self,
        application: Option<&Application>,
        delivery: &DeliveryId,
        found: &Found,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, Reason> {
        let environments = self.environments(application)?;
        let number = self.number.to_string();
        let mut identity = vec!["pull_request", number.as_str()];
        let labelled_at = self.at.unwrap_or(now).as_second().to_string();
        if matches!(self.action, PullRequestAction::Labelled(_)) {
            if !found.may_write {
                return Err(Reason::MayNotWrite);
            }
            // The label is how somebody has the same commit looked at once more.
            identity.extend(["labelled", labelled_at.as_str()]);
        }
        Ok(environments
            .into_iter()
            .map(|environment| Deployment {
                id: DeploymentId::derive(&self.repository, &environment.name, &self.head, &identity),
                application: self.repository.clone(),
                environment: environment.clone(),
                commit: self.head.clone(),
                reference: format!("#{number}"),
                release: None,
                requested: Request {
                    by: self.by.clone(),
                    at: now,
                    happened_at: self.at.unwrap_or(now),
                    because: Cause::PullRequest,
                    delivery: Some(delivery.to_string()),
                    before: None,
                    title: self.title.clone(),
                    at_github: Some(AtGitHub::PullRequest(self.number)),
                },
                rollback: None,
                plans: true,
            })
            .collect())
    }
}
