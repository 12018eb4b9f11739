//! The deployments of an application, the newest first.

use domain::addresses;
use domain::approval::Approver;
use maud::{Markup, html};

use super::overview::version;
use super::page::{View, away, badge, minute, text};
use super::reading::Ladder;
use crate::history::{Past, seconds};

/// At most so many of them.
pub fn history(ladder: &Ladder, most: usize, view: &View) -> Markup {
    let (shown, all) = (ladder.pasts.iter().take(most), ladder.pasts.len());
    let name = &ladder.application.repository;
    let own = format!("/applications/{name}");
    html! {
        h3 { "History" }
        @if all == 0 {
            p.soft { "No deployments in this time." }
        } @else {
            div.scrolls role="region" tabindex="0" aria-label={ "History of " (name) } {
                table.history {
                    thead {
                        tr {
                            th scope="col" { "Asked" }
                            th scope="col" { "Where" }
                            th scope="col" { "What" }
                            th scope="col" { "Came to" }
                            th.less scope="col" { "Took" }
                            th.less scope="col" { "Who" }
                        }
                    }
                    tbody { @for past in shown { (row(ladder, past, view)) } }
                }
            }
            @if all > most && view.path == own {
                p.small { "And " (all - most) " earlier ones: " code { "lockgate history " (name) } " lists them all." }
            } @else if all > most {
                p.small { a href=(view.link(&own)) { "All " (all) " deployments of " (name) } }
            }
        }
    }
}

fn row(ladder: &Ladder, past: &Past, view: &View) -> Markup {
    let by: Vec<&str> = past.accepted_by.iter().map(Approver::as_str).collect();
    let commit = addresses::commit(&ladder.application.repository, &past.commit);
    let failure = past.failure.as_deref().and_then(|failure| failure.split(':').next());
    html! {
        tr {
            td.when { (minute(past.at)) }
            td.where { (past.environment) }
            td {
                (view.deployment(&past.deployment, &version(&past.version, past.deployment.as_str())))
                " " span.small { code { (away(&commit, past.commit.short())) } }
            }
            td { (badge(past.came_to)) @if let Some(failure) = failure { " " span."soft small" { (text(failure)) } } }
            td.less {
                (seconds(past.took_seconds))
                @if let Some(people) = past.people_seconds { " " span."soft small" { "people " (seconds(people)) } }
            }
            td.less {
                (text(&past.asked_by))
                @if !by.is_empty() { " " span."soft small" { "accepted by " (by.join(", ")) } }
            }
        }
    }
}
