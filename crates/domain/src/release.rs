//! A release: the index of the files that one build made, each named by the digest of its content.
//!
//! The release's digest is the digest of the index's bytes. The index holds no commit and no time, so that the
//! same tree, built twice, is the same release. It lies beside the files it names, under a key made of its own
//! digest; whoever reads it back verifies it first.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::Digest;

/// The most files an index names; a cloud assembly of 200 stacks has about 1,000.
pub const FILES_LIMIT: usize = 10_000;

/// The most bytes of one file: what one S3 `PutObject` or `CopyObject` takes
/// (Amazon S3 User Guide, "Uploading objects" and "Copying objects": 5 GB).
pub const FILE_SIZE_LIMIT: u64 = 5_000_000_000;

/// The most bytes an index may have before it is read at all.
pub const INDEX_SIZE_LIMIT: u64 = 8 * 1024 * 1024;

/// Where the checks of an environment lie in a release, if its application has any.
pub const SMOKE_TESTS: &str = "lockgate.smoke.toml";

/// Where the questions for the people who accept a release lie in it, if its application has any.
pub const ACCEPTANCE: &str = "lockgate.uat.md";

/// Where the commands that test a whole environment lie in a release, if its application has any: a buildspec of CodeBuild.
pub const INTEGRATION_TESTS: &str = "lockgate.integration.yml";

/// The key of a file's content in the artifacts bucket.
pub fn object_key(sha256: &Digest) -> String {
    format!("objects/{sha256}")
}

/// The key of a release's index in the artifacts bucket.
pub fn index_key(release: &Digest) -> String {
    format!("releases/{release}.json")
}

/// The path of a file inside a release: relative, with forward slashes, going nowhere but down.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A text that is not a [`RelativePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a path inside a release: {rule}")]
pub struct UnsafePath {
    /// The refused text, cut to 80 characters.
    pub given: String,
    /// What is wrong with it.
    pub rule: &'static str,
}

impl RelativePath {
    /// The most bytes of a path.
    pub const LIMIT: usize = 1024;

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `name` as written in the file `self`: relative to the folder that `self` lies in.
    ///
    /// `..` is resolved, as CDK writes it in the asset manifests of nested assemblies, and may not leave the release.
    pub fn beside(&self, name: &str) -> Result<Self, UnsafePath> {
        let folder = self.0.rsplit_once('/').map_or("", |(folder, _)| folder);
        Self::below(folder, name)
    }

    fn below(folder: &str, name: &str) -> Result<Self, UnsafePath> {
        let refuse = |rule| {
            Err(UnsafePath {
                given: name.chars().take(80).collect(),
                rule,
            })
        };
        if name.starts_with('/') {
            return refuse("it is absolute");
        }
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in name.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return refuse("it leaves the cloud assembly");
                    }
                }
                part => parts.push(part),
            }
        }
        parts.join("/").parse()
    }

    fn fault(text: &str) -> Option<&'static str> {
        if text.is_empty() {
            Some("it is empty")
        } else if text.len() > Self::LIMIT {
            Some("it is longer than 1,024 bytes")
        } else if text.starts_with('/') {
            Some("it is absolute")
        } else if text.contains('\\') {
            Some("it has a backslash")
        } else if text.chars().any(char::is_control) {
            Some("it has control characters")
        } else if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            Some("it has an empty part, '.' or '..'")
        } else if text.as_bytes()[0].is_ascii_alphabetic() && text.as_bytes().get(1) == Some(&b':') {
            Some("it begins with a drive's letter")
        } else {
            None
        }
    }
}

impl FromStr for RelativePath {
    type Err = UnsafePath;

    fn from_str(text: &str) -> Result<Self, UnsafePath> {
        match Self::fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(rule) => Err(UnsafePath {
                given: text.chars().take(80).collect(),
                rule,
            }),
        }
    }
}

impl TryFrom<String> for RelativePath {
    type Error = UnsafePath;

    fn try_from(text: String) -> Result<Self, UnsafePath> {
        text.parse()
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> String {
        path.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What the stored bytes are of the thing that the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packaging {
    /// The file itself.
    File,
    /// The folder, zipped.
    Zip,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexedFile {
    /// Its path in the cloud assembly.
    pub path: RelativePath,
    /// The digest of the stored bytes, which also names where they are stored.
    pub sha256: Digest,
    /// How many bytes are stored.
    pub size: u64,
    /// What the stored bytes are.
    pub packaging: Packaging,
}

/// The list of everything that is needed to deploy a release, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Index {
    schema: u32,
    files: Vec<IndexedFile>,
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unverified {
    #[serde(rename = "schema")]
    _schema: u32,
    files: Vec<IndexedFile>,
}

/// Why files do not make an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIndex {
    /// Its bytes are not the ones that the digest names.
    #[error("the index of release {expected} has the digest {found}")]
    Altered {
        /// The release that was asked for.
        expected: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// It is of a form that this version does not read.
    #[error("the index is of schema {0}, and this version of Lockgate reads schema {current}", current = Index::SCHEMA)]
    UnknownSchema(u32),
    /// It cannot be read.
    #[error("the index cannot be read: {0}")]
    Malformed(String),
    /// It says the right things in another form than the one form that has a digest.
    #[error("the index is not in its canonical form")]
    NotCanonical,
    /// Two files have one path.
    #[error("the index names {0} twice")]
    Duplicate(RelativePath),
    /// A file is larger than can be copied in one piece.
    #[error("{path} has {size} bytes; S3 copies at most {FILE_SIZE_LIMIT} in one piece")]
    TooLarge {
        /// The file.
        path: RelativePath,
        /// How large it is.
        size: u64,
    },
    /// There are more files than a release may have.
    #[error("the release has {0} files, and {FILES_LIMIT} are allowed")]
    TooMany(usize),
}

impl Index {
    /// The schema that this version writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Makes an index of these files, in whatever order they come.
    pub fn new(mut files: Vec<IndexedFile>) -> Result<Self, InvalidIndex> {
        if files.len() > FILES_LIMIT {
            return Err(InvalidIndex::TooMany(files.len()));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(InvalidIndex::Duplicate(pair[0].path.clone()));
        }
        if let Some(file) = files.iter().find(|file| file.size > FILE_SIZE_LIMIT) {
            return Err(InvalidIndex::TooLarge {
                path: file.path.clone(),
                size: file.size,
            });
        }
        Ok(Self {
            schema: Self::SCHEMA,
            files,
        })
    }

    /// Reads an index back, and refuses bytes that are not exactly those of the release `expected`.
    pub fn verify(bytes: &[u8], expected: &Digest) -> Result<Self, InvalidIndex> {
        let found = Digest::of(bytes);
        if found != *expected {
            return Err(InvalidIndex::Altered {
                expected: expected.clone(),
                found,
            });
        }
        let malformed = |error: serde_json::Error| InvalidIndex::Malformed(error.to_string());
        let Schema { schema } = serde_json::from_slice(bytes).map_err(malformed)?;
        if schema != Self::SCHEMA {
            return Err(InvalidIndex::UnknownSchema(schema));
        }
        let unverified: Unverified = serde_json::from_slice(bytes).map_err(malformed)?;
        let index = Self::new(unverified.files)?;
        // One form, one digest: an index that somebody wrote by hand in another form is nobody's release.
        if index.canonical_bytes() != bytes {
            return Err(InvalidIndex::NotCanonical);
        }
        Ok(index)
    }

    /// The bytes that are stored, and that the digest is of.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The release's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical_bytes())
    }

    /// Its files, sorted by path.
    pub fn files(&self) -> &[IndexedFile] {
        &self.files
    }

    /// The file at this path.
    pub fn get(&self, path: &RelativePath) -> Option<&IndexedFile> {
        self.files
            .binary_search_by(|file| file.path.cmp(path))
            .ok()
            .map(|at| &self.files[at])
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, content: &[u8]) -> IndexedFile {
        IndexedFile {
            path: path.parse().unwrap(),
            sha256: Digest::of(content),
            size: content.len() as u64,
            packaging: Packaging::File,
        }
    }

    #[test]
    fn the_form_of_an_index_does_not_change() {
        let index = Index::new(vec![file("manifest.json", b"{}"), file("a/b.json", b"b")]).unwrap();
        insta::assert_snapshot!(String::from_utf8(index.canonical_bytes()).unwrap(), @r#"{"schema":1,"files":[{"path":"a/b.json","sha256":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","size":1,"packaging":"file"},{"path":"manifest.json","sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"packaging":"file"}]}"#);
        insta::assert_snapshot!(index_key(&index.digest()), @"releases/9be7c08c399581a49de39b18d433d6e0af415e746f98794475881b7f39946882.json");
        insta::assert_snapshot!(object_key(&Digest::of(b"b")), @"objects/3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d");
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "..\\x",
            "C:\\x",
            "C:x",
            "a\nb",
            "a\0b",
            "a\u{85}b",
        ] {
            assert!(path.parse::<RelativePath>().is_err(), "{path:?}");
        }
        for path in ["a", "a/b.json", "asset.3bcd/ü.txt", "..a/b..", "@scope/x y"] {
            assert!(path.parse::<RelativePath>().is_ok(), "{path:?}");
        }
        assert!("x".repeat(1025).parse::<RelativePath>().is_err());
    }

    #[test]
    fn a_path_is_resolved_beside_the_file_that_names_it() {
        let manifest: RelativePath = "assembly-dev/web.assets.json".parse().unwrap();
        for (name, resolved) in [
            ("web.template.json", Some("assembly-dev/web.template.json")),
            ("../asset.3bcd", Some("asset.3bcd")),
            ("./x/../y", Some("assembly-dev/y")),
            ("../../asset.3bcd", None),
            ("/asset.3bcd", None),
            ("..", None),
            ("..\\x", None),
        ] {
            assert_eq!(
                manifest.beside(name).ok().as_ref().map(RelativePath::as_str),
                resolved,
                "{name}"
            );
        }
    }

    #[test]
    fn bytes_that_are_not_the_release_are_refused() {
        let index = Index::new(vec![file("a", b"1"), file("b", b"2")]).unwrap();
        let bytes = index.canonical_bytes();
        assert_eq!(Index::verify(&bytes, &index.digest()).unwrap(), index);

        let mut altered = bytes.clone();
        altered[20] ^= 1;
        assert!(matches!(
            Index::verify(&altered, &index.digest()),
            Err(InvalidIndex::Altered { .. })
        ));

        let text = String::from_utf8(bytes).unwrap();
        let refusals: Vec<String> = [
            text.replace("\"schema\":1", "\"schema\":2"),
            text.replace("\"schema\":1,", "\"schema\":1,\"note\":\"\","),
            text.replace("\"path\":\"b\"", "\"path\":\"a\""),
            text.replace("\"path\":\"b\"", "\"path\":\"../b\""),
            text.replace("\"file\"", "\"symlink\""),
            text.replace("\"size\":1", "\"size\":6000000000"),
            text.replace("\"path\":\"a\"", "\"path\":\"c\""),
            format!("{text} "),
            text[..40].to_owned(),
        ]
        .iter()
        .map(|text| {
            Index::verify(text.as_bytes(), &Digest::of(text.as_bytes()))
                .unwrap_err()
                .to_string()
        })
        .collect();
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        the index is of schema 2, and this version of Lockgate reads schema 1
        the index cannot be read: unknown field `note`, expected `schema` or `files` at line 1 column 18
        the index names a twice
        the index cannot be read: "../b" is not a path inside a release: it has an empty part, '.' or '..' at line 1 column 152
        the index cannot be read: unknown variant `symlink`, expected `file` or `zip` at line 1 column 139
        a has 6000000000 bytes; S3 copies at most 5000000000 in one piece
        the index is not in its canonical form
        the index is not in its canonical form
        the index cannot be read: EOF while parsing a string at line 1 column 40
        "#);
    }

    #[test]
    fn there_is_a_limit_to_how_many_files_a_release_has() {
        let files = |count: usize| (0..count).map(|at| file(&format!("f{at}"), b"")).collect::<Vec<_>>();
        assert!(Index::new(files(FILES_LIMIT)).is_ok());
        assert_eq!(
            Index::new(files(FILES_LIMIT + 1)),
            Err(InvalidIndex::TooMany(FILES_LIMIT + 1))
        );
    }

    proptest! {
        #[test]
        fn the_order_in_which_files_come_does_not_matter(paths in proptest::collection::hash_set("[a-z]{1,4}(/[a-z]{1,4}){0,2}", 0..12)) {
            let files: Vec<IndexedFile> = paths.iter().map(|path| file(path, path.as_bytes())).collect();
            let reversed: Vec<IndexedFile> = files.iter().rev().cloned().collect();
            let index = Index::new(files).unwrap();
            prop_assert_eq!(index.digest(), Index::new(reversed).unwrap().digest());
            prop_assert_eq!(&Index::verify(&index.canonical_bytes(), &index.digest()).unwrap(), &index);
            for path in &paths {
                prop_assert!(index.get(&path.parse().unwrap()).is_some());
            }
        }

        #[test]
        fn whatever_is_written_a_resolved_path_is_a_safe_one(name in "[a-z./\\\\:]{0,12}") {
            let manifest: RelativePath = "a/b/c.json".parse().unwrap();
            if let Ok(path) = manifest.beside(&name) {
                prop_assert!(path.as_str().parse::<RelativePath>().is_ok());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Index::verify(&bytes, &Digest::of(&bytes)).is_err());
        }
    }
}
