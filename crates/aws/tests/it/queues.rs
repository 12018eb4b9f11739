//! What is parked, owed and half-way, and how the sweep finds it.

use aws::deliveries::Claim;
use domain::intake::{Course, Decision, Delivery};
use domain::names::TaskToken;
use domain::parking::{Key, Parked, WaitsFor};
use fake_aws::{FakeAws, Fate};
use jiff::SignedDuration;
use serde_json::json;

use crate::{after, deployment, dev, id, ledger, now, patient_ledger, shop};

fn lock() -> WaitsFor {
    WaitsFor::Lock {
        application: shop(),
        environment: dev(),
    }
}

fn parked(number: u8, token: &str) -> Parked {
    Parked::new(id(number), lock(), TaskToken::from(token.to_owned()), now())
}

fn delivery(number: u8, seconds: i64) -> Delivery {
    let id = format!("0-{number}").parse().unwrap();
    Delivery::new(id, "push", Decision::Ask(vec![deployment(number)]), after(seconds))
}

#[tokio::test]
async fn a_late_park_of_an_older_token_takes_nothing_from_the_newer_one() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let (first, second) = (parked(1, "first"), parked(1, "second"));
    // The invocation with the first token was slow, and Step Functions has called again.
    for parked in [&second, &first, &first] {
        ledger.park(parked).await.unwrap();
    }
    let mut waiting = ledger.parked(&Key::lock(&id(1))).await.unwrap();
    waiting.sort_by_key(|parked| parked.token.expose().to_owned());
    assert_eq!(waiting, [first.clone(), second.clone()]);

    ledger.look_again(&first, after(600)).await.unwrap();
    ledger.unpark(&first).await.unwrap();
    ledger.park_further(&first).await.unwrap();
    ledger.look_again(&first, after(600)).await.unwrap();
    assert_eq!(
        ledger.parked(&Key::lock(&id(1))).await.unwrap(),
        std::slice::from_ref(&second)
    );
    for _ in 0..2 {
        ledger.unpark(&second).await.unwrap();
    }
    assert_eq!(ledger.parked(&Key::lock(&id(1))).await.unwrap(), []);
}

#[tokio::test]
async fn taking_away_whose_answer_got_lost_has_taken_away() {
    let aws = FakeAws::default();
    let ledger = patient_ledger(&aws).await;
    ledger.park(&parked(1, "token")).await.unwrap();
    aws.fates("DeleteItem", [Fate::Unanswered]);
    ledger.unpark(&parked(1, "token")).await.unwrap();
    assert_eq!(aws.count("DeleteItem"), 2);

    aws.fates("DeleteItem", (0..4).map(|_| Fate::Refused("ThrottlingException")));
    assert!(
        ledger.unpark(&parked(1, "token")).await.is_err(),
        "only a lost race is no error"
    );
}

#[tokio::test]
async fn everybody_who_waits_for_one_build_is_found_page_by_page() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let commit = deployment(1).commit;
    let build = WaitsFor::Build {
        application: shop(),
        commit: commit.clone(),
        pull_request: None,
    };
    for number in 1..=5 {
        let parked = Parked::new(id(number), build.clone(), TaskToken::from(format!("t{number}")), now());
        ledger.park(&parked).await.unwrap();
    }
    aws.state().table.page = Some(2);
    let found = ledger.parked(&Key::build(&shop(), &commit)).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|parked| parked.deployment).collect();
    assert_eq!(found, (1..=5).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_overdue_is_found_to_the_last_page_oldest_first() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for number in 1..=7 {
        let mut parked = parked(number, "token");
        // The highest number waits longest; the first two are not due yet.
        parked.look_at = after(100 - 10 * i64::from(number));
        ledger.park(&parked).await.unwrap();
    }
    aws.state().table.page = Some(2);
    aws.forget_calls();
    let overdue = ledger.overdue_tasks(after(70)).await.unwrap();
    let overdue: Vec<_> = overdue.into_iter().map(|parked| parked.unwrap().deployment).collect();
    assert_eq!(overdue, [7, 6, 5, 4, 3].map(id));
    assert_eq!(aws.count("Query"), 3);
}

#[tokio::test]
async fn a_parked_task_that_cannot_be_read_stands_in_no_others_way() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for number in 1..=3 {
        ledger.park(&parked(number, "token")).await.unwrap();
    }
    // As a version writes that knows more to wait for.
    for ((_, sk), item) in &mut aws.state().table.items {
        if sk.starts_with("shop-dev-2#") {
            item["waits_for"]["M"]["what"] = json!({ "S": "tide" });
        }
    }
    let overdue = ledger.overdue_tasks(after(600)).await.unwrap();
    let readable: Vec<bool> = overdue.iter().map(Result::is_ok).collect();
    assert_eq!(readable, [true, false, true]);
}

#[tokio::test]
async fn a_look_is_put_off_for_what_still_waits_and_brings_nothing_back() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let task = parked(1, "token");
    ledger.park(&task).await.unwrap();
    ledger.look_again(&task, after(600)).await.unwrap();
    assert!(ledger.overdue_tasks(after(599)).await.unwrap().is_empty());
    let overdue = ledger.overdue_tasks(after(600)).await.unwrap();
    assert_eq!(overdue[0].as_ref().unwrap().look_at, after(600));

    ledger.unpark(&task).await.unwrap();
    ledger.look_again(&task, after(700)).await.unwrap();
    assert!(aws.state().table.items.is_empty());
}

#[tokio::test]
async fn a_report_is_owed_until_it_was_given() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for number in 1..=5 {
        ledger.owe_report(&id(number), after(i64::from(number))).await.unwrap();
    }
    aws.state().table.page = Some(2);
    assert_eq!(ledger.overdue_reports(after(4)).await.unwrap(), [1, 2, 3, 4].map(id));
    for _ in 0..2 {
        ledger.report_given(&id(2)).await.unwrap();
    }
    assert_eq!(ledger.overdue_reports(after(4)).await.unwrap(), [1, 3, 4].map(id));
}

#[tokio::test]
async fn of_two_copies_of_a_delivery_the_second_learns_what_was_decided_for_the_first() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let first = delivery(1, 0);
    assert_eq!(ledger.claim_delivery(&first).await.unwrap(), Claim::New);
    // Decided otherwise, since the configuration was changed in between.
    let second = Delivery::new(first.id.clone(), "push", Decision::Ask(vec![deployment(2)]), after(5));
    assert_eq!(
        ledger.claim_delivery(&second).await.unwrap(),
        Claim::Before(first.clone())
    );

    for _ in 0..2 {
        ledger.finish_delivery(&first.id).await.unwrap();
    }
    let started = Delivery {
        course: Course::Started {
            deployments: vec![deployment(1)],
        },
        ..first
    };
    assert_eq!(ledger.claim_delivery(&second).await.unwrap(), Claim::Before(started));
}

#[tokio::test]
async fn a_claim_whose_answer_got_lost_is_known_with_what_it_decided() {
    let aws = FakeAws::default();
    let ledger = patient_ledger(&aws).await;
    aws.fates("PutItem", [Fate::Unanswered]);
    let claimed = ledger.claim_delivery(&delivery(1, 0)).await.unwrap();
    assert_eq!(
        claimed,
        Claim::Before(delivery(1, 0)),
        "it still asks for its deployments to be started"
    );
}

#[tokio::test]
async fn deliveries_that_stopped_half_way_are_found_unless_the_index_only_lags() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for number in 1..=5 {
        ledger
            .claim_delivery(&delivery(number, i64::from(number)))
            .await
            .unwrap();
    }
    aws.state().table.page = Some(2);
    aws.index_lags();
    ledger.finish_delivery(&delivery(2, 2).id).await.unwrap();
    ledger.finish_delivery(&delivery(9, 9).id).await.unwrap();
    let at = after(4) + Delivery::PATIENCE - SignedDuration::from_millis(1);
    let unfinished = ledger.unfinished_deliveries(at).await.unwrap();
    let unfinished: Vec<_> = unfinished.into_iter().map(Result::unwrap).collect();
    assert_eq!(unfinished, [delivery(1, 1), delivery(3, 3)]);
}

#[tokio::test]
async fn one_delivery_that_cannot_be_read_stands_in_no_others_way() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for number in 1..=2 {
        ledger.claim_delivery(&delivery(number, 0)).await.unwrap();
    }
    aws.fates("GetItem", [Fate::Refused("ThrottlingException")]);
    let unfinished = ledger.unfinished_deliveries(after(60)).await.unwrap();
    assert!(unfinished[0].is_err());
    assert_eq!(unfinished[1].as_ref().unwrap().id, delivery(2, 0).id);
}
