//! End-to-end tests on the local AWS: the real functions, the real state machine, the real CDK template.
//!
//! One local AWS serves all tests of a program. Each test has an application of its own, and mostly target accounts too,
//! so that they run in parallel and none sees another. What a run wrote stays in `target/lockgate/end-to-end` until the next one.

pub mod alarms;
mod application;
mod candidate;
mod laboratory;
pub mod outcome;
pub mod resources;
pub mod statemachine;

pub use application::{Application, Stack};
pub use candidate::Candidate;
pub use laboratory::{DEV, Laboratory, Plan, Scenario, Setting, TEST, create_stack, in_a_laboratory};
