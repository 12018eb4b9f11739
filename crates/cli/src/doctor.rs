//! `lockgate doctor`: looks a whole installation over, and says what is wrong and how it is mended.
//!
//! What is seen is gathered here; what it means is decided in `domain::doctor`.

mod github;
mod target;
mod tools;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use ::github::UnusableAddress;
use aws::bootstrap::acting_account;
use aws::stacks::{self, Told};
use aws::{Aws, Ledger};
use domain::configuration::Application;
use domain::deployment::Environment;
use domain::doctor::{self as findings, Check, Finding, Place, Summary};
use domain::harmless::harmless;
use domain::lookup;
use domain::names::{EnvironmentName, Region, RepositoryName};
use domain::nearest;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use tokio::time::timeout;

use self::target::Target;
use crate::applications;
use crate::records::{Pipeline, RecordsError};
use crate::table::Output;

/// Examines the installation: what is wrong, and its remedy.
///
/// It changes nothing. It reads with your own credentials, sends the webhook a delivery that nobody signed and a ping that
/// the stored secret signs, and asks GitHub as the pipeline does. It ends with 1 where something is broken.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name [default: all of them].
    application: Option<RepositoryName>,
    /// The profile with which the account of an environment is looked at; once for each environment.
    #[arg(long = "profile-of", value_name = "ENVIRONMENT=PROFILE")]
    profiles: Vec<ProfileOf>,
    /// Where GitHub's API is, if `github_api` in lockgate.toml names a stand-in.
    #[arg(long, value_name = "URL", default_value = ::github::API)]
    github_api: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// How long one part of an installation is looked at: AWS answers within seconds, and whoever waits longer asks again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many environments are looked at at once.
const AT_ONCE: usize = 4;

/// With which profile the account of an environment is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProfileOf {
    environment: EnvironmentName,
    profile: String,
}

impl std::str::FromStr for ProfileOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((environment, profile)) if !profile.is_empty() => Ok(Self {
                environment: environment
                    .parse()
                    .map_err(|error: domain::names::InvalidName| error.to_string())?,
                profile: profile.to_owned(),
            }),
            _ => Err("write it as ENVIRONMENT=PROFILE, such as dev=acme-dev".to_owned()),
        }
    }
}

/// Why nothing was examined.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The application that was named is none.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// No environment is called as `--profile-of` says.
    #[error("no environment is called {given}{hint}; --profile-of takes the name of one")]
    NoEnvironment {
        /// The name.
        given: EnvironmentName,
        /// `, did you mean …?`, or nothing.
        hint: String,
    },
    /// GitHub's address is none.
    #[error(transparent)]
    Address(#[from] UnusableAddress),
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    findings: Vec<Finding>,
    summary: Summary,
}

/// Examines everything, and says it.
pub async fn run(options: &Options, aws: &Aws) -> Result<(String, ExitCode), DoctorError> {
    let target =
        async |profile: &str, region: &Region| Aws::from_environment(Some(profile), Some(region.as_str())).await;
    let report = examine(options, aws, target, PATIENCE).await?;
    let code = if report.summary.broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok((options.output.print(&report, || text(&report)), code))
}

/// Examines everything; `target` is how the account of an environment is reached with a profile, and `patience` how long
/// each part of it may take.
async fn examine(
    options: &Options,
    aws: &Aws,
    target: impl AsyncFn(&str, &Region) -> Aws,
    patience: Duration,
) -> Result<Report, DoctorError> {
    let mut found = Vec::new();
    let stack = options.pipeline.stack();
    // Whoever is told nothing of the stack has examined nothing.
    let told = stacks::told(aws, stack).await.map_err(RecordsError::from)?;
    found.push(findings::pipeline_stack(stack, told.as_ref().map(|told| &told.status)));
    let Some(Told { outputs, .. }) = told else {
        found.push(findings::nothing_else(stack));
        return Ok(Report::of(found));
    };
    let installation = Installation { aws, stack, outputs };
    let (ledger, answers) = installation.ledger(options.pipeline.table()).await;
    found.push(answers);
    found.extend(installation.state_machines().await);
    let applications = match applications::all(aws).await {
        Ok(applications) => chosen(options, applications)?,
        Err(error) => {
            found.push(not_told(Check::Applications, "/lockgate/applications", &error));
            return Ok(Report::of(found));
        }
    };
    if applications.is_empty() {
        found.push(findings::no_application());
    }
    found.extend(installation.webhook().await);
    found.push(installation.approval_key(&applications).await);
    let (of_github, private) = github::examine(aws, &options.github_api, &applications).await?;
    found.extend(of_github);
    let builds = installation.builds(&private);
    found.extend(within(patience, Check::BuildProject, "CodeBuild", builds).await);
    let rules = installation.event_rules();
    found.extend(within(patience, Check::EventRules, stack, rules).await);
    found.extend(installation.operators_mail().await);
    found.extend(installation.approvers_mail(&applications).await);
    found.push(installation.concurrency().await);
    let tools = match acting_account(aws).await {
        Ok(tools) => tools,
        Err(error) => {
            found.push(not_told(Check::Target, "every environment", &error));
            return Ok(Report::of(found));
        }
    };
    let says = installation.external_ids().await;
    let places = applications.iter().flat_map(|application| {
        let environments = application.environments.iter();
        environments.map(move |environment| (application, environment))
    });
    let looking = places.map(async |(application, environment)| {
        let place = place(application, environment, &tools);
        let grants = installation.grants(&place);
        let mut found = within(patience, Check::RoleGrants, &place.about, grants).await;
        let given = options.profiles.iter().find(|of| of.environment == environment.name);
        let Some(ProfileOf { profile, .. }) = given else {
            found.push(findings::not_looked_at(&place));
            return found;
        };
        let looking = async {
            let looked_at = Target {
                aws: target(profile, &environment.region).await,
                place: &place,
                profile,
                says: &says,
                bus: installation.bus(&tools),
                bake: environment.bake.as_ref(),
                has_stable: has_stable(ledger.as_ref(), application, environment).await,
            };
            looked_at.examine().await
        };
        found.extend(within(patience, Check::Target, &place.about, looking).await);
        found
    });
    // In the order of the configuration, whichever is done first.
    let looked_at: Vec<Vec<Finding>> = stream::iter(looking).buffered(AT_ONCE).collect().await;
    found.extend(looked_at.into_iter().flatten());
    Ok(Report::of(found))
}

/// What is found in time.
async fn within(
    patience: Duration,
    name: Check,
    about: &str,
    looking: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    let late = format!("AWS took longer than {} seconds", patience.as_secs());
    timeout(patience, looking)
        .await
        .unwrap_or_else(|_| vec![not_told(name, about, &late)])
}

/// The installation, as far as the pipeline's stack tells of it.
struct Installation<'a> {
    aws: &'a Aws,
    stack: &'a str,
    outputs: BTreeMap<String, String>,
}

/// Where an environment is.
fn place(application: &Application, environment: &Environment, tools: &str) -> Place {
    Place {
        about: of(application, environment),
        environment: environment.name.to_string(),
        account: environment.account.clone(),
        region: environment.region.clone(),
        qualifier: environment.qualifier.clone(),
        tools: tools.to_owned(),
    }
}

/// Those that are to be examined, where the names that were given are names.
fn chosen(options: &Options, mut applications: Vec<Application>) -> Result<Vec<Application>, DoctorError> {
    if let Some(named) = &options.application {
        let found = lookup::application(&applications, named).map_err(RecordsError::from)?;
        applications = vec![found.clone()];
    }
    let environments = applications.iter().flat_map(|application| &application.environments);
    let known: Vec<&str> = environments.map(|environment| environment.name.as_str()).collect();
    for ProfileOf { environment, .. } in &options.profiles {
        if !known.contains(&environment.as_str()) {
            return Err(DoctorError::NoEnvironment {
                given: environment.clone(),
                hint: nearest::hint(environment.as_str(), &known),
            });
        }
    }
    Ok(applications)
}

/// Whether a release is stable in an environment. Where nobody can say it, the milder finding is right.
async fn has_stable(ledger: Option<&Ledger>, application: &Application, environment: &Environment) -> bool {
    let Some(ledger) = ledger else { return false };
    let state = ledger.environment(&application.repository, &environment.name).await;
    state.is_ok_and(|state| state.stable.is_some())
}

fn of(application: &Application, environment: &Environment) -> String {
    format!("{} of {}", environment.name, application.repository)
}

fn not_told(name: Check, about: impl Into<String>, error: &impl std::fmt::Display) -> Finding {
    Finding::not_told(name, about, &error.to_string())
}

impl Report {
    fn of(findings: Vec<Finding>) -> Self {
        Self {
            summary: Summary::of(&findings),
            findings,
        }
    }
}

fn text(report: &Report) -> String {
    let mut lines = String::new();
    for finding in &report.findings {
        let Finding {
            name,
            severity,
            about,
            what,
            remedy,
        } = finding;
        let (severity, name) = (severity.to_string(), name.to_string());
        // Names of alarms, and what AWS and GitHub say, were written by others.
        let said = harmless(&format!("{about}: {what}"), 1000);
        let _ = writeln!(lines, "{severity:<9}  {name:<18}  {said}");
        if let Some(remedy) = remedy {
            let _ = writeln!(lines, "{:31}{}", "", harmless(remedy, 1000));
        }
    }
    let _ = write!(lines, "\n{}", report.summary);
    lines
}

#[cfg(test)]
mod tests;
