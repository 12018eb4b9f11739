//! What is found out when its time has come. These wait for a minute or more, beside the others.

use domain::approval::Outcome;
use domain::life::{Event, WayBack};
use domain::parking::Key;
use end_to_end::TEST;
use end_to_end::outcome::{deployed, failed_clean};
use local::TOOLS;
use local::tester::Answer;

use crate::{QA, in_the_laboratory};

#[test]
fn who_does_not_answer_is_reminded_at_half_time_and_at_the_deadline_it_is_over() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("expired").await;
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let link = candidate.link(QA).await;
        let ended = candidate.ends().await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.ApprovalExpired", &WayBack::Stays));
        assert!(cause.contains(QA), "it says who did not answer: {cause}");
        let approval = candidate.approval().await.expect("it was asked");
        assert!(matches!(approval.outcome, Some(Outcome::Expired { at }) if at >= approval.deadline));
        let mails = candidate.mails().await;
        let to_qa = mails.iter().filter(|mail| mail.to == QA);
        let subjects: Vec<&str> = to_qa.map(|mail| mail.subject.as_str()).collect();
        let [question, reminder] = subjects.as_slice() else {
            panic!("{subjects:?}")
        };
        assert!(question.ends_with("please accept or reject"), "{question}");
        assert!(reminder.ends_with("your answer is still missing"), "{reminder}");
        let page = candidate.person(QA).open(&link).await.expect("there is a page");
        assert_eq!((page.status, page.field("nonce")), (410, None), "{}", page.html);
        scenario.is_at_rest_in(TEST).await;
    });
}

#[test]
fn integration_tests_whose_end_nobody_hears_of_cost_a_sweep_and_no_deployment() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("unheard").await;
        let emulator = &laboratory.emulator;
        // What the builds of its deployments into test are told as, and no others.
        let about = "\"unheard-test-";
        emulator
            .lose_events_about(TOOLS, "aws.codebuild", about)
            .await
            .expect("events can be lost");
        scenario.application.integration_runs = Some("echo tested".to_owned());
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        candidate.answers(QA, &Answer::accept("")).await;
        let ended = candidate.ends().await;
        deployed(&ended);
        let at = |is: fn(&Event) -> bool| ended.entries.iter().find(|entry| is(&entry.what)).map(|entry| entry.at);
        let began = at(|event| matches!(event, Event::IntegrationTesting { .. })).expect("tests began");
        let seen = at(|event| matches!(event, Event::IntegrationTested { passed: true, .. })).expect("tests passed");
        assert!(
            seen.duration_since(began).as_secs() > 30,
            "the sweep looked, and no event came: {ended:#?}"
        );
    });
}

#[test]
fn where_github_does_not_say_who_wrote_it_the_deployment_waits_and_asks_when_github_is_back() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("down-when-asking").await;
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        laboratory.github.be_down_for(&scenario.repository.name, true);
        let key = Key::approval(&candidate.deployment);
        scenario
            .eventually("it waits for people", async || {
                let parked = laboratory.pipeline.ledger.parked(&key).await;
                !parked.expect("the ledger answers").is_empty()
            })
            .await;
        laboratory.github.take_asked();
        scenario
            .eventually("GitHub is asked", async || {
                let asked = laboratory.github.take_asked();
                asked
                    .iter()
                    .any(|asked| asked.target.contains(&scenario.repository.name))
            })
            .await;
        assert_eq!(candidate.approval().await, None);
        laboratory.github.be_down_for(&scenario.repository.name, false);
        candidate.answers(QA, &Answer::accept("")).await;
        deployed(&candidate.ends().await);
    });
}
