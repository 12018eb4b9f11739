//! `lockgate.toml`: what operators write, and what it resolves to.
//!
//! This is its only parser. It is read once, before anything is created; every default is filled in, so that what
//! travels on (to the CDK app, and from there to the functions) needs no second reading.

mod actions;
mod approval;
mod bake;
mod document;
mod freeze;
mod problem;
mod read;
mod time_span;

use serde::{Deserialize, Serialize};

pub use actions::{Actions, NotExact, Subject, Trusted};
pub use approval::LONGEST_WITHIN;
pub use bake::{LONGEST_BAKE, LONGEST_WATCH};
pub use problem::{Problem, Problems};

use crate::deployment::Environment;
use crate::names::{AccountId, Region, RepositoryName};

/// All that an installation of Lockgate is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Lockgate itself.
    pub pipeline: Pipeline,
    /// Which workflows of GitHub Actions get access; none, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Actions>,
    /// What it deploys, in the order of the file.
    pub applications: Vec<Application>,
}

/// Where Lockgate itself lives, and whom it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The account it runs in, called the tools account.
    pub account: AccountId,
    /// The region it runs in.
    pub region: Region,
    /// What our roles say when they assume the roles of `EnvironmentStack`.
    pub external_id: String,
    /// The mail addresses that are told how deployments end.
    pub notify: Vec<String>,
    /// The address ranges that smoke tests may ask although they are not public.
    pub smoke_test_addresses: Vec<String>,
    /// Whether data at rest is encrypted with keys of the operator's own.
    pub customer_managed_keys: bool,
    /// Where GitHub's API is, or what stands in for it.
    pub github_api: String,
    /// Where the operators read docs/OPERATIONS.md, for alarms to lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

/// One GitHub repository and the ladder it climbs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The repository.
    pub repository: RepositoryName,
    /// The branch whose pushes are deployed.
    pub branch: String,
    /// Its environments, in the order of the file.
    pub environments: Vec<Environment>,
}

impl Configuration {
    /// Reads and checks a `lockgate.toml`. What is wrong is reported all at once, in the order of the file.
    pub fn read(text: &str) -> Result<Self, Problems> {
        read::read(text)
    }
}

#[cfg(test)]
mod tests;
