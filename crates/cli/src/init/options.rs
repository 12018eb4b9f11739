//! What `lockgate init` can be told without being asked.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use domain::approval::{Approver, Login};
use domain::names::{AccountId, EnvironmentName, Region, RepositoryName};

use super::app::Language;
use super::{InitError, buildspec};
use crate::table::Output;

/// Writes the first lockgate.toml of an application, and the buildspec that its repository needs.
///
/// Run it in a checkout of the application. It looks at git, at the CDK app and at the stacks in its cdk.out, asks for the
/// rest, and writes two files: lockgate.toml, which is the operators' and belongs beside Lockgate's infrastructure, and
/// buildspec.yml, which is the application's; with --smoke-url also lockgate.smoke.toml. What it writes is what `lockgate
/// validate` accepts. It asks AWS and GitHub nothing.
///
/// Each question has an option. With --yes, or without a terminal, nobody is asked: what has a default gets it, and what
/// has none is named.
#[derive(Debug, Clone, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Options {
    /// The GitHub repository, as owner/name [default: that of git's remote origin].
    #[arg(long, value_name = "OWNER/NAME")]
    pub repository: Option<RepositoryName>,
    /// The branch whose pushes are deployed [default: what origin has as its own].
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// The account that Lockgate runs in.
    #[arg(long, value_name = "ACCOUNT")]
    pub tools_account: Option<AccountId>,
    /// What Lockgate's roles say when they assume those of a target account [default: 128 random bits].
    #[arg(long, value_name = "TEXT")]
    pub external_id: Option<String>,
    /// A mail address that is told how deployments go; once for each.
    #[arg(long, value_name = "MAIL")]
    pub notify: Vec<String>,
    /// An environment and its account, in the order in which a release climbs; once for each.
    #[arg(long = "environment", value_name = "NAME=ACCOUNT")]
    pub environments: Vec<Of<AccountId>>,
    /// The region of an environment [default: the pipeline's].
    #[arg(long = "region-of", value_name = "NAME=REGION")]
    pub regions: Vec<Of<Region>>,
    /// What starts deployments of an environment: push, prerelease, release or manual; once for each [default: push for
    /// the first, release for the last, prerelease for the second of more, else manual].
    #[arg(long, value_name = "NAME=WHAT")]
    pub on: Vec<Of<String>>,
    /// The environment that a release comes from; nothing after = for none [default: the one before].
    #[arg(long, value_name = "NAME=NAME")]
    pub after: Vec<Of<String>>,
    /// The stacks of an environment, a pattern of names or construct paths; once for each [default: what cdk.out suggests,
    /// else all of its account and region].
    #[arg(long, value_name = "NAME=PATTERN")]
    pub stacks: Vec<Of<String>>,
    /// Who accepts releases in an environment, a mail address or an ARN; once for each.
    #[arg(long, value_name = "NAME=WHO")]
    pub approver: Vec<Of<Approver>>,
    /// How many of them have to accept [default: 1].
    #[arg(long, value_name = "NAME=NUMBER")]
    pub need: Vec<Of<u32>>,
    /// Who an approver is at GitHub; nothing after = for somebody without an account there.
    #[arg(long, value_name = "WHO=LOGIN")]
    pub github: Vec<LoginOf>,
    /// A CloudWatch alarm that watches releases in an environment; once for each.
    #[arg(long, value_name = "NAME=ALARM")]
    pub alarm: Vec<Of<String>>,
    /// How long a release bakes under those alarms [default: 30 minutes].
    #[arg(long, value_name = "NAME=SPAN")]
    pub bake: Vec<Of<String>>,
    /// An address that answers 200 where the application works, for lockgate.smoke.toml, such as
    /// '${shop-{environment}-web.Url}/health'.
    #[arg(long, value_name = "URL")]
    pub smoke_url: Option<String>,
    /// The folder of the CDK app [default: the one that has a cdk.json].
    #[arg(long, value_name = "FOLDER")]
    pub app: Option<PathBuf>,
    /// What the CDK app is written in [default: what cdk.json and lock files say].
    #[arg(long, value_enum)]
    pub language: Option<Language>,
    /// Run `cdk synth` to learn the app's stacks, where there is no cdk.out; this runs the application's own code.
    #[arg(long)]
    pub synth: bool,
    /// Where lockgate.toml goes.
    #[arg(long, value_name = "FILE", default_value = "lockgate.toml")]
    pub configuration: PathBuf,
    /// Leave buildspec.yml as it is, or write none.
    #[arg(long)]
    pub keep_buildspec: bool,
    /// Write over files that are there.
    #[arg(long)]
    pub force: bool,
    /// Ask nothing, and take the defaults.
    #[arg(long, short)]
    pub yes: bool,
    /// How to print what was written.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Something of an environment, as options say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Of<T> {
    pub environment: EnvironmentName,
    pub value: T,
}

impl<T: FromStr<Err: Display>> FromStr for Of<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (environment, value) = text
            .split_once('=')
            .ok_or("write the environment's name and = before it, such as dev=…")?;
        Ok(Self {
            environment: environment
                .parse()
                .map_err(|error: domain::names::InvalidName| error.to_string())?,
            value: value.parse().map_err(|error: T::Err| error.to_string())?,
        })
    }
}

/// Who somebody is at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginOf {
    pub approver: Approver,
    /// Nothing, for somebody without an account there.
    pub login: Option<Login>,
}

impl FromStr for LoginOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No login has an =, and a mail address or the name of a role may.
        let (approver, login) = text
            .rsplit_once('=')
            .ok_or("write it as WHO=LOGIN, such as qa@acme.example=qa-acme")?;
        let login = if login.is_empty() {
            None
        } else {
            Some(
                login
                    .parse()
                    .map_err(|error: domain::names::InvalidName| error.to_string())?,
            )
        };
        Ok(Self {
            approver: approver
                .parse()
                .map_err(|error: domain::names::InvalidName| error.to_string())?,
            login,
        })
    }
}

/// What was given of an environment.
pub fn of<'o, T>(all: &'o [Of<T>], environment: &'o EnvironmentName) -> impl Iterator<Item = &'o T> {
    all.iter()
        .filter(move |of| of.environment == *environment)
        .map(|of| &of.value)
}

impl Options {
    /// Before anybody is asked a dozen questions in vain.
    pub(super) fn refuse_what_is_there(&self, root: &Path) -> Result<(), InitError> {
        if self.force {
            return Ok(());
        }
        let mut files = vec![self.configuration.clone()];
        if !self.keep_buildspec {
            files.push(root.join(buildspec::NAME));
        }
        if self.smoke_url.is_some() {
            files.push(root.join(domain::release::SMOKE_TESTS));
        }
        files.retain(|file| file.symlink_metadata().is_ok());
        if files.is_empty() {
            Ok(())
        } else {
            Err(InitError::There(
                files.iter().map(|file| super::writing::shown(file)).collect(),
            ))
        }
    }

    /// Every environment that an option speaks of is one.
    pub(super) fn refuse_other_environments(&self, names: &[EnvironmentName]) -> Result<(), InitError> {
        let known: Vec<&str> = names.iter().map(EnvironmentName::as_str).collect();
        let spoken = [
            ("--region-of", environments(&self.regions)),
            ("--on", environments(&self.on)),
            ("--after", environments(&self.after)),
            ("--stacks", environments(&self.stacks)),
            ("--approver", environments(&self.approver)),
            ("--need", environments(&self.need)),
            ("--alarm", environments(&self.alarm)),
            ("--bake", environments(&self.bake)),
        ];
        for (option, environments) in spoken {
            if let Some(given) = environments.into_iter().find(|name| !names.contains(name)) {
                return Err(InitError::NoEnvironment {
                    option,
                    given: given.clone(),
                    hint: domain::nearest::hint(given.as_str(), &known),
                });
            }
        }
        Ok(())
    }

    /// Everybody of whom an option says who they are is asked somewhere.
    pub(super) fn refuse_other_people(&self, people: &[(String, Vec<String>)], all: bool) -> Result<(), InitError> {
        let is_asked = |of: &&LoginOf| people.iter().any(|(person, _)| person == of.approver.as_str());
        match self.github.iter().find(|of| !is_asked(of)) {
            Some(LoginOf { approver, .. }) if all => Err(InitError::Unusable {
                option: format!("--github {approver}"),
                why: "no environment asks them; name them with --approver".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

fn environments<T>(all: &[Of<T>]) -> Vec<&EnvironmentName> {
    all.iter().map(|of| &of.environment).collect()
}
