//! `cargo demo`: sets up, builds, and hands over to the demo itself.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;

use crate::functions;
use crate::progress::Progress;
use crate::tools::Workspace;

const USAGE: &str = "usage: cargo demo [--yes] [--keep] [--json] [--port N]
  --yes     answer as the tester's browser would, instead of waiting for you
  --keep    leave everything running until Ctrl-C, and print where it can be looked at
  --json    print one JSON object as the last line
  --port N  the port of the local AWS; without it, a free one";

/// Sets up, builds, and hands over.
pub fn demo(progress: &Progress, arguments: &[String]) -> Result<(), String> {
    let in_json = |sentence: &String| {
        if arguments.iter().any(|argument| argument == "--json") {
            // As the demo says it of what it gives up itself.
            let told = json!({ "outcome": "failed", "why": sentence, "deployments": [] });
            let _ = writeln!(std::io::stdout(), "{told}");
        }
    };
    let Some(options) = asked_for(arguments).inspect_err(in_json)? else {
        progress.say(USAGE);
        return Ok(());
    };
    let workspace = ready(progress).inspect_err(in_json)?;
    let mut demo = Command::new("cargo");
    demo.args(["run", "--quiet", "--package", "local", "--bin", "demo", "--"])
        .args(options);
    progress.hand_over("The demo", &mut workspace.prepare(demo))
}

/// The options as the demo takes them; nothing, where help is asked for. They are looked at before anything is set up,
/// which takes a quarter of an hour the first time. A leading `--`, as other tools want it after cargo, does no harm.
fn asked_for(arguments: &[String]) -> Result<Option<Vec<&str>>, String> {
    let mut options: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if options.first() == Some(&"--") {
        options.remove(0);
    }
    let mut left = options.iter();
    while let Some(option) = left.next() {
        match *option {
            "--yes" | "--keep" | "--json" => {}
            "--port" if left.next().is_some_and(|port| port.parse::<u16>().is_ok()) => {}
            port if port
                .strip_prefix("--port=")
                .is_some_and(|port| port.parse::<u16>().is_ok()) => {}
            "--help" | "-h" => return Ok(None),
            "--port" => return Err(format!("--port takes a number up to 65535\n{USAGE}")),
            unknown => return Err(format!("{unknown} is no option of cargo demo\n{USAGE}")),
        }
    }
    Ok(Some(options))
}

fn ready(progress: &Progress) -> Result<Workspace, String> {
    let workspace = Workspace::set_up(progress)?;
    functions::build(&workspace, progress)?;
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "local"]);
    progress.run("Building the demo", &mut workspace.prepare(build))?;
    Ok(workspace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mistyped_is_said_before_anything_is_set_up() {
        let asked = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let options = asked_for(&arguments);
            options.map(|options| options.map(|options| options.join(" ")))
        };
        for (text, options) in [
            ("", Some("")),
            ("--yes --json", Some("--yes --json")),
            ("-- --yes", Some("--yes")),
            ("--port 4566 --keep", Some("--port 4566 --keep")),
            ("--port=4566", Some("--port=4566")),
            ("--json --help", None),
        ] {
            assert_eq!(asked(text), Ok(options.map(str::to_owned)), "{text}");
        }
        for (text, sentence) in [
            ("--yess", "--yess is no option of cargo demo\nusage: cargo demo "),
            ("--yes --", "-- is no option of cargo demo\n"),
            ("--port", "--port takes a number up to 65535\n"),
            ("--port 70000", "--port takes a number up to 65535\n"),
        ] {
            let said = asked(text);
            assert!(
                said.as_ref().is_err_and(|said| said.starts_with(sentence)),
                "{text}: {said:?}"
            );
        }
    }
}
