//! Who wrote a release: nobody accepts their own work.
//!
//! Git believes whatever its user says about name and mail, so this finds everybody who does not hide. Where two people
//! may be one, they are taken for one: the price is one more person to ask.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Person;
use crate::harmless::{harmless, is_invisible};

/// The most characters of a name.
const NAME_LIMIT: usize = 100;

/// The most characters of a mail address; one that is longer belongs to nobody who is asked.
const MAIL_LIMIT: usize = 254;

/// The most characters of a login or an ARN.
const LOGIN_LIMIT: usize = 700;

/// The domain of the addresses that GitHub invents for those who hide theirs: `12345+login@…`, and `login@…` of accounts
/// from before July 2017 (GitHub documentation, "Email addresses reference").
const HIDDEN: &str = "users.noreply.github.com";

/// GitHub itself, which is the committer of whatever is merged on its pages.
const GITHUB_LOGIN: &str = "web-flow";
const GITHUB_MAIL: &str = "noreply@github.com";

/// Somebody who had a part in what is to be accepted, as Git and GitHub tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contributor {
    /// What they call themselves.
    pub name: String,
    /// Their GitHub login, where GitHub knows one; of somebody who asked by command, the ARN of their AWS principal.
    pub login: Option<String>,
    /// Their mail address as it stands in the commit.
    pub mail: Option<String>,
    /// Their part.
    pub role: Role,
}

/// What somebody did for a release.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::EnumString, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Wrote a commit.
    Author,
    /// Made a commit of it.
    Committer,
    /// Is named in a commit's message as one of its authors.
    CoAuthor,
    /// Asked for the deployment.
    Requester,
}

impl Contributor {
    /// Whoever asked for a deployment, by the GitHub login or ARN that its request names.
    pub fn requester(by: &str) -> Self {
        Self {
            name: by.to_owned(),
            login: Some(by.to_owned()),
            mail: None,
            role: Role::Requester,
        }
    }

    /// The same somebody in texts that can be kept and shown.
    pub(super) fn harmless(&self) -> Self {
        Self {
            name: harmless(&self.name, NAME_LIMIT),
            login: self.login.as_deref().map(|login| harmless(login, LOGIN_LIMIT)),
            mail: self.mail.as_deref().map(|mail| match Identity::of_mail(mail) {
                // An address that was cut would be another one.
                Some(Identity::Mail(address)) if mail.len() > MAIL_LIMIT => harmless(&address, MAIL_LIMIT),
                Some(Identity::Login(login)) if mail.len() > MAIL_LIMIT => harmless(&format!("{login}@{HIDDEN}"), MAIL_LIMIT),
                _ => harmless(mail, MAIL_LIMIT),
            }),
            role: self.role,
        }
    }

    fn identities(&self) -> BTreeSet<Identity> {
        let login = self.login.as_deref().and_then(Identity::of_login);
        let mail = self.mail.as_deref().and_then(Identity::of_mail);
        login.into_iter().chain(mail).collect()
    }
}

impl Person {
    /// What they and somebody else are both known by; two people of one policy may not have anything in common.
    pub fn in_common(&self, other: &Self) -> Option<String> {
        self.identities()
            .intersection(&other.identities())
            .next()
            .map(ToString::to_string)
    }

    fn identities(&self) -> BTreeSet<Identity> {
        let mails = self.mails.iter().map(|mail| mail.as_str()).chain(self.name.mail());
        let arns = self.arns.iter().map(|arn| arn.as_str());
        let name_as_arn = self.name.mail().is_none().then(|| self.name.as_str());
        mails
            .filter_map(Identity::of_mail)
            .chain(
                self.logins
                    .iter()
                    .filter_map(|login| Identity::of_login(login.as_str())),
            )
            .chain(arns.chain(name_as_arn).map(|arn| Identity::Arn(arn.to_owned())))
            .collect()
    }
}

/// Whether a contributor is this person, under any of their names and however these are spelled.
pub fn is_same_person(person: &Person, contributor: &Contributor) -> bool {
    !person.identities().is_disjoint(&contributor.identities())
}

/// What somebody is recognised by, in the one spelling that is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Login(String),
    Mail(String),
    Arn(String),
}

impl Identity {
    /// `None` for GitHub itself, which is nobody.
    fn of_login(text: &str) -> Option<Self> {
        let text = visible(text);
        if text.starts_with("arn:") {
            return Some(Self::Arn(text));
        }
        Self::of_github(folded(text.trim_start_matches('@')))
    }

    fn of_github(login: String) -> Option<Self> {
        (!login.is_empty() && login != GITHUB_LOGIN).then_some(Self::Login(login))
    }

    /// `None` for what is no address, and for GitHub itself, which is nobody.
    fn of_mail(text: &str) -> Option<Self> {
        let text = folded(visible(text).trim_matches(['<', '>']));
        let (local, domain) = text.rsplit_once('@')?;
        let local = local.trim_matches('"');
        let domain = match domain.trim_end_matches('.') {
            "googlemail.com" => "gmail.com",
            domain => domain,
        };
        if domain == HIDDEN {
            let login = local.split_once('+').map_or(local, |(_, login)| login);
            return Self::of_github(login.to_owned());
        }
        // A local part that is all tag is no tag.
        let local = match local.split_once('+') {
            Some((before, _)) if !before.is_empty() => before,
            _ => local,
        };
        let local = if domain == "gmail.com" {
            local.replace('.', "")
        } else {
            local.to_owned()
        };
        let address = format!("{local}@{domain}");
        (!local.is_empty() && !domain.is_empty() && address != GITHUB_MAIL).then_some(Self::Mail(address))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Login(text) | Self::Mail(text) | Self::Arn(text)) = self;
        f.write_str(text)
    }
}

/// A text without what nobody sees: neither addresses nor logins hold white space.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c) && !c.is_whitespace() && !c.is_control())
        .collect()
}

/// A text without case. Upper case first: letters such as `ſ` and `ς` have no lower case of their own but share one.
fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Those whom a commit's message names as co-authors, in lines `Co-authored-by: Name <mail>`.
///
/// Git takes such a line for a trailer only at the message's end; here it counts wherever it stands.
pub fn co_authors(message: &str) -> Vec<Contributor> {
    const KEY: &str = "co-authored-by";
    let mut found = Vec::new();
    for line in message.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}']) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if key.len() > 4 * NAME_LIMIT || folded(&visible(key)) != KEY {
            continue;
        }
        // One line may name several people, each ending with their address.
        for part in value.split_inclusive('>').filter(|part| !part.trim().is_empty()) {
            let (name, mail) = match part.split_once('<') {
                Some((name, mail)) => (name, Some(mail.trim_end_matches('>'))),
                None => (part, part.split_whitespace().find(|word| word.contains('@'))),
            };
            let contributor = Contributor {
                name: name.trim_matches([' ', '\t', ',', ';']).to_owned(),
                login: None,
                mail: mail.map(str::to_owned),
                role: Role::CoAuthor,
            };
            found.push(contributor.harmless());
        }
    }
    found
}
