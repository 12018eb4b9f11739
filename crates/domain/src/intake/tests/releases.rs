//! What GitHub's events about releases ask for.

use super::*;

/// A pre-release that was just published.
fn release() -> Value {
    json!({
        "action": "published",
        "release": {
            "id": 17_372_790, "tag_name": "v1.2.0-rc.1", "target_commitish": "main", "name": "Prices",
            "draft": false, "prerelease": true,
            "created_at": "2019-05-15T15:19:25Z", "published_at": "2019-05-15T15:20:53Z",
            "author": { "login": "bob", "id": 8 },
        },
        "repository": { "id": 1, "full_name": "acme/shop", "fork": false, "pushed_at": "2019-05-15T15:20:52Z" },
        "sender": { "login": "ann", "id": 7 },
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut payload = release();
    for (pointer, value) in changes {
        *payload.pointer_mut(pointer).unwrap() = value.clone();
    }
    payload
}

fn resolved() -> Resolved {
    Resolved {
        commit: AFTER.parse().unwrap(),
        title: "Add prices\n\nAll of them.".to_owned(),
    }
}

fn found(resolved: Resolved) -> Found {
    Found {
        commit: Some(resolved),
        may_write: false,
    }
}

/// The tag whose commit has to be asked for.
fn sought(event: &Event, application: &Application) -> Option<String> {
    match event.needs_commit(Some(application))? {
        Sought::Release(release) => Some(format!("{} {}", release.repository, release.tag)),
        Sought::Reference { .. } => None,
    }
}

fn read(payload: &Value) -> Event {
    Event::read("release", payload.to_string().as_bytes()).unwrap()
}

fn decide(payload: &Value, application: Option<&Application>) -> Decision {
    let event = read(payload);
    asks(
        &event,
        application,
        &DELIVERY.parse().unwrap(),
        &found(resolved()),
        now(),
    )
}

fn asked(payload: &Value) -> Vec<Deployment> {
    match decide(payload, Some(&application())) {
        Decision::Ask(deployments) => deployments,
        Decision::Ignored(reason) => panic!("ignored: {reason}"),
    }
}

fn names(deployments: &[Deployment]) -> Vec<&str> {
    deployments
        .iter()
        .map(|deployment| deployment.environment.name.as_str())
        .collect()
}

#[test]
fn a_published_pre_release_asks_for_the_environments_that_pre_releases_start() {
    let deployments = asked(&release());
    assert_eq!(names(&deployments), ["test"]);
    let Deployment {
        id,
        commit,
        reference,
        release,
        requested,
        ..
    } = &deployments[0];
    insta::assert_snapshot!(id, @"shop-test-22222222-f65e5b295903023d");
    assert_eq!(commit.as_str(), AFTER);
    assert_eq!((reference.as_str(), release), ("v1.2.0-rc.1", &None));
    insta::assert_json_snapshot!(requested, @r#"
    {
      "by": "ann",
      "at": "2026-11-23T12:00:00Z",
      "happened_at": "2019-05-15T15:20:53Z",
      "because": "prerelease",
      "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
      "before": null,
      "title": "Add prices"
    }
    "#);
}

#[test]
fn g4_whichever_of_its_events_comes_one_release_is_one_deployment() {
    let of = |action: &str, prerelease: bool| {
        asked(&with(&[
            ("/action", json!(action)),
            ("/release/prerelease", json!(prerelease)),
        ]))
    };
    let candidate = of("published", true);
    assert_eq!(ids(&of("prereleased", true)), ids(&candidate));
    let release = of("published", false);
    assert_eq!(names(&release), ["production"]);
    assert_eq!(ids(&of("released", false)), ids(&release));
    // Promoted at GitHub, the same release with the same tag is asked for elsewhere, and as something else.
    assert_ne!(ids(&release), ids(&candidate));
    assert_eq!(release[0].requested.because, Cause::Release);
}

#[test]
fn another_release_of_the_same_tag_is_another_deployment() {
    let first = asked(&release());
    for change in [
        ("/release/id", json!(17_372_791)),
        ("/release/tag_name", json!("v1.2.0-rc.2")),
    ] {
        assert_ne!(ids(&asked(&with(&[change]))), ids(&first));
    }
}

#[test]
fn what_starts_nothing_is_ignored_with_its_reason_and_github_is_not_asked() {
    let mut without_test = application();
    without_test.environments.retain(|e| !e.on.contains(&Cause::Prerelease));
    let mut without_production = application();
    without_production
        .environments
        .retain(|e| !e.on.contains(&Cause::Release));
    let other = Application {
        repository: "acme/other".parse().unwrap(),
        ..application()
    };
    let here = Some(application());
    let action = |action: &str| vec![("/action", json!(action))];
    for (changes, application, reason) in [
        (action("created"), here.clone(), Reason::CreatedRelease),
        (action("edited"), here.clone(), Reason::EditedRelease),
        (action("deleted"), here.clone(), Reason::WithdrawnRelease),
        (action("unpublished"), here.clone(), Reason::WithdrawnRelease),
        (action("something_new"), here.clone(), Reason::AsksForNothing),
        (
            vec![
                ("/release/draft", json!(true)),
                ("/release/published_at", json!(null)),
                ("/action", json!("created")),
            ],
            here.clone(),
            Reason::DraftRelease,
        ),
        (
            vec![("/release/draft", json!(true))],
            here.clone(),
            Reason::DraftRelease,
        ),
        (vec![("/release/tag_name", json!(""))], here.clone(), Reason::TagMissing),
        (
            vec![("/release/tag_name", json!("x".repeat(256)))],
            here.clone(),
            Reason::TagMissing,
        ),
        (vec![("/repository/fork", json!(true))], here, Reason::Fork),
        (vec![], None, Reason::UnknownRepository),
        (vec![], Some(other), Reason::UnknownRepository),
        (vec![], Some(without_test), Reason::NoEnvironmentByPrerelease),
        (
            vec![("/release/prerelease", json!(false))],
            Some(without_production),
            Reason::NoEnvironmentByRelease,
        ),
    ] {
        let payload = with(&changes);
        let decision = decide(&payload, application.as_ref());
        assert_eq!(decision, Decision::Ignored(reason), "{changes:?}");
        assert_eq!(read(&payload).needs_commit(application.as_ref()), None, "{changes:?}");
    }
}

#[test]
fn a_tag_that_github_does_not_know_asks_for_nothing() {
    let event = read(&release());
    let application = application();
    assert_eq!(sought(&event, &application).unwrap(), "acme/shop v1.2.0-rc.1");
    let decision = asks(
        &event,
        Some(&application),
        &DELIVERY.parse().unwrap(),
        &Found::default(),
        now(),
    );
    assert_eq!(decision, Decision::Ignored(Reason::TagMissing));
}

#[test]
fn who_acted_when_and_under_which_title_is_taken_from_where_it_is() {
    let only = |payload: Value| asked(&payload).remove(0).requested;
    assert_eq!(only(release()).by, "ann");
    assert_eq!(only(with(&[("/sender", json!(null))])).by, "bob");
    let neither = with(&[("/sender", json!(null)), ("/release/author", json!(null))]);
    assert_eq!(only(neither).by, "");
    let at = |changes: &[(&str, Value)]| only(with(changes)).happened_at.to_string();
    assert_eq!(at(&[]), "2019-05-15T15:20:53Z");
    assert_eq!(at(&[("/release/published_at", json!(null))]), "2019-05-15T15:19:25Z");
    assert_eq!(
        at(&[
            ("/release/published_at", json!(null)),
            ("/release/created_at", json!(null))
        ]),
        now().to_string()
    );
    let untitled = Resolved {
        title: String::new(),
        ..resolved()
    };
    let Decision::Ask(deployments) = asks(
        &read(&release()),
        Some(&application()),
        &DELIVERY.parse().unwrap(),
        &found(untitled),
        now(),
    ) else {
        panic!()
    };
    assert_eq!(
        deployments[0].requested.title, "Prices",
        "the release's, where the commit has none"
    );
}

#[test]
fn f08_hostile_tags_and_titles_are_carried_inert() {
    for hostile in [
        "$(id)",
        "../../etc/passwd",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "a\r\nb: c",
        "nul\0",
        "\u{202e}gpj.exe",
        "🚀",
    ] {
        let payload = with(&[
            ("/release/tag_name", json!(hostile)),
            ("/release/name", json!(hostile)),
            ("/sender/login", json!(hostile)),
        ]);
        let event = read(&payload);
        assert_eq!(
            sought(&event, &application()),
            Some(format!("acme/shop {hostile}")),
            "what is asked is what GitHub sent"
        );
        let title = Resolved {
            title: format!("{hostile}\nrest"),
            ..resolved()
        };
        let Decision::Ask(deployments) = asks(
            &event,
            Some(&application()),
            &DELIVERY.parse().unwrap(),
            &found(title),
            now(),
        ) else {
            panic!("{hostile:?}")
        };
        assert_eq!(deployments[0].reference, harmless(hostile, 255));
        let line = serde_json::to_string(&deployments[0]).unwrap();
        assert!(
            !line.contains("\\n") && !line.contains("\\u00") && !line.contains('\u{202e}'),
            "{line}"
        );
    }
}

#[test]
fn f09_what_is_not_a_release_as_github_sends_it_is_malformed() {
    let good = release().to_string();
    let bad = [
        good.replace("17372790", "-1"),
        good.replace("17372790", "\"17372790\""),
        good.replace("\"draft\":false", "\"draft\":null"),
        good.replace("\"prerelease\":true", "\"prerelease\":1"),
        good.replace("\"tag_name\"", "\"tag\""),
        good.replace("\"action\"", "\"acted\""),
        good.replace("2019-05-15T15:20:53Z", "yesterday"),
        good.replace("acme/shop", "acme/../shop"),
        json!({ "repository": { "full_name": "acme/shop" } }).to_string(),
    ];
    for body in bad {
        assert_ne!(body, good);
        assert!(Event::read("release", body.as_bytes()).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_mutilated_release_makes_it_panic(at in any::<prop::sample::Index>(), length in 0_usize..30, put in any::<Vec<u8>>()) {
        let body = release().to_string().into_bytes();
        let start = at.index(body.len());
        let end = (start + length).min(body.len());
        let mutilated = [&body[..start], &put, &body[end..]].concat();
        if let Ok(event) = Event::read("release", &mutilated) {
            event.needs_commit(Some(&application()));
            asks(&event, Some(&application()), &DELIVERY.parse().unwrap(), &found(resolved()), now());
        }
    }

    /// Of one release at most two deployments are asked for in one environment: as a pre-release, and as a release.
    #[test]
    fn ids_are_equal_exactly_for_equal_releases_tags_and_kinds(
        a in (0_u64..3, "v[0-2]", any::<bool>(), "published|released|prereleased"),
        b in (0_u64..3, "v[0-2]", any::<bool>(), "published|released|prereleased"),
    ) {
        let deployments = |(id, tag, prerelease, action): &(u64, String, bool, String)| asked(&with(&[
            ("/release/id", json!(id)),
            ("/release/tag_name", json!(tag)),
            ("/release/prerelease", json!(prerelease)),
            ("/action", json!(action)),
        ]));
        let (one, two) = (deployments(&a), deployments(&b));
        prop_assert_eq!(ids(&one) == ids(&two), (a.0, &a.1, a.2) == (b.0, &b.1, b.2));
    }

    /// Whatever is asked for is asked for where the operators said so, of the commit that GitHub named, and GitHub is
    /// asked exactly where its answer can matter.
    #[test]
    fn nothing_is_asked_for_but_what_the_configuration_says(
        action in "published|prereleased|released|created|edited|deleted|unpublished|x",
        draft in any::<bool>(),
        prerelease in any::<bool>(),
        fork in any::<bool>(),
    ) {
        let payload = with(&[
            ("/action", json!(action)),
            ("/release/draft", json!(draft)),
            ("/release/prerelease", json!(prerelease)),
            ("/repository/fork", json!(fork)),
        ]);
        let here = application();
        let needs = read(&payload).needs_commit(Some(&here)).is_some();
        match decide(&payload, Some(&here)) {
            Decision::Ask(deployments) => {
                prop_assert!(needs && !draft && !fork);
                prop_assert!(["published", "prereleased", "released"].contains(&action.as_str()));
                let cause = if prerelease { Cause::Prerelease } else { Cause::Release };
                for deployment in &deployments {
                    prop_assert!(deployment.environment.on.contains(&cause));
                    prop_assert_eq!(deployment.requested.because, cause);
                    prop_assert_eq!(deployment.commit.as_str(), AFTER);
                }
            }
            Decision::Ignored(_) => prop_assert!(!needs),
        }
    }
}
