//! The tools that the demo and the checks are made with: looked for, and installed where nobody else is disturbed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::progress::Progress;

/// A tool that has to be there before us.
struct Needed {
    program: &'static str,
    least: (u32, u32),
    remedy: &'static str,
}

const NEEDED: [Needed; 5] = [
    Needed {
        program: "rustc",
        least: (1, 95),
        remedy: "install it with rustup (https://rustup.rs): rustup update stable",
    },
    Needed {
        program: "python3",
        least: (3, 11),
        remedy: "install Python 3.11 or newer (https://www.python.org/downloads/)",
    },
    Needed {
        program: "node",
        least: (20, 0),
        remedy: "install Node.js 20 or newer (https://nodejs.org/en/download)",
    },
    Needed {
        program: "npm",
        least: (10, 0),
        remedy: "install Node.js 20 or newer, which brings npm (https://nodejs.org/en/download)",
    },
    Needed {
        program: "git",
        least: (2, 30),
        remedy: "install git 2.30 or newer (https://git-scm.com/downloads)",
    },
];

/// Folders with npm packages of their own.
const PACKAGES: [&str; 3] = ["infra", "tests/payloads", "tests/browser"];

/// The repository, with everything in it that its tasks need.
pub struct Workspace {
    root: PathBuf,
    python: PathBuf,
}

impl Workspace {
    /// Finds or installs every tool.
    pub fn set_up(progress: &Progress) -> Result<Self, String> {
        for needed in &NEEDED {
            check(needed)?;
        }
        let root = root();
        let python = private().join("python");
        install_python_tools(&root, &python, progress)?;
        for folder in PACKAGES {
            install_packages(&root.join(folder), progress)?;
        }
        Ok(Self { root, python })
    }

    /// The repository's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of the virtual environment.
    pub fn python_tool(&self, name: &str) -> PathBuf {
        self.python.join("bin").join(name)
    }

    /// A command with our tools first on its path, in the repository's folder.
    pub fn prepare(&self, mut command: Command) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ours = [self.python.join("bin"), self.root.join("infra/node_modules/.bin")];
        let joined = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&path)));
        command.env("PATH", joined.unwrap_or(path)).current_dir(&self.root);
        command
    }
}

/// Where we keep what is ours and can be made again.
pub fn private() -> PathBuf {
    root().join("target/lockgate")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn check(needed: &Needed) -> Result<(), String> {
    let (program, (major, minor)) = (needed.program, needed.least);
    let missing = |found: &str| {
        format!(
            "{program} {major}.{minor} or newer is needed{found}: {}.",
            needed.remedy
        )
    };
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|_| missing(" and not there"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match version(&text) {
        Some(found) if found >= needed.least => Ok(()),
        Some((major, minor)) => Err(missing(&format!(", and this is {major}.{minor}"))),
        None => Err(missing(", and this one does not tell its version")),
    }
}

/// The first two numbers of the first word that looks like a version.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

fn install_python_tools(root: &Path, python: &Path, progress: &Progress) -> Result<(), String> {
    let requirements = root.join("crates/local/requirements.txt");
    if up_to_date(python, &requirements) {
        return Ok(());
    }
    // One that was made half-way, or for other requirements, is made anew.
    let _ = fs::remove_dir_all(python);
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(python);
    progress.run("Making a Python environment", &mut venv)?;
    let mut install = Command::new(python.join("bin/python"));
    install
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            "--require-hashes",
            "--requirement",
        ])
        .arg(&requirements);
    progress.run("Installing Python tools", &mut install)?;
    stamp(python, &requirements)
}

fn install_packages(folder: &Path, progress: &Progress) -> Result<(), String> {
    let lock = folder.join("package-lock.json");
    let modules = folder.join("node_modules");
    if up_to_date(&modules, &lock) {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
    let name = folder.strip_prefix(root()).unwrap_or(folder).display().to_string();
    progress.run(&format!("Installing npm packages of {name}"), &mut install)?;
    stamp(&modules, &lock)
}

/// Whether a folder was installed from exactly this lock file.
fn up_to_date(folder: &Path, lock: &Path) -> bool {
    fs::read_to_string(folder.join(".lockgate")).is_ok_and(|stamp| Ok(stamp) == digest(lock))
}

fn stamp(folder: &Path, lock: &Path) -> Result<(), String> {
    let stamp = folder.join(".lockgate");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&stamp, digest(lock).unwrap_or_default()))
        .map_err(|error| format!("{} cannot be written: {error}.", stamp.display()))
}

fn digest(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("{} cannot be read: {error}.", file.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_print_them() {
        for (printed, read) in [
            ("rustc 1.95.0 (59807616e 2026-03-21)", Some((1, 95))),
            ("Python 3.11.7", Some((3, 11))),
            ("v20.20.2\n", Some((20, 20))),
            ("git version 2.47.3", Some((2, 47))),
            ("no version", None),
        ] {
            assert_eq!(version(printed), read, "{printed}");
        }
    }

    #[test]
    fn what_is_missing_is_said_with_the_remedy() {
        let needed = Needed {
            program: "a-program-nobody-has",
            least: (1, 2),
            remedy: "install it",
        };
        assert_eq!(
            check(&needed),
            Err("a-program-nobody-has 1.2 or newer is needed and not there: install it.".to_owned())
        );
        let old = Needed {
            program: "git",
            least: (999, 0),
            remedy: "install it",
        };
        assert!(check(&old).is_err_and(|sentence| sentence.contains(", and this is ")));
    }
}
