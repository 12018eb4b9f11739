//! How fast the webhook function takes deliveries in: its real binary, between a Lambda Runtime API and an AWS that answer
//! at once. What is measured is the function's own part; AWS's part comes on top.
//!
//! It asserts what came of every delivery and never how long it took.

mod events;
mod fake_aws;
mod figures;
mod function;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use domain::configuration::Configuration;
use jiff::Timestamp;
use local::deliveries::SECRET;
use local::{REGION, TOOLS, Trouble, workspace};
use serde_json::Value;

use events::{Kind, REPOSITORY};
use fake_aws::FakeAws;
use figures::{Figures, OfKind};
use function::Function;

const CONFIGURATION: &str = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
"#;

/// Measures how the webhook function takes deliveries in.
#[derive(Debug, Parser)]
#[command(name = "intake")]
struct Arguments {
    /// The webhook's binary; by default the one that the local AWS runs.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How many deliveries of each kind.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    deliveries: u32,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
}

// One thread: the other core of a small machine is the function's.
#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's results and troubles"
)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let binary = arguments
        .binary
        .unwrap_or_else(|| workspace().join("target/lambda/lockgate-webhook/bootstrap"));
    match measure(&binary, arguments.deliveries).await {
        Ok(figures) => {
            println!("{}\n{}", figures.table(), figures.sentences());
            if arguments.json {
                println!("{}", figures.json());
            }
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(binary: &Path, count: u32) -> Result<Figures, Trouble> {
    if !binary.is_file() {
        return Err(Trouble(format!(
            "{} is missing: `cargo demo` builds it, and --binary takes another one",
            binary.display()
        )));
    }
    let aws = FakeAws::start(parameters()?)
        .await
        .map_err(Trouble::during("listening on this machine"))?;
    let settings = [
        ("AWS_ENDPOINT_URL", format!("http://{}", aws.address)),
        ("AWS_ACCESS_KEY_ID", TOOLS.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("LOCKGATE_LEDGER", "lockgate-ledger".to_owned()),
        (
            "LOCKGATE_STATE_MACHINE",
            format!("arn:aws:states:{REGION}:{TOOLS}:stateMachine:lockgate-deployment"),
        ),
        ("LOCKGATE_APPLICATIONS", "/lockgate/applications".to_owned()),
        ("LOCKGATE_SECRETS", "/lockgate/webhook".to_owned()),
        // Pushes ask GitHub nothing: whatever did would fail, and be seen.
        ("LOCKGATE_GITHUB_API", "http://127.0.0.1:9".to_owned()),
        ("LOCKGATE_GITHUB", "/lockgate/github".to_owned()),
    ];
    let mut function = Function::start(binary, &settings).await?;
    aws.take_calls();
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        kinds.push(measure_kind(&mut function, &aws, kind, count).await?);
    }
    Ok(Figures {
        measured_at: Timestamp::now(),
        binary: binary.to_owned(),
        started_in: function.started_in,
        kinds,
        resident_kib: function.resident_kib(),
    })
}

async fn measure_kind(function: &mut Function, aws: &FakeAws, kind: Kind, count: u32) -> Result<OfKind, Trouble> {
    let events = kind.events(count)?;
    let mut times = Vec::with_capacity(events.len());
    let processor = function.processor_time();
    let began = Instant::now();
    let mut over = began;
    for event in events {
        let invocation = function.invoke(event).await?;
        as_expected(kind, &invocation.output)?;
        times.push(invocation.took);
        over = invocation.ready_again;
    }
    let processor = function
        .processor_time()
        .zip(processor)
        .map(|(after, before)| after.saturating_sub(before));
    let mut calls = aws.take_calls();
    // What is read of SSM depends on the clock: secrets and applications are remembered for a while.
    calls.remove("GetParameter");
    let expected = kind.asks(count);
    if calls != expected {
        let name = kind.name();
        return Err(Trouble(format!(
            "{name}: AWS was asked for {calls:?} and not for {expected:?}"
        )));
    }
    Ok(OfKind::new(kind, times, over.duration_since(began), processor))
}

fn as_expected(kind: Kind, output: &Value) -> Result<(), Trouble> {
    let (status, outcome) = kind.expected();
    let body: Value = serde_json::from_str(output["body"].as_str().unwrap_or_default()).unwrap_or_default();
    if output["statusCode"] == status && body["outcome"] == outcome {
        return Ok(());
    }
    Err(Trouble(format!(
        "{}: the answer is {output} and not {status} {outcome}",
        kind.name()
    )))
}

/// What SSM holds: one secret, and one application.
fn parameters() -> Result<BTreeMap<String, String>, Trouble> {
    let configuration = Configuration::read(CONFIGURATION).map_err(Trouble::during("reading the configuration"))?;
    let application = serde_json::to_string(&configuration.applications.first())
        .map_err(Trouble::during("writing the application"))?;
    Ok(BTreeMap::from([
        ("/lockgate/webhook/secret".to_owned(), SECRET.to_owned()),
        (format!("/lockgate/applications/{REPOSITORY}"), application),
    ]))
}
