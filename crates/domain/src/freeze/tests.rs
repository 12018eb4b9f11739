#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use insta::assert_snapshot;
use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

/// Zones whose clocks are changed in spring and autumn, in autumn and spring, by half an hour, and never.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "UTC",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn once(from: &str, to: &str, zone: &str, why: &str) -> Freeze {
    Freeze {
        window: Window::once(from.parse().unwrap(), to.parse().unwrap()).unwrap(),
        zone: zone.parse().unwrap(),
        why: why.parse().unwrap(),
    }
}

fn weekly(every: &str, to: &str, zone: &str, why: &str) -> Freeze {
    Freeze {
        window: Window::weekly(every.parse().unwrap(), to.parse().unwrap()).unwrap(),
        zone: zone.parse().unwrap(),
        why: why.parse().unwrap(),
    }
}

fn christmas(zone: &str) -> Freeze {
    once("2026-12-20 18:00", "2027-01-04 08:00", zone, "Christmas trade")
}

/// Since when and until when these are frozen at that time.
fn bounds(freezes: &[Freeze], now: Timestamp) -> Option<(String, String)> {
    frozen(freezes, now).map(|frozen| (frozen.since.to_string(), frozen.until.to_string()))
}

/// That this is one freeze, exactly from then until then.
fn assert_bounds(freezes: &[Freeze], since: &str, until: &str) {
    let second = SignedDuration::from_secs(1);
    let expected = Some((since.to_owned(), until.to_owned()));
    assert_eq!(bounds(freezes, at(since)), expected, "at its beginning");
    assert_eq!(bounds(freezes, at(until) - second), expected, "before its end");
    assert_eq!(bounds(freezes, at(since) - second), None, "before it");
    assert_eq!(bounds(freezes, at(until)), None, "at its end");
}

#[test]
fn a_freeze_says_until_when_in_the_time_of_its_zone_and_why() {
    let freezes = [christmas("Europe/Berlin")];
    assert_bounds(&freezes, "2026-12-20T17:00:00Z", "2027-01-04T07:00:00Z");
    let frozen = frozen(&freezes, at("2026-12-24T17:00:00Z")).unwrap();
    assert_snapshot!(frozen, @"frozen until 2027-01-04 08:00 Europe/Berlin: Christmas trade");
}

#[test]
fn the_next_freeze_comes_after_the_present_one() {
    let weekend = || weekly("fri 16:00", "mon 06:00", "Europe/Berlin", "nobody is there");
    let both = [weekend(), christmas("Europe/Berlin")];
    for (freezes, now, expected) in [
        (&both[..0], "2026-12-01T09:00:00Z", None),
        (
            &both[1..],
            "2026-12-01T09:00:00Z",
            Some(("2026-12-20T17:00:00Z", "2027-01-04T07:00:00Z")),
        ),
        // It has begun, and comes once.
        (&both[1..], "2026-12-20T17:00:00Z", None),
        (&both[1..], "2027-02-01T09:00:00Z", None),
        (
            &both,
            "2026-12-01T09:00:00Z",
            Some(("2026-12-04T15:00:00Z", "2026-12-07T05:00:00Z")),
        ),
        (
            &both,
            "2026-12-05T09:00:00Z",
            Some(("2026-12-11T15:00:00Z", "2026-12-14T05:00:00Z")),
        ),
        // The weekend before Christmas goes over into it, and the first one after it comes next.
        (
            &both,
            "2026-12-14T09:00:00Z",
            Some(("2026-12-18T15:00:00Z", "2027-01-04T07:00:00Z")),
        ),
        (
            &both,
            "2026-12-19T09:00:00Z",
            Some(("2027-01-08T15:00:00Z", "2027-01-11T05:00:00Z")),
        ),
    ] {
        let found = next(freezes, at(now)).map(|next| (next.since, next.until));
        let expected = expected.map(|(since, until)| (at(since), at(until)));
        assert_eq!(found, expected, "{} at {now}", freezes.len());
    }
    let shown = both.iter().map(|freeze| freeze.window.to_string());
    assert_snapshot!(shown.collect::<Vec<_>>().join("; "), @"every fri 16:00 to mon 06:00; 2026-12-20 18:00 to 2027-01-04 08:00");
}

#[test]
fn no_freeze_holds_where_there_is_none() {
    assert_eq!(frozen(&[], at("2026-12-24T17:00:00Z")), None);
}

/// The rows of a table: `zone | from | to | since | until`. A line without columns tells why those after it are there.
fn rows(table: &str) -> impl Iterator<Item = [&str; 5]> {
    let lines = table.lines().filter(|line| line.contains('|'));
    lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap())
}

#[test]
fn a_local_time_that_is_none_or_two_makes_a_freeze_longer_and_never_shorter() {
    let table = "
        Berlin goes from 02:00 to 03:00 on 29 March, and from 03:00 to 02:00 on 25 October, at 01:00 UTC.
        Europe/Berlin    | 2026-03-29 02:30 | 2026-03-29 12:00 | 2026-03-29T00:30:00Z | 2026-03-29T10:00:00Z
        Europe/Berlin    | 2026-03-29 00:00 | 2026-03-29 02:30 | 2026-03-28T23:00:00Z | 2026-03-29T01:30:00Z
        Europe/Berlin    | 2026-03-29 02:15 | 2026-03-29 02:45 | 2026-03-29T00:15:00Z | 2026-03-29T01:45:00Z
        Europe/Berlin    | 2026-10-25 02:30 | 2026-10-25 12:00 | 2026-10-25T00:30:00Z | 2026-10-25T11:00:00Z
        Europe/Berlin    | 2026-10-25 00:00 | 2026-10-25 02:30 | 2026-10-24T22:00:00Z | 2026-10-25T01:30:00Z
        Europe/Berlin    | 2026-10-25 02:15 | 2026-10-25 02:45 | 2026-10-25T00:15:00Z | 2026-10-25T01:45:00Z
        Europe/Berlin    | 2026-10-25 02:00 | 2026-10-25 03:00 | 2026-10-25T00:00:00Z | 2026-10-25T02:00:00Z
        New York goes from 02:00 to 03:00 on 8 March, at 07:00 UTC, and from 02:00 to 01:00 on 1 November, at 06:00 UTC.
        America/New_York | 2026-03-08 02:30 | 2026-03-08 12:00 | 2026-03-08T06:30:00Z | 2026-03-08T16:00:00Z
        America/New_York | 2026-03-08 00:00 | 2026-03-08 02:30 | 2026-03-08T05:00:00Z | 2026-03-08T07:30:00Z
        America/New_York | 2026-11-01 01:30 | 2026-11-01 12:00 | 2026-11-01T05:30:00Z | 2026-11-01T17:00:00Z
        America/New_York | 2026-11-01 00:00 | 2026-11-01 01:30 | 2026-11-01T04:00:00Z | 2026-11-01T06:30:00Z
        Nothing changes.
        Asia/Kolkata     | 2026-03-29 02:30 | 2026-10-25 02:30 | 2026-03-28T21:00:00Z | 2026-10-24T21:00:00Z
        UTC              | 2026-03-29 02:30 | 2026-10-25 02:30 | 2026-03-29T02:30:00Z | 2026-10-25T02:30:00Z
        Samoa had no 30 December 2011: its zone went across the date line, at 10:00 UTC.
        Pacific/Apia     | 2011-12-30 08:00 | 2011-12-30 12:00 | 2011-12-29T18:00:00Z | 2011-12-30T22:00:00Z
    ";
    for [zone, from, to, since, until] in rows(table) {
        assert_bounds(&[once(from, to, zone, "x")], since, until);
    }
}

#[test]
fn a_weekly_freeze_goes_by_the_clock_on_the_wall() {
    let table = "
        Summer and winter.
        Europe/Berlin    | fri 16:00 | mon 08:00 | 2026-07-17T14:00:00Z | 2026-07-20T06:00:00Z
        Europe/Berlin    | fri 16:00 | mon 08:00 | 2026-01-16T15:00:00Z | 2026-01-19T07:00:00Z
        The weekends in which clocks are changed are an hour shorter, or longer.
        Europe/Berlin    | fri 16:00 | mon 08:00 | 2026-03-27T15:00:00Z | 2026-03-30T06:00:00Z
        Europe/Berlin    | fri 16:00 | mon 08:00 | 2026-10-23T14:00:00Z | 2026-10-26T07:00:00Z
        America/New_York | fri 16:00 | mon 08:00 | 2026-10-30T20:00:00Z | 2026-11-02T13:00:00Z
        Asia/Kolkata     | fri 16:00 | mon 08:00 | 2026-03-27T10:30:00Z | 2026-03-30T02:30:00Z
        It ends on the same day, at midnight, on the next day, in the next week, a week later less an hour.
        Europe/Berlin    | fri 16:00 | fri 18:00 | 2026-07-17T14:00:00Z | 2026-07-17T16:00:00Z
        Europe/Berlin    | fri 16:00 | sat 00:00 | 2026-07-17T14:00:00Z | 2026-07-17T22:00:00Z
        Europe/Berlin    | fri 22:00 | sat 06:00 | 2026-07-17T20:00:00Z | 2026-07-18T04:00:00Z
        Europe/Berlin    | sun 22:00 | mon 06:00 | 2026-07-19T20:00:00Z | 2026-07-20T04:00:00Z
        Europe/Berlin    | mon 00:00 | tue 00:00 | 2026-07-19T22:00:00Z | 2026-07-20T22:00:00Z
        Europe/Berlin    | wed 12:00 | wed 11:00 | 2026-07-15T10:00:00Z | 2026-07-22T09:00:00Z
        In the hour that there is not, and in the one that there is twice.
        Europe/Berlin    | sun 02:30 | sun 04:00 | 2026-03-29T00:30:00Z | 2026-03-29T02:00:00Z
        Europe/Berlin    | sun 01:00 | sun 02:30 | 2026-03-29T00:00:00Z | 2026-03-29T01:30:00Z
        Europe/Berlin    | sun 02:30 | sun 04:00 | 2026-10-25T00:30:00Z | 2026-10-25T03:00:00Z
        Europe/Berlin    | sun 01:00 | sun 02:30 | 2026-10-24T23:00:00Z | 2026-10-25T01:30:00Z
        A whole day that there was not.
        Pacific/Apia     | fri 00:00 | sat 00:00 | 2011-12-29T10:00:00Z | 2011-12-30T10:00:00Z
    ";
    for [zone, every, to, since, until] in rows(table) {
        assert_bounds(&[weekly(every, to, zone, "x")], since, until);
    }
}

#[test]
fn freezes_that_meet_are_one_and_each_reason_is_told_once() {
    let freezes = [
        christmas("Europe/Berlin"),
        weekly("fri 16:00", "mon 00:00", "Europe/Berlin", "weekend"),
        // It is 08:00 in Berlin.
        weekly("mon 02:00", "mon 12:00", "America/New_York", "stocktaking"),
    ];
    let said = |now: &str| {
        frozen(&freezes, at(now)).map_or_else(
            || "open".to_owned(),
            |frozen| format!("{frozen} (since {})", frozen.since),
        )
    };
    let told: Vec<String> = [
        "2026-12-18T14:59:59Z",
        "2026-12-18T15:00:00Z",
        "2026-12-20T20:00:00Z",
        "2026-12-25T20:00:00Z",
        "2027-01-04T08:00:00Z",
        "2027-01-04T17:00:00Z",
    ]
    .into_iter()
    .map(said)
    .collect();
    assert_snapshot!(told.join("\n"), @"
    open
    frozen until 2027-01-04 12:00 America/New_York: weekend; Christmas trade; stocktaking (since 2026-12-18T15:00:00Z)
    frozen until 2027-01-04 12:00 America/New_York: Christmas trade; stocktaking (since 2026-12-18T15:00:00Z)
    frozen until 2027-01-04 12:00 America/New_York: Christmas trade; stocktaking (since 2026-12-18T15:00:00Z)
    frozen until 2027-01-04 12:00 America/New_York: stocktaking (since 2026-12-18T15:00:00Z)
    open
    ");
}

#[test]
fn of_freezes_that_end_together_the_first_of_the_file_says_why() {
    let freezes = ["b", "a", "c"].map(|why| once("2026-12-20 18:00", "2027-01-04 08:00", "Europe/Berlin", why));
    assert_eq!(frozen(&freezes, at("2026-12-24T17:00:00Z")).unwrap().why, "b");
}

#[test]
fn weekly_freezes_without_a_gap_are_found_and_do_not_go_on_for_ever() {
    let halves = |zone: &str, gap: &str| {
        [
            weekly("mon 00:00", gap, "Europe/Berlin", "first half"),
            weekly("thu 00:00", "mon 00:00", zone, "second half"),
        ]
    };
    for (zone, gap, closed) in [
        ("Europe/Berlin", "thu 00:00", true),
        ("Europe/Berlin", "wed 23:59", false),
        ("Africa/Lagos", "thu 00:00", true),
        ("Asia/Kolkata", "thu 00:00", false),
        ("Asia/Kolkata", "wed 22:00", false),
    ] {
        assert_eq!(leave_no_time(&halves(zone, gap)), closed, "{zone} {gap}");
    }
    let endless = frozen(&halves("Europe/Berlin", "thu 00:00"), at("2026-07-17T14:00:00Z")).unwrap();
    assert_eq!(endless.why, "second half; first half");
    assert!(endless.until > at("2027-01-01T00:00:00Z"));
    let for_good = once("2020-01-01 00:00", "9999-12-31 23:59", "UTC", "for good");
    assert!(!leave_no_time(&[for_good]));
}

#[test]
fn a_zone_that_is_not_known_freezes_while_it_is_that_late_anywhere() {
    let freezes = [christmas("Mars/Olympus")];
    assert_bounds(&freezes, "2026-12-20T04:00:00Z", "2027-01-04T20:00:00Z");
    let sentence = frozen(&freezes, at("2026-12-24T17:00:00Z")).unwrap();
    assert_snapshot!(sentence, @"frozen until 2027-01-04T20:00:00Z: Christmas trade");
    let weekend = [weekly("sat 00:00", "mon 00:00", "Mars/Olympus", "weekend")];
    assert_bounds(&weekend, "2026-07-17T10:00:00Z", "2026-07-20T12:00:00Z");
    let monday = [weekly("mon 01:00", "mon 02:00", "Mars/Olympus", "planning")];
    assert_bounds(&monday, "2026-07-19T11:00:00Z", "2026-07-20T14:00:00Z");
    let unknown: Zone = "Etc/Unknown".parse().unwrap();
    assert_eq!(unknown.known(), None);
    for zone in Zone::all() {
        let zone: Zone = zone.parse().unwrap();
        assert_eq!(zone.known(), Some(zone));
    }
    let shouted: Zone = "EUROPE/BERLIN".parse().unwrap();
    assert_eq!(shouted.known().unwrap().as_str(), "Europe/Berlin");
}

#[test]
fn the_ends_of_time_are_reached_and_not_passed() {
    let freezes = [
        once("2026-01-01 00:00", "9999-12-31 23:59", "Pacific/Kiritimati", "for good"),
        weekly("fri 16:00", "mon 08:00", "Pacific/Kiritimati", "weekend"),
    ];
    let told = frozen(&freezes, at("2026-12-24T17:00:00Z")).unwrap();
    assert!(told.until > at("9999-12-30T00:00:00Z"), "{told}");
    for now in [Timestamp::MIN, Timestamp::MAX] {
        frozen(&freezes, now);
    }
}

#[test]
fn what_is_no_time_is_refused() {
    let bad = "|2026-12-20|2026-12-20T18:00|2026-12-20 18:00:00|2026-12-20 24:00|2026-2-20 18:00|2026-02-30 18:00|\
               2026-12-20 18:00Z|2026-12-20 8:00|+02026-12-20 18:00|fri 16:00|20.12.2026 18:00|-00001-12-20 18:00";
    for bad in bad.split('|') {
        assert!(bad.parse::<LocalTime>().is_err(), "{bad}");
    }
    let bad = "|fri|16:00|friday 16:00|Fri 16:00|fri 24:00|fri 16:60|fri 6:00|fri +6:00|fri  16:00|fri 16:00:00|fri 16|\
               2026-12-20 18:00";
    for bad in bad.split('|') {
        assert!(bad.parse::<TimeOfWeek>().is_err(), "{bad}");
    }
    let long = "x".repeat(201);
    for bad in ["", " ", "a\nb", "a\u{202e}b", &long] {
        assert!(bad.parse::<Reason>().is_err(), "{bad}");
    }
    for bad in ["", "Europe Berlin", "Europe/Berlin\n", "CET-1CEST,M3.5.0"] {
        assert!(bad.parse::<Zone>().is_err(), "{bad}");
    }
}

#[test]
fn it_is_kept_in_the_words_of_the_file() {
    let freezes = [
        christmas("Europe/Berlin"),
        weekly("fri 16:00", "mon 08:00", "Europe/Berlin", "weekend"),
    ];
    let json: Vec<String> = freezes
        .iter()
        .map(|freeze| serde_json::to_string(freeze).unwrap())
        .collect();
    assert_snapshot!(json.join("\n"), @r#"
    {"from":"2026-12-20 18:00","to":"2027-01-04 08:00","zone":"Europe/Berlin","why":"Christmas trade"}
    {"every":"fri 16:00","to":"mon 08:00","zone":"Europe/Berlin","why":"weekend"}
    "#);
    for bad in [
        r#"{"to":"mon 08:00","zone":"UTC","why":"x"}"#,
        r#"{"from":"2026-12-20 18:00","every":"fri 16:00","to":"mon 08:00","zone":"UTC","why":"x"}"#,
        r#"{"from":"2026-12-20 18:00","to":"mon 08:00","zone":"UTC","why":"x"}"#,
        r#"{"from":"2026-12-20 18:00","to":"2026-12-20 18:00","zone":"UTC","why":"x"}"#,
        r#"{"every":"fri 16:00","to":"fri 16:00","zone":"UTC","why":"x"}"#,
        r#"{"every":"fri 16:00","to":"mon 08:00","zone":"UTC","why":""}"#,
        r#"{"every":"fri 16:00","to":"mon 08:00","zone":"","why":"x"}"#,
        r#"{"every":"fri 16:00","to":"mon 08:00","zone":"UTC","why":"x","colour":"red"}"#,
    ] {
        assert!(serde_json::from_str::<Freeze>(bad).is_err(), "{bad}");
    }
}

prop_compose! {
    fn local_time()(day in 0_i64..3650, minute in 0_i64..1440) -> LocalTime {
        let day = jiff::civil::date(2024, 1, 1).saturating_add(SignedDuration::from_hours(24 * day));
        LocalTime(day.to_datetime(Time::midnight()).saturating_add(SignedDuration::from_mins(minute)))
    }
}

prop_compose! {
    /// A time near a change of the clocks, or anywhere.
    fn now()(
        near in proptest::option::of(prop::sample::select(vec![
            "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z",
            "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z",
        ])),
        minute in -200_i64..200,
        anywhere in 1_704_067_200_i64..2_019_600_000,
    ) -> Timestamp {
        match near {
            Some(near) => at(near) + SignedDuration::from_mins(minute),
            None => Timestamp::from_second(anywhere).unwrap(),
        }
    }
}

fn time_of_week() -> impl Strategy<Value = TimeOfWeek> {
    // Often in a night in which clocks are changed.
    prop_oneof![0..WEEK, 6 * DAY..6 * DAY + 4 * HOUR].prop_map(|minute| TimeOfWeek { minute })
}

fn zone() -> impl Strategy<Value = Zone> {
    prop::sample::select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

fn freeze() -> impl Strategy<Value = Freeze> {
    let once = (local_time(), 1_i64..40_000).prop_map(|(from, minutes)| {
        let to = LocalTime(from.0.saturating_add(SignedDuration::from_mins(minutes)));
        Window::once(from, to).unwrap()
    });
    let weekly = (time_of_week(), 1..WEEK).prop_map(|(every, length)| {
        let minute = (every.minute + length) % WEEK;
        Window::weekly(every, TimeOfWeek { minute }).unwrap()
    });
    let window = prop_oneof![once, weekly];
    (window, zone(), "[a-c]").prop_map(|(window, zone, why)| Freeze {
        window,
        zone,
        why: why.parse().unwrap(),
    })
}

/// Which minute of the week a clock on the wall shows.
fn minute_of_week(local: DateTime) -> u16 {
    let days = local.date().weekday().since(Weekday::Monday);
    u16::try_from(i32::from(days) * 1440 + i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap()
}

proptest! {
    #[test]
    fn it_is_frozen_whenever_the_clock_on_the_wall_says_so_and_else_only_near_a_change(
        freeze in freeze(), now in now(),
    ) {
        let zone = freeze.zone.rules().unwrap();
        let local = zone.to_datetime(now);
        let says = |local: DateTime| match freeze.window.0 {
            Bounds::Once { from, to } => from.0 <= local && local < to.0,
            Bounds::Weekly { every, to } if every < to => {
                (every.minute..to.minute).contains(&minute_of_week(local))
            }
            Bounds::Weekly { every, to } => !(to.minute..every.minute).contains(&minute_of_week(local)),
        };
        let frozen = frozen(std::slice::from_ref(&freeze), now);
        if says(local) {
            prop_assert!(frozen.is_some());
        }
        let hours = |hours| SignedDuration::from_hours(hours);
        let is_near_change = zone.to_offset(now - hours(3)) != zone.to_offset(now + hours(3));
        if !is_near_change {
            prop_assert_eq!(frozen.is_some(), says(local));
        }
        if let Some(frozen) = frozen {
            prop_assert!(frozen.since <= now && now < frozen.until);
        }
    }

    #[test]
    fn what_is_frozen_is_one_stretch_that_is_open_before_and_after(
        freezes in proptest::collection::vec(freeze(), 0..6), now in now(), part in 0_i64..1000,
    ) {
        let Some(told) = frozen(&freezes, now) else {
            for freeze in &freezes {
                prop_assert_eq!(frozen(std::slice::from_ref(freeze), now), None);
            }
            return Ok(());
        };
        prop_assert!(told.since <= now && now < told.until);
        // Its ends may not have been found where it has none.
        if leave_no_time(&freezes) {
            return Ok(());
        }
        let length = told.until.duration_since(told.since).as_secs();
        let second = SignedDuration::from_secs(1);
        for within in [told.since, told.until - second, told.since + SignedDuration::from_secs(length * part / 1000)] {
            let again = frozen(&freezes, within).unwrap();
            prop_assert_eq!((again.since, again.until), (told.since, told.until));
        }
        prop_assert_eq!(frozen(&freezes, told.since - second), None);
        prop_assert_eq!(frozen(&freezes, told.until), None);
        let backwards: Vec<Freeze> = freezes.iter().rev().cloned().collect();
        let again = frozen(&backwards, now).unwrap();
        prop_assert_eq!((again.since, again.until), (told.since, told.until));
    }

    #[test]
    fn a_further_freeze_never_opens_anything(
        freezes in proptest::collection::vec(freeze(), 1..5), now in now(),
    ) {
        let Some(few) = frozen(&freezes[1..], now) else { return Ok(()) };
        if leave_no_time(&freezes) {
            return Ok(());
        }
        let all = frozen(&freezes, now).unwrap();
        prop_assert!(all.since <= few.since && few.until <= all.until);
    }

    #[test]
    fn what_is_written_reads_back(freeze in freeze(), now in now()) {
        let json = serde_json::to_string(&freeze).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Freeze>(&json).unwrap(), &freeze);
        if let Some(frozen) = frozen(&[freeze], now) {
            let json = serde_json::to_string(&frozen).unwrap();
            prop_assert_eq!(serde_json::from_str::<Frozen>(&json).unwrap(), frozen);
        }
    }

    #[test]
    fn no_text_makes_a_time_panic(text in "\\PC{0,20}|[0-9: a-z-]{0,20}") {
        let _ = text.parse::<LocalTime>();
        let _ = text.parse::<TimeOfWeek>();
    }
}
