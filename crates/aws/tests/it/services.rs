//! Executions, tasks, builds, mail and functions.

use aws::Aws;
use aws::builds::{Build, BuildState, Builds, Start};
use aws::executions::{Executions, Standing, Started};
use aws::functions::Functions;
use aws::notifications::Notifications;
use aws::tasks::{Delivered, Tasks};
use domain::failure::{Failure, Name};
use domain::names::TaskToken;
use fake_aws::sample::MACHINE;
use fake_aws::{FakeAws, Fate};
use serde_json::json;

use crate::{deployment, id, now, shop};

async fn executions(aws: &FakeAws) -> Executions {
    Executions::new(Aws::with(aws.patient_config().await).step_functions(), MACHINE)
}

async fn tasks(aws: &FakeAws) -> Tasks {
    Tasks::new(Aws::with(aws.patient_config().await).step_functions())
}

async fn builds(aws: &FakeAws) -> Builds {
    Builds::new(Aws::with(aws.patient_config().await).codebuild(), "lockgate-build")
}

#[tokio::test]
async fn an_execution_is_started_once_however_often_it_is_asked_for() {
    let aws = FakeAws::default();
    let executions = executions(&aws).await;
    assert_eq!(executions.start(&deployment(1)).await.unwrap(), Started::Now);
    aws.state().executions.get_mut("shop-dev-1").unwrap().status = "SUCCEEDED".to_owned();
    assert_eq!(
        executions.start(&deployment(1)).await.unwrap(),
        Started::Before,
        "a name is taken for ninety days"
    );
    let mut another = deployment(1);
    another.requested.by = "bob".to_owned();
    assert_eq!(executions.start(&another).await.unwrap(), Started::Before);
    let input = aws.state().executions["shop-dev-1"].input.clone();
    assert_eq!(input, json!(deployment(1)), "the first stays as it was asked for");
}

#[tokio::test]
async fn a_start_whose_answer_got_lost_has_started() {
    let aws = FakeAws::default();
    aws.fates("StartExecution", [Fate::Unanswered]);
    executions(&aws).await.start(&deployment(1)).await.unwrap();
    assert_eq!((aws.count("StartExecution"), aws.state().executions.len()), (2, 1));
}

#[tokio::test]
async fn a_start_that_is_refused_is_not_taken_for_one_that_was_before() {
    let aws = FakeAws::default();
    for (code, name) in [
        ("StateMachineDoesNotExist", Name::Unexpected),
        ("ExecutionLimitExceeded", Name::Throttled),
        ("AccessDeniedException", Name::AccessDenied),
    ] {
        aws.fates("StartExecution", [Fate::Refused(code)]);
        let error = executions(&aws).await.start(&deployment(1)).await.unwrap_err();
        assert_eq!(error.name(), name, "{code}");
    }
}

#[tokio::test]
async fn an_execution_runs_is_over_or_is_not_known() {
    let aws = FakeAws::default();
    let executions = executions(&aws).await;
    assert_eq!(executions.standing(&id(1)).await.unwrap(), Standing::Unknown);
    executions.start(&deployment(1)).await.unwrap();
    aws.state().stopped_at = Some(now());
    let over = |how: &str| Standing::Over {
        how: how.to_owned(),
        at: now(),
    };
    for (status, standing) in [
        ("RUNNING", Standing::Running),
        ("PENDING_REDRIVE", Standing::Running),
        ("SUCCEEDED", over("SUCCEEDED")),
        ("ABORTED", over("ABORTED")),
        ("TIMED_OUT", over("TIMED_OUT")),
    ] {
        aws.state().executions.get_mut("shop-dev-1").unwrap().status = status.to_owned();
        assert_eq!(executions.standing(&id(1)).await.unwrap(), standing);
    }
    let asked = &aws.calls("DescribeExecution")[0]["executionArn"];
    assert_eq!(
        asked,
        "arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:shop-dev-1"
    );
    aws.fates("DescribeExecution", [Fate::Refused("AccessDeniedException")]);
    assert!(
        executions.standing(&id(1)).await.is_err(),
        "what may not be asked is not unknown"
    );
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_any_more_is_gone_and_no_error() {
    let token = TaskToken::from("token".to_owned());
    for code in ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"] {
        let aws = FakeAws::default();
        let tasks = tasks(&aws).await;
        for operation in ["SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"] {
            aws.fates(operation, [Fate::Refused(code)]);
        }
        assert_eq!(tasks.succeed(&token, &json!({})).await.unwrap(), Delivered::Gone);
        assert_eq!(
            tasks.fail(&token, &Failure::new(Name::QueueFull, "x")).await.unwrap(),
            Delivered::Gone
        );
        assert_eq!(tasks.still_waits(&token).await.unwrap(), Delivered::Gone);
    }
}

#[tokio::test]
async fn a_task_is_answered_once_and_asking_after_it_is_no_answer() {
    let aws = FakeAws::default();
    let tasks = tasks(&aws).await;
    let token = TaskToken::from("token".to_owned());
    assert_eq!(tasks.still_waits(&token).await.unwrap(), Delivered::Yes);
    let failure = Failure::new(Name::QueueFull, "500 deployments wait already");
    assert_eq!(tasks.fail(&token, &failure).await.unwrap(), Delivered::Yes);
    assert_eq!(tasks.succeed(&token, &json!({})).await.unwrap(), Delivered::Gone);
    let answer = json!({ "error": "Rejected.QueueFull", "cause": "500 deployments wait already" });
    assert_eq!(aws.answers(), [("token".to_owned(), answer)]);
}

#[tokio::test]
async fn an_answer_that_was_refused_for_another_reason_is_not_delivered() {
    let aws = FakeAws::default();
    aws.fates("SendTaskSuccess", [Fate::Refused("InvalidOutput")]);
    let token = TaskToken::from("token".to_owned());
    let error = tasks(&aws).await.succeed(&token, &json!({})).await.unwrap_err();
    assert_eq!(error.name(), Name::Unexpected);
    assert!(!format!("{error:?}").contains("token"), "a token is a secret");
}

/// The build of the first deployment's commit.
async fn begin(builds: &Builds) -> Build {
    let start = builds
        .start(&shop(), &deployment(1).commit, None, "token".to_owned())
        .await;
    let Ok(Start::Begun(build)) = start else {
        panic!("{start:?}")
    };
    build
}

#[tokio::test]
async fn a_build_is_started_once_for_one_token_and_says_what_it_builds() {
    let aws = FakeAws::default();
    let builds = builds(&aws).await;
    let commit = deployment(1).commit;
    aws.fates("StartBuild", [Fate::Unanswered]);
    let first = begin(&builds).await;
    let again = begin(&builds).await;
    assert_eq!((&first, aws.state().builds.len()), (&again, 1));
    assert_eq!((first.application, first.commit), (Some(shop()), Some(commit)));
    assert_eq!(first.state, BuildState::InProgress);
    let asked = &aws.calls("StartBuild")[0];
    assert_eq!(asked["sourceLocationOverride"], "https://github.com/acme/shop.git");
    assert_eq!(asked["sourceTypeOverride"], "GITHUB");

    let arn = format!("arn:aws:codebuild:eu-west-1:111111111111:build/{}", first.id);
    assert_eq!(builds.look(&arn).await.unwrap(), Some(again));
    assert_eq!(builds.look("lockgate-build:unknown").await.unwrap(), None);
}

#[tokio::test]
async fn too_many_builds_is_a_reason_to_ask_later_and_a_refusal_is_none() {
    let aws = FakeAws::default();
    let builds = builds(&aws).await;
    let start = async || {
        builds
            .start(&shop(), &deployment(1).commit, None, "token".to_owned())
            .await
            .unwrap()
    };
    aws.fates("StartBuild", [Fate::Refused("AccountLimitExceededException")]);
    assert_eq!(start().await, Start::Full);
    for (code, name) in [
        ("AccessDeniedException", Name::AccessDenied),
        ("InvalidInputException", Name::Unexpected),
        ("ResourceNotFoundException", Name::Unexpected),
    ] {
        aws.fates("StartBuild", [Fate::Refused(code)]);
        let refused = start().await;
        assert!(
            matches!(&refused, Start::Refused(failure) if failure.name == name),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_build_is_read_in_whatever_state_it_is() {
    let aws = FakeAws::default();
    let builds = builds(&aws).await;
    let build = begin(&builds).await;
    let read = async |status: &str, more: serde_json::Value| {
        let mut told = aws.state().builds[&build.id].clone();
        told["buildStatus"] = json!(status);
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        aws.state().builds.insert(build.id.clone(), told);
        builds.look(&build.id).await.unwrap().unwrap()
    };
    let phases = json!({ "phases": [
        { "phaseType": "INSTALL", "phaseStatus": "SUCCEEDED" },
        { "phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{ "message": "npm test exited with 1" }] },
        { "phaseType": "FINALIZING", "phaseStatus": "FAILED", "contexts": [{ "message": "later" }] },
    ] });
    for (status, more, expected) in [
        ("IN_PROGRESS", json!({}), BuildState::InProgress),
        ("STOPPED", json!({}), BuildState::Stopped),
        ("TIMED_OUT", json!({}), BuildState::TimedOut),
        (
            "FAILED",
            json!({}),
            BuildState::Failed("CodeBuild gives no reason".to_owned()),
        ),
        (
            "FAILED",
            phases,
            BuildState::Failed("BUILD: npm test exited with 1".to_owned()),
        ),
        (
            "FAULT",
            json!({}),
            BuildState::Failed("BUILD: npm test exited with 1".to_owned()),
        ),
        ("SUCCEEDED", json!({}), BuildState::Succeeded),
    ] {
        assert_eq!(read(status, more).await.state, expected, "{status}");
    }
    let variables = json!({ "exportedEnvironmentVariables": [
        { "name": "OTHER", "value": "x" }, { "name": "LOCKGATE_RELEASE", "value": "abc" },
    ] });
    assert_eq!(read("SUCCEEDED", variables).await.release.as_deref(), Some("abc"));

    aws.state().builds.get_mut(&build.id).unwrap()["projectName"] = json!("another");
    assert_eq!(
        builds.look(&build.id).await.unwrap(),
        None,
        "what others build is none of ours"
    );
}

#[tokio::test]
async fn a_subject_is_ascii_and_short_and_the_body_is_as_it_was_written() {
    let aws = FakeAws::default();
    let notifications = Notifications::new(Aws::with(aws.config().await).sns(), "arn:topic");
    let subject = format!("[dev] k\u{f6}ln\n{}", "x".repeat(200));
    notifications
        .tell(&subject, "Gr\u{fc}\u{df}e & <more>\n")
        .await
        .unwrap();
    let mail = aws.state().mails[0].clone();
    assert_eq!(mail.subject, format!("[dev] k?ln?{}", "x".repeat(88)));
    assert_eq!(
        (mail.topic.as_str(), mail.body.as_str()),
        ("arn:topic", "Gr\u{fc}\u{df}e & <more>\n")
    );

    aws.fates("Publish", [Fate::Refused("AuthorizationError")]);
    assert!(notifications.tell("subject", "body").await.is_err());
}

#[tokio::test]
async fn a_function_is_woken_with_its_input_and_not_waited_for() {
    let aws = FakeAws::default();
    let functions = Functions::new(Aws::with(aws.config().await).lambda());
    functions.wake("gate", &json!({ "do": "wake" })).await.unwrap();
    let invocation = aws.state().invocations[0].clone();
    assert_eq!(
        (invocation.function.as_str(), invocation.payload),
        ("gate", json!({ "do": "wake" }))
    );
    aws.fates("Invoke", [Fate::Refused("TooManyRequestsException")]);
    let refused = functions.wake("gate", &json!({})).await.unwrap_err();
    assert_eq!(refused.name(), Name::Throttled);
}
