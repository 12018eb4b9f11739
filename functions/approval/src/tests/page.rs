//! What a page is made of, whoever wrote the texts on it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;

/// Texts that would be something else where nobody looked after them.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</textarea></form><form action=//attacker.example>",
    "</title></style><style>*{display:none}</style>",
    "<!-- <b> &lt;b&gt; &#60;b&#62; ]]>",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}",
    "one\r\nset-cookie: two=three\r\n\r\n<b>",
    "javascript:alert(1)",
];

/// A site where everything that others write is `text`.
async fn written(text: &str) -> Site {
    let mut candidate = candidate(1, &policy(3, &[QA, LEAD, "tess@acme.example"]));
    // As intake makes them.
    candidate.reference = domain::harmless::harmless(text, 255);
    candidate.requested.title = domain::harmless::first_line(text, 100);
    candidate.requested.by = domain::harmless::harmless(text, 100);
    let inline = text.replace(['\r', '\n'], " ");
    let site = Box::pin(Site::of(
        candidate,
        &format!("# {inline} x\n- [ ] {inline} x\n- [ ] y\n"),
    ))
    .await;
    site.hub.state().commits = vec![
        hub::commit(&sha(1), text, (text, "ada@acme.example", "ada")),
        hub::commit(
            &sha(2),
            &format!("x\n\nCo-authored-by: {text} <x@acme.example>"),
            ("Ben", text, text),
        ),
    ];
    site.ask().await.unwrap();
    site
}

/// The pages that somebody sees: the question, the same again with a complaint, and what was decided.
async fn pages(text: &str) -> Vec<Response> {
    let site = Box::pin(written(text)).await;
    let token = site.link(QA);
    let question = site.open(&token, 1).await;
    let nonce = Markup::of(&question.body).field("nonce").unwrap();
    let form = Form::new(&token, &nonce, Choice::Accept).with("tick", "0");
    let too_long = form.clone().with("comment", &format!("{text} x {}", "y".repeat(3000)));
    let complaint = site.send(&too_long, 1).await;
    let accepted = site.send(&form.with("comment", &format!("{text} x")), 1).await;
    let other = site.link(LEAD);
    let others = site.open(&other, 1).await;
    let nonce = site.nonce(&other, 1).await;
    let reject = Form::new(&other, &nonce, Choice::Reject).with("comment", &format!("{text} x"));
    let rejected = site.send(&reject, 1).await;
    let over = site.open(&site.link("tess@acme.example"), 1).await;
    vec![question, complaint, accepted, others, rejected, over]
}

#[tokio::test]
async fn no_element_and_no_attribute_comes_from_anybody_elses_text() {
    let plain = pages("plain").await;
    assert_eq!(
        plain.iter().map(|page| page.status_code).collect::<Vec<_>>(),
        [200, 422, 200, 200, 200, 410]
    );
    for text in HOSTILE {
        for (hostile, plain) in pages(text).await.iter().zip(&plain) {
            assert_eq!(hostile.status_code, plain.status_code);
            let (markup, expected) = (Markup::of(&hostile.body), Markup::of(&plain.body));
            assert_eq!(markup.skeleton(), expected.skeleton(), "{text:?}");
            assert_eq!(hostile.headers, plain.headers, "{text:?}");
            let is_odd = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            };
            assert!(!hostile.body.contains(is_odd), "{text:?}");
            for link in markup.named("a") {
                assert!(link.attributes["href"].starts_with("https://"), "{link:?}");
                assert_eq!(link.attributes["rel"], "noreferrer");
            }
            for tag in &markup.tags {
                let sets_off = |name: &String| name.starts_with("on") || name == "src" || name == "style";
                assert!(!tag.attributes.keys().any(sets_off), "{tag:?}");
            }
        }
    }
}

#[tokio::test]
async fn hostile_texts_are_shown_as_they_are() {
    let site = written("<script>alert(1)</script>").await;
    let page = site.open(&site.link(QA), 1).await;
    let markup = Markup::of(&page.body);
    assert!(markup.named("script").is_empty());
    assert!(markup.heading().starts_with("Accept <script>alert(1)</script> in test"));
    assert!(markup.named("label")[0].text.contains("<script>alert(1)</script>"));
}

#[tokio::test]
async fn the_policy_lets_in_the_style_and_nothing_else() {
    let site = written("plain").await;
    for page in [
        site.open(&site.link(QA), 1).await,
        site.open("AAAA", 1).await,
        site.answers(QA, Choice::Accept, 1).await,
    ] {
        let markup = Markup::of(&page.body);
        let [style] = markup.named("style")[..] else {
            panic!("one style");
        };
        let hash = STANDARD.encode(Sha256::digest(style.text.as_bytes()));
        let expected = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        for (header, value) in [
            ("content-security-policy", expected.as_str()),
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(page.headers[header], value);
        }
        assert!(page.headers.values().all(|value| !value.contains(['\r', '\n'])));
        for tag in ["script", "img", "link", "iframe", "object", "base"] {
            assert!(markup.named(tag).is_empty(), "{tag}");
        }
    }
}

#[tokio::test]
async fn a_page_says_what_there_is_to_know() {
    let site = Site::asking(policy(1, &[QA, LEAD, "ada@acme.example"])).await;
    site.aws.state().subscriptions[1].confirmed = false;
    let second = hub::commit(&sha(2), "Weigh tea", ("Ben", "ben@acme.example", "ben"));
    site.hub.state().commits.push(second);
    site.ask().await.unwrap();
    let release = site.approval().await.release;
    let markup = Markup::of(&site.open(&site.link(QA), 60).await.body);
    for text in [
        "v1.2.0-rc.1",
        "What changed since the last accepted release",
        "Sell tea by the pound Ada, 010101010101",
        "Weigh tea Ben, 020202020202",
        "Author Ada",
        release.as_str(),
        "acme/shop",
        "account 333333333333, eu-west-1",
        "2 added, 1 changed",
        "Orders (AWS::DynamoDB::Table) was replaced; its data is gone",
        "shop-test-web : no changes",
        "Smoke tests passed : front page",
        "Integration tests passed",
        "This release costs data",
        "qa@acme.example (you)  has not answered",
        "lead@acme.example  gets no mail, not having confirmed the subscription",
        "ada@acme.example  may not answer, having worked on this release or asked for it",
        "testers: 1 of 3 has to accept",
        "One rejection ends it.",
        "Order two teas.",
        "Thu 26 Nov 2026, 12:00 UTC",
    ] {
        assert!(markup.text.contains(text), "{text} is not in {}", markup.text);
    }
    let links: Vec<_> = markup
        .named("a")
        .iter()
        .map(|link| link.attributes["href"].clone())
        .collect();
    let compare = format!("https://github.com/acme/shop/compare/{}...{}", sha(9), sha(1));
    assert_eq!(links, ["https://logs.test/b:1".to_owned(), compare]);
}

#[tokio::test]
async fn what_there_was_no_room_for_is_said_and_lost_data_before_everything_else() {
    let site = Site::new().await;
    site.ask().await.unwrap();
    let cut = |approval: &mut Approval| {
        let facts = &mut approval.facts;
        facts.smoke_tests.as_mut().unwrap().checks.clear();
        facts.stacks[0].summary.as_mut().unwrap().losses.clear();
        facts.unlisted.checks = 40;
        facts.unlisted.stacks = 7;
        facts.unlisted.data_lost = 2;
    };
    site.context.ledger.change_approval(&site.id(), cut).await.unwrap();
    let markup = Markup::of(&site.open(&site.link(QA), 1).await.body);
    for text in [
        "This release costs data",
        "3 that hold data and are not listed here",
        "Smoke tests passed : 40 that are not listed here",
        "and in 7 more stacks",
    ] {
        assert!(markup.text.contains(text), "{text} is not in {}", markup.text);
    }
}

#[tokio::test]
async fn a_page_says_how_long_there_is() {
    let site = written("plain").await;
    let token = site.link(QA);
    for (minutes, left) in [
        (1, "(2 days left)"),
        (24 * 60 + 1, "(47 hours left)"),
        (WITHIN - 181, "(3 hours left)"),
        (WITHIN - 179, "(2 h 59 min left)"),
        (WITHIN - 1, "(1 min 0 s left)"),
    ] {
        let page = Markup::of(&site.open(&token, minutes).await.body);
        assert!(page.text.contains(left), "{left} is not in {}", page.text);
    }
}

#[tokio::test]
async fn the_enter_key_presses_no_button() {
    let site = written("plain").await;
    let markup = Markup::of(&site.open(&site.link(QA), 1).await.body);
    let buttons = markup.named("button");
    assert_eq!(buttons.len(), 3);
    // A browser presses the form's first one, and does nothing where that is disabled.
    assert!(buttons[0].attributes.contains_key("disabled") && buttons[0].attributes.contains_key("hidden"));
    let values: Vec<_> = buttons[1..]
        .iter()
        .map(|button| button.attributes["value"].as_str())
        .collect();
    assert_eq!(values, ["accept", "reject"]);
}
