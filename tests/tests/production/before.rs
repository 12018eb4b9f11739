//! What is refused before anything is changed.

use domain::life::{Event, WayBack};
use end_to_end::outcome::{deployed, failed_clean};
use end_to_end::{alarms, create_stack};
use local::TOOLS;
use serde_json::json;

use crate::{in_the_laboratory, operator, until};

#[test]
fn an_alarm_that_is_missing_or_has_gone_off_already_keeps_a_release_out() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("raised").await;
        // The first release may bring its alarms with it, and is not stable before they are there.
        let first = scenario.push("Open").await;
        let asks = |event: &Event| matches!(event, Event::BakeAsked { .. });
        until(&scenario, &first, "people are asked", asks).await;
        alarms::make(&scenario.account, "errors").await;
        deployed(&scenario.end_of(&first).await);
        alarms::remove(&scenario.account, "errors").await;

        "more".clone_into(&mut scenario.application.description);
        let missing = scenario.push_to_the_end("Sell tea").await;
        let (name, cause, way_back) = failed_clean(&missing);
        assert_eq!(
            (name, way_back),
            ("Rejected.AlarmMissing", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.ends_with(": errors"), "{cause}");

        alarms::make(&scenario.account, "errors").await;
        alarms::measure(&scenario.account, "errors", 1.0).await;
        scenario
            .eventually("it goes off", async || {
                alarms::state(&scenario.account, "errors").await == "ALARM"
            })
            .await;
        let raised = scenario.push_to_the_end("Sell more tea").await;
        let (name, cause, way_back) = failed_clean(&raised);
        assert_eq!(
            (name, way_back),
            ("Rejected.AlarmAlreadyRaised", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.starts_with("errors is in ALARM since "), "{cause}");
        assert_eq!(scenario.description("web").await, "first", "nothing was changed");

        scenario
            .eventually("it is quiet", async || {
                alarms::state(&scenario.account, "errors").await == "OK"
            })
            .await;
        deployed(&scenario.push_to_the_end("Sell tea after all").await);
    });
}

#[test]
fn what_an_operator_holds_admits_nothing_until_it_is_let_go() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("held").await;
        alarms::make(&scenario.account, "errors").await;
        deployed(&scenario.push_to_the_end("Sell tea").await);
        let held = operator(&scenario, "hold", &["--why", "the warehouse burns"]).await;
        assert!(held.as_ref().is_ok_and(|said| said.contains("is held by")), "{held:?}");
        let refused = scenario.push_to_the_end("Sell more tea").await;
        let (name, cause, way_back) = failed_clean(&refused);
        assert_eq!((name, way_back), ("Rejected.Held", &WayBack::NothingChanged));
        assert!(cause.ends_with("the warehouse burns"), "{cause}");
        let again = operator(&scenario, "hold", &["--why", "it still burns"]).await;
        assert!(
            again.as_ref().is_ok_and(|said| said.contains("was held before")),
            "{again:?}"
        );
        let released = operator(&scenario, "release", &["--why", "it is out"]).await;
        assert!(
            released.as_ref().is_ok_and(|said| said.contains("was let go of by")),
            "{released:?}"
        );
        scenario.application.description = "more tea".to_owned();
        deployed(&scenario.push_to_the_end("Sell more tea, once more").await);
        let (application, dev) = scenario.place();
        let acts = laboratory.pipeline.ledger.operator_acts(&application, &dev).await;
        let acts: Vec<String> = acts
            .expect("the ledger answers")
            .into_iter()
            .map(|act| act.why)
            .collect();
        assert_eq!(acts, ["the warehouse burns", "it still burns", "it is out"]);
    });
}

#[test]
fn what_is_frozen_takes_nothing_but_what_two_people_let_in() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("frozen").await;
        let refused = scenario.push_to_the_end("Sell tea").await;
        let (name, cause, way_back) = failed_clean(&refused);
        assert_eq!((name, way_back), ("Rejected.Frozen", &WayBack::NothingChanged));
        assert_eq!(cause, "frozen until 2099-01-01 00:00 Europe/Berlin: the big sale");

        let urgent = scenario.commit("Sell tea that is not poisoned").await;
        let (application, dev) = scenario.place();
        let tools = &laboratory.pipeline.tools;
        let trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": TOOLS }, "Action": "sts:AssumeRole" }] });
        let role = |name: &str| {
            json!({ "Type": "AWS::IAM::Role", "Properties": {
            "RoleName": name, "AssumeRolePolicyDocument": trust,
            "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"] } })
        };
        let roles = json!({ "Resources": { "One": role("OnCall"), "Other": role("ShiftLead") } });
        create_stack(tools, "operators", &roles.to_string(), &[]).await;
        let plead = async |role: &str, session: &str| {
            let identity = tools.sign_in(role, session).await.expect("they may sign in");
            let commit = urgent.after.as_str();
            let arguments = [
                "emergency",
                application.as_str(),
                dev.as_str(),
                commit,
                "--why",
                "people fall ill",
            ];
            laboratory
                .lockgate(&identity, &arguments)
                .await
                .expect("they may say so")
        };
        for session in ["ann", "bob"] {
            let said = plead("OnCall", session).await;
            assert!(said.contains("2 people have to"), "one role is one person: {said}");
        }
        let said = plead("ShiftLead", "eve").await;
        assert!(said.contains("is let into"), "{said}");
        let deployment = scenario.deliver(&urgent).await;
        let ended = scenario.end_of(&deployment).await;
        deployed(&ended);
        let told = ended.entries.iter().map(|entry| domain::message::sentence(&entry.what));
        let told: Vec<String> = told.filter(|told| told.contains("let in as an emergency")).collect();
        let [told] = told.as_slice() else { panic!("{told:#?}") };
        assert!(told.contains("ShiftLead") && told.contains("OnCall"), "{told}");
    });
}
