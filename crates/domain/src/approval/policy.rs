//! Who is asked, and how many of them have to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use super::principal::{PrincipalArn, is_principal, person_behind};
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
                rule: "a mail address of ASCII characters, or the ARN of an IAM user or of a role, without wildcards",
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
    /// When the change sets of the stacks that come first are made, and before any of them is executed.
    Before,
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
    /// The AWS principals that they act as; a role stands for all its sessions.
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

    /// Whoever acts as this AWS principal; the session of a role is whoever has the role.
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
        let caller = person_behind(arn);
        self.principals().any(|own| person_behind(own) == caller)
    }

    /// The ARNs that they are known by.
    pub(super) fn principals(&self) -> impl Iterator<Item = &str> {
        let name = Some(self.name.as_str()).filter(|_| self.name.mail().is_none());
        name.into_iter().chain(self.arns.iter().map(PrincipalArn::as_str))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn approver(text: &str) -> Approver {
        text.parse().unwrap()
    }

    fn approvers(names: &str) -> Vec<Approver> {
        names
            .split_whitespace()
            .map(|name| approver(&format!("{name}@acme.example")))
            .collect()
    }

    /// Duties, each written `2 of qa lead`.
    fn policy(duties: &[&str]) -> ApprovalPolicy {
        let duties: Vec<Duty> = duties
            .iter()
            .map(|duty| {
                let (need, people) = duty.split_once(" of").unwrap();
                Duty {
                    group: None,
                    people: approvers(people),
                    need: need.parse().unwrap(),
                }
            })
            .collect();
        let names: BTreeSet<Approver> = duties.iter().flat_map(|duty| duty.people.clone()).collect();
        let person = |name| Person {
            name,
            logins: vec![],
            mails: vec![],
            arns: vec![],
        };
        ApprovalPolicy {
            when: When::After,
            people: names.into_iter().map(person).collect(),
            duties,
            within_seconds: 60,
            on_reject: OnReject::Stay,
        }
    }

    #[test]
    fn an_approver_is_a_mail_address_or_somebody_who_can_call() {
        for (text, mail) in [
            ("qa@acme.example", Some("qa@acme.example")),
            ("Ada.Lovelace+Ops@Acme.Example", Some("ada.lovelace+ops@acme.example")),
            ("o'neill@acme.example", Some("o'neill@acme.example")),
            ("arn:aws:iam::111111111111:user/qa", None),
            ("arn:aws:iam::111111111111:user/testers/Qa", None),
            ("arn:aws:iam::111111111111:role/Tester", None),
            ("arn:aws-cn:iam::111111111111:role/teams/qa/Tester", None),
            (
                "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/qa@acme.example",
                None,
            ),
        ] {
            assert_eq!(approver(text).mail(), mail, "{text}");
        }
        assert_eq!(
            approver("arn:aws:iam::111111111111:user/Qa").as_str(),
            "arn:aws:iam::111111111111:user/Qa"
        );
        for bad in [
            "",
            "qa",
            "qa@",
            "@acme.example",
            "qa@acme..example",
            "qa@acme.example.",
            "qa@acme@example",
            "qa @acme.example",
            "qa@acme.example\n",
            "qa@acme.example\r\nBcc: all@acme.example",
            "Qa <qa@acme.example>",
            "qa@acme.example,lead@acme.example",
            "jürgen@acme.example",
            "q\u{430}@acme.example",
            "qa\u{200b}@acme.example",
            "mailto:qa@acme.example",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::111111111111:role/teams//Tester",
            "arn:aws:iam::111111111111:role/*",
            "arn:aws:iam::111111111111:root",
            "arn:aws:iam::111111111111:user/*",
            "arn:aws:iam::111111111111:user/q?",
            "arn:aws:iam::111111111111:user/",
            "arn:aws:iam::1111:user/qa",
            "arn:aws:iam::*:user/qa",
            "arn:aws:sts::111111111111:assumed-role/Tester",
            "arn:aws:sts::111111111111:assumed-role/Tester/",
            "arn:aws:sts::111111111111:assumed-role/Tester/*",
            "arn:aws:s3:::bucket",
            "arn:x@acme.example",
        ] {
            assert!(bad.parse::<Approver>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@acme.example", "q".repeat(241)).parse::<Approver>().is_ok());
        assert!(format!("{}@acme.example", "q".repeat(242)).parse::<Approver>().is_err());
    }

    #[test]
    fn the_other_names_of_a_person_are_checked_as_well() {
        for good in [
            "JÜRGEN@acme.example",
            "12345+ada@users.noreply.github.com",
            "root@localhost",
        ] {
            assert!(good.parse::<MailAddress>().is_ok(), "{good}");
        }
        for bad in ["", "ada", "ada@", "a b@acme.example", "<ada@acme.example>"] {
            assert!(bad.parse::<MailAddress>().is_err(), "{bad}");
        }
        for (login, is_one) in [
            ("ada", true),
            ("Ada-L_acme", true),
            ("", false),
            ("ada[bot]", false),
            ("@ada", false),
            ("arn:aws:iam::111111111111:user/ada", false),
        ] {
            assert_eq!(login.parse::<Login>().is_ok(), is_one, "{login}");
        }
    }

    #[test]
    fn a_duty_is_met_by_people_who_count_once() {
        for (duties, accepted, met) in [
            (&["1 of qa lead"][..], "", false),
            (&["1 of qa lead"], "qa", true),
            (&["1 of qa lead"], "lead", true),
            (&["1 of qa lead"], "qa lead", true),
            (&["1 of qa lead"], "tess", false),
            (&["2 of qa lead"], "qa", false),
            (&["2 of qa lead tess"], "qa tess", true),
            (&["2 of qa qa"], "qa", false),
            (&["3 of qa lead"], "qa lead", false),
            (&["4294967295 of qa", "4294967295 of qa"], "qa", false),
            // Whoever is in both groups counts for one of them.
            (&["1 of qa", "1 of qa"], "qa", false),
            (&["1 of qa lead", "1 of qa"], "qa", false),
            (&["1 of qa lead", "1 of qa"], "lead", false),
            (&["1 of qa lead", "1 of qa"], "lead qa", true),
            (&["1 of qa", "1 of qa lead"], "lead qa", true),
            // Room is made by moving others, over several duties.
            (&["1 of a b", "1 of b c", "1 of c d"], "a b c", true),
            (&["1 of c d", "1 of b c", "1 of a b"], "b c d", true),
            (&["2 of a b c", "1 of a", "1 of b d"], "a b c d", true),
            (&["2 of a b c", "1 of a", "1 of b"], "a b c", false),
            // Nothing is accepted by default.
            (&[], "qa", false),
            (&[], "", false),
            (&["0 of qa"], "", false),
            (&["0 of qa"], "qa", false),
            (&["1 of qa", "0 of lead"], "qa", false),
            (&["1 of"], "qa", false),
        ] {
            let accepted: BTreeSet<Approver> = approvers(accepted).into_iter().collect();
            assert_eq!(policy(duties).met_by(&accepted), met, "{duties:?} {accepted:?}");
        }
    }

    #[test]
    fn a_quorum_that_nobody_can_reach_is_known_beforehand() {
        for (duties, can) in [
            (&["1 of qa lead"][..], true),
            (&["2 of qa lead", "1 of tess"], true),
            (&["3 of qa lead"], false),
            (&["1 of qa lead", "2 of lead qa"], false),
            (&["0 of qa"], false),
            (&[], false),
        ] {
            assert_eq!(policy(duties).can_be_met(), can, "{duties:?}");
        }
    }

    #[test]
    fn a_person_is_found_by_name_by_user_and_by_every_session_of_their_role() {
        let user = "arn:aws:iam::111111111111:user/ops";
        let single_sign_on = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/tess";
        let mut policy = policy(&["1 of qa lead tess"]);
        policy.people[1].arns = vec!["arn:aws:iam::111111111111:role/teams/Tester".parse().unwrap()];
        policy.people[2].arns = vec![single_sign_on.parse().unwrap()];
        policy.people.push(Person {
            name: approver(user),
            ..policy.people[0].clone()
        });
        let name = |arn: &str| policy.person_of_arn(arn).map(|person| person.name.as_str());
        for (caller, wanted) in [
            (user, Some(user)),
            // Whoever assumes a role says what its session is called.
            (
                "arn:aws:sts::111111111111:assumed-role/Tester/qa",
                Some("qa@acme.example"),
            ),
            (
                "arn:aws:sts::111111111111:assumed-role/Tester/lead",
                Some("qa@acme.example"),
            ),
            (single_sign_on, Some("tess@acme.example")),
            (
                "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/eve",
                None,
            ),
            (
                "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Other_0123456789abcdef/tess",
                None,
            ),
            ("", None),
            ("qa@acme.example", None),
            ("arn:aws:sts::111111111111:assumed-role/Tester2/qa", None),
            ("arn:aws:sts::111111111111:assumed-role/teams/Tester", None),
            ("arn:aws:sts::222222222222:assumed-role/Tester/qa", None),
            ("arn:aws-cn:sts::111111111111:assumed-role/Tester/qa", None),
            ("arn:aws:iam::111111111111:user/Tester", None),
            ("arn:aws:sts::111111111111:federated-user/ops", None),
        ] {
            assert_eq!(name(caller), wanted, "{caller}");
        }
        assert!(policy.person(&approver("QA@acme.example")).is_some());
        assert!(policy.person(&approver("eve@acme.example")).is_none());
    }

    #[test]
    fn a_policy_is_read_as_the_configuration_writes_it() {
        let text = r#"{"when":"after","people":[{"name":"qa@acme.example","logins":["qa-acme"],"mails":["qa@old.example"],"arns":["arn:aws:iam::111111111111:user/qa"]}],"duties":[{"group":"testers","people":["qa@acme.example"],"need":1}],"within_seconds":259200,"on_reject":"roll_back"}"#;
        let policy: ApprovalPolicy = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&policy).unwrap(), text);
        for (from, to) in [
            ("qa@acme.example", "nobody"),
            ("qa-acme", "qa acme"),
            ("\"after\"", "\"whenever\""),
            ("\"need\"", "\"needs\""),
            ("user/qa", "user/*"),
            ("\"need\":1", "\"need\":-1"),
        ] {
            let bad = text.replace(from, to);
            assert!(serde_json::from_str::<ApprovalPolicy>(&bad).is_err(), "{bad}");
        }
    }

    /// Tries every way of giving each person to one duty or to none.
    fn met_by_trying(duties: &[Duty], people: &[Approver], left: &mut [u32]) -> bool {
        let Some((person, rest)) = people.split_first() else {
            return left.iter().all(|need| *need == 0);
        };
        for (at, duty) in duties.iter().enumerate() {
            if left[at] > 0 && duty.people.contains(person) {
                left[at] -= 1;
                let met = met_by_trying(duties, rest, left);
                left[at] += 1;
                if met {
                    return true;
                }
            }
        }
        met_by_trying(duties, rest, left)
    }

    proptest! {
        #[test]
        fn duties_are_met_exactly_when_some_assignment_meets_them(
            duties in proptest::collection::vec((proptest::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..=5), 1_u32..4), 1..4),
            accepted in proptest::sample::subsequence(vec!["a", "b", "c", "d", "e", "f"], 0..=6),
        ) {
            let duties: Vec<String> = duties.iter().map(|(people, need)| format!("{need} of {}", people.join(" "))).collect();
            let policy = policy(&duties.iter().map(String::as_str).collect::<Vec<_>>());
            let accepted = approvers(&accepted.join(" "));
            let mut left: Vec<u32> = policy.duties.iter().map(|duty| duty.need).collect();
            let wanted = met_by_trying(&policy.duties, &accepted, &mut left);
            prop_assert_eq!(policy.met_by(&accepted.into_iter().collect()), wanted);
        }
    }
}
