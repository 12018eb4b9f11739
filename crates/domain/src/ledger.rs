//! The append-only record of a deployment.
