//! Which release an environment can go back to.

use serde::{Deserialize, Serialize};

use crate::environment_state::StableRelease;
use crate::failure::{Failure, Name};
use crate::names::{DeploymentId, Digest, EnvironmentName, RepositoryName};

/// What somebody writes who wants an environment taken back: the input of an execution of the state machine
/// `lockgate-rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The application.
    pub application: RepositoryName,
    /// The environment.
    pub environment: EnvironmentName,
    /// To which release: its digest, or the beginning of it or of its commit; the newest before the present one that was
    /// not taken back itself, where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Who asks, by ARN; Step Functions tells nobody who started an execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    pub why: String,
}

/// What is known of an environment's releases.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'k> {
    /// The one that is stable there now.
    pub present: Option<&'k Digest>,
    /// The deployment that is under way there.
    pub under_way: Option<&'k DeploymentId>,
    /// All that were ever stable there, the newest first.
    pub stable: &'k [StableRelease],
    /// Those of them that were taken back.
    pub taken_back: &'k [Digest],
    /// How many of them can be gone back to, the present one not counted.
    pub keep: u32,
}

/// The releases that can be gone back to, the newest first.
pub fn candidates<'k>(known: &Earlier<'k>) -> impl Iterator<Item = &'k StableRelease> {
    let present = known.present;
    let earlier = known
        .stable
        .iter()
        .filter(move |stable| Some(&stable.release) != present);
    earlier.take(known.keep as usize)
}

/// From which release to which. Where none is named, it is the newest that was not taken back.
///
/// # Errors
/// [`Name::NoWayBack`], with a sentence that says why there is none.
pub fn choose<'k>(known: &Earlier<'k>, named: Option<&str>) -> Result<(&'k Digest, &'k StableRelease), Failure> {
    let refuse = |sentence: String| Err(Failure::new(Name::NoWayBack, sentence));
    if let Some(other) = known.under_way {
        return refuse(format!(
            "{other} is under way there; wait for its end, or stop its execution and look after what it left"
        ));
    }
    let Some(present) = known.present else {
        return refuse("no release was ever stable there".to_owned());
    };
    let Some(named) = named.map(str::trim).filter(|named| !named.is_empty()) else {
        return match candidates(known).find(|stable| !known.taken_back.contains(&stable.release)) {
            Some(to) => Ok((present, to)),
            None => refuse("there is no earlier stable release that was not taken back itself".to_owned()),
        };
    };
    let mut found = candidates(known)
        .filter(|stable| stable.release.as_str().starts_with(named) || stable.commit.as_str().starts_with(named));
    match (found.next(), found.next()) {
        (Some(to), None) => Ok((present, to)),
        (Some(_), Some(_)) => refuse(format!(
            "{named:?} is the beginning of more than one release; write more of it"
        )),
        (None, _) if present.as_str().starts_with(named) => refuse(format!("{named:?} is what is there now")),
        (None, _) => refuse(format!(
            "{named:?} is none of the last {} releases that were stable there, nor the beginning of a commit of theirs",
            known.keep
        )),
    }
}
