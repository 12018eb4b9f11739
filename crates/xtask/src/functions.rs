//! The Lambda functions and the command, built by cargo-lambda.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::progress::Progress;
use crate::tools::{Workspace, private};

/// Every package that becomes a function.
pub const FUNCTIONS: [&str; 9] = [
    "lockgate-webhook",
    "lockgate-gate",
    "lockgate-build",
    "lockgate-deploy",
    "lockgate-smoke-test",
    "lockgate-approval",
    "lockgate-rollback",
    "lockgate-report",
    "lockgate-sweep",
];

/// Builds for the local AWS, which runs what this machine runs, with the profile of the tests.
pub fn build(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let mut command = Command::new(workspace.python_tool("cargo-lambda"));
    // The host's own linker: artifacts are then those that cargo's other commands share.
    command.args([
        "lambda",
        "build",
        "--compiler",
        "cargo",
        "--skip-target-check",
        "--package",
        "cli",
    ]);
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    progress.run(
        "Building the functions (the first time takes minutes)",
        &mut workspace.prepare(command),
    )?;
    strip(workspace.root());
    place_command(workspace.root())
}

/// What functions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    Arm64,
    X86_64,
}

impl Architecture {
    fn asked_for(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self::Arm64),
            [flag] if flag == "--x86-64" => Ok(Self::X86_64),
            _ => Err("usage: cargo functions [--x86-64]".to_owned()),
        }
    }

    const fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// Of `cargo lambda build`.
    const fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86_64 => "--x86-64",
        }
    }

    fn without_library(self) -> String {
        let (target, other) = match self {
            Self::Arm64 => (
                self.target(),
                "`cargo functions --x86-64` builds for x86_64, which `cdk deploy -c architecture=x86_64` deploys",
            ),
            Self::X86_64 => (
                self.target(),
                "`cargo functions` builds for arm64, which is what `cdk deploy` deploys by itself",
            ),
        };
        format!("Rust cannot build for {target} yet: `rustup target add {target}` mends that, or {other}.")
    }
}

/// Builds functions and command for AWS, where the CDK app looks for them.
pub fn build_for_aws(progress: &Progress, arguments: &[String]) -> Result<(), String> {
    let architecture = Architecture::asked_for(arguments)?;
    // Before anything is installed: this is what is most likely missing, and quickly seen.
    if !library_is_there(architecture.target())? {
        return Err(architecture.without_library());
    }
    let workspace = Workspace::set_up(progress)?;
    let mut command = Command::new(workspace.python_tool("cargo-lambda"));
    command.args([
        "lambda",
        "build",
        "--release",
        architecture.flag(),
        "--skip-target-check",
    ]);
    command.args(["--package", "cli"]);
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    progress.run(
        &format!("Building the functions for {} (minutes)", architecture.target()),
        &mut workspace.prepare(command),
    )?;
    place_command(workspace.root())?;
    progress.say("Functions and command are in target/lambda, where `cdk deploy` takes them from.");
    Ok(())
}

/// Whether the standard library of a target is installed, by rustup or otherwise.
fn library_is_there(target: &str) -> Result<bool, String> {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    let answer = asked.map_err(|error| format!("rustc cannot be started: {error}."))?;
    let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Ok(answer.status.success() && fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()))
}

/// The most a function may weigh, zipped, in bytes: beyond that, cold starts and uploads are felt.
const WEIGHT_LIMIT: u64 = 4_000_000;

/// Builds as for AWS, with this machine's own architecture, weighs what would be uploaded, measures how its webhook takes
/// deliveries in, and keeps the figures for [`FIGURES`].
pub fn weigh(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let folder = workspace.root().join("target/lockgate/release");
    let mut command = Command::new(workspace.python_tool("cargo-lambda"));
    command.args([
        "lambda",
        "build",
        "--release",
        "--compiler",
        "cargo",
        "--skip-target-check",
    ]);
    command.args(["--output-format", "zip", "--lambda-dir"]).arg(&folder);
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    progress.run(
        "Building the functions for release (minutes)",
        &mut workspace.prepare(command),
    )?;
    let mut heavy = Vec::new();
    let mut weights = serde_json::Map::new();
    for function in FUNCTIONS {
        let zip = folder.join(function).join("bootstrap.zip");
        let weight = fs::metadata(&zip)
            .map_err(|error| format!("{} cannot be read: {error}.", zip.display()))?
            .len();
        progress.say(&format!(
            "  {function:<20} {:>5} kB zipped, at most {}",
            weight / 1000,
            WEIGHT_LIMIT / 1000
        ));
        if weight > WEIGHT_LIMIT {
            heavy.push(function);
        }
        weights.insert(function.to_owned(), json!({ "zipped_bytes": weight }));
    }
    let intake = measure_intake(workspace, progress, &folder)?;
    keep_figures(workspace, &Value::Object(weights), &intake)?;
    if heavy.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "Above {} kB zipped: {}.",
            WEIGHT_LIMIT / 1000,
            heavy.join(", ")
        ))
    }
}

/// Where the demo finds the figures that take a release build.
const FIGURES: &str = "figures.json";

/// Takes the webhook out of the very file that would be uploaded, and measures that.
fn measure_intake(workspace: &Workspace, progress: &Progress, folder: &Path) -> Result<Value, String> {
    let webhook = folder.join("lockgate-webhook");
    let mut unpack = Command::new(workspace.python_tool("python"));
    unpack
        .args(["-m", "zipfile", "--extract"])
        .args([webhook.join("bootstrap.zip"), webhook.clone()]);
    progress.run("Unpacking the webhook", &mut workspace.prepare(unpack))?;
    let binary = webhook.join("bootstrap");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("{} cannot be made executable: {error}.", binary.display()))?;
    let mut intake = Command::new("cargo");
    intake
        .args([
            "run",
            "--quiet",
            "--package",
            "local",
            "--bin",
            "intake",
            "--",
            "--json",
            "--binary",
        ])
        .arg(&binary);
    let printed = progress.read("How the webhook takes deliveries in", &mut workspace.prepare(intake))?;
    last_line(&printed)
}

fn keep_figures(workspace: &Workspace, functions: &Value, intake: &Value) -> Result<(), String> {
    let mut describe = Command::new("git");
    describe.args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]);
    let commit = workspace.prepare(describe).output();
    let commit = commit.map_err(|error| format!("git cannot be started: {error}."))?;
    let figures = json!({
        "commit": String::from_utf8_lossy(&commit.stdout).trim(),
        "architecture": std::env::consts::ARCH,
        "functions": functions,
        "intake": intake,
    });
    let file = private().join(FIGURES);
    fs::write(&file, format!("{figures:#}\n"))
        .map_err(|error| format!("{} cannot be written: {error}.", file.display()))
}

/// The JSON object that a command printed last.
pub fn last_line(printed: &str) -> Result<Value, String> {
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| format!("The last line is no JSON object ({error}): {line}"))
}

/// Takes the symbols out of what is uploaded: a profile of its own that does this would compile the AWS SDK once more.
///
/// The linker's package brings `strip`; without it, everything works and takes a few seconds longer.
fn strip(root: &Path) {
    for binary in FUNCTIONS.iter().chain(&["lockgate"]) {
        let _ = Command::new("strip")
            .arg(root.join("target/lambda").join(binary).join("bootstrap"))
            .status();
    }
}

/// Puts `lockgate` where the CDK app takes it from: builds run it under its own name.
fn place_command(root: &Path) -> Result<(), String> {
    let built = root.join("target/lambda/lockgate/bootstrap");
    let folder = root.join("target/lambda/lockgate-cli");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(&built, folder.join("lockgate")))
        .map(drop)
        .map_err(|error| format!("{} cannot be put into {}: {error}.", built.display(), folder.display()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_its_library_is_seen_and_said_with_both_remedies() {
        let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
        let host = String::from_utf8(host.stdout).unwrap();
        assert_eq!(library_is_there(host.trim()), Ok(true));
        // Nobody distributes a library for it.
        assert_eq!(library_is_there("avr-none"), Ok(false));
        assert_eq!(library_is_there("no-such-target"), Ok(false));
        assert_eq!(
            Architecture::Arm64.without_library(),
            "Rust cannot build for aarch64-unknown-linux-gnu yet: `rustup target add aarch64-unknown-linux-gnu` mends \
             that, or `cargo functions --x86-64` builds for x86_64, which `cdk deploy -c architecture=x86_64` deploys."
        );
        assert!(
            Architecture::X86_64
                .without_library()
                .contains("or `cargo functions` builds for arm64")
        );
    }

    #[test]
    fn arm64_is_built_unless_x86_64_is_asked_for() {
        let given = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(Architecture::asked_for(&given(&[])), Ok(Architecture::Arm64));
        assert_eq!(Architecture::asked_for(&given(&["--x86-64"])), Ok(Architecture::X86_64));
        assert!(Architecture::asked_for(&given(&["--arm"])).is_err());
        assert!(Architecture::asked_for(&given(&["--x86-64", "--x86-64"])).is_err());
    }

    #[test]
    fn a_result_is_the_last_line_and_nothing_else() {
        assert_eq!(last_line("a table\n{\"a\":1}\n"), Ok(json!({ "a": 1 })));
        assert!(last_line("{}\na table\n").is_err());
        assert!(last_line("").is_err());
    }
}
