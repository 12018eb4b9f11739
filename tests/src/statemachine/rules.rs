//! The rules, each a pure function from the definition to findings.

mod errors;
mod names;
mod outcomes;
mod tasks;
mod variables;
mod ways;

pub(crate) use names::tokens;

use super::{Definition, Finding};

/// Where a finding belongs that is about no state.
const FILE: &str = "deployment.asl.json";

pub(crate) const ALL: [fn(&Definition) -> Vec<Finding>; 15] = [
    ways::ways,
    ways::lock,
    ways::waves,
    tasks::comments,
    tasks::limits,
    tasks::calls,
    tasks::retries,
    tasks::reports,
    errors::catchers,
    errors::raised,
    outcomes::outcomes,
    variables::expressions,
    variables::variables,
    names::names,
    names::endings,
];
