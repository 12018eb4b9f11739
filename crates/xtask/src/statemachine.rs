//! The state machines' files as validators want to see them.

use std::fs;
use std::path::{Path, PathBuf};

/// The state machine that deploys, and the one by which people ask for a rollback.
pub const FILES: [&str; 2] = ["deployment.asl.json", "rollback.asl.json"];

/// Writes a definition with an ARN in place of each token, and says where.
pub fn with_arns(root: &Path, file: &str) -> Result<PathBuf, String> {
    let source = root.join("statemachine").join(file);
    let text = fs::read_to_string(&source).map_err(|error| format!("{} cannot be read: {error}.", source.display()))?;
    let target = crate::tools::private().join(file);
    fs::write(&target, put_in(&text)).map_err(|error| format!("{} cannot be written: {error}.", target.display()))?;
    Ok(target)
}

fn put_in(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (token, rest) = part.split_once('}').unwrap_or((part, ""));
        filled.push_str("arn:aws:lambda:eu-west-1:111111111111:function:");
        filled.push_str(token);
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::put_in;

    #[test]
    fn every_token_becomes_an_arn() {
        assert_eq!(
            put_in("a ${X} b ${Y}c"),
            "a arn:aws:lambda:eu-west-1:111111111111:function:X b arn:aws:lambda:eu-west-1:111111111111:function:Yc"
        );
    }
}
