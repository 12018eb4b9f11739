//! deploy at its outer door, against an AWS that says what a test lets it say: pages, stale reads, odd states, refusals.
//!
//! That the real calls fit together (events across accounts, a real template, a real rollback) is shown end to end.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod comparing;
mod executing;
mod preparing;
mod publishing;
mod says;
mod shop;
mod stacks;
