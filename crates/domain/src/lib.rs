//! What Lockgate decides: nouns and pure functions of data.
//!
//! Nothing here is asynchronous, talks to AWS, reads a clock or the environment: the time is an argument, and
//! what happens in the world is an outcome that somebody else carries out. That is what makes every decision
//! testable by tables, properties and a model checker.

pub mod addresses;
pub mod approval;
pub mod assembly;
pub mod bake;
pub mod build_record;
pub mod by_hand;
pub mod causes;
pub mod change_set;
pub mod configuration;
pub mod deployment;
pub mod doctor;
pub mod emergency;
pub mod environment_state;
pub mod failure;
pub mod freeze;
pub mod github;
pub mod harmless;
pub mod history;
pub mod intake;
pub mod ledger;
pub mod life;
pub mod lookup;
pub mod message;
pub mod metrics;
pub mod names;
pub mod nearest;
pub mod parking;
pub mod promotion;
pub mod release;
pub mod root_cause;
pub mod signature;
pub mod smoke_test;
pub mod stack_status;
mod toml_kind;
pub mod update_state;
pub mod verdict;
pub mod waves;
pub mod way_back;
