//! An approval is looked at.

use super::*;

const HALF: i64 = WITHIN / 2;

fn woken(answered: usize) -> Output {
    Output::Task(TaskOutput::Woken { answered })
}

async fn asked() -> Site {
    let site = Site::new().await;
    site.ask().await.unwrap();
    site
}

#[tokio::test]
async fn who_has_not_answered_is_reminded_once_at_half_time() {
    let site = Site::asking(policy(2, &[QA, LEAD, "tess@acme.example"])).await;
    site.ask().await.unwrap();
    site.answers(QA, Choice::Accept, 1).await;
    for (minutes, mails) in [(2, 1), (HALF - 1, 1), (HALF, 2), (HALF + 5, 2), (WITHIN - 1, 2)] {
        assert_eq!(site.wake(minutes).await.unwrap(), woken(0));
        assert_eq!(site.mails_to(LEAD).len(), mails, "after {minutes} minutes");
        assert_eq!(
            site.mails_to("tess@acme.example").len(),
            mails,
            "after {minutes} minutes"
        );
    }
    assert_eq!(site.mails_to(QA).len(), 1, "who has answered is left alone");
    let reminder = &site.mails_to(LEAD)[1];
    assert!(
        reminder.subject.contains("your answer is still missing"),
        "{}",
        reminder.subject
    );
    assert_eq!(site.open(&site.link(LEAD), HALF + 6).await.status_code, 200);
}

#[tokio::test]
async fn at_the_deadline_it_expires() {
    let site = asked().await;
    assert_eq!(site.wake(WITHIN - 1).await.unwrap(), woken(0));
    assert!(site.parked().await[0].look_at <= after(WITHIN));
    assert_eq!(site.wake(WITHIN).await.unwrap(), woken(1));
    let [told] = &site.told()[..] else {
        panic!("nothing was told");
    };
    assert_eq!(told["outcome"], "expired");
    assert!(told["cause"].as_str().unwrap().contains(QA), "{told}");
    assert_eq!(site.story().await, ["approval_asked", "decided"]);
    assert!(site.parked().await.is_empty());
    assert_eq!(site.wake(WITHIN + 1).await.unwrap(), woken(0));
}

#[tokio::test]
async fn f42_a_newer_candidate_supersedes_it_and_its_links_say_so() {
    let site = asked().await;
    site.newer(2).await;
    assert_eq!(site.wake(2).await.unwrap(), woken(1));
    assert_eq!(site.told(), [json!({ "outcome": "superseded", "by": "shop-test-2" })]);
    assert_eq!(site.story().await, ["approval_asked", "decided"]);
    let before = site.kept();
    let page = site.open(&site.link(QA), 3).await;
    assert_eq!(page.status_code, 410);
    let page = Markup::of(&page.body);
    assert!(page.text.contains("A newer candidate took its place") && page.text.contains("shop-test-2"));
    assert!(page.named("button").is_empty());
    let keys = site.context.keys.keys(after(3)).await.unwrap();
    let nonce = token::nonce(&keys, &site.id(), &who(QA), after(3));
    let late = site.send(&Form::new(&site.link(QA), &nonce, Choice::Accept), 3).await;
    assert_eq!(late.status_code, 410);
    assert!(Markup::of(&late.body).heading().contains("it has been decided already"));
    assert_eq!(site.kept(), before);
    assert_eq!(site.audit().len(), 1);
}

#[tokio::test]
async fn f42_who_was_faster_than_the_newer_candidate_has_decided() {
    let site = asked().await;
    site.newer(2).await;
    let ballot = json!({
        "by": QA, "via": { "via": "link", "key": "0a1b2c3d" }, "decision": "accept", "comment": "", "ticked": [],
        "at": after(2),
    });
    let ballot: domain::approval::Ballot = serde_json::from_value(ballot).unwrap();
    let id = site.id();
    let voted = site.aws.others(async |elsewhere| {
        let elsewhere = context(&elsewhere, &Hub::default()).await;
        let vote = |approval: &mut Approval| approval.vote(ballot.clone());
        elsewhere.ledger.change_approval(&id, vote).await.unwrap();
    });
    site.aws.fates("PutItem", [voted.await]);
    assert_eq!(site.wake(2).await.unwrap(), woken(1));
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
    assert_eq!(site.story().await, ["approval_asked", "voted", "decided"]);
}

#[tokio::test]
async fn f43_a_mail_that_could_not_be_sent_is_tried_again_and_operators_hear_of_it() {
    let site = Site::new().await;
    site.aws.fates(
        "Publish",
        [Fate::Refused("KMSAccessDenied"), Fate::Done, Fate::Refused("Throttled")],
    );
    assert_eq!(
        site.ask().await.unwrap(),
        Output::Task(TaskOutput::Parked),
        "the others were asked"
    );
    assert_eq!((site.mails_to(QA).len(), site.mails_to(LEAD).len()), (0, 1));
    assert_eq!(site.parked().await[0].look_at, after(2));
    // The function ends with an error, for its alarm, and has done everything else.
    let error = site.wake(2).await.unwrap_err();
    assert!(error.to_string().contains("sns:Publish"), "{error}");
    assert_eq!(site.parked().await[0].look_at, after(4));
    assert_eq!(site.wake(4).await.unwrap(), woken(0));
    assert_eq!((site.mails_to(QA).len(), site.mails_to(LEAD).len()), (1, 1));
    // Whoever got no mail could have answered by the command all the same.
    let (waiting, more) = site.context.ledger.waiting_approvals(9, after(4)).await.unwrap();
    assert_eq!((waiting.len(), more), (1, 0));
}

#[tokio::test]
async fn an_approval_whose_state_was_called_again_is_listed_once() {
    let site = Site::new().await;
    site.ask().await.unwrap();
    site.park_again().await;
    let (waiting, more) = site.context.ledger.waiting_approvals(9, after(4)).await.unwrap();
    assert_eq!((site.parked().await.len(), waiting.len(), more), (2, 1, 0));
}

#[tokio::test]
async fn only_the_task_that_is_waited_for_is_looked_at() {
    let site = Site::new().await;
    site.hub.state().refuses = Some((502, "Bad gateway"));
    site.ask().await.unwrap();
    let asked = site.hub.state().asked.len();
    site.park_again().await;
    site.aws.state().gone.insert(TASK.to_owned());
    assert_eq!(site.wake(1).await.unwrap(), woken(0));
    assert_eq!(site.hub.state().asked.len(), 2 * asked, "for one task, and not for two");
    let [left] = &site.parked().await[..] else {
        panic!("one task waits");
    };
    assert_eq!(left.token.expose(), "again");
}

#[tokio::test]
async fn f42_where_none_of_two_tasks_is_waited_for_the_question_is_withdrawn() {
    let site = asked().await;
    site.park_again().await;
    site.stands(&site.candidate, "ABORTED");
    site.aws.state().gone.insert("again".to_owned());
    assert_eq!(site.wake(3).await.unwrap(), woken(1));
    assert!(matches!(
        site.approval().await.outcome,
        Some(domain::approval::Outcome::Withdrawn { .. })
    ));
    assert!(site.parked().await.is_empty());
}

#[tokio::test]
async fn f43_mail_that_nobody_gets_holds_a_release_no_longer_than_the_deadline() {
    let site = Site::new().await;
    site.aws
        .fates("Publish", std::iter::repeat_with(|| Fate::Refused("Throttled")).take(4));
    site.ask().await.unwrap();
    assert!(site.wake(HALF).await.is_err());
    assert_eq!(site.wake(WITHIN).await.unwrap(), woken(1));
    assert_eq!(site.told()[0]["outcome"], "expired");
}

#[tokio::test]
async fn f43_mail_that_bounces_leaves_it_listed_reminded_and_over_at_the_deadline() {
    // SNS took the mail, and nobody got it.
    let site = asked().await;
    let (waiting, _) = site.context.ledger.waiting_approvals(9, after(1)).await.unwrap();
    assert_eq!(waiting[0].awaited(), [who(QA), who(LEAD)]);
    site.wake(HALF).await.unwrap();
    assert_eq!((site.mails_to(QA).len(), site.mails_to(LEAD).len()), (2, 2));
    assert_eq!(site.wake(WITHIN).await.unwrap(), woken(1));
    assert_eq!(site.told()[0]["outcome"], "expired");
}

#[tokio::test]
async fn mail_ends_when_it_is_decided() {
    let site = Site::new().await;
    // Somebody answers by the command while the first mail is on its way.
    site.ask().await.unwrap();
    let first = site.kept();
    site.says(QA_SESSION, &json!({ "decision": "accept" }), 0).await;
    let decided = site.kept();
    let aws = &site.aws;
    aws.state().mails.clear();
    aws.state().table.items = first;
    let forget = |approval: &mut Approval| approval.mails.clear();
    site.context.ledger.change_approval(&site.id(), forget).await.unwrap();
    aws.fates("Publish", [Fate::after(move |state| state.table.items = decided)]);
    site.wake(1).await.unwrap();
    assert_eq!(aws.state().mails.len(), 1, "nobody else is asked what is decided");
}

#[tokio::test]
async fn a_key_of_somebody_else_does_nothing() {
    let site = asked().await;
    let (application, environment) = (&site.candidate.application, &site.candidate.environment.name);
    let lock = domain::parking::WaitsFor::Lock {
        application: application.clone(),
        environment: environment.clone(),
    };
    let parked = Parked::new(
        site.candidate.id.clone(),
        lock,
        "lock-token".to_owned().into(),
        after(0),
    );
    site.context.ledger.park(&parked).await.unwrap();
    let before = site.kept();
    for key in [
        "lock/shop-test-1",
        "approval/shop-test-2",
        "build/acme/shop/0",
        "approval/",
        "",
    ] {
        let woken = site.call(json!({ "do": "wake", "key": key }), after(WITHIN)).await;
        assert_eq!(woken.unwrap(), Output::Task(TaskOutput::Woken { answered: 0 }), "{key}");
    }
    assert_eq!(site.kept(), before);
    assert!(site.told().is_empty());
}

#[tokio::test]
async fn f42_when_the_execution_is_over_the_question_is_withdrawn() {
    for status in ["ABORTED", "TIMED_OUT", "FAILED", "SUCCEEDED", "forgotten"] {
        let site = asked().await;
        site.stands(&site.candidate, status);
        if status == "forgotten" {
            site.aws.state().executions.clear();
        }
        assert_eq!(site.wake(3).await.unwrap(), woken(1), "{status}");
        let approval = site.approval().await;
        assert_eq!(
            approval.outcome.as_ref(),
            Some(&domain::approval::Outcome::Withdrawn { at: after(3) })
        );
        assert_eq!(site.story().await, ["approval_asked", "decided"]);
        assert!(site.told().is_empty() && site.parked().await.is_empty());
        let page = site.open(&site.link(QA), 4).await;
        assert_eq!(page.status_code, 410);
        assert!(page.body.contains("the deployment was over before people had decided"));
    }
}

#[tokio::test]
async fn an_answer_after_the_executions_end_does_not_count() {
    let accept = json!({ "decision": "accept" });
    for by_link in [true, false] {
        let site = asked().await;
        // The page was open before.
        let (token, nonce) = (site.link(QA), site.nonce(&site.link(QA), 1).await);
        site.stands(&site.candidate, "ABORTED");
        let answer = if by_link {
            site.send(&Form::new(&token, &nonce, Choice::Accept), 2).await
        } else {
            site.says(QA_SESSION, &accept, 2).await
        };
        assert_eq!(answer.status_code, if by_link { 410 } else { 409 });
        assert!(answer.body.contains("it has been decided already"), "{}", answer.body);
        assert!(
            answer
                .body
                .contains("the deployment was over before people had decided"),
            "{}",
            answer.body
        );
        let approval = site.approval().await;
        assert!(approval.ballots.is_empty());
        assert_eq!(approval.cause(), "the deployment was over before people had decided");
        assert_eq!(site.audit().len(), 1);
        // The sweep finds what is left to be done.
        assert_eq!(site.wake(5).await.unwrap(), woken(1));
        assert!(site.status().await.accepted.is_none());
        assert_eq!(site.story().await, ["approval_asked", "decided"]);
    }
}

#[tokio::test]
async fn a_deployment_that_has_gone_on_asks_nobody_any_more() {
    let failure = Failure::new(Name::TimedOut, "it took too long");
    let back = Event::GoingBack {
        to: Digest::of(b"stable"),
        because: failure.clone(),
    };
    let ended = Event::Ended(domain::life::Ending::OperatorNeeded { failure });
    for event in [back, ended] {
        let site = asked().await;
        site.record([event]).await;
        let refused = site.says(QA_SESSION, &json!({ "decision": "accept" }), 1).await;
        assert_eq!(refused.status_code, 409);
        site.wake(2).await.unwrap();
        let approval = site.approval().await;
        assert!(matches!(
            approval.outcome,
            Some(domain::approval::Outcome::Withdrawn { .. })
        ));
        assert!(site.parked().await.is_empty());
    }
}

#[tokio::test]
async fn a_deployment_that_is_over_before_anybody_could_be_asked_waits_no_longer() {
    let site = Site::new().await;
    site.hub.state().refuses = Some((502, "Bad gateway"));
    site.ask().await.unwrap();
    site.stands(&site.candidate, "ABORTED");
    site.hub.state().refuses = None;
    assert_eq!(site.wake(5).await.unwrap(), woken(1));
    assert_eq!(site.found().await, None);
    assert!(site.parked().await.is_empty() && site.aws.state().mails.is_empty());
}

#[tokio::test]
async fn an_execution_that_somebody_has_go_on_after_that_does_not_wait_for_ever() {
    let site = asked().await;
    site.stands(&site.candidate, "ABORTED");
    site.wake(3).await.unwrap();
    site.runs(&site.candidate);
    site.ask_with("task-token-2", after(60)).await.unwrap();
    assert_eq!(site.told()[0]["error"], "Bug.Unexpected");
    assert!(site.parked().await.is_empty());
}

#[tokio::test]
async fn a_question_of_which_only_the_record_was_written_is_told_before_it_is_decided() {
    let site = Site::new().await;
    site.aws
        .fates("TransactWriteItems", [Fate::Refused("ThrottlingException")]);
    site.ask().await.unwrap();
    assert!(site.story().await.is_empty() && site.aws.state().mails.is_empty());
    // By the command, since nobody has a link yet.
    let counted = site.says(QA_SESSION, &json!({ "decision": "accept" }), 1).await;
    assert_eq!(counted.status_code, 200);
    assert_eq!(site.story().await, ["approval_asked", "voted", "decided"]);
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
}

#[tokio::test]
async fn whichever_call_fails_while_it_is_answered_the_answer_counts_once() {
    for decision in [Choice::Accept, Choice::Reject] {
        // Everything that is asked is asked in the same words, and its links are the same.
        let form = {
            let site = asked().await;
            let token = site.link(QA);
            Form::new(&token, &site.nonce(&token, 1).await, decision).with("tick", "1")
        };
        let answer = async |site: &Site| site.send(&form, 1).await.status_code;
        whichever_call_fails(
            asked,
            async |site| {
                let status = answer(site).await;
                assert!([200, 503].contains(&status), "{status}");
            },
            async |site| {
                // The page says to open the link again: it shows whether the answer is recorded.
                let page = site.open(&site.link(QA), 1).await;
                if !Markup::of(&page.body).named("textarea").is_empty() {
                    assert_eq!(answer(site).await, 200);
                }
                site.wake(1).await.unwrap();
            },
            |site, what| assert_eq!(site.audit(), [], "{what}"),
        )
        .await;
    }
}

#[tokio::test]
async fn whichever_call_fails_at_the_end_it_ends_in_one_way() {
    for (ends, minutes) in [("expires", WITHIN), ("is superseded", 9), ("is withdrawn", 9)] {
        whichever_call_fails(
            async || {
                let site = asked().await;
                match ends {
                    "expires" => {}
                    "is superseded" => site.newer(2).await,
                    _ => site.stands(&site.candidate, "ABORTED"),
                }
                site
            },
            async |site| drop(site.wake(minutes).await),
            async |site| drop(site.wake(minutes).await.unwrap()),
            |_, _| {},
        )
        .await;
    }
}
