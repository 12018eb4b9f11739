//! The Lambda functions and the command, built by cargo-lambda.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::progress::Progress;
use crate::tools::Workspace;

/// Every package that becomes a function.
pub const FUNCTIONS: [&str; 7] = [
    "lockgate-webhook",
    "lockgate-gate",
    "lockgate-build",
    "lockgate-deploy",
    "lockgate-smoke-test",
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
    place_command(workspace.root())
}

/// Takes the symbols out of what is uploaded: a profile of its own that does this would compile the AWS SDK once more.
///
/// The linker's package brings `strip`; without it, everything works and takes a few seconds longer.
fn strip(root: &Path) {
    for binary in FUNCTIONS.iter().chain(&["lockgate"]) {
        let _ = Command::new("strip").arg(root.join("target/lambda").join(binary).join("bootstrap")).status();
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
