//! A repository on "GitHub": a bare one that builds clone, filled by real commits.

use std::path::{Path, PathBuf};

use domain::names::CommitSha;
use tokio::process::Command;

use crate::{Emulator, Trouble};

/// A repository.
#[derive(Debug)]
pub struct Repository {
    /// `owner/name`.
    pub name: String,
    work: PathBuf,
    mirror: PathBuf,
}

impl Repository {
    /// Makes an empty one.
    pub async fn create(emulator: &Emulator, name: &str) -> Result<Self, Trouble> {
        let mirror = emulator.mirror(name);
        let work = emulator.folder().join("work").join(name);
        for folder in [&mirror, &work] {
            std::fs::create_dir_all(folder).map_err(Trouble::during("making a repository"))?;
        }
        let repository = Self {
            name: name.to_owned(),
            work,
            mirror,
        };
        git(
            &repository.mirror,
            &["init", "--quiet", "--bare", "--initial-branch", "main"],
        )
        .await?;
        git(&repository.work, &["init", "--quiet", "--initial-branch", "main"]).await?;
        Ok(repository)
    }

    /// The folder whose content the next commit takes.
    pub fn folder(&self) -> &Path {
        &self.work
    }

    /// Writes a file for the next commit.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), Trouble> {
        let file = self.work.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(Trouble::during("making a folder"))?;
        }
        std::fs::write(&file, content).map_err(Trouble::during("writing a file"))
    }

    /// Copies a folder's files for the next commit, without what builds leave behind.
    pub fn copy_from(&self, folder: &Path) -> Result<(), Trouble> {
        copy(folder, &self.work).map_err(Trouble::during("copying the application"))
    }

    /// Applies a patch, made relative to the repository's root.
    pub async fn apply(&self, patch: &Path) -> Result<(), Trouble> {
        git(&self.work, &["apply", &patch.display().to_string()])
            .await
            .map(drop)
    }

    /// Commits everything and pushes it.
    pub async fn commit(&self, message: &str) -> Result<CommitSha, Trouble> {
        git(&self.work, &["add", "--all"]).await?;
        git(
            &self.work,
            &["commit", "--quiet", "--allow-empty", "--message", message],
        )
        .await?;
        git(
            &self.work,
            &["push", "--quiet", &self.mirror.display().to_string(), "HEAD:main"],
        )
        .await?;
        let sha = git(&self.work, &["rev-parse", "HEAD"]).await?;
        sha.trim().parse().map_err(Trouble::during("reading the commit"))
    }
}

async fn git(folder: &Path, arguments: &[&str]) -> Result<String, Trouble> {
    let output = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@acme.example",
            "-c",
            "commit.gpgsign=false",
            "-c",
            "core.hooksPath=",
        ])
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .await
        .map_err(Trouble::during("starting git"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Trouble(format!(
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["node_modules", "cdk.out", "__pycache__"]
            .iter()
            .any(|left| name == *left)
        {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
