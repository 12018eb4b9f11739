//! How changes are told to people: those that were made, and those that are to be made.

use super::{Action, How, Loss, Summary};

/// Whether changes are told that were made, or that are to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// They were made.
    Done,
    /// They will be made, unless somebody says no.
    Planned,
}

impl Action {
    /// What it does to a resource, in the words behind the resource's name.
    pub fn told(self, tense: Tense) -> &'static str {
        match (self, tense) {
            (Self::Add, Tense::Done) => "was added",
            (Self::Add, Tense::Planned) => "is added",
            (Self::Modify, Tense::Done) => "was changed",
            (Self::Modify, Tense::Planned) => "is changed",
            (Self::Remove, Tense::Done) => "was removed",
            (Self::Remove, Tense::Planned) => "is removed",
            (Self::Import, Tense::Done) => "was imported",
            (Self::Import, Tense::Planned) => "is imported",
            (Self::Dynamic, Tense::Done) => "was perhaps changed",
            (Self::Dynamic, Tense::Planned) => "is perhaps changed",
        }
    }
}

impl Loss {
    /// How it goes, in the words behind its name.
    pub fn told(&self, tense: Tense) -> &'static str {
        match (self.how, tense) {
            (How::Removed, Tense::Done) => "was removed",
            (How::Removed, Tense::Planned) => "is removed",
            (How::Replaced, Tense::Done) => "was replaced",
            (How::Replaced, Tense::Planned) => "is replaced",
            (How::MayBeReplaced, Tense::Done) => "may have been replaced",
            (How::MayBeReplaced, Tense::Planned) => "may be replaced",
        }
    }

    /// What becomes of the data in it.
    pub fn fate(&self, tense: Tense) -> &'static str {
        match (self.kept, self.how, tense) {
            (true, ..) => "the old one, or a snapshot of it, is kept",
            (false, How::MayBeReplaced, Tense::Done) => "its data may be gone",
            (false, How::MayBeReplaced, Tense::Planned) => "its data may be lost",
            (false, How::Removed | How::Replaced, Tense::Done) => "its data is gone",
            (false, How::Removed | How::Replaced, Tense::Planned) => "its data is lost",
        }
    }
}

impl Summary {
    /// How much it changes, in one line.
    pub fn counts(&self, tense: Tense) -> String {
        let words = match tense {
            Tense::Done => ["added", "changed", "removed", "imported", "perhaps changed"],
            Tense::Planned => ["to add", "to change", "to remove", "to import", "perhaps to change"],
        };
        let counts = [self.add, self.modify, self.remove, self.import, self.dynamic];
        let some = counts.into_iter().zip(words).filter(|(count, _)| *count > 0);
        let some: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        some.join(", ")
    }
}
