//! The times in which an environment takes nothing.
//!
//! A window is written in the local time of a zone, because that is what people agree on, and looked up in the zone's
//! rules each time it is asked about. A local time that does not exist, or exists twice, is read so that the freeze gets
//! no shorter: it begins at the earlier instant and ends at the later one.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::harmless::harmless;
use crate::names::{InvalidName, name};

name!(
    /// A time zone by its IANA name, such as `Europe/Berlin`.
    ///
    /// To have one, or to read one back, needs no time zone database: of all functions only those carry it that ask
    /// [`frozen`] or show a [`Frozen`].
    Zone,
    "a time zone",
    "an IANA name, such as Europe/Berlin",
    |text| (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'))
);

name!(
    /// Why nothing is taken, for people.
    Reason,
    "a reason",
    "1 to 200 visible characters",
    |text| !text.is_empty() && harmless(text, Reason::LIMIT) == text
);

/// A date and a time of day, to the minute, in no zone: `2026-12-20 18:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime(DateTime);

/// A day of the week and a time of day, to the minute, in no zone: `fri 16:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfWeek {
    /// Since Monday, 00:00.
    minute: u16,
}

/// From when until when; the end is no longer part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window(Bounds);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bounds {
    Once { from: LocalTime, to: LocalTime },
    Weekly { every: TimeOfWeek, to: TimeOfWeek },
}

/// What no window is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// It is over before it begins.
    #[error("{to} is not after {from}")]
    Backwards {
        /// Its beginning.
        from: LocalTime,
        /// Its end.
        to: LocalTime,
    },
    /// It would never end.
    #[error("from {0} to {0} is the whole week")]
    WholeWeek(TimeOfWeek),
}

/// A time in which an environment takes nothing, once or each week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Freeze {
    /// From when until when.
    pub window: Window,
    /// Whose local time that is.
    pub zone: Zone,
    /// Why.
    pub why: Reason,
}

/// A freeze as it is kept: in the words of `lockgate.toml`, because an environment is stored in little space.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<LocalTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<TimeOfWeek>,
    to: String,
    zone: Zone,
    why: Reason,
}

/// That an environment takes nothing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// Why, until the end. Where one freeze goes over into the next, these are the reasons of both.
    pub why: String,
    /// Since then.
    pub since: Timestamp,
    /// Until then, at which it is over.
    pub until: Timestamp,
    /// The zone of the freeze that ends last.
    pub zone: Zone,
}

/// A window as it falls once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spell {
    since: Timestamp,
    until: Timestamp,
}

/// A freeze and the rules of its zone, if they are known.
struct Timed<'f> {
    freeze: &'f Freeze,
    zone: Option<TimeZone>,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOUR: u16 = 60;
const DAY: u16 = 24 * HOUR;
const WEEK: u16 = 7 * DAY;

/// The clocks that are furthest ahead of UTC and furthest behind it (Etc/GMT-14 and Etc/GMT+12 of the IANA time zone
/// database).
const FIRST_OFFSET: Offset = Offset::constant(14);
const LAST_OFFSET: Offset = Offset::constant(-12);

/// 15 January and 15 July 2026: no clock is changed within a week of them.
const WINTER: Timestamp = Timestamp::constant(1_768_478_400, 0);
const SUMMER: Timestamp = Timestamp::constant(1_784_116_800, 0);
const MORE_THAN_A_WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Weekly freezes of different zones may leave no gap at all; looking for the end has one.
const MOST_JOINED: usize = 100;

/// Whether these freezes keep the environment closed now: why, since when and until when.
///
/// Freezes that overlap, or of which one begins as another ends, count as one. A zone that the bundled database does not
/// know (a later version wrote it) is taken for every zone that there is: its freeze begins where it is that late first,
/// and ends where it is that late last.
pub fn frozen(freezes: &[Freeze], now: Timestamp) -> Option<Frozen> {
    let timed: Vec<Timed<'_>> = freezes.iter().map(Timed::new).collect();
    let spells = |around: Timestamp| {
        timed.iter().flat_map(move |timed| {
            let spells = timed.spells(around).into_iter();
            spells.map(move |spell| (spell, timed.freeze))
        })
    };
    // Of those that end together the first of the file, though `max_by_key` takes the last.
    let furthest = |at: Timestamp| {
        let holding = spells(at).filter(|(spell, _)| spell.since <= at && at < spell.until);
        holding
            .enumerate()
            .max_by_key(|(place, (spell, _))| (spell.until, Reverse(*place)))
            .map(|(_, found)| found)
    };

    let (mut spell, mut last) = furthest(now)?;
    let mut since = spell.since;
    let mut reasons = vec![last.why.as_str()];
    for _ in 0..MOST_JOINED {
        let Some((next, freeze)) = furthest(spell.until) else {
            break;
        };
        if !reasons.contains(&freeze.why.as_str()) {
            reasons.push(freeze.why.as_str());
        }
        (spell, last) = (next, freeze);
    }
    for _ in 0..MOST_JOINED {
        let reaching = spells(since).map(|(spell, _)| spell);
        let earlier = reaching.filter(|spell| spell.since < since && since <= spell.until);
        let Some(earlier) = earlier.map(|spell| spell.since).min() else {
            break;
        };
        since = earlier;
    }
    Some(Frozen {
        why: reasons.join("; "),
        since,
        until: spell.until,
        zone: last.zone.clone(),
    })
}

/// The freeze that comes next, as [`frozen`] tells it once it is there: after the present one, or after now where there is
/// none. Nothing, where none comes.
pub fn next(freezes: &[Freeze], now: Timestamp) -> Option<Frozen> {
    let after = frozen(freezes, now).map_or(now, |frozen| frozen.until);
    let begins = freezes.iter().map(Timed::new).flat_map(|timed| timed.spells(after));
    let begins = begins.map(|spell| spell.since).filter(|since| after < *since).min()?;
    frozen(freezes, begins)
}

/// Whether the weekly ones among these freezes leave no time of the week open.
///
/// Zones change their clocks at different times, so this looks at one week of winter and one of summer.
pub fn leave_no_time(freezes: &[Freeze]) -> bool {
    let weekly: Vec<Freeze> = freezes
        .iter()
        .filter(|freeze| matches!(freeze.window.0, Bounds::Weekly { .. }))
        .cloned()
        .collect();
    [WINTER, SUMMER]
        .into_iter()
        .any(|at| frozen(&weekly, at).is_some_and(|frozen| frozen.until.duration_since(at) > MORE_THAN_A_WEEK))
}

impl<'f> Timed<'f> {
    fn new(freeze: &'f Freeze) -> Self {
        Self {
            freeze,
            zone: freeze.zone.rules(),
        }
    }

    /// Its spells that hold at this time, or begin or end then, and perhaps others.
    fn spells(&self, around: Timestamp) -> Vec<Spell> {
        match self.freeze.window.0 {
            Bounds::Once { from, to } => vec![self.spell(from.0, to.0)],
            Bounds::Weekly { every, to } => {
                let length = every.until(to);
                let today = self.zone.as_ref().unwrap_or(&TimeZone::UTC).to_datetime(around).date();
                let since_monday = i64::from(today.weekday().to_monday_zero_offset());
                // A spell that begins on Monday may begin on Sunday, where clocks are changed or the zone is not known.
                (-1..=1)
                    .map(|weeks| {
                        let monday = today.saturating_add(SignedDuration::from_hours(24 * (7 * weeks - since_monday)));
                        let from = monday
                            .to_datetime(Time::midnight())
                            .saturating_add(minutes(every.minute));
                        self.spell(from, from.saturating_add(minutes(length)))
                    })
                    .collect()
            }
        }
    }

    fn spell(&self, from: DateTime, to: DateTime) -> Spell {
        let (first, last) = match &self.zone {
            Some(zone) => (
                zone.to_ambiguous_timestamp(from).earlier(),
                zone.to_ambiguous_timestamp(to).later(),
            ),
            None => (FIRST_OFFSET.to_timestamp(from), LAST_OFFSET.to_timestamp(to)),
        };
        Spell {
            since: in_range(first, from),
            until: in_range(last, to),
        }
    }
}

fn minutes(count: u16) -> SignedDuration {
    SignedDuration::from_mins(i64::from(count))
}

/// The timestamp, or the furthest there is in that direction.
fn in_range(timestamp: Result<Timestamp, jiff::Error>, local: DateTime) -> Timestamp {
    let furthest = if local.year() > 0 {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    };
    timestamp.unwrap_or(furthest)
}

impl Zone {
    /// The names of all zones that the bundled database knows.
    pub fn all() -> Vec<String> {
        let database = TimeZoneDatabase::bundled();
        database.available().map(|name| name.to_string()).collect()
    }

    /// This zone as the database spells it, if it knows it.
    pub fn known(&self) -> Option<Self> {
        self.rules()?.iana_name()?.parse().ok()
    }

    fn rules(&self) -> Option<TimeZone> {
        // Not the system's database, which may be another on each machine, and is missing in AWS Lambda.
        let rules = TimeZoneDatabase::bundled().get(&self.0).ok()?;
        (!rules.is_unknown()).then_some(rules)
    }
}

impl Reason {
    /// How many characters a reason may have.
    pub const LIMIT: usize = 200;
}

impl Window {
    /// A window that comes once.
    pub fn once(from: LocalTime, to: LocalTime) -> Result<Self, InvalidWindow> {
        if from < to {
            Ok(Self(Bounds::Once { from, to }))
        } else {
            Err(InvalidWindow::Backwards { from, to })
        }
    }

    /// A window that comes each week, and may last into the next.
    pub fn weekly(every: TimeOfWeek, to: TimeOfWeek) -> Result<Self, InvalidWindow> {
        if every == to {
            Err(InvalidWindow::WholeWeek(every))
        } else {
            Ok(Self(Bounds::Weekly { every, to }))
        }
    }
}

impl TryFrom<Written> for Freeze {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let window = match (written.from, written.every) {
            (Some(from), None) => Window::once(from, written.to.parse().map_err(text)?),
            (None, Some(every)) => Window::weekly(every, written.to.parse().map_err(text)?),
            _ => return Err("a freeze has either from or every".to_owned()),
        };
        Ok(Self {
            window: window.map_err(text)?,
            zone: written.zone,
            why: written.why,
        })
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl From<Freeze> for Written {
    fn from(freeze: Freeze) -> Self {
        let (from, every, to) = match freeze.window.0 {
            Bounds::Once { from, to } => (Some(from), None, to.to_string()),
            Bounds::Weekly { every, to } => (None, Some(every), to.to_string()),
        };
        Self {
            from,
            every,
            to,
            zone: freeze.zone,
            why: freeze.why,
        }
    }
}

impl Frozen {
    /// `2027-01-04 08:00 Europe/Berlin`; in UTC where the zone is not known.
    pub fn local(&self, at: Timestamp) -> String {
        match self.zone.rules() {
            Some(rules) => format!("{} {}", LocalTime(rules.to_datetime(at)), self.zone),
            None => at.to_string(),
        }
    }
}

/// `frozen until 2027-01-04 08:00 Europe/Berlin: Christmas trade`; the time is in UTC where the zone is not known.
impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frozen until {}: {}", self.local(self.until), self.why)
    }
}

/// `every fri 16:00 to mon 06:00`, or `2026-12-20 18:00 to 2027-01-04 08:00`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Bounds::Once { from, to } => write!(f, "{from} to {to}"),
            Bounds::Weekly { every, to } => write!(f, "every {every} to {to}"),
        }
    }
}

impl FromStr for LocalTime {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let read = text.parse().ok().map(Self);
        // The parser takes more than one way to write it, and years that nobody means.
        read.filter(|time| text.len() == 16 && time.to_string() == text)
            .ok_or_else(|| InvalidName {
                kind: "a local time",
                rule: "it is written 2026-12-20 18:00",
                given: text.chars().take(80).collect(),
            })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        write!(f, "{} {:02}:{:02}", time.date(), time.hour(), time.minute())
    }
}

impl TimeOfWeek {
    /// How many minutes it is until the other one comes next: less than a week.
    fn until(self, other: Self) -> u16 {
        (other.minute + WEEK - self.minute) % WEEK
    }
}

impl FromStr for TimeOfWeek {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let read = || {
            let (day, time) = text.split_once(' ')?;
            let (hour, minute) = time.split_once(':')?;
            let day = u16::try_from(DAYS.iter().position(|known| *known == day)?).ok()?;
            let hour: u16 = hour.parse().ok().filter(|hour| *hour < 24)?;
            let minute: u16 = minute.parse().ok().filter(|minute| *minute < 60)?;
            Some(Self {
                minute: day * DAY + hour * HOUR + minute,
            })
        };
        // `+4` and `4` parse as numbers and are no hours.
        read()
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| InvalidName {
                kind: "a time of the week",
                rule: "it is written fri 16:00; days are mon, tue, wed, thu, fri, sat and sun, and begin at 00:00",
                given: text.chars().take(80).collect(),
            })
    }
}

impl fmt::Display for TimeOfWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS[usize::from(self.minute / DAY)];
        let minute = self.minute % DAY;
        write!(f, "{day} {:02}:{:02}", minute / HOUR, minute % HOUR)
    }
}

/// Has a time serialised as it is written.
macro_rules! as_text {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(time: $type) -> String {
                time.to_string()
            }
        }
    };
}

as_text!(LocalTime);
as_text!(TimeOfWeek);

#[cfg(test)]
mod tests;
