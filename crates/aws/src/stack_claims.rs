//! Which environment a stack belongs to: the first that deployed it. Two applications in one account may have stacks of one
//! name, and each would replace the other's.

use domain::deployment::Deployment;
use domain::names::{EnvironmentName, RepositoryName, StackName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::ledger::{Ledger, PUT, item, read};

/// Whose a stack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackOwner {
    /// The application.
    pub application: RepositoryName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// Since when.
    pub since: Timestamp,
}

/// The sort key.
const OWNER: &str = "owner";

impl Ledger {
    /// Takes a stack for the environment of this deployment, and says whose it is: of any number that ask, the first has it.
    pub async fn claim_stack(
        &self,
        deployment: &Deployment,
        stack: &StackName,
        now: Timestamp,
    ) -> Result<StackOwner, Error> {
        let environment = &deployment.environment;
        let pk = format!("stack#{}#{}#{stack}", environment.account, environment.region);
        if let Some(item) = self.get(&pk, OWNER).await? {
            return read(item, "dynamodb:GetItem");
        }
        let owner = StackOwner {
            application: deployment.application.clone(),
            environment: environment.name.clone(),
            since: now,
        };
        match self.put_new(item(&pk, OWNER, &owner, PUT)?).await {
            Ok(()) => Ok(owner),
            Err(error) if error.is(Kind::Conflict) => {
                let known = self.get(&pk, OWNER).await?;
                let known = known.ok_or_else(|| Error::unexpected(PUT, format!("{pk} is there and cannot be read")))?;
                read(known, "dynamodb:GetItem")
            }
            Err(error) => Err(error),
        }
    }
}
