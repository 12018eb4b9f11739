//! All files, or as few as possible.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::InitError;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// `lockgate.toml`.
    Configuration,
    /// `buildspec.yml`.
    Buildspec,
    /// `lockgate.smoke.toml`.
    SmokeTests,
}

/// A file that is to be written.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub content: Content,
    pub text: String,
}

/// Writes each file beside its place first, and moves them there when all of them are written: a full disk, or a folder
/// that is not there, leaves nothing behind. Without `force`, none takes the place of another.
pub fn write(files: &[File], force: bool) -> Result<(), InitError> {
    let unwritable = |file: &File, why, written: &[PathBuf]| InitError::Unwritable {
        file: file.path.clone(),
        why,
        written: written.to_vec(),
    };
    let mut beside = Vec::with_capacity(files.len());
    for file in files {
        beside.push(written_beside(file).map_err(|why| unwritable(file, why, &[]))?);
    }
    let mut written = Vec::with_capacity(files.len());
    for (file, temporary) in files.iter().zip(beside) {
        let moved = if force {
            temporary.persist(&file.path)
        } else {
            temporary.persist_noclobber(&file.path)
        };
        match moved {
            Ok(_) => written.push(file.path.clone()),
            Err(error) => return Err(unwritable(file, error.error, &written)),
        }
    }
    Ok(())
}

fn written_beside(file: &File) -> io::Result<NamedTempFile> {
    let folder = match file.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lockgate-");
    // A file of a repository is for everybody whom the umask lets; those of this crate are for their owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(file.text.as_bytes())?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// A path without the dot that it may begin with.
pub fn shown(path: &Path) -> PathBuf {
    let shown: PathBuf = path
        .components()
        .filter(|part| *part != std::path::Component::CurDir)
        .collect();
    if shown.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        shown
    }
}

/// Whether a file, which need not be there yet, lies in a folder.
pub fn lies_in(file: &Path, folder: &Path) -> bool {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (fs::canonicalize(parent), fs::canonicalize(folder)) {
        (Ok(parent), Ok(folder)) => parent.starts_with(folder),
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    fn file(path: PathBuf, text: &str) -> File {
        File {
            path,
            content: Content::Buildspec,
            text: text.to_owned(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_there_stays_unless_it_is_told_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lockgate.toml");
        write(&[file(path.clone(), "first")], false).unwrap();
        let refused = write(&[file(path.clone(), "second")], false).unwrap_err();
        assert!(matches!(refused, InitError::Unwritable { ref written, .. } if written.is_empty()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        write(&[file(path.clone(), "second")], true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(names(folder.path()), ["lockgate.toml"]);
    }

    #[test]
    fn a_folder_that_is_not_there_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            file(folder.path().join("a"), "a"),
            file(folder.path().join("missing").join("b"), "b"),
        ];
        let refused = write(&files, false).unwrap_err().to_string();
        assert!(refused.ends_with("; nothing was written"), "{refused}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_was_written_before_another_failed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        let files = [file(folder.path().join("a"), "a"), file(folder.path().join("b"), "b")];
        let refused = write(&files, false).unwrap_err().to_string();
        assert!(refused.ends_with("/a is written before"), "{refused}");
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_is_written_where_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let path = folder.path().join("buildspec.yml");
        write(&[file(path.clone(), "")], false).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }

    #[test]
    fn a_file_is_told_from_one_that_lies_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("shop");
        fs::create_dir(&inner).unwrap();
        assert!(lies_in(&inner.join("lockgate.toml"), &inner));
        assert!(!lies_in(&folder.path().join("lockgate.toml"), &inner));
        assert!(!lies_in(&inner.join("../lockgate.toml"), &inner));
    }
}
