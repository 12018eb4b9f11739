//! `lockgate completions` and `lockgate man`: what a shell and a reader are told, from clap's own description.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Arguments;

/// Prints the completions of a shell.
///
/// bash: eval "$(lockgate completions bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after compinit; fish: lockgate
/// completions fish > ~/.config/fish/completions/lockgate.fish
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// Prints the manual page, to be read with `lockgate man | man -l -`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The page of this command [default: that of lockgate itself, which lists them].
    command: Option<String>,
    /// Write every page into this folder, which has to be there: one for lockgate, one for each command.
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    into: Option<PathBuf>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ManError {
    /// No command is called that.
    #[error("lockgate has no command {given:?}{hint}; `lockgate help` lists them")]
    NoCommand {
        /// As it was given.
        given: String,
        /// What may have been meant.
        hint: String,
    },
    /// The pages cannot be written.
    #[error("the pages cannot be written into {}: {why}; name a folder that is there", folder.display())]
    Unwritable {
        /// Into which folder.
        folder: PathBuf,
        /// Why.
        why: std::io::Error,
    },
}

impl Completions {
    /// The script that the shell reads.
    pub fn run(&self) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "lockgate", &mut script);
        String::from_utf8_lossy(&script).trim_end().to_owned()
    }
}

impl Man {
    /// The page, or where the pages are.
    pub fn run(&self) -> Result<String, ManError> {
        let lockgate = Arguments::command();
        if let Some(folder) = &self.into {
            return match clap_mangen::generate_to(lockgate, folder) {
                Ok(()) => Ok(format!("The pages are in {}.", folder.display())),
                Err(why) => Err(ManError::Unwritable {
                    folder: folder.clone(),
                    why,
                }),
            };
        }
        let page = match &self.command {
            None => lockgate,
            Some(name) => named(lockgate, name)?,
        };
        let mut written = Vec::new();
        // Nothing that is written into memory is refused.
        let _ = clap_mangen::Man::new(page)
            .source(concat!("lockgate ", env!("CARGO_PKG_VERSION")))
            .render(&mut written);
        Ok(String::from_utf8_lossy(&written).trim_end().to_owned())
    }
}

/// The command of this name, as it is called: `lockgate rollback`, with what all commands take.
fn named(mut lockgate: clap::Command, name: &str) -> Result<clap::Command, ManError> {
    lockgate.build();
    let names: Vec<&str> = lockgate.get_subcommands().map(clap::Command::get_name).collect();
    let hint = domain::nearest::hint(name, &names);
    let found = lockgate.find_subcommand(name).cloned();
    let found = found.ok_or_else(|| ManError::NoCommand {
        given: name.to_owned(),
        hint,
    })?;
    let called = format!("lockgate-{name}");
    Ok(found.display_name(called))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let script = Completions { shell: *shell }.run();
            for command in Arguments::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{shell} does not know {name}");
            }
            assert!(script.contains("--profile") || script.contains("-l profile"), "{shell}");
        }
    }

    #[test]
    fn every_command_prints_json_for_programs() {
        // Those print what a shell reads; a digest alone, JSON by another option, or a line of JSON by default; or serve pages.
        let others = ["completions", "man", "package", "config", "audit", "dashboard"];
        for command in Arguments::command().get_subcommands() {
            let takes = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some("output"));
            assert_eq!(takes, !others.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn a_command_has_a_page_of_its_own() {
        let page = |command: &str| Man {
            command: Some(command.to_owned()),
            into: None,
        };
        insta::assert_snapshot!(page("hold").run().unwrap());
        let refused = page("rolback").run().unwrap_err();
        insta::assert_snapshot!(refused, @r#"lockgate has no command "rolback", did you mean rollback?; `lockgate help` lists them"#);
    }

    #[test]
    fn the_page_of_lockgate_lists_its_commands_and_exit_codes() {
        let page = Man {
            command: None,
            into: None,
        };
        let page = page.run().unwrap();
        for part in ["lockgate\\-rollback(1)", "used wrongly", "\\-\\-profile"] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
    }

    #[test]
    fn all_pages_are_written_into_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let into = |folder: PathBuf| Man {
            command: None,
            into: Some(folder),
        };
        into(folder.path().to_owned()).run().unwrap();
        for page in ["lockgate.1", "lockgate-rollback.1", "lockgate-status.1"] {
            assert!(folder.path().join(page).is_file(), "{page}");
        }
        let refused = into(folder.path().join("missing")).run().unwrap_err().to_string();
        assert!(refused.ends_with("; name a folder that is there"), "{refused}");
    }
}
