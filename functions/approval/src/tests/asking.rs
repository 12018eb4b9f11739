//! A candidate asks.

use domain::approval::Counted;
use domain::failure::Class;

use super::*;

const ADA: &str = "ada@acme.example";

async fn failure(site: &Site) -> (String, String) {
    let [told] = &site.told()[..] else {
        panic!("the task was told {:?}", site.told());
    };
    assert!(site.parked().await.is_empty());
    let part = |name: &str| told[name].as_str().unwrap().to_owned();
    (part("error"), part("cause"))
}

#[tokio::test]
async fn it_parks_before_anything_else() {
    let site = Site::new().await;
    assert_eq!(site.ask().await.unwrap(), Output::Task(TaskOutput::Parked));
    let first = &site.aws.calls("PutItem")[0]["Item"];
    assert_eq!(site.aws.operations()[0], "PutItem");
    assert_eq!(first["pk"]["S"], "parked#approval/shop-test-1");
    assert_eq!(site.parked().await[0].token.expose(), TASK);

    let site = Site::new().await;
    site.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
    assert!(site.ask().await.is_err());
    assert_eq!(site.aws.operations(), ["PutItem"]);
    assert!(site.hub.state().asked.is_empty());
}

#[tokio::test]
async fn what_people_need_to_know_is_put_together() {
    let site = Site::new().await;
    let second = hub::commit(&sha(2), "Weigh tea\n\nLonger text", ("Ben", "ben@acme.example", "ben"));
    site.hub.state().commits.push(second);
    site.ask().await.unwrap();
    let approval = site.approval().await;
    let facts = &approval.facts;
    let commits: Vec<_> = facts
        .commits
        .iter()
        .map(|line| (line.title.as_str(), line.author.as_str()))
        .collect();
    assert_eq!(commits, [("Sell tea by the pound", "Ada"), ("Weigh tea", "Ben")]);
    assert_eq!((&facts.since, facts.more_commits), (&Some(sha(9)), 0));
    let compare = format!("https://github.com/acme/shop/compare/{}...{}", sha(9), sha(1));
    assert_eq!(facts.compare_url.as_ref(), Some(&compare));
    let stacks: Vec<_> = facts
        .stacks
        .iter()
        .map(|stack| (stack.stack.as_str(), stack.summary.as_ref().map(|summary| summary.add)))
        .collect();
    assert_eq!(stacks, [("shop-test", Some(2)), ("shop-test-web", None)]);
    assert_eq!(facts.smoke_tests.as_ref().unwrap().checks[0].name, "front page");
    let integration = facts.integration_tests.as_ref().unwrap();
    assert_eq!(
        (integration.passed, integration.log.as_str()),
        (true, "https://logs.test/b:1")
    );
    let items: Vec<_> = approval.checklist.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(items, ["Order two teas.", "Cancel the order."]);
    assert_eq!(approval.release, site.status().await.release.unwrap());
    assert_eq!(
        (approval.version.as_str(), approval.title.as_str()),
        ("v1.2.0-rc.1", "Sell tea by the pound")
    );
    assert_eq!((approval.asked_at, approval.deadline), (after(0), after(WITHIN)));
    // GitHub was asked under the token that operators stored.
    let asked = std::mem::take(&mut site.hub.state().asked);
    assert!(
        asked[0]
            .0
            .starts_with(&format!("/repos/acme/shop/compare/{}...{}", sha(9), sha(1)))
    );
    assert!(
        asked
            .iter()
            .all(|(_, by)| by.as_deref() == Some(&format!("Bearer {HUB_TOKEN}")))
    );
    // The ledger knows, and the sweep comes when something may be due.
    assert_eq!(site.story().await, ["approval_asked"]);
    assert!(site.parked().await[0].look_at <= after(5));
}

#[tokio::test]
async fn what_an_earlier_candidate_changed_that_nobody_accepted_is_told_as_well() {
    let site = Site::new().await;
    // The one before replaced a table, and stayed when it was rejected; and of the first of all nothing is known.
    let before = candidate(7, &policy(1, &[QA]));
    let ledger = &site.context.ledger;
    for event in tested(&before, &Digest::of(b"before")) {
        ledger.record(&before.id, event, after(0)).await.unwrap();
    }
    site.change_environment(|state| {
        state.unaccepted.deployments = vec![before.id.clone()];
        state.unaccepted.more = 1;
    })
    .await;
    site.ask().await.unwrap();
    let facts = site.approval().await.facts;
    assert_eq!((facts.earlier, facts.more_earlier), (1, 1));
    let added: Vec<_> = facts
        .stacks
        .iter()
        .map(|stack| (stack.stack.as_str(), stack.summary.as_ref().map(|summary| summary.add)))
        .collect();
    // Each of them adds two, and one that both name is the same.
    assert_eq!(added, [("shop-test", Some(3)), ("shop-test-web", None)]);
    let page = site.open(&site.link(QA), 1).await;
    for said in [
        "Some of it was changed by a deployment before this one, which was not accepted.",
        "1 still earlier deployment may have made changes that are not listed here.",
        "Basket (AWS::SQS::Queue) was added",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
}

#[tokio::test]
async fn a_release_without_tests_or_checklist_is_not_said_to_have_any() {
    let candidate = candidate(1, &policy(1, &[QA]));
    let site = Site::of(candidate.clone(), "Read this first.\n").await;
    let none = Event::IntegrationTested {
        passed: true,
        cause: None,
        log: String::new(),
    };
    site.record([none]).await;
    site.ask().await.unwrap();
    let approval = site.approval().await;
    assert_eq!(approval.facts.integration_tests, None);
    assert!(approval.checklist.is_empty());
    let page = site.open(&site.link(QA), 1).await;
    assert!(page.body.contains("The release has no integration tests."));
}

#[tokio::test]
async fn each_approver_gets_one_mail_with_a_link_of_their_own() {
    let site = Site::asking(policy(1, &[QA, LEAD, OPS])).await;
    site.ask().await.unwrap();
    assert_eq!(site.aws.state().mails.len(), 2, "who has no address gets no mail");
    for approver in [QA, LEAD] {
        let [mail] = &site.mails_to(approver)[..] else {
            panic!("{approver} got several mails, or none");
        };
        assert!(mail.subject.len() < 100 && mail.subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        assert!(mail.body.contains("v1.2.0-rc.1") && mail.body.contains("Sell tea by the pound"));
        let page = site.open(&site.link(approver), 1).await;
        let people = Markup::of(&page.body).text;
        assert_eq!(page.status_code, 200);
        assert!(people.contains(&format!("{approver} (you)")), "{people}");
    }
    assert_ne!(site.link(QA), site.link(LEAD));
}

#[tokio::test]
async fn who_has_not_confirmed_is_found_said_to_operators_once_and_asked_when_they_have() {
    let site = Site::asking(policy(1, &[QA, LEAD, "tess@acme.example", "nora@acme.example"])).await;
    {
        let mut state = site.aws.state();
        // Three pages; the ones that matter are on the second.
        let stranger = Subscription {
            endpoint: "somebody@acme.example".to_owned(),
            ..state.subscriptions[0].clone()
        };
        state.subscriptions.insert(0, stranger);
        state.subscriptions[2].confirmed = false;
        state.subscriptions[3].endpoint = "TESS@acme.example".to_owned();
        // Nobody ever subscribed Nora.
        state.subscriptions.truncate(4);
    }
    subscribe(&site.aws, "one-more@acme.example", true);
    site.ask().await.unwrap();
    assert_eq!(site.aws.count("ListSubscriptionsByTopic") % 3, 0, "all pages are read");
    let unconfirmed = [who(LEAD), who("nora@acme.example")];
    assert_eq!(site.approval().await.unconfirmed, unconfirmed);
    let asked = site.entries().await.pop().unwrap().what;
    assert!(matches!(asked, Event::ApprovalAsked { unconfirmed: said, .. } if said == unconfirmed));
    assert_eq!(site.mails_to(QA).len() + site.mails_to("tess@acme.example").len(), 2);
    assert!(site.mails_to(LEAD).is_empty());
    let [told] = &site.mails_to_operators()[..] else {
        panic!("operators were told several times, or never");
    };
    assert!(told.body.contains(LEAD) && told.body.contains("nora@acme.example") && !told.body.contains("token"));
    site.wake(2).await.unwrap();
    assert_eq!(site.mails_to_operators().len(), 1);

    site.aws.state().subscriptions[2].confirmed = true;
    site.wake(4).await.unwrap();
    assert_eq!(site.mails_to(LEAD).len(), 1);
    assert_eq!(site.mails_to(QA).len(), 1);
    assert_eq!(site.approval().await.unconfirmed, [who("nora@acme.example")]);
}

#[tokio::test]
async fn f43_operators_are_told_before_anybody_is_asked_and_anew_of_who_unsubscribes() {
    let site = Site::asking(policy(2, &[QA, LEAD, "tess@acme.example"])).await;
    site.aws.state().subscriptions[1].confirmed = false;
    site.ask().await.unwrap();
    let topics: Vec<String> = site.aws.state().mails.iter().map(|mail| mail.topic.clone()).collect();
    assert_eq!(topics, [OPERATORS, APPROVERS, APPROVERS]);
    site.aws.state().subscriptions[2].confirmed = false;
    assert_eq!(
        site.wake(WITHIN / 2).await.unwrap(),
        Output::Task(TaskOutput::Woken { answered: 0 })
    );
    let [_, told] = &site.mails_to_operators()[..] else {
        panic!("operators were not told anew");
    };
    assert!(
        told.body.contains("\n  lead@acme.example\n  tess@acme.example\n"),
        "{}",
        told.body
    );
    assert!(told.body.contains("aws sns subscribe"), "{}", told.body);
    let reminded = [QA, LEAD, "tess@acme.example"].map(|approver| site.mails_to(approver).len());
    assert_eq!(reminded, [2, 0, 1], "what nobody gets is not noted as sent");
    site.aws.state().subscriptions[2].confirmed = true;
    site.wake(WITHIN / 2 + 5).await.unwrap();
    assert_eq!(
        (
            site.mails_to("tess@acme.example").len(),
            site.mails_to_operators().len()
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn f43_a_mail_that_is_delivered_twice_is_one_link_and_one_answer() {
    let site = Site::asking(policy(2, &[QA, LEAD])).await;
    // Nobody knows that the first was sent.
    site.aws
        .fates("Publish", std::iter::repeat_with(|| Fate::Unanswered).take(1));
    site.ask().await.unwrap();
    site.wake(2).await.unwrap();
    let mails = site.mails_to(QA);
    assert!(
        mails.len() > 1 && mails.iter().all(|mail| mail.body == mails[0].body),
        "{mails:?}"
    );
    let token = site.link(QA);
    let form = Form::new(&token, &site.nonce(&token, 3).await, Choice::Accept);
    assert_eq!(site.send(&form, 3).await.status_code, 200);
    let again = site.send(&form, 4).await;
    assert_eq!(
        Markup::of(&again.body).heading(),
        "You have answered already: you accepted"
    );
    assert_eq!(site.approval().await.ballots.len(), 1);
    assert!(site.told().is_empty());
}

#[tokio::test]
async fn operators_who_could_not_be_told_are_told_later_and_nobody_waits_for_that() {
    let site = Site::new().await;
    site.aws.state().subscriptions[1].confirmed = false;
    site.aws.fates("Publish", [Fate::Refused("KMSAccessDenied")]);
    assert_eq!(site.ask().await.unwrap(), Output::Task(TaskOutput::Parked));
    assert_eq!((site.mails_to(QA).len(), site.mails_to_operators().len()), (1, 0));
    site.wake(2).await.unwrap();
    site.wake(4).await.unwrap();
    assert_eq!((site.mails_to(QA).len(), site.mails_to_operators().len()), (1, 1));
}

#[tokio::test]
async fn a_state_that_is_tried_again_neither_mails_twice_nor_asks_anew() {
    let site = Site::new().await;
    site.ask().await.unwrap();
    let approval = site.approval().await;
    site.hub.state().commits.clear();
    site.aws.state().gone.insert(TASK.to_owned());
    site.ask_with("task-token-2", after(7)).await.unwrap();
    assert_eq!(site.approval().await, approval);
    assert_eq!((site.mails_to(QA).len(), site.mails_to(LEAD).len()), (1, 1));
    assert_eq!(site.story().await, ["approval_asked"]);
    assert_eq!(site.parked().await.len(), 2);
    // The answer goes to whoever waits now.
    site.answers(QA, Choice::Accept, 8).await;
    let accepted = ("task-token-2".to_owned(), json!({ "outcome": "accepted" }));
    assert_eq!(site.aws.answers(), [accepted]);
    assert!(
        site.parked().await.is_empty(),
        "nor does the one that nobody waits for stay"
    );
}

#[tokio::test]
async fn a_state_that_is_tried_again_after_the_decision_is_told_it() {
    let site = Site::new().await;
    site.ask().await.unwrap();
    site.aws
        .fates("SendTaskSuccess", [Fate::Refused("ThrottlingException")]);
    site.answers(QA, Choice::Accept, 1).await;
    assert!(site.told().is_empty());
    site.aws.state().gone.insert(TASK.to_owned());
    site.ask_with("task-token-2", after(2)).await.unwrap();
    let accepted = ("task-token-2".to_owned(), json!({ "outcome": "accepted" }));
    assert_eq!(site.aws.answers(), [accepted]);
    // The first call's token is taken away at the next look.
    site.wake(4).await.unwrap();
    assert_eq!((site.aws.answers().len(), site.parked().await.len()), (1, 0));
}

#[tokio::test]
async fn whoever_wrote_it_is_not_asked_under_whatever_name() {
    let site = Site::asking(policy(1, &[QA, LEAD, ADA, "tess@acme.example"])).await;
    let message = "Weigh tea\n\nCo-authored-by: Leader <LEAD+git@Acme.Example.>";
    let hidden = ("T", "77+tess@users.noreply.github.com", "someone-else");
    site.hub.state().commits.push(hub::commit(&sha(2), message, hidden));
    site.ask().await.unwrap();
    let excluded = [who(LEAD), who(ADA), who("tess@acme.example")];
    assert_eq!(site.approval().await.excluded(), excluded);
    let asked = site.entries().await.pop().unwrap().what;
    assert!(matches!(asked, Event::ApprovalAsked { excluded: said, .. } if said == excluded));
    assert_eq!(site.aws.state().mails.len(), 1);
    assert_eq!(site.mails_to(QA).len(), 1);
}

#[tokio::test]
async fn whoever_asked_for_it_is_not_asked() {
    let mut candidate = candidate(1, &policy(1, &[QA, LEAD]));
    candidate.requested.by = "QA".to_owned();
    let site = Site::of(candidate, CHECKLIST).await;
    site.ask().await.unwrap();
    assert_eq!(site.approval().await.excluded(), [who(QA)]);
    assert!(site.mails_to(QA).is_empty());
}

#[tokio::test]
async fn where_no_commit_is_new_the_release_is_still_somebodys_work() {
    let site = Site::asking(policy(1, &[QA, LEAD, ADA])).await;
    site.hub.state().commits.clear();
    site.ask().await.unwrap();
    assert_eq!(site.approval().await.excluded(), [who(LEAD), who(ADA)]);
}

#[tokio::test]
async fn what_may_pass_while_people_are_asked_takes_no_release_back() {
    let parked = Output::Task(TaskOutput::Parked);
    let fates: [fn() -> Fate; 4] = [
        || Fate::Refused("Throttled"),
        || Fate::Faulted,
        || Fate::Unanswered,
        || Fate::Silent,
    ];
    for fate in fates {
        for operation in ["ListSubscriptionsByTopic", "Publish"] {
            let mut site = Site::new().await;
            site.context.asks_within = Duration::from_secs(1);
            site.aws.fates(operation, [fate()]);
            assert_eq!(site.ask().await.unwrap(), parked, "{operation}");
            assert!(site.told().is_empty(), "{operation}");
            // The sweep comes.
            assert!(site.parked().await[0].look_at <= after(5));
            site.wake(5).await.unwrap();
            assert_eq!(site.story().await, ["approval_asked"], "{operation}");
            for approver in [QA, LEAD] {
                assert!(!site.mails_to(approver).is_empty(), "{operation} {approver}");
            }
        }
    }
}

#[tokio::test]
async fn where_more_is_new_than_is_read_nobody_is_asked() {
    let site = Site::new().await;
    site.hub.state().total = Some(2001);
    site.ask().await.unwrap();
    let (error, cause) = failure(&site).await;
    assert_eq!(error, "Rejected.TooMuchToRead");
    assert!(
        cause.starts_with("more than 2000 commits would have to be read"),
        "{cause}"
    );
    assert_eq!((site.found().await, site.aws.state().mails.len()), (None, 0));
}

#[tokio::test]
async fn without_a_stable_release_the_commit_itself_counts_and_that_is_said() {
    let site = Site::asking(policy(1, &[QA, LEAD, ADA])).await;
    site.change_environment(|state| (state.stable, state.accepted) = (None, None))
        .await;
    site.ask().await.unwrap();
    let approval = site.approval().await;
    let facts = &approval.facts;
    assert_eq!(
        (&facts.since, &facts.compare_url, facts.counted),
        (&None, &None, Counted::Own)
    );
    assert_eq!((facts.commits.len(), facts.author.as_str()), (1, "Ada"));
    assert_eq!(approval.excluded(), [who(LEAD), who(ADA)]);
    let asked = std::mem::take(&mut site.hub.state().asked);
    assert_eq!(asked.len(), 1, "nobody is left out for what is older: {asked:?}");
    let said = "nothing was stable here before";
    assert!(site.mails_to(QA)[0].body.contains(said));
    assert!(site.open(&site.link(QA), 1).await.body.contains(said));
}

#[tokio::test]
async fn s5_what_became_stable_without_being_accepted_is_still_somebodys_work() {
    // People accepted 8; 9 came while nobody was asked.
    let site = Site::new().await;
    site.change_environment(|state| {
        state.accepted = Some(sha(8));
        state.stable.as_mut().unwrap().accepted = None;
    })
    .await;
    site.ask().await.unwrap();
    let facts = site.approval().await.facts;
    assert_eq!((facts.since, facts.counted), (Some(sha(8)), Counted::SinceAccepted));
    let asked = std::mem::take(&mut site.hub.state().asked);
    let compared = format!("/compare/{}...{}", sha(8), site.candidate.commit);
    assert!(asked.iter().any(|(path, _)| path.contains(&compared)), "{asked:?}");
}

#[tokio::test]
async fn where_people_never_accepted_anything_what_is_stable_counts_and_that_is_said() {
    let site = Site::new().await;
    site.change_environment(|state| {
        state.accepted = None;
        state.stable.as_mut().unwrap().accepted = None;
    })
    .await;
    site.ask().await.unwrap();
    let facts = site.approval().await.facts;
    assert_eq!((facts.since, facts.counted), (Some(sha(9)), Counted::SinceStable));
    assert!(facts.compare_url.is_some());
    let said = "Commits since 090909090909, which is stable here, though nobody was asked to accept it";
    assert!(site.mails_to(QA)[0].body.contains(said));
    assert!(site.open(&site.link(QA), 1).await.body.contains(said));
}

#[tokio::test]
async fn where_history_was_rewritten_all_of_it_counts_and_what_was_accepted_is_still_known() {
    let site = Site::asking(policy(1, &[QA, LEAD, ADA])).await;
    site.hub.state().unrelated = true;
    site.ask().await.unwrap();
    let approval = site.approval().await;
    let facts = &approval.facts;
    assert_eq!((&facts.since, facts.counted), (&Some(sha(9)), Counted::All));
    assert_eq!(facts.compare_url, None);
    assert_eq!(approval.excluded(), [who(ADA)]);
    let said = "GitHub finds nothing in common with 090909090909, which was here before";
    let mail = &site.mails_to(QA)[0].body;
    assert!(
        mail.contains(said) && !mail.contains("nothing was stable here before"),
        "{mail}"
    );
    assert!(site.open(&site.link(QA), 1).await.body.contains(said));
}

#[tokio::test]
async fn a_quorum_that_nobody_can_reach_is_answered_at_once() {
    for people in [&[ADA][..], &[ADA, QA]] {
        let site = Site::asking(policy(u32::try_from(people.len()).unwrap(), people)).await;
        site.ask().await.unwrap();
        let [told] = &site.told()[..] else {
            panic!("nothing was told");
        };
        assert_eq!(told["outcome"], "unreachable");
        assert!(told["cause"].as_str().unwrap().contains(ADA), "{told}");
        assert_eq!(site.story().await, ["approval_asked", "decided"]);
        assert!(site.aws.state().mails.is_empty());
        assert!(site.parked().await.is_empty());
    }
}

#[tokio::test]
async fn while_github_is_down_it_waits_and_asks_again() {
    let site = Site::new().await;
    site.hub.state().refuses = Some((502, "Bad gateway"));
    assert_eq!(site.ask().await.unwrap(), Output::Task(TaskOutput::Parked));
    assert_eq!(
        site.wake(1).await.unwrap(),
        Output::Task(TaskOutput::Woken { answered: 0 })
    );
    assert_eq!(site.found().await, None);
    assert_eq!(site.parked().await[0].look_at, after(2));
    assert!(site.told().is_empty() && site.aws.state().mails.is_empty());
    site.hub.state().refuses = None;
    site.wake(20).await.unwrap();
    assert_eq!(
        (site.approval().await.asked_at, site.approval().await.deadline),
        (after(20), after(WITHIN)),
        "their time counts from when it waits, as the state's does"
    );
    assert_eq!(site.mails_to(QA).len(), 1);
}

#[tokio::test]
async fn where_github_stays_down_until_the_deadline_nobody_was_asked_in_time() {
    let site = Site::new().await;
    site.hub.state().refuses = Some((502, "Bad gateway"));
    site.ask().await.unwrap();
    site.wake(29).await.unwrap();
    // Operators hear of it by the function's alarm.
    for minutes in [30, WITHIN - 1] {
        let error = site.wake(minutes).await.unwrap_err();
        assert!(error.to_string().contains("502"), "{error}");
    }
    assert!(site.told().is_empty());
    assert_eq!(
        site.wake(WITHIN).await.unwrap(),
        Output::Task(TaskOutput::Woken { answered: 1 })
    );
    let told = &site.told()[0];
    assert_eq!(told["outcome"], "expired");
    let cause = told["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("nobody could be asked in time") && cause.contains("502"),
        "{cause}"
    );
    assert!(site.parked().await.is_empty());
}

#[tokio::test]
async fn what_github_does_not_show_fails_by_name() {
    let site = Site::new().await;
    site.hub.state().refuses = Some((401, "Bad credentials"));
    assert_eq!(site.ask().await.unwrap(), Output::Task(TaskOutput::Parked));
    let (error, cause) = failure(&site).await;
    assert_eq!(error, "Rejected.GitHubDenied");
    assert!(cause.contains("Bad credentials"), "{cause}");

    let site = Site::new().await;
    let stored = site
        .aws
        .state()
        .parameters
        .insert("/lockgate/github/token".to_owned(), "two words".to_owned());
    assert!(stored.is_some());
    site.ask().await.unwrap();
    let (error, cause) = failure(&site).await;
    assert_eq!(error, "Rejected.GitHubDenied");
    assert!(
        cause.contains("below /lockgate/github cannot be used") && !cause.contains("two words"),
        "{cause}"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_fails_by_name_before_anybody_is() {
    let item = "- [ ] try it\n".repeat(51);
    let site = Site::of(candidate(1, &policy(1, &[QA])), &item).await;
    site.ask().await.unwrap();
    let (error, cause) = failure(&site).await;
    assert_eq!(error, "Rejected.InvalidChecklist");
    assert!(cause.contains("51 items"), "{cause}");

    let site = Site::new().await;
    site.aws.state().objects.clear();
    site.ask().await.unwrap();
    assert_eq!(failure(&site).await.0, "Rejected.ReleaseMissing");

    let site = Site::new().await;
    site.aws.state().parameters.remove("/keys/key");
    site.ask().await.unwrap();
    let (error, cause) = failure(&site).await;
    assert_eq!(error, "Bug.Unexpected");
    assert!(
        cause.contains("/keys/key is not there") && cause.contains("openssl rand -hex 32"),
        "{cause}"
    );

    let site = Site::new().await;
    site.aws
        .fates("ListSubscriptionsByTopic", [Fate::Refused("AuthorizationError")]);
    site.ask().await.unwrap();
    assert!(failure(&site).await.1.contains("sns:ListSubscriptionsByTopic"));
}

#[tokio::test]
async fn a_record_that_does_not_say_what_was_asked_for_is_a_bug() {
    for (missing, said) in [("entry#", "was asked for"), ("head", "which release")] {
        let site = Site::new().await;
        let is_missing = |pk: &str, sk: &str| pk.starts_with("deployment#") && sk.starts_with(missing);
        let retain = |state: &mut fake_aws::State| state.table.items.retain(|(pk, sk), _| !is_missing(pk, sk));
        retain(&mut site.aws.state());
        site.ask().await.unwrap();
        let (error, cause) = failure(&site).await;
        assert_eq!(error, "Bug.Unexpected");
        assert!(cause.contains(said), "{cause}");
    }
}

#[tokio::test]
async fn an_environment_that_asks_nobody_does_not_park() {
    let site = Site::new().await;
    let mut nobody = site.candidate.clone();
    nobody.environment.approval = None;
    let asked = site
        .call(json!({ "do": "ask", "deployment": nobody, "token": TASK }), after(0))
        .await;
    assert_eq!(Failure::from(asked.unwrap_err()).name, Name::InvalidInput);
    assert!(site.aws.operations().is_empty());
}

#[tokio::test]
async fn whichever_call_fails_while_it_asks_everybody_is_asked_and_one_answer_counts() {
    whichever_call_fails(
        Site::new,
        async |site| {
            // Step Functions tries the state again, with another token, after what may pass; and gives the old one up.
            for attempt in 1..4 {
                let token = format!("task-token-{attempt}");
                match site.ask_with(&token, after(0)).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(Failure::from(error).name.class(), Class::Transient),
                }
                site.aws.state().gone.insert(token);
            }
        },
        async |site| {
            site.wake(0).await.unwrap();
            site.answers(QA, Choice::Accept, 0).await;
            assert_eq!(site.audit(), []);
        },
        |site, what| {
            // Nobody knows of a mail whose answer got lost, so that one may come twice.
            let mails = [site.mails_to(QA).len(), site.mails_to(LEAD).len()];
            assert!([[1, 1], [2, 1], [1, 2]].contains(&mails), "{what}: {mails:?}");
        },
    )
    .await;
}
