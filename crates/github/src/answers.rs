//! GitHub's answers, reduced to the fields that are used. What is not used is not looked at: GitHub adds fields at any
//! time.

use std::borrow::Cow;

use domain::approval::{Contributor, Role};
use domain::harmless::{first_line, harmless};
use domain::names::CommitSha;
use serde::Deserialize;

/// How many characters of a commit's title are kept.
const TITLE_LIMIT: usize = 100;
/// How many characters of a person's name are kept.
const NAME_LIMIT: usize = 100;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its SHA-1.
    pub sha: CommitSha,
    /// The first line of its message, made harmless.
    pub title: String,
    /// Its whole message as it was written, for those who are named at its end. Not for people's eyes.
    pub message: String,
    /// Who wrote it.
    pub author: Contributor,
    /// Who made a commit of it: somebody who merged, or GitHub itself.
    pub committer: Contributor,
    /// The commits that it comes right after.
    pub parents: Vec<CommitSha>,
}

/// A reference or an annotated tag: both name an object.
#[derive(Deserialize)]
pub(crate) struct HasObject {
    pub(crate) object: Object,
}

/// What a reference or an annotated tag names.
#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) sha: CommitSha,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
}

/// The kinds of Git's objects.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Commit,
    Tag,
    /// A tree or a blob.
    #[serde(other)]
    Other,
}

/// Two commits, compared.
#[derive(Deserialize)]
pub(crate) struct Comparison {
    /// How many lead to the second and not to the first.
    pub(crate) total_commits: usize,
    /// The newest that leads to both.
    pub(crate) merge_base_commit: Named,
}

/// Something that is named and not told more of.
#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) sha: CommitSha,
}

/// A commit as the commits API writes it: what Git knows inside `commit`, and the accounts that GitHub takes its people
/// for outside.
#[derive(Deserialize)]
pub(crate) struct CommitAnswer<'a> {
    sha: CommitSha,
    #[serde(borrow)]
    commit: GitCommit<'a>,
    #[serde(borrow)]
    author: Option<Account<'a>>,
    #[serde(borrow)]
    committer: Option<Account<'a>>,
    parents: Vec<Named>,
}

#[derive(Deserialize)]
struct GitCommit<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    author: Option<GitPerson<'a>>,
    #[serde(borrow)]
    committer: Option<GitPerson<'a>>,
}

#[derive(Default, Deserialize)]
struct GitPerson<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
}

/// Nobody, `null` and an object without a login alike, where no account has the mail address.
#[derive(Default, Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    login: Option<Cow<'a, str>>,
}

impl From<CommitAnswer<'_>> for Commit {
    fn from(answer: CommitAnswer<'_>) -> Self {
        Self {
            sha: answer.sha,
            title: first_line(&answer.commit.message, TITLE_LIMIT),
            author: contributor(answer.commit.author, answer.author, Role::Author),
            committer: contributor(answer.commit.committer, answer.committer, Role::Committer),
            message: answer.commit.message.into_owned(),
            parents: answer.parents.into_iter().map(|parent| parent.sha).collect(),
        }
    }
}

fn contributor(person: Option<GitPerson<'_>>, account: Option<Account<'_>>, role: Role) -> Contributor {
    let person = person.unwrap_or_default();
    let text = |field: Option<Cow<'_, str>>| field.map(Cow::into_owned).filter(|text| !text.is_empty());
    Contributor {
        name: harmless(&person.name.unwrap_or_default(), NAME_LIMIT),
        login: text(account.and_then(|account| account.login)),
        mail: text(person.email),
        role,
    }
}
