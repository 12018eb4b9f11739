//! A release that bakes, as an operator finds it, and what they say of it.

use aws::{Error as AwsError, Ledger};
use domain::bake::{Course, Says, Watch, Word};
use domain::environment_state::EnvironmentState;
use domain::parking::Key;
use jiff::Timestamp;

use crate::records::Records;

/// The watch of the release that bakes in an environment; nothing, where none does.
pub async fn find(ledger: &Ledger, records: &Records, state: &EnvironmentState) -> Result<Option<Watch>, AwsError> {
    let Some(holder) = &state.holder else { return Ok(None) };
    let Some(deployment) = ledger.requested(&holder.deployment).await? else {
        return Ok(None);
    };
    let place = (&deployment.environment.account, &deployment.environment.region);
    let watch = ledger.watch(place, &records.application, &records.environment).await?;
    Ok(watch.filter(|watch| watch.deployment == holder.deployment && watch.course == Course::Baking))
}

/// What became of a word.
pub enum Said {
    /// It counts.
    Heard,
    /// Somebody else's was there before.
    After(Word),
    /// The release bakes no more.
    TooLate,
}

/// Leaves a word for a release that bakes, unless somebody was faster, and has it looked at with the next sweep.
pub async fn say(
    ledger: &Ledger,
    watch: &Watch,
    says: Says,
    (by, why): (&str, &str),
    now: Timestamp,
) -> Result<Said, AwsError> {
    let word = Word {
        says,
        by: by.to_owned(),
        why: why.to_owned(),
        at: now,
    };
    let place = (&watch.account, &watch.region);
    let said = ledger
        .change_watch(place, &watch.application, &watch.environment, |found| {
            let baking = |found: &&mut Watch| found.deployment == watch.deployment && found.course == Course::Baking;
            let Some(found) = found.as_mut().filter(baking) else {
                return Err(None);
            };
            match &found.word {
                Some(before) if *before != word => Err(Some(before.clone())),
                _ => {
                    found.word = Some(word.clone());
                    Ok(())
                }
            }
        })
        .await?;
    match said {
        Err(Some(before)) => return Ok(Said::After(before)),
        Err(None) => return Ok(Said::TooLate),
        Ok(()) => {}
    }
    for parked in ledger.parked(&Key::alarms(&watch.account, &watch.region)).await? {
        if parked.deployment == watch.deployment {
            ledger.look_again(&parked, now).await?;
        }
    }
    Ok(Said::Heard)
}
