//! As whom GitHub is asked, and where that comes from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::{App, UnusableApp};
use crate::{GitHub, Token, UnusableToken};

/// As whom GitHub is asked.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// As nobody: GitHub shows what is public, lets nothing be written, and answers 60 questions an hour.
    #[default]
    None,
    /// By a token that somebody made: a fine-grained one of a person, for a trial.
    Token(Token),
    /// As an App, by tokens that it gets for each repository and that end after an hour.
    App(Arc<App>),
}

/// What an operator stored for us, as it was stored.
#[derive(Clone, Default, PartialEq, Eq)]
struct Stored {
    /// The App's client id, or its older number.
    app: Option<String>,
    /// The App's private key, the whole file as GitHub had it downloaded.
    app_key: Option<String>,
    /// A token.
    token: Option<String>,
}

/// What an operator stored cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCredentials {
    /// The token.
    #[error("{0}")]
    Token(#[from] UnusableToken),
    /// The App, or its key.
    #[error("{0}")]
    App(#[from] UnusableApp),
    /// Half of an App.
    #[error("of the GitHub App, the {missing} is missing; store both its client id and its private key, or neither")]
    HalfAnApp {
        /// What is not there.
        missing: &'static str,
    },
}

impl Stored {
    /// Who we are by it. An App goes before a token: it may more, and nobody's leaving ends it.
    fn credentials(&self) -> Result<Credentials, UnusableCredentials> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        match (given(&self.app), given(&self.app_key), given(&self.token)) {
            (Some(app), Some(key), _) => Ok(Credentials::App(Arc::new(App::new(&app, &key)?))),
            (Some(_), None, _) => Err(UnusableCredentials::HalfAnApp { missing: "private key" }),
            (None, Some(_), _) => Err(UnusableCredentials::HalfAnApp { missing: "client id" }),
            (None, None, Some(token)) => Ok(Credentials::Token(token.parse()?)),
            (None, None, None) => Ok(Credentials::None),
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored(…)")
    }
}

/// GitHub, asked as whoever the operator says at the moment. As long as that stays the same, an App's tokens are kept.
#[derive(Debug)]
pub struct Access {
    github: GitHub,
    path: String,
    known: Mutex<Option<(Stored, GitHub)>>,
}

/// What is stored for asking GitHub cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is stored below {path} cannot be used: {fault}")]
pub struct NoAccess {
    /// Where it is stored.
    pub path: String,
    /// What is wrong with it.
    pub fault: UnusableCredentials,
}

impl Access {
    /// This GitHub, as whoever is stored below this path: as `app` and `app-key`, or as `token`.
    pub fn new(github: GitHub, path: &str) -> Self {
        Self {
            github,
            path: path.to_owned(),
            known: Mutex::default(),
        }
    }

    /// The names of what is stored, for [`Self::by`]. It is to be read each time: whoever replaces a key need not wait for
    /// anything.
    pub fn names(&self) -> [String; 3] {
        ["app", "app-key", "token"].map(|name| format!("{}/{name}", self.path))
    }

    /// GitHub, asked by what is stored under these names now.
    ///
    /// # Errors
    /// [`NoAccess`], where that is not what it should be.
    pub fn by(&self, [app, app_key, token]: [Option<String>; 3]) -> Result<GitHub, NoAccess> {
        let stored = Stored { app, app_key, token };
        self.known(stored).map_err(|fault| NoAccess {
            path: self.path.clone(),
            fault,
        })
    }

    fn known(&self, stored: Stored) -> Result<GitHub, UnusableCredentials> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, github)) = &*known
            && *before == stored
        {
            return Ok(github.clone());
        }
        let github = self.github.bearing(stored.credentials()?);
        *known = Some((stored, github.clone()));
        Ok(github)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::app::tests::KEY;

    fn stored(app: &str, key: &str, token: &str) -> Stored {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Stored {
            app: given(app),
            app_key: given(key),
            token: given(token),
        }
    }

    #[test]
    fn an_app_goes_before_a_token_and_half_of_one_is_nobody() {
        for (stored, found) in [
            (stored("", "", ""), "nobody"),
            (stored("", "", "ghp_1"), "a token"),
            (stored("Iv23li", KEY, "ghp_1"), "an app"),
            (
                stored("Iv23li", "", "ghp_1"),
                "of the GitHub App, the private key is missing; store both its client id and its private key, or neither",
            ),
            (
                stored(" ", KEY, ""),
                "of the GitHub App, the client id is missing; store both its client id and its private key, or neither",
            ),
            (
                stored("", "", "two words"),
                "a GitHub token is one word of visible ASCII characters",
            ),
        ] {
            let shown = match stored.credentials() {
                Ok(Credentials::None) => "nobody".to_owned(),
                Ok(Credentials::Token(_)) => "a token".to_owned(),
                Ok(Credentials::App(_)) => "an app".to_owned(),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, found);
        }
    }

    #[test]
    fn what_is_stored_does_not_show_itself_and_is_read_anew_when_it_changes() {
        let stored = stored("Iv23li", KEY, "ghp_secret");
        assert_eq!(format!("{stored:?}"), "Stored(…)");
        let shown = format!("{:?}", stored.credentials().unwrap());
        assert!(!shown.contains("MIIE") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn who_we_are_is_said_each_time_and_an_app_stays_the_same_while_that_does() {
        let access = Access::new(
            GitHub::new("http://127.0.0.1:9", Credentials::None).unwrap(),
            "/lockgate/github",
        );
        assert_eq!(
            access.names(),
            [
                "/lockgate/github/app",
                "/lockgate/github/app-key",
                "/lockgate/github/token"
            ]
        );
        let app = |key: &str| {
            let github = access.by([Some("Iv23li".to_owned()), Some(key.to_owned()), None]);
            github.map(|github| match github.credentials() {
                Credentials::App(app) => app.clone(),
                other => panic!("{other:?}"),
            })
        };
        let first = app(KEY).unwrap();
        assert!(Arc::ptr_eq(&first, &app(KEY).unwrap()));
        assert!(!Arc::ptr_eq(
            &first,
            &app(include_str!("testdata/app-pkcs8.pem")).unwrap()
        ));
        let unusable = app("a key").unwrap_err().to_string();
        assert!(
            unusable.starts_with("what is stored below /lockgate/github cannot be used: a GitHub App's private key"),
            "{unusable}"
        );
    }
}
