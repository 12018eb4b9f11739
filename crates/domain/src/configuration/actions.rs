//! Which workflows of GitHub Actions get access to the tools account.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::document::{Findings, Section};
use super::read::is_branch;
use crate::names::RepositoryName;

/// A role's trust policy has 2,048 characters (IAM user guide, "IAM and AWS STS quotas"), of which some 400 are not subjects.
const SUBJECTS_LIMIT: usize = 1600;

/// What stands around a subject in that policy: two quotes and a comma.
const AROUND: usize = 3;

/// How long the name of an environment can be (GitHub's documentation, "Managing environments for deployment").
const ENVIRONMENT_LIMIT: usize = 255;

const EXACT: &str = "repo:<owner>/<name>:ref:refs/heads/<branch>, …:ref:refs/tags/<tag> or …:environment:<environment>";

/// Access to the tools account from GitHub Actions, without a key that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Whether the tools account has GitHub's identity provider already: it can have only one.
    pub existing_provider: bool,
    /// Which workflows may deploy Lockgate itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure: Option<Trusted>,
    /// Which workflows may start deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Trusted>,
}

/// Whom a role trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// At least one.
    pub subjects: Vec<Subject>,
}

/// What the token of a workflow says that it is: the branch, the tag or the environment of one repository, and never a pattern.
///
/// <https://docs.github.com/en/actions/reference/security/oidc>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

/// Why a text is no subject that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExact {
    /// It would let in more than one.
    #[error("{0:?} has a wildcard, and who gets in is named exactly; write one subject for each, {EXACT}")]
    Wildcard(String),
    /// IAM would put something in its place.
    #[error("{0:?} has a \"$\", with which IAM begins a variable; take a name without one")]
    Variable(String),
    /// IAM does not take it.
    #[error("{0:?} has characters that are not printable ASCII; take a name of those")]
    Characters(String),
    /// Anybody may open one.
    #[error("{0:?} lets in what anybody proposes; write {EXACT}")]
    PullRequest(String),
    /// Every branch of it, and every pull request.
    #[error("{0:?} is a whole repository, with every branch and pull request; write {EXACT}")]
    Repository(String),
    /// There is no such repository.
    #[error(
        "{0:?} is no repository; write repo:<owner>/<name>:…, or with both ids repo:<owner>@<id>/<name>@<id>:…, as \
         GitHub has it for this repository (gh api repos/<owner>/<name>/actions/oidc/customization/sub)"
    )]
    NoRepository(String),
    /// There can be no such branch or tag.
    #[error("{0:?} cannot be a branch or tag of Git (see `git help check-ref-format`)")]
    NoReference(String),
    /// There can be no such environment.
    #[error(
        "{0:?} cannot be an environment of GitHub: it has 1 to {ENVIRONMENT_LIMIT} characters, no space around them, and \
         %3A for a colon"
    )]
    NoEnvironment(String),
    /// It is something else.
    #[error("{0:?} names no branch, tag or environment of a repository; write {EXACT}")]
    Other(String),
}

impl Subject {
    /// As the token has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Subject {
    type Err = NotExact;

    fn from_str(text: &str) -> Result<Self, NotExact> {
        check(text).map_or_else(|| Ok(Self(text.to_owned())), Err)
    }
}

impl TryFrom<String> for Subject {
    type Error = NotExact;

    fn try_from(text: String) -> Result<Self, NotExact> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

/// What is wrong with a subject.
fn check(text: &str) -> Option<NotExact> {
    let given = || text.to_owned();
    if text.contains(['*', '?']) {
        return Some(NotExact::Wildcard(given()));
    }
    if text.contains('$') {
        return Some(NotExact::Variable(given()));
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(NotExact::Characters(given()));
    }
    let Some(rest) = text.strip_prefix("repo:") else {
        return Some(NotExact::Other(given()));
    };
    let (repository, context) = rest.split_once(':').unwrap_or((rest, ""));
    if !is_repository(repository) {
        return Some(NotExact::NoRepository(repository.to_owned()));
    }
    if context.is_empty() {
        return Some(NotExact::Repository(given()));
    }
    if context == "pull_request" || context.starts_with("ref:refs/pull/") {
        return Some(NotExact::PullRequest(given()));
    }
    let reference = ["ref:refs/heads/", "ref:refs/tags/"];
    if let Some(name) = reference.iter().find_map(|kind| context.strip_prefix(kind)) {
        return (!is_branch(name)).then(|| NotExact::NoReference(name.to_owned()));
    }
    let Some(name) = context.strip_prefix("environment:") else {
        return Some(NotExact::Other(given()));
    };
    let named = (1..=ENVIRONMENT_LIMIT).contains(&name.len()) && name.trim() == name && !name.contains(':');
    (!named).then(|| NotExact::NoEnvironment(name.to_owned()))
}

/// `owner/name`, or both with the ids that GitHub never gives a second time.
fn is_repository(text: &str) -> bool {
    let Some((owner, name)) = text.split_once('/') else {
        return false;
    };
    let is_id =
        |id: &str| (1..=20).contains(&id.len()) && !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit());
    let plain = match (owner.split_once('@'), name.split_once('@')) {
        (None, None) => text.to_owned(),
        (Some((owner, owner_id)), Some((name, id))) if is_id(owner_id) && is_id(id) => format!("{owner}/{name}"),
        _ => return false,
    };
    plain.parse::<RepositoryName>().is_ok()
}

/// Whom the file trusts; nothing, where it has no such table.
pub(super) fn read(findings: &mut Findings<'_>, top: &Section<'_>) -> Option<Actions> {
    let section = findings.section(top, "actions");
    if section.is_absent() {
        return None;
    }
    findings.only(&section, &["existing_provider", "infrastructure", "deployments"]);
    let existing_provider = findings.flag(&section, "existing_provider").unwrap_or(false);
    let names = section.names();
    if !names.contains(&"infrastructure") && !names.contains(&"deployments") {
        let message = "lets nobody in; write [actions.infrastructure], [actions.deployments] or both, with subjects";
        findings.problem(section.offset, &section.path, message);
    }
    Some(Actions {
        existing_provider,
        infrastructure: read_trusted(findings, &section, "infrastructure"),
        deployments: read_trusted(findings, &section, "deployments"),
    })
}

fn read_trusted(findings: &mut Findings<'_>, parent: &Section<'_>, key: &str) -> Option<Trusted> {
    let section = findings.section(parent, key);
    if section.is_absent() {
        return None;
    }
    findings.only(&section, &["subjects"]);
    let example = "subjects = [\"repo:acme/lockgate:environment:tools\"]";
    findings.require(&section, "subjects", example);
    let path = section.path_of("subjects");
    if let Some(offset) = section.offset_of_empty_list("subjects") {
        findings.problem(offset, &path, format!("names nobody; write {example}"));
    }
    let texts = findings.texts(&section, "subjects");
    let length: usize = texts.iter().map(|text| text.value.len() + AROUND).sum();
    if length > SUBJECTS_LIMIT {
        let message = format!(
            "are {length} characters, and a role takes {SUBJECTS_LIMIT}; have the workflows use one environment of GitHub"
        );
        findings.problem(section.offset_of("subjects"), &path, message);
    }
    let subjects = texts
        .into_iter()
        .filter_map(|text| findings.parse::<Subject>(&path, Some(text)))
        .map(|found| found.value)
        .collect();
    Some(Trusted { subjects })
}
