//! What tests speak of: deployments of a small shop, and releases. A field that the domain gets is added here once.

use domain::approval::ApprovalPolicy;
use domain::deployment::Deployment;
use domain::environment_state::{Fence, StableRelease};
use domain::names::Digest;
use domain::parking::StackChange;
use domain::release::{Index, IndexedFile, Packaging, index_key, object_key};
use serde_json::json;

use crate::FakeAws;

/// The bucket that releases are in.
pub const ARTIFACTS: &str = "artifacts";

/// The state machine.
pub const MACHINE: &str = "arn:aws:states:eu-west-1:111111111111:stateMachine:lockgate-deployment";

/// The deployment `shop-dev-<number>`, by a push to `acme/shop`. The higher its number, the later it happened; none waits
/// behind a newer one.
pub fn deployment(number: u8) -> Deployment {
    let commit = format!("{number:02x}").repeat(20);
    let happened = format!("2026-11-20T09:00:{number:02}Z");
    serde_json::from_value(json!({
        "id": format!("shop-dev-{number}"),
        "application": "acme/shop",
        "environment": {
            "name": "dev", "account": "222222222222", "region": "eu-west-1", "on": ["push"], "after": null,
            "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
            "replace_failed_stacks": true,
        },
        "commit": commit,
        "reference": "main",
        "release": null,
        "requested": {
            "by": "alice", "at": happened, "happened_at": happened, "because": "push", "delivery": null, "before": null,
            "title": "Sell apples",
        },
    }))
    .expect("it is what an execution is given")
}

/// Whom an environment asks before anything is executed there: `qa@acme.example`.
pub fn approval_before() -> ApprovalPolicy {
    serde_json::from_value(json!({
        "when": "before", "people": [{ "name": "qa@acme.example" }],
        "duties": [{ "group": null, "people": ["qa@acme.example"], "need": 1 }],
        "within_seconds": 259_200, "on_reject": "stay",
    }))
    .expect("it is what lockgate.toml comes to")
}

/// The release that `deployment` brought before any test, as the environment's stable one.
pub fn stable(deployment: &Deployment) -> StableRelease {
    serde_json::from_value(json!({
        "release": Digest::of(deployment.id.as_str().as_bytes()), "commit": deployment.commit,
        "deployment": deployment.id, "since": deployment.requested.at,
    }))
    .expect("it is what the ledger keeps")
}

/// What is changed by a deployment with this fence, on its way forward.
pub fn change(deployment: &Deployment, fence: Fence) -> StackChange {
    let environment = &deployment.environment;
    serde_json::from_value(json!({
        "application": deployment.application, "environment": environment.name, "account": environment.account,
        "region": environment.region, "qualifier": environment.qualifier, "stack": "shop-dev",
        "release": Digest::of(b"a release"), "leg": "forward", "fence": fence, "change_set": "arn:set", "creates": false,
    }))
    .expect("it is what is parked")
}

impl FakeAws {
    /// Puts a release of these files into the artifacts bucket.
    pub fn stores(&self, files: &[(&str, &[u8])]) -> Digest {
        let mut state = self.state();
        let files = files.iter().map(|(path, bytes)| {
            let sha256 = Digest::of(bytes);
            let key = format!("{ARTIFACTS}/{}", object_key(&sha256));
            state.objects.insert(key, bytes.to_vec());
            IndexedFile {
                path: path.parse().expect("a path inside the release"),
                sha256,
                size: bytes.len() as u64,
                packaging: Packaging::File,
            }
        });
        let index = Index::new(files.collect()).expect("a release");
        let release = index.digest();
        let key = format!("{ARTIFACTS}/{}", index_key(&release));
        state.objects.insert(key, index.canonical_bytes());
        release
    }
}
