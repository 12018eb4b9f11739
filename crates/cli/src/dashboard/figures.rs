//! DORA's four figures of each environment, and how they went from week to week.

use domain::message::duration;
use domain::metrics::{Figures, Period, Times, Week};
use domain::names::EnvironmentName;
use maud::{Markup, html};

use super::charts::{Bar, bars};
use super::page::minute;
use super::reading::Ladder;
use crate::metrics::often;

/// One figure of an environment.
struct Figure {
    name: &'static str,
    class: &'static str,
    value: String,
    beside: String,
    bars: Vec<Bar>,
}

/// The figures of all environments of an application, in the order of its ladder.
pub fn figures(ladder: &Ladder, period: Period) -> Markup {
    let environments = ladder.rungs.iter().map(|rung| &rung.environment.name);
    let found: Vec<(&EnvironmentName, &Figures)> = environments
        .filter_map(|name| Some((name, ladder.figures.get(name)?)))
        .collect();
    html! {
        h3 { "How it is delivered" }
        p."soft small" {
            "DORA's four figures of the deployments asked for since " (minute(period.since))
            ". Bars are weeks, the last one up to now; each has the deployments that ended in it."
        }
        @if found.is_empty() { p.soft { "No deployments in this time." } }
        @for (name, figures) in found { (of(ladder, name, figures)) }
    }
}

fn of(ladder: &Ladder, name: &EnvironmentName, figures: &Figures) -> Markup {
    let id = format!("{}-{name}", ladder.application.repository).replace(['/', '.'], "-");
    let four = [
        deployments(figures),
        lead_time(figures),
        failures(figures),
        restore(figures),
    ];
    html! {
        div.figures {
            h4 { (name) }
            div.tiles {
                @for (place, figure) in four.iter().enumerate() {
                    figure.tile {
                        figcaption {
                            span.name { (figure.name) }
                            strong { (figure.value) }
                            span."soft small" { (figure.beside) }
                        }
                        (bars(&format!("{id}-{place}"), figure.class, &format!("{} in {name}, by week", figure.name), &figure.bars))
                        @if let Some(week) = figures.weeks.first() {
                            p.scale aria-hidden="true" { span { (week.since.strftime("%-d %b")) } span { "now" } }
                        }
                    }
                }
            }
            details {
                summary { "By week, as a table" span.unseen { ", " (name) " of " (ladder.application.repository) } }
                (table(figures))
            }
        }
    }
}

fn deployments(figures: &Figures) -> Figure {
    let bar = |week: &Week| Bar {
        much: Some(f64::from(week.deployments)),
        words: said(week, Some(week.deployments.to_string())),
    };
    Figure {
        name: "Deployments",
        class: "well",
        value: figures.deployments.to_string(),
        beside: match figures.per_day {
            Some(per_day) if figures.deployments > 0 => often(per_day),
            _ => String::new(),
        },
        bars: figures.weeks.iter().map(bar).collect(),
    }
}

fn lead_time(figures: &Figures) -> Figure {
    Figure {
        name: "Lead time",
        class: "moves",
        value: median(figures.lead_time),
        beside: figures
            .lead_time
            .map_or_else(String::new, |times| format!("median; p90 {}", duration(times.p90))),
        bars: figures
            .weeks
            .iter()
            .map(|week| time_bar(week, week.lead_time))
            .collect(),
    }
}

fn failures(figures: &Figures) -> Figure {
    let bar = |week: &Week| Bar {
        much: week.failure_rate(),
        words: said(
            week,
            (week.changes > 0).then(|| format!("{} of {}", week.failures, week.changes)),
        ),
    };
    Figure {
        name: "Change failures",
        class: "fails",
        value: figures
            .failure_rate()
            .map_or_else(|| NOTHING.to_owned(), |rate| format!("{:.0}%", rate * 100.0)),
        beside: if figures.changes > 0 {
            format!("{} of {}", figures.failures, figures.changes)
        } else {
            String::new()
        },
        bars: figures.weeks.iter().map(bar).collect(),
    }
}

fn restore(figures: &Figures) -> Figure {
    let restored = figures.restore.map(|times| format!("median of {}", times.count));
    let not = (figures.unrestored > 0).then(|| format!("{} not restored", figures.unrestored));
    let beside: Vec<String> = restored.into_iter().chain(not).collect();
    Figure {
        name: "Time to restore",
        class: "warns",
        value: median(figures.restore),
        beside: beside.join("; "),
        bars: figures.weeks.iter().map(|week| time_bar(week, week.restore)).collect(),
    }
}

const NOTHING: &str = "–";

fn median(times: Option<Times>) -> String {
    times.map_or_else(|| NOTHING.to_owned(), |times| duration(times.median))
}

fn time_bar(week: &Week, times: Option<Times>) -> Bar {
    Bar {
        much: times.map(|times| times.median.as_secs_f64()),
        words: said(week, times.map(|times| duration(times.median))),
    }
}

/// What a week has, in words.
fn said(week: &Week, what: Option<String>) -> String {
    let what = what.unwrap_or_else(|| "nothing".to_owned());
    format!("from {}: {what}", week.since.strftime("%-d %b %Y"))
}

fn table(figures: &Figures) -> Markup {
    html! {
        table.weeks {
            thead {
                tr {
                    th scope="col" { "From" }
                    th scope="col" { "Deployments" }
                    th scope="col" { "Lead time" }
                    th scope="col" { "Failures" }
                    th scope="col" { "Restored in" }
                }
            }
            tbody {
                @for week in &figures.weeks {
                    tr {
                        th scope="row" { (week.since.strftime("%Y-%m-%d")) }
                        td { (week.deployments) }
                        td { (median(week.lead_time)) }
                        td { @if week.changes > 0 { (week.failures) " of " (week.changes) } @else { (NOTHING) } }
                        td { (median(week.restore)) }
                    }
                }
            }
        }
    }
}
