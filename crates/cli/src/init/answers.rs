//! What people say of an application and its environments.

use std::fmt::Display;
use std::str::FromStr;

use domain::configuration::{Configuration, Problems};
use domain::names::{AccountId, Region, RepositoryName};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::asking::{Asking, Question};
use super::assembly::Found;
use super::environment::{self, Round};
use super::git::Checkout;
use super::options::Options;
use super::{InitError, configuration};
use crate::access::Access;

/// All that `lockgate.toml` says, as it is written there: what it means is its reader's to say.
#[derive(Debug, Clone)]
pub struct Answers {
    pub account: String,
    pub region: String,
    pub external_id: String,
    pub notify: Vec<String>,
    pub repository: String,
    pub branch: String,
    /// Who is asked, and their logins at GitHub, in the order in which they are named.
    pub people: Vec<(String, Vec<String>)>,
    pub environments: Vec<EnvironmentAnswers>,
}

/// What it says of one environment.
#[derive(Debug, Clone)]
pub struct EnvironmentAnswers {
    pub name: String,
    pub account: String,
    /// Nothing, where it is the pipeline's.
    pub region: Option<String>,
    pub on: Vec<String>,
    pub after: Option<String>,
    /// Patterns; none is all of the account and region.
    pub stacks: Vec<String>,
    pub approvers: Vec<String>,
    pub need: u32,
    pub alarms: Vec<String>,
    /// For how long they watch a release, as it is written; nothing is read of it without alarms.
    pub bake: String,
}

impl Answers {
    /// What `lockgate validate` says of them.
    pub fn check(&self) -> Result<(), Problems> {
        Configuration::read(&configuration::text(self)).map(drop)
    }
}

/// Asks for what options do not say. Nothing, where something is not known and nobody can be asked.
pub async fn ask(
    options: &Options,
    access: &Access,
    checkout: &Checkout,
    found: &Found,
    asking: &mut Asking,
) -> Result<Option<Answers>, InitError> {
    let base = base(options, access, checkout, asking).await?;
    let names = environment::names(options, asking).await?;
    options.refuse_other_environments(&names)?;
    let guesses = found.guesses(&names);
    let is_known = base.is_some();
    // Where the base is not known, what else is missing is told together with it.
    let base = base.unwrap_or_else(|| Answers {
        environments: Vec::new(),
        ..faultless()
    });
    let mut last: Option<Answers> = None;
    loop {
        let round = Round {
            options,
            names: &names,
            guesses: &guesses,
            last: last.as_ref(),
        };
        let mut answers = base.clone();
        let is_complete = round.ask(&mut answers, asking).await? && is_known;
        if !asking.is_attended() {
            options.refuse_other_people(&answers.people, is_complete)?;
            // The whole file is checked in the end.
            return Ok(is_complete.then_some(answers));
        }
        let Err(problems) = answers.check() else {
            options.refuse_other_people(&answers.people, is_complete)?;
            return Ok(is_complete.then_some(answers));
        };
        asking.say("\nThat is not accepted:");
        for problem in problems.as_slice() {
            asking.say(&format!("  {}: {}", short(&problem.key), problem.message));
        }
        asking.say("Here are the questions about environments once more, with what you said.");
        last = Some(answers);
    }
}

/// The end of a key's path, which is enough where environments are spoken of.
fn short(key: &str) -> &str {
    key.rsplit_once("environment.").map_or(key, |(_, rest)| rest)
}

/// What stands above the environments.
async fn base(
    options: &Options,
    access: &Access,
    checkout: &Checkout,
    asking: &mut Asking,
) -> Result<Option<Answers>, InitError> {
    let repository = asking
        .about(
            &Question {
                option: "--repository OWNER/NAME".to_owned(),
                words: "The application's GitHub repository".to_owned(),
                default: checkout.repository.as_ref().map(RepositoryName::as_str),
            },
            options.repository.as_ref().map(RepositoryName::as_str),
            written::<RepositoryName>,
        )
        .await?;
    let branch = asking
        .about(
            &Question {
                option: "--branch NAME".to_owned(),
                words: "The branch whose pushes are deployed".to_owned(),
                default: checkout.branch.as_deref(),
            },
            options.branch.as_deref(),
            |branch| {
                let mut trial = faultless();
                branch.clone_into(&mut trial.branch);
                accepted(&trial, "branch").map(|()| branch.to_owned())
            },
        )
        .await?;
    let account = asking
        .about(
            &Question {
                option: "--tools-account ACCOUNT".to_owned(),
                words: "The tools account, in which Lockgate runs".to_owned(),
                default: None,
            },
            options.tools_account.as_ref().map(AccountId::as_str),
            written::<AccountId>,
        )
        .await?;
    let known = access.usual_region();
    let region = asking
        .about(
            &Question {
                option: "--region REGION".to_owned(),
                words: "Its region".to_owned(),
                default: known.as_deref(),
            },
            access.region(),
            written::<Region>,
        )
        .await?;
    let notify = asking
        .about_all(
            &Question {
                option: "--notify MAIL".to_owned(),
                words: "Who is told by mail how deployments go, separated by commas".to_owned(),
                default: Some(""),
            },
            options.notify.clone(),
            |addresses| {
                let trial = Answers {
                    notify: addresses.to_vec(),
                    ..faultless()
                };
                accepted(&trial, "notify").map(|()| trial.notify)
            },
        )
        .await?;
    let external_id = match &options.external_id {
        Some(external_id) => external_id.clone(),
        None => random()?,
    };
    let trial = Answers {
        external_id: external_id.clone(),
        ..faultless()
    };
    accepted(&trial, "external_id").map_err(|why| InitError::Unusable {
        option: "--external-id".to_owned(),
        why,
    })?;
    let known = repository.zip(branch).zip(account.zip(region)).zip(notify);
    Ok(
        known.map(|(((repository, branch), (account, region)), notify)| Answers {
            account,
            region,
            external_id,
            notify,
            repository,
            branch,
            people: Vec::new(),
            environments: Vec::new(),
        }),
    )
}

/// 128 random bits, as `openssl rand -hex 16` prints them.
fn random() -> Result<String, InitError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| InitError::Unusable {
        option: "--external-id".to_owned(),
        why: "the system gives no random bits; name what `openssl rand -hex 16` prints".to_owned(),
    })?;
    Ok(hex::encode(bytes))
}

pub fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// The text itself, where it is such a name.
pub fn written<T: FromStr<Err: Display> + Display>(text: &str) -> Result<String, String> {
    parse::<T>(text).map(|name| name.to_string())
}

/// Answers in which nothing is wrong, for a single one to be tried among.
fn faultless() -> Answers {
    Answers {
        account: "000000000000".to_owned(),
        region: "eu-west-1".to_owned(),
        external_id: "0".repeat(32),
        notify: Vec::new(),
        repository: "owner/name".to_owned(),
        branch: "main".to_owned(),
        people: Vec::new(),
        environments: vec![EnvironmentAnswers {
            name: "dev".to_owned(),
            account: "000000000000".to_owned(),
            region: None,
            on: vec!["manual".to_owned()],
            after: None,
            stacks: Vec::new(),
            approvers: Vec::new(),
            need: 1,
            alarms: Vec::new(),
            bake: String::new(),
        }],
    }
}

/// What is wrong with the key of this name, in such a file.
fn accepted(trial: &Answers, key: &str) -> Result<(), String> {
    let Err(problems) = trial.check() else { return Ok(()) };
    let problem = problems.as_slice().iter().find(|problem| problem.key.ends_with(key));
    problem.map_or(Ok(()), |problem| Err(problem.message.clone()))
}
