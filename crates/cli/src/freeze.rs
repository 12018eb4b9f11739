//! `lockgate freeze`: when an environment takes nothing.

use std::fmt::Write as _;

use aws::Aws;
use domain::deployment::Environment;
use domain::freeze::{self, Freeze, Frozen};
use domain::harmless::harmless;
use domain::lookup;
use domain::names::{EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::Serialize;

use crate::applications;
use crate::records::RecordsError;
use crate::status::span;
use crate::table::Output;

/// Shows when an environment is frozen: now, next, and by which windows.
///
/// The windows are written in lockgate.toml (freeze), and take effect when the pipeline is deployed; this command changes
/// nothing. To stop an environment at once, use `lockgate hold`; to let one commit into a frozen one, `lockgate emergency`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name.
    application: RepositoryName,
    /// The environment [default: all of them].
    environment: Option<EnvironmentName>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// An environment and its freezes.
#[derive(Debug, Serialize)]
struct Frost {
    application: RepositoryName,
    environment: EnvironmentName,
    /// The present freeze; where windows join, all of them as one.
    now: Option<Frozen>,
    /// The one that comes next, after the present one.
    next: Option<Frozen>,
    /// As lockgate.toml has them.
    windows: Vec<Freeze>,
}

/// Reads and shows them.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let applications = applications::all(aws).await?;
    let now = Timestamp::now();
    let named = &options.application;
    let environments = match &options.environment {
        Some(environment) => vec![lookup::environment(&applications, named, environment)?.1],
        None => lookup::application(&applications, named)?.environments.iter().collect(),
    };
    let frosts: Vec<Frost> = environments
        .into_iter()
        .map(|environment| Frost::of(named, environment, now))
        .collect();
    Ok(options.output.print(&frosts, || text(&frosts, now)))
}

impl Frost {
    fn of(application: &RepositoryName, environment: &Environment, now: Timestamp) -> Self {
        let windows = environment.freezes.clone();
        Self {
            application: application.clone(),
            environment: environment.name.clone(),
            now: freeze::frozen(&windows, now),
            next: freeze::next(&windows, now),
            windows,
        }
    }

    fn text(&self, now: Timestamp) -> String {
        let place = format!("{} of {}", self.environment, self.application);
        if self.windows.is_empty() {
            return format!("{place} has no freezes.");
        }
        let mut lines = match &self.now {
            Some(frozen) => format!(
                "{place} is frozen for {} more, since {} until {}: {}",
                span(frozen.until.duration_since(now)),
                frozen.local(frozen.since),
                frozen.local(frozen.until),
                harmless(&frozen.why, 1000),
            ),
            None => format!("{place} is not frozen."),
        };
        let next = match &self.next {
            Some(next) => format!(
                "{} to {}, in {}: {}",
                next.local(next.since),
                next.local(next.until),
                span(next.since.duration_since(now)),
                harmless(&next.why, 1000),
            ),
            None => "none comes".to_owned(),
        };
        let _ = write!(lines, "\n  next     {next}");
        for freeze in &self.windows {
            let _ = write!(lines, "\n  window   {}, {}: {}", freeze.window, freeze.zone, freeze.why);
        }
        lines
    }
}

fn text(frosts: &[Frost], now: Timestamp) -> String {
    let mut parts: Vec<String> = frosts.iter().map(|frost| frost.text(now)).collect();
    if frosts.iter().any(|frost| frost.now.is_some()) {
        parts.push(
            "Two people let one commit in all the same with `lockgate emergency`. The windows are changed in lockgate.toml."
                .to_owned(),
        );
    }
    parts.join("\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::fake::{Fake, configured};

    const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.production]
account = "333333333333"
on = "release"
[[application."acme/shop".environment.production.freeze]]
every = "fri 16:00"
to = "mon 06:00"
zone = "Europe/Berlin"
why = "nobody is there at the weekend"
[[application."acme/shop".environment.production.freeze]]
from = "2026-12-20 18:00"
to = "2027-01-04 08:00"
zone = "Europe/Berlin"
why = "Christmas trade"
"#;

    fn frosts(now: &str) -> (Vec<Frost>, Timestamp) {
        let now = now.parse().unwrap();
        let [shop] = <[_; 1]>::try_from(configured(SHOP)).unwrap();
        let environments = shop.environments.iter();
        let frosts = environments.map(|environment| Frost::of(&shop.repository, environment, now));
        (frosts.collect(), now)
    }

    #[test]
    fn people_read_whether_it_is_frozen_until_when_and_what_comes_next() {
        let said = [
            // A Tuesday, a Saturday, and a Monday after the last Friday before Christmas.
            "2026-12-01T09:00:00Z",
            "2026-12-05T09:00:00Z",
            "2026-12-21T09:00:00Z",
        ]
        .map(|now| {
            let (frosts, now) = frosts(now);
            text(&frosts, now)
        });
        insta::assert_snapshot!(said.join("\n\n"));
    }

    #[test]
    fn programs_get_the_same() {
        let (mut frosts, _) = frosts("2026-12-05T09:00:00Z");
        insta::assert_snapshot!(Output::Json.print(&frosts.split_off(1), String::new));
    }

    #[tokio::test]
    async fn the_applications_are_read_and_a_mistyped_name_is_told() {
        let fake = Fake::with(SHOP).await;
        let options = |application: &str, environment: Option<&str>| Options {
            application: application.parse().unwrap(),
            environment: environment.map(|name| name.parse().unwrap()),
            output: Output::Text,
        };
        let all = run(&options("acme/shop", None), &fake.aws).await.unwrap();
        assert!(
            all.starts_with("dev of acme/shop has no freezes.\nproduction of acme/shop is "),
            "{all}"
        );
        let one = run(&options("acme/shop", Some("dev")), &fake.aws).await.unwrap();
        assert_eq!(one, "dev of acme/shop has no freezes.");
        for (application, environment, said) in [
            (
                "acme/shop",
                "porduction",
                "acme/shop has no environment porduction, did you mean production?",
            ),
            (
                "acme/shp",
                "dev",
                "acme/shp is no application of lockgate.toml, did you mean acme/shop?",
            ),
        ] {
            let refused = run(&options(application, Some(environment)), &fake.aws)
                .await
                .unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }
}
