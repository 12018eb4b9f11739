#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::environment_state::StableRelease;
use crate::ledger::Head;

const CONSOLE: &str = "https://console.example/executions/shop-test-1";

fn start() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A pre-release of a release that people accept, in an environment after another one.
fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "id": "shop-test-1a2b3c4d-0011223344556677",
        "application": "acme/shop",
        "environment": {
            "name": "test", "account": "333333333333", "region": "eu-west-1", "on": ["prerelease"], "after": "dev",
            "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
            "replace_failed_stacks": true,
        },
        "commit": "1a2b3c4d".repeat(5),
        "reference": "v1.0.0-rc.1",
        "release": null,
        "requested": {
            "by": "octocat", "at": "2026-11-23T12:00:00Z", "happened_at": "2026-11-23T12:00:00Z", "because": "prerelease",
            "delivery": null, "before": null, "title": "Sell tea | `by the pound` @everyone",
        },
    }))
    .unwrap()
}

fn release() -> String {
    "4507fbcc".repeat(8)
}

/// What happens to it, up to its end.
fn story(ending: serde_json::Value) -> Vec<serde_json::Value> {
    let summary = json!({
        "add": 2, "modify": 1, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 1, "truncated": 0,
        "losses": [{
            "logical_id": "Orders", "resource_type": "AWS::DynamoDB::Table", "how": "replaced", "stateful": true,
            "kept": false,
        }],
        "changes": [
            { "logical_id": "Basket", "resource_type": "AWS::SQS::Queue", "action": "add" },
            { "logical_id": "Role", "resource_type": "AWS::IAM::Role", "action": "add" },
        ],
    });
    vec![
        json!({ "event": "requested", "deployment": deployment() }),
        json!({ "event": "admitted", "fence": 1 }),
        json!({ "event": "released", "release": release() }),
        json!({ "event": "planned", "leg": "forward", "release": release(), "waves": [["shop-test"]] }),
        json!({ "event": "compared", "leg": "forward", "stack": "shop-test", "summary": summary }),
        json!({ "event": "executing", "leg": "forward", "stack": "shop-test", "change_set": "arn:set" }),
        json!({ "event": "updated", "leg": "forward", "stack": "shop-test" }),
        json!({ "event": "smoke_tested", "leg": "forward", "report": {
            "passed": true,
            "checks": [{ "name": "the shop is open", "kind": "http", "passed": true, "attempts": 1, "took_ms": 40, "reasons": [] }],
        } }),
        ending,
    ]
}

fn deployed() -> serde_json::Value {
    json!({ "event": "ended", "ending": "deployed" })
}

fn failed() -> serde_json::Value {
    json!({
        "event": "ended", "ending": "failed_clean",
        "failure": { "name": "Failed.SmokeTests", "cause": "the shop is open: 500 </details> @everyone" },
        "way_back": { "way_back": "went_back", "to": release() },
    })
}

fn record(events: &[serde_json::Value]) -> Vec<Entry> {
    let mut head = Head::empty(deployment().id);
    let mut entries = Vec::new();
    for (second, event) in events.iter().enumerate() {
        let at = start() + SignedDuration::from_secs(i64::try_from(second).unwrap());
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        // Which happening may follow which is not what is looked at here.
        let entry = Entry {
            deployment: head.deployment.clone(),
            sequence: head.sequence + 1,
            at,
            what: event,
            previous: head.hash.clone(),
        };
        head.sequence += 1;
        head.hash = entry.hash();
        entries.push(entry);
    }
    entries
}

#[test]
fn what_github_shows_of_a_deployment_that_went_well() {
    let entries = record(&story(deployed()));
    let news = News::of(&entries, CONSOLE).unwrap();
    let statuses: Vec<String> = news
        .statuses
        .iter()
        .map(|status| format!("{}: {}", status.state, status.description))
        .collect();
    insta::assert_snapshot!(statuses.join("\n"), @"
    queued: requested
    in_progress: admitted
    in_progress: planned: shop-test
    success: deployed
    ");
    insta::assert_snapshot!(news.check.summary);
    assert_eq!(news.check.title, "Deployed to test");
    insta::assert_snapshot!(news.line.unwrap().text, @"on its way since 2026-11-23 12:00 UTC; **deployed** at 2026-11-23 12:00 UTC");
    assert_eq!(news.in_place_since, Some(entries.last().unwrap().at));
}

#[test]
fn what_github_shows_of_a_deployment_that_failed_is_inert() {
    let entries = record(&story(failed()));
    let news = News::of(&entries, CONSOLE).unwrap();
    assert_eq!(news.statuses.last().unwrap().state, State::Failure);
    assert_eq!(news.in_place_since, None);
    insta::assert_snapshot!(news.check.title, @"Failed.SmokeTests: test went back to 4507fbcc4507");
    insta::assert_snapshot!(news.line.unwrap().text, @"on its way since 2026-11-23 12:00 UTC; **failed** at 2026-11-23 12:00 UTC, back at 4507fbcc4507: `Failed.SmokeTests: the shop is open: 500 </details> @everyone`");
    let summary = news.check.summary;
    assert!(
        summary.contains("`the shop is open: 500 </details> @everyone`"),
        "{summary}"
    );
}

#[test]
fn further_entries_only_add_to_what_was_told() {
    let entries = record(&story(deployed()));
    let all = statuses(&entries);
    for end in 1..=entries.len() {
        let early = statuses(&entries[..end]);
        assert_eq!(early, all[..early.len()]);
    }
}

#[test]
fn a_plan_is_nobodys_news() {
    let mut planned = deployment();
    planned.plans = true;
    let mut events = story(deployed());
    events[0]["deployment"] = json!(planned);
    assert_eq!(News::of(&record(&events), CONSOLE), None);
    assert_eq!(News::of(&[], CONSOLE), None);
}

#[test]
fn long_records_stay_within_githubs_limits() {
    let mut events = story(deployed());
    let built: Vec<_> = (0..2_000)
        .map(|number| json!({ "event": "building", "build": format!("lockgate-build:{number}"), "log": "x" }))
        .collect();
    events.splice(2..2, built);
    events[0]["deployment"]["requested"]["title"] = json!("t".repeat(100));
    let entries = record(&events);
    let news = News::of(&entries, CONSOLE).unwrap();
    assert!(news.check.summary.chars().count() < 65_535);
    assert!(news.check.summary.ends_with(&format!("[the execution]({CONSOLE}).")));
    assert!(
        news.statuses
            .iter()
            .all(|status| status.description.chars().count() <= 140)
    );
}

#[test]
fn a_page_has_one_section_and_keeps_what_people_wrote() {
    let line = |environment: &str, text: &str| Line {
        environment: environment.parse().unwrap(),
        text: text.to_owned(),
    };
    let first = with_line("What is new: tea.\r\n", &line("test", "on its way"));
    insta::assert_snapshot!(first, @"
    What is new: tea.

    <!-- lockgate: kept up to date by Lockgate, see `lockgate show` -->
    ### Where it is

    - **test**: on its way
    <!-- /lockgate -->
    ");
    let second = with_line(&first, &line("production", "**deployed**"));
    let edited = format!("{second}\nSomebody adds this.\r\n");
    let third = with_line(&edited, &line("test", "accepted"));
    insta::assert_snapshot!(third, @"
    What is new: tea.

    <!-- lockgate: kept up to date by Lockgate, see `lockgate show` -->
    ### Where it is

    - **test**: accepted
    - **production**: **deployed**
    <!-- /lockgate -->

    Somebody adds this.
    ");
    assert_eq!(with_line(&third, &line("test", "accepted")), third);
    assert_eq!(with_line("", &line("test", "x")).matches("lockgate").count(), 3);
}

#[test]
fn a_page_tells_of_where_a_release_came_from_and_of_what_sent_it_back() {
    let stable: StableRelease = serde_json::from_value(json!({
        "release": release(), "commit": "1a2b3c4d".repeat(5), "deployment": "shop-test-1", "since": "2026-11-23T12:00:00Z",
        "accepted": { "by": ["qa@acme.example"], "at": "2026-11-23T13:00:00Z" },
    }))
    .unwrap();
    let line = Line::of_stable(&"test".parse().unwrap(), &stable).unwrap();
    insta::assert_snapshot!(line.text, @"stable since 2026-11-23 12:00 UTC; accepted at 2026-11-23 13:00 UTC by `qa@acme.example`");

    let mut back = deployment();
    back.requested.because = Cause::Alarm;
    back.rollback = Some(
        serde_json::from_value(json!({
            "from": release(), "stable": release(),
            "because": { "name": "Failed.AlarmRaised", "cause": "shop-errors went into ALARM" },
        }))
        .unwrap(),
    );
    let events = [
        json!({ "event": "requested", "deployment": back }),
        json!({ "event": "ended", "ending": "rolled_back", "to": "0a1b2c3d".repeat(8) }),
    ];
    let entries = record(&events);
    insta::assert_snapshot!(News::of(&entries, CONSOLE).unwrap().line.unwrap().text, @"taken back to 0a1b2c3d0a1b at 2026-11-23 12:00 UTC: `Failed.AlarmRaised: shop-errors went into ALARM`");
    assert_eq!(
        News::of(&entries[..1], CONSOLE).unwrap().line,
        None,
        "it is not back yet"
    );
}

#[test]
fn a_place_is_taken_by_whoever_came_last_and_the_others_leave_it() {
    let id = |number: u64| format!("shop-test-{number}").parse().unwrap();
    let at = |second: i64| start() + SignedDuration::from_secs(second);
    let mut place = Place::default();
    place.taken_by(&id(1), 11, at(1));
    assert_eq!(
        (place.active.as_ref().unwrap().number, place.leaving.as_slice()),
        (11, [].as_slice())
    );
    place.taken_by(&id(3), 13, at(3));
    place.taken_by(&id(3), 13, at(3));
    assert_eq!(
        (place.active.as_ref().unwrap().number, place.leaving.as_slice()),
        (13, [11].as_slice())
    );
    // Of the second GitHub heard only now.
    place.taken_by(&id(2), 12, at(2));
    assert_eq!(
        (place.active.as_ref().unwrap().number, place.leaving.as_slice()),
        (13, [11, 12].as_slice())
    );
    place.left(11);
    place.left(12);
    assert!(place.leaving.is_empty());
}

#[test]
fn what_github_does_not_take_is_offered_again_later_and_later_and_for_two_weeks() {
    let mut outbox = Outbox::default();
    let mut now = start();
    let mut pauses = Vec::new();
    while outbox.failed("it answers 503", None, now) {
        let due = outbox.due.unwrap();
        assert_eq!(outbox.take(now), Turn::Later(due));
        pauses.push(due.duration_since(now).as_mins());
        now = due;
        assert_eq!(outbox.take(now), Turn::Yours);
    }
    assert_eq!(&pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(now.duration_since(start()) >= SignedDuration::from_hours(24 * 14));
    assert_eq!(outbox.due, None);

    let mut asked = Outbox::default();
    let until = start() + SignedDuration::from_mins(25);
    asked.failed("it asks to be called less often", Some(until), start());
    assert_eq!(asked.due, Some(until), "GitHub says when");
    let nonsense = start() + SignedDuration::from_hours(24 * 365);
    let mut asked = Outbox::default();
    asked.failed("it asks to be called less often", Some(nonsense), start());
    assert_eq!(asked.due, Some(start() + SignedDuration::from_hours(1)));
}

#[test]
fn one_tells_at_a_time_and_whoever_dies_is_followed_by_the_next() {
    let mut outbox = Outbox::default();
    outbox.notice(start());
    assert!(outbox.due.is_some(), "the sweep knows of it");
    assert_eq!(outbox.take(start()), Turn::Yours);
    let soon = start() + SignedDuration::from_secs(30);
    assert_eq!(outbox.take(soon), Turn::Anothers);
    assert!(outbox.put_down(), "what came meanwhile is the teller's");
    assert!(!outbox.put_down());
    assert_eq!((outbox.held_until, outbox.due), (None, None));

    assert_eq!(outbox.take(start()), Turn::Yours);
    let due = outbox.due.unwrap();
    assert_eq!(outbox.take(due), Turn::Yours, "it died");
}

/// GitHub, as far as it can be told wrongly: what was made twice, what came twice or out of order.
#[derive(Default)]
struct Hub {
    deployments: Vec<u64>,
    statuses: Vec<Status>,
    checks: Vec<u64>,
    check: Option<Check>,
    page: String,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// GitHub takes it, and the teller hears so.
    Told,
    /// GitHub takes it, and the teller dies before it writes that down.
    DiesAfter,
    /// The teller dies before GitHub hears of it.
    DiesBefore,
    /// GitHub takes it, and its answer gets lost.
    AnswerLost,
    /// GitHub is down.
    Down,
}

impl Hub {
    fn take(&mut self, act: Act, news: &News<'_>) -> Done {
        match act {
            Act::MakeDeployment { look_first } => {
                if !look_first || self.deployments.is_empty() {
                    self.deployments.push(7);
                }
                Done::Made(7)
            }
            Act::TellStatus(place) => {
                self.statuses.push(news.statuses[place as usize].clone());
                Done::Taken
            }
            Act::TakePlace => Done::Taken,
            Act::MakeCheck { look_first } => {
                if !look_first || self.checks.is_empty() {
                    self.checks.push(8);
                }
                self.check = Some(news.check.clone());
                Done::Made(8)
            }
            Act::UpdateCheck(_) => {
                self.check = Some(news.check.clone());
                Done::Taken
            }
            Act::WritePage => {
                self.page = with_line(&self.page, news.line.as_ref().unwrap());
                Done::Taken
            }
        }
    }
}

/// Tells what there is to tell, as report does; what becomes of its calls is drawn from `fates`, and all goes well when there
/// are no more.
fn tell(outbox: &mut Outbox, hub: &mut Hub, entries: &[Entry], now: Timestamp, fates: &mut impl Iterator<Item = Fate>) {
    if outbox.take(now) != Turn::Yours {
        return;
    }
    let news = News::of(entries, CONSOLE).unwrap();
    while let Some(act) = outbox.next(&news) {
        outbox.begin(act);
        match fates.next().unwrap_or(Fate::Told) {
            Fate::Told => {
                let done = hub.take(act, &news);
                outbox.told(act, done, &news, now);
            }
            Fate::DiesBefore => return,
            Fate::DiesAfter => {
                hub.take(act, &news);
                return;
            }
            Fate::AnswerLost => {
                hub.take(act, &news);
                outbox.failed("it did not answer in time", None, now);
                return;
            }
            Fate::Down => {
                outbox.failed("it answers 503", None, now);
                return;
            }
        }
    }
    outbox.put_down();
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        5 => Just(Fate::Told),
        1 => Just(Fate::DiesBefore),
        1 => Just(Fate::DiesAfter),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Down),
    ]
}

proptest! {
    /// Whenever tellers are woken, and whatever becomes of them and of GitHub: everything is told, in order, and what cannot
    /// be undone is made once.
    #[test]
    fn nothing_is_lost_nothing_is_out_of_order_and_nothing_is_made_twice(
        ends_well in any::<bool>(),
        fates in prop::collection::vec(fate(), 0..40),
        wakes in prop::collection::vec((1_usize..10, 0_i64..200), 0..40),
    ) {
        let entries = record(&story(if ends_well { deployed() } else { failed() }));
        let (mut outbox, mut hub) = (Outbox::default(), Hub::default());
        let mut fates = fates.into_iter();
        let (mut now, mut known) = (start(), 1);
        for (grown, seconds) in wakes {
            known = known.max(grown.min(entries.len()));
            now += SignedDuration::from_secs(seconds);
            outbox.notice(now);
            tell(&mut outbox, &mut hub, &entries[..known], now, &mut fates);
        }
        // From here on, only the sweep looks.
        outbox.notice(now);
        let mut looks = 0;
        while let Some(due) = outbox.due {
            now = now.max(due);
            tell(&mut outbox, &mut hub, &entries, now, &mut fates);
            looks += 1;
            prop_assert!(looks < 200, "{outbox:?}");
        }
        let news = News::of(&entries, CONSOLE).unwrap();
        prop_assert_eq!(hub.deployments.len(), 1);
        prop_assert_eq!(hub.checks.len(), 1);
        // One whose answer got lost is told again, right after itself.
        hub.statuses.dedup();
        prop_assert_eq!(&hub.statuses, &news.statuses);
        prop_assert_eq!(hub.check, Some(news.check.clone()));
        prop_assert!(hub.page.contains(&news.line.unwrap().text));
        prop_assert_eq!(hub.page.matches("- **test**:").count(), 1);
    }
}

/// What a pull request is shown of these events.
fn shown_to_a_pull_request(events: Vec<serde_json::Value>) -> Check {
    let mut preview = deployment();
    preview.plans = true;
    preview.reference = "#7".to_owned();
    preview.requested.because = Cause::PullRequest;
    preview.requested.at_github = Some(crate::deployment::AtGitHub::PullRequest(7));
    let mut events = events;
    events[0]["deployment"] = json!(preview);
    let entries = record(&events);
    let news = News::of(&entries, CONSOLE).unwrap();
    assert_eq!(
        (&news.statuses, &news.line, news.in_place_since),
        (&vec![], &None, None)
    );
    assert!(!matches!(
        Outbox::default().next(&news),
        Some(Act::MakeDeployment { .. } | Act::TellStatus(_))
    ));
    news.check
}

#[test]
fn what_a_pull_request_is_shown() {
    let planned = json!({ "event": "ended", "ending": "planned" });
    let mut events = story(planned.clone());
    events.drain(5..8);
    let check = shown_to_a_pull_request(events);
    assert_eq!(check.name, "Lockgate plan / test");
    insta::assert_snapshot!(check.title, @"test: 2 to add, 1 to change, 0 to remove; the data of 1 resource at risk");
    assert!(matches!(
        check.progress,
        Progress::Completed {
            conclusion: Conclusion::Success,
            ..
        }
    ));
    insta::assert_snapshot!(check.summary);

    let unchanged = json!({ "event": "compared", "leg": "forward", "stack": "shop-test", "summary": null });
    let mut events = story(planned);
    events.splice(4..8, [unchanged]);
    insta::assert_snapshot!(shown_to_a_pull_request(events).title, @"test would not change");
}

#[test]
fn only_what_its_own_commits_bring_about_speaks_against_a_pull_request() {
    for (name, expected) in [
        ("Rejected.BuildFailed", Conclusion::Failure),
        ("Rejected.ChangeSetRefused", Conclusion::Failure),
        ("Rejected.UnsupportedAssembly", Conclusion::Failure),
        ("Rejected.Held", Conclusion::Neutral),
        ("Rejected.Quarantined", Conclusion::Neutral),
        ("Transient.Unavailable", Conclusion::Neutral),
        ("Bug.Unexpected", Conclusion::Neutral),
    ] {
        let ended = json!({
            "event": "ended", "ending": "failed_clean", "failure": { "name": name, "cause": "why" },
            "way_back": { "way_back": "nothing_changed" },
        });
        let mut events = story(ended);
        events.drain(1..8);
        let check = shown_to_a_pull_request(events);
        assert_eq!(check.title, format!("{name}: not compared with test"));
        let Progress::Completed { conclusion, .. } = check.progress else {
            panic!("{name} is an end")
        };
        assert_eq!(conclusion, expected, "{name}");
    }
}

#[test]
fn an_environments_address_is_told_from_its_tests_on() {
    let mut events = story(deployed());
    events[7]["report"]["url"] = json!("https://shop.example/");
    let told = statuses(&record(&events));
    let urls: Vec<Option<&str>> = told.iter().map(|status| status.url.as_deref()).collect();
    assert_eq!(urls, [None, None, None, Some("https://shop.example/")]);
}
