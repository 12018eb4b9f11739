//! Lockgate's own stacks on the local AWS, deployed by the real CDK CLI.

use std::path::{Path, PathBuf};

use aws::Ledger;
use aws_sdk_ssm::types::ParameterType;
use tokio::process::Command;

use crate::{Account, Emulator, REGION, TOOLS, Trouble, deliveries, github, workspace};

/// What links are signed with on the local AWS, which nobody else reaches.
const APPROVAL_KEY: &str = "6c6f636b676174652d6c6f63616c2d6177732d617070726f76616c2d6b657921";

/// Lockgate, deployed.
#[derive(Debug)]
pub struct Pipeline {
    /// The tools account.
    pub tools: Account,
    /// The API's base URL.
    pub api: String,
    /// Where deliveries are sent.
    pub webhook: String,
    /// The state machine's ARN.
    pub machine: String,
    /// The ledger.
    pub ledger: Ledger,
    /// The ledger's table.
    pub table: String,
    /// The artifacts bucket.
    pub artifacts: String,
}

/// The CDK CLI, as root of an account.
fn cdk(emulator: &Emulator, account: &str) -> Command {
    let mut command = Command::new(workspace().join("infra/node_modules/.bin/cdk"));
    command
        .env("AWS_ENDPOINT_URL", &emulator.endpoint)
        .env("AWS_ACCESS_KEY_ID", account)
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("CDK_DISABLE_CLI_TELEMETRY", "true")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .args(["--ci", "--no-notices", "--no-color"]);
    command
}

/// Runs a command to its end, and returns what it printed. Whoever stops waiting for it ends it.
async fn run(what: &str, mut command: Command) -> Result<Vec<u8>, Trouble> {
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Trouble::during(what))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Err(Trouble(format!(
        "{what} failed:\n{}",
        lines[lines.len().saturating_sub(30)..].join("\n")
    )))
}

/// Bootstraps an account as its owner would, trusting the tools account.
pub async fn bootstrap(emulator: &Emulator, account: &str) -> Result<(), Trouble> {
    let mut command = cdk(emulator, account);
    command
        // Outside infra/: there the CLI would read the app first.
        .current_dir(emulator.folder())
        .args(["bootstrap", &format!("aws://{account}/{REGION}"), "--trust", TOOLS])
        .args([
            "--cloudformation-execution-policies",
            "arn:aws:iam::aws:policy/AdministratorAccess",
        ]);
    run(&format!("cdk bootstrap of {account}"), command).await.map(drop)
}

/// Has the command `lockgate` resolve a configuration, as operators do, and writes it where the CDK app reads it.
pub async fn resolve(emulator: &Emulator, toml: &str) -> Result<PathBuf, Trouble> {
    let written = || Trouble::during("writing the configuration");
    let source = emulator.folder().join("lockgate.toml");
    std::fs::write(&source, toml).map_err(written())?;
    let mut command = Command::new(workspace().join("target/lambda/lockgate-cli/lockgate"));
    command.arg("config").arg(&source).arg("--json");
    let resolved = run("lockgate config", command).await?;
    let file = emulator.folder().join("resolved.json");
    std::fs::write(&file, resolved).map_err(written())?;
    Ok(file)
}

impl Pipeline {
    /// Deploys these stacks of the CDK app (`--all`, or their ids), as the tools account.
    pub async fn deploy(emulator: &Emulator, resolved: &Path, stacks: &[&str]) -> Result<Self, Trouble> {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "x86_64"
        };
        let mut command = cdk(emulator, TOOLS);
        command
            .current_dir(workspace().join("infra"))
            .arg("deploy")
            .args(stacks)
            .args([
                "--require-approval",
                "never",
                "--concurrency",
                "4",
                "--context",
                &format!("architecture={architecture}"),
            ])
            .args(["--context", &format!("lockgate={}", resolved.display())])
            .arg("--output")
            .arg(emulator.folder().join("infra.out"));
        run("cdk deploy of Lockgate", command).await?;
        let tools = emulator.account(TOOLS).await;
        for (name, value) in [
            ("/lockgate/webhook/secret", deliveries::SECRET),
            ("/lockgate/approval/key", APPROVAL_KEY),
            ("/lockgate/github/app", github::APP),
            ("/lockgate/github/app-key", github::APP_KEY),
        ] {
            let put = tools.aws.ssm().put_parameter().name(name).value(value);
            let put = put.r#type(ParameterType::SecureString).overwrite(true).send().await;
            put.map_err(|error| Trouble(format!("storing {name}: {:?}", error.into_service_error())))?;
        }
        let mut outputs = tools.outputs("lockgate-pipeline").await?;
        let mut output = |key: &str| {
            outputs
                .remove(key)
                .ok_or_else(|| Trouble(format!("lockgate-pipeline has no output {key}")))
        };
        let table = output("LedgerTable")?;
        Ok(Self {
            api: output("ApiUrl")?,
            webhook: output("WebhookUrl")?,
            machine: output("StateMachine")?,
            ledger: Ledger::new(tools.aws.dynamodb(), &table),
            table,
            artifacts: output("ArtifactsBucket")?,
            tools,
        })
    }
}

/// The template that `cdk bootstrap` deploys.
pub async fn bootstrap_template(emulator: &Emulator) -> Result<String, Trouble> {
    let what = "cdk bootstrap --show-template";
    let mut command = cdk(emulator, TOOLS);
    command
        .current_dir(emulator.folder())
        .args(["bootstrap", "--show-template"]);
    let printed = run(what, command).await?;
    String::from_utf8(printed).map_err(Trouble::during(what))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_was_started_does_not_outlive_whoever_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\".new; mv \"$0\".new \"$0\"; exec sleep 600"])
            .arg(&file);
        tokio::select! {
            ended = run("a command that takes its time", command) => panic!("{ended:?}"),
            () = until(|| file.exists()) => {}
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        let gone = until(|| !process.exists());
        tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
    }

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
