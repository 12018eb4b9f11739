//! How Lockgate talks to GitHub's REST API.
//!
//! What GitHub does not have is a value ([`None`]); an [`Error`] says that GitHub could not be asked now, or does not let
//! us see or write. Texts that people read are made harmless here; what they mean is decided in `domain`.

mod address;
mod answers;
mod app;
mod credentials;
mod error;
mod http;
mod listing;
mod rights;
mod tag;
mod token;
mod writing;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use domain::names::{CommitSha, RepositoryName};
use serde::Deserialize;
use tokio::time::Instant;

pub use address::UnusableAddress;
pub use answers::Commit;
pub use app::{App, UnusableApp};
pub use credentials::{Access, Credentials, NoAccess, UnusableCredentials};
pub use error::Error;
pub use token::{Token, UnusableToken};
pub use writing::ReleasePage;

use answers::{CommitAnswer, Comparison, HasObject, Kind};
use http::{Asking, Bearer, Http, Reply};

/// GitHub's own API.
pub const API: &str = "https://api.github.com";

/// An annotated tag may name another one, and so on; nobody means more than a few.
const PEELED_AT_MOST: usize = 5;
/// The most that GitHub puts on a page.
const PAGE: usize = 100;

/// How long GitHub is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one call, from connecting to the last byte.
    pub call: Duration,
    /// For everything that one question needs: its calls, those tried again, and the pauses between them.
    pub question: Duration,
    /// Before a call is tried again, where GitHub does not say how long; each further pause is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(5),
            question: Duration::from_secs(20),
            pause: Duration::from_millis(250),
        }
    }
}

/// GitHub.
#[derive(Debug, Clone)]
pub struct GitHub {
    http: Http,
}

/// What lies between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Between {
    /// All of these, newest first.
    Commits(Vec<Commit>),
    /// More than may be read.
    TooMany,
    /// GitHub finds nothing that both come from: history was rewritten, or the first of them is gone.
    Unrelated,
}

/// What a tag leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagTarget {
    /// This commit, annotated tags peeled.
    Commit(CommitSha),
    /// Something else than a commit, or the name is none that a tag can have: asking again changes nothing.
    NoCommit,
    /// GitHub knows no such tag, or does not know it yet.
    Missing,
}

impl GitHub {
    /// The API at this address, asked by these. Nothing is asked yet.
    pub fn new(api: &str, credentials: Credentials) -> Result<Self, UnusableAddress> {
        Ok(Self {
            http: Http::new(api.parse()?, credentials),
        })
    }

    /// The same, with another patience.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.http.patience = patience;
        self
    }

    /// The same, for so long from now on: whatever is asked then has no answer.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.http.until = Some(Instant::now() + time);
        self
    }

    /// The same over the same connections, by other credentials.
    #[must_use]
    pub fn bearing(&self, credentials: Credentials) -> Self {
        let mut http = self.http.clone();
        http.credentials = credentials;
        Self { http }
    }

    /// As whom it is asked.
    pub fn credentials(&self) -> &Credentials {
        &self.http.credentials
    }

    /// The same, asked through a connector made elsewhere: tests.
    #[must_use]
    pub fn through(mut self, connector: impl HttpConnector + 'static) -> Self {
        self.http.use_connector(connector);
        self
    }

    /// The commit that a tag names.
    pub async fn commit_of_tag(&self, repository: &RepositoryName, tag: &str) -> Result<TagTarget, Error> {
        if !tag::is_valid(tag) {
            return Ok(TagTarget::NoCommit);
        }
        let asking = self.asking(repository, format!("the tag {} of {repository}", tag::shown(tag)));
        let path = format!("/repos/{repository}/git/ref/tags/{}", tag::encoded(tag));
        let Some(reply) = self.http.get(&asking, &path).await? else {
            // GitHub says "not found" of what we may not see, too.
            self.must_see(&asking, repository).await?;
            return Ok(TagTarget::Missing);
        };
        let mut object = asking.read::<HasObject>(&reply)?.object;
        for _ in 0..PEELED_AT_MOST {
            if !matches!(object.kind, Kind::Tag) {
                break;
            }
            let path = format!("/repos/{repository}/git/tags/{}", object.sha);
            let Some(reply) = self.http.get(&asking, &path).await? else {
                return Ok(TagTarget::Missing);
            };
            object = asking.read::<HasObject>(&reply)?.object;
        }
        Ok(if matches!(object.kind, Kind::Commit) {
            TagTarget::Commit(object.sha)
        } else {
            TagTarget::NoCommit
        })
    }

    /// A commit; nothing, where the repository does not have it.
    pub async fn commit(&self, repository: &RepositoryName, sha: &CommitSha) -> Result<Option<Commit>, Error> {
        self.commit_of(repository, sha.as_str()).await
    }

    /// The commit that a branch, a tag or a commit's name stands for; nothing, where the repository has none by that name.
    pub async fn commit_of(&self, repository: &RepositoryName, reference: &str) -> Result<Option<Commit>, Error> {
        if !tag::is_valid(reference) {
            return Ok(None);
        }
        let asking = self.asking(repository, format!("commit {} of {repository}", tag::shown(reference)));
        // One file of the difference is the least that GitHub sends along.
        let path = format!("/repos/{repository}/commits/{}?per_page=1", tag::encoded(reference));
        let Some(reply) = self.http.get(&asking, &path).await? else {
            self.must_see(&asking, repository).await?;
            return Ok(None);
        };
        Ok(Some(asking.read::<CommitAnswer<'_>>(&reply)?.into()))
    }

    /// Whether an account may write to a repository (GitHub's documentation, "Get repository permissions for a user": of the
    /// roles, maintain counts as write and triage as read).
    pub async fn may_write(&self, repository: &RepositoryName, login: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            permission: Cow<'a, str>,
        }
        // Logins are letters, digits and hyphens; a bot's ends with [bot], and asks by no right of its own.
        let is_login = !login.is_empty()
            && login
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_login {
            return Ok(false);
        }
        let asking = self.asking(repository, format!("the right of {login} to write to {repository}"));
        let path = format!("/repos/{repository}/collaborators/{login}/permission");
        let Some(reply) = self.http.get(&asking, &path).await? else {
            self.must_see(&asking, repository).await?;
            return Ok(false);
        };
        let answer = asking.read::<Answer<'_>>(&reply)?;
        Ok(matches!(&*answer.permission, "admin" | "write"))
    }

    /// The commits that lead to `head` and not to `base`, where no more than `at_most` have to be read for that.
    ///
    /// GitHub puts the files that differ, with what differs in them, on a comparison's first page, and only there (its
    /// documentation, "Compare two commits"); making that page is what takes long. So the second is asked for, which says
    /// how many commits there are and where the two part, and the commits are listed from `head` on until there are so
    /// many that do not lead there.
    pub async fn commits_between(
        &self,
        repository: &RepositoryName,
        base: &CommitSha,
        head: &CommitSha,
        at_most: usize,
    ) -> Result<Between, Error> {
        let asking = self.asking(repository, format!("the commits up to {head} of {repository}"));
        let path = format!("/repos/{repository}/compare/{base}...{head}?per_page=1&page=2");
        let Some(reply) = self.http.get(&asking, &path).await? else {
            return Ok(Between::Unrelated);
        };
        let comparison = asking.read::<Comparison>(&reply)?;
        if comparison.total_commits > at_most {
            return Ok(Between::TooMany);
        }
        if comparison.total_commits == 0 {
            return Ok(Between::Commits(Vec::new()));
        }
        let mut listed = Vec::new();
        for page in 1..=at_most.div_ceil(PAGE) {
            let is_more = self.list(&asking, repository, head, page, &mut listed).await?;
            let new = New::of(&comparison.merge_base_commit.sha, &listed);
            if new.is_whole && new.commits.len() >= comparison.total_commits {
                return Ok(Between::Commits(new.commits.into_iter().cloned().collect()));
            }
            if !is_more {
                return Err(asking.unavailable("it counts more commits than it lists", None));
            }
        }
        Ok(Between::TooMany)
    }

    /// All commits that lead to `head`, newest first; nothing, where there are more than `at_most`, which is rounded up
    /// to whole pages.
    pub async fn commits_up_to(
        &self,
        repository: &RepositoryName,
        head: &CommitSha,
        at_most: usize,
    ) -> Result<Option<Vec<Commit>>, Error> {
        let asking = self.asking(repository, format!("the commits up to {head} of {repository}"));
        let mut listed = Vec::new();
        for page in 1..=at_most.div_ceil(PAGE) {
            if !self.list(&asking, repository, head, page, &mut listed).await? {
                return Ok(Some(listed));
            }
        }
        Ok(None)
    }

    /// Lists one page more of the commits that lead to `head`, and says whether there is another.
    async fn list(
        &self,
        asking: &Asking,
        repository: &RepositoryName,
        head: &CommitSha,
        page: usize,
        listed: &mut Vec<Commit>,
    ) -> Result<bool, Error> {
        let path = format!("/repos/{repository}/commits?sha={head}&per_page={PAGE}&page={page}");
        let Some(reply) = self.http.get(asking, &path).await? else {
            return Err(if page == 1 {
                asking.denied("GitHub shows no such commit; it is gone, or the token may not read it")
            } else {
                asking.unavailable("a page of the commits is missing", None)
            });
        };
        let answers = asking.read::<Vec<CommitAnswer<'_>>>(&reply)?;
        let is_more = reply.has_next && !answers.is_empty();
        listed.extend(answers.into_iter().map(Commit::from));
        Ok(is_more)
    }

    /// Tells what is not there from what we may not see.
    async fn must_see(&self, asking: &Asking, repository: &RepositoryName) -> Result<(), Error> {
        match self.http.get(asking, &format!("/repos/{repository}")).await? {
            Some(_) => Ok(()),
            None => Err(asking.denied(
                "GitHub shows no such repository; it is private and there is no token that may read it, or it is gone",
            )),
        }
    }

    fn asking(&self, repository: &RepositoryName, what: String) -> Asking {
        let until = Instant::now() + self.http.patience.question;
        Asking::new(
            what,
            Bearer::Of(repository.clone()),
            self.http.until.map_or(until, |all| all.min(until)),
        )
    }
}

/// Commits that do not lead to a base.
struct New<'a> {
    commits: Vec<&'a Commit>,
    /// Whether the list goes on to the base on all their sides. Only then none of them is missing: where two histories
    /// were merged both ways, commits of the other side may count as new, and make up for those that are not listed yet.
    is_whole: bool,
}

impl<'a> New<'a> {
    /// Of the commits listed, those that neither are the base nor lead to it, as far as the list shows that. GitHub lists
    /// a commit after one that comes right after it, and otherwise by date.
    fn of(base: &CommitSha, listed: &'a [Commit]) -> Self {
        let known: HashMap<&CommitSha, &Commit> = listed.iter().map(|commit| (&commit.sha, commit)).collect();
        let mut leading = HashSet::new();
        let mut open = vec![base];
        while let Some(sha) = open.pop() {
            if leading.insert(sha)
                && let Some(commit) = known.get(sha)
            {
                open.extend(&commit.parents);
            }
        }
        let commits: Vec<&Commit> = listed.iter().filter(|commit| !leading.contains(&commit.sha)).collect();
        let parents = || commits.iter().flat_map(|commit| &commit.parents);
        Self {
            is_whole: parents().all(|parent| known.contains_key(parent) || leading.contains(parent)),
            commits,
        }
    }
}

impl Asking {
    fn read<'a, T: Deserialize<'a>>(&self, reply: &'a Reply) -> Result<T, Error> {
        serde_json::from_slice(&reply.body).map_err(|error| {
            // The parser's own words can quote the answer, which has no place in a log.
            self.unavailable(
                format!(
                    "its answer cannot be read (line {}, column {})",
                    error.line(),
                    error.column()
                ),
                None,
            )
        })
    }
}

#[cfg(test)]
mod tests;
