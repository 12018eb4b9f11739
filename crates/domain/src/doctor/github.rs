//! Whether GitHub lets us read and write.

use serde::Deserialize;

use super::{Check, Finding, store};

/// As whom GitHub is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// As nobody.
    Nobody,
    /// By a token.
    Token,
    /// As an App.
    App,
    /// By nothing that can be used, for this reason.
    Unusable(String),
}

/// How much of one kind a GitHub App may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing: GitHub leaves out what was not given.
    #[default]
    None,
    /// It may look.
    Read,
    /// It may change.
    Write,
    /// It may do all.
    Admin,
}

/// What a GitHub App may do, of what we do ("Permissions required for GitHub Apps" in GitHub's documentation).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Commits, tags and branches; to write, the pages of releases.
    pub contents: Level,
    /// GitHub's deployments and their statuses.
    pub deployments: Level,
    /// Check runs.
    pub checks: Level,
}

/// What GitHub says of the App's installation on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nothing: we are no App there.
    Untold,
    /// The App is not installed there.
    NotInstalled,
    /// It is, and somebody suspended it.
    Suspended,
    /// It is, with these.
    Installed(Permissions),
}

/// Whether the branch that is deployed can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It can.
    Seen,
    /// The repository can be seen, and has no such branch.
    NoBranch,
    /// GitHub does not show it, for this reason.
    Hidden(String),
    /// GitHub did not answer, for this reason.
    Unknown(String),
}

/// As whom GitHub is asked; `path` is where the parameters are that say it.
pub fn credentials(path: &str, who: &Who) -> Finding {
    let name = Check::GithubCredentials;
    let put = format!(
        "run {} and {}.",
        store(&format!("{path}/app"), "\"<its client id>\""),
        store(&format!("{path}/app-key"), "file://key.pem"),
    );
    let app = format!("Make a GitHub App as docs/SETUP.md says, and {put}");
    match who {
        Who::App => Finding::ok(name, path, "a GitHub App is stored, with its key"),
        Who::Token => Finding::warning(
            name,
            path,
            "a token is stored, by which GitHub lets nobody make check runs",
            app,
        ),
        Who::Nobody => Finding::warning(
            name,
            path,
            "neither a GitHub App nor a token is stored: only public repositories can be read, sixty questions an hour are \
             answered, and nothing is told to GitHub",
            app,
        ),
        Who::Unusable(why) => Finding::broken(name, path, why, format!("Store what GitHub gave you once more: {put}")),
    }
}

/// Whether a repository's branch can be read.
pub fn repository(repository: &str, branch: &str, sight: &Sight) -> Finding {
    let name = Check::GithubRepository;
    match sight {
        Sight::Seen => Finding::ok(name, repository, format!("its branch {branch} can be read")),
        Sight::NoBranch => Finding::broken(
            name,
            repository,
            format!("has no branch {branch}, so that no push of it is deployed"),
            "Write the branch's name into lockgate.toml and deploy the configuration, or push the branch.",
        ),
        Sight::Hidden(why) => Finding::broken(
            name,
            repository,
            format!("cannot be read: {why}"),
            "Install the GitHub App on it, or give the token the permission to read its contents; GitHub's settings of either \
             list the repositories.",
        ),
        Sight::Unknown(why) => Finding::unchecked(name, repository, why, "Ask again when GitHub answers."),
    }
}

/// What the App may do in a repository.
pub fn permissions(repository: &str, grant: &Grant) -> Vec<Finding> {
    let name = Check::GithubPermissions;
    let given = match grant {
        Grant::Untold => return Vec::new(),
        Grant::NotInstalled => {
            return vec![Finding::broken(
                name,
                repository,
                "the GitHub App is not installed on it",
                "In the App's settings at GitHub, under Install App, choose the owner, and this repository.",
            )];
        }
        Grant::Suspended => {
            return vec![Finding::broken(
                name,
                repository,
                "the GitHub App's installation is suspended",
                "In the owner's settings at GitHub, under GitHub Apps, unsuspend it.",
            )];
        }
        Grant::Installed(given) => given,
    };
    let allow = |permission: &str| {
        format!(
            "In the App's settings at GitHub, under Permissions & events, set {permission}, and have the owner accept it."
        )
    };
    if given.contents < Level::Read {
        return vec![Finding::broken(
            name,
            repository,
            "the GitHub App may not read its contents: tags, commits and who wrote them",
            allow("Contents to Read and write"),
        )];
    }
    let lacking = [
        (given.deployments, "Deployments", "GitHub's deployments are not shown"),
        (given.checks, "Checks", "there are no check runs"),
        (
            given.contents,
            "Contents",
            "the pages of releases say nothing of deployments",
        ),
    ];
    let lacking = lacking.iter().filter(|(level, ..)| *level < Level::Write);
    let mut findings: Vec<Finding> = lacking
        .map(|(_, permission, so)| {
            Finding::warning(
                name,
                repository,
                format!("the GitHub App may not write {permission}, so that {so}"),
                allow(&format!("{permission} to Read and write")),
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            name,
            repository,
            "the GitHub App may write deployments, check runs and releases' pages",
        ));
    }
    findings
}
