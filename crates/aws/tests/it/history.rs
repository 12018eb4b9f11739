//! The list of an application's deployments, and a deployment in outline.

use domain::life::{Event, Phase};
use fake_aws::{FakeAws, Fate};

use crate::{after, deployment, id, now, shop};

fn requested(number: u8) -> Event {
    let mut deployment = deployment(number);
    deployment.requested.at = after(i64::from(number));
    Event::Requested {
        deployment: Box::new(deployment),
    }
}

/// An AWS with that many deployments, one a second.
async fn listed(count: u8) -> (FakeAws, aws::Ledger) {
    let aws = FakeAws::default();
    let ledger = crate::ledger(&aws).await;
    for number in 1..=count {
        ledger.record(&id(number), requested(number), now()).await.unwrap();
    }
    (aws, ledger)
}

async fn between(ledger: &aws::Ledger, since: i64, until: i64) -> Vec<String> {
    let found = ledger.history(&shop(), after(since), after(until)).await.unwrap();
    found.iter().map(|listed| listed.deployment.to_string()).collect()
}

#[tokio::test]
async fn deployments_are_listed_newest_first_to_the_last_page() {
    let (aws, ledger) = listed(7).await;
    aws.state().table.page = Some(2);
    aws.forget_calls();
    let all: Vec<String> = (1..=7).rev().map(|number| id(number).to_string()).collect();
    assert_eq!(between(&ledger, 0, 60).await, all);
    assert_eq!(aws.operations(), ["Query"; 4]);
    let newest = &ledger.history(&shop(), after(0), after(60)).await.unwrap()[0];
    let deployment = deployment(7);
    assert_eq!(
        (&newest.environment, &newest.commit, newest.at, newest.happened_at),
        (
            &deployment.environment.name,
            &deployment.commit,
            after(7),
            deployment.requested.happened_at
        )
    );
}

#[tokio::test]
async fn a_period_holds_its_beginning_and_not_its_end() {
    let (aws, ledger) = listed(4).await;
    assert_eq!(between(&ledger, 2, 4).await, ["shop-dev-3", "shop-dev-2"]);
    aws.forget_calls();
    assert!(between(&ledger, 4, 4).await.is_empty() && between(&ledger, 4, 2).await.is_empty());
    assert_eq!(aws.count("Query"), 0, "DynamoDB would refuse it");
    let other = "acme/other".parse().unwrap();
    assert!(ledger.history(&other, after(0), after(60)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deployment_is_listed_with_its_first_entry_or_not_at_all_and_once() {
    let aws = FakeAws::default();
    let ledger = crate::patient_ledger(&aws).await;
    aws.fates("TransactWriteItems", [Fate::Refused("AccessDeniedException")]);
    assert!(ledger.record(&id(1), requested(1), now()).await.is_err());
    assert!(between(&ledger, 0, 60).await.is_empty());
    aws.fates("TransactWriteItems", [Fate::Unanswered]);
    for _ in 0..2 {
        ledger.record(&id(1), requested(1), now()).await.unwrap();
    }
    ledger
        .record(&id(1), Event::Admitted { fence: 1 }, now())
        .await
        .unwrap();
    assert_eq!(between(&ledger, 0, 60).await, ["shop-dev-1"]);
}

#[tokio::test]
async fn a_deployment_in_outline_is_three_items_however_long_its_record_is() {
    let (aws, ledger) = listed(1).await;
    let outline = ledger.outline(&id(1)).await.unwrap().unwrap();
    assert_eq!((outline.head.sequence, outline.last.sequence), (1, 1));
    ledger
        .record(&id(1), Event::Admitted { fence: 1 }, after(9))
        .await
        .unwrap();
    for build in 0..9 {
        let building = Event::Building {
            build: format!("lockgate:{build}"),
            log: String::new(),
        };
        ledger.record(&id(1), building, after(10)).await.unwrap();
    }
    aws.forget_calls();
    let outline = ledger.outline(&id(1)).await.unwrap().unwrap();
    assert_eq!(aws.operations(), ["GetItem"; 3]);
    assert_eq!(outline.requested.id, id(1));
    assert_eq!(
        (outline.head.status.phase, outline.last.at, outline.last.sequence),
        (Phase::Building, after(10), 11)
    );
    assert_eq!(ledger.outline(&id(2)).await.unwrap(), None);
}
