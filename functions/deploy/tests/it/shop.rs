//! A deployment of a small shop, of one stack, in an environment whose lock it has.

use std::time::Duration;

use aws::artifacts::Artifacts;
use aws::tasks::Tasks;
use aws::{Aws, Ledger};
use domain::change_set::{Call, change_set_name, client_token};
use domain::deployment::{Deployment, Leg};
use domain::environment_state::{Candidate, EnvironmentState};
use domain::life::{Event, Progress};
use domain::names::{Digest, StackName};
use domain::parking::{Key, Parked, StackChange, WaitsFor};
use fake_aws::sample::{self, ARTIFACTS};
use fake_aws::{FakeAws, TABLE};
use jiff::{SignedDuration, Timestamp};
use lockgate_deploy::{Context, Error, Input, Output, Pace, handle};
use serde_json::{Value, json};

use crate::says::{self, SET, STACK};

pub const TEMPLATE: &[u8] = br#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#;
pub const BOOTSTRAP: &str = "cdk-hnb659fds-assets-222222222222-eu-west-1";
const MANIFEST: &str = r#"{
  "version": "50.0.0",
  "artifacts": {
    "Shop": { "type": "aws:cloudformation:stack", "environment": "aws://222222222222/eu-west-1",
      "properties": { "templateFile": "Shop.template.json", "stackName": "shop-dev", "parameters": { "Colour": "blue" },
        "requiresBootstrapStackVersion": 6, "tags": { "team": "shop" } } }
  }
}"#;

pub struct Shop {
    pub aws: FakeAws,
    pub context: Context,
    pub deployment: Deployment,
    pub release: Digest,
}

impl Shop {
    /// A deployment that was planned and has the lock, its release in the bucket.
    pub async fn new() -> Self {
        Self::of(MANIFEST, &[("Shop.template.json", TEMPLATE)]).await
    }

    /// The same, of a release whose author wants the stack protected against deletion.
    pub async fn protected() -> Self {
        let protected = MANIFEST.replace("\"stackName\"", "\"terminationProtection\": true, \"stackName\"");
        Self::of(&protected, &[("Shop.template.json", TEMPLATE)]).await
    }

    /// The same, of a release with this manifest and these files.
    pub async fn of(manifest: &str, files: &[(&str, &[u8])]) -> Self {
        Self::deploying(sample::deployment(1), manifest, files).await
    }

    /// The same, in an environment that asks people before anything is executed.
    pub async fn asking_before() -> Self {
        let mut deployment = sample::deployment(1);
        deployment.environment.approval = Some(sample::approval_before());
        Self::deploying(deployment, MANIFEST, &[("Shop.template.json", TEMPLATE)]).await
    }

    /// The same, of which only is to be seen what it would change.
    pub async fn planning() -> Self {
        let mut deployment = sample::deployment(1);
        deployment.plans = true;
        Self::deploying(deployment, MANIFEST, &[("Shop.template.json", TEMPLATE)]).await
    }

    async fn deploying(deployment: Deployment, manifest: &str, files: &[(&str, &[u8])]) -> Self {
        let aws = FakeAws::default();
        let release = aws.stores(&[&[("manifest.json", manifest.as_bytes())], files].concat());
        aws.state().buckets.insert(BOOTSTRAP.to_owned());
        aws.state()
            .parameters
            .insert("/cdk-bootstrap/hnb659fds/version".to_owned(), "28".to_owned());
        let way = Aws::with(aws.config().await);
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            artifacts: Artifacts::new(&way, ARTIFACTS),
            tasks: Tasks::new(way.step_functions()),
            external_id: "lockgate-1".to_owned(),
            pace: Pace {
                change_set: vec![Duration::ZERO; 3],
                settled: vec![Duration::ZERO],
            },
            aws: way,
        };
        let shop = Self {
            aws,
            context,
            deployment,
            release,
        };
        shop.admit().await;
        shop
    }

    async fn admit(&self) {
        let (ledger, deployment, now) = (&self.context.ledger, &self.deployment, Timestamp::now());
        let record = async |event| ledger.record(&deployment.id, event, now).await.map(drop).unwrap();
        record(Event::Requested {
            deployment: Box::new(deployment.clone()),
        })
        .await;
        let environment = (&deployment.application, &deployment.environment.name);
        ledger
            .change_environment(environment.0, environment.1, |state| {
                state.admit(Candidate::of(deployment), now)
            })
            .await
            .unwrap();
        record(Event::Admitted { fence: 1 }).await;
        record(Event::Released {
            release: self.release.clone(),
        })
        .await;
        record(Event::Planned {
            leg: Leg::Forward,
            release: self.release.clone(),
            waves: vec![vec![stack()]],
        })
        .await;
    }

    pub async fn ask(&self, act: &str, more: Value) -> Result<Output, Error> {
        let mut input = json!({ "do": act, "deployment": self.deployment, "release": self.release, "leg": "forward" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Box::pin(handle(&self.context, serde_json::from_value::<Input>(input).unwrap())).await
    }

    pub async fn create_change_set(&self) -> Result<Output, Error> {
        self.ask(
            "create_change_set",
            json!({ "fence": 1, "stack": "shop-dev", "token": "create" }),
        )
        .await
    }

    /// The same, for people to decide on, or to be looked at only.
    pub async fn prepare_change_set(&self) -> Result<Output, Error> {
        let more = json!({ "fence": 1, "stack": "shop-dev", "prepares": true, "token": "prepare" });
        self.ask("create_change_set", more).await
    }

    /// Records something that happened to the deployment.
    pub async fn tell(&self, event: Event) {
        let recorded = self
            .context
            .ledger
            .record(&self.deployment.id, event, Timestamp::now())
            .await;
        recorded.unwrap();
    }

    /// The same, guarded by alarms.
    pub async fn create_guarded_change_set(&self, leg: Leg) -> Result<Output, Error> {
        let alarm = "arn:aws:cloudwatch:eu-west-1:222222222222:alarm:";
        let guards = json!([
            { "alarm": "errors", "arn": format!("{alarm}errors") },
            { "alarm": "all", "arn": format!("{alarm}all"), "composite": true },
        ]);
        let more = json!({ "leg": leg, "fence": 1, "stack": "shop-dev", "guards": guards, "token": "create" });
        self.ask("create_change_set", more).await
    }

    pub async fn execute_change_set(&self, fence: u64) -> Result<Output, Error> {
        let more = json!({
            "fence": fence, "stack": "shop-dev", "change_set": SET, "creates": false, "token": "execute",
        });
        self.ask("execute_change_set", more).await
    }

    /// As the event of the stack does it.
    pub async fn wake(&self) -> Result<Output, Error> {
        let input = json!({ "do": "wake", "stack": STACK });
        Box::pin(handle(&self.context, serde_json::from_value(input).unwrap())).await
    }

    pub fn change_set_name(&self) -> String {
        change_set_name(&self.deployment.id, Leg::Forward, &stack())
    }

    pub fn token(&self, call: Call) -> String {
        client_token(call, &self.deployment.id, Leg::Forward, &stack())
    }

    /// What waits for the stack.
    pub async fn parked(&self) -> Vec<Parked> {
        self.context
            .ledger
            .parked(&Key::of_stack_arn(STACK).unwrap())
            .await
            .unwrap()
    }

    /// An older call of the same state, which Step Functions has given up, parks its own token only now.
    pub async fn a_slow_call_parks(&self, token: &str) {
        let mut parked = self.parked().await.pop().unwrap();
        parked.token = token.to_owned().into();
        self.context.ledger.park(&parked).await.unwrap();
        self.aws.state().gone.insert(token.to_owned());
    }

    /// Lets it have waited so long already.
    pub async fn has_waited(&self, long: SignedDuration) {
        for mut parked in self.parked().await {
            parked.since -= long;
            self.context.ledger.park(&parked).await.unwrap();
        }
    }

    /// Lets the sweep's look at it be overdue so long.
    pub async fn is_overdue_by(&self, long: SignedDuration) {
        for mut parked in self.parked().await {
            parked.look_at = Timestamp::now() - long;
            self.context.ledger.park(&parked).await.unwrap();
        }
    }

    /// Lets what is in flight have been begun so long ago.
    pub async fn began(&self, ago: SignedDuration) {
        let Deployment {
            application,
            environment,
            ..
        } = &self.deployment;
        let began = |state: &mut EnvironmentState| state.operation.as_mut().unwrap().since = Timestamp::now() - ago;
        self.context
            .ledger
            .change_environment(application, &environment.name, began)
            .await
            .unwrap();
    }

    /// Whether the lock says that something is in flight.
    pub async fn in_flight(&self) -> bool {
        let Deployment {
            application,
            environment,
            ..
        } = &self.deployment;
        let state = self
            .context
            .ledger
            .environment(application, &environment.name)
            .await
            .unwrap();
        state.operation.is_some()
    }

    pub async fn progress(&self) -> Progress {
        let head = self.context.ledger.head(&self.deployment.id).await.unwrap().unwrap();
        head.status.stacks[&stack()]
    }

    /// A stack that is there and at rest, with a change set that is ready.
    pub fn at_rest(&self) {
        self.aws.says("DescribeStacks", [says::stack("UPDATE_COMPLETE")]);
        self.aws
            .says("DescribeChangeSet", [says::set("CREATE_COMPLETE", "AVAILABLE", "")]);
        self.aws.says("DescribeStackEvents", [says::events(&[], None)]);
        self.aws
            .says("ExecuteChangeSet", [says::result("ExecuteChangeSet", "")]);
        for action in ["DeleteChangeSet", "UpdateTerminationProtection"] {
            self.aws.says(action, [says::result(action, "")]);
        }
    }

    /// The change as it is parked while it is executed.
    pub fn change(&self) -> StackChange {
        StackChange {
            application: self.deployment.application.clone(),
            environment: self.deployment.environment.name.clone(),
            account: self.deployment.environment.account.clone(),
            region: self.deployment.environment.region.clone(),
            qualifier: self.deployment.environment.qualifier.clone(),
            stack: stack(),
            release: self.release.clone(),
            leg: Leg::Forward,
            fence: 1,
            change_set: SET.to_owned(),
            creates: false,
            guards: Vec::new(),
            prepares: false,
        }
    }

    /// Whoever should have executed the change set has begun, and died.
    pub async fn died_before_executing(&self, ago: SignedDuration) {
        let now = Timestamp::now();
        let parked = Parked {
            deployment: self.deployment.id.clone(),
            waits_for: WaitsFor::StackUpdate(self.change()),
            token: "execute".to_owned().into(),
            since: now - ago,
            look_at: now,
        };
        self.context.ledger.park(&parked).await.unwrap();
        let begun = self
            .context
            .ledger
            .begin_operation(&self.deployment.id, &self.change(), now)
            .await;
        begun.unwrap().unwrap();
    }
}

pub fn stack() -> StackName {
    "shop-dev".parse().unwrap()
}
