//! Change sets that are made before anybody may execute them: what people are shown, and what their word is bound to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::names::{Digest, StackName};

/// A stack as it was compared with a release, for people to decide on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The stack.
    pub stack: StackName,
    /// The ARN of its change set; nothing, where the stack is as the release wants it.
    pub change_set: Option<String>,
    /// The hash of [`Found`].
    pub hash: Digest,
}

/// What is found of a stack and of the change set that was made for it.
///
/// What a change set does never changes, and CloudFormation gives no two of them one ARN. So the ARN stands for what is
/// not listed here, such as the values of properties.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Found<'a> {
    /// The stack.
    pub stack: &'a StackName,
    /// Its ARN; nothing, where there is none.
    pub stack_id: Option<&'a str>,
    /// When something was last done to it.
    pub changed_at: Option<Timestamp>,
    /// The ARN of its change set; nothing, where the stack is as the release wants it.
    pub change_set: Option<&'a str>,
    /// All that it changes, in any order.
    pub changes: &'a [Change],
}

impl Found<'_> {
    /// The same for the same stack and change set, in whatever order its changes are told.
    pub fn hash(&self) -> Digest {
        let mut changes: Vec<String> = self.changes.iter().map(canonical).collect();
        changes.sort();
        let changed_at = self.changed_at.map(|at| at.to_string());
        let whole = (self.stack, self.stack_id, changed_at, self.change_set, changes);
        Digest::of(canonical(&whole).as_bytes())
    }
}

/// The hash of everything that was prepared, in whatever order: an approval is bound to it.
pub fn hash_of_all(prepared: &[Prepared]) -> Digest {
    let mut all: Vec<(&StackName, &Digest)> = prepared.iter().map(|one| (&one.stack, &one.hash)).collect();
    all.sort();
    Digest::of(canonical(&all).as_bytes())
}

/// JSON whose fields have one order.
fn canonical(value: &impl Serialize) -> String {
    // Nothing that is hashed here has a map or a number with a fraction in it.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::super::{Action, Policy, Replacement};
    use super::*;

    fn change(logical_id: &str) -> Change {
        Change {
            action: Action::Modify,
            logical_id: logical_id.to_owned(),
            resource_type: "AWS::Lambda::Function".to_owned(),
            replacement: Replacement::Never,
            policy: None,
        }
    }

    #[test]
    fn whatever_is_different_has_another_hash() {
        let (web, api) = ("web".parse::<StackName>().unwrap(), "api".parse::<StackName>().unwrap());
        let found = Found {
            stack: &web,
            stack_id: Some("arn:stack/web/1"),
            changed_at: Some(Timestamp::UNIX_EPOCH),
            change_set: Some("arn:changeSet/lockgate/1"),
            changes: &[change("Handler"), change("Queue")],
        };
        let replaced = Change {
            replacement: Replacement::Always,
            ..change("Queue")
        };
        let kept = Change {
            policy: Some(Policy::Retain),
            ..change("Queue")
        };
        let removed = Change {
            action: Action::Remove,
            ..change("Queue")
        };
        let others = [
            Found { stack: &api, ..found },
            Found {
                stack_id: Some("arn:stack/web/2"),
                ..found
            },
            Found {
                stack_id: None,
                ..found
            },
            Found {
                changed_at: Timestamp::from_second(1).ok(),
                ..found
            },
            Found {
                changed_at: None,
                ..found
            },
            Found {
                change_set: Some("arn:changeSet/lockgate/2"),
                ..found
            },
            Found {
                change_set: None,
                ..found
            },
            Found {
                changes: &[change("Handler")],
                ..found
            },
            Found {
                changes: &[change("Handler"), change("Queue"), change("Queue")],
                ..found
            },
            Found {
                changes: &[change("Handler"), replaced],
                ..found
            },
            Found {
                changes: &[change("Handler"), kept],
                ..found
            },
            Found {
                changes: &[change("Handler"), removed],
                ..found
            },
        ];
        let mut hashes: Vec<Digest> = others.iter().chain([&found]).map(Found::hash).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }

    proptest! {
        #[test]
        fn the_order_in_which_something_is_told_does_not_count(
            names in proptest::collection::vec("[A-Z][a-z]{0,3}", 0..6), turn in 0_usize..6,
        ) {
            let web: StackName = "web".parse().unwrap();
            let changes: Vec<Change> = names.iter().map(|name| change(name)).collect();
            let mut turned = changes.clone();
            let turn = turn % turned.len().max(1);
            turned.rotate_left(turn);
            let found = Found { stack: &web, stack_id: None, changed_at: None, change_set: None, changes: &changes };
            prop_assert_eq!(found.hash(), Found { changes: &turned, ..found }.hash());
            let prepared = |names: &[String]| -> Vec<Prepared> {
                let one = |name: &String| Prepared {
                    stack: name.parse().unwrap(),
                    change_set: None,
                    hash: Digest::of(name.as_bytes()),
                };
                names.iter().map(one).collect()
            };
            let mut other = names.clone();
            other.reverse();
            prop_assert_eq!(hash_of_all(&prepared(&names)), hash_of_all(&prepared(&other)));
        }
    }
}
