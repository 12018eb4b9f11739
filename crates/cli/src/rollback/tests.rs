#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use domain::deployment::Rollback;
use domain::failure::{Failure, Name};
use domain::life::WayBack;
use domain::names::Digest;
use fake_aws::sample;
use serde_json::json;

use super::*;
use crate::fake::Fake;

#[tokio::test]
async fn what_can_be_gone_back_to_is_listed_for_people_and_for_programs() {
    let fake = Fake::new().await;
    for number in 1..=3 {
        let content = [number];
        let release = fake.backend.stores(&[("manifest.json", content.as_slice())]);
        fake.brings(&sample::deployment(number), &release).await;
        if number == 1 {
            let object = format!("{}/objects/{}", sample::ARTIFACTS, Digest::of(&content));
            fake.backend.state().altered.insert(object);
        }
    }
    let options = |output| Releases {
        records: fake.records("acme/shop", "dev"),
        output,
    };
    let text = releases(&options(Output::Text), &fake.aws).await.unwrap();
    let json = releases(&options(Output::Json), &fake.aws).await.unwrap();
    insta::assert_snapshot!(format!("{text}\n\n{json}"));
}

/// Of a deployment that takes dev back and whose record says what that changes.
async fn going_back(fake: &Fake) -> DeploymentId {
    let mut deployment = sample::deployment(2);
    let (from, stable) = (Digest::of(b"bad"), Digest::of(b"good"));
    deployment.release = Some(stable.clone());
    deployment.rollback = Some(Rollback {
        from,
        stable: stable.clone(),
        because: Failure::new(Name::TakenBack, "customers are charged twice"),
    });
    let summary = json!({
        "add": 0, "modify": 0, "remove": 1, "import": 0, "dynamic": 0, "data_lost": 0, "truncated": 0, "losses": [],
        "changes": [{ "logical_id": "Basket", "resource_type": "AWS::SQS::Queue", "action": "remove" }],
    });
    let events = [
        json!({ "event": "requested", "deployment": deployment }),
        json!({ "event": "admitted", "fence": 1 }),
        json!({ "event": "released", "release": stable }),
        json!({ "event": "planned", "leg": "back", "release": stable, "waves": [["shop-dev"]] }),
        json!({ "event": "compared", "leg": "back", "stack": "shop-dev", "summary": summary }),
    ];
    for event in events {
        let event = serde_json::from_value(event).unwrap();
        let at = deployment.requested.at;
        fake.ledger().record(&deployment.id, event, at).await.unwrap();
    }
    deployment.id
}

#[tokio::test]
async fn how_it_ended_and_what_a_plan_would_change_is_told_to_people_and_to_programs() {
    let fake = Fake::new().await;
    let records = fake.records("acme/shop", "dev");
    let deployment = going_back(&fake).await;
    let back = Ending::RolledBack {
        to: Digest::of(b"good"),
        left: [].into(),
    };
    let refused = Ending::FailedClean {
        failure: Failure::new(Name::NoWayBack, "it has another release by now"),
        way_back: WayBack::NothingChanged,
    };
    let mut said = Vec::new();
    for (ending, plan, code) in [
        (&back, false, ExitCode::SUCCESS),
        (&Ending::Planned, true, ExitCode::SUCCESS),
        (&refused, false, ExitCode::FAILURE),
        (&refused, true, ExitCode::FAILURE),
    ] {
        for output in [Output::Text, Output::Json] {
            match over(&fake.ledger(), &records, &deployment, ending, (plan, output)).await {
                Ok((text, found)) => {
                    assert_eq!(found, code);
                    said.push(text);
                }
                Err(error) => said.push(format!("error: {error}")),
            }
        }
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

#[tokio::test]
async fn each_ending_has_its_words() {
    let fake = Fake::new().await;
    let records = fake.records("acme/shop", "dev");
    let to = Digest::of(b"a release");
    let back = Ending::RolledBack {
        to: to.clone(),
        left: [].into(),
    };
    let failure = || Failure::new(Name::NoWayBack, "it has another release by now");
    let said = [
        ended(&records, &back, false),
        ended(&records, &back, true),
        ended(&records, &Ending::Planned, false),
        ended(
            &records,
            &Ending::FailedClean {
                failure: failure(),
                way_back: WayBack::NothingChanged,
            },
            false,
        ),
        ended(&records, &Ending::OperatorNeeded { failure: failure() }, false),
        ended(&records, &Ending::Deployed, false),
    ]
    .map(|said| said.unwrap_or_else(|error| format!("error: {error}")));
    insta::assert_snapshot!(said.join("\n"));
}
