//! Create change set, and the wakes that go on with it.

use domain::change_set::Call;
use domain::deployment::Leg;
use domain::failure::Name;
use domain::life::Progress;
use jiff::{SignedDuration, Timestamp};
use lockgate_deploy::Output;
use serde_json::{Value, json};

use crate::says::{self, SET, STACK};
use crate::shop::Shop;

/// A shop whose change set is not there at first, and then stands so.
async fn shop_with(stacks: &[(u16, String)], sets: Vec<(u16, String)>) -> Shop {
    with(Shop::new().await, stacks, sets)
}

fn with(shop: Shop, stacks: &[(u16, String)], sets: Vec<(u16, String)>) -> Shop {
    let aws = &shop.aws;
    aws.says("DescribeStacks", stacks.to_vec());
    aws.says(
        "DescribeChangeSet",
        [vec![says::no_set(), says::no_set()], sets].concat(),
    );
    aws.says(
        "GetTemplateSummary",
        [says::template(&["Colour", "BootstrapVersion"], &["AWS::SNS::Topic"])],
    );
    aws.says(
        "CreateChangeSet",
        [says::result(
            "CreateChangeSet",
            &format!("<Id>{SET}</Id><StackId>{STACK}</StackId>"),
        )],
    );
    for action in [
        "DeleteChangeSet",
        "DeleteStack",
        "ContinueUpdateRollback",
        "UpdateTerminationProtection",
    ] {
        aws.says(action, [says::result(action, "")]);
    }
    aws.says("DescribeStackEvents", [says::events(&[], None)]);
    aws.says("DescribeEvents", [says::error("InvalidAction", "not here")]);
    shop
}

fn pending() -> (u16, String) {
    says::set("CREATE_IN_PROGRESS", "UNAVAILABLE", "")
}

fn ready() -> (u16, String) {
    says::set("CREATE_COMPLETE", "AVAILABLE", "")
}

fn changes(creates: bool) -> (String, Value) {
    let answer = json!({ "outcome": "changes", "stack": "shop-dev", "change_set": SET, "creates": creates });
    ("create".to_owned(), answer)
}

#[tokio::test]
async fn a_stack_that_is_new_is_compared_as_soon_as_its_change_set_is_ready() {
    let shop = shop_with(
        &[says::no_stack(), says::stack("REVIEW_IN_PROGRESS")],
        vec![pending(), ready()],
    )
    .await;
    assert_eq!(shop.create_change_set().await.unwrap(), Output::Parked);

    assert_eq!(shop.aws.answers(), [changes(true)]);
    assert!(shop.parked().await.is_empty());
    assert_eq!(shop.progress().await, Progress::Compared);
    let asked = &shop.aws.calls("CreateChangeSet")[0];
    assert_eq!(asked["ChangeSetType"], "CREATE");
    assert_eq!(asked["ChangeSetName"], shop.change_set_name());
    assert_eq!(asked["ClientToken"], shop.token(Call::Create));
    assert_eq!(
        asked["RoleARN"],
        "arn:aws:iam::222222222222:role/cdk-hnb659fds-cfn-exec-role-222222222222-eu-west-1"
    );
    assert_eq!(asked["Tags.member.1.Key"], "team");
    assert_eq!(asked["Parameters.member.1.ParameterValue"], "blue");
    assert!(
        !asked.contains_key("Parameters.member.2.ParameterKey"),
        "a new stack has no value to keep"
    );
    assert!(!asked.contains_key("IncludeNestedStacks"));
    let role = &shop.aws.calls("AssumeRole")[0]["RoleArn"];
    assert_eq!(
        role,
        "arn:aws:iam::222222222222:role/cdk-hnb659fds-deploy-role-222222222222-eu-west-1"
    );
}

#[tokio::test]
async fn alarms_turn_cloudformation_back_on_the_way_forward_and_never_on_the_way_back() {
    for (leg, triggers) in [(Leg::Forward, 2), (Leg::Back, 0)] {
        let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![ready()]).await;
        shop.create_guarded_change_set(leg).await.unwrap();
        let asked = &shop.aws.calls("CreateChangeSet")[0];
        let given = |place: u32, field: &str| {
            let key = format!("RollbackConfiguration.RollbackTriggers.member.{place}.{field}");
            asked.get(&key).and_then(Value::as_str)
        };
        let found = (1..=3).filter(|place| given(*place, "Arn").is_some()).count();
        assert_eq!(found, triggers, "{leg}: {asked:?}");
        if leg == Leg::Forward {
            assert_eq!(
                given(1, "Arn"),
                Some("arn:aws:cloudwatch:eu-west-1:222222222222:alarm:errors")
            );
            assert_eq!(
                (given(1, "Type"), given(2, "Type")),
                (Some("AWS::CloudWatch::Alarm"), Some("AWS::CloudWatch::CompositeAlarm"))
            );
        } else {
            // Left out, CloudFormation would keep those of the way forward, which may be in ALARM by now.
            let none = "RollbackConfiguration.RollbackTriggers";
            assert!(asked.keys().any(|key| key.starts_with(none)), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_stack_that_is_there_keeps_the_parameters_that_its_template_still_has() {
    let parameters = ["Colour", "BootstrapVersion", "TakenOut"]
        .map(|key| format!("<member><ParameterKey>{key}</ParameterKey></member>"))
        .concat();
    let stack = says::stack_with("UPDATE_COMPLETE", &format!("<Parameters>{parameters}</Parameters>"));
    let shop = shop_with(&[stack], vec![ready()]).await;
    shop.create_change_set().await.unwrap();

    assert_eq!(shop.aws.answers(), [changes(false)]);
    let asked = &shop.aws.calls("CreateChangeSet")[0];
    assert_eq!(asked["ChangeSetType"], "UPDATE");
    assert_eq!(asked["Parameters.member.2.ParameterKey"], "BootstrapVersion");
    assert_eq!(asked["Parameters.member.2.UsePreviousValue"], "true");
    assert!(!asked.contains_key("Parameters.member.3.ParameterKey"));
}

#[tokio::test]
async fn a_change_set_that_takes_long_is_found_by_the_sweep() {
    let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![pending()]).await;
    shop.create_change_set().await.unwrap();
    assert_eq!((shop.aws.answers().len(), shop.parked().await.len()), (0, 1));

    shop.aws.says("DescribeChangeSet", [ready()]);
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.answers(), [changes(false)]);
    assert_eq!(shop.aws.calls("CreateChangeSet").len(), 1);
    assert_eq!(shop.wake().await.unwrap(), Output::Woken { waiting: 0 });
}

#[tokio::test]
async fn no_changes_is_an_answer_and_leaves_nothing_behind() {
    for (reason, status, shell) in [
        (
            "The submitted information didn't contain changes. Submit different information.",
            "UPDATE_COMPLETE",
            0,
        ),
        ("No updates are to be performed.", "REVIEW_IN_PROGRESS", 1),
    ] {
        let shop = shop_with(&[says::stack(status)], vec![says::set("FAILED", "UNAVAILABLE", reason)]).await;
        shop.create_change_set().await.unwrap();
        let answer = json!({ "outcome": "no_changes", "stack": "shop-dev" });
        assert_eq!(shop.aws.answers(), [("create".to_owned(), answer)]);
        assert_eq!(shop.progress().await, Progress::Unchanged);
        assert_eq!(shop.aws.calls("DeleteChangeSet").len(), 1);
        assert_eq!(shop.aws.calls("DeleteStack").len(), shell, "{status}");
        assert!(!shop.in_flight().await);
    }
}

const NO_CHANGES: &str = "No updates are to be performed.";

#[tokio::test]
async fn a_stack_that_holds_only_change_sets_is_not_deleted_without_the_lock_or_once_somebody_makes_it() {
    let empty = || says::stack("REVIEW_IN_PROGRESS");
    let no_changes = || vec![says::set("FAILED", "UNAVAILABLE", NO_CHANGES)];
    let shop = shop_with(&[empty()], no_changes()).await;
    let more = json!({ "fence": 7, "stack": "shop-dev", "token": "create" });
    let error = shop.ask("create_change_set", more).await.unwrap_err();
    assert_eq!(error.name(), Name::LostLock);
    assert!(shop.aws.calls("DeleteStack").is_empty());

    let made = says::stack("CREATE_IN_PROGRESS");
    let shop = shop_with(&[empty(), empty(), empty(), made], no_changes()).await;
    shop.create_change_set().await.unwrap();
    assert_eq!(shop.aws.answers()[0].1["outcome"], "no_changes");
    assert!(shop.aws.calls("DeleteStack").is_empty() && !shop.in_flight().await);
}

#[tokio::test]
async fn a_release_that_changes_only_the_protection_against_deletion_has_it_changed() {
    let no_changes = || vec![says::set("FAILED", "UNAVAILABLE", NO_CHANGES)];
    let protected = "<EnableTerminationProtection>true</EnableTerminationProtection>";
    for (stack, calls) in [
        (says::stack("UPDATE_COMPLETE"), 1),
        (says::stack_with("UPDATE_COMPLETE", protected), 0),
    ] {
        let shop = with(Shop::protected().await, &[stack], no_changes());
        shop.create_change_set().await.unwrap();
        let protections = shop.aws.calls("UpdateTerminationProtection");
        assert_eq!(protections.len(), calls);
        let to = |call: &serde_json::Map<String, Value>| call["EnableTerminationProtection"] == "true";
        assert!(protections.iter().all(to));
        assert_eq!(shop.aws.answers()[0].1["outcome"], "no_changes");
        assert!(!shop.in_flight().await);
    }

    let shop = with(Shop::protected().await, &[says::stack("UPDATE_COMPLETE")], no_changes());
    let more = json!({ "fence": 7, "stack": "shop-dev", "token": "create" });
    let error = shop.ask("create_change_set", more).await.unwrap_err();
    assert_eq!(error.name(), Name::LostLock);
    assert!(shop.aws.calls("UpdateTerminationProtection").is_empty());
}

#[tokio::test]
async fn a_refused_change_set_is_told_with_all_its_reasons_and_deleted() {
    let refused = says::set("FAILED", "UNAVAILABLE", "Validation failed. See the events.");
    let shop = shop_with(&[says::stack("REVIEW_IN_PROGRESS")], vec![refused]).await;
    let event = "<member><EventId>1</EventId><LogicalResourceId>Bucket</LogicalResourceId>\
                 <ValidationStatusReason>The name is taken</ValidationStatusReason></member>";
    let events = format!("<OperationEvents>{event}</OperationEvents>");
    shop.aws
        .says("DescribeEvents", [says::result("DescribeEvents", &events)]);

    let error = shop.create_change_set().await.unwrap_err();
    assert_eq!(error.name(), Name::ChangeSetRefused);
    assert_eq!(
        error.to_string(),
        "Rejected.ChangeSetRefused: shop-dev: Validation failed. See the events.; Bucket: The name is taken"
    );
    assert_eq!(
        (
            shop.aws.calls("DeleteChangeSet").len(),
            shop.aws.calls("DeleteStack").len()
        ),
        (1, 1)
    );
    assert!(shop.parked().await.is_empty());
    assert!(
        shop.aws.answers().is_empty(),
        "the function's own error answers the state"
    );
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_used_if_it_is_of_use_and_deleted_if_not() {
    for (left, created, deleted) in [
        (ready(), 0, 0),
        (says::set("DELETE_PENDING", "UNAVAILABLE", ""), 1, 0),
        (says::set("DELETE_IN_PROGRESS", "UNAVAILABLE", ""), 1, 0),
        (says::set("FAILED", "UNAVAILABLE", "Template error"), 1, 1),
        (says::set("CREATE_COMPLETE", "OBSOLETE", ""), 1, 1),
        (says::set("CREATE_COMPLETE", "EXECUTE_FAILED", ""), 1, 1),
    ] {
        let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![]).await;
        let sets = match (created, deleted) {
            (0, _) => vec![left],
            // It goes while it is looked at.
            (_, 0) => vec![left.clone(), left, says::no_set(), ready()],
            _ => vec![left, says::no_set(), ready()],
        };
        shop.aws.says("DescribeChangeSet", sets);
        shop.create_change_set().await.unwrap();
        assert_eq!(shop.aws.answers(), [changes(false)]);
        let asked = shop.aws.calls("CreateChangeSet");
        assert_eq!(
            (asked.len(), shop.aws.calls("DeleteChangeSet").len()),
            (created, deleted)
        );
        if created == 1 {
            assert_eq!(asked[0]["ClientToken"], format!("{}-5a5a", shop.token(Call::Create)));
        }
    }
}

#[tokio::test]
async fn a_change_set_whose_answer_got_lost_is_found_by_its_name() {
    let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![ready()]).await;
    let exists = says::error("AlreadyExistsException", "ChangeSet lockgate already exists");
    shop.aws.says("CreateChangeSet", [exists]);
    shop.create_change_set().await.unwrap();
    assert_eq!(shop.aws.answers(), [changes(false)]);
}

#[tokio::test]
async fn somebody_elses_operation_is_waited_for_but_not_for_ever() {
    for status in [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "NEWER_IN_PROGRESS",
    ] {
        let shop = shop_with(&[says::stack(status)], vec![]).await;
        assert_eq!(shop.create_change_set().await.unwrap(), Output::Parked);
        shop.has_waited(SignedDuration::from_mins(29)).await;
        shop.wake().await.unwrap();
        assert_eq!(
            (shop.aws.answers().len(), shop.parked().await.len()),
            (0, 1),
            "{status}"
        );

        shop.has_waited(SignedDuration::from_mins(1)).await;
        shop.wake().await.unwrap();
        let (_, answer) = &shop.aws.answers()[0];
        assert_eq!(answer["error"], "Rejected.StackBusy");
        assert!(
            answer["cause"]
                .as_str()
                .unwrap()
                .starts_with("shop-dev: it is in the state"),
            "{answer}"
        );
        assert!(shop.parked().await.is_empty());
        assert!(shop.aws.calls("CreateChangeSet").is_empty());
    }
}

#[tokio::test]
async fn when_somebody_elses_operation_ends_the_wake_makes_the_change_set() {
    let shop = shop_with(&[says::stack("UPDATE_IN_PROGRESS")], vec![]).await;
    shop.create_change_set().await.unwrap();
    shop.aws.says("DescribeStacks", [says::stack("UPDATE_COMPLETE")]);
    shop.aws.says("DescribeChangeSet", [says::no_set(), ready()]);
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.answers(), [changes(false)]);
}

#[tokio::test]
async fn a_stack_that_never_was_is_deleted_only_if_nothing_is_left_of_it() {
    let shop = shop_with(&[says::stack("ROLLBACK_COMPLETE")], vec![]).await;
    shop.aws.says(
        "ListStackResources",
        [says::resources(&[
            ("Topic", "DELETE_COMPLETE"),
            ("Photos", "DELETE_SKIPPED"),
        ])],
    );
    let error = shop.create_change_set().await.unwrap_err();
    assert_eq!(error.name(), Name::StackBlocked);
    assert!(error.to_string().contains("(Photos)"), "{error}");
    assert!(shop.aws.calls("DeleteStack").is_empty());

    shop.aws
        .says("ListStackResources", [says::resources(&[("Topic", "DELETE_COMPLETE")])]);
    shop.create_change_set().await.unwrap();
    let deleted = &shop.aws.calls("DeleteStack")[0];
    assert_eq!(deleted["StackName"], STACK);
    assert_eq!(deleted["ClientRequestToken"], shop.token(Call::Delete));
    assert!(shop.in_flight().await, "a deletion is an operation");

    shop.aws
        .says("DescribeStacks", [says::no_stack(), says::stack("REVIEW_IN_PROGRESS")]);
    shop.aws.says("DescribeChangeSet", [says::no_set(), ready()]);
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.answers(), [changes(true)]);
    assert!(!shop.in_flight().await);
}

#[tokio::test]
async fn a_stack_that_never_was_is_deleted_although_it_was_protected_for_what_it_was_to_become() {
    let protected = |status| {
        let more = "<EnableTerminationProtection>true</EnableTerminationProtection>";
        says::stack_with(status, more)
    };
    for (status, sets) in [
        ("ROLLBACK_COMPLETE", vec![]),
        (
            "REVIEW_IN_PROGRESS",
            vec![says::set("FAILED", "UNAVAILABLE", NO_CHANGES)],
        ),
    ] {
        let shop = with(Shop::protected().await, &[protected(status)], sets);
        shop.aws.says("ListStackResources", [says::resources(&[])]);
        shop.create_change_set().await.unwrap();
        let calls = shop.aws.operations();
        let acts = calls
            .iter()
            .filter(|call| ["UpdateTerminationProtection", "DeleteStack"].contains(&call.as_str()));
        assert!(acts.eq(["UpdateTerminationProtection", "DeleteStack"]), "{calls:?}");
        let lifted = &shop.aws.calls("UpdateTerminationProtection")[0];
        assert_eq!(
            (&lifted["StackName"], &lifted["EnableTerminationProtection"]),
            (&json!(STACK), &json!("false"))
        );
    }
}

#[tokio::test]
async fn what_is_refused_before_a_comparison_gives_back_what_was_begun() {
    let denied = || says::error("AccessDenied", "not authorized");
    let invalid = || says::error("ValidationError", "Stack [shop-dev] has an imported value");
    for (status, call, token) in [
        ("ROLLBACK_COMPLETE", "DeleteStack", Call::Delete),
        (
            "UPDATE_ROLLBACK_FAILED",
            "ContinueUpdateRollback",
            Call::ContinueRollback,
        ),
    ] {
        for (refusal, name) in [(denied(), Name::AccessDenied), (invalid(), Name::StackBlocked)] {
            let shop = shop_with(&[says::stack(status)], vec![]).await;
            shop.aws.says("ListStackResources", [says::resources(&[])]);
            shop.aws.says(call, [refusal]);
            assert_eq!(shop.create_change_set().await.unwrap_err().name(), name, "{call}");
            assert!(!shop.in_flight().await && shop.parked().await.is_empty(), "{call}");
        }

        // A call before it has acted, or this one may have.
        let shop = shop_with(&[says::stack(status)], vec![]).await;
        shop.aws.says("ListStackResources", [says::resources(&[])]);
        let at_work = says::of_stack(9, "DELETE_IN_PROGRESS", &shop.token(token));
        let at_work = at_work.replace("2026-11-20T10:00:09Z", &Timestamp::now().to_string());
        let nothing = says::events(&[], None);
        let shown = says::events(&[at_work], None);
        shop.aws.says(
            "DescribeStackEvents",
            if call == "DeleteStack" {
                vec![shown]
            } else {
                vec![nothing, shown]
            },
        );
        shop.aws.says(call, [denied()]);
        assert_eq!(shop.create_change_set().await.unwrap(), Output::Parked, "{call}");
        assert!(shop.in_flight().await && shop.parked().await.len() == 1, "{call}");

        let shop = shop_with(&[says::stack(status)], vec![]).await;
        shop.aws.says("ListStackResources", [says::resources(&[])]);
        shop.aws.says(call, [says::error("InternalFailure", "a fault of AWS")]);
        assert_eq!(
            shop.create_change_set().await.unwrap_err().name(),
            Name::Unavailable,
            "{call}"
        );
        assert!(shop.in_flight().await, "{call}");
    }
}

#[tokio::test]
async fn f34_a_rollback_that_failed_is_continued_once() {
    let shop = shop_with(&[says::stack("UPDATE_ROLLBACK_FAILED")], vec![]).await;
    shop.create_change_set().await.unwrap();
    let token = shop.token(Call::ContinueRollback);
    assert_eq!(shop.aws.calls("ContinueUpdateRollback")[0]["ClientRequestToken"], token);
    assert!(shop.in_flight().await);

    let failed = says::of_stack(9, "UPDATE_ROLLBACK_FAILED", &token);
    let failed = failed.replace("2026-11-20T10:00:09Z", &Timestamp::now().to_string());
    shop.aws.says("DescribeStackEvents", [says::events(&[failed], None)]);
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.answers()[0].1["error"], "Stuck.RollbackFailed");
    assert_eq!(shop.aws.calls("ContinueUpdateRollback").len(), 1);
    assert!(!shop.in_flight().await);
}

#[tokio::test]
async fn what_was_begun_for_a_task_that_is_gone_ends_by_its_own_events() {
    let mins = SignedDuration::from_mins;
    for (described, own, begun, is_over) in [
        // A description from before the call, and no event yet.
        ("UPDATE_ROLLBACK_FAILED", None, mins(4), false),
        ("UPDATE_ROLLBACK_FAILED", None, mins(5), true),
        (
            "UPDATE_ROLLBACK_FAILED",
            Some("UPDATE_ROLLBACK_IN_PROGRESS"),
            mins(5),
            false,
        ),
        ("UPDATE_ROLLBACK_FAILED", Some("UPDATE_ROLLBACK_FAILED"), mins(0), true),
        (
            "UPDATE_ROLLBACK_COMPLETE",
            Some("UPDATE_ROLLBACK_COMPLETE"),
            mins(0),
            true,
        ),
        (
            "UPDATE_ROLLBACK_IN_PROGRESS",
            Some("UPDATE_ROLLBACK_COMPLETE"),
            mins(9),
            false,
        ),
    ] {
        let shop = shop_with(&[says::stack("UPDATE_ROLLBACK_FAILED")], vec![]).await;
        // However long it waited before.
        shop.create_change_set().await.unwrap();
        shop.has_waited(mins(20)).await;
        shop.began(begun).await;
        shop.aws.state().gone.insert("create".to_owned());
        shop.aws.says("DescribeStacks", [says::stack(described)]);
        let events: Vec<String> = own
            .map(|status| {
                let event = says::of_stack(9, status, &shop.token(Call::ContinueRollback));
                event.replace("2026-11-20T10:00:09Z", &Timestamp::now().to_string())
            })
            .into_iter()
            .collect();
        shop.aws.says("DescribeStackEvents", [says::events(&events, None)]);
        shop.wake().await.unwrap();
        assert_eq!(
            (shop.in_flight().await, shop.parked().await.is_empty()),
            (!is_over, is_over),
            "{described} {own:?} {begun}"
        );
    }
}

#[tokio::test]
async fn a_stack_of_another_application_is_left_alone() {
    let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![]).await;
    let mut other = shop.deployment.clone();
    other.application = "acme/billing".parse().unwrap();
    let stack = "shop-dev".parse().unwrap();
    let ledger = &shop.context.ledger;
    let owner = ledger.claim_stack(&other, &stack, Timestamp::now()).await.unwrap();
    assert_eq!(owner.application, other.application);
    let error = shop.create_change_set().await.unwrap_err();
    assert_eq!(error.name(), Name::StackBlocked);
    assert!(
        error.to_string().contains("it belongs to dev of acme/billing"),
        "{error}"
    );
    assert!(shop.aws.calls("CreateChangeSet").is_empty() && shop.parked().await.is_empty());

    // One's own is claimed once, and stays.
    let shop = shop_with(&[says::no_stack()], vec![]).await;
    let (ledger, now) = (&shop.context.ledger, Timestamp::now());
    let first = ledger.claim_stack(&shop.deployment, &stack, now).await.unwrap();
    let later = now + SignedDuration::from_hours(1);
    assert_eq!(
        ledger.claim_stack(&shop.deployment, &stack, later).await.unwrap(),
        first
    );
    shop.create_change_set().await.unwrap();
    assert!(!shop.aws.calls("CreateChangeSet").is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_or_continued_without_the_lock() {
    for status in ["ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"] {
        let shop = shop_with(&[says::stack(status)], vec![]).await;
        shop.aws.says("ListStackResources", [says::resources(&[])]);
        let more = json!({ "fence": 7, "stack": "shop-dev", "token": "create" });
        let error = shop.ask("create_change_set", more).await.unwrap_err();
        assert_eq!(error.name(), Name::LostLock);
        assert!(shop.aws.calls("DeleteStack").is_empty() && shop.aws.calls("ContinueUpdateRollback").is_empty());
    }
}

#[tokio::test]
async fn a_bootstrap_that_is_too_old_is_named_before_anything_is_asked() {
    for (found, told) in [(Some("5"), "version 5"), (None, "none")] {
        let shop = shop_with(&[says::no_stack()], vec![]).await;
        let name = "/cdk-bootstrap/hnb659fds/version".to_owned();
        match found {
            Some(version) => shop.aws.state().parameters.insert(name, version.to_owned()),
            None => shop.aws.state().parameters.remove(&name),
        };
        let error = shop.create_change_set().await.unwrap_err();
        assert_eq!(error.name(), Name::BootstrapMissing);
        assert!(error.to_string().contains(&format!("and {told} is there")), "{error}");
        assert!(shop.aws.calls("CreateChangeSet").is_empty());
    }
}

#[tokio::test]
async fn a_throttled_call_fails_the_attempt_and_keeps_what_is_parked() {
    let shop = shop_with(&[says::error("Throttling", "Rate exceeded")], vec![]).await;
    assert_eq!(shop.create_change_set().await.unwrap_err().name(), Name::Throttled);
    assert_eq!(shop.parked().await.len(), 1);
    assert_eq!(shop.wake().await.unwrap_err().name(), Name::Throttled);
    assert!(shop.aws.answers().is_empty(), "the wake is tried again");
}

#[tokio::test]
async fn a_wake_for_a_task_that_is_gone_makes_no_change_set() {
    let shop = shop_with(&[says::stack("UPDATE_IN_PROGRESS")], vec![]).await;
    shop.create_change_set().await.unwrap();
    shop.aws.state().gone.insert("create".to_owned());
    shop.aws.says("DescribeStacks", [says::stack("UPDATE_COMPLETE")]);
    shop.wake().await.unwrap();
    assert!(shop.parked().await.is_empty());
    assert!(shop.aws.calls("CreateChangeSet").is_empty());
    assert!(
        shop.aws.calls("DeleteChangeSet").is_empty(),
        "while the deployment goes on, another attempt of the state may have made it"
    );
}

#[tokio::test]
async fn a_call_that_comes_when_nobody_waits_for_it_any_more_compares_nothing() {
    // The newer call's change set is in execution, and would be taken for a left-over.
    let executing = says::set("CREATE_COMPLETE", "EXECUTE_COMPLETE", "");
    let shop = shop_with(&[says::stack("UPDATE_COMPLETE")], vec![]).await;
    shop.aws.says("DescribeChangeSet", [executing]);
    shop.aws.state().gone.insert("create".to_owned());
    assert_eq!(shop.create_change_set().await.unwrap(), Output::Parked);
    assert!(shop.aws.calls("DeleteChangeSet").is_empty() && shop.aws.calls("CreateChangeSet").is_empty());
    assert!(shop.parked().await.is_empty());
}
