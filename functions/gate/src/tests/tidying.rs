//! What a dead execution left behind.

use jiff::SignedDuration;

use super::*;

async fn ended(gate: &Gate, deployment: &Deployment) -> Option<Name> {
    match gate.status(deployment).await.ending {
        Some(Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure }) => Some(failure.name),
        _ => None,
    }
}

#[tokio::test]
async fn one_that_runs_is_left_alone() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    let environment = gate.environment().await;
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::Tidy);
    assert_eq!(gate.environment().await, environment);
    assert_eq!(ended(&gate, &deployment(1)).await, None);
}

#[tokio::test]
async fn one_that_died_before_any_change_gives_its_lock_back() {
    for (how, name) in [("ABORTED", Name::Stopped), ("TIMED_OUT", Name::TimedOut)] {
        let gate = Gate::new().await;
        gate.planned(&deployment(1)).await;
        gate.admit(&deployment(2)).await.unwrap();
        gate.stands(&deployment(1), how);
        for _ in 0..2 {
            assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::FailedClean, "{how}");
        }
        assert_eq!(ended(&gate, &deployment(1)).await, Some(name));
        assert_eq!(gate.holder().await, Some(deployment(2).id));
        assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(2, 2)]);
        let (_, by) = gate.owed().pop().unwrap();
        assert!(by <= Timestamp::now(), "nobody is left to tell people but the sweep");
    }
}

#[tokio::test]
async fn one_that_died_after_a_change_or_for_no_reason_is_for_a_person() {
    for (how, name) in [
        ("ABORTED", Name::Stopped),
        ("TIMED_OUT", Name::TimedOut),
        ("FAILED", Name::Unexpected),
    ] {
        let gate = Gate::new().await;
        gate.changed(&deployment(1)).await;
        let stable = sample::stable(&deployment(9));
        gate.change_environment(|state| state.stable = Some(stable.clone()))
            .await;
        gate.stands(&deployment(1), how);
        for _ in 0..2 {
            assert_eq!(
                gate.tidy(&deployment(1)).await.unwrap(),
                Output::OperatorNeeded,
                "{how}"
            );
        }
        assert_eq!(ended(&gate, &deployment(1)).await, Some(name));
        assert!(gate.environment().await.quarantine.is_some());
        assert_eq!(gate.owed().len(), 1);
    }
}

#[tokio::test]
async fn one_whose_change_is_still_in_flight_keeps_the_lock_until_that_is_over() {
    let gate = Gate::new().await;
    gate.planned(&deployment(1)).await;
    gate.begins(&deployment(1)).await;
    gate.stands(&deployment(1), "ABORTED");
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::InFlight);
    assert_eq!(gate.holder().await, Some(deployment(1).id));
    let due = gate
        .context
        .ledger
        .overdue_environments(Timestamp::now())
        .await
        .unwrap();
    assert_eq!(due.len(), 1, "the sweep looks at its next turn and not a lease later");

    let change = change(&deployment(1), 1);
    gate.change_environment(|state| state.finish(&deployment(1).id, &change.stack, &change.change_set))
        .await;
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::FailedClean);
    assert_eq!(gate.holder().await, None);
}

#[tokio::test]
async fn one_whose_change_outlives_it_by_an_hour_is_for_a_person() {
    for (ago, output) in [
        (SignedDuration::from_mins(59), Output::InFlight),
        (SignedDuration::from_mins(61), Output::OperatorNeeded),
    ] {
        let gate = Gate::new().await;
        gate.planned(&deployment(1)).await;
        gate.begins(&deployment(1)).await;
        gate.stands(&deployment(1), "ABORTED");
        gate.aws.state().stopped_at = Some(Timestamp::now() - ago);
        for _ in 0..2 {
            assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), output);
        }
        let is_closed = output == Output::OperatorNeeded;
        assert_eq!(gate.environment().await.quarantine.is_some(), is_closed);
        assert_eq!(
            ended(&gate, &deployment(1)).await,
            is_closed.then_some(Name::StackUnknown)
        );
        assert_eq!(gate.owed().len(), usize::from(is_closed));
    }
}

#[tokio::test]
async fn where_people_may_be_asked_approval_looks_and_otherwise_it_is_left_alone() {
    let looks = json!({ "do": "wake", "key": Key::approval(&deployment(1).id) });
    for (deployment, looked) in [(asking(1, "stay"), vec![looks]), (deployment(1), vec![])] {
        let gate = Gate::new().await;
        gate.changed(&deployment).await;
        gate.stands(&deployment, "ABORTED");
        assert_eq!(gate.tidy(&deployment).await.unwrap(), Output::FailedClean);
        let invocations = gate.aws.state().invocations.clone();
        let payloads: Vec<Value> = invocations.into_iter().map(|one| one.payload).collect();
        assert_eq!(payloads, looked);
    }
}

#[tokio::test]
async fn one_that_died_while_it_waited_is_parked_no_more() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.admit(&deployment(2)).await.unwrap();
    gate.parks_again(&deployment(2), "slow").await;
    gate.stands(&deployment(2), "ABORTED");
    assert_eq!(gate.tidy(&deployment(2)).await.unwrap(), Output::FailedClean);
    assert_eq!(
        (gate.parked(&deployment(2)).await, gate.environment().await.queue),
        (vec![], vec![])
    );
    assert_eq!(gate.holder().await, Some(deployment(1).id));
}

#[tokio::test]
async fn an_end_that_was_recorded_is_carried_out_as_recorded() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.aws
        .fates("PutItem", [Fate::Done, Fate::Refused("ThrottlingException")]);
    gate.close(&deployment(1), "Rejected.BuildFailed").await.unwrap_err();
    gate.stands(&deployment(1), "ABORTED");
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::FailedClean);
    assert_eq!(ended(&gate, &deployment(1)).await, Some(Name::BuildFailed));
    assert_eq!(gate.holder().await, None);
}

#[tokio::test]
async fn an_environment_that_should_be_closed_and_is_not_is_closed() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    let failure = Failure::new(Name::RollbackFailed, "why");
    let ending = Ending::OperatorNeeded {
        failure: failure.clone(),
    };
    gate.record(&deployment(1), [Event::Ended(ending)]).await;
    gate.stands(&deployment(1), "FAILED");
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::OperatorNeeded);
    assert_eq!(gate.environment().await.quarantine.unwrap().why, failure.to_string());
}

#[tokio::test]
async fn an_environment_that_an_operator_opened_stays_open_however_late_the_event_comes() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.call_operator(&deployment(1), "Stuck.RollbackFailed")
        .await
        .unwrap();
    gate.change_environment(|state| drop(state.lift(Timestamp::now())))
        .await;
    gate.admit(&deployment(2)).await.unwrap();
    gate.stands(&deployment(1), "FAILED");
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::OperatorNeeded);
    let environment = gate.environment().await;
    assert_eq!(environment.quarantine, None);
    assert_eq!(environment.holder.unwrap().deployment, deployment(2).id);
}

#[tokio::test]
async fn what_step_functions_no_longer_knows_does_not_hold_an_environment_for_ever() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.aws.state().executions.clear();
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::OperatorNeeded);
    let quarantine = gate.environment().await.quarantine.unwrap();
    assert_eq!(
        quarantine.why,
        "Bug.Unexpected: Step Functions no longer knows its execution"
    );
    assert_eq!(gate.owed().len(), 1);
}

#[tokio::test]
async fn an_execution_that_is_none_of_ours_is_no_deployment() {
    let gate = Gate::new().await;
    for execution in [
        "arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:",
        "",
        "a b",
    ] {
        let output = gate.ask(json!({ "do": "tidy", "execution": execution })).await;
        assert_eq!(output.unwrap(), Output::Tidy, "{execution}");
    }
    gate.stands(&deployment(1), "ABORTED");
    assert_eq!(
        gate.tidy(&deployment(1)).await.unwrap(),
        Output::Tidy,
        "it never came to be known here"
    );
    assert!(gate.aws.state().table.items.is_empty());
}
