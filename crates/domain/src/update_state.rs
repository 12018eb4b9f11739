//! What follows from what is seen of the execution of a change set.

use crate::change_set::ExecutionStatus;
use crate::stack_status::{Ending, Observation, Operation, StackStatus, how_it_ended};

/// What is seen of a change set's execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether the change set makes the stack.
    pub creates: bool,
    /// What `DescribeStacks` says.
    pub described: StackStatus,
    /// What `DescribeChangeSet` says; nothing, where the change set is gone.
    pub execution: Option<ExecutionStatus>,
    /// The newest status of the stack by the execution, from events with its token.
    pub own: Option<StackStatus>,
    /// The newest status of the stack by the continued rollback, from events with that one's token.
    pub continued: Option<StackStatus>,
    /// The newest status of the stack that its events tell, whosever operation they are of.
    pub last: Option<StackStatus>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The stack has changed.
    Updated,
    /// It could not be changed, and was put back.
    RolledBack,
    /// It could not be put back; nobody tried a second time yet.
    ContinueRollback,
    /// It could not be put back, for good.
    RollbackFailed,
    /// It is over, and where it should not be.
    Unknown,
    /// Nothing of the execution is to be seen.
    NotBegun,
    /// The change set cannot be executed any more, and never was.
    Obsolete,
    /// It goes on, or that cannot be told yet.
    Wait,
}

impl Seen {
    /// What follows from it.
    pub fn next(&self) -> Next {
        if self.continued.is_some() {
            return self.after_continuing();
        }
        let observation = Observation {
            operation: if self.creates {
                Operation::Create
            } else {
                Operation::Update
            },
            described: self.described.clone(),
            execution: self.execution.clone(),
            own: self.own.clone(),
        };
        match how_it_ended(&observation) {
            Some(Ending::Succeeded) => Next::Updated,
            Some(Ending::RolledBack) => Next::RolledBack,
            Some(Ending::RollbackFailed) if !self.creates => match &self.described {
                StackStatus::UpdateRollbackFailed => Next::ContinueRollback,
                described if described.in_progress() => Next::Wait,
                // Somebody was at it since, if its events say so too. Else that is how an update before ours left it, or
                // we continued the rollback and our events are not there yet.
                described if *described != StackStatus::Absent && self.last.as_ref() != Some(described) => Next::Wait,
                StackStatus::UpdateRollbackComplete => Next::RolledBack,
                _ => Next::RollbackFailed,
            },
            Some(Ending::RollbackFailed) => Next::RollbackFailed,
            Some(Ending::Unknown) => Next::Unknown,
            None => self.not_ended(),
        }
    }

    fn after_continuing(&self) -> Next {
        let observation = Observation {
            operation: Operation::ContinueRollback,
            described: self.described.clone(),
            execution: None,
            own: self.continued.clone(),
        };
        match how_it_ended(&observation) {
            Some(Ending::RolledBack) => Next::RolledBack,
            Some(_) => Next::RollbackFailed,
            None => Next::Wait,
        }
    }

    fn not_ended(&self) -> Next {
        if self.own.is_some() {
            return Next::Wait;
        }
        match &self.execution {
            Some(ExecutionStatus::Obsolete) => Next::Obsolete,
            Some(ExecutionStatus::Available | ExecutionStatus::Unavailable) => Next::NotBegun,
            // Somebody else's operation, or ours before its events: either ends and is then told apart.
            None if !self.described.in_progress() => Next::NotBegun,
            _ => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change_set::ExecutionStatus as E;

    /// The stack as described, the execution, and the newest status by each token, as words.
    fn next(creates: bool, described: &str, execution: Option<E>, own: &str, continued: &str) -> Next {
        let status = |word: &str| (!word.is_empty()).then(|| StackStatus::from(word));
        Seen {
            creates,
            described: status(described).unwrap_or(StackStatus::Absent),
            execution,
            own: status(own),
            continued: status(continued),
            last: status(if continued.is_empty() { own } else { continued }),
        }
        .next()
    }

    #[test]
    fn an_update_ends_only_where_its_own_events_or_its_change_set_say_so() {
        let table = [
            (
                "UPDATE_IN_PROGRESS",
                Some(E::ExecuteInProgress),
                "UPDATE_IN_PROGRESS",
                Next::Wait,
            ),
            ("UPDATE_COMPLETE", Some(E::ExecuteInProgress), "", Next::Wait),
            ("UPDATE_COMPLETE", Some(E::ExecuteComplete), "", Next::Updated),
            ("UPDATE_IN_PROGRESS", None, "UPDATE_COMPLETE", Next::Updated),
            (
                "UPDATE_COMPLETE",
                Some(E::ExecuteComplete),
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
                Next::Updated,
            ),
            ("UPDATE_ROLLBACK_COMPLETE", Some(E::ExecuteFailed), "", Next::RolledBack),
            ("UPDATE_ROLLBACK_COMPLETE", Some(E::ExecuteInProgress), "", Next::Wait),
            (
                "UPDATE_ROLLBACK_FAILED",
                Some(E::ExecuteFailed),
                "UPDATE_ROLLBACK_FAILED",
                Next::ContinueRollback,
            ),
            (
                "UPDATE_ROLLBACK_IN_PROGRESS",
                Some(E::ExecuteFailed),
                "UPDATE_ROLLBACK_FAILED",
                Next::Wait,
            ),
            (
                "DELETE_COMPLETE",
                Some(E::ExecuteComplete),
                "DELETE_COMPLETE",
                Next::Unknown,
            ),
            // Its own events are fresher than what is described.
            ("UPDATE_COMPLETE", Some(E::Available), "UPDATE_IN_PROGRESS", Next::Wait),
            ("UPDATE_COMPLETE", None, "UPDATE_IN_PROGRESS", Next::Wait),
            ("UPDATE_COMPLETE", Some(E::Available), "", Next::NotBegun),
            ("UPDATE_COMPLETE", None, "", Next::NotBegun),
            ("UPDATE_IN_PROGRESS", None, "", Next::Wait),
            ("UPDATE_COMPLETE", Some(E::Obsolete), "", Next::Obsolete),
            ("NEWER_THAN_US", Some(E::ExecuteComplete), "", Next::Wait),
        ];
        for (described, execution, own, expected) in table {
            let told = format!("{described} {execution:?} {own}");
            assert_eq!(next(false, described, execution, own, ""), expected, "{told}");
        }
    }

    #[test]
    fn a_creation_has_nothing_to_continue() {
        let table = [
            (
                "CREATE_COMPLETE",
                Some(E::ExecuteComplete),
                "CREATE_COMPLETE",
                Next::Updated,
            ),
            (
                "ROLLBACK_COMPLETE",
                Some(E::ExecuteFailed),
                "ROLLBACK_COMPLETE",
                Next::RolledBack,
            ),
            (
                "ROLLBACK_FAILED",
                Some(E::ExecuteFailed),
                "ROLLBACK_FAILED",
                Next::RollbackFailed,
            ),
            ("REVIEW_IN_PROGRESS", Some(E::Available), "", Next::NotBegun),
            ("REVIEW_IN_PROGRESS", Some(E::ExecuteInProgress), "", Next::Wait),
        ];
        for (described, execution, own, expected) in table {
            let told = format!("{described} {execution:?} {own}");
            assert_eq!(next(true, described, execution, own, ""), expected, "{told}");
        }
    }

    /// A stack whose rollback failed may for a while be described as the update before ours left it.
    #[test]
    fn that_somebody_continued_a_rollback_is_told_by_events() {
        use StackStatus::{Absent, UpdateComplete, UpdateRollbackComplete, UpdateRollbackFailed};
        let table = [
            (UpdateRollbackComplete, UpdateRollbackFailed, Next::Wait),
            (UpdateComplete, UpdateRollbackFailed, Next::Wait),
            (UpdateRollbackFailed, UpdateRollbackFailed, Next::ContinueRollback),
            (UpdateRollbackComplete, UpdateRollbackComplete, Next::RolledBack),
            (UpdateComplete, UpdateComplete, Next::RollbackFailed),
            (Absent, UpdateRollbackFailed, Next::RollbackFailed),
        ];
        for (described, last, expected) in table {
            let seen = Seen {
                creates: false,
                described,
                execution: Some(E::ExecuteFailed),
                own: Some(UpdateRollbackFailed),
                continued: None,
                last: Some(last),
            };
            assert_eq!(seen.next(), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_rollback_is_continued_once() {
        let failed = "UPDATE_ROLLBACK_FAILED";
        let table = [
            (failed, "UPDATE_ROLLBACK_IN_PROGRESS", Next::Wait),
            (failed, failed, Next::RollbackFailed),
            ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", Next::RolledBack),
            ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", Next::Wait),
        ];
        for (described, continued, expected) in table {
            let found = next(false, described, Some(E::ExecuteFailed), failed, continued);
            assert_eq!(found, expected, "{described} {continued}");
        }
    }
}
