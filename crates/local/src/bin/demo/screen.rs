//! What people see while they wait: a spinner on a terminal, plain lines elsewhere.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use local::Trouble;

/// The terminal, or what stands in its place.
pub struct Screen {
    terminal: bool,
}

impl Screen {
    /// Results go to stdout, everything else to stderr.
    pub fn new() -> Self {
        Self {
            // A spinner beside a stdout that goes to a file or a program would be for nobody.
            terminal: std::io::stderr().is_terminal() && std::io::stdout().is_terminal(),
        }
    }

    /// Whether somebody reads along.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Says something on the way.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Shows a result.
    pub fn result(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Does something that takes a while.
    pub async fn act<T>(&self, what: &str, act: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let bar = self.begin(what);
        let began = Instant::now();
        let done = act.await;
        bar.finish_and_clear();
        let took = Self::seconds(began.elapsed());
        self.say(&if done.is_ok() {
            format!("  {what}  {took}")
        } else {
            format!("  {what}: failed after {took}")
        });
        done
    }

    /// A spinner whose message can change; where there is no terminal, a line.
    pub fn begin(&self, what: &str) -> ProgressBar {
        if !self.terminal {
            self.say(&format!("  {what} …"));
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner()
            .with_message(what.to_owned())
            // Where Ctrl-C ends it, nothing of it stays on the screen.
            .with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A duration as it is shown.
    pub fn seconds(duration: Duration) -> String {
        format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
    }
}
