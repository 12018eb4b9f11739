//! What `lockgate` can do, one module a command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
pub mod approval;
pub mod audit;
mod baking;
pub mod configuration;
pub mod emergency;
pub mod history;
pub mod hold;
pub mod metrics;
pub mod package;
mod period;
mod records;
pub mod release;
pub mod rollback;
pub mod show;
pub mod status;
#[cfg(test)]
mod story;
mod table;
mod terminal;
pub mod watch;

/// The operator's command of Lockgate, a deployment pipeline in your own AWS account.
#[derive(Debug, Parser)]
#[command(name = "lockgate", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Validate(configuration::Validate),
    Config(configuration::Config),
    Package(package::Options),
    Status(status::Options),
    Show(show::Options),
    Watch(watch::Options),
    History(history::Options),
    Metrics(metrics::Options),
    Audit(audit::Options),
    Emergency(emergency::Options),
    Hold(hold::Options),
    Release(release::Options),
    Releases(rollback::Releases),
    Rollback(rollback::Rollback),
    Pending(approval::Pending),
    Approve(approval::Approve),
    Reject(approval::Reject),
}

/// Carries a command out. Its result goes to standard output, everything said on the way to standard error.
pub async fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Validate(options) => options.run().map_err(|error| error.to_string()),
        Command::Config(options) => options.run().map_err(|error| error.to_string()),
        Command::Package(options) => package::run(&options).await.map_err(|error| error.to_string()),
        Command::Status(options) => status::run(&options).await.map_err(|error| error.to_string()),
        Command::Show(options) => show::run(&options).await.map_err(|error| error.to_string()),
        Command::Watch(options) => watch::run(&options).await.map_err(|error| error.to_string()),
        Command::History(options) => history::run(&options).await.map_err(|error| error.to_string()),
        Command::Metrics(options) => metrics::run(&options).await.map_err(|error| error.to_string()),
        Command::Audit(options) => audit::run(&options).await.map_err(|error| error.to_string()),
        Command::Emergency(options) => emergency::run(&options).await.map_err(|error| error.to_string()),
        Command::Hold(options) => hold::run(&options).await.map_err(|error| error.to_string()),
        Command::Releases(options) => rollback::releases(&options).await.map_err(|error| error.to_string()),
        Command::Rollback(options) => rollback::rollback(&options).await.map_err(|error| error.to_string()),
        Command::Release(options) => release::run(&options).await.map_err(|error| error.to_string()),
        Command::Pending(options) => approval::pending(&options).await.map_err(|error| error.to_string()),
        Command::Approve(options) => approval::approve(&options).await.map_err(|error| error.to_string()),
        Command::Reject(options) => approval::reject(&options).await.map_err(|error| error.to_string()),
    };
    match done {
        Ok(result) => {
            // Who printed line by line has nothing left.
            if !result.is_empty() {
                terminal::print(&result);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            terminal::complain(&error);
            ExitCode::FAILURE
        }
    }
}
