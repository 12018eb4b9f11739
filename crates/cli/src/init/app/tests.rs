use std::fmt::Write as _;

use saphyr::{LoadableYamlNode as _, Yaml};

use super::super::buildspec;
use super::*;

/// A repository of these files, each with its text.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn find(files: &[(&str, &str)]) -> Result<App, InitError> {
    App::find(repository(files).path(), None, None)
}

const NPM: &str = r#"{ "scripts": { "test": "tsc && node --test" }, "devDependencies": { "aws-cdk": "2.1148.1" } }"#;
const NO_TESTS: &str = r#"{ "scripts": { "test": "echo \"Error: no test specified\" && exit 1" } }"#;
const BERRY: &str =
    r#"{ "packageManager": "yarn@4.9.2", "scripts": { "test": "vitest" }, "dependencies": { "aws-cdk": "2" } }"#;

/// Apps of every language and package manager, in the root, in a folder, and with their packages above them.
const APPS: [(&str, &[(&str, &str)]); 19] = [
    (
        "npm",
        &[
            ("cdk.json", r#"{"app":"npx tsx bin/shop.ts"}"#),
            ("package.json", NPM),
            ("package-lock.json", "{}"),
        ],
    ),
    (
        "npm, in a folder",
        &[
            ("infra/cdk.json", r#"{"app":"npx ts-node bin/shop.ts"}"#),
            ("infra/package.json", NPM),
            ("infra/package-lock.json", "{}"),
        ],
    ),
    (
        "npm, above",
        &[
            ("apps/web/cdk.json", r#"{"app":"node app.js"}"#),
            ("package.json", NPM),
            ("package-lock.json", "{}"),
        ],
    ),
    (
        "npm without a lock file, tests and cdk",
        &[("cdk.json", r#"{"app":"node app.js"}"#), ("package.json", NO_TESTS)],
    ),
    (
        "pnpm",
        &[
            ("cdk.json", r#"{"app":"tsx bin/shop.ts"}"#),
            ("package.json", NPM),
            ("pnpm-lock.yaml", ""),
        ],
    ),
    (
        "yarn",
        &[
            ("cdk.json", r#"{"app":"yarn tsx bin/shop.ts"}"#),
            ("package.json", NPM),
            ("yarn.lock", ""),
        ],
    ),
    (
        "yarn from 2 on",
        &[
            ("cdk.json", r#"{"app":"yarn tsx bin/shop.ts"}"#),
            ("package.json", BERRY),
            ("yarn.lock", ""),
        ],
    ),
    (
        "two lock files",
        &[
            ("cdk.json", r#"{"app":"node app.js"}"#),
            ("package.json", BERRY),
            ("yarn.lock", ""),
            ("package-lock.json", "{}"),
        ],
    ),
    (
        "pip",
        &[
            ("cdk.json", r#"{"app":"python3 app.py"}"#),
            ("requirements.txt", "aws-cdk-lib==2.276.0\n"),
            ("requirements-dev.txt", "pytest==9.0.0\n"),
            ("tests/test_app.py", ""),
        ],
    ),
    (
        "pip and npm",
        &[
            ("cdk.json", r#"{"app":"python3 app.py"}"#),
            ("requirements.txt", ""),
            ("package.json", NPM),
            ("package-lock.json", "{}"),
        ],
    ),
    (
        "poetry",
        &[
            ("cdk.json", r#"{"app":"python app.py"}"#),
            ("pyproject.toml", "pytest"),
            ("poetry.lock", ""),
            ("tests/test_app.py", ""),
        ],
    ),
    (
        "uv",
        &[
            ("cdk.json", r#"{"app":"uv run app.py"}"#),
            ("pyproject.toml", ""),
            ("uv.lock", ""),
        ],
    ),
    (
        "pipenv",
        &[
            ("cdk.json", r#"{"app":"pipenv run python app.py"}"#),
            ("Pipfile", ""),
            ("Pipfile.lock", ""),
        ],
    ),
    (
        "maven",
        &[
            ("cdk.json", r#"{"app":"mvn -e -q compile exec:java"}"#),
            ("pom.xml", ""),
        ],
    ),
    (
        "maven, wrapped",
        &[
            ("infra/cdk.json", r#"{"app":"./mvnw -q compile exec:java"}"#),
            ("infra/pom.xml", ""),
            ("infra/mvnw", ""),
        ],
    ),
    (
        "gradle",
        &[
            ("cdk.json", r#"{"app":"./gradlew run"}"#),
            ("build.gradle.kts", ""),
            ("gradlew", ""),
        ],
    ),
    (
        "go",
        &[
            ("cdk.json", r#"{"app":"go mod download && go run shop.go"}"#),
            ("go.mod", ""),
        ],
    ),
    (
        "dotnet",
        &[
            ("cdk.json", r#"{"app":"dotnet run --project src/Shop/Shop.csproj"}"#),
            ("src/Shop.sln", ""),
        ],
    ),
    ("no app", &[("cdk.json", "{}"), ("go.mod", "")]),
];

#[test]
fn every_language_and_package_manager_is_built_by_its_own_commands() {
    let mut shown = String::new();
    for (what, files) in APPS {
        let app = find(files).unwrap();
        let text = buildspec::text(&app, "acme/shop");
        let commands: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("      ") && !line.contains('#'))
            .collect();
        let commands: Vec<&str> = commands
            .into_iter()
            .map(str::trim)
            .take_while(|line| *line != "- |")
            .collect();
        let _ = writeln!(shown, "{what}: {:?} by {}", app.language, app.package_manager);
        for command in commands.iter().filter(|line| !line.starts_with("- LOCKGATE")) {
            let _ = writeln!(shown, "    {command}");
        }
        for warning in &app.warnings {
            let _ = writeln!(shown, "    ! {warning}");
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn every_buildspec_is_yaml_that_makes_a_release() {
    for (what, files) in APPS {
        let app = find(files).unwrap();
        let text = buildspec::text(&app, "acme/the.shop_2");
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
        let [spec] = <[_; 1]>::try_from(documents).unwrap();
        assert_eq!(spec["version"].as_floating_point(), Some(0.2), "{what}");
        assert_eq!(
            spec["env"]["exported-variables"][0].as_str(),
            Some("LOCKGATE_RELEASE"),
            "{what}"
        );
        let phases = &spec["phases"];
        assert_eq!(
            phases["install"]["runtime-versions"]["nodejs"].as_integer(),
            Some(22),
            "{what}"
        );
        for phase in ["build", "post_build"] {
            let commands = phases[phase]["commands"].as_vec().unwrap();
            assert!(
                commands.iter().all(|command| command.as_str().is_some()),
                "{what}: {text}"
            );
        }
        let release = phases["post_build"]["commands"][0].as_str().unwrap();
        let packages = format!("package {}) &&", joined(&app.folder, "cdk.out"));
        assert!(release.contains(&packages), "{what}: {release}");
        assert!(text.contains(&format!("{} synth", app.cdk())), "{what}: {text}");
    }
}

#[test]
fn the_uppermost_app_is_taken_and_of_several_one_has_to_be_named() {
    let app = r#"{"app":"node app.js"}"#;
    let package = ("package.json", NPM);
    let found = |files: &[(&str, &str)]| find(files).map(|app| app.folder).map_err(|error| error.to_string());
    assert_eq!(
        found(&[("cdk.json", app), ("examples/a/cdk.json", app), package]).unwrap(),
        ""
    );
    assert_eq!(
        found(&[("node_modules/x/cdk.json", app), ("infra/cdk.json", app), package]).unwrap(),
        "infra"
    );
    insta::assert_snapshot!(found(&[package]).unwrap_err(), @"no cdk.json was found here; run this in the checkout of a CDK application, or name its folder with --app");
    let two = [("a/cdk.json", app), ("b/cdk.json", app), package];
    let folder = repository(&two);
    let named = App::find(folder.path(), Some(&folder.path().join("b")), None).unwrap();
    assert_eq!(named.folder, "b");
    let refused = App::find(folder.path(), None, None).unwrap_err().to_string();
    let refused = refused.replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(refused, @"there is more than one CDK app here (/a, /b); name one with --app");
    let elsewhere = repository(&two);
    let refused = App::find(folder.path(), Some(&elsewhere.path().join("a")), None)
        .unwrap_err()
        .to_string();
    assert!(refused.ends_with("run this in the application's checkout"), "{refused}");
    let refused = App::find(folder.path(), Some(folder.path()), None)
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("there is no cdk.json in "), "{refused}");
}

#[test]
fn what_a_command_line_would_not_take_as_it_is_is_written_into_no_buildspec() {
    let app = r#"{"app":"node app.js"}"#;
    for folder in ["in fra", "$(id)", "a;b", "-x", "a\"b", "ünfra"] {
        let files = [(format!("{folder}/cdk.json"), app), ("package.json".to_owned(), NPM)];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let refused = find(&files).unwrap_err().to_string();
        assert!(
            refused.contains("no command line takes as it is"),
            "{folder}: {refused}"
        );
    }
}

#[test]
fn a_language_that_nothing_shows_has_to_be_named() {
    let folder = repository(&[("cdk.json", r#"{"app":"./run"}"#)]);
    let refused = App::find(folder.path(), None, None).unwrap_err().to_string();
    assert!(refused.ends_with("name it with --language"), "{refused}");
    let named = App::find(folder.path(), None, Some(Language::Go)).unwrap();
    assert_eq!(named.test, ["go test ./..."]);
    let broken = repository(&[("cdk.json", "{")]);
    let refused = App::find(broken.path(), None, None).unwrap_err().to_string();
    assert!(
        refused.starts_with("cdk.json of the CDK app cannot be read: "),
        "{refused}"
    );
}
