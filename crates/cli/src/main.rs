//! `lockgate`, the operator's command.
//!
//! Exit codes: 0 done, 1 could not be done, 2 used wrongly.

use std::process::ExitCode;

use clap::Parser;
use cli::Arguments;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::run(Arguments::parse()).await
}
