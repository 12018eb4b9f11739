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
    let expires = claims.expires.as_second().to_be_bytes();
    let approver = claims.approver.as_str().as_bytes();
    let mac = token_mac(key, claims, approver, &expires);
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(key.id.as_str().as_bytes());
    bytes.extend_from_slice(&expires);
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
    token_mac(key, &claims, approver, expires).verify_slice(tag).ok()?;
    Some((named, key.id.clone(), i64::from_be_bytes(*expires)))
}

/// Approver and expiry as the token has them, the rest as the record has it.
fn token_mac(key: &Key, claims: &Claims<'_>, approver: &[u8], expires: &[u8; 8]) -> Hmac<Sha256> {
    key.mac(
        "lockgate approval token",
        &[
            &[VERSION],
            claims.approval.as_str().as_bytes(),
            approver,
            claims.application.as_str().as_bytes(),
            claims.environment.as_str().as_bytes(),
            claims.release.as_str().as_bytes(),
            expires,
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
    let made = now.as_second().to_be_bytes();
    let mut bytes = key.id.as_str().as_bytes().to_vec();
    bytes.extend_from_slice(&made);
    bytes.extend_from_slice(&nonce_mac(key, approval, approver, &made).finalize().into_bytes());
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
    nonce_mac(key, approval, approver, made).verify_slice(tag).ok()?;
    Some(i64::from_be_bytes(*made))
}

fn nonce_mac(key: &Key, approval: &ApprovalId, approver: &Approver, made: &[u8; 8]) -> Hmac<Sha256> {
    key.mac(
        "lockgate approval nonce",
        &[approval.as_str().as_bytes(), approver.as_str().as_bytes(), made],
    )
}
