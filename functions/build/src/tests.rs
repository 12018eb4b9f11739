#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod asking;
mod integrating;
mod promoting;
mod waking;

use domain::build_record::BuildRecord;
use domain::life::Event;
use domain::names::DeploymentId;
use domain::parking::Parked;
use domain::release::index_key;
use fake_aws::sample::{ARTIFACTS, deployment};
use fake_aws::{FakeAws, Fate, TABLE};
use serde_json::{Value, json};

use super::*;

/// The first build of the project.
const BUILD: &str = "lockgate-build:1";

/// build, and the AWS it works on.
struct Site {
    aws: FakeAws,
    context: Context,
}

impl Site {
    async fn new() -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            tasks: Tasks::new(way.step_functions()),
            builds: Builds::new(way.codebuild(), "lockgate-build"),
            integration: Builds::new(way.codebuild(), "lockgate-integration"),
            artifacts: Artifacts::new(&way, ARTIFACTS),
        };
        Self { aws, context }
    }

    /// Asks as the state machine, EventBridge or the sweep does.
    async fn ask(&self, input: Value) -> Result<Output, Error> {
        Box::pin(handle(&self.context, serde_json::from_value(input).unwrap())).await
    }

    /// A deployment that has its lock asks for its release with a token `token-<number>`.
    async fn build(&self, deployment: &Deployment) -> Result<Output, Error> {
        let requested = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        for event in [requested, Event::Admitted { fence: 1 }] {
            self.context
                .ledger
                .tell(&deployment.id, event, Timestamp::now())
                .await
                .unwrap();
        }
        let token = deployment.id.as_str().replacen("shop-dev", "token", 1);
        self.ask(json!({ "do": "build", "deployment": deployment, "token": token }))
            .await
    }

    /// As CodeBuild's event does.
    async fn ended(&self, build: &str) -> Result<Output, Error> {
        let build = format!("arn:aws:codebuild:eu-west-1:111111111111:build/{build}");
        self.ask(json!({ "do": "wake", "build": build })).await
    }

    /// As the sweep does.
    async fn look(&self) -> Result<Output, Error> {
        self.ask(json!({ "do": "wake", "key": key() })).await
    }

    /// CodeBuild tells the build so from now on.
    fn stands(&self, build: &str, status: &str, more: Value) {
        let mut state = self.aws.state();
        let told = state.builds.get_mut(build).unwrap();
        told["buildStatus"] = json!(status);
        let Value::Object(more) = more else {
            panic!("members of a build")
        };
        told.as_object_mut().unwrap().extend(more);
    }

    /// The build ends well and names a release that is there.
    fn succeeds(&self, build: &str) -> Digest {
        let release = self.aws.stores(&[("manifest.json", b"{}")]);
        self.stands(build, "SUCCEEDED", names(release.as_str()));
        release
    }

    async fn record(&self) -> BuildRecord {
        let deployment = deployment(1);
        self.context
            .ledger
            .build(&deployment.application, &deployment.commit)
            .await
            .unwrap()
    }

    /// Time for the sweep to look at the first that waits for the build.
    async fn build_is_due(&self) {
        let mut parked = self.parked().await.remove(0);
        parked.look_at = Timestamp::UNIX_EPOCH;
        self.context.ledger.park(&parked).await.unwrap();
    }

    async fn parked(&self) -> Vec<Parked> {
        self.context.ledger.parked(&key()).await.unwrap()
    }

    /// What has happened to a deployment, by name.
    async fn story(&self, deployment: &Deployment) -> Vec<&'static str> {
        let entries = self.context.ledger.entries(&deployment.id).await.unwrap();
        entries.iter().map(|entry| entry.what.name()).collect()
    }

    /// The error and the cause that a task was answered.
    fn failure(&self) -> (String, String) {
        let (_, answer) = self.aws.answers().pop().unwrap();
        let part = |name: &str| answer[name].as_str().unwrap().to_owned();
        (part("error"), part("cause"))
    }
}

/// Another deployment of the first one's commit.
fn of_same_commit(number: u8) -> Deployment {
    Deployment {
        commit: deployment(1).commit,
        ..deployment(number)
    }
}

fn key() -> Key {
    Key::build(&deployment(1).application, &deployment(1).commit)
}

fn names(release: &str) -> Value {
    json!({ "exportedEnvironmentVariables": [{ "name": "LOCKGATE_RELEASE", "value": release }] })
}

fn built(number: u8, release: &Digest) -> (String, Value) {
    (
        format!("token-{number}"),
        json!({ "outcome": "built", "release": release }),
    )
}
