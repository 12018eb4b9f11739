//! **smoke-test**: asks an environment whether it works.
//!
//! What is asked travelled in the release; whom it may ask is the operator's to say. Whatever the answer, it is
//! recorded, and a red one is an outcome and no error: the state machine goes back to the last stable release.

pub mod http;
pub mod rounds;
pub mod target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::artifacts::{ArtifactError, Artifacts};
use aws::clients::tester_role;
use aws::{Aws, Ledger};
use domain::deployment::{Deployment, Leg};
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::Event;
use domain::names::{Digest, EnvironmentName, StackName};
use domain::release::{INTEGRATION_TESTS, Index, SMOKE_TESTS};
use domain::smoke_test::{
    Allowed, Ask, Check, CheckResult, Invalid, LONGEST_ANSWER, Mismatch, Outputs, Report, SmokeTests, TooManyOutputs,
    Unresolved, evaluate, evaluate_lambda, handed_over,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use self::http::{Asker, Caps, system_lookup};
use self::rounds::{Attempt, Pace};
use self::target::Target;

/// How many bytes an environment's address may have.
const URL_LIMIT: usize = 500;

/// What this function is asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Ask the environment what the release's smoke tests ask.
    SmokeTest {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release that is in the environment now.
        release: Digest,
        /// Whether it is the one asked for or the one gone back to.
        leg: Leg,
    },
}

/// What this function answers.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Output {
    /// Every check passed.
    Passed {
        /// How many there were; 0 where the release has no smoke tests.
        checks: usize,
        /// The outputs of the deployment's stacks, where the release's integration tests come next; nothing otherwise.
        outputs: Outputs,
    },
    /// The environment does not work.
    Failed {
        /// Which check failed and why, in one sentence.
        cause: String,
    },
}

/// Why smoke-test could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// The release cannot be read.
    #[error(transparent)]
    Release(#[from] ArtifactError),
    /// `lockgate.smoke.toml` is not written in UTF-8.
    #[error("lockgate.smoke.toml is not UTF-8")]
    NoText,
    /// `lockgate.smoke.toml` does not say what to ask.
    #[error("lockgate.smoke.toml: {0}")]
    Invalid(#[from] Invalid),
    /// Integration tests come next, and cannot be told all that they are to be told.
    #[error(transparent)]
    TooManyOutputs(#[from] TooManyOutputs),
}

/// The failures smoke-test raises.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::ReleaseMissing,
    Name::ReleaseAltered,
    Name::InvalidSmokeTests,
    Name::IntegrationTestsFailed,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Aws(error) => error.failure(),
            // It was deployed a moment ago by functions of this same version.
            Error::Release(ArtifactError::UnknownSchema(why)) => Failure::new(Name::Unexpected, why),
            Error::Release(error) => error.failure(),
            Error::TooManyOutputs(_) => Failure::new(Name::IntegrationTestsFailed, error.to_string()),
            Error::NoText | Error::Invalid(_) => Failure::new(
                Name::InvalidSmokeTests,
                harmless(&error.to_string(), Failure::CAUSE_LIMIT),
            ),
        }
    }
}

/// What smoke-test works with, made once when it starts.
pub struct Context {
    aws: Aws,
    ledger: Ledger,
    artifacts: Artifacts,
    external_id: String,
    asker: Asker,
    pace: Pace,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        // Not `lambda::setting`: the usual value is empty, which allows public addresses only.
        let allowed: Allowed = std::env::var("LOCKGATE_SMOKE_ALLOW").unwrap_or_default().parse()?;
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            artifacts: Artifacts::new(&aws, lambda::setting("LOCKGATE_ARTIFACTS")?),
            external_id: lambda::setting("LOCKGATE_EXTERNAL_ID")?,
            asker: Asker::new(allowed, system_lookup(), Caps::default())?,
            pace: Pace::default(),
            aws,
        })
    }
}

/// Asks the environment, and records what it answered.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    let Input::SmokeTest {
        deployment,
        release,
        leg,
    } = input;
    let target = target(context, &deployment);
    let index = context.artifacts.read_index(&release).await?;
    let mut report = match smoke_tests(&context.artifacts, &index).await? {
        Some(tests) => ask(context, &deployment, target.clone(), &tests).await?,
        None => Report::new(Vec::new()),
    };
    report.url = url(&deployment, &target).await;
    for check in &report.checks {
        let CheckResult {
            name,
            passed,
            attempts,
            took_ms,
            reasons,
            ..
        } = check;
        tracing::info!(
            check.name = name,
            passed,
            attempts,
            took_ms,
            reasons = reasons.join("; "),
            "asked"
        );
    }
    let output = match report.cause() {
        None => Output::Passed {
            checks: report.checks.len(),
            outputs: handed_on(context, &deployment, leg, &index, &target).await?,
        },
        Some(cause) => Output::Failed {
            cause: harmless(&cause, Failure::CAUSE_LIMIT),
        },
    };
    context
        .ledger
        .record(&deployment.id, Event::SmokeTested { leg, report }, Timestamp::now())
        .await?;
    if let Output::Passed { outputs, .. } = &output {
        handed_over(outputs)?;
    }
    Ok(output)
}

/// The smoke tests that travelled in a release; nothing, where it has none.
async fn smoke_tests(artifacts: &Artifacts, index: &Index) -> Result<Option<SmokeTests>, Error> {
    let Some(file) = index.files().iter().find(|file| file.path.as_str() == SMOKE_TESTS) else {
        return Ok(None);
    };
    let content = artifacts.read_object(file).await?;
    let text = String::from_utf8(content).map_err(|_| Error::NoText)?;
    Ok(Some(text.parse()?))
}

/// The environment's account, with the tester's role.
fn target(context: &Context, deployment: &Deployment) -> Target {
    let environment = &deployment.environment;
    let role = tester_role(&environment.account, &environment.region);
    let tester = context
        .aws
        .acting_as(&role, &deployment.id, &environment.region, Some(&context.external_id));
    Target::new(tester)
}

/// Where people find the environment. That nobody can say it is no reason for anything to fail.
async fn url(deployment: &Deployment, target: &Target) -> Option<String> {
    let output = deployment.environment.url.as_ref()?;
    match target.outputs([output.stack.clone()]).await {
        Ok(outputs) => {
            let url = outputs.get(&output.stack).and_then(|stack| stack.get(&output.output));
            if url.is_none() {
                tracing::warn!(stack = %output.stack, output = output.output, "the environment's url is not among the outputs");
            }
            url.and_then(|url| web_address(url))
        }
        Err(error) => {
            tracing::warn!(error.cause = %error, "the environment's url is not known");
            None
        }
    }
}

/// What is a link for people, and nothing else: GitHub shows it to everybody.
fn web_address(text: &str) -> Option<String> {
    let url: Url = text.parse().ok()?;
    let is_link = matches!(url.scheme(), "https" | "http") && url.as_str().len() <= URL_LIMIT;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_link && is_plain).then(|| url.into())
}

/// What integration tests are told of the environment; nothing, where none are run.
async fn handed_on(
    context: &Context,
    deployment: &Deployment,
    leg: Leg,
    index: &Index,
    target: &Target,
) -> Result<Outputs, Error> {
    let has_tests = index.files().iter().any(|file| file.path.as_str() == INTEGRATION_TESTS);
    if leg == Leg::Back || !deployment.environment.integration_tests || !has_tests {
        return Ok(Outputs::default());
    }
    let head = context.ledger.head(&deployment.id).await?;
    let stacks = head.map(|head| head.status.stacks).unwrap_or_default();
    Ok(target.outputs(stacks.into_keys()).await?)
}

async fn ask(context: &Context, deployment: &Deployment, target: Target, tests: &SmokeTests) -> Result<Report, Error> {
    let environment = &deployment.environment.name;
    let head = context.ledger.head(&deployment.id).await?;
    let own = head.map(|head| head.status.stacks).unwrap_or_default();
    // Another environment may be in the same account, and answers for itself only.
    let stacks: Vec<StackName> = tests
        .stacks(environment)
        .into_iter()
        .filter(|stack| own.contains_key(stack))
        .collect();
    let outputs = target.outputs(stacks.clone()).await?;
    let questioner = Questioner {
        environment,
        stacks,
        outputs: Mutex::new((1, Arc::new(outputs))),
        target,
        asker: &context.asker,
    };
    let attempt = |check, round| questioner.attempt(check, round);
    Ok(rounds::run(tests, environment, context.pace, attempt).await)
}

/// Asks one environment.
struct Questioner<'q> {
    environment: &'q EnvironmentName,
    /// The deployment's own that the checks name.
    stacks: Vec<StackName>,
    /// Their outputs, and the round for which they were read.
    outputs: Mutex<(u32, Arc<Outputs>)>,
    target: Target,
    asker: &'q Asker,
}

impl Questioner<'_> {
    /// Asks once, and compares the answer.
    async fn attempt(&self, check: &Check, round: u32) -> Attempt {
        let started = Instant::now();
        let outputs = self.outputs(round).await;
        let (mismatches, took) = match self.mismatches(check, &outputs).await {
            Ok(answer) => answer,
            Err(NoAnswer { reason, may_pass }) => {
                return Attempt {
                    reasons: vec![reason],
                    took: started.elapsed(),
                    may_pass,
                };
            }
        };
        Attempt {
            reasons: mismatches.iter().map(Mismatch::to_string).collect(),
            took,
            may_pass: true,
        }
    }

    /// The outputs as they are described in this round: CloudFormation may go on describing a stack for a while as it was
    /// before its update.
    async fn outputs(&self, round: u32) -> Arc<Outputs> {
        let mut known = self.outputs.lock().await;
        if known.0 < round {
            match self.target.outputs(self.stacks.clone()).await {
                Ok(outputs) => *known = (round, Arc::new(outputs)),
                Err(error) => tracing::warn!(error.cause = %error, "the outputs are those of the round before"),
            }
        }
        known.1.clone()
    }

    async fn mismatches(&self, check: &Check, outputs: &Outputs) -> Result<(Vec<Mismatch>, Duration), NoAnswer> {
        match &check.ask {
            Ask::Http(http) => {
                let request = http
                    .resolve(self.environment, outputs)
                    .map_err(|why| NoAnswer::unresolved(&why))?;
                let reply = self.asker.ask(&request).await.map_err(|error| NoAnswer {
                    may_pass: error.may_pass(),
                    reason: error.to_string(),
                })?;
                Ok((evaluate(&request.expect, &reply), reply.took))
            }
            Ask::Lambda(lambda) => {
                let request = lambda
                    .resolve(self.environment, outputs)
                    .map_err(|why| NoAnswer::unresolved(&why))?;
                let reply = self
                    .target
                    .invoke(&request, LONGEST_ANSWER)
                    .await
                    .map_err(|reason| NoAnswer { reason, may_pass: true })?;
                Ok((evaluate_lambda(&request.expect, &reply), reply.took))
            }
        }
    }
}

/// Why a check got no answer, and whether asking again can help.
struct NoAnswer {
    reason: String,
    may_pass: bool,
}

impl NoAnswer {
    /// What the stacks do not say now they may say in a moment, see [`Questioner::outputs`].
    fn unresolved(why: &Unresolved) -> Self {
        Self {
            reason: why.to_string(),
            may_pass: true,
        }
    }
}

#[cfg(test)]
mod handing_on;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_machines_words_are_understood_and_answered_in_its_own() {
        let deployment = json!({
            "id": "shop-dev-1", "application": "acme/shop", "commit": "c".repeat(40), "reference": "main", "release": null,
            "environment": {
                "name": "dev", "account": "222222222222", "region": "eu-west-1", "on": ["push"], "after": null,
                "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
                "replace_failed_stacks": true
            },
            "requested": {
                "by": "ada", "at": "2026-11-23T18:00:00Z", "happened_at": "2026-11-23T18:00:00Z", "because": "push",
                "delivery": null, "before": null, "title": "Add prices"
            }
        });
        let input = json!({ "do": "smoke_test", "deployment": deployment, "release": "a".repeat(64), "leg": "back" });
        let Input::SmokeTest { leg, .. } = serde_json::from_value(input.clone()).expect("it is what the machine sends");
        assert_eq!(leg, Leg::Back);
        let mut more = input;
        more["token"] = json!("x");
        assert!(serde_json::from_value::<Input>(more).is_err());
        let passed = Output::Passed {
            checks: 0,
            outputs: Outputs::default(),
        };
        assert_eq!(
            json!(passed),
            json!({ "outcome": "passed", "checks": 0, "outputs": {} })
        );
        let failed = Output::Failed {
            cause: "why".to_owned(),
        };
        assert_eq!(json!(failed), json!({ "outcome": "failed", "cause": "why" }));
    }

    #[test]
    fn a_file_that_cannot_be_read_lists_every_problem_within_the_causes_limit() {
        let invalid = "witin = 1\n[[http]]"
            .parse::<SmokeTests>()
            .expect_err("it has problems");
        let failure = Failure::from(Error::Invalid(invalid));
        assert_eq!(failure.name, Name::InvalidSmokeTests);
        for part in [
            "lockgate.smoke.toml: line 1: witin",
            "line 2: http[0].url: is missing",
            "http[0].name: is missing",
        ] {
            assert!(failure.cause.contains(part), "{}", failure.cause);
        }
        assert!(failure.cause.chars().count() <= Failure::CAUSE_LIMIT);
    }
}
