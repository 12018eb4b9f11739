//! What comes after another environment: refused before it takes anybody's place. And the holder that asks people learns of
//! newer ones.

use domain::names::EnvironmentName;

use super::*;

/// The environment before.
pub fn earlier() -> EnvironmentName {
    "earlier".parse().unwrap()
}

/// A deployment into an environment that comes after another.
pub fn later(number: u8) -> Deployment {
    let mut deployment = asking(number, "stay");
    deployment.environment.after = Some(earlier());
    deployment
}

impl Gate {
    /// Its release got to the end of a deployment in the environment before.
    pub async fn stable_earlier(&self, deployment: &Deployment, accepted: bool) {
        self.built(deployment).await;
        let mut stable = sample::stable(deployment);
        stable.accepted = accepted.then(|| Acceptance {
            by: vec![QA.parse().unwrap()],
            at: Timestamp::UNIX_EPOCH,
        });
        self.context
            .ledger
            .record_stable(&deployment.application, &earlier(), &stable)
            .await
            .unwrap();
    }

    async fn queue(&self) -> Vec<DeploymentId> {
        let queue = self.environment().await.queue;
        queue.into_iter().map(|waiting| waiting.deployment).collect()
    }

    /// Which functions were woken, and with what.
    fn woken(&self) -> Vec<(String, Value)> {
        let state = self.aws.state();
        let woken = state.invocations.iter();
        woken
            .map(|invocation| (invocation.function.clone(), invocation.payload.clone()))
            .collect()
    }
}

#[tokio::test]
async fn what_was_stable_before_is_admitted() {
    let gate = Gate::new().await;
    gate.stable_earlier(&later(1), false).await;
    gate.admit(&later(1)).await.unwrap();
    assert_eq!(gate.aws.answers(), [admitted(1, 1)]);
}

#[tokio::test]
async fn what_was_not_stable_before_is_refused_and_takes_nobodys_place() {
    let gate = Gate::new().await;
    for number in [1, 2] {
        gate.stable_earlier(&later(number), false).await;
        gate.admit(&later(number)).await.unwrap();
    }
    gate.built(&later(3)).await;
    let before = gate.environment().await;
    gate.aws.state().invocations.clear();
    gate.admit(&later(3)).await.unwrap();

    let (token, answer) = gate.aws.answers().pop().unwrap();
    assert_eq!(
        (token.as_str(), &answer["error"]),
        ("token-3", &json!("Rejected.NotStableBefore"))
    );
    assert!(
        answer["cause"]
            .as_str()
            .unwrap()
            .contains("was never stable in earlier"),
        "{answer}"
    );
    // The older one waits on, and the holder's people are asked on.
    assert_eq!(gate.environment().await, before);
    assert_eq!(gate.queue().await, [later(2).id]);
    assert_eq!((gate.parked(&later(3)).await, gate.woken()), (vec![], vec![]));
    assert_eq!(
        gate.close(&later(3), "Rejected.NotStableBefore").await.unwrap(),
        Output::FailedClean
    );
    assert_eq!(gate.environment().await, before);
    assert_eq!(gate.story(&later(3)).await, ["requested", "ended"]);
}

#[tokio::test]
async fn what_nobody_accepted_before_is_refused_where_people_are_asked_there() {
    let careful = |number| {
        let mut deployment = later(number);
        deployment.environment.after_acceptance = true;
        deployment
    };
    let gate = Gate::new().await;
    gate.stable_earlier(&careful(1), false).await;
    gate.admit(&careful(1)).await.unwrap();
    assert_eq!(gate.aws.answers().pop().unwrap().1["error"], "Rejected.NotStableBefore");
    assert_eq!(gate.holder().await, None);
    gate.stable_earlier(&careful(2), true).await;
    gate.admit(&careful(2)).await.unwrap();
    assert_eq!(gate.holder().await, Some(careful(2).id));
}

#[tokio::test]
async fn who_rejects_what_was_accepted_before_has_the_last_word() {
    let careful = |number| {
        let mut deployment = later(number);
        deployment.environment.after_acceptance = true;
        deployment
    };
    // Whether the execution lives, dies with the answer, or ends half-way on its way back.
    for ends in ["assessed", "buried", "half-way"] {
        let gate = Gate::new().await;
        gate.stable_earlier(&careful(9), true).await;
        let release = sample::stable(&careful(9)).release;
        let mut candidate = asking(1, "stay");
        candidate.environment.name = earlier();
        gate.asked_about(&candidate, &release).await;
        let at = gate.votes(&candidate, Choice::Reject).await;
        match ends {
            "assessed" => drop(gate.assess(&candidate, "forward", "Failed.NotAccepted").await.unwrap()),
            "buried" => {
                gate.stands(&candidate, "ABORTED");
                gate.tidy(&candidate).await.unwrap();
            }
            _ => drop(gate.call_operator(&candidate, "Stuck.RollbackFailed").await.unwrap()),
        }
        gate.admit(&careful(9)).await.unwrap();
        let (_, answer) = gate.aws.answers().pop().unwrap();
        assert_eq!(answer["error"], "Rejected.NotStableBefore", "{ends}");
        let cause = answer["cause"].as_str().unwrap();
        assert!(
            cause.contains("qa@acme.example rejected it there last"),
            "{ends} {cause}"
        );

        // Whoever accepts it after that has the last word in turn.
        let mut again = sample::stable(&careful(9));
        again.accepted = Some(Acceptance {
            by: vec![QA.parse().unwrap()],
            at: at + jiff::SignedDuration::from_hours(1),
        });
        let kept = gate
            .context
            .ledger
            .record_stable(&candidate.application, &earlier(), &again)
            .await;
        kept.unwrap();
        gate.admit(&careful(9)).await.unwrap();
        assert_eq!(gate.holder().await, Some(careful(9).id), "{ends}");
    }
}

#[tokio::test]
async fn a_rejection_of_what_was_never_stable_keeps_nothing() {
    let gate = Gate::new().await;
    let candidate = asking(1, "stay");
    gate.asked(&candidate).await;
    gate.votes(&candidate, Choice::Reject).await;
    gate.assess(&candidate, "forward", "Failed.NotAccepted").await.unwrap();
    assert_eq!(gate.stable(&change(&candidate, 1).release).await, None);
}

#[tokio::test]
async fn a_refusal_that_could_not_be_told_is_told_when_it_is_asked_again() {
    let gate = Gate::new().await;
    gate.aws
        .fates("SendTaskFailure", [Fate::Refused("ThrottlingException")]);
    let error = gate.admit(&later(1)).await.unwrap_err();
    assert_eq!(Failure::from(error).name.class(), Class::Transient);
    // The sweep knows of nothing that it could say.
    gate.wake(&later(1).id).await.unwrap();
    assert_eq!((gate.aws.answers(), gate.parked(&later(1)).await.len()), (vec![], 1));
    gate.admit(&later(1)).await.unwrap();
    assert_eq!(gate.aws.answers().pop().unwrap().1["error"], "Rejected.NotStableBefore");
    assert_eq!(gate.parked(&later(1)).await, []);
}

#[tokio::test]
async fn a_newer_one_that_waits_has_approval_look_at_the_holder() {
    let gate = Gate::new().await;
    gate.admit(&asking(1, "stay")).await.unwrap();
    assert_eq!(gate.woken(), [], "nobody is asked about anything older");
    gate.admit(&asking(2, "stay")).await.unwrap();
    let look = json!({ "do": "wake", "key": "approval/shop-dev-1" });
    assert_eq!(gate.woken(), [("approval".to_owned(), look)]);
}

#[tokio::test]
async fn one_that_waits_its_turn_or_is_older_ends_nobodys_asking() {
    let patient = |number| {
        let mut deployment = asking(number, "stay");
        deployment.environment.queue = domain::deployment::QueuePolicy::Every;
        deployment
    };
    for (holder, other) in [
        (asking(2, "stay"), asking(1, "stay")),
        (patient(1), patient(2)),
        // An environment that asks nobody.
        (deployment(1), deployment(2)),
    ] {
        let gate = Gate::new().await;
        gate.admit(&holder).await.unwrap();
        gate.admit(&other).await.unwrap();
        assert_eq!(gate.woken(), [], "{}", other.id);
    }
}

#[tokio::test]
async fn a_holder_that_cannot_be_looked_at_now_keeps_nobody_from_the_queue() {
    for fate in [
        Fate::Refused("TooManyRequestsException"),
        Fate::Refused("AccessDeniedException"),
        Fate::Unanswered,
    ] {
        let gate = Gate::new().await;
        gate.admit(&asking(1, "stay")).await.unwrap();
        gate.aws.fates("Invoke", [fate]);
        assert_eq!(gate.admit(&asking(2, "stay")).await.unwrap(), Output::Parked);
        assert_eq!(gate.queue().await, [asking(2, "stay").id]);
        assert_eq!(gate.parked(&asking(2, "stay")).await.len(), 1);
    }
}
