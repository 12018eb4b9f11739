#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod baking;
mod checking;
mod going_back;
mod watching;

use domain::bake::{AlarmChoice, BakePolicy, Begins, Course, LOOK_EVERY, Says, Silence, Watch, Word};
use domain::deployment::{Cause, Leg, QueuePolicy};
use domain::environment_state::{Candidate, EnvironmentState, StableRelease, TakenBack};
use domain::failure::Class;
use domain::ledger::Entry;
use domain::life::Event;
use domain::parking::Parked;
use fake_aws::sample::{self, ARTIFACTS, MACHINE, deployment};
use fake_aws::{Execution, FakeAws, Fate, Mail, TABLE};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;

const TOPIC: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate";
const APPLICATIONS: &str = "/lockgate/applications";
const EXTERNAL_ID: &str = "lockgate-1";

/// The alarm that watches the shop.
const ALARM: &str = "shop-errors";
/// What it says of itself.
const REASON: &str = "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (1.0).";
/// Who says how it goes on.
const LEAD: &str = "arn:aws:iam::111111111111:user/lead";

/// rollback, and the AWS it works on.
struct Lookout {
    aws: FakeAws,
    context: Context,
}

impl Lookout {
    async fn new() -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            artifacts: Artifacts::new(&way, ARTIFACTS),
            tasks: Tasks::new(way.step_functions()),
            executions: Executions::new(way.step_functions(), MACHINE),
            notifications: Notifications::new(way.sns(), TOPIC),
            parameters: Parameters::new(way.ssm()),
            external_id: EXTERNAL_ID.to_owned(),
            applications: APPLICATIONS.to_owned(),
            aws: way,
        };
        Self { aws, context }
    }

    /// Asks as the state machines, EventBridge or the sweep do.
    async fn ask(&self, input: Value) -> Result<Output, Error> {
        Box::pin(handle(&self.context, serde_json::from_value(input).unwrap())).await
    }

    async fn check(&self, deployment: &Deployment) -> Result<Output, Error> {
        self.ask(json!({ "do": "check", "deployment": deployment })).await
    }

    /// The deployment's own release bakes, with a token `token-<number>`.
    async fn bake(&self, deployment: &Deployment) -> Result<Output, Error> {
        self.bake_as(deployment, &release(deployment), &token(&deployment.id))
            .await
    }

    /// A release bakes, with a token of another call's.
    async fn bake_as(&self, deployment: &Deployment, release: &Digest, token: &str) -> Result<Output, Error> {
        self.ask(json!({ "do": "bake", "deployment": deployment, "release": release, "token": token }))
            .await
    }

    /// The clock says that it is time to look.
    async fn wake(&self) -> Result<Output, Error> {
        self.ask(json!({ "do": "wake", "key": key() })).await
    }

    /// CloudWatch says that an alarm went off.
    async fn event(&self) -> Result<Output, Error> {
        let dev = deployment(1).environment;
        self.ask(json!({ "do": "alarm", "account": dev.account, "region": dev.region, "alarm": ALARM }))
            .await
    }

    /// These alarms, and no others, are there from now on.
    fn alarms(&self, alarms: &[Value]) {
        let described = json!({ "MetricAlarms": alarms });
        self.aws.says("DescribeAlarms", [(200, described.to_string())]);
    }

    /// The shop's alarm is quiet from now on.
    fn is_quiet(&self) {
        self.alarms(&[alarm(ALARM, "OK", 3600)]);
    }

    /// The shop's alarm has gone off just now.
    fn is_raised(&self) {
        self.alarms(&[alarm(ALARM, "ALARM", 0)]);
    }

    /// An execution stands so from now on. One that is over waits for nothing any more.
    fn stands(&self, deployment: &Deployment, status: &str) {
        let execution = Execution {
            input: json!(deployment),
            status: status.to_owned(),
        };
        let mut state = self.aws.state();
        state.executions.insert(deployment.id.to_string(), execution);
        if status != "RUNNING" {
            state.gone.insert(token(&deployment.id));
        }
    }

    async fn record(&self, deployment: &Deployment, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.context
                .ledger
                .record(&deployment.id, event, Timestamp::now())
                .await
                .unwrap();
        }
    }

    /// An execution runs, and its release is in its environment and tested.
    async fn brings(&self, deployment: &Deployment) {
        self.brings_with(deployment, &release(deployment), []).await;
    }

    /// The same with another release, and with what was done to stacks.
    async fn brings_with(&self, deployment: &Deployment, release: &Digest, changes: impl IntoIterator<Item = Event>) {
        self.stands(deployment, "RUNNING");
        let (leg, release) = (Leg::Forward, release.clone());
        let before = [
            requested(deployment),
            Event::Admitted { fence: 1 },
            Event::Released {
                release: release.clone(),
            },
            Event::Planned {
                leg,
                release,
                waves: vec![vec!["shop-dev".parse().unwrap()]],
            },
        ];
        let report = json!({ "passed": true, "checks": [] });
        let tested = json!({ "event": "smoke_tested", "leg": leg, "report": report });
        let tested: Event = serde_json::from_value(tested).unwrap();
        self.record(deployment, before.into_iter().chain(changes).chain([tested]))
            .await;
    }

    /// A release that bakes, and whose alarm is quiet.
    async fn begins(&self, deployment: &Deployment) {
        self.brings(deployment).await;
        self.is_quiet();
        self.bake(deployment).await.unwrap();
    }

    /// The time for which a release bakes is over.
    async fn is_over(&self, deployment: &Deployment) {
        self.change_watch(deployment, |watch| watch.bakes_until = watch.since)
            .await;
    }

    async fn watch(&self, deployment: &Deployment) -> Option<Watch> {
        let environment = &deployment.environment;
        let place = (&environment.account, &environment.region);
        let watch = self
            .context
            .ledger
            .watch(place, &deployment.application, &environment.name);
        watch.await.unwrap()
    }

    /// How far the watch of a deployment's environment is.
    async fn course(&self, deployment: &Deployment) -> Course {
        self.watch(deployment).await.unwrap().course
    }

    async fn change_watch(&self, deployment: &Deployment, change: impl Fn(&mut Watch)) {
        let environment = &deployment.environment;
        let place = (&environment.account, &environment.region);
        let changed = self
            .context
            .ledger
            .change_watch(place, &deployment.application, &environment.name, |watch| {
                change(watch.as_mut().unwrap());
            });
        changed.await.unwrap();
    }

    async fn change_environment(&self, change: impl Fn(&mut EnvironmentState)) {
        let dev = deployment(1);
        let changed = self
            .context
            .ledger
            .change_environment(&dev.application, &dev.environment.name, change);
        changed.await.unwrap();
    }

    /// A deployment has the environment's lock from now on.
    async fn is_under_way(&self, deployment: &Deployment) {
        let candidate = Candidate::of(deployment);
        self.change_environment(|state| drop(state.admit(candidate.clone(), Timestamp::now())))
            .await;
    }

    /// A release is the environment's stable one from now on.
    async fn settles(&self, stable: &StableRelease) {
        let dev = deployment(1);
        self.change_environment(|state| state.stable = Some(stable.clone()))
            .await;
        let recorded = self
            .context
            .ledger
            .record_stable(&dev.application, &dev.environment.name, stable);
        recorded.await.unwrap();
    }

    /// A release went back from the environment once.
    async fn went_back(&self, release: &Digest) {
        let dev = deployment(9);
        let taken_back = TakenBack {
            deployment: dev.id,
            because: Failure::new(Name::AlarmRaised, "why"),
            at: Timestamp::now(),
            allowed: None,
        };
        let recorded =
            self.context
                .ledger
                .record_taken_back(&dev.application, &dev.environment.name, release, &taken_back);
        recorded.await.unwrap();
    }

    /// The environment of a deployment is configured like this from now on, and no other is.
    fn configures(&self, deployment: &Deployment) {
        let environments = [&deployment.environment];
        let application = json!({ "repository": "acme/shop", "branch": "main", "environments": environments });
        let name = format!("{APPLICATIONS}/acme/shop");
        self.aws.state().parameters.insert(name, application.to_string());
    }

    async fn entries(&self, deployment: &Deployment) -> Vec<Entry> {
        self.context.ledger.entries(&deployment.id).await.unwrap()
    }

    /// What has happened to a deployment, by name.
    async fn story(&self, deployment: &Deployment) -> Vec<&'static str> {
        let entries = self.entries(deployment).await;
        entries.iter().map(|entry| entry.what.name()).collect()
    }

    /// What has happened to a deployment since its tests, by name.
    async fn story_since(&self, deployment: &Deployment) -> Vec<&'static str> {
        let story = self.story(deployment).await;
        let tested = story.iter().position(|name| *name == "smoke_tested").unwrap();
        story[tested + 1..].to_vec()
    }

    async fn last(&self, deployment: &Deployment) -> Event {
        self.entries(deployment).await.pop().unwrap().what
    }

    async fn parked(&self) -> Vec<Parked> {
        self.context.ledger.parked(&key()).await.unwrap()
    }

    /// How bakes ended, each with the token that was answered.
    fn ends(&self) -> Vec<(String, Value)> {
        let answers = self.aws.answers().into_iter();
        answers
            .map(|(token, answer)| (token, answer["outcome"].clone()))
            .collect()
    }

    fn mails(&self) -> Vec<Mail> {
        self.aws.state().mails.clone()
    }

    /// The deployments that were started and take the environment back.
    fn ways_back(&self) -> Vec<Deployment> {
        let executions = self.aws.state().executions.clone().into_values();
        executions
            .map(|execution| serde_json::from_value::<Deployment>(execution.input).unwrap())
            .filter(|deployment| deployment.rollback.is_some())
            .collect()
    }
}

/// A deployment whose release bakes for so many seconds, and is watched for an hour after that.
fn bakes(number: u8, seconds: u64) -> Deployment {
    let mut deployment = deployment(number);
    deployment.environment.bake = Some(BakePolicy {
        begins: Begins::AfterTests,
        for_seconds: seconds,
        alarms: vec![AlarmChoice::Named(ALARM.to_owned())],
        evidence: None,
        silence: Silence::Ask,
    });
    deployment.environment.watch_seconds = Some(3600);
    deployment
}

/// The release that a deployment brings.
fn release(deployment: &Deployment) -> Digest {
    sample::stable(deployment).release
}

fn token(id: &DeploymentId) -> String {
    id.as_str().replacen("shop-dev", "token", 1)
}

fn requested(deployment: &Deployment) -> Event {
    Event::Requested {
        deployment: Box::new(deployment.clone()),
    }
}

/// Under which everything is watched.
fn key() -> Key {
    let dev = deployment(1).environment;
    Key::alarms(&dev.account, &dev.region)
}

fn arn(alarm: &str) -> String {
    format!("arn:aws:cloudwatch:eu-west-1:222222222222:alarm:{alarm}")
}

/// So many seconds ago, as CloudWatch writes it.
fn ago(seconds: i64) -> Value {
    let at = Timestamp::now() - SignedDuration::from_secs(seconds);
    json!({ "$time": at.as_second() })
}

/// An alarm that says so for so many seconds.
fn alarm(name: &str, state: &str, seconds: i64) -> Value {
    json!({
        "AlarmName": name, "AlarmArn": arn(name), "StateValue": state, "StateReason": REASON,
        "StateTransitionedTimestamp": ago(seconds),
    })
}

fn end(number: u8, outcome: &str) -> (String, Value) {
    (format!("token-{number}"), json!(outcome))
}
