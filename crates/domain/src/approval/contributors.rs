//! Who wrote a release: nobody accepts their own work.
//!
//! Git believes whatever its user says about name and mail, so this finds everybody who does not hide. Where two people
//! may be one, they are taken for one: the price is one more person to ask.

use std::collections::BTreeSet;
use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};

use super::principal::person_behind;
use super::{Login, MailAddress, Person};
use crate::harmless::{harmless, is_invisible};

/// The most characters of a name.
const NAME_LIMIT: usize = 100;

/// The most bytes of a mail address of somebody who is asked. Without case it may have three times as many.
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
            mail: self.mail.as_deref().and_then(kept_mail),
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
        let mails = self.mails.iter().map(MailAddress::as_str).chain(self.name.mail());
        mails
            .filter_map(Identity::of_mail)
            .chain(
                self.logins
                    .iter()
                    .filter_map(|login| Identity::of_login(login.as_str())),
            )
            .chain(self.principals().map(|arn| Identity::Arn(person_behind(arn))))
            .collect()
    }
}

/// A mail address that is still the same one when it is short enough; `None` where it can be nobody's who is asked.
fn kept_mail(mail: &str) -> Option<String> {
    if mail.len() <= MAIL_LIMIT {
        return Some(harmless(mail, MAIL_LIMIT));
    }
    let short = match Identity::of_mail(mail)? {
        Identity::Login(login) => format!("{login}@{HIDDEN}"),
        Identity::Mail(address) | Identity::Arn(address) => address,
    };
    (short.len() <= 3 * MAIL_LIMIT).then_some(short)
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
            return Some(Self::Arn(person_behind(&text)));
        }
        Self::of_github(folded(text.trim_start_matches('@')))
    }

    fn of_github(login: String) -> Option<Self> {
        (login.parse::<Login>().is_ok() && login != GITHUB_LOGIN).then_some(Self::Login(login))
    }

    /// `None` for what is no address, and for GitHub itself, which is nobody.
    ///
    /// Taking one thing out of an address can bring another to light: parentheses that were written wide, a letter and
    /// its mark that a tag stood between. So it is read until reading changes nothing.
    fn of_mail(text: &str) -> Option<Self> {
        const READINGS: usize = 8;
        let mut read = Self::of_mail_as_written(text);
        for _ in 1..READINGS {
            let Some(Self::Mail(address)) = &read else {
                break;
            };
            let again = Self::of_mail_as_written(address);
            if again == read {
                break;
            }
            read = again;
        }
        read
    }

    fn of_mail_as_written(text: &str) -> Option<Self> {
        let text = composed(&without_comments(text)).replace(['<', '>', '"'], "");
        let (local, domain) = text.rsplit_once('@')?;
        // As the DNS has it; what cannot be there is compared as it is.
        let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
        let domain = match domain.trim_end_matches('.') {
            "googlemail.com" => "gmail.com",
            domain => domain,
        };
        if domain == HIDDEN {
            let login = local.rsplit_once('+').map_or(local, |(_, login)| login);
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

/// A text without case and in the one form of characters that can be written in several (NFKC): whole or put together,
/// wide or narrow.
fn composed(text: &str) -> String {
    const FORM: ComposingNormalizerBorrowed<'_> = ComposingNormalizerBorrowed::new_nfkc();
    let plain = FORM.normalize(&visible(text)).into_owned();
    visible(&FORM.normalize(&folded(&plain)))
}

/// An address without the comments that RFC 5322 (3.2.2) lets it have, one in another. Where they are not balanced, only
/// the parentheses go.
fn without_comments(address: &str) -> String {
    let (mut text, mut depth, mut is_quoted) = (String::with_capacity(address.len()), 0_usize, false);
    for c in address.chars() {
        match c {
            _ if std::mem::take(&mut is_quoted) => {}
            '\\' if depth > 0 => is_quoted = true,
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' => {}
            _ if depth > 0 => {}
            c => text.push(c),
        }
    }
    if depth > 0 {
        return address.replace(['(', ')'], "");
    }
    text
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(name: &str, logins: &[&str], mails: &[&str], arns: &[&str]) -> Person {
        Person {
            name: name.parse().unwrap(),
            logins: logins.iter().map(|login| login.parse().unwrap()).collect(),
            mails: mails.iter().map(|mail| mail.parse().unwrap()).collect(),
            arns: arns.iter().map(|arn| arn.parse().unwrap()).collect(),
        }
    }

    fn author(login: Option<&str>, mail: Option<&str>) -> Contributor {
        Contributor {
            name: "Ada".to_owned(),
            login: login.map(str::to_owned),
            mail: mail.map(str::to_owned),
            role: Role::Author,
        }
    }

    #[test]
    fn an_author_is_found_under_every_spelling_of_an_address() {
        let ada = person(
            "ada.lovelace@acme.example",
            &["Ada-L"],
            &[
                "ada.l@gmail.com",
                "JÜRGEN@acme.example",
                "ada@Acme-Labs.example",
                "grace@Bücher.example",
            ],
            &[],
        );
        for (mail, is_ada) in [
            ("ada.lovelace@acme.example", true),
            ("ADA.Lovelace@Acme.EXAMPLE", true),
            ("  ada.lovelace@acme.example\n", true),
            ("<ada.lovelace@acme.example>", true),
            ("\"ada.lovelace\"@acme.example", true),
            ("ada.lovelace+lockgate@acme.example", true),
            ("ada.lovelace+a+b@acme.example", true),
            ("ada.lovelace@acme.example.", true),
            ("ada\u{200b}.love\u{ad}lace@acme.example", true),
            ("ada.lovelace@acme.example\u{202e}", true),
            ("ada. lovelace@acme.example", true),
            ("ada@acme-labs.example", true),
            // Elsewhere a dot makes another address.
            ("adalovelace@acme.example", false),
            ("ada.lovelace@acme.example.com", false),
            ("ada.lovelace@sub.acme.example", false),
            ("lovelace@acme.example", false),
            ("+ada.lovelace@acme.example", false),
            ("ada.lovelace", false),
            ("@acme.example", false),
            ("", false),
            // At Gmail it does not, and it has two names.
            ("adal@gmail.com", true),
            ("A.D.A.L+x@GMail.com", true),
            ("ada.l@googlemail.com", true),
            ("a..dal@gmail.com.", true),
            ("adam@gmail.com", false),
            ("ada.l@gmail.com.example", false),
            // Case is more than ASCII.
            ("jürgen@acme.example", true),
            ("Jürgen+x@ACME.example", true),
            ("jurgen@acme.example", false),
            // A character may be written whole, or as a letter and its marks, or wide.
            ("ju\u{308}rgen@acme.example", true),
            ("JU\u{308}RGEN@acme.example", true),
            ("\u{ff41}da@acme-labs.example", true),
            ("ada\u{ff20}acme-labs.example", true),
            // A domain may be written as people read it, or as the DNS has it.
            ("grace@bücher.example", true),
            ("grace@BÜCHER.example", true),
            ("grace@bu\u{308}cher.example", true),
            ("grace@xn--bcher-kva.example", true),
            ("grace@XN--BCHER-KVA.example.", true),
            ("grace@bücher\u{3002}example", true),
            ("grace@bucher.example", false),
            ("grace@xn--bcher-kvb.example", false),
            // RFC 5322 lets an address have comments.
            ("ada.lovelace(x)@acme.example", true),
            ("(home)ada.lovelace@(work (new) \\) place)acme.example", true),
            ("ada.lovelace(@acme.example", true),
            ("ada.lovelace)@acme.example", true),
            // What one of these hid, the next reading finds.
            ("ada.lovelace\u{ff08}x\u{ff09}@acme.example", true),
            ("ju\u{a8}rgen@acme.example", true),
            ("(ada.lovelace)@acme.example", false),
            ("ada.lovelace(@acme.example)", false),
            // What GitHub invents is the login.
            ("12345+ada-l@users.noreply.github.com", true),
            ("12345+ADA-L@Users.NoReply.GitHub.com", true),
            ("ada-l@users.noreply.github.com", true),
            ("12345+ada@users.noreply.github.com", false),
            ("ada-l+12345@users.noreply.github.com", false),
            ("12345@users.noreply.github.com", false),
            ("ada-l@users.noreply.github.com.example", false),
            ("12345+@users.noreply.github.com", false),
        ] {
            assert_eq!(is_same_person(&ada, &author(None, Some(mail))), is_ada, "{mail:?}");
        }
    }

    #[test]
    fn an_author_is_found_by_login_and_who_asked_by_principal() {
        let ada = person(
            "ada@acme.example",
            &["Ada-L"],
            &["77+other@users.noreply.github.com"],
            &["arn:aws:iam::111111111111:role/teams/Tester"],
        );
        for (login, is_ada) in [
            ("Ada-L", true),
            ("ada-l", true),
            ("@ADA-L", true),
            (" ada-l ", true),
            ("other", true),
            ("ada", false),
            ("ada-l[bot]", false),
            ("", false),
            ("arn:aws:sts::111111111111:assumed-role/Tester/ada", true),
            ("arn:aws:sts::111111111111:assumed-role/Tester/somebody-else", true),
            ("arn:aws:sts::222222222222:assumed-role/Tester/ada", false),
            ("arn:aws:iam::111111111111:user/ada-l", false),
        ] {
            assert_eq!(
                is_same_person(&ada, &Contributor::requester(login)),
                is_ada,
                "{login:?}"
            );
            assert_eq!(is_same_person(&ada, &author(Some(login), None)), is_ada, "{login:?}");
        }
        let by_arn = person("arn:aws:iam::111111111111:user/ops", &[], &[], &[]);
        assert!(is_same_person(
            &by_arn,
            &Contributor::requester("arn:aws:iam::111111111111:user/ops")
        ));
        assert!(!is_same_person(&by_arn, &Contributor::requester("ops")));
        // Either of the two says who it is.
        assert!(is_same_person(
            &ada,
            &author(Some("somebody"), Some("ada@acme.example"))
        ));
        assert!(is_same_person(
            &ada,
            &author(Some("ada-l"), Some("somebody@acme.example"))
        ));
        assert!(!is_same_person(&ada, &author(None, None)));
    }

    #[test]
    fn github_itself_is_nobody() {
        let odd = person(
            "noreply@github.com",
            &["web-flow"],
            &["web-flow@users.noreply.github.com"],
            &[],
        );
        for (login, mail) in [
            (Some("web-flow"), Some("noreply@github.com")),
            (Some("Web-Flow"), None),
            (None, Some("NoReply@GitHub.com")),
            (None, Some("noreply+x@github.com")),
            (None, Some("19864447+web-flow@users.noreply.github.com")),
        ] {
            assert!(!is_same_person(&odd, &author(login, mail)), "{login:?} {mail:?}");
        }
        // Somebody else at GitHub is somebody.
        let hubot = person("hubot@github.com", &[], &[], &[]);
        assert!(is_same_person(&hubot, &author(None, Some("hubot@github.com"))));
    }

    #[test]
    fn what_two_people_have_in_common_is_named() {
        let qa = person(
            "qa@acme.example",
            &["qa-acme"],
            &["q.a@gmail.com"],
            &[
                "arn:aws:iam::111111111111:user/qa",
                "arn:aws:iam::111111111111:role/Tester",
            ],
        );
        for (other, common) in [
            (person("lead@acme.example", &["lead"], &["lead@gmail.com"], &[]), None),
            (person("qa+2@acme.example", &[], &[], &[]), Some("qa@acme.example")),
            (person("lead@acme.example", &["QA-Acme"], &[], &[]), Some("qa-acme")),
            (person("qa@googlemail.com", &[], &[], &[]), Some("qa@gmail.com")),
            (
                person("lead@acme.example", &[], &["1+qa-acme@users.noreply.github.com"], &[]),
                Some("qa-acme"),
            ),
            (
                person("arn:aws:iam::111111111111:user/qa", &[], &[], &[]),
                Some("arn:aws:iam::111111111111:user/qa"),
            ),
            (
                person(
                    "lead@acme.example",
                    &[],
                    &[],
                    &["arn:aws:iam::111111111111:role/other/path/Tester"],
                ),
                Some("arn:aws:iam::111111111111:role/Tester"),
            ),
        ] {
            assert_eq!(qa.in_common(&other).as_deref(), common, "{other:?}");
            assert_eq!(other.in_common(&qa).as_deref(), common, "{other:?}");
        }
    }

    #[test]
    fn co_authors_are_read_from_wherever_a_message_names_them() {
        for (message, wanted) in [
            ("Add prices", &[][..]),
            (
                "Add prices\n\nCo-authored-by: Ada L <ada@acme.example>",
                &[("Ada L", Some("ada@acme.example"))],
            ),
            (
                "x\r\n\r\nCO-AUTHORED-BY:Ada<ada@acme.example>\r\nco-authored-by: Bob <bob@acme.example>\r\n",
                &[("Ada", Some("ada@acme.example")), ("Bob", Some("bob@acme.example"))],
            ),
            (
                "  Co-Authored-By : Ada <12345+ada@users.noreply.github.com>\nmore text\n",
                &[("Ada", Some("12345+ada@users.noreply.github.com"))],
            ),
            (
                "x\rCo-authored-by: Ada <ada@acme.example>\rSigned-off-by: Cy <cy@acme.example>",
                &[("Ada", Some("ada@acme.example"))],
            ),
            (
                "Co-authored-by: Ada <ada@acme.example>, Bob <bob@acme.example>",
                &[("Ada", Some("ada@acme.example")), ("Bob", Some("bob@acme.example"))],
            ),
            (
                "Co-authored-by: ada@acme.example",
                &[("ada@acme.example", Some("ada@acme.example"))],
            ),
            ("Co-authored-by: Ada", &[("Ada", None)]),
            (
                "Co-authored-by: Ada <ada@acme.example",
                &[("Ada", Some("ada@acme.example"))],
            ),
            ("Co-authored-by:", &[]),
            (
                "Co\u{200b}-authored-by: \u{202e}Ada\u{7} <b>x</b> <ada@acme.example>",
                &[("Ada", Some("b")), ("x", Some("/b")), ("", Some("ada@acme.example"))],
            ),
            ("Thanks to Co-authored-by: Ada <ada@acme.example>", &[]),
            ("Reviewed-by: Ada <ada@acme.example>", &[]),
        ] {
            let found = co_authors(message);
            let found: Vec<(&str, Option<&str>)> = found
                .iter()
                .map(|who| (who.name.as_str(), who.mail.as_deref()))
                .collect();
            assert_eq!(found, wanted, "{message:?}");
        }
        assert_eq!(co_authors("Co-authored-by: A <a@b.example>")[0].role, Role::CoAuthor);
    }

    #[test]
    fn a_long_address_is_kept_as_one_that_is_still_the_same() {
        let ada = person("ada@acme.example", &["ada-l"], &[], &[]);
        for mail in [
            format!("ada+{}@acme.example", "x".repeat(5000)),
            format!("{}+ada-l@users.noreply.github.com", "1".repeat(5000)),
        ] {
            let kept = author(None, Some(&mail)).harmless();
            assert!(kept.mail.as_ref().unwrap().len() < 100, "{kept:?}");
            assert!(is_same_person(&ada, &kept), "{kept:?}");
        }
        let other = author(
            Some(&"l".repeat(5000)),
            Some(&format!("{}@acme.example", "x".repeat(5000))),
        )
        .harmless();
        assert!(serde_json::to_vec(&other).unwrap().len() < 2000);
        assert!(!is_same_person(&ada, &other));
    }

    proptest! {
        #[test]
        fn however_an_address_is_dressed_up_it_is_the_same_person(
            local in "[a-z][a-z0-9.]{0,8}[a-z0-9]",
            gmail in any::<bool>(),
            tag in "(\\+[A-Za-z0-9.+-]{0,8})?",
            upper in any::<u32>(),
            dot in any::<bool>(),
            invisible in any::<proptest::sample::Index>(),
        ) {
            let domain = if gmail { "gmail.com" } else { "acme.example" };
            let plain = format!("{local}@{domain}");
            let local = if gmail { local.replace('.', "") } else { local };
            let domain = if gmail { "googlemail.com" } else { domain };
            let mut dressed: Vec<char> = format!("{local}{tag}@{domain}{}", if dot { "." } else { "" }).chars().collect();
            for (at, c) in dressed.iter_mut().enumerate() {
                if upper.rotate_right(u32::try_from(at).unwrap()) & 1 == 1 {
                    *c = c.to_ascii_uppercase();
                }
            }
            let at = invisible.index(dressed.len());
            dressed.insert(at, '\u{200d}');
            let dressed: String = dressed.into_iter().collect();
            let contributor = author(None, Some(&dressed));
            let person = person(&plain, &[], &[], &[]);
            prop_assert!(is_same_person(&person, &contributor), "{} {}", plain, dressed);
            prop_assert!(is_same_person(&person, &contributor.harmless()), "{} {}", plain, dressed);
        }

        #[test]
        fn no_text_makes_it_panic_and_what_is_kept_is_the_same_somebody(
            login in any::<Option<String>>(),
            mail in proptest::option::of("\\PC{0,8}.{0,8}(\\+.{0,300})?@(.{0,8}|users\\.noreply\\.github\\.com|gmail\\.com)"),
            message in any::<String>(),
        ) {
            let given = author(login.as_deref(), mail.as_deref());
            // What is longer than anybody's address may be forgotten.
            let known = |who: &Contributor| -> Vec<String> {
                let texts = who.identities().into_iter().map(|identity| identity.to_string());
                texts.filter(|text| text.len() <= 3 * MAIL_LIMIT).collect()
            };
            prop_assert_eq!(known(&given.harmless()), known(&given));
            prop_assert!(serde_json::to_vec(&given.harmless()).unwrap().len() < 8000);
            co_authors(&message);
        }

        #[test]
        fn different_addresses_are_different_people(a in "[a-c]{1,2}(\\.[a-c])?", b in "[a-c]{1,2}(\\.[a-c])?") {
            let person = person(&format!("{a}@acme.example"), &[], &[], &[]);
            let contributor = author(None, Some(&format!("{b}@acme.example")));
            prop_assert_eq!(is_same_person(&person, &contributor), a == b);
        }
    }
}
