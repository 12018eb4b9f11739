//! How Lockgate talks to AWS.
//!
//! Each module is one thing that we keep or ask there. All of them are thin: what to do is decided in `domain`, from
//! plain data, and these modules read that data, write it conditionally, and say in [`Error`] what AWS refused.

pub mod alarms;
pub mod approvals;
pub mod artifacts;
pub mod bootstrap;
pub mod builds;
pub mod clients;
pub mod deliveries;
mod environments;
pub mod error;
pub mod executions;
pub mod functions;
pub mod history;
pub mod ledger;
pub mod notifications;
pub mod operator_acts;
mod outboxes;
mod owed_reports;
pub mod parameters;
mod parking;
mod pins;
pub mod remembered;
pub mod roles;
pub mod rules;
pub mod stack_claims;
pub mod stacks;
pub mod tasks;
mod watched_branches;
mod watches;

pub use clients::Aws;
pub use error::{Error, Kind};
pub use ledger::Ledger;
