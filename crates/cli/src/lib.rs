//! What `lockgate` can do, one module a command.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod access;
mod api;
mod applications;
pub mod approval;
pub mod audit;
mod baking;
pub mod configuration;
pub mod dashboard;
pub mod deploy;
pub mod doctor;
pub mod emergency;
#[cfg(test)]
mod fake;
pub mod freeze;
pub mod history;
pub mod hold;
pub mod init;
pub mod manual;
pub mod metrics;
mod over;
pub mod package;
mod period;
mod records;
pub mod release;
pub mod replay;
#[cfg(test)]
mod rights;
pub mod rollback;
pub mod show;
pub mod status;
#[cfg(test)]
mod story;
mod table;
mod terminal;
pub mod watch;

use access::Access;

/// How a command ends: the only place that says it, beside the table of docs/OPERATIONS.md.
const EXIT_CODES: &str = "\
Exit codes:
  0  it did what it was asked
  1  it could not, or what it was asked for ended red; or doctor found something broken
  2  it was used wrongly, and did nothing";

/// The operator's command of Lockgate, a deployment pipeline in your own AWS account.
#[derive(Debug, Parser)]
#[command(name = "lockgate", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::Options>),
    Validate(configuration::Validate),
    Config(configuration::Config),
    Package(package::Options),
    Doctor(doctor::Options),
    Status(status::Options),
    Show(show::Options),
    Watch(watch::Options),
    History(history::Options),
    Metrics(metrics::Options),
    Audit(audit::Options),
    Dashboard(dashboard::Options),
    Deploy(deploy::Deploy),
    Plan(deploy::Plan),
    Emergency(emergency::Options),
    Freeze(freeze::Options),
    Hold(hold::Options),
    Release(release::Options),
    Releases(rollback::Releases),
    Rollback(rollback::Rollback),
    Replay(replay::Options),
    Pending(approval::Pending),
    Approve(approval::Approve),
    Reject(approval::Reject),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Carries a command out. Its result goes to standard output, everything said on the way to standard error.
pub async fn run(arguments: Arguments) -> ExitCode {
    match Box::pin(carry_out(arguments.command, &arguments.access)).await {
        Ok((result, code)) => {
            // Who printed line by line has nothing left.
            if !result.is_empty() {
                terminal::print(&result);
            }
            code
        }
        Err(error) => {
            terminal::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The result, and how the command ends.
async fn carry_out(command: Command, access: &Access) -> Result<(String, ExitCode), Box<dyn Error>> {
    let result = match command {
        Command::Init(options) => init::run(&options, access).await?,
        Command::Validate(options) => return Ok(options.run()?),
        Command::Config(options) => options.run()?,
        Command::Package(options) => package::run(&options, access).await?,
        Command::Doctor(options) => return Ok(doctor::run(&options, &access.aws().await?).await?),
        Command::Status(options) => status::run(&options, &access.aws().await?).await?,
        Command::Show(options) => show::run(&options, &access.aws().await?).await?,
        Command::Watch(options) => return Ok(watch::run(&options, &access.aws().await?).await?),
        Command::History(options) => history::run(&options, &access.aws().await?).await?,
        Command::Metrics(options) => metrics::run(&options, &access.aws().await?).await?,
        Command::Audit(options) => audit::run(&options, &access.aws().await?).await?,
        Command::Dashboard(options) => dashboard::run(&options, &access.aws().await?).await?,
        Command::Deploy(options) => return Ok(deploy::deploy(&options, &access.aws().await?).await?),
        Command::Plan(options) => return Ok(deploy::plan(&options, &access.aws().await?).await?),
        Command::Emergency(options) => emergency::run(&options, &access.aws().await?).await?,
        Command::Freeze(options) => freeze::run(&options, &access.aws().await?).await?,
        Command::Hold(options) => hold::run(&options, &access.aws().await?).await?,
        Command::Releases(options) => rollback::releases(&options, &access.aws().await?).await?,
        Command::Rollback(options) => return Ok(rollback::rollback(&options, &access.aws().await?).await?),
        Command::Release(options) => release::run(&options, &access.aws().await?).await?,
        Command::Replay(options) => replay::run(&options, &access.aws().await?).await?,
        Command::Pending(options) => approval::pending(&options, access.aws().await?).await?,
        Command::Approve(options) => approval::approve(&options, access.aws().await?).await?,
        Command::Reject(options) => approval::reject(&options, access.aws().await?).await?,
        Command::Completions(options) => options.run(),
        Command::Man(options) => options.run()?,
    };
    Ok((result, ExitCode::SUCCESS))
}
