//! What is happening and how long it has taken: a spinner on a terminal, plain lines elsewhere.

use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How many of the last lines of a failed command are shown.
const LAST_LINES: usize = 60;

const INTERRUPTED: &str = "Stopped by Ctrl-C.";

/// Tells people how far it is.
pub struct Progress {
    terminal: bool,
    logs: PathBuf,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    /// Speaks to stderr, so that stdout is for results.
    ///
    /// From now on, Ctrl-C does not end this process: it reaches the child that is running as well, and whoever waits in
    /// front of the terminal gets it back when that has tidied up, and not before. No further child is started.
    pub fn new() -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        // Where it cannot be registered, Ctrl-C does what it does anyway.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone());
        Self {
            terminal: std::io::stderr().is_terminal() && std::io::stdout().is_terminal(),
            logs: crate::tools::private().join("logs"),
            interrupted,
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
            let status = self.wait(what, command.stdin(Stdio::null()).stdout(out).stderr(err))?;
            self.judge(status, || format!("{what} failed.\n{}", tail(&log)))
        })
    }

    /// Runs a command whose stdout is a result; people see it when it is complete.
    pub fn read(&self, what: &str, command: &mut Command) -> Result<String, String> {
        self.say(&format!("\n--- {what}"));
        let began = Instant::now();
        self.go_on()?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let output = child
            .and_then(std::process::Child::wait_with_output)
            .map_err(|error| not_started(what, command, &error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let _ = write!(std::io::stdout(), "{text}");
        self.say(&format!("--- {what}: {}", seconds(began.elapsed())));
        self.judge(output.status, || format!("{what} failed; its output is above."))?;
        Ok(text)
    }

    /// Leaves the terminal to a command, which says itself what happens.
    pub fn hand_over(&self, what: &str, command: &mut Command) -> Result<(), String> {
        let status = self.wait(what, command)?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{what} stopped early; its last message says why."))
        }
    }

    /// Runs a command whose output is what people, and whoever counts passed tests, want to see.
    pub fn show(&self, what: &str, command: &mut Command) -> Result<(), String> {
        self.say(&format!("\n--- {what}"));
        let began = Instant::now();
        let status = self.wait(what, command.stdin(Stdio::null()))?;
        self.say(&format!("--- {what}: {}", seconds(began.elapsed())));
        self.judge(status, || format!("{what} failed; its output is above."))
    }

    fn wait(&self, what: &str, command: &mut Command) -> Result<ExitStatus, String> {
        self.go_on()?;
        command.status().map_err(|error| not_started(what, command, &error))
    }

    fn go_on(&self) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(INTERRUPTED.to_owned())
        } else {
            Ok(())
        }
    }

    /// A child that Ctrl-C ended has not failed.
    fn judge(&self, status: ExitStatus, failed: impl FnOnce() -> String) -> Result<(), String> {
        if status.success() {
            return Ok(());
        }
        self.go_on()?;
        Err(failed())
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

fn not_started(what: &str, command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    format!("{what}: {program} cannot be started: {error}.")
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;

    use super::*;

    /// What stands in the middle in the test below: it runs a child and waits for it, as `cargo demo` does.
    #[test]
    #[ignore = "the test below starts it as a process of its own"]
    fn stand_in_the_middle() {
        let progress = Progress::new();
        let mut child = Command::new("sh");
        child.args([
            "-c",
            "trap 'sleep 0.5; echo tidied up; exit 0' INT; echo began; while :; do sleep 0.1; done",
        ]);
        let done = progress.hand_over("A child", &mut child);
        let after = progress.hand_over("Another child", &mut Command::new("true"));
        writeln!(std::io::stdout(), "{done:?} {after:?}").unwrap();
    }

    #[test]
    fn ctrl_c_is_waited_out_until_the_child_has_tidied_up() {
        let mut middle = Command::new(std::env::current_exe().unwrap())
            .args([
                "progress::tests::stand_in_the_middle",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // As in front of a terminal: the whole group gets the signal.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(middle.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        // Where one test runs at a time, its name stands before it.
        assert!(lines.any(|line| line.ends_with("began")));
        let group = format!("-{}", middle.id());
        let kill = Command::new("sh")
            .args(["-c", "kill -s INT -- \"$0\"", &group])
            .status();
        assert!(kill.unwrap().success());
        assert!(middle.wait().unwrap().success(), "it is not ended by the signal");
        let rest: Vec<String> = lines.collect();
        let place = |text: &str| rest.iter().position(|line| line.contains(text));
        let told = place("Ok(()) Err(\"Stopped by Ctrl-C.\")");
        assert!(place("tidied up").is_some() && place("tidied up") < told, "{rest:#?}");
        let survivors = Command::new("sh")
            .args(["-c", "kill -s 0 -- \"$0\"", &group])
            .stderr(Stdio::null())
            .status();
        assert!(!survivors.unwrap().success(), "nobody is left in its group");
    }
}
