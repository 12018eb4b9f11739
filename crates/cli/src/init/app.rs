//! The CDK app of a repository: where it is, what it is written in, and what installs, tests and synthesises it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use walkdir::WalkDir;

use super::InitError;

/// How deep below the repository's root a CDK app is looked for.
const DEPTH: usize = 4;

/// What no `cdk.json` of the application itself lies in.
const PASSED_BY: [&str; 8] = [
    "node_modules",
    "cdk.out",
    "target",
    "dist",
    "build",
    "vendor",
    "venv",
    "__pycache__",
];

/// What a CDK app is written in, which says how it is built and tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// TypeScript or JavaScript.
    Node,
    /// Python.
    Python,
    /// Java, or what else Maven builds.
    Maven,
    /// Java, or what else Gradle builds.
    Gradle,
    /// Go.
    Go,
    /// C#, or what else .NET runs.
    Dotnet,
}

/// A CDK app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    /// Its folder, from the repository's root; empty, where it is that.
    pub folder: String,
    /// What it is written in.
    pub language: Language,
    /// What installs its packages, by the name of its program.
    pub package_manager: &'static str,
    /// The folder in which that is done, from the repository's root.
    pub packages: String,
    /// Installs the packages.
    #[serde(skip)]
    pub install: Vec<String>,
    /// Runs the tests; empty, where none were found.
    #[serde(skip)]
    pub test: Vec<String>,
    /// Runs the CDK CLI, word by word.
    #[serde(skip)]
    pub cdk: Vec<String>,
    /// The lock file that says which packages npm installs, where that is the package manager.
    #[serde(skip)]
    pub npm_lock: Option<String>,
    /// What its author should look at.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// The fields of `cdk.json` that say how the app is run.
#[derive(Debug, Default, Deserialize)]
struct CdkJson {
    #[serde(default)]
    app: Option<String>,
}

/// The fields of `package.json` that say how a package is built.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PackageJson {
    package_manager: Option<String>,
    scripts: BTreeMap<String, String>,
    dependencies: BTreeMap<String, Value>,
    dev_dependencies: BTreeMap<String, Value>,
}

/// A folder as the decisions below see it.
#[derive(Debug, Default)]
struct Seen {
    /// The folder, from the repository's root.
    folder: String,
    files: BTreeSet<String>,
    package: Option<PackageJson>,
    /// The texts of the files that name Python's packages.
    requirements: String,
}

impl App {
    /// The one in this folder of the repository, or the only one in it.
    pub fn find(root: &Path, named: Option<&Path>, language: Option<Language>) -> Result<Self, InitError> {
        let folder = match named {
            Some(named) => {
                let inside = inside(root, named)?;
                if !root.join(&inside).join("cdk.json").is_file() {
                    return Err(InitError::NoApp(format!(
                        "there is no cdk.json in {}; name the folder of the CDK app with --app",
                        named.display()
                    )));
                }
                inside
            }
            None => only(root)?,
        };
        let text = fs::read_to_string(root.join(&folder).join("cdk.json"));
        let text = text.map_err(|error| InitError::NoApp(format!("cdk.json cannot be read: {error}")))?;
        let cdk: CdkJson = serde_json::from_str(&text)
            .map_err(|error| InitError::NoApp(format!("cdk.json of the CDK app cannot be read: {error}")))?;
        // Packages are installed where the lock file lies: in the app's folder, or in one above it.
        let above = above(&folder).into_iter().map(|folder| Seen::of(root, &folder));
        decide(&folder, cdk.app.as_deref(), &above.collect::<Vec<_>>(), language)
    }

    /// The CDK CLI, as a command line.
    pub fn cdk(&self) -> String {
        self.cdk.join(" ")
    }
}

/// The path of a folder from the root, as a buildspec can name it.
fn inside(root: &Path, folder: &Path) -> Result<String, InitError> {
    let outside = |why: &str| InitError::NoApp(format!("{} {why}", folder.display()));
    let full = folder
        .canonicalize()
        .map_err(|error| outside(&format!("cannot be read: {error}")))?;
    let root = root
        .canonicalize()
        .map_err(|error| outside(&format!("cannot be read: {error}")))?;
    let inside = full
        .strip_prefix(&root)
        .map_err(|_| outside("lies outside of this repository; run this in the application's checkout"))?;
    let inside = inside.to_str().unwrap_or("\u{fffd}");
    if is_plain(inside) {
        Ok(inside.to_owned())
    } else {
        Err(outside(
            "has a name that no command line takes as it is; only letters, digits and . _ / - are written into a buildspec",
        ))
    }
}

fn is_plain(path: &str) -> bool {
    !path.starts_with('-') && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
}

/// The folder of the only `cdk.json`; of several, the uppermost, if it is the only one there.
fn only(root: &Path) -> Result<String, InitError> {
    let walk = WalkDir::new(root).max_depth(DEPTH).sort_by_file_name().into_iter();
    let walk = walk.filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || PASSED_BY.contains(&&*name))
    });
    // What may not be read is not the application's own.
    let found = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() == "cdk.json");
    let mut folders: Vec<(usize, PathBuf)> = found
        .filter_map(|entry| Some((entry.depth(), entry.path().parent()?.to_owned())))
        .collect();
    folders.sort();
    match folders.as_slice() {
        [] => Err(InitError::NoApp(
            "no cdk.json was found here; run this in the checkout of a CDK application, or name its folder with --app"
                .to_owned(),
        )),
        [(_, only)] => inside(root, only),
        [(depth, first), (next, _), ..] if depth < next => inside(root, first),
        [..] => {
            let names = folders
                .iter()
                .map(|(_, folder)| super::writing::shown(folder).display().to_string());
            Err(InitError::NoApp(format!(
                "there is more than one CDK app here ({}); name one with --app",
                names.collect::<Vec<_>>().join(", ")
            )))
        }
    }
}

/// The folder itself, and those above it up to the root.
fn above(folder: &str) -> Vec<String> {
    let mut folders = vec![folder.to_owned()];
    let mut rest = folder;
    while !rest.is_empty() {
        rest = rest.rsplit_once('/').map_or("", |(above, _)| above);
        folders.push(rest.to_owned());
    }
    folders
}

impl Seen {
    fn of(root: &Path, folder: &str) -> Self {
        let path = root.join(folder);
        let entries = fs::read_dir(&path).into_iter().flatten().filter_map(Result::ok);
        let files: BTreeSet<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let named = ["requirements.txt", "requirements-dev.txt", "pyproject.toml", "Pipfile"];
        Self {
            folder: folder.to_owned(),
            package: files
                .contains("package.json")
                .then(|| serde_json::from_str(&read("package.json")).unwrap_or_default()),
            requirements: named.map(read).concat(),
            files,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.files.contains(name)
    }

    fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().find(|name| self.has(name)).copied()
    }

    fn ending(&self, ends: &[&str]) -> Option<&str> {
        let fits = |file: &&String| is_plain(file) && ends.iter().any(|end| file.ends_with(end));
        self.files.iter().find(fits).map(String::as_str)
    }
}

/// What the app's command is run by, and else what its lock files say.
fn language(command: &str, folders: &[Seen]) -> Option<Language> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let any = |programs: &[&str], ends: &[&str]| {
        words.iter().any(|word| {
            let program = word.rsplit('/').next().unwrap_or(word);
            programs.contains(&program) || ends.iter().any(|end| word.ends_with(end))
        })
    };
    let has = |names: &[&str]| folders.iter().any(|seen| seen.first(names).is_some());
    if any(&["mvn", "mvnw"], &[]) {
        Some(Language::Maven)
    } else if any(&["gradle", "gradlew"], &[]) {
        Some(Language::Gradle)
    } else if any(&["go"], &[]) {
        Some(Language::Go)
    } else if any(&["dotnet"], &[]) {
        Some(Language::Dotnet)
    } else if any(&["python", "python3", "uv", "poetry", "pipenv"], &[".py"]) {
        Some(Language::Python)
    } else if any(
        &["node", "npx", "npm", "yarn", "pnpm", "tsx", "ts-node"],
        &[".ts", ".js", ".mjs", ".cjs"],
    ) {
        Some(Language::Node)
    } else if has(&["pom.xml"]) {
        Some(Language::Maven)
    } else if has(&["build.gradle", "build.gradle.kts"]) {
        Some(Language::Gradle)
    } else if has(&["go.mod"]) {
        Some(Language::Go)
    } else if has(&["requirements.txt", "pyproject.toml", "Pipfile"]) {
        Some(Language::Python)
    } else if has(&["package.json"]) {
        Some(Language::Node)
    } else {
        None
    }
}

/// `folders` are the app's own and those above it, the app's first.
fn decide(folder: &str, command: Option<&str>, folders: &[Seen], given: Option<Language>) -> Result<App, InitError> {
    let language = given.or_else(|| language(command.unwrap_or_default(), folders));
    let language = language.ok_or_else(|| {
        InitError::NoApp(
            "neither cdk.json nor a lock file says what the CDK app is written in; name it with --language".to_owned(),
        )
    })?;
    let mut app = App {
        folder: folder.to_owned(),
        language,
        package_manager: "npm",
        packages: folder.to_owned(),
        install: Vec::new(),
        test: Vec::new(),
        cdk: Vec::new(),
        npm_lock: None,
        warnings: Vec::new(),
    };
    let in_order = |names: &[&str]| folders.iter().find(|seen| seen.first(names).is_some());
    let own = folders.first();
    match language {
        Language::Node => node(
            &mut app,
            in_order(&LOCKS_OF_NODE).or(in_order(&["package.json"])).or(own),
        ),
        Language::Python => python(&mut app, in_order(&LISTS_OF_PYTHON).or(own)),
        Language::Maven => plain(&mut app, in_order(&["pom.xml"]).or(own), "mvn", |seen| {
            let mvn = if seen.has("mvnw") { "./mvnw" } else { "mvn" };
            Some(format!("{mvn} --batch-mode --no-transfer-progress test"))
        }),
        Language::Gradle => plain(
            &mut app,
            in_order(&[
                "settings.gradle",
                "settings.gradle.kts",
                "build.gradle",
                "build.gradle.kts",
            ])
            .or(own),
            "gradle",
            |seen| {
                let gradle = if seen.has("gradlew") { "./gradlew" } else { "gradle" };
                Some(format!("{gradle} --no-daemon test"))
            },
        ),
        Language::Go => plain(&mut app, in_order(&["go.mod"]).or(own), "go", |_| {
            Some("go test ./...".to_owned())
        }),
        Language::Dotnet => {
            let with = folders.iter().find(|seen| seen.ending(&[".sln", ".slnx"]).is_some());
            plain(&mut app, with.or(own), "dotnet", |seen| {
                let solution = seen
                    .ending(&[".sln", ".slnx"])
                    .or_else(|| seen.has("src").then_some("src"));
                Some(format!("dotnet test {}", solution?))
            });
        }
    }
    if app.cdk.is_empty() {
        app.cdk = words(if own.is_some_and(has_cdk) { "npx cdk" } else { OWN_CDK });
    }
    if app.cdk() == OWN_CDK || app.cdk().ends_with(OWN_CDK) {
        app.warnings.push(
            "no package.json names aws-cdk, so that each build takes the newest CDK CLI; pin one in buildspec.yml"
                .to_owned(),
        );
    }
    if app.test.is_empty() {
        app.warnings.push(
            "no tests were found: write what runs them into buildspec.yml, a build that is red is no release"
                .to_owned(),
        );
    }
    if command.is_none() {
        app.warnings
            .push("cdk.json has no app; `cdk synth` in a build needs one, or --app in buildspec.yml".to_owned());
    }
    Ok(app)
}

/// The CDK CLI, where the application has none of its own.
const OWN_CDK: &str = "npx --yes aws-cdk@2";

const LOCKS_OF_NODE: [&str; 4] = [
    "pnpm-lock.yaml",
    "yarn.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
];
const LISTS_OF_PYTHON: [&str; 5] = [
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "pyproject.toml",
];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn has_cdk(seen: &Seen) -> bool {
    seen.package.as_ref().is_some_and(|package| {
        package.dependencies.contains_key("aws-cdk") || package.dev_dependencies.contains_key("aws-cdk")
    })
}

fn node(app: &mut App, seen: Option<&Seen>) {
    let Some(seen) = seen else { return };
    app.packages.clone_from(&seen.folder);
    let package = seen.package.as_ref();
    let locks: Vec<&str> = LOCKS_OF_NODE.iter().filter(|lock| seen.has(lock)).copied().collect();
    // What package.json names goes before what lies there (Corepack's field packageManager).
    let named = package
        .and_then(|package| package.package_manager.as_deref())
        .unwrap_or_default();
    let (named, version) = named.split_once('@').unwrap_or((named, ""));
    let by_lock = match locks.first() {
        Some(&"pnpm-lock.yaml") => "pnpm",
        Some(&"yarn.lock") => "yarn",
        _ => "npm",
    };
    app.package_manager = ["npm", "pnpm", "yarn"]
        .into_iter()
        .find(|known| *known == named)
        .unwrap_or(by_lock);
    if locks.len() > 1 {
        app.warnings.push(format!(
            "there are lock files of more than one package manager ({}); buildspec.yml uses {}",
            locks.join(", "),
            app.package_manager
        ));
    }
    if locks.is_empty() {
        app.warnings
            .push("there is no lock file, so that two builds of one commit may differ; commit one".to_owned());
    }
    // Yarn from 2 on refuses the option of the first, and has a file of its own.
    let is_new_yarn = seen.has(".yarnrc.yml") || (!version.is_empty() && !version.starts_with("1.") && version != "1");
    let (install, test, cdk) = match app.package_manager {
        "pnpm" if locks.is_empty() => ("pnpm install", "pnpm test", "pnpm exec cdk"),
        "pnpm" => ("pnpm install --frozen-lockfile", "pnpm test", "pnpm exec cdk"),
        "yarn" if locks.is_empty() => ("yarn install", "yarn test", "yarn cdk"),
        "yarn" if is_new_yarn => ("yarn install --immutable", "yarn test", "yarn cdk"),
        "yarn" => ("yarn install --frozen-lockfile", "yarn test", "yarn cdk"),
        _ if locks.is_empty() => ("npm install", "npm test", "npx cdk"),
        _ => ("npm ci", "npm test", "npx cdk"),
    };
    if app.package_manager != "npm" {
        app.install.push("corepack enable".to_owned());
    }
    app.install.push(install.to_owned());
    let of_npm = locks.iter().find(|lock| LOCKS_OF_NODE[2..].contains(lock));
    app.npm_lock = of_npm
        .filter(|_| app.package_manager == "npm")
        .map(|lock| joined(&seen.folder, lock));
    // What `npm init` writes fails and tests nothing.
    let has_tests = package.and_then(|package| package.scripts.get("test"));
    if has_tests.is_some_and(|script| !script.contains("no test specified")) {
        app.test.push(test.to_owned());
    }
    if has_cdk(seen) {
        app.cdk = words(cdk);
    }
}

fn python(app: &mut App, seen: Option<&Seen>) {
    let Some(seen) = seen else { return };
    app.packages.clone_from(&seen.folder);
    let has_pytest = seen.requirements.contains("pytest") && (seen.has("tests") || seen.has("test"));
    let cdk = if has_cdk(seen) { "npx cdk" } else { OWN_CDK };
    let (manager, install, run) = match seen.first(&LISTS_OF_PYTHON) {
        Some("uv.lock") => ("uv", vec!["pip install uv", "uv sync --locked"], "uv run "),
        Some("poetry.lock") => (
            "poetry",
            vec!["pip install poetry", "poetry install --no-interaction"],
            "poetry run ",
        ),
        Some("Pipfile.lock") => ("pipenv", vec!["pip install pipenv", "pipenv sync --dev"], "pipenv run "),
        Some("requirements.txt") => ("pip", vec!["pip install --requirement requirements.txt"], ""),
        _ => ("pip", vec!["pip install ."], ""),
    };
    app.package_manager = manager;
    app.install.extend(install.into_iter().map(str::to_owned));
    if manager == "pip" && seen.has("requirements-dev.txt") {
        app.install
            .push("pip install --requirement requirements-dev.txt".to_owned());
    }
    if seen.package.is_some() && has_cdk(seen) {
        app.install.push(
            if seen.has("package-lock.json") {
                "npm ci"
            } else {
                "npm install"
            }
            .to_owned(),
        );
    }
    if has_pytest {
        app.test.push(format!("{run}python -m pytest"));
    }
    app.cdk = words(&format!("{run}{cdk}"));
}

/// Those whose own command brings what it needs: nothing is installed before the tests.
fn plain(app: &mut App, seen: Option<&Seen>, manager: &'static str, test: impl Fn(&Seen) -> Option<String>) {
    app.package_manager = manager;
    let Some(seen) = seen else { return };
    app.packages.clone_from(&seen.folder);
    app.test.extend(test(seen));
    if has_cdk(seen) {
        app.install.push(
            if seen.has("package-lock.json") {
                "npm ci"
            } else {
                "npm install"
            }
            .to_owned(),
        );
        app.cdk = words("npx cdk");
    }
}

/// A file in a folder of the repository.
pub fn joined(folder: &str, file: &str) -> String {
    if folder.is_empty() {
        file.to_owned()
    } else {
        format!("{folder}/{file}")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests;
