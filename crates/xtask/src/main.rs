//! `cargo demo`, `cargo functions` and `cargo verify`: sets up everything they need, then runs what was asked.
//!
//! Nothing has to be done before: Python tools go into a virtual environment of our own, npm packages beside their lock
//! files, functions and the command into `target/lambda`. What is there and up to date is used again.

mod functions;
mod layers;
mod progress;
mod promised;
mod statemachine;
mod tools;
mod verify;

use std::io::Write as _;
use std::process::{Command, ExitCode};

use serde_json::json;

use progress::Progress;
use tools::Workspace;

const USAGE: &str = "usage: cargo demo [--yes] [--keep] [--json] [--port N]\n       cargo functions [--x86-64]\n       cargo verify [--only PART]…";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let progress = Progress::new();
    let done = match task.as_str() {
        "demo" => demo(&progress, &rest),
        "functions" => functions::build_for_aws(&progress, &rest),
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

fn ready(progress: &Progress) -> Result<Workspace, String> {
    let workspace = Workspace::set_up(progress)?;
    functions::build(&workspace, progress)?;
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "local"]);
    progress.run("Building the demo", &mut workspace.prepare(build))?;
    Ok(workspace)
}

/// Sets up, builds, and hands over to the demo itself.
fn demo(progress: &Progress, arguments: &[String]) -> Result<(), String> {
    let workspace = ready(progress).inspect_err(|sentence| {
        if arguments.iter().any(|argument| argument == "--json") {
            // As the demo says it of what it gives up itself.
            let told = json!({ "outcome": "failed", "why": sentence, "deployments": [] });
            let _ = writeln!(std::io::stdout(), "{told}");
        }
    })?;
    let mut demo = Command::new("cargo");
    demo.args(["run", "--quiet", "--package", "local", "--bin", "demo", "--"])
        .args(arguments);
    progress.hand_over("The demo", &mut workspace.prepare(demo))
}
