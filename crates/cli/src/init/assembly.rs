//! The app's stacks, and which of them are likely whose.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use domain::assembly::{Assembly, select};
use domain::deployment::Environment;
use domain::harmless::harmless;
use domain::names::{AccountId, EnvironmentName, Region};
use tokio::process::Command;
use tokio::time::timeout;

use super::InitError;
use super::app::{App, joined};
use super::asking::{Asking, Question};
use crate::package;

/// How long `cdk synth` may take: apps that bundle what they deploy take minutes.
const PATIENCE: Duration = Duration::from_mins(15);

/// What is known of the app's stacks.
#[derive(Debug, Default)]
pub struct Found {
    assembly: Option<Assembly>,
    /// Why they are not known, and what CDK says of them.
    pub warnings: Vec<String>,
}

/// Where an environment's stacks are, as far as the assembly tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Guess {
    /// Patterns of their names.
    pub stacks: Vec<String>,
    /// The account that all of them were synthesised for.
    pub account: Option<String>,
    /// Their region.
    pub region: Option<String>,
}

/// Reads `cdk.out`, or runs `cdk synth`, where somebody agrees.
pub async fn find(root: &Path, app: &App, synth: bool, asking: &mut Asking) -> Result<Found, InitError> {
    let folder = root.join(&app.folder).join("cdk.out");
    if !synth && folder.join("manifest.json").is_file() {
        return Ok(match package::read(&folder) {
            Ok(assembly) => Found::of(assembly),
            Err(problems) => Found {
                assembly: None,
                warnings: vec![format!(
                    "{} cannot be deployed as it is: {}",
                    joined(&app.folder, "cdk.out"),
                    problems.join("; ")
                )],
            },
        });
    }
    let agrees = if synth {
        true
    } else {
        let question = Question {
            option: "--synth".to_owned(),
            words: format!(
                "There is no cdk.out. Run `{} synth` to learn the stacks? It runs the application's own code",
                app.cdk()
            ),
            default: Some("no"),
        };
        asking.about(&question, None, yes_or_no).await?.unwrap_or(false)
    };
    if !agrees {
        return Ok(Found::default());
    }
    let into = tempfile::tempdir().map_err(|error| InitError::Synth(error.to_string()))?;
    synthesise(root, app, into.path()).await?;
    match package::read(into.path()) {
        Ok(assembly) => Ok(Found::of(assembly)),
        Err(problems) => Err(InitError::Synth(format!(
            "the app cannot be deployed as it is: {}",
            problems.join("; ")
        ))),
    }
}

/// What was meant by a word.
pub fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("answer yes or no".to_owned()),
    }
}

/// What the app prints goes where what is said on the way goes.
async fn synthesise(root: &Path, app: &App, into: &Path) -> Result<(), InitError> {
    let failed = |why: String| InitError::Synth(format!("`{} synth` {why}", app.cdk()));
    let [program, words @ ..] = app.cdk.as_slice() else {
        return Err(failed("names no program".to_owned()));
    };
    let mut running = Command::new(program)
        .args(words)
        .args(["synth", "--quiet", "--output"])
        .arg(into)
        .current_dir(root.join(&app.folder))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    match timeout(PATIENCE, running.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("failed ({status})"))),
        Ok(Err(error)) => Err(failed(format!("cannot be waited for: {error}"))),
        Err(_) => Err(failed(format!("took longer than {} minutes", PATIENCE.as_secs() / 60))),
    }
}

impl Found {
    fn of(assembly: Assembly) -> Self {
        let warnings = assembly.warnings.iter().map(|warning| harmless(warning, 500)).collect();
        Self {
            assembly: Some(assembly),
            warnings,
        }
    }

    /// The stacks' names; nothing, where nobody looked.
    pub fn names(&self) -> Option<Vec<String>> {
        let stacks = &self.assembly.as_ref()?.stacks;
        Some(stacks.iter().map(|stack| stack.name.to_string()).collect())
    }

    /// What the names of the stacks suggest; nothing, unless they do for every environment.
    pub fn guesses(&self, environments: &[EnvironmentName]) -> BTreeMap<EnvironmentName, Guess> {
        let stacks = self.assembly.iter().flat_map(|assembly| &assembly.stacks);
        let stacks: Vec<Named<'_>> = stacks
            .map(|stack| Named {
                name: stack.name.as_str(),
                account: stack.account.as_ref().map(AccountId::as_str),
                region: stack.region.as_ref().map(Region::as_str),
            })
            .collect();
        guesses(&stacks, environments)
    }

    /// What is said of environments for which the app has no stack.
    pub fn without_stacks<'e>(&self, environments: impl Iterator<Item = &'e Environment>) -> Vec<String> {
        let Some(assembly) = &self.assembly else {
            return Vec::new();
        };
        let refusals = environments.filter_map(|environment| select(assembly, environment).err());
        let problems = refusals.flat_map(|refusal| refusal.problems);
        problems.map(|problem| harmless(&problem.to_string(), 500)).collect()
    }
}

/// A stack, as far as a guess needs it.
#[derive(Debug, Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    account: Option<&'a str>,
    region: Option<&'a str>,
}

fn guesses(stacks: &[Named<'_>], environments: &[EnvironmentName]) -> BTreeMap<EnvironmentName, Guess> {
    let mut owned: BTreeMap<&EnvironmentName, Vec<(Named<'_>, usize)>> = BTreeMap::new();
    for stack in stacks {
        let found = environments
            .iter()
            .filter_map(|name| Some((name, position(stack.name, name.as_str())?)));
        // Of dev and dev-eu, shop-dev-eu-web is the longer one's.
        if let Some((name, at)) = found.max_by_key(|(name, _)| name.as_str().len()) {
            owned.entry(name).or_default().push((*stack, at + name.as_str().len()));
        }
    }
    if owned.len() < environments.len() {
        return BTreeMap::new();
    }
    let all = |name: &EnvironmentName| {
        let own = owned.get(name).map(Vec::as_slice).unwrap_or_default();
        let others = owned.iter().filter(|(other, _)| **other != name);
        let others: Vec<&str> = others.flat_map(|(_, own)| own).map(|(stack, _)| stack.name).collect();
        Guess {
            stacks: patterns(own, &others),
            account: same(own.iter().map(|(stack, _)| stack.account)),
            region: same(own.iter().map(|(stack, _)| stack.region)),
        }
    };
    environments.iter().map(|name| (name.clone(), all(name))).collect()
}

/// What begins as all of them do up to the environment's name, unless that names a stack of another one as well; else their
/// names. With each is told where the environment's name in it ends.
fn patterns(own: &[(Named<'_>, usize)], others: &[&str]) -> Vec<String> {
    let mut beginnings: Vec<&str> = own.iter().map(|(stack, end)| &stack.name[..*end]).collect();
    beginnings.sort_unstable();
    beginnings.dedup();
    if let [beginning] = beginnings.as_slice() {
        let rest = format!("{beginning}-");
        if others
            .iter()
            .all(|other| other != beginning && !other.starts_with(&rest))
        {
            return vec![(*beginning).to_owned(), format!("{rest}*")];
        }
    }
    let mut names: Vec<String> = own.iter().map(|(stack, _)| stack.name.to_owned()).collect();
    names.sort();
    names
}

/// Where a name stands in another, as a word or as words of it.
fn position(name: &str, environment: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let is_edge = |at: Option<u8>| at.is_none_or(|b| b == b'-');
    name.match_indices(environment).map(|(at, _)| at).find(|at| {
        let before = at.checked_sub(1).and_then(|at| name.as_bytes().get(at).copied());
        let after = name.as_bytes().get(at + environment.len()).copied();
        is_edge(before) && is_edge(after)
    })
}

/// What all of them are.
fn same<'a>(mut all: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    fn guessed(stacks: &[&str], environments: &[&str]) -> Vec<String> {
        let stacks: Vec<Named<'_>> = stacks
            .iter()
            .map(|name| Named {
                name,
                account: None,
                region: None,
            })
            .collect();
        let names: Vec<EnvironmentName> = environments.iter().map(|name| name.parse().unwrap()).collect();
        let found = guesses(&stacks, &names);
        found
            .iter()
            .map(|(name, guess)| format!("{name}: {}", guess.stacks.join(" ")))
            .collect()
    }

    #[test]
    fn stacks_are_told_apart_by_the_environment_s_name_in_theirs() {
        for (stacks, environments, expected) in [
            (
                &["shop-dev", "shop-dev-web", "shop-test", "shop-test-web"][..],
                &["dev", "test"][..],
                &["dev: shop-dev shop-dev-*", "test: shop-test shop-test-*"][..],
            ),
            // As CDK calls the stacks of a stage.
            (
                &["Dev-Web", "Test-Web"],
                &["dev", "test"],
                &["dev: Dev Dev-*", "test: Test Test-*"],
            ),
            // What shop-dev-* would name as well.
            (
                &["shop-dev-web", "shop-dev-eu-web"],
                &["dev", "dev-eu"],
                &["dev: shop-dev-web", "dev-eu: shop-dev-eu shop-dev-eu-*"],
            ),
            (
                &["web-dev", "data-dev", "web-test"],
                &["dev", "test"],
                &["dev: data-dev web-dev", "test: web-test web-test-*"],
            ),
            // One that has none, and what only contains the name.
            (&["shop-dev"], &["dev", "test"], &[]),
            (&["shop-developer"], &["dev"], &[]),
            (&["Shop"], &["dev"], &[]),
            (&[], &["dev"], &[]),
        ] {
            assert_eq!(guessed(stacks, environments), expected, "{stacks:?}");
        }
    }

    #[test]
    fn an_account_is_told_where_all_of_an_environment_s_stacks_have_it() {
        let guess = |accounts: &[Option<&'static str>]| {
            let named = accounts.iter().map(|account| Named {
                name: "shop-dev",
                account: *account,
                region: None,
            });
            let dev: EnvironmentName = "dev".parse().unwrap();
            let found = guesses(&named.collect::<Vec<_>>(), std::slice::from_ref(&dev));
            found[&dev].account.clone()
        };
        assert_eq!(guess(&[Some("1"), Some("1")]).as_deref(), Some("1"));
        assert_eq!(guess(&[Some("1"), Some("2")]), None);
        assert_eq!(guess(&[Some("1"), None]), None);
        assert_eq!(guess(&[None]), None);
    }
}
