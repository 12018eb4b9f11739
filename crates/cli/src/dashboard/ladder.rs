//! The ladder: its environments in a row, each a lock that stands higher than the one before.

use domain::addresses;
use domain::approval::Approver;
use jiff::Timestamp;
use maud::{Markup, html};

use super::overview::version;
use super::page::{View, away, minute, text};
use super::reading::{Ladder, Rung};
use crate::status::{Standing, age};

/// How high the highest rungs stand.
const HIGHEST: usize = 5;

/// What a gate does to whatever wants to go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Nothing is in its way.
    Open,
    /// Something is inside.
    InUse,
    /// It is frozen.
    Frozen,
    /// A person has to look before anything goes forward.
    Held,
    /// An operator has to open it.
    Closed,
}

impl Gate {
    /// The gravest of what there is.
    fn of(standing: &Standing) -> Self {
        if standing.closed.is_some() {
            Self::Closed
        } else if standing.under_way.is_some() {
            Self::InUse
        } else if standing.hold.is_some() {
            Self::Held
        } else if standing.frozen.is_some() {
            Self::Frozen
        } else {
            Self::Open
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InUse => "in use",
            Self::Frozen => "frozen",
            Self::Held => "held",
            Self::Closed => "operator needed",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Open => "gate well",
            Self::InUse => "gate moves",
            Self::Frozen | Self::Held => "gate warns",
            Self::Closed => "gate fails",
        }
    }
}

/// All environments of an application.
pub fn ladder(ladder: &Ladder, at: Timestamp, view: &View) -> Markup {
    html! {
        h3 { "The ladder" }
        ol.ladder {
            @for (place, rung) in ladder.rungs.iter().enumerate() {
                li class={ "rung rung-" ((place + 1).min(HIGHEST)) } {
                    div.chamber {
                        (gate(Gate::of(&rung.standing)))
                        h4 { (rung.environment.name) }
                        (has(ladder, rung, at, view))
                        (happens(&rung.standing, at, view))
                        p."soft small" {
                            "account " (rung.environment.account) ", " (rung.environment.region)
                            @if let Some(after) = &rung.environment.after { ", after " (after) }
                        }
                    }
                    (water(rung.standing.under_way.is_some()))
                }
            }
        }
    }
}

/// The two leaves of a gate: against the walls, or meeting against the water.
fn gate(gate: Gate) -> Markup {
    let leaves = match gate {
        Gate::Open => "M4 3v15M20 3v15",
        Gate::InUse => "M4 3v15M20 3v15M12 8v9M8 12l4-4 4 4",
        Gate::Frozen | Gate::Held | Gate::Closed => "M4 3v15M20 3v15M4 5l8 5 8-5M4 11l8 5 8-5",
    };
    html! {
        p class=(gate.class()) {
            svg viewBox="0 0 24 21" aria-hidden="true" { path d=(leaves) {} }
            span.unseen { "Gate: " } (gate.words())
        }
    }
}

/// What it has, since when, and who accepted it.
fn has(ladder: &Ladder, rung: &Rung, at: Timestamp, view: &View) -> Markup {
    let Some(stable) = &rung.standing.stable else {
        return html! { p.version.soft { "nothing yet" } };
    };
    let by: Vec<&str> = stable.accepted_by.iter().map(Approver::as_str).collect();
    let commit = addresses::commit(&ladder.application.repository, &stable.commit);
    html! {
        p.version { (view.deployment(&stable.deployment, &version(&stable.version, stable.deployment.as_str()))) }
        p.small { code { (away(&commit, stable.commit.short())) } }
        p.small { "stable for " (age(stable.since, at)) span.soft { ", since " (minute(stable.since)) } }
        @if !by.is_empty() { p."small good" { "accepted by " (by.join(", ")) } }
    }
}

/// What happens there, and what keeps things out, the gravest first.
fn happens(standing: &Standing, at: Timestamp, view: &View) -> Markup {
    html! {
        ul.happens {
            @if let Some(closed) = &standing.closed {
                li.fails {
                    "needs an operator for " (age(closed.since, at)) ", since "
                    (view.deployment(&closed.deployment, closed.deployment.as_str())) " ended: " (text(&closed.why))
                }
            }
            @if let Some(under_way) = &standing.under_way {
                li.moves {
                    (under_way.does()) " "
                    (view.deployment(&under_way.deployment, &version(&under_way.version, under_way.deployment.as_str())))
                }
            }
            @if let Some(unsettled) = &standing.unsettled {
                li.warns { "has what " (view.deployment(unsettled, unsettled.as_str())) " brought, which is not stable" }
            }
            @if let Some(hold) = &standing.hold {
                li.warns { "held for " (age(hold.since, at)) " by " (text(&hold.by)) ": " (text(&hold.why)) }
            }
            @if let Some(frozen) = &standing.frozen { li.warns { (text(frozen)) } }
            @for waiting in &standing.queue { li { (view.deployment(waiting, waiting.as_str())) " waits" } }
        }
    }
}

/// The water below, with a boat on it where something is under way.
fn water(is_under_way: bool) -> Markup {
    html! {
        div.water aria-hidden="true" {
            @if is_under_way {
                svg.boat viewBox="0 0 40 26" { path d="M3 17h34l-5 7H9zM19 2v12M19 3l11 10H19z" {} }
            }
            svg.wave viewBox="0 0 160 8" preserveAspectRatio="none" {
                path d="M0 4q10-6 20 0t20 0 20 0 20 0 20 0 20 0 20 0 20 0V8H0z" {}
            }
        }
    }
}
