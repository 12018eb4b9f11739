#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use insta::{assert_json_snapshot, assert_snapshot};
use proptest::prelude::*;

use super::*;
use crate::deployment::{Cause, QueuePolicy, WithoutStable};

mod actions;
mod approval;
mod bake;
mod freeze;

const PIPELINE: &str = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
"#;

fn read(rest: &str) -> Configuration {
    Configuration::read(&format!("{PIPELINE}{rest}")).unwrap()
}

/// The problems without the closing line that counts them.
fn problems(text: &str) -> String {
    let report = Configuration::read(text).unwrap_err().report("lockgate.toml");
    report.rsplit_once('\n').unwrap().0.to_owned()
}

/// The problems of one environment, after a good pipeline and application.
fn problems_of_environment(lines: &str) -> String {
    let text =
        format!("{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\n{lines}");
    problems(&text)
}

#[test]
fn defaults_follow_from_what_starts_an_environment() {
    let configuration = read(
        r#"
[application."acme/shop"]
branch = "main"

[application."acme/shop".environment.test]
account = "333333333333"
on = ["prerelease", "manual"]
after = "dev"

[application."acme/shop".environment.dev]
account = "222222222222"
region = "eu-central-1"
on = "push"
"#,
    );
    assert_json_snapshot!(configuration, @r#"
    {
      "pipeline": {
        "account": "111111111111",
        "region": "eu-west-1",
        "external_id": "0123456789abcdef0123456789abcdef",
        "notify": [],
        "smoke_test_addresses": [],
        "customer_managed_keys": false,
        "github_api": "https://api.github.com"
      },
      "applications": [
        {
          "repository": "acme/shop",
          "branch": "main",
          "environments": [
            {
              "name": "test",
              "account": "333333333333",
              "region": "eu-west-1",
              "on": [
                "prerelease",
                "manual"
              ],
              "after": "dev",
              "queue": "newest",
              "stacks": [],
              "qualifier": "hnb659fds",
              "without_stable": "give_back",
              "replace_failed_stacks": true
            },
            {
              "name": "dev",
              "account": "222222222222",
              "region": "eu-central-1",
              "on": [
                "push"
              ],
              "after": null,
              "queue": "newest",
              "stacks": [],
              "qualifier": "hnb659fds",
              "without_stable": "give_back",
              "replace_failed_stacks": true
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn every_default_can_be_overruled() {
    let configuration = read(
        r#"
notify = ["ops@acme.example"]
smoke_test_addresses = ["127.0.0.0/8", "fd00::/8"]
customer_managed_keys = true
[application."acme/shop"]
branch = "release/2026"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
queue = "every"
stacks = ["shop-*", "Common"]
qualifier = "acme"
without_stable = "call_operator"
replace_failed_stacks = false
pull_requests = true
url = "shop-web.Url"
"#,
    );
    let environment = &configuration.applications[0].environments[0];
    assert!(environment.pull_requests);
    let url = environment.url.clone().unwrap();
    assert_eq!((url.stack.as_str(), url.output.as_str()), ("shop-web", "Url"));
    assert_eq!(configuration.pipeline.notify, ["ops@acme.example"]);
    assert_eq!(configuration.pipeline.smoke_test_addresses, ["127.0.0.0/8", "fd00::/8"]);
    assert!(configuration.pipeline.customer_managed_keys);
    assert_eq!(environment.on, [Cause::Push]);
    assert_eq!(environment.queue, QueuePolicy::Every);
    assert_eq!(environment.stacks, ["shop-*", "Common"]);
    assert_eq!(environment.qualifier.as_str(), "acme");
    assert_eq!(environment.without_stable, WithoutStable::CallOperator);
    assert!(!environment.replace_failed_stacks);
}

#[test]
fn what_was_resolved_reads_back_as_itself() {
    let configuration = read(
        "[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n",
    );
    let json = serde_json::to_string(&configuration).unwrap();
    assert_eq!(serde_json::from_str::<Configuration>(&json).unwrap(), configuration);
}

#[test]
fn every_problem_is_reported_at_once() {
    let report = Configuration::read(
        r#"[pipeline]
account = 111111111111
regoin = "eu-west-1"
external_id = "secret"
notify = ["ops@acme.example", "ops", "ops@acme.example"]
smoke_test_addresses = ["127.0.0.1", "10.1.2.3/8"]
customer_managed_keys = "yes"

[application.shop]
branch = "a..b"

[application."acme/shop"]
environments = {}

[application."acme/shop".environment.Dev]
account = "2222"
on = "pusch"
queue = "latest"

[application."acme/shop".environment.test]
region = "eu"
on = []
after = "dve"
stacks = ["shop-[", ""]
approval = { by = ["qa@acme.example"], need = 1, within = "3 days" }
bake = { for = "30 minutes" }

[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "tset"
without_stable = "giveback"
colour = "red"

[application."acme/shop".people]
"qa@acme.example" = { github = [] }
"#,
    )
    .unwrap_err()
    .report("lockgate.toml");
    assert_snapshot!(report, @r#"
    lockgate.toml:1:2: pipeline: region is missing; write region = "eu-west-1"
    lockgate.toml:2:11: pipeline.account: this is a number; write a text in quotes
    lockgate.toml:3:1: pipeline.regoin: is not a key of this table, did you mean region?
    lockgate.toml:4:15: pipeline.external_id: is not 22 to 1224 of A-Z, a-z, 0-9 and + = , . @ : / -; take what `openssl rand -hex 16` prints
    lockgate.toml:5:31: pipeline.notify: "ops" is not a mail address
    lockgate.toml:5:38: pipeline.notify: "ops@acme.example" is listed twice
    lockgate.toml:6:25: pipeline.smoke_test_addresses: "127.0.0.1" is not a range of addresses; write, for example, "10.20.0.0/16"
    lockgate.toml:6:38: pipeline.smoke_test_addresses: "10.1.2.3/8" has bits set behind its first 8; write the range's first address
    lockgate.toml:7:25: pipeline.customer_managed_keys: this is a text; write true or false
    lockgate.toml:9:14: application.shop: "shop" is not a repository: it is written owner/name, of letters, digits, '-', '_' and '.'
    lockgate.toml:9:14: application.shop: has no environment; write [application.shop.environment.dev]
    lockgate.toml:10:10: application.shop.branch: "a..b" cannot be a branch of Git (see `git help check-ref-format`)
    lockgate.toml:12:14: application."acme/shop": branch is missing; write branch = "main"
    lockgate.toml:13:1: application."acme/shop".environments: is not a key of this table, did you mean environment?
    lockgate.toml:15:38: application."acme/shop".environment.Dev: "Dev" is not an environment's name: 1 to 20 of a-z, 0-9 and '-', beginning with a letter
    lockgate.toml:16:11: application."acme/shop".environment.Dev.account: "2222" is not an AWS account: 12 digits
    lockgate.toml:17:6: application."acme/shop".environment.Dev.on: "pusch" is none of push, prerelease, release, manual, did you mean push?
    lockgate.toml:18:9: application."acme/shop".environment.Dev.queue: "latest" is none of newest, every
    lockgate.toml:20:38: application."acme/shop".environment.test: account is missing; write account = "222222222222"
    lockgate.toml:21:10: application."acme/shop".environment.test.region: "eu" is not an AWS region: such as eu-west-1
    lockgate.toml:22:6: application."acme/shop".environment.test.on: names nothing; write "manual" for what only people start
    lockgate.toml:23:9: application."acme/shop".environment.test.after: dve is no environment of this application
    lockgate.toml:24:11: application."acme/shop".environment.test.stacks: "shop-[" is not a pattern of stack names; write, for example, "shop-*"
    lockgate.toml:24:21: application."acme/shop".environment.test.stacks: "" is not a pattern of stack names; write, for example, "shop-*"
    lockgate.toml:26:1: application."acme/shop".environment.test.bake: alarms is missing; write alarms = ["shop-errors"]
    lockgate.toml:31:9: application."acme/shop".environment.production.after: tset is no environment of this application, did you mean test?
    lockgate.toml:32:18: application."acme/shop".environment.production.without_stable: "giveback" is none of give_back, call_operator, did you mean give_back?
    lockgate.toml:33:1: application."acme/shop".environment.production.colour: is not a key of this table
    28 problems; nothing was created.
    "#);
}

#[test]
fn a_file_that_is_no_toml_is_reported_with_everything_else() {
    assert_snapshot!(problems(r#"[pipeline]
account = "111111111111
region = eu-west-1
external_id = "0123456789abcdef0123456789abcdef"
account = "111111111111"

[application."acme/shop"
branch = "main"

[application."acme/shop".environment.dev]
account = "22222222222"
on = "push"
"#), @r#"
    lockgate.toml:2:24: invalid basic string, expected `"`
    lockgate.toml:3:10: string values must be quoted, expected literal string
    lockgate.toml:5:1: duplicate key
    lockgate.toml:7:25: unclosed table, expected `]`
    lockgate.toml:11:11: application."acme/shop".environment.dev.account: "22222222222" is not an AWS account: 12 digits
    "#);
}

#[test]
fn an_empty_file_is_told_what_to_begin_with() {
    assert_snapshot!(problems(""), @r#"
    lockgate.toml:1:1: pipeline is missing; write [pipeline] with account, region and external_id
    lockgate.toml:1:1: application: there is none; write [application."owner/repository"]
    "#);
    assert_snapshot!(problems("[pipeline]\n[application]\n"), @r#"
    lockgate.toml:1:2: pipeline: account is missing; write account = "111111111111"
    lockgate.toml:1:2: pipeline: external_id is missing; write what `openssl rand -hex 16` prints
    lockgate.toml:1:2: pipeline: region is missing; write region = "eu-west-1"
    lockgate.toml:2:2: application: there is none; write [application."owner/repository"]
    "#);
    assert_snapshot!(problems("pipeline = 1\napplication = \"acme/shop\"\n"), @r#"
    lockgate.toml:1:12: pipeline: this is a number; write a table
    lockgate.toml:2:15: application: this is a text; write a table
    "#);
    assert_snapshot!(problems(&format!("{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n")), @r#"lockgate.toml:6:14: application."a/b": has no environment; write [application."a/b".environment.dev]"#);
}

#[test]
fn what_a_push_starts_comes_after_nothing() {
    let text = "[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"manual\"\n\
                [application.\"a/b\".environment.test]\naccount = \"333333333333\"\non = [\"manual\", \"push\"]\nafter = \"dev\"\n";
    let problems = problems(&format!("{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n{text}"));
    assert!(
        problems.contains("environment.test.after: what a push starts is built here"),
        "{problems}"
    );
}

#[test]
fn after_names_an_environment_and_comes_to_an_end() {
    let text = |after: &[(&str, &str)]| {
        let environments: Vec<String> = after
            .iter()
            .enumerate()
            .map(|(index, (name, after))| {
                format!("[application.\"a/b\".environment.{name}]\naccount = \"22222222222{index}\"\non = \"manual\"\nafter = \"{after}\"\n")
            })
            .collect();
        format!(
            "{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n{}",
            environments.join("")
        )
    };
    assert_snapshot!(problems(&text(&[("dev", "dev")])), @r#"lockgate.toml:11:9: application."a/b".environment.dev.after: goes round in a circle: dev after dev"#);
    assert_snapshot!(problems(&text(&[("dev", "prod"), ("test", "dev"), ("prod", "test"), ("side", "prod")])), @r#"lockgate.toml:11:9: application."a/b".environment.dev.after: goes round in a circle: dev after prod after test after dev"#);
    assert_snapshot!(problems(&text(&[("dev", "production")])), @r#"lockgate.toml:11:9: application."a/b".environment.dev.after: production is no environment of this application"#);
}

#[test]
fn environments_in_one_place_are_told_apart_by_their_stacks() {
    let text = |first: &str, second: &str| {
        let environment = |name: &str, rest: &str| {
            format!("[application.\"a/b\".environment.{name}]\naccount = \"222222222222\"\non = \"manual\"\n{rest}\n")
        };
        format!(
            "{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n{}{}",
            environment("dev", first),
            environment("test", second)
        )
    };
    assert_snapshot!(problems(&text("", "")), @r#"lockgate.toml:13:11: application."a/b".environment.test.account: dev is in the same account and region: give both of them `stacks`"#);
    assert_snapshot!(problems(&text("stacks = [\"dev-*\"]", "")), @r#"lockgate.toml:13:11: application."a/b".environment.test.account: dev is in the same account and region: give both of them `stacks`"#);
    assert_snapshot!(problems(&text("stacks = [\"shop-*\"]", "stacks = [\"shop-test\"]")), @r#"lockgate.toml:15:11: application."a/b".environment.test.stacks: dev is in the same account and region: "shop-test" may name a stack of dev"#);
    for (dev, test) in [
        ("dev-*", "test-*"),
        ("*-dev", "*-test"),
        ("shop-dev-*", "shop-test-*"),
        ("Dev/*", "Test/*"),
        ("shop-dev", "shop-test"),
        ("shop-d?v-*", "shop-test-*"),
    ] {
        let told = Configuration::read(&text(&format!("stacks = [{dev:?}]"), &format!("stacks = [{test:?}]")));
        assert!(told.is_ok(), "{dev} {test}");
    }
    for (dev, test) in [
        ("shop-*", "shop-test-*"),
        ("*", "test-*"),
        ("*-web", "test-*"),
        ("shop-[dt]*", "shop-test-*"),
        ("Dev/*", "test-*"),
        ("Dev/*", "shop-test"),
    ] {
        let told = Configuration::read(&text(&format!("stacks = [{dev:?}]"), &format!("stacks = [{test:?}]")));
        let told = told.unwrap_err().report("lockgate.toml");
        assert!(told.contains("may name a stack of dev"), "{dev} {test}: {told}");
    }
    assert!(Configuration::read(&text("", "region = \"us-east-1\"")).is_ok());
}

#[test]
fn one_stack_belongs_to_one_application() {
    let application = |repository: &str, stacks: &str| {
        format!(
            "[application.\"{repository}\"]\nbranch = \"main\"\n[application.\"{repository}\".environment.dev]\n\
             account = \"222222222222\"\non = \"push\"\nstacks = [{stacks}]\n"
        )
    };
    let text = format!(
        "{PIPELINE}{}{}",
        application("a/b", "\"common\""),
        application("a/c", "\"c-*\", \"common\"")
    );
    assert_snapshot!(problems(&text), @r#"lockgate.toml:17:18: application."a/c".environment.dev.stacks: "common" also belongs to a/b in the same account and region"#);
    let text = format!("{PIPELINE}{}{}", application("a/b", ""), application("A/B", ""));
    assert_snapshot!(problems(&text), @r#"lockgate.toml:12:14: application."A/B": is the same repository as a/b; write it as GitHub spells it, once"#);
    let text = format!(
        "{PIPELINE}{}{}",
        application("a/b", "\"app-*\""),
        application("a/c", "\"app-*\"")
    );
    assert!(Configuration::read(&text).is_ok());
}

#[test]
fn what_stands_in_the_file_is_shown_harmless() {
    let report = problems_of_environment(
        "account = \"222222222222\"\non = \"push\"\nafter = \"\\u001b[31m\\u202ered\"\n\"a\\r\\nb\" = 1\n",
    );
    assert_snapshot!(report, @r#"
    lockgate.toml:11:9: application."a/b".environment.dev.after: "\u{1b}[31m\u{202e}red" is not an environment's name: 1 to 20 of a-z, 0-9 and '-', beginning with a letter
    lockgate.toml:12:1: application."a/b".environment.dev."a\r\nb": is not a key of this table
    "#);
    assert_eq!(report.lines().count(), 2);
}

#[test]
fn an_application_too_long_for_its_parameter_is_refused() {
    let stacks: Vec<String> = (0..300).map(|n| format!("\"a-rather-long-name-{n}\"")).collect();
    let lines = format!(
        "account = \"222222222222\"\non = \"push\"\nstacks = [{}]\n",
        stacks.join(", ")
    );
    assert_snapshot!(problems_of_environment(&lines), @r#"lockgate.toml:6:14: application."a/b": resolves to 7641 bytes; more than 4096 cannot be stored, use fewer environments, people, freezes or stack patterns"#);
}

#[test]
fn branches_are_those_that_git_takes() {
    let reads = |branch: &str| {
        Configuration::read(&format!(
            "{PIPELINE}[application.\"a/b\"]\nbranch = {branch:?}\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n"
        ))
        .is_ok()
    };
    for good in ["main", "release/2026.1", "fix#1", "ünïcode", "a-b_c", "$(id)"] {
        assert!(reads(good), "{good}");
    }
    for bad in [
        "", " ", "a b", "-a", "a..b", "../a", "a/.b", "a.lock", "a/", "/a", "a//b", "a.", "@", "a@{1}", "a~1", "a^",
        "a:b", "a*", "a\\b", "a\tb",
    ] {
        assert!(!reads(bad), "{bad}");
    }
}

#[test]
fn mail_addresses_and_address_ranges_are_checked() {
    let reads = |key: &str, value: &str| {
        Configuration::read(&format!(
            "{PIPELINE}{key} = [{value:?}]\n[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n"
        ))
        .is_ok()
    };
    for good in ["ops@acme.example", "first.last+deploys@mail.acme.example"] {
        assert!(reads("notify", good), "{good}");
    }
    for bad in [
        "",
        "ops",
        "ops@acme",
        "@acme.example",
        "a b@acme.example",
        "ops@-acme.example",
        "ops@acme..example",
        "Ops <ops@acme.example>",
    ] {
        assert!(!reads("notify", bad), "{bad}");
    }
    for good in ["127.0.0.0/8", "10.0.0.1/32", "0.0.0.0/0", "::/0", "::1/128", "fd00::/8"] {
        assert!(reads("smoke_test_addresses", good), "{good}");
    }
    for bad in [
        "",
        "127.0.0.1",
        "127.0.0.0/33",
        "127.0.0.0/+8",
        "127.0.0.0/08",
        "127.0.0.0/-1",
        "fd00::/129",
        "fd00::1/8",
        "localhost/8",
    ] {
        assert!(!reads("smoke_test_addresses", bad), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_problem_has_a_place(text in any::<String>()) {
        let problems = Configuration::read(&text).unwrap_err();
        prop_assert!(!problems.as_slice().is_empty());
        for problem in problems.as_slice() {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(problem.line <= text.matches('\n').count() + 1);
        }
    }

    #[test]
    fn no_mutilated_file_makes_it_panic(at in any::<prop::sample::Index>(), length in 0_usize..20, put in "[\\[\\]=\"'.{}a\n\u{e9}]{0,4}") {
        let text = format!("{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\naccount = \"222222222222\"\non = \"push\"\n");
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        let mutilated = format!("{}{put}{}", &text[..start], &text[end..]);
        if let Err(problems) = Configuration::read(&mutilated) {
            prop_assert!(!problems.as_slice().is_empty());
        }
    }
}

#[test]
fn what_is_no_output_of_a_stack_is_refused() {
    let of = |url: &str| format!("account = \"222222222222\"\non = \"push\"\nurl = \"{url}\"\n");
    for wrong in [
        "Url",
        "shop.",
        ".Url",
        "shop-web.U-rl",
        "shop.web.Url",
        "https://shop.example",
    ] {
        let found = problems_of_environment(&of(wrong));
        assert!(found.contains("is no stack and an output of it"), "{wrong}: {found}");
    }
}
