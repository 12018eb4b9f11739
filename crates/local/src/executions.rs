//! Deployments under way: waiting for their end, and what is known of them then.

use std::time::Duration;

use domain::ledger::{Entry, Head};
use domain::names::DeploymentId;

use crate::{Pipeline, Trouble};

/// How an execution ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The deployment.
    pub deployment: DeploymentId,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The name and cause of the failure, where there was one.
    pub error: Option<(String, String)>,
    /// Where its record stands.
    pub head: Head,
    /// Its whole record.
    pub entries: Vec<Entry>,
}

impl Pipeline {
    /// Waits until a deployment's execution is over.
    pub async fn end_of(&self, deployment: &DeploymentId, within: Duration) -> Result<Ended, Trouble> {
        let arn = self.execution_arn(deployment);
        let began = tokio::time::Instant::now();
        loop {
            let answer = self
                .tools
                .aws
                .step_functions()
                .describe_execution()
                .execution_arn(&arn)
                .send()
                .await;
            match answer {
                Ok(execution) if execution.status().as_str() != "RUNNING" => {
                    let error = execution
                        .error()
                        .map(|error| (error.to_owned(), execution.cause().unwrap_or_default().to_owned()));
                    let status = execution.status().as_str().to_owned();
                    let head = self
                        .ledger
                        .head(deployment)
                        .await
                        .map_err(Trouble::during("reading the ledger"))?;
                    let entries = self
                        .ledger
                        .entries(deployment)
                        .await
                        .map_err(Trouble::during("reading the ledger"))?;
                    let head = head.unwrap_or_else(|| Head::empty(deployment.clone()));
                    return Ok(Ended {
                        deployment: deployment.clone(),
                        status,
                        error,
                        head,
                        entries,
                    });
                }
                _ if began.elapsed() > within => {
                    let head = self
                        .ledger
                        .head(deployment)
                        .await
                        .map_err(Trouble::during("reading the ledger"))?;
                    return Err(Trouble(format!(
                        "{deployment} did not end within {within:?}; its record: {head:#?}"
                    )));
                }
                _ => tokio::time::sleep(Duration::from_millis(150)).await,
            }
        }
    }

    /// The ARN of a deployment's execution.
    pub fn execution_arn(&self, deployment: &DeploymentId) -> String {
        format!(
            "{}:{deployment}",
            self.machine.replacen(":stateMachine:", ":execution:", 1)
        )
    }
}
