//! How Lockgate talks to AWS.
//!
//! Each module is one thing that we keep or ask there. All of them are thin: what to do is decided in `domain`, from
//! plain data, and these modules read that data, write it conditionally, and say in [`Error`] what AWS refused.

pub mod clients;
pub mod error;

pub use clients::Aws;
pub use error::{Error, Kind};
