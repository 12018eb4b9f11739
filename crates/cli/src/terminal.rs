//! What people see. Colour only on a terminal, and never where `NO_COLOR` is set (no-color.org).

use std::io::{IsTerminal, Write, stderr, stdout};

/// The command's result, alone on standard output so that a script can take it.
pub fn print(result: &str) {
    // Nobody is left to tell when the reader went away.
    let _ = writeln!(stdout().lock(), "{result}");
}

/// A line about what is being done.
pub fn say(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// The beginning of a line whose rest is for somebody to type.
pub fn ask(text: &str) {
    let mut stderr = stderr().lock();
    let _ = write!(stderr, "{text}");
    let _ = stderr.flush();
}

/// A line about something that is not as it should be, but does not stop anything.
pub fn warn(line: &str) {
    say(&format!("{} {line}", painted("warning:", "33")));
}

/// Why the command could not do what it was asked.
pub fn complain(error: &str) {
    say(&format!("{} {error}", painted("error:", "31")));
}

fn painted(word: &str, colour: &str) -> String {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stderr().is_terminal() && !no_color {
        format!("\u{1b}[1;{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}
