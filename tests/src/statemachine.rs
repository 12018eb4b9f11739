//! The rules of the state machine's file (`statemachine/README.md`), held against the file and the functions.
//!
//! A rule is a pure function from the definition to findings. What it compares with is in [`contract`]; that each rule
//! can fail is shown on broken copies of the file, in `broken.rs`.

pub mod contract;
mod definition;
mod expression;
mod picture;
mod rules;
mod walk;

#[cfg(test)]
mod broken;

use std::collections::BTreeSet;
use std::fmt;

pub use definition::Definition;
pub use picture::picture;
pub use walk::{Call, Walk, walk};

/// Something in the file that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The state it is about; the file's own name, where it is about none.
    pub state: String,
    /// The rule.
    pub rule: Rule,
    /// What is wrong.
    pub sentence: String,
}

/// What holds for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum Rule {
    /// Every state can be reached, leads on to states that are there, and from every state an end can be reached.
    Ways,
    /// Nobody changes an environment without its lock, and no execution ends without having dealt with it.
    Lock,
    /// What fails in an iteration beside others is kept as data, because a failing iteration cuts off the others.
    Waves,
    /// Every state says in a sentence what it is for.
    Comments,
    /// Every task, and the machine, has its limit.
    Limits,
    /// Every task calls a function of ours, says what is asked, and passes its token exactly if it waits for it.
    Calls,
    /// Exactly what is safe is retried, with jitter and a cap.
    Retries,
    /// Every catcher can match; `States.Timeout` has its own; `States.ALL` stands alone and last; names exist.
    Catchers,
    /// What a function raises is caught by name where it is called, and nothing else of ours is.
    Raised,
    /// Telling people is never on the critical path.
    Reports,
    /// Choices know exactly the outcomes that the functions answer.
    Outcomes,
    /// Expressions are paths, equality with a literal, `and`, `or`, and object literals.
    Expressions,
    /// A variable is set on every way to where it is read.
    Variables,
    /// The CDK app puts in exactly what the file asks for.
    Tokens,
    /// Choices are questions, the others begin with a verb.
    Names,
    /// The four endings are there, green or red as they should be, and each is reached by its own outcome.
    Endings,
}

impl Finding {
    pub(crate) fn new(state: &str, rule: Rule, sentence: impl Into<String>) -> Self {
        Self {
            state: state.to_owned(),
            rule,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?})", self.state, self.sentence, self.rule)
    }
}

/// Everything in the file that breaks a rule, given the tokens that the CDK app puts in.
pub fn lint(definition: &Definition, put_in: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules::ALL.iter().flat_map(|rule| rule(definition)).collect();
    findings.extend(rules::tokens(definition, put_in));
    findings.sort();
    findings.dedup();
    findings
}
