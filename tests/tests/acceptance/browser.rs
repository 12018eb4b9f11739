//! The page in a real browser, as people get to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::life::Event;
use end_to_end::outcome::deployed;
use local::tester::Answer;
use local::workspace;
use serde::Deserialize;
use tokio::process::Command;

use crate::{LEAD, QA, in_the_laboratory};

/// What `tests/browser/decide.mjs` saw.
#[derive(Debug, Deserialize)]
struct Seen {
    question: String,
    ticks: usize,
    answered: String,
    afterwards: String,
    statuses: [u16; 3],
    headers: BTreeMap<String, String>,
    complaint: Complaint,
    /// The statuses of each state of the page that axe looked at.
    inspected: BTreeMap<String, Vec<u16>>,
    requests: Vec<String>,
    buttons_afterwards: usize,
    faults: Vec<String>,
}

/// What the page says about a comment that is missing.
#[derive(Debug, Deserialize)]
struct Complaint {
    invalid: String,
    text: String,
}

/// Where pictures of the page go: into the documentation where somebody asks for that, so that a test changes no files.
fn pictures() -> PathBuf {
    let asked = std::env::var_os("UPDATE_PICTURES").is_some();
    workspace().join(if asked {
        "docs/pictures"
    } else {
        "target/lockgate/pictures"
    })
}

#[test]
fn a_person_reads_ticks_and_accepts_in_a_browser_without_javascript_and_axe_finds_no_fault() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("teashop").await;
        scenario.application.integration_runs = Some("echo tested".to_owned());
        scenario.application.checklist = Some(CHECKLIST.to_owned());
        scenario.deploys("Open the shop").await;
        let first = scenario.prerelease("v2.3.0-rc.1").await;
        first.answers(QA, &Answer::accept("")).await;
        first.answers(LEAD, &Answer::accept("")).await;
        deployed(&first.ends().await);

        scenario.commit("Count the cups in the cart").await;
        scenario.commit("Say how long tea keeps").await;
        scenario.application.description = "second".to_owned();
        scenario.deploys("Remember the customer's favourite tea").await;
        let candidate = scenario.prerelease("v2.4.0-rc.1").await;
        let said = candidate.answers(LEAD, &Answer::accept("What we ordered")).await;
        assert_eq!(said.status, 200, "{}", said.html);
        let link = candidate.link(QA).await;
        let browser = Command::new("node")
            .arg(workspace().join("tests/browser/decide.mjs"))
            .args([&link, "accept", "Tastes well"])
            .arg(pictures())
            .output()
            .await
            .expect("node can be started");
        let printed = String::from_utf8_lossy(&browser.stdout);
        let seen: Seen = serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{error}: {printed}{}", String::from_utf8_lossy(&browser.stderr)));
        assert_eq!(seen.faults, Vec::<String>::new());
        assert!(browser.status.success(), "{seen:#?}");
        assert_eq!(
            (seen.statuses, seen.ticks, seen.buttons_afterwards),
            ([200, 200, 200], 3, 0),
            "{seen:#?}"
        );
        assert!(
            seen.question.contains("v2.4.0-rc.1") && seen.question.contains("test"),
            "{seen:#?}"
        );
        assert_eq!(
            (seen.answered.as_str(), seen.afterwards.as_str()),
            ("Thank you: you accepted", "You accepted")
        );
        assert_eq!(seen.complaint.invalid, "true");
        assert!(seen.complaint.text.contains("a rejection needs a comment"), "{seen:#?}");
        let inspected = [
            ("answered", 200),
            ("comment-missing", 422),
            ("not-valid", 403),
            ("question", 200),
        ];
        let inspected = inspected.map(|(state, status)| (state.to_owned(), vec![status]));
        assert_eq!(seen.inspected, BTreeMap::from(inspected));
        let page = link.split_once('?').expect("a link has a token").0;
        assert_eq!(
            seen.requests,
            [page],
            "nothing else is loaded, and the form goes back to the page"
        );
        for (name, value) in HEADERS {
            assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
        }
        let policy = &seen.headers["content-security-policy"];
        for part in POLICY {
            assert!(policy.contains(part), "{policy}");
        }

        let ended = candidate.ends().await;
        deployed(&ended);
        let ticked = ended.entries.iter().find_map(|entry| match &entry.what {
            Event::Voted { ballot } if ballot.by.as_str() == QA => Some(ballot.ticked.clone()),
            _ => None,
        });
        assert_eq!(ticked, Some(vec![0, 1, 2]), "what was ticked is on record");
    });
}

const CHECKLIST: &str = "\
# In the shop

- [ ] Put two teas into the cart, take one out again
- [ ] Order, and read the mail that comes

# On a telephone

- [ ] The same, with one thumb
";

const HEADERS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

const POLICY: [&str; 5] = [
    "default-src 'none'",
    "style-src 'sha256-",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
];
