//! What is happening and how long it has taken: a spinner on a terminal, plain lines elsewhere.

use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How many of the last lines of a failed command are shown.
const LAST_LINES: usize = 60;

/// Tells people how far it is.
pub struct Progress {
    terminal: bool,
    logs: PathBuf,
}

impl Progress {
    /// Speaks to stderr, so that stdout is for results.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            logs: crate::tools::private().join("logs"),
        }
    }

    /// Says a sentence.
    pub fn say(&self, sentence: &str) {
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }

    /// Runs a command whose output goes to a log, and shows the end of that log where it fails.
    pub fn run(&self, what: &str, command: &mut Command) -> Result<(), String> {
        let log = self.log(what)?;
        let (out, err) = (open(&log)?, open(&log)?);
        self.act(what, || {
            let status = command
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                .status()
                .map_err(|error| {
                    format!(
                        "{what}: {} cannot be started: {error}.",
                        command.get_program().to_string_lossy()
                    )
                })?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("{what} failed.\n{}", tail(&log)))
            }
        })
    }

    /// Runs a command whose output is what people, and whoever counts passed tests, want to see.
    pub fn show(&self, what: &str, command: &mut Command) -> Result<(), String> {
        self.say(&format!("\n--- {what}"));
        let began = Instant::now();
        let status = command.stdin(Stdio::null()).status().map_err(|error| {
            format!(
                "{what}: {} cannot be started: {error}.",
                command.get_program().to_string_lossy()
            )
        })?;
        self.say(&format!("--- {what}: {}", seconds(began.elapsed())));
        if status.success() {
            Ok(())
        } else {
            Err(format!("{what} failed; its output is above."))
        }
    }

    /// Does something that takes a while.
    pub fn act<T>(&self, what: &str, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let began = Instant::now();
        let bar = if self.terminal {
            spinner(what)
        } else {
            ProgressBar::hidden()
        };
        if !self.terminal {
            self.say(&format!("{what} …"));
        }
        let done = act();
        bar.finish_and_clear();
        let took = seconds(began.elapsed());
        self.say(&if done.is_ok() {
            format!("{what}: {took}")
        } else {
            format!("{what}: failed after {took}")
        });
        done
    }

    fn log(&self, what: &str) -> Result<PathBuf, String> {
        fs::create_dir_all(&self.logs).map_err(|error| format!("{} cannot be made: {error}.", self.logs.display()))?;
        let name: String = what
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .collect();
        let log = self.logs.join(format!("{name}.log"));
        fs::write(&log, "").map_err(|error| format!("{} cannot be written: {error}.", log.display()))?;
        Ok(log)
    }
}

fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}

fn open(log: &PathBuf) -> Result<File, String> {
    File::options()
        .append(true)
        .open(log)
        .map_err(|error| format!("{} cannot be written: {error}.", log.display()))
}

fn tail(log: &PathBuf) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    format!("{last}\nAll of it: {}", log.display())
}
