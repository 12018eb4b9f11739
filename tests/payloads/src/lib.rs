//! GitHub's own example payloads, from the npm package `@octokit/webhooks-examples`, which `npm ci` puts beside here.

use std::path::{Path, PathBuf};

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
