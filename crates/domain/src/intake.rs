//! What a GitHub delivery asks for.
//!
//! A delivery is parsed once, into our own words ([`Event::read`]); what it asks for is decided from those and the
//! application's configuration ([`asks`]). Every delivery ends as deployments or as a recorded [`Reason`] why not.

mod by_hand;
pub mod lost;
mod payload;
mod pull_request;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::configuration::Application;
use crate::deployment::{Cause, Deployment, Environment, Request};
use crate::harmless::{first_line, harmless};
use crate::names::{CommitSha, DeploymentId, RepositoryName};

pub use by_hand::{ByHand, TASK};
pub use pull_request::{LABEL, PullRequest, PullRequestAction};

/// How many characters of a commit's title are kept.
const TITLE_LIMIT: usize = 100;
/// The most bytes of a tag: GitHub takes no longer name of a branch or tag (GitHub Docs, "Dealing with special characters
/// in branch and tag names" and the errors of the refs API).
const TAG_LIMIT: usize = 255;

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
    Release(Release),
    /// Something happened to a pull request.
    PullRequest(PullRequest),
    /// Somebody asked for a deployment.
    ByHand(ByHand),
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

/// A GitHub release or pre-release changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The repository it happened in.
    pub repository: RepositoryName,
    /// Whether that repository is somebody's fork of another one.
    pub fork: bool,
    /// GitHub's number of the release, which stays whatever is edited.
    pub id: u64,
    /// The tag, as GitHub sent it; what it stands for has to be asked.
    pub tag: String,
    /// Whether only those who may write to the repository see it.
    pub draft: bool,
    /// Whether it is a pre-release.
    pub prerelease: bool,
    /// What happened to it.
    pub action: ReleaseAction,
    /// Who did that, made harmless.
    pub by: String,
    /// The release's title, made harmless.
    pub name: String,
    /// When it was published, or made where GitHub does not say, in whole seconds.
    pub at: Option<Timestamp>,
}

/// What happens to releases.
///
/// One act of a person comes as several events, and which ones depends on the way: a pre-release that is published from a
/// draft comes as `published` alone, another one as `created`, `published` and `prereleased` (GitHub Docs, "Webhook events
/// and payloads", `release`). What is asked for is therefore read off the release, and the same whichever of them comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseAction {
    /// It, or its draft, was made.
    Created,
    /// It became visible.
    Published,
    /// It became visible as a pre-release.
    Prereleased,
    /// It became a release, perhaps having been a pre-release.
    Released,
    /// Its texts changed.
    Edited,
    /// It became a draft again.
    Unpublished,
    /// It is gone.
    Deleted,
    /// Something that is newer than this program.
    Other,
}

/// Something that a person named, and that stands for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought<'a> {
    /// The tag of a release.
    Release(&'a Release),
    /// A branch, a tag or a commit.
    Reference {
        /// Of this repository.
        repository: &'a RepositoryName,
        /// As it was written.
        reference: &'a str,
    },
}

/// What GitHub said when it was asked what [`asks`] has to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// What [`Event::needs_commit`] stands for; nothing, where there is no such commit.
    pub commit: Option<Resolved>,
    /// Whether who [`Event::needs_right_of`] names may write to the repository.
    pub may_write: bool,
}

/// What a tag stands for, as GitHub said when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The commit, annotated tags peeled.
    pub commit: CommitSha,
    /// Its message, or the first line of it.
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
            Self::Release(release) => release.cause().map(|_| &release.repository),
            Self::PullRequest(pull) => pull.asks().map(|()| &pull.repository),
            Self::ByHand(by_hand) => by_hand.asks().map(|()| &by_hand.repository),
            Self::Ping | Self::Other => Err(Reason::AsksForNothing),
        }
    }

    /// What [`asks`] has to be told the commit of; nothing, where no environment of the application waits for it, so that
    /// GitHub is asked only about what matters.
    pub fn needs_commit<'a>(&'a self, application: Option<&'a Application>) -> Option<Sought<'a>> {
        match self {
            Self::Release(release) => release.environments(application).ok().map(|_| Sought::Release(release)),
            Self::ByHand(by_hand) => by_hand.needs_commit(application).map(|reference| Sought::Reference {
                repository: &by_hand.repository,
                reference,
            }),
            Self::Push(_) | Self::PullRequest(_) | Self::Ping | Self::Other => None,
        }
    }

    /// The repository, and the login of whom [`asks`] has to be told whether they may write there.
    pub fn needs_right_of<'a>(&'a self, application: Option<&Application>) -> Option<(&'a RepositoryName, &'a str)> {
        match self {
            Self::PullRequest(pull) => Some((&pull.repository, pull.needs_right_of(application)?)),
            Self::ByHand(by_hand) => Some((&by_hand.repository, by_hand.needs_right_of(application)?)),
            Self::Push(_) | Self::Release(_) | Self::Ping | Self::Other => None,
        }
    }
}

impl Release {
    /// What it asks as.
    pub fn cause(&self) -> Result<Cause, Reason> {
        if self.fork {
            return Err(Reason::Fork);
        }
        if self.draft {
            return Err(Reason::DraftRelease);
        }
        match self.action {
            ReleaseAction::Published | ReleaseAction::Prereleased | ReleaseAction::Released => {}
            ReleaseAction::Created => return Err(Reason::CreatedRelease),
            ReleaseAction::Edited => return Err(Reason::EditedRelease),
            ReleaseAction::Unpublished | ReleaseAction::Deleted => return Err(Reason::WithdrawnRelease),
            ReleaseAction::Other => return Err(Reason::AsksForNothing),
        }
        if self.tag.is_empty() || self.tag.len() > TAG_LIMIT {
            return Err(Reason::TagMissing);
        }
        Ok(if self.prerelease {
            Cause::Prerelease
        } else {
            Cause::Release
        })
    }

    /// The environments of the application that it starts; at least one.
    fn environments<'a>(&self, application: Option<&'a Application>) -> Result<(Cause, Vec<&'a Environment>), Reason> {
        let cause = self.cause()?;
        let application = configured(application, &self.repository)?;
        let environments = started_by(application, cause);
        if environments.is_empty() {
            Err(if cause == Cause::Prerelease {
                Reason::NoEnvironmentByPrerelease
            } else {
                Reason::NoEnvironmentByRelease
            })
        } else {
            Ok((cause, environments))
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
    /// No environment of the application has `on = "prerelease"`.
    NoEnvironmentByPrerelease,
    /// No environment of the application has `on = "release"`.
    NoEnvironmentByRelease,
    /// A release that is not published.
    DraftRelease,
    /// A release was made; that it is published is an event of its own.
    CreatedRelease,
    /// The texts of a release changed.
    EditedRelease,
    /// A release was taken back or deleted.
    WithdrawnRelease,
    /// There is no commit behind the tag: it names something else, or is no tag's name.
    TagMissing,
    /// A push whose delivery came so late that its commit was asked for without it.
    Recovered,
    /// A pull request whose commits were looked at already.
    SameCommits,
    /// A pull request of a fork, or of a repository that is gone.
    ForeignPullRequest,
    /// A pull request into another branch.
    OtherBase,
    /// No environment of the application has `pull_requests = true`.
    NoEnvironmentForPullRequests,
    /// Who asked may not write to the repository.
    MayNotWrite,
    /// A deployment or a dispatch that does not mean us.
    OtherTask,
    /// No person is known to have asked.
    NobodyAsks,
    /// The application has no environment of the name.
    UnknownEnvironment,
    /// The environment does not have `on = "manual"`.
    NotByHand,
    /// GitHub knows no commit by what was named.
    CommitMissing,
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
            Self::NoEnvironmentByPrerelease => "No environment of this application has on = \"prerelease\".",
            Self::NoEnvironmentByRelease => "No environment of this application has on = \"release\".",
            Self::DraftRelease => "A draft starts nothing; that it is published is an event of its own.",
            Self::CreatedRelease => {
                "That a release was made starts nothing; that it is published is an event of its own."
            }
            Self::EditedRelease => "Editing a release's texts starts nothing.",
            Self::WithdrawnRelease => "A release that is gone leaves nothing to deploy; what it brought stays.",
            Self::TagMissing => "There is no commit behind this release's tag.",
            Self::SameCommits => "This brings a pull request no commits that were not looked at before.",
            Self::ForeignPullRequest => {
                "A pull request of a fork is looked at when somebody who may write to the repository puts the label \
                 lockgate-plan on it."
            }
            Self::OtherBase => "lockgate.toml names another branch of this repository than this is to be merged into.",
            Self::NoEnvironmentForPullRequests => "No environment of this application has pull_requests = true.",
            Self::MayNotWrite => "Who asked may not write to the repository.",
            Self::OtherTask => {
                "Only a deployment with the task, or a dispatch with the event_type, \"lockgate\" asks us."
            }
            Self::NobodyAsks => {
                "No person is known to have asked; have a person ask, or run `lockgate deploy` in the workflow."
            }
            Self::UnknownEnvironment => "lockgate.toml has no environment of this name for this repository.",
            Self::NotByHand => "The environment does not have \"manual\" in `on`.",
            Self::CommitMissing => "The repository has no commit by that name.",
            Self::Recovered => "Its delivery came so late that this commit was deployed without it.",
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

/// What is left to do for one copy of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftToDo {
    /// To start these deployments, whoever claimed the delivery. Starting what runs already changes nothing.
    Start(Vec<Deployment>),
    /// To say that it asks for nothing, and why.
    SayWhyNot(Reason),
    /// Nothing: another copy has seen to it.
    Nothing,
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

    /// What is left to do for this copy of a delivery, where `before` is what another copy had recorded by then.
    ///
    /// What was decided first stays, whatever the configuration says by now: a delivery means one thing. Whoever has it sent
    /// again hears why it still asks for nothing.
    pub fn left_to_do(self, before: Option<Self>) -> LeftToDo {
        match before.unwrap_or(self).course {
            Course::Received { deployments } => LeftToDo::Start(deployments),
            Course::Ignored { reason } => LeftToDo::SayWhyNot(reason),
            Course::Started { .. } => LeftToDo::Nothing,
        }
    }

    /// When somebody has to look whether it got on.
    pub fn look_at(&self) -> Option<Timestamp> {
        matches!(self.course, Course::Received { .. }).then(|| self.at + Self::PATIENCE)
    }
}

/// Decides what an event asks for; `found` is what [`Event::needs_commit`] and [`Event::needs_right_of`] asked about.
///
/// A deployment's id is derived from the push itself (branch, commit before, commit after, and when GitHub took it), so
/// that a redelivery or a replay asks for the same deployment again, and a later push asks for a new one, even where it
/// takes the branch from and to the same commits as an earlier one.
/// Of a release it is derived from the release, its tag and whether it is a pre-release, and not from the event: all the
/// events of one release ask for one deployment.
pub fn asks(
    event: &Event,
    application: Option<&Application>,
    delivery: &DeliveryId,
    found: &Found,
    now: Timestamp,
) -> Decision {
    match event {
        Event::Push(push) => asked_by_push(push, application, delivery, now),
        Event::Release(release) => asked_by_release(release, application, delivery, found.commit.as_ref(), now),
        Event::PullRequest(pull) => pull.asked(application, delivery, found, now),
        Event::ByHand(by_hand) => by_hand.asked(application, delivery, found, now),
        Event::Ping | Event::Other => Err(Reason::AsksForNothing),
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
    let application = configured(application, &push.repository)?;
    if branch != application.branch {
        return Err(Reason::OtherBranch);
    }
    let before = push.before.as_ref().map_or("", CommitSha::as_str);
    let taken_at = push.pushed_at.map(|at| at.as_second().to_string()).unwrap_or_default();
    let environments = started_by(application, Cause::Push);
    if environments.is_empty() {
        return Err(Reason::NoEnvironmentByPush);
    }
    Ok(environments
        .into_iter()
        .map(|environment| Deployment {
            id: DeploymentId::derive(
                &push.repository,
                &environment.name,
                commit,
                &["push", &push.reference, before, commit.as_str(), &taken_at],
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
                at_github: None,
            },
            rollback: None,
            plans: false,
        })
        .collect())
}

fn asked_by_release(
    release: &Release,
    application: Option<&Application>,
    delivery: &DeliveryId,
    resolved: Option<&Resolved>,
    now: Timestamp,
) -> Result<Vec<Deployment>, Reason> {
    let (cause, environments) = release.environments(application)?;
    let Resolved { commit, title } = resolved.ok_or(Reason::TagMissing)?;
    let title = match first_line(title, TITLE_LIMIT) {
        // A commit can be without a message.
        none if none.is_empty() => harmless(&release.name, TITLE_LIMIT),
        title => title,
    };
    Ok(environments
        .into_iter()
        .map(|environment| Deployment {
            id: DeploymentId::derive(
                &release.repository,
                &environment.name,
                commit,
                &["release", &release.id.to_string(), &release.tag, &cause.to_string()],
            ),
            application: release.repository.clone(),
            environment: environment.clone(),
            commit: commit.clone(),
            reference: harmless(&release.tag, 255),
            release: None,
            requested: Request {
                by: release.by.clone(),
                at: now,
                happened_at: release.at.unwrap_or(now),
                because: cause,
                delivery: Some(delivery.to_string()),
                before: None,
                title: title.clone(),
                at_github: None,
            },
            rollback: None,
            plans: false,
        })
        .collect())
}

/// The configuration of the repository itself.
fn configured<'a>(
    application: Option<&'a Application>,
    repository: &RepositoryName,
) -> Result<&'a Application, Reason> {
    application
        .filter(|application| application.repository == *repository)
        .ok_or(Reason::UnknownRepository)
}

fn started_by(application: &Application, cause: Cause) -> Vec<&Environment> {
    application
        .environments
        .iter()
        .filter(|environment| environment.on.contains(&cause))
        .collect()
}

#[cfg(test)]
mod tests;
