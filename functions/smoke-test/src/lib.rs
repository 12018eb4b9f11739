//! **smoke-test**: asks an environment whether it works.
//!
//! What is asked travelled in the release; whom it may ask is the operator's to say. Whatever the answer, it is
//! recorded, and a red one is an outcome and no error: the state machine goes back to the last stable release.

pub mod http;
pub mod release;
pub mod rounds;
pub mod target;

use std::time::{Duration, Instant};

use aws::clients::tester_role;
use aws::{Aws, Ledger};
use domain::deployment::{Deployment, Leg};
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::Event;
use domain::names::{Digest, EnvironmentName};
use domain::smoke_test::{
    Ask, Check, CheckResult, Invalid, LONGEST_ANSWER, Mismatch, Outputs, Report, SmokeTests, Unresolved, evaluate,
    evaluate_lambda,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::http::Asker;
use self::release::Releases;
use self::rounds::{Attempt, Pace};
use self::target::Target;

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
    },
    /// The environment does not work.
    Failed {
        /// Which check failed and why, in one sentence.
        cause: String,
    },
}

/// What stops this function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// A file of the release is not there.
    #[error("{0}")]
    Missing(String),
    /// A file of the release is not what its name says.
    #[error("{0}")]
    Altered(String),
    /// The release was made by a newer version of Lockgate.
    #[error("{0}")]
    UnknownSchema(String),
    /// `lockgate.smoke.toml` is not written in UTF-8.
    #[error("lockgate.smoke.toml is not UTF-8")]
    NoText,
    /// `lockgate.smoke.toml` does not say what to ask.
    #[error("lockgate.smoke.toml: {0}")]
    Invalid(#[from] Invalid),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let name = match &error {
            Error::Aws(error) => return error.failure(),
            Error::Missing(_) => Name::ReleaseMissing,
            Error::Altered(_) => Name::ReleaseAltered,
            Error::UnknownSchema(_) => Name::Unexpected,
            Error::NoText | Error::Invalid(_) => Name::InvalidSmokeTests,
        };
        Failure::new(name, harmless(&error.to_string(), Failure::CAUSE_LIMIT))
    }
}

/// What this function works with, made once.
pub struct Context {
    /// The way into AWS, with the function's own role.
    pub aws: Aws,
    /// Where the outcome is recorded.
    pub ledger: Ledger,
    /// Where the release is.
    pub releases: Releases,
    /// What the tester's role wants to be told.
    pub external_id: String,
    /// How HTTP is asked, and whom it may ask.
    pub asker: Asker,
    /// How fast checks are tried.
    pub pace: Pace,
}

/// Asks the environment, and records what it answered.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    let Input::SmokeTest {
        deployment,
        release,
        leg,
    } = input;
    let report = match context.releases.smoke_tests(&release).await? {
        Some(tests) => ask(context, &deployment, &tests).await?,
        None => Report::new(Vec::new()),
    };
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
        },
        Some(cause) => Output::Failed {
            cause: harmless(&cause, Failure::CAUSE_LIMIT),
        },
    };
    context
        .ledger
        .record(&deployment.id, Event::SmokeTested { leg, report }, Timestamp::now())
        .await?;
    Ok(output)
}

async fn ask(context: &Context, deployment: &Deployment, tests: &SmokeTests) -> Result<Report, Error> {
    let environment = &deployment.environment;
    let role = tester_role(&environment.account, &environment.region);
    let tester = context
        .aws
        .acting_as(&role, &deployment.id, &environment.region, Some(&context.external_id))
        .await;
    let target = Target::new(tester);
    let outputs = target.outputs(tests.stacks(&environment.name)).await?;
    let questioner = Questioner {
        environment: &environment.name,
        outputs,
        target,
        asker: &context.asker,
    };
    Ok(rounds::run(tests, &environment.name, context.pace, |check| {
        questioner.attempt(check)
    })
    .await)
}

/// Asks one environment.
struct Questioner<'q> {
    environment: &'q EnvironmentName,
    outputs: Outputs,
    target: Target,
    asker: &'q Asker,
}

impl Questioner<'_> {
    /// Asks once, and compares the answer.
    async fn attempt(&self, check: &Check) -> Attempt {
        let started = Instant::now();
        let (mismatches, took) = match self.mismatches(check).await {
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

    async fn mismatches(&self, check: &Check) -> Result<(Vec<Mismatch>, Duration), NoAnswer> {
        match &check.ask {
            Ask::Http(http) => {
                let request = http
                    .resolve(self.environment, &self.outputs)
                    .map_err(|why| NoAnswer::for_good(&why))?;
                let reply = self.asker.ask(&request).await.map_err(|error| NoAnswer {
                    may_pass: error.may_pass(),
                    reason: error.to_string(),
                })?;
                Ok((evaluate(&request.expect, &reply), reply.took))
            }
            Ask::Lambda(lambda) => {
                let request = lambda
                    .resolve(self.environment, &self.outputs)
                    .map_err(|why| NoAnswer::for_good(&why))?;
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
    /// The stacks stay as they are while they are tested: what they do not say now they will not say.
    fn for_good(why: &Unresolved) -> Self {
        Self {
            reason: why.to_string(),
            may_pass: false,
        }
    }
}
