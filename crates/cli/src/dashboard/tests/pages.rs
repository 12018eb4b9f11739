//! What each address shows.

use fake_aws::{FakeAws, Fate};
use futures::future::join_all;

use super::markup::Markup;
use super::scene::{PLAIN, Words, scene, scene_of, source};
use crate::dashboard::page::Page;
use crate::dashboard::reading::Source;
use crate::dashboard::routes;

const ASKED: &str = "/deployments/shop-test-200";

/// Every kind of page.
const PAGES: [&str; 6] = [
    "/",
    "/applications/acme/shop",
    "/applications/acme/warehouse",
    ASKED,
    "/deployments/warehouse-dev-202",
    "/nothing",
];

async fn open(source: &Source, path: &str) -> Page {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    routes::answer(source, path, query).await
}

async fn read(source: &Source, path: &str) -> Markup {
    let page = open(source, path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.html);
    Markup::of(&page.html)
}

#[tokio::test]
async fn the_overview_says_what_moves_what_is_where_what_was_deployed_and_how_well() {
    let (_aws, source) = scene().await;
    insta::assert_snapshot!(read(&source, "/").await.text);
}

#[tokio::test]
async fn an_application_has_a_page_of_its_own_with_all_of_its_history() {
    let (_aws, source) = scene().await;
    let page = read(&source, "/applications/acme/shop").await;
    assert!(!page.text.contains("acme/warehouse"), "{}", page.text);
    let rows = page.text.lines().filter(|line| line.starts_with("2026-1")).count();
    assert!(rows > 40, "{rows} rows in\n{}", page.text);
    assert!(
        !page.links().contains(&"/applications/acme/shop"),
        "it does not lead to itself"
    );
}

#[tokio::test]
async fn a_deployment_says_everything_that_is_recorded_of_it() {
    let (_aws, source) = scene().await;
    let asked = read(&source, ASKED).await;
    insta::assert_snapshot!(asked.text);
    let execution = "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:shop-test-200";
    let commit = format!("https://github.com/acme/shop/commit/{}", "01".repeat(20));
    for link in [execution, &commit, "https://logs.test/7"] {
        assert!(asked.links().contains(&link), "{link} is not in {:?}", asked.links());
    }
    insta::assert_snapshot!(read(&source, "/deployments/shop-dev-3").await.text);
    let stuck = read(&source, "/deployments/warehouse-dev-202").await.text;
    assert!(stuck.contains("operator needed in 15 min 0 s"), "{stuck}");
    assert!(stuck.contains("What to do: ") && stuck.contains(PLAIN.why), "{stuck}");
}

#[tokio::test]
async fn a_record_that_somebody_changed_is_said_to_be_broken() {
    let (aws, source) = scene().await;
    let entry = ("deployment#shop-dev-1".to_owned(), "entry#00000003".to_owned());
    aws.state().table.items.remove(&entry);
    let page = read(&source, "/deployments/shop-dev-1").await.text;
    assert!(page.contains("The record is not as it was written: entry 4"), "{page}");
    assert!(!page.contains("whole"), "{page}");
}

#[tokio::test]
async fn every_link_to_a_page_leads_to_one() {
    let (_aws, source) = scene().await;
    for path in PAGES {
        let page = Markup::of(&open(&source, path).await.html);
        let (ours, others): (Vec<&str>, Vec<&str>) = page.links().into_iter().partition(|link| link.starts_with('/'));
        assert!(!ours.is_empty());
        for link in ours.into_iter().filter(|link| !link.starts_with("/nothing")) {
            assert_eq!(open(&source, link).await.status, 200, "{link} of {path}");
        }
        assert!(others.iter().all(|link| link.starts_with("https://")), "{others:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_kindly() {
    let (_aws, source) = scene().await;
    for path in [
        "/nothing",
        "/applications/acme/shpo",
        "/applications/acme",
        "/applications/",
        "/deployments/",
        "/deployments/shop-dev-999",
        "/deployments/../../etc/passwd",
        "/deployments/%3Cscript%3E",
        "//",
    ] {
        let page = open(&source, path).await;
        assert_eq!((page.status, page.refresh), (404, None), "{path}");
        let markup = Markup::of(&page.html);
        assert!(markup.text.contains("There is no such"), "{path}: {}", markup.text);
        assert!(markup.links().contains(&"/"), "{path}");
    }
}

#[tokio::test]
async fn what_may_change_is_asked_for_anew_unless_somebody_stops_that() {
    let (_aws, source) = scene().await;
    for (path, refresh) in [
        ("/", Some(15)),
        ("/?still", None),
        ("/applications/acme/shop", Some(15)),
        (ASKED, Some(15)),
        ("/deployments/shop-test-200?still", None),
        ("/deployments/shop-dev-1", None),
        ("/?anything", Some(15)),
    ] {
        assert_eq!(open(&source, path).await.refresh, refresh, "{path}");
    }
    let moving = read(&source, "/").await;
    assert!(moving.links().contains(&"/?still"));
    let still = read(&source, "/?still").await;
    // From one that stands still, all others do.
    let ours = still
        .links()
        .into_iter()
        .filter(|link| link.starts_with("/deployments"));
    assert!(ours.clone().count() > 10 && ours.into_iter().all(|link| link.ends_with("?still")));
    assert!(still.links().contains(&"/"), "it can be kept fresh again");
}

/// Texts that would be something else where nobody looked after them.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style></table><style>*{display:none}</style>",
    "<!-- <b> &lt;b&gt; &#60;b&#62; ]]>",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}",
    "javascript:alert(1)\r\nset-cookie: two=three",
];

#[tokio::test]
async fn no_element_and_no_attribute_comes_from_anybody_elses_text() {
    let pages = async |words: &Words<'_>| {
        let (_aws, source) = scene_of(words).await;
        join_all(PAGES.map(|path| open(&source, path))).await
    };
    let plain = pages(&PLAIN).await;
    for text in HOSTILE {
        let words = Words {
            by: text,
            reference: text,
            title: text,
            why: text,
        };
        for (hostile, plain) in pages(&words).await.iter().zip(&plain) {
            assert_eq!(hostile.status, plain.status);
            let (markup, expected) = (Markup::of(&hostile.html), Markup::of(&plain.html));
            assert_eq!(markup.skeleton(), expected.skeleton(), "{text:?}");
            assert_eq!(markup.links(), expected.links(), "{text:?}");
            let is_odd = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            };
            assert!(!hostile.html.contains(is_odd), "{text:?}");
            for (name, attributes) in &markup.tags {
                assert!(!["script", "img", "link", "iframe", "object", "base", "form"].contains(&name.as_str()));
                let sets_off = |name: &String| name.starts_with("on") || name == "src" || name == "style";
                assert!(!attributes.keys().any(sets_off), "{name}: {attributes:?}");
            }
        }
    }
    let (_aws, source) = scene_of(&Words {
        reference: HOSTILE[0],
        ..PLAIN
    })
    .await;
    let text = read(&source, ASKED).await.text;
    assert!(text.contains("<script>alert(1)</script> in test"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_no_web_address_is_no_link() {
    let (aws, source) = scene().await;
    let log = |state: &mut fake_aws::State| {
        for item in state.table.items.values_mut() {
            let written = serde_json::to_string(item).unwrap_or_default();
            *item = serde_json::from_str(&written.replace("https://logs.test/7", "javascript:alert(7)"))
                .unwrap_or_default();
        }
    };
    log(&mut aws.state());
    let page = open(&source, ASKED).await;
    assert!(
        Markup::of(&page.html)
            .links()
            .iter()
            .all(|link| link.starts_with('/') || link.starts_with("https://"))
    );
}

#[tokio::test]
async fn many_who_look_at_once_make_one_reading() {
    let (aws, source) = scene().await;
    aws.forget_calls();
    aws.lingers("Query");
    aws.lingers("GetItem");
    let pages = join_all((0..20).map(|_| open(&source, "/"))).await;
    assert!(pages.iter().all(|page| page.status == 200));
    assert_eq!(aws.count("GetParametersByPath"), 1);
    let reads = aws.operations().len();
    open(&source, "/applications/acme/shop").await;
    assert_eq!(aws.operations().len(), reads);
    // Of each application at most so many records at once for its history, and so many for its figures.
    assert!(aws.most_at_once("GetItem") <= 2 * crate::records::AT_ONCE + 8);

    aws.forget_calls();
    join_all((0..20).map(|_| open(&source, ASKED))).await;
    assert_eq!(aws.operations(), ["Query"]);
}

#[tokio::test]
async fn aws_failing_is_said_with_what_to_do_and_the_next_reading_may_do_well() {
    let (aws, _) = scene().await;
    for (fate, status, heading, remedy) in [
        (
            Fate::Refused("ThrottlingException"),
            503,
            "AWS asks to be called less often",
            "Nothing has to be done",
        ),
        (
            Fate::Refused("ExpiredTokenException"),
            502,
            "AWS does not let these credentials in",
            "sign in again",
        ),
        (
            Fate::Refused("AccessDeniedException"),
            502,
            "AWS does not let these credentials in",
            "they lack a permission",
        ),
        (Fate::Faulted, 503, "AWS was not reached", "tries again by itself"),
        (Fate::Unanswered, 503, "AWS was not reached", "tries again by itself"),
        (
            Fate::Refused("ValidationException"),
            502,
            "The records cannot be read",
            "the right table",
        ),
    ] {
        aws.fates("GetParametersByPath", [fate]);
        let source = source(&aws).await;
        let page = open(&source, "/").await;
        let text = Markup::of(&page.html).text;
        assert_eq!((page.status, page.refresh), (status, Some(15)), "{text}");
        assert!(text.contains(heading) && text.contains(remedy), "{text}");
        assert!(text.contains("ssm:GetParametersByPath"), "{text}");
        // It counts as a reading: who asks at once does not ask AWS again.
        assert_eq!(open(&source, "/").await.status, status);
        // A deployment is read by itself.
        assert_eq!(open(&source, ASKED).await.status, 200);
    }
    assert_eq!(open(&*source(&aws).await, "/").await.status, 200);
}

#[tokio::test]
async fn without_applications_the_overview_says_so() {
    let page = read(&*source(&FakeAws::default()).await, "/").await;
    assert!(page.text.contains("No application is configured."), "{}", page.text);
    assert!(page.text.contains("Nothing is moving"));
}
