//! The page that a person decides on: to be read in half a minute, on a telephone or a desk, without JavaScript.
//!
//! Texts of others were made harmless where they came in; what is HTML in them is escaped by `maud`.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::approval::{
    Approval, Approver, Ballot, COMMENT_LIMIT, ChecklistItem, Choice, CommitLine, Counted, Facts, Outcome,
};
use domain::change_set::{How, Loss, Summary, Tense};
use domain::message::{LATER, author, counted, duration, still_earlier, tense};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::http::Response;

const STYLE: &str = include_str!("style.css");

/// Below every page that a link of somebody's own opens.
const PERSONAL: &str = "This link is personal. Opening it decides nothing; only the buttons do.";

/// How many commits are read in a moment.
const AT_A_GLANCE: usize = 8;

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

/// The page with its question. What is needed to answer comes first, and the details come last.
pub fn question(status: u16, approval: &Approval, me: &Approver, form: &Form, now: Timestamp) -> Response {
    let body = html! {
        section {
            p.of { (approval.application) }
            h1 { (asks(approval)) }
            p.lead {
                @match tense(approval) {
                    Tense::Done => "It is deployed there and passed its tests. Try it, tick what you checked, and answer by ",
                    Tense::Planned => {
                        "Nothing is changed there yet. Read what would be changed: exactly that is done if it is accepted, and "
                        "you are asked again if anything about it becomes different. Answer by "
                    }
                }
                (moment(approval.deadline)) " (" (left(approval.deadline, now)) ")."
            }
            @if tense(approval) == Tense::Done { (tests(approval)) }
            (lost(approval))
            @if let Some(complaint) = &form.complaint {
                p.notice #complaint role="alert" { strong { "Not recorded: " } (complaint) }
            }
        }
        (changes(approval))
        form method="post" accept-charset="utf-8" {
            // The Enter key presses a form's first button: this one, which does nothing, and not Accept.
            button type="submit" disabled hidden {}
            input type="hidden" name="token" value=(form.token);
            input type="hidden" name="nonce" value=(form.nonce);
            (checklist(&approval.checklist, &form.ticked))
            section {
                h2 { "Your answer" }
                label for="comment" { "Comment " span.soft { "(needed to reject; kept on record)" } }
                // What is complained of is always the comment.
                textarea #comment name="comment" maxlength=(COMMENT_LIMIT)
                    aria-invalid=[form.complaint.as_ref().map(|_| "true")]
                    aria-describedby=[form.complaint.as_ref().map(|_| "complaint")] { (form.comment) }
                div.buttons {
                    button.accept type="submit" name="decision" value="accept" { "Accept" }
                    button.reject type="submit" name="decision" value="reject" { "Reject" }
                }
                p."soft small" {
                    "Your answer is for " @if tense(approval) == Tense::Planned { "these changes by " }
                    "release " code { (approval.release.short()) } " in " (approval.environment)
                    " only, and cannot be changed later."
                }
            }
        }
        (people(approval, me))
        (facts(approval))
    };
    let title = format!("{}: {}", approval.application, asks(approval));
    page(status, &title, &body, Some(PERSONAL))
}

fn asks(approval: &Approval) -> String {
    match tense(approval) {
        Tense::Done => format!("Accept {} in {}?", approval.version, approval.environment),
        Tense::Planned => format!("Let {} into {}?", approval.version, approval.environment),
    }
}

/// The page once there is nothing more to be asked: what was decided, or what this person answered.
pub fn answered(status: u16, approval: &Approval, me: &Approver, heading: &str, now: Timestamp) -> Response {
    let body = html! {
        section {
            p.of { (approval.application) " " (approval.version) " in " (approval.environment) }
            h1 { (heading) }
            (ending(approval, now))
        }
        (people(approval, me))
        (ticks(approval))
        (changes(approval))
        @if tense(approval) == Tense::Done {
            section {
                h2 { "Tests" }
                (tests(approval))
            }
        }
        (facts(approval))
    };
    page(status, heading, &body, Some(PERSONAL))
}

/// A page that tells nothing about any approval.
pub fn notice(status: u16, heading: &str, sentence: &str) -> Response {
    page(
        status,
        heading,
        &html! { section { h1 { (heading) } p { (sentence) } } },
        None,
    )
}

fn page(status: u16, title: &str, body: &Markup, footer: Option<&str>) -> Response {
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
                header { (mark()) "Lockgate" }
                main { (body) }
                @if let Some(sentence) = footer { footer { (sentence) } }
            }
        }
    };
    Response::page(status, page.into_string(), POLICY.clone())
}

/// Two gates that meet against the water.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" {
            path d="M4 3v11M20 3v11M4 4l8 5 8-5M4 10l8 5 8-5M3 20c2 0 2-1.5 4.5-1.5S10 20 12 20s2-1.5 4.5-1.5S19 20 21 20" {}
        }
    }
}

fn facts(approval: &Approval) -> Markup {
    html! {
        section {
            h2 { "Details" }
            dl {
                dt { "Application" } dd { (approval.application) }
                dt { "Version" } dd { (approval.version) }
                dt { "Environment" } dd { (approval.environment) " (account " (approval.account) ", " (approval.region) ")" }
                dt { "Commit" } dd { code { (approval.commit.short()) } " " (approval.title) }
                dt { "Author" } dd { (author(approval)) }
                dt { "Release" } dd { code { (approval.release) } }
                @if let Some(prepared) = &approval.prepared { dt { "Changes" } dd { code { (prepared) } } }
                dt { "Deployment" } dd { code { (approval.deployment) } }
                dt { "Asked for by" } dd { (approval.requested_by) ", " (moment(approval.asked_at)) }
            }
        }
    }
}

fn changes(approval: &Approval) -> Markup {
    let (facts, tense) = (&approval.facts, tense(approval));
    let is_usual = facts.since.is_some() && facts.counted == Counted::SinceAccepted;
    html! {
        section {
            h2 {
                @if tense == Tense::Planned { "What is new" } @else { "What changed" }
                @if is_usual { " since the last accepted release" }
            }
            @if !is_usual { p.soft { (counted(facts)) "." } }
            @if facts.commits.is_empty() {
                p { "No new commits." }
            }
            (commits(facts.commits.get(..AT_A_GLANCE).unwrap_or(&facts.commits)))
            @if let Some(others @ [_, ..]) = facts.commits.get(AT_A_GLANCE..) {
                details {
                    summary { (others.len()) " earlier ones" }
                    (commits(others))
                }
            }
            @if facts.more_commits > 0 { p { "… and at least " (facts.more_commits) " more." } }
            @if let Some(url) = facts.compare_url.as_deref().filter(|url| is_web_address(url)) {
                p { a href=(url) rel="noreferrer" { "See every line on GitHub" } }
            }
            h3 { @if tense == Tense::Planned { "Resources that will change" } @else { "Resources" } }
            (earlier(facts))
            ul {
                @for stack in &facts.stacks {
                    li { strong { (stack.stack) } ": " (resources(stack.summary.as_ref(), tense)) }
                }
                @if facts.unlisted.stacks > 0 { li { "and in " (facts.unlisted.stacks) " more stacks" } }
                @for stack in &facts.later { li { strong { (stack) } ": " (LATER) } }
            }
        }
    }
}

/// That some of it was changed by others before, which people did not accept.
fn earlier(facts: &Facts) -> Markup {
    html! {
        @if facts.earlier == 1 {
            p { "Some of it was changed by a deployment before this one, which was not accepted." }
        } @else if facts.earlier > 1 {
            p { "Some of it was changed by " (facts.earlier) " deployments before this one, which were not accepted." }
        }
        @if facts.more_earlier > 0 {
            p { (still_earlier(facts.more_earlier)) "." }
        }
    }
}

fn commits(lines: &[CommitLine]) -> Markup {
    html! {
        ul.commits {
            @for line in lines {
                li { (line.title) " " span."soft small" { (line.author) ", " code { (line.commit.short()) } } }
            }
        }
    }
}

/// Data that is gone, or may be, is said before anything else.
fn lost(approval: &Approval) -> Markup {
    let summaries = approval.facts.stacks.iter().filter_map(|stack| stack.summary.as_ref());
    let losses = summaries.flat_map(|summary| &summary.losses);
    let lost: Vec<&Loss> = losses.filter(|loss| loss.stateful && !loss.kept).collect();
    // Where there was no room for any of them, the worst is said.
    let is_certain = lost.is_empty() || lost.iter().any(|loss| loss.how != How::MayBeReplaced);
    let more = (approval.facts.data_lost() as usize).saturating_sub(lost.len());
    html! {
        @if !lost.is_empty() || more > 0 {
            div.notice {
                strong { @if is_certain { "This release costs data" } @else { "This release may cost data" } }
                ul {
                    @for loss in &lost { li { (gone(loss, tense(approval))) } }
                    @if more > 0 { li { (more) @if !lost.is_empty() { " more" } " that hold data and are not listed here" } }
                }
            }
        }
    }
}

fn resources(summary: Option<&Summary>, tense: Tense) -> Markup {
    let Some(summary) = summary else {
        return html! { "no changes" };
    };
    html! {
        (summary.counts(tense))
        @if !summary.losses.is_empty() || summary.truncated > 0 {
            ul {
                @for loss in &summary.losses {
                    li { (gone(loss, tense)) }
                }
                @if summary.truncated > 0 {
                    li {
                        "and " (summary.truncated) " more that "
                        @if tense == Tense::Planned { "are" } @else { "were" } " replaced or removed"
                    }
                }
            }
        }
        @if !summary.changes.is_empty() {
            details {
                summary { @if tense == Tense::Planned { "What is added or changed" } @else { "What was added or changed" } }
                ul {
                    @for change in &summary.changes {
                        li { (change.logical_id) " (" (change.resource_type) ") " (change.action.told(tense)) }
                    }
                    @if summary.more_changes() > 0 { li { "and " (summary.more_changes()) " more" } }
                }
            }
        }
    }
}

fn gone(loss: &Loss, tense: Tense) -> Markup {
    html! {
        (loss.logical_id) " (" (loss.resource_type) ") " (loss.told(tense))
        @if loss.stateful {
            "; "
            @if loss.kept { (loss.fate(tense)) } @else { strong { (loss.fate(tense)) } }
        }
    }
}

fn tests(approval: &Approval) -> Markup {
    let facts = &approval.facts;
    html! {
        ul {
            @match &facts.smoke_tests {
                Some(report) if !report.checks.is_empty() || facts.unlisted.checks > 0 => {
                    li {
                        (verdict("Smoke tests", report.passed)) ": "
                        (report.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>().join(", "))
                        @if facts.unlisted.checks > 0 {
                            @if !report.checks.is_empty() { ", and " }
                            (facts.unlisted.checks) " that are not listed here"
                        }
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
            section {
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
        section {
            h2 { "Who is asked" }
            p.soft { "One rejection ends it." }
            @for duty in &approval.policy.duties {
                h3 {
                    @if let Some(group) = &duty.group { (group) ": " }
                    (duty.need) " of " (duty.people.len()) " " (if duty.need == 1 { "has" } else { "have" }) " to accept"
                }
                ul.people {
                    @for person in &duty.people {
                        li { strong { (person) @if person == me { " (you)" } } " " (state_of(approval, person)) }
                    }
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
            span.soft { "may not answer, having worked on this release or asked for it" }
        } @else if approval.unconfirmed.contains(person) {
            span.soft { "gets no mail, not having confirmed the subscription" }
        } @else {
            span.soft { "has not answered" }
        }
    }
}

fn answer_of(ballot: &Ballot) -> Markup {
    html! {
        @match ballot.decision {
            Choice::Accept => span.good { "accepted" },
            Choice::Reject => span.bad { "rejected" },
        }
        span.soft { (moment(ballot.at)) }
        @if !ballot.comment.is_empty() { q { (ballot.comment) } }
    }
}

/// Who ticked what.
fn ticks(approval: &Approval) -> Markup {
    html! {
        @if !approval.checklist.is_empty() {
            section {
                h2 { "What was checked" }
                ul.commits {
                    @for (index, item) in approval.checklist.iter().enumerate() {
                        li { (item.text) " " (ticked_by(approval, index)) }
                    }
                }
            }
        }
    }
}

fn ticked_by(approval: &Approval, index: usize) -> Markup {
    let ballots = approval.ballots.iter().filter(|ballot| ballot.ticked.contains(&index));
    let people: Vec<&str> = ballots.map(|ballot| ballot.by.as_str()).collect();
    html! {
        @if people.is_empty() {
            span."soft small" { "ticked by nobody" }
        } @else {
            span."good small" { "ticked by " (people.join(", ")) }
        }
    }
}

fn ending(approval: &Approval, now: Timestamp) -> Markup {
    html! {
        p.told {
            @match &approval.outcome {
                None if now >= approval.deadline => { (expired(approval.deadline)) }
                None => {
                    "Others are still asked, until " (moment(approval.deadline)) " (" (left(approval.deadline, now)) ")."
                }
                Some(Outcome::Accepted { at }) => { span.good { "Accepted" } ", " (moment(*at)) "." }
                Some(Outcome::Rejected { by, comment, at }) => {
                    span.bad { "Rejected" } " by " (by) ", " (moment(*at)) ": " q { (comment) }
                }
                Some(Outcome::Expired { at }) => { (expired(*at)) }
                Some(Outcome::Superseded { by, at }) => {
                    "A newer candidate took its place, " (moment(*at)) ": " code { (by) } "."
                }
                Some(Outcome::Unreachable { at }) => {
                    span.bad { "Ended" } ", " (moment(*at)) ": too few people are left who may accept it."
                }
                Some(Outcome::Withdrawn { at }) => {
                    span.bad { "Ended" } ", " (moment(*at)) ": the deployment was over before people had decided."
                }
            }
        }
    }
}

fn expired(at: Timestamp) -> Markup {
    html! { span.bad { "Expired" } ", " (moment(at)) ": not enough people answered in time." }
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
