//! `cargo demo`: a merge to `main` reaches dev, a pre-release of it test, where people accept it, and a release of it
//! production, which goes back by itself when customers are failed; on the local AWS, where only AWS and GitHub are stood in
//! for.

mod customers;
mod on_github;
mod screen;
mod story;
mod summary;

use std::process::ExitCode;

use clap::Parser;
use local::{Emulator, Trouble, alone, emulator, workspace};
use serde_json::Value;

use screen::Screen;
use story::Answering;

/// Runs Lockgate on this machine: builds, deploys and tests the example application, has it accepted, releases it, and takes
/// back the version that fails its customers.
#[derive(Debug, Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Arguments {
    /// Accept the release without asking you; otherwise it waits for a click in your browser.
    #[arg(long)]
    yes: bool,
    /// Leave everything running until Ctrl-C, and say where it can be looked at.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
    /// The port of the local AWS; a free one by default.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let trouble = Trouble(format!("The demo cannot start: {error}."));
            return give_up(&Screen::new(), &arguments, &trouble);
        }
    };
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> ExitCode {
    let screen = Screen::new();
    let folder = workspace().join("target/lockgate/demo");
    let _alone = match alone(&folder, "Another demo is running; end that one first.") {
        Ok(lock) => lock,
        Err(trouble) => return give_up(&screen, arguments, &trouble),
    };
    let _ = std::fs::remove_dir_all(&folder);
    let options = emulator::Options {
        port: arguments.port,
        // Ten times as many sweeps: what takes a minute in production takes six seconds here.
        schedule_scale: 0.1,
        ..emulator::Options::default()
    };
    let started = screen
        .act("Starting the local AWS", Emulator::start(&folder, &options))
        .await;
    let emulator = match started {
        Ok(emulator) => emulator,
        Err(trouble) => return give_up(&screen, arguments, &trouble),
    };
    let answering = if arguments.yes {
        Answering::Demo
    } else {
        Answering::Person
    };
    let told = tokio::select! {
        told = story::tell(&emulator, &screen, answering) => told,
        _ = tokio::signal::ctrl_c() => Err(Trouble("Stopped by Ctrl-C.".to_owned())),
    };
    let code = match told {
        Ok(summary) => {
            screen.result(&summary.table());
            if arguments.keep {
                screen.say(&summary.places(&emulator));
                screen.say("Everything keeps running until Ctrl-C.");
                let _ = tokio::signal::ctrl_c().await;
            }
            if arguments.json {
                let told = summary.json(measured().as_ref());
                screen.result(&told.to_string());
            }
            if summary.went_well() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(trouble) => give_up(&screen, arguments, &trouble),
    };
    emulator.stop().await;
    code
}

/// What `cargo verify --only weight` measured last: it takes a release build, which a demo does not wait for.
fn measured() -> Option<Value> {
    let file = workspace().join("target/lockgate/figures.json");
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn give_up(screen: &Screen, arguments: &Arguments, trouble: &Trouble) -> ExitCode {
    screen.say(&trouble.to_string());
    if arguments.json {
        screen.result(&summary::json_of_trouble(trouble).to_string());
    }
    ExitCode::FAILURE
}
