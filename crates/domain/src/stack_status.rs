//! Every state a stack can be in, and what to do next in each.
