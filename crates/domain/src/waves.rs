//! The order in which stacks are deployed.
