//! What operators did to an environment by hand: only ever added, beside the environment's lock.

use domain::names::{DeploymentId, Digest, EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::environments::partition;
use crate::error::Error;
use crate::ledger::{Ledger, PUT, instant, item, read};

/// Something that an operator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAct {
    /// What.
    pub act: Act,
    /// The deployment that it is about: one that was asked for, that had left the environment waiting for an operator, that bakes, or that went
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// The release that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// The ARN that acted.
    pub by: String,
    /// The reason that the operator gave.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Asked for a deployment.
    Asked,
    /// Opened an environment that waited for an operator.
    Released,
    /// Lets nothing go forward in it.
    Held,
    /// Lets whoever asks go forward again.
    LetGo,
    /// Lets a release come again that had been taken back.
    Allowed,
    /// Said that a commit has to come into a frozen environment.
    Pleaded,
    /// Said of a release that bakes that it is good.
    Passed,
    /// Had a release that bakes taken back.
    TookBack,
}

/// How the sort keys of these records begin.
const OPERATOR: &str = "operator#";

impl Ledger {
    /// Records what an operator is about to do. Nothing that was recorded is ever written over.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::Kind::Conflict) when something was recorded in the same millisecond.
    pub async fn record_operator_act(
        &self,
        application: &RepositoryName,
        environment: &EnvironmentName,
        act: &OperatorAct,
    ) -> Result<(), Error> {
        let key = format!("{OPERATOR}{}", instant(act.at));
        self.put_new(item(&partition(application, environment), &key, act, PUT)?)
            .await
    }

    /// What operators did to an environment, in order.
    pub async fn operator_acts(
        &self,
        application: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<Vec<OperatorAct>, Error> {
        self.query(&partition(application, environment), Some(OPERATOR))
            .await?
            .into_iter()
            .map(|item| read(item, "dynamodb:Query"))
            .collect()
    }
}
