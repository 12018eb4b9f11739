//! What GitHub lets the pipeline see and do.

use std::collections::BTreeMap;

use ::github::{Access, Credentials, GitHub, UnusableAddress};
use aws::Aws;
use aws::parameters::Parameters;
use domain::configuration::Application;
use domain::doctor::{self as findings, Check, Finding, Grant, Who};
use domain::names::RepositoryName;
use jiff::Timestamp;

use super::not_told;

/// Where an operator stores as whom GitHub is asked.
const PATH: &str = "/lockgate/github";

/// Of each repository, whether it is private; nothing, where GitHub does not say it.
pub(super) type Private = BTreeMap<RepositoryName, Option<bool>>;

pub(super) async fn examine(
    aws: &Aws,
    api: &str,
    applications: &[Application],
) -> Result<(Vec<Finding>, Private), UnusableAddress> {
    let nothing = || {
        let repositories = applications.iter().map(|application| application.repository.clone());
        repositories.map(|repository| (repository, None)).collect::<Private>()
    };
    let access = Access::new(GitHub::new(api, Credentials::None)?, PATH);
    let stored = match Parameters::new(aws.ssm()).values(&access.names()).await {
        Ok(stored) => stored,
        Err(error) => return Ok((vec![not_told(Check::GithubCredentials, PATH, &error)], nothing())),
    };
    let github = match access.by(stored) {
        Ok(github) => github,
        Err(unusable) => {
            let who = Who::Unusable(unusable.fault.to_string());
            return Ok((vec![findings::credentials(PATH, &who)], nothing()));
        }
    };
    let who = match github.credentials() {
        Credentials::None => Who::Nobody,
        Credentials::Token(_) => Who::Token,
        Credentials::App(_) => Who::App,
    };
    let mut found = vec![findings::credentials(PATH, &who)];
    let mut private = Private::new();
    for application in applications {
        found.extend(rights(&github, application).await);
        let repository = &application.repository;
        private.insert(repository.clone(), github.is_private(repository).await.ok());
    }
    Ok((found, private))
}

async fn rights(github: &GitHub, application: &Application) -> Vec<Finding> {
    let repository = &application.repository;
    let mut found = match github.grant(repository).await {
        Ok(grant) => {
            let shows = application
                .environments
                .iter()
                .any(|environment| environment.pull_requests);
            let found = findings::permissions(repository.as_str(), &grant, shows);
            if matches!(grant, Grant::NotInstalled | Grant::Suspended) {
                return found;
            }
            found
        }
        Err(error @ (::github::Error::Denied { .. } | ::github::Error::Refused { .. })) => {
            let who = Who::Unusable(error.to_string());
            return vec![findings::credentials(PATH, &who)];
        }
        Err(error) => return vec![not_told(Check::GithubPermissions, repository.as_str(), &error)],
    };
    if let Credentials::Token(_) = github.credentials() {
        let parameter = format!("{PATH}/token");
        found.extend(match github.token_seen(repository).await {
            Ok(seen) => findings::token(repository.as_str(), &parameter, &seen, Timestamp::now()),
            // What cannot be read at all is said below.
            Err(::github::Error::Denied { .. } | ::github::Error::Refused { .. }) => Vec::new(),
            Err(error) => vec![not_told(Check::GithubPermissions, repository.as_str(), &error)],
        });
    }
    let sight = github.sight(repository, &application.branch).await;
    found.push(findings::repository(repository.as_str(), &application.branch, &sight));
    found
}
