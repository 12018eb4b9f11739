//! How an environment watches what is deployed into it.

use std::fmt::Write as _;

use super::*;
use crate::bake::Silence;
use crate::deployment::KEEP;

/// An environment that these lines have watched.
fn environment(lines: &str) -> String {
    format!("account = \"222222222222\"\non = \"push\"\n{lines}")
}

/// What is wrong with these lines, without what all have in common.
fn wrong(lines: &str) -> String {
    problems_of_environment(&environment(lines))
        .replace("application.\"a/b\".environment.dev", "dev")
        .replace("lockgate.toml:11:", "")
}

/// What is wrong with each of these.
fn all_wrong<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().map(wrong).collect::<Vec<_>>().join("\n\n")
}

/// What is wrong with a bake of which one says this, beside what has to be there.
fn wrong_bakes<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let bakes: Vec<String> = keys
        .into_iter()
        .map(|keys| format!("bake = {{ for = \"30 minutes\", alarms = [\"errors\"], {keys} }}"))
        .collect();
    all_wrong(bakes.iter().map(String::as_str))
}

fn read_environment(lines: &str) -> Environment {
    let application = "[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\n";
    let mut configuration = read(&format!("{application}{}", environment(lines)));
    configuration.applications.remove(0).environments.remove(0)
}

#[test]
fn a_time_and_an_alarm_are_enough_to_ask_people_about_silence_and_to_hold_after_going_back() {
    let environment = read_environment("bake = { for = \"30 minutes\", alarms = \"shop-errors\" }");
    assert_json_snapshot!(environment, @r#"
    {
      "name": "dev",
      "account": "222222222222",
      "region": "eu-west-1",
      "on": [
        "push"
      ],
      "after": null,
      "queue": "newest",
      "stacks": [],
      "qualifier": "hnb659fds",
      "without_stable": "give_back",
      "replace_failed_stacks": true,
      "bake": {
        "begins": "after_tests",
        "for_seconds": 1800,
        "alarms": [
          {
            "named": "shop-errors"
          }
        ],
        "silence": "ask"
      },
      "holds": true
    }
    "#);
    assert_eq!((environment.holds, environment.keep), (true, KEEP));
    assert_eq!(environment.bake.unwrap().silence, Silence::Ask);
}

#[test]
fn everything_about_a_bake_can_be_said() {
    let environment = read_environment(
        r#"watch = "24 hours"
hold = false
keep = 5
[application."a/b".environment.dev.bake]
for = "2 hours"
alarms = ["shop-errors", { tag = "lockgate", value = "shop" }]
silence = "pass"
[application."a/b".environment.dev.bake.evidence]
namespace = "AWS/ApiGateway"
metric = "Count"
dimensions = { ApiName = "shop", Stage = "prod" }
at_least = 100
"#,
    );
    assert_json_snapshot!(environment.bake, @r#"
    {
      "begins": "after_tests",
      "for_seconds": 7200,
      "alarms": [
        {
          "named": "shop-errors"
        },
        {
          "tagged": {
            "key": "lockgate",
            "value": "shop"
          }
        }
      ],
      "evidence": {
        "namespace": "AWS/ApiGateway",
        "metric": "Count",
        "dimensions": {
          "ApiName": "shop",
          "Stage": "prod"
        },
        "at_least": 100
      },
      "silence": "pass"
    }
    "#);
    assert_eq!(
        (environment.watch_seconds, environment.holds, environment.keep),
        (Some(24 * 3600), false, 5)
    );
}

#[test]
fn what_is_watched_by_nothing_holds_only_where_it_says_so_and_its_times_have_bounds() {
    let none = read_environment("");
    assert_eq!(
        (none.bake, none.watch_seconds, none.holds, none.keep),
        (None, None, false, KEEP)
    );
    assert!(read_environment("hold = true").holds);
    let bake = |time: &str| {
        let environment = read_environment(&format!("bake = {{ for = \"{time}\", alarms = [\"errors\"] }}"));
        environment.bake.unwrap().for_seconds
    };
    assert_eq!((bake("1 second"), bake("7 days")), (1, LONGEST_BAKE));
    let watch = |time: &str| {
        let bake = "bake = { for = \"30 minutes\", alarms = [\"errors\"] }";
        read_environment(&format!("{bake}\nwatch = \"{time}\"")).watch_seconds
    };
    assert_eq!((watch("1 minute"), watch("30 days")), (Some(60), Some(LONGEST_WATCH)));
    for keep in [1, 100] {
        assert_eq!(read_environment(&format!("keep = {keep}")).keep, keep);
    }
}

#[test]
fn what_is_wrong_with_a_bake_is_told_with_its_place() {
    assert_snapshot!(all_wrong([
        "bake = true",
        "bake = {}",
        "bake = { for = \"30 minutes\" }",
        "bake = { alarms = [\"errors\"] }",
        "bake = { for = 30, alarms = [\"errors\"] }",
        "bake = { for = \"30\", alarms = [\"errors\"] }",
        "bake = { for = \"0 seconds\", alarms = [\"errors\"] }",
        "bake = { for = \"8 days\", alarms = [\"errors\"] }",
        "bake = { for = \"+3 hours\", alarms = [\"errors\"] }",
        "bake = { for = \"half an hour\", alarm = [\"errors\"] }",
    ]), @r#"
    8: dev.bake: this is true or false; write a table

    1: dev.bake: alarms is missing; write alarms = ["shop-errors"]
    1: dev.bake: for is missing; write for = "30 minutes"

    1: dev.bake: alarms is missing; write alarms = ["shop-errors"]

    1: dev.bake: for is missing; write for = "30 minutes"

    16: dev.bake.for: this is a number; write a text in quotes

    16: dev.bake.for: "30" is not 1 second to 7 days; write, for example, "30 minutes" or "2 hours"

    16: dev.bake.for: "0 seconds" is not 1 second to 7 days; write, for example, "30 minutes" or "2 hours"

    16: dev.bake.for: "8 days" is not 1 second to 7 days; write, for example, "30 minutes" or "2 hours"

    16: dev.bake.for: "+3 hours" is not 1 second to 7 days; write, for example, "30 minutes" or "2 hours"

    1: dev.bake: alarms is missing; write alarms = ["shop-errors"]
    16: dev.bake.for: "half an hour" is not 1 second to 7 days; write, for example, "30 minutes" or "2 hours"
    32: dev.bake.alarm: is not a key of this table, did you mean alarms?
    "#);
    assert_snapshot!(wrong_bakes([
        "silence = \"pas\"",
        "silence = true",
        "begins = \"at once\"",
        "wait = \"1 hour\"",
    ]), @r#"
    61: dev.bake.silence: "pas" is none of ask, pass, did you mean pass?

    61: dev.bake.silence: this is true or false; write a text in quotes

    51: dev.bake.begins: is not a key of this table

    51: dev.bake.wait: is not a key of this table
    "#);
}

#[test]
fn what_is_wrong_with_alarms_is_told_with_its_place() {
    let (long, hostile) = ("x".repeat(256), "errors\\u0007");
    let many: Vec<String> = (0..21).map(|number| format!("\"alarm-{number}\"")).collect();
    let alarms: Vec<String> = [
        "[]",
        "[\"\"]",
        "[7]",
        "7",
        "{ tag = \"lockgate\", value = \"shop\" }",
        "[\"errors\", \"errors\"]",
        &format!("[\"{long}\"]"),
        &format!("[\"{hostile}\"]"),
        &format!("[{}]", many.join(", ")),
        "[{ tag = \"lockgate\" }]",
        "[{ value = \"shop\" }]",
        "[{ tag = \"lockgate\", value = 7 }]",
        "[{ tag = \"lockgate\", value = \"shop\", named = \"errors\" }]",
        "[{ tag = \"lockgate\", value = \"shop\" }, { tag = \"lockgate\", value = \"shop\" }]",
    ]
    .iter()
    .map(|alarms| format!("bake = {{ for = \"30 minutes\", alarms = {alarms} }}"))
    .collect();
    let told = all_wrong(alarms.iter().map(String::as_str)).replace(&"x".repeat(100), "x");
    assert_snapshot!(told, @r#"
    39: dev.bake.alarms: names nothing

    40: dev.bake.alarms: "" is not the name of an alarm

    40: dev.bake.alarms: this is a number; write a text in quotes or a table

    39: dev.bake.alarms: this is a number; write a text in quotes

    39: dev.bake.alarms: this is a table; write a text in quotes

    50: dev.bake.alarms: errors is listed twice

    40: dev.bake.alarms: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not the name of an alarm

    40: dev.bake.alarms: "errors\u{7}" is not the name of an alarm

    39: dev.bake.alarms: names 21 alarms; at most 20: give them a tag, or one composite alarm

    40: dev.bake.alarms: value is missing; write { tag = "lockgate", value = "shop" }

    40: dev.bake.alarms: tag is missing; write { tag = "lockgate", value = "shop" }

    68: dev.bake.alarms.value: this is a number; write a text in quotes

    76: dev.bake.alarms.named: is not a key of this table

    78: dev.bake.alarms: all with the tag lockgate=shop is listed twice
    "#);
    let twenty = format!(
        "bake = {{ for = \"30 minutes\", alarms = [{}] }}",
        many[..20].join(", ")
    );
    assert_eq!(read_environment(&twenty).bake.unwrap().alarms.len(), 20);
}

#[test]
fn what_is_wrong_with_evidence_is_told_with_its_place() {
    let count = "namespace = \"AWS/ApiGateway\", metric = \"Count\"";
    let mut dimensions = String::new();
    for number in 0..31 {
        let _ = write!(dimensions, "D{number} = \"x\", ");
    }
    let evidence: Vec<String> = [
        "true".to_owned(),
        "{}".to_owned(),
        format!("{{ {count} }}"),
        format!("{{ {count}, at_least = 0 }}"),
        format!("{{ {count}, at_least = -1 }}"),
        format!("{{ {count}, at_least = \"many\" }}"),
        format!("{{ {count}, at_least = 1.5 }}"),
        format!("{{ {count}, at_least = 1, statistic = \"Sum\" }}"),
        format!("{{ {count}, at_least = 1, dimensions = \"Stage\" }}"),
        format!("{{ {count}, at_least = 1, dimensions = {{ Stage = 1 }} }}"),
        format!("{{ {count}, at_least = 1, dimensions = {{ {dimensions} }} }}"),
    ]
    .iter()
    .map(|evidence| format!("evidence = {evidence}"))
    .collect();
    assert_snapshot!(wrong_bakes(evidence.iter().map(String::as_str)), @r#"
    62: dev.bake.evidence: this is true or false; write a table

    51: dev.bake.evidence: at_least is missing; write at_least = 100
    51: dev.bake.evidence: metric is missing; write metric = "Count"
    51: dev.bake.evidence: namespace is missing; write namespace = "AWS/ApiGateway"

    51: dev.bake.evidence: at_least is missing; write at_least = 100

    123: dev.bake.evidence.at_least: 0 is no number of requests; write 1 or more

    123: dev.bake.evidence.at_least: -1 is no number of requests; write 1 or more

    123: dev.bake.evidence.at_least: this is a text; write a whole number

    123: dev.bake.evidence.at_least: this is a number; write a whole number

    126: dev.bake.evidence.statistic: is not a key of this table

    139: dev.bake.evidence.dimensions: this is a text; write a table

    149: dev.bake.evidence.dimensions.Stage: this is a number; write a text in quotes

    139: dev.bake.evidence.dimensions: a metric has at most 30 dimensions
    "#);
}

#[test]
fn what_is_wrong_around_a_bake_is_told_with_its_place() {
    assert_snapshot!(all_wrong([
        "watch = \"24 hours\"",
        "watch = \"30 seconds\"",
        "bake = true\nwatch = \"31 days\"",
        "hold = \"yes\"",
        "keep = 0",
        "keep = 101",
        "keep = -1",
        "keep = \"all\"",
        "max_age = \"30 days\"",
        "max_age = \"30 seconds\"",
        "max_age = 30",
    ]), @r#"
    9: dev.watch: watches the alarms that bake names, and there is no bake

    9: dev.watch: "30 seconds" is not 1 minute to 30 days; write, for example, "24 hours"

    8: dev.bake: this is true or false; write a table
    lockgate.toml:12:9: dev.watch: "31 days" is not 1 minute to 30 days; write, for example, "24 hours"

    8: dev.hold: this is a text; write true or false

    8: dev.keep: 0 is not 1 to 100 releases

    8: dev.keep: 101 is not 1 to 100 releases

    8: dev.keep: -1 is not 1 to 100 releases

    8: dev.keep: this is a text; write a whole number

    11: dev.max_age: is the age of what was stable before, and there is no after

    11: dev.max_age: "30 seconds" is not 1 minute to 365 days; write, for example, "30 days"

    11: dev.max_age: this is a number; write a text in quotes
    "#);
    // What is bad about bake itself is said once.
    let both = wrong("bake = { for = \"30 minutes\" }\nwatch = \"24 hours\"");
    assert_snapshot!(both, @r#"1: dev.bake: alarms is missing; write alarms = ["shop-errors"]"#);
}

#[test]
fn three_environments_that_are_watched_frozen_and_asked_about_fit_into_their_parameter() {
    let people: Vec<String> = (0..2).map(|n| format!("\"tester-{n}@acme.example\"")).collect();
    let environment = |name: &str, starts: &str| {
        format!(
            r#"[application."acme/shop".environment.{name}]
{starts}
approval = {{ by = [{}], within = "3 days" }}
freeze = [
    {{ every = "fri 16:00", to = "mon 08:00", zone = "Europe/Berlin", why = "weekend" }},
    {{ from = "2026-12-20 18:00", to = "2027-01-04 08:00", zone = "Europe/Berlin", why = "Christmas trade" }},
]
watch = "24 hours"
[application."acme/shop".environment.{name}.bake]
for = "30 minutes"
alarms = ["shop-{name}-errors", "shop-{name}-latency", {{ tag = "lockgate", value = "shop-{name}" }}]
evidence = {{ namespace = "AWS/ApiGateway", metric = "Count", dimensions = {{ ApiName = "shop-{name}" }}, at_least = 100 }}
"#,
            people.join(", ")
        )
    };
    let known: Vec<String> = people
        .iter()
        .map(|name| format!("{name} = {{ github = [] }}"))
        .collect();
    let configuration = read(&format!(
        "[application.\"acme/shop\"]\nbranch = \"main\"\n{}{}{}[application.\"acme/shop\".people]\n{}\n",
        environment("dev", "account = \"222222222222\"\non = \"push\""),
        environment(
            "test",
            "account = \"333333333333\"\non = \"prerelease\"\nafter = \"dev\"\nmax_age = \"30 days\""
        ),
        environment(
            "production",
            "account = \"444444444444\"\non = \"release\"\nafter = \"test\"\nmax_age = \"30 days\""
        ),
        known.join("\n")
    ));
    let json = serde_json::to_string(&configuration.applications[0]).unwrap();
    assert!(json.len() < 4096, "{} bytes", json.len());
    let again: Application = serde_json::from_str(&json).unwrap();
    assert_eq!(again, configuration.applications[0]);
}
