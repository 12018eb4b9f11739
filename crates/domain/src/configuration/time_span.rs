//! How long something lasts, as people write it: `30 seconds`, `90 minutes`, `3 days`.

use std::ops::RangeInclusive;

use super::document::{Findings, Section};

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// The seconds under a key, if they are within these bounds; nothing, where the key is absent or what it says was refused.
/// `bounds` says them in words.
pub(super) fn read(
    findings: &mut Findings<'_>,
    section: &Section<'_>,
    key: &str,
    allowed: RangeInclusive<u64>,
    (bounds, examples): (&str, &str),
) -> Option<u64> {
    let text = findings.text(section, key)?;
    let found = seconds(text.value).filter(|seconds| allowed.contains(seconds));
    if found.is_none() {
        let message = format!("{:?} is not {bounds}; write, for example, {examples}", text.value);
        findings.problem(text.offset, &section.path_of(key), message);
    }
    found
}

/// `3 days` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit {
        "second" | "seconds" => 1,
        "minute" | "minutes" => MINUTE,
        "hour" | "hours" => HOUR,
        "day" | "days" => DAY,
        _ => return None,
    };
    // `+3` and `03` parse as numbers and are none that people write.
    let number: u64 = number.parse().ok().filter(|n: &u64| n.to_string() == number)?;
    number.checked_mul(unit)
}
