//! `lockgate package`: makes a release of a cloud assembly, at the end of a build.

use std::path::PathBuf;

use aws::artifacts::{ArtifactError, Artifacts, Brought};
use tokio::task::JoinSet;

mod packing;

pub(crate) use packing::read;
pub use packing::{Packed, Refused, Source, pack};

use crate::access::{Access, AccessError};
use crate::terminal;

/// Makes a release of a cloud assembly and prints its digest.
///
/// The assembly is checked as the deployment will check it. Its templates and assets, and lockgate.smoke.toml,
/// lockgate.integration.yml and lockgate.uat.md of the current folder if they are there, go to the artifacts bucket under
/// the digests of their contents; what is there already stays, once S3 has said that it has that very content. The release's digest is printed alone on
/// standard output.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The folder of the cloud assembly, as `cdk synth` leaves it.
    #[arg(default_value = "cdk.out")]
    assembly: PathBuf,
    /// Checks and prints the digest, but sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// The artifacts bucket.
    #[arg(
        long,
        value_name = "BUCKET",
        env = "LOCKGATE_ARTIFACTS",
        required_unless_present = "dry_run"
    )]
    artifacts: Option<String>,
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The assembly cannot be deployed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The artifacts bucket did not take something, or holds something else under its name.
    #[error("{path} could not be stored: {error}")]
    NotStored {
        /// What was to be stored.
        path: String,
        /// What S3 said.
        error: ArtifactError,
    },
    /// AWS cannot be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// An upload stopped on an assertion of its own.
    #[error("an upload stopped unexpectedly: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// How many files are sent at once.
const UPLOADS: usize = 8;

/// Makes the release and returns its digest.
pub async fn run(options: &Options, access: &Access) -> Result<String, PackageError> {
    let packed = pack(&options.assembly, &PathBuf::from("."), &mut |line| terminal::say(line))?;
    for warning in &packed.warnings {
        terminal::warn(warning);
    }
    let digest = packed.index.digest();
    if let Some(bucket) = options.artifacts.as_ref().filter(|_| !options.dry_run) {
        let artifacts = Artifacts::new(&access.aws().await?, bucket);
        store(&artifacts, packed).await?;
    } else {
        terminal::say("dry run: nothing was sent");
    }
    Ok(digest.to_string())
}

/// Sends everything that is not there yet, and the index when all of it is.
async fn store(artifacts: &Artifacts, packed: Packed) -> Result<(), PackageError> {
    let all = packed.sources.len();
    let mut waiting = packed.sources.into_iter();
    let mut sending = JoinSet::new();
    let (mut sent, mut there) = (0_usize, 0_usize);
    loop {
        while sending.len() < UPLOADS {
            let Some(source) = waiting.next() else { break };
            let artifacts = artifacts.clone();
            sending.spawn(async move {
                let stored = artifacts.put_object(&source.sha256, source.path(), source.size).await;
                (source.name, stored)
            });
        }
        let Some(stored) = sending.join_next().await else { break };
        let (path, stored) = stored?;
        match stored.map_err(|error| PackageError::NotStored {
            path: path.clone(),
            error,
        })? {
            Brought::Now => {
                sent += 1;
                terminal::say(&format!("stored {path} ({} of {all})", sent + there));
            }
            Brought::Before => there += 1,
        }
    }
    let path = "the index of the release".to_owned();
    let index = artifacts.put_index(&packed.index).await;
    match index.map_err(|error| PackageError::NotStored { path, error })? {
        Brought::Now => terminal::say(&format!("stored the release: {sent} files sent, {there} were there")),
        Brought::Before => terminal::say("the same release is there already"),
    }
    Ok(())
}
