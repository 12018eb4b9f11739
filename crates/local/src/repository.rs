//! A repository on "GitHub": a bare one that builds clone, filled by real commits.

use std::path::{Path, PathBuf};

use domain::names::CommitSha;
use tokio::process::Command;

use crate::{Emulator, Trouble};

/// Who commits where nobody else is named.
pub const ADA: Person<'_> = Person {
    name: "Ada",
    mail: "ada@acme.example",
};

/// Who makes a commit or a tag.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The name.
    pub name: &'a str,
    /// The mail address.
    pub mail: &'a str,
}

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
        Self::create_in(emulator.folder(), name).await
    }

    /// Makes an empty one below a folder, which need not be a local AWS's.
    pub async fn create_in(folder: &Path, name: &str) -> Result<Self, Trouble> {
        let mirror = mirror(folder, name);
        let work = folder.join("work").join(name);
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

    /// Where builds clone it from.
    pub fn mirror(&self) -> &Path {
        &self.mirror
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
        self.commit_as(ADA, message).await
    }

    /// Commits everything as somebody, and pushes it. Further authors are named at the message's end, each in a line
    /// `Co-authored-by: Name <mail>`.
    pub async fn commit_as(&self, author: Person<'_>, message: &str) -> Result<CommitSha, Trouble> {
        git(&self.work, &["add", "--all"]).await?;
        git_as(
            author,
            &self.work,
            &["commit", "--quiet", "--allow-empty", "--message", message],
        )
        .await?;
        self.push("HEAD:main").await?;
        let sha = git(&self.work, &["rev-parse", "HEAD"]).await?;
        sha.trim().parse().map_err(Trouble::during("reading the commit"))
    }

    /// Commits everything as the newest commit of a pull request, which no branch of this repository has: as one of a fork
    /// is. What comes next is committed on top of what was there before.
    pub async fn commit_for_pull_request(&self, number: u64, message: &str) -> Result<CommitSha, Trouble> {
        git(&self.work, &["add", "--all"]).await?;
        git(
            &self.work,
            &["commit", "--quiet", "--allow-empty", "--message", message],
        )
        .await?;
        self.push(&format!("+HEAD:refs/pull/{number}/head")).await?;
        let sha = git(&self.work, &["rev-parse", "HEAD"]).await?;
        git(&self.work, &["reset", "--quiet", "--hard", "HEAD~1"]).await?;
        sha.trim().parse().map_err(Trouble::during("reading the commit"))
    }

    /// Puts a lightweight tag on the newest commit, and pushes it.
    pub async fn tag(&self, name: &str) -> Result<(), Trouble> {
        git(&self.work, &["tag", name]).await?;
        self.push_tag(name).await
    }

    /// Puts an annotated tag on the newest commit, and pushes it.
    pub async fn annotated_tag(&self, name: &str, message: &str) -> Result<(), Trouble> {
        git(&self.work, &["tag", "--annotate", "--message", message, name]).await?;
        self.push_tag(name).await
    }

    /// Moves a tag to another commit, and pushes that.
    pub async fn move_tag(&self, name: &str, to: &CommitSha) -> Result<(), Trouble> {
        git(&self.work, &["tag", "--force", name, to.as_str()]).await?;
        self.push_tag(name).await
    }

    async fn push_tag(&self, name: &str) -> Result<(), Trouble> {
        self.push(&format!("+refs/tags/{name}:refs/tags/{name}")).await
    }

    async fn push(&self, what: &str) -> Result<(), Trouble> {
        git(
            &self.work,
            &["push", "--quiet", &self.mirror.display().to_string(), what],
        )
        .await
        .map(drop)
    }
}

/// Where builds, and GitHub's stand-in, find the repository `owner/name`.
pub(crate) fn mirror(folder: &Path, repository: &str) -> PathBuf {
    folder.join("github").join(format!("{repository}.git"))
}

pub(crate) async fn git(folder: &Path, arguments: &[&str]) -> Result<String, Trouble> {
    git_as(ADA, folder, arguments).await
}

async fn git_as(person: Person<'_>, folder: &Path, arguments: &[&str]) -> Result<String, Trouble> {
    let output = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            &format!("user.name={}", person.name),
            "-c",
            &format!("user.email={}", person.mail),
            "-c",
            "commit.gpgsign=false",
            "-c",
            "tag.gpgsign=false",
            "-c",
            "core.hooksPath=",
        ])
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .kill_on_drop(true)
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
