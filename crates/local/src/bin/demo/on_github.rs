//! What GitHub shows of the story.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use local::{GitHubStandIn, Trouble};
use serde_json::{Value, json};

/// How long Lockgate may take to tell GitHub the last of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was written there.
pub struct OnGitHub {
    /// Where its API is.
    pub url: String,
    written: Value,
    /// The release whose page is shown.
    page: Option<(String, String)>,
}

impl OnGitHub {
    /// Waits until GitHub knows how so many deployments of a repository ended.
    pub async fn of(github: &GitHubStandIn, repository: &str, deployments: usize, tag: &str) -> Self {
        let knows_all = |written: &Value| {
            let ended = written["deployments"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|deployment| {
                    states(deployment)
                        .iter()
                        .any(|state| ["success", "failure", "error"].contains(state))
                });
            ended.count() >= deployments
        };
        let told = async {
            while !knows_all(&github.written(repository)) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        // What it does not know by then is missing from what is shown, for everybody to see.
        let _ = tokio::time::timeout(PATIENCE, told).await;
        Self {
            url: github.url.clone(),
            written: github.written(repository),
            page: github.release_page(repository, tag).map(|page| (tag.to_owned(), page)),
        }
    }

    /// The deployments as GitHub lists them, and what a release's page says.
    pub fn text(&self) -> String {
        let mut rows = Table::new();
        rows.load_style(NOTHING);
        rows.set_header(["ON GITHUB", "COMMIT", "IS", "AND WAS"]);
        for deployment in self.deployments() {
            let mut states = states(deployment);
            let is = states.pop().unwrap_or_default();
            states.dedup();
            rows.add_row([
                deployment["environment"].as_str().unwrap_or_default(),
                deployment["sha"]
                    .as_str()
                    .and_then(|sha| sha.get(..12))
                    .unwrap_or_default(),
                is,
                &states.join(", "),
            ]);
        }
        let mut text = format!("\n{}\n", rows.trim_fmt());
        if let Some((tag, page)) = &self.page {
            let _ = writeln!(text, "\nThe page of {tag}:\n");
            for line in page.lines().filter(|line| !line.starts_with("<!--")) {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }

    /// The same, for programs.
    pub fn json(&self) -> Value {
        let deployments: Vec<Value> = self
            .deployments()
            .map(|deployment| {
                json!({
                    "environment": deployment["environment"],
                    "deployment": deployment["payload"]["lockgate"],
                    "states": states(deployment),
                })
            })
            .collect();
        json!({ "deployments": deployments })
    }

    fn deployments(&self) -> impl Iterator<Item = &Value> {
        self.written["deployments"].as_array().into_iter().flatten()
    }
}

/// Keeps every request that was made of GitHub, to be held against its own description of its API.
pub fn keep_requests(github: &GitHubStandIn, file: &Path) -> Result<(), Trouble> {
    let requests = json!(github.everything_asked());
    std::fs::write(file, requests.to_string()).map_err(Trouble::during("keeping GitHub's requests"))
}

fn states(deployment: &Value) -> Vec<&str> {
    let statuses = deployment["statuses"].as_array().into_iter().flatten();
    statuses.filter_map(|status| status["state"].as_str()).collect()
}
