//! Who gets in from GitHub Actions.

use serde_json::Value;

use super::*;

const SHOP: &str = r#"
[application."a/b"]
branch = "main"
[application."a/b".environment.dev]
account = "222222222222"
on = "push"
"#;

/// A file that the CDK app's tests read too.
fn fixture(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn subjects(kind: &str) -> Vec<String> {
    let fixture = fixture(include_str!("../../../../../infra/tests/fixtures/subjects.json"));
    serde_json::from_value(fixture[kind].clone()).unwrap()
}

fn actions(lines: &str) -> Option<Actions> {
    read(&format!("{lines}{SHOP}")).actions
}

/// What is wrong with these lines, in a file that is good otherwise; they begin in line 6.
fn wrong(lines: &str) -> String {
    problems(&format!("{PIPELINE}{lines}{SHOP}"))
}

#[test]
fn nobody_gets_in_unless_the_file_says_who() {
    assert_eq!(actions(""), None);
    let json = serde_json::to_value(read(SHOP)).unwrap();
    assert_eq!(json.get("actions"), None);
    let both = actions(
        r#"
[actions]
existing_provider = true
[actions.infrastructure]
subjects = ["repo:acme/lockgate:environment:tools"]
[actions.deployments]
subjects = ["repo:acme/shop:environment:deploy", "repo:acme@12/blog@34:ref:refs/heads/main"]
"#,
    );
    assert_eq!(
        serde_json::to_string(&both).unwrap(),
        r#"{"existing_provider":true,"infrastructure":{"subjects":["repo:acme/lockgate:environment:tools"]},"deployments":{"subjects":["repo:acme/shop:environment:deploy","repo:acme@12/blog@34:ref:refs/heads/main"]}}"#
    );
    let one = "[actions.deployments]\nsubjects = [\"repo:acme/shop:environment:deploy\"]\n";
    assert_eq!(
        serde_json::to_string(&actions(one)).unwrap(),
        r#"{"existing_provider":false,"deployments":{"subjects":["repo:acme/shop:environment:deploy"]}}"#
    );
}

#[test]
fn a_subject_is_exact_or_it_is_refused_with_what_to_write() {
    for exact in subjects("exact") {
        assert_eq!(exact.parse::<Subject>().map(String::from), Ok(exact.clone()), "{exact}");
        let json = serde_json::to_string(&exact).unwrap();
        assert_eq!(serde_json::from_str::<Subject>(&json).unwrap().as_str(), exact);
    }
    let told: Vec<String> = subjects("refused")
        .into_iter()
        .map(|refused| {
            let json = serde_json::to_string(&refused).unwrap();
            assert!(serde_json::from_str::<Subject>(&json).is_err(), "{refused}");
            refused.parse::<Subject>().unwrap_err().to_string()
        })
        .collect();
    assert_snapshot!(told.join("\n"));
}

#[test]
fn what_is_wrong_with_the_table_is_told_with_its_place() {
    let many: Vec<String> = (0..60)
        .map(|n| format!("\"repo:acme/shop-{n}:ref:refs/heads/main\""))
        .collect();
    let told: Vec<String> = [
        "[actions]\n",
        "[actions]\nexisting_provider = \"yes\"\ndeployment = { subjects = [] }\n",
        "[actions.infrastructure]\n",
        "[actions]\ninfrastructure = \"repo:acme/shop:environment:tools\"\n",
        "[actions.deployments]\nsubjects = []\n",
        "[actions.deployments]\nsubjects = \"repo:acme/shop:environment:tools\"\n",
        "[actions.deployments]\nsubject = \"x\"\nsubjects = [\"repo:acme/shop:*\", 7, \"repo:acme/shop:pull_request\"]\n",
        "[actions.deployments]\nsubjects = [\"repo:acme/shop:environment:tools\", \"repo:acme/shop:environment:tools\"]\n",
        &format!("[actions.deployments]\nsubjects = [{}]\n", many.join(", ")),
    ]
    .map(wrong)
    .to_vec();
    assert_snapshot!(told.join("\n"));
}

#[test]
fn what_the_cdk_apps_tests_take_for_a_resolved_configuration_is_one() {
    let text = include_str!("../../../../../infra/tests/fixtures/resolved.json");
    let configuration: Configuration = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&configuration).unwrap(), fixture(text));
    assert!(configuration.actions.is_some());
}

proptest! {
    #[test]
    fn whatever_is_taken_has_no_pattern_and_names_a_branch_a_tag_or_an_environment(
        text in "(repo:)?[a@1/*]{1,8}:?(ref:refs/(heads|tags|pull)/|environment:|pull_request)?[a-z0-9*?$:/ .@]{0,8}"
    ) {
        if let Ok(subject) = text.parse::<Subject>() {
            prop_assert!(!subject.as_str().contains(['*', '?', '$', '\n']));
            let context = subject.as_str().splitn(3, ':').nth(2).unwrap();
            prop_assert!(["ref:refs/heads/", "ref:refs/tags/", "environment:"].iter().any(|kind| context.starts_with(kind) && context.len() > kind.len()));
        }
    }
}
