//! A release bakes, and nothing goes off.

use domain::life::Event;
use end_to_end::alarms;
use end_to_end::outcome::deployed;

use crate::{bakes, in_the_laboratory, operator, until};

#[test]
fn a_release_that_customers_use_without_an_alarm_is_stable_after_its_bake() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("healthy").await;
        alarms::make(&scenario.account, "errors").await;
        let deployment = scenario.push("Sell tea").await;
        bakes(&scenario, &deployment).await;
        assert!(
            scenario.environment().await.stable.is_none(),
            "not before its bake is over"
        );
        alarms::measure(&scenario.account, "orders", 3.0).await;
        let ended = scenario.end_of(&deployment).await;
        deployed(&ended);
        let how = ended.entries.iter().find_map(|entry| match &entry.what {
            Event::Baked { how } => Some(how.as_str()),
            _ => None,
        });
        assert_eq!(how, Some("the alarm errors stayed OK; orders 3"));
        assert!(scenario.is_at_rest().await.stable.is_some());
        let arn = laboratory.pipeline.execution_arn(&deployment);
        let counted = laboratory
            .emulator
            .transitions(&arn)
            .await
            .expect("the emulator counts");
        assert_eq!(counted.states.len(), 23, "three for alarms and bake: {counted:#?}");
    });
}

#[test]
fn f45_silence_is_not_health_a_bake_without_evidence_holds_and_asks() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("silent").await;
        alarms::make(&scenario.account, "errors").await;
        let deployment = scenario.push("Sell tea").await;
        let asks = |event: &Event| matches!(event, Event::BakeAsked { .. });
        until(&scenario, &deployment, "people are asked", asks).await;
        let subject = "waits for a person's word";
        scenario
            .eventually("operators get mail", async || {
                laboratory
                    .subjects("silent")
                    .await
                    .iter()
                    .any(|mail| mail.ends_with(subject))
            })
            .await;

        let said = operator(&scenario, "release", &["--why", "nobody orders tea at night"]).await;
        let said = said.expect("an operator may let it pass");
        assert!(said.contains("lets") && said.contains(deployment.as_str()), "{said}");
        let ended = scenario.end_of(&deployment).await;
        deployed(&ended);
        let word = ended.head.status.bake_answered.expect("it is on record who said so");
        assert_eq!(word.why, "nobody orders tea at night");
        let asked = ended.entries.iter().filter(|entry| asks(&entry.what)).count();
        assert_eq!(asked, 1, "they are asked once");
        let mails = laboratory.subjects("silent").await;
        assert_eq!(
            mails.iter().filter(|mail| mail.ends_with(subject)).count(),
            1,
            "{mails:?}"
        );
    });
}
