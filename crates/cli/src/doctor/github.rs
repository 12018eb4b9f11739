//! What GitHub lets the pipeline see and do.

use ::github::{Access, Credentials, GitHub, UnusableAddress};
use aws::Aws;
use aws::parameters::Parameters;
use domain::configuration::Application;
use domain::doctor::{self as findings, Check, Finding, Grant, Who};

use super::not_told;

/// Where an operator stores as whom GitHub is asked.
const PATH: &str = "/lockgate/github";

pub(super) async fn examine(
    aws: &Aws,
    api: &str,
    applications: &[Application],
) -> Result<Vec<Finding>, UnusableAddress> {
    let access = Access::new(GitHub::new(api, Credentials::None)?, PATH);
    let stored = match Parameters::new(aws.ssm()).values(&access.names()).await {
        Ok(stored) => stored,
        Err(error) => return Ok(vec![not_told(Check::GithubCredentials, PATH, &error)]),
    };
    let github = match access.by(stored) {
        Ok(github) => github,
        Err(unusable) => {
            let who = Who::Unusable(unusable.fault.to_string());
            return Ok(vec![findings::credentials(PATH, &who)]);
        }
    };
    let who = match github.credentials() {
        Credentials::None => Who::Nobody,
        Credentials::Token(_) => Who::Token,
        Credentials::App(_) => Who::App,
    };
    let mut found = vec![findings::credentials(PATH, &who)];
    for application in applications {
        found.extend(rights(&github, application).await);
    }
    Ok(found)
}

async fn rights(github: &GitHub, application: &Application) -> Vec<Finding> {
    let repository = &application.repository;
    let mut found = match github.grant(repository).await {
        Ok(grant) => {
            let found = findings::permissions(repository.as_str(), &grant);
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
    let sight = github.sight(repository, &application.branch).await;
    found.push(findings::repository(repository.as_str(), &application.branch, &sight));
    found
}
