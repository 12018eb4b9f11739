//! People open their links and answer, and others try to.

use std::sync::Arc;

use domain::approval::{Outcome, Refusal};
use domain::names::Digest;

use super::markup::Tag;
use super::*;

async fn asked() -> Site {
    asked_of(policy(1, &[QA, LEAD])).await
}

async fn asked_of(policy: Value) -> Site {
    let site = Site::asking(policy).await;
    site.ask().await.unwrap();
    site
}

fn heading(response: &Response) -> String {
    Markup::of(&response.body).heading().to_owned()
}

fn why(site: &Site) -> Vec<String> {
    site.audit().into_iter().map(|(why, ..)| why).collect()
}

#[tokio::test]
async fn a_person_opens_the_link_accepts_and_sees_it() {
    let site = asked().await;
    let page = site.open(&site.link(QA), 1).await;
    assert_eq!(page.status_code, 200);
    let markup = Markup::of(&page.body);
    assert_eq!(markup.heading(), "Accept v1.2.0-rc.1 in test?");
    let nonce = markup.field("nonce").unwrap();
    let form = Form::new(&site.link(QA), &nonce, Choice::Accept)
        .with("tick", "1")
        .with("tick", "7");
    let thanks = site.send(&form, 2).await;
    assert_eq!(
        (thanks.status_code, heading(&thanks).as_str()),
        (200, "Thank you: you accepted")
    );
    let said = Markup::of(&thanks.body).text;
    assert!(said.contains("Cancel the order. ticked by qa@acme.example"), "{said}");
    assert!(said.contains("Order two teas. ticked by nobody"), "{said}");
    let approval = site.approval().await;
    assert_eq!(approval.outcome, Some(Outcome::Accepted { at: after(2) }));
    assert_eq!(
        (approval.ballots[0].ticked.as_slice(), approval.ballots.len()),
        (&[1][..], 1)
    );
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
    assert_eq!(site.story().await, ["approval_asked", "voted", "decided"]);
    let accepted = site.status().await.accepted.unwrap();
    assert_eq!((accepted.by, accepted.at), (vec![who(QA)], after(2)));
    let again = site.open(&site.link(QA), 3).await;
    assert_eq!((again.status_code, heading(&again).as_str()), (200, "You accepted"));
    assert!(Markup::of(&again.body).named("form").is_empty());
    assert_eq!(site.audit(), []);
}

#[tokio::test]
async fn one_rejection_ends_it_and_says_why() {
    let site = asked_of(policy(2, &[QA, LEAD, "tess@acme.example"])).await;
    site.answers(QA, Choice::Accept, 1).await;
    assert!(site.told().is_empty());
    let page = site.answers(LEAD, Choice::Reject, 2).await;
    assert_eq!(heading(&page), "Thank you: you rejected");
    let cause = "lead@acme.example rejected it: the prices are wrong";
    assert_eq!(site.told(), [json!({ "outcome": "rejected", "cause": cause })]);
    assert_eq!(site.story().await, ["approval_asked", "voted", "voted", "decided"]);
    // Everybody else is told so.
    for (approver, status) in [(QA, 200), ("tess@acme.example", 410)] {
        let page = site.open(&site.token_of(approver).await, 3).await;
        assert_eq!(page.status_code, status, "{approver}");
        assert!(
            page.body.contains("Rejected</span> by lead@acme.example"),
            "{}",
            page.body
        );
    }
}

#[tokio::test]
async fn f39_opening_a_link_changes_nothing_however_often_and_however_it_is_opened() {
    let site = asked().await;
    let token = site.link(QA);
    let before = site.kept();
    for number in 0..50 {
        for method in ["GET", "HEAD"] {
            let mut event = opens(method, &site.id(), &token);
            if number % 2 == 0 {
                event["headers"]["sec-purpose"] = json!("prefetch");
            }
            let response = site.request(event, after(number)).await;
            assert_eq!(response.status_code, 200);
            assert_eq!(response.body.is_empty(), method == "HEAD");
        }
    }
    assert_eq!(site.kept(), before);
    assert_eq!(site.audit(), []);
    // A token that is not valid changes nothing either, and that it was tried is kept.
    for minutes in 0..50 {
        assert_eq!(site.open("AAAA", minutes).await.status_code, 403);
    }
    assert_eq!(site.kept(), before);
    assert_eq!(site.audit().len(), 1, "once in an hour");
    site.open("AAAA", 60).await;
    assert_eq!(site.audit().len(), 2);
    // SSM is asked for a newer key from time to time, and not each time.
    site.aws.forget_calls();
    for millis in 0..100 {
        let now = after(61) + SignedDuration::from_millis(millis);
        site.request(opens("GET", &site.id(), "AAAA"), now).await;
    }
    assert_eq!(site.aws.count("GetParameter"), 2);
}

#[tokio::test]
async fn f39_an_answer_without_the_pages_own_nonce_does_not_count() {
    let site = asked().await;
    let (mine, others) = (site.link(QA), site.link(LEAD));
    let nonce = site.nonce(&mine, 0).await;
    let form = Form::new(&mine, &nonce, Choice::Accept);
    let flipped = format!("{}{}", if nonce.starts_with('A') { "B" } else { "A" }, &nonce[1..]);
    let before = site.kept();
    for (what, form, minutes) in [
        ("none", form.clone().without("nonce"), 1),
        ("an empty one", form.clone().with("nonce", ""), 2),
        (
            "another approver's",
            form.clone().with("nonce", &site.nonce(&others, 0).await),
            3,
        ),
        ("the token", form.clone().with("nonce", &mine), 4),
        ("a flipped one", form.clone().with("nonce", &flipped), 5),
        ("one that is twelve hours old", form.clone(), 12 * 60),
        (
            "one of tomorrow",
            form.clone().with("nonce", &site.nonce(&mine, 24 * 60).await),
            7,
        ),
    ] {
        let response = site.send(&form, minutes).await;
        assert_eq!(
            (response.status_code, heading(&response).as_str()),
            (403, "Not recorded"),
            "{what}"
        );
    }
    assert_eq!(site.kept(), before);
    let audit = site.audit();
    assert_eq!(audit.len(), 2, "in its first hour, and in its twelfth");
    let expected = (
        "the answer did not come from the page".to_owned(),
        Some(QA.to_owned()),
        "link".to_owned(),
    );
    assert!(audit.iter().all(|entry| *entry == expected));
    assert_eq!(
        site.send(&form, 12 * 60 - 1).await.status_code,
        200,
        "one that is not yet twelve hours old"
    );
}

#[tokio::test]
async fn f39_an_answer_from_another_sites_page_does_not_count() {
    let site = asked().await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, 0).await;
    let form = Form::new(&token, &nonce, Choice::Accept);
    let before = site.kept();
    for (minutes, (origin, fetch_site)) in (1..).zip([
        (Some("https://attacker.example"), Some("cross-site")),
        (Some("https://attacker.example"), None),
        (Some("https://attacker.example"), Some("same-origin")),
        (Some("https://api.test.attacker.example"), None),
        (Some("https://api.test:8443"), None),
        (Some("http://api.test"), None),
        (Some("https://api.test,https://attacker.example"), None),
        (Some(""), None),
        (Some("null"), Some("cross-site")),
        (Some("null"), Some("same-site")),
        (None, Some("cross-site")),
        (Some(PAGES), Some("same-site")),
    ]) {
        let form = form
            .clone()
            .header("origin", origin)
            .header("sec-fetch-site", fetch_site);
        assert_eq!(
            site.send(&form, minutes).await.status_code,
            403,
            "{origin:?} {fetch_site:?}"
        );
    }
    assert_eq!(site.kept(), before);
    assert_eq!(why(&site), ["the answer did not come from the page"]);
}

#[tokio::test]
async fn f39_an_answer_from_the_page_itself_counts_whatever_the_browser_says_of_it() {
    for (origin, fetch_site) in [
        (Some("null"), Some("same-origin")),
        (Some(PAGES), Some("same-origin")),
        (Some(PAGES), None),
        // Browsers that say neither.
        (None, None),
        (Some("null"), None),
        // Sent again from the address bar.
        (None, Some("none")),
    ] {
        let site = asked().await;
        let token = site.link(QA);
        let form = Form::new(&token, &site.nonce(&token, 0).await, Choice::Accept);
        let form = form.header("origin", origin).header("sec-fetch-site", fetch_site);
        assert_eq!(site.send(&form, 1).await.status_code, 200, "{origin:?} {fetch_site:?}");
    }
}

#[tokio::test]
async fn f40_a_link_that_is_used_twice_counts_once() {
    let site = asked_of(policy(2, &[QA, LEAD])).await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, 0).await;
    let accept = Form::new(&token, &nonce, Choice::Accept);
    let reject = Form::new(&token, &nonce, Choice::Reject);
    assert_eq!(site.send(&accept, 1).await.status_code, 200);
    let before = site.kept();
    for (form, minutes, answer) in [
        (&accept, 2, (200, "You have answered already: you accepted")),
        (&reject, 3, (410, "Not recorded: you have answered already")),
    ] {
        let again = site.send(form, minutes).await;
        assert_eq!((again.status_code, heading(&again).as_str()), answer);
        assert!(again.body.contains("accepted"));
    }
    assert_eq!(site.kept(), before);
    assert_eq!(why(&site), ["you have answered already"]);
}

#[tokio::test]
async fn f40_a_link_that_two_people_have_counts_once() {
    let site = asked_of(policy(2, &[QA, LEAD])).await;
    // It was forwarded; each of the two has a page of it.
    let token = site.link(QA);
    let (first, second) = (site.nonce(&token, 0).await, site.nonce(&token, 1).await);
    assert_eq!(
        site.send(&Form::new(&token, &first, Choice::Accept), 2)
            .await
            .status_code,
        200
    );
    let again = site.send(&Form::new(&token, &second, Choice::Accept), 3).await;
    assert_eq!(heading(&again), "You have answered already: you accepted");
    assert_eq!(site.approval().await.ballots.len(), 1);
    assert!(site.told().is_empty(), "two have to accept");
}

#[tokio::test]
async fn f40_a_link_after_the_deadline_counts_nothing_and_shows_what_became_of_it() {
    let site = asked().await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, WITHIN - 1).await;
    let form = Form::new(&token, &nonce, Choice::Accept);
    let before = site.kept();
    // The sweep has not come yet.
    let page = site.open(&token, WITHIN).await;
    assert_eq!(
        (page.status_code, heading(&page).as_str()),
        (410, "The time for an answer is over")
    );
    assert!(Markup::of(&page.body).named("form").is_empty() && page.body.contains("Expired"));
    let late = site.send(&form, WITHIN).await;
    assert_eq!(
        (late.status_code, heading(&late).as_str()),
        (410, "Not recorded: the deadline has passed")
    );
    assert_eq!(site.kept(), before);
    assert_eq!(why(&site), ["the link has expired"]);
    site.wake(WITHIN + 1).await.unwrap();
    let late = site.send(&form, WITHIN + 2).await;
    assert_eq!(
        (late.status_code, heading(&late).as_str()),
        (410, "Not recorded: it has been decided already")
    );
    assert_eq!(site.told().len(), 1);
}

#[tokio::test]
async fn f40_a_token_for_anything_else_opens_nothing() {
    let site = asked().await;
    let approval = site.approval().await;
    let (keys, qa) = (site.context.keys.keys(after(0)).await.unwrap(), who(QA));
    let mint = |approval: &Approval| {
        token::mint(&keys, &token::Claims::of(approval, &qa))
            .expose()
            .to_owned()
    };
    let of = |change: fn(&mut Approval)| {
        let mut other = approval.clone();
        change(&mut other);
        mint(&other)
    };
    let good = mint(&approval);
    assert_eq!(good, site.link(QA));
    let stranger = token::Keys {
        current: OTHER_KEY.parse().unwrap(),
        previous: None,
    };
    let before = site.kept();
    let bad = [
        ("an older release's", of(|other| other.release = Digest::of(b"older"))),
        (
            "another environment's",
            of(|other| other.environment = "production".parse().unwrap()),
        ),
        (
            "another application's",
            of(|other| other.application = "acme/tea".parse().unwrap()),
        ),
        (
            "another approval's",
            of(|other| other.id = ApprovalId::of(&"shop-test-2".parse().unwrap(), When::After)),
        ),
        (
            "another key's",
            token::mint(&stranger, &token::Claims::of(&approval, &qa))
                .expose()
                .to_owned(),
        ),
        ("nothing", String::new()),
        ("a text", "<script>alert(1)</script>".to_owned()),
        ("two", format!("{good},{good}")),
        ("a megabyte", "A".repeat(1024 * 1024)),
    ];
    let mut shown = Vec::new();
    for (minutes, (what, token)) in (1..).zip(&bad) {
        let page = site.open(token, minutes).await;
        assert_eq!(page.status_code, 403, "{what}");
        shown.push(page.body);
        let nonce = token::nonce(&keys, &approval.id, &qa, after(minutes));
        let form = Form::new(&token[..token.len().min(2000)], &nonce, Choice::Accept);
        let now = after(minutes) + SignedDuration::from_secs(1);
        let page = site.request(form.event(&approval.id), now).await;
        assert_eq!(page.status_code, 403, "{what}");
        shown.push(page.body);
    }
    // It is one page for all of them, and it says nothing of any approval.
    assert!(shown.iter().all(|page| *page == shown[0]));
    assert!(!shown[0].contains("acme") && !shown[0].contains("test"));
    assert_eq!(site.kept(), before);
    let expected = ("the link's token is not valid".to_owned(), None, "link".to_owned());
    assert_eq!(site.audit(), [expected]);
    // The same where there is no such approval, of which nothing is kept.
    for id in ["0".repeat(32), "../../etc".to_owned(), String::new(), "A".repeat(5000)] {
        let mut event = opens("GET", &approval.id, &good);
        event["pathParameters"]["id"] = json!(id);
        let page = site.request(event, after(30)).await;
        assert_eq!((page.status_code, &page.body), (403, &shown[0]));
    }
    assert_eq!(site.kept(), before);
}

#[tokio::test]
async fn f40_every_flipped_bit_of_a_link_is_refused() {
    let site = asked().await;
    let token = site.link(QA);
    let before = site.kept();
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = String::from_utf8_lossy(&flipped).into_owned();
        let now = after(1) + SignedDuration::from_millis(i64::try_from(bit).unwrap());
        let page = site.request(opens("GET", &site.id(), &flipped), now).await;
        assert_eq!(page.status_code, 403, "{flipped}");
    }
    assert_eq!(site.kept(), before);
    assert_eq!(why(&site), ["the link's token is not valid"]);
}

#[tokio::test]
async fn f41_of_two_answers_at_the_same_instant_the_first_write_wins_and_the_other_is_told() {
    let site = asked().await;
    let (mine, nonce) = (site.link(QA), site.nonce(&site.link(QA), 0).await);
    let ballot: domain::approval::Ballot = serde_json::from_value(json!({
        "by": LEAD, "via": { "via": "link", "key": "0a1b2c3d" }, "decision": "reject", "comment": "no", "ticked": [],
        "at": after(1),
    }))
    .unwrap();
    let id = site.id();
    // Lead's function writes between our read and our write, and dies right after.
    let faster = site.aws.others(async |elsewhere| {
        let elsewhere = context(&elsewhere, &Hub::default()).await;
        let vote = |approval: &mut Approval| approval.vote(ballot.clone());
        elsewhere.ledger.change_approval(&id, vote).await.unwrap();
    });
    site.aws.fates("PutItem", [faster.await]);
    let told = site.send(&Form::new(&mine, &nonce, Choice::Accept), 1).await;
    assert_eq!(
        (told.status_code, heading(&told).as_str()),
        (410, "Not recorded: it has been decided already")
    );
    assert!(told.body.contains("Rejected</span> by lead@acme.example"));
    assert_eq!(
        why(&site),
        [Refusal::Over(Box::new(site.approval().await.outcome.unwrap())).to_string()]
    );
    site.wake(2).await.unwrap();
    assert_eq!(
        site.told(),
        [json!({ "outcome": "rejected", "cause": "lead@acme.example rejected it: no" })]
    );
    assert_eq!(site.story().await, ["approval_asked", "voted", "decided"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f41_accept_and_reject_at_the_same_instant_are_one_decision() {
    for round in 0..12 {
        let site = Arc::new(asked().await);
        let mut forms = Vec::new();
        for (approver, decision) in [(QA, Choice::Accept), (LEAD, Choice::Reject)] {
            let token = site.link(approver);
            forms.push(Form::new(&token, &site.nonce(&token, 0).await, decision));
        }
        if round % 2 == 0 {
            forms.reverse();
        }
        let send = |form: Form| {
            let site = site.clone();
            tokio::spawn(async move { site.send(&form, 1).await.status_code })
        };
        let both: Vec<_> = forms.into_iter().map(send).collect();
        let mut statuses = Vec::new();
        for one in both {
            statuses.push(one.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410]);
        let approval = site.approval().await;
        assert_eq!((approval.ballots.len(), site.audit().len()), (1, 1));
        site.wake(2).await.unwrap();
        let [told] = &site.told()[..] else {
            panic!("the task was told several things, or nothing");
        };
        let expected = match approval.ballots[0].decision {
            Choice::Accept => "accepted",
            Choice::Reject => "rejected",
        };
        assert_eq!(told["outcome"], expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f41_everybody_at_the_same_instant_counts_once_each() {
    let people: Vec<String> = (0..10).map(|number| format!("tester-{number}@acme.example")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let site = Arc::new(asked_of(policy(10, &people)).await);
    let mut all = Vec::new();
    for approver in &people {
        let token = site.link(approver);
        let form = Form::new(&token, &site.nonce(&token, 0).await, Choice::Accept);
        // Somebody who presses the button twice does so at two instants.
        for nanosecond in 0..2 {
            let (site, event) = (site.clone(), form.event(&site.id()));
            let now = after(1) + SignedDuration::from_nanos(nanosecond);
            all.push(tokio::spawn(async move { site.request(event, now).await }));
        }
    }
    let mut counted = 0;
    for one in all {
        let page = heading(&one.await.unwrap());
        let is_first = page == "Thank you: you accepted";
        assert!(is_first || page == "You have answered already: you accepted", "{page}");
        counted += usize::from(is_first);
    }
    site.wake(2).await.unwrap();
    assert_eq!((counted, site.approval().await.ballots.len()), (10, 10));
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
    assert_eq!(site.status().await.accepted.unwrap().by.len(), 10);
}

#[tokio::test]
async fn who_worked_on_it_may_look_and_not_answer() {
    let site = asked_of(policy(1, &[QA, "ada@acme.example"])).await;
    let token = site.token_of("ada@acme.example").await;
    let before = site.kept();
    let page = site.open(&token, 1).await;
    assert_eq!(page.status_code, 403);
    assert!(heading(&page).starts_with("Nobody accepts or rejects what they wrote"));
    let keys = site.context.keys.keys(after(1)).await.unwrap();
    let nonce = token::nonce(&keys, &site.id(), &who("ada@acme.example"), after(1));
    let page = site.send(&Form::new(&token, &nonce, Choice::Accept), 1).await;
    assert_eq!(page.status_code, 403);
    assert_eq!(site.kept(), before);
    assert_eq!(site.audit().len(), 1);
}

#[tokio::test]
async fn a_rejection_without_a_comment_shows_the_page_again_with_what_was_filled_in() {
    let site = asked().await;
    let token = site.link(QA);
    let reject = Form::new(&token, &site.nonce(&token, 0).await, Choice::Reject).with("tick", "1");
    let before = site.kept();
    for (minutes, comment) in [(1, ""), (2, " \u{200b}\r\n"), (3, "\u{202e}")] {
        let page = site.send(&reject.clone().with("comment", comment), minutes).await;
        assert_eq!(page.status_code, 422);
        let markup = Markup::of(&page.body);
        assert!(markup.text.contains("a rejection needs a comment that says why"));
        let field = &markup.named("textarea")[0].attributes;
        assert_eq!(
            (field["aria-invalid"].as_str(), field["aria-describedby"].as_str()),
            ("true", "complaint")
        );
        let complaint = |tag: &Tag| tag.attributes.get("id").is_some_and(|id| id == "complaint");
        assert_eq!(markup.tags.iter().filter(|tag| complaint(tag)).count(), 1);
        let ticked: Vec<bool> = markup
            .named("input")
            .iter()
            .filter(|input| input.attributes["name"] == "tick")
            .map(|input| input.attributes.contains_key("checked"))
            .collect();
        assert_eq!(ticked, [false, true]);
    }
    let long = format!("first\r\n\u{202e}second {}", "x".repeat(2000));
    let page = site.send(&reject.clone().with("comment", &long), 4).await;
    assert_eq!(page.status_code, 422);
    let markup = Markup::of(&page.body);
    assert!(markup.text.contains("the comment is longer than 2000 characters"));
    let comment = &markup.named("textarea")[0].text;
    assert_eq!(*comment, format!("first\nsecond {}", "x".repeat(2000)));
    assert_eq!(site.kept(), before);
    // The page that came back is good for an answer.
    let nonce = markup.field("nonce").unwrap();
    let form = Form::new(&markup.field("token").unwrap(), &nonce, Choice::Reject).with("comment", "first second");
    assert_eq!(site.send(&form, 5).await.status_code, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_it_is() {
    let site = asked().await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, 0).await;
    let form = Form::new(&token, &nonce, Choice::Reject);
    let before = site.kept();
    let huge = form.clone().with("comment", &"x".repeat(10 * 1024 * 1024));
    let page = site.send(&huge, 1).await;
    assert_eq!((page.status_code, heading(&page).as_str()), (413, "That is too long"));
    assert_eq!(why(&site), ["the answer is too long to be read"]);
    let mut elsewhere = huge.event(&site.id());
    elsewhere["pathParameters"]["id"] = json!("0".repeat(32));
    assert_eq!(site.request(elsewhere, after(2)).await.status_code, 413);
    let mut garbled = form.event(&site.id());
    for (body, is_base64) in [("=", true), ("w4M=====", true), ("/w==", true)] {
        garbled["body"] = json!(body);
        garbled["isBase64Encoded"] = json!(is_base64);
        assert_eq!(site.request(garbled.clone(), after(3)).await.status_code, 400, "{body}");
    }
    for form in [form.clone().without("decision"), form.with("decision", "maybe")] {
        assert_eq!(site.send(&form, 4).await.status_code, 400);
    }
    assert_eq!(site.kept(), before);
    let mut kept = why(&site);
    kept.sort();
    assert_eq!(
        kept,
        [
            "the answer cannot be read",
            "the answer is too long to be read",
            "the answer neither accepts nor rejects",
        ]
    );
}

#[tokio::test]
async fn links_hold_while_the_key_is_changed_and_no_longer_than_it() {
    let site = asked().await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, 0).await;
    {
        let parameters = &mut site.aws.state().parameters;
        parameters.insert("/keys/key".to_owned(), OTHER_KEY.to_owned());
        parameters.insert("/keys/key-previous".to_owned(), KEY.to_owned());
    }
    // Elsewhere a page is shown under the new key; here only the old one is known.
    let new = token::Keys {
        current: OTHER_KEY.parse().unwrap(),
        previous: None,
    };
    let newer = token::nonce(&new, &site.id(), &who(QA), after(1));
    let form = Form::new(&token, &newer, Choice::Reject).with("comment", "");
    assert_eq!(site.send(&form, 1).await.status_code, 422, "it is from the page");
    let approval = site.approval().await;
    let newer = token::mint(&new, &token::Claims::of(&approval, &who(LEAD)));
    assert_eq!(site.open(newer.expose(), 2).await.status_code, 200);
    assert_eq!(site.open(&token, 2).await.status_code, 200);
    // The old key has leaked and is taken away.
    site.aws.state().parameters.remove("/keys/key-previous");
    assert_eq!(site.open(&token, 8).await.status_code, 403);
    assert_eq!(
        site.send(&Form::new(&token, &nonce, Choice::Accept), 9)
            .await
            .status_code,
        403
    );
}

#[tokio::test]
async fn when_we_fail_the_page_says_no_more_than_it_knows() {
    let site = asked().await;
    let token = site.link(QA);
    let nonce = site.nonce(&token, 0).await;
    site.aws.fates("GetItem", [Fate::Refused("ThrottlingException")]);
    let page = site.open(&token, 1).await;
    assert_eq!(page.status_code, 503);
    assert!(page.body.contains("Try again in a minute"));
    // The write was done and its answer got lost.
    site.aws.fates("PutItem", [Fate::Unanswered]);
    let page = site.send(&Form::new(&token, &nonce, Choice::Accept), 1).await;
    assert_eq!(page.status_code, 503);
    assert!(page.body.contains("may not be recorded") && !page.body.contains("Nothing was recorded"));
    let page = site.open(&token, 2).await;
    assert_eq!(heading(&page), "You accepted");
    // What is refused stays refused where that cannot be kept.
    site.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
    let page = site.open("AAAA", 3).await;
    assert_eq!(page.status_code, 403);
}

#[tokio::test]
async fn there_is_nothing_at_other_addresses() {
    let site = asked().await;
    for route in ["GET /", "$default", "DELETE /approvals/{id}", ""] {
        let mut event = opens("GET", &site.id(), &site.link(QA));
        event["routeKey"] = json!(route);
        assert_eq!(site.request(event, after(1)).await.status_code, 404, "{route}");
    }
}
