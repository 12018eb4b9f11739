//! The local AWS that all tests of a run share.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, Parameter};
use domain::names::{DeploymentId, RepositoryName};
use local::deliveries::{Delivery, Push};
use local::executions::Ended;
use local::{Account, Emulator, Pipeline, REGION, Repository, TOOLS, emulator, pipeline, workspace};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::Application;

/// How long a test waits for a deployment: far longer than any takes, so that a hang and nothing else is found by it.
const PATIENCE: Duration = Duration::from_mins(4);

/// Every test that deploys, by the name of its application. The position gives the account.
const SCENARIOS: [&str; 14] = [
    "life",
    "burst",
    "copies",
    "red-build",
    "refused",
    "roll-back",
    "red-smoke",
    "first-red",
    "lost-event",
    "denied",
    "stopped",
    "altered",
    "slow",
    "halfway",
];

/// The local AWS, with Lockgate in it.
#[derive(Debug)]
pub struct Laboratory {
    /// The local AWS.
    pub emulator: Emulator,
    /// Lockgate.
    pub pipeline: Pipeline,
    bootstrap_template: String,
}

/// One test's application, repository and account.
#[derive(Debug)]
pub struct Scenario {
    /// The laboratory.
    pub laboratory: &'static Laboratory,
    /// What is deployed.
    pub application: Application,
    /// Its repository.
    pub repository: Repository,
    /// The account it is deployed into.
    pub account: Account,
}

/// Runs a test in the laboratory, which is set up by whichever test comes first.
pub fn in_the_laboratory<Test: Future<Output = ()>>(test: impl FnOnce(&'static Laboratory) -> Test) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static LABORATORY: OnceCell<Laboratory> = OnceCell::const_new();
    // One runtime for all tests: connections and the emulator's pipes belong to the runtime that opened them.
    let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime can be started"));
    runtime.block_on(async {
        let laboratory = LABORATORY.get_or_init(Laboratory::set_up).await;
        test(laboratory).await;
    });
}

fn account_of(position: usize) -> String {
    format!("2{position:011}")
}

impl Laboratory {
    async fn set_up() -> Self {
        let folder = workspace().join("target/lockgate/end-to-end");
        let _ = std::fs::remove_dir_all(&folder);
        // Ten times as many sweeps: what takes a minute in production takes six seconds here.
        let options = emulator::Options {
            port: 0,
            schedule_scale: 0.1,
        };
        let emulator = Emulator::start(&folder, &options).await.expect("the local AWS starts");
        let resolved = pipeline::resolve(&emulator, &configuration()).expect("the configuration is valid");
        pipeline::bootstrap(&emulator, TOOLS)
            .await
            .expect("the tools account can be bootstrapped");
        let pipeline = Pipeline::deploy(&emulator, &resolved, &["Pipeline"])
            .await
            .expect("Lockgate can be deployed");
        let bootstrap_template = pipeline::bootstrap_template(&emulator)
            .await
            .expect("the CDK CLI shows its template");
        Self {
            emulator,
            pipeline,
            bootstrap_template,
        }
    }

    /// The application and account of a test.
    pub async fn scenario(&'static self, name: &str) -> Scenario {
        let position = SCENARIOS
            .iter()
            .position(|known| *known == name)
            .expect("the scenario is in the list");
        let account = self.emulator.account(&account_of(position)).await;
        let trust = [
            ("TrustedAccounts", TOOLS),
            (
                "CloudFormationExecutionPolicies",
                "arn:aws:iam::aws:policy/AdministratorAccess",
            ),
        ];
        create_stack(&account, "CDKToolkit", &self.bootstrap_template, &trust).await;
        let file = self
            .emulator
            .folder()
            .join(format!("infra.out/Environment-{}-{REGION}.template.json", account.id));
        let template = std::fs::read_to_string(&file).expect("the CDK app has a stack for every target account");
        create_stack(&account, "lockgate-environment", &template, &[]).await;
        let repository = Repository::create(&self.emulator, &format!("acme/{name}"))
            .await
            .expect("a repository");
        let application = Application::new(name, &account.id);
        Scenario {
            laboratory: self,
            application,
            repository,
            account,
        }
    }
}

impl Scenario {
    /// Commits the application as it is now.
    pub async fn commit(&self, message: &str) -> Push {
        self.application
            .write(&self.repository)
            .expect("the application can be written");
        let sha = self.repository.commit(message).await.expect("git commits");
        Push::of(&self.repository.name, &sha, message)
    }

    /// Sends a delivery and expects this status.
    pub async fn send(&self, delivery: &Delivery, expected: u16) -> Value {
        let (status, answer) = delivery
            .send(self.laboratory.emulator.http(), &self.laboratory.pipeline.webhook)
            .await
            .expect("the webhook answers");
        assert_eq!(status, expected, "{answer}");
        answer
    }

    /// Commits, pushes, and returns the deployment that was started.
    pub async fn push(&self, message: &str) -> DeploymentId {
        let push = self.commit(message).await;
        self.deliver(&push).await
    }

    /// Delivers a push, and returns the deployment that was started.
    pub async fn deliver(&self, push: &Push) -> DeploymentId {
        let answer = self.send(&push.delivery().expect("a delivery"), 202).await;
        assert_eq!(answer["outcome"], "accepted", "{answer}");
        answer["deployments"][0]
            .as_str()
            .expect("a deployment was started")
            .parse()
            .expect("its id is valid")
    }

    /// Waits for a deployment's end.
    pub async fn end_of(&self, deployment: &DeploymentId) -> Ended {
        self.laboratory
            .pipeline
            .end_of(deployment, PATIENCE)
            .await
            .expect("the deployment ends")
    }

    /// The environment's lock and queue, as they are now.
    pub async fn environment(&self) -> domain::environment_state::EnvironmentState {
        let application: RepositoryName = self.repository.name.parse().expect("a repository's name");
        let dev = "dev".parse().expect("an environment's name");
        self.laboratory
            .pipeline
            .ledger
            .environment(&application, &dev)
            .await
            .expect("the ledger answers")
    }

    /// Takes a permission away from a role of the target account whose name begins so.
    pub async fn deny(&self, role: &str, action: &str) {
        let role = format!("{role}-{}-{REGION}", self.account.id);
        let template = serde_json::json!({ "Resources": { "Denial": { "Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "denial", "Roles": [role],
            "PolicyDocument": { "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": action, "Resource": "*" }] },
        } } } });
        create_stack(&self.account, "denial", &template.to_string(), &[]).await;
    }

    /// Waits until something holds; the sweep has its turns meanwhile.
    pub async fn eventually<Check: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> Check) {
        let began = tokio::time::Instant::now();
        while !holds().await {
            assert!(began.elapsed() < PATIENCE, "{what} did not come about");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn configuration() -> String {
    let mut toml = format!(
        "[pipeline]\naccount = \"{TOOLS}\"\nregion = \"{REGION}\"\nexternal_id = \"an-external-id-of-the-local-aws\"\n\
         notify = [\"developers@acme.example\"]\nsmoke_test_addresses = [\"127.0.0.0/8\"]\n"
    );
    for (position, name) in SCENARIOS.iter().enumerate() {
        let account = account_of(position);
        let _ = write!(
            toml,
            "\n[application.\"acme/{name}\"]\nbranch = \"main\"\n\n[application.\"acme/{name}\".environment.dev]\n\
             account = \"{account}\"\non = \"push\"\n"
        );
    }
    toml
}

async fn create_stack(account: &Account, name: &str, template: &str, parameters: &[(&str, &str)]) {
    let parameters = parameters
        .iter()
        .map(|(key, value)| Parameter::builder().parameter_key(*key).parameter_value(*value).build());
    account
        .aws
        .cloudformation()
        .create_stack()
        .stack_name(name)
        .template_body(template)
        .set_parameters(Some(parameters.collect()))
        .capabilities(Capability::CapabilityNamedIam)
        .send()
        .await
        .unwrap_or_else(|error| panic!("{name} cannot be created: {:?}", error.into_service_error()));
    loop {
        match account.stack_status(name).await.as_deref() {
            Some("CREATE_COMPLETE") => return,
            Some("CREATE_IN_PROGRESS") => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{name} of {} is {other:?}", account.id),
        }
    }
}
