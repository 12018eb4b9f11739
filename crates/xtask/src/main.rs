//! `cargo demo`, `cargo functions` and `cargo verify`: sets up everything they need, then runs what was asked.
//!
//! Nothing has to be done before: Python tools go into a virtual environment of our own, npm packages beside their lock
//! files, functions and the command into `target/lambda`. What is there and up to date is used again.

mod demo;
mod functions;
mod layers;
mod progress;
mod promised;
mod statemachine;
mod tools;
mod verify;

use std::process::ExitCode;

use progress::Progress;
use tools::Workspace;

const USAGE: &str = "usage: cargo demo [--yes] [--keep] [--json] [--port N]\n       cargo functions [--x86-64]\n       cargo verify [--only PART…]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let progress = Progress::new();
    let done = match task.as_str() {
        "demo" => demo::demo(&progress, &rest),
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
