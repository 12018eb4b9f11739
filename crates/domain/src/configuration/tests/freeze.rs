//! When an environment takes nothing.

use super::*;

/// An environment that these lines freeze.
fn environment(lines: &str) -> String {
    format!("account = \"222222222222\"\non = \"push\"\n{lines}")
}

/// What is wrong with these lines, without what all have in common.
fn wrong(lines: &str) -> String {
    problems_of_environment(&environment(lines)).replace("application.\"a/b\".environment.dev.", "")
}

/// What is wrong with freezes of which one says this.
fn wrong_keys(keys: &str) -> String {
    wrong(&format!("freeze = [{{ {keys} }}]")).replace("lockgate.toml:11:", "")
}

fn freezes(lines: &str) -> String {
    let application = "[application.\"a/b\"]\nbranch = \"main\"\n[application.\"a/b\".environment.dev]\n";
    let configuration = read(&format!("{application}{}", environment(lines)));
    serde_json::to_string(&configuration.applications[0].environments[0]).unwrap()
}

#[test]
fn a_freeze_comes_once_or_each_week() {
    assert_snapshot!(freezes(
        r#"freeze = [
    { from = "2026-12-20 18:00", to = "2027-01-04 08:00", zone = "Europe/Berlin", why = "Christmas trade" },
    { every = "fri 16:00", to = "mon 08:00", zone = "america/new_york", why = "  week\tend " },
]
"#
    ), @r#"{"name":"dev","account":"222222222222","region":"eu-west-1","on":["push"],"after":null,"queue":"newest","stacks":[],"qualifier":"hnb659fds","without_stable":"give_back","replace_failed_stacks":true,"freezes":[{"from":"2026-12-20 18:00","to":"2027-01-04 08:00","zone":"Europe/Berlin","why":"Christmas trade"},{"every":"fri 16:00","to":"mon 08:00","zone":"America/New_York","why":"week end"}]}"#);
    assert_eq!(freezes("freeze = []\n"), freezes(""));
    let table = "[[application.\"a/b\".environment.dev.freeze]]\nevery = \"fri 16:00\"\nto = \"mon 08:00\"\nzone = \"UTC\"\nwhy = \"weekend\"\n";
    let line = "freeze = [{ every = \"fri 16:00\", to = \"mon 08:00\", zone = \"UTC\", why = \"weekend\" }]\n";
    assert_eq!(freezes(table), freezes(line));
}

#[test]
fn what_is_wrong_with_a_freeze_is_told_with_its_place() {
    let long = "x".repeat(201);
    let told: Vec<String> = [
        "",
        r#"from = "2026-12-20 18:00""#,
        r#"every = "fri 16:00""#,
        r#"from = "2026-12-20 18:00", every = "fri 16:00", to = "mon 08:00", zone = "UTC", why = "x""#,
        r#"from = "fri 16:00", to = "mon 08:00", zone = "UTC", why = "x""#,
        r#"from = "20.12.2026", to = "tomorrow", zone = "UTC", why = "x""#,
        "from = 2026-12-20T18:00:00, to = 7, zone = true, why = []",
        r#"from = "2026-12-20 18:00", to = "2026-12-20 18:00", zone = "UTC", why = "x""#,
        r#"from = "2027-01-04 08:00", to = "2026-12-20 18:00", zone = "UTC", why = "x""#,
        r#"every = "friday 16:00", to = "mon 24:00", zone = "UTC", why = "x""#,
        r#"every = "fri 16:00", to = "fri 16:00", zone = "UTC", why = "x""#,
        r#"every = "fri 16:00", until = "mon 08:00", zone = "UTC", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "Europe/Berln", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "berlin", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "Mars/Olympus", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "Etc/Unknown", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "UTC+1, of course", why = "x""#,
        r#"every = "fri 16:00", to = "mon 08:00", zone = "UTC", why = " ""#,
        &format!(r#"every = "fri 16:00", to = "mon 08:00", zone = "UTC", why = "{long}""#),
    ]
    .map(wrong_keys)
    .into();
    assert_snapshot!(told.join("\n\n"), @r#"
    11: freeze: from is missing; write from = "2026-12-20 18:00", or every = "fri 16:00"
    11: freeze: why is missing; write why = "Christmas trade"
    11: freeze: zone is missing; write zone = "Europe/Berlin"

    11: freeze: to is missing; write to = "2027-01-04 08:00"
    11: freeze: why is missing; write why = "Christmas trade"
    11: freeze: zone is missing; write zone = "Europe/Berlin"

    11: freeze: to is missing; write to = "mon 08:00"
    11: freeze: why is missing; write why = "Christmas trade"
    11: freeze: zone is missing; write zone = "Europe/Berlin"

    48: freeze.every: stands beside from; write from for what comes once, every for what comes each week

    20: freeze.from: "fri 16:00" comes each week; write every = "fri 16:00"

    20: freeze.from: "20.12.2026" is not a local time: it is written 2026-12-20 18:00
    39: freeze.to: "tomorrow" is not a local time: it is written 2026-12-20 18:00

    20: freeze.from: this is a date; write a text in quotes
    46: freeze.to: this is a number; write a text in quotes
    56: freeze.zone: this is true or false; write a text in quotes
    68: freeze.why: this is a list; write a text in quotes

    45: freeze.to: 2026-12-20 18:00 is not after 2026-12-20 18:00

    45: freeze.to: 2026-12-20 18:00 is not after 2027-01-04 08:00

    21: freeze.every: "friday 16:00" is not a time of the week: it is written fri 16:00; days are mon, tue, wed, thu, fri, sat and sun, and begin at 00:00
    42: freeze.to: "mon 24:00" is not a time of the week: it is written fri 16:00; days are mon, tue, wed, thu, fri, sat and sun, and begin at 00:00

    39: freeze.to: from fri 16:00 to fri 16:00 is the whole week

    11: freeze: to is missing; write to = "mon 08:00"
    34: freeze.until: is not a key of this table

    59: freeze.zone: "Europe/Berln" is no time zone, did you mean Europe/Berlin?

    59: freeze.zone: "berlin" is no time zone, did you mean Europe/Berlin?

    59: freeze.zone: "Mars/Olympus" is no time zone

    59: freeze.zone: "Etc/Unknown" is no time zone

    59: freeze.zone: "UTC+1, of course" is not a time zone: an IANA name, such as Europe/Berlin

    72: freeze.why: "" is not a reason: 1 to 200 visible characters

    72: freeze.why: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not a reason: 1 to 200 visible characters
    "#);
}

#[test]
fn freezes_are_a_list_of_tables_and_leave_some_time_open() {
    assert_snapshot!(wrong("freeze = true"), @"lockgate.toml:11:10: freeze: this is true or false; write a list of tables");
    assert_snapshot!(wrong("freeze = { every = \"fri 16:00\" }"), @"lockgate.toml:11:10: freeze: this is a table; write a list of tables");
    assert_snapshot!(wrong("freeze = [\"fri 16:00\"]"), @"lockgate.toml:11:11: freeze: this is a text; write a table");
    assert_snapshot!(wrong(
        r#"freeze = [
    { every = "fri 16:00", to = "mon 08:00", zone = "UTC", why = "weekend" },
    { every = "mon 07:00", to = "fri 17:00", zone = "UTC", why = "work" },
]
"#
    ), @"lockgate.toml:11:10: freeze: leaves no time of the week in which a release could come here");
    let elsewhere = format!(
        "{PIPELINE}[application.\"a/b\"]\nbranch = \"main\"\nfreeze = []\n[application.\"a/b\".environment.dev]\n{}",
        environment("")
    );
    assert_snapshot!(problems(&elsewhere), @r#"lockgate.toml:8:1: application."a/b".freeze: is not a key of this table"#);
}
