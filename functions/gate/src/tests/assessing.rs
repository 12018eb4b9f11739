//! What follows from a failure, from the records as they are.

use super::*;

async fn with_stable(gate: &Gate) -> Digest {
    let stable = sample::stable(&deployment(9));
    gate.change_environment(|state| state.stable = Some(stable.clone()))
        .await;
    stable.release
}

#[tokio::test]
async fn a_failure_before_any_change_ends_here() {
    let gate = Gate::new().await;
    gate.planned(&deployment(1)).await;
    with_stable(&gate).await;
    let output = gate
        .assess(&deployment(1), "forward", "Rejected.ChangeSetRefused")
        .await;
    assert_eq!(output.unwrap(), Output::GiveUp);
    assert_eq!(gate.status(&deployment(1)).await.back_to, None);
}

#[tokio::test]
async fn a_failure_after_a_change_goes_back_and_says_so_once() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    let release = with_stable(&gate).await;
    for _ in 0..2 {
        // The second time its answer got lost, and something else became stable.
        let output = gate.assess(&deployment(1), "forward", "Failed.SmokeTests").await;
        assert_eq!(
            output.unwrap(),
            Output::GoBack {
                release: release.clone()
            }
        );
        let another = sample::stable(&deployment(8));
        gate.change_environment(|state| state.stable = Some(another.clone()))
            .await;
    }
    let story = gate.story(&deployment(1)).await;
    assert_eq!(story.iter().filter(|event| **event == "going_back").count(), 1);
    let because = gate.status(&deployment(1)).await.because.unwrap();
    assert_eq!(because, Failure::new(Name::SmokeTestsFailed, "why"));
}

#[tokio::test]
async fn a_way_back_that_fails_does_not_go_round() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    with_stable(&gate).await;
    gate.assess(&deployment(1), "forward", "Failed.SmokeTests")
        .await
        .unwrap();
    for error in ["Failed.SmokeTests", "Rejected.StackBusy", "Transient.Throttled"] {
        assert!(matches!(
            gate.assess(&deployment(1), "back", error).await.unwrap(),
            Output::CallOperator { .. }
        ));
    }
}

#[tokio::test]
async fn what_is_unknown_or_in_flight_is_for_a_person() {
    let gate = Gate::new().await;
    gate.planned(&deployment(1)).await;
    assert!(matches!(
        gate.assess(&deployment(1), "forward", "Bug.Panicked").await.unwrap(),
        Output::CallOperator { .. }
    ));
    assert!(matches!(
        gate.assess(&deployment(1), "forward", "none").await.unwrap(),
        Output::CallOperator { .. }
    ));
    assert!(matches!(
        gate.assess(&deployment(1), "forward", "Nobody.Named").await.unwrap(),
        Output::CallOperator { .. }
    ));
    assert_eq!(
        gate.assess(&deployment(1), "forward", "Rejected.NoStacks")
            .await
            .unwrap(),
        Output::GiveUp
    );
    gate.begins(&deployment(1)).await;
    assert!(matches!(
        gate.assess(&deployment(1), "forward", "Rejected.NoStacks")
            .await
            .unwrap(),
        Output::CallOperator { .. }
    ));
}

#[tokio::test]
async fn what_another_has_in_flight_is_no_reason_to_call_an_operator() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.begins(&deployment(1)).await;
    gate.admit(&deployment(2)).await.unwrap();
    assert_eq!(
        gate.assess(&deployment(2), "forward", "States.Timeout").await.unwrap(),
        Output::GiveUp
    );
}

#[tokio::test]
async fn going_back_that_could_not_be_recorded_is_not_answered() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    with_stable(&gate).await;
    gate.aws
        .fates("TransactWriteItems", [Fate::Refused("ThrottlingException")]);
    let error = gate
        .assess(&deployment(1), "forward", "Failed.SmokeTests")
        .await
        .unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!(gate.status(&deployment(1)).await.back_to, None);
}
