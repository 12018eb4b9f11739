//! What follows from what is seen of the execution of a change set.

use domain::change_set::ExecutionStatus;
use domain::stack_status::{Ending, Observation, Operation, StackStatus, how_it_ended};

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
                // Somebody continued it, or we did and its events are not there yet.
                StackStatus::UpdateRollbackComplete => Next::RolledBack,
                described if described.in_progress() => Next::Wait,
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
