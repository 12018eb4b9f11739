//! GitHub's own example payloads, from the npm package `@octokit/webhooks-examples`, and its own description of its API,
//! from `@octokit/openapi`; `npm ci` puts both beside here.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The collection of github.com itself.
pub const GITHUB_COM: &str = "api.github.com";

/// All collections: that of github.com, and those of the versions of GitHub Enterprise Server.
pub const COLLECTIONS: [&str; 6] = [GITHUB_COM, "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"];

/// A payload that GitHub once sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What `X-GitHub-Event` said.
    pub event: String,
    /// The body, to the byte.
    pub body: String,
}

/// Why there are no examples.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// They are not installed.
    #[error("{} cannot be read ({}); run npm ci in tests/payloads once, as cargo verify does", .0.display(), .1)]
    NotInstalled(PathBuf, std::io::Error),
    /// They are of another kind than those that this was written for.
    #[error("{} is not what it was: {}", .0.display(), .1)]
    Changed(PathBuf, serde_json::Error),
}

/// What of these requests (an array of `method`, `target` and `body`) is not as GitHub describes its API, a line each; nothing,
/// where all of it is.
///
/// # Errors
/// That Node.js, or what it needs from `npm ci`, is not there.
pub fn deviations(requests: &str) -> Result<String, std::io::Error> {
    let mut holding = Command::new("node")
        .arg("openapi.mjs")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = holding.stdin.take() {
        input.write_all(requests.as_bytes())?;
    }
    let held = holding.wait_with_output()?;
    let found = String::from_utf8_lossy(&held.stdout).into_owned();
    if held.status.success() || !found.is_empty() {
        return Ok(found);
    }
    Err(std::io::Error::other(
        String::from_utf8_lossy(&held.stderr).into_owned(),
    ))
}

/// The examples of a collection, in its order.
///
/// # Errors
/// [`Missing`], which says what to do about it.
pub fn examples(collection: &str) -> Result<Vec<Example>, Missing> {
    #[derive(Deserialize)]
    struct OfEvent {
        name: String,
        examples: Vec<Box<RawValue>>,
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules");
    let file = packages.join(format!("@octokit/webhooks-examples/{collection}/index.json"));
    let text = std::fs::read_to_string(&file).map_err(|error| Missing::NotInstalled(file.clone(), error))?;
    let all: Vec<OfEvent> = serde_json::from_str(&text).map_err(|error| Missing::Changed(file, error))?;
    let examples = all.into_iter().flat_map(|OfEvent { name, examples }| {
        examples.into_iter().map(move |body| Example {
            event: name.clone(),
            body: body.get().to_owned(),
        })
    });
    Ok(examples.collect())
}
