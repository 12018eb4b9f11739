//! What is listed of approvals that wait.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Approval, Approver, Duty};
use crate::names::{CommitSha, DeploymentId, Digest, EnvironmentName, RepositoryName};

/// Everything that waits for people, or the part that has waited longest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Those that have waited longest come first.
    pub waiting: Vec<Waiting>,
    /// How many more there are.
    pub more: usize,
}

/// Of one approval, whom it waits for and until when. It is small, however much there is to know before an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The application.
    pub application: RepositoryName,
    /// The environment the release is in.
    pub environment: EnvironmentName,
    /// What people call it, harmless.
    pub version: String,
    /// The commit it was built from.
    pub commit: CommitSha,
    /// What is accepted or rejected.
    pub release: Digest,
    /// The hash of the changes that it is about, where they are not made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Digest>,
    /// Who asked for the deployment, harmless.
    pub requested_by: String,
    /// When people were asked.
    pub asked_at: Timestamp,
    /// From here on no answer counts.
    pub deadline: Timestamp,
    /// What their answers have to come to.
    pub duties: Vec<Duty>,
    /// Those who have accepted.
    pub accepted: Vec<Approver>,
    /// Those whose answer is awaited.
    pub awaited: Vec<Approver>,
    /// Those of them whom no mail reaches.
    pub unconfirmed: Vec<Approver>,
    /// Those who may not answer because they had a part in it.
    pub excluded: Vec<Approver>,
}

impl From<&Approval> for Waiting {
    fn from(approval: &Approval) -> Self {
        Self {
            deployment: approval.deployment.clone(),
            application: approval.application.clone(),
            environment: approval.environment.clone(),
            version: approval.version.clone(),
            commit: approval.commit.clone(),
            release: approval.release.clone(),
            prepared: approval.prepared.clone(),
            requested_by: approval.requested_by.clone(),
            asked_at: approval.asked_at,
            deadline: approval.deadline,
            duties: approval.policy.duties.clone(),
            accepted: approval.accepted_by().into_iter().collect(),
            awaited: approval.awaited(),
            unconfirmed: approval.unreached(),
            excluded: approval.excluded(),
        }
    }
}
