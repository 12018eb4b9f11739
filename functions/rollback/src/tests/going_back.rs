//! Somebody asks for an environment to be taken back.

use super::*;

/// The release of this number is stable from now on, and in the bucket.
async fn brought(lookout: &Lookout, number: u8) -> StableRelease {
    let mut stable = sample::stable(&deployment(number));
    stable.release = lookout.aws.stores(&[("index.html", [number].as_slice())]);
    lookout.settles(&stable).await;
    stable
}

/// An environment that had three stable releases.
async fn with_three() -> (Lookout, [StableRelease; 3]) {
    let lookout = Lookout::new().await;
    lookout.configures(&deployment(1));
    let first = brought(&lookout, 1).await;
    let second = brought(&lookout, 2).await;
    let third = brought(&lookout, 3).await;
    (lookout, [first, second, third])
}

/// An execution asks, with more than it has to say.
async fn ask(lookout: &Lookout, execution: &str, more: Value) -> Result<Output, Error> {
    let mut ask = json!({ "application": "acme/shop", "environment": "dev", "why": "prices\nare wrong" });
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lookout
        .ask(json!({ "do": "go_back", "execution": execution, "ask": ask }))
        .await
}

/// The deployment that is started.
async fn started(lookout: &Lookout, more: Value) -> Deployment {
    let output = ask(lookout, "one", more).await.unwrap();
    let [back]: [Deployment; 1] = lookout.ways_back().try_into().unwrap();
    let deployment = back.id.clone();
    assert_eq!(output, Output::Started { deployment });
    back
}

/// Why none is started.
async fn refusal(lookout: &Lookout, more: Value) -> Failure {
    let refused = ask(lookout, "one", more).await.unwrap_err();
    let state = lookout.aws.state();
    assert!(state.executions.is_empty());
    let is_record = |(pk, _): &(String, String)| pk.starts_with("deployment#");
    assert!(!state.table.items.keys().any(is_record), "nothing is recorded either");
    Failure::from(refused)
}

#[tokio::test]
async fn the_release_before_is_gone_back_to() {
    let (lookout, [_, second, third]) = with_three().await;
    lookout.record(&deployment(2), [requested(&deployment(2))]).await;
    let back = started(&lookout, json!({ "by": LEAD })).await;
    assert_eq!(lookout.entries(&back).await[0].what, requested(&back));
    assert_eq!(lookout.story(&back).await, ["requested"]);
    assert_eq!((back.release, back.commit), (Some(second.release), second.commit));
    assert_eq!(
        (back.reference.as_str(), back.requested.title.as_str()),
        ("main", "Sell apples")
    );
    assert_eq!(
        (back.requested.because, back.requested.by.as_str()),
        (Cause::Manual, LEAD)
    );
    let rollback = back.rollback.unwrap();
    assert_eq!((&rollback.from, &rollback.stable), (&third.release, &third.release));
    let because = format!("Failed.TakenBack: {LEAD} says: prices are wrong");
    assert_eq!(rollback.because.to_string(), because);
}

#[tokio::test]
async fn nobody_has_to_say_who_they_are_and_an_old_release_may_have_no_record() {
    let (lookout, [_, second, _]) = with_three().await;
    let back = started(&lookout, json!({})).await;
    assert_eq!(back.requested.by, "somebody in the Step Functions console");
    assert_eq!(
        (back.reference.as_str(), back.requested.title.as_str()),
        (second.commit.as_str(), "")
    );
}

#[tokio::test]
async fn one_execution_starts_one_however_often_it_asks() {
    let (lookout, _) = with_three().await;
    let first = ask(&lookout, "one", json!({})).await.unwrap();
    assert_eq!(ask(&lookout, "one", json!({})).await.unwrap(), first);
    assert_eq!(lookout.ways_back().len(), 1);
    let another = ask(&lookout, "two", json!({})).await.unwrap();
    assert_ne!(another, first);
    assert_eq!(lookout.ways_back().len(), 2);
}

#[tokio::test]
async fn a_release_is_named_by_the_beginning_of_its_digest_or_of_its_commit() {
    for taken_back in [false, true] {
        for by_commit in [false, true] {
            let (lookout, [first, ..]) = with_three().await;
            if taken_back {
                lookout.went_back(&first.release).await;
            }
            let to = if by_commit {
                first.commit.short()
            } else {
                first.release.short()
            };
            let back = started(&lookout, json!({ "to": to })).await;
            assert_eq!(back.release, Some(first.release.clone()), "{to}");
        }
    }
}

#[tokio::test]
async fn one_that_was_taken_back_itself_is_not_gone_back_to_unless_it_is_named() {
    let (lookout, [first, second, _]) = with_three().await;
    lookout.went_back(&second.release).await;
    let back = started(&lookout, json!({})).await;
    assert_eq!(back.release, Some(first.release));
}

#[tokio::test]
async fn where_what_is_there_never_became_stable_the_last_stable_one_comes_back() {
    let (lookout, [.., third]) = with_three().await;
    let failed = deployment(4);
    let released = Event::Released {
        release: release(&failed),
    };
    let events = [requested(&failed), Event::Admitted { fence: 1 }, released];
    lookout.record(&failed, events).await;
    lookout
        .change_environment(|state| state.unsettled = Some(failed.id.clone()))
        .await;
    let back = started(&lookout, json!({})).await;
    let rollback = back.rollback.unwrap();
    assert_eq!(
        (rollback.from, rollback.stable),
        (release(&failed), third.release.clone())
    );
    assert_eq!(back.release, Some(third.release));
}

#[tokio::test]
async fn what_there_is_no_way_back_to_is_refused() {
    let (lookout, [_, _, third]) = with_three().await;
    for (to, why) in [
        ("not-a-release", "is none of the last 20 releases"),
        (third.release.short(), "is what is there now"),
        ("0", "is the beginning of more than one release"),
    ] {
        let failure = refusal(&lookout, json!({ "to": to })).await;
        assert_eq!(failure.name.as_str(), "Rejected.NoWayBack");
        assert!(failure.cause.contains(why), "{failure}");
    }

    lookout.is_under_way(&deployment(4)).await;
    let failure = refusal(&lookout, json!({})).await;
    assert_eq!(failure.name, Name::NoWayBack);
    assert!(failure.cause.starts_with("shop-dev-4 is under way there"), "{failure}");
}

#[tokio::test]
async fn who_only_wants_to_see_it_gets_a_deployment_of_its_own_that_says_so() {
    let (lookout, [_, second, _]) = with_three().await;
    let plan = started(&lookout, json!({ "plan": true })).await;
    assert!(plan.plans);
    assert_eq!(plan.release, Some(second.release.clone()));
    // And it keeps nobody from going back, be it from the very same execution.
    lookout.is_under_way(&plan).await;
    ask(&lookout, "one", json!({})).await.unwrap();
    let mut both = lookout.ways_back();
    both.retain(|deployment| deployment.id != plan.id);
    let [back]: [Deployment; 1] = both.try_into().unwrap();
    assert_eq!((back.plans, back.release), (false, Some(second.release)));
}

#[tokio::test]
async fn where_nothing_was_stable_before_there_is_no_way_back() {
    let lookout = Lookout::new().await;
    lookout.configures(&deployment(1));
    let failure = refusal(&lookout, json!({})).await;
    assert_eq!(
        failure.to_string(),
        "Rejected.NoWayBack: no release was ever stable there"
    );
    brought(&lookout, 1).await;
    let failure = refusal(&lookout, json!({})).await;
    assert_eq!(failure.name, Name::NoWayBack);
    assert!(
        failure.cause.starts_with("there is no earlier stable release"),
        "{failure}"
    );
}

#[tokio::test]
async fn what_is_not_whole_any_more_is_not_gone_back_to() {
    let (lookout, [_, second, _]) = with_three().await;
    let object = format!("{ARTIFACTS}/objects/{}", Digest::of(&[2]));
    let index = format!("{ARTIFACTS}/releases/{}.json", second.release);
    lookout.aws.state().altered.insert(object.clone());
    assert_eq!(refusal(&lookout, json!({})).await.name, Name::ReleaseAltered);
    for key in [object, index] {
        lookout.aws.state().objects.remove(&key).unwrap();
        let failure = refusal(&lookout, json!({})).await;
        assert_eq!(failure.name.as_str(), "Rejected.ReleaseMissing", "{failure}");
    }
}

#[tokio::test]
async fn an_environment_is_taken_back_as_it_is_configured_now() {
    let (lookout, [first, second, _]) = with_three().await;
    let mut configured = deployment(1);
    configured.environment.keep = 1;
    configured.environment.queue = QueuePolicy::Every;
    lookout.configures(&configured);
    let failure = refusal(&lookout, json!({ "to": first.release })).await;
    assert_eq!(failure.name, Name::NoWayBack);
    assert!(failure.cause.contains("is none of the last 1 releases"), "{failure}");
    let back = started(&lookout, json!({ "to": second.release })).await;
    assert_eq!(back.environment, configured.environment);
}

#[tokio::test]
async fn what_is_not_configured_has_no_way_back() {
    let (lookout, _) = with_three().await;
    let failure = refusal(&lookout, json!({ "environment": "other" })).await;
    assert_eq!(
        failure.to_string(),
        "Rejected.NoWayBack: acme/shop has no environment other"
    );
    let failure = refusal(&lookout, json!({ "application": "acme/other" })).await;
    assert_eq!(failure.name, Name::NoWayBack);

    let name = format!("{APPLICATIONS}/acme/shop");
    lookout.aws.state().parameters.insert(name, "{}".to_owned());
    assert_eq!(refusal(&lookout, json!({})).await.name, Name::Unexpected);
}
