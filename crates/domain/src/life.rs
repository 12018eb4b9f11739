//! The life of a deployment: its status as a fold of what happened, and which happening may follow which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change_set::Summary;
use crate::deployment::{Deployment, Leg};
use crate::environment_state::Fence;
use crate::failure::{Class, Failure};
use crate::names::{DeploymentId, Digest, StackName};
use crate::smoke_test::Report;

/// Something that happened to a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It was asked for.
    Requested {
        /// All of it.
        deployment: Box<Deployment>,
    },
    /// It waits for the environment's lock.
    Queued {
        /// How many were before it.
        before: usize,
    },
    /// It has the lock.
    Admitted {
        /// With this fence.
        fence: Fence,
    },
    /// Its commit is being built.
    Building {
        /// CodeBuild's id of the build.
        build: String,
        /// Where its log can be read.
        log: String,
    },
    /// It has a release.
    Released {
        /// The release's digest.
        release: Digest,
    },
    /// It is known which stacks are deployed, in which order.
    Planned {
        /// Which way.
        leg: Leg,
        /// The release that is brought.
        release: Digest,
        /// The waves of stacks.
        waves: Vec<Vec<StackName>>,
    },
    /// The assets are where CloudFormation finds them.
    Published {
        /// Which way.
        leg: Leg,
        /// How many were copied.
        copied: usize,
        /// How many were there already.
        present: usize,
    },
    /// A stack's change set is ready.
    Compared {
        /// Which way.
        leg: Leg,
        /// The stack.
        stack: StackName,
        /// What it changes; nothing, where there are no changes.
        summary: Option<Summary>,
    },
    /// A stack's change set is being executed.
    Executing {
        /// Which way.
        leg: Leg,
        /// The stack.
        stack: StackName,
        /// The change set's ARN.
        change_set: String,
    },
    /// A stack has changed.
    Updated {
        /// Which way.
        leg: Leg,
        /// The stack.
        stack: StackName,
    },
    /// A stack could not be changed.
    NotUpdated {
        /// Which way.
        leg: Leg,
        /// The stack.
        stack: StackName,
        /// Why.
        failure: Failure,
    },
    /// The environment was asked whether it works.
    SmokeTested {
        /// Which way.
        leg: Leg,
        /// What it answered.
        report: Report,
    },
    /// It goes back to the last stable release.
    GoingBack {
        /// To this release.
        to: Digest,
        /// Because of this.
        because: Failure,
    },
    /// It is over.
    Ended(Ending),
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// The release is in the environment and stable.
    Deployed,
    /// The environment had this release already.
    NothingToDeploy,
    /// A newer deployment made it superfluous before it began.
    Superseded {
        /// The newer one.
        by: DeploymentId,
    },
    /// It failed, and nobody has to do anything in the environment.
    FailedClean {
        /// Why.
        failure: Failure,
        /// What the environment has now.
        way_back: WayBack,
    },
    /// It failed, and a person has to look; the lock is kept.
    OperatorNeeded {
        /// Why.
        failure: Failure,
    },
}

/// What an environment has after a deployment that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way_back", rename_all = "snake_case")]
pub enum WayBack {
    /// Nothing was changed.
    NothingChanged,
    /// It went back to its last stable release.
    WentBack {
        /// This one.
        to: Digest,
    },
    /// It was changed, and there is no stable release yet to go back to.
    NoStableRelease,
}

/// The four endings of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::VariantNames, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum End {
    /// Green: it is there.
    Deployed,
    /// Green: there was nothing to do.
    NothingToDeploy,
    /// Red, and nobody has to do anything.
    FailedClean,
    /// Red, and a person has to look.
    OperatorNeeded,
}

impl Ending {
    /// The state machine's ending for it.
    pub fn end(&self) -> End {
        match self {
            Self::Deployed => End::Deployed,
            Self::NothingToDeploy | Self::Superseded { .. } => End::NothingToDeploy,
            Self::FailedClean { .. } => End::FailedClean,
            Self::OperatorNeeded { .. } => End::OperatorNeeded,
        }
    }
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Asked for.
    #[default]
    Requested,
    /// Waiting for the lock.
    Queued,
    /// It has the lock.
    Admitted,
    /// Its commit is being built.
    Building,
    /// It has a release.
    Released,
    /// Its stacks are being changed.
    Deploying,
    /// The environment is being tested.
    Testing,
    /// Over.
    Ended,
}

/// What is known of a deployment: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// How far it is, on its present leg.
    pub phase: Phase,
    /// Which way it goes; nothing before anything was planned.
    pub leg: Option<Leg>,
    /// The fence under which it has the lock.
    pub fence: Option<Fence>,
    /// The release it brings.
    pub release: Option<Digest>,
    /// The release it goes back to.
    pub back_to: Option<Digest>,
    /// Why it goes back.
    pub because: Option<Failure>,
    /// The stacks of both legs, and how far each is.
    pub stacks: BTreeMap<StackName, Progress>,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// How far one stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Nothing was done to it yet.
    Planned,
    /// It had no changes.
    Unchanged,
    /// Its change set is ready.
    Compared,
    /// Its change set is being executed.
    Executing,
    /// It was changed.
    Updated,
    /// It could not be changed; CloudFormation put it back, or it was never touched.
    NotUpdated,
    /// It is half-changed, or nobody knows: a person has to look.
    Stuck,
}

/// Something that cannot have happened now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow {phase:?}")]
pub struct IllegalTransition {
    /// How far the deployment was.
    pub phase: Phase,
    /// What was said to have happened.
    pub event: &'static str,
}

impl Event {
    /// The event's name, as the ledger keeps it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Queued { .. } => "queued",
            Self::Admitted { .. } => "admitted",
            Self::Building { .. } => "building",
            Self::Released { .. } => "released",
            Self::Planned { .. } => "planned",
            Self::Published { .. } => "published",
            Self::Compared { .. } => "compared",
            Self::Executing { .. } => "executing",
            Self::Updated { .. } => "updated",
            Self::NotUpdated { .. } => "not_updated",
            Self::SmokeTested { .. } => "smoke_tested",
            Self::GoingBack { .. } => "going_back",
            Self::Ended(_) => "ended",
        }
    }
}

impl Status {
    /// The status after an event; an end is the end, and nothing happens before the lock is there but waiting for it.
    ///
    /// Hearing of the same thing twice is legal and changes nothing: functions are retried.
    ///
    /// # Errors
    /// [`IllegalTransition`], when the event cannot have happened now.
    pub fn next(&self, event: &Event) -> Result<Self, IllegalTransition> {
        let illegal = || IllegalTransition {
            phase: self.phase,
            event: event.name(),
        };
        let allowed = match event {
            Event::Requested { .. } | Event::Queued { .. } => self.phase <= Phase::Queued,
            Event::Admitted { .. } | Event::Ended(Ending::Superseded { .. }) => self.phase <= Phase::Admitted,
            Event::Building { .. } => (Phase::Admitted..=Phase::Building).contains(&self.phase),
            Event::Released { .. } => (Phase::Admitted..=Phase::Released).contains(&self.phase),
            Event::Planned { leg: Leg::Forward, .. } => {
                self.phase >= Phase::Released && self.phase <= Phase::Deploying && self.back_to.is_none()
            }
            Event::Planned { leg: Leg::Back, .. } => self.back_to.is_some() && self.phase <= Phase::Deploying,
            Event::Published { leg, .. } | Event::Compared { leg, .. } | Event::Executing { leg, .. } => {
                self.phase == Phase::Deploying && self.leg == Some(*leg)
            }
            // What is seen of a stack may be seen late: the test may have been reached by another stack's wake.
            Event::Updated { leg, .. } | Event::NotUpdated { leg, .. } | Event::SmokeTested { leg, .. } => {
                (Phase::Deploying..=Phase::Testing).contains(&self.phase) && self.leg == Some(*leg)
            }
            Event::GoingBack { .. } => {
                (Phase::Deploying..=Phase::Testing).contains(&self.phase) && self.leg == Some(Leg::Forward)
            }
            Event::Ended(Ending::Deployed | Ending::NothingToDeploy) => {
                self.phase == Phase::Testing && self.leg == Some(Leg::Forward) && self.back_to.is_none()
            }
            Event::Ended(_) => self.phase != Phase::Ended,
        };
        if !allowed {
            return if self.ending.is_some() && self.would_repeat(event) {
                Ok(self.clone())
            } else {
                Err(illegal())
            };
        }
        let mut next = self.clone();
        let step = |next: &mut Self, stack: &StackName, progress| {
            next.stacks.insert(stack.clone(), progress);
        };
        match event {
            Event::Requested { deployment } => next.release.clone_from(&deployment.release),
            Event::Queued { .. } => next.phase = Phase::Queued,
            Event::Admitted { fence } => {
                next.phase = Phase::Admitted;
                next.fence = Some(*fence);
            }
            Event::Building { .. } => next.phase = Phase::Building,
            Event::Released { release } => {
                next.phase = Phase::Released;
                next.release = Some(release.clone());
            }
            Event::Planned { leg, waves, .. } => {
                if next.leg != Some(*leg) {
                    next.leg = Some(*leg);
                }
                next.phase = Phase::Deploying;
                for stack in waves.iter().flatten() {
                    next.stacks.entry(stack.clone()).or_insert(Progress::Planned);
                }
            }
            Event::Published { .. } => {}
            Event::Compared { stack, summary, .. } => {
                let progress = if summary.is_some() {
                    Progress::Compared
                } else {
                    Progress::Unchanged
                };
                // A stack that the way forward changed stays "updated" in the eyes of whoever asks what changed.
                if !matches!(
                    next.stacks.get(stack),
                    Some(Progress::Updated | Progress::Executing | Progress::Stuck)
                ) {
                    step(&mut next, stack, progress);
                }
            }
            Event::Executing { stack, .. } => step(&mut next, stack, Progress::Executing),
            Event::Updated { stack, .. } => step(&mut next, stack, Progress::Updated),
            // However the deployment ends from here, and be it by hand: this stack is nobody's clean ground.
            Event::NotUpdated { stack, failure, .. } if failure.name.class() == Class::Stuck => {
                step(&mut next, stack, Progress::Stuck);
            }
            Event::NotUpdated { stack, .. } => step(&mut next, stack, Progress::NotUpdated),
            Event::SmokeTested { .. } => next.phase = Phase::Testing,
            Event::GoingBack { to, because } => {
                next.phase = Phase::Released;
                next.back_to = Some(to.clone());
                next.because = Some(because.clone());
            }
            Event::Ended(ending) => {
                next.phase = Phase::Ended;
                next.ending = Some(ending.clone());
            }
        }
        Ok(next)
    }

    /// Whether a stack was, or may have been, changed on the way forward.
    pub fn changed_anything(&self) -> bool {
        self.stacks
            .values()
            .any(|progress| matches!(progress, Progress::Updated | Progress::Executing | Progress::Stuck))
    }

    /// Whether a stack's change was started and its end not yet seen, or seen to be no end that anybody can go on from.
    pub fn anything_unsettled(&self) -> bool {
        self.stacks
            .values()
            .any(|progress| matches!(progress, Progress::Executing | Progress::Stuck))
    }

    fn would_repeat(&self, event: &Event) -> bool {
        matches!(event, Event::Ended(ending) if self.ending.as_ref() == Some(ending))
    }
}
