//! The tokens in approvers' links.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{InvalidName, name};

name!(
    /// The name of a key that tokens are made with: 8 digits of its SHA-256, so that a record can say which it was.
    KeyId,
    "a key's id",
    "8 lower-case hexadecimal digits",
    |text| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);
