//! `lockgate validate` and `lockgate config`: what operators wrote, checked and resolved.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use domain::configuration::{Configuration, Problem, Problems};
use domain::names::{EnvironmentName, RepositoryName};
use serde::Serialize;

use crate::table::{Ended, Output};

/// Checks a lockgate.toml and shows every problem at once.
#[derive(Debug, clap::Args)]
pub struct Validate {
    #[command(flatten)]
    source: Source,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was checked, for programs.
#[derive(Debug, Serialize)]
struct Checked<'c> {
    file: String,
    valid: bool,
    /// In the order of the file; none, where it is not valid.
    applications: Vec<Named<'c>>,
    /// In the order of the file.
    problems: &'c [Problem],
}

/// An application, by its names.
#[derive(Debug, Serialize)]
struct Named<'c> {
    application: &'c RepositoryName,
    environments: Vec<&'c EnvironmentName>,
}

/// Prints what a lockgate.toml resolves to, every default filled in. The CDK app reads this.
#[derive(Debug, clap::Args)]
pub struct Config {
    #[command(flatten)]
    source: Source,
    /// As JSON on one line, for programs; otherwise indented, for people
    #[arg(long)]
    json: bool,
}

/// The file, with or without the option's name.
#[derive(Debug, Clone, clap::Args)]
struct Source {
    /// The file [default: lockgate.toml]
    #[arg(value_name = "FILE")]
    given: Option<PathBuf>,
    /// The file, by name
    #[arg(long = "file", value_name = "FILE", conflicts_with = "given")]
    named: Option<PathBuf>,
}

impl Source {
    fn path(&self) -> &Path {
        self.given
            .as_deref()
            .or(self.named.as_deref())
            .unwrap_or(Path::new("lockgate.toml"))
    }
}

/// Why a configuration could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error("{file} cannot be read: {source}; name the file, or go where lockgate.toml is")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// What is in the file.
    #[error("{file} is not valid\n{}", problems.report(file))]
    Invalid {
        /// The file.
        file: String,
        /// Every problem.
        problems: Problems,
    },
    /// A configuration of names and numbers always has a JSON form.
    #[error("the configuration cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl Validate {
    /// Checks the file and says in one sentence what is in it.
    pub fn run(&self) -> Result<Ended, Error> {
        let file = self.source.path().display().to_string();
        let configuration = match read(self.source.path()) {
            Ok(configuration) => configuration,
            Err(error) => {
                let Error::Invalid { problems, .. } = &error else {
                    return Err(error);
                };
                let checked = Checked {
                    file,
                    valid: false,
                    applications: Vec::new(),
                    problems: problems.as_slice(),
                };
                return self.output.red(&checked, &error.to_string()).ok_or(error);
            }
        };
        let named = configuration.applications.iter().map(|application| Named {
            application: &application.repository,
            environments: application
                .environments
                .iter()
                .map(|environment| &environment.name)
                .collect(),
        });
        let checked = Checked {
            file,
            valid: true,
            applications: named.collect(),
            problems: &[],
        };
        Ok((self.output.print(&checked, || checked.text()), ExitCode::SUCCESS))
    }
}

impl Checked<'_> {
    fn text(&self) -> String {
        let environments: usize = self.applications.iter().map(|named| named.environments.len()).sum();
        format!(
            "{} is valid: {}, {}.",
            self.file,
            counted(self.applications.len(), "application"),
            counted(environments, "environment")
        )
    }
}

impl Config {
    /// The resolved configuration.
    pub fn run(&self) -> Result<String, Error> {
        let configuration = read(self.source.path())?;
        Ok(if self.json {
            serde_json::to_string(&configuration)?
        } else {
            serde_json::to_string_pretty(&configuration)?
        })
    }
}

fn read(file: &Path) -> Result<Configuration, Error> {
    let shown = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Configuration::read(&text).map_err(|problems| Error::Invalid { file: shown, problems }),
        Err(source) => Err(Error::Unreadable { file: shown, source }),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_document_is_valid_and_what_is_added_to_it_later_too() {
        let document = include_str!("../../../docs/SETUP.md");
        let parts = document.split("```toml\n").skip(1);
        let parts: Vec<&str> = parts.map(|part| part.split("```").next().unwrap()).collect();
        let example = Configuration::read(parts[0]).unwrap();
        let [shop] = <[_; 1]>::try_from(example.applications).unwrap();
        assert_eq!((shop.environments.len(), example.actions), (3, None));
        let actions = Configuration::read(&parts.concat()).unwrap().actions.unwrap();
        assert!(actions.infrastructure.is_some() && actions.deployments.is_some());
    }

    const GOOD: &str = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
"#;

    fn at(file: &Path) -> Source {
        Source {
            given: None,
            named: Some(file.to_owned()),
        }
    }

    /// A file of this content, which goes when the folder does.
    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lockgate.toml");
        std::fs::write(&file, content).unwrap();
        (folder, file)
    }

    /// What `lockgate validate` prints of a file of this content, and whether it ends with 0.
    fn checked(content: &str, output: Output) -> (String, bool) {
        let (folder, file) = file(content);
        let validate = Validate {
            source: at(&file),
            output,
        };
        let (said, code) = match validate.run() {
            Ok((said, code)) => (said, code),
            Err(error) => (error.to_string(), ExitCode::FAILURE),
        };
        (
            said.replace(&folder.path().display().to_string(), ""),
            code == ExitCode::SUCCESS,
        )
    }

    #[test]
    fn what_was_checked_is_told_to_people_and_to_programs() {
        let bad = GOOD.replace("main", "a b").replace("\"push\"", "\"pusch\"");
        let said = [(GOOD, true), (&bad, false)].map(|(content, good)| {
            let [text, json] = [Output::Text, Output::Json].map(|output| {
                let (said, is_well) = checked(content, output);
                assert_eq!(is_well, good, "{said}");
                said
            });
            format!("{text}\n\n{json}")
        });
        insta::assert_snapshot!(said.join("\n\n"));
    }

    #[test]
    fn what_a_file_resolves_to_is_printed_for_people_to_read() {
        let (_folder, file) = file(GOOD);
        let config = Config {
            source: at(&file),
            json: false,
        };
        insta::assert_snapshot!(config.run().unwrap());
    }

    #[test]
    fn a_good_file_resolves_to_what_the_functions_read() {
        let (_folder, file) = file(GOOD);
        for json in [true, false] {
            let printed = Config {
                source: at(&file),
                json,
            }
            .run()
            .unwrap();
            assert_eq!(printed.lines().count() == 1, json);
            let resolved: Configuration = serde_json::from_str(&printed).unwrap();
            assert_eq!(resolved, Configuration::read(GOOD).unwrap());
        }
    }

    #[test]
    fn a_bad_file_resolves_to_nothing_and_tells_every_problem_with_its_place() {
        let (folder, file) = file(&GOOD.replace("main", "a b").replace("\"push\"", "\"pusch\""));
        let error = Config {
            source: at(&file),
            json: true,
        }
        .run()
        .unwrap_err()
        .to_string();
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), ""), @r#"
        /lockgate.toml is not valid
        /lockgate.toml:7:10: application."acme/shop".branch: "a b" cannot be a branch of Git (see `git help check-ref-format`)
        /lockgate.toml:10:6: application."acme/shop".environment.dev.on: "pusch" is none of push, prerelease, release, manual, did you mean push?
        2 problems; nothing was created.
        "#);
    }

    #[test]
    fn a_file_that_is_not_there_is_told_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let error = Validate {
            source: at(&folder.path().join("lockgate.toml")),
            output: Output::Json,
        }
        .run()
        .unwrap_err();
        assert!(error.to_string().contains("lockgate.toml cannot be read: "), "{error}");
    }
}
