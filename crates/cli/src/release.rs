//! `lockgate release`: the operator's way out of an environment that waits for an operator.

use std::fmt::Write as _;

use aws::operator_acts::{Act, OperatorAct};
use aws::{Aws, Error as AwsError, Ledger, stacks};
use domain::deployment::Leg;
use domain::environment_state::{EnvironmentState, Quarantine, Refusal};
use domain::harmless::harmless;
use domain::message::duration;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use domain::parking::Key;
use jiff::Timestamp;

use crate::terminal;

/// Opens an environment that waits for an operator, once its stacks are in order.
///
/// A deployment that ended half-way keeps its environment's lock, and nothing else is deployed there. This command shows
/// what Lockgate knows of it, records who opens the environment and why, gives up what was in flight, and lets the next
/// deployment in.
///
/// Look first, in the CloudFormation console of the environment's account: nothing may be in progress on any of its
/// stacks, and none may be in a state that ends in _FAILED. Lockgate cannot tell whether you looked; where it is opened
/// too early, the next deployment meets what is still going on.
///
/// It acts with your own AWS credentials in the account of the pipeline and needs read and write access to the ledger's
/// table. Credentials of a single sign-on are taken from the environment:
/// eval "$(aws configure export-credentials --format env)"
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The application, as owner/name.
    application: RepositoryName,
    /// The environment.
    environment: EnvironmentName,
    /// What was wrong and why it is in order now: kept for ever beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
    /// The ledger's table [default: what the stack says].
    #[arg(long, value_name = "TABLE", env = "LOCKGATE_LEDGER")]
    ledger: Option<String>,
    /// The pipeline's stack, whose output `LedgerTable` names the table.
    #[arg(long, value_name = "STACK", default_value = "lockgate-pipeline")]
    stack: String,
}

/// Why an environment was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It is in no record.
    #[error("nothing was ever deployed to {0}; check both names, and the account and region of your credentials")]
    Unheard(String),
    /// There is nothing to open.
    #[error("{0} does not wait for an operator; nothing was changed")]
    NotWaiting(String),
    /// What was shown is not what is there any more.
    #[error("{0} has changed since it was shown above (opened, or closed again); run this command again")]
    Changed(String),
    /// The pipeline's stack does not say which table is the ledger.
    #[error(
        "the stack {0} is not in this account and region, or has no output LedgerTable; \
         name the ledger's table with --ledger"
    )]
    NoLedger(String),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
}

impl Options {
    fn place(&self) -> String {
        format!("{} of {}", self.environment, self.application)
    }
}

/// Opens the environment, and says so.
pub async fn run(options: &Options) -> Result<String, ReleaseError> {
    let Options {
        application,
        environment,
        ..
    } = options;
    let aws = Aws::from_environment().await;
    let ledger = Ledger::new(aws.dynamodb(), table(&aws, options).await?);
    let state = ledger.environment(application, environment).await?;
    let now = Timestamp::now();
    let Some(quarantine) = &state.quarantine else {
        return Err(not_waiting(options, &state));
    };
    terminal::say(&shown(options, &state, quarantine, now));
    if state.operation.is_some() {
        terminal::warn("Lockgate has not seen how the change in flight ended, and will not look again");
    }

    // Before the lock is opened: an environment that somebody opened always says who that was.
    let act = OperatorAct {
        act: Act::Released,
        deployment: quarantine.deployment.clone(),
        by: aws.caller().await?,
        why: options.why.clone(),
        at: now,
    };
    ledger.record_operator_act(application, environment, &act).await?;
    let lifted = ledger
        .change_environment(application, environment, |found| lift(found, quarantine, now))
        .await?;
    let Ok(next) = lifted else {
        return Err(ReleaseError::Changed(options.place()));
    };
    if let Some(next) = &next {
        // Only gate may answer a waiting task, and the sweep has gate look at whatever is due.
        if let Err(error) = have_gate_look(&ledger, next, now).await {
            terminal::warn(&format!(
                "{next} has the lock and could not be woken ({error}); the sweep finds it in a few minutes"
            ));
        }
    }
    Ok(done(options, &act.by, next.as_ref()))
}

async fn have_gate_look(ledger: &Ledger, waiting: &DeploymentId, now: Timestamp) -> Result<(), AwsError> {
    for parked in ledger.parked(&Key::lock(waiting)).await? {
        ledger.look_again(&parked, now).await?;
    }
    Ok(())
}

async fn table(aws: &Aws, options: &Options) -> Result<String, ReleaseError> {
    if let Some(table) = &options.ledger {
        return Ok(table.clone());
    }
    let outputs = stacks::outputs(aws, &options.stack).await?;
    outputs
        .and_then(|mut outputs| outputs.remove("LedgerTable"))
        .ok_or_else(|| ReleaseError::NoLedger(options.stack.clone()))
}

/// Lifts this very quarantine: another one, that came meanwhile, is for somebody to look at first.
fn lift(state: &mut EnvironmentState, shown: &Quarantine, now: Timestamp) -> Result<Option<DeploymentId>, Refusal> {
    if state.quarantine.as_ref() == Some(shown) {
        state.lift(now)
    } else {
        Err(Refusal::NotQuarantined)
    }
}

fn not_waiting(options: &Options, state: &EnvironmentState) -> ReleaseError {
    if *state == EnvironmentState::default() {
        ReleaseError::Unheard(options.place())
    } else {
        ReleaseError::NotWaiting(options.place())
    }
}

/// What Lockgate knows of the environment.
fn shown(options: &Options, state: &EnvironmentState, quarantine: &Quarantine, now: Timestamp) -> String {
    let mut text = format!(
        "{} waits for an operator since {} ({}).\n",
        options.place(),
        quarantine.since.strftime("%Y-%m-%d %H:%M:%S UTC"),
        duration(now.duration_since(quarantine.since))
    );
    let _ = writeln!(text, "  deployment  {}", quarantine.deployment);
    let _ = writeln!(text, "  why         {}", quarantine.why);
    match &state.operation {
        None => text.push_str("  in flight   nothing that Lockgate knows of\n"),
        Some(operation) => {
            let direction = match operation.leg {
                Leg::Forward => "to the release that was asked for",
                Leg::Back => "back to the last stable release",
            };
            for (stack, change_set) in &operation.stacks {
                let _ = writeln!(text, "  in flight   {stack}, {direction}, by {change_set}");
            }
        }
    }
    match &state.stable {
        None => text.push_str("  stable      no release yet\n"),
        Some(stable) => {
            let _ = writeln!(
                text,
                "  stable      release {}, by {}",
                stable.release, stable.deployment
            );
        }
    }
    let _ = write!(
        text,
        "  waiting     {}",
        match state.queue.as_slice() {
            [] => "nobody".to_owned(),
            [only] => only.deployment.to_string(),
            [first, rest @ ..] => format!("{}, and {} behind it", first.deployment, rest.len()),
        }
    );
    text
}

fn done(options: &Options, by: &str, next: Option<&DeploymentId>) -> String {
    let next = match next {
        Some(next) => format!("{next} has the lock now and goes on within a minute or two."),
        None => {
            "Nobody waits; the next deployment is let in. What was turned away meanwhile has to be asked for again."
                .to_owned()
        }
    };
    format!("{} was opened by {by}. {next}", options.place())
}

/// What is longer than this is a report, and belongs where reports are kept.
const REASON_LIMIT: usize = 500;

fn reason(text: &str) -> Result<String, String> {
    let reason = harmless(text, REASON_LIMIT);
    if reason.is_empty() {
        Err("say what was wrong and why it is in order now".to_owned())
    } else if text.chars().count() > REASON_LIMIT {
        Err(format!("say it in at most {REASON_LIMIT} characters"))
    } else {
        Ok(reason)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use clap::Parser as _;
    use domain::deployment::QueuePolicy;
    use domain::environment_state::Candidate;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options() -> Options {
        let words = [
            "lockgate release",
            "acme/shop",
            "test",
            "--why",
            "deleted the orphaned bucket",
        ];
        Line::parse_from(words).options
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn candidate(name: &str) -> Candidate {
        Candidate {
            deployment: name.parse().unwrap(),
            commit: "1a2b3c4d".repeat(5).parse().unwrap(),
            happened_at: at(0),
            before: None,
            queue: QueuePolicy::Every,
        }
    }

    /// The first of three left a stack half-way.
    fn waiting() -> EnvironmentState {
        let mut state = EnvironmentState::default();
        for name in ["shop-test-1", "shop-test-2", "shop-test-3"] {
            state.admit(candidate(name), at(0));
        }
        let first = "shop-test-1".parse().unwrap();
        let (stack, change_set) = (
            "shop-test-web".parse().unwrap(),
            "arn:aws:cloudformation:…:changeSet/lockgate",
        );
        state
            .begin(&first, 1, Leg::Forward, stack, change_set.to_owned(), at(1))
            .unwrap();
        state
            .quarantine(&first, "Stuck.StackUnknown: nobody knows", at(2))
            .unwrap();
        state
    }

    #[test]
    fn the_operator_reads_what_is_known_before_it_is_given_up() {
        let state = waiting();
        let text = shown(&options(), &state, state.quarantine.as_ref().unwrap(), at(4_000));
        insta::assert_snapshot!(text, @"
        test of acme/shop waits for an operator since 2026-09-21 14:13:22 UTC (1 h 6 min).
          deployment  shop-test-1
          why         Stuck.StackUnknown: nobody knows
          in flight   shop-test-web, to the release that was asked for, by arn:aws:cloudformation:…:changeSet/lockgate
          stable      no release yet
          waiting     shop-test-2, and 1 behind it
        ");
    }

    #[test]
    fn releasing_lets_the_next_in() {
        let mut state = waiting();
        let quarantine = state.quarantine.clone().unwrap();
        let next = lift(&mut state, &quarantine, at(10)).unwrap();
        insta::assert_snapshot!(done(&options(), "arn:aws:iam::111111111111:user/ann", next.as_ref()), @"test of acme/shop was opened by arn:aws:iam::111111111111:user/ann. shop-test-2 has the lock now and goes on within a minute or two.");
        assert_eq!((state.operation, state.quarantine), (None, None));
    }

    #[test]
    fn what_nobody_looked_at_is_not_released() {
        let mut state = waiting();
        let seen = Quarantine {
            since: at(1),
            ..state.quarantine.clone().unwrap()
        };
        let before = state.clone();
        assert_eq!(lift(&mut state, &seen, at(10)), Err(Refusal::NotQuarantined));
        assert_eq!(state, before);
    }

    #[test]
    fn where_nothing_waits_it_is_said_why_nothing_is_done() {
        let mut open = waiting();
        open.lift(at(3)).unwrap();
        for (state, told) in [
            (
                open,
                "test of acme/shop does not wait for an operator; nothing was changed",
            ),
            (
                EnvironmentState::default(),
                "nothing was ever deployed to test of acme/shop; check both names, and the account and region of your \
                 credentials",
            ),
        ] {
            assert_eq!(not_waiting(&options(), &state).to_string(), told);
        }
    }

    #[test]
    fn a_release_has_a_reason() {
        for (words, good) in [
            (vec!["acme/shop", "test", "--why", "mended by hand"], true),
            (vec!["acme/shop", "test"], false),
            (vec!["acme/shop", "test", "--why", " \u{200b}"], false),
            (vec!["acme/shop", "test", "--why", &"x".repeat(REASON_LIMIT + 1)], false),
            (vec!["shop", "test", "--why", "mended by hand"], false),
        ] {
            let parsed = Line::try_parse_from(["lockgate release"].into_iter().chain(words.iter().copied()));
            assert_eq!(parsed.is_ok(), good, "{words:?}");
        }
    }
}
