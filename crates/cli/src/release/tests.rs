#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use clap::Parser as _;
use domain::deployment::{Deployment, QueuePolicy};
use domain::environment_state::{Candidate, TakenBack};
use fake_aws::sample;
use serde_json::json;

use super::*;
use crate::fake::Fake;
use crate::records::REASON_LIMIT;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn candidate(name: &str) -> Candidate {
    Candidate {
        deployment: name.parse().unwrap(),
        commit: "1a2b3c4d".repeat(5).parse().unwrap(),
        happened_at: at(0),
        before: None,
        queue: QueuePolicy::Every,
        rolls_back: false,
        plans: false,
    }
}

/// The first of three left a stack half-way.
fn waiting() -> EnvironmentState {
    let mut state = EnvironmentState::default();
    for name in ["shop-test-1", "shop-test-2", "shop-test-3"] {
        state.admit(candidate(name), at(0));
    }
    let first = "shop-test-1".parse().unwrap();
    let (stack, change_set) = (
        "shop-test-web".parse().unwrap(),
        "arn:aws:cloudformation:…:changeSet/lockgate",
    );
    state
        .begin(&first, 1, Leg::Forward, stack, change_set.to_owned(), at(1))
        .unwrap();
    state
        .quarantine(&first, "Stuck.StackUnknown: nobody knows", at(2))
        .unwrap();
    state
}

#[test]
fn the_operator_reads_what_is_known_before_it_is_given_up() {
    let state = waiting();
    let text = shown(
        "test of acme/shop",
        &state,
        state.quarantine.as_ref().unwrap(),
        at(4_000),
    );
    insta::assert_snapshot!(text, @"
    test of acme/shop waits for an operator since 2026-09-21 14:13:22 UTC (1 h 6 min).
      deployment  shop-test-1
      why         Stuck.StackUnknown: nobody knows
      in flight   shop-test-web, to the release that was asked for, by arn:aws:cloudformation:…:changeSet/lockgate
      stable      no release yet
      waiting     shop-test-2, and 1 behind it
    ");
}

#[test]
fn releasing_lets_the_next_in() {
    let mut state = waiting();
    let quarantine = state.quarantine.clone().unwrap();
    let next = lift(&mut state, &quarantine, at(10)).unwrap();
    insta::assert_snapshot!(done("test of acme/shop was opened by arn:aws:iam::111111111111:user/ann.", next.as_ref()), @"test of acme/shop was opened by arn:aws:iam::111111111111:user/ann. shop-test-2 has the lock now and goes on within a minute or two.");
    assert_eq!((state.operation, state.quarantine), (None, None));
}

#[tokio::test]
async fn an_environment_that_is_held_is_let_go_of_and_one_that_waits_for_nobody_is_said_to() {
    let fake = Fake::new().await;
    let deployment = sample::deployment(1);
    fake.brings(&deployment, &sample::stable(&deployment).release).await;
    let options = Options {
        records: fake.records("acme/shop", "dev"),
        why: "mended".to_owned(),
        allow: None,
        output: Output::Text,
    };
    insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap_err(), @"dev of acme/shop waits for nobody; nothing was changed");
    let hold = Hold {
        by: "ann".to_owned(),
        why: "the warehouse burns".to_owned(),
        since: at(0),
    };
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    fake.ledger()
        .change_environment(application, environment, |state| drop(state.hold(hold.clone())))
        .await
        .unwrap();
    insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap(), @"dev of acme/shop was let go of by arn:aws:sts::111111111111:assumed-role/one/session. Nobody waits; the next deployment is let in. What was turned away meanwhile has to be asked for again.");
}

/// What programs get, once this was done to an environment that has a stable release.
async fn said_of(allow: Option<&str>, prepare: impl AsyncFn(&Ledger, &Deployment)) -> String {
    let fake = Fake::new().await;
    let deployment = sample::deployment(1);
    fake.brings(&deployment, &sample::stable(&deployment).release).await;
    prepare(&fake.ledger(), &deployment).await;
    let options = Options {
        records: fake.records("acme/shop", "dev"),
        why: "mended".to_owned(),
        allow: allow.map(str::to_owned),
        output: Output::Json,
    };
    run(&options, &fake.aws).await.unwrap()
}

async fn change(ledger: &Ledger, deployment: &Deployment, change: impl Fn(&mut EnvironmentState)) {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    ledger
        .change_environment(application, environment, change)
        .await
        .unwrap();
}

#[tokio::test]
async fn programs_get_what_was_done_and_who_has_the_lock_now() {
    let opened = said_of(None, async |ledger, deployment| {
        change(ledger, deployment, |state| *state = waiting()).await;
    });
    let passed = said_of(None, async |ledger, deployment| {
        let watch: Watch = serde_json::from_value(json!({
            "deployment": deployment.id, "application": "acme/shop", "environment": "dev",
            "account": "222222222222", "region": "eu-west-1", "release": Digest::of(b"a release"),
            "policy": {
                "begins": "after_tests", "for_seconds": 60, "alarms": [], "evidence": null, "silence": "ask",
            },
            "since": at(0), "bakes_until": at(60), "watch_seconds": 0, "course": { "course": "baking" },
            "asked": { "question": { "question": "silent", "missing": "evidence adds up to 3" }, "at": at(60), "told": true },
            "word": null, "told_of": null, "look_at": at(60),
        }))
        .unwrap();
        let place = (&deployment.environment.account, &deployment.environment.region);
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let keep = |found: &mut Option<Watch>| *found = Some(watch.clone());
        ledger
            .change_watch(place, application, environment, keep)
            .await
            .unwrap();
        let holder = candidate("shop-dev-1");
        change(ledger, deployment, |state| drop(state.admit(holder.clone(), at(0)))).await;
    });
    let let_go = said_of(None, async |ledger, deployment| {
        let hold = Hold {
            by: "ann".to_owned(),
            why: "the warehouse burns".to_owned(),
            since: at(0),
        };
        change(ledger, deployment, |state| drop(state.hold(hold.clone()))).await;
    });
    let bad = Digest::of(b"a bad release");
    let allowed = said_of(Some(&bad.as_str()[..8]), async |ledger, deployment| {
        let back: TakenBack = serde_json::from_value(json!({
            "deployment": deployment.id, "at": at(0), "allowed": null,
            "because": { "name": "Failed.SmokeTests", "cause": "front page: 500" },
        }))
        .unwrap();
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let keep = |found: &mut Option<TakenBack>| *found = Some(back.clone());
        ledger
            .change_taken_back(application, environment, &bad, keep)
            .await
            .unwrap();
    });
    let said = [opened.await, passed.await, let_go.await, allowed.await];
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn what_nobody_looked_at_is_not_released() {
    let mut state = waiting();
    let seen = Quarantine {
        since: at(1),
        ..state.quarantine.clone().unwrap()
    };
    let before = state.clone();
    assert_eq!(lift(&mut state, &seen, at(10)), Err(Refusal::NotQuarantined));
    assert_eq!(state, before);
}

#[test]
fn a_release_has_a_reason() {
    for (words, good) in [
        (vec!["acme/shop", "test", "--why", "mended by hand"], true),
        (vec!["acme/shop", "test"], false),
        (vec!["acme/shop", "test", "--why", " \u{200b}"], false),
        (vec!["acme/shop", "test", "--why", &"x".repeat(REASON_LIMIT + 1)], false),
        (vec!["shop", "test", "--why", "mended by hand"], false),
    ] {
        let parsed = Line::try_parse_from(["lockgate release"].into_iter().chain(words.iter().copied()));
        assert_eq!(parsed.is_ok(), good, "{words:?}");
    }
}
