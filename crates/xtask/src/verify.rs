//! Everything that has to hold, in the order in which it fails fastest.

use std::process::Command;

use crate::functions;
use crate::progress::Progress;
use crate::tools::Workspace;

type Check = fn(&Workspace, &Progress) -> Result<(), String>;

const PARTS: [(&str, Check); 11] = [
    ("format", format),
    ("layers", layers),
    ("statemachine", state_machine),
    ("workflows", workflows),
    ("infra", infra),
    ("lints", lints),
    ("tests", tests),
    ("emulator", emulator),
    ("example", example),
    // Before the demo, whose JSON tells what was measured here.
    ("weight", functions::weigh),
    ("demo", demo),
];

/// Runs all parts, or those named by `--only`.
pub fn verify(progress: &Progress, arguments: &[String]) -> Result<(), String> {
    let only: Vec<&str> = match arguments {
        [] => Vec::new(),
        [flag, parts @ ..] if flag == "--only" && !parts.is_empty() => parts.iter().map(String::as_str).collect(),
        _ => return Err("usage: cargo verify [--only PART…]".to_owned()),
    };
    if let Some(unknown) = only.iter().find(|part| PARTS.iter().all(|(name, _)| name != *part)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "There is no part {unknown:?}; the parts are {}.",
            names.join(", ")
        ));
    }
    let workspace = Workspace::set_up(progress)?;
    for (name, check) in PARTS {
        if only.is_empty() || only.contains(&name) {
            check(&workspace, progress)?;
        }
    }
    progress.say("\nEverything holds.");
    Ok(())
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    workspace.prepare(command)
}

fn format(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    progress.run(
        "Checking the format",
        &mut cargo(workspace, &["fmt", "--all", "--check"]),
    )
}

fn lints(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ];
    progress.run("Linting", &mut cargo(workspace, &clippy))
}

/// DESIGN: who may import what, enforced by a tool and not by asking.
fn layers(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    progress.act("Checking the layers", || crate::layers::check(workspace.root()))
}

fn state_machine(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    // Tokens are put in by CDK; both validators want to see an ARN in their place.
    for file in crate::statemachine::FILES {
        let definition = crate::statemachine::with_arns(workspace.root(), file)?;
        let mut statelint = Command::new(workspace.python_tool("statelint"));
        statelint.arg(&definition);
        progress.run(
            &format!("Checking {file} with statelint"),
            &mut workspace.prepare(statelint),
        )?;
        let mut validator = Command::new("asl-validator");
        validator.arg("--json-path").arg(&definition);
        progress.run(
            &format!("Checking {file} with asl-validator"),
            &mut workspace.prepare(validator),
        )?;
    }
    Ok(())
}

/// Beside what the CDK app's tests say of them: everything that its makers know to be unsafe in a workflow.
fn workflows(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let mut zizmor = Command::new(workspace.python_tool("zizmor"));
    // Nothing is asked of GitHub, so that it says the same everywhere.
    zizmor.args(["--offline", "--no-progress", "--persona", "pedantic"]);
    zizmor.args([".github/workflows", "examples/workflows"]);
    progress.run("Checking the workflows with zizmor", &mut workspace.prepare(zizmor))
}

fn infra(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let mut tests = Command::new("npm");
    tests.args(["test"]);
    progress.show(
        "CDK app: tests and cdk-nag",
        workspace.prepare(tests).current_dir(workspace.root().join("infra")),
    )?;
    let out = workspace.root().join("target/lockgate/templates");
    let mut synth = Command::new("npm");
    synth.args(["run", "--silent", "synth:check", "--"]).arg(&out);
    progress.run(
        "Synthesising templates",
        workspace.prepare(synth).current_dir(workspace.root().join("infra")),
    )?;
    let mut lint = Command::new(workspace.python_tool("cfn-lint"));
    // Those without and, in a folder within, those with a customer-managed key; `**` is also no folder at all.
    lint.arg(format!("{}/**/*.template.json", out.display()));
    progress.run(
        "Checking templates with cfn-lint",
        workspace.prepare(lint).current_dir(workspace.root().join("infra")),
    )
}

fn tests(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    crate::tools::look_for_chromium()?;
    functions::build(workspace, progress)?;
    progress.show("Tests", &mut cargo(workspace, &["test", "--workspace", "--locked"]))
}

fn emulator(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let mut pytest = Command::new(workspace.python_tool("python"));
    pytest.args([
        "-m",
        "pytest",
        "--quiet",
        "-p",
        "no:cacheprovider",
        "crates/local/emulator/tests",
    ]);
    progress.show("The local AWS", &mut workspace.prepare(pytest))
}

fn example(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    let mut check = Command::new("bash");
    check.arg("examples/check.sh");
    progress.run(
        "Checking the example and its two further commits",
        &mut workspace.prepare(check),
    )
}

fn demo(workspace: &Workspace, progress: &Progress) -> Result<(), String> {
    functions::build(workspace, progress)?;
    let printed = progress.read(
        "The demo",
        &mut cargo(
            workspace,
            &[
                "run",
                "--quiet",
                "--package",
                "local",
                "--bin",
                "demo",
                "--",
                "--yes",
                "--json",
            ],
        ),
    )?;
    crate::promised::check(&functions::last_line(&printed)?)?;
    let requests = workspace.root().join("target/lockgate/demo/github-requests.json");
    let mut hold = Command::new("node");
    hold.arg(workspace.root().join("tests/payloads/openapi.mjs"))
        .arg(requests);
    progress.run(
        "Holding the demo's requests against GitHub's description of its API",
        &mut workspace.prepare(hold),
    )
}
