//! Charts, drawn here: a browser only shows them. Each says in words what it shows.

use domain::history::Spends;
use domain::message::duration;
use jiff::SignedDuration;
use maud::{Markup, html};

/// One bar of a chart.
pub struct Bar {
    /// How much, from 0 up; nothing, where nothing was counted.
    pub much: Option<f64>,
    /// The same in words.
    pub words: String,
}

/// How wide a bar is, with the gap beside it, and how high the highest, in the chart's own units.
const WIDTH: f64 = 10.0;
const HEIGHT: f64 = 40.0;

/// What is there and is hardly anything is still to be seen.
const LEAST: f64 = 1.5;

/// Bars, the highest as high as the chart. `id` is the chart's alone on its page.
pub fn bars(id: &str, class: &str, title: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().filter_map(|bar| bar.much).fold(0.0, f64::max);
    let width = WIDTH * f64::from(u32::try_from(bars.len()).unwrap_or(u32::MAX)).max(1.0);
    let words: Vec<&str> = bars.iter().map(|bar| bar.words.as_str()).collect();
    let columns = (0_u32..).zip(bars).map(|(place, bar)| {
        let height = match bar.much {
            Some(much) if much > 0.0 => (much / most * HEIGHT).max(LEAST),
            _ => 0.0,
        };
        (f64::from(place) * WIDTH, height, bar)
    });
    html! {
        svg class={ "bars " (class) } role="img" aria-labelledby={ (id) "-title " (id) "-words" }
            viewBox={ "0 0 " (width) " " (HEIGHT + 2.0) } preserveAspectRatio="none" {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-words" } { (words.join("; ")) }
            @for (x, height, bar) in columns {
                g {
                    // All of a column tells what it stands for, however low its bar is.
                    rect.column x=(x) y="0" width=(WIDTH) height=(HEIGHT) { title { (bar.words) } }
                    @if height > 0.0 {
                        rect.bar x=(x + 1.0) y={ (format!("{:.2}", HEIGHT - height)) } width=(WIDTH - 2.0)
                            height={ (format!("{height:.2}")) } { title { (bar.words) } }
                    }
                }
            }
            rect.ground x="0" y=(HEIGHT) width=(width) height="0.6" {}
        }
    }
}

/// What a deployment spends its time with, as a band and in words.
pub fn spent(id: &str, spent: &[(Spends, SignedDuration)]) -> Markup {
    let all: f64 = spent.iter().map(|(_, took)| took.as_secs_f64()).sum();
    let of = |took: &SignedDuration| {
        let share = if all > 0.0 { took.as_secs_f64() / all } else { 0.0 };
        // A second beside three days is still to be seen.
        (share * 1000.0).max(6.0)
    };
    let width: f64 = spent.iter().map(|(_, took)| of(took)).sum();
    let mut x = 0.0;
    let parts: Vec<(f64, f64, Spends, String)> = spent
        .iter()
        .map(|(spends, took)| {
            let wide = of(took);
            x += wide;
            (
                x - wide,
                wide,
                *spends,
                format!("{} {}", spends.words(), duration(*took)),
            )
        })
        .collect();
    let words: Vec<&str> = parts.iter().map(|(.., words)| words.as_str()).collect();
    html! {
        svg.band role="img" aria-labelledby={ (id) "-words" }
            viewBox={ "0 0 " (format!("{:.1}", width.max(1.0))) " 10" } preserveAspectRatio="none" {
            title id={ (id) "-words" } { "Time spent: " (words.join(", ")) }
            @for (x, wide, spends, words) in &parts {
                rect class=(class(*spends)) x=(format!("{x:.1}")) y="0" width=(format!("{wide:.1}")) height="10" {
                    title { (words) }
                }
            }
        }
        ul.legend aria-hidden="true" {
            @for (.., spends, words) in &parts {
                li {
                    svg.key viewBox="0 0 10 10" { rect class=(class(*spends)) width="10" height="10" rx="2" {} }
                    (words)
                }
            }
        }
    }
}

fn class(spends: Spends) -> &'static str {
    match spends {
        Spends::Waiting => "waiting",
        Spends::Beginning => "beginning",
        Spends::Building => "building",
        Spends::Deploying => "deploying",
        Spends::Testing => "testing",
        Spends::Asking => "asking",
        Spends::Baking => "baking",
        Spends::GoingBack => "going-back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(much: Option<f64>) -> Bar {
        Bar {
            much,
            words: much.map_or_else(|| "nothing".to_owned(), |much| format!("{much} of them")),
        }
    }

    #[test]
    fn the_highest_bar_is_as_high_as_the_chart_and_nothing_has_no_bar() {
        let chart = bars(
            "c",
            "plain",
            "Numbers",
            &[bar(Some(4.0)), bar(None), bar(Some(1.0)), bar(Some(0.0))],
        )
        .into_string();
        insta::assert_snapshot!(chart.replace("<g>", "\n<g>"), @r#"
        <svg class="bars plain" role="img" aria-labelledby="c-title c-words" viewBox="0 0 40 42" preserveAspectRatio="none"><title id="c-title">Numbers</title><desc id="c-words">4 of them; nothing; 1 of them; 0 of them</desc>
        <g><rect class="column" x="0" y="0" width="10" height="40"><title>4 of them</title></rect><rect class="bar" x="1" y="0.00" width="8" height="40.00"><title>4 of them</title></rect></g>
        <g><rect class="column" x="10" y="0" width="10" height="40"><title>nothing</title></rect></g>
        <g><rect class="column" x="20" y="0" width="10" height="40"><title>1 of them</title></rect><rect class="bar" x="21" y="30.00" width="8" height="10.00"><title>1 of them</title></rect></g>
        <g><rect class="column" x="30" y="0" width="10" height="40"><title>0 of them</title></rect></g><rect class="ground" x="0" y="40" width="40" height="0.6"></rect></svg>
        "#);
    }

    #[test]
    fn charts_of_nothing_have_no_numbers_that_are_none() {
        for chart in [
            bars("c", "plain", "Numbers", &[]),
            bars("c", "plain", "Numbers", &[bar(None), bar(Some(0.0))]),
            spent("s", &[]),
            spent("s", &[(Spends::Waiting, SignedDuration::ZERO)]),
        ] {
            let chart = chart.into_string();
            assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        }
    }

    #[test]
    fn a_band_is_as_long_as_its_parts_and_each_is_to_be_seen() {
        let parts = [
            (Spends::Waiting, SignedDuration::from_secs(1)),
            (Spends::Asking, SignedDuration::from_hours(72)),
        ];
        insta::assert_snapshot!(spent("s", &parts).into_string().replace("<rect", "\n<rect"), @r#"
        <svg class="band" role="img" aria-labelledby="s-words" viewBox="0 0 1006.0 10" preserveAspectRatio="none"><title id="s-words">Time spent: waiting 1.0 s, people asked 72 h 0 min</title>
        <rect class="waiting" x="0.0" y="0" width="6.0" height="10"><title>waiting 1.0 s</title></rect>
        <rect class="asking" x="6.0" y="0" width="1000.0" height="10"><title>people asked 72 h 0 min</title></rect></svg><ul class="legend" aria-hidden="true"><li><svg class="key" viewBox="0 0 10 10">
        <rect class="waiting" width="10" height="10" rx="2"></rect></svg>waiting 1.0 s</li><li><svg class="key" viewBox="0 0 10 10">
        <rect class="asking" width="10" height="10" rx="2"></rect></svg>people asked 72 h 0 min</li></ul>
        "#);
    }
}
