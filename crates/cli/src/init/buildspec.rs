//! `buildspec.yml`: how CodeBuild makes a release.
//!
//! Nothing that anybody wrote stands in it but paths and the repository's name, which are of letters, digits and `. _ / -`.

use std::fmt::Write as _;

use super::app::{App, Language, joined};

/// The file that CodeBuild takes.
pub const NAME: &str = "buildspec.yml";

/// The newest long-term versions that the image of Lockgate's build project has: Amazon Linux 2023, standard 5.0 and
/// aarch64 standard 3.0 (AWS CodeBuild user guide, "Available runtimes").
const NODE: &str = "nodejs: 22";

/// The whole file.
pub fn text(app: &App, repository: &str) -> String {
    let name = repository.rsplit('/').next().unwrap_or_default();
    let mut text = String::from(
        "# How AWS CodeBuild makes a release of this application. `lockgate init` wrote it once; from now on it is yours.\n\
         version: 0.2\n\n\
         env:\n  \
           # Lockgate takes the release's digest from here.\n  \
           exported-variables:\n    \
             - LOCKGATE_RELEASE\n\n\
         phases:\n  \
           install:\n    \
             runtime-versions:\n",
    );
    let runtime = match app.language {
        Language::Node => None,
        Language::Python => Some("python: 3.12"),
        Language::Maven | Language::Gradle => Some("java: corretto21"),
        Language::Go => Some("golang: 1.24"),
        Language::Dotnet => Some("dotnet: 8.0"),
    };
    if let Some(runtime) = runtime {
        let _ = writeln!(text, "      {runtime}");
        let _ = writeln!(text, "      # The CDK CLI runs on it.");
    }
    let _ = writeln!(text, "      {NODE}");
    let install: Vec<String> = if app.npm_lock.is_some() {
        let modules = joined(&app.packages, "node_modules");
        vec![format!("test -d {modules} || {}", within(&app.packages, "npm ci"))]
    } else {
        app.install.iter().map(|line| within(&app.packages, line)).collect()
    };
    if !install.is_empty() {
        text.push_str("    commands:\n");
        if app.npm_lock.is_some() {
            text.push_str("      # The cache holds the packages of exactly this lock file, or none.\n");
        }
        commands(&mut text, &install);
    }
    text.push_str("  build:\n    commands:\n");
    if app.test.is_empty() {
        text.push_str("      # Run the tests here: what fails is no release, and reaches no environment.\n");
    }
    let tests: Vec<String> = app.test.iter().map(|line| within(&app.packages, line)).collect();
    commands(&mut text, &tests);
    let assembly = joined(&app.folder, "cdk.out");
    commands(
        &mut text,
        &[within(
            &app.folder,
            &format!("{} synth --quiet --output cdk.out", app.cdk()),
        )],
    );
    let _ = write!(
        text,
        "  post_build:\n    \
           commands:\n      \
             # CodeBuild comes here after a failed build too. The assignment stands apart from the export, which would hide\n      \
             # a failure to package. This runs in the repository's root, where lockgate.smoke.toml and its like lie.\n      \
             - |\n        \
               if [ \"$CODEBUILD_BUILD_SUCCEEDING\" = \"1\" ]; then\n          \
                 LOCKGATE_RELEASE=$(\"$CODEBUILD_SRC_DIR_lockgate/lockgate\" package {assembly}) &&\n            \
                   export LOCKGATE_RELEASE\n        \
               fi\n"
    );
    if let Some(lock) = &app.npm_lock {
        let modules = joined(&app.packages, "node_modules");
        let _ = write!(
            text,
            "\ncache:\n  key: {name}-$(codebuild-hash-files {lock})\n  paths:\n    - {modules}/**/*\n"
        );
    }
    text
}

/// A command in a folder of the repository, in a shell of its own: all commands of a buildspec share one.
fn within(folder: &str, command: &str) -> String {
    if folder.is_empty() {
        command.to_owned()
    } else {
        format!("(cd {folder} && {command})")
    }
}

fn commands(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "      - {line}");
    }
}
