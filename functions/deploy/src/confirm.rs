//! Whether what people approved is still what would be executed.

use domain::change_set::Prepared;
use domain::deployment::{Deployment, Leg};
use domain::failure::Name;
use domain::harmless::harmless;
use domain::life::{Event, Progress};
use domain::parking::StackChange;

use crate::create_change_set::is_ready;
use crate::{Context, Error, Output, Target, prepared, stack_change};

/// Looks at every stack whose change set people decided on, before the first of them is executed.
pub(crate) async fn confirm(context: &Context, deployment: &Deployment) -> Result<Output, Error> {
    let unknown = || Error::new(Name::Unexpected, "its record does not say what people approved");
    let status = context.ledger.head(&deployment.id).await?.ok_or_else(unknown)?.status;
    let (Some(release), Some(fence)) = (status.release.clone(), status.fence) else {
        return Err(unknown());
    };
    if status.prepared.is_empty() || status.accepted.is_none() {
        return Err(unknown());
    }
    let mut different: Vec<String> = status.voided.iter().cloned().collect();
    // What is executed already is as it was approved, and not as it was then.
    let untouched = |approved: &&Prepared| {
        !matches!(
            status.stacks.get(&approved.stack),
            Some(Progress::Updated | Progress::Executing)
        )
    };
    for approved in status.prepared.iter().filter(untouched) {
        let stack = approved.stack.clone();
        let change = stack_change(deployment, release.clone(), Leg::Forward, fence, stack);
        let target = context.target(&deployment.id, &change);
        if let Some(why) = difference(&target, &change, approved).await? {
            different.push(format!("{}: {why}", approved.stack));
        }
    }
    let why = harmless(&different.join("; "), 500);
    // Half of it is executed already, and to ask again about the rest would leave that as it is for days.
    if status.changed_anything() {
        return Err(Error::new(Name::ApprovalVoid, why));
    }
    if different.is_empty() {
        return Ok(Output::Confirmed);
    }
    tracing::warn!(deployment.id = %deployment.id, why, "the approval is void");
    void(context, deployment, why).await?;
    Ok(Output::Void)
}

/// Writes down that what people said does not count any more.
pub(crate) async fn void(context: &Context, deployment: &Deployment, why: String) -> Result<(), Error> {
    context.record_if_alive(&deployment.id, Event::Voided { why }).await
}

/// What is not as people approved it; nothing, where all of it is.
pub(crate) async fn difference(
    target: &Target,
    change: &StackChange,
    approved: &Prepared,
) -> Result<Option<&'static str>, Error> {
    let set = match &approved.change_set {
        None => None,
        Some(id) => match target.stacks.change_set(id, &change.stack).await? {
            None => return Ok(Some("its change set is not there any more")),
            Some(set) if !is_ready(&set) => return Ok(Some("its change set cannot be executed any more")),
            Some(set) => Some(set),
        },
    };
    let found = prepared::find(target, &change.stack, set.as_ref()).await?;
    Ok((found.hash != approved.hash).then_some("the stack was changed since"))
}
