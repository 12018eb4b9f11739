//! Change sets that are made before anybody may execute them, and what becomes of people's word about them.

use domain::approval::{ApprovalId, Ballot, Choice, Outcome, Via};
use domain::change_set::{Call, Found, Prepared};
use domain::deployment::Leg;
use domain::failure::{Failure, Name};
use domain::life::{Ending, Event, Progress, WayBack};
use domain::names::Digest;
use jiff::Timestamp;
use lockgate_deploy::{Error, Output};
use serde_json::{Value, json};

use crate::says::{self, MADE, SET, STACK};
use crate::shop::{Shop, stack};

/// What CloudFormation says where a change set is made, and ready.
fn can_be_prepared(shop: &Shop, stacks: &[(u16, String)]) {
    let aws = &shop.aws;
    aws.says("DescribeStacks", stacks.to_vec());
    let ready = says::set("CREATE_COMPLETE", "AVAILABLE", "");
    aws.says("DescribeChangeSet", [says::no_set(), says::no_set(), ready]);
    aws.says(
        "GetTemplateSummary",
        [says::template(&["Colour"], &["AWS::SNS::Topic"])],
    );
    let created = format!("<Id>{SET}</Id><StackId>{STACK}</StackId>");
    aws.says("CreateChangeSet", [says::result("CreateChangeSet", &created)]);
    for action in ["DeleteChangeSet", "DeleteStack", "UpdateTerminationProtection"] {
        aws.says(action, [says::result(action, "")]);
    }
    aws.says("DescribeStackEvents", [says::events(&[], None)]);
}

/// As a stack and its change set are found that nobody has touched.
fn untouched(change_set: Option<&str>) -> Prepared {
    let stack = stack();
    let found = Found {
        stack: &stack,
        stack_id: Some(STACK),
        changed_at: MADE.parse().ok(),
        change_set,
        changes: &[],
    };
    Prepared {
        hash: found.hash(),
        change_set: change_set.map(str::to_owned),
        stack,
    }
}

/// People were asked about this, and accepted.
async fn accepted(shop: &Shop, prepared: Prepared) {
    let by = "qa@acme.example".parse().unwrap();
    shop.tell(Event::Prepared { sets: vec![prepared] }).await;
    shop.tell(Event::ApprovalAsked {
        approval: ApprovalId::of_change_sets(&shop.deployment.id, &Digest::of(b"them")),
        people: vec![],
        deadline: Timestamp::now(),
        unconfirmed: vec![],
        excluded: vec![],
    })
    .await;
    let ballot = Ballot {
        by,
        via: Via::Link {
            key: "0a1b2c3d".parse().unwrap(),
        },
        decision: Choice::Accept,
        comment: String::new(),
        ticked: vec![],
        at: Timestamp::now(),
    };
    shop.tell(Event::Voted { ballot }).await;
    let outcome = Outcome::Accepted { at: Timestamp::now() };
    shop.tell(Event::Decided { outcome }).await;
}

async fn confirm(shop: &Shop) -> Result<Output, Error> {
    let input = json!({ "do": "confirm", "deployment": shop.deployment });
    lockgate_deploy::handle(&shop.context, serde_json::from_value(input).unwrap()).await
}

async fn review(shop: &Shop, results: Value) -> Result<Output, Error> {
    let input = json!({ "do": "review_preparation", "deployment": shop.deployment, "results": results });
    lockgate_deploy::handle(&shop.context, serde_json::from_value(input).unwrap()).await
}

#[tokio::test]
async fn a_change_set_is_made_for_people_and_stays_until_the_deployment_is_over() {
    let shop = Shop::asking_before().await;
    can_be_prepared(&shop, &[says::stack("UPDATE_COMPLETE")]);
    assert_eq!(shop.prepare_change_set().await.unwrap(), Output::Parked);
    let prepared = untouched(Some(SET));
    let answer = json!({ "outcome": "prepared", "stack": "shop-dev", "change_set": SET, "hash": prepared.hash });
    assert_eq!(shop.aws.answers(), [("prepare".to_owned(), answer.clone())]);
    let asked = &shop.aws.calls("CreateChangeSet")[0];
    assert_eq!(asked["ChangeSetName"], format!("{}-p1", shop.change_set_name()));
    assert_eq!(asked["ClientToken"], format!("{}-p1", shop.token(Call::Create)));
    assert_eq!(shop.progress().await, Progress::Compared);

    assert_eq!(review(&shop, json!([answer])).await.unwrap(), Output::Prepared);
    let head = shop.context.ledger.head(&shop.deployment.id).await.unwrap().unwrap();
    assert_eq!(head.status.prepared, [prepared]);

    // The task was answered; what was made for it is looked after all the same.
    shop.aws.state().gone.insert("prepare".to_owned());
    shop.wake().await.unwrap();
    assert_eq!(
        (shop.parked().await.len(), shop.aws.calls("DeleteChangeSet").len()),
        (1, 0)
    );
    shop.tell(Event::Ended(Ending::FailedClean {
        failure: Failure::new(Name::NotAccepted, "no"),
        way_back: WayBack::NothingChanged,
    }))
    .await;
    shop.wake().await.unwrap();
    assert!(shop.parked().await.is_empty());
    assert_eq!(shop.aws.calls("DeleteChangeSet")[0]["ChangeSetName"], SET);
}

#[tokio::test]
async fn what_cannot_be_deleted_now_is_looked_at_again_and_what_was_executed_is_left() {
    for (said, refused, parked, deleted) in [
        (says::set("CREATE_COMPLETE", "AVAILABLE", ""), true, 1, 1),
        (says::set("CREATE_COMPLETE", "AVAILABLE", ""), false, 0, 1),
        (says::set("CREATE_COMPLETE", "EXECUTE_COMPLETE", ""), false, 0, 0),
        (says::set("CREATE_COMPLETE", "EXECUTE_IN_PROGRESS", ""), false, 0, 0),
        (says::set("CREATE_COMPLETE", "OBSOLETE", ""), false, 0, 0),
        (says::no_set(), false, 0, 0),
    ] {
        let shop = Shop::asking_before().await;
        can_be_prepared(&shop, &[says::stack("UPDATE_COMPLETE")]);
        shop.prepare_change_set().await.unwrap();
        shop.aws.state().gone.insert("prepare".to_owned());
        shop.tell(Event::Ended(Ending::FailedClean {
            failure: Failure::new(Name::NotAccepted, "no"),
            way_back: WayBack::NothingChanged,
        }))
        .await;
        let what = format!("{said:?}");
        shop.aws.says("DescribeChangeSet", [said]);
        if refused {
            let busy = says::error("InvalidChangeSetStatus", "the stack is in UPDATE_IN_PROGRESS state");
            shop.aws.says("DeleteChangeSet", [busy]);
        }
        shop.wake().await.unwrap();
        assert_eq!(
            (shop.parked().await.len(), shop.aws.calls("DeleteChangeSet").len()),
            (parked, deleted),
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_was_only_to_be_seen_is_gone_when_it_was_seen() {
    let shop = Shop::planning().await;
    can_be_prepared(&shop, &[says::stack("UPDATE_COMPLETE")]);
    shop.prepare_change_set().await.unwrap();
    let answer = json!({
        "outcome": "prepared", "stack": "shop-dev", "change_set": null, "hash": untouched(Some(SET)).hash,
    });
    assert_eq!(shop.aws.answers(), [("prepare".to_owned(), answer)]);
    assert_eq!(shop.aws.calls("DeleteChangeSet").len(), 1);
    assert!(shop.parked().await.is_empty());
    assert_eq!(shop.progress().await, Progress::Compared);
}

#[tokio::test]
async fn each_time_that_people_are_asked_it_is_about_change_sets_of_another_name() {
    let shop = Shop::asking_before().await;
    shop.tell(Event::Prepared {
        sets: vec![untouched(Some("arn:changeSet/the-first"))],
    })
    .await;
    can_be_prepared(&shop, &[says::stack("UPDATE_COMPLETE")]);
    shop.prepare_change_set().await.unwrap();
    let asked = &shop.aws.calls("CreateChangeSet")[0];
    assert_eq!(asked["ChangeSetName"], format!("{}-p2", shop.change_set_name()));
    assert_eq!(asked["ClientToken"], format!("{}-p2", shop.token(Call::Create)));
}

#[tokio::test]
async fn what_has_no_changes_is_said_to_people_and_not_touched() {
    let shop = Shop::asking_before().await;
    can_be_prepared(
        &shop,
        &[says::stack_with(
            "UPDATE_COMPLETE",
            "<EnableTerminationProtection>true</EnableTerminationProtection>",
        )],
    );
    let none = says::set("FAILED", "UNAVAILABLE", "No updates are to be performed.");
    shop.aws
        .says("DescribeChangeSet", [says::no_set(), says::no_set(), none]);
    shop.prepare_change_set().await.unwrap();
    let answer =
        json!({ "outcome": "prepared", "stack": "shop-dev", "change_set": null, "hash": untouched(None).hash });
    assert_eq!(shop.aws.answers(), [("prepare".to_owned(), answer)]);
    assert!(
        shop.aws.calls("UpdateTerminationProtection").is_empty(),
        "nobody has said that it may be changed"
    );
    assert_eq!(shop.aws.calls("DeleteChangeSet").len(), 1);
    assert!(shop.parked().await.is_empty());
}

#[tokio::test]
async fn what_only_is_to_be_seen_mends_nothing_first() {
    for status in ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"] {
        let shop = Shop::planning().await;
        can_be_prepared(&shop, &[says::stack(status)]);
        let refused = shop.prepare_change_set().await.unwrap_err();
        assert_eq!(refused.name(), Name::StackBlocked, "{refused}");
        assert!(refused.to_string().contains(status), "{refused}");
        for action in ["ContinueUpdateRollback", "DeleteStack", "CreateChangeSet"] {
            assert!(shop.aws.calls(action).is_empty(), "{action}");
        }
    }
}

#[tokio::test]
async fn a_preparation_is_reviewed_as_a_wave_is() {
    let shop = Shop::planning().await;
    let prepared = json!({ "outcome": "prepared", "stack": "shop-dev", "change_set": SET, "hash": Digest::of(b"x") });
    let failed = json!({ "outcome": "failed", "failure": { "Error": "Rejected.ChangeSetRefused", "Cause": "b: why" } });
    let refused = review(&shop, json!([prepared.clone(), failed])).await.unwrap_err();
    assert_eq!(
        (refused.name(), refused.to_string()),
        (Name::ChangeSetRefused, "Rejected.ChangeSetRefused: b: why".to_owned())
    );
    assert_eq!(review(&shop, json!([prepared])).await.unwrap(), Output::OnlyPlanned);
}

#[tokio::test]
async fn exactly_what_was_approved_is_executed() {
    let shop = Shop::asking_before().await;
    accepted(&shop, untouched(Some(SET))).await;
    shop.at_rest();
    assert_eq!(confirm(&shop).await.unwrap(), Output::Confirmed);
    shop.create_change_set().await.unwrap();
    let answer = json!({ "outcome": "changes", "stack": "shop-dev", "change_set": SET, "creates": false });
    assert_eq!(shop.aws.answers(), [("create".to_owned(), answer)]);
    for action in ["CreateChangeSet", "DeleteChangeSet"] {
        assert!(shop.aws.calls(action).is_empty(), "{action}");
    }
}

#[tokio::test]
async fn what_is_different_is_void_and_nothing_is_made_anew() {
    let another = says::stack("UPDATE_COMPLETE").1.replace(
        STACK,
        "arn:aws:cloudformation:eu-west-1:222222222222:stack/shop-dev/another",
    );
    let changed = says::stack_with(
        "UPDATE_COMPLETE",
        "<LastUpdatedTime>2026-11-21T10:00:00Z</LastUpdatedTime>",
    );
    let (ready, at_rest) = (
        says::set("CREATE_COMPLETE", "AVAILABLE", ""),
        says::stack("UPDATE_COMPLETE"),
    );
    let adds = says::change("Add", "Topic", "AWS::SNS::Topic", "");
    let other_changes = says::set_page("CREATE_COMPLETE", "AVAILABLE", "", &[&adds], None);
    for (what, set, there) in [
        ("it is gone", says::no_set(), at_rest.clone()),
        (
            "it is of no use",
            says::set("CREATE_COMPLETE", "OBSOLETE", ""),
            at_rest.clone(),
        ),
        (
            "it runs",
            says::set("CREATE_COMPLETE", "EXECUTE_IN_PROGRESS", ""),
            at_rest.clone(),
        ),
        (
            "it is deleted",
            says::set("DELETE_COMPLETE", "UNAVAILABLE", ""),
            at_rest.clone(),
        ),
        ("it does something else", other_changes, at_rest),
        ("the stack was changed", ready.clone(), changed),
        ("it is another stack", ready.clone(), (200, another)),
        ("there is no stack", ready, says::no_stack()),
    ] {
        let shop = Shop::asking_before().await;
        accepted(&shop, untouched(Some(SET))).await;
        shop.at_rest();
        shop.aws.says("DescribeChangeSet", [set]);
        shop.aws.says("DescribeStacks", [there]);
        assert_eq!(confirm(&shop).await.unwrap(), Output::Void, "{what}");
        // The same, found at the last moment only.
        let refused = shop.create_change_set().await.unwrap_err();
        assert_eq!(refused.name(), Name::ApprovalVoid, "{what}");
        for action in ["CreateChangeSet", "DeleteChangeSet"] {
            assert!(shop.aws.calls(action).is_empty(), "{what}: {action}");
        }
        assert!(shop.parked().await.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn what_had_no_changes_when_people_were_asked_may_have_none_now() {
    let shop = Shop::asking_before().await;
    accepted(&shop, untouched(None)).await;
    can_be_prepared(&shop, &[says::stack("UPDATE_COMPLETE")]);
    assert_eq!(confirm(&shop).await.unwrap(), Output::Confirmed);
    let failed = shop.create_change_set().await.unwrap_err();
    assert_eq!(failed.name(), Name::ApprovalVoid, "{failed}");
    assert_eq!(
        shop.aws.calls("DeleteChangeSet").len(),
        1,
        "what was made to compare it is nobody's to execute"
    );
    // Nothing that is found of the stack tells it, and people are asked anew all the same.
    assert_eq!(confirm(&shop).await.unwrap(), Output::Void);
    let head = shop.context.ledger.head(&shop.deployment.id).await.unwrap().unwrap();
    let why = "shop-dev: it had no changes when people were asked, and has some now";
    assert_eq!(head.status.voided.as_deref(), Some(why));
}

#[tokio::test]
async fn what_is_half_executed_is_not_asked_about_anew() {
    let shop = Shop::asking_before().await;
    accepted(&shop, untouched(Some(SET))).await;
    shop.at_rest();
    shop.tell(Event::Executing {
        leg: Leg::Forward,
        stack: stack(),
        change_set: SET.to_owned(),
    })
    .await;
    shop.tell(Event::Updated {
        leg: Leg::Forward,
        stack: stack(),
    })
    .await;
    shop.aws.says("DescribeChangeSet", [says::no_set()]);
    let why = "shop-dev-web: the stack was changed since".to_owned();
    shop.tell(Event::Voided { why }).await;
    let failed = confirm(&shop).await.unwrap_err();
    // That its own change set is executed is nothing that is different.
    assert_eq!(
        failed.to_string(),
        "Rejected.ApprovalVoid: shop-dev-web: the stack was changed since"
    );
}

#[tokio::test]
async fn without_peoples_word_nothing_is_confirmed() {
    let shop = Shop::asking_before().await;
    shop.at_rest();
    let unknown = "Bug.Unexpected: its record does not say what people approved";
    assert_eq!(
        confirm(&shop).await.unwrap_err().to_string(),
        unknown,
        "nothing was prepared"
    );
    shop.tell(Event::Prepared {
        sets: vec![untouched(Some(SET))],
    })
    .await;
    assert_eq!(
        confirm(&shop).await.unwrap_err().to_string(),
        unknown,
        "nobody has accepted"
    );
}
