//! `lockgate status`: what every environment has, and what happens there.

use aws::{Aws, Ledger};
use domain::approval::Approver;
use domain::configuration::Application;
use domain::deployment::{Deployment, Environment, Leg};
use domain::environment_state::{EnvironmentState, Hold, Quarantine};
use domain::freeze;
use domain::harmless::harmless;
use domain::life::Phase;
use domain::lookup;
use domain::message::duration;
use domain::names::{AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, RepositoryName};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::applications;
use crate::records::{Pipeline, RecordsError};
use crate::table::{self, Output};

/// Shows what every environment has, since when, who accepted it, and what happens there.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name [default: all of them].
    application: Option<RepositoryName>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// One environment.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) application: RepositoryName,
    pub(crate) environment: EnvironmentName,
    pub(crate) account: AccountId,
    /// The release that became stable there last; nothing before the first.
    pub(crate) stable: Option<Stable>,
    /// The deployment that left something else there, which is not stable.
    pub(crate) unsettled: Option<DeploymentId>,
    pub(crate) under_way: Option<UnderWay>,
    /// How many deployments wait for it.
    pub(crate) waiting: usize,
    /// These, in their order.
    pub(crate) queue: Vec<DeploymentId>,
    pub(crate) hold: Option<Hold>,
    /// Why an operator has to open it.
    pub(crate) closed: Option<Quarantine>,
    /// Until when and why it is frozen.
    pub(crate) frozen: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Stable {
    pub(crate) release: Digest,
    pub(crate) commit: CommitSha,
    /// The branch or tag it was asked from; empty, where the record of that is gone.
    pub(crate) version: String,
    pub(crate) since: Timestamp,
    pub(crate) accepted_by: Vec<Approver>,
    pub(crate) deployment: DeploymentId,
}

#[derive(Debug, Serialize)]
pub(crate) struct UnderWay {
    pub(crate) deployment: DeploymentId,
    /// When Lockgate took it in; nothing, where the record of that is gone.
    pub(crate) asked_at: Option<Timestamp>,
    pub(crate) version: String,
    pub(crate) phase: Phase,
    pub(crate) leg: Option<Leg>,
    pub(crate) plans: bool,
}

/// Reads how they stand.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let ledger = options.pipeline.ledger(aws).await?;
    let now = Timestamp::now();
    let applications = applications(aws, options.application.as_ref()).await?;
    let standings = read(&ledger, &applications, now).await?;
    Ok(options.output.print(&standings, || text(&standings, now)))
}

/// All applications, or the one that is named.
pub(crate) async fn applications(aws: &Aws, named: Option<&RepositoryName>) -> Result<Vec<Application>, RecordsError> {
    let all = applications::all(aws).await?;
    Ok(match named {
        None => all,
        Some(named) => vec![lookup::application(&all, named)?.clone()],
    })
}

/// How the environments of these stand, in their order.
pub(crate) async fn read(
    ledger: &Ledger,
    applications: &[Application],
    now: Timestamp,
) -> Result<Vec<Standing>, RecordsError> {
    let mut standings = Vec::new();
    for application in applications {
        let environments = application.environments.iter();
        let of = environments.map(|environment| standing(ledger, &application.repository, environment, now));
        standings.extend(try_join_all(of).await?);
    }
    Ok(standings)
}

async fn standing(
    ledger: &Ledger,
    application: &RepositoryName,
    environment: &Environment,
    now: Timestamp,
) -> Result<Standing, RecordsError> {
    let state: EnvironmentState = ledger.environment(application, &environment.name).await?;
    let stable = match state.stable {
        None => None,
        Some(stable) => Some(Stable {
            version: version(ledger.requested(&stable.deployment).await?),
            release: stable.release,
            commit: stable.commit,
            since: stable.since,
            accepted_by: stable.accepted.map(|accepted| accepted.by).unwrap_or_default(),
            deployment: stable.deployment,
        }),
    };
    let under_way = match state.holder.filter(|_| state.quarantine.is_none()) {
        None => None,
        Some(holder) => {
            let head = ledger.head(&holder.deployment).await?;
            let status = head.map(|head| head.status).unwrap_or_default();
            let requested = ledger.requested(&holder.deployment).await?;
            Some(UnderWay {
                asked_at: requested.as_ref().map(|requested| requested.requested.at),
                version: version(requested),
                deployment: holder.deployment,
                phase: status.phase,
                leg: status.leg,
                plans: status.plans,
            })
        }
    };
    Ok(Standing {
        application: application.clone(),
        environment: environment.name.clone(),
        account: environment.account.clone(),
        stable,
        unsettled: state.unsettled.filter(|_| under_way.is_none()),
        under_way,
        waiting: state.queue.len(),
        queue: state.queue.into_iter().map(|waiting| waiting.deployment).collect(),
        hold: state.hold,
        closed: state.quarantine,
        frozen: freeze::frozen(&environment.freezes, now).map(|frozen| frozen.to_string()),
    })
}

/// What it was asked from; empty, where the record of that is gone.
fn version(requested: Option<Deployment>) -> String {
    requested.map(|requested| requested.reference).unwrap_or_default()
}

fn text(standings: &[Standing], now: Timestamp) -> String {
    if standings.is_empty() {
        return "No application is configured.".to_owned();
    }
    let mut shown = table::new(&[
        "application",
        "environment",
        "version",
        "commit",
        "stable",
        "accepted by",
        "now",
    ]);
    let mut last = None;
    for standing in standings {
        let application = if last == Some(&standing.application) {
            String::new()
        } else {
            standing.application.to_string()
        };
        last = Some(&standing.application);
        let [version, commit, since, by] = match &standing.stable {
            None => ["none yet", "", "", ""].map(str::to_owned),
            Some(stable) => [
                harmless(&stable.version, 60),
                stable.commit.short().to_owned(),
                format!("for {}", age(stable.since, now)),
                stable
                    .accepted_by
                    .iter()
                    .map(Approver::as_str)
                    .collect::<Vec<_>>()
                    .join(",\n"),
            ],
        };
        let row = [
            application,
            standing.environment.to_string(),
            version,
            commit,
            since,
            by,
            standing.now(now).join("\n"),
        ];
        shown.add_row(row);
    }
    shown.trim_fmt()
}

impl Standing {
    /// What happens there, and what keeps things out, the gravest first.
    fn now(&self, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(closed) = &self.closed {
            lines.push(format!(
                "needs an operator for {}: {} ({})",
                age(closed.since, now),
                harmless(&closed.why, 200),
                closed.deployment
            ));
        }
        if let Some(under_way) = &self.under_way {
            let version = harmless(&under_way.version, 60);
            lines.push(format!("{} {version} ({})", under_way.does(), under_way.deployment));
        }
        if let Some(unsettled) = &self.unsettled {
            lines.push(format!("has what {unsettled} brought, which is not stable"));
        }
        if let Some(hold) = &self.hold {
            lines.push(format!(
                "held for {} by {}: {}",
                age(hold.since, now),
                hold.by,
                harmless(&hold.why, 200)
            ));
        }
        lines.extend(self.frozen.as_ref().map(|frozen| harmless(frozen, 200)));
        match self.waiting {
            0 => {}
            1 => lines.push("1 waits".to_owned()),
            more => lines.push(format!("{more} wait")),
        }
        lines
    }
}

impl UnderWay {
    /// What it does, in the words before its version.
    pub(crate) fn does(&self) -> &'static str {
        match (self.phase, self.leg) {
            (_, Some(Leg::Back)) if self.plans => "plans to go back to",
            _ if self.plans => "plans",
            (Phase::Baking, _) => "bakes",
            (Phase::Accepting, _) => "asks people about",
            (Phase::Building, _) => "builds",
            (Phase::Testing, Some(Leg::Back)) => "has gone back, and tests",
            (Phase::Testing, _) => "tests",
            (Phase::Released | Phase::Deploying, Some(Leg::Back)) => "goes back from",
            (Phase::Released | Phase::Deploying, _) => "deploys",
            (Phase::Requested | Phase::Queued | Phase::Admitted, _) => "begins with",
            (Phase::Ended, _) => "ends with",
        }
    }
}

/// How long ago that was.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(since))
}

/// A time in words: from two days on, in whole days.
pub fn span(span: SignedDuration) -> String {
    match span.as_hours() {
        ..48 => duration(span),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use fake_aws::sample;

    fn ago(minutes: i64) -> Timestamp {
        now() - SignedDuration::from_mins(minutes)
    }

    fn now() -> Timestamp {
        "2026-12-01T09:00:00Z".parse().unwrap()
    }

    fn empty(environment: &str) -> Standing {
        Standing {
            application: "acme/shop".parse().unwrap(),
            environment: environment.parse().unwrap(),
            account: "222222222222".parse().unwrap(),
            stable: None,
            unsettled: None,
            under_way: None,
            waiting: 0,
            queue: Vec::new(),
            hold: None,
            closed: None,
            frozen: None,
        }
    }

    fn stable(number: u8, version: &str, accepted_by: &[&str]) -> Stable {
        let stable = sample::stable(&sample::deployment(number));
        Stable {
            release: stable.release,
            commit: stable.commit,
            version: version.to_owned(),
            since: ago(60 * 70),
            accepted_by: accepted_by.iter().map(|by| by.parse().unwrap()).collect(),
            deployment: stable.deployment,
        }
    }

    fn under_way(phase: Phase, leg: Option<Leg>) -> UnderWay {
        UnderWay {
            deployment: "shop-test-5".parse().unwrap(),
            asked_at: Some(ago(90)),
            version: "v1.5.0-rc.1".to_owned(),
            phase,
            leg,
            plans: false,
        }
    }

    #[test]
    fn people_read_what_is_where_and_what_happens_there() {
        let dev = Standing {
            stable: Some(stable(4, "main\u{1b}[2J", &[])),
            unsettled: Some("shop-dev-5".parse().unwrap()),
            waiting: 2,
            ..empty("dev")
        };
        let test = Standing {
            stable: Some(stable(3, "v1.4.0-rc.2", &["qa@acme.example", "lead@acme.example"])),
            under_way: Some(under_way(Phase::Accepting, Some(Leg::Forward))),
            waiting: 1,
            ..empty("test")
        };
        let production = Standing {
            stable: Some(stable(2, "v1.3.0", &["qa@acme.example"])),
            hold: Some(Hold {
                by: "shop-production-3".to_owned(),
                why: "Failed.AlarmRaised: errors went into ALARM".to_owned(),
                since: ago(30),
            }),
            frozen: Some("frozen until 2027-01-04 08:00 Europe/Berlin: Christmas trade".to_owned()),
            ..empty("production")
        };
        let other = Standing {
            application: "acme/warehouse".parse().unwrap(),
            closed: Some(Quarantine {
                deployment: "warehouse-dev-1".parse().unwrap(),
                why: "Stuck.RollbackFailed: stock".to_owned(),
                since: ago(5),
            }),
            ..empty("dev")
        };
        let mut lines = text(&[dev, test, production, other], now());
        lines.push('\n');
        insta::assert_snapshot!(lines);
        assert_eq!(text(&[], now()), "No application is configured.");
    }

    const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
"#;

    #[tokio::test]
    async fn programs_get_what_is_where() {
        let fake = Fake::with(SHOP).await;
        let options = |application: Option<&str>| Options {
            application: application.map(|name| name.parse().unwrap()),
            output: Output::Json,
            pipeline: fake.pipeline(),
        };
        let brought = sample::deployment(1);
        fake.brings(&brought, &sample::stable(&brought).release).await;
        insta::assert_snapshot!(run(&options(None), &fake.aws).await.unwrap());
        let unknown = run(&options(Some("acme/shpo")), &fake.aws).await.unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "acme/shpo is no application of lockgate.toml, did you mean acme/shop?"
        );
    }

    #[test]
    fn each_phase_has_its_words() {
        let does = |phase, leg| under_way(phase, leg).does();
        assert_eq!(does(Phase::Deploying, Some(Leg::Forward)), "deploys");
        assert_eq!(does(Phase::Deploying, Some(Leg::Back)), "goes back from");
        assert_eq!(does(Phase::Released, None), "deploys");
        assert_eq!(does(Phase::Testing, Some(Leg::Back)), "has gone back, and tests");
        assert_eq!(does(Phase::Baking, Some(Leg::Forward)), "bakes");
        let plan = UnderWay {
            plans: true,
            ..under_way(Phase::Deploying, Some(Leg::Back))
        };
        assert_eq!(plan.does(), "plans to go back to");
        let plan = UnderWay { leg: None, ..plan };
        assert_eq!(plan.does(), "plans");
    }
}
