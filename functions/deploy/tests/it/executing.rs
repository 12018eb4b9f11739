//! Execute change set, and the wakes that find out how it ended.

use domain::change_set::Call;
use domain::failure::Name;
use domain::life::Progress;
use fake_aws::Fate;
use jiff::SignedDuration;
use lockgate_deploy::Output;
use serde_json::{Value, json};

use crate::says::{self, SET, STACK};
use crate::shop::Shop;

fn executing() -> (u16, String) {
    says::set("CREATE_COMPLETE", "EXECUTE_IN_PROGRESS", "")
}

/// What the task was told: the outcome, or the error's name.
fn told(shop: &Shop) -> Vec<Value> {
    let answers = shop.aws.answers();
    let word = |answer: &Value| answer.get("outcome").or(answer.get("error")).cloned().unwrap();
    answers.iter().map(|(_, answer)| word(answer)).collect()
}

async fn executed() -> Shop {
    let shop = Shop::new().await;
    shop.at_rest();
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.in_flight().await);
    shop
}

/// The events of an update that came to this, newest first.
fn came_to(shop: &Shop, statuses: &[&str]) -> (u16, String) {
    let token = shop.token(Call::Execute);
    let mut events: Vec<String> = (1..)
        .zip(statuses)
        .map(|(id, status)| says::of_stack(id, status, &token))
        .collect();
    events.reverse();
    says::events(&events, None)
}

#[tokio::test]
async fn nothing_is_executed_without_the_lock() {
    let shop = Shop::new().await;
    shop.at_rest();
    let error = shop.execute_change_set(2).await.unwrap_err();
    assert_eq!(error.name(), Name::LostLock);
    assert!(shop.aws.calls("ExecuteChangeSet").is_empty());
    assert!(shop.parked().await.is_empty());
}

#[tokio::test]
async fn a_stack_that_was_updated_is_told_once() {
    let shop = executed().await;
    let call = &shop.aws.calls("ExecuteChangeSet")[0];
    assert_eq!(call["ChangeSetName"], SET);
    assert_eq!(call["ClientRequestToken"], shop.token(Call::Execute));
    assert_eq!(shop.progress().await, Progress::Executing);

    shop.aws.says("DescribeChangeSet", [executing()]);
    shop.aws.says("DescribeStacks", [says::stack("UPDATE_IN_PROGRESS")]);
    shop.aws
        .says("DescribeStackEvents", [came_to(&shop, &["UPDATE_IN_PROGRESS"])]);
    shop.wake().await.unwrap();
    assert!(told(&shop).is_empty() && shop.in_flight().await, "it goes on");

    shop.aws.says("DescribeStacks", [says::stack("UPDATE_COMPLETE")]);
    shop.aws.says(
        "DescribeChangeSet",
        [says::set("CREATE_COMPLETE", "EXECUTE_COMPLETE", "")],
    );
    shop.wake().await.unwrap();
    assert_eq!(told(&shop), ["updated"]);
    assert_eq!(shop.progress().await, Progress::Updated);
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());

    assert_eq!(shop.wake().await.unwrap(), Output::Woken { waiting: 0 });
}

#[tokio::test]
async fn f31_a_stale_read_right_after_the_execution_is_not_taken_for_its_end() {
    let shop = executed().await;
    // DescribeStacks still shows the end of the update before, whose event somebody else's token carries.
    shop.aws.says("DescribeChangeSet", [executing()]);
    let before = says::of_stack(1, "UPDATE_COMPLETE", "somebody-else");
    shop.aws.says("DescribeStackEvents", [says::events(&[before], None)]);
    shop.wake().await.unwrap();
    assert!(told(&shop).is_empty() && shop.in_flight().await);

    // An event that comes before the reads agree is looked at once more.
    let ended = came_to(&shop, &["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]);
    let early = came_to(&shop, &["UPDATE_IN_PROGRESS"]);
    shop.aws.says("DescribeStackEvents", [early, ended]);
    shop.wake().await.unwrap();
    assert_eq!(told(&shop), ["updated"]);
}

#[tokio::test]
async fn f33_an_update_that_was_rolled_back_is_told_with_its_first_cause() {
    let shop = executed().await;
    let token = shop.token(Call::Execute);
    let topic = ("Topic", "t", "AWS::SNS::Topic");
    shop.aws
        .says("DescribeStacks", [says::stack("UPDATE_ROLLBACK_COMPLETE")]);
    shop.aws.says(
        "DescribeChangeSet",
        [says::set("CREATE_COMPLETE", "EXECUTE_FAILED", "")],
    );
    shop.aws.says(
        "DescribeStackEvents",
        [
            says::events(
                &[
                    says::of_stack(9, "UPDATE_ROLLBACK_COMPLETE", &token),
                    says::of_stack(5, "UPDATE_ROLLBACK_IN_PROGRESS", &token),
                    says::event(
                        4,
                        ("Queue", "q", "AWS::SQS::Queue"),
                        "UPDATE_FAILED",
                        "Resource update cancelled",
                        &token,
                    ),
                ],
                Some("2"),
            ),
            says::events(
                &[
                    says::event(3, topic, "UPDATE_FAILED", "The name is taken", &token),
                    says::of_stack(1, "UPDATE_IN_PROGRESS", &token),
                ],
                None,
            ),
        ],
    );
    shop.wake().await.unwrap();
    let answer = json!({
        "error": "Failed.StackRolledBack",
        "cause": "shop-dev: Topic (AWS::SNS::Topic): The name is taken",
    });
    assert_eq!(shop.aws.answers(), [("execute".to_owned(), answer)]);
    assert_eq!(shop.progress().await, Progress::NotUpdated);
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
}

#[tokio::test]
async fn f34_a_rollback_that_failed_is_continued_once_and_then_told() {
    for (end, name) in [
        ("UPDATE_ROLLBACK_COMPLETE", "Failed.StackRolledBack"),
        ("UPDATE_ROLLBACK_FAILED", "Stuck.RollbackFailed"),
    ] {
        let shop = executed().await;
        let (token, again) = (shop.token(Call::Execute), shop.token(Call::ContinueRollback));
        let failed = says::of_stack(2, "UPDATE_ROLLBACK_FAILED", &token);
        shop.aws.says("DescribeStacks", [says::stack("UPDATE_ROLLBACK_FAILED")]);
        shop.aws.says(
            "DescribeChangeSet",
            [says::set("CREATE_COMPLETE", "EXECUTE_FAILED", "")],
        );
        shop.aws.says(
            "DescribeStackEvents",
            [says::events(std::slice::from_ref(&failed), None)],
        );
        shop.aws
            .says("ContinueUpdateRollback", [says::result("ContinueUpdateRollback", "")]);
        shop.wake().await.unwrap();
        assert!(told(&shop).is_empty() && shop.in_flight().await);
        assert_eq!(shop.aws.calls("ContinueUpdateRollback")[0]["ClientRequestToken"], again);

        shop.aws.says("DescribeStacks", [says::stack(end)]);
        let ended = says::of_stack(7, end, &again);
        shop.aws
            .says("DescribeStackEvents", [says::events(&[ended, failed], None)]);
        shop.wake().await.unwrap();
        assert_eq!(told(&shop), [name]);
        assert!(!shop.in_flight().await);
        assert_eq!(shop.aws.calls("ContinueUpdateRollback").len(), 1);
    }
}

#[tokio::test]
async fn a_rollback_that_is_continued_already_is_no_failure() {
    for refusal in [
        says::error("TokenAlreadyExistsException", "ClientRequestToken already exists"),
        says::error(
            "ValidationError",
            "Stack:shop-dev is in UPDATE_ROLLBACK_IN_PROGRESS state and can not be rolled back.",
        ),
    ] {
        let shop = executed().await;
        // What is described and told is from before the call whose answer got lost.
        shop.aws.says("DescribeStacks", [says::stack("UPDATE_ROLLBACK_FAILED")]);
        shop.aws.says(
            "DescribeChangeSet",
            [says::set("CREATE_COMPLETE", "EXECUTE_FAILED", "")],
        );
        shop.aws
            .says("DescribeStackEvents", [came_to(&shop, &["UPDATE_ROLLBACK_FAILED"])]);
        shop.aws.says("ContinueUpdateRollback", [refusal]);
        shop.wake().await.unwrap();
        assert!(told(&shop).is_empty() && shop.in_flight().await);
    }
}

#[tokio::test]
async fn an_execution_that_was_asked_for_before_is_left_to_the_wake() {
    let shop = Shop::new().await;
    shop.at_rest();
    let refusal = says::error("TokenAlreadyExistsException", "ClientRequestToken already exists");
    shop.aws.says("ExecuteChangeSet", [refusal]);
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
}

#[tokio::test]
async fn f30_a_change_set_that_runs_already_is_attached_to() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.aws.says("DescribeChangeSet", [executing()]);
    let refused = says::error("InvalidChangeSetStatus", "ChangeSet is in EXECUTE_IN_PROGRESS status");
    shop.aws.says("ExecuteChangeSet", [refused]);
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
}

#[tokio::test]
async fn what_proves_that_nothing_happened_gives_back_what_was_begun() {
    for (refusal, execution, name) in [
        (
            says::error("InvalidChangeSetStatus", "ChangeSet is in OBSOLETE status"),
            "OBSOLETE",
            Name::ChangeSetRefused,
        ),
        (
            says::error("ChangeSetNotFound", "ChangeSet does not exist"),
            "AVAILABLE",
            Name::ChangeSetRefused,
        ),
        (
            says::error("AccessDenied", "not authorized"),
            "AVAILABLE",
            Name::AccessDenied,
        ),
        (
            says::error(
                "ValidationError",
                "Stack:x is in UPDATE_IN_PROGRESS state and can not be updated.",
            ),
            "AVAILABLE",
            Name::StackBusy,
        ),
    ] {
        let shop = Shop::new().await;
        shop.at_rest();
        shop.aws
            .says("DescribeChangeSet", [says::set("CREATE_COMPLETE", execution, "")]);
        shop.aws.says("ExecuteChangeSet", [refusal]);
        let error = shop.execute_change_set(1).await.unwrap_err();
        assert_eq!(error.name(), name);
        assert_eq!(shop.progress().await, Progress::NotUpdated);
        assert!(!shop.in_flight().await && shop.parked().await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_after_an_attempt_that_acted_and_died_gives_nothing_back() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.aws
        .says("DescribeStackEvents", [came_to(&shop, &["UPDATE_IN_PROGRESS"])]);
    shop.aws
        .says("ExecuteChangeSet", [says::error("AccessDenied", "not authorized")]);
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
}

#[tokio::test]
async fn a_call_that_may_have_acted_is_left_to_the_wake() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.aws.says(
        "ExecuteChangeSet",
        [
            says::error("InternalFailure", "a fault of AWS"),
            says::error("AccessDenied", "not authorized"),
        ],
    );
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    let calls = shop.aws.calls("ExecuteChangeSet");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["ClientRequestToken"], calls[1]["ClientRequestToken"]);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
}

#[tokio::test]
async fn whoever_began_and_died_is_followed_by_the_wake_with_the_same_token() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.died_before_executing(SignedDuration::from_mins(4)).await;
    shop.wake().await.unwrap();
    assert!(
        shop.aws.calls("ExecuteChangeSet").is_empty(),
        "it may still be about to call"
    );

    shop.has_waited(SignedDuration::from_mins(1)).await;
    shop.wake().await.unwrap();
    assert_eq!(
        shop.aws.calls("ExecuteChangeSet")[0]["ClientRequestToken"],
        shop.token(Call::Execute)
    );
    assert!(shop.in_flight().await && told(&shop).is_empty());
}

#[tokio::test]
async fn a_wake_that_executes_protects_the_stack_first() {
    let shop = Shop::protected().await;
    shop.at_rest();
    shop.died_before_executing(SignedDuration::from_mins(5)).await;
    shop.wake().await.unwrap();
    let calls = shop.aws.operations();
    let acts = calls
        .iter()
        .filter(|call| ["UpdateTerminationProtection", "ExecuteChangeSet"].contains(&call.as_str()));
    assert!(
        acts.eq(["UpdateTerminationProtection", "ExecuteChangeSet"]),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_slow_call_whose_token_is_parked_late_takes_nothing_from_the_newer_one() {
    // Here it would be cleaned up after, as if the execution were over.
    let shop = Shop::new().await;
    shop.at_rest();
    shop.died_before_executing(SignedDuration::from_mins(5)).await;
    shop.a_slow_call_parks("slow").await;
    shop.wake().await.unwrap();
    assert!(shop.aws.calls("DeleteChangeSet").is_empty());
    assert_eq!(shop.aws.calls("ExecuteChangeSet").len(), 1);
    assert!(shop.in_flight().await);
    let tokens: Vec<String> = shop
        .parked()
        .await
        .iter()
        .map(|parked| parked.token.expose().to_owned())
        .collect();
    assert_eq!(tokens, ["execute"]);

    // And here it would be the one that is told.
    shop.a_slow_call_parks("slower").await;
    shop.aws.says(
        "DescribeStackEvents",
        [came_to(&shop, &["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])],
    );
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.answers().len(), 1);
    assert_eq!(shop.aws.answers()[0].0, "execute");
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
}

#[tokio::test]
async fn a_call_that_comes_when_nobody_waits_for_it_any_more_executes_nothing() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.aws.state().gone.insert("execute".to_owned());
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.aws.calls("ExecuteChangeSet").is_empty());
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
}

#[tokio::test]
async fn the_change_set_of_a_dead_execution_is_taken_from_its_ghosts() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.died_before_executing(SignedDuration::from_mins(5)).await;
    shop.aws.state().gone.insert("execute".to_owned());
    shop.wake().await.unwrap();
    assert_eq!(shop.aws.calls("DeleteChangeSet")[0]["ChangeSetName"], SET);
    assert!(shop.aws.calls("ExecuteChangeSet").is_empty());
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_dead_execution_still_clears_the_lock() {
    let shop = executed().await;
    shop.aws.state().gone.insert("execute".to_owned());
    shop.aws.says(
        "DescribeChangeSet",
        [says::set("CREATE_COMPLETE", "EXECUTE_COMPLETE", "")],
    );
    shop.aws.says(
        "DescribeStackEvents",
        [came_to(&shop, &["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])],
    );
    shop.wake().await.unwrap();
    assert!(told(&shop).is_empty());
    assert_eq!(shop.progress().await, Progress::Updated);
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
}

#[tokio::test]
async fn a_stack_that_is_found_by_its_arn_is_not_taken_for_one_made_anew() {
    let shop = executed().await;
    shop.aws.says("DescribeStacks", [says::stack("UPDATE_IN_PROGRESS")]);
    shop.aws.says("DescribeChangeSet", [executing()]);
    shop.wake().await.unwrap();
    let looks = shop.aws.calls("DescribeStacks");
    assert_eq!(looks.last().unwrap()["StackName"], STACK);
}

#[tokio::test]
async fn a_late_call_that_begins_anew_what_is_over_is_looked_at_again() {
    // Another call of the state has seen the end and taken both tasks away.
    let shop = Shop::new().await;
    shop.at_rest();
    shop.aws.says(
        "DescribeChangeSet",
        [says::set("CREATE_COMPLETE", "EXECUTE_COMPLETE", "")],
    );
    shop.aws
        .says("DescribeStackEvents", [came_to(&shop, &["UPDATE_COMPLETE"])]);
    shop.aws.says(
        "ExecuteChangeSet",
        [says::error(
            "InvalidChangeSetStatus",
            "ChangeSet is in EXECUTE_COMPLETE status",
        )],
    );
    shop.aws.fates(
        "ExecuteChangeSet",
        [Fate::after(move |state| {
            state.table.items.retain(|(pk, _), _| !pk.starts_with("parked#"));
        })],
    );
    assert_eq!(shop.execute_change_set(1).await.unwrap(), Output::Parked);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
    shop.wake().await.unwrap();
    assert!(!shop.in_flight().await && shop.parked().await.is_empty());
    assert_eq!(shop.progress().await, Progress::Updated);
}

#[tokio::test]
async fn a_stack_that_may_not_be_asked_stays_looked_at_where_nobody_waits() {
    let shop = Shop::new().await;
    shop.at_rest();
    shop.execute_change_set(1).await.unwrap();
    shop.is_overdue_by(SignedDuration::from_hours(1)).await;
    shop.aws.state().gone.insert("execute".to_owned());
    shop.aws
        .says("DescribeChangeSet", [says::error("AccessDenied", "not authorized")]);
    assert_eq!(shop.wake().await.unwrap_err().name(), Name::AccessDenied);
    assert!(shop.in_flight().await && shop.parked().await.len() == 1);
}

#[tokio::test]
async fn f36_a_stack_that_may_not_be_asked_for_long_is_for_a_person_and_stays_in_flight() {
    for (overdue, is_told) in [(9, false), (11, true)] {
        let shop = Shop::new().await;
        shop.at_rest();
        shop.execute_change_set(1).await.unwrap();
        shop.is_overdue_by(SignedDuration::from_mins(overdue)).await;
        shop.aws
            .says("DescribeChangeSet", [says::error("AccessDenied", "not authorized")]);
        assert_eq!(shop.wake().await.is_ok(), is_told);
        assert!(shop.in_flight().await, "nobody knows how it ends");
        assert_eq!(shop.parked().await.is_empty(), is_told);
        if is_told {
            assert_eq!(told(&shop), ["Stuck.StackUnknown"]);
            assert_eq!(shop.progress().await, Progress::Stuck);
        }
    }
}
