#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod admitting;
mod assessing;
mod checking;
mod closing;
mod promoting;
mod tidying;

use domain::approval::{ApprovalId, Ballot, Choice, Outcome, Via, When};
use domain::build_record::BuildRecord;
use domain::environment_state::{Acceptance, Candidate, EnvironmentState, StableRelease};
use domain::failure::Class;
use domain::ledger::Entry;
use domain::life::{Ending, Event, Status};
use domain::names::DeploymentId;
use domain::parking::Parked;
use fake_aws::sample::{self, MACHINE, change, deployment};
use fake_aws::{Execution, FakeAws, Fate, TABLE};
use serde_json::{Value, json};

use super::*;

/// Who is asked.
const QA: &str = "qa@acme.example";

/// gate, and the AWS it works on.
struct Gate {
    aws: FakeAws,
    context: Context,
}

impl Gate {
    async fn new() -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            tasks: Tasks::new(way.step_functions()),
            executions: Executions::new(way.step_functions(), MACHINE),
            functions: Functions::new(way.lambda()),
            approval: "approval".to_owned(),
        };
        Self { aws, context }
    }

    /// Asks as the state machine, EventBridge or the sweep does.
    async fn ask(&self, input: Value) -> Result<Output, Error> {
        Box::pin(handle(&self.context, serde_json::from_value(input).unwrap())).await
    }

    /// An execution runs, and asks for the lock with a token `token-<number>`.
    async fn admit(&self, deployment: &Deployment) -> Result<Output, Error> {
        self.admit_as(deployment, &token(&deployment.id)).await
    }

    /// The same with a token of another call's.
    async fn admit_as(&self, deployment: &Deployment, token: &str) -> Result<Output, Error> {
        self.stands(deployment, "RUNNING");
        self.ask(json!({ "do": "admit", "deployment": deployment, "token": token }))
            .await
    }

    async fn check_admission(&self, deployment: &Deployment) -> Result<Output, Error> {
        self.ask(json!({ "do": "check_admission", "deployment": deployment }))
            .await
    }

    async fn wake(&self, id: &DeploymentId) -> Result<Output, Error> {
        self.ask(json!({ "do": "wake", "key": Key::lock(id) })).await
    }

    async fn assess(&self, deployment: &Deployment, leg: &str, error: &str) -> Result<Output, Error> {
        let failure = json!({ "Error": error, "Cause": "why" });
        self.ask(json!({ "do": "assess", "deployment": deployment, "leg": leg, "failure": failure }))
            .await
    }

    async fn close(&self, deployment: &Deployment, error: &str) -> Result<Output, Error> {
        let failure = json!({ "Error": error, "Cause": "why" });
        self.ask(json!({ "do": "close", "deployment": deployment, "failure": failure }))
            .await
    }

    async fn call_operator(&self, deployment: &Deployment, error: &str) -> Result<Output, Error> {
        let failure = json!({ "Error": error, "Cause": "why" });
        self.ask(json!({ "do": "call_operator", "deployment": deployment, "failure": failure }))
            .await
    }

    async fn tidy(&self, deployment: &Deployment) -> Result<Output, Error> {
        let execution = self.context.executions.arn_of(&deployment.id);
        self.ask(json!({ "do": "tidy", "execution": execution })).await
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

    /// A deployment that has the lock, and whose one stack was changed.
    async fn changed(&self, deployment: &Deployment) {
        self.planned(deployment).await;
        let change = change(deployment, self.environment().await.fence);
        let (leg, stack) = (change.leg, change.stack);
        let executing = Event::Executing {
            leg,
            stack: stack.clone(),
            change_set: change.change_set,
        };
        self.record(deployment, [executing, Event::Updated { leg, stack }])
            .await;
    }

    /// A deployment that has the lock, and whose one stack is planned.
    async fn planned(&self, deployment: &Deployment) {
        let change = change(deployment, 1);
        if deployment.plans {
            self.built(deployment).await;
        }
        self.admit(deployment).await.unwrap();
        let released = Event::Released {
            release: change.release.clone(),
        };
        let planned = Event::Planned {
            leg: change.leg,
            release: change.release,
            waves: vec![vec![change.stack]],
        };
        self.record(deployment, [released, planned]).await;
    }

    /// The deployment's commit was built.
    async fn built(&self, deployment: &Deployment) -> Digest {
        let release = sample::stable(deployment).release;
        let built = |_: &BuildRecord, since| {
            let build = "lockgate-build:1".to_owned();
            let release = release.clone();
            ((), BuildRecord::Built { release, build, since })
        };
        self.context
            .ledger
            .change_build(&deployment.application, &deployment.commit, built, Timestamp::now())
            .await
            .unwrap();
        release
    }

    /// A deployment that brought this release, and about which people are asked.
    async fn asked_about(&self, deployment: &Deployment, release: &Digest) {
        let (leg, release) = (Leg::Forward, release.clone());
        let events = [
            Event::Requested {
                deployment: Box::new(deployment.clone()),
            },
            Event::Admitted { fence: 1 },
            Event::Released {
                release: release.clone(),
            },
            Event::Planned {
                leg,
                release,
                waves: vec![],
            },
        ];
        self.record(deployment, events).await;
        self.asks(deployment).await;
    }

    /// A deployment whose one stack was changed, and about which people are asked.
    async fn asked(&self, deployment: &Deployment) {
        self.changed(deployment).await;
        self.asks(deployment).await;
    }

    async fn asks(&self, deployment: &Deployment) {
        let asked = Event::ApprovalAsked {
            approval: ApprovalId::of(&deployment.id, When::After),
            people: vec![QA.parse().unwrap()],
            deadline: Timestamp::now(),
            unconfirmed: vec![],
            excluded: vec![],
        };
        self.record(deployment, [tested("forward"), asked]).await;
    }

    /// The one who is asked answers, and that decides it.
    async fn votes(&self, deployment: &Deployment, decision: Choice) -> Timestamp {
        let at = Timestamp::from_second(1_795_000_000).unwrap();
        let ballot = Ballot {
            by: QA.parse().unwrap(),
            via: Via::Command {
                arn: "arn:aws:iam::111111111111:user/qa".parse().unwrap(),
            },
            decision,
            comment: "the total is wrong".to_owned(),
            ticked: vec![],
            at,
        };
        let outcome = match decision {
            Choice::Accept => Outcome::Accepted { at },
            Choice::Reject => Outcome::Rejected {
                by: ballot.by.clone(),
                comment: ballot.comment.clone(),
                at,
            },
        };
        self.record(deployment, [Event::Voted { ballot }, Event::Decided { outcome }])
            .await;
        at
    }

    /// What is kept of a release that was stable.
    async fn stable(&self, release: &Digest) -> Option<StableRelease> {
        let dev = deployment(1);
        let kept = self
            .context
            .ledger
            .stable(&dev.application, &dev.environment.name, release);
        kept.await.unwrap()
    }

    async fn change_environment(&self, change: impl Fn(&mut EnvironmentState)) {
        let dev = deployment(1);
        let changed = self
            .context
            .ledger
            .change_environment(&dev.application, &dev.environment.name, change);
        changed.await.unwrap();
    }

    /// The change of a stack has begun and is not over.
    async fn begins(&self, deployment: &Deployment) {
        let change = change(deployment, self.environment().await.fence);
        let begun = self
            .context
            .ledger
            .begin_operation(&deployment.id, &change, Timestamp::now());
        begun.await.unwrap().unwrap();
    }

    async fn environment(&self) -> EnvironmentState {
        let dev = deployment(1);
        self.context
            .ledger
            .environment(&dev.application, &dev.environment.name)
            .await
            .unwrap()
    }

    /// Who has the lock.
    async fn holder(&self) -> Option<DeploymentId> {
        self.environment().await.holder.map(|holder| holder.deployment)
    }

    async fn status(&self, deployment: &Deployment) -> Status {
        self.context.ledger.head(&deployment.id).await.unwrap().unwrap().status
    }

    async fn entries(&self, deployment: &Deployment) -> Vec<Entry> {
        self.context.ledger.entries(&deployment.id).await.unwrap()
    }

    /// What has happened to a deployment, by name.
    async fn story(&self, deployment: &Deployment) -> Vec<&'static str> {
        self.entries(deployment)
            .await
            .iter()
            .map(|entry| entry.what.name())
            .collect()
    }

    async fn parked(&self, deployment: &Deployment) -> Vec<Parked> {
        self.context.ledger.parked(&Key::lock(&deployment.id)).await.unwrap()
    }

    /// Another call of its state parks a token of its own.
    async fn parks_again(&self, deployment: &Deployment, token: &str) -> Parked {
        let mut parked = self.parked(deployment).await.pop().unwrap();
        parked.token = token.to_owned().into();
        self.context.ledger.park(&parked).await.unwrap();
        parked
    }

    /// When people are to be told at the latest, for each deployment of which they are not told.
    fn owed(&self) -> Vec<(DeploymentId, Timestamp)> {
        let state = self.aws.state();
        let owed = state.table.items.iter().filter_map(|((pk, _), item)| {
            let id = pk.strip_prefix("report#")?.parse().unwrap();
            Some((id, item["due_at"]["S"].as_str().unwrap().parse().unwrap()))
        });
        owed.collect()
    }
}

fn token(id: &DeploymentId) -> String {
    id.as_str().replacen("shop-dev", "token", 1)
}

/// A deployment into an environment that asks people, and does this with what they do not accept.
fn asking(number: u8, on_reject: &str) -> Deployment {
    let mut deployment = deployment(number);
    let person = json!({ "name": QA, "logins": [], "mails": [], "arns": [] });
    let policy = json!({
        "when": "after", "people": [person], "duties": [{ "group": null, "people": [QA], "need": 1 }],
        "within_seconds": 3600, "on_reject": on_reject,
    });
    deployment.environment.approval = serde_json::from_value(policy).unwrap();
    deployment
}

/// What smoke tests came to that were all green.
fn tested(leg: &str) -> Event {
    let report = json!({ "passed": true, "checks": [] });
    serde_json::from_value(json!({ "event": "smoke_tested", "leg": leg, "report": report })).unwrap()
}

/// A deployment that waits its turn, whatever comes after it.
fn patient(number: u8) -> Deployment {
    let mut deployment = deployment(number);
    deployment.environment.queue = domain::deployment::QueuePolicy::Every;
    deployment
}

fn admitted(number: u8, fence: u64) -> (String, Value) {
    (
        format!("token-{number}"),
        json!({ "outcome": "admitted", "fence": fence, "leg": "forward" }),
    )
}

fn superseded(number: u8, by: u8) -> (String, Value) {
    (
        format!("token-{number}"),
        json!({ "outcome": "superseded", "by": format!("shop-dev-{by}") }),
    )
}
