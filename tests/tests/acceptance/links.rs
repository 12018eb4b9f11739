//! What is done with links, by machines and by people, that is not an answer of the person whose link it is.

use std::collections::BTreeSet;

use end_to_end::outcome::deployed;
use local::tester::{Answer, OWN_PAGE};
use tokio::sync::Semaphore;

use crate::{LEAD, QA, in_the_laboratory};

const FROM_ELSEWHERE: [(&str, &str); 2] = [
    ("origin", "https://elsewhere.example"),
    ("sec-fetch-site", "cross-site"),
];

/// How many links are open at once: enough to be in each other's way, and no more than any machine can answer in time.
static OPEN_AT_ONCE: Semaphore = Semaphore::const_new(20);

/// Another character in its middle.
fn bent(link: &str) -> String {
    let (path, token) = link.split_once("?token=").expect("a link has a token");
    let (before, after) = token.split_at(token.len() / 2);
    let other = if after.starts_with('A') { 'B' } else { 'A' };
    format!("{path}?token={before}{other}{}", &after[1..])
}

#[test]
fn f39_f40_links_that_machines_open_and_strangers_bend_count_nothing_and_an_answer_counts_once() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("links").await;
        scenario.deploys("Sell <script>alert('tea')</script>").await;
        let candidate = scenario.prerelease("v1<b>0</b>").await;
        let link = candidate.link(QA).await;
        let qa = candidate.person(QA);

        let http = laboratory.emulator.http();
        let links = [link.clone(), candidate.link(LEAD).await];
        let record = format!("approval#{}", candidate.approval_id().await);
        candidate.mails_are_noted(links.len()).await;
        let before = (candidate.approval().await, laboratory.items(&record).await);
        let mut opening = tokio::task::JoinSet::new();
        for number in 0..100 {
            let link = &links[number % 2];
            let request = if number % 5 == 0 {
                http.head(link)
            } else {
                http.get(link)
            };
            opening.spawn(async move {
                let _place = OPEN_AT_ONCE.acquire().await;
                request.send().await.map(|answer| answer.status().as_u16())
            });
        }
        while let Some(opened) = opening.join_next().await {
            assert_eq!(opened.expect("it was sent").expect("it was answered"), 200);
        }
        assert_eq!((candidate.approval().await, laboratory.items(&record).await), before);

        let page = qa.open(&link).await.expect("there is a page");
        assert!(
            page.html.contains("v1&lt;b&gt;0&lt;/b&gt;") && page.html.contains("Sell &lt;script&gt;"),
            "{}",
            page.html
        );
        assert!(
            !page.html.contains("<script") && !page.html.contains("<b>"),
            "{}",
            page.html
        );

        let accept = Answer::accept("<img src=x> Tastes \"well\"");
        let form = page.form(&accept).expect("it has a form");
        let nonce = page.field("nonce").expect("it has a nonce");
        let leads_token = links[1].split_once("?token=").expect("a link has a token").1;
        let own_token = link.split_once("?token=").expect("a link has a token").1;
        let long = |bytes: usize| {
            let comment = "tea ".repeat(bytes / 4);
            page.form(&Answer::accept(&comment)).expect("it has a form")
        };
        let refused = [
            ("without a nonce", form.replace(&nonce, ""), OWN_PAGE, 403),
            ("from elsewhere", form.clone(), FROM_ELSEWHERE, 403),
            (
                "with another's link",
                form.replace(own_token, leads_token),
                OWN_PAGE,
                403,
            ),
            (
                "with a bent token",
                form.replace(own_token, bent(&link).split_once("?token=").expect("a token").1),
                OWN_PAGE,
                403,
            ),
            ("with a megabyte of comment", long(1_000_000), OWN_PAGE, 413),
            // This one is refused by the API, and the function hears nothing of it.
            ("with ten megabytes of comment", long(11_000_000), OWN_PAGE, 413),
        ];
        for (how, form, headers, status) in refused {
            let page = qa.send(&link, form, &headers).await.expect("there is a page");
            assert_eq!(page.status, status, "{how}: {}", page.html);
        }
        let strange = qa.open(&bent(&link)).await.expect("there is a page");
        assert_eq!(strange.status, 403, "{}", strange.html);
        assert!(
            !strange.html.contains("links"),
            "it does not say what about: {}",
            strange.html
        );
        let approval = candidate.approval().await.expect("it is asked");
        assert_eq!((approval.ballots.as_slice(), &approval.outcome), ([].as_slice(), &None));
        let kept = laboratory.items(&record).await;
        // The same from the same person is kept once in an hour, and a new one may have begun.
        let refusals: BTreeSet<&str> = kept
            .iter()
            .filter_map(|key| Some(key.strip_prefix("refused#")?.rsplit_once('#')?.1))
            .collect();
        assert_eq!(refusals.len(), 4, "whatever was tried is kept: {kept:?}");

        let first = qa.send(&link, form.clone(), &OWN_PAGE).await.expect("there is a page");
        assert_eq!(first.status, 200, "{}", first.html);
        let second = qa.send(&link, form, &OWN_PAGE).await.expect("there is a page");
        assert_eq!(second.status, 200, "{}", second.html);
        assert!(second.html.contains("You have answered already"), "{}", second.html);
        assert!(
            second.html.contains("&lt;img src=x&gt; Tastes &quot;well&quot;"),
            "{}",
            second.html
        );
        deployed(&candidate.ends().await);
        let approval = candidate.approval().await.expect("it was asked");
        assert_eq!(approval.ballots.len(), 1, "{approval:#?}");
    });
}
