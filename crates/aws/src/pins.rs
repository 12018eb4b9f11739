//! What a release's tag stood for when it was first asked. A tag that moves later changes nothing, and neither does it
//! that a pre-release becomes a release: what people accepted as the one is what the other brings.

use domain::intake::{Release, Resolved};
use domain::names::CommitSha;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::ledger::{Ledger, PUT, item, read};

#[derive(Debug, Serialize, Deserialize)]
struct Pin {
    commit: CommitSha,
    title: String,
    at: Timestamp,
}

impl Ledger {
    /// What the release's tag was pinned to; nothing, where nobody asked yet.
    pub async fn pinned_release(&self, release: &Release) -> Result<Option<Resolved>, Error> {
        let Some(item) = self.get(&partition(release), &sort_key(release)).await? else {
            return Ok(None);
        };
        let Pin { commit, title, .. } = read(item, "dynamodb:GetItem")?;
        Ok(Some(Resolved { commit, title }))
    }

    /// Pins a release's tag to what it stands for, unless it is pinned, and says what it is pinned to: of any number that
    /// ask at once, all get the same.
    pub async fn pin_release(&self, release: &Release, resolved: Resolved, now: Timestamp) -> Result<Resolved, Error> {
        let pin = Pin {
            commit: resolved.commit.clone(),
            title: resolved.title.clone(),
            at: now,
        };
        let (pk, sk) = (partition(release), sort_key(release));
        match self.put_new(item(&pk, &sk, &pin, PUT)?).await {
            Ok(()) => Ok(resolved),
            Err(error) if error.is(Kind::Conflict) => self
                .pinned_release(release)
                .await?
                .ok_or_else(|| Error::unexpected(PUT, format!("the pin {pk} {sk} is there and cannot be read"))),
            Err(error) => Err(error),
        }
    }
}

fn partition(release: &Release) -> String {
    format!("pin#{}", release.repository)
}

/// A number and a tag: whatever the tag holds, no two such pairs run together.
fn sort_key(release: &Release) -> String {
    format!("{}#{}", release.id, release.tag)
}
