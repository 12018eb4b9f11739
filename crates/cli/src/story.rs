//! A ledger with a known story, for the tests of what is told of many deployments.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use aws::{Aws, Ledger};
use domain::deployment::Deployment;
use domain::metrics::Period;
use domain::names::{Digest, RepositoryName};
use fake_aws::{FakeAws, TABLE, sample};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) fn shop() -> RepositoryName {
    "acme/shop".parse().unwrap()
}

/// Two weeks that hold the whole story.
pub(crate) fn all() -> Period {
    Period {
        since: at("2026-11-17T00:00:00Z"),
        until: at("2026-12-01T00:00:00Z"),
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Of dev: one that was deployed, one that failed its smoke tests and went back, one that was refused, one that is being
/// built. Of test: one that people accepted, and one that they rejected.
pub(crate) async fn story() -> (FakeAws, Ledger) {
    let aws = FakeAws::default();
    let ledger = Ledger::new(Aws::with(aws.config().await).dynamodb(), TABLE);
    let first = to_dev(1, "2026-11-20T09:00:00Z");
    let mut events = changing(&first);
    events.push((300, json!({ "event": "ended", "ending": "deployed" })));
    tell(&ledger, &first, events).await;

    let accepted = to_test(2, 1, "v1.0.0-rc.1", "2026-11-20T12:00:00Z");
    let mut events = changing(&accepted);
    events.extend(answered(
        "accept",
        "Tried it.",
        &json!({ "outcome": "accepted", "at": "2026-11-20T15:05:00Z" }),
    ));
    events.push((11_200, json!({ "event": "ended", "ending": "deployed" })));
    tell(&ledger, &accepted, events).await;

    let bad = to_dev(3, "2026-11-24T09:00:00Z");
    let stable = Digest::of(first.id.as_str().as_bytes());
    let failure = json!({ "name": "Failed.SmokeTests", "cause": "front page: 500" });
    let again = json!({ "event": "executing", "leg": "back", "stack": "shop-dev", "change_set": "arn:back" });
    let back = json!({ "event": "updated", "leg": "back", "stack": "shop-dev" });
    let waves = json!([["shop-dev"]]);
    let mut events = changing(&bad);
    events.extend([
        (200, json!({ "event": "going_back", "to": stable, "because": failure })),
        (
            201,
            json!({ "event": "planned", "leg": "back", "release": stable, "waves": waves }),
        ),
        (202, again),
        (230, back),
        (
            260,
            json!({ "event": "smoke_tested", "leg": "back", "report": { "passed": true, "checks": [] } }),
        ),
        (
            261,
            json!({
                "event": "ended", "ending": "failed_clean", "failure": failure,
                "way_back": { "way_back": "went_back", "to": stable },
            }),
        ),
    ]);
    tell(&ledger, &bad, events).await;

    let frozen = json!({
        "event": "ended", "ending": "failed_clean", "way_back": { "way_back": "nothing_changed" },
        "failure": { "name": "Rejected.Frozen", "cause": "frozen until Monday" },
    });
    tell(&ledger, &to_dev(4, "2026-11-25T09:00:00Z"), vec![(1, frozen)]).await;

    let rejected = to_test(5, 1, "v1.0.0-rc.2", "2026-11-26T12:00:00Z");
    let mut events = changing(&rejected);
    let decided = json!({
        "outcome": "rejected", "by": "qa@acme.example", "comment": "", "at": "2026-11-26T15:05:00Z",
    });
    events.extend(answered("reject", "The total is \"wrong\", twice", &decided));
    events.push((
        11_200,
        json!({
            "event": "ended", "ending": "failed_clean", "way_back": { "way_back": "stays" },
            "failure": { "name": "Failed.NotAccepted", "cause": "qa@acme.example: The total is \"wrong\", twice" },
        }),
    ));
    tell(&ledger, &rejected, events).await;

    let building = json!({ "event": "building", "build": "lockgate:1", "log": "" });
    let admitted = json!({ "event": "admitted", "fence": 9 });
    let under_way = to_dev(6, "2026-11-30T23:50:00Z");
    tell(&ledger, &under_way, vec![(1, admitted), (2, building)]).await;
    (aws, ledger)
}

pub(crate) fn to_dev(number: u8, asked: &str) -> Deployment {
    let mut deployment = sample::deployment(number);
    deployment.requested.at = at(asked);
    deployment.requested.happened_at = at(asked) - SignedDuration::from_secs(5);
    deployment
}

/// A pre-release of the commit of that deployment to dev, in an environment that asks people once it is there.
pub(crate) fn to_test(number: u8, of: u8, tag: &str, asked: &str) -> Deployment {
    let mut deployment = to_dev(number, asked);
    deployment.id = format!("shop-test-{number}").parse().unwrap();
    deployment.environment.name = "test".parse().unwrap();
    deployment.environment.account = "333333333333".parse().unwrap();
    deployment.environment.approval = Some(
        serde_json::from_value(json!({
            "when": "after", "people": [{ "name": "qa@acme.example" }],
            "duties": [{ "group": null, "people": ["qa@acme.example"], "need": 1 }],
            "within_seconds": 259_200, "on_reject": "stay",
        }))
        .unwrap(),
    );
    deployment.commit = sample::deployment(of).commit;
    tag.clone_into(&mut deployment.reference);
    "=mallory".clone_into(&mut deployment.requested.by);
    deployment.requested.because = domain::deployment::Cause::Prerelease;
    deployment
}

/// From the lock to the smoke tests, by the second after it was asked for.
pub(crate) fn changing(deployment: &Deployment) -> Vec<(i64, Value)> {
    let release = Digest::of(deployment.id.as_str().as_bytes());
    let stack = "shop-dev";
    vec![
        (1, json!({ "event": "admitted", "fence": 1 })),
        (2, json!({ "event": "released", "release": release })),
        (
            3,
            json!({ "event": "planned", "leg": "forward", "release": release, "waves": [[stack]] }),
        ),
        (
            10,
            json!({ "event": "executing", "leg": "forward", "stack": stack, "change_set": "arn:set" }),
        ),
        (90, json!({ "event": "updated", "leg": "forward", "stack": stack })),
        (
            100,
            json!({ "event": "smoke_tested", "leg": "forward", "report": { "passed": true, "checks": [] } }),
        ),
    ]
}

/// One of the people answers three hours after they were asked.
pub(crate) fn answered(decision: &str, comment: &str, outcome: &Value) -> Vec<(i64, Value)> {
    let by = "qa@acme.example";
    vec![
        (
            300,
            json!({
                "event": "approval_asked", "approval": "0".repeat(32), "people": [by], "unconfirmed": [],
                "excluded": [], "deadline": "2026-11-29T12:00:00Z",
            }),
        ),
        (
            11_099,
            json!({
                "event": "voted",
                "ballot": {
                    "by": by, "via": { "via": "link", "key": "00000000" }, "decision": decision, "comment": comment,
                    "ticked": [], "at": "2026-11-20T15:04:59Z",
                },
            }),
        ),
        (11_100, json!({ "event": "decided", "outcome": outcome })),
    ]
}

pub(crate) async fn tell(ledger: &Ledger, deployment: &Deployment, events: Vec<(i64, Value)>) {
    let requested = (0, json!({ "event": "requested", "deployment": deployment }));
    for (second, event) in std::iter::once(requested).chain(events) {
        let event = serde_json::from_value(event).unwrap();
        let at = deployment.requested.at + SignedDuration::from_secs(second);
        ledger.record(&deployment.id, event, at).await.unwrap();
    }
}
