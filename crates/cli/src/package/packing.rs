//! From a folder to the index of a release: the same bytes for the same tree, whoever packs it and when.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use domain::approval::checklist;
use domain::assembly::{self, Assembly, DOCUMENT_LIMIT, Documents, Problem, Refusal, TEMPLATE_LIMIT};
use domain::harmless::harmless;
use domain::names::Digest;
use domain::release::{ACCEPTANCE, INTEGRATION_TESTS, Index, IndexedFile, Packaging, RelativePath, SMOKE_TESTS};
use domain::smoke_test::SmokeTests;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use walkdir::WalkDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A release, ready to be sent.
#[derive(Debug)]
pub struct Packed {
    /// Its index.
    pub index: Index,
    /// The contents that the index names, each once.
    pub sources: Vec<Source>,
    /// What the application's author should know.
    pub warnings: Vec<String>,
}

/// Bytes on this disk.
#[derive(Debug)]
pub struct Source {
    /// The path in the release, for people.
    pub name: String,
    /// Their digest.
    pub sha256: Digest,
    /// How many they are.
    pub size: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Tree(PathBuf),
    /// Deleted when the source is dropped.
    Zipped(NamedTempFile),
}

impl Source {
    /// Where they are.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Tree(path) => path,
            Place::Zipped(file) => file.path(),
        }
    }
}

/// Why a folder is no release: every reason, not only the first.
#[derive(Debug, thiserror::Error)]
pub struct Refused {
    /// The folder.
    pub assembly: PathBuf,
    /// The reasons.
    pub problems: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be made a release:", self.assembly.display())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

/// Checks and packs the assembly in a folder, with what belongs to a release in the repository's own folder.
pub fn pack(assembly: &Path, repository: &Path, say: &mut dyn FnMut(&str)) -> Result<Packed, Refused> {
    let mut packing = Packing::default();
    let warnings = match read(assembly) {
        Ok(understood) => {
            packing.assembly(assembly, &understood, say);
            understood.warnings
        }
        Err(problems) => {
            packing.problems.extend(problems);
            Vec::new()
        }
    };
    packing.companions(repository);
    let index = Index::new(packing.files).map_err(|invalid| packing.problems.push(invalid.to_string()));
    match index {
        Ok(index) if packing.problems.is_empty() => Ok(Packed {
            index,
            sources: packing.sources.into_values().collect(),
            warnings,
        }),
        _ => Err(Refused {
            assembly: assembly.to_owned(),
            problems: packing.problems,
        }),
    }
}

/// Understands the assembly in a folder, by the same rules as the deployment.
pub(crate) fn read(folder: &Path) -> Result<Assembly, Vec<String>> {
    let told = |refusal: Refusal| -> Vec<String> {
        refusal
            .problems
            .iter()
            .map(|problem| harmless(&problem.to_string(), 500))
            .collect()
    };
    let mut documents = Documents::new();
    loop {
        let needed = assembly::documents_needed(&documents).map_err(told)?;
        if needed.is_empty() {
            break;
        }
        for path in needed {
            let bytes = document(folder, &path).map_err(|problem| vec![problem])?;
            documents.insert(path, bytes);
        }
    }
    for path in assembly::remarks(&documents) {
        let bytes = document(folder, &path).map_err(|problem| vec![problem])?;
        documents.insert(path, bytes);
    }
    assembly::read(&documents).map_err(told)
}

fn document(folder: &Path, path: &RelativePath) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| format!("{path}: {error}");
    let file = File::open(folder.join(path.as_str())).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > DOCUMENT_LIMIT {
        return Err(Problem::TooLarge {
            path: path.clone(),
            size,
            limit: DOCUMENT_LIMIT,
        }
        .to_string());
    }
    let mut bytes = Vec::new();
    BufReader::new(file).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[derive(Default)]
struct Packing {
    files: Vec<IndexedFile>,
    sources: BTreeMap<Digest, Source>,
    problems: Vec<String>,
}

impl Packing {
    fn assembly(&mut self, folder: &Path, assembly: &Assembly, say: &mut dyn FnMut(&str)) {
        for (path, packaging) in &assembly.files {
            let on_disk = folder.join(path.as_str());
            match packaging {
                Packaging::File => self.file(path, &on_disk),
                Packaging::Zip => match zipped(&on_disk) {
                    Ok(zip) => {
                        let place = zip.path().to_owned();
                        self.add(path, Packaging::Zip, &place, Place::Zipped(zip));
                        say(&format!("packed {path}"));
                    }
                    Err(problem) => self.problems.push(format!("{path}: {problem}")),
                },
            }
        }
        for stack in &assembly.stacks {
            let template = self.files.iter().find(|file| file.path == stack.template);
            if let Some(template) = template.filter(|file| file.size > TEMPLATE_LIMIT) {
                self.problems.push(format!(
                    "the template of {} has {} bytes, and CloudFormation takes {TEMPLATE_LIMIT}: split the stack",
                    stack.name, template.size
                ));
            }
        }
    }

    /// What belongs to the release without being of the assembly.
    fn companions(&mut self, repository: &Path) {
        for name in [SMOKE_TESTS, INTEGRATION_TESTS, ACCEPTANCE] {
            let on_disk = repository.join(name);
            let Ok(path) = name.parse::<RelativePath>() else {
                continue;
            };
            // A link that leads nowhere, or a file that may not be read, is no file that is not there.
            if fs::symlink_metadata(&on_disk).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                continue;
            }
            match fs::read_to_string(&on_disk) {
                Ok(text) => self.problems.extend(
                    problems(name, &text)
                        .into_iter()
                        .map(|problem| format!("{name}: {problem}")),
                ),
                Err(error) => {
                    self.problems.push(format!("{name}: {error}"));
                    continue;
                }
            }
            self.file(&path, &on_disk);
        }
    }

    fn file(&mut self, path: &RelativePath, on_disk: &Path) {
        if on_disk.is_file() {
            self.add(path, Packaging::File, on_disk, Place::Tree(on_disk.to_owned()));
        } else if on_disk.is_dir() {
            self.problems.push(format!("{path} should be a file and is a folder"));
        } else {
            self.problems.push(format!("{path} is missing"));
        }
    }

    fn add(&mut self, path: &RelativePath, packaging: Packaging, bytes: &Path, place: Place) {
        match hashed(bytes) {
            Ok((sha256, size)) => {
                self.files.push(IndexedFile {
                    path: path.clone(),
                    sha256: sha256.clone(),
                    size,
                    packaging,
                });
                let name = path.to_string();
                self.sources.entry(sha256.clone()).or_insert(Source {
                    name,
                    sha256,
                    size,
                    place,
                });
            }
            Err(error) => self.problems.push(format!("{path}: {error}")),
        }
    }
}

/// The longest buildspec that CodeBuild takes inline ("Max buildspec length is 25600", aws/aws-cdk#30326).
const BUILDSPEC_LIMIT: usize = 25_600;

/// What is wrong with a companion that is read later: better found by who writes it than by who deploys it.
fn problems(name: &str, text: &str) -> Vec<String> {
    match name {
        SMOKE_TESTS => match text.parse::<SmokeTests>() {
            Ok(_) => Vec::new(),
            Err(invalid) => invalid.problems.iter().map(ToString::to_string).collect(),
        },
        ACCEPTANCE => checklist::read(text).err().iter().map(ToString::to_string).collect(),
        // Without a word of its own, CodeBuild would run the buildspec of the build.
        INTEGRATION_TESTS if text.trim().is_empty() => vec!["it is empty; write what to run, or remove it".to_owned()],
        INTEGRATION_TESTS if text.chars().count() > BUILDSPEC_LIMIT => vec![format!(
            "it has {} characters, and CodeBuild takes {BUILDSPEC_LIMIT}; call a script of the repository",
            text.chars().count()
        )],
        // What a buildspec says is CodeBuild's to read.
        _ => Vec::new(),
    }
}

fn hashed(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let digest = hex::encode(hash.finalize()).parse().map_err(io::Error::other)?;
    Ok((digest, size))
}

/// Level 6, zlib's own default; another level would give every folder another digest.
const COMPRESSION_LEVEL: i64 = 6;

/// Zips a folder as CDK does (`zipDirectory` in aws-cdk-cli): files only, links followed, times fixed. Unlike there,
/// permissions are reduced to "executable or not", since a umask is no part of an application, and links may not lead
/// out of the folder: what lies there is not in the commit.
fn zipped(folder: &Path) -> Result<NamedTempFile, String> {
    if !folder.is_dir() {
        return Err("it should be a folder".to_owned());
    }
    let entries = entries(folder)?;
    let file = NamedTempFile::with_prefix("lockgate-").map_err(|error| error.to_string())?;
    let mut zip = ZipWriter::new(BufWriter::new(file.as_file()));
    for entry in entries {
        let write = |zip: &mut ZipWriter<_>| -> io::Result<()> {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(COMPRESSION_LEVEL))
                .last_modified_time(DateTime::default())
                .unix_permissions(if entry.executable { 0o755 } else { 0o644 })
                .large_file(entry.size >= u64::from(u32::MAX));
            zip.start_file(entry.name.as_str(), options)?;
            io::copy(&mut File::open(&entry.on_disk)?, zip)?;
            Ok(())
        };
        write(&mut zip).map_err(|error| format!("{}: {error}", entry.name))?;
    }
    let writer = zip.finish().map_err(|error| error.to_string())?;
    writer.into_inner().map_err(|error| error.to_string())?;
    Ok(file)
}

struct Entry {
    name: String,
    on_disk: PathBuf,
    size: u64,
    executable: bool,
}

/// The files of a folder in the order of their names.
fn entries(folder: &Path) -> Result<Vec<Entry>, String> {
    let root = folder.canonicalize().map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for found in WalkDir::new(&root).follow_links(true) {
        let found = found.map_err(|error| error.to_string())?;
        let inside = found.path().strip_prefix(&root).map_err(|error| error.to_string())?;
        if found.path_is_symlink() {
            let target = found
                .path()
                .canonicalize()
                .map_err(|error| format!("{}: {error}", inside.display()))?;
            if !target.starts_with(&root) {
                return Err(format!("{} is a link that leads out of the folder", inside.display()));
            }
        }
        if found.file_type().is_dir() {
            continue;
        }
        let metadata = found.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err(format!("{} is neither a file nor a folder", inside.display()));
        }
        let parts: Option<Vec<&str>> = inside.components().map(|part| part.as_os_str().to_str()).collect();
        let name = parts.map(|parts| parts.join("/")).unwrap_or_default();
        let name = name
            .parse::<RelativePath>()
            .map_err(|error| format!("{}: {error}", inside.display()))?;
        entries.push(Entry {
            name: name.into(),
            on_disk: found.path().to_owned(),
            size: metadata.len(),
            executable: is_executable(&metadata),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests;
