//! `cargo demo` and `cargo verify`: sets up everything they need, then runs what was asked.
//!
//! Nothing has to be done before: Python tools go into a virtual environment of our own, npm packages beside their lock
//! files, functions and the command into `target/lambda`. What is there and up to date is used again.

mod functions;
mod layers;
mod progress;
mod statemachine;
mod tools;
mod verify;

use std::process::{Command, ExitCode};

use progress::Progress;
use tools::Workspace;

const USAGE: &str = "usage: cargo demo [--yes] [--keep] [--json] [--port N]\n       cargo verify [--only PART]…";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let progress = Progress::new();
    let done = match task.as_str() {
        "demo" => demo(&progress, &rest),
        "verify" => verify::verify(&progress, &rest),
        "setup" => Workspace::set_up(&progress).and_then(|workspace| functions::build(&workspace, &progress)),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            progress.say(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Sets up, builds, and hands over to the demo itself.
fn demo(progress: &Progress, arguments: &[String]) -> Result<(), String> {
    let workspace = Workspace::set_up(progress)?;
    functions::build(&workspace, progress)?;
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "local"]);
    progress.run("Building the demo", &mut workspace.prepare(build))?;
    let mut demo = Command::new("cargo");
    demo.args(["run", "--quiet", "--package", "local", "--bin", "demo", "--"])
        .args(arguments);
    match workspace.prepare(demo).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("The demo did not come to its end; what it said last says why.".to_owned()),
        Err(error) => Err(format!("cargo cannot be started: {error}.")),
    }
}
