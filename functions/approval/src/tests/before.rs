//! People are asked before anything is executed.

use domain::change_set::{Prepared, hash_of_all};
use domain::names::StackName;

use super::*;

/// What is prepared of the only stack that waits for no other.
fn sets(name: &str) -> Vec<Prepared> {
    vec![Prepared {
        stack: "shop-test".parse::<StackName>().unwrap(),
        change_set: Some(format!("arn:changeSet/{name}")),
        hash: Digest::of(name.as_bytes()),
    }]
}

/// Everything that happens to a candidate before people are asked about its change sets.
pub fn prepared(deployment: &Deployment, release: &Digest) -> Vec<Event> {
    let waves = ["shop-test", "shop-test-web"].map(|stack| vec![stack.parse().unwrap()]);
    let happened = tested(deployment, release).into_iter().filter_map(|event| match event {
        Event::Planned { leg, release, .. } => Some(Event::Planned {
            leg,
            release,
            waves: waves.to_vec(),
        }),
        Event::Compared { summary: None, .. } => None,
        event
        @ (Event::Requested { .. } | Event::Admitted { .. } | Event::Released { .. } | Event::Compared { .. }) => {
            Some(event)
        }
        _ => None,
    });
    happened.chain([Event::Prepared { sets: sets("one") }]).collect()
}

fn id_of(site: &Site, name: &str) -> ApprovalId {
    ApprovalId::of_change_sets(&site.candidate.id, &hash_of_all(&sets(name)))
}

async fn site() -> Site {
    let mut policy = policy(1, &[QA]);
    policy["when"] = json!("before");
    Site::asking(policy).await
}

/// The token of somebody's link, out of their last mail.
fn token_in_mail(site: &Site, id: &ApprovalId) -> String {
    let mail = site.mails_to(QA).pop().unwrap();
    let start = format!("{PAGES}/approvals/{id}?token=");
    let token = mail.body.lines().find_map(|line| line.strip_prefix(&start));
    token.unwrap_or_else(|| panic!("no link in {}", mail.body)).to_owned()
}

async fn opened(site: &Site, id: &ApprovalId) -> Response {
    let token = token_in_mail(site, id);
    site.request(opens("GET", id, &token), after(1)).await
}

async fn accepts(site: &Site, id: &ApprovalId) -> Response {
    let token = token_in_mail(site, id);
    let nonce = Markup::of(&opened(site, id).await.body).field("nonce").unwrap();
    let form = Form::new(&token, &nonce, Choice::Accept);
    site.request(form.event(id), after(2)).await
}

#[tokio::test]
async fn people_see_what_would_be_changed_and_nothing_that_they_could_try() {
    let site = site().await;
    site.ask().await.unwrap();
    let id = id_of(&site, "one");
    let page = opened(&site, &id).await;
    let markup = Markup::of(&page.body);
    assert_eq!(markup.heading(), "Let v1.2.0-rc.1 into test?");
    for shown in [
        "Nothing is changed there yet",
        "This release costs data",
        "Orders (AWS::DynamoDB::Table) is replaced",
        "its data is lost",
        "2 to add, 1 to change",
        "Basket (AWS::SQS::Queue) is added",
        "shop-test-web : comes later",
        hash_of_all(&sets("one")).as_str(),
    ] {
        assert!(markup.text.contains(shown), "{shown} is not in {}", markup.text);
    }
    for hidden in [
        "What to check",
        "Smoke tests",
        "smoke tests",
        "integration tests",
        "was replaced",
    ] {
        assert!(!markup.text.contains(hidden), "{hidden} is in {}", markup.text);
    }
    let thanks = accepts(&site, &id).await;
    assert_eq!(Markup::of(&thanks.body).heading(), "Thank you: you accepted");
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
    let story: Vec<&str> = site.entries().await.iter().map(|entry| entry.what.name()).collect();
    assert!(
        story.ends_with(&["prepared", "approval_asked", "voted", "decided"]),
        "{story:?}"
    );
    assert!(site.status().await.accepted.is_some());
    assert!(site.parked().await.is_empty());
}

#[tokio::test]
async fn what_is_prepared_anew_is_another_question_and_the_answer_to_the_old_one_counts_no_more() {
    let site = site().await;
    site.ask().await.unwrap();
    let first = id_of(&site, "one");
    let old = token_in_mail(&site, &first);
    accepts(&site, &first).await;
    site.record([Event::Prepared { sets: sets("two") }]).await;
    // Whoever looks at the old one once more tells nothing of it: as where its task was called again.
    let before = site.entries().await.len();
    let parked = Parked::new(
        site.candidate.id.clone(),
        domain::parking::WaitsFor::Approval {
            approval: first.clone(),
            application: site.candidate.application.clone(),
            environment: site.candidate.environment.name.clone(),
        },
        TASK.to_owned().into(),
        after(3),
    );
    site.context.ledger.park(&parked).await.unwrap();
    site.wake(3).await.unwrap();
    assert_eq!((site.entries().await.len(), site.parked().await.len()), (before, 0));
    assert!(site.status().await.accepted.is_none());

    site.ask_with("another", after(4)).await.unwrap();
    let second = id_of(&site, "two");
    assert_ne!(first, second);
    let page = opened(&site, &second).await;
    assert!(Markup::of(&page.body).field("nonce").is_some(), "{}", page.body);
    // The old link shows what was decided, answers nothing, and opens nothing of the new one.
    let shown = site.request(opens("GET", &first, &old), after(5)).await;
    assert!(Markup::of(&shown.body).field("nonce").is_none(), "{}", shown.body);
    let bent = site.request(opens("GET", &second, &old), after(5)).await;
    assert!(Markup::of(&bent.body).field("nonce").is_none(), "{}", bent.body);
    accepts(&site, &second).await;
    assert!(site.status().await.accepted.is_some());
    assert_eq!(site.told().len(), 2);
}

#[tokio::test]
async fn who_takes_the_environment_back_does_not_wait_for_people_where_nothing_is_changed_yet() {
    for (plans, told) in [
        (true, vec![]),
        (false, vec![json!({ "outcome": "superseded", "by": "shop-test-7" })]),
    ] {
        let site = site().await;
        site.ask().await.unwrap();
        let mut back = Candidate::of(&candidate(7, &policy(1, &[QA])));
        (back.rolls_back, back.plans) = (true, plans);
        site.change_environment(|state| drop(state.admit(back.clone(), after(1))))
            .await;
        site.wake(2).await.unwrap();
        assert_eq!(site.told(), told);
    }
    // Where it is changed already, people go on.
    let site = Site::new().await;
    site.ask().await.unwrap();
    let mut back = Candidate::of(&candidate(7, &policy(1, &[QA])));
    back.rolls_back = true;
    site.change_environment(|state| drop(state.admit(back.clone(), after(1))))
        .await;
    site.wake(2).await.unwrap();
    assert!(site.told().is_empty());
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_not_prepared() {
    let mut policy = policy(1, &[QA]);
    policy["when"] = json!("before");
    let site = Site::asking(policy).await;
    let mut other = site.candidate.clone();
    other.id = "shop-test-2".parse().unwrap();
    let task = json!({ "do": "ask", "deployment": other, "token": TASK });
    let error = site.call(task, after(0)).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Unexpected);
    assert!(site.mails_to(QA).is_empty());
}
