//! What GitHub was told of each deployment, and which deployment GitHub shows as the one that an environment runs.

use domain::deployment::Deployment;
use domain::github::{Outbox, Place};
use domain::names::DeploymentId;
use jiff::Timestamp;

use crate::error::Error;
use crate::ledger::{Condition, Ledger, text};

/// The kind under which outboxes are due.
const GITHUB: &str = "github";
/// The sort key of a deployment's outbox.
const OUTBOX: &str = "outbox";
/// The sort key of an environment's place.
const PLACE: &str = "place";

impl Ledger {
    /// How far GitHub was told of a deployment.
    pub async fn outbox(&self, deployment: &DeploymentId) -> Result<Outbox, Error> {
        self.look(&partition(deployment), OUTBOX).await
    }

    /// Changes how far GitHub was told of a deployment, and returns what the change said.
    pub async fn change_outbox<Answer>(
        &self,
        deployment: &DeploymentId,
        change: impl Fn(&mut Outbox) -> Answer,
    ) -> Result<Answer, Error> {
        let due = |outbox: &Outbox| outbox.due.map(|due| (GITHUB, due));
        self.change(&partition(deployment), OUTBOX, change, due, |_| Condition::default())
            .await
    }

    /// The deployments of which GitHub is to be told more by now.
    pub async fn due_outboxes(&self, now: Timestamp) -> Result<Vec<DeploymentId>, Error> {
        let found = self.due(GITHUB, now).await?;
        Ok(found
            .iter()
            .filter_map(|item| text(item, "pk")?.strip_prefix("github#")?.parse().ok())
            .collect())
    }

    /// Changes which deployment GitHub shows as the one that the environment of this one runs, and returns that.
    pub async fn change_place(&self, deployment: &Deployment, change: impl Fn(&mut Place)) -> Result<Place, Error> {
        let pk = format!("github#{}/{}", deployment.application, deployment.environment.name);
        let changed = |place: &mut Place| {
            change(place);
            place.clone()
        };
        self.change(&pk, PLACE, changed, |_| None, |_| Condition::default())
            .await
    }
}

fn partition(deployment: &DeploymentId) -> String {
    format!("github#{deployment}")
}
