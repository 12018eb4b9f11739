//! The names that travel through Lockgate, each checked once, where it enters.
//!
//! A value of one of these types can be put into a key, a URL, a log line or an execution's name as it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {kind}: {rule}")]
pub struct InvalidName {
    /// What it was taken for, with its article.
    pub kind: &'static str,
    /// What such a name looks like.
    pub rule: &'static str,
    /// The refused text, cut to 80 characters.
    pub given: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { kind: $kind, rule: $rule, given: text.chars().take(80).collect() })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}
pub(crate) use name;

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_repository_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 100
        && part != "."
        && part != ".."
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

name!(
    /// A GitHub repository, `owner/name`.
    ///
    /// GitHub allows letters, digits, `-`, `_` and `.` in a repository's name, at most 100 characters.
    RepositoryName,
    "a repository",
    "it is written owner/name, of letters, digits, '-', '_' and '.'",
    |text| text.split_once('/').is_some_and(|(owner, name)| is_repository_part(owner) && is_repository_part(name))
);

name!(
    /// An environment, such as `dev`, `test` or `production`: 1 to 20 of `a-z 0-9 -`, beginning with a letter.
    EnvironmentName,
    "an environment's name",
    "1 to 20 of a-z, 0-9 and '-', beginning with a letter",
    |text| (1..=20).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

name!(
    /// A commit by its full SHA-1, 40 lower-case hexadecimal digits.
    CommitSha,
    "a commit",
    "40 lower-case hexadecimal digits",
    |text| is_lower_hex(text, 40)
);

name!(
    /// The SHA-256 of something's bytes, 64 lower-case hexadecimal digits. A release's digest is the digest of its index.
    Digest,
    "a digest",
    "64 lower-case hexadecimal digits of a SHA-256",
    |text| is_lower_hex(text, 64)
);

name!(
    /// An AWS account, 12 digits.
    AccountId,
    "an AWS account",
    "12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);

name!(
    /// An AWS region, such as `eu-west-1`.
    Region,
    "an AWS region",
    "such as eu-west-1",
    |text| {
        let parts: Vec<&str> = text.split('-').collect();
        text.len() <= 25
            && parts.len() >= 3
            && parts[..parts.len() - 1].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
            && parts[parts.len() - 1].bytes().all(|b| b.is_ascii_digit())
            && !parts[parts.len() - 1].is_empty()
    }
);

name!(
    /// A CloudFormation stack: 1 to 128 letters, digits and `-`, beginning with a letter
    /// (AWS CloudFormation API reference, `CreateStack`, `StackName`).
    StackName,
    "a stack's name",
    "1 to 128 letters, digits and '-', beginning with a letter",
    |text| (1..=128).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphabetic()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);

name!(
    /// The qualifier of a CDK bootstrap, at most 10 of `a-z 0-9` (`hnb659fds` unless chosen otherwise).
    Qualifier,
    "a CDK bootstrap qualifier",
    "1 to 10 of a-z and 0-9",
    |text| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
);

name!(
    /// One attempt to bring one release into one environment; also the name of its Step Functions execution.
    ///
    /// At most 80 characters, as Step Functions asks of an execution's name.
    DeploymentId,
    "a deployment",
    "1 to 80 letters, digits, '-' and '_'",
    |text| (1..=80).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
);

impl RepositoryName {
    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl CommitSha {
    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl DeploymentId {
    /// Derives the id from what is asked, so that asking again gives the same id and Step Functions refuses a second execution.
    ///
    /// `asked` is everything that makes two requests the same one: for a push, the branch, the commit before, the commit
    /// after and the time.
    /// Parts are hashed with their lengths, so that no two lists of parts run together.
    pub fn derive(
        repository: &RepositoryName,
        environment: &EnvironmentName,
        commit: &CommitSha,
        asked: &[&str],
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [repository.as_str(), environment.as_str(), commit.as_str()]
            .iter()
            .chain(asked)
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let slug: String = repository
            .name()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .take(24)
            .collect();
        Self(format!(
            "{slug}-{environment}-{}-{}",
            &commit.as_str()[..8],
            &hex::encode(hash.finalize())[..16]
        ))
    }
}

/// A Step Functions task token: whoever has it can answer for the task, so it shows itself nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(String);

impl TaskToken {
    /// The token itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for TaskToken {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(…)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_takes_what_it_should_and_refuses_the_rest() {
        fn ok<T: FromStr>(text: &str) -> bool {
            text.parse::<T>().is_ok()
        }
        for good in ["acme/shop", "a/b", "Acme-Inc/the.shop_2"] {
            assert!(ok::<RepositoryName>(good), "{good}");
        }
        for bad in [
            "",
            "shop",
            "a/b/c",
            "../shop",
            "acme/..",
            "acme/",
            "/x",
            "a b/c",
            "acme/$(id)",
            "acme/sh\nop",
            "acme/shöp",
        ] {
            assert!(!ok::<RepositoryName>(bad), "{bad}");
        }
        for bad in ["", "1dev", "Dev", "dev_1", "d\u{202e}ev", "a-name-longer-than-20-chars"] {
            assert!(!ok::<EnvironmentName>(bad), "{bad}");
        }
        assert!(ok::<Region>("eu-west-1") && ok::<Region>("us-gov-east-1"));
        for bad in ["", "eu", "eu-west", "eu-west-1a", "EU-west-1", "eu--1"] {
            assert!(!ok::<Region>(bad), "{bad}");
        }
        assert!(!ok::<CommitSha>("DEADBEEF"));
        assert!(!ok::<AccountId>("12345678901x"));
    }

    #[test]
    fn a_token_does_not_show_itself() {
        assert_eq!(format!("{:?}", TaskToken::from("secret".to_owned())), "TaskToken(…)");
    }

    proptest! {
        #[test]
        fn a_deployment_id_is_always_a_valid_execution_name(
            owner in "[A-Za-z0-9._-]{1,100}",
            name in "[A-Za-z0-9._-]{1,100}",
            environment in "[a-z][a-z0-9-]{0,19}",
            commit in "[0-9a-f]{40}",
            asked in proptest::collection::vec(".{0,40}", 0..4),
        ) {
            prop_assume!(owner != "." && owner != ".." && name != "." && name != "..");
            let repository: RepositoryName = format!("{owner}/{name}").parse().unwrap();
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            let id = DeploymentId::derive(&repository, &environment.parse().unwrap(), &commit.parse().unwrap(), &asked);
            prop_assert_eq!(id.as_str().parse::<DeploymentId>().unwrap(), id);
        }

        #[test]
        fn parts_do_not_run_together(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}") {
            let repository: RepositoryName = "acme/shop".parse().unwrap();
            let environment: EnvironmentName = "dev".parse().unwrap();
            let commit: CommitSha = "0".repeat(40).parse().unwrap();
            let one = DeploymentId::derive(&repository, &environment, &commit, &[&a, &b]);
            let two = DeploymentId::derive(&repository, &environment, &commit, &[&c, &d]);
            prop_assert_eq!(one == two, (a, b) == (c, d));
        }
    }
}
