//! The pipeline's records, read and written with the operator's own credentials.

use aws::{Aws, Ledger, stacks};
use domain::environment_state::EnvironmentState;
use domain::harmless::harmless;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};

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
    pub async fn state(&self, ledger: &Ledger) -> Result<EnvironmentState, RecordsError> {
        let state = ledger.environment(&self.application, &self.environment).await?;
        if state == EnvironmentState::default() {
            return Err(RecordsError::Unheard(self.place()));
        }
        Ok(state)
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
