//! Whether a delivery was signed with a secret that GitHub and we share.
//!
//! GitHub signs the bytes it sends with HMAC-SHA-256 and puts the result into `X-Hub-Signature-256`
//! (GitHub documentation, "Validating webhook deliveries"). While a secret is being changed two of them are valid.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A webhook secret: whoever has it can ask for deployments, so it shows itself nowhere.
#[derive(Clone)]
pub struct WebhookSecret(String);

/// A text that cannot be a webhook secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSecret {
    /// With an empty secret everybody could sign.
    #[error("the webhook secret is empty; store the secret that the GitHub webhook was given")]
    Empty,
    /// GitHub signs without the line end that an editor or `echo` left, so that no delivery would ever match.
    #[error("the webhook secret begins or ends with white space; store it again without the line end")]
    SurroundedByWhiteSpace,
}

impl WebhookSecret {
    /// Takes a secret as it is stored.
    pub fn new(text: String) -> Result<Self, UnusableSecret> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            Err(UnusableSecret::Empty)
        } else if trimmed.len() < text.len() {
            Err(UnusableSecret::SurroundedByWhiteSpace)
        } else {
            Ok(Self(text))
        }
    }

    /// The value of `X-Hub-Signature-256` that GitHub would send with these bytes.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// Whether this secret made the tag over these bytes, compared in constant time.
    fn made(&self, tag: &[u8; 32], body: &[u8]) -> bool {
        // HMAC takes keys of every length; there is no other error.
        Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).is_ok_and(|mut mac| {
            mac.update(body);
            mac.verify_slice(tag).is_ok()
        })
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The secrets that are valid now.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The one that GitHub should sign with.
    pub current: WebhookSecret,
    /// The one before, while it is being changed.
    pub previous: Option<WebhookSecret>,
}

/// Which secret a delivery was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The current one.
    Current,
    /// The previous one: GitHub was not told the new one yet.
    Previous,
}

/// A delivery that was signed with none of our secrets, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing or wrong")]
pub struct BadSignature;

/// Verifies the value of `X-Hub-Signature-256` over the body's raw bytes.
///
/// A header that is missing or malformed costs as much time as one that is wrong, and both secrets are always tried,
/// so that the time of the answer tells nothing.
pub fn verify(secrets: &Secrets, header: Option<&str>, body: &[u8]) -> Result<Which, BadSignature> {
    let given = header.and_then(tag_of);
    let tag = given.unwrap_or_default();
    let current = secrets.current.made(&tag, body);
    let previous = secrets.previous.as_ref().is_some_and(|secret| secret.made(&tag, body));
    match (given, current, previous) {
        (Some(_), true, _) => Ok(Which::Current),
        (Some(_), false, true) => Ok(Which::Previous),
        _ => Err(BadSignature),
    }
}

/// `sha256=` and 64 lower-case hexadecimal digits, as GitHub writes it and nothing else. Two headers of that name
/// arrive joined by a comma and are refused like any other text.
fn tag_of(header: &str) -> Option<[u8; 32]> {
    let digits = header.strip_prefix("sha256=")?;
    if digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut tag = [0; 32];
    hex::decode_to_slice(digits, &mut tag).ok()?;
    Some(tag)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text.to_owned()).unwrap()
    }

    fn secrets() -> Secrets {
        Secrets {
            current: secret("It's a Secret to Everybody"),
            previous: Some(secret("the one before")),
        }
    }

    fn sign(secret: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn github_s_own_example_is_accepted() {
        // The values of "Testing the webhook payload validation" in GitHub's documentation.
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(verify(&secrets(), Some(header), b"Hello, World!"), Ok(Which::Current));
        assert_eq!(secrets().current.sign(b"Hello, World!"), header);
    }

    #[test]
    fn f01_a_signature_that_is_not_exactly_right_is_refused() {
        let body = b"{}";
        let right = sign("It's a Secret to Everybody", body);
        let digits = right.strip_prefix("sha256=").unwrap();
        let bad = [
            None,
            Some(String::new()),
            Some("sha256=".to_owned()),
            Some(digits.to_owned()),
            Some(right[..right.len() - 1].to_owned()),
            Some(right[..right.len() - 2].to_owned()),
            Some(format!("{right}0")),
            Some(format!("{right}00")),
            Some(format!("{right} ")),
            Some(format!(" {right}")),
            Some(format!("sha256={}", digits.to_uppercase())),
            Some(format!("SHA256={digits}")),
            Some(format!("sha256={}", "g".repeat(64))),
            Some(format!("sha256={}", "ü".repeat(32))),
            Some(format!("sha256={}", "0".repeat(64))),
            Some(format!("sha1={}", &digits[..40])),
            Some(format!("sha1={digits}")),
            Some(format!("{right},{right}")),
            Some(format!("sha1={},{right}", &digits[..40])),
            Some(sign("", body)),
            Some(sign("somebody else's", body)),
        ];
        for header in bad {
            assert_eq!(
                verify(&secrets(), header.as_deref(), body),
                Err(BadSignature),
                "{header:?}"
            );
        }
        assert_eq!(verify(&secrets(), Some(&right), body), Ok(Which::Current));
    }

    #[test]
    fn f02_the_raw_bytes_are_what_is_signed() {
        let body = b"{\"a\": 1,\r\n \"b\": \"\\u00fc \xc3\xbc\"}";
        let header = sign("It's a Secret to Everybody", body);
        assert_eq!(verify(&secrets(), Some(&header), body), Ok(Which::Current));
        let as_json: serde_json::Value = serde_json::from_slice(body).unwrap();
        let written_again = serde_json::to_vec(&as_json).unwrap();
        assert_eq!(verify(&secrets(), Some(&header), &written_again), Err(BadSignature));
        assert_eq!(verify(&secrets(), Some(&header), b""), Err(BadSignature));
    }

    #[test]
    fn f03_the_previous_secret_counts_while_it_is_there_and_a_third_never() {
        let body = b"{}";
        let old = sign("the one before", body);
        assert_eq!(verify(&secrets(), Some(&old), body), Ok(Which::Previous));
        let after = Secrets {
            previous: None,
            ..secrets()
        };
        assert_eq!(verify(&after, Some(&old), body), Err(BadSignature));
        let third = sign("a third", body);
        assert_eq!(verify(&secrets(), Some(&third), body), Err(BadSignature));
        let same = Secrets {
            current: secret("x"),
            previous: Some(secret("x")),
        };
        assert_eq!(verify(&same, Some(&sign("x", body)), body), Ok(Which::Current));
    }

    #[test]
    fn an_unusable_secret_is_refused_and_none_shows_itself() {
        for (text, why) in [
            ("", UnusableSecret::Empty),
            (" \n", UnusableSecret::Empty),
            ("secret\n", UnusableSecret::SurroundedByWhiteSpace),
        ] {
            assert_eq!(WebhookSecret::new(text.to_owned()).unwrap_err(), why);
        }
        assert_eq!(
            format!("{:?}", secrets()),
            "Secrets { current: WebhookSecret(…), previous: Some(WebhookSecret(…)) }"
        );
    }

    proptest! {
        #[test]
        fn f02_one_altered_byte_is_refused(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            at in any::<proptest::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let header = sign("It's a Secret to Everybody", &body);
            prop_assert_eq!(verify(&secrets(), Some(&header), &body), Ok(Which::Current));
            let mut altered = body.clone();
            altered[at.index(body.len())] ^= flip;
            prop_assert_eq!(verify(&secrets(), Some(&header), &altered), Err(BadSignature));
        }

        #[test]
        fn no_header_makes_it_panic(header in any::<Option<String>>(), body in any::<Vec<u8>>()) {
            prop_assert_eq!(verify(&secrets(), header.as_deref(), &body), Err(BadSignature));
        }
    }
}
