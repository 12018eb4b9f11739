//! When an environment takes nothing.

use super::document::{At, Findings, Section};
use crate::freeze::{Freeze, LocalTime, Reason, TimeOfWeek, Window, Zone, leave_no_time};
use crate::harmless::harmless;

/// Reads `freeze` of an environment: what could be read of it.
pub(super) fn read(findings: &mut Findings<'_>, environment: &Section<'_>) -> Vec<Freeze> {
    let sections = findings.tables(environment, "freeze");
    let freezes: Vec<Freeze> = sections
        .iter()
        .filter_map(|section| read_one(findings, section))
        .collect();
    if leave_no_time(&freezes) {
        let message = "leaves no time of the week in which a release could come here";
        findings.problem(environment.offset_of("freeze"), &environment.path_of("freeze"), message);
    }
    freezes
}

fn read_one(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<Freeze> {
    findings.only(section, &["from", "every", "to", "zone", "why"]);
    let window = read_window(findings, section);
    let zone = read_zone(findings, section);
    let why = findings.required_text(section, "why", "why = \"Christmas trade\"");
    let why = why.and_then(|text| {
        // One character more than a reason may have: a longer one is refused instead of cut.
        let visible = harmless(text.value, Reason::LIMIT + 1);
        let reason = visible.parse::<Reason>();
        if let Err(wrong) = &reason {
            findings.problem(text.offset, &section.path_of("why"), wrong.to_string());
        }
        reason.ok()
    });
    Some(Freeze {
        window: window?,
        zone: zone?,
        why: why?,
    })
}

/// What `from`, or `every`, and `to` come to.
fn read_window(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<Window> {
    let keys = section.names();
    let window = match (keys.contains(&"from"), keys.contains(&"every")) {
        (true, true) => {
            let message = "stands beside from; write from for what comes once, every for what comes each week";
            findings.problem(section.offset_of("every"), &section.path_of("every"), message);
            return None;
        }
        (false, false) => {
            findings.require(section, "from", "from = \"2026-12-20 18:00\", or every = \"fri 16:00\"");
            return None;
        }
        (true, false) => {
            let from = findings.text(section, "from");
            if let Some(At { value, offset }) = from
                && value.parse::<TimeOfWeek>().is_ok()
            {
                let message = format!("{value:?} comes each week; write every = {value:?}");
                findings.problem(offset, &section.path_of("from"), message);
                return None;
            }
            let from = findings.parse::<LocalTime>(&section.path_of("from"), from);
            let to = findings.required_text(section, "to", "to = \"2027-01-04 08:00\"");
            let to = findings.parse::<LocalTime>(&section.path_of("to"), to);
            Window::once(from?.value, to?.value)
        }
        (false, true) => {
            let every = findings.text(section, "every");
            let every = findings.parse::<TimeOfWeek>(&section.path_of("every"), every);
            let to = findings.required_text(section, "to", "to = \"mon 08:00\"");
            let to = findings.parse::<TimeOfWeek>(&section.path_of("to"), to);
            Window::weekly(every?.value, to?.value)
        }
    };
    window
        .map_err(|wrong| findings.problem(section.offset_of("to"), &section.path_of("to"), wrong.to_string()))
        .ok()
}

fn read_zone(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<Zone> {
    let path = section.path_of("zone");
    let text = findings.required_text(section, "zone", "zone = \"Europe/Berlin\"");
    let zone = findings.parse::<Zone>(&path, text)?;
    let known = zone.value.known();
    if known.is_none() {
        let all = Zone::all();
        let message = format!(
            "{:?} is no time zone{}",
            zone.value.as_str(),
            nearest(zone.value.as_str(), &all)
        );
        findings.problem(zone.offset, &path, message);
    }
    known
}

/// `, did you mean …?` where a zone's name is near, or ends with what is given: people think of the city.
fn nearest(given: &str, all: &[String]) -> String {
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let is_city_of = |name: &str| {
        name.rsplit('/')
            .next()
            .is_some_and(|city| city.eq_ignore_ascii_case(given))
    };
    let meant = names.iter().copied().find(|name| is_city_of(name));
    crate::nearest::hint(meant.unwrap_or(given), &names)
}
