//! What GitHub knows us by.

use std::fmt;
use std::str::FromStr;

/// A token: of a GitHub App's installation, or a fine-grained one of a person. Whoever has it can read what it may, so
/// it shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a GitHub token is one word of visible ASCII characters")]
pub struct UnusableToken;

impl Token {
    /// The token itself, for the one header that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = UnusableToken;

    fn from_str(text: &str) -> Result<Self, UnusableToken> {
        // An editor's line end is not part of it.
        let token = text.trim_ascii();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UnusableToken);
        }
        Ok(Self(token.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_does_not_show_itself() {
        let token: Token = " github_pat_11AAAA_bbbb\n".parse().unwrap();
        assert_eq!(token.expose(), "github_pat_11AAAA_bbbb");
        assert_eq!(format!("{token:?}"), "Token(…)");
        for bad in ["", " \n", "two words", "ghp_ü", "ghp_1\r\nx-header: 1", "ghp_\u{7f}"] {
            assert_eq!(bad.parse::<Token>(), Err(UnusableToken), "{bad:?}");
        }
    }
}
