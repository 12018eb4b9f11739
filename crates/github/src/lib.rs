//! How Lockgate talks to GitHub's REST API.
//!
//! It only reads. What GitHub does not have is a value ([`None`]); an [`Error`] says that GitHub could not be asked now,
//! or does not let us see. Texts that people read are made harmless here; what they mean is decided in `domain`.

mod address;
mod answers;
mod error;
mod http;
mod tag;
mod token;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use domain::names::{CommitSha, RepositoryName};
use serde::Deserialize;

pub use address::UnusableAddress;
pub use answers::Commit;
pub use error::Error;
pub use token::{Token, UnusableToken};

use answers::{CommitAnswer, Comparison, HasObject, Kind};
use http::{Asking, Http, Reply};

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

/// The commits between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// Newest first.
    pub commits: Vec<Commit>,
    /// Whether these are all of them.
    pub complete: bool,
    /// How many there are in all; nothing, where GitHub does not count them.
    pub total: Option<usize>,
    /// The commit that they come after; nothing, where none was given or GitHub has nothing in common with it any more,
    /// and these are the newest of all that lead to the head.
    pub since: Option<CommitSha>,
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
    /// The API at this address, asked with a token or without: unauthenticated, GitHub shows public repositories and
    /// answers 60 questions an hour. Nothing is asked yet.
    pub fn new(api: &str, token: Option<Token>) -> Result<Self, UnusableAddress> {
        Ok(Self {
            http: Http::new(api.parse()?, token),
        })
    }

    /// The same, with another patience.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.http.patience = patience;
        self
    }

    /// The same over the same connections, with another token.
    #[must_use]
    pub fn bearing(&self, token: Option<Token>) -> Self {
        let mut http = self.http.clone();
        http.token = token;
        Self { http }
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
        let asking = self.asking(format!("the tag {} of {repository}", tag::shown(tag)));
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
        let asking = self.asking(format!("commit {sha} of {repository}"));
        // One file of the difference is the least that GitHub sends along.
        let path = format!("/repos/{repository}/commits/{sha}?per_page=1");
        let Some(reply) = self.http.get(&asking, &path).await? else {
            self.must_see(&asking, repository).await?;
            return Ok(None);
        };
        Ok(Some(asking.read::<CommitAnswer<'_>>(&reply)?.into()))
    }

    /// The commits that lead to `head` and not to `base`, at most so many, newest first.
    ///
    /// Where history was rewritten, so that `base` does not lead to `head`, these are still the ones that are new.
    /// Without a base, or where GitHub finds nothing in common with it, they are all that lead to `head`.
    pub async fn commits_between(
        &self,
        repository: &RepositoryName,
        base: Option<&CommitSha>,
        head: &CommitSha,
        at_most: usize,
    ) -> Result<Commits, Error> {
        let asking = self.asking(format!("the commits up to {head} of {repository}"));
        if let Some(base) = base
            && let Some(commits) = self.compared(&asking, repository, base, head, at_most).await?
        {
            return Ok(commits);
        }
        self.listed(&asking, repository, head, at_most).await
    }

    /// GitHub puts the oldest on the first page: what is wanted is on the last ones.
    async fn compared(
        &self,
        asking: &Asking,
        repository: &RepositoryName,
        base: &CommitSha,
        head: &CommitSha,
        at_most: usize,
    ) -> Result<Option<Commits>, Error> {
        let path = |page: usize| format!("/repos/{repository}/compare/{base}...{head}?per_page={PAGE}&page={page}");
        let Some(reply) = self.http.get(asking, &path(1)).await? else {
            return Ok(None);
        };
        let first = asking.read::<Comparison<'_>>(&reply)?;
        let total = first.total_commits;
        let mut commits = Vec::new();
        for page in (2..=total.div_ceil(PAGE)).rev() {
            if commits.len() >= at_most {
                break;
            }
            let reply = self.http.get(asking, &path(page)).await?;
            let reply = reply.ok_or_else(|| asking.unavailable("a page of the comparison is missing", None))?;
            let comparison = asking.read::<Comparison<'_>>(&reply)?;
            commits.extend(comparison.commits.into_iter().rev().map(Commit::from));
        }
        if commits.len() < at_most {
            commits.extend(first.commits.into_iter().rev().map(Commit::from));
        }
        commits.truncate(at_most);
        Ok(Some(Commits {
            complete: commits.len() == total,
            commits,
            total: Some(total),
            since: Some(base.clone()),
        }))
    }

    async fn listed(
        &self,
        asking: &Asking,
        repository: &RepositoryName,
        head: &CommitSha,
        at_most: usize,
    ) -> Result<Commits, Error> {
        let mut commits = Vec::new();
        let mut is_more = true;
        for page in 1.. {
            if !is_more || commits.len() >= at_most {
                break;
            }
            let path = format!("/repos/{repository}/commits?sha={head}&per_page={PAGE}&page={page}");
            let Some(reply) = self.http.get(asking, &path).await? else {
                return Err(asking.denied("GitHub shows no such commit; it is gone, or the token may not read it"));
            };
            let answers = asking.read::<Vec<CommitAnswer<'_>>>(&reply)?;
            is_more = reply.has_next && !answers.is_empty();
            commits.extend(answers.into_iter().map(Commit::from));
        }
        let complete = !is_more && commits.len() <= at_most;
        commits.truncate(at_most);
        Ok(Commits {
            total: complete.then_some(commits.len()),
            commits,
            complete,
            since: None,
        })
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

    fn asking(&self, what: String) -> Asking {
        Asking::new(what, self.http.patience.question)
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
