//! Questions to a bare repository, answered as GitHub would.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::shapes::{self, Commit, Person};
use super::{Found, Page, Paging, not_found};
use crate::{Trouble, repository};

/// The fields of a commit that [`Git::log`] asks for, each ended by NUL, which no field can hold.
const FORMAT: &str = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B";
const FIELDS: usize = 10;
/// How many commits a comparison has where nobody asks for a page (GitHub's documentation, "Compare two commits").
const UNPAGED: usize = 250;

/// A repository.
pub(super) struct Git<'a> {
    mirror: &'a Path,
    name: &'a str,
    logins: &'a BTreeMap<String, String>,
}

impl<'a> Git<'a> {
    pub(super) fn new(mirror: &'a Path, name: &'a str, logins: &'a BTreeMap<String, String>) -> Self {
        Self { mirror, name, logins }
    }

    pub(super) async fn tag_reference(&self, tag: &str) -> Found {
        let reference = format!("refs/tags/{tag}");
        let sha = self.run(&["show-ref", "--verify", "--hash", &reference]).await;
        let sha = sha.map_err(|_| not_found())?;
        let kind = self.run(&["cat-file", "-t", sha.trim()]).await?;
        Ok(shapes::reference(self.name, &reference, kind.trim(), sha.trim()).into())
    }

    pub(super) async fn tag_object(&self, sha: &str) -> Found {
        if !is_sha(sha) {
            return Err(not_found());
        }
        let text = self.run(&["cat-file", "tag", sha]).await.map_err(|_| not_found())?;
        let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).unwrap_or_default()
        };
        Ok(shapes::tag(
            self.name,
            sha,
            field("tag "),
            field("type "),
            field("object "),
            field("tagger "),
            message,
        )
        .into())
    }

    pub(super) async fn commit(&self, reference: &str) -> Found {
        let Some(sha) = self.commit_of(reference).await else {
            return Err(if is_sha(reference) {
                (422, format!("No commit found for SHA: {reference}"))
            } else {
                not_found()
            });
        };
        let mut commits = self.log(&["--max-count=1", &sha]).await?;
        let commit = commits.pop().ok_or_else(not_found)?;
        Ok(self.shown(&commit).into())
    }

    pub(super) async fn branch(&self, name: &str) -> Found {
        let reference = format!("refs/heads/{name}");
        let sha = self.run(&["show-ref", "--verify", "--hash", &reference]).await;
        let sha = sha.map_err(|_| (404, "Branch not found".to_owned()))?;
        let mut commits = self.log(&["--max-count=1", sha.trim()]).await?;
        let commit = commits.pop().ok_or_else(not_found)?;
        Ok(serde_json::json!({ "name": name, "commit": self.shown(&commit), "protected": false }).into())
    }

    pub(super) async fn commits(&self, head: &str, paging: &Paging) -> Found {
        if self.run(&["rev-list", "--max-count=1", "--all"]).await?.is_empty() {
            return Err((409, "Git Repository is empty.".to_owned()));
        }
        let head = self.commit_of(head).await.ok_or_else(not_found)?;
        let commits = self.log(&[&head]).await?;
        let links = paging.links(commits.len());
        let commits = paging.of_all(commits);
        let document: Value = commits.iter().map(|commit| self.shown(commit)).collect();
        Ok(Page {
            links,
            ..document.into()
        })
    }

    pub(super) async fn comparison(&self, base: &str, head: &str, paging: &Paging) -> Found {
        let commits_of = async |reference: &str| self.commit_of(reference).await.ok_or_else(not_found);
        let (base_sha, head_sha) = (commits_of(base).await?, commits_of(head).await?);
        let merge_base = self.run(&["merge-base", &base_sha, &head_sha]).await;
        let merge_base = merge_base.map_err(|_| (404, format!("No common ancestor between {base} and {head}.")))?;
        let behind_by = self.log(&[&format!("{head_sha}..{base_sha}")]).await?.len();
        // Oldest first, other than everywhere else.
        let ahead = self.log(&["--reverse", &format!("{base_sha}..{head_sha}")]).await?;
        let ahead_by = ahead.len();
        let links = if paging.is_asked {
            paging.links(ahead_by)
        } else {
            Vec::new()
        };
        let commits: Vec<Commit> = if paging.is_asked {
            paging.of_all(ahead)
        } else {
            ahead.into_iter().skip(ahead_by.saturating_sub(UNPAGED)).collect()
        };
        let mut ends = self.log(&["--no-walk=unsorted", &base_sha, merge_base.trim()]).await?;
        let merge_base = ends.pop().ok_or_else(not_found)?;
        let base = ends.pop().unwrap_or_else(|| merge_base.clone());
        let mut document = shapes::comparison(
            self.name,
            &base_sha,
            &head_sha,
            (ahead_by, behind_by),
            &commits.iter().map(|commit| self.shown(commit)).collect::<Vec<_>>(),
        );
        document["base_commit"] = self.shown(&base);
        document["merge_base_commit"] = self.shown(&merge_base);
        if paging.page == 1 {
            let names = self.run(&["diff", "--name-only", &base_sha, &head_sha]).await?;
            document["files"] = names.lines().map(shapes::file).collect();
        }
        Ok(Page {
            links,
            ..document.into()
        })
    }

    fn shown(&self, commit: &Commit) -> Value {
        shapes::commit(self.name, commit, self.logins)
    }

    async fn log(&self, what: &[&str]) -> Result<Vec<Commit>, (u16, String)> {
        let text = self.run(&[&["log", "-z", FORMAT], what].concat()).await?;
        let fields: Vec<&str> = text.split('\0').collect();
        let commits = fields.chunks_exact(FIELDS).map(|fields| Commit {
            sha: fields[0].to_owned(),
            tree: fields[1].to_owned(),
            parents: fields[2].split_whitespace().map(str::to_owned).collect(),
            author: Person::of(&fields[3..6]),
            committer: Person::of(&fields[6..9]),
            // Git ends a message with a line end, and GitHub leaves it out.
            message: fields[9].trim_end().to_owned(),
        });
        Ok(commits.collect())
    }

    pub(super) async fn commit_of(&self, reference: &str) -> Option<String> {
        if reference.starts_with('-') {
            return None;
        }
        let commit = format!("{reference}^{{commit}}");
        let found = self.run(&["rev-parse", "--verify", "--quiet", &commit]).await;
        found.ok().map(|sha| sha.trim().to_owned())
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, (u16, String)> {
        let answer = repository::git(self.mirror, arguments).await;
        answer.map_err(|Trouble(sentence)| (500, sentence))
    }
}

fn is_sha(text: &str) -> bool {
    text.parse::<domain::names::CommitSha>().is_ok()
}
