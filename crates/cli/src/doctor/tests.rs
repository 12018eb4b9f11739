#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod faults;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use domain::doctor::Severity;
use domain::signature::WebhookSecret;
use fake_aws::{FakeAws, Fate, Stack, Subscription, TABLE, sample};
use serde_json::{Value, json};

use super::*;
use crate::api::tests::{Received, answering_with};
use crate::fake::Fake;

/// The key of the App on the local AWS, which opens nothing anywhere.
const APP_KEY: &str = include_str!("../../../local/src/github/app.pem");
const SECRET: &str = "It's a Secret to Everybody";
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate";
const APPROVERS: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate-approvers";
const ROLLBACKS: &str = "arn:aws:states:eu-west-1:111111111111:stateMachine:lockgate-rollback";

const EXTERNAL_ID: &str = "0123456789abcdef0123456789abcdef";
const BUS: &str = "arn:aws:events:eu-west-1:111111111111:event-bus/lockgate";
const BOOTSTRAP_ROLE: &str = "cdk-hnb659fds-deploy-role-222222222222-eu-west-1";
const ROLES: [(&str, &str); 3] = [
    ("lockgate-publisher-eu-west-1", "lockgate-deploy"),
    ("lockgate-tester-eu-west-1", "lockgate-smoke-test"),
    ("lockgate-observer-eu-west-1", "lockgate-rollback"),
];

/// Lets a role trust what this statement says, in an account.
fn trusts(state: &mut fake_aws::State, role: &str, statement: &Value) {
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    state.roles.insert(role.to_owned(), policy.to_string());
}

const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".people]
"qa@acme.example" = { github = ["qa-acme"] }
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
stacks = ["shop-dev-*"]
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
approval = { by = ["qa@acme.example"] }
[application."acme/shop".environment.production]
account = "222222222222"
on = "release"
stacks = ["shop-production-*"]
after = "test"
bake = { for = "30 minutes", alarms = ["shop-errors"] }
"#;

/// What the webhook and GitHub answer, both at one address.
struct Outside {
    unsigned: u16,
    signed: u16,
    installation: Option<Value>,
    branch: bool,
    private: bool,
    /// What the answer about the repository says of the token, and whether it may look at deployments.
    token: (&'static [(&'static str, &'static str)], bool),
}

impl Outside {
    fn answer(&self, asked: &Received) -> (u16, String) {
        let document = |document: Option<Value>| match document {
            Some(document) => (200, document.to_string()),
            None => (404, r#"{"message":"Not Found"}"#.to_owned()),
        };
        match asked.line.as_str() {
            "POST /webhooks/github" => match asked.headers.get("x-hub-signature-256") {
                None => (self.unsigned, String::new()),
                Some(signature) => {
                    let secret = WebhookSecret::new(SECRET.to_owned()).unwrap();
                    let fits = *signature == secret.sign(asked.body.as_bytes());
                    (if fits { self.signed } else { 401 }, String::new())
                }
            },
            "GET /repos/acme/shop/installation" => document(self.installation.clone()),
            "POST /app/installations/1/access_tokens" => (
                201,
                json!({ "token": "ghs_1", "expires_at": "2099-01-01T00:00:00Z" }).to_string(),
            ),
            "GET /repos/acme/shop/branches/main" => document(
                self.branch
                    .then(|| json!({ "name": "main", "commit": { "sha": "2".repeat(40) } })),
            ),
            "GET /repos/acme/shop" => document(Some(json!({ "id": 1, "private": self.private }))),
            "GET /repos/acme/shop/deployments?per_page=1" => {
                if self.token.1 {
                    (200, "[]".to_owned())
                } else {
                    (
                        403,
                        r#"{"message":"Resource not accessible by personal access token"}"#.to_owned(),
                    )
                }
            }
            other => panic!("nobody answers {other}"),
        }
    }
}

/// An installation in which nothing is wrong.
struct Healthy {
    tools: Fake,
    /// The account 222222222222.
    target: FakeAws,
    outside: Arc<Mutex<Outside>>,
    url: String,
}

fn installation(permissions: &Value) -> Value {
    json!({ "id": 1, "permissions": permissions, "suspended_at": null })
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn alarms(state: &str) -> (u16, String) {
    let alarms =
        json!({ "MetricAlarms": [{ "AlarmName": "shop-errors", "AlarmArn": "arn:alarm", "StateValue": state }] });
    (200, alarms.to_string())
}

impl Healthy {
    async fn new() -> Self {
        let outside = Arc::new(Mutex::new(Outside {
            unsigned: 401,
            signed: 200,
            installation: Some(installation(
                &json!({ "contents": "write", "deployments": "write", "checks": "write", "metadata": "read" }),
            )),
            branch: true,
            private: true,
            token: (&[], true),
        }));
        let answers = outside.clone();
        let url = answering_with(move |asked| {
            let outside = answers.lock().unwrap();
            let (status, body) = outside.answer(asked);
            let of_token = if asked.line == "GET /repos/acme/shop" {
                outside.token.0
            } else {
                &[]
            };
            (status, of_token.to_vec(), body)
        });
        let tools = Fake::with(SHOP).await;
        {
            let mut state = tools.backend.state();
            state.parameters.extend(pairs([
                ("/lockgate/webhook/secret", SECRET),
                ("/lockgate/approval/key", KEY),
                ("/lockgate/github/app", "Iv23li"),
                ("/lockgate/github/app-key", APP_KEY),
            ]));
            let hook = format!("{url}/webhooks/github");
            let stack = Stack {
                status: "UPDATE_COMPLETE".to_owned(),
                outputs: pairs([
                    ("LedgerTable", TABLE),
                    ("StateMachine", sample::MACHINE),
                    ("RollbackMachine", ROLLBACKS),
                    ("WebhookUrl", &hook),
                    ("Topic", TOPIC),
                    ("ApproversTopic", APPROVERS),
                ]),
                resources: pairs([
                    ("Sweep", "AWS::Events::Rule"),
                    ("lockgate|Settled", "AWS::Events::Rule"),
                    ("Table", "AWS::DynamoDB::Table"),
                ]),
                ..Stack::default()
            };
            state.stacks.insert("lockgate-pipeline".to_owned(), stack);
            for rule in ["Sweep", "lockgate|Settled"] {
                let target = "arn:aws:lambda:eu-west-1:111111111111:function:lockgate-sweep:live".to_owned();
                state.rules.insert(rule.to_owned(), (true, vec![target]));
            }
            for function in ["lockgate-deploy", "lockgate-smoke-test", "lockgate-rollback"] {
                state
                    .variables
                    .insert(function.to_owned(), pairs([("LOCKGATE_EXTERNAL_ID", EXTERNAL_ID)]));
            }
            state
                .projects
                .extend(["lockgate-build", "lockgate-integration"].map(str::to_owned));
            state.source_credentials.push("PERSONAL_ACCESS_TOKEN".to_owned());
            state.machines.extend([sample::MACHINE, ROLLBACKS].map(str::to_owned));
            state.concurrent_executions = 1000;
            let subscriptions = [(TOPIC, "ops@acme.example"), (APPROVERS, "qa@acme.example")];
            state
                .subscriptions
                .extend(subscriptions.map(|(topic, endpoint)| Subscription {
                    topic: topic.to_owned(),
                    endpoint: endpoint.to_owned(),
                    confirmed: true,
                }));
        }
        Self {
            tools,
            target: Self::target(),
            outside,
            url,
        }
    }

    fn target() -> FakeAws {
        let target = FakeAws::default();
        let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>222222222222</Account>\
                        <Arn>arn:aws:iam::222222222222:user/ada</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>";
        target.says("GetCallerIdentity", [(200, identity.to_owned())]);
        target.says("DescribeAlarms", [alarms("OK")]);
        let mut state = target.state();
        state
            .parameters
            .extend(pairs([("/cdk-bootstrap/hnb659fds/version", "33")]));
        let toolkit = Stack {
            status: "CREATE_COMPLETE".to_owned(),
            parameters: pairs([("Qualifier", "hnb659fds"), ("TrustedAccounts", "111111111111")]),
            ..Stack::default()
        };
        let environment = Stack {
            status: "CREATE_COMPLETE".to_owned(),
            resources: pairs([
                ("Publisher1", "AWS::IAM::Role"),
                ("Tester1", "AWS::IAM::Role"),
                ("Observer1", "AWS::IAM::Role"),
                ("Settled1", "AWS::Events::Rule"),
                ("Fired1", "AWS::Events::Rule"),
            ]),
            ..Stack::default()
        };
        let root = json!({ "AWS": "arn:aws:iam::111111111111:root" });
        let bootstrap = json!({ "Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole" });
        trusts(&mut state, BOOTSTRAP_ROLE, &bootstrap);
        for (role, function) in ROLES {
            let arn = format!("arn:aws:iam::111111111111:role/{function}");
            let own = json!({
                "Effect": "Allow", "Principal": { "AWS": arn }, "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
            });
            trusts(&mut state, role, &own);
        }
        for rule in ["Settled1", "Fired1"] {
            state
                .rules
                .insert(rule.to_owned(), (true, vec!["arn:other".to_owned(), BUS.to_owned()]));
        }
        state.stacks.insert("CDKToolkit".to_owned(), toolkit);
        state.stacks.insert("lockgate-environment".to_owned(), environment);
        drop(state);
        target
    }

    fn options(&self, more: &[&str]) -> Options {
        #[derive(clap::Parser)]
        struct OfDoctor {
            #[command(flatten)]
            options: Options,
        }
        let words = ["lockgate", "--github-api", &self.url];
        let words = words.into_iter().chain(more.iter().copied());
        OfDoctor::try_parse_from(words).unwrap().options
    }

    async fn examine(&self, more: &[&str]) -> Result<Report, DoctorError> {
        let reach = async |profile: &str, region: &Region| {
            assert_eq!((profile, region.as_str()), ("acme", "eu-west-1"));
            Aws::with(self.target.config().await)
        };
        examine(&self.options(more), &self.tools.aws, reach, PATIENCE).await
    }

    /// What is found where two of the three environments are looked at.
    async fn report(&self) -> Report {
        let profiles = ["--profile-of", "dev=acme", "--profile-of", "production=acme"];
        self.examine(&profiles).await.unwrap()
    }

    /// As it is printed, at an address that is always the same.
    async fn printed(&self) -> [String; 2] {
        let report = self.report().await;
        let texts = [text(&report), Output::Json.print(&report, String::new)];
        texts.map(|text| text.replace(&self.url, "http://pipeline.test"))
    }

    fn parameter(&self, name: &str, value: Option<&str>) {
        let mut state = self.tools.backend.state();
        match value {
            Some(value) => state.parameters.insert(name.to_owned(), value.to_owned()),
            None => state.parameters.remove(name),
        };
    }

    fn outputs(&self, change: impl Fn(&mut BTreeMap<String, String>)) {
        change(
            &mut self
                .tools
                .backend
                .state()
                .stacks
                .get_mut("lockgate-pipeline")
                .unwrap()
                .outputs,
        );
    }
}

#[tokio::test]
async fn a_healthy_installation_says_what_is_well_and_what_nobody_looked_at() {
    let healthy = Healthy::new().await;
    let [text, json] = healthy.printed().await;
    insta::assert_snapshot!(format!("{text}\n\n{json}"));
    for secret in [SECRET, KEY, "BEGIN RSA", "ghs_1"] {
        assert!(!text.contains(secret) && !json.contains(secret), "{secret} is shown");
    }
}

#[tokio::test]
async fn a_broken_installation_says_what_is_wrong_and_its_remedy() {
    let broken = Healthy::new().await;
    broken.parameter("/lockgate/webhook/secret", Some("swordfish"));
    broken.parameter("/lockgate/webhook/secret-previous", Some(SECRET));
    broken.parameter("/lockgate/approval/key", None);
    broken.parameter("/lockgate/github/app", None);
    broken.parameter("/lockgate/github/app-key", None);
    broken.parameter("/lockgate/github/token", Some("ghp_secret"));
    {
        let mut state = broken.tools.backend.state();
        state.machines.remove(ROLLBACKS);
        state.concurrent_executions = 10;
        state.subscriptions.iter_mut().for_each(|one| one.confirmed = false);
        state.stacks.get_mut("lockgate-pipeline").unwrap().status = "UPDATE_ROLLBACK_FAILED".to_owned();
        let mut target = broken.target.state();
        target
            .parameters
            .extend(pairs([("/cdk-bootstrap/hnb659fds/version", "19")]));
        target.stacks.remove("lockgate-environment");
    }
    broken.target.says("DescribeAlarms", [alarms("ALARM")]);
    let [text, json] = broken.printed().await;
    insta::assert_snapshot!(format!("{text}\n\n{json}"));
    for secret in [SECRET, "swordfish", "ghp_secret"] {
        assert!(!text.contains(secret) && !json.contains(secret), "{secret} is shown");
    }
    let (_, code) = run(&broken.options(&[]), &broken.tools.aws).await.unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    let healthy = Healthy::new().await;
    let (_, code) = run(&healthy.options(&[]), &healthy.tools.aws).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test]
async fn what_takes_too_long_is_not_waited_for() {
    let slow = Healthy::new().await;
    slow.tools.backend.fates("DescribeRule", [Fate::Silent]);
    slow.target.fates("GetRole", [Fate::Silent, Fate::Silent]);
    let options = slow.options(&["--profile-of", "dev=acme", "--profile-of", "production=acme"]);
    let reach = async |_: &str, _: &Region| Aws::with(slow.target.config().await);
    let patience = Duration::from_millis(300);
    let report = examine(&options, &slow.tools.aws, reach, patience).await.unwrap();
    let late: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.what.contains("took longer than"))
        .collect();
    let names: Vec<String> = late
        .iter()
        .map(|finding| format!("{} {}", finding.severity, finding.name))
        .collect();
    assert_eq!(names, ["unchecked event_rules", "unchecked target", "unchecked target"]);
    let of_mail = report
        .findings
        .iter()
        .any(|finding| finding.name == Check::OperatorsMail);
    assert!(of_mail, "the rest is looked at");
}

#[tokio::test]
async fn an_alarm_that_is_missing_where_a_release_is_stable_refuses_deployments() {
    let healthy = Healthy::new().await;
    let mut deployment = sample::deployment(1);
    deployment.environment.name = "production".parse().unwrap();
    healthy
        .tools
        .brings(&deployment, &sample::stable(&deployment).release)
        .await;
    healthy.target.says("DescribeAlarms", [(200, "{}".to_owned())]);
    let report = healthy.report().await;
    let missing = report
        .findings
        .iter()
        .find(|finding| finding.name == Check::Alarms)
        .unwrap();
    assert_eq!(missing.severity, Severity::Broken);
}

#[tokio::test]
async fn names_that_are_mistyped_are_told_and_other_accounts_are_not_taken_for_the_environment_s() {
    let healthy = Healthy::new().await;
    let said = async |more: &[&str]| healthy.examine(more).await.unwrap_err().to_string();
    assert_eq!(
        said(&["acme/shpo"]).await,
        "acme/shpo is no application of lockgate.toml, did you mean acme/shop?"
    );
    assert_eq!(
        said(&["--profile-of", "prodcution=acme"]).await,
        "no environment is called prodcution, did you mean production?; --profile-of takes the name of one"
    );
    let refused = [Fate::Refused("AccessDenied")];
    healthy.tools.backend.fates("DescribeStacks", refused);
    assert_eq!(
        said(&[]).await,
        "cloudformation:DescribeStacks: AccessDenied, says the fake"
    );
    let report = healthy
        .examine(&["acme/shop", "--profile-of", "test=acme"])
        .await
        .unwrap();
    let of_test = report
        .findings
        .iter()
        .find(|finding| finding.about == "test of acme/shop" && finding.name == Check::Target);
    assert_eq!(
        of_test.unwrap().what,
        "the profile acme is one of account 222222222222, and the environment is in 333333333333"
    );
    for wrong in ["dev", "dev=", "=acme"] {
        assert!(wrong.parse::<ProfileOf>().is_err(), "{wrong}");
    }
}
