//! Who is asked, and how many of them have to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::names::{InvalidName, name};

name!(
    /// A mail address, as somebody wrote it. Two spellings of one address are two of these; whether they are one
    /// person's is asked of [`super::is_same_person`].
    MailAddress,
    "a mail address",
    "such as qa@acme.example, at most 254 characters",
    is_mail_address
);

name!(
    /// An AWS principal as API Gateway names a caller: an IAM user, or one session of a role. No wildcards; a role
    /// itself never calls.
    PrincipalArn,
    "an AWS principal",
    "the ARN of an IAM user (arn:aws:iam::111111111111:user/qa) or of a role's session \
     (arn:aws:sts::111111111111:assumed-role/Tester/qa)",
    is_principal
);

name!(
    /// A GitHub login, in any case.
    Login,
    "a GitHub login",
    "1 to 100 letters, digits, '-' and '_'",
    |text| (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
);

/// One of those who may be asked: a mail address, which gets links, or an AWS principal, which answers by command.
///
/// A mail address is kept in lower case, so that whoever is named twice in a configuration is named alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Approver(String);

impl Approver {
    /// The approver as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The mail address; `None` for somebody who is known by an ARN.
    pub fn mail(&self) -> Option<&str> {
        (!self.0.starts_with("arn:")).then_some(self.0.as_str())
    }
}

impl FromStr for Approver {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // Amazon SNS takes mail addresses of ASCII characters only.
        if is_principal(text) {
            Ok(Self(text.to_owned()))
        } else if text.is_ascii() && is_mail_address(text) && !text.starts_with("arn:") {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidName {
                kind: "an approver",
                rule: "a mail address of ASCII characters, or the ARN of an IAM user or of a role's session, without wildcards",
                given: text.chars().take(80).collect(),
            })
        }
    }
}

impl TryFrom<String> for Approver {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Approver> for String {
    fn from(approver: Approver) -> String {
        approver.0
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Something with one `@` between two parts that no mail header could be broken with.
fn is_mail_address(text: &str) -> bool {
    let is_plain = |c: char| {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\')
    };
    text.len() <= 254
        && text.chars().all(is_plain)
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.contains('@') && domain.split('.').all(|label| !label.is_empty())
        })
}

fn is_principal(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    let names: Vec<&str> = resource.split('/').collect();
    let is_caller = match (*service, names.as_slice()) {
        ("iam", ["user", name @ ..]) => !name.is_empty(),
        ("sts", ["assumed-role", _, _] | ["federated-user", _]) => true,
        _ => false,
    };
    text.len() <= 700
        && parts[0] == "arn"
        && partition.starts_with("aws")
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && is_caller
        && names.iter().all(|name| !name.is_empty())
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'?'))
}

/// Whom an environment asks whether a release is accepted, and what their answers have to come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// When they are asked.
    pub when: When,
    /// Everybody who is asked, each once.
    pub people: Vec<Person>,
    /// All of these have to be met, by different people.
    pub duties: Vec<Duty>,
    /// How long they have.
    pub within_seconds: u64,
    /// What becomes of the environment when they do not accept.
    pub on_reject: OnReject,
}

/// When people are asked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, EnumString, Display, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum When {
    /// When the release is in the environment and its tests have passed.
    After,
}

/// What becomes of an environment whose release was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnReject {
    /// It keeps the candidate.
    Stay,
    /// It goes back to its last stable release.
    RollBack,
}

/// Somebody who is asked, and what else they are known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What they are called in the configuration; where it is a mail address, their mail goes there.
    pub name: Approver,
    /// Their GitHub logins.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// Other mail addresses of theirs, such as they commit with.
    #[serde(default)]
    pub mails: Vec<MailAddress>,
    /// The AWS principals that they act as.
    #[serde(default)]
    pub arns: Vec<PrincipalArn>,
}

/// How many of which people have to accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// The group's name, where it has one.
    pub group: Option<String>,
    /// Those who can meet it.
    pub people: Vec<Approver>,
    /// How many of them it needs.
    pub need: u32,
}

impl ApprovalPolicy {
    /// The most people that one policy asks: with all their comments the record fits into one item of the ledger.
    pub const MOST_PEOPLE: usize = 20;

    /// Whether these people's acceptance meets every duty, each of them counting for one place of one duty only.
    ///
    /// A policy without duties, or with one that needs nobody, is met by nobody: nothing is accepted by default.
    pub fn met_by(&self, accepted: &BTreeSet<Approver>) -> bool {
        let places: u64 = self.duties.iter().map(|duty| u64::from(duty.need)).sum();
        if self.duties.is_empty() || self.duties.iter().any(|duty| duty.need == 0) || places > accepted.len() as u64 {
            return false;
        }
        let mut matching = Matching {
            duties: &self.duties,
            placed: BTreeMap::new(),
        };
        let filled = accepted
            .iter()
            .filter(|person| matching.place(person, &mut BTreeSet::new()))
            .count();
        filled as u64 == places
    }

    /// Whether the duties are met when everybody accepts. Where not, nobody could ever accept anything.
    pub fn can_be_met(&self) -> bool {
        self.met_by(&self.people.iter().map(|person| person.name.clone()).collect())
    }

    /// Somebody by their name.
    pub fn person(&self, name: &Approver) -> Option<&Person> {
        self.people.iter().find(|person| person.name == *name)
    }

    /// Whoever acts as this AWS principal, compared exactly.
    pub fn person_of_arn(&self, arn: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.acts_as(arn))
    }
}

/// Who stands in which duty's place, while people are put into places one by one.
struct Matching<'a> {
    duties: &'a [Duty],
    placed: BTreeMap<&'a Approver, usize>,
}

impl<'a> Matching<'a> {
    /// Finds a place for one more person, moving others to other duties where that makes room (Kuhn's algorithm).
    fn place(&mut self, person: &'a Approver, tried: &mut BTreeSet<usize>) -> bool {
        let duties = self.duties;
        for (at, duty) in duties.iter().enumerate() {
            if !duty.people.contains(person) || !tried.insert(at) {
                continue;
            }
            let there: Vec<&Approver> = self.in_duty(at);
            let has_room = (there.len() as u64) < u64::from(duty.need);
            if has_room || there.into_iter().any(|other| self.place(other, tried)) {
                self.placed.insert(person, at);
                return true;
            }
        }
        false
    }

    fn in_duty(&self, duty: usize) -> Vec<&'a Approver> {
        self.placed
            .iter()
            .filter(|(_, at)| **at == duty)
            .map(|(person, _)| *person)
            .collect()
    }
}

impl Person {
    /// Whether they act as this AWS principal.
    pub fn acts_as(&self, arn: &str) -> bool {
        self.name.mail().is_none() && self.name.as_str() == arn || self.arns.iter().any(|own| own.as_str() == arn)
    }
}
