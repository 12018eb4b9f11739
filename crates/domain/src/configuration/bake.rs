//! How an environment watches what is deployed into it: `bake` and `watch`.

use std::collections::BTreeMap;

use strum::VariantNames as _;

use super::document::{At, Findings, Item, Section};
use super::time_span::{self, DAY};
use crate::bake::{AlarmChoice, BakePolicy, Begins, EvidencePolicy, Silence};

/// The longest bake, in seconds: the state that waits meanwhile lasts two weeks longer, for people to answer.
pub const LONGEST_BAKE: u64 = 7 * DAY;
/// The longest time after a bake, in seconds: whoever looks at a release after a month has other releases to go back to.
pub const LONGEST_WATCH: u64 = 30 * DAY;
/// A call asks for a hundred alarms (Amazon CloudWatch API reference, `DescribeAlarms`), and a tag may name more.
const MOST_ALARMS: usize = 20;
/// Amazon CloudWatch API reference, `Metric`: at most 30 dimensions.
const MOST_DIMENSIONS: usize = 30;

/// Reads `bake` of an environment; nothing, where there is none or what it says cannot be kept.
pub(super) fn read(findings: &mut Findings<'_>, environment: &Section<'_>) -> Option<BakePolicy> {
    let section = findings.section(environment, "bake");
    if section.is_absent() {
        return None;
    }
    findings.only(&section, &["for", "alarms", "evidence", "silence"]);
    findings.require(&section, "for", "for = \"30 minutes\"");
    let words = ("1 second to 7 days", "\"30 minutes\" or \"2 hours\"");
    let for_seconds = time_span::read(findings, &section, "for", 1..=LONGEST_BAKE, words);
    let alarms = read_alarms(findings, &section);
    let evidence = read_evidence(findings, &section);
    let silence = match findings.text(&section, "silence") {
        None => Some(Silence::Ask),
        Some(text) => findings.choose(&section.path_of("silence"), &text, Silence::VARIANTS),
    };
    Some(BakePolicy {
        begins: Begins::AfterTests,
        for_seconds: for_seconds?,
        alarms: alarms?,
        evidence: evidence?,
        silence: silence?,
    })
}

/// Reads for how long a release is watched after its bake.
pub(super) fn read_watch(findings: &mut Findings<'_>, environment: &Section<'_>, bakes: bool) -> Option<u64> {
    let words = ("1 minute to 30 days", "\"24 hours\"");
    let seconds = time_span::read(findings, environment, "watch", 60..=LONGEST_WATCH, words)?;
    if !bakes {
        let message = "watches the alarms that bake names, and there is no bake";
        findings.problem(environment.offset_of("watch"), &environment.path_of("watch"), message);
    }
    Some(seconds)
}

fn read_alarms(findings: &mut Findings<'_>, section: &Section<'_>) -> Option<Vec<AlarmChoice>> {
    let path = section.path_of("alarms");
    findings.require(section, "alarms", "alarms = [\"shop-errors\"]");
    if let Some(offset) = section.offset_of_empty_list("alarms") {
        findings.problem(offset, &path, "names nothing");
    }
    let items = findings.items(section, "alarms");
    let named = items.len();
    let mut alarms: Vec<AlarmChoice> = Vec::with_capacity(named);
    for item in items {
        let (offset, alarm) = match item {
            Item::Text(name) => (name.offset, named_alarm(findings, &path, &name)),
            Item::Table(tag) => (tag.offset, tagged_alarms(findings, &tag)),
        };
        let Some(alarm) = alarm else { continue };
        if alarms.contains(&alarm) {
            findings.problem(offset, &path, format!("{alarm} is listed twice"));
        }
        alarms.push(alarm);
    }
    if named > MOST_ALARMS {
        let message = format!("names {named} alarms; at most {MOST_ALARMS}: give them a tag, or one composite alarm");
        findings.problem(section.offset_of("alarms"), &path, message);
    }
    (named > 0 && alarms.len() == named).then_some(alarms)
}

/// An alarm's name has 1 to 255 characters (Amazon CloudWatch API reference, `PutMetricAlarm`).
fn named_alarm(findings: &mut Findings<'_>, path: &str, name: &At<&str>) -> Option<AlarmChoice> {
    let length = name.value.chars().count();
    let is_name = (1..=255).contains(&length) && !name.value.chars().any(char::is_control);
    if !is_name {
        let message = format!("{:?} is not the name of an alarm", name.value);
        findings.problem(name.offset, path, message);
    }
    is_name.then(|| AlarmChoice::Named(name.value.to_owned()))
}

fn tagged_alarms(findings: &mut Findings<'_>, table: &Section<'_>) -> Option<AlarmChoice> {
    findings.only(table, &["tag", "value"]);
    let key = findings.required_text(table, "tag", "{ tag = \"lockgate\", value = \"shop\" }");
    let value = findings.required_text(table, "value", "{ tag = \"lockgate\", value = \"shop\" }");
    Some(AlarmChoice::Tagged {
        key: key?.value.to_owned(),
        value: value?.value.to_owned(),
    })
}

/// Nothing where it could not be read; nothing within where there is none.
#[expect(
    clippy::option_option,
    reason = "no evidence asked for is not the same as evidence that cannot be read"
)]
fn read_evidence(findings: &mut Findings<'_>, parent: &Section<'_>) -> Option<Option<EvidencePolicy>> {
    let section = findings.section(parent, "evidence");
    if section.is_absent() {
        return parent.names().iter().all(|name| *name != "evidence").then_some(None);
    }
    findings.only(&section, &["namespace", "metric", "dimensions", "at_least"]);
    let namespace = findings.required_text(&section, "namespace", "namespace = \"AWS/ApiGateway\"");
    let metric = findings.required_text(&section, "metric", "metric = \"Count\"");
    findings.require(&section, "at_least", "at_least = 100");
    let at_least = findings.number(&section, "at_least");
    let at_least = at_least.and_then(|number| {
        let found = u64::try_from(number.value).ok().filter(|number| *number > 0);
        if found.is_none() {
            let message = format!("{} is no number of requests; write 1 or more", number.value);
            findings.problem(number.offset, &section.path_of("at_least"), message);
        }
        found
    });
    let table = findings.section(&section, "dimensions");
    let mut dimensions = BTreeMap::new();
    for name in table.names() {
        if let Some(value) = findings.text(&table, name) {
            dimensions.insert(name.to_owned(), value.value.to_owned());
        }
    }
    if dimensions.len() > MOST_DIMENSIONS {
        let message = format!("a metric has at most {MOST_DIMENSIONS} dimensions");
        findings.problem(section.offset_of("dimensions"), &section.path_of("dimensions"), message);
    }
    Some(Some(EvidencePolicy {
        namespace: namespace?.value.to_owned(),
        metric: metric?.value.to_owned(),
        dimensions,
        at_least: at_least?,
    }))
}
