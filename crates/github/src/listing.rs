//! What GitHub shows of what it told, or should have told: branches, releases, and the deliveries of an App's webhook.
//!
//! "REST API endpoints for branches", "… for releases" and "… for GitHub App webhooks" of GitHub's documentation.

use domain::harmless::harmless;
use domain::intake::lost::Attempt;
use domain::intake::{Release, ReleaseAction};
use domain::names::{CommitSha, RepositoryName};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use crate::http::{Asking, Bearer};
use crate::{Credentials, Error, GitHub, PAGE, tag};

/// How many of the newest releases are looked at.
const RELEASES: usize = 30;
/// How many pages of deliveries are looked through.
const PAGES: usize = 20;

#[derive(Deserialize)]
struct ListedRelease {
    id: u64,
    tag_name: String,
    name: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    published_at: Option<Timestamp>,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    login: String,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    status_code: u16,
    event: String,
}

impl GitHub {
    /// The commit at the head of a branch; nothing, where there is no such branch.
    pub async fn head_of(&self, repository: &RepositoryName, branch: &str) -> Result<Option<CommitSha>, Error> {
        #[derive(Deserialize)]
        struct Branch {
            commit: Head,
        }
        #[derive(Deserialize)]
        struct Head {
            sha: CommitSha,
        }
        if !tag::is_valid(branch) {
            return Ok(None);
        }
        let asking = self.asking(repository, format!("the branch {} of {repository}", tag::shown(branch)));
        let path = format!("/repos/{repository}/branches/{}", tag::encoded(branch));
        let Some(reply) = self.http.get(&asking, &path).await? else {
            self.must_see(&asking, repository).await?;
            return Ok(None);
        };
        Ok(Some(asking.read::<Branch>(&reply)?.commit.sha))
    }

    /// The newest releases of a repository, as their events would have told of them.
    pub async fn newest_releases(&self, repository: &RepositoryName) -> Result<Vec<Release>, Error> {
        let asking = self.asking(repository, format!("the newest releases of {repository}"));
        let path = format!("/repos/{repository}/releases?per_page={RELEASES}");
        let Some(reply) = self.http.get(&asking, &path).await? else {
            return Err(asking.denied("GitHub shows no such repository, or not its releases"));
        };
        let listed = asking.read::<Vec<ListedRelease>>(&reply)?.into_iter();
        Ok(listed
            .map(|listed| Release {
                repository: repository.clone(),
                fork: false,
                id: listed.id,
                tag: listed.tag_name,
                draft: listed.draft,
                prerelease: listed.prerelease,
                action: ReleaseAction::Published,
                by: harmless(&listed.author.map(|author| author.login).unwrap_or_default(), 100),
                name: harmless(&listed.name.unwrap_or_default(), 100),
                at: listed.published_at,
            })
            .collect())
    }

    /// The attempts to deliver something to the App's webhook since then; nothing, where GitHub is not asked as an App.
    ///
    /// Of one repository's own webhook only its administrators may ask; what that one loses is found by comparing what GitHub
    /// shows with what was asked.
    pub async fn attempts_since(&self, since: Timestamp) -> Result<Option<Vec<Attempt>>, Error> {
        let Some(asking) = self.as_itself("the deliveries of the GitHub App")? else {
            return Ok(None);
        };
        let mut attempts = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let path = format!("/app/hook/deliveries?per_page={PAGE}{cursor}");
            let Some(reply) = self.http.get(&asking, &path).await? else {
                return Err(asking.denied("the GitHub App has no webhook"));
            };
            let listed = asking.read::<Vec<Listed>>(&reply)?;
            let is_older = listed.last().is_none_or(|last| last.delivered_at < since);
            // The newest come first.
            attempts.extend(
                listed
                    .into_iter()
                    .filter(|listed| listed.delivered_at >= since)
                    .map(|listed| Attempt {
                        number: listed.id,
                        delivery: listed.guid,
                        event: listed.event,
                        at: listed.delivered_at,
                        status: listed.status_code,
                    }),
            );
            match reply.next_cursor {
                Some(next) if !is_older => cursor = format!("&cursor={next}"),
                _ => return Ok(Some(attempts)),
            }
        }
        Ok(Some(attempts))
    }

    /// Has GitHub make an attempt to deliver something again.
    pub async fn redeliver(&self, attempt: u64) -> Result<(), Error> {
        let Some(asking) = self.as_itself("another delivery to the GitHub App")? else {
            return Ok(());
        };
        let path = format!("/app/hook/deliveries/{attempt}/attempts");
        self.http.act(&asking, "POST", &path, None).await.map(drop)
    }

    /// A question that the App asks as itself.
    fn as_itself(&self, what: &str) -> Result<Option<Asking>, Error> {
        let Credentials::App(app) = &self.http.credentials else {
            return Ok(None);
        };
        let now = Instant::now() + self.http.patience.question;
        let until = self.http.until.map_or(now, |all| all.min(now));
        let signed = app.signed(what, Timestamp::now())?;
        Ok(Some(Asking::new(what.to_owned(), Bearer::Token(signed), until)))
    }
}
