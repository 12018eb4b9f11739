//! Close and Call operator.

use domain::change_set::Prepared;
use domain::life::WayBack;
use domain::names::Digest;

use jiff::SignedDuration;

use super::*;

#[tokio::test]
async fn a_deployment_that_is_there_is_stable_and_hands_the_lock_to_the_next() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    gate.admit(&deployment(2)).await.unwrap();
    assert_eq!(gate.close(&deployment(1), "none").await.unwrap(), Output::Deployed);

    assert_eq!(gate.status(&deployment(1)).await.ending, Some(Ending::Deployed));
    let environment = gate.environment().await;
    let stable = environment.stable.unwrap();
    assert_eq!(
        (stable.release, stable.deployment),
        (change(&deployment(1), 1).release, deployment(1).id)
    );
    assert_eq!(environment.holder.unwrap().deployment, deployment(2).id);
    assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(2, 2)]);
    let (id, by) = gate.owed().pop().unwrap();
    assert_eq!(id, deployment(1).id);
    assert!(
        by > Timestamp::now(),
        "the state machine tells people itself, if it can"
    );
}

#[tokio::test]
async fn what_only_plans_to_go_forward_leaves_everything_as_it_was_however_it_ends() {
    let plan = Deployment {
        plans: true,
        ..deployment(1)
    };
    for (sees_it, error, output) in [
        (true, "none", Output::NothingToDeploy),
        (false, "Bug.Unexpected", Output::FailedClean),
    ] {
        let gate = Gate::new().await;
        gate.planned(&plan).await;
        gate.admit(&deployment(2)).await.unwrap();
        if sees_it {
            let seen = Prepared {
                stack: change(&plan, 1).stack,
                change_set: None,
                hash: Digest::of(b"what would change"),
            };
            gate.record(&plan, [Event::Prepared { sets: vec![seen] }]).await;
        } else {
            assert_eq!(gate.assess(&plan, "forward", error).await.unwrap(), Output::GiveUp);
        }
        assert_eq!(gate.close(&plan, error).await.unwrap(), output);
        let environment = gate.environment().await;
        assert_eq!(environment.stable, None, "it brought nothing");
        assert_eq!(environment.holder.unwrap().deployment, deployment(2).id);
        assert_eq!(gate.owed(), [], "whoever asked reads it at the command");
    }
}

#[tokio::test]
async fn closing_twice_is_once() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    gate.admit(&deployment(2)).await.unwrap();
    gate.close(&deployment(1), "none").await.unwrap();
    gate.context.ledger.report_given(&deployment(1).id).await.unwrap();
    let (story, environment) = (gate.story(&deployment(1)).await, gate.environment().await);
    // Whatever the second one is told: the end that is recorded is the end.
    for error in ["none", "States.Timeout"] {
        assert_eq!(gate.close(&deployment(1), error).await.unwrap(), Output::Deployed);
    }
    assert_eq!(
        (gate.story(&deployment(1)).await, gate.environment().await),
        (story, environment)
    );
    assert_eq!(gate.owed(), [], "nobody is told twice");
}

#[tokio::test]
async fn a_close_that_died_at_any_of_its_writes_is_completed() {
    for done in 0.. {
        let gate = Gate::new().await;
        gate.changed(&deployment(1)).await;
        gate.record(&deployment(1), [tested("forward")]).await;
        gate.admit(&deployment(2)).await.unwrap();
        let written = gate.aws.count("PutItem");
        gate.aws.fates("PutItem", (0..done).map(|_| Fate::Done));
        gate.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
        let died = gate.close(&deployment(1), "none").await.is_err();
        if died {
            assert_eq!(gate.holder().await, Some(deployment(1).id));
        } else {
            // It has fewer writes than that: the last of all has been refused in its turn.
            assert!(done > 1 && gate.aws.count("PutItem") == written + done);
            gate.context
                .ledger
                .owe_report(&deployment(1).id, Timestamp::now())
                .await
                .unwrap_err();
            break;
        }
        assert_eq!(gate.close(&deployment(1), "none").await.unwrap(), Output::Deployed);
        assert_eq!(gate.holder().await, Some(deployment(2).id));
        assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(2, 2)]);
        assert!(gate.environment().await.stable.is_some());
        assert_eq!(gate.story(&deployment(1)).await.last(), Some(&"ended"));
    }
}

#[tokio::test]
async fn people_are_owed_a_report_before_the_end_is_recorded() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    gate.aws
        .fates("TransactWriteItems", [Fate::Refused("ThrottlingException")]);
    gate.close(&deployment(1), "none").await.unwrap_err();
    assert_eq!((gate.owed().len(), gate.status(&deployment(1)).await.ending), (1, None));
}

#[tokio::test]
async fn a_deployment_without_changes_leaves_its_release_stable() {
    let gate = Gate::new().await;
    gate.planned(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    assert_eq!(
        gate.close(&deployment(1), "none").await.unwrap(),
        Output::NothingToDeploy
    );
    assert_eq!(gate.environment().await.stable.unwrap().deployment, deployment(1).id);
}

#[tokio::test]
async fn a_superseded_deployment_ends_without_touching_the_lock_of_others() {
    let gate = Gate::new().await;
    for number in 1..=3 {
        gate.admit(&deployment(number)).await.unwrap();
    }
    let environment = gate.environment().await;
    assert_eq!(
        gate.close(&deployment(2), "none").await.unwrap(),
        Output::NothingToDeploy
    );
    let ending = Ending::Superseded { by: deployment(3).id };
    assert_eq!(gate.status(&deployment(2)).await.ending, Some(ending));
    assert_eq!(gate.environment().await, environment);
}

#[tokio::test]
async fn a_clean_failure_gives_the_lock_back_and_changes_nothing_about_what_is_stable() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    let stable = sample::stable(&deployment(9));
    gate.change_environment(|state| state.stable = Some(stable.clone()))
        .await;
    assert_eq!(
        gate.close(&deployment(1), "Rejected.BuildFailed").await.unwrap(),
        Output::FailedClean
    );
    let ending = Ending::FailedClean {
        failure: Failure::new(Name::BuildFailed, "why"),
        way_back: WayBack::NothingChanged,
    };
    assert_eq!(gate.status(&deployment(1)).await.ending, Some(ending));
    let environment = gate.environment().await;
    assert_eq!((environment.holder, environment.stable), (None, Some(stable)));
}

#[tokio::test]
async fn a_deployment_that_went_back_ended_red_and_clean_for_its_first_reason() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    let stable = sample::stable(&deployment(9));
    gate.change_environment(|state| state.stable = Some(stable.clone()))
        .await;
    gate.assess(&deployment(1), "forward", "Failed.SmokeTests")
        .await
        .unwrap();
    let planned: Event = serde_json::from_value(json!({
        "event": "planned", "leg": "back", "release": stable.release, "waves": [["shop-dev"]],
    }))
    .unwrap();
    gate.record(&deployment(1), [planned, tested("back")]).await;
    assert_eq!(gate.close(&deployment(1), "none").await.unwrap(), Output::FailedClean);
    let ending = Ending::FailedClean {
        failure: Failure::new(Name::SmokeTestsFailed, "why"),
        way_back: WayBack::went_back(stable.release.clone()),
    };
    assert_eq!(gate.status(&deployment(1)).await.ending, Some(ending));
    assert_eq!(gate.environment().await.stable, Some(stable));
}

fn planned(leg: &str, waves: &Value) -> Event {
    let release = Digest::of(b"a release");
    serde_json::from_value(json!({ "event": "planned", "leg": leg, "release": release, "waves": waves })).unwrap()
}

/// A deployment changed its usual stack, and made another that the stable release does not have.
async fn made_jobs(gate: &Gate, deployment: &Deployment) {
    gate.changed(deployment).await;
    let jobs = |what: &str| {
        let told = json!({ "event": what, "leg": "forward", "stack": "jobs", "change_set": "set" });
        serde_json::from_value::<Event>(told).unwrap()
    };
    let waves = json!([["shop-dev"], ["jobs"]]);
    gate.record(
        deployment,
        [planned("forward", &waves), jobs("executing"), jobs("updated")],
    )
    .await;
}

/// Its smoke tests fail, it goes back, and says what it left.
async fn goes_back(gate: &Gate, deployment: &Deployment) -> Vec<String> {
    gate.assess(deployment, "forward", "Failed.SmokeTests").await.unwrap();
    gate.record(deployment, [planned("back", &json!([["shop-dev"]])), tested("back")])
        .await;
    assert_eq!(gate.close(deployment, "none").await.unwrap(), Output::FailedClean);
    match gate.status(deployment).await.ending {
        Some(Ending::FailedClean {
            way_back: WayBack::WentBack { left, .. },
            ..
        }) => left.iter().map(ToString::to_string).collect(),
        other => panic!("it did not go back: {other:?}"),
    }
}

#[tokio::test]
async fn a_stack_that_the_release_before_does_not_have_stays_and_that_is_remembered() {
    let gate = Gate::new().await;
    let stable = sample::stable(&deployment(9));
    gate.change_environment(|state| state.stable = Some(stable.clone()))
        .await;
    made_jobs(&gate, &deployment(1)).await;
    assert_eq!(goes_back(&gate, &deployment(1)).await, ["jobs"]);
    let environment = gate.environment().await;
    assert_eq!(
        (environment.stable, environment.unaccepted.deployments),
        (Some(stable), vec![deployment(1).id])
    );
}

#[tokio::test]
async fn an_end_that_the_records_contradict_is_no_end() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    gate.begins(&deployment(1)).await;
    // With something in flight, and with what only an operator can end.
    for error in ["Rejected.NoStacks", "Stuck.StackUnknown"] {
        let refused = gate.close(&deployment(1), error).await.unwrap_err();
        assert!(matches!(refused, Error::Contradiction(_)), "{refused}");
    }
    assert_eq!(gate.holder().await, Some(deployment(1).id));
    assert_eq!(gate.owed(), []);

    let gate = Gate::new().await;
    let refused = gate.close(&deployment(1), "none").await.unwrap_err();
    assert!(
        refused.to_string().starts_with("it ends without lock or failure"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_operator_is_called_once_the_lock_kept_and_those_who_wait_are_told() {
    let gate = Gate::new().await;
    gate.changed(&patient(1)).await;
    gate.admit(&patient(2)).await.unwrap();
    gate.admit(&patient(3)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            gate.call_operator(&patient(1), "Stuck.RollbackFailed").await.unwrap(),
            Output::OperatorNeeded
        );
    }
    let environment = gate.environment().await;
    assert_eq!(environment.holder.unwrap().deployment, patient(1).id);
    assert_eq!(environment.quarantine.unwrap().why, "Stuck.RollbackFailed: why");
    assert_eq!(environment.queue, []);
    let told: Vec<_> = gate
        .aws
        .answers()
        .into_iter()
        .skip(1)
        .map(|(token, answer)| (token, answer["error"].clone()))
        .collect();
    let closed = json!("Rejected.Quarantined");
    assert_eq!(
        told,
        [("token-2".to_owned(), closed.clone()), ("token-3".to_owned(), closed)]
    );
    let ended = gate
        .story(&patient(1))
        .await
        .into_iter()
        .filter(|event| *event == "ended")
        .count();
    assert_eq!(ended, 1);
    assert_eq!(gate.owed().len(), 1);
}

#[tokio::test]
async fn without_the_lock_calling_an_operator_leaves_others_alone() {
    let gate = Gate::new().await;
    for number in 1..=3 {
        gate.admit(&patient(number)).await.unwrap();
    }
    assert_eq!(
        gate.call_operator(&patient(2), "Bug.Panicked").await.unwrap(),
        Output::OperatorNeeded
    );
    let environment = gate.environment().await;
    assert_eq!(environment.quarantine, None);
    assert_eq!(environment.holder.unwrap().deployment, patient(1).id);
    let waits: Vec<_> = environment
        .queue
        .into_iter()
        .map(|waiting| waiting.deployment)
        .collect();
    assert_eq!(waits, [patient(3).id], "dead as it is, it must not get the lock later");
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
    assert_eq!(gate.status(&patient(2)).await.phase, domain::life::Phase::Ended);
}

#[tokio::test]
async fn what_had_ended_before_something_went_wrong_is_carried_to_that_end_and_nobody_is_called() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    // The end was recorded, and giving the lock back failed for good.
    gate.aws.fates(
        "PutItem",
        [Fate::Done, Fate::Done, Fate::Refused("AccessDeniedException")],
    );
    gate.close(&deployment(1), "none").await.unwrap_err();
    assert_eq!(
        gate.call_operator(&deployment(1), "Rejected.AccessDenied")
            .await
            .unwrap(),
        Output::Deployed
    );
    let environment = gate.environment().await;
    assert_eq!((environment.holder, environment.quarantine), (None, None));
    assert_eq!(environment.stable.unwrap().release, Digest::of(b"a release"));
    assert_eq!(gate.status(&deployment(1)).await.ending, Some(Ending::Deployed));
    assert_eq!(gate.owed().len(), 1);
}

#[tokio::test]
async fn what_ended_with_something_in_flight_is_carried_to_its_end_when_that_is_over() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward"), Event::Ended(Ending::Deployed)])
        .await;
    gate.begins(&deployment(1)).await;
    assert_eq!(
        gate.call_operator(&deployment(1), "Bug.Unexpected").await.unwrap(),
        Output::Deployed
    );
    let environment = gate.environment().await;
    assert!(environment.quarantine.is_none() && environment.holder.is_some());
    assert!(
        environment.overdue(Timestamp::now()).is_some(),
        "the sweep looks at its next turn"
    );

    gate.stands(&deployment(1), "SUCCEEDED");
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::InFlight);
    let change = change(&deployment(1), 1);
    gate.change_environment(|state| state.finish(&deployment(1).id, &change.stack, &change.change_set))
        .await;
    assert_eq!(gate.tidy(&deployment(1)).await.unwrap(), Output::Deployed);
    let environment = gate.environment().await;
    assert_eq!(environment.stable.unwrap().deployment, deployment(1).id);
    assert_eq!(environment.holder, None);
}

#[tokio::test]
async fn what_ended_and_never_gets_there_is_closed_and_raises_an_alarm() {
    // Something in flight that nobody sees the end of.
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward"), Event::Ended(Ending::Deployed)])
        .await;
    gate.begins(&deployment(1)).await;
    gate.stands(&deployment(1), "SUCCEEDED");
    gate.aws.state().stopped_at = Some(Timestamp::now() - SignedDuration::from_mins(61));
    let error = gate.tidy(&deployment(1)).await.unwrap_err();
    assert!(error.to_string().starts_with("Stuck.StackUnknown"), "{error}");
    assert!(gate.environment().await.quarantine.is_some());

    // A lock that cannot be given back.
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward"), Event::Ended(Ending::Deployed)])
        .await;
    gate.aws.fates("PutItem", [Fate::Refused("AccessDeniedException")]);
    let error = gate.call_operator(&deployment(1), "Bug.Unexpected").await.unwrap_err();
    assert!(error.to_string().starts_with("Rejected.AccessDenied"), "{error}");
    assert!(
        gate.environment().await.quarantine.is_some(),
        "so that a person can open it"
    );
    // What may pass is tried again, and closes nothing.
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward"), Event::Ended(Ending::Deployed)])
        .await;
    gate.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
    gate.call_operator(&deployment(1), "Bug.Unexpected").await.unwrap_err();
    assert!(gate.environment().await.quarantine.is_none());
    assert_eq!(
        gate.call_operator(&deployment(1), "Bug.Unexpected").await.unwrap(),
        Output::Deployed
    );
}

#[tokio::test]
async fn what_one_before_left_that_stayed_is_named_as_well() {
    let gate = Gate::new().await;
    let stable = sample::stable(&deployment(9));
    gate.change_environment(|state| state.stable = Some(stable.clone()))
        .await;
    made_jobs(&gate, &deployment(1)).await;
    gate.change_environment(|state| {
        let left = domain::environment_state::Left::Unstable;
        state.release(&deployment(1).id, left, Timestamp::now()).unwrap();
    })
    .await;
    // The next one does not come as far.
    gate.changed(&deployment(2)).await;
    assert_eq!(goes_back(&gate, &deployment(2)).await, ["jobs"]);
    let unaccepted = gate.environment().await.unaccepted.deployments;
    assert_eq!(unaccepted, [deployment(1).id, deployment(2).id]);
}

#[tokio::test]
async fn that_an_operator_is_needed_is_owed_before_those_who_wait_are_told_and_one_who_cannot_be_keeps_no_other() {
    let gate = Gate::new().await;
    gate.changed(&patient(1)).await;
    gate.admit(&patient(2)).await.unwrap();
    gate.admit(&patient(3)).await.unwrap();
    gate.aws
        .fates("SendTaskFailure", [Fate::Refused("ThrottlingException")]);
    assert_eq!(
        gate.call_operator(&patient(1), "Stuck.RollbackFailed").await.unwrap(),
        Output::OperatorNeeded
    );
    assert_eq!(gate.owed().len(), 1);
    let told = |gate: &Gate| gate.aws.answers().into_iter().skip(1).collect::<Vec<_>>();
    let [(token, answer)] = &told(&gate)[..] else {
        panic!("one of them is told");
    };
    assert_eq!(
        (token.as_str(), &answer["error"]),
        ("token-3", &json!("Rejected.Quarantined"))
    );
    // The sweep comes: it is turned away as well, and not taken for one that was superseded.
    gate.wake(&patient(2).id).await.unwrap();
    let last = told(&gate).pop().unwrap();
    assert_eq!(
        (last.0.as_str(), &last.1["error"]),
        ("token-2", &json!("Rejected.Quarantined"))
    );
    assert_eq!(gate.environment().await.queue, []);
}

#[tokio::test]
async fn whoever_is_turned_away_is_so_with_every_token() {
    let gate = Gate::new().await;
    gate.changed(&patient(1)).await;
    gate.admit(&patient(2)).await.unwrap();
    gate.parks_again(&patient(2), "again").await;
    gate.call_operator(&patient(1), "Stuck.RollbackFailed").await.unwrap();
    let mut told: Vec<_> = gate.aws.answers().into_iter().skip(1).collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let told: Vec<_> = told
        .iter()
        .map(|(token, answer)| (token.as_str(), &answer["error"]))
        .collect();
    let closed = json!("Rejected.Quarantined");
    assert_eq!(told, [("again", &closed), ("token-2", &closed)]);
    assert_eq!(gate.parked(&patient(2)).await.len(), 0);
}

#[tokio::test]
async fn what_was_accepted_is_kept_with_who_accepted_it_before_the_lock_is_given_back() {
    let gate = Gate::new().await;
    let candidate = asking(1, "stay");
    gate.asked(&candidate).await;
    let at = gate.votes(&candidate, Choice::Accept).await;
    gate.aws.forget_calls();
    assert_eq!(gate.close(&candidate, "none").await.unwrap(), Output::Deployed);

    let kept = gate.stable(&change(&candidate, 1).release).await.unwrap();
    let acceptance = Acceptance {
        by: vec![QA.parse().unwrap()],
        at,
    };
    assert_eq!(
        (&kept.deployment, &kept.commit, &kept.accepted),
        (&candidate.id, &candidate.commit, &Some(acceptance))
    );
    assert_eq!(gate.environment().await.stable, Some(kept.clone()));
    let written: Vec<String> = gate
        .aws
        .calls("PutItem")
        .iter()
        .map(|call| call["Item"]["sk"]["S"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        written,
        [
            "owed".to_owned(),
            format!("stable#{}", kept.release),
            "state".to_owned()
        ]
    );
}

#[tokio::test]
async fn what_was_stable_is_kept_once_whoever_closes_again_later() {
    let gate = Gate::new().await;
    gate.changed(&deployment(1)).await;
    gate.record(&deployment(1), [tested("forward")]).await;
    gate.close(&deployment(1), "none").await.unwrap();
    let release = change(&deployment(1), 1).release;
    let kept = gate.stable(&release).await.unwrap();
    assert_eq!((&kept.deployment, &kept.accepted), (&deployment(1).id, &None));
    gate.close(&deployment(1), "none").await.unwrap();
    gate.stands(&deployment(1), "SUCCEEDED");
    gate.tidy(&deployment(1)).await.unwrap();
    assert_eq!(gate.stable(&release).await, Some(kept));
}

#[tokio::test]
async fn what_nobody_accepted_is_no_deployment_where_people_are_asked() {
    let gate = Gate::new().await;
    let candidate = asking(1, "stay");
    gate.asked(&candidate).await;
    // As if the state machine went on without an answer.
    let error = gate.close(&candidate, "none").await.unwrap_err();
    assert!(error.to_string().contains("ended cannot follow Accepting"), "{error}");
    assert_eq!(gate.holder().await, Some(candidate.id.clone()));
    assert_eq!(gate.stable(&change(&candidate, 1).release).await, None);
}

#[tokio::test]
async fn a_candidate_that_was_superseded_while_people_were_asked_ends_green_and_is_not_stable() {
    let gate = Gate::new().await;
    let (older, newer) = (asking(1, "stay"), asking(2, "stay"));
    gate.asked(&older).await;
    gate.admit(&newer).await.unwrap();
    let outcome = Outcome::Superseded {
        by: newer.id.clone(),
        at: Timestamp::now(),
    };
    gate.record(&older, [Event::Decided { outcome }]).await;
    assert_eq!(gate.close(&older, "none").await.unwrap(), Output::NothingToDeploy);

    let ending = Ending::Superseded { by: newer.id.clone() };
    assert_eq!(gate.status(&older).await.ending, Some(ending));
    let environment = gate.environment().await;
    assert_eq!(environment.stable, None);
    assert_eq!(environment.holder.unwrap().deployment, newer.id);
    assert_eq!(gate.stable(&change(&older, 1).release).await, None);
    assert_eq!(gate.aws.answers(), [admitted(1, 1), admitted(2, 2)]);
}

#[tokio::test]
async fn what_people_did_not_accept_stays_or_goes_as_the_environment_says() {
    for error in ["Failed.NotAccepted", "Failed.ApprovalExpired", "Failed.NobodyMayAccept"] {
        for on_reject in ["stay", "roll_back"] {
            let gate = Gate::new().await;
            let candidate = asking(1, on_reject);
            gate.asked(&candidate).await;
            let before = sample::stable(&deployment(9));
            gate.change_environment(|state| state.stable = Some(before.clone()))
                .await;
            gate.votes(&candidate, Choice::Reject).await;
            let verdict = gate.assess(&candidate, "forward", error).await.unwrap();

            let to = before.release.clone();
            let (expected, failure, way_back) = if on_reject == "stay" {
                (Output::GiveUp, error, WayBack::Stays)
            } else {
                let planned: Event = serde_json::from_value(json!({
                    "event": "planned", "leg": "back", "release": to, "waves": [["shop-dev"]],
                }))
                .unwrap();
                gate.record(&candidate, [planned, tested("back")]).await;
                (Output::GoBack { release: to.clone() }, "none", WayBack::went_back(to))
            };
            assert_eq!(verdict, expected, "{error} {on_reject}");
            assert_eq!(gate.close(&candidate, failure).await.unwrap(), Output::FailedClean);
            let Some(Ending::FailedClean {
                failure,
                way_back: went,
            }) = gate.status(&candidate).await.ending
            else {
                panic!("{error} {on_reject}")
            };
            assert_eq!((failure.name.as_str(), went), (error, way_back), "{on_reject}");
            let environment = gate.environment().await;
            assert_eq!((environment.holder, environment.stable), (None, Some(before)));
            assert_eq!(gate.stable(&change(&candidate, 1).release).await, None);
            // Whoever is asked next has to know what this one changed, unless it was taken back.
            let left = if on_reject == "stay" {
                vec![candidate.id]
            } else {
                vec![]
            };
            assert_eq!(environment.unaccepted.deployments, left);
        }
    }
}

#[tokio::test]
async fn without_anything_to_go_back_to_what_was_rejected_is_left_there_and_nobody_is_called() {
    let gate = Gate::new().await;
    let candidate = asking(1, "roll_back");
    gate.asked(&candidate).await;
    gate.votes(&candidate, Choice::Reject).await;
    assert_eq!(
        gate.assess(&candidate, "forward", "Failed.NotAccepted").await.unwrap(),
        Output::GiveUp
    );
    assert_eq!(
        gate.close(&candidate, "Failed.NotAccepted").await.unwrap(),
        Output::FailedClean
    );
    assert!(matches!(
        gate.status(&candidate).await.ending,
        Some(Ending::FailedClean {
            way_back: WayBack::NoStableRelease,
            ..
        })
    ));
}
