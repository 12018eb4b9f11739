//! Integration tests: parked, started once, and answered for by their own build's end.

use domain::deployment::Leg;
use domain::parking::WaitsFor;
use domain::release::INTEGRATION_TESTS;
use fake_aws::State;

use super::*;

/// The first build of the project.
const TESTS: &str = "lockgate-integration:1";

const SPECIFICATION: &str = "version: 0.2\nphases: { build: { commands: [pytest] } }\n";

/// A site where the first deployment's release is in the environment and passed its smoke tests.
async fn tested() -> Site {
    let site = Site::new().await;
    let deployment = deployment(1);
    let (leg, release) = (Leg::Forward, Digest::of(b"a release"));
    let planned = Event::Planned {
        leg,
        release: release.clone(),
        waves: vec![vec!["shop-dev".parse().unwrap()]],
    };
    let report = json!({ "passed": true, "checks": [] });
    let events = [
        Event::Requested {
            deployment: Box::new(deployment.clone()),
        },
        Event::Admitted { fence: 1 },
        Event::Released { release },
        planned,
        serde_json::from_value(json!({ "event": "smoke_tested", "leg": leg, "report": report })).unwrap(),
    ];
    for event in events {
        site.context
            .ledger
            .record(&deployment.id, event, Timestamp::now())
            .await
            .unwrap();
    }
    site
}

/// A site where its integration tests run.
async fn testing() -> Site {
    let site = tested().await;
    site.integrate("token-1").await.unwrap();
    site
}

impl Site {
    /// Asks as the state machine does, for a release that has integration tests.
    async fn integrate(&self, token: &str) -> Result<Output, Error> {
        let release = self
            .aws
            .stores(&[(INTEGRATION_TESTS, SPECIFICATION.as_bytes()), ("manifest.json", b"{}")]);
        self.integrate_with(
            &release,
            &json!({ "shop-dev": { "Url": "https://shop.example" } }),
            token,
        )
        .await
    }

    async fn integrate_with(&self, release: &Digest, outputs: &Value, token: &str) -> Result<Output, Error> {
        self.ask(json!({
            "do": "integrate", "deployment": deployment(1), "release": release, "outputs": outputs, "token": token,
        }))
        .await
    }

    /// As the sweep does.
    async fn look_at_tests(&self) -> Output {
        let key = Key::integration(&deployment(1).id);
        self.ask(json!({ "do": "wake", "key": key })).await.unwrap()
    }

    async fn tests_parked(&self) -> Vec<Parked> {
        let key = Key::integration(&deployment(1).id);
        self.context.ledger.parked(&key).await.unwrap()
    }

    /// Time for the sweep to look at the tests.
    async fn tests_are_due(&self) {
        let mut parked = self.tests_parked().await.pop().unwrap();
        parked.look_at = Timestamp::UNIX_EPOCH;
        self.context.ledger.park(&parked).await.unwrap();
    }

    /// The build that the task that was parked last waits for, and its token.
    async fn waits_for(&self) -> (Option<String>, String) {
        let parked = self
            .tests_parked()
            .await
            .into_iter()
            .max_by_key(|parked| parked.since)
            .unwrap();
        let WaitsFor::Integration { build, .. } = parked.waits_for else {
            panic!("{parked:?}")
        };
        (build, parked.token.expose().to_owned())
    }

    /// What the record says of the tests.
    async fn told(&self) -> Vec<Event> {
        let entries = self.context.ledger.entries(&deployment(1).id).await.unwrap();
        entries.into_iter().skip(5).map(|entry| entry.what).collect()
    }
}

fn running() -> Event {
    Event::IntegrationTesting {
        build: TESTS.to_owned(),
        log: format!("https://logs.test/{TESTS}"),
    }
}

fn ended(cause: Option<&str>, log: &str) -> Event {
    Event::IntegrationTested {
        passed: cause.is_none(),
        cause: cause.map(str::to_owned),
        log: log.to_owned(),
    }
}

fn passed(token: &str) -> (String, Value) {
    (token.to_owned(), json!({ "outcome": "passed" }))
}

fn failed(token: &str, cause: &str) -> (String, Value) {
    (token.to_owned(), json!({ "outcome": "failed", "cause": cause }))
}

#[tokio::test]
async fn the_releases_own_commands_run_on_its_commit_with_the_environments_outputs() {
    let site = testing().await;
    let call = site.aws.calls("StartBuild").pop().unwrap();
    let variables: Vec<(&str, &str)> = call["environmentVariablesOverride"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
        .collect();
    let commit = deployment(1).commit;
    assert_eq!(
        variables,
        [
            ("LOCKGATE_APPLICATION", "acme/shop"),
            ("LOCKGATE_DEPLOYMENT", "shop-dev-1"),
            ("LOCKGATE_ENVIRONMENT", "dev"),
            ("LOCKGATE_COMMIT", commit.as_str()),
            ("LOCKGATE_OUTPUTS", r#"{"shop-dev":{"Url":"https://shop.example"}}"#),
        ]
    );
    for (member, value) in [
        ("projectName", "lockgate-integration"),
        ("sourceVersion", commit.as_str()),
        ("sourceLocationOverride", "https://github.com/acme/shop.git"),
        ("buildspecOverride", SPECIFICATION),
    ] {
        assert_eq!(call[member], value, "{member}");
    }
    assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-1".to_owned()));
    assert_eq!((site.told().await, site.aws.answers()), (vec![running()], vec![]));
}

#[tokio::test]
async fn a_deployment_is_parked_before_its_tests_start() {
    let site = tested().await;
    site.aws.fates("StartBuild", [Fate::Refused("InternalFailure")]);
    let error = site.integrate("token-1").await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Unavailable);
    assert_eq!(site.waits_for().await, (None, "token-1".to_owned()));
    assert_eq!(site.told().await, []);
}

#[tokio::test]
async fn while_codebuild_takes_no_more_a_release_that_works_waits_and_the_sweep_starts_its_tests() {
    let site = tested().await;
    let full = || Fate::Refused("AccountLimitExceededException");
    site.aws.fates("StartBuild", [full(), full()]);
    assert_eq!(site.integrate("token-1").await.unwrap(), Output::Parked);
    site.tests_are_due().await;
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    assert!(
        site.tests_parked().await[0].look_at > Timestamp::now(),
        "not at every sweep"
    );
    assert_eq!((site.aws.answers(), site.told().await), (vec![], vec![]));

    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    let calls = site.aws.calls("StartBuild");
    assert_eq!(
        (calls.len(), &calls[2]),
        (3, &calls[0]),
        "with all that it was to be told"
    );
    assert_eq!(site.told().await, [running()]);
    assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-1".to_owned()));
    site.stands(TESTS, "SUCCEEDED", json!({}));
    site.ended(TESTS).await.unwrap();
    assert_eq!(site.aws.answers(), [passed("token-1")]);
}

#[tokio::test]
async fn tests_that_codebuild_will_never_start_are_told_by_name_and_parked_no_longer() {
    for (code, name) in [
        ("AccessDeniedException", "Rejected.AccessDenied"),
        ("InvalidInputException", "Bug.Unexpected"),
    ] {
        let site = tested().await;
        site.aws.fates(
            "StartBuild",
            [Fate::Refused("ThrottlingException"), Fate::Refused(code)],
        );
        site.integrate("token-1").await.unwrap();
        assert_eq!(site.look_at_tests().await, Output::Woken { answered: 1 });
        assert_eq!(site.failure().0, name);
        assert_eq!(site.tests_parked().await, []);

        site.aws.fates("StartBuild", [Fate::Refused(code)]);
        assert_eq!(site.integrate("token-2").await.unwrap(), Output::Parked);
        assert_eq!(site.failure().0, name);
        assert_eq!(site.tests_parked().await, []);
    }
}

#[tokio::test]
async fn a_start_whose_answer_got_lost_is_the_same_run_when_step_functions_calls_again() {
    let site = tested().await;
    site.aws.fates("StartBuild", [Fate::Unanswered]);
    site.integrate("token-1").await.unwrap_err();
    site.integrate("token-2").await.unwrap();
    assert_eq!((site.aws.count("StartBuild"), site.aws.state().builds.len()), (2, 1));
    assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-2".to_owned()));
    site.stands(TESTS, "SUCCEEDED", json!({}));
    site.ended(TESTS).await.unwrap();
    assert_eq!(site.aws.answers(), [passed("token-2")]);
}

#[tokio::test]
async fn tests_and_build_of_one_deployment_are_two_builds() {
    let site = testing().await;
    site.build(&deployment(1)).await.unwrap();
    assert_eq!(site.aws.state().builds.len(), 2);
}

#[tokio::test]
async fn a_release_without_integration_tests_passes_at_once_and_the_record_says_that_it_has_none() {
    let site = tested().await;
    let release = site.aws.stores(&[("manifest.json", b"{}")]);
    site.integrate_with(&release, &json!({}), "token-1").await.unwrap();
    assert_eq!(site.aws.answers(), [passed("token-1")]);
    assert_eq!((site.aws.count("StartBuild"), site.tests_parked().await), (0, vec![]));
    assert_eq!(site.told().await, [ended(None, "")]);
}

#[tokio::test]
async fn a_release_that_is_gone_is_told_and_not_passed() {
    let site = tested().await;
    site.integrate_with(&Digest::of(b"gone"), &json!({}), "token-1")
        .await
        .unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseMissing");
    assert_eq!((site.tests_parked().await, site.told().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_makes_no_tests_fail() {
    let site = tested().await;
    site.aws.fates("GetObject", [Fate::Refused("SlowDown")]);
    let error = site.integrate("token-1").await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!((site.aws.answers(), site.tests_parked().await.len()), (vec![], 1));
    site.look_at_tests().await;
    assert_eq!(site.told().await, [running()]);
}

#[tokio::test]
async fn outputs_are_handed_over_up_to_what_codebuild_takes() {
    // As JSON: {"shop-dev":{"Url":"…"}}
    let room = 4096 - r#"{"shop-dev":{"Url":""}}"#.len();
    let outputs = |length: usize| json!({ "shop-dev": { "Url": "ü".repeat(length) } });
    let site = tested().await;
    let release = site.aws.stores(&[(INTEGRATION_TESTS, SPECIFICATION.as_bytes())]);
    site.integrate_with(&release, &outputs(room), "token-1").await.unwrap();
    assert_eq!((site.aws.count("StartBuild"), site.aws.answers()), (1, vec![]));

    let site = tested().await;
    site.aws.stores(&[(INTEGRATION_TESTS, SPECIFICATION.as_bytes())]);
    site.integrate_with(&release, &outputs(room + 1), "token-1")
        .await
        .unwrap();
    let cause = "the outputs of the environment's stacks have 4097 characters as JSON, and CodeBuild hands over 4096";
    assert_eq!(site.aws.answers(), [failed("token-1", cause)]);
    assert_eq!((site.aws.count("StartBuild"), site.tests_parked().await), (0, vec![]));
    assert_eq!(site.told().await, [ended(Some(cause), "")]);
}

#[tokio::test]
async fn what_the_tests_came_to_is_answered_and_recorded_with_their_log() {
    let log = format!("https://logs.test/{TESTS}");
    let phases = json!({ "phases": [
        { "phaseType": "INSTALL", "phaseStatus": "SUCCEEDED" },
        { "phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{ "message": "pytest exited with 1" }] },
    ] });
    for (status, more, cause) in [
        ("SUCCEEDED", json!({}), None),
        ("FAILED", phases, Some("BUILD: pytest exited with 1")),
        ("FAULT", json!({}), Some("CodeBuild gives no reason")),
        ("STOPPED", json!({}), Some("somebody stopped them")),
        ("TIMED_OUT", json!({}), Some("they took too long")),
    ] {
        let site = testing().await;
        site.stands(TESTS, status, more);
        assert_eq!(
            site.ended(TESTS).await.unwrap(),
            Output::Woken { answered: 1 },
            "{status}"
        );
        let cause = cause.map(|cause| format!("{cause}. Log: {log}"));
        let answer = cause
            .as_deref()
            .map_or_else(|| passed("token-1"), |cause| failed("token-1", cause));
        assert_eq!(site.aws.answers(), [answer], "{status}");
        assert_eq!(
            site.told().await,
            [running(), ended(cause.as_deref(), &log)],
            "{status}"
        );
        assert_eq!(site.tests_parked().await, [], "{status}");
        // The same event once more.
        assert_eq!(site.ended(TESTS).await.unwrap(), Output::Woken { answered: 0 });
    }
}

#[tokio::test]
async fn tests_that_still_run_are_looked_at_later() {
    let site = testing().await;
    site.tests_are_due().await;
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    assert_eq!(site.ended(TESTS).await.unwrap(), Output::Woken { answered: 0 });
    assert!(site.tests_parked().await.pop().unwrap().look_at > Timestamp::now());
    assert_eq!(site.aws.answers(), []);
}

#[tokio::test]
async fn the_end_of_another_run_or_of_a_build_of_nobodys_changes_nothing() {
    let site = testing().await;
    let own = site.aws.state().builds[TESTS].clone();
    // Somebody pressed "retry" in the console, which copies everything we said.
    let mut copy = own.clone();
    copy["id"] = json!("lockgate-integration:7");
    let mut nobodys = copy.clone();
    nobodys["id"] = json!("lockgate-integration:8");
    nobodys["environment"]["environmentVariables"] = json!([]);
    let mut foreign = own.clone();
    foreign["id"] = json!("another:1");
    foreign["projectName"] = json!("another");
    for mut build in [copy, nobodys, foreign] {
        build["buildStatus"] = json!("FAILED");
        let id = build["id"].as_str().unwrap().to_owned();
        site.aws.state().builds.insert(id.clone(), build);
        assert_eq!(site.ended(&id).await.unwrap(), Output::Woken { answered: 0 }, "{id}");
    }
    assert_eq!(
        site.ended("lockgate-integration:9").await.unwrap(),
        Output::Woken { answered: 0 }
    );
    assert_eq!((site.aws.answers(), site.told().await), (vec![], vec![running()]));
    assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-1".to_owned()));
}

#[tokio::test]
async fn before_it_is_known_which_run_it_is_none_says_anything() {
    let site = tested().await;
    site.aws.fates("StartBuild", [Fate::Unanswered]);
    site.integrate("token-1").await.unwrap_err();
    site.stands(TESTS, "FAILED", json!({}));
    assert_eq!(site.ended(TESTS).await.unwrap(), Output::Woken { answered: 0 });
    assert_eq!((site.aws.answers(), site.told().await), (vec![], vec![]));
}

#[tokio::test]
async fn tests_whose_event_got_lost_are_found_by_the_sweep() {
    let site = testing().await;
    site.stands(TESTS, "SUCCEEDED", json!({}));
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 1 });
    assert_eq!(
        (site.aws.answers(), site.tests_parked().await),
        (vec![passed("token-1")], vec![])
    );
}

#[tokio::test]
async fn tests_whose_build_vanished_have_failed() {
    let site = testing().await;
    site.aws.state().builds.clear();
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 1 });
    let cause = "CodeBuild no longer knows their build";
    assert_eq!(site.aws.answers(), [failed("token-1", cause)]);
    assert_eq!(site.told().await, [running(), ended(Some(cause), "")]);
}

#[tokio::test]
async fn tests_that_were_never_started_are_started_by_the_sweep_and_are_the_same_run_if_they_were() {
    for fate in [Fate::Refused("InternalFailure"), Fate::Unanswered] {
        let site = tested().await;
        site.aws.fates("StartBuild", [fate]);
        site.integrate("token-1").await.unwrap_err();
        // As if Step Functions had not heard of it.
        assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
        assert_eq!(site.aws.state().builds.len(), 1);
        assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-1".to_owned()));
        assert_eq!((site.aws.answers(), site.told().await), (vec![], vec![running()]));
    }
}

#[tokio::test]
async fn tests_that_were_never_started_and_are_waited_for_by_nobody_are_forgotten() {
    let site = tested().await;
    site.aws.fates("StartBuild", [Fate::Refused("InternalFailure")]);
    site.integrate("token-1").await.unwrap_err();
    site.aws.state().gone.insert("token-1".to_owned());
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    assert_eq!((site.aws.answers(), site.tests_parked().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_slow_call_takes_nothing_from_the_one_that_step_functions_made_since() {
    let site = tested().await;
    // While it starts them, everything has come to its end.
    let over = |state: &mut State| state.table.items.retain(|(pk, _), _| !pk.starts_with("parked#"));
    site.aws.fates("StartBuild", [Fate::after(over)]);
    site.integrate("token-1").await.unwrap();
    assert_eq!(site.tests_parked().await, []);

    // Or the second call has parked, and nobody waits for the first one's token any more.
    let site = tested().await;
    site.integrate("token-2").await.unwrap();
    site.integrate("token-1").await.unwrap();
    assert_eq!(site.tests_parked().await.len(), 2);
    site.aws.state().gone.insert("token-1".to_owned());
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    assert_eq!(site.waits_for().await, (Some(TESTS.to_owned()), "token-2".to_owned()));
}

#[tokio::test]
async fn a_call_that_comes_when_nobody_waits_for_it_any_more_starts_nothing() {
    let site = tested().await;
    site.aws.state().gone.insert("token-1".to_owned());
    site.integrate("token-1").await.unwrap();
    site.build(&deployment(1)).await.unwrap();
    assert_eq!((site.aws.count("StartBuild"), site.tests_parked().await), (0, vec![]));
    assert_eq!(site.parked().await, []);
}

#[tokio::test]
async fn tests_that_nobody_waits_for_any_more_are_parked_no_longer() {
    let site = testing().await;
    site.aws.state().gone.insert("token-1".to_owned());
    site.stands(TESTS, "SUCCEEDED", json!({}));
    assert_eq!(site.ended(TESTS).await.unwrap(), Output::Woken { answered: 1 });
    assert_eq!((site.aws.answers(), site.tests_parked().await), (vec![], vec![]));
}

#[tokio::test]
async fn an_answer_that_could_not_be_given_is_given_at_the_sweeps_look() {
    let site = testing().await;
    site.stands(TESTS, "SUCCEEDED", json!({}));
    site.aws
        .fates("SendTaskSuccess", [Fate::Refused("ThrottlingException")]);
    site.ended(TESTS).await.unwrap_err();
    assert_eq!(site.tests_parked().await.len(), 1);
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 1 });
    assert_eq!(site.aws.answers(), [passed("token-1")]);
}

#[tokio::test]
async fn a_wake_where_no_tests_wait_asks_codebuild_nothing() {
    let site = tested().await;
    site.aws.forget_calls();
    assert_eq!(site.look_at_tests().await, Output::Woken { answered: 0 });
    assert_eq!(site.aws.operations(), ["Query"]);
}
