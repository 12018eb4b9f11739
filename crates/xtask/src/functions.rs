//! The Lambda functions and the command, built by cargo-lambda.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::progress::Progress;
use crate::tools::Workspace;

/// Every package that becomes a function.
pub const FUNCTIONS: [&str; 8] = [
    "lockgate-webhook",
    "lockgate-gate",
    "lockgate-build",
    "lockgate-deploy",
    "lockgate-smoke-test",
    "lockgate-approval",
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

/// The most a function may weigh, zipped, in bytes: beyond that, cold starts and uploads are felt.
const WEIGHT_LIMIT: u64 = 4_000_000;

/// Functions that are above the limit, or may be, each with what it may weigh until it is brought below: none may grow
/// without bound meanwhile. Most carry S3, whose client is the heaviest of the SDK; deploy carries CloudFormation,
/// smoke-test a second HTTP client, approval and webhook what they ask GitHub with.
const ABOVE_THE_LIMIT: [(&str, u64); 6] = [
    ("lockgate-webhook", 4_600_000),
    ("lockgate-gate", 4_400_000),
    ("lockgate-build", 5_000_000),
    ("lockgate-deploy", 5_900_000),
    ("lockgate-smoke-test", 5_300_000),
    ("lockgate-approval", 5_900_000),
];

/// Builds as for AWS, with this machine's own architecture, and weighs what would be uploaded.
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
    for function in FUNCTIONS {
        let zip = folder.join(function).join("bootstrap.zip");
        let weight = fs::metadata(&zip)
            .map_err(|error| format!("{} cannot be read: {error}.", zip.display()))?
            .len();
        let excepted = ABOVE_THE_LIMIT
            .iter()
            .find(|(name, _)| *name == function)
            .map(|(_, limit)| *limit);
        let limit = excepted.unwrap_or(WEIGHT_LIMIT);
        progress.say(&format!(
            "  {function:<20} {:>5} kB zipped, at most {}",
            weight / 1000,
            limit / 1000
        ));
        if weight > limit {
            heavy.push(function);
        }
    }
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
