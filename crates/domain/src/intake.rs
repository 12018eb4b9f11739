//! What a GitHub delivery asks for.
//!
//! A delivery is parsed once, into our own words ([`Event::read`]); what it asks for is decided from those and the
//! application's configuration ([`asks`]). Every delivery ends as deployments or as a recorded [`Reason`] why not.

mod payload;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::configuration::Application;
use crate::deployment::{Cause, Deployment, Request};
use crate::harmless::harmless;
use crate::names::{CommitSha, DeploymentId, RepositoryName};

/// GitHub's name for one delivery (`X-GitHub-Delivery`), which a redelivery keeps. GitHub writes a GUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

/// A delivery that is not named as GitHub names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("X-GitHub-Delivery is not 1 to 64 hexadecimal digits and '-'")]
pub struct InvalidDeliveryId;

impl DeliveryId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidDeliveryId;

    fn from_str(text: &str) -> Result<Self, InvalidDeliveryId> {
        let valid = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        // One spelling, so that one delivery has one record.
        if valid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidDeliveryId)
        }
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = InvalidDeliveryId;

    fn try_from(text: String) -> Result<Self, InvalidDeliveryId> {
        text.parse()
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> String {
        id.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A delivery that cannot be read as what its headers say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delivery cannot be read: {0}")]
pub struct Malformed(String);

/// What happened at GitHub, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A webhook was just set up.
    Ping,
    /// A branch or tag moved.
    Push(Push),
    /// A GitHub release or pre-release changed.
    Release(RepositoryName),
    /// Everything else that GitHub can be told to send.
    Other,
}

/// A branch or tag moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The repository it happened in.
    pub repository: RepositoryName,
    /// Whether that repository is somebody's fork of another one.
    pub fork: bool,
    /// The full name of what moved, such as `refs/heads/main`, as GitHub sent it.
    pub reference: String,
    /// The commit before; `None` where it was created.
    pub before: Option<CommitSha>,
    /// The commit after; `None` where it was deleted.
    pub after: Option<CommitSha>,
    /// When GitHub took the push, in whole seconds.
    pub pushed_at: Option<Timestamp>,
    /// Who pushed, made harmless.
    pub by: String,
    /// The first line of the newest commit's message, made harmless.
    pub title: String,
}

impl Event {
    /// Reads a delivery's body as the event that its `X-GitHub-Event` names.
    pub fn read(event: &str, body: &[u8]) -> Result<Self, Malformed> {
        payload::read(event, body)
    }

    /// The repository whose configuration decides, or the reason why no configuration has to be asked.
    pub fn needs_configuration_of(&self) -> Result<&RepositoryName, Reason> {
        match self {
            Self::Push(push) if push.fork => Err(Reason::Fork),
            Self::Push(push) => push.branch().map(|_| &push.repository),
            Self::Release(_) => Err(Reason::ReleasesStartNothing),
            Self::Ping | Self::Other => Err(Reason::AsksForNothing),
        }
    }
}

impl Push {
    /// The branch that got a new commit, and that commit.
    fn branch(&self) -> Result<(&str, &CommitSha), Reason> {
        let after = self.after.as_ref().ok_or(Reason::Deletion)?;
        if self.reference.starts_with("refs/tags/") {
            return Err(Reason::Tag);
        }
        let branch = self.reference.strip_prefix("refs/heads/").ok_or(Reason::NotABranch)?;
        if branch.starts_with("gh-readonly-queue/") {
            return Err(Reason::MergeQueueBranch);
        }
        Ok((branch, after))
    }
}

/// What a delivery leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These deployments; at least one.
    Ask(Vec<Deployment>),
    /// Nothing, and why.
    Ignored(Reason),
}

/// Why a delivery leads to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// A branch or tag was deleted.
    Deletion,
    /// A tag moved.
    Tag,
    /// Neither a branch nor a tag moved.
    NotABranch,
    /// Another branch moved.
    OtherBranch,
    /// GitHub's merge queue tries something out.
    MergeQueueBranch,
    /// No application has this repository.
    UnknownRepository,
    /// The repository is a fork.
    Fork,
    /// No environment of the application has `on = "push"`.
    NoEnvironmentByPush,
    /// A release event.
    ReleasesStartNothing,
    /// An event that starts nothing in any version.
    AsksForNothing,
}

impl Reason {
    /// The reason in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Deletion => "A deleted branch or tag leaves nothing to deploy.",
            Self::Tag => "Tags start nothing; the branch that the tag is on did when it was pushed.",
            Self::NotABranch => "Only branches are deployed.",
            Self::OtherBranch => "lockgate.toml names another branch of this repository.",
            Self::MergeQueueBranch => {
                "A branch of GitHub's merge queue is a trial; the merge itself is a push of its own."
            }
            Self::UnknownRepository => "lockgate.toml has no application for this repository.",
            Self::Fork => "Commits of forks are never deployed.",
            Self::NoEnvironmentByPush => "No environment of this application has on = \"push\".",
            Self::ReleasesStartNothing => "No environment of this version is started by releases yet.",
            Self::AsksForNothing => "Events of this kind start nothing; take them off the webhook to save deliveries.",
        }
    }
}

/// A delivery as the ledger keeps it: what it led to, and how far that got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event that GitHub named, made harmless.
    pub event: String,
    /// When it was taken in.
    pub at: Timestamp,
    /// What it led to.
    #[serde(flatten)]
    pub course: Course,
}

/// What a delivery led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Course {
    /// These deployments are to be started; they are kept as they were decided, so that whoever finds the delivery
    /// half-way starts exactly those.
    Received {
        /// At least one.
        deployments: Vec<Deployment>,
    },
    /// All of them were started.
    Started {
        /// The same ones.
        deployments: Vec<Deployment>,
    },
    /// It asks for nothing.
    Ignored {
        /// Why.
        reason: Reason,
    },
}

impl Delivery {
    /// How long a claimed delivery may stay half-way before the sweep finishes it; GitHub waits ten seconds for an answer.
    pub const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

    /// A delivery of which this was decided.
    pub fn new(id: DeliveryId, event: &str, decision: Decision, at: Timestamp) -> Self {
        let course = match decision {
            Decision::Ask(deployments) => Course::Received { deployments },
            Decision::Ignored(reason) => Course::Ignored { reason },
        };
        Self {
            id,
            event: harmless(event, 80),
            at,
            course,
        }
    }

    /// When somebody has to look whether it got on.
    pub fn look_at(&self) -> Option<Timestamp> {
        matches!(self.course, Course::Received { .. }).then(|| self.at + Self::PATIENCE)
    }
}

/// Decides what an event asks for.
///
/// A deployment's id is derived from the push itself (branch, commit before and commit after), so that a redelivery or
/// a replay asks for the same deployment again, and a later push that goes back to an older commit asks for a new one.
pub fn asks(event: &Event, application: Option<&Application>, delivery: &DeliveryId, now: Timestamp) -> Decision {
    match event {
        Event::Push(push) => asked_by_push(push, application, delivery, now),
        _ => Err(event.needs_configuration_of().err().unwrap_or(Reason::AsksForNothing)),
    }
    .map_or_else(Decision::Ignored, Decision::Ask)
}

fn asked_by_push(
    push: &Push,
    application: Option<&Application>,
    delivery: &DeliveryId,
    now: Timestamp,
) -> Result<Vec<Deployment>, Reason> {
    if push.fork {
        return Err(Reason::Fork);
    }
    let (branch, commit) = push.branch()?;
    let application = application
        .filter(|a| a.repository == push.repository)
        .ok_or(Reason::UnknownRepository)?;
    if branch != application.branch {
        return Err(Reason::OtherBranch);
    }
    let before = push.before.as_ref().map_or("", CommitSha::as_str);
    let deployments: Vec<Deployment> = application
        .environments
        .iter()
        .filter(|environment| environment.on.contains(&Cause::Push))
        .map(|environment| Deployment {
            id: DeploymentId::derive(
                &push.repository,
                &environment.name,
                commit,
                &["push", &push.reference, before, commit.as_str()],
            ),
            application: push.repository.clone(),
            environment: environment.clone(),
            commit: commit.clone(),
            reference: harmless(branch, 255),
            release: None,
            requested: Request {
                by: push.by.clone(),
                at: now,
                happened_at: push.pushed_at.unwrap_or(now),
                because: Cause::Push,
                delivery: Some(delivery.to_string()),
                before: push.before.clone(),
                title: push.title.clone(),
            },
        })
        .collect();
    if deployments.is_empty() {
        Err(Reason::NoEnvironmentByPush)
    } else {
        Ok(deployments)
    }
}

#[cfg(test)]
mod tests;
