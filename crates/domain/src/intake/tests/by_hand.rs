//! What people ask for at GitHub.

use super::*;

fn deployment() -> Value {
    json!({
        "action": "created",
        "deployment": {
            "id": 145_988_746, "sha": AFTER, "ref": "main", "task": "lockgate", "environment": "production",
            "created_at": "2026-11-23T11:59:58Z",
        },
        "workflow_run": null,
        "repository": { "id": 1, "full_name": "acme/shop", "fork": false },
        "sender": { "login": "ann", "id": 7, "type": "User" },
    })
}

fn dispatch() -> Value {
    json!({
        "action": "lockgate", "branch": "main", "client_payload": { "environment": "production", "ref": "v1.2.0" },
        "repository": { "id": 1, "full_name": "acme/shop", "fork": false },
        "sender": { "login": "ann", "id": 7, "type": "User" },
    })
}

fn with(payload: &Value, changes: &[(&str, Value)]) -> Value {
    let mut payload = payload.clone();
    for (pointer, value) in changes {
        *payload.pointer_mut(pointer).unwrap() = value.clone();
    }
    payload
}

fn read(payload: &Value) -> Event {
    let event = if payload["deployment"].is_null() {
        "repository_dispatch"
    } else {
        "deployment"
    };
    Event::read(event, payload.to_string().as_bytes()).unwrap()
}

fn found() -> Found {
    Found {
        commit: Some(Resolved {
            commit: AFTER.parse().unwrap(),
            title: "Add prices".to_owned(),
        }),
        may_write: true,
    }
}

fn decide(payload: &Value, found: &Found) -> Decision {
    asks(
        &read(payload),
        Some(&application()),
        &DELIVERY.parse().unwrap(),
        found,
        now(),
    )
}

fn asked(payload: &Value) -> Deployment {
    match decide(payload, &found()) {
        Decision::Ask(mut deployments) if deployments.len() == 1 => deployments.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deployment_and_a_dispatch_ask_for_the_commit_that_they_name() {
    let application = application();
    let by_deployment = asked(&deployment());
    assert_eq!(by_deployment.environment.name.as_str(), "production");
    assert_eq!(by_deployment.commit.as_str(), AFTER);
    assert_eq!(by_deployment.reference, "main");
    assert_eq!(by_deployment.github_deployment(), Some(145_988_746));
    assert_eq!(by_deployment.requested.because, Cause::Manual);
    assert_eq!(by_deployment.requested.by, "ann");
    assert!(!by_deployment.plans);
    let by_dispatch = asked(&dispatch());
    assert_eq!(by_dispatch.reference, "v1.2.0");
    assert_eq!(by_dispatch.github_deployment(), None);
    for (payload, reference) in [
        // The commit that GitHub's deployment is of, wherever the branch is by now.
        (deployment(), AFTER),
        (dispatch(), "v1.2.0"),
        (
            with(
                &dispatch(),
                &[("/client_payload", json!({ "environment": "production" }))],
            ),
            "main",
        ),
    ] {
        let event = read(&payload);
        let Some(Sought::Reference { reference: sought, .. }) = event.needs_commit(Some(&application)) else {
            panic!("{payload}")
        };
        assert_eq!(sought, reference);
        let (_, login) = event.needs_right_of(Some(&application)).unwrap();
        assert_eq!(login, "ann");
    }
}

#[test]
fn what_is_asked_twice_is_one_deployment_and_another_is_another() {
    let first = asked(&deployment());
    assert_eq!(first, asked(&deployment()));
    let another = asked(&with(&deployment(), &[("/deployment/id", json!(8))]));
    assert_ne!(first.id, another.id);
    assert_ne!(first.id, asked(&dispatch()).id);
}

#[test]
fn what_does_not_mean_us_or_is_not_allowed_asks_for_nothing() {
    let nobody = Found {
        may_write: false,
        ..found()
    };
    let no_commit = Found {
        commit: None,
        ..found()
    };
    let bot = json!({ "login": "github-actions[bot]", "type": "Bot" });
    for (payload, found, reason) in [
        (
            with(&deployment(), &[("/deployment/task", json!("deploy"))]),
            found(),
            Reason::OtherTask,
        ),
        (
            with(&deployment(), &[("/action", json!("edited"))]),
            found(),
            Reason::OtherTask,
        ),
        (
            with(&dispatch(), &[("/action", json!("lockgate2"))]),
            found(),
            Reason::OtherTask,
        ),
        (
            with(&deployment(), &[("/sender", bot.clone())]),
            found(),
            Reason::NobodyAsks,
        ),
        (with(&dispatch(), &[("/sender", bot)]), found(), Reason::NobodyAsks),
        (
            with(&dispatch(), &[("/sender", json!(null))]),
            found(),
            Reason::NobodyAsks,
        ),
        (
            with(&deployment(), &[("/repository/fork", json!(true))]),
            found(),
            Reason::Fork,
        ),
        (
            with(&deployment(), &[("/repository/full_name", json!("acme/other"))]),
            found(),
            Reason::UnknownRepository,
        ),
        (
            with(&deployment(), &[("/deployment/environment", json!("nowhere"))]),
            found(),
            Reason::UnknownEnvironment,
        ),
        (
            with(&deployment(), &[("/deployment/environment", json!("test"))]),
            found(),
            Reason::NotByHand,
        ),
        (
            with(
                &dispatch(),
                &[("/client_payload", json!({ "environment": { "a": 1 } }))],
            ),
            found(),
            Reason::UnknownEnvironment,
        ),
        (
            with(&dispatch(), &[("/client_payload", json!(null))]),
            found(),
            Reason::UnknownEnvironment,
        ),
        (deployment(), nobody, Reason::MayNotWrite),
        (deployment(), no_commit, Reason::CommitMissing),
    ] {
        assert_eq!(decide(&payload, &found), Decision::Ignored(reason), "{payload}");
    }
}

#[test]
fn a_workflow_asks_as_the_person_who_had_it_run() {
    let bot = json!({ "login": "github-actions[bot]", "type": "Bot" });
    let run = |actor: &str, kind: &str| json!({ "actor": { "login": "bob", "type": "User" }, "triggering_actor": { "login": actor, "type": kind } });
    let by_run = |run: Value| with(&deployment(), &[("/sender", bot.clone()), ("/workflow_run", run)]);
    assert_eq!(asked(&by_run(run("ann", "User"))).requested.by, "ann");
    assert_eq!(
        decide(&by_run(run("dependabot[bot]", "Bot")), &found()),
        Decision::Ignored(Reason::NobodyAsks)
    );
}
