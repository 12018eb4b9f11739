//! Whom an environment asks.

use std::fmt::Write as _;

use super::*;
use crate::approval::{OnReject, When};

/// An application with these people and groups, of which dev asks nobody, test as these lines say, and production comes
/// after test. Where the lines have no table of people, everybody whom these tests name is nobody on GitHub.
fn application(people_and_groups: &str, approval: &str) -> String {
    let mut people = String::new();
    if !people_and_groups.contains(".people]") {
        let numbered = (0..26).map(|n| format!("p{n}@acme.example"));
        let known = ["qa@acme.example", "lead@acme.example", "tess@acme.example"].map(str::to_owned);
        people.push_str("[application.\"acme/shop\".people]\n");
        for name in known.into_iter().chain(numbered) {
            let _ = writeln!(people, "{name:?} = {{ github = [] }}");
        }
    }
    format!(
        r#"{PIPELINE}[application."acme/shop"]
branch = "main"
{people_and_groups}
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
{approval}
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
{people}"#
    )
}

fn environments(people_and_groups: &str, approval: &str) -> Vec<Environment> {
    Configuration::read(&application(people_and_groups, approval))
        .unwrap()
        .applications
        .remove(0)
        .environments
}

/// What is wrong with these, without what all the lines have in common.
fn wrong(people_and_groups: &str, approval: &str) -> String {
    problems(&application(people_and_groups, approval)).replace("application.\"acme/shop\".", "")
}

#[test]
fn two_names_are_enough_to_ask_two_people_for_one_word_within_three_days() {
    let environments = environments("", "approval = { by = [\"qa@acme.example\", \"Lead@acme.example\"] }");
    assert_json_snapshot!(environments[1], @r#"
    {
      "name": "test",
      "account": "333333333333",
      "region": "eu-west-1",
      "on": [
        "prerelease"
      ],
      "after": "dev",
      "queue": "newest",
      "stacks": [],
      "qualifier": "hnb659fds",
      "without_stable": "give_back",
      "replace_failed_stacks": true,
      "integration_tests": true,
      "approval": {
        "when": "after",
        "people": [
          {
            "name": "qa@acme.example",
            "logins": [],
            "mails": [],
            "arns": []
          },
          {
            "name": "lead@acme.example",
            "logins": [],
            "mails": [],
            "arns": []
          }
        ],
        "duties": [
          {
            "group": null,
            "people": [
              "qa@acme.example",
              "lead@acme.example"
            ],
            "need": 1
          }
        ],
        "within_seconds": 259200,
        "on_reject": "stay"
      }
    }
    "#);
    let asks: Vec<_> = environments
        .iter()
        .map(|e| (e.approval.is_some(), e.integration_tests, e.after_acceptance))
        .collect();
    assert_eq!(asks, [(false, false, false), (true, true, false), (false, false, true)]);
    assert_eq!(
        environments[1].approval.as_ref().unwrap().when,
        When::After,
        "what the state machine compares"
    );
}

#[test]
fn everything_about_an_approval_can_be_said() {
    let environments = environments(
        r#"
[application."acme/shop".people]
"qa@acme.example" = { github = ["qa-acme"], mail = "qa@old.example", aws = ["arn:aws:iam::111111111111:role/teams/Tester"] }
"tess@acme.example" = { github = [] }
"arn:aws:iam::111111111111:user/boss" = { github = "The-Boss" }
[application."acme/shop".groups]
testers = ["qa@acme.example", "tess@acme.example"]
stakeholders = ["tess@acme.example", "arn:aws:iam::111111111111:user/boss"]
"#,
        r#"integration_tests = false
[application."acme/shop".environment.test.approval]
by = [{ group = "testers", need = 1 }, { group = "stakeholders" }]
within = "36 hours"
on_reject = "roll back"
"#,
    );
    assert!(!environments[1].integration_tests);
    let approval = environments[1].approval.as_ref().unwrap();
    assert_eq!(
        (approval.within_seconds, approval.on_reject),
        (36 * 3600, OnReject::RollBack)
    );
    assert_json_snapshot!((&approval.people, &approval.duties), @r#"
    [
      [
        {
          "name": "qa@acme.example",
          "logins": [
            "qa-acme"
          ],
          "mails": [
            "qa@old.example"
          ],
          "arns": [
            "arn:aws:iam::111111111111:role/teams/Tester"
          ]
        },
        {
          "name": "tess@acme.example",
          "logins": [],
          "mails": [],
          "arns": []
        },
        {
          "name": "arn:aws:iam::111111111111:user/boss",
          "logins": [
            "The-Boss"
          ],
          "mails": [],
          "arns": []
        }
      ],
      [
        {
          "group": "testers",
          "people": [
            "qa@acme.example",
            "tess@acme.example"
          ],
          "need": 1
        },
        {
          "group": "stakeholders",
          "people": [
            "tess@acme.example",
            "arn:aws:iam::111111111111:user/boss"
          ],
          "need": 1
        }
      ]
    ]
    "#);
}

#[test]
fn integration_tests_need_nobody_who_asks_for_them() {
    let environments = environments("", "integration_tests = true");
    assert_eq!(
        (environments[1].integration_tests, &environments[1].approval),
        (true, &None)
    );
}

#[test]
fn what_a_push_starts_may_ask_people() {
    let text = format!(
        "{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\napproval = {{ by = \"qa@acme.example\" }}\n[application.\"a/b\".people]\n\"qa@acme.example\" = {{ github = [] }}\n"
    );
    assert!(Configuration::read(&text).is_ok());
}

#[test]
fn a_quorum_that_nobody_can_reach_is_refused() {
    let by = |by: &str, rest: &str| wrong("", &format!("approval = {{ by = {by}{rest} }}"));
    assert_snapshot!(by("[]", ""), @"lockgate.toml:16:19: environment.test.approval.by: names nobody");
    assert_snapshot!(by("[\"qa@acme.example\"]", ", need = 2"), @"lockgate.toml:16:47: environment.test.approval.need: needs 2 people, but names only 1");
    assert_snapshot!(by("[\"qa@acme.example\"]", ", need = 0"), @"lockgate.toml:16:47: environment.test.approval.need: 0 is no number of people; write 1 or more");
    assert_snapshot!(by("[\"qa@acme.example\"]", ", need = -1"), @"lockgate.toml:16:47: environment.test.approval.need: -1 is no number of people; write 1 or more");
    assert_snapshot!(by("[\"qa@acme.example\"]", ", need = 1.5"), @"lockgate.toml:16:47: environment.test.approval.need: this is a number; write a whole number");
    let groups = "[application.\"acme/shop\".groups]\nqa = [\"qa@acme.example\", \"tess@acme.example\"]\nlead = [\"qa@acme.example\"]\nboss = [\"qa@acme.example\"]\n";
    let of = |by: &str| wrong(groups, &format!("approval = {{ by = [{by}] }}"));
    assert_snapshot!(of("{ group = \"lead\" }, { group = \"boss\" }"), @"lockgate.toml:20:19: environment.test.approval.by: cannot be met: each person counts in one group only, and there are too few");
    assert_snapshot!(of("{ group = \"qa\", need = 2 }, { group = \"lead\" }"), @"lockgate.toml:20:19: environment.test.approval.by: cannot be met: each person counts in one group only, and there are too few");
    assert_snapshot!(of("{ group = \"qa\", need = 3 }"), @"lockgate.toml:20:43: environment.test.approval.by.need: needs 3 people, but names only 2");
    assert_snapshot!(wrong("[application.\"acme/shop\".groups]\nnobody = []\n", "approval = { by = [{ group = \"nobody\" }] }"), @"
    lockgate.toml:9:10: groups.nobody: names nobody
    lockgate.toml:18:19: environment.test.approval.by: cannot be met: each person counts in one group only, and there are too few
    ");
    let many: Vec<String> = (0..26).map(|n| format!("\"p{n}@acme.example\"")).collect();
    assert_snapshot!(by(&format!("[{}]", many.join(", ")), ""), @"lockgate.toml:16:19: environment.test.approval.by: asks 26 people; at most 20 can be asked");
}

#[test]
fn one_person_under_two_names_is_refused() {
    let by = |by: &str| wrong("", &format!("approval = {{ by = [{by}] }}"));
    assert_snapshot!(by("\"qa@acme.example\", \"qa@acme.example\""), @"lockgate.toml:16:39: environment.test.approval.by: qa@acme.example is listed twice");
    assert_snapshot!(by("\"qa@acme.example\", \"QA@ACME.example\""), @"lockgate.toml:16:39: environment.test.approval.by: qa@acme.example is listed twice");
    let people = |lines: &str| {
        wrong(
            &format!("[application.\"acme/shop\".people]\n{lines}"),
            "approval = { by = [\"qa@acme.example\"] }",
        )
    };
    assert_snapshot!(people(
        "\"qa@acme.example\" = { github = \"Tess\" }\n\"tess@acme.example\" = { github = \"tess\" }\n"
    ), @r#"lockgate.toml:10:1: people."tess@acme.example": tess@acme.example is the same person as qa@acme.example (tess); name them once"#);
    assert_snapshot!(people(
        "\"qa@acme.example\" = { github = [], mail = \"q.a@gmail.com\" }\n\"qa@gmail.com\" = {}\n"
    ), @r#"lockgate.toml:10:1: people."qa@gmail.com": qa@gmail.com is the same person as qa@acme.example (qa@gmail.com); name them once"#);
    assert_snapshot!(people(
        "\"qa@acme.example\" = { github = [], aws = \"arn:aws:iam::111111111111:user/qa\" }\n\"arn:aws:iam::111111111111:user/qa\" = {}\n"
    ), @r#"lockgate.toml:10:1: people."arn:aws:iam::111111111111:user/qa": arn:aws:iam::111111111111:user/qa is the same person as qa@acme.example (arn:aws:iam::111111111111:user/qa); name them once"#);
    assert_snapshot!(people(
        "\"qa@acme.example\" = { github = [] }\n\"qa+tests@acme.example\" = {}\n"
    ), @r#"lockgate.toml:10:1: people."qa+tests@acme.example": qa+tests@acme.example is the same person as qa@acme.example (qa@acme.example); name them once"#);
    assert_snapshot!(people(
        "\"qa@acme.example\" = { github = [], aws = \"arn:aws:iam::111111111111:role/Tester\" }\n\"tess@acme.example\" = { aws = \"arn:aws:iam::111111111111:role/teams/Tester\" }\n"
    ), @r#"lockgate.toml:10:1: people."tess@acme.example": tess@acme.example is the same person as qa@acme.example (arn:aws:iam::111111111111:role/Tester); name them once"#);
    assert_snapshot!(people("\"QA@acme.example\" = { github = [] }\n\"qa@acme.example\" = {}\n"), @r#"lockgate.toml:10:1: people."qa@acme.example": qa@acme.example is listed twice"#);
}

#[test]
fn whoever_is_not_of_the_tools_account_cannot_answer_by_the_command() {
    let elsewhere = "arn:aws:iam::222222222222:role/Tester";
    let problems = problems(&application(
        &format!(
            "[application.\"acme/shop\".people]\n\"qa@acme.example\" = {{ github = [], aws = [{elsewhere:?}] }}\n[application.\"acme/shop\".groups]\ntesters = [{elsewhere:?}]\n"
        ),
        "",
    ));
    assert_snapshot!(problems.replace("application.\"acme/shop\".", ""), @r#"
    lockgate.toml:9:43: people."qa@acme.example".aws: arn:aws:iam::222222222222:role/Tester names nobody: people answer in the tools account, 111111111111, with a user or a role of that account; this one is of 222222222222
    lockgate.toml:11:12: groups.testers: arn:aws:iam::222222222222:role/Tester names nobody: people answer in the tools account, 111111111111, with a user or a role of that account; this one is of 222222222222
    "#);
}

#[test]
fn no_more_are_asked_by_mail_than_a_topic_has_filter_policies() {
    let applications = |people: usize| {
        let mut text = application("", "");
        for group in 0..people.div_ceil(20) {
            let mut known = String::new();
            let mut asked = Vec::new();
            for number in group * 20..people.min(group * 20 + 20) {
                let name = format!("\"p{number}@acme.example\"");
                let _ = writeln!(known, "{name} = {{ github = [] }}");
                asked.push(name);
            }
            let _ = write!(
                text,
                r#"[application."acme/app-{group}"]
branch = "main"
[application."acme/app-{group}".people]
{known}[application."acme/app-{group}".environment.test]
account = "555555555555"
on = "prerelease"
stacks = ["app-{group}-*"]
approval = {{ by = [{}] }}
"#,
                asked.join(", ")
            );
        }
        text
    };
    Configuration::read(&applications(200)).unwrap();
    assert_snapshot!(problems(&applications(201)), @"lockgate.toml:6:2: application: 201 mail addresses are asked to accept, and a topic of SNS has 200 filter policies; name fewer, or some by their ARN");
}

#[test]
fn a_session_whose_name_anybody_may_choose_is_no_person() {
    let session = "arn:aws:sts::111111111111:assumed-role/Tester/qa";
    assert_snapshot!(wrong(
        &format!(
            "[application.\"acme/shop\".people]\n\"qa@acme.example\" = {{ github = [], aws = [\"arn:aws:iam::111111111111:user/qa\", {session:?}] }}\n[application.\"acme/shop\".groups]\ntesters = [{session:?}, \"arn:aws:sts::111111111111:federated-user/qa\"]\n"
        ),
        "approval = { by = [\"qa@acme.example\"] }",
    ), @r#"
    lockgate.toml:9:80: people."qa@acme.example".aws: arn:aws:sts::111111111111:assumed-role/Tester/qa names nobody: whoever assumes the role chooses the name of its session; name the role, arn:aws:iam::111111111111:role/Tester, all of whose sessions are one person
    lockgate.toml:11:12: groups.testers: arn:aws:sts::111111111111:assumed-role/Tester/qa names nobody: whoever assumes the role chooses the name of its session; name the role, arn:aws:iam::111111111111:role/Tester, all of whose sessions are one person
    lockgate.toml:11:64: groups.testers: arn:aws:sts::111111111111:federated-user/qa names nobody: whoever calls GetFederationToken chooses the name of a federated user; name an IAM user or a role
    "#);
    let single_sign_on = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Tester_0123456789abcdef/qa";
    let environments = environments(
        &format!("[application.\"acme/shop\".people]\n{single_sign_on:?} = {{ github = [] }}\n"),
        &format!("approval = {{ by = [{single_sign_on:?}] }}"),
    );
    let policy = environments[1].approval.as_ref().unwrap();
    assert_eq!(policy.people[0].name.as_str(), single_sign_on);
}

#[test]
fn whoever_is_asked_is_known_on_github_or_said_to_be_nobody_there() {
    let user = "arn:aws:iam::111111111111:user/boss";
    let people = |lines: &str| {
        let groups = format!(
            "[application.\"acme/shop\".people]\n{lines}[application.\"acme/shop\".groups]\ntesters = [\"qa@acme.example\", {user:?}]\nothers = [\"qa@acme.example\"]\n"
        );
        application(&groups, "approval = { by = [{ group = \"testers\" }] }")
    };
    let whole = format!("\"qa@acme.example\" = {{ github = \"qa-acme\" }}\n{user:?} = {{ github = [] }}\n");
    assert!(Configuration::read(&people(&whole)).is_ok());
    assert_snapshot!(
        problems(&people("\"qa@acme.example\" = { mail = \"qa@old.example\" }\n")).replace("application.\"acme/shop\".", ""),
        @r#"
    lockgate.toml:11:12: groups.testers: nothing says who qa@acme.example is on GitHub, so they could accept what they wrote or asked for; write "qa@acme.example" = { github = ["login"] } into the application's people, or github = [] for somebody without an account
    lockgate.toml:11:31: groups.testers: nothing says who arn:aws:iam::111111111111:user/boss is on GitHub, so they could accept what they wrote or asked for; write "arn:aws:iam::111111111111:user/boss" = { github = ["login"] } into the application's people, or github = [] for somebody without an account
    "#
    );
    assert_snapshot!(
        wrong("[application.\"acme/shop\".people]\n", "approval = { by = [\"qa@acme.example\", \"tess@acme.example\"] }"),
        @r#"
    lockgate.toml:17:20: environment.test.approval.by: nothing says who qa@acme.example is on GitHub, so they could accept what they wrote or asked for; write "qa@acme.example" = { github = ["login"] } into the application's people, or github = [] for somebody without an account
    lockgate.toml:17:39: environment.test.approval.by: nothing says who tess@acme.example is on GitHub, so they could accept what they wrote or asked for; write "tess@acme.example" = { github = ["login"] } into the application's people, or github = [] for somebody without an account
    "#
    );
}

#[test]
fn names_that_are_none_and_words_that_nobody_knows_are_told_with_their_place() {
    assert_snapshot!(wrong(
        r#"[application."acme/shop".people]
qa = { github = ["not a login"], mail = ["qa"], aws = ["arn:aws:iam::111111111111:role/*"], colour = "red" }
[application."acme/shop".groups]
testers = ["qa@acme", "arn:aws:iam::111111111111:group/Testers"]
"two words" = "qa@acme.example"
"#,
        r#"[application."acme/shop".environment.test.approval]
by = [{ group = "tester" }, { group = "testers", need = 9, colour = "red" }, { need = 1 }, 7]
need = 1
within = "a week"
on_reject = "rollback"
approve = true
"#
    ), @r#"
    lockgate.toml:9:1: people.qa: "qa" is not an approver: a mail address of ASCII characters, or the ARN of an IAM user or of a role, without wildcards
    lockgate.toml:9:18: people.qa.github: "not a login" is not a GitHub login: 1 to 100 letters, digits, '-' and '_'
    lockgate.toml:9:42: people.qa.mail: "qa" is not a mail address: such as qa@acme.example, at most 254 characters
    lockgate.toml:9:56: people.qa.aws: "arn:aws:iam::111111111111:role/*" is not an AWS principal: the ARN of an IAM user (arn:aws:iam::111111111111:user/qa) or of a role (arn:aws:iam::111111111111:role/Tester)
    lockgate.toml:9:93: people.qa.colour: is not a key of this table
    lockgate.toml:11:12: groups.testers: "qa@acme" is not a mail address
    lockgate.toml:11:23: groups.testers: "arn:aws:iam::111111111111:group/Testers" is not an approver: a mail address of ASCII characters, or the ARN of an IAM user or of a role, without wildcards
    lockgate.toml:12:15: groups."two words": "two words" is not a group's name: 1 to 40 letters, digits, '-' and '_'
    lockgate.toml:12:15: groups."two words": this is a text; write a list of texts in quotes
    lockgate.toml:22:17: environment.test.approval.by.group: "tester" is no group of this application, did you mean testers?
    lockgate.toml:22:60: environment.test.approval.by.colour: is not a key of this table
    lockgate.toml:22:78: environment.test.approval.by: group is missing; write group = "testers"
    lockgate.toml:22:92: environment.test.approval.by: this is a number; write a text in quotes or a table
    lockgate.toml:23:8: environment.test.approval.need: stands beside groups; write it into each of them
    lockgate.toml:24:10: environment.test.approval.within: "a week" is not 1 minute to 14 days; write, for example, "90 minutes", "36 hours" or "3 days"
    lockgate.toml:25:13: environment.test.approval.on_reject: "rollback" is none of stay, roll back, did you mean roll back?
    lockgate.toml:26:1: environment.test.approval.approve: is not a key of this table
    "#);
    assert_snapshot!(wrong("[application.\"acme/shop\".groups]\nqa = [\"qa@acme.example\"]\n", "approval = { by = [\"tess@acme.example\", { group = \"qa\" }] }"), @"lockgate.toml:18:41: environment.test.approval.by: people and groups stand side by side; make a group of these people");
    assert_snapshot!(wrong("[application.\"acme/shop\".groups]\nqa = [\"qa@acme.example\"]\n", "approval = { by = [{ group = \"qa\" }, { group = \"qa\" }] }"), @r#"lockgate.toml:18:48: environment.test.approval.by.group: "qa" is listed twice"#);
    assert_snapshot!(wrong("", "approval = true"), @"lockgate.toml:16:12: environment.test.approval: this is true or false; write a table");
    assert_snapshot!(wrong("", "approval = {}"), @r#"lockgate.toml:16:1: environment.test.approval: by is missing; write by = ["qa@acme.example"]"#);
    assert_snapshot!(wrong("", "integration_tests = 1"), @"lockgate.toml:16:21: environment.test.integration_tests: this is a number; write true or false");
}

#[test]
fn people_have_from_a_minute_to_two_weeks() {
    let within = |within: &str| {
        let text = application(
            "",
            &format!("approval = {{ by = \"qa@acme.example\", within = {within:?} }}"),
        );
        Configuration::read(&text).ok().map(|configuration| {
            let approval = configuration.applications[0].environments[1].approval.clone();
            approval.unwrap().within_seconds
        })
    };
    for (text, seconds) in [
        ("1 minute", 60),
        ("90 minutes", 5_400),
        ("36 hours", 129_600),
        ("1 day", 86_400),
        ("14 days", 1_209_600),
    ] {
        assert_eq!(within(text), Some(seconds), "{text}");
    }
    for text in [
        "",
        "0 minutes",
        "3",
        "3days",
        "3  days",
        "+3 days",
        "03 days",
        "-3 days",
        "15 days",
        "337 hours",
        "30 seconds",
        "1 week",
        "18446744073709551615 days",
    ] {
        assert_eq!(within(text), None, "{text}");
    }
}

#[test]
fn the_api_of_github_is_reached_over_tls_or_on_this_machine() {
    let api = |address: &str| {
        Configuration::read(&format!(
            "{PIPELINE}github_api = {address:?}\n[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n"
        ))
        .map(|configuration| configuration.pipeline.github_api)
    };
    for good in [
        "https://api.github.com",
        "https://github.acme.example/api/v3",
        "https://github.acme.example:8443/api/v3",
        "http://127.0.0.1:3000",
        "http://localhost:3000/api",
        "http://[::1]:3000",
    ] {
        assert_eq!(api(good).as_deref().ok(), Some(good));
    }
    assert_eq!(
        api("https://api.github.com/").as_deref().ok(),
        Some("https://api.github.com")
    );
    for bad in [
        "",
        "api.github.com",
        "http://api.github.com",
        "http://127.0.0.1.acme.example",
        "ftp://api.github.com",
        "https://",
        "https://token@api.github.com",
        "https://api.github.com?x=1",
        "https://api.github.com/#x",
        "https://api.github.com:0",
        "https://api.github.com:port",
        "https://api.github.com /x",
        "https://[::1",
        "https://[localhost]",
    ] {
        assert!(api(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_runbook_is_reached_over_tls_and_its_sections_are_alarms_to_name() {
    let read = |line: &str| {
        Configuration::read(&format!(
            "{PIPELINE}{line}\n[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n"
        ))
        .map(|configuration| configuration.pipeline.runbook)
    };
    let runbook = |address: &str| read(&format!("runbook = {address:?}"));
    let good = "https://github.com/acme/lockgate/blob/main/docs/OPERATIONS.md";
    assert_eq!(runbook(good).unwrap().as_deref(), Some(good));
    assert_eq!(read("").unwrap(), None);
    let too_long = format!("https://acme.example/{}", "x".repeat(300));
    for bad in [
        "",
        "docs/OPERATIONS.md",
        "http://acme.example/OPERATIONS.md",
        "http://127.0.0.1/OPERATIONS.md",
        "https://user@acme.example/OPERATIONS.md",
        "https://acme.example/OPERATIONS.md#a-function-fails",
        "https://acme.example/a b",
        "javascript:alert(1)",
        &too_long,
    ] {
        assert!(runbook(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_accepted_can_be_met_and_names_everybody_once(
        groups in proptest::collection::vec((proptest::collection::vec(0_u8..5, 0..4), -1_i64..4), 1..4),
    ) {
        let mut text = String::from("[application.\"acme/shop\".groups]\n");
        let mut by = Vec::new();
        for (index, (people, need)) in groups.iter().enumerate() {
            let people: Vec<String> = people.iter().map(|n| format!("\"p{n}@acme.example\"")).collect();
            let _ = writeln!(text, "g{index} = [{}]", people.join(", "));
            by.push(format!("{{ group = \"g{index}\", need = {need} }}"));
        }
        let text = application(&text, &format!("approval = {{ by = [{}] }}", by.join(", ")));
        if let Ok(configuration) = Configuration::read(&text) {
            let policy = configuration.applications[0].environments[1].approval.clone().unwrap();
            prop_assert!(policy.can_be_met());
            prop_assert_eq!(policy.duties.len(), groups.len());
            for (place, person) in policy.people.iter().enumerate() {
                prop_assert!(policy.people[..place].iter().all(|other| other.name != person.name));
            }
            for duty in &policy.duties {
                prop_assert!(duty.people.iter().all(|name| policy.person(name).is_some()));
            }
        }
    }
}

#[test]
fn people_may_be_asked_before_anything_is_changed() {
    let asks = |approval: &str| environments("", approval)[1].approval.clone().unwrap().when;
    assert_eq!(
        asks(r#"approval = { when = "before", by = ["qa@acme.example"] }"#),
        When::Before
    );
    assert_eq!(
        asks(r#"approval = { when = "after", by = ["qa@acme.example"] }"#),
        When::After
    );
    assert_snapshot!(wrong(
        "",
        r#"approval = { when = "befor", by = ["qa@acme.example"], on_reject = "leave" }"#
    ), @r#"
    lockgate.toml:16:21: environment.test.approval.when: "befor" is none of before, after, did you mean before?
    lockgate.toml:16:68: environment.test.approval.on_reject: "leave" is none of stay, roll back
    "#);
    assert_snapshot!(wrong(
        "",
        r#"approval = { when = "before", by = ["qa@acme.example"], on_reject = "roll back" }"#
    ), @"lockgate.toml:16:69: environment.test.approval.on_reject: says what becomes of a release that is there; where people are asked before, nothing is");
}
