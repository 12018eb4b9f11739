//! A GitHub App: it signs who it is, and gets a token for each repository on which it is installed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use domain::names::RepositoryName;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use crate::http::{Asking, Bearer, Http};
use crate::{Error, Token};

/// GitHub takes a signature for ten minutes at most, by its own clock (its documentation, "Generating a JSON Web Token
/// (JWT) for a GitHub App"), and advises to date it a minute back.
const SIGNED_FOR: SignedDuration = SignedDuration::from_mins(8);
const DATED_BACK: SignedDuration = SignedDuration::from_secs(60);
/// A token ends after an hour. One that has less left than this is not begun with.
const LEFT_AT_LEAST: SignedDuration = SignedDuration::from_mins(5);

/// An App, and its tokens.
pub struct App {
    issuer: String,
    key: KeyPair,
    tokens: Mutex<HashMap<RepositoryName, Installed>>,
}

/// What cannot be an App.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableApp {
    /// Its id.
    #[error("a GitHub App's client id is one word of letters, digits and dots, such as Iv23liAbCdEfGhIjKlMn")]
    Id,
    /// Its key.
    #[error(
        "a GitHub App's private key is the file that GitHub lets you download, from \"-----BEGIN RSA PRIVATE KEY-----\" \
         to the end, with its line breaks"
    )]
    Key,
}

/// A token for one repository.
#[derive(Clone, Deserialize)]
struct Installed {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl App {
    /// The App of this client id (or number), with this private key in PEM.
    ///
    /// # Errors
    /// [`UnusableApp`], saying which of the two is not what it should be.
    pub fn new(id: &str, key: &str) -> Result<Self, UnusableApp> {
        let issuer = id.trim();
        if issuer.is_empty() || !issuer.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return Err(UnusableApp::Id);
        }
        let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| UnusableApp::Key)?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(UnusableApp::Key),
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            key: key.map_err(|_| UnusableApp::Key)?,
            tokens: Mutex::default(),
        })
    }

    /// Says who it is, for some minutes.
    pub(crate) fn signed(&self, what: &str, now: Timestamp) -> Result<Token, Error> {
        let unsigned = |why: &str| Error::Denied {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let claims = json!({
            "iat": (now - DATED_BACK).as_second(),
            "exp": (now + SIGNED_FOR).as_second(),
            "iss": self.issuer,
        });
        let content = format!(
            "{}.{}",
            BASE64.encode(r#"{"alg":"RS256","typ":"JWT"}"#),
            BASE64.encode(claims.to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                content.as_bytes(),
                &mut signature,
            )
            .map_err(|_| unsigned("the GitHub App's private key does not sign"))?;
        format!("{content}.{}", BASE64.encode(signature))
            .parse()
            .map_err(|_| unsigned("the GitHub App's signature is no token"))
    }

    /// A token for a repository: the one it has, or a new one.
    pub(crate) async fn token_for(
        &self,
        http: &Http,
        asking: &Asking,
        repository: &RepositoryName,
    ) -> Result<Token, Error> {
        let now = Timestamp::now();
        if let Some(known) = self.known(repository, now) {
            return known.token(asking);
        }
        let itself = || Ok::<_, Error>(Bearer::Token(self.signed("the GitHub App itself", now)?));
        let asks = asking.first(format!("the GitHub App's installation on {repository}"), itself()?);
        let Some(reply) = http.get(&asks, &format!("/repos/{repository}/installation")).await? else {
            return Err(asks.denied("the App is not installed there, or was taken off that repository"));
        };
        let Installation { id } = asks.read(&reply)?;
        let asks = asking.first(format!("a token of the GitHub App for {repository}"), itself()?);
        let path = format!("/app/installations/{id}/access_tokens");
        let reply = http
            .act(
                &asks,
                "POST",
                &path,
                Some(&json!({ "repositories": [repository.name()] })),
            )
            .await?;
        let installed: Installed = asks.read(&reply)?;
        let token = installed.token(asking);
        self.tokens().insert(repository.clone(), installed);
        token
    }

    /// Forgets a token that GitHub does not take any more.
    pub(crate) fn forget(&self, repository: &RepositoryName) {
        self.tokens().remove(repository);
    }

    fn known(&self, repository: &RepositoryName, now: Timestamp) -> Option<Installed> {
        let tokens = self.tokens();
        let known = tokens.get(repository)?;
        (known.expires_at.duration_since(now) > LEFT_AT_LEAST).then(|| known.clone())
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<RepositoryName, Installed>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Installed {
    fn token(&self, asking: &Asking) -> Result<Token, Error> {
        self.token
            .parse()
            .map_err(|_| asking.unavailable("it gives a token that is none", None))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
pub(crate) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// The key of the App on the local AWS, which opens nothing anywhere.
    pub(crate) const KEY: &str = include_str!("../../local/src/github/app.pem");

    #[test]
    fn an_app_says_who_it_is_for_less_than_ten_minutes_by_githubs_clock() {
        let app = App::new(" Iv23liAbC \n", KEY).unwrap();
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let signed = app.signed("x", now).unwrap();
        let (content, signature) = signed.expose().rsplit_once('.').unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, app.key.public().as_ref());
        key.verify(content.as_bytes(), &BASE64.decode(signature).unwrap())
            .unwrap();
        let (head, claims) = content.split_once('.').unwrap();
        let read = |text: &str| serde_json::from_slice::<Value>(&BASE64.decode(text).unwrap()).unwrap();
        assert_eq!(read(head), json!({ "alg": "RS256", "typ": "JWT" }));
        let second = now.as_second();
        assert_eq!(
            read(claims),
            json!({ "iat": second - 60, "exp": second + 480, "iss": "Iv23liAbC" })
        );
    }

    #[test]
    fn what_is_no_app_is_said() {
        let pkcs8 = include_str!("testdata/app-pkcs8.pem");
        App::new("12345", pkcs8).unwrap();
        for (id, key, why) in [
            ("", KEY, UnusableApp::Id),
            ("Iv23 li", KEY, UnusableApp::Id),
            ("Iv23\"li", KEY, UnusableApp::Id),
            ("Iv23li", "", UnusableApp::Key),
            (
                "Iv23li",
                "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                UnusableApp::Key,
            ),
            ("Iv23li", &KEY.replace('\n', " "), UnusableApp::Key),
        ] {
            assert_eq!(App::new(id, key).unwrap_err(), why, "{id}");
        }
    }
}
