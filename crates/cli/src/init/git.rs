//! What git knows of the application.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use domain::names::RepositoryName;
use tokio::process::Command;
use tokio::time::timeout;

/// Git reads its own files here and asks no server, so that anything longer is a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A checkout, as far as git knows it.
#[derive(Debug, Default)]
pub struct Checkout {
    /// Its uppermost folder.
    pub root: Option<PathBuf>,
    /// Where it came from.
    pub repository: Option<RepositoryName>,
    /// The branch that others start from there.
    pub branch: Option<String>,
}

impl Checkout {
    /// The one that a folder is in; nothing known, where it is in none, or there is no git.
    pub async fn find(folder: &Path) -> Self {
        let Some(up) = git(folder, &["rev-parse", "--show-cdup"]).await else {
            return Self::default();
        };
        let origin = git(folder, &["remote", "get-url", "origin"]).await;
        let head = git(
            folder,
            &["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"],
        )
        .await;
        let branch = if let Some(branch) = head.as_deref().and_then(|head| head.strip_prefix("origin/")) {
            Some(branch.to_owned())
        } else {
            let branches = [
                "for-each-ref",
                "--format=%(refname)",
                "refs/heads",
                "refs/remotes/origin",
            ];
            usual_branch(&git(folder, &branches).await.unwrap_or_default())
        };
        Self {
            root: Some(folder.join(up)),
            repository: origin.as_deref().and_then(repository),
            branch,
        }
    }
}

async fn git(folder: &Path, words: &[&str]) -> Option<String> {
    let running = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, running).await.ok()?.ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim_end().to_owned())
}

/// The repository at github.com that a remote's address names; nothing, where it is elsewhere.
///
/// The forms are those of `git help urls` that GitHub offers. An address may hold a password, so it is shown nowhere.
pub fn repository(address: &str) -> Option<RepositoryName> {
    let (host, path) = match address.split_once("://") {
        Some(("https" | "http" | "ssh" | "git" | "git+ssh", rest)) => {
            let (authority, path) = rest.split_once('/')?;
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            (host.split_once(':').map_or(host, |(host, _)| host), path)
        }
        Some(_) => return None,
        None => {
            let (authority, path) = address.split_once(':')?;
            (authority.rsplit_once('@').map_or(authority, |(_, host)| host), path)
        }
    };
    let is_github = ["github.com", "www.github.com", "ssh.github.com"]
        .iter()
        .any(|github| host.eq_ignore_ascii_case(github));
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    is_github.then(|| path.parse().ok()).flatten()
}

/// `main` or `master`, where one of them is there and not both.
fn usual_branch(references: &str) -> Option<String> {
    let is_there = |name: &str| {
        references
            .lines()
            .any(|line| line == format!("refs/heads/{name}") || line == format!("refs/remotes/origin/{name}"))
    };
    match (is_there("main"), is_there("master")) {
        (true, false) => Some("main".to_owned()),
        (false, true) => Some("master".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_s_addresses_name_their_repository_and_no_others_do() {
        for (address, named) in [
            ("git@github.com:acme/shop.git", Some("acme/shop")),
            ("git@github.com:acme/shop", Some("acme/shop")),
            ("github.com:acme/the.shop.git", Some("acme/the.shop")),
            ("https://github.com/acme/shop", Some("acme/shop")),
            ("https://github.com/acme/shop.git/", Some("acme/shop")),
            ("https://ada:ghp_secret@github.com/acme/shop.git", Some("acme/shop")),
            ("https://GitHub.com/Acme/Shop.git", Some("Acme/Shop")),
            ("ssh://git@github.com/acme/shop.git", Some("acme/shop")),
            ("ssh://git@ssh.github.com:443/acme/shop.git", Some("acme/shop")),
            ("https://gitlab.com/acme/shop.git", None),
            ("https://github.com.evil.example/acme/shop", None),
            ("https://evil.example/github.com/acme/shop", None),
            ("https://github.com/acme", None),
            ("https://github.com/acme/shop/tree", None),
            ("git@github.com:acme/sh$(id)op", None),
            ("/srv/git/shop.git", None),
            ("../shop", None),
            ("file:///srv/git/shop.git", None),
            ("", None),
        ] {
            let found = repository(address);
            assert_eq!(found.as_ref().map(RepositoryName::as_str), named, "{address}");
        }
    }

    #[test]
    fn a_branch_is_taken_for_the_usual_one_where_it_is_the_only_one() {
        let references = |names: &[&str]| names.join("\n");
        assert_eq!(
            usual_branch(&references(&["refs/heads/fix", "refs/remotes/origin/main"])).as_deref(),
            Some("main")
        );
        assert_eq!(
            usual_branch(&references(&["refs/heads/master"])).as_deref(),
            Some("master")
        );
        assert_eq!(
            usual_branch(&references(&["refs/heads/main", "refs/heads/master"])),
            None
        );
        assert_eq!(usual_branch(&references(&["refs/heads/maintenance"])), None);
    }
}
