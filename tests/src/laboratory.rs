//! The local AWS that all tests of a run share.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, Parameter};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::bake::Watch;
use domain::environment_state::EnvironmentState;
use domain::ledger::Entry;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use domain::parking::Key;
use jiff::Timestamp;
use local::account::Identity;
use local::deliveries::{Delivery, Push, Release};
use local::executions::Ended;
use local::repository::{ADA, Person};
use local::{
    Account, Emulator, GitHubStandIn, Pipeline, REGION, Repository, TOOLS, alone, emulator, pipeline, workspace,
};
use serde_json::Value;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell};

use crate::application::WEB;
use crate::outcome::deployed;
use crate::{Application, Candidate};

/// The environment that a push reaches.
pub const DEV: &str = "dev";
/// The environment that a pre-release reaches.
pub const TEST: &str = "test";

/// How long a test waits for a deployment: far longer than any takes, so that a hang and nothing else is found by it.
const PATIENCE: Duration = Duration::from_mins(5);

/// What the tests of one program share a local AWS for.
#[derive(Debug)]
pub struct Plan {
    /// Its folder's name; what a run wrote stays there until the next one.
    pub name: &'static str,
    /// Every test that deploys.
    pub settings: &'static [Setting],
    /// Whether all of them deploy into the same accounts, which is quicker, or each into its own, where it may do as it
    /// likes.
    pub share_accounts: bool,
    /// The approvers who have not confirmed that they want mail.
    pub unconfirmed: &'static [&'static str],
    /// Whose GitHub account goes with which mail address.
    pub logins: &'static [(&'static str, &'static str)],
}

/// Those whom most tests ask.
const NOBODY_ON_GITHUB: &str = r#"
"qa@acme.example" = { github = [] }
"tess@acme.example" = { github = [] }
"lead@acme.example" = { github = [] }
"#;

/// What `lockgate.toml` says of one test's application.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Further lines of the environment `dev`.
    pub policy: &'static str,
    /// What the environment `test` asks people, as the value of `approval`; nothing, where there is only `dev`.
    pub approval: Option<&'static str>,
    /// The lines of the table `people`.
    pub people: &'static str,
    /// The lines of the table `groups`.
    pub groups: &'static str,
}

impl Plan {
    /// The account of an environment of the test at this position.
    fn account_of(&self, environment: &str, position: usize) -> String {
        let first = if environment == DEV { 2 } else { 3 };
        let position = if self.share_accounts { 0 } else { position };
        format!("{first}{position:011}")
    }
}

impl Setting {
    /// One environment, `dev`.
    pub const fn dev(name: &'static str) -> Self {
        Self {
            name,
            policy: "",
            approval: None,
            people: "",
            groups: "",
        }
    }

    /// One environment, `dev`, with further lines: how it watches what is deployed there, for example.
    pub const fn watched(name: &'static str, policy: &'static str) -> Self {
        Self {
            policy,
            ..Self::dev(name)
        }
    }

    /// Two environments, `dev` and `test`, of which the second asks people, who have no account on GitHub.
    pub const fn test(name: &'static str, approval: &'static str) -> Self {
        Self {
            approval: Some(approval),
            people: NOBODY_ON_GITHUB,
            ..Self::dev(name)
        }
    }

    /// The same, and who is who, for everybody who is asked.
    #[must_use]
    pub const fn with_people(self, people: &'static str) -> Self {
        Self { people, ..self }
    }

    /// The same, and who belongs together.
    #[must_use]
    pub const fn with_groups(self, groups: &'static str) -> Self {
        Self { groups, ..self }
    }

    fn toml(&self, account_of: impl Fn(&str) -> String) -> String {
        let Self {
            name,
            policy,
            people,
            groups,
            ..
        } = self;
        let application = format!("application.\"acme/{name}\"");
        let mut toml = format!(
            "\n[{application}]\nbranch = \"main\"\n\n[{application}.environment.dev]\naccount = \"{}\"\non = [\"push\", \"manual\"]\n{policy}\n",
            account_of(DEV)
        );
        if let Some(approval) = self.approval {
            let account = account_of(TEST);
            let _ = write!(
                toml,
                "\n[{application}.people]\n{people}\n\n[{application}.groups]\n{groups}\n\n[{application}.environment.test]\n\
                 account = \"{account}\"\non = \"prerelease\"\nafter = \"dev\"\napproval = {approval}\n"
            );
        }
        toml
    }
}

/// The local AWS, with Lockgate in it.
#[derive(Debug)]
pub struct Laboratory {
    /// The local AWS.
    pub emulator: Emulator,
    /// Lockgate.
    pub pipeline: Pipeline,
    /// GitHub, as far as Lockgate asks it.
    pub github: GitHubStandIn,
    plan: &'static Plan,
    bootstrap_template: String,
    /// The accounts that may be deployed into by now.
    targets: Mutex<BTreeSet<String>>,
    /// The emulator's folder is this program's until its end.
    _alone: File,
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
    /// The account of `dev`.
    pub account: Account,
    /// The account of `test`, where there is one.
    pub test_account: Option<Account>,
}

/// Runs a test in the laboratory of this plan, the program's only one, which is set up by whichever test comes first.
pub fn in_a_laboratory<Test: Future<Output = ()>>(plan: &'static Plan, test: impl FnOnce(&'static Laboratory) -> Test) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static LABORATORY: OnceCell<Laboratory> = OnceCell::const_new();
    // One runtime for all tests: connections and the emulator's pipes belong to the runtime that opened them.
    let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime can be started"));
    runtime.block_on(async {
        let laboratory = LABORATORY.get_or_init(|| Laboratory::set_up(plan)).await;
        test(laboratory).await;
    });
}

impl Laboratory {
    async fn set_up(plan: &'static Plan) -> Self {
        let folder = workspace().join("target/lockgate/end-to-end").join(plan.name);
        let lock = alone(&folder, "The same tests run already; wait for their end.").expect("the folder is free");
        let _ = std::fs::remove_dir_all(&folder);
        // Ten times as many sweeps: what takes a minute in production takes six seconds here.
        let options = emulator::Options {
            port: 0,
            schedule_scale: 0.1,
            unconfirmed: plan.unconfirmed.iter().map(ToString::to_string).collect(),
        };
        let emulator = Emulator::start(&folder, &options).await.expect("the local AWS starts");
        let github = GitHubStandIn::start(&folder, plan.logins)
            .await
            .expect("the stand-in for GitHub starts");
        let toml = configuration(plan, &github.url);
        let resolved = pipeline::resolve(&emulator, &toml)
            .await
            .expect("the configuration is valid");
        let bootstrapped = tokio::try_join!(
            pipeline::bootstrap(&emulator, TOOLS),
            pipeline::bootstrap_template(&emulator)
        );
        let ((), bootstrap_template) = bootstrapped.expect("the tools account can be bootstrapped");
        let pipeline = Pipeline::deploy(&emulator, &resolved, &["Pipeline"])
            .await
            .expect("Lockgate can be deployed");
        Self {
            emulator,
            pipeline,
            github,
            plan,
            bootstrap_template,
            targets: Mutex::default(),
            _alone: lock,
        }
    }

    /// The application and accounts of a test.
    pub async fn scenario(&'static self, name: &str) -> Scenario {
        let settings = self.plan.settings;
        let position = settings
            .iter()
            .position(|setting| setting.name == name)
            .expect("the plan has this scenario");
        let account = self.target(&self.plan.account_of(DEV, position)).await;
        let (application, test_account) = if settings[position].approval.is_some() {
            let test = self.target(&self.plan.account_of(TEST, position)).await;
            (Application::for_any_account(name), Some(test))
        } else {
            (Application::new(name, &account.id), None)
        };
        let repository = Repository::create(&self.emulator, &format!("acme/{name}"))
            .await
            .expect("a repository");
        Scenario {
            laboratory: self,
            application,
            repository,
            account,
            test_account,
        }
    }

    /// An account that may be deployed into.
    async fn target(&self, id: &str) -> Account {
        let account = self.emulator.account(id).await;
        let mut targets = self.targets.lock().await;
        if !targets.insert(id.to_owned()) {
            return account;
        }
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
        account
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

    /// Waits for a deployment's end.
    pub async fn end_of(&self, deployment: &DeploymentId) -> Ended {
        let ended = self.pipeline.end_of(deployment, PATIENCE).await;
        ended.expect("the deployment ends")
    }

    /// Waits until something holds; the sweep has its turns meanwhile.
    pub async fn eventually<Check: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> Check) {
        let began = tokio::time::Instant::now();
        while !holds().await {
            assert!(began.elapsed() < PATIENCE, "{what} did not come about");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The sort keys of what the ledger has under a partition key.
    pub async fn items(&self, partition: &str) -> Vec<String> {
        let query = self
            .pipeline
            .tools
            .aws
            .dynamodb()
            .query()
            .table_name(&self.pipeline.table);
        let found = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .expect("the ledger answers");
        let keys = found
            .items()
            .iter()
            .filter_map(|item| item.get("sk")?.as_s().ok().cloned());
        keys.collect()
    }

    /// The builds that a project has run for an application, by their ids.
    pub async fn builds(&self, project: &str, application: &str) -> Vec<String> {
        let builds = self.emulator.builds(project, &format!("acme/{application}")).await;
        builds.expect("the emulator knows its builds")
    }

    /// Runs the command `lockgate` as somebody; what it prints, or says where it fails.
    pub async fn lockgate(&self, who: &Identity, arguments: &[&str]) -> Result<String, String> {
        let program = workspace().join("target/lambda/lockgate-cli/lockgate");
        let run = Command::new(&program)
            .args(arguments)
            .env("AWS_ENDPOINT_URL", &self.emulator.endpoint)
            .env("AWS_ACCESS_KEY_ID", &who.key)
            .env("AWS_SECRET_ACCESS_KEY", &who.secret)
            .env("AWS_REGION", REGION)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .envs(who.session.iter().map(|session| ("AWS_SESSION_TOKEN", session)))
            .output()
            .await
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()));
        let printed = |text| String::from_utf8(text).expect("it prints text");
        if run.status.success() {
            Ok(printed(run.stdout))
        } else {
            Err(printed(run.stderr))
        }
    }

    /// How many executions an application's deployments into `dev` have.
    pub async fn executions(&self, application: &str) -> usize {
        self.executions_in(application, DEV).await
    }

    /// How many executions an application's deployments into an environment have.
    pub async fn executions_in(&self, application: &str, environment: &str) -> usize {
        let machine = self.pipeline.tools.aws.step_functions();
        let listed = machine.list_executions().state_machine_arn(&self.pipeline.machine);
        let listed = listed.send().await.expect("a list");
        let beginning = format!("{application}-{environment}-");
        let executions = listed.executions().iter();
        executions
            .filter(|execution| execution.name().starts_with(&beginning))
            .count()
    }
}

impl Scenario {
    /// Commits the application as it is now.
    pub async fn commit(&self, message: &str) -> Push {
        self.commit_as(ADA, message).await
    }

    /// The same, as somebody.
    pub async fn commit_as(&self, author: Person<'_>, message: &str) -> Push {
        self.application
            .write(&self.repository)
            .expect("the application can be written");
        let sha = self.repository.commit_as(author, message).await.expect("git commits");
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
        self.starts(&push.delivery().expect("a delivery")).await
    }

    /// Delivers what happened to a GitHub release, and returns the deployment that was started.
    pub async fn publish(&self, release: &Release) -> Candidate {
        self.deliver_release(&release.delivery().expect("a delivery")).await
    }

    /// Sends a delivery about a GitHub release, and returns the deployment that was started.
    pub async fn deliver_release(&self, delivery: &Delivery) -> Candidate {
        self.candidate(self.starts(delivery).await)
    }

    /// A deployment about which people are asked.
    pub fn candidate(&self, deployment: DeploymentId) -> Candidate {
        Candidate {
            laboratory: self.laboratory,
            deployment,
        }
    }

    /// Tags the newest commit, and publishes that as a pre-release.
    pub async fn prerelease(&self, tag: &str) -> Candidate {
        self.repository.annotated_tag(tag, tag).await.expect("git tags");
        self.publish(&Release::prereleased(&self.repository.name, tag, "ada"))
            .await
    }

    /// Sends a delivery that asks for one deployment, and returns it.
    pub async fn starts(&self, delivery: &Delivery) -> DeploymentId {
        let answer = self.send(delivery, 202).await;
        assert_eq!(answer["outcome"], "accepted", "{answer}");
        answer["deployments"][0]
            .as_str()
            .expect("a deployment was started")
            .parse()
            .expect("its id is valid")
    }

    /// Waits for a deployment's end.
    pub async fn end_of(&self, deployment: &DeploymentId) -> Ended {
        self.laboratory.end_of(deployment).await
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

    /// The ledger's names for the application and `dev`.
    pub fn place(&self) -> (RepositoryName, EnvironmentName) {
        self.place_of(DEV)
    }

    /// The ledger's names for the application and an environment of it.
    pub fn place_of(&self, environment: &str) -> (RepositoryName, EnvironmentName) {
        let application = self.repository.name.parse().expect("a repository's name");
        (application, environment.parse().expect("an environment's name"))
    }

    /// The lock and queue of `dev`, as they are now.
    pub async fn environment(&self) -> EnvironmentState {
        self.state_of(DEV).await
    }

    /// An environment's lock and queue, as they are now.
    pub async fn state_of(&self, environment: &str) -> EnvironmentState {
        let (application, environment) = self.place_of(environment);
        self.laboratory
            .pipeline
            .ledger
            .environment(&application, &environment)
            .await
            .expect("the ledger answers")
    }

    /// Nobody has the lock of `dev`, nothing is in flight, nobody waits, and nobody is kept out.
    pub async fn is_at_rest(&self) -> EnvironmentState {
        self.is_at_rest_in(DEV).await
    }

    /// The same of another environment.
    pub async fn is_at_rest_in(&self, environment: &str) -> EnvironmentState {
        let state = self.state_of(environment).await;
        assert_eq!(
            (&state.holder, &state.operation, state.queue.len(), &state.quarantine),
            (&None, &None, 0, &None)
        );
        state
    }

    /// Waits until somebody has the lock of `dev`.
    pub async fn is_held(&self) {
        self.eventually("it is admitted", async || self.environment().await.holder.is_some())
            .await;
    }

    /// The status of one of the application's stacks in `dev`; nothing, where there is none.
    pub async fn stack_status(&self, stack: &str) -> Option<String> {
        self.account.stack_status(&self.application.stack_name(stack)).await
    }

    /// What one of the application's stacks is described as in `dev`.
    pub async fn description(&self, stack: &str) -> String {
        let described = self.description_in(&self.account, stack).await;
        described.expect("every stack has a description")
    }

    /// What is in `test`: the description of its only stack, where that is there.
    pub async fn in_test(&self) -> Option<String> {
        let account = self.test_account.as_ref().expect("there is an environment `test`");
        self.description_in(account, WEB).await
    }

    async fn description_in(&self, account: &Account, stack: &str) -> Option<String> {
        let outputs = account.outputs(&self.application.stack_name(stack)).await;
        outputs.ok()?.remove("Description")
    }

    /// The bake of a deployment into `dev` is over now, long before its time.
    pub async fn bake_is_over(&self, deployment: &DeploymentId) {
        let (application, dev) = self.place();
        let account = self.account.id.parse().expect("an account");
        let region = REGION.parse().expect("a region");
        let now = Timestamp::now();
        let ledger = &self.laboratory.pipeline.ledger;
        let over = |watch: &mut Option<Watch>| {
            if let Some(watch) = watch {
                watch.bakes_until = now;
            }
        };
        let changed = ledger.change_watch((&account, &region), &application, &dev, over).await;
        changed.expect("the ledger takes it");
        let parked = ledger.parked(&Key::alarms(&account, &region)).await;
        for parked in parked.expect("the ledger answers") {
            if parked.deployment == *deployment {
                ledger.look_again(&parked, now).await.expect("the ledger takes it");
            }
        }
    }

    /// Has an alarm of `dev` say this, until it is evaluated next.
    pub async fn set_alarm(&self, name: &str, state: &str) {
        let set = self.account.aws.cloudwatch().set_alarm_state().alarm_name(name);
        let set = set
            .state_value(state.into())
            .state_reason("a test says so")
            .send()
            .await;
        set.expect("the alarm takes it");
    }

    /// An operator opens the environment with `lockgate release`, and reads this.
    pub async fn release(&self, why: &str) -> String {
        let (application, dev) = self.place();
        let arguments = ["release", application.as_str(), dev.as_str(), "--why", why];
        let laboratory = self.laboratory;
        let said = laboratory
            .lockgate(&laboratory.pipeline.tools.identity(), &arguments)
            .await;
        said.expect("an operator may do it")
    }

    /// Takes a permission away from a role of the target account whose name begins so.
    pub async fn deny(&self, role: &str, action: &str) {
        self.deny_on(role, action, "*").await;
    }

    /// The same, for a resource.
    pub async fn deny_on(&self, role: &str, action: &str, resource: &str) {
        let role = format!("{role}-{}-{REGION}", self.account.id);
        let template = serde_json::json!({ "Resources": { "Denial": { "Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "denial", "Roles": [role],
            "PolicyDocument": { "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": action, "Resource": resource }] },
        } } } });
        create_stack(&self.account, "denial", &template.to_string(), &[]).await;
    }

    /// Waits until something holds; the sweep has its turns meanwhile.
    pub async fn eventually<Check: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> Check) {
        self.laboratory.eventually(what, holds).await;
    }
}

fn configuration(plan: &Plan, github: &str) -> String {
    let mut toml = format!(
        "[pipeline]\naccount = \"{TOOLS}\"\nregion = \"{REGION}\"\nexternal_id = \"an-external-id-of-the-local-aws\"\n\
         notify = [\"developers@acme.example\"]\nsmoke_test_addresses = [\"127.0.0.0/8\"]\ngithub_api = \"{github}\"\n"
    );
    let settings = plan.settings.iter().enumerate();
    toml.extend(settings.map(|(position, setting)| setting.toml(|environment| plan.account_of(environment, position))));
    toml
}

/// Creates a stack, and waits until it is there.
pub async fn create_stack(account: &Account, name: &str, template: &str, parameters: &[(&str, &str)]) {
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
