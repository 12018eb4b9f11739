//! Two applications: the shop, after a season of deployments, with something under way in dev and in test and a freeze in
//! production; and the warehouse, which needs an operator.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::sync::Arc;

use aws::{Aws, Ledger};
use domain::deployment::{Cause, Deployment};
use domain::environment_state::{Candidate, EnvironmentState, Hold, Holder, Quarantine, StableRelease};
use domain::names::{CommitSha, DeploymentId, Digest};
use fake_aws::{FakeAws, TABLE, sample};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::reading::Source;
use crate::fake::configured;
use crate::story::{answered, at, changing, story, tell, to_dev, to_test};

const APPLICATIONS: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
freeze = [{ from = "2026-11-30 18:00", to = "2026-12-01 09:00", zone = "Europe/Berlin", why = "the books are closed" }]
[application."acme/warehouse"]
branch = "main"
[application."acme/warehouse".environment.dev]
account = "222222222222"
on = "push"
stacks = ["warehouse-*"]
[application."acme/warehouse".environment.production]
account = "555555555555"
on = "release"
after = "dev"
"#;

/// When all of it is looked at.
pub fn now() -> Timestamp {
    at("2026-12-01T00:00:00Z")
}

/// What others wrote: who asked, from what, and why.
pub struct Words<'w> {
    pub by: &'w str,
    pub reference: &'w str,
    pub title: &'w str,
    pub why: &'w str,
}

pub const PLAIN: Words<'static> = Words {
    by: "ada",
    reference: "v2.4.0-rc.1",
    title: "Remember the customer's favourite tea",
    why: "the stock is counted by hand",
};

/// The AWS, and what reads it.
pub async fn scene() -> (FakeAws, Arc<Source>) {
    scene_of(&PLAIN).await
}

/// The same, where others wrote these words.
pub async fn scene_of(words: &Words<'_>) -> (FakeAws, Arc<Source>) {
    let (aws, ledger) = story().await;
    for application in configured(APPLICATIONS) {
        let name = format!("/lockgate/applications/{}", application.repository);
        aws.state()
            .parameters
            .insert(name, serde_json::to_string(&application).unwrap());
    }
    season(&ledger).await;
    shop(&ledger, words).await;
    warehouse(&ledger, words).await;
    let source = source(&aws).await;
    (aws, source)
}

/// What reads this AWS, at the time of the scene, and shares nothing with any other.
pub async fn source(aws: &FakeAws) -> Arc<Source> {
    let ways = Aws::with(aws.config().await);
    let ledger = Ledger::new(ways.dynamodb(), TABLE);
    let since = "90 days".parse().unwrap();
    Arc::new(Source::new(&ways, ledger, None, since, Some(sample::MACHINE.to_owned())).at(now))
}

/// Eleven weeks: of each, some deployments to dev, of which two in all fail; the last of them in test; and in production,
/// where the fifth and the ninth go back.
async fn season(ledger: &Ledger) {
    let mut number = 10;
    for (week, pushes) in (0..).zip([3, 4, 2, 5, 4, 6, 3, 5, 6, 4, 7]) {
        let monday = at("2026-09-07T08:30:00Z") + SignedDuration::from_hours(week * 7 * 24);
        let on = |day: i64, hour: i64| (monday + SignedDuration::from_hours(day * 24 + hour)).to_string();
        for nth in 0..pushes {
            let deployment = push(number, &on(nth % 5, nth));
            let fails = nth == 0 && (week == 3 || week == 7);
            let events = if fails {
                goes_back(&deployment)
            } else {
                does_well(&deployment, 240 + 20 * week)
            };
            tell(ledger, &deployment, events).await;
            number += 1;
        }
        let candidate = candidate(number, number - 1, &format!("v2.{week}.0-rc.1"), &on(4, 8));
        let mut events = changing(&candidate);
        events.extend(answered(
            "accept",
            "Fine.",
            &json!({ "outcome": "accepted", "at": on(4, 11) }),
        ));
        events.push((11_200, json!({ "event": "ended", "ending": "deployed" })));
        tell(ledger, &candidate, events).await;
        let release = to_production(number + 1, number - 1, &format!("v2.{week}.0"), &on(4, 14 + week % 3));
        let fails = week == 4 || week == 8;
        let events = if fails {
            goes_back(&release)
        } else {
            does_well(&release, 2400)
        };
        tell(ledger, &release, events).await;
        number += 2;
    }
}

fn does_well(deployment: &Deployment, after: i64) -> Vec<(i64, Value)> {
    let mut events = changing(deployment);
    events.push((after, json!({ "event": "ended", "ending": "deployed" })));
    events
}

fn goes_back(deployment: &Deployment) -> Vec<(i64, Value)> {
    let stable = Digest::of(b"the one before");
    let failure = json!({ "name": "Failed.SmokeTests", "cause": "front page: 500" });
    let mut events = changing(deployment);
    events.extend([
        (200, json!({ "event": "going_back", "to": stable, "because": failure })),
        (
            201,
            json!({ "event": "planned", "leg": "back", "release": stable, "waves": [["shop-dev"]] }),
        ),
        (
            202,
            json!({ "event": "executing", "leg": "back", "stack": "shop-dev", "change_set": "arn:back" }),
        ),
        (230, json!({ "event": "updated", "leg": "back", "stack": "shop-dev" })),
        (
            260,
            json!({ "event": "smoke_tested", "leg": "back", "report": { "passed": true, "checks": [] } }),
        ),
        (
            700,
            json!({
                "event": "ended", "ending": "failed_clean", "failure": failure,
                "way_back": { "way_back": "went_back", "to": stable },
            }),
        ),
    ]);
    events
}

/// The commit of so many.
fn commit(number: u8) -> CommitSha {
    format!("{number:02x}").repeat(20).parse().unwrap()
}

/// A push to dev, of a commit of its own.
fn push(number: u8, asked: &str) -> Deployment {
    let mut deployment = to_dev(1, asked);
    deployment.id = format!("shop-dev-{number}").parse().unwrap();
    deployment.commit = commit(number);
    deployment
}

/// A pre-release of that commit to test.
fn candidate(number: u8, of: u8, tag: &str, asked: &str) -> Deployment {
    let mut deployment = to_test(1, 1, tag, asked);
    deployment.id = format!("shop-test-{number}").parse().unwrap();
    deployment.commit = commit(of);
    deployment
}

fn to_production(number: u8, of: u8, tag: &str, asked: &str) -> Deployment {
    let mut deployment = candidate(number, of, tag, asked);
    deployment.id = format!("shop-production-{number}").parse().unwrap();
    deployment.environment.name = "production".parse().unwrap();
    deployment.environment.account = "444444444444".parse().unwrap();
    deployment.environment.approval = None;
    "ada".clone_into(&mut deployment.requested.by);
    deployment.requested.because = Cause::Release;
    deployment
}

async fn shop(ledger: &Ledger, words: &Words<'_>) {
    // One that people are asked about, of which everything is recorded that can be.
    let mut asked = candidate(200, 1, "", "2026-11-30T20:40:00Z");
    words.reference.clone_into(&mut asked.reference);
    words.title.clone_into(&mut asked.requested.title);
    words.by.clone_into(&mut asked.requested.by);
    tell(ledger, &asked, asks(&asked, words)).await;

    let building = to_dev(6, "2026-11-30T23:50:00Z");
    let waiting = push(201, "2026-11-30T23:58:00Z");
    tell(ledger, &waiting, vec![(1, json!({ "event": "queued", "before": 0 }))]).await;
    let stands = |state: &mut EnvironmentState| {
        state.stable = Some(stable("shop-dev-1", 1, "2026-11-20T09:05:00Z"));
        state.holder = Some(holder(&building.id));
        state.queue = vec![Candidate::of(&waiting)];
    };
    let application = crate::story::shop();
    let environment = |name: &str| name.parse().unwrap();
    ledger
        .change_environment(&application, &environment("dev"), stands)
        .await
        .unwrap();
    let stands = |state: &mut EnvironmentState| {
        let mut stable = stable("shop-test-2", 1, "2026-11-20T15:06:40Z");
        stable.accepted =
            Some(serde_json::from_value(json!({ "by": ["qa@acme.example"], "at": "2026-11-20T15:05:00Z" })).unwrap());
        state.stable = Some(stable);
        state.holder = Some(holder(&asked.id));
    };
    ledger
        .change_environment(&application, &environment("test"), stands)
        .await
        .unwrap();
    let stands = |state: &mut EnvironmentState| {
        // The last of the season's.
        state.stable = Some(stable("shop-production-80", 78, "2026-11-21T00:10:00Z"));
        state.unsettled = None;
    };
    ledger
        .change_environment(&application, &environment("production"), stands)
        .await
        .unwrap();
}

/// The record of one that is accepted by one of two, with changes, tests, and a check that needed three attempts.
fn asks(deployment: &Deployment, words: &Words<'_>) -> Vec<(i64, Value)> {
    let release = Digest::of(deployment.id.as_str().as_bytes());
    let compared = |stack: &str, summary: Value| json!({ "event": "compared", "leg": "forward", "stack": stack, "summary": summary });
    let executing =
        |stack: &str| json!({ "event": "executing", "leg": "forward", "stack": stack, "change_set": "arn:set" });
    let updated = |stack: &str| json!({ "event": "updated", "leg": "forward", "stack": stack });
    let data = json!({
        "add": 1, "modify": 1, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 0, "truncated": 0,
        "losses": [{
            "logical_id": "Baskets", "resource_type": "AWS::DynamoDB::Table", "how": "replaced", "stateful": true,
            "kept": true,
        }],
        "changes": [{ "logical_id": "Favourites", "resource_type": "AWS::DynamoDB::Table", "action": "add" }],
    });
    let web = json!({
        "add": 0, "modify": 2, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 0, "truncated": 0, "losses": [],
        "changes": [
            { "logical_id": "Checkout", "resource_type": "AWS::Lambda::Function", "action": "modify" },
            { "logical_id": "FrontPage", "resource_type": "AWS::Lambda::Function", "action": "modify" },
        ],
    });
    let check = |name: &str, attempts: u32, took: u32| json!({ "name": name, "kind": "http", "passed": true, "attempts": attempts, "took_ms": took, "reasons": [] });
    let checks = [
        check("the shop is open", 1, 120),
        check("an order can be priced", 3, 840),
    ];
    vec![
        (0, json!({ "event": "queued", "before": 1 })),
        (260, json!({ "event": "admitted", "fence": 41 })),
        (261, json!({ "event": "released", "release": release })),
        (
            262,
            json!({
                "event": "planned", "leg": "forward", "release": release, "waves": [["shop-test-data"], ["shop-test-web"]],
            }),
        ),
        (
            263,
            json!({ "event": "published", "leg": "forward", "copied": 3, "present": 9 }),
        ),
        (275, compared("shop-test-data", data)),
        (276, executing("shop-test-data")),
        (420, updated("shop-test-data")),
        (431, compared("shop-test-web", web)),
        (432, executing("shop-test-web")),
        (655, updated("shop-test-web")),
        (
            660,
            json!({ "event": "smoke_tested", "leg": "forward", "report": { "passed": true, "checks": checks } }),
        ),
        (
            661,
            json!({ "event": "integration_testing", "build": "lockgate-integration:7", "log": "https://logs.test/7" }),
        ),
        (
            1320,
            json!({ "event": "integration_tested", "passed": true, "cause": null, "log": "https://logs.test/7" }),
        ),
        (
            1322,
            json!({
                "event": "approval_asked", "approval": "0".repeat(32), "people": ["qa@acme.example", "lead@acme.example"],
                "unconfirmed": [], "excluded": [], "deadline": "2026-12-03T21:00:00Z",
            }),
        ),
        (
            8_400,
            json!({
                "event": "voted",
                "ballot": {
                    "by": "qa@acme.example", "via": { "via": "link", "key": "00000000" }, "decision": "accept",
                    "comment": words.why, "ticked": [0], "at": "2026-11-30T23:00:00Z",
                },
            }),
        ),
    ]
}

async fn warehouse(ledger: &Ledger, words: &Words<'_>) {
    let mut stuck = push(202, "2026-11-30T22:10:00Z");
    stuck.id = "warehouse-dev-202".parse().unwrap();
    stuck.application = "acme/warehouse".parse().unwrap();
    let failure = json!({ "name": "Stuck.RollbackFailed", "cause": words.why });
    let mut events = changing(&stuck);
    events.truncate(4);
    events.push((
        900,
        json!({ "event": "ended", "ending": "operator_needed", "failure": failure }),
    ));
    tell(ledger, &stuck, events).await;
    let application = stuck.application.clone();
    let closed = |state: &mut EnvironmentState| {
        state.quarantine = Some(Quarantine {
            deployment: stuck.id.clone(),
            why: words.why.to_owned(),
            since: at("2026-11-30T22:25:00Z"),
        });
    };
    ledger
        .change_environment(&application, &"dev".parse().unwrap(), closed)
        .await
        .unwrap();
    let held = |state: &mut EnvironmentState| {
        state.hold = Some(Hold {
            by: words.by.to_owned(),
            why: words.why.to_owned(),
            since: at("2026-11-28T12:00:00Z"),
        });
    };
    ledger
        .change_environment(&application, &"production".parse().unwrap(), held)
        .await
        .unwrap();
}

fn stable(deployment: &str, commit: u8, since: &str) -> StableRelease {
    let deployment: DeploymentId = deployment.parse().unwrap();
    StableRelease {
        release: Digest::of(deployment.as_str().as_bytes()),
        commit: self::commit(commit),
        deployment,
        since: at(since),
        accepted: None,
        rejected: None,
    }
}

fn holder(deployment: &DeploymentId) -> Holder {
    Holder {
        deployment: deployment.clone(),
        fence: 41,
        lease_until: now() + SignedDuration::from_mins(15),
    }
}
