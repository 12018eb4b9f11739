//! One approval, from the question to its outcome.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ApprovalPolicy, Approver, ChecklistItem, Contributor, KeyId, PrincipalArn, When};
use crate::change_set::Summary;
use crate::names::{
    AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, InvalidName, Region, RepositoryName, StackName, name,
};
use crate::smoke_test::Report;

/// The most characters of a comment.
pub const COMMENT_LIMIT: usize = 2000;

name!(
    /// The name of an approval, which its links carry. It is derived, so that asking again is asking the same.
    ApprovalId,
    "an approval",
    "32 lower-case hexadecimal digits",
    |text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl ApprovalId {
    /// The approval of a deployment at this point of it.
    pub fn of(deployment: &DeploymentId, when: When) -> Self {
        let whole = Digest::of(format!("approval\n{deployment}\n{when}").as_bytes());
        Self(whole.as_str()[..32].to_owned())
    }
}

/// What people are asked, and what they answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// The deployment that waits for it.
    pub deployment: DeploymentId,
    /// The application.
    pub application: RepositoryName,
    /// The environment the release is in.
    pub environment: EnvironmentName,
    /// That environment's account.
    pub account: AccountId,
    /// That environment's region.
    pub region: Region,
    /// What is accepted or rejected, and nothing else is.
    pub release: Digest,
    /// The commit it was built from.
    pub commit: CommitSha,
    /// What people call it: the tag or branch it was asked from, harmless.
    pub version: String,
    /// The first line of the commit's message, harmless.
    pub title: String,
    /// Who asked for the deployment: a GitHub login or an ARN, harmless.
    pub requested_by: String,
    /// Who is asked, and what their answers have to come to.
    pub policy: ApprovalPolicy,
    /// Those of the people asked who wrote some of it, and may not answer therefore.
    pub contributors: Vec<Contributor>,
    /// What they are shown.
    pub facts: Facts,
    /// What they are to try.
    pub checklist: Vec<ChecklistItem>,
    /// When they were asked.
    pub asked_at: Timestamp,
    /// When those who have not answered are asked again.
    pub remind_at: Timestamp,
    /// From here on no answer counts.
    pub deadline: Timestamp,
    /// Those whose mail address did not confirm that it wants our mail.
    pub unconfirmed: Vec<Approver>,
    /// The mail that was sent.
    pub mails: BTreeMap<Approver, MailState>,
    /// The answers, first come first.
    pub ballots: Vec<Ballot>,
    /// How it ended; never changes.
    pub outcome: Option<Outcome>,
}

/// What the people who are asked are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The commit that is stable in the environment.
    pub since: Option<CommitSha>,
    /// Where GitHub shows the difference.
    pub compare_url: Option<String>,
    /// The commits since then, newest first.
    pub commits: Vec<CommitLine>,
    /// How many more there are.
    pub more_commits: u32,
    /// What changed in the stacks.
    pub stacks: Vec<StackFacts>,
    /// How the smoke tests went.
    pub smoke_tests: Option<Report>,
    /// How the integration tests went; nothing where the release has none.
    pub integration_tests: Option<IntegrationFacts>,
}

/// One commit, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitLine {
    /// The commit.
    pub commit: CommitSha,
    /// The first line of its message, harmless.
    pub title: String,
    /// Its author's name, harmless.
    pub author: String,
}

/// What a deployment changed in one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFacts {
    /// The stack.
    pub stack: StackName,
    /// What changed; nothing, where there were no changes.
    pub summary: Option<Summary>,
}

/// How the integration tests went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationFacts {
    /// Whether they passed.
    pub passed: bool,
    /// Where their log can be read.
    pub log: String,
}

/// What mail somebody got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// The question.
    Asked,
    /// The question, and no further mail is due.
    Reminded,
}

/// One person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Whose.
    pub by: Approver,
    /// How it came.
    pub via: Via,
    /// What they decided.
    pub decision: Choice,
    /// Why, in one harmless paragraph; may be empty where they accept.
    pub comment: String,
    /// The items of the checklist that they ticked, by their place from 0.
    pub ticked: Vec<usize>,
    /// When.
    pub at: Timestamp,
}

/// How an answer came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "snake_case")]
pub enum Via {
    /// By the link in their mail.
    Link {
        /// The key that its token was made with.
        key: KeyId,
    },
    /// By command.
    Command {
        /// The AWS principal that IAM says it was.
        arn: PrincipalArn,
    },
}

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::EnumString, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Choice {
    /// The release may stay.
    Accept,
    /// It may not.
    Reject,
}

/// How an approval ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Enough people accepted.
    Accepted {
        /// When the last that was needed did.
        at: Timestamp,
    },
    /// Somebody rejected it.
    Rejected {
        /// Who.
        by: Approver,
        /// Why.
        comment: String,
        /// When.
        at: Timestamp,
    },
    /// Too few had answered at the deadline.
    Expired {
        /// When that was seen.
        at: Timestamp,
    },
    /// A newer deployment took its place.
    Superseded {
        /// The newer one.
        by: DeploymentId,
        /// When.
        at: Timestamp,
    },
    /// Too few people are left who may accept it.
    Unreachable {
        /// When that was seen.
        at: Timestamp,
    },
}

/// Why an answer does not count; nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are none of those who are asked.
    #[error("you are none of the people who are asked")]
    NotAsked,
    /// They had a part in it.
    #[error("nobody accepts or rejects what they wrote or asked for themselves")]
    WroteIt(Box<Contributor>),
    /// They answered before, and an answer is given once.
    #[error("you have answered already")]
    Answered(Box<Ballot>),
    /// It is over.
    #[error("it has been decided already")]
    Over(Box<Outcome>),
    /// The deadline has passed.
    #[error("the deadline has passed")]
    TooLate,
    /// A rejection says why.
    #[error("a rejection needs a comment that says why")]
    CommentMissing,
    /// The comment is longer than [`COMMENT_LIMIT`].
    #[error("the comment is longer than {COMMENT_LIMIT} characters")]
    CommentTooLong,
}

/// What is due for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is to be superseded by this deployment.
    Supersede(DeploymentId),
    /// Its deadline has passed.
    Expire,
    /// Too few are left who may accept it.
    GiveUp,
    /// Mail is due.
    Mail {
        /// To be asked.
        ask: Vec<Approver>,
        /// To be reminded.
        remind: Vec<Approver>,
    },
    /// Nothing.
    Nothing,
}
