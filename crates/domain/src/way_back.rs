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
    /// Whether it is only to say what it would change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plan: bool,
}

/// What is known of an environment's releases.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'k> {
    /// The one that was stable there last.
    pub stable: Option<&'k StableRelease>,
    /// The one that is there in its place, and never became stable.
    pub unsettled: Option<&'k Digest>,
    /// The deployment that is under way there.
    pub under_way: Option<&'k DeploymentId>,
    /// All that were ever stable there, the newest first.
    pub all: &'k [StableRelease],
    /// Those of them that were taken back.
    pub taken_back: &'k [Digest],
    /// How many of them can be gone back to.
    pub keep: u32,
}

/// From which release to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'k> {
    /// What is there.
    pub from: &'k Digest,
    /// What was stable there last.
    pub stable: &'k Digest,
    /// What is to be there.
    pub to: &'k StableRelease,
}

/// The releases that can be gone back to, the newest first: all that were stable and are not there now.
pub fn candidates<'k>(known: &Earlier<'k>) -> impl Iterator<Item = &'k StableRelease> {
    let present = known.present();
    let others = known.all.iter().filter(move |stable| Some(&stable.release) != present);
    others.take(known.keep as usize)
}

/// The release that is gone back to where none is named: the last stable one, where what is there is not that, otherwise the
/// newest of those that were stable before it. None that was taken back itself.
pub fn earlier<'k>(known: &Earlier<'k>) -> Option<&'k StableRelease> {
    let since = known.stable?.since;
    let is_before =
        |stable: &&StableRelease| stable.since < since || known.unsettled.is_some() && stable.since == since;
    let present = known.present();
    let others = known.all.iter().filter(|stable| Some(&stable.release) != present);
    others
        .filter(is_before)
        .find(|stable| !known.taken_back.contains(&stable.release))
}

impl<'k> Earlier<'k> {
    /// What is there.
    fn present(&self) -> Option<&'k Digest> {
        self.unsettled.or_else(|| self.stable.map(|stable| &stable.release))
    }

    /// Whether this is the beginning of what is there, or, where that was ever stable, of its commit.
    fn is_present(&self, present: &Digest, named: &str) -> bool {
        let mut stable = self.all.iter().filter(|stable| stable.release == *present);
        present.as_str().starts_with(named) || stable.any(|stable| stable.commit.as_str().starts_with(named))
    }
}

/// From which release to which.
///
/// # Errors
/// [`Name::NoWayBack`], with a sentence that says why there is none.
pub fn choose<'k>(known: &Earlier<'k>, named: Option<&str>) -> Result<Way<'k>, Failure> {
    let refuse = |sentence: String| Err(Failure::new(Name::NoWayBack, sentence));
    if let Some(other) = known.under_way {
        return refuse(format!(
            "{other} is under way there; wait for its end, or stop its execution and look after what it left"
        ));
    }
    let (Some(from), Some(stable)) = (known.present(), known.stable) else {
        return refuse("no release was ever stable there".to_owned());
    };
    let way = |to| Way {
        from,
        stable: &stable.release,
        to,
    };
    let Some(named) = named.map(str::trim).filter(|named| !named.is_empty()) else {
        return match earlier(known) {
            Some(to) => Ok(way(to)),
            None => refuse("there is no earlier stable release that was not taken back itself".to_owned()),
        };
    };
    let mut found = candidates(known)
        .filter(|stable| stable.release.as_str().starts_with(named) || stable.commit.as_str().starts_with(named));
    match (found.next(), found.next()) {
        (Some(to), None) => Ok(way(to)),
        (Some(_), Some(_)) => refuse(format!(
            "{named:?} is the beginning of more than one release; write more of it"
        )),
        (None, _) if known.is_present(from, named) => refuse(format!("{named:?} is what is there now")),
        (None, _) => refuse(format!(
            "{named:?} is none of the last {} releases that were stable there, nor the beginning of a commit of theirs",
            known.keep
        )),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests;
