//! Deliveries that come too often, half-way, or from somebody else.

use end_to_end::outcome::deployed;
use local::deliveries::Delivery;
use serde_json::json;

use crate::in_the_laboratory;

#[test]
fn f01_f02_f09_bad_deliveries_are_refused_and_leave_no_trace() {
    in_the_laboratory(async |laboratory| {
        let http = laboratory.emulator.http();
        let url = &laboratory.pipeline.webhook;
        let body = br#"{"zen":"Keep it logically awesome."}"#.to_vec();
        let good = Delivery::sign("11111111-1111-1111-1111-111111111111", "ping", body.clone());
        assert_eq!(good.send(http, url).await.expect("an answer").0, 200);
        let signatures = [
            String::new(),
            "sha256=".to_owned(),
            good.signature.to_uppercase(),
            good.signature[..70].to_owned(),
            good.signature.replace("sha256=", "sha1="),
            format!("sha256={}", "z".repeat(64)),
            local::deliveries::signature("another secret", &body),
        ];
        for signature in signatures {
            let bad = Delivery {
                signature,
                id: "22222222-2222-2222-2222-222222222222".to_owned(),
                ..good.clone()
            };
            assert_eq!(
                bad.send(http, url).await.expect("an answer").0,
                401,
                "{}",
                bad.signature
            );
        }
        let changed = Delivery {
            body: br#"{"zen":"Keep it logically awesome!"}"#.to_vec(),
            ..good.clone()
        };
        assert_eq!(changed.send(http, url).await.expect("an answer").0, 401);
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200)).into_bytes();
        for malformed in [b"not json".to_vec(), deep, br#"{"ref":"refs/heads/ma"#.to_vec()] {
            let bad = Delivery::sign("33333333-3333-3333-3333-333333333333", "push", malformed);
            assert_eq!(bad.send(http, url).await.expect("an answer").0, 400);
        }
        for id in [
            "22222222-2222-2222-2222-222222222222",
            "33333333-3333-3333-3333-333333333333",
        ] {
            let written = laboratory.items(&format!("delivery#{id}")).await;
            assert!(written.is_empty(), "nothing is written of what is refused");
        }
    });
}

#[test]
fn a_delivery_that_is_larger_than_lambda_takes_is_refused_and_leaves_no_trace() {
    in_the_laboratory(async |laboratory| {
        const MEGABYTE: usize = 1024 * 1024;
        let padded = |bytes: usize| format!("{{\"zen\":\"{}\"}}", "x".repeat(bytes)).into_bytes();
        // The first is refused by the function, the others by the API before it.
        let sizes = [5 * MEGABYTE, 6 * MEGABYTE, 10 * MEGABYTE].map(padded);
        for (body, by_us) in sizes.into_iter().zip([true, false, false]) {
            let id = "44444444-4444-4444-4444-444444444444";
            let large = Delivery::sign(id, "ping", body);
            let (status, answer) = large
                .send(laboratory.emulator.http(), &laboratory.pipeline.webhook)
                .await
                .expect("an answer");
            assert_eq!((status, answer["outcome"] == "too_large"), (413, by_us), "{answer}");
            assert!(laboratory.items(&format!("delivery#{id}")).await.is_empty());
        }
    });
}

#[test]
fn f04_of_fifty_copies_of_a_delivery_one_deployment_comes() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("copies").await;
        let delivery = scenario.commit("Once").await.delivery().expect("a delivery");
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (delivery, url) = (delivery.clone(), laboratory.pipeline.webhook.clone());
            sending.spawn(async move { delivery.send(laboratory.emulator.http(), &url).await });
        }
        let mut answers = Vec::new();
        while let Some(answer) = sending.join_next().await {
            answers.push(answer.expect("it was sent").expect("it was answered"));
        }
        // Where fifty at once are too many for the machine, a copy is told to come again.
        answers.retain(|(status, answer)| (*status, answer["outcome"].as_str()) != (503, Some("unavailable")));
        assert!(answers.len() >= 10, "most were told so: {answers:?}");
        let again = delivery
            .send(laboratory.emulator.http(), &laboratory.pipeline.webhook)
            .await;
        answers.push(again.expect("it was answered"));
        let mut accepted = std::collections::BTreeSet::new();
        for (status, answer) in answers {
            // A copy that comes while the first is under way completes the same thing, or is told that it is known.
            assert!(status == 200 || status == 202, "{status}: {answer}");
            accepted.extend(
                answer["deployments"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|id| id.as_str().map(str::to_owned)),
            );
        }
        assert_eq!(accepted.len(), 1, "{accepted:?}");
        let id = accepted
            .first()
            .expect("there is one")
            .parse()
            .expect("its id is valid");
        deployed(&scenario.end_of(&id).await);
        assert_eq!(laboratory.executions("copies").await, 1);
    });
}

#[test]
fn f12_a_delivery_that_stopped_half_way_is_completed_once() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("halfway").await;
        let delivery = scenario.commit("Stop half-way").await.delivery().expect("a delivery");
        let outage = json!({ "account": local::TOOLS, "service": "states", "action": "StartExecution", "kind": "error500",
            "times": 4, "principal_contains": "lockgate-webhook", "request_contains": "halfway-dev" });
        laboratory.emulator.fail_calls(outage).await.expect("calls can fail");
        let refused = scenario.send(&delivery, 503).await;
        scenario
            .eventually("the sweep completes it", async || {
                scenario.environment().await.stable.is_some()
            })
            .await;
        let again = scenario.send(&delivery, 200).await;
        assert_eq!(again["outcome"], "already_known", "{refused} {again}");
        assert_eq!(laboratory.executions("halfway").await, 1);
    });
}
