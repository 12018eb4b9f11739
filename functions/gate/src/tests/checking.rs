//! Whether a deployment that people took long to let in might still come in.

use domain::environment_state::{Hold, Rejection};
use domain::freeze::Freeze;

use super::*;

fn frozen(deployment: &mut Deployment) {
    let freeze = json!({
        "from": "2020-01-01 00:00", "to": "2099-01-01 00:00", "zone": "Europe/Berlin", "why": "the big sale",
    });
    deployment.environment.freezes = vec![serde_json::from_value::<Freeze>(freeze).unwrap()];
}

async fn refusal(gate: &Gate, deployment: &Deployment) -> Failure {
    gate.check_admission(deployment).await.unwrap_err().into()
}

#[tokio::test]
async fn what_was_let_in_and_is_kept_out_by_nothing_goes_on() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    assert_eq!(
        gate.check_admission(&deployment(1)).await.unwrap(),
        Output::StillAdmitted
    );
    // Others that wait are no reason; whether they take its place was asked while people were.
    gate.admit(&deployment(2)).await.unwrap();
    assert_eq!(
        gate.check_admission(&deployment(1)).await.unwrap(),
        Output::StillAdmitted
    );
}

#[tokio::test]
async fn a_hold_that_was_set_meanwhile_keeps_it_out() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    let hold = Hold {
        by: "lead".to_owned(),
        why: "the warehouse burns".to_owned(),
        since: Timestamp::UNIX_EPOCH,
    };
    gate.change_environment(|state| drop(state.hold(hold.clone()))).await;
    assert_eq!(
        refusal(&gate, &deployment(1)).await.to_string(),
        "Rejected.Held: held since 1970-01-01 00:00:00 UTC by lead: the warehouse burns"
    );
}

#[tokio::test]
async fn a_freeze_that_began_meanwhile_keeps_it_out_unless_people_let_it_in() {
    let gate = Gate::new().await;
    gate.admit(&deployment(1)).await.unwrap();
    let mut later = deployment(1);
    frozen(&mut later);
    let refused = refusal(&gate, &later).await;
    assert_eq!(refused.name, Name::Frozen);
    assert!(refused.cause.contains("the big sale"), "{refused}");

    let let_in = Gate::new().await;
    let event = Event::LetIn {
        frozen: "the big sale".to_owned(),
        words: vec![],
    };
    let requested = Event::Requested {
        deployment: Box::new(later.clone()),
    };
    let_in
        .record(&later, [requested, event, Event::Admitted { fence: 1 }])
        .await;
    assert_eq!(let_in.check_admission(&later).await.unwrap(), Output::StillAdmitted);
}

#[tokio::test]
async fn what_was_rejected_meanwhile_where_it_comes_from_is_kept_out() {
    let gate = Gate::new().await;
    let mut accepted = promoting::later(1);
    accepted.environment.after_acceptance = true;
    gate.stable_earlier(&accepted, true).await;
    gate.admit(&accepted).await.unwrap();
    assert_eq!(gate.check_admission(&accepted).await.unwrap(), Output::StillAdmitted);
    let release = sample::stable(&accepted).release;
    let rejection = Rejection {
        by: QA.parse().unwrap(),
        at: Timestamp::now(),
    };
    let ledger = &gate.context.ledger;
    let earlier = promoting::earlier();
    let recorded = ledger.record_rejection(&accepted.application, &earlier, &release, &rejection);
    recorded.await.unwrap();
    assert_eq!(refusal(&gate, &accepted).await.name, Name::NotStableBefore);
}
