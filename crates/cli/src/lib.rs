//! What `lockgate` can do, one module a command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
pub mod approval;
mod baking;
pub mod configuration;
pub mod emergency;
pub mod hold;
pub mod package;
mod records;
pub mod release;
pub mod rollback;
pub mod show;
pub mod status;
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
            terminal::print(&result);
            ExitCode::SUCCESS
        }
        Err(error) => {
            terminal::complain(&error);
            ExitCode::FAILURE
        }
    }
}
