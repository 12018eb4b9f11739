//! Tags' names, as people choose them and as addresses carry them.

use domain::harmless::harmless;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path (RFC 3986, 2.3). Slashes stay, as GitHub's own documentation writes references.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Longer names are refused by GitHub itself.
const AT_MOST_BYTES: usize = 255;

/// Whether Git takes it as a tag's name (`git check-ref-format`). Nothing else is ever asked for, so that no name leads
/// out of the tags: a part that is `..` or empty is none that Git takes.
pub(crate) fn is_valid(tag: &str) -> bool {
    (1..=AT_MOST_BYTES).contains(&tag.len())
        && !tag.contains("..")
        && !tag.contains("@{")
        && !tag.ends_with('.')
        && !tag.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c))
        && tag
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none())
}

/// A valid name, as a path carries it.
pub(crate) fn encoded(tag: &str) -> String {
    utf8_percent_encode(tag, ENCODED).to_string()
}

/// A name for people.
pub(crate) fn shown(tag: &str) -> String {
    harmless(tag, 80)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_encoded_byte_by_byte() {
        for (tag, path) in [
            ("v1.2.3-rc.1", "v1.2.3-rc.1"),
            ("release/2026-11", "release/2026-11"),
            ("v1#top", "v1%23top"),
            ("100%", "100%25"),
            ("%2e%2e/%2e%2e", "%252e%252e/%252e%252e"),
            ("grüße", "gr%C3%BC%C3%9Fe"),
            ("a&b=c;d+e", "a%26b%3Dc%3Bd%2Be"),
            ("<script>", "%3Cscript%3E"),
            ("@", "%40"),
        ] {
            assert!(is_valid(tag), "{tag}");
            assert_eq!(encoded(tag), path);
        }
    }

    /// Git itself is asked: what it takes and what it refuses is what we take and refuse.
    #[test]
    fn what_git_refuses_is_not_asked_for() {
        let candidates = [
            "v1",
            "release/v1",
            "@",
            "v1.",
            "v1.lock",
            "v1.lock/x",
            ".v1",
            "a/.b",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "..",
            "../x",
            "a/../b",
            "a b",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*b",
            "a[b",
            "a\\b",
            "a@{1}",
            "a\tb",
            "a\u{7f}b",
            "v1?x=1",
            "v1#x",
            "v1%2f",
            "grüße",
            "\u{202e}v1",
            "-v1",
            "refs/tags/v1",
        ];
        for tag in candidates {
            let status = Command::new("git")
                .args(["check-ref-format", &format!("refs/tags/{tag}")])
                .status()
                .unwrap();
            assert_eq!(is_valid(tag), status.success(), "{tag:?}");
        }
        assert!(!is_valid("") && !is_valid(&"v".repeat(256)));
    }

    proptest! {
        #[test]
        fn a_valid_name_stays_within_the_tags(tag in any::<String>()) {
            prop_assume!(is_valid(&tag));
            let path = encoded(&tag);
            prop_assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)));
            prop_assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            let back = percent_encoding::percent_decode_str(&path).decode_utf8().unwrap();
            prop_assert_eq!(back, tag);
        }
    }
}
