//! Entries: only ever added, in their order, each once.

use aws::Kind;
use domain::failure::Name;
use domain::ledger::verify;
use domain::life::{Event, Phase};
use fake_aws::{FakeAws, Fate};

use crate::{deployment, id, now, patient_ledger};

fn requested() -> Event {
    Event::Requested {
        deployment: Box::new(deployment(1)),
    }
}

fn building(build: &str) -> Event {
    Event::Building {
        build: build.to_owned(),
        log: String::new(),
    }
}

async fn record(ledger: &aws::Ledger, events: impl IntoIterator<Item = Event>) {
    for event in events {
        ledger.record(&id(1), event, now()).await.unwrap();
    }
}

#[tokio::test]
async fn entries_are_read_to_the_last_page_in_their_order() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    let builds = (1..=11).map(|number| building(&format!("lockgate:{number}")));
    record(
        &ledger,
        [requested(), Event::Admitted { fence: 1 }].into_iter().chain(builds),
    )
    .await;
    aws.state().table.page = Some(3);
    aws.forget_calls();

    let entries = ledger.entries(&id(1)).await.unwrap();
    assert_eq!(aws.count("Query"), 5);
    let order: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(order, (1..=13).collect::<Vec<_>>());
    let head = ledger.head(&id(1)).await.unwrap().unwrap();
    assert_eq!(verify(&id(1), &entries), Ok(head));
}

#[tokio::test]
async fn two_that_record_at_once_both_do_and_the_chain_holds() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    record(&ledger, [requested()]).await;
    let admitted = Event::Admitted { fence: 1 };
    let first = aws
        .others(async |aws| record(&crate::ledger(&aws).await, [Event::Queued { before: 2 }]).await)
        .await;
    aws.fates("TransactWriteItems", [first]);
    record(&ledger, [admitted.clone()]).await;

    let entries = ledger.entries(&id(1)).await.unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2].what, admitted);
    assert!(verify(&id(1), &entries).is_ok());
}

#[tokio::test]
async fn what_cannot_have_happened_after_what_another_recorded_is_refused_and_told_late() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    record(&ledger, [requested()]).await;
    let others = async || {
        aws.others(async |aws| record(&crate::ledger(&aws).await, [Event::Admitted { fence: 1 }]).await)
            .await
    };
    aws.fates("TransactWriteItems", [others().await]);
    let late = ledger
        .record(&id(1), Event::Queued { before: 0 }, now())
        .await
        .unwrap_err();
    assert_eq!((late.kind, late.code.as_str()), (Kind::Conflict, "IllegalTransition"));
    ledger.tell(&id(1), Event::Queued { before: 0 }, now()).await.unwrap();
    assert_eq!(ledger.entries(&id(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn telling_late_hides_no_refusal_of_awss() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    aws.fates("TransactWriteItems", [Fate::Refused("AccessDeniedException")]);
    let error = ledger.tell(&id(1), requested(), now()).await.unwrap_err();
    assert_eq!(error.name(), Name::AccessDenied);
}

#[tokio::test]
async fn recording_the_same_twice_is_once() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    for _ in 0..2 {
        record(&ledger, [requested()]).await;
    }
    record(&ledger, [Event::Admitted { fence: 1 }, Event::Admitted { fence: 1 }]).await;
    assert_eq!(ledger.entries(&id(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_entry_whose_answer_got_lost_is_there_once() {
    for fate in [Fate::Unanswered, Fate::Faulted] {
        let aws = FakeAws::default();
        let ledger = patient_ledger(&aws).await;
        record(&ledger, [requested(), Event::Admitted { fence: 1 }]).await;
        aws.fates("TransactWriteItems", [fate]);
        // Of a build every word is kept, so that a second one would be a second entry.
        record(&ledger, [building("lockgate:1")]).await;
        assert_eq!(ledger.entries(&id(1)).await.unwrap().len(), 3);
        assert_eq!(
            ledger.head(&id(1)).await.unwrap().unwrap().status.phase,
            Phase::Building
        );
    }
}

#[tokio::test]
async fn an_entry_that_is_there_without_its_head_is_never_written_over() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    record(&ledger, [requested()]).await;
    let before = aws.item("deployment#shop-dev-1", "entry#00000001");
    aws.state().table.items.retain(|(_, sk), _| sk != "head");
    let error = ledger
        .record(&id(1), Event::Queued { before: 0 }, now())
        .await
        .unwrap_err();
    assert_eq!(error.code, "Contended");
    assert_eq!(aws.item("deployment#shop-dev-1", "entry#00000001"), before);
}

#[tokio::test]
async fn a_record_that_is_no_record_is_our_contradiction() {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    record(&ledger, [requested()]).await;
    for item in aws.state().table.items.values_mut() {
        item.remove("sequence");
    }
    assert_eq!(ledger.head(&id(1)).await.unwrap_err().kind, Kind::Unexpected);
    assert_eq!(ledger.entries(&id(1)).await.unwrap_err().name(), Name::Unexpected);
}
