//! What people ask at GitHub: pull requests, and deployments by hand.

use super::*;

const HEAD: &str = "3333333333333333333333333333333333333333";
const RIGHT: &str = "/repos/acme/shop/collaborators/ann/permission";

/// An application that shows pull requests what they would change in `dev`, and takes deployments by hand there.
fn fake() -> FakeAws {
    let fake = super::fake();
    let environment = json!({
        "name": "dev", "account": "222222222222", "region": "eu-west-1", "on": ["push", "manual"], "after": null,
        "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
        "replace_failed_stacks": true, "pull_requests": true,
    });
    let application = json!({ "repository": "acme/shop", "branch": "main", "environments": [environment] });
    let parameter = "/lockgate/applications/acme/shop".to_owned();
    fake.state().parameters.insert(parameter, application.to_string());
    fake
}

/// GitHub, where `ann` has this right.
fn hub(permission: &str) -> FakeGitHub {
    let github = FakeGitHub::default();
    github.has("/repos/acme/shop", 200, &json!({ "id": 1 }));
    github.has(
        RIGHT,
        200,
        &json!({ "permission": permission, "role_name": permission }),
    );
    let commit = json!({
        "sha": HEAD, "commit": { "message": "Add prices" }, "parents": [], "author": null, "committer": null,
    });
    github.has(&format!("/repos/acme/shop/commits/{HEAD}?per_page=1"), 200, &commit);
    github
}

fn pull(from: &str, label: Option<&str>) -> Value {
    json!({
        "action": if label.is_some() { "labeled" } else { "opened" }, "number": 7,
        "label": label.map(|name| json!({ "name": name })),
        "pull_request": {
            "title": "Add prices", "updated_at": "2026-11-23T11:59:58Z",
            "head": { "ref": "prices", "sha": HEAD, "repo": { "full_name": from } },
            "base": { "ref": "main", "sha": HEAD, "repo": { "full_name": "acme/shop" } },
        },
        "repository": { "full_name": "acme/shop", "fork": false },
        "sender": { "login": "ann", "type": "User" },
    })
}

fn deployment() -> Value {
    json!({
        "action": "created",
        "deployment": { "id": 41, "sha": HEAD, "ref": "main", "task": "lockgate", "environment": "dev" },
        "repository": { "full_name": "acme/shop", "fork": false },
        "sender": { "login": "ann", "type": "User" },
    })
}

async fn ask(fake: &FakeAws, github: &FakeGitHub, event: &str, payload: &Value) -> (u16, Value) {
    let webhook = webhook_with(fake, github).await;
    answered(&webhook, request(event, &payload.to_string(), |_| {})).await
}

#[tokio::test]
async fn a_pull_request_of_the_repository_itself_is_looked_at_without_asking_anybody() {
    let (fake, github) = (fake(), hub("read"));
    let (status, body) = ask(&fake, &github, "pull_request", &pull("acme/shop", None)).await;
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")), "{body}");
    assert_eq!(github.asked(), Vec::<String>::new());
    let started: Vec<Value> = fake.state().executions.values().map(|one| one.input.clone()).collect();
    assert_eq!(started.len(), 1);
    assert_eq!(
        (&started[0]["plans"], &started[0]["commit"]),
        (&json!(true), &json!(HEAD))
    );
}

#[tokio::test]
async fn one_of_a_fork_needs_the_label_of_somebody_who_may_write() {
    for (from, label, permission, asked, reason) in [
        ("eve/shop", None, "admin", 0, Some("foreign_pull_request")),
        ("eve/shop", Some("lockgate-plan"), "read", 1, Some("may_not_write")),
        ("eve/shop", Some("bug"), "admin", 0, Some("same_commits")),
        ("eve/shop", Some("lockgate-plan"), "write", 1, None),
    ] {
        let (fake, github) = (fake(), hub(permission));
        let (_, body) = ask(&fake, &github, "pull_request", &pull(from, label)).await;
        assert_eq!(body["reason"].as_str(), reason, "{body}");
        assert_eq!(github.asked().len(), asked);
        assert_eq!(fake.state().executions.len(), usize::from(reason.is_none()));
    }
}

#[tokio::test]
async fn whoever_may_write_asks_for_a_deployment_and_others_are_told_there_why_not() {
    let (aws, github) = (fake(), hub("write"));
    let (status, body) = ask(&aws, &github, "deployment", &deployment()).await;
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")), "{body}");
    let started: Vec<Value> = aws.state().executions.values().map(|one| one.input.clone()).collect();
    assert_eq!(
        (&started[0]["commit"], &started[0]["requested"]["at_github"]),
        (&json!(HEAD), &json!({ "deployment": 41 }))
    );

    let mut elsewhere = deployment();
    elsewhere["deployment"]["environment"] = json!("moon");
    for (payload, permission, reason) in [
        (deployment(), "read", "may_not_write"),
        (elsewhere, "admin", "unknown_environment"),
    ] {
        let (aws, github) = (fake(), hub(permission));
        let (_, body) = ask(&aws, &github, "deployment", &payload).await;
        assert_eq!(body["reason"], reason, "{body}");
        assert_eq!(aws.state().executions.len(), 0);
        let told = github.asked().pop().unwrap();
        assert_eq!(told, "/repos/acme/shop/deployments/41/statuses");
    }
}

#[tokio::test]
async fn a_deployment_that_does_not_mean_us_is_nothing_to_anybody() {
    let (fake, github) = (fake(), hub("admin"));
    let mut other = deployment();
    other["deployment"]["task"] = json!("deploy");
    let (_, body) = ask(&fake, &github, "deployment", &other).await;
    assert_eq!(body["reason"], "other_task", "{body}");
    assert_eq!(github.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn while_github_does_not_say_who_may_write_the_delivery_has_to_come_again() {
    let (fake, github) = (fake(), hub("admin"));
    github.has(RIGHT, 503, &json!({}));
    let (status, _) = ask(&fake, &github, "deployment", &deployment()).await;
    assert_eq!((status, fake.state().executions.len()), (503, 0));
    github.has(RIGHT, 200, &json!({ "permission": "admin" }));
    let (status, _) = ask(&fake, &github, "deployment", &deployment()).await;
    assert_eq!((status, fake.state().executions.len()), (202, 1));
}
