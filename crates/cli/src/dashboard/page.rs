//! What all pages have in common, and those that show nothing of the ledger.
//!
//! Texts of others were made harmless where they came in, and are once more where they are shown; what is HTML in them is
//! escaped by `maud`.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::harmless::harmless;
use domain::history::CameTo;
use domain::message::duration;
use domain::names::DeploymentId;
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::reading::Failed;

const STYLE: &str = include_str!("style.css");

/// How many seconds after it was shown a page is asked for anew.
const REFRESH: u64 = 15;

/// The query of pages that stay as they are.
pub const STILL: &str = "still";

/// The most characters of a text of others.
const TEXT_LIMIT: usize = 300;

/// Nothing is loaded, nothing runs, nothing is sent, and nobody frames it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The `Content-Security-Policy` of every page.
pub fn policy() -> &'static str {
    &POLICY
}

/// A page as it is answered.
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The page.
    pub html: String,
    /// After how many seconds it is asked for anew; nothing, where it stays as it is.
    pub refresh: Option<u64>,
}

/// How somebody looks at a page.
pub struct View {
    /// Its path.
    pub path: String,
    /// Whether they want it to stay as it is.
    pub is_still: bool,
}

impl View {
    /// The address of another page, looked at in the same way.
    pub fn link(&self, path: &str) -> String {
        if self.is_still {
            format!("{path}?{STILL}")
        } else {
            path.to_owned()
        }
    }

    /// A link to a deployment's page.
    pub fn deployment(&self, id: &DeploymentId, text: &str) -> Markup {
        html! { a href=(self.link(&format!("/deployments/{id}"))) { (text) } }
    }
}

/// What a page shows.
pub struct Shown<'a> {
    /// Its title.
    pub title: &'a str,
    /// When what it shows was read; nothing, where it shows nothing that was.
    pub at: Option<Timestamp>,
    /// Whether it may be different a moment later.
    pub changes: bool,
    /// Its content.
    pub body: &'a Markup,
}

/// A page with its frame.
pub fn page(status: u16, view: &View, shown: &Shown<'_>) -> Page {
    let refresh = (shown.changes && !view.is_still).then_some(REFRESH);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shown.title) " · Lockgate" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    a.home href=(view.link("/")) { (mark()) "Lockgate" }
                    p.soft {
                        @if let Some(at) = shown.at { "As of " (time(at, "%H:%M:%S UTC")) ". " }
                        @if shown.changes { (refreshing(view)) }
                    }
                }
                main { (shown.body) }
                footer {
                    "Read from the ledger with the credentials of whoever started " code { "lockgate dashboard" }
                    ". Nothing here changes anything. Times are in UTC."
                }
            }
        }
    };
    Page {
        status,
        html: page.into_string(),
        refresh,
    }
}

fn refreshing(view: &View) -> Markup {
    html! {
        @if view.is_still {
            "This page stays as it is. " a href=(view.path) { "Keep it fresh" }
        } @else {
            "Fresh every " (REFRESH) " seconds. " a href={ (view.path) "?" (STILL) } { "Stop that" }
        }
    }
}

/// Two gates that meet against the water.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" {
            path d="M4 3v11M20 3v11M4 4l8 5 8-5M4 10l8 5 8-5M3 20c2 0 2-1.5 4.5-1.5S10 20 12 20s2-1.5 4.5-1.5S19 20 21 20" {}
        }
    }
}

/// A moment, written so.
pub fn time(at: Timestamp, format: &str) -> Markup {
    html! { time datetime=(at) { (at.strftime(format)) } }
}

/// A moment to the minute.
pub fn minute(at: Timestamp) -> Markup {
    time(at, "%Y-%m-%d %H:%M")
}

/// How long ago that was. Clocks of two machines: what is recorded is not after now.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    duration(now.duration_since(then).max(SignedDuration::ZERO))
}

/// A text of others.
pub fn text(text: &str) -> String {
    harmless(text, TEXT_LIMIT)
}

/// What may be made a link of.
pub fn is_web_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// A link away from here.
pub fn away(address: &str, words: &str) -> Markup {
    html! { a href=(address) rel="noreferrer" { (words) } }
}

/// What a deployment came to.
pub fn badge(came_to: CameTo) -> Markup {
    let class = match came_to {
        CameTo::UnderWay => "badge moves",
        CameTo::Deployed => "badge well",
        CameTo::NothingToDeploy | CameTo::Planned | CameTo::Superseded => "badge",
        CameTo::TakenBack => "badge warns",
        CameTo::Rejected | CameTo::WentBack | CameTo::FailedClean | CameTo::OperatorNeeded => "badge fails",
    };
    html! { span class=(class) { (came_to.words()) } }
}

/// A page of a few sentences.
fn notice(status: u16, view: &View, changes: bool, heading: &str, sentences: &[&str]) -> Page {
    let body = html! {
        section.notice-page {
            h1 { (heading) }
            @for sentence in sentences { p { (sentence) } }
            p { a href=(view.link("/")) { "The overview" } }
        }
    };
    let shown = Shown {
        title: heading,
        at: None,
        changes,
        body: &body,
    };
    page(status, view, &shown)
}

/// Nothing could be read.
pub fn failed(failed: &Failed, view: &View) -> Page {
    let sentence = format!("It says: {}", failed.sentence);
    let is_temporary = failed.status >= 500;
    notice(
        failed.status,
        view,
        is_temporary,
        failed.heading,
        &[&sentence, failed.remedy],
    )
}

/// There is no such page.
pub fn not_found(view: &View) -> Page {
    let sentence =
        "Nothing is shown at this address: it is mistyped, or what it names is not, or no longer, configured.";
    notice(404, view, false, "There is no such page", &[sentence])
}

/// Asked for under a name that is not this machine's.
pub fn misdirected(port: u16) -> Page {
    let view = View {
        path: "/".to_owned(),
        is_still: false,
    };
    let sentence = format!(
        "This server answers under http://127.0.0.1:{port}/ and http://localhost:{port}/ only, so that no page of somebody \
         else's can read it under a name of theirs. Through a tunnel, use the same port at both ends."
    );
    notice(421, &view, false, "Asked for under another name", &[&sentence])
}

/// Somebody wants to do something.
pub fn only_to_be_read() -> Page {
    let view = View {
        path: "/".to_owned(),
        is_still: false,
    };
    let sentence = "These pages can be read, with GET and HEAD, and nothing can be done with them.";
    notice(405, &view, false, "Only to be read", &[sentence])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_are_those_of_the_approvals_page() {
        let approval = include_str!("../../../../functions/approval/src/style.css");
        let colours = |style: &'static str| style.lines().take(2).collect::<Vec<_>>();
        assert_eq!(colours(STYLE), colours(approval));
    }
}
