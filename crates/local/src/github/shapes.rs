//! GitHub's documents.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const API: &str = "https://api.github.com/repos";
const SITE: &str = "https://github.com";

/// A commit, as Git knows it.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) tree: String,
    pub(super) parents: Vec<String>,
    pub(super) author: Person,
    pub(super) committer: Person,
    pub(super) message: String,
}

/// An author or a committer, as Git knows them.
#[derive(Debug, Clone)]
pub(super) struct Person {
    name: String,
    mail: String,
    at: String,
}

impl Person {
    /// From name, mail address and time.
    pub(super) fn of(fields: &[&str]) -> Self {
        let field = |at: usize| fields.get(at).copied().unwrap_or_default().to_owned();
        Self {
            name: field(0),
            mail: field(1),
            at: field(2),
        }
    }

    fn shown(&self) -> Value {
        json!({ "name": self.name, "email": self.mail, "date": self.at })
    }

    /// The account that GitHub takes them for: by the mail addresses that accounts have, and by those that GitHub gives to
    /// whoever wants to keep their own (its documentation, "Setting your commit email address").
    fn account(&self, logins: &BTreeMap<String, String>) -> Option<Value> {
        let mail = self.mail.to_lowercase();
        let private = mail.strip_suffix("@users.noreply.github.com");
        let login = match private {
            Some(local) => local.split_once('+').map_or(local, |(_, login)| login),
            None if mail == "noreply@github.com" => "web-flow",
            None => logins.get(&mail)?,
        };
        Some(user(login))
    }
}

/// What an account may do in a repository.
pub(super) fn permission(login: &str, permission: &str) -> Value {
    json!({ "permission": permission, "role_name": permission, "user": user(login) })
}

fn user(login: &str) -> Value {
    json!({
        "login": login,
        "id": login.bytes().fold(7_u64, |id, byte| (id * 31 + u64::from(byte)) % 100_000_000),
        "node_id": "MDQ6VXNlcjE=",
        "gravatar_id": "",
        "url": format!("https://api.github.com/users/{login}"),
        "html_url": format!("{SITE}/{login}"),
        "type": "User",
        "site_admin": false,
    })
}

fn unsigned() -> Value {
    json!({ "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null })
}

pub(super) fn repository(name: &str) -> Value {
    let (owner, short) = name.split_once('/').unwrap_or(("", name));
    json!({
        "id": 1,
        "node_id": "MDEwOlJlcG9zaXRvcnkx",
        "name": short,
        "full_name": name,
        "owner": user(owner),
        "private": false,
        "html_url": format!("{SITE}/{name}"),
        "fork": false,
        "url": format!("{API}/{name}"),
        "default_branch": "main",
        "visibility": "public",
    })
}

pub(super) fn reference(repository: &str, reference: &str, kind: &str, sha: &str) -> Value {
    json!({
        "ref": reference,
        "node_id": "MDM6UmVmcmVmcw==",
        "url": format!("{API}/{repository}/git/{reference}"),
        "object": object(repository, kind, sha),
    })
}

fn object(repository: &str, kind: &str, sha: &str) -> Value {
    json!({ "type": kind, "sha": sha, "url": format!("{API}/{repository}/git/{kind}s/{sha}") })
}

/// An annotated tag; `tagger` is Git's line, `Name <mail> seconds zone`.
pub(super) fn tag(
    repository: &str,
    sha: &str,
    name: &str,
    kind: &str,
    target: &str,
    tagger: &str,
    message: &str,
) -> Value {
    let (who, when) = tagger.rsplit_once("> ").unwrap_or((tagger, ""));
    let (person, mail) = who.split_once(" <").unwrap_or((who, ""));
    let seconds = when.split(' ').next().and_then(|seconds| seconds.parse().ok());
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    json!({
        "node_id": "MDM6VGFn",
        "tag": name,
        "sha": sha,
        "url": format!("{API}/{repository}/git/tags/{sha}"),
        "message": message,
        "tagger": { "name": person, "email": mail, "date": at },
        "object": object(repository, kind, target),
        "verification": unsigned(),
    })
}

pub(super) fn commit(repository: &str, commit: &Commit, logins: &BTreeMap<String, String>) -> Value {
    let sha = &commit.sha;
    let parents = commit.parents.iter().map(|parent| {
        json!({
            "sha": parent,
            "url": format!("{API}/{repository}/commits/{parent}"),
            "html_url": format!("{SITE}/{repository}/commit/{parent}"),
        })
    });
    json!({
        "sha": sha,
        "node_id": "C_kwDOA",
        "commit": {
            "author": commit.author.shown(),
            "committer": commit.committer.shown(),
            "message": commit.message,
            "tree": { "sha": commit.tree, "url": format!("{API}/{repository}/git/trees/{}", commit.tree) },
            "url": format!("{API}/{repository}/git/commits/{sha}"),
            "comment_count": 0,
            "verification": unsigned(),
        },
        "url": format!("{API}/{repository}/commits/{sha}"),
        "html_url": format!("{SITE}/{repository}/commit/{sha}"),
        "comments_url": format!("{API}/{repository}/commits/{sha}/comments"),
        "author": commit.author.account(logins),
        "committer": commit.committer.account(logins),
        "parents": parents.collect::<Vec<_>>(),
    })
}

/// A comparison without its ends and files.
pub(super) fn comparison(
    repository: &str,
    base: &str,
    head: &str,
    (ahead_by, behind_by): (usize, usize),
    commits: &[Value],
) -> Value {
    let status = match (ahead_by, behind_by) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        (_, _) => "diverged",
    };
    let between = format!("{repository}/compare/{base}...{head}");
    json!({
        "url": format!("{API}/{between}"),
        "html_url": format!("{SITE}/{between}"),
        "permalink_url": format!("{SITE}/{between}"),
        "diff_url": format!("{SITE}/{between}.diff"),
        "patch_url": format!("{SITE}/{between}.patch"),
        "status": status,
        "ahead_by": ahead_by,
        "behind_by": behind_by,
        "total_commits": ahead_by,
        "commits": commits,
    })
}

pub(super) fn file(name: &str) -> Value {
    json!({ "filename": name, "status": "modified", "additions": 1, "deletions": 1, "changes": 2 })
}
