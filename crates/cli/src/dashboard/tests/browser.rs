//! The pages in a real browser, as people look at them.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use super::scene::scene;
use crate::dashboard::serving::Server;

/// What `tests/browser/dashboard.mjs` saw.
#[derive(Debug, Deserialize)]
struct Seen {
    /// The headings that somebody without JavaScript came by, from the overview over a deployment and back.
    way: Vec<String>,
    /// The links of the keyboard, in order, up to the first deployment's.
    keys: Vec<String>,
    /// How often a page was asked for in the time in which it is asked for anew, and once that was stopped.
    refreshed: u32,
    stopped: u32,
    /// The statuses of each page that axe looked at.
    inspected: BTreeMap<String, Vec<u16>>,
    /// The paths of everything that was loaded.
    requests: Vec<String>,
    faults: Vec<String>,
}

/// The pictures that the documentation shows.
const SHOWN: [&str; 5] = [
    "dashboard-shown-light.png",
    "dashboard-shown-dark.png",
    "dashboard-shown-narrow.png",
    "dashboard-shown-deployment.png",
    "dashboard-shown-figures.png",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_person_looks_around_in_a_browser_without_javascript_and_axe_finds_no_fault() {
    let (_aws, source) = scene().await;
    let server = Server::listen(0).await.unwrap();
    let address = format!("http://127.0.0.1:{}", server.port());
    tokio::spawn(server.serve(source));
    let pictures = workspace().join("target/lockgate/pictures");
    let browser = Command::new("node")
        .arg(workspace().join("tests/browser/dashboard.mjs"))
        .arg(&address)
        .arg(&pictures)
        .output()
        .await
        .expect("node can be started; `cargo run --package xtask -- setup` says what it needs");
    let printed = String::from_utf8_lossy(&browser.stdout);
    let seen: Seen = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error}: {printed}{}", String::from_utf8_lossy(&browser.stderr)));
    assert_eq!(seen.faults, Vec::<String>::new());
    assert!(browser.status.success(), "{seen:#?}");
    assert_eq!(
        seen.way,
        [
            "2 deployments are under way",
            "v2.4.0-rc.1 in test",
            "2 deployments are under way",
            "acme/shop",
            "There is no such page",
        ]
    );
    assert!(seen.keys.contains(&"v2.4.0-rc.1".to_owned()), "{seen:#?}");
    assert!(seen.refreshed >= 2, "{seen:#?}");
    assert_eq!(seen.stopped, 1, "{seen:#?}");
    let inspected = [
        ("dashboard", 200),
        ("dashboard-application", 200),
        ("dashboard-deployment", 200),
        ("dashboard-failed", 200),
        ("dashboard-nothing", 404),
    ];
    let inspected = inspected.map(|(page, status)| (page.to_owned(), vec![status]));
    assert_eq!(seen.inspected, BTreeMap::from(inspected));
    let ours = |path: &String| {
        path == "/"
            || ["/applications/", "/deployments/", "/nothing"]
                .iter()
                .any(|begins| path.starts_with(begins))
    };
    assert!(
        seen.requests.iter().all(ours),
        "nothing else is loaded: {:?}",
        seen.requests
    );
    // Into the documentation where somebody asks for that, so that a test changes no files.
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        for picture in SHOWN {
            let name = picture.replace("-shown", "");
            std::fs::copy(pictures.join(picture), workspace().join("docs/pictures").join(name)).unwrap();
        }
    }
}
