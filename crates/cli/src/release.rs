//! `lockgate release`: a person has looked, and an environment goes on.

use std::fmt::Write as _;

use aws::operator_acts::{Act, OperatorAct};
use aws::{Aws, Error as AwsError, Ledger};
use domain::bake::{Says, Watch};
use domain::deployment::Leg;
use domain::environment_state::{Allowed, EnvironmentState, Hold, Quarantine, Refusal};
use domain::message::duration;
use domain::names::{DeploymentId, Digest, EnvironmentName, RepositoryName};
use domain::parking::Key;
use jiff::Timestamp;
use serde::Serialize;

use crate::baking::{self, Said};
use crate::records::{Records, RecordsError, reason};
use crate::table::Output;
use crate::terminal;

/// Lets an environment go on that waits for a person: after a deployment that ended half-way, after it went back, while it
/// is held, or while a bake holds.
///
/// This command shows what Lockgate knows of it, records who lets it go on and why, and does that. Of what it finds, it
/// releases the first of these:
///
/// A deployment ended half-way: its environment is opened, what was in flight is given up, and the next deployment is let
/// in. Look first, in the CloudFormation console of the environment's account: nothing may be in progress on any of its
/// stacks, and none may be in a state that ends in _FAILED. Lockgate cannot tell whether you looked; where it is opened too
/// early, the next deployment meets what is still going on.
///
/// A bake holds and asks how it goes on: the release counts as good.
///
/// The environment is held, by hand or because it went back: whoever asks goes forward again. The release that went back
/// stays refused; with --allow, that release is let in again, and nothing else is done.
///
/// It acts with your own AWS credentials in the account of the pipeline and needs read and write access to the ledger's
/// table. Credentials of a single sign-on are taken from the environment:
/// eval "$(aws configure export-credentials --format env)"
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    records: Records,
    /// What was wrong and why it is in order now: kept for ever beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
    /// The release that went back from here and may come again, by the beginning of its digest.
    #[arg(long, value_name = "RELEASE")]
    allow: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was done, for programs.
#[derive(Debug, Serialize)]
struct Released {
    application: RepositoryName,
    environment: EnvironmentName,
    did: Did,
    by: String,
    why: String,
    /// The deployment that it is about: the one that ended half-way, that bakes, or with which the release went back.
    deployment: Option<DeploymentId>,
    /// The release that bakes, or may come again.
    release: Option<Digest>,
    /// The deployment that has the lock now.
    next: Option<DeploymentId>,
    #[serde(skip)]
    sentence: String,
}

/// Which of the things that this command does was done.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Did {
    /// An environment that a deployment left half-way was opened.
    Opened,
    /// A release that bakes passes.
    Passed,
    /// A hold was let go of.
    LetGo,
    /// A release that went back may come again.
    Allowed,
}

/// Why an environment was not released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// There is nothing to release.
    #[error("{0} waits for nobody; nothing was changed")]
    NotWaiting(String),
    /// The release never went back.
    #[error("no release, or more than one, that went back from there begins with {0:?}; nothing was changed")]
    NeverWentBack(String),
    /// What was shown is not what is there any more.
    #[error("{0} has changed since it was shown above; run this command again")]
    Changed(String),
    /// Somebody was faster.
    #[error("{by} has said already how the bake goes on: {why}")]
    Said {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
}

/// What an operator acts with.
struct Operator<'o> {
    options: &'o Options,
    ledger: Ledger,
    by: String,
    now: Timestamp,
}

/// Releases the environment, and says so.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, ReleaseError> {
    let ledger = options.records.ledger(aws).await?;
    let state = options.records.state(aws, &ledger).await?;
    let operator = Operator {
        options,
        ledger,
        by: aws.caller().await?,
        now: Timestamp::now(),
    };
    let released = operator.release(&state).await?;
    Ok(options.output.print(&released, || released.sentence.clone()))
}

impl Operator<'_> {
    /// What was asked for by name, or the first of what waits.
    async fn release(&self, state: &EnvironmentState) -> Result<Released, ReleaseError> {
        let Options { records, allow, .. } = self.options;
        if let Some(release) = allow {
            return self.allow(release).await;
        }
        if let Some(quarantine) = &state.quarantine {
            return self.open(state, quarantine).await;
        }
        let baking = baking::find(&self.ledger, records, state).await?;
        if let Some(watch) = baking.filter(|watch| watch.asked.is_some()) {
            return self.pass(&watch).await;
        }
        match &state.hold {
            Some(hold) => self.let_go(hold).await,
            None => Err(ReleaseError::NotWaiting(records.place())),
        }
    }

    /// What was done, of nothing in particular.
    fn released(&self, did: Did, sentence: String) -> Released {
        let Options { records, why, .. } = self.options;
        Released {
            application: records.application.clone(),
            environment: records.environment.clone(),
            did,
            by: self.by.clone(),
            why: why.clone(),
            deployment: None,
            release: None,
            next: None,
            sentence,
        }
    }

    /// Before anything is done: an environment that somebody released always says who that was.
    async fn record(
        &self,
        act: Act,
        deployment: Option<&DeploymentId>,
        release: Option<&Digest>,
    ) -> Result<(), AwsError> {
        let Records {
            application,
            environment,
            ..
        } = &self.options.records;
        let act = OperatorAct {
            act,
            deployment: deployment.cloned(),
            release: release.cloned(),
            by: self.by.clone(),
            why: self.options.why.clone(),
            at: self.now,
        };
        self.ledger.record_operator_act(application, environment, &act).await
    }

    async fn change<Answer>(&self, change: impl Fn(&mut EnvironmentState) -> Answer) -> Result<Answer, AwsError> {
        let records = &self.options.records;
        let (application, environment) = (&records.application, &records.environment);
        self.ledger.change_environment(application, environment, change).await
    }

    /// Opens an environment that a deployment left half-way.
    async fn open(&self, state: &EnvironmentState, quarantine: &Quarantine) -> Result<Released, ReleaseError> {
        let place = self.options.records.place();
        terminal::say(&shown(&place, state, quarantine, self.now));
        if state.operation.is_some() {
            terminal::warn("Lockgate has not seen how the change in flight ended, and will not look again");
        }
        self.record(Act::Released, Some(&quarantine.deployment), None).await?;
        let lifted = self.change(|found| lift(found, quarantine, self.now)).await?;
        let Ok(next) = lifted else {
            return Err(ReleaseError::Changed(place));
        };
        self.wake(next.as_ref()).await;
        let sentence = done(&format!("{place} was opened by {}.", self.by), next.as_ref());
        Ok(Released {
            deployment: Some(quarantine.deployment.clone()),
            next,
            ..self.released(Did::Opened, sentence)
        })
    }

    /// Lets a release that bakes pass.
    async fn pass(&self, watch: &Watch) -> Result<Released, ReleaseError> {
        if let Some(asked) = &watch.asked {
            terminal::say(&format!("{} bakes there. {}", watch.deployment, asked.question.why()));
        }
        self.record(Act::Passed, Some(&watch.deployment), Some(&watch.release))
            .await?;
        let words = (self.by.as_str(), self.options.why.as_str());
        match baking::say(&self.ledger, watch, Says::Pass, words, self.now).await? {
            Said::Heard => {
                let sentence = format!(
                    "{} lets {} pass in {}; it goes on within a minute or two.",
                    self.by,
                    watch.deployment,
                    self.options.records.place()
                );
                Ok(Released {
                    deployment: Some(watch.deployment.clone()),
                    release: Some(watch.release.clone()),
                    ..self.released(Did::Passed, sentence)
                })
            }
            Said::After(word) => Err(ReleaseError::Said {
                by: word.by,
                why: word.why,
            }),
            Said::TooLate => Err(ReleaseError::Changed(self.options.records.place())),
        }
    }

    /// Lets go of an environment that is held.
    async fn let_go(&self, hold: &Hold) -> Result<Released, ReleaseError> {
        let place = self.options.records.place();
        terminal::say(&format!(
            "{place} is held since {} by {}: {}",
            hold.since.strftime("%Y-%m-%d %H:%M:%S UTC"),
            hold.by,
            hold.why
        ));
        self.record(Act::LetGo, None, None).await?;
        let let_go = self
            .change(|found| {
                if found.hold.as_ref() == Some(hold) {
                    found.let_go(self.now)
                } else {
                    Err(Refusal::NotHeld)
                }
            })
            .await?;
        let Ok(next) = let_go else {
            return Err(ReleaseError::Changed(place));
        };
        self.wake(next.as_ref()).await;
        let sentence = done(&format!("{place} was let go of by {}.", self.by), next.as_ref());
        Ok(Released {
            next,
            ..self.released(Did::LetGo, sentence)
        })
    }

    /// Lets a release come again that went back.
    async fn allow(&self, named: &str) -> Result<Released, ReleaseError> {
        let records = &self.options.records;
        let (application, environment) = (&records.application, &records.environment);
        let mut known = self.ledger.taken_back_releases(application, environment).await?;
        known.retain(|(release, _)| release.as_str().starts_with(named));
        let [(release, known)] = known.as_slice() else {
            return Err(ReleaseError::NeverWentBack(named.to_owned()));
        };
        terminal::say(&format!(
            "{} went back with {}: {}",
            release.short(),
            known.deployment,
            known.because
        ));
        self.record(Act::Allowed, Some(&known.deployment), Some(release))
            .await?;
        let allowed = Allowed {
            by: self.by.clone(),
            why: self.options.why.clone(),
            at: self.now,
        };
        self.ledger
            .change_taken_back(application, environment, release, |known| {
                if let Some(known) = known {
                    known.allowed = Some(allowed.clone());
                }
            })
            .await?;
        let sentence = format!(
            "{} lets release {} into {} again; ask for it once more.",
            self.by,
            release.short(),
            records.place()
        );
        Ok(Released {
            deployment: Some(known.deployment.clone()),
            release: Some(release.clone()),
            ..self.released(Did::Allowed, sentence)
        })
    }

    /// Only gate may answer a waiting task, and the sweep has gate look at whatever is due.
    async fn wake(&self, next: Option<&DeploymentId>) {
        let Some(next) = next else { return };
        if let Err(error) = have_gate_look(&self.ledger, next, self.now).await {
            terminal::warn(&format!(
                "{next} has the lock and could not be woken ({error}); the sweep finds it in a few minutes"
            ));
        }
    }
}

async fn have_gate_look(ledger: &Ledger, waiting: &DeploymentId, now: Timestamp) -> Result<(), AwsError> {
    for parked in ledger.parked(&Key::lock(waiting)).await? {
        ledger.look_again(&parked, now).await?;
    }
    Ok(())
}

/// Lifts this very quarantine: another one, that came meanwhile, is for somebody to look at first.
fn lift(state: &mut EnvironmentState, shown: &Quarantine, now: Timestamp) -> Result<Option<DeploymentId>, Refusal> {
    if state.quarantine.as_ref() == Some(shown) {
        state.lift(now)
    } else {
        Err(Refusal::NotQuarantined)
    }
}

/// What Lockgate knows of the environment.
fn shown(place: &str, state: &EnvironmentState, quarantine: &Quarantine, now: Timestamp) -> String {
    let mut text = format!(
        "{place} waits for an operator since {} ({}).\n",
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

fn done(released: &str, next: Option<&DeploymentId>) -> String {
    let next = match next {
        Some(next) => format!("{next} has the lock now and goes on within a minute or two."),
        None => {
            "Nobody waits; the next deployment is let in. What was turned away meanwhile has to be asked for again."
                .to_owned()
        }
    };
    format!("{released} {next}")
}

#[cfg(test)]
mod tests;
