//! Compare-and-swap, and the one write that decides whether anything may be changed.

use aws::Kind;
use domain::deployment::Leg;
use domain::environment_state::{LEASE, Left, Refusal, Standing};
use domain::failure::Name;
use domain::parking::StackChange;
use fake_aws::{FakeAws, Fate, Item, sample};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{admit, after, change, deployment, dev, environment, id, ledger, now, patient_ledger, shop};

const PARTITION: &str = "environment#acme/shop#dev";

fn of_stack(fence: u64) -> StackChange {
    sample::change(&deployment(1), fence)
}

/// Before the next write somebody puts this into the item's state, in place of it or of parts of it, and the revision
/// does not tell.
fn unseen(place: &'static str, put: Value) -> Fate {
    Fate::after(move |state| {
        let key = (PARTITION.to_owned(), "state".to_owned());
        let item: &mut Item = state.table.items.get_mut(&key).unwrap();
        let there = &mut item["state"]["M"][place];
        match put {
            Value::Object(put) => {
                let parts = there.as_object_mut().unwrap();
                parts.remove("NULL");
                let parts = parts.entry("M").or_insert_with(|| json!({}));
                parts.as_object_mut().unwrap().extend(put);
            }
            _ => *there = json!({ "NULL": true }),
        }
    })
}

#[tokio::test]
async fn a_lost_race_is_decided_anew_from_what_the_winner_wrote() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let winner = aws
        .others(async |aws| drop(admit(&crate::ledger(&aws).await, 1).await))
        .await;
    aws.fates("PutItem", [winner]);

    assert_eq!(admit(&ledger, 2).await, (Standing::Waits(0), vec![]));
    let state = environment(&ledger).await;
    assert_eq!(state.standing(&id(1)), Standing::Holds(1));
    assert_eq!((aws.count("GetItem"), aws.count("PutItem")), (3, 2));
    assert_eq!(aws.item(PARTITION, "state").unwrap()["revision"]["N"], "2");
}

#[tokio::test]
async fn a_race_lost_to_the_same_change_is_no_change_any_more() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    admit(&ledger, 1).await;
    let lift = async |ledger: &aws::Ledger| {
        let renewed = change(ledger, |state| state.renew(&id(1), after(60)));
        renewed.await.unwrap();
    };
    let winner = aws.others(async |aws| lift(&crate::ledger(&aws).await).await).await;
    aws.fates("PutItem", [winner]);
    aws.forget_calls();
    lift(&ledger).await;
    assert_eq!(aws.count("PutItem"), 1);
    assert_eq!(
        environment(&ledger).await.holder.unwrap().lease_until,
        after(60) + LEASE
    );
}

#[tokio::test]
async fn whoever_loses_every_race_did_nothing_and_may_try_again() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    aws.fates(
        "PutItem",
        (0..24).map(|_| Fate::Refused("ConditionalCheckFailedException")),
    );
    let renewed = change(&ledger, |state| state.fence += 1).await;
    let error = renewed.unwrap_err();
    assert_eq!((error.kind, error.name()), (Kind::Throttled, Name::Throttled));
    assert!(
        error
            .to_string()
            .contains("environment#acme/shop#dev was changed by others"),
        "{error}"
    );
    assert_eq!(aws.item(PARTITION, "state"), None);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_the_answer_of_the_write_that_was_done() {
    let aws = FakeAws::default();
    let ledger = patient_ledger(&aws).await;
    admit(&ledger, 1).await;
    admit(&ledger, 2).await;
    // The SDK asks again; DynamoDB says that the condition failed, since it had held the first time.
    aws.fates("PutItem", [Fate::Unanswered]);
    assert_eq!(
        admit(&ledger, 3).await,
        (Standing::Waits(0), vec![id(2)]),
        "who is superseded has to be told"
    );

    aws.fates("PutItem", [Fate::Faulted]);
    let released = change(&ledger, |state| state.release(&id(1), Left::AsItWas, now()));
    assert_eq!(
        released.await.unwrap(),
        Ok(Some(id(3))),
        "who comes next has to be woken"
    );

    let closed = change(&ledger, |state| state.quarantine(&id(3), "half-way", now()));
    closed.await.unwrap().unwrap();
    aws.fates("PutItem", [Fate::Unanswered]);
    let lifted = change(&ledger, |state| state.lift(now()));
    assert_eq!(lifted.await.unwrap(), Ok(None), "it was this operator who opened it");
}

#[tokio::test]
async fn an_answer_that_got_lost_before_others_wrote_is_decided_anew() {
    let aws = FakeAws::default();
    let ledger = patient_ledger(&aws).await;
    admit(&ledger, 1).await;
    let both = aws
        .others(async |aws| {
            let ledger = crate::ledger(&aws).await;
            admit(&ledger, 2).await;
            admit(&ledger, 3).await;
        })
        .await;
    aws.fates("PutItem", [Fate::Unanswered, both]);
    assert_eq!(admit(&ledger, 2).await, (Standing::Superseded(id(3)), vec![]));
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_not_written() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    admit(&ledger, 1).await;
    aws.forget_calls();
    assert_eq!(admit(&ledger, 1).await.0, Standing::Holds(1));
    assert_eq!(aws.operations(), ["GetItem"]);
}

#[tokio::test]
async fn the_change_of_a_stack_begins_for_the_holder_with_its_fence_and_twice_is_once() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    admit(&ledger, 1).await;
    for _ in 0..2 {
        ledger
            .begin_operation(&id(1), &of_stack(1), after(60))
            .await
            .unwrap()
            .unwrap();
    }
    let state = environment(&ledger).await;
    assert_eq!(state.operation.unwrap().stacks.len(), 1);
    assert_eq!(
        state.holder.unwrap().lease_until,
        after(60) + LEASE,
        "whoever begins has been heard of"
    );
    assert_eq!(
        aws.item(PARTITION, "state").unwrap()["due_at"]["S"],
        "2026-11-20T10:16:00.000Z"
    );
}

#[tokio::test]
async fn nothing_begins_without_the_lock_with_an_old_fence_or_beside_another_way() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let begin = async |number, change: &StackChange| {
        let begun = ledger.begin_operation(&id(number), change, now()).await;
        begun.unwrap()
    };
    assert_eq!(begin(1, &of_stack(1)).await, Err(Refusal::NotHolder(None)));
    admit(&ledger, 1).await;
    assert_eq!(begin(2, &of_stack(1)).await, Err(Refusal::NotHolder(Some(id(1)))));
    assert_eq!(begin(1, &of_stack(0)).await, Err(Refusal::NotHolder(Some(id(1)))));
    assert_eq!(begin(1, &of_stack(1)).await, Ok(()));
    let back = StackChange {
        leg: Leg::Back,
        ..of_stack(1)
    };
    assert_eq!(begin(1, &back).await, Err(Refusal::InFlight(id(1))));
}

#[tokio::test]
async fn the_write_itself_refuses_an_old_fence_even_if_the_revision_says_that_nothing_changed() {
    let other_fence = json!({ "fence": { "N": "2" } });
    let other_holder = json!({ "deployment": { "S": "shop-dev-9" } });
    let other_operation = json!({
        "deployment": { "S": "shop-dev-9" }, "leg": { "S": "forward" }, "stacks": { "M": { "web": { "S": "arn" } } },
        "since": { "S": now().to_string() },
    });
    for (place, meanwhile, refusal) in [
        ("holder", other_fence, Refusal::NotHolder(Some(id(1)))),
        ("holder", other_holder, Refusal::NotHolder(Some(id(9)))),
        ("holder", Value::Null, Refusal::NotHolder(None)),
        ("operation", other_operation, Refusal::InFlight(id(9))),
    ] {
        let aws = FakeAws::default();
        let ledger = ledger(&aws).await;
        admit(&ledger, 1).await;
        aws.fates("PutItem", [unseen(place, meanwhile)]);
        let begun = ledger.begin_operation(&id(1), &of_stack(1), now()).await.unwrap();
        assert_eq!(begun, Err(refusal));
        let stacks = environment(&ledger).await.operation.map(|operation| operation.stacks);
        let ours = stacks.is_some_and(|stacks| stacks.contains_key(&of_stack(1).stack));
        assert!(!ours, "nothing of it may be written");
    }
}

#[tokio::test]
async fn an_environment_is_due_while_it_has_a_holder_and_is_open() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let due = async |at| ledger.overdue_environments(at).await.unwrap();
    admit(&ledger, 1).await;
    assert_eq!(due(now() + LEASE - SignedDuration::from_secs(1)).await, []);
    assert_eq!(due(now() + LEASE).await, [(shop(), dev())]);
    let closed = change(&ledger, |state| state.quarantine(&id(1), "half-way", now()));
    closed.await.unwrap().unwrap();
    assert_eq!(due(after(86_400)).await, []);
    let lifted = change(&ledger, |state| state.lift(now()));
    assert_eq!(lifted.await.unwrap(), Ok(None));
    assert_eq!(due(after(86_400)).await, []);
}

#[tokio::test]
async fn what_is_stable_survives_being_written_and_read() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    admit(&ledger, 1).await;
    let stable = sample::stable(&deployment(1));
    let released = change(&ledger, |state| {
        state.release(&id(1), Left::Stable(stable.clone()), now())
    });
    assert_eq!(released.await.unwrap(), Ok(None));
    assert_eq!(environment(&ledger).await.stable, Some(stable));
}
