//! Whether GitHub lets us read and write.

use jiff::{SignedDuration, Timestamp};
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
    /// Pull requests; without it GitHub sends nothing of them.
    pub pull_requests: Level,
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

/// What GitHub shows of a token, without being asked to write anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSeen {
    /// The scopes of a classic token; nothing of a fine-grained one, whose permissions GitHub tells nobody.
    pub scopes: Option<Vec<String>>,
    /// When it ends; nothing, where it does not.
    pub expires: Option<Timestamp>,
    /// Whether it may look at deployments.
    pub reads_deployments: bool,
    /// Whether the repository is private.
    pub private: bool,
}

/// A token that ends sooner than this is told of.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

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

/// What the App may do in a repository, some environment of which shows pull requests what they would change, or none.
pub fn permissions(repository: &str, grant: &Grant, shows_pull_requests: bool) -> Vec<Finding> {
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
    if shows_pull_requests && given.pull_requests < Level::Read {
        findings.push(Finding::warning(
            name,
            repository,
            "the GitHub App may not read Pull requests, so that GitHub sends nothing of them, and they are shown nothing",
            allow("Pull requests to Read-only, subscribe to the event Pull request"),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            name,
            repository,
            "the GitHub App may write deployments, check runs and releases' pages",
        ));
    }
    findings
}

/// What a token may do in a repository, as far as GitHub shows it; `parameter` is where it is stored.
pub fn token(repository: &str, parameter: &str, seen: &TokenSeen, now: Timestamp) -> Vec<Finding> {
    let name = Check::GithubPermissions;
    let mut findings = Vec::new();
    if let Some(end) = seen.expires.filter(|end| end.duration_since(now) < SOON) {
        findings.push(Finding::warning(
            name,
            repository,
            format!("the token ends on {}", end.strftime("%Y-%m-%d")),
            format!(
                "Make another at GitHub, and run {}.",
                store(parameter, "\"$GITHUB_TOKEN\"")
            ),
        ));
    }
    let settings =
        "In the token's settings at GitHub, give it Contents and Deployments, Read and write, on this repository.";
    findings.push(match &seen.scopes {
        Some(scopes) => {
            let has = |scope: &str| scopes.iter().any(|has| has == scope);
            if has("repo") || (!seen.private && has("public_repo") && has("repo_deployment")) {
                Finding::ok(name, repository, "the token's scopes let it write deployments and releases' pages")
            } else {
                Finding::warning(
                    name,
                    repository,
                    format!(
                        "the token's scopes ({}) do not let it write deployments and releases' pages, so that GitHub shows \
                         nothing",
                        if scopes.is_empty() { "none".to_owned() } else { scopes.join(", ") }
                    ),
                    "Give it the scope repo at GitHub; or make a GitHub App, as docs/SETUP.md says.",
                )
            }
        }
        None if !seen.reads_deployments => Finding::warning(
            name,
            repository,
            "the token may not read deployments, and so may not write them: GitHub shows none",
            settings,
        ),
        None => Finding::unchecked(
            name,
            repository,
            "the token may read contents and deployments; whether it may write them, GitHub tells nobody",
            format!("Look whether it may. {settings}"),
        ),
    });
    findings
}

/// Whether CodeBuild can clone a repository: whether that is private, and by what CodeBuild shows itself to GitHub.
pub fn build_source(repository: &str, private: Option<bool>, credentials: &[String]) -> Finding {
    let name = Check::BuildSource;
    match (private, credentials) {
        (Some(false), _) => Finding::ok(name, repository, "it is public, and is cloned without credentials"),
        (Some(true), []) => Finding::broken(
            name,
            repository,
            "it is private, and CodeBuild has no credentials of GitHub, so that no commit of it can be cloned",
            "Run `aws codebuild import-source-credentials --server-type GITHUB --auth-type PERSONAL_ACCESS_TOKEN --token \
             \"$CLONE_TOKEN\"` in the tools account, with a token that may read its contents.",
        ),
        (Some(true), kinds) => Finding::ok(
            name,
            repository,
            format!(
                "it is private, and CodeBuild has credentials of GitHub ({}); whether they may read it, the first build shows",
                kinds.join(", ")
            ),
        ),
        (None, _) => Finding::unchecked(
            name,
            repository,
            "whether it is private is not known, and so is whether CodeBuild needs credentials",
            "Mend what github_repository says, and ask again.",
        ),
    }
}
