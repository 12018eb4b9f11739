//! The local AWS that all tests of a run share.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, Parameter};
use domain::environment_state::EnvironmentState;
use domain::ledger::Entry;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use local::deliveries::{Delivery, Push};
use local::executions::Ended;
use local::{Account, Emulator, Pipeline, REGION, Repository, TOOLS, emulator, pipeline, workspace};
use serde_json::Value;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::Application;
use crate::outcome::deployed;

/// How long a test waits for a deployment: far longer than any takes, so that a hang and nothing else is found by it.
const PATIENCE: Duration = Duration::from_mins(4);

/// Every test that deploys, by the name of its application. The position gives the account.
const SCENARIOS: [&str; 19] = [
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
    "one-wave",
    "three-waves",
    "way-back-fails",
    "stuck",
    "turned-away",
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

    /// The subjects of the mails about an application, oldest first.
    pub async fn subjects(&self, application: &str) -> Vec<String> {
        let mails = self.emulator.mails(TOOLS).await.expect("there is an inbox");
        let about = format!(" acme/{application} ");
        mails
            .into_iter()
            .map(|mail| mail.subject)
            .filter(|subject| subject.contains(&about))
            .collect()
    }

    /// How many executions an application's deployments have.
    pub async fn executions(&self, application: &str) -> usize {
        let machine = self.pipeline.tools.aws.step_functions();
        let listed = machine.list_executions().state_machine_arn(&self.pipeline.machine);
        let listed = listed.send().await.expect("a list");
        let beginning = format!("{application}-dev-");
        let executions = listed.executions().iter();
        executions
            .filter(|execution| execution.name().starts_with(&beginning))
            .count()
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

    /// Pushes, and waits for the end of the deployment.
    pub async fn push_to_the_end(&self, message: &str) -> Ended {
        self.end_of(&self.push(message).await).await
    }

    /// Pushes what has to end as deployed.
    pub async fn deploys(&self, message: &str) -> Ended {
        let ended = self.push_to_the_end(message).await;
        deployed(&ended);
        ended
    }

    /// A deployment's record so far.
    pub async fn entries(&self, deployment: &DeploymentId) -> Vec<Entry> {
        let entries = self.laboratory.pipeline.ledger.entries(deployment).await;
        entries.expect("the ledger answers")
    }

    /// The ledger's names for the application and its environment.
    pub fn place(&self) -> (RepositoryName, EnvironmentName) {
        let application = self.repository.name.parse().expect("a repository's name");
        (application, "dev".parse().expect("an environment's name"))
    }

    /// The environment's lock and queue, as they are now.
    pub async fn environment(&self) -> EnvironmentState {
        let (application, dev) = self.place();
        self.laboratory
            .pipeline
            .ledger
            .environment(&application, &dev)
            .await
            .expect("the ledger answers")
    }

    /// Nobody has the lock, nothing is in flight, nobody waits, and nobody is kept out.
    pub async fn is_at_rest(&self) -> EnvironmentState {
        let state = self.environment().await;
        assert_eq!(
            (&state.holder, &state.operation, state.queue.len(), &state.quarantine),
            (&None, &None, 0, &None)
        );
        state
    }

    /// Waits until somebody has the environment's lock.
    pub async fn is_held(&self) {
        self.eventually("it is admitted", async || self.environment().await.holder.is_some())
            .await;
    }

    /// The status of one of the application's stacks; nothing, where there is none.
    pub async fn stack_status(&self, stack: &str) -> Option<String> {
        self.account.stack_status(&self.application.stack_name(stack)).await
    }

    /// What one of the application's stacks is described as.
    pub async fn description(&self, stack: &str) -> String {
        let outputs = self.account.outputs(&self.application.stack_name(stack)).await;
        let mut outputs = outputs.expect("the stack is there");
        outputs.remove("Description").expect("every stack has a description")
    }

    /// An operator opens the environment with `lockgate release`, and reads this.
    pub async fn release(&self, why: &str) -> String {
        let program = workspace().join("target/lambda/lockgate-cli/lockgate");
        let (application, dev) = self.place();
        let run = Command::new(&program)
            .args(["release", application.as_str(), dev.as_str(), "--why", why])
            .env("AWS_ENDPOINT_URL", &self.laboratory.emulator.endpoint)
            .env("AWS_ACCESS_KEY_ID", TOOLS)
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", REGION)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .output()
            .await
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()));
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).expect("it prints text")
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
