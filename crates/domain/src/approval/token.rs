//! The tokens in approvers' links, and the nonces in the forms behind them.
//!
//! A token says whose it is and until when, and proves with HMAC-SHA-256 that we made it for one approval of one release
//! in one environment. It is not kept anywhere: it is used when its approver has a ballot in the record. Two keys may
//! be active, so that one can be changed while links are on their way.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Approval, ApprovalId, Approver};
use crate::names::{Digest, EnvironmentName, InvalidName, RepositoryName, name};

/// How long a page can lie open before its form has to be fetched again.
pub const NONCE_LIFE: SignedDuration = SignedDuration::from_hours(12);

/// How far the clocks of two functions may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The most characters of a token; one for the longest approver has less than 1,100.
const TEXT_LIMIT: usize = 2048;

const VERSION: u8 = 1;
const MAC_LENGTH: usize = 32;

name!(
    /// The name of a key that tokens are made with: 8 digits of its SHA-256, so that a record can say which it was.
    KeyId,
    "a key's id",
    "8 lower-case hexadecimal digits",
    |text| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

/// A key that tokens are made with: whoever has it can answer for everybody, so it shows itself nowhere.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    secret: [u8; 32],
}

/// A text that is no key; it is not repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the approval key is not 64 hexadecimal digits; make one with `openssl rand -hex 32` and store it without a line end"
)]
pub struct UnusableKey;

impl Key {
    /// Its name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// A MAC over fields that cannot run together, in one of the two uses of a key.
    fn mac(&self, label: &str, fields: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of every length");
        for field in [label.as_bytes(), self.id.as_str().as_bytes()].iter().chain(fields) {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac
    }
}

impl FromStr for Key {
    type Err = UnusableKey;

    fn from_str(text: &str) -> Result<Self, UnusableKey> {
        let mut secret = [0; 32];
        hex::decode_to_slice(text, &mut secret).map_err(|_| UnusableKey)?;
        let id = KeyId(hex::encode(Sha256::digest(secret))[..8].to_owned());
        Ok(Self { id, secret })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, …)", self.id)
    }
}

/// The keys that hold now.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The one that tokens are made with.
    pub current: Key,
    /// The one before, while links made with it are on their way.
    pub previous: Option<Key>,
}

impl Keys {
    fn named(&self, id: &[u8]) -> Option<&Key> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id.as_str().as_bytes() == id)
    }
}

/// What a token is made for. It proves all of it and holds for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The approval.
    pub approval: &'a ApprovalId,
    /// Who is asked.
    pub approver: &'a Approver,
    /// The application.
    pub application: &'a RepositoryName,
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// What they are asked about.
    pub release: &'a Digest,
    /// From when on it holds no more, to the second.
    pub expires: Timestamp,
}

impl<'a> Claims<'a> {
    /// What an approver's link has to prove; it holds until the deadline.
    pub fn of(approval: &'a Approval, approver: &'a Approver) -> Self {
        Self {
            approval: &approval.id,
            approver,
            application: &approval.application,
            environment: &approval.environment,
            release: &approval.release,
            expires: approval.deadline,
        }
    }
}

/// A token: whoever has it can answer as its approver, so it shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token itself, for the one link that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A token that does not open anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is none of ours, or not for this; which of these is nobody's business.
    #[error("the link does not hold")]
    Wrong,
    /// It is this approver's, and the deadline has passed.
    #[error("the link has expired")]
    Expired(Approver),
}

/// Makes the token of an approver's link, with the current key. The same claims make the same token.
pub fn mint(keys: &Keys, claims: &Claims<'_>) -> Token {
    let key = &keys.current;
    let expires = claims.expires.as_second();
    let approver = claims.approver.as_str().as_bytes();
    let mac = token_mac(key, claims, approver, expires);
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(key.id.as_str().as_bytes());
    bytes.extend_from_slice(&expires.to_be_bytes());
    bytes.extend_from_slice(approver);
    bytes.extend_from_slice(&mac.finalize().into_bytes());
    Token(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whose token this is, and the key it was made with, where it is one for this approval and still holds.
pub fn verify(keys: &Keys, approval: &Approval, text: &str, now: Timestamp) -> Result<(Approver, KeyId), BadToken> {
    let (approver, key, expires) = open(keys, approval, text).ok_or(BadToken::Wrong)?;
    if now.as_second() >= expires {
        return Err(BadToken::Expired(approver));
    }
    Ok((approver, key))
}

/// Takes a token apart; nothing of it is believed before the MAC is right.
fn open(keys: &Keys, approval: &Approval, text: &str) -> Option<(Approver, KeyId, i64)> {
    if text.len() > TEXT_LIMIT {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (approver, tag) = rest.split_last_chunk::<MAC_LENGTH>()?;
    if *version != VERSION {
        return None;
    }
    let key = keys.named(id)?;
    let named: Approver = str::from_utf8(approver).ok()?.parse().ok()?;
    let claims = Claims::of(approval, &named);
    let expires = i64::from_be_bytes(*expires);
    token_mac(key, &claims, approver, expires).verify_slice(tag).ok()?;
    Some((named, key.id.clone(), expires))
}

/// Approver and expiry as the token has them, the rest as the record has it.
fn token_mac(key: &Key, claims: &Claims<'_>, approver: &[u8], expires: i64) -> Hmac<Sha256> {
    key.mac(
        "lockgate approval token",
        &[
            &[VERSION],
            claims.approval.as_str().as_bytes(),
            approver,
            claims.application.as_str().as_bytes(),
            claims.environment.as_str().as_bytes(),
            claims.release.as_str().as_bytes(),
            &expires.to_be_bytes(),
        ],
    )
}

/// A form's nonce that does not hold: it is missing, somebody else's, or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is too old or none of ours; open the link again")]
pub struct BadNonce;

/// The nonce of a page's form: it proves that whoever sends the form has seen the page, as this approver.
pub fn nonce(keys: &Keys, approval: &ApprovalId, approver: &Approver, now: Timestamp) -> String {
    let key = &keys.current;
    let made = now.as_second();
    let mut bytes = key.id.as_str().as_bytes().to_vec();
    bytes.extend_from_slice(&made.to_be_bytes());
    bytes.extend_from_slice(&nonce_mac(key, approval, approver, made).finalize().into_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Checks a form's nonce: ours, for this approval and approver, and made within the last [`NONCE_LIFE`].
pub fn check_nonce(
    keys: &Keys,
    approval: &ApprovalId,
    approver: &Approver,
    text: &str,
    now: Timestamp,
) -> Result<(), BadNonce> {
    let made = open_nonce(keys, approval, approver, text).ok_or(BadNonce)?;
    let age = i128::from(now.as_second()) - i128::from(made);
    if age < i128::from(NONCE_LIFE.as_secs()) && age >= -i128::from(SKEW.as_secs()) {
        Ok(())
    } else {
        Err(BadNonce)
    }
}

fn open_nonce(keys: &Keys, approval: &ApprovalId, approver: &Approver, text: &str) -> Option<i64> {
    if text.len() > TEXT_LIMIT {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, rest) = bytes.split_first_chunk::<8>()?;
    let (made, tag) = rest.split_first_chunk::<8>()?;
    let key = keys.named(id)?;
    let made = i64::from_be_bytes(*made);
    nonce_mac(key, approval, approver, made).verify_slice(tag).ok()?;
    Some(made)
}

fn nonce_mac(key: &Key, approval: &ApprovalId, approver: &Approver, made: i64) -> Hmac<Sha256> {
    key.mac(
        "lockgate approval nonce",
        &[
            approval.as_str().as_bytes(),
            approver.as_str().as_bytes(),
            &made.to_be_bytes(),
        ],
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::tests::{asked, at, who};
    use super::super::{Ballot, Choice, Refusal, Via};
    use super::*;

    const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const NEW: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f";
    const THIRD: &str = "0000000000000000000000000000000000000000000000000000000000000001";

    /// The deadline of the approvals here.
    const DEADLINE: i64 = 1000;

    fn keys(current: &str, previous: Option<&str>) -> Keys {
        Keys {
            current: current.parse().unwrap(),
            previous: previous.map(|text| text.parse().unwrap()),
        }
    }

    fn approval() -> Approval {
        asked(&[(1, "qa lead")])
    }

    fn token(keys: &Keys, approval: &Approval, name: &str) -> String {
        mint(keys, &Claims::of(approval, &who(name))).expose().to_owned()
    }

    #[test]
    fn a_token_says_whose_it_is_and_which_key_made_it() {
        let keys = keys(NEW, None);
        let approval = approval();
        let text = token(&keys, &approval, "qa");
        // The parts of the text are public; only the last 32 bytes need the key.
        insta::assert_snapshot!(text, @"ATNjYmI1YTJhAAAAAGqxP2hxYUBhY21lLmV4YW1wbGXjlCHZjRl2uz1nicBhTIsAX-nTVX57s1mgRp0gwtH2fw");
        // `printf %s <key> | xxd -r -p | sha256sum | cut -c 1-8`
        assert_eq!(keys.current.id().as_str(), "3cbb5a2a");
        assert_eq!(
            verify(&keys, &approval, &text, at(1)),
            Ok((who("qa"), keys.current.id().clone()))
        );
        assert_eq!(text, token(&keys, &approval, "qa"), "the mail may be sent again");
    }

    #[test]
    fn f40_a_token_is_used_when_its_approver_has_answered() {
        let keys = keys(NEW, None);
        let mut approval = asked(&[(2, "qa lead")]);
        let text = token(&keys, &approval, "qa");
        let mut answer = || {
            let (by, key) = verify(&keys, &approval, &text, at(1)).unwrap();
            approval.vote(Ballot {
                by,
                via: Via::Link { key },
                decision: Choice::Accept,
                comment: String::new(),
                ticked: vec![],
                at: at(1),
            })
        };
        assert_eq!(answer(), Ok(None));
        assert!(matches!(answer(), Err(Refusal::Answered(_))));
    }

    #[test]
    fn f40_a_token_holds_until_the_deadline() {
        let keys = keys(NEW, None);
        let approval = approval();
        let text = token(&keys, &approval, "qa");
        for (second, holds) in [
            (-5, true),
            (0, true),
            (DEADLINE - 1, true),
            (DEADLINE, false),
            (DEADLINE + 9, false),
        ] {
            let wanted = if holds {
                Ok((who("qa"), keys.current.id().clone()))
            } else {
                Err(BadToken::Expired(who("qa")))
            };
            assert_eq!(verify(&keys, &approval, &text, at(second)), wanted, "{second}");
        }
        // Whoever cannot prove anything is not told that it has expired.
        let broken = format!("{}AAAA", &text[..text.len() - 4]);
        assert_eq!(verify(&keys, &approval, &broken, at(DEADLINE)), Err(BadToken::Wrong));
    }

    #[test]
    fn f40_every_flipped_bit_is_refused() {
        let keys = keys(NEW, Some(OLD));
        let approval = approval();
        for text in [token(&keys, &approval, "qa"), token(&keys, &approval, "lead")] {
            assert!(verify(&keys, &approval, &text, at(1)).is_ok());
            let refuse = |altered: &str| {
                assert_ne!(altered, text);
                assert_eq!(
                    verify(&keys, &approval, altered, at(1)),
                    Err(BadToken::Wrong),
                    "{altered}"
                );
            };
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut altered = bytes.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                refuse(&URL_SAFE_NO_PAD.encode(&altered));
            }
            // The bits of the text as well: base64 has some that mean nothing.
            for bit in (0..text.len() * 8).filter(|bit| bit % 8 != 7) {
                let mut altered = text.clone().into_bytes();
                altered[bit / 8] ^= 1 << (bit % 8);
                refuse(str::from_utf8(&altered).unwrap());
            }
            for cut in 0..text.len() {
                refuse(&text[..cut]);
            }
            for more in ["A", "=", "==", " ", "\n", "AAAA"] {
                refuse(&format!("{text}{more}"));
                refuse(&format!("{more}{text}"));
            }
        }
    }

    #[test]
    fn f40_a_token_for_anything_else_is_refused() {
        let keys = keys(NEW, None);
        let approval = approval();
        let qa = who("qa");
        let claims = Claims::of(&approval, &qa);
        let (other_id, other_application) = ("0".repeat(32).parse().unwrap(), "acme/other".parse().unwrap());
        let (other_environment, other_release) = ("production".parse().unwrap(), Digest::of(b"another"));
        for (what, other) in [
            (
                "approval",
                Claims {
                    approval: &other_id,
                    ..claims
                },
            ),
            (
                "application",
                Claims {
                    application: &other_application,
                    ..claims
                },
            ),
            (
                "environment",
                Claims {
                    environment: &other_environment,
                    ..claims
                },
            ),
            (
                "release",
                Claims {
                    release: &other_release,
                    ..claims
                },
            ),
        ] {
            let text = mint(&keys, &other).expose().to_owned();
            assert_eq!(verify(&keys, &approval, &text, at(1)), Err(BadToken::Wrong), "{what}");
        }
    }

    #[test]
    fn another_spelling_of_the_approver_is_another_token() {
        let keys = keys(NEW, None);
        let approval = approval();
        let bytes = URL_SAFE_NO_PAD.decode(token(&keys, &approval, "qa")).unwrap();
        let upper: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(at, b)| if at == 17 { b.to_ascii_uppercase() } else { *b })
            .collect();
        assert_eq!(&upper[17..19], b"Qa");
        assert_eq!(
            verify(&keys, &approval, &URL_SAFE_NO_PAD.encode(upper), at(1)),
            Err(BadToken::Wrong)
        );
    }

    #[test]
    fn the_previous_key_counts_while_it_is_there_and_a_third_never() {
        let approval = approval();
        let (old, third) = (keys(OLD, None), keys(THIRD, None));
        let text = token(&old, &approval, "qa");
        let form = nonce(&old, &approval.id, &who("qa"), at(1));
        let nonce_holds = |keys: &Keys, form: &str| check_nonce(keys, &approval.id, &who("qa"), form, at(2)).is_ok();
        let both = keys(NEW, Some(OLD));
        assert_eq!(
            verify(&both, &approval, &text, at(1)),
            Ok((who("qa"), old.current.id().clone()))
        );
        assert!(nonce_holds(&both, &form));
        assert_ne!(
            token(&both, &approval, "qa"),
            text,
            "new ones are made with the current key"
        );
        for keys in [keys(NEW, None), keys(NEW, Some(THIRD)), keys(THIRD, Some(NEW))] {
            assert_eq!(verify(&keys, &approval, &text, at(1)), Err(BadToken::Wrong));
            assert!(!nonce_holds(&keys, &form));
        }
        let by_third = token(&third, &approval, "qa");
        assert_eq!(verify(&both, &approval, &by_third, at(1)), Err(BadToken::Wrong));
        assert!(!nonce_holds(&both, &nonce(&third, &approval.id, &who("qa"), at(1))));
        // One that claims to be made with a key of ours is no better.
        let mut forged = URL_SAFE_NO_PAD.decode(&by_third).unwrap();
        forged[1..9].copy_from_slice(both.current.id().as_str().as_bytes());
        assert_eq!(
            verify(&both, &approval, &URL_SAFE_NO_PAD.encode(forged), at(1)),
            Err(BadToken::Wrong)
        );
    }

    #[test]
    fn a_nonce_holds_for_its_approver_and_approval_and_twelve_hours() {
        let keys = keys(NEW, None);
        let approval = approval();
        let form = nonce(&keys, &approval.id, &who("qa"), at(0));
        let check =
            |id: &ApprovalId, name: &str, text: &str, second| check_nonce(&keys, id, &who(name), text, at(second));
        let life = NONCE_LIFE.as_secs();
        assert_eq!(life, 43_200);
        for (second, holds) in [
            (0, true),
            (life - 1, true),
            (life, false),
            (life * 9, false),
            (-300, true),
            (-301, false),
        ] {
            assert_eq!(check(&approval.id, "qa", &form, second).is_ok(), holds, "{second}");
        }
        assert_eq!(check(&approval.id, "lead", &form, 1), Err(BadNonce));
        assert_eq!(check(&"0".repeat(32).parse().unwrap(), "qa", &form, 1), Err(BadNonce));
        let link = token(&keys, &approval, "qa");
        for text in [
            "",
            "x",
            "AAAA",
            &form[1..],
            &form[..form.len() - 1],
            &format!("{form}A"),
            &link,
        ] {
            assert_eq!(check(&approval.id, "qa", text, 1), Err(BadNonce), "{text}");
        }
        assert_eq!(verify(&keys, &approval, &form, at(1)), Err(BadToken::Wrong));
        let bytes = URL_SAFE_NO_PAD.decode(&form).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                check(&approval.id, "qa", &URL_SAFE_NO_PAD.encode(&altered), 1),
                Err(BadNonce),
                "{bit}"
            );
        }
    }

    #[test]
    fn a_key_is_64_digits_and_nothing_shows_a_secret() {
        for bad in [
            "",
            "00",
            &OLD[1..],
            &format!("{OLD}0"),
            &format!("{OLD}00"),
            &format!("{OLD}\n"),
            &"g".repeat(64),
            &"ü".repeat(32),
        ] {
            assert_eq!(bad.parse::<Key>().unwrap_err(), UnusableKey, "{bad:?}");
        }
        insta::assert_snapshot!(
            UnusableKey,
            @"the approval key is not 64 hexadecimal digits; make one with `openssl rand -hex 32` and store it without a line end"
        );
        let keys = keys(NEW, Some(OLD));
        let shown = format!("{keys:?} {:?}", mint(&keys, &Claims::of(&approval(), &who("qa"))));
        insta::assert_snapshot!(shown, @"Keys { current: Key(3cbb5a2a, …), previous: Some(Key(4773d12e, …)) } Token(…)");
        let upper: Key = OLD.to_uppercase().replace("FF", "ff").parse().unwrap();
        assert_eq!(Some(upper.id()), keys.previous.as_ref().map(Key::id));
    }

    #[test]
    fn fields_cannot_run_together() {
        let key: Key = NEW.parse().unwrap();
        let tags: BTreeSet<Vec<u8>> = [
            &[&b"ab"[..], b"c"][..],
            &[b"a", b"bc"],
            &[b"abc"],
            &[b"abc", b""],
            &[b"", b"abc"],
        ]
        .iter()
        .map(|fields| key.mac("x", fields).finalize().into_bytes().to_vec())
        .collect();
        assert_eq!(tags.len(), 5);
    }

    /// One of few values of everything that a token is bound to, so that equal ones are met as well.
    #[derive(Debug, Clone, PartialEq)]
    struct Bound {
        id: u8,
        name: &'static str,
        application: &'static str,
        environment: &'static str,
        release: u8,
        deadline: i64,
        key: &'static str,
    }

    fn any_bound() -> impl Strategy<Value = Bound> {
        (
            0_u8..2,
            proptest::sample::select(vec!["qa", "lead"]),
            proptest::sample::select(vec!["acme/shop", "acme/shopt"]),
            proptest::sample::select(vec!["est", "test"]),
            0_u8..2,
            proptest::sample::select(vec![500_i64, 501]),
            proptest::sample::select(vec![NEW, OLD, THIRD]),
        )
            .prop_map(|(id, name, application, environment, release, deadline, key)| Bound {
                id,
                name,
                application,
                environment,
                release,
                deadline,
                key,
            })
    }

    fn bound(to: &Bound) -> Approval {
        let mut approval = approval();
        approval.id = format!("{:032x}", to.id).parse().unwrap();
        approval.application = to.application.parse().unwrap();
        approval.environment = to.environment.parse().unwrap();
        approval.release = Digest::of(&[to.release]);
        approval.deadline = at(to.deadline);
        approval
    }

    proptest! {
        #[test]
        fn a_token_opens_what_it_was_made_for_and_nothing_else(made in any_bound(), used in any_bound(), second in 0_i64..600) {
            let text = token(&keys(made.key, None), &bound(&made), made.name);
            let ours = keys(NEW, Some(OLD));
            let result = verify(&ours, &bound(&used), &text, at(second));
            // A token brings its own approver, expiry and key; the record says the rest.
            let same = Bound { name: used.name, deadline: used.deadline, key: used.key, ..made.clone() } == used;
            if !same || made.key == THIRD {
                prop_assert_eq!(result, Err(BadToken::Wrong));
            } else if second >= made.deadline {
                prop_assert_eq!(result, Err(BadToken::Expired(who(made.name))));
            } else {
                let key: Key = made.key.parse().unwrap();
                prop_assert_eq!(result, Ok((who(made.name), key.id().clone())));
            }
        }

        #[test]
        fn no_text_makes_it_panic_or_opens_anything(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let keys = keys(NEW, Some(OLD));
            let approval = approval();
            let mut with_head = vec![VERSION];
            with_head.extend_from_slice(keys.current.id().as_str().as_bytes());
            with_head.extend_from_slice(&bytes);
            for text in [text, URL_SAFE_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&with_head), URL_SAFE_NO_PAD.encode(&with_head[1..])] {
                prop_assert_eq!(verify(&keys, &approval, &text, at(1)), Err(BadToken::Wrong));
                prop_assert_eq!(check_nonce(&keys, &approval.id, &who("qa"), &text, at(1)), Err(BadNonce));
            }
        }
    }
}
