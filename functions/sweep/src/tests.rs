#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;

use domain::deployment::Deployment;
use domain::environment_state::{Candidate, EnvironmentState, LEASE, Left};
use domain::intake::{Course, Decision, Delivery};
use domain::names::Digest;
use domain::parking::Parked;
use fake_aws::sample::{MACHINE, change, deployment};
use fake_aws::{Execution, FakeAws, Fate, TABLE};
use jiff::SignedDuration;
use serde_json::Value;

use super::*;

mod comparing;

/// sweep, and the AWS it works on.
struct Round {
    aws: FakeAws,
    hub: comparing::Hub,
    context: Context,
}

impl Round {
    async fn new() -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let hub = comparing::Hub::default();
        let github = GitHub::new(::github::API, Credentials::None).unwrap();
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            executions: Executions::new(way.step_functions(), MACHINE),
            functions: Functions::new(way.lambda()),
            gate: "gate".to_owned(),
            build: "build".to_owned(),
            deploy: "deploy".to_owned(),
            approval: "approval".to_owned(),
            rollback: "rollback".to_owned(),
            report: "report".to_owned(),
            parameters: Parameters::new(way.ssm()),
            applications: "/lockgate/applications".to_owned(),
            github: Access::new(github.through(hub.clone()), "/lockgate/github"),
            begins_within: BEGINS_WITHIN,
            ends_within: ENDS_WITHIN,
        };
        Self { aws, hub, context }
    }

    /// A round where one thing of each kind is due.
    async fn with_everything_due() -> Self {
        let round = Self::new().await;
        round.park(&deployment(1), lock(), long_ago()).await;
        round.holds(&deployment(2), long_ago()).await;
        round.claim(&[deployment(3)], long_ago()).await;
        round
            .context
            .ledger
            .owe_report(&deployment(4).id, long_ago())
            .await
            .unwrap();
        let notice = |outbox: &mut domain::github::Outbox| outbox.notice(long_ago());
        let id = deployment(5).id;
        round.context.ledger.change_outbox(&id, notice).await.unwrap();
        round
    }

    async fn sweep(&self) -> Swept {
        Box::pin(sweep(&self.context)).await
    }

    async fn park(&self, deployment: &Deployment, waits_for: WaitsFor, since: Timestamp) {
        let parked = Parked::new(deployment.id.clone(), waits_for, "token".to_owned().into(), since);
        self.context.ledger.park(&parked).await.unwrap();
    }

    /// A deployment has the lock since then.
    async fn holds(&self, deployment: &Deployment, since: Timestamp) {
        let candidate = Candidate::of(deployment);
        let (application, name) = (&deployment.application, &deployment.environment.name);
        let admit = |state: &mut EnvironmentState| drop(state.admit(candidate.clone(), since));
        self.context
            .ledger
            .change_environment(application, name, admit)
            .await
            .unwrap();
    }

    async fn environment(&self) -> EnvironmentState {
        let dev = deployment(1);
        self.context
            .ledger
            .environment(&dev.application, &dev.environment.name)
            .await
            .unwrap()
    }

    /// A delivery was claimed then that asks for these.
    async fn claim(&self, deployments: &[Deployment], at: Timestamp) -> Delivery {
        let id = deployments[0].id.as_str().replacen("shop-dev", "0", 1).parse().unwrap();
        let delivery = Delivery::new(id, "push", Decision::Ask(deployments.to_vec()), at);
        self.context.ledger.claim_delivery(&delivery).await.unwrap();
        delivery
    }

    fn runs(&self, deployment: &Deployment) {
        let execution = Execution {
            input: json!(deployment),
            status: "RUNNING".to_owned(),
        };
        self.aws.state().executions.insert(deployment.id.to_string(), execution);
    }

    /// Which functions were invoked, and with what.
    fn woken(&self) -> Vec<(String, Value)> {
        let state = self.aws.state();
        state
            .invocations
            .iter()
            .map(|invocation| (invocation.function.clone(), invocation.payload.clone()))
            .collect()
    }
}

fn long_ago() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(1)
}

fn lock() -> WaitsFor {
    WaitsFor::Lock {
        application: deployment(1).application,
        environment: deployment(1).environment.name,
    }
}

fn build() -> WaitsFor {
    WaitsFor::Build {
        application: deployment(1).application,
        commit: deployment(1).commit,
        pull_request: None,
    }
}

fn wake(function: &str, key: &str) -> (String, Value) {
    (function.to_owned(), json!({ "do": "wake", "key": key }))
}

#[tokio::test]
async fn whatever_waits_too_long_is_woken_by_the_function_that_parked_it() {
    let commit = deployment(1).commit;
    let (application, environment) = (deployment(1).application, deployment(1).environment.name);
    let integration = WaitsFor::Integration {
        application: application.clone(),
        environment: environment.clone(),
        commit: commit.clone(),
        release: Digest::of(b"a release"),
        outputs: BTreeMap::new(),
        build: None,
    };
    let approval = WaitsFor::Approval {
        approval: "0f1e2d3c".repeat(4).parse().unwrap(),
        application,
        environment,
    };
    for (waits_for, function, key) in [
        (integration, "build", "integration/shop-dev-1".to_owned()),
        (approval, "approval", "approval/shop-dev-1".to_owned()),
        (lock(), "gate", "lock/shop-dev-1".to_owned()),
        (build(), "build", format!("build/acme/shop/{commit}")),
        (
            WaitsFor::ChangeSet(change(&deployment(1), 1)),
            "deploy",
            "stack/222222222222/eu-west-1/shop-dev".to_owned(),
        ),
        (
            WaitsFor::StackUpdate(change(&deployment(1), 1)),
            "deploy",
            "stack/222222222222/eu-west-1/shop-dev".to_owned(),
        ),
    ] {
        let round = Round::new().await;
        round.park(&deployment(1), waits_for, long_ago()).await;
        let expected = Swept {
            woken: 1,
            ..Swept::default()
        };
        assert_eq!(round.sweep().await, expected);
        assert_eq!(round.woken(), [wake(function, &key)]);
    }
}

#[tokio::test]
async fn what_waits_no_longer_than_it_should_is_left_alone() {
    let round = Round::new().await;
    round.park(&deployment(1), lock(), Timestamp::now()).await;
    round.holds(&deployment(2), Timestamp::now()).await;
    round.claim(&[deployment(3)], Timestamp::now()).await;
    let later = Timestamp::now() + SignedDuration::from_mins(3);
    round.context.ledger.owe_report(&deployment(4).id, later).await.unwrap();
    assert_eq!(round.sweep().await, Swept::default());
    assert_eq!((round.woken(), round.aws.state().executions.len()), (vec![], 0));
}

#[tokio::test]
async fn those_who_wait_under_one_key_are_woken_by_one_wake_and_every_page_is_read() {
    let round = Round::new().await;
    for number in 1..=5 {
        round.park(&deployment(number), build(), long_ago()).await;
        round.park(&deployment(number), lock(), long_ago()).await;
    }
    round.aws.state().table.page = Some(2);
    assert_eq!(round.sweep().await.woken, 6);
}

#[tokio::test]
async fn a_holder_that_lives_keeps_its_lock_and_one_that_died_is_tidied_up_after() {
    let round = Round::new().await;
    round.holds(&deployment(1), long_ago()).await;
    round.runs(&deployment(1));
    assert_eq!(round.sweep().await, Swept::default());
    let lease = round.environment().await.holder.unwrap().lease_until;
    assert!(
        lease > Timestamp::now() + LEASE - SignedDuration::from_mins(1),
        "it was heard of"
    );
    assert_eq!(round.woken(), []);

    for status in ["ABORTED", "FAILED", "gone"] {
        let round = Round::new().await;
        round.holds(&deployment(1), long_ago()).await;
        round.runs(&deployment(1));
        match status {
            "gone" => round.aws.state().executions.clear(),
            status => round.aws.state().executions.get_mut("shop-dev-1").unwrap().status = status.to_owned(),
        }
        assert_eq!(round.sweep().await.tidied, 1, "{status}");
        let execution = round.context.executions.arn_of(&deployment(1).id);
        assert_eq!(
            round.woken(),
            [("gate".to_owned(), json!({ "do": "tidy", "execution": execution }))]
        );
        assert_eq!(
            round.environment().await.holder.unwrap().deployment,
            deployment(1).id,
            "only gate gives it back"
        );
    }
}

#[tokio::test]
async fn an_environment_that_the_index_still_shows_and_that_has_another_holder_by_now_is_left_alone() {
    let round = Round::new().await;
    round.holds(&deployment(1), long_ago()).await;
    round.aws.index_lags();
    let (application, name) = (deployment(1).application, deployment(1).environment.name);
    let release = |state: &mut EnvironmentState| state.release(&deployment(1).id, Left::AsItWas, Timestamp::now());
    let released = round
        .context
        .ledger
        .change_environment(&application, &name, release)
        .await;
    released.unwrap().unwrap();
    round.holds(&deployment(2), Timestamp::now()).await;
    assert_eq!(round.sweep().await, Swept::default());
    assert_eq!((round.woken(), round.aws.count("DescribeExecution")), (vec![], 0));
}

#[tokio::test]
async fn a_delivery_that_stopped_half_way_is_completed_as_it_was_decided() {
    let round = Round::new().await;
    let delivery = round.claim(&[deployment(1), deployment(2)], long_ago()).await;
    // The webhook had started the first one.
    round.context.executions.start(&deployment(1)).await.unwrap();
    let expected = Swept {
        completed: 1,
        ..Swept::default()
    };
    assert_eq!(round.sweep().await, expected);
    for number in [1, 2] {
        let execution = round.aws.state().executions[&format!("shop-dev-{number}")].clone();
        assert_eq!(execution.input, json!(deployment(number)));
        let requested = round.context.ledger.head(&deployment(number).id).await.unwrap();
        assert!(requested.is_some(), "what is asked for is on record");
    }
    let delivery = round.context.ledger.delivery(&delivery.id).await.unwrap().unwrap();
    assert!(matches!(delivery.course, Course::Started { .. }));
    assert_eq!(round.sweep().await, Swept::default());
}

#[tokio::test]
async fn a_delivery_that_cannot_be_completed_now_stays_half_way() {
    let round = Round::new().await;
    round.claim(&[deployment(1), deployment(2)], long_ago()).await;
    round
        .aws
        .fates("StartExecution", [Fate::Done, Fate::Refused("ThrottlingException")]);
    assert_eq!((round.sweep().await.failed, round.aws.state().executions.len()), (1, 1));
    assert_eq!(
        (round.sweep().await.completed, round.aws.state().executions.len()),
        (1, 2)
    );
}

#[tokio::test]
async fn an_end_that_nobody_was_told_of_is_told_by_report() {
    let round = Round::new().await;
    round
        .context
        .ledger
        .owe_report(&deployment(1).id, long_ago())
        .await
        .unwrap();
    let expected = Swept {
        told: 1,
        ..Swept::default()
    };
    assert_eq!(round.sweep().await, expected);
    assert_eq!(
        round.woken(),
        [("report".to_owned(), json!({ "do": "owed", "id": "shop-dev-1" }))]
    );
    assert_eq!(round.sweep().await.told, 1, "until report says that it was told");
}

#[tokio::test]
async fn one_kind_of_thing_that_cannot_be_asked_for_keeps_no_other_from_being_looked_after() {
    for unasked in 0..5 {
        let round = Round::with_everything_due().await;
        let fates = (0..5).map(|query| {
            if query == unasked {
                Fate::Refused("ThrottlingException")
            } else {
                Fate::Done
            }
        });
        round.aws.fates("Query", fates);
        let output = round.sweep().await;
        let looked_after = [output.tidied, output.completed, output.told, output.shown, output.woken];
        let expected: Vec<usize> = (0..5).map(|kind| usize::from(kind != unasked)).collect();
        assert_eq!((looked_after.as_slice(), output.failed), (expected.as_slice(), 1));
    }
}

#[tokio::test]
async fn one_thing_that_fails_keeps_no_other_of_its_kind_from_being_looked_after() {
    let round = Round::new().await;
    for number in 1..=3 {
        round.park(&deployment(number), lock(), long_ago()).await;
        round
            .context
            .ledger
            .owe_report(&deployment(number).id, long_ago())
            .await
            .unwrap();
    }
    let refused = || Fate::Refused("TooManyRequestsException");
    round.aws.fates(
        "Invoke",
        [Fate::Done, refused(), Fate::Done, refused(), Fate::Done, Fate::Done],
    );
    let output = round.sweep().await;
    assert_eq!((output.woken, output.told, output.failed), (2, 2, 2));
}

#[tokio::test]
async fn what_cannot_be_read_keeps_no_other_from_being_looked_after() {
    let round = Round::new().await;
    for number in 1..=2 {
        round.park(&deployment(number), lock(), long_ago()).await;
        round.claim(&[deployment(number)], long_ago()).await;
    }
    // As a version writes that knows more.
    for ((pk, _), item) in &mut round.aws.state().table.items {
        if ["parked#lock/shop-dev-1", "delivery#0-1"].contains(&pk.as_str()) {
            item.insert("waits_for".to_owned(), json!({ "M": { "what": { "S": "tide" } } }));
            item.insert("state".to_owned(), json!({ "S": "adrift" }));
        }
    }
    let output = round.sweep().await;
    assert_eq!((output.woken, output.completed, output.failed), (1, 1, 2));
    assert_eq!(round.woken(), [wake("gate", "lock/shop-dev-2")]);
}

#[tokio::test]
async fn the_many_that_are_parked_come_after_everything_else_and_the_oldest_of_them_first() {
    let round = Round::with_everything_due().await;
    let older = long_ago() - SignedDuration::from_hours(1);
    // Under the last of all keys, and by the last of all functions.
    let approval = WaitsFor::Approval {
        approval: "0f1e2d3c".repeat(4).parse().unwrap(),
        application: deployment(9).application,
        environment: deployment(9).environment.name,
    };
    round.park(&deployment(9), lock(), older).await;
    round
        .park(&deployment(8), approval, older - SignedDuration::from_hours(1))
        .await;
    assert_eq!(round.sweep().await.woken, 3);
    let execution = round.context.executions.arn_of(&deployment(2).id);
    assert_eq!(
        round.woken(),
        [
            ("gate".to_owned(), json!({ "do": "tidy", "execution": execution })),
            ("report".to_owned(), json!({ "do": "owed", "id": "shop-dev-4" })),
            ("report".to_owned(), json!({ "do": "github", "id": "shop-dev-5" })),
            wake("approval", "approval/shop-dev-8"),
            wake("gate", "lock/shop-dev-9"),
            wake("gate", "lock/shop-dev-1"),
        ]
    );
}

#[tokio::test]
async fn what_the_time_does_not_suffice_for_is_left_to_the_next_sweep() {
    let mut round = Round::with_everything_due().await;
    round.context.begins_within = Duration::ZERO;
    let expected = Swept {
        left: 5,
        ..Swept::default()
    };
    assert_eq!(round.sweep().await, expected);
    assert_eq!((round.woken(), round.aws.count("DescribeExecution")), (vec![], 0));

    round.context.begins_within = BEGINS_WITHIN;
    let output = round.sweep().await;
    let looked_after = (output.tidied, output.completed, output.told, output.woken, output.left);
    assert_eq!(looked_after, (1, 1, 1, 1, 0));
}

#[tokio::test]
async fn what_is_never_answered_is_given_up() {
    let mut round = Round::with_everything_due().await;
    round.context.ends_within = Duration::from_secs(1);
    round.aws.fates("DescribeExecution", [Fate::Silent]);
    let output = round.sweep().await;
    assert_eq!(output.tidied, 0);
    assert!(output.failed >= 1, "{output:?}");
    assert_eq!(round.aws.count("DescribeExecution"), 1);
}

#[tokio::test]
async fn more_than_are_begun_at_once_are_all_looked_after() {
    let round = Round::new().await;
    for number in 1..=40 {
        round.park(&deployment(number), lock(), long_ago()).await;
    }
    assert_eq!(round.sweep().await.woken, 40);
}

#[tokio::test]
async fn an_execution_that_cannot_be_asked_after_is_not_taken_for_dead() {
    let round = Round::with_everything_due().await;
    round
        .aws
        .fates("DescribeExecution", [Fate::Refused("AccessDeniedException")]);
    let output = round.sweep().await;
    assert_eq!((output.tidied, output.failed), (0, 1));
    assert_eq!((output.woken, output.completed, output.told), (1, 1, 1));
}
