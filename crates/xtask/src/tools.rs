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
        // What the packages of our lock files ask for: jsep, below asl-validator, is the strictest.
        least: (20, 16),
        remedy: "install the newest Node.js 20, or a newer one (https://nodejs.org/en/download)",
    },
    Needed {
        program: "npm",
        // The oldest that installs from our lock files.
        least: (9, 0),
        remedy: "install the newest Node.js 20, or a newer one, which brings npm (https://nodejs.org/en/download)",
    },
    Needed {
        program: "git",
        least: (2, 30),
        remedy: "install git 2.30 or newer (https://git-scm.com/downloads)",
    },
];

/// The names of a Chromium, and what it is on that an npm package brings one along for, as tests/browser/chromium.mjs
/// has them.
const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PACKED_CHROMIUM: (&str, &str) = ("linux", "x86_64");

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
    let output = Command::new(needed.program).arg("--version").output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    needed.assess(printed.ok().as_deref())
}

impl Needed {
    /// Whether what a program printed of its version will do; nothing, where it is not there.
    fn assess(&self, printed: Option<&str>) -> Result<(), String> {
        let (major, minor) = self.least;
        let found = match printed.map(version) {
            Some(Some(found)) if found >= self.least => return Ok(()),
            Some(Some((major, minor))) => format!(", and this is {major}.{minor}"),
            Some(None) => ", and this one does not tell its version".to_owned(),
            None => " and not there".to_owned(),
        };
        let (program, remedy) = (self.program, self.remedy);
        Err(format!(
            "{program} {major}.{minor} or newer is needed{found}: {remedy}."
        ))
    }
}

/// Tests open pages in a browser; says so before they have run for minutes.
pub fn look_for_chromium() -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::var_os("CHROMIUM").is_some()
        || std::env::split_paths(&path).any(|folder| CHROMIUMS.iter().any(|name| folder.join(name).is_file()));
    assess_chromium(there, (std::env::consts::OS, std::env::consts::ARCH))
}

fn assess_chromium(there: bool, machine: (&str, &str)) -> Result<(), String> {
    if there || machine == PACKED_CHROMIUM {
        return Ok(());
    }
    Err(
        "The tests open pages in a Chromium, and there is none: install it (on Debian, `apt install chromium`), or name \
         its program in the variable CHROMIUM."
            .to_owned(),
    )
}

/// Debian and Ubuntu have Python without what makes a virtual environment.
fn check_venv() -> Result<(), String> {
    let probe = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(
        "python3 cannot make a virtual environment, because its modules venv and ensurepip are not there: install them \
         (on Debian and Ubuntu, `apt install python3-venv`)."
            .to_owned(),
    )
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
    check_venv()?;
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

    #[test]
    fn a_version_is_old_by_its_numbers_and_not_by_its_letters() {
        let [_, _, node, npm, _] = &NEEDED;
        for printed in ["v20.16.0\n", "v20.20.1\n", "v22.0.0\n", "v100.0.0\n"] {
            assert_eq!(node.assess(Some(printed)), Ok(()), "{printed}");
        }
        for printed in ["9.8.1\n", "10.2.4\n", "11.19.1\n"] {
            assert_eq!(npm.assess(Some(printed)), Ok(()), "{printed}");
        }
        let sentence = node.assess(Some("v20.9.1\n")).expect_err("9 is less than 16");
        assert!(
            sentence.starts_with("node 20.16 or newer is needed, and this is 20.9: install"),
            "{sentence}"
        );
        let sentence = npm.assess(Some("nothing")).expect_err("that is no version");
        assert!(sentence.contains("does not tell its version"), "{sentence}");
        let sentence = npm.assess(None).expect_err("it is not there");
        assert!(sentence.contains("needed and not there: install"), "{sentence}");
    }

    #[test]
    fn a_chromium_is_asked_for_where_no_package_brings_one() {
        assert_eq!(assess_chromium(false, ("linux", "x86_64")), Ok(()));
        for machine in [("linux", "aarch64"), ("macos", "aarch64"), ("macos", "x86_64")] {
            assert_eq!(assess_chromium(true, machine), Ok(()));
            let sentence = assess_chromium(false, machine).expect_err("no package brings one");
            assert!(
                sentence.contains("apt install chromium") && sentence.contains("CHROMIUM"),
                "{sentence}"
            );
        }
    }
}
