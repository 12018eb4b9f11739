//! What is found of a stack and of the change set that was made for it, so that people's word can be bound to it.

use aws::stacks::ChangeSet;
use domain::change_set::{Found, Prepared};
use domain::names::StackName;

use crate::{Error, Target};

/// What is found now. `set` is the change set that waits; nothing, where the stack is as the release wants it.
pub(crate) async fn find(target: &Target, stack: &StackName, set: Option<&ChangeSet>) -> Result<Prepared, Error> {
    let there = match set {
        // Of a stack made anew under its name, it is another one's.
        Some(set) => target.stacks.look(&set.stack_id).await?,
        None => target.stacks.look(stack.as_str()).await?,
    };
    let changes = match set {
        Some(set) => target.stacks.changes(&set.id).await?,
        None => Vec::new(),
    };
    let found = Found {
        stack,
        stack_id: there.as_ref().map(|there| there.id.as_str()),
        changed_at: there.as_ref().and_then(|there| there.changed_at),
        change_set: set.map(|set| set.id.as_str()),
        changes: &changes,
    };
    Ok(Prepared {
        stack: stack.clone(),
        change_set: set.map(|set| set.id.clone()),
        hash: found.hash(),
    })
}
