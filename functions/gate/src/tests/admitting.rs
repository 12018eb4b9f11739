//! Admit, and the wakes of those that wait.

use domain::deployment::{AtGitHub, Cause};
use domain::environment_state::{QUEUE_LIMIT, Standing};
use domain::life::Phase;
use domain::parking::WaitsFor;

use super::*;

#[tokio::test]
async fn the_first_gets_the_lock_at_once() {
    let gate = Gate::new().await;
    assert_eq!(gate.admit(&deployment(1)).await.unwrap(), Output::Parked);
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
    assert_eq!(gate.parked(&deployment(1)).await, []);
    assert_eq!(gate.story(&deployment(1)).await, ["requested", "admitted"]);
    assert_eq!(gate.status(&deployment(1)).await.fence, Some(1));
}

#[tokio::test]
async fn a_deployment_is_parked_before_it_asks_so_that_no_wake_is_lost() {
    let gate = Gate::new().await;
    // Parking is the first write, asking the second; that one fails.
    gate.aws
        .fates("PutItem", [Fate::Done, Fate::Refused("ThrottlingException")]);
    let error = gate.admit(&deployment(1)).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!(gate.parked(&deployment(1)).await.len(), 1);

    // Whoever looks now finds that it has not asked yet, and says nothing.
    gate.wake(&deployment(1).id).await.unwrap();
    assert_eq!(
        (gate.aws.answers(), gate.parked(&deployment(1)).await.len()),
        (vec![], 1)
    );
    gate.admit(&deployment(1)).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
}

#[tokio::test]
async fn what_is_known_of_others_says_nothing_about_one_that_has_not_asked_yet() {
    let gate = Gate::new().await;
    gate.admit(&deployment(3)).await.unwrap();
    let waits_for = WaitsFor::Lock {
        application: deployment(2).application,
        environment: deployment(2).environment.name,
    };
    let parked = Parked::new(
        deployment(2).id,
        waits_for,
        token(&deployment(2).id).into(),
        Timestamp::now(),
    );
    gate.context.ledger.park(&parked).await.unwrap();
    assert!(matches!(
        gate.environment().await.standing(&deployment(2).id),
        Standing::Superseded(_)
    ));
    gate.wake(&deployment(2).id).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(3, 1)]);
}

#[tokio::test]
async fn the_next_waits_and_says_how_many_are_before_it() {
    let gate = Gate::new().await;
    for number in 1..=3 {
        gate.admit(&patient(number)).await.unwrap();
    }
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
    let last = gate.entries(&patient(3)).await.pop().unwrap();
    assert_eq!(last.what, Event::Queued { before: 1 });
    let parked = gate.parked(&patient(3)).await.pop().unwrap();
    assert!(parked.look_at > Timestamp::now(), "the sweep has time");
}

#[tokio::test]
async fn a_newer_one_makes_the_older_that_waits_superfluous_and_wakes_it() {
    let gate = Gate::new().await;
    for number in 1..=3 {
        gate.admit(&deployment(number)).await.unwrap();
    }
    assert_eq!(gate.aws.answers(), [admitted(1, 1), superseded(2, 3)]);
    assert_eq!(gate.parked(&deployment(2)).await, []);
    assert_eq!(gate.parked(&deployment(3)).await.len(), 1);
}

#[tokio::test]
async fn an_older_one_that_comes_late_is_superfluous() {
    let gate = Gate::new().await;
    gate.admit(&deployment(2)).await.unwrap();
    gate.admit(&deployment(1)).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(2, 1), superseded(1, 2)]);
}

#[tokio::test]
async fn a_superseded_one_that_could_not_be_told_is_told_by_the_sweeps_wake() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    gate.aws
        .fates("SendTaskSuccess", [Fate::Refused("ThrottlingException")]);
    let error = gate.admit(&deployment(3)).await.unwrap_err();
    assert_eq!(Failure::from(error).name.class(), Class::Transient);
    assert_eq!(
        gate.parked(&deployment(2)).await.len(),
        1,
        "what was not answered stays parked"
    );
    gate.wake(&deployment(2).id).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1), superseded(2, 3)]);
}

#[tokio::test]
async fn asking_again_gets_the_same_lock_and_tells_it_once() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    // The state is tried again, with a token of its own.
    let again = json!({ "do": "admit", "deployment": deployment(1), "token": "again" });
    gate.ask(again).await.unwrap();
    let answer = json!({ "outcome": "admitted", "fence": 1, "leg": "forward" });
    assert_eq!(gate.aws.answers(), [admitted(1, 1), ("again".to_owned(), answer)]);
    assert_eq!(gate.story(&deployment(1)).await, ["requested", "admitted"]);
}

#[tokio::test]
async fn a_closed_environment_is_named_with_its_reason_and_leaves_nobody_in_the_queue() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.call_operator(&deployment(1), "Stuck.RollbackFailed")
        .await
        .unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    let (token, answer) = gate.aws.answers().pop().unwrap();
    assert_eq!(
        (token.as_str(), &answer["error"]),
        ("token-2", &json!("Rejected.Quarantined"))
    );
    let cause = answer["cause"].as_str().unwrap();
    assert!(cause.starts_with("shop-dev-1 ended half-way at 2"), "{cause}");
    assert!(cause.ends_with(": Stuck.RollbackFailed: why"), "{cause}");
    assert_eq!(gate.environment().await.queue, []);
    assert_eq!(
        gate.close(&deployment(2), "Rejected.Quarantined").await.unwrap(),
        Output::FailedClean
    );
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let gate = Gate::new().await;
    gate.admit(&patient(1)).await.unwrap();
    gate.change_environment(|state| {
        state.queue = (0..QUEUE_LIMIT)
            .map(|number| Candidate {
                deployment: format!("waits-{number}").parse().unwrap(),
                ..Candidate::of(&patient(2))
            })
            .collect();
    })
    .await;
    gate.admit(&patient(3)).await.unwrap();
    let answer = json!({ "error": "Rejected.QueueFull", "cause": "500 deployments wait already" });
    assert_eq!(gate.aws.answers().pop(), Some(("token-3".to_owned(), answer)));
    assert_eq!(
        gate.close(&patient(3), "Rejected.QueueFull").await.unwrap(),
        Output::FailedClean
    );
}

#[tokio::test]
async fn one_that_waits_and_lives_waits_on() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    let mut parked = gate.parked(&deployment(2)).await.pop().unwrap();
    parked.look_at = Timestamp::UNIX_EPOCH;
    gate.context.ledger.park(&parked).await.unwrap();
    gate.wake(&deployment(2).id).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
    let parked = gate.parked(&deployment(2)).await.pop().unwrap();
    assert!(parked.look_at > Timestamp::now(), "the next look is put off");
    assert_eq!(gate.story(&deployment(2)).await, ["requested", "queued"]);
}

#[tokio::test]
async fn one_that_was_stopped_while_it_waited_leaves_its_place() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    gate.stands(&deployment(2), "ABORTED");
    gate.wake(&deployment(2).id).await.unwrap();
    assert_eq!(gate.environment().await.queue, []);
    assert_eq!(gate.parked(&deployment(2)).await, []);
    assert_eq!(gate.story(&deployment(2)).await, ["requested", "queued", "ended"]);
    let Some(Ending::FailedClean { failure, .. }) = gate.status(&deployment(2)).await.ending else {
        panic!("it failed and changed nothing");
    };
    assert_eq!(failure.name, Name::Stopped);
    assert_eq!(gate.owed().len(), 1);
    assert_eq!(gate.holder().await, Some(deployment(1).id));
}

#[tokio::test]
async fn an_execution_that_step_functions_does_not_know_yet_is_not_dead() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    gate.aws.state().executions.clear();
    gate.wake(&deployment(2).id).await.unwrap();
    assert_eq!(gate.parked(&deployment(2)).await.len(), 1);
    assert_eq!(gate.environment().await.queue.len(), 1);
}

#[tokio::test]
async fn a_lock_that_was_handed_to_the_dead_goes_on_to_the_living() {
    let gate = Gate::new().await;
    for number in 1..=4 {
        gate.admit(&patient(number)).await.unwrap();
    }
    gate.stands(&patient(2), "ABORTED");
    gate.stands(&patient(3), "TIMED_OUT");
    gate.close(&patient(1), "Rejected.BuildFailed").await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(4, 4)]);
    assert_eq!(gate.holder().await, Some(patient(4).id));
    for number in [2, 3] {
        assert_eq!(gate.status(&patient(number)).await.phase, Phase::Ended);
        assert_eq!(gate.parked(&patient(number)).await, []);
    }
}

#[tokio::test]
async fn a_token_that_is_parked_late_is_taken_away_and_the_newer_one_gets_the_lock() {
    let gate = Gate::new().await;
    gate.admit(&patient(1)).await.unwrap();
    gate.admit(&patient(2)).await.unwrap();
    let slow = gate.parks_again(&patient(2), "slow").await;
    gate.aws.state().gone.insert("slow".to_owned());
    gate.wake(&patient(2).id).await.unwrap();
    let parked = gate.parked(&patient(2)).await;
    assert_eq!(parked.len(), 1);
    assert_ne!(parked[0].token.expose(), "slow");
    assert_eq!(gate.environment().await.queue.len(), 1, "it keeps its place");

    gate.context.ledger.park(&slow).await.unwrap();
    gate.close(&patient(1), "Rejected.BuildFailed").await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(2, 2)]);
    assert_eq!(gate.parked(&patient(2)).await, []);
    assert_eq!(gate.holder().await, Some(patient(2).id));
}

#[tokio::test]
async fn a_state_that_ran_out_of_time_while_its_execution_goes_on_is_left_to_it() {
    let gate = Gate::new().await;
    gate.admit(&patient(1)).await.unwrap();
    gate.admit(&patient(2)).await.unwrap();
    gate.aws.state().gone.insert("token-2".to_owned());
    gate.close(&patient(1), "Rejected.BuildFailed").await.unwrap();
    assert_eq!(gate.parked(&patient(2)).await, []);
    assert_eq!(gate.holder().await, Some(patient(2).id));
    assert_eq!(
        gate.close(&patient(2), "States.Timeout").await.unwrap(),
        Output::FailedClean
    );
    assert_eq!(gate.holder().await, None);
}

#[tokio::test]
async fn what_has_ended_is_not_begun_again_when_step_functions_has_forgotten_its_execution() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    gate.close(&deployment(1), "none").await.unwrap();
    gate.context.ledger.report_given(&deployment(1).id).await.unwrap();
    let (environment, story) = (gate.environment().await, gate.story(&deployment(1)).await);

    assert_eq!(gate.admit_as(&deployment(1), "token-9").await.unwrap(), Output::Parked);
    assert_eq!(gate.aws.answers(), [admitted(1, 1), superseded(9, 1)]);
    assert_eq!(gate.close(&deployment(1), "none").await.unwrap(), Output::Deployed);
    assert_eq!((gate.parked(&deployment(1)).await, gate.owed()), (vec![], vec![]));
    assert_eq!(
        (gate.environment().await, gate.story(&deployment(1)).await),
        (environment, story)
    );
}

#[tokio::test]
async fn what_ended_half_way_is_left_to_its_operator_however_often_it_is_asked_for() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.call_operator(&deployment(1), "Stuck.RollbackFailed")
        .await
        .unwrap();
    let (environment, story) = (gate.environment().await, gate.story(&deployment(1)).await);
    gate.admit_as(&deployment(1), "token-9").await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1), superseded(9, 1)]);
    assert_eq!(
        gate.close(&deployment(1), "none").await.unwrap(),
        Output::OperatorNeeded
    );
    assert_eq!(
        (gate.environment().await, gate.story(&deployment(1)).await),
        (environment, story)
    );
}

#[tokio::test]
async fn a_wake_where_nothing_waits_does_nothing() {
    let gate = Gate::new().await;
    gate.wake(&deployment(1).id).await.unwrap();
    assert_eq!(gate.aws.operations(), ["Query"]);
}

fn preview(number: u8) -> Deployment {
    let mut preview = Deployment {
        plans: true,
        ..deployment(number)
    };
    preview.requested.because = Cause::PullRequest;
    preview.requested.at_github = Some(AtGitHub::PullRequest(7));
    preview
}

#[tokio::test]
async fn what_only_plans_is_built_before_it_asks_for_the_lock_and_keeps_nobody_waiting() {
    let gate = Gate::new().await;
    let preview = preview(1);
    gate.admit(&preview).await.unwrap();
    let (token, answer) = gate.aws.answers().pop().unwrap();
    assert_eq!((token.as_str(), answer), ("token-1", json!({ "outcome": "not_built" })));
    assert_eq!(gate.parked(&preview).await, []);
    assert_eq!(gate.environment().await.holder, None);
    gate.admit(&deployment(2)).await.unwrap();
    assert_eq!(gate.aws.answers().pop().unwrap(), admitted(2, 1));

    let release = gate.built(&preview).await;
    gate.record(
        &preview,
        [
            Event::Building {
                build: "b:1".to_owned(),
                log: String::new(),
            },
            Event::Released { release },
        ],
    )
    .await;
    gate.admit_as(&preview, "token-1b").await.unwrap();
    assert_eq!(gate.parked(&preview).await.len(), 1, "it waits for its turn");
    assert_eq!(
        gate.story(&preview).await,
        ["requested", "building", "released", "queued"]
    );
}

#[tokio::test]
async fn a_pull_request_is_shown_what_it_would_change_where_a_deployment_may_not_come_in() {
    let gate = Gate::new().await;
    let mut preview = preview(1);
    preview.environment.after = Some("before".parse().unwrap());
    preview.environment.freezes = serde_json::from_value(
        json!([{ "from": "2020-01-01 00:00", "to": "2100-01-01 00:00", "zone": "UTC", "why": "holidays" }]),
    )
    .unwrap();
    gate.admit(&preview).await.unwrap();
    let (_, answer) = gate.aws.answers().pop().unwrap();
    assert_eq!(answer["outcome"], "not_built", "neither frozen nor unknown before");

    let deployed = Deployment {
        plans: false,
        ..preview
    };
    gate.admit_as(&deployed, "token-1b").await.unwrap();
    let (_, answer) = gate.aws.answers().pop().unwrap();
    assert_eq!(
        answer["error"], "Rejected.Frozen",
        "whatever may change something is asked everything"
    );
}

#[tokio::test]
async fn a_plan_whose_build_fails_ends_clean_and_touches_no_lock() {
    let gate = Gate::new().await;
    let preview = preview(1);
    gate.admit(&preview).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    assert_eq!(
        gate.assess(&preview, "forward", "Rejected.BuildFailed").await.unwrap(),
        Output::GiveUp
    );
    assert_eq!(
        gate.close(&preview, "Rejected.BuildFailed").await.unwrap(),
        Output::FailedClean
    );
    let holder = gate.environment().await.holder.unwrap();
    assert_eq!(holder.deployment, deployment(2).id);
}
