//! A deployment that a person asks for by command, where the environment's policy has `on = "manual"`.

use jiff::Timestamp;

use crate::deployment::{Cause, Deployment, Environment, Request};
use crate::harmless::harmless;
use crate::names::{CommitSha, DeploymentId, Digest, RepositoryName};

/// The fewest digits by which a commit or a release is named: as many as Git shows.
pub const SHORTEST: usize = 7;

/// Whoever types the same thing twice within so many seconds of the clock asks once.
const ONCE_IN: i64 = 60;

/// What a person asks.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Of which application.
    pub application: RepositoryName,
    /// Where, as it is configured now.
    pub environment: Environment,
    /// What: a commit, a release, or the branch or tag that one was asked from; nothing for the newest.
    pub reference: Option<String>,
    /// Who, by ARN.
    pub by: String,
    /// Whether it is only to be said what would change.
    pub plans: bool,
    /// When.
    pub at: Timestamp,
}

/// A commit that can be brought, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The commit.
    pub commit: CommitSha,
    /// The release that was made of it, where one is known.
    pub release: Option<Digest>,
    /// The branch or tag that it was asked from; empty, where the record of that is gone.
    pub reference: String,
    /// The first line of its message.
    pub title: String,
}

/// What the ledger knows when somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// What can be brought, the newest first: what was stable in the environment before, or else what was asked for, and was
    /// stable, in this one.
    pub choices: &'k [Choice],
    /// The deployment that has the environment's lock.
    pub under_way: Option<&'k DeploymentId>,
}

/// Why nothing is started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy does not have it.
    #[error(
        "{place} is not deployed by hand: it has on = {on}; add \"manual\" to `on` in lockgate.toml and deploy the pipeline"
    )]
    NotByHand {
        /// The environment and its application.
        place: String,
        /// What starts its deployments.
        on: String,
    },
    /// Nothing is stable where it comes from.
    #[error(
        "no release is stable in {0}, from which {1} takes its releases; bring one to the end of a deployment there first"
    )]
    NothingBefore(String, String),
    /// Nothing is known here.
    #[error("nothing was ever asked for in {0}; name the commit with --ref, by all 40 of its digits")]
    NothingYet(String),
    /// Nothing that is known is called that.
    #[error(
        "{given:?} names none of the newest commits that are known {from}; name a commit by all 40 of its digits (`git \
         rev-parse {given}`)"
    )]
    Unknown {
        /// As it was given.
        given: String,
        /// Where those are that are known.
        from: String,
    },
    /// More than one begins so.
    #[error("{0:?} is the beginning of more than one commit or release; name more digits")]
    Ambiguous(String),
    /// Nobody's place is taken for a look.
    #[error("{0} is under way there; plan when it has ended")]
    UnderWay(DeploymentId),
}

/// What is asked for. Whether the release may come is decided as of any other: by the gate, when it is there.
///
/// # Errors
/// [`Refusal`], where the policy does not have it, or nobody knows what is meant.
pub fn ask(wish: &Wish, known: Known<'_>) -> Result<Deployment, Refusal> {
    let environment = &wish.environment;
    let place = format!("{} of {}", environment.name, wish.application);
    if !environment.on.contains(&Cause::Manual) {
        let on: Vec<String> = environment.on.iter().map(|cause| format!("\"{cause}\"")).collect();
        return Err(Refusal::NotByHand {
            place,
            on: format!("[{}]", on.join(", ")),
        });
    }
    let choice = choose(wish, known.choices, place)?;
    let minute = wish.at.as_second().div_euclid(ONCE_IN).to_string();
    let what = if wish.plans { "plan" } else { "manual" };
    let id = DeploymentId::derive(
        &wish.application,
        &environment.name,
        &choice.commit,
        &[what, &wish.by, &minute],
    );
    if let Some(under_way) = known.under_way.filter(|other| wish.plans && **other != id) {
        return Err(Refusal::UnderWay(under_way.clone()));
    }
    Ok(Deployment {
        id,
        application: wish.application.clone(),
        environment: environment.clone(),
        commit: choice.commit,
        reference: harmless(&choice.reference, 255),
        release: None,
        requested: Request {
            by: harmless(&wish.by, 300),
            at: wish.at,
            happened_at: wish.at,
            because: Cause::Manual,
            delivery: None,
            before: None,
            title: choice.title,
            at_github: None,
        },
        rollback: None,
        plans: wish.plans,
    })
}

fn choose(wish: &Wish, choices: &[Choice], place: String) -> Result<Choice, Refusal> {
    let after = wish.environment.after.as_ref();
    let Some(given) = &wish.reference else {
        return choices.first().cloned().ok_or_else(|| match after {
            Some(after) => Refusal::NothingBefore(after.to_string(), place),
            None => Refusal::NothingYet(place),
        });
    };
    if let Ok(commit) = given.parse::<CommitSha>() {
        let found = choices.iter().find(|choice| choice.commit == commit).cloned();
        return Ok(found.unwrap_or_else(|| Choice {
            reference: commit.to_string(),
            commit,
            release: None,
            title: String::new(),
        }));
    }
    if let Some(choice) = choices.iter().find(|choice| choice.reference == *given) {
        return Ok(choice.clone());
    }
    let begins = |choice: &&Choice| {
        let release = choice.release.as_ref().map_or("", Digest::as_str);
        given.len() >= SHORTEST && (choice.commit.as_str().starts_with(given) || release.starts_with(given))
    };
    let mut found = choices.iter().filter(begins);
    match found.next() {
        None => Err(Refusal::Unknown {
            given: given.chars().take(80).collect(),
            from: format!("in {}", after.map_or(place, ToString::to_string)),
        }),
        Some(first) if found.all(|other| other.commit == first.commit) => Ok(first.clone()),
        Some(_) => Err(Refusal::Ambiguous(given.clone())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::configuration::Configuration;

    const TOML: &str = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = ["push", "manual"]
[application."acme/shop".environment.test]
account = "333333333333"
on = ["prerelease", "manual"]
after = "dev"
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
"#;

    fn wish(environment: &str, reference: Option<&str>) -> Wish {
        let mut configured = Configuration::read(TOML).unwrap();
        let application = configured.applications.remove(0);
        let mut environments = application.environments.into_iter();
        Wish {
            application: application.repository,
            environment: environments.find(|found| found.name.as_str() == environment).unwrap(),
            reference: reference.map(str::to_owned),
            by: "arn:aws:iam::111111111111:user/ann".to_owned(),
            plans: false,
            at: "2026-12-01T09:00:30Z".parse().unwrap(),
        }
    }

    fn choice(digits: &str, reference: &str) -> Choice {
        Choice {
            commit: format!("{digits:0<40}").parse().unwrap(),
            release: Some(Digest::of(digits.as_bytes())),
            reference: reference.to_owned(),
            title: format!("Commit {digits}"),
        }
    }

    fn choices() -> [Choice; 3] {
        [
            choice("aaaaaaa3", "main"),
            choice("bbbbbbb2", "main"),
            choice("aaaaaaa1", "v1.0.0-rc.1"),
        ]
    }

    fn known(choices: &[Choice]) -> Known<'_> {
        Known {
            choices,
            under_way: None,
        }
    }

    #[test]
    fn what_is_meant_is_the_newest_or_what_is_named_and_else_the_refusal_says_what_to_do() {
        let choices = choices();
        let other = "c".repeat(40);
        let release = Digest::of(b"bbbbbbb2");
        let mut said = Vec::new();
        for (environment, reference) in [
            ("dev", None),
            ("test", None),
            ("dev", Some("main")),
            ("dev", Some("v1.0.0-rc.1")),
            ("dev", Some("bbbbbbb")),
            ("dev", Some("bbbbbb")),
            ("dev", Some(release.short())),
            ("dev", Some("aaaaaaa")),
            ("dev", Some("aaaaaaa1")),
            ("test", Some("feature")),
            ("dev", Some(other.as_str())),
            ("production", None),
        ] {
            let told = match ask(&wish(environment, reference), known(&choices)) {
                Ok(asked) => format!(
                    "{} {} {:?}",
                    asked.commit.short(),
                    asked.reference,
                    asked.requested.title
                ),
                Err(refused) => refused.to_string(),
            };
            said.push(format!("{environment} {}: {told}", reference.unwrap_or("-")));
        }
        for environment in ["dev", "test"] {
            said.push(ask(&wish(environment, None), known(&[])).unwrap_err().to_string());
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn the_same_within_a_minute_is_one_deployment_and_a_plan_is_another() {
        let choices = choices();
        let first = ask(&wish("dev", None), known(&choices)).unwrap();
        let id = |change: &dyn Fn(&mut Wish)| {
            let mut wish = wish("dev", None);
            change(&mut wish);
            ask(&wish, known(&choices)).unwrap().id
        };
        assert_eq!(id(&|wish| wish.at = "2026-12-01T09:00:59Z".parse().unwrap()), first.id);
        assert_eq!(id(&|wish| wish.reference = Some("aaaaaaa3".to_owned())), first.id);
        assert_ne!(id(&|wish| wish.at = "2026-12-01T09:01:00Z".parse().unwrap()), first.id);
        assert_ne!(id(&|wish| wish.by.push('2')), first.id);
        assert_ne!(id(&|wish| wish.plans = true), first.id);
        assert_ne!(id(&|wish| wish.reference = Some("bbbbbbb".to_owned())), first.id);
        assert_eq!(first.requested.because, Cause::Manual);
        assert_eq!((first.release, first.rollback, first.plans), (None, None, false));
    }

    #[test]
    fn a_plan_takes_nobodys_place() {
        let choices = choices();
        let under_way = "shop-dev-9".parse().unwrap();
        let busy = Known {
            under_way: Some(&under_way),
            ..known(&choices)
        };
        let mut wish = wish("dev", None);
        ask(&wish, busy).unwrap();
        wish.plans = true;
        insta::assert_snapshot!(ask(&wish, busy).unwrap_err(), @"shop-dev-9 is under way there; plan when it has ended");
        let itself = ask(&wish, known(&choices)).unwrap();
        let asked_again = Known {
            under_way: Some(&itself.id),
            ..busy
        };
        assert_eq!(ask(&wish, asked_again).unwrap(), itself);
    }
}
