//! What is found of a stack and of the change set that was made for it, so that people's word can be bound to it.

use aws::stacks::ChangeSet;
use domain::change_set::{Change, Found, Prepared};
use domain::names::StackName;

use crate::{Error, Target};

/// What is found now. `set` is the change set that waits; nothing, where the stack is as the release wants it.
pub(crate) async fn find(target: &Target, stack: &StackName, set: Option<&ChangeSet>) -> Result<Prepared, Error> {
    match set {
        None => with(target, stack, None).await,
        Some(set) => {
            let changes = target.stacks.changes(&set.id).await?;
            with(target, stack, Some((set, &changes))).await
        }
    }
}

/// The same, where it is known what the change set changes.
pub(crate) async fn with(
    target: &Target,
    stack: &StackName,
    set: Option<(&ChangeSet, &[Change])>,
) -> Result<Prepared, Error> {
    // Of a stack made anew under its name, it is another one's.
    let name = set.map_or(stack.as_str(), |(set, _)| set.stack_id.as_str());
    let there = target.stacks.look(name).await?;
    let change_set = set.map(|(set, _)| set.id.as_str());
    let found = Found {
        stack,
        stack_id: there.as_ref().map(|there| there.id.as_str()),
        changed_at: there.as_ref().and_then(|there| there.changed_at),
        change_set,
        changes: set.map_or(&[], |(_, changes)| changes),
    };
    Ok(Prepared {
        stack: stack.clone(),
        change_set: change_set.map(str::to_owned),
        hash: found.hash(),
    })
}
