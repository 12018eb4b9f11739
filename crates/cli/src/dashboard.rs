//! `lockgate dashboard`: what the other commands show, as pages of a server on this machine.
//!
//! It shows what `status`, `history`, `metrics` and `show` read, by their own functions, and changes nothing.

mod charts;
mod deployment;
mod figures;
mod history;
mod ladder;
mod overview;
mod page;
mod reading;
mod routes;
mod serving;
mod sharing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws::Aws;
use domain::names::RepositoryName;
use jiff::Timestamp;

use crate::period::{InvalidMoment, Moment, period};
use crate::records::{Pipeline, RecordsError};
use crate::{status, terminal};
use reading::Source;

/// Where it listens, unless told otherwise: the digits of LOCK on a telephone.
const PORT: u16 = 5625;

/// Serves pages on this machine, with your own credentials: the ladder of environments, what is moving, history, DORA's
/// figures over time, and each deployment.
///
/// It prints its address and goes on until Ctrl-C. It listens on 127.0.0.1 alone and changes nothing; whoever else can use
/// this machine can read the pages meanwhile.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name [default: all of them].
    application: Option<RepositoryName>,
    /// History and figures are of the deployments that were asked for since then: "90 days", a day or a time, in UTC.
    #[arg(long, value_name = "WHEN", default_value = "90 days")]
    since: Moment,
    /// The port of 127.0.0.1; 0 for any that is free.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The period is none.
    #[error(transparent)]
    Period(#[from] InvalidMoment),
    /// Nobody can listen there.
    #[error(
        "port {port} of 127.0.0.1 cannot be listened on ({why}); name another one with --port, or any that is free with --port 0"
    )]
    Port {
        /// The port.
        port: u16,
        /// Why.
        why: std::io::Error,
    },
    /// Ctrl-C would not be noticed.
    #[error("Ctrl-C cannot be waited for: {0}")]
    Signal(std::io::Error),
}

/// Serves until Ctrl-C. What is wrong with the options or the credentials is told before the address is.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, DashboardError> {
    period(options.since, None, Timestamp::now())?;
    let ledger = options.pipeline.ledger(aws).await?;
    status::applications(aws, options.application.as_ref()).await?;
    // Links into the console alone need it; with --ledger, nobody may be able to read it.
    let machine = options.pipeline.output(aws, "StateMachine", "").await.ok();
    let source = Source::new(aws, ledger, options.application.clone(), options.since, machine);
    let failed = |why| DashboardError::Port {
        port: options.port,
        why,
    };
    let server = serving::Server::listen(options.port).await.map_err(failed)?;
    terminal::print(&format!("http://127.0.0.1:{}/", server.port()));
    terminal::say("Ctrl-C ends it.");
    tokio::select! {
        () = server.serve(Arc::new(source)) => {}
        ended = tokio::signal::ctrl_c() => ended.map_err(DashboardError::Signal)?,
    }
    Ok(String::new())
}
