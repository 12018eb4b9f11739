//! Planning and publishing.

use domain::failure::Name;
use domain::names::Digest;
use domain::release::object_key;
use serde_json::json;

use crate::shop::{BOOTSTRAP, Shop, TEMPLATE};

#[tokio::test]
async fn a_plan_is_waves_of_names() {
    let shop = Shop::new().await;
    let planned = shop.ask("plan", json!({})).await.unwrap();
    assert_eq!(
        serde_json::to_value(planned).unwrap(),
        json!({ "outcome": "planned", "waves": [{ "stacks": ["shop-dev"] }], "prepares": [] })
    );
}

#[tokio::test]
async fn what_people_decide_on_is_what_waits_for_nothing_and_what_is_only_looked_at_is_all() {
    let (asking, planning, plain) = (Shop::asking_before().await, Shop::planning().await, Shop::new().await);
    for (shop, leg, then) in [
        (&asking, "forward", "to_prepare"),
        (&planning, "forward", "to_prepare"),
        (&plain, "forward", "published"),
    ] {
        let published = json!(shop.ask("publish", json!({ "leg": leg })).await.unwrap());
        assert_eq!(published["outcome"], then);
        let planned = json!(shop.ask("plan", json!({ "leg": leg })).await.unwrap());
        let prepares = if then == "to_prepare" {
            json!(["shop-dev"])
        } else {
            json!([])
        };
        assert_eq!(planned["prepares"], prepares);
    }
}

#[tokio::test]
async fn a_release_that_is_missing_or_altered_is_refused_before_anything_is_read_from_it() {
    let shop = Shop::new().await;
    let index = format!("artifacts/releases/{}.json", shop.release);
    shop.aws.state().objects.get_mut(&index).unwrap().push(b' ');
    assert_eq!(
        shop.ask("plan", json!({})).await.unwrap_err().name(),
        Name::ReleaseAltered
    );
    shop.aws.state().objects.remove(&index);
    assert_eq!(
        shop.ask("plan", json!({})).await.unwrap_err().name(),
        Name::ReleaseMissing
    );
}

#[tokio::test]
async fn what_is_there_is_not_copied_again() {
    let shop = Shop::new().await;
    let publish = async || serde_json::to_value(shop.ask("publish", json!({})).await.unwrap()).unwrap();
    assert_eq!(
        publish().await,
        json!({ "outcome": "published", "copied": 1, "present": 0 })
    );
    assert_eq!(
        publish().await,
        json!({ "outcome": "published", "copied": 0, "present": 1 })
    );
    let to = format!("{BOOTSTRAP}/{}.json", Digest::of(TEMPLATE));
    assert_eq!(shop.aws.state().objects[&to], TEMPLATE);
    let role = &shop.aws.calls("AssumeRole")[0];
    assert_eq!(
        role["RoleArn"],
        "arn:aws:iam::222222222222:role/lockgate-publisher-eu-west-1"
    );
    assert_eq!(role["ExternalId"], "lockgate-1");
}

#[tokio::test]
async fn eight_files_are_copied_at_once_and_no_more() {
    let names: Vec<String> = (0..20).map(|number| format!("shop-{number}")).collect();
    let artifacts = names.iter().map(|name| {
        let stack = json!({
            "type": "aws:cloudformation:stack", "environment": "aws://222222222222/eu-west-1",
            "properties": { "templateFile": format!("{name}.template.json"), "stackName": name },
        });
        (name.clone(), stack)
    });
    let artifacts: serde_json::Map<_, _> = artifacts.collect();
    let manifest = json!({ "version": "50.0.0", "artifacts": artifacts }).to_string();
    let templates = names.iter().map(|name| {
        let template = json!({ "Resources": {}, "Description": name }).to_string();
        (format!("{name}.template.json"), template)
    });
    let templates: Vec<(String, String)> = templates.collect();
    let files: Vec<(&str, &[u8])> = templates
        .iter()
        .map(|(path, template)| (path.as_str(), template.as_bytes()))
        .collect();
    let shop = Shop::of(&manifest, &files).await;
    shop.aws.lingers("CopyObject");
    let published = serde_json::to_value(shop.ask("publish", json!({})).await.unwrap()).unwrap();
    assert_eq!(published, json!({ "outcome": "published", "copied": 20, "present": 0 }));
    assert_eq!(shop.aws.most_at_once("CopyObject"), 8);
}

#[tokio::test]
async fn what_is_not_what_its_name_says_is_not_published() {
    let shop = Shop::new().await;
    let object = format!("artifacts/{}", object_key(&Digest::of(TEMPLATE)));
    shop.aws.state().altered.insert(object.clone());
    assert_eq!(
        shop.ask("publish", json!({})).await.unwrap_err().name(),
        Name::ReleaseAltered
    );

    let shop = Shop::new().await;
    shop.aws.state().objects.insert(object, vec![b' '; TEMPLATE.len()]);
    assert_eq!(
        shop.ask("publish", json!({})).await.unwrap_err().name(),
        Name::ReleaseAltered
    );
    let published = shop.aws.state().objects.keys().any(|key| key.starts_with(BOOTSTRAP));
    assert!(!published);
}

#[tokio::test]
async fn an_account_without_bootstrap_is_told_the_command() {
    let shop = Shop::new().await;
    shop.aws.state().buckets.clear();
    let error = shop.ask("publish", json!({})).await.unwrap_err();
    assert_eq!(error.name(), Name::BootstrapMissing);
    let cause = error.to_string();
    assert!(
        cause.contains("`cdk bootstrap aws://222222222222/eu-west-1 --trust 111111111111 "),
        "{cause}"
    );
}
