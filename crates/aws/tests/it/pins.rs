//! A release's tag is pinned once, whoever else asks at the same time.

use aws::Kind;
use domain::intake::{Release, ReleaseAction, Resolved};
use fake_aws::{FakeAws, Fate};

use crate::{ledger, now, patient_ledger, shop};

fn release(id: u64, tag: &str) -> Release {
    Release {
        repository: shop(),
        fork: false,
        id,
        tag: tag.to_owned(),
        draft: false,
        prerelease: true,
        action: ReleaseAction::Published,
        by: "ada".to_owned(),
        name: "Winter".to_owned(),
        at: None,
    }
}

fn resolved(digit: char) -> Resolved {
    Resolved {
        commit: digit.to_string().repeat(40).parse().unwrap(),
        title: format!("Change {digit}"),
    }
}

#[tokio::test]
async fn the_first_pin_stays_and_is_what_everybody_gets() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let v1 = release(7, "v1");
    assert_eq!(ledger.pinned_release(&v1).await.unwrap(), None);
    for digit in ['1', '2', '1'] {
        let pinned = ledger.pin_release(&v1, resolved(digit), now()).await;
        assert_eq!(pinned.unwrap(), resolved('1'));
    }
    let pinned = ledger.pinned_release(&v1).await.unwrap();
    assert_eq!(pinned, Some(resolved('1')));
    let item = aws.item("pin#acme/shop", "7#v1").unwrap();
    assert_eq!(item["commit"]["S"], "1".repeat(40));
}

#[tokio::test]
async fn another_release_or_tag_is_pinned_by_itself_and_a_pre_release_that_is_one_no_more_is_not() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    for (digit, release) in ('0'..).zip([
        release(7, "v1"),
        release(8, "v1"),
        release(7, "v1#prerelease"),
        release(7, "1#v1"),
        release(71, "v1"),
    ]) {
        let pinned = ledger.pin_release(&release, resolved(digit), now()).await;
        assert_eq!(pinned.unwrap(), resolved(digit), "{release:?}");
    }
    let promoted = Release {
        prerelease: false,
        action: ReleaseAction::Released,
        ..release(7, "v1")
    };
    assert_eq!(ledger.pinned_release(&promoted).await.unwrap(), Some(resolved('0')));
    let pinned = ledger.pin_release(&promoted, resolved('9'), now()).await;
    assert_eq!(pinned.unwrap(), resolved('0'));
}

#[tokio::test]
async fn who_loses_the_race_gets_the_winners_commit() {
    let aws = FakeAws::default();
    let ledger = ledger(&aws).await;
    let v1 = release(7, "v1");
    let winner = aws
        .others(async |aws| {
            let ledger = crate::ledger(&aws).await;
            let v1 = release(7, "v1");
            let pin = ledger.pin_release(&v1, resolved('1'), now());
            pin.await.unwrap();
        })
        .await;
    aws.fates("PutItem", [winner]);
    let pinned = ledger.pin_release(&v1, resolved('2'), now()).await;
    assert_eq!(pinned.unwrap(), resolved('1'));
}

#[tokio::test]
async fn a_pin_whose_answer_got_lost_is_a_pin_and_one_that_was_refused_is_none() {
    let aws = FakeAws::default();
    aws.fates("PutItem", [Fate::Faulted]);
    let patient = patient_ledger(&aws).await;
    let v1 = release(7, "v1");
    let pinned = patient.pin_release(&v1, resolved('1'), now()).await;
    assert_eq!(pinned.unwrap(), resolved('1'));

    aws.fates("PutItem", [Fate::Refused("AccessDeniedException")]);
    let v2 = release(8, "v2");
    let refused = patient.pin_release(&v2, resolved('1'), now()).await;
    assert!(refused.unwrap_err().is(Kind::AccessDenied));
    assert_eq!(patient.pinned_release(&v2).await.unwrap(), None);
}
