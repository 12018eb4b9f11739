//! The local AWS as a process: started, spoken to, and ended with all that it started.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::{Account, REGION, TOOLS, Trouble, python, repository, workspace};

/// How long it may take to start: seconds where nothing else runs, and far more on a machine that is busy.
const START_PATIENCE: Duration = Duration::from_mins(3);

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// By how much `rate(…)` schedules run slower than they say: 0.1 is ten times as often.
    pub schedule_scale: f64,
    /// Mail addresses that do not confirm that they want mail; all others do.
    pub unconfirmed: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            schedule_scale: 1.0,
            unconfirmed: Vec::new(),
        }
    }
}

/// The local AWS.
#[derive(Debug)]
pub struct Emulator {
    /// Where it answers.
    pub endpoint: String,
    folder: PathBuf,
    http: reqwest::Client,
    process: Child,
    // It ends when this is closed: whoever kills us leaves nothing behind.
    stdin: ChildStdin,
}

/// A state that an execution entered.
#[derive(Debug, Clone, Deserialize)]
pub struct EnteredState {
    /// The state's name.
    pub state: String,
    /// When it was entered, in milliseconds since 1970.
    pub entered_at_ms: f64,
    /// When it was left; nothing while the execution is there.
    pub exited_at_ms: Option<f64>,
}

impl EnteredState {
    /// How long it took; nothing while the execution is there.
    pub fn milliseconds(&self) -> Option<f64> {
        Some(self.exited_at_ms? - self.entered_at_ms)
    }
}

/// The states of an execution, and how many transitions AWS bills for them.
#[derive(Debug, Clone, Deserialize)]
pub struct Transitions {
    /// How many transitions AWS bills.
    pub transitions: u64,
    /// The states, in the order they were entered, those inside maps included.
    pub states: Vec<EnteredState>,
}

/// A mail that SNS delivered.
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// Whose address it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// An event that passed a bus.
#[derive(Debug, Clone, Deserialize)]
pub struct PassedEvent {
    /// Whose bus.
    pub bus_account: String,
    /// Whether it was dropped before the bus's rules saw it.
    pub lost: bool,
    /// All of it.
    pub event: Value,
}

impl Emulator {
    /// Starts it; everything it writes is below `folder`.
    pub async fn start(folder: &Path, options: &Options) -> Result<Self, Trouble> {
        #[derive(Deserialize)]
        struct Ready {
            endpoint: String,
        }
        let folder = folder.to_path_buf();
        let mirrors = folder.join("github");
        std::fs::create_dir_all(&mirrors).map_err(Trouble::during("making a folder"))?;
        let errors = std::fs::File::create(folder.join("emulator.stderr")).map_err(Trouble::during("making a log"))?;
        let unconfirmed = options
            .unconfirmed
            .iter()
            .flat_map(|address| ["--leave-pending", address]);
        let mut process = Command::new(python())
            .arg(workspace().join("crates/local/emulator"))
            .args([
                "--account",
                TOOLS,
                "--region",
                REGION,
                "--port",
                &options.port.to_string(),
            ])
            .args([
                "--schedule-scale",
                &options.schedule_scale.to_string(),
                "--auto-confirm-mail",
            ])
            .args(unconfirmed)
            .arg("--state-dir")
            .arg(&folder)
            .arg("--git-mirrors")
            .arg(&mirrors)
            .arg("--build-path")
            .arg(std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Ctrl-C reaches the whole foreground group. The emulator ends when our end of its pipe is closed, after the
            // last thing we ask of it, and not before.
            .process_group(0)
            .spawn()
            .map_err(Trouble::during(
                "starting the local AWS (cargo demo sets up what it needs)",
            ))?;
        let missing = || Trouble("the local AWS was started without pipes".to_owned());
        let stdin = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let mut line = String::new();
        let read = tokio::time::timeout(START_PATIENCE, BufReader::new(stdout).read_line(&mut line)).await;
        let ready: Ready = match read {
            Ok(Ok(_)) => serde_json::from_str(&line).map_err(|_| {
                let said = std::fs::read_to_string(folder.join("emulator.stderr")).unwrap_or_default();
                Trouble(format!("the local AWS did not start: {}", said.trim()))
            })?,
            _ => return Err(Trouble("the local AWS did not answer in time".to_owned())),
        };
        // The one TLS provider of the workspace; somebody else in this process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(Trouble::during("making an HTTP client"))?;
        Ok(Self {
            endpoint: ready.endpoint,
            folder,
            http,
            process,
            stdin,
        })
    }

    /// Where builds find the repository `owner/name`.
    pub fn mirror(&self, repository: &str) -> PathBuf {
        repository::mirror(&self.folder, repository)
    }

    /// Everything it and its builds wrote.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root of an account.
    pub async fn account(&self, id: &str) -> Account {
        Account::root(&self.endpoint, id).await
    }

    /// The HTTP client for everything on this machine.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What an execution went through.
    pub async fn transitions(&self, execution: &str) -> Result<Transitions, Trouble> {
        self.get(&format!("/_local/transitions?execution={execution}")).await
    }

    /// The mails of an account, oldest first.
    pub async fn mails(&self, account: &str) -> Result<Vec<Mail>, Trouble> {
        #[derive(Deserialize)]
        struct Inbox {
            mails: Vec<Mail>,
        }
        Ok(self
            .get::<Inbox>(&format!("/_local/inbox?account={account}"))
            .await?
            .mails)
    }

    /// The latest events that passed any account's buses and have this text in them, oldest first.
    pub async fn events_about(&self, text: &str) -> Result<Vec<PassedEvent>, Trouble> {
        #[derive(Deserialize)]
        struct Passed {
            events: Vec<PassedEvent>,
        }
        let passed = self.get::<Passed>("/_local/events").await?.events.into_iter();
        Ok(passed
            .filter(|passed| passed.event.to_string().contains(text))
            .collect())
    }

    /// What a function has logged, line by line.
    pub async fn log(&self, group: &str) -> Result<Vec<String>, Trouble> {
        #[derive(Deserialize)]
        struct Found {
            events: Vec<Line>,
            #[serde(rename = "nextToken")]
            next: Option<String>,
        }
        #[derive(Deserialize)]
        struct Line {
            message: String,
        }
        let what = format!("reading the log {group}");
        let mut lines = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut asked = json!({ "logGroupName": group });
            if let Some(next) = next {
                asked["nextToken"] = json!(next);
            }
            let answer = self
                .http
                .post(&self.endpoint)
                .header("x-amz-target", "Logs_20140328.FilterLogEvents")
                // A whole SDK for one call is too much, and of the root's signature the emulator reads the account.
                .header(
                    "authorization",
                    format!("AWS4-HMAC-SHA256 Credential={TOOLS}/20260101/{REGION}/logs/aws4_request, SignedHeaders=host, Signature=0"),
                )
                .header("content-type", "application/x-amz-json-1.1")
                .body(asked.to_string())
                .send()
                .await
                .and_then(reqwest::Response::error_for_status)
                .map_err(Trouble::during(&what))?;
            let found: Found = answer.json().await.map_err(Trouble::during(&what))?;
            lines.extend(found.events.into_iter().map(|line| line.message));
            next = found.next;
            if next.is_none() {
                return Ok(lines);
            }
        }
    }

    /// Drops the events of a source in an account, or stops doing so.
    pub async fn lose_events(&self, account: &str, source: &str, on: bool) -> Result<(), Trouble> {
        self.post(
            "/_local/events/lose",
            json!({ "account": account, "source": source, "on": on }),
        )
        .await
    }

    /// Drops from now on those events of a source in an account that have this text in their detail.
    pub async fn lose_events_about(&self, account: &str, source: &str, text: &str) -> Result<(), Trouble> {
        self.post(
            "/_local/events/lose",
            json!({ "account": account, "source": source, "on": true, "contains": text }),
        )
        .await
    }

    /// The builds of a project for a repository, `owner/name`, by their ids, whatever became of them.
    pub async fn builds(&self, project: &str, repository: &str) -> Result<Vec<String>, Trouble> {
        #[derive(Deserialize)]
        struct All {
            builds: Vec<Build>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Build {
            id: String,
            project_name: String,
            source: Source,
        }
        #[derive(Deserialize)]
        struct Source {
            location: String,
        }
        let location = format!("https://github.com/{repository}.git");
        let all = self.get::<All>("/_local/builds").await?.builds.into_iter();
        let of_both = all.filter(|build| build.project_name == project && build.source.location == location);
        Ok(of_both.map(|build| build.id).collect())
    }

    /// Lets calls fail, as the emulator's README says.
    pub async fn fail_calls(&self, which: Value) -> Result<(), Trouble> {
        self.post("/_local/fail", which).await
    }

    /// Ends it and waits until everything it started is gone.
    pub async fn stop(mut self) {
        drop(self.stdin);
        if tokio::time::timeout(Duration::from_secs(10), self.process.wait())
            .await
            .is_err()
        {
            let _ = self.process.kill().await;
        }
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, Trouble> {
        let what = format!("GET {path}");
        let answer = self
            .http
            .get(format!("{}{path}", self.endpoint))
            .send()
            .await
            .map_err(Trouble::during(&what))?;
        answer.json().await.map_err(Trouble::during(&what))
    }

    async fn post(&self, path: &str, body: Value) -> Result<(), Trouble> {
        let what = format!("POST {path}");
        let answer = self
            .http
            .post(format!("{}{path}", self.endpoint))
            .json(&body)
            .send()
            .await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .map(drop)
            .map_err(Trouble::during(&what))
    }
}
