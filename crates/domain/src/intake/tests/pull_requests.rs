//! What a pull request asks for.

use super::*;

fn application() -> Application {
    let text = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
pull_requests = true
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
pull_requests = true
"#;
    Configuration::read(text).unwrap().applications.remove(0)
}

fn pull(action: &str) -> Value {
    json!({
        "action": action, "number": 7,
        "pull_request": {
            "title": "Sell tea", "updated_at": "2026-11-23T11:59:58Z",
            "head": { "ref": "tea", "sha": AFTER, "repo": { "full_name": "acme/shop" } },
            "base": { "ref": "main", "sha": BEFORE, "repo": { "full_name": "acme/shop" } },
        },
        "label": null,
        "repository": { "id": 1, "full_name": "acme/shop", "fork": false },
        "sender": { "login": "ann", "id": 7, "type": "User" },
    })
}

fn foreign(action: &str) -> Value {
    let mut payload = pull(action);
    payload["pull_request"]["head"]["repo"]["full_name"] = json!("eve/shop");
    payload
}

fn labelled(mut payload: Value, label: &str) -> Value {
    payload["action"] = json!("labeled");
    payload["label"] = json!({ "name": label });
    payload
}

fn read(payload: &Value) -> Event {
    Event::read("pull_request", payload.to_string().as_bytes()).unwrap()
}

fn decide(payload: &Value, may_write: bool) -> Decision {
    let found = Found {
        commit: None,
        may_write,
    };
    asks(
        &read(payload),
        Some(&application()),
        &DELIVERY.parse().unwrap(),
        &found,
        now(),
    )
}

fn asked(payload: &Value) -> Vec<Deployment> {
    match decide(payload, true) {
        Decision::Ask(deployments) => deployments,
        Decision::Ignored(reason) => panic!("ignored: {reason}"),
    }
}

#[test]
fn it_is_shown_what_it_would_change_where_the_policy_has_it_so() {
    for action in ["opened", "reopened", "synchronize"] {
        let deployments = asked(&pull(action));
        let names: Vec<&str> = deployments.iter().map(|one| one.environment.name.as_str()).collect();
        assert_eq!(names, ["dev", "production"]);
        for deployment in &deployments {
            assert!(deployment.plans && deployment.previews());
            assert_eq!(deployment.commit.as_str(), AFTER);
            assert_eq!(deployment.pull_request(), Some(7));
            assert_eq!(deployment.requested.because, Cause::PullRequest);
        }
        assert_eq!(deployments, asked(&pull("opened")), "whichever event brings the commit");
        assert_eq!(read(&pull(action)).needs_right_of(Some(&application())), None);
    }
}

#[test]
fn what_brings_no_new_commits_asks_for_nothing() {
    let mut other_base = pull("opened");
    other_base["pull_request"]["base"]["ref"] = json!("release/1");
    let mut gone = pull("opened");
    gone["pull_request"]["head"]["repo"] = json!(null);
    let mut fork = pull("opened");
    fork["repository"]["fork"] = json!(true);
    for (payload, reason) in [
        (pull("closed"), Reason::SameCommits),
        (pull("edited"), Reason::SameCommits),
        (pull("ready_for_review"), Reason::SameCommits),
        (labelled(pull(""), "bug"), Reason::SameCommits),
        (pull("labeled"), Reason::SameCommits),
        (other_base, Reason::OtherBase),
        (gone, Reason::ForeignPullRequest),
        (foreign("opened"), Reason::ForeignPullRequest),
        (foreign("synchronize"), Reason::ForeignPullRequest),
        (fork, Reason::Fork),
    ] {
        assert_eq!(decide(&payload, true), Decision::Ignored(reason), "{payload}");
    }
    let mut none = application();
    for environment in &mut none.environments {
        environment.pull_requests = false;
    }
    let found = Found::default();
    let decision = asks(
        &read(&pull("opened")),
        Some(&none),
        &DELIVERY.parse().unwrap(),
        &found,
        now(),
    );
    assert_eq!(decision, Decision::Ignored(Reason::NoEnvironmentForPullRequests));
    let decision = asks(&read(&pull("opened")), None, &DELIVERY.parse().unwrap(), &found, now());
    assert_eq!(decision, Decision::Ignored(Reason::UnknownRepository));
}

#[test]
fn one_of_a_fork_is_looked_at_when_somebody_who_may_write_labels_it_and_no_commit_after_that() {
    let label = labelled(foreign(""), LABEL);
    let event = read(&label);
    let application = application();
    let (repository, login) = event.needs_right_of(Some(&application)).unwrap();
    assert_eq!((repository.as_str(), login), ("acme/shop", "ann"));
    assert_eq!(decide(&label, false), Decision::Ignored(Reason::MayNotWrite));
    let deployments = asked(&label);
    assert_eq!(deployments.len(), 2);
    assert_eq!(
        deployments[0].commit.as_str(),
        AFTER,
        "the commit that was there when it got its label"
    );
    // The label stays, and what is pushed after it was looked at by nobody.
    assert_eq!(
        decide(&foreign("synchronize"), true),
        Decision::Ignored(Reason::ForeignPullRequest)
    );
}

#[test]
fn the_label_has_the_same_commit_looked_at_once_more() {
    let first = asked(&pull("opened"));
    let mut again = labelled(pull(""), LABEL);
    assert_eq!(decide(&again, false), Decision::Ignored(Reason::MayNotWrite));
    let second = asked(&again);
    assert_ne!(ids(&first), ids(&second));
    assert_eq!(second, asked(&again));
    again["pull_request"]["updated_at"] = json!("2026-11-23T12:30:00Z");
    assert_ne!(ids(&second), ids(&asked(&again)));
}

#[test]
fn nothing_that_is_asked_by_a_pull_request_may_ever_change_anything() {
    for payload in [pull("opened"), labelled(foreign(""), LABEL)] {
        for deployment in asked(&payload) {
            assert!(deployment.plans, "{deployment:?}");
        }
    }
}
