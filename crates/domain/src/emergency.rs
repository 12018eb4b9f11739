//! An emergency: two people let a commit into an environment that is frozen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::approval::person_behind;

/// How many different people it takes.
pub const PEOPLE: usize = 2;

/// For how long their words count, from the first of them that is needed.
pub const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(4);

/// What people said of a commit that is to come into a frozen environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Their words, in the order in which they came.
    pub words: Vec<Plea>,
}

/// One person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plea {
    /// Who, by ARN. All sessions of a role are one person.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl Emergency {
    /// Adds a word. One who speaks again is heard from then on, and counts once.
    pub fn plead(&mut self, plea: Plea) {
        let who = person_behind(&plea.by);
        self.words.retain(|word| person_behind(&word.by) != who);
        self.words.push(plea);
    }

    /// Those whose words count now, one for each person.
    pub fn heard(&self, now: Timestamp) -> Vec<&Plea> {
        let mut people = BTreeSet::new();
        let counts = |word: &&Plea| word.at <= now && now.duration_since(word.at) <= COUNTS_FOR;
        let heard = self.words.iter().rev().filter(counts);
        heard.filter(|word| people.insert(person_behind(&word.by))).collect()
    }

    /// Those who let it in; nothing, where too few do.
    pub fn lets_in(&self, now: Timestamp) -> Option<Vec<&Plea>> {
        Some(self.heard(now)).filter(|heard| heard.len() >= PEOPLE)
    }
}
