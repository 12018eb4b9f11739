//! The page that a person decides on: to be read in half a minute, on a telephone or a desk, without JavaScript.
//!
//! Texts of others were made harmless where they came in; what is HTML in them is escaped by `maud`.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::approval::{Approval, Approver, Ballot, COMMENT_LIMIT, ChecklistItem, Choice, Outcome};
use domain::change_set::{How, Loss, Summary};
use domain::message::duration;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::http::Response;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded, nothing runs, nobody frames it, and the form goes nowhere but back to us.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// What the form needs and gives back.
#[derive(Default)]
pub struct Form {
    /// Shows that the page was opened before it was answered.
    pub nonce: String,
    /// The link's token.
    pub token: String,
    /// What was not right about the answer that was just given.
    pub complaint: Option<String>,
    /// The comment as it was given.
    pub comment: String,
    /// The ticks as they were given.
    pub ticked: Vec<usize>,
}

/// The page with its question.
pub fn question(status: u16, approval: &Approval, me: &Approver, form: &Form, now: Timestamp) -> Response {
    let body = html! {
        h1 { "Is " (approval.version) " of " (approval.application) " to be accepted in " (approval.environment) "?" }
        p.lead {
            "It is deployed there and passed its tests. Try it, tick what you checked, and answer by "
            (moment(approval.deadline)) " (" (left(approval.deadline, now)) ")."
        }
        @if let Some(complaint) = &form.complaint {
            p.notice role="alert" { strong { "Not recorded: " } (complaint) }
        }
        (facts(approval))
        (changes(approval))
        (tests(approval))
        form method="post" accept-charset="utf-8" {
            // The Enter key presses a form's first button: this one, which does nothing, and not Accept.
            button type="submit" disabled hidden {}
            input type="hidden" name="token" value=(form.token);
            input type="hidden" name="nonce" value=(form.nonce);
            (checklist(&approval.checklist, &form.ticked))
            h2 { "Your answer" }
            label for="comment" { "Comment (needed to reject; kept on record)" }
            textarea #comment name="comment" maxlength=(COMMENT_LIMIT) { (form.comment) }
            div.answer {
                button.accept type="submit" name="decision" value="accept" { "Accept" }
                button.reject type="submit" name="decision" value="reject" { "Reject" }
            }
        }
        (people(approval, me))
    };
    let title = format!(
        "Accept {} of {} in {}?",
        approval.version, approval.application, approval.environment
    );
    page(status, &title, &body)
}

/// The page once there is nothing more to be asked: what was decided, or what this person answered.
pub fn answered(status: u16, approval: &Approval, me: &Approver, heading: &str, now: Timestamp) -> Response {
    let body = html! {
        h1 { (heading) }
        (ending(approval, now))
        (facts(approval))
        (people(approval, me))
        (ticks(approval))
        (changes(approval))
        (tests(approval))
    };
    page(status, heading, &body)
}

/// A page that tells nothing about any approval.
pub fn notice(status: u16, heading: &str, sentence: &str) -> Response {
    page(status, heading, &html! { h1 { (heading) } p { (sentence) } })
}

fn page(status: u16, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Lockgate" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { "Lockgate" }
                main { (body) }
                footer { "This link is yours alone. Opening it changes nothing; only the buttons do." }
            }
        }
    };
    Response::page(status, page.into_string(), POLICY.clone())
}

fn facts(approval: &Approval) -> Markup {
    html! {
        dl {
            dt { "Application" } dd { (approval.application) }
            dt { "Version" } dd { (approval.version) }
            dt { "Environment" } dd { (approval.environment) " (account " (approval.account) ", " (approval.region) ")" }
            dt { "Commit" } dd { code { (approval.commit.short()) } " " (approval.title) }
            dt { "Release" } dd { code { (approval.release.short()) } }
            dt { "Asked by" } dd { (approval.requested_by) ", " (moment(approval.asked_at)) }
        }
    }
}

fn changes(approval: &Approval) -> Markup {
    let facts = &approval.facts;
    html! {
        h2 { "What changed" @if facts.since.is_some() { " since the last accepted release" } }
        @if facts.commits.is_empty() {
            p { "No commits that are not in what was accepted before." }
        } @else {
            ul {
                @for line in &facts.commits {
                    li { (line.title) " " span.lead { (line.author) ", " code { (line.commit.short()) } } }
                }
            }
        }
        @if facts.more_commits > 0 { p { "… and at least " (facts.more_commits) " more." } }
        @if let Some(url) = facts.compare_url.as_deref().filter(|url| is_web_address(url)) {
            p { a href=(url) rel="noreferrer" { "See every line on GitHub" } }
        }
        h3 { "Resources" }
        ul {
            @for stack in &facts.stacks {
                li { strong { (stack.stack) } ": " (resources(stack.summary.as_ref())) }
            }
        }
    }
}

fn resources(summary: Option<&Summary>) -> Markup {
    let Some(summary) = summary else {
        return html! { "no changes" };
    };
    html! {
        (counts(summary))
        @if !summary.losses.is_empty() {
            ul {
                @for loss in &summary.losses {
                    li {
                        (loss.logical_id) " (" (loss.resource_type) ") " (manner(loss.how))
                        @if loss.stateful { "; " (fate(loss)) }
                    }
                }
                @if summary.truncated > 0 { li { "and " (summary.truncated) " more that were replaced or removed" } }
            }
        }
    }
}

fn counts(summary: &Summary) -> String {
    let counts = [
        (summary.add, "added"),
        (summary.modify, "changed"),
        (summary.remove, "removed"),
        (summary.import, "imported"),
        (summary.dynamic, "perhaps changed"),
    ];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, did)| format!("{count} {did}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn manner(how: How) -> &'static str {
    match how {
        How::Removed => "was removed",
        How::Replaced => "was replaced",
        How::MayBeReplaced => "may have been replaced",
    }
}

/// What became of a resource that holds data.
fn fate(loss: &Loss) -> Markup {
    html! {
        @match (loss.kept, loss.how) {
            (true, _) => "the old one, or a snapshot of it, is kept",
            (false, How::MayBeReplaced) => span.bad { "its data may be gone" },
            (false, How::Removed | How::Replaced) => span.bad { "its data is gone" },
        }
    }
}

fn tests(approval: &Approval) -> Markup {
    let facts = &approval.facts;
    html! {
        h2 { "Tests" }
        ul {
            @match &facts.smoke_tests {
                Some(report) if !report.checks.is_empty() => {
                    li {
                        (verdict("Smoke tests", report.passed)) ": "
                        (report.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>().join(", "))
                    }
                }
                _ => li { "The release has no smoke tests." }
            }
            @match &facts.integration_tests {
                Some(tests) => {
                    li {
                        (verdict("Integration tests", tests.passed))
                        @if is_web_address(&tests.log) { " (" a href=(tests.log) rel="noreferrer" { "log" } ")" }
                    }
                }
                None => li { "The release has no integration tests." }
            }
        }
    }
}

fn verdict(tests: &str, passed: bool) -> Markup {
    html! {
        @if passed { span.good { (tests) " passed" } } @else { span.bad { (tests) " failed" } }
    }
}

/// What may be made a link of.
fn is_web_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn checklist(items: &[ChecklistItem], ticked: &[usize]) -> Markup {
    html! {
        @if !items.is_empty() {
            h2 { "What to check" }
            @for (heading, group) in grouped(items) {
                fieldset {
                    legend { (heading.unwrap_or("Tick what works")) }
                    @for (index, item) in group {
                        div.tick {
                            input type="checkbox" id=(format!("tick-{index}")) name="tick" value=(index) checked[ticked.contains(&index)];
                            label for=(format!("tick-{index}")) { (item.text) }
                        }
                    }
                }
            }
        }
    }
}

/// One heading's items, each with its place in the whole list.
type Group<'items> = (Option<&'items str>, Vec<(usize, &'items ChecklistItem)>);

/// The items under their headings, in order.
fn grouped(items: &[ChecklistItem]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let heading = item.heading.as_deref();
        match groups.last_mut() {
            Some((last, group)) if *last == heading => group.push((index, item)),
            _ => groups.push((heading, vec![(index, item)])),
        }
    }
    groups
}

fn people(approval: &Approval, me: &Approver) -> Markup {
    html! {
        h2 { "Who is asked" }
        @for duty in &approval.policy.duties {
            p {
                @match &duty.group { Some(group) => (group), None => "People" }
                ": " (duty.need) " of " (duty.people.len()) " have to accept; one rejection ends it."
            }
            ul {
                @for person in &duty.people {
                    li { (person) @if person == me { " (you)" } ": " (state_of(approval, person)) }
                }
            }
        }
    }
}

fn state_of(approval: &Approval, person: &Approver) -> Markup {
    let ballot = approval.ballots.iter().find(|ballot| ballot.by == *person);
    html! {
        @if let Some(ballot) = ballot {
            (answer_of(ballot))
        } @else if approval.excluded().contains(person) {
            "may not answer, having worked on this release or asked for it"
        } @else if approval.unconfirmed.contains(person) {
            "gets no mail, not having confirmed the subscription"
        } @else {
            "has not answered"
        }
    }
}

fn answer_of(ballot: &Ballot) -> Markup {
    html! {
        @match ballot.decision {
            Choice::Accept => span.good { "accepted" },
            Choice::Reject => span.bad { "rejected" },
        }
        ", " (moment(ballot.at))
        @if !ballot.comment.is_empty() { ": " q { (ballot.comment) } }
    }
}

/// Who ticked what.
fn ticks(approval: &Approval) -> Markup {
    html! {
        @if !approval.checklist.is_empty() {
            h2 { "What was checked" }
            ul {
                @for (index, item) in approval.checklist.iter().enumerate() {
                    li { (item.text) ": " (ticked_by(approval, index)) }
                }
            }
        }
    }
}

fn ticked_by(approval: &Approval, index: usize) -> String {
    let people: Vec<String> = approval
        .ballots
        .iter()
        .filter(|ballot| ballot.ticked.contains(&index))
        .map(|ballot| ballot.by.to_string())
        .collect();
    if people.is_empty() {
        "ticked by nobody".to_owned()
    } else {
        format!("ticked by {}", people.join(", "))
    }
}

fn ending(approval: &Approval, now: Timestamp) -> Markup {
    html! {
        @match &approval.outcome {
            None if now >= approval.deadline => p { span.bad { "Expired" } ", " (moment(approval.deadline)) ": not enough people answered in time." }
            None => p.lead {
                "Others are still asked, until " (moment(approval.deadline)) " (" (left(approval.deadline, now)) ")."
            }
            Some(Outcome::Accepted { at }) => p { span.good { "Accepted" } ", " (moment(*at)) "." }
            Some(Outcome::Rejected { by, comment, at }) => p {
                span.bad { "Rejected" } " by " (by) ", " (moment(*at)) ": " q { (comment) }
            }
            Some(Outcome::Expired { at }) => p { span.bad { "Expired" } ", " (moment(*at)) ": not enough people answered in time." }
            Some(Outcome::Superseded { by, at }) => p { "A newer candidate took its place, " (moment(*at)) ": " code { (by) } "." }
            Some(Outcome::Unreachable { at }) => p {
                span.bad { "Ended" } ", " (moment(*at)) ": too few people are left who may accept it."
            }
            Some(Outcome::Withdrawn { at }) => p {
                span.bad { "Ended" } ", " (moment(*at)) ": the deployment was over before people had decided."
            }
        }
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%a %-d %b %Y, %H:%M UTC").to_string()
}

fn left(deadline: Timestamp, now: Timestamp) -> String {
    let left = deadline.duration_since(now);
    match left.as_hours() {
        _ if !left.is_positive() => "over".to_owned(),
        ..3 => format!("{} left", duration(left)),
        hours @ 3..48 => format!("{hours} hours left"),
        hours => format!("{} days left", hours / 24),
    }
}
