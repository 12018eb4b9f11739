//! The pages of all applications, and of one.

use domain::life::Phase;
use domain::message::sentence;
use maud::{Markup, html};

use super::deployment::Question;
use super::page::{Page, Shown, View, away, minute, page, since, text};
use super::reading::{Ladder, Overview, Rung};
use super::{charts, figures, history, ladder};
use crate::status::UnderWay;

/// How many deployments of each application are listed beside those of others.
const AT_A_GLANCE: usize = 8;

/// How many are listed on a page of its own.
const AT_MOST: usize = 500;

/// All applications.
pub fn all(overview: &Overview, view: &View) -> Page {
    let ladders = &overview.applications;
    let body = html! {
        (now(overview, ladders.iter(), view))
        @if ladders.is_empty() {
            section { p { "No application is configured." } }
        }
        @for ladder in ladders {
            (application(overview, ladder, AT_A_GLANCE, view))
        }
    };
    shown(overview, "Overview", &body, view)
}

/// One application.
pub fn one(overview: &Overview, ladder: &Ladder, view: &View) -> Page {
    let body = html! {
        (now(overview, std::iter::once(ladder), view))
        (application(overview, ladder, AT_MOST, view))
    };
    shown(overview, ladder.application.repository.as_str(), &body, view)
}

fn shown(overview: &Overview, title: &str, body: &Markup, view: &View) -> Page {
    let shown = Shown {
        title,
        at: Some(overview.at),
        changes: true,
        body,
    };
    page(200, view, &shown)
}

/// What is moving, and what needs somebody.
fn now<'o>(overview: &'o Overview, ladders: impl Iterator<Item = &'o Ladder> + Clone, view: &View) -> Markup {
    let rungs = ladders.flat_map(|ladder| ladder.rungs.iter().map(move |rung| (ladder, rung)));
    let moving = rungs
        .clone()
        .filter_map(|(ladder, rung)| Some((ladder, rung, rung.standing.under_way.as_ref()?)));
    let moving: Vec<(&Ladder, &Rung, &UnderWay)> = moving.collect();
    let closed = rungs.clone().filter(|(_, rung)| rung.standing.closed.is_some()).count();
    let held = rungs.clone().filter(|(_, rung)| rung.standing.hold.is_some()).count();
    html! {
        section.now {
            h1 { (headline(moving.len())) }
            @if closed > 0 { p.bad { (environments(closed, "needs", "need")) " an operator" } }
            @if held > 0 { p.warned { (environments(held, "is", "are")) " held" } }
            @if !moving.is_empty() {
                ul.moving {
                    @for (ladder, rung, under_way) in moving { li { (moves(overview, ladder, rung, under_way, view)) } }
                }
            }
        }
    }
}

fn headline(moving: usize) -> String {
    match moving {
        0 => "Nothing is moving".to_owned(),
        1 => "1 deployment is under way".to_owned(),
        more => format!("{more} deployments are under way"),
    }
}

fn environments(many: usize, one_does: &str, more_do: &str) -> String {
    match many {
        1 => format!("1 environment {one_does}"),
        more => format!("{more} environments {more_do}"),
    }
}

fn moves(overview: &Overview, ladder: &Ladder, rung: &Rung, under_way: &UnderWay, view: &View) -> Markup {
    let id = &under_way.deployment;
    let is_asked = under_way.phase == Phase::Accepting && !under_way.plans;
    html! {
        p.of { (ladder.application.repository) ", " (rung.environment.name) }
        p.does {
            @if is_asked { span.badge.asks { "waits for people" } " " }
            (capitalised(under_way.does())) " " (view.deployment(id, &version(&under_way.version, id.as_str())))
            @if let Some(asked_at) = under_way.asked_at {
                span.soft { ", for " (since(asked_at, overview.at)) }
            }
        }
        @if let Some(question) = Question::of(&rung.moving).filter(|_| is_asked) {
            p.small {
                "Until " (minute(question.deadline)) " for " (question.awaited().join(", "))
            }
        }
        @if let Some(last) = rung.moving.last() {
            p."soft small" { "Last, " (since(last.at, overview.at)) " ago: " (text(&sentence(&last.what))) }
        }
        @if !rung.moving.is_empty() {
            (charts::spent(&format!("spent-{id}"), &domain::history::spent(&rung.moving, overview.at)))
        }
    }
}

/// What it was asked from; where the record of that is gone, the deployment's name.
pub fn version(version: &str, otherwise: &str) -> String {
    if version.is_empty() {
        otherwise.to_owned()
    } else {
        text(version)
    }
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn application(overview: &Overview, ladder: &Ladder, most: usize, view: &View) -> Markup {
    let name = &ladder.application.repository;
    let own = format!("/applications/{name}");
    html! {
        section.application {
            h2 { @if view.path == own { (name) } @else { a href=(view.link(&own)) { (name) } } }
            p."soft small" {
                "Pushes to " (text(&ladder.application.branch)) " climb here. "
                (away(&format!("https://github.com/{name}"), "On GitHub"))
            }
            (ladder::ladder(ladder, overview.at, view))
            (history::history(ladder, most, view))
            (figures::figures(ladder, overview.period))
        }
    }
}
