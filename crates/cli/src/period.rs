//! A moment as an operator names it: so long ago, or a day, or a time.

use std::str::FromStr;

use domain::metrics::Period;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// A moment.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long ago, by the calendar of UTC.
    Ago(Span),
    /// Then.
    At(Timestamp),
}

/// Why a moment cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoment {
    /// It is written otherwise.
    #[error("write \"30 days\" for so long ago, a day (2026-11-20, in UTC) or a time (2026-11-20T09:00:00Z)")]
    Unreadable,
    /// There is nothing between the two.
    #[error("the period is empty: let --since be before now, and before its end")]
    Empty,
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<civil::Date>() {
            let midnight = day
                .to_zoned_datetime(TimeZone::UTC)
                .map_err(|_| InvalidMoment::Unreadable)?;
            return Ok(Self::At(midnight.timestamp()));
        }
        let span: Span = text.parse().map_err(|_| InvalidMoment::Unreadable)?;
        if span.is_negative() {
            return Err(InvalidMoment::Unreadable);
        }
        Ok(Self::Ago(span))
    }
}

impl Moment {
    fn at(self, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
        match self {
            Self::At(at) => Ok(at),
            Self::Ago(span) => {
                let then = now.to_zoned_datetime(TimeZone::UTC).checked_sub(span);
                then.map(|then| then.timestamp()).map_err(|_| InvalidMoment::Unreadable)
            }
        }
    }
}

/// The period from one moment to another, or to now.
pub fn period(since: Moment, until: Option<Moment>, now: Timestamp) -> Result<Period, InvalidMoment> {
    let until = until.map_or(Ok(now), |until| until.at(now))?;
    let since = since.at(now)?;
    if since >= until {
        return Err(InvalidMoment::Empty);
    }
    Ok(Period { since, until })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_ago_a_day_or_a_time() {
        let now: Timestamp = "2026-12-01T09:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Moment>().and_then(|moment| moment.at(now));
        for (text, then) in [
            ("30 days", "2026-11-01T09:00:00Z"),
            ("2 weeks", "2026-11-17T09:00:00Z"),
            ("90 minutes", "2026-12-01T07:30:00Z"),
            ("1 month", "2026-11-01T09:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z"),
        ] {
            assert_eq!(at(text), Ok(then.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "30",
            "-30 days",
            "30 days ago",
            "2026-13-01",
            "99999 years",
        ] {
            assert_eq!(at(text), Err(InvalidMoment::Unreadable), "{text}");
        }
        let between = |since: &str, until: &str| period(since.parse().unwrap(), until.parse().ok(), now);
        assert_eq!(between("1 day", "").unwrap().until, now);
        assert_eq!(between("1 day", "2 days"), Err(InvalidMoment::Empty));
        assert_eq!(between("2027-01-01", ""), Err(InvalidMoment::Empty));
    }
}
