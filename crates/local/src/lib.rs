//! AWS on one machine: Lockgate's own stacks, deployed by the real CDK CLI into a local AWS, with repositories that builds
//! clone and deliveries that are signed as GitHub signs them.
//!
//! Nothing in the functions knows of this: only endpoints differ.

pub mod account;
pub mod deliveries;
pub mod emulator;
pub mod executions;
pub mod github;
pub mod http;
pub mod pipeline;
pub mod repository;
pub mod tester;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub use account::Account;
pub use emulator::Emulator;
pub use github::GitHubStandIn;
pub use pipeline::Pipeline;
pub use repository::Repository;

/// The account that Lockgate itself lives in.
pub const TOOLS: &str = "111111111111";
/// The region of everything.
pub const REGION: &str = "eu-west-1";

/// What could not be done on the local AWS, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

impl Trouble {
    /// From whatever went wrong while doing `what`.
    pub fn during<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Self {
        let what = what.to_owned();
        move |error| Self(format!("{what}: {error}"))
    }
}

/// The repository's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Two runs in one folder would take each other's files away: what is returned is held until the end of the first, and
/// whoever comes meanwhile is told that the folder is taken.
pub fn alone(folder: &Path, taken: &str) -> Result<File, Trouble> {
    let what = format!("locking {}", folder.display());
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(Trouble::during(&what))?;
    }
    let lock = File::create(folder.with_extension("lock")).map_err(Trouble::during(&what))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Trouble(taken.to_owned()),
        TryLockError::Error(error) => Trouble::during(&what)(error),
    })?;
    Ok(lock)
}

/// A program that `cargo run --package xtask -- setup` installed, as `cargo demo` and `cargo verify` do.
pub fn python() -> PathBuf {
    workspace().join("target/lockgate/python/bin/python")
}
