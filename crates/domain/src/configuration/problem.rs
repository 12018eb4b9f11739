//! What is wrong with a `lockgate.toml`, and where.

use std::fmt;

use serde::Serialize;

use crate::harmless::harmless;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// The key it is about, from the top of the file; empty where the text is no TOML.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem whose texts can be shown as they are, whatever stands in the file.
    pub(super) fn new(line: usize, column: usize, key: &str, message: &str) -> Self {
        Self {
            line,
            column,
            key: harmless(key, 200),
            message: harmless(message, 500),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with one file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// The problems, sorted by line and column.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// The problems as a person reads them: one per line, each beginning with `file:line:column:`, which editors and
    /// terminals make a link of.
    pub fn report(&self, file: &str) -> String {
        let mut lines: Vec<String> = self.0.iter().map(|problem| format!("{file}:{problem}")).collect();
        lines.push(match self.0.len() {
            1 => "1 problem; nothing was created.".to_owned(),
            n => format!("{n} problems; nothing was created."),
        });
        lines.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report("lockgate.toml"))
    }
}

impl std::error::Error for Problems {}
