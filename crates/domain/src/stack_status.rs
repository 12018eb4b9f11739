//! What state a stack is in, what may be done to it then, and how an operation on it ended.

use std::fmt;

use crate::change_set::ExecutionStatus;
use crate::root_cause::StackEvent;

macro_rules! statuses {
    ($($variant:ident = $text:literal,)*) => {
        /// The state of a stack in CloudFormation's words
        /// (AWS CloudFormation User Guide, "Understand CloudFormation stack status codes").
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "they are CloudFormation's own words")]
        pub enum StackStatus {
            $($variant,)*
            /// There is no such stack.
            Absent,
            /// A word that is newer than this program.
            Other(String),
        }

        impl StackStatus {
            /// Every status that CloudFormation documents.
            pub const DOCUMENTED: &'static [Self] = &[$(Self::$variant),*];

            /// The word itself.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Absent => "ABSENT",
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for StackStatus {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

statuses! {
    CreateInProgress = "CREATE_IN_PROGRESS",
    CreateFailed = "CREATE_FAILED",
    CreateComplete = "CREATE_COMPLETE",
    RollbackInProgress = "ROLLBACK_IN_PROGRESS",
    RollbackFailed = "ROLLBACK_FAILED",
    RollbackComplete = "ROLLBACK_COMPLETE",
    DeleteInProgress = "DELETE_IN_PROGRESS",
    DeleteFailed = "DELETE_FAILED",
    DeleteComplete = "DELETE_COMPLETE",
    UpdateInProgress = "UPDATE_IN_PROGRESS",
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateComplete = "UPDATE_COMPLETE",
    UpdateFailed = "UPDATE_FAILED",
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
    ReviewInProgress = "REVIEW_IN_PROGRESS",
    ImportInProgress = "IMPORT_IN_PROGRESS",
    ImportComplete = "IMPORT_COMPLETE",
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do about a stack before it can be brought to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAction {
    /// Make a change set of type `CREATE`. A stack that only ever had change sets takes one more of them.
    Create,
    /// Make a change set of type `UPDATE`.
    Update,
    /// An operation is in progress, and not ours: look again when it has ended.
    Wait,
    /// Call `ContinueUpdateRollback`, once in a deployment; if that fails an operator is needed.
    ContinueRollback,
    /// Delete the stack and make it again, but only where [`left_over`] finds nothing.
    DeleteThenCreate,
    /// Nothing can be done without a person, for this reason.
    Refuse(String),
}

/// An operation of ours on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The execution of a change set that makes the stack.
    Create,
    /// The execution of a change set that updates it.
    Update,
    /// The continuation of a rollback that failed.
    ContinueRollback,
    /// The deletion of a stack of which nothing is left.
    Delete,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The stack is as it was asked to be.
    Succeeded,
    /// It could not be, and CloudFormation put it back.
    RolledBack,
    /// It could not be, and could not be put back either: it is half-changed.
    RollbackFailed,
    /// The operation is over, but the stack is where this operation does not lead: somebody else was at it.
    Unknown,
}

impl StackStatus {
    /// Whether CloudFormation is working on the stack, cleaning up included. A word that is not known is read by its ending.
    pub fn in_progress(&self) -> bool {
        // CloudFormation does nothing about a stack under review: it waits for a change set to be executed.
        *self != Self::ReviewInProgress && self.as_str().ends_with("_IN_PROGRESS")
    }

    /// Whether an operation has ended here. Never true of a word that is not known.
    pub fn settled(&self) -> bool {
        !self.in_progress() && !matches!(self, Self::ReviewInProgress | Self::Other(_))
    }

    /// Whether the stack is whole, and can be updated.
    pub fn stable(&self) -> bool {
        matches!(
            self,
            Self::CreateComplete
                | Self::UpdateComplete
                | Self::UpdateRollbackComplete
                | Self::ImportComplete
                | Self::ImportRollbackComplete
        )
    }

    /// What to do about a stack in this state. `replace_failed` is the environment's consent to delete a stack whose
    /// first creation failed.
    pub fn before_change(&self, replace_failed: bool) -> NextAction {
        let refuse = |reason: &str| NextAction::Refuse(format!("it is in the state {self}: {reason}"));
        match self {
            Self::Absent | Self::DeleteComplete | Self::ReviewInProgress => NextAction::Create,
            status if status.stable() => NextAction::Update,
            status if status.in_progress() => NextAction::Wait,
            Self::UpdateRollbackFailed => NextAction::ContinueRollback,
            Self::RollbackComplete if replace_failed => NextAction::DeleteThenCreate,
            Self::RollbackComplete => refuse(
                "its first creation failed and it can only be deleted; replace_failed_stacks = true lets Lockgate do it",
            ),
            Self::RollbackFailed => {
                refuse("its first creation failed and resources of it are left; look at them, then delete the stack")
            }
            Self::CreateFailed | Self::UpdateFailed => {
                refuse("somebody changed it with rollback switched off; run `aws cloudformation rollback-stack`")
            }
            Self::DeleteFailed => refuse("somebody's deletion of it failed; finish the deletion"),
            Self::ImportRollbackFailed => {
                refuse("somebody's import failed half-way; mend it in the CloudFormation console")
            }
            _ => refuse("this version of Lockgate does not know that state"),
        }
    }

    /// How an operation of ours has ended if the stack came to this state by it; `None` if it has not ended, or if the
    /// state is one from before it, as a stale read shows it.
    ///
    /// A status alone cannot tell those apart: [`how_it_ended`] weighs it.
    pub fn after_execute(&self, operation: Operation) -> Option<Ending> {
        use Operation as O;
        if !self.settled() {
            return None;
        }
        match (operation, self) {
            (O::Create, Self::CreateComplete)
            | (O::Update, Self::UpdateComplete)
            | (O::Delete, Self::DeleteComplete | Self::Absent) => Some(Ending::Succeeded),
            (O::Create, Self::RollbackComplete) | (O::Update | O::ContinueRollback, Self::UpdateRollbackComplete) => {
                Some(Ending::RolledBack)
            }
            (O::Create, Self::RollbackFailed | Self::CreateFailed)
            | (O::Update | O::ContinueRollback, Self::UpdateRollbackFailed)
            | (O::Update, Self::UpdateFailed)
            | (O::Delete, Self::DeleteFailed) => Some(Ending::RollbackFailed),
            (O::Update, Self::CreateComplete | Self::ImportComplete | Self::ImportRollbackComplete)
            | (O::Delete, Self::RollbackComplete) => None,
            _ => Some(Ending::Unknown),
        }
    }
}

/// What was seen of an operation of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The operation.
    pub operation: Operation,
    /// What `DescribeStacks` says, which may be older than the operation.
    pub described: StackStatus,
    /// What `DescribeChangeSet` says of the execution, if there was one and it can still be asked.
    pub execution: Option<ExecutionStatus>,
    /// The newest status among the stack's own events that carry the operation's token: see [`own_status`].
    pub own: Option<StackStatus>,
}

/// How an operation of ours ended; `None` if it has not, or if that cannot be told yet.
///
/// `DescribeStacks` is eventually consistent: right after an execution it may still show the settled state of the
/// operation before. So it is believed only together with something that speaks of *this* operation: the stack's own
/// events that carry its token, or the execution status of its change set.
pub fn how_it_ended(seen: &Observation) -> Option<Ending> {
    if let Some(own) = seen.own.as_ref().filter(|own| own.settled()) {
        // With rollback, a failure is on its way to being undone; without, the description settles too.
        let on_its_way =
            matches!(own, StackStatus::CreateFailed | StackStatus::UpdateFailed) && seen.described.in_progress();
        if !on_its_way {
            return Some(own.after_execute(seen.operation).unwrap_or(Ending::Unknown));
        }
        return None;
    }
    let described = seen.described.after_execute(seen.operation)?;
    match (seen.operation, &seen.execution) {
        (Operation::Create | Operation::Update, Some(ExecutionStatus::ExecuteComplete)) => {
            (described == Ending::Succeeded).then_some(described)
        }
        (Operation::Create | Operation::Update, Some(ExecutionStatus::ExecuteFailed)) => {
            matches!(described, Ending::RolledBack | Ending::RollbackFailed).then_some(described)
        }
        (Operation::Create | Operation::Update, _) => None,
        // A continued rollback starts from UPDATE_ROLLBACK_FAILED: seeing that again tells nothing.
        (Operation::ContinueRollback, _) => (described == Ending::RolledBack).then_some(described),
        (Operation::Delete, _) => matches!(described, Ending::Succeeded | Ending::RollbackFailed).then_some(described),
    }
}

/// The newest status that the stack itself reached by the operation with this token, from its events in any order.
pub fn own_status(events: &[StackEvent], token: &str) -> Option<StackStatus> {
    let own = |event: &&StackEvent| event.client_token.as_deref() == Some(token);
    newest_status(events.iter().filter(own))
}

/// The newest status that the stack itself reached, by whatever operation, from its events in any order.
pub fn last_status(events: &[StackEvent]) -> Option<StackStatus> {
    newest_status(events)
}

fn newest_status<'a>(events: impl IntoIterator<Item = &'a StackEvent>) -> Option<StackStatus> {
    events
        .into_iter()
        .filter(|event| event.is_of_the_stack_itself())
        .map(|event| (event.timestamp, StackStatus::from(event.status.as_str())))
        // Of two events of one millisecond, the settled one is the later one.
        .max_by_key(|(timestamp, status)| (*timestamp, status.settled()))
        .map(|(_, status)| status)
}

/// A resource of a stack, as `ListStackResources` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Its name in the template.
    pub logical_id: String,
    /// What it is called where it is; empty, before it is there.
    pub physical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its status.
    pub status: String,
}

/// What is left of a stack whose creation was rolled back: everything that was not deleted, above all what is retained.
///
/// A stack of which something is left is not deleted and made again: the new one would collide with it, or forget it.
pub fn left_over(resources: &[StackResource]) -> Vec<&StackResource> {
    resources
        .iter()
        .filter(|resource| resource.status != "DELETE_COMPLETE")
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<StackStatus> {
        let others = ["RESHAPE_IN_PROGRESS", "RESHAPE_COMPLETE"].map(StackStatus::from);
        StackStatus::DOCUMENTED
            .iter()
            .cloned()
            .chain([StackStatus::Absent])
            .chain(others)
            .collect()
    }

    #[test]
    fn every_status_has_its_word_and_back() {
        assert_eq!(StackStatus::DOCUMENTED.len(), 23);
        for status in StackStatus::DOCUMENTED {
            assert_eq!(StackStatus::from(status.as_str()), *status);
        }
    }

    #[test]
    fn f35_what_is_done_about_a_stack_in_each_state() {
        let mut table = String::new();
        for status in all() {
            let flags: String = [
                ('p', status.in_progress()),
                ('e', status.settled()),
                ('s', status.stable()),
            ]
            .map(|(flag, on)| if on { flag } else { '.' })
            .iter()
            .collect();
            let word = |consent| match status.before_change(consent) {
                NextAction::Refuse(_) => "refuse".to_owned(),
                action => format!("{action:?}"),
            };
            let (without, with) = (word(false), word(true));
            let action = if with == without {
                with
            } else {
                format!("{without}, with consent {with}")
            };
            writeln!(table, "{:<44} {flags} {action}", status.as_str()).unwrap();
        }
        insta::assert_snapshot!(table, @"
        CREATE_IN_PROGRESS                           p.. Wait
        CREATE_FAILED                                .e. refuse
        CREATE_COMPLETE                              .es Update
        ROLLBACK_IN_PROGRESS                         p.. Wait
        ROLLBACK_FAILED                              .e. refuse
        ROLLBACK_COMPLETE                            .e. refuse, with consent DeleteThenCreate
        DELETE_IN_PROGRESS                           p.. Wait
        DELETE_FAILED                                .e. refuse
        DELETE_COMPLETE                              .e. Create
        UPDATE_IN_PROGRESS                           p.. Wait
        UPDATE_COMPLETE_CLEANUP_IN_PROGRESS          p.. Wait
        UPDATE_COMPLETE                              .es Update
        UPDATE_FAILED                                .e. refuse
        UPDATE_ROLLBACK_IN_PROGRESS                  p.. Wait
        UPDATE_ROLLBACK_FAILED                       .e. ContinueRollback
        UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS p.. Wait
        UPDATE_ROLLBACK_COMPLETE                     .es Update
        REVIEW_IN_PROGRESS                           ... Create
        IMPORT_IN_PROGRESS                           p.. Wait
        IMPORT_COMPLETE                              .es Update
        IMPORT_ROLLBACK_IN_PROGRESS                  p.. Wait
        IMPORT_ROLLBACK_FAILED                       .e. refuse
        IMPORT_ROLLBACK_COMPLETE                     .es Update
        ABSENT                                       .e. Create
        RESHAPE_IN_PROGRESS                          p.. Wait
        RESHAPE_COMPLETE                             ... refuse
        ");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let reasons: Vec<String> = all()
            .iter()
            .filter_map(|status| match status.before_change(false) {
                NextAction::Refuse(reason) => Some(reason),
                _ => None,
            })
            .collect();
        insta::assert_snapshot!(reasons.join("\n"), @"
        it is in the state CREATE_FAILED: somebody changed it with rollback switched off; run `aws cloudformation rollback-stack`
        it is in the state ROLLBACK_FAILED: its first creation failed and resources of it are left; look at them, then delete the stack
        it is in the state ROLLBACK_COMPLETE: its first creation failed and it can only be deleted; replace_failed_stacks = true lets Lockgate do it
        it is in the state DELETE_FAILED: somebody's deletion of it failed; finish the deletion
        it is in the state UPDATE_FAILED: somebody changed it with rollback switched off; run `aws cloudformation rollback-stack`
        it is in the state IMPORT_ROLLBACK_FAILED: somebody's import failed half-way; mend it in the CloudFormation console
        it is in the state RESHAPE_COMPLETE: this version of Lockgate does not know that state
        ");
    }

    #[test]
    fn where_each_operation_leads() {
        let mut table = String::new();
        for status in all() {
            let row = [
                Operation::Create,
                Operation::Update,
                Operation::ContinueRollback,
                Operation::Delete,
            ]
            .map(|operation| {
                status
                    .after_execute(operation)
                    .map_or("-".to_owned(), |ending| format!("{ending:?}"))
            });
            writeln!(
                table,
                "{:<44} {:<14} {:<14} {:<14} {}",
                status.as_str(),
                row[0],
                row[1],
                row[2],
                row[3]
            )
            .unwrap();
        }
        insta::assert_snapshot!(table, @"
        CREATE_IN_PROGRESS                           -              -              -              -
        CREATE_FAILED                                RollbackFailed Unknown        Unknown        Unknown
        CREATE_COMPLETE                              Succeeded      -              Unknown        Unknown
        ROLLBACK_IN_PROGRESS                         -              -              -              -
        ROLLBACK_FAILED                              RollbackFailed Unknown        Unknown        Unknown
        ROLLBACK_COMPLETE                            RolledBack     Unknown        Unknown        -
        DELETE_IN_PROGRESS                           -              -              -              -
        DELETE_FAILED                                Unknown        Unknown        Unknown        RollbackFailed
        DELETE_COMPLETE                              Unknown        Unknown        Unknown        Succeeded
        UPDATE_IN_PROGRESS                           -              -              -              -
        UPDATE_COMPLETE_CLEANUP_IN_PROGRESS          -              -              -              -
        UPDATE_COMPLETE                              Unknown        Succeeded      Unknown        Unknown
        UPDATE_FAILED                                Unknown        RollbackFailed Unknown        Unknown
        UPDATE_ROLLBACK_IN_PROGRESS                  -              -              -              -
        UPDATE_ROLLBACK_FAILED                       Unknown        RollbackFailed RollbackFailed Unknown
        UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS -              -              -              -
        UPDATE_ROLLBACK_COMPLETE                     Unknown        RolledBack     RolledBack     Unknown
        REVIEW_IN_PROGRESS                           -              -              -              -
        IMPORT_IN_PROGRESS                           -              -              -              -
        IMPORT_COMPLETE                              Unknown        -              Unknown        Unknown
        IMPORT_ROLLBACK_IN_PROGRESS                  -              -              -              -
        IMPORT_ROLLBACK_FAILED                       Unknown        Unknown        Unknown        Unknown
        IMPORT_ROLLBACK_COMPLETE                     Unknown        -              Unknown        Unknown
        ABSENT                                       Unknown        Unknown        Unknown        Succeeded
        RESHAPE_IN_PROGRESS                          -              -              -              -
        RESHAPE_COMPLETE                             -              -              -              -
        ");
    }

    /// The operation, what is described, the change set's execution, our own events; then how it ended.
    const ENDINGS: &str = "
        # Right after the execution, the description is still the one from before.
        Update | UPDATE_COMPLETE | EXECUTE_IN_PROGRESS | - | -
        Update | UPDATE_COMPLETE | AVAILABLE | - | -
        Update | UPDATE_COMPLETE | EXECUTE_IN_PROGRESS | UPDATE_IN_PROGRESS | -
        Update | UPDATE_ROLLBACK_COMPLETE | EXECUTE_COMPLETE | - | -
        Update | UPDATE_COMPLETE | EXECUTE_FAILED | - | -
        Update | CREATE_COMPLETE | EXECUTE_COMPLETE | - | -
        Create | REVIEW_IN_PROGRESS | EXECUTE_COMPLETE | - | -
        Create | ABSENT | - | - | -
        # The change set is gone or obsolete, and no event is ours: nothing is known.
        Update | UPDATE_COMPLETE | - | - | -
        Update | UPDATE_COMPLETE | OBSOLETE | - | -
        # Still cleaning up.
        Update | UPDATE_COMPLETE_CLEANUP_IN_PROGRESS | EXECUTE_COMPLETE | UPDATE_COMPLETE_CLEANUP_IN_PROGRESS | -
        # Our own event settles it, however stale the description.
        Update | UPDATE_IN_PROGRESS | EXECUTE_IN_PROGRESS | UPDATE_COMPLETE | Succeeded
        Update | UPDATE_COMPLETE | - | UPDATE_ROLLBACK_COMPLETE | RolledBack
        Update | UPDATE_COMPLETE | - | UPDATE_ROLLBACK_FAILED | RollbackFailed
        Create | REVIEW_IN_PROGRESS | - | CREATE_COMPLETE | Succeeded
        Create | CREATE_IN_PROGRESS | - | ROLLBACK_COMPLETE | RolledBack
        # Somebody else went on after us: ours has ended all the same.
        Update | UPDATE_IN_PROGRESS | EXECUTE_COMPLETE | UPDATE_COMPLETE | Succeeded
        Update | DELETE_COMPLETE | - | DELETE_COMPLETE | Unknown
        # A failure that is being undone is no ending.
        Create | ROLLBACK_IN_PROGRESS | EXECUTE_FAILED | CREATE_FAILED | -
        Create | CREATE_FAILED | EXECUTE_FAILED | CREATE_FAILED | RollbackFailed
        # Without tokens, change set and description together are enough.
        Create | CREATE_COMPLETE | EXECUTE_COMPLETE | - | Succeeded
        Update | UPDATE_COMPLETE | EXECUTE_COMPLETE | UPDATE_IN_PROGRESS | Succeeded
        Update | UPDATE_ROLLBACK_COMPLETE | EXECUTE_FAILED | - | RolledBack
        Update | UPDATE_ROLLBACK_FAILED | EXECUTE_FAILED | - | RollbackFailed
        Create | ROLLBACK_COMPLETE | EXECUTE_FAILED | - | RolledBack
        # Operations without a change set.
        ContinueRollback | UPDATE_ROLLBACK_FAILED | - | - | -
        ContinueRollback | UPDATE_ROLLBACK_FAILED | - | UPDATE_ROLLBACK_IN_PROGRESS | -
        ContinueRollback | UPDATE_ROLLBACK_FAILED | - | UPDATE_ROLLBACK_FAILED | RollbackFailed
        ContinueRollback | UPDATE_ROLLBACK_COMPLETE | - | - | RolledBack
        Delete | ROLLBACK_COMPLETE | - | - | -
        Delete | DELETE_IN_PROGRESS | - | - | -
        Delete | ABSENT | - | - | Succeeded
        Delete | DELETE_FAILED | - | - | RollbackFailed
    ";

    #[test]
    fn f31_an_ending_needs_more_than_a_description() {
        let operations = [
            Operation::Create,
            Operation::Update,
            Operation::ContinueRollback,
            Operation::Delete,
        ];
        let rows = ENDINGS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for row in rows {
            let cells: Vec<&str> = row.split(" | ").collect();
            let [operation, described, execution, own, wanted] = cells[..] else {
                panic!("{row}")
            };
            let given = |cell: &'static str| Some(cell).filter(|cell| *cell != "-");
            let ended = how_it_ended(&Observation {
                operation: operations
                    .into_iter()
                    .find(|known| format!("{known:?}") == operation)
                    .unwrap(),
                described: if described == "ABSENT" {
                    StackStatus::Absent
                } else {
                    described.into()
                },
                execution: given(execution).map(ExecutionStatus::from),
                own: given(own).map(StackStatus::from),
            });
            assert_eq!(
                ended.map_or("-".to_owned(), |ending| format!("{ending:?}")),
                wanted,
                "{row}"
            );
        }
    }

    fn any_status() -> impl Strategy<Value = StackStatus> {
        prop::sample::select(all())
    }

    proptest! {
        #[test]
        fn a_description_alone_never_ends_an_execution(
            described in any_status(), create in any::<bool>(),
            execution in prop::option::of(prop::sample::select(vec!["AVAILABLE", "UNAVAILABLE", "EXECUTE_IN_PROGRESS", "OBSOLETE", "NEW_WORD"])),
            own in prop::option::of(any_status().prop_filter("unsettled", |status| !status.settled())),
        ) {
            let operation = if create { Operation::Create } else { Operation::Update };
            let execution = execution.map(ExecutionStatus::from);
            prop_assert_eq!(how_it_ended(&Observation { operation, described, execution, own }), None);
        }

        #[test]
        fn no_word_panics_or_settles(word in "\\PC{0,40}") {
            prop_assume!(!StackStatus::DOCUMENTED.iter().any(|status| status.as_str() == word));
            let status = StackStatus::from(word.as_str());
            prop_assert!(!status.settled() && !status.stable());
            prop_assert!(matches!(status.before_change(true), NextAction::Wait | NextAction::Refuse(_)));
            prop_assert_eq!(status.after_execute(Operation::Update), None);
        }
    }

    #[test]
    fn only_events_of_the_stack_itself_and_of_our_operation_count() {
        let event = |at: &str, logical_id: &str, status: &str, token: Option<&str>| StackEvent {
            timestamp: at.parse().unwrap(),
            stack_id: "arn:stack/shop/1".to_owned(),
            logical_id: logical_id.to_owned(),
            physical_id: Some(
                if logical_id == "shop" {
                    "arn:stack/shop/1"
                } else {
                    "other"
                }
                .to_owned(),
            ),
            resource_type: if logical_id == "shop" {
                "AWS::CloudFormation::Stack"
            } else {
                "AWS::SNS::Topic"
            }
            .to_owned(),
            status: status.to_owned(),
            reason: None,
            client_token: token.map(str::to_owned),
        };
        let mut events = vec![
            event("2026-11-23T10:00:09Z", "shop", "UPDATE_IN_PROGRESS", Some("theirs")),
            event("2026-11-23T10:00:05Z", "shop", "UPDATE_COMPLETE", Some("ours")),
            event(
                "2026-11-23T10:00:05Z",
                "shop",
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
                Some("ours"),
            ),
            event("2026-11-23T10:00:06Z", "Topic", "DELETE_FAILED", Some("ours")),
            event("2026-11-23T10:00:01Z", "shop", "UPDATE_IN_PROGRESS", Some("ours")),
            event("2026-11-23T09:00:00Z", "shop", "CREATE_COMPLETE", None),
        ];
        assert_eq!(own_status(&events, "ours"), Some(StackStatus::UpdateComplete));
        assert_eq!(own_status(&events, "nobody's"), None);
        events.reverse();
        assert_eq!(own_status(&events, "ours"), Some(StackStatus::UpdateComplete));
    }

    #[test]
    fn what_is_retained_is_left_over() {
        let resource = |status: &str| StackResource {
            logical_id: "Orders".to_owned(),
            physical_id: "shop-orders".to_owned(),
            resource_type: "AWS::DynamoDB::Table".to_owned(),
            status: status.to_owned(),
        };
        let resources = ["DELETE_COMPLETE", "DELETE_SKIPPED", "DELETE_FAILED", "CREATE_COMPLETE"].map(resource);
        assert_eq!(left_over(&resources).len(), 3);
        assert!(left_over(&resources[..1]).is_empty());
    }
}
