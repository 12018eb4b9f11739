//! AWS principals: what IAM calls somebody, and which person that is.
//!
//! The name of a role's session is chosen by whoever assumes the role, so it says nothing about who that is: all
//! sessions of a role are one person. IAM Identity Center is the exception: nobody but it assumes the roles that it
//! makes, and it gives each session the name of its user (IAM Identity Center user guide, "Referencing permission
//! sets in resource policies").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{InvalidName, name};

name!(
    /// An AWS principal: an IAM user or a role, as a configuration names a person, or a session, as API Gateway names
    /// who calls. No wildcards.
    PrincipalArn,
    "an AWS principal",
    "the ARN of an IAM user (arn:aws:iam::111111111111:user/qa) or of a role (arn:aws:iam::111111111111:role/Tester)",
    is_principal
);

/// What the names of the roles of IAM Identity Center begin with.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";

/// The parts of an ARN that say who it is.
struct Principal<'a> {
    partition: &'a str,
    account: &'a str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    User,
    Role(&'a str),
    Session { role: &'a str },
    FederatedUser,
}

impl<'a> Principal<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = *parts.as_slice() else {
            return None;
        };
        let names: Vec<&str> = resource.split('/').collect();
        let kind = match (service, names.as_slice()) {
            ("iam", ["user", _, ..]) => Kind::User,
            ("iam", ["role", .., name]) => Kind::Role(name),
            ("sts", ["assumed-role", role, _]) => Kind::Session { role },
            ("sts", ["federated-user", _]) => Kind::FederatedUser,
            _ => return None,
        };
        let is_well_formed = arn.len() <= 700
            && partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && names.iter().all(|name| !name.is_empty())
            && arn.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'?'));
        is_well_formed.then_some(Self {
            partition,
            account,
            kind,
        })
    }

    /// The role without its path, which its sessions do not tell: its name is unique in the account (IAM user guide,
    /// "IAM identifiers").
    fn role(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }
}

/// The account of an ARN's principal; nothing, where it is none.
pub fn account_of(arn: &str) -> Option<&str> {
    Principal::parse(arn).map(|principal| principal.account)
}

pub(super) fn is_principal(arn: &str) -> bool {
    Principal::parse(arn).is_some()
}

/// The person behind an ARN, in the one spelling that is compared: of a role and its sessions, the role without its
/// path. What is no principal is its own spelling.
pub fn person_behind(arn: &str) -> String {
    match Principal::parse(arn) {
        Some(principal) => match principal.kind {
            Kind::Session { role } if role.starts_with(IDENTITY_CENTER) => arn.to_owned(),
            Kind::Role(role) | Kind::Session { role } => principal.role(role),
            Kind::User | Kind::FederatedUser => arn.to_owned(),
        },
        None => arn.to_owned(),
    }
}

/// Why nobody can be named by this ARN, and what to write instead; nothing, where it stands for one person.
pub fn names_nobody(arn: &str) -> Option<String> {
    let principal = Principal::parse(arn)?;
    match principal.kind {
        Kind::Session { role } if !role.starts_with(IDENTITY_CENTER) => Some(format!(
            "whoever assumes the role chooses the name of its session; name the role, {}, all of whose sessions are one person",
            principal.role(role)
        )),
        Kind::FederatedUser => Some(
            "whoever calls GetFederationToken chooses the name of a federated user; name an IAM user or a role"
                .to_owned(),
        ),
        Kind::Role(role) if role.starts_with(IDENTITY_CENTER) => Some(format!(
            "everybody with this permission set of IAM Identity Center has this role; name the session of one user, \
             arn:{}:sts::{}:assumed-role/{role}/<user name>",
            principal.partition, principal.account
        )),
        Kind::User | Kind::Role(_) | Kind::Session { .. } => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_arn_that_anybody_could_call_themselves_names_nobody() {
        for one_person in [
            "arn:aws:iam::111111111111:user/qa",
            "arn:aws:iam::111111111111:role/Tester",
            "arn:aws:iam::111111111111:role/teams/AWSReservedSSO/Tester",
            "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/qa@acme.example",
            "qa@acme.example",
        ] {
            assert_eq!(names_nobody(one_person), None, "{one_person}");
        }
        let said: Vec<String> = [
            "arn:aws:sts::111111111111:assumed-role/Tester/qa",
            "arn:aws-cn:sts::111111111111:assumed-role/NotAWSReservedSSO_Tester/qa",
            "arn:aws:sts::111111111111:federated-user/qa",
            "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Tester_0123456789abcdef",
        ]
        .into_iter()
        .map(|arn| names_nobody(arn).unwrap())
        .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        whoever assumes the role chooses the name of its session; name the role, arn:aws:iam::111111111111:role/Tester, all of whose sessions are one person
        whoever assumes the role chooses the name of its session; name the role, arn:aws-cn:iam::111111111111:role/NotAWSReservedSSO_Tester, all of whose sessions are one person
        whoever calls GetFederationToken chooses the name of a federated user; name an IAM user or a role
        everybody with this permission set of IAM Identity Center has this role; name the session of one user, arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/<user name>
        ");
    }

    #[test]
    fn a_role_is_the_same_person_whatever_its_path_and_its_sessions() {
        let role = "arn:aws:iam::111111111111:role/Tester";
        for (arn, person) in [
            (role, role),
            ("arn:aws:iam::111111111111:role/teams/qa/Tester", role),
            ("arn:aws:sts::111111111111:assumed-role/Tester/qa", role),
            ("arn:aws:sts::111111111111:assumed-role/Tester/lead", role),
        ] {
            assert_eq!(person_behind(arn), person, "{arn}");
        }
        for own in [
            "arn:aws:iam::111111111111:user/teams/Tester",
            "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/qa",
            "arn:aws:sts::111111111111:federated-user/Tester",
            "arn:aws:sts::111111111111:assumed-role/Tester",
            "Tester",
        ] {
            assert_eq!(person_behind(own), own, "{own}");
        }
    }
}
