//! The pipeline's records, read and written with the operator's own credentials.

use aws::{Aws, Ledger, stacks};
use domain::deployment::Environment;
use domain::environment_state::EnvironmentState;
use domain::harmless::harmless;
use domain::lookup::{self, NotConfigured};
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};

use crate::applications;

/// Which environment, and where its records are.
#[derive(Debug, clap::Args)]
pub struct Records {
    /// The application, as owner/name.
    pub application: RepositoryName,
    /// The environment.
    pub environment: EnvironmentName,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Where the pipeline keeps its records.
#[derive(Debug, clap::Args)]
pub struct Pipeline {
    /// The ledger's table [default: what the stack says].
    #[arg(long, value_name = "TABLE", env = "LOCKGATE_LEDGER")]
    ledger: Option<String>,
    /// The pipeline's stack, whose outputs name the table and the state machines.
    #[arg(long, value_name = "STACK", default_value = "lockgate-pipeline")]
    stack: String,
}

/// Why the records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The pipeline's stack does not say it.
    #[error("the stack {stack} is not in this account and region, or has no output {output}{hint}")]
    NoOutput {
        /// The stack.
        stack: String,
        /// The output.
        output: &'static str,
        /// What else helps.
        hint: &'static str,
    },
    /// It is in no record.
    #[error("nothing was ever deployed to {0}; check both names, and the account and region of your credentials")]
    Unheard(String),
    /// Nothing is called that.
    #[error(transparent)]
    NotConfigured(#[from] NotConfigured),
    /// Nothing is recorded of a deployment.
    #[error(
        "nothing is recorded of {0}; `lockgate status` names those that are under way, and the mail about each names it"
    )]
    NoDeployment(DeploymentId),
    /// What the pipeline was configured with cannot be read.
    #[error("{0}; deploy the pipeline's stack again")]
    Unreadable(String),
    /// Whoever asks could be anybody.
    #[error("{0} stands for nobody in particular; use an IAM user, or a role")]
    Nobody(String),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
}

impl Pipeline {
    /// The ledger.
    pub async fn ledger(&self, aws: &Aws) -> Result<Ledger, RecordsError> {
        let table = match &self.ledger {
            Some(table) => table.clone(),
            None => {
                self.output(aws, "LedgerTable", "; name the ledger's table with --ledger")
                    .await?
            }
        };
        Ok(Ledger::new(aws.dynamodb(), table))
    }

    /// The name of the pipeline's stack.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// The ledger's table, where its name was given.
    pub fn table(&self) -> Option<&str> {
        self.ledger.as_deref()
    }

    /// An output of the pipeline's stack.
    pub async fn output(&self, aws: &Aws, output: &'static str, hint: &'static str) -> Result<String, RecordsError> {
        let outputs = stacks::outputs(aws, &self.stack).await?;
        let found = outputs.and_then(|mut outputs| outputs.remove(output));
        found.ok_or_else(|| RecordsError::NoOutput {
            stack: self.stack.clone(),
            output,
            hint,
        })
    }
}

impl Records {
    /// The environment, in words.
    pub fn place(&self) -> String {
        format!("{} of {}", self.environment, self.application)
    }

    /// The ledger.
    pub async fn ledger(&self, aws: &Aws) -> Result<Ledger, RecordsError> {
        self.pipeline.ledger(aws).await
    }

    /// An output of the pipeline's stack.
    pub async fn output(&self, aws: &Aws, output: &'static str, hint: &'static str) -> Result<String, RecordsError> {
        self.pipeline.output(aws, output, hint).await
    }

    /// The environment's lock and queue, if anything was ever deployed there.
    pub async fn state(&self, aws: &Aws, ledger: &Ledger) -> Result<EnvironmentState, RecordsError> {
        let state = ledger.environment(&self.application, &self.environment).await?;
        if state != EnvironmentState::default() {
            return Ok(state);
        }
        // Whoever may not read the applications does without the hint.
        if let Ok(applications) = applications::all(aws).await {
            lookup::environment(&applications, &self.application, &self.environment)?;
        }
        Err(RecordsError::Unheard(self.place()))
    }

    /// The environment as it is configured now.
    pub async fn configured(&self, aws: &Aws) -> Result<Environment, RecordsError> {
        let applications = applications::all(aws).await?;
        let (_, environment) = lookup::environment(&applications, &self.application, &self.environment)?;
        Ok(environment.clone())
    }
}

/// Of how many deployments the records are read at once.
pub const AT_ONCE: usize = 16;

/// What is longer than this is a report, and belongs where reports are kept.
pub const REASON_LIMIT: usize = 500;

/// A reason as it is kept beside the operator's name.
pub fn reason(text: &str) -> Result<String, String> {
    let reason = harmless(text, REASON_LIMIT);
    if reason.is_empty() {
        Err("say why: it is kept beside your name".to_owned())
    } else if text.chars().count() > REASON_LIMIT {
        Err(format!("say it in at most {REASON_LIMIT} characters"))
    } else {
        Ok(reason)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use crate::fake::Fake;

    const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
"#;

    #[tokio::test]
    async fn what_nothing_was_deployed_to_is_told_from_what_is_mistyped() {
        let fake = Fake::with(SHOP).await;
        let mut said = Vec::new();
        for (application, environment) in [("acme/shop", "test"), ("acme/shop", "tset"), ("acme/shpo", "test")] {
            let records = fake.records(application, environment);
            said.push(records.state(&fake.aws, &fake.ledger()).await.unwrap_err().to_string());
        }
        // Whoever may not read the parameters does without.
        fake.backend.says(
            "GetParametersByPath",
            [(400, r#"{"__type":"AccessDeniedException"}"#.to_owned())],
        );
        let records = fake.records("acme/shop", "tset");
        said.push(records.state(&fake.aws, &fake.ledger()).await.unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"), @"
        nothing was ever deployed to test of acme/shop; check both names, and the account and region of your credentials
        acme/shop has no environment tset, did you mean test?
        acme/shpo is no application of lockgate.toml, did you mean acme/shop?
        nothing was ever deployed to tset of acme/shop; check both names, and the account and region of your credentials
        ");
    }
}
