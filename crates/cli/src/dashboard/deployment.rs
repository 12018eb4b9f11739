//! The page of one deployment: everything that is recorded of it.

use domain::addresses;
use domain::approval::{Approver, Ballot, Choice, StackFacts};
use domain::change_set::{Loss, Summary, Tense};
use domain::deployment::{Deployment, Leg};
use domain::failure::Failure;
use domain::history::{CameTo, spent};
use domain::ledger::Entry;
use domain::life::{Ending, Event, Status};
use domain::message::{asked_from, duration, sentence};
use domain::smoke_test::{CheckResult, Report};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::charts;
use super::overview::version;
use super::page::{self, Page, View, away, badge, is_web_address, minute, since, text};
use super::reading::Record;
use crate::show::{CHANGED, NOT_CHANGED, Shown};

/// The page.
pub fn page(record: &Record, view: &View) -> Page {
    let shown = Shown::of(&record.deployment, &record.entries);
    let ending = record.entries.iter().rev().find_map(|entry| match &entry.what {
        Event::Ended(ending) => Some(ending),
        _ => None,
    });
    let status = Status {
        ending: ending.cloned(),
        ..Status::default()
    };
    let heading = heading(record, &shown);
    let body = html! {
        section.now {
            @if let Some(requested) = shown.requested { p.of { (requested.application) } }
            h1 { (heading) }
            p { (badge(CameTo::of(&status))) " " (took(record, ending.is_some())) }
            (end(ending))
            @if let Some(why) = &shown.broken {
                p.notice { strong { "The record is not as it was written: " } (text(why)) }
            }
            (charts::spent("spent", &spent(&record.entries, record.at)))
        }
        (timeline(&record.entries))
        (changes(&shown))
        (tests(&record.entries))
        (people(&record.entries))
        @if let Some(requested) = shown.requested { (details(record, requested, shown.broken.is_none())) }
    };
    let shown = page::Shown {
        title: &heading,
        at: Some(record.at),
        changes: ending.is_none(),
        body: &body,
    };
    page::page(200, view, &shown)
}

fn heading(record: &Record, shown: &Shown<'_>) -> String {
    let id = record.deployment.as_str();
    shown.requested.map_or_else(
        || id.to_owned(),
        |requested| {
            format!(
                "{} in {}",
                version(&requested.reference, id),
                requested.environment.name
            )
        },
    )
}

/// How long it took, or has taken.
fn took(record: &Record, is_over: bool) -> Markup {
    let (Some(first), Some(last)) = (record.entries.first(), record.entries.last()) else {
        return Markup::default();
    };
    html! {
        @if is_over {
            "in " (duration(last.at.duration_since(first.at))) ", at " (minute(last.at))
        } @else {
            "for " (since(first.at, record.at))
        }
    }
}

/// How it ended, and what is to be done.
fn end(ending: Option<&Ending>) -> Markup {
    let Some(ending) = ending else {
        return Markup::default();
    };
    let failure: Option<&Failure> = match ending {
        Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure } => Some(failure),
        _ => None,
    };
    html! {
        @if let Some(failure) = failure {
            div.failure {
                p { strong { (failure.name) } ": " (failure.name.meaning()) }
                @if !failure.cause.is_empty() { p { (text(&failure.cause)) } }
                p { strong { "What to do: " } (failure.name.remedy()) }
            }
        } @else if let Ending::Superseded { by } = ending {
            p { "A newer deployment took its place: " code { (by) } "." }
        }
    }
}

fn timeline(entries: &[Entry]) -> Markup {
    let before = std::iter::once(None).chain(entries.iter().map(|entry| Some(entry.at)));
    html! {
        section {
            h2 { "What happened" }
            table.timeline {
                thead {
                    tr {
                        th scope="col" { "Time" }
                        th scope="col" { "After" }
                        th scope="col" { "What" }
                    }
                }
                tbody {
                    @for (entry, before) in entries.iter().zip(before) {
                        tr {
                            td.when { (at(entry.at, before)) }
                            td.after {
                                @if let Some(before) = before { "+" (duration(entry.at.duration_since(before))) }
                            }
                            td { (text(&sentence(&entry.what))) (log(&entry.what)) }
                        }
                    }
                }
            }
        }
    }
}

/// A time, with its day where that is another than before.
fn at(at: Timestamp, before: Option<Timestamp>) -> Markup {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let is_same = before.is_some_and(|before| day(before) == day(at));
    page::time(at, if is_same { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" })
}

/// Where the log of what happened can be read.
fn log(event: &Event) -> Markup {
    let (Event::Building { log, .. } | Event::IntegrationTesting { log, .. } | Event::IntegrationTested { log, .. }) =
        event
    else {
        return Markup::default();
    };
    html! { @if is_web_address(log) { " " (away(log, "Log")) } }
}

fn changes(shown: &Shown<'_>) -> Markup {
    let ways = CHANGED.map(|(leg, heading)| (heading, shown.changes(leg)));
    let not_done: Vec<&StackFacts> = ways.iter().flat_map(|(_, (_, not_done))| not_done).collect();
    html! {
        @for (heading, (done, _)) in &ways {
            (of_stacks(heading, &done.iter().collect::<Vec<_>>(), Tense::Done))
        }
        (of_stacks(NOT_CHANGED, &not_done, Tense::Planned))
    }
}

fn of_stacks(heading: &str, stacks: &[&StackFacts], tense: Tense) -> Markup {
    html! {
        @if !stacks.is_empty() {
            section {
                h2 { (heading) }
                @for facts in stacks {
                    h3 { (facts.stack) }
                    @match &facts.summary {
                        None => p.soft { "no changes" },
                        Some(summary) => { p { (summary.counts(tense)) } (resources(summary, tense)) }
                    }
                }
            }
        }
    }
}

fn resources(summary: &Summary, tense: Tense) -> Markup {
    let more = summary.more_changes();
    html! {
        @if !summary.losses.is_empty() || !summary.changes.is_empty() {
            table.resources {
                thead {
                    tr {
                        th scope="col" { "Resource" }
                        th scope="col" { "Type" }
                        th scope="col" { "What" }
                    }
                }
                tbody {
                    @for loss in &summary.losses {
                        tr {
                            td { (text(&loss.logical_id)) }
                            td.small { (text(&loss.resource_type)) }
                            td { (gone(loss, tense)) }
                        }
                    }
                    @for change in &summary.changes {
                        tr {
                            td { (text(&change.logical_id)) }
                            td.small { (text(&change.resource_type)) }
                            td { (change.action.told(tense)) }
                        }
                    }
                }
            }
        }
        @if summary.truncated > 0 {
            p {
                "And " (summary.truncated) " more that "
                @if tense == Tense::Planned { "are" } @else { "were" } " replaced or removed."
            }
        }
        @if more > 0 { p { "And " (more) " more." } }
    }
}

fn gone(loss: &Loss, tense: Tense) -> Markup {
    html! {
        (loss.told(tense))
        @if loss.stateful {
            "; "
            @if loss.kept { (loss.fate(tense)) } @else { strong.bad { (loss.fate(tense)) } }
        }
    }
}

/// The smoke tests of both ways, and the integration tests.
fn tests(entries: &[Entry]) -> Markup {
    let smoke: Vec<(Leg, &Report)> = entries
        .iter()
        .filter_map(|entry| match &entry.what {
            Event::SmokeTested { leg, report } => Some((*leg, report)),
            _ => None,
        })
        .collect();
    let integration = entries.iter().rev().find_map(|entry| match &entry.what {
        Event::IntegrationTested { passed, log, .. } if !log.is_empty() => Some((*passed, log)),
        _ => None,
    });
    html! {
        @if !smoke.is_empty() || integration.is_some() {
            section {
                h2 { "Tests" }
                @for (leg, report) in smoke {
                    @let way = if leg == Leg::Back { "Smoke tests after going back" } else { "Smoke tests" };
                    @if report.checks.is_empty() && report.passed {
                        p.soft { (way) ": the release has none" }
                    } @else {
                        p { (verdict(way, report.passed)) }
                    }
                    @if !report.checks.is_empty() { ul.checks { @for check in &report.checks { (of_check(check)) } } }
                }
                @if let Some((passed, log)) = integration {
                    p { (verdict("Integration tests", passed)) @if is_web_address(log) { " (" (away(log, "log")) ")" } }
                }
            }
        }
    }
}

fn of_check(check: &CheckResult) -> Markup {
    let took = duration(SignedDuration::from_millis(
        i64::try_from(check.took_ms).unwrap_or(i64::MAX),
    ));
    html! {
        li {
            (text(&check.name)) " " @if check.passed { span.good { "passed" } } @else { span.bad { "failed" } }
            span."soft small" { ", " (took) @if check.attempts > 1 { ", at attempt " (check.attempts) } }
            @for reason in &check.reasons { p.small { (text(reason)) } }
        }
    }
}

fn verdict(tests: &str, passed: bool) -> Markup {
    html! { @if passed { span.good { (tests) " passed" } } @else { span.bad { (tests) " failed" } } }
}

/// What people were asked last, and what they answered.
pub struct Question<'e> {
    people: &'e [Approver],
    excluded: &'e [Approver],
    unconfirmed: &'e [Approver],
    /// Until when.
    pub deadline: Timestamp,
    ballots: Vec<&'e Ballot>,
}

impl<'e> Question<'e> {
    /// Nothing, where nobody was asked.
    pub fn of(entries: &'e [Entry]) -> Option<Self> {
        let is_question = |entry: &Entry| matches!(entry.what, Event::ApprovalAsked { .. });
        let place = entries.iter().rposition(is_question)?;
        let Event::ApprovalAsked {
            people,
            deadline,
            unconfirmed,
            excluded,
            ..
        } = &entries.get(place)?.what
        else {
            return None;
        };
        // What was said about other changes does not count any more.
        let answers = entries[place..].iter().filter_map(|entry| match &entry.what {
            Event::Voted { ballot } => Some(ballot),
            _ => None,
        });
        Some(Self {
            people,
            excluded,
            unconfirmed,
            deadline: *deadline,
            ballots: answers.collect(),
        })
    }

    fn answer(&self, person: &Approver) -> Option<&'e Ballot> {
        let of_person = |ballot: &&&Ballot| ballot.by == *person;
        self.ballots.iter().find(of_person).copied()
    }

    /// Who may still answer.
    pub fn awaited(&self) -> Vec<&'e str> {
        let people = self.people.iter();
        let awaited = people.filter(|person| self.answer(person).is_none() && !self.excluded.contains(person));
        awaited.map(Approver::as_str).collect()
    }
}

fn people(entries: &[Entry]) -> Markup {
    let Some(question) = Question::of(entries) else {
        return Markup::default();
    };
    html! {
        section {
            h2 { "Who was asked" }
            p.soft { "Until " (minute(question.deadline)) "." }
            ul.people {
                @for person in question.people { li { strong { (person) } " " (state_of(&question, person)) } }
            }
        }
    }
}

fn state_of(question: &Question<'_>, person: &Approver) -> Markup {
    html! {
        @if let Some(ballot) = question.answer(person) {
            @if ballot.decision == Choice::Accept { span.good { "accepted" } } @else { span.bad { "rejected" } }
            " " span.soft { (minute(ballot.at)) }
            @if !ballot.comment.is_empty() { " " q { (text(&ballot.comment)) } }
        } @else if question.excluded.contains(person) {
            span.soft { "may not answer, having had a part in it" }
        } @else if question.unconfirmed.contains(person) {
            span.soft { "gets no mail, not having confirmed the subscription" }
        } @else {
            span.soft { "has not answered" }
        }
    }
}

fn details(record: &Record, requested: &Deployment, is_whole: bool) -> Markup {
    let commit = addresses::commit(&requested.application, &requested.commit);
    let release = record.entries.iter().find_map(|entry| match &entry.what {
        Event::Released { release } => Some(release),
        _ => None,
    });
    html! {
        section {
            h2 { "Details" }
            dl {
                dt { "Environment" }
                dd {
                    (requested.environment.name) " (account " (requested.environment.account) ", "
                    (requested.environment.region) ")"
                }
                dt { "Commit" } dd { code { (away(&commit, requested.commit.short())) } " " (text(&requested.requested.title)) }
                @if let Some(release) = release { dt { "Release" } dd { code { (release) } } }
                dt { "Asked by" }
                dd { (text(&requested.requested.by)) ", " (text(&asked_from(requested))) ", " (minute(requested.requested.at)) }
                dt { "Deployment" } dd { code { (record.deployment) } }
                @if let Some(console) = &record.console {
                    dt { "Execution" } dd { (away(console, "In the Step Functions console")) }
                }
                @if is_whole { dt { "Record" } dd { span.good { "whole" } ", " (record.entries.len()) " entries" } }
            }
        }
    }
}
