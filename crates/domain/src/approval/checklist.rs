//! `lockgate.uat.md`: what people try before they accept a release.

use serde::{Deserialize, Serialize};

/// One thing to try and to tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistItem {
    /// The heading it stands under.
    pub heading: Option<String>,
    /// What to try, harmless; Markdown in it is left as it was written.
    pub text: String,
}
