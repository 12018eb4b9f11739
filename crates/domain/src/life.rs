//! The life of a deployment: its status as a fold of what happened, and which happening may follow which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::approval::{ApprovalId, Approver, Ballot, Choice, Outcome};
use crate::bake::{Question, Word};
use crate::change_set::{Prepared, Summary, hash_of_all};
use crate::deployment::{Deployment, Leg};
use crate::emergency::Plea;
use crate::environment_state::{Acceptance, Fence};
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
    /// People let it into an environment that is frozen.
    LetIn {
        /// Why it is frozen, and until when.
        frozen: String,
        /// What they said.
        words: Vec<Plea>,
    },
    /// It has the lock.
    Admitted {
        /// With this fence.
        fence: Fence,
    },
    /// The alarms that are to watch it are there, and quiet.
    AlarmsChecked {
        /// Those by which CloudFormation itself turns back while it changes a stack.
        guards: Vec<String>,
        /// Those for which that has no room.
        others: Vec<String>,
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
    /// The change sets of the stacks that come first are there, for people to decide on or to be looked at only.
    Prepared {
        /// All of these stacks.
        sets: Vec<Prepared>,
    },
    /// What people approved is not what would be executed: they are asked anew.
    Voided {
        /// What is different.
        why: String,
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
    /// The repository's integration tests run.
    IntegrationTesting {
        /// CodeBuild's id of the build that runs them.
        build: String,
        /// Where their log can be read.
        log: String,
    },
    /// The repository's integration tests have ended.
    IntegrationTested {
        /// Whether they passed.
        passed: bool,
        /// Why not.
        cause: Option<String>,
        /// Where their log can be read; empty, where the release has none to run.
        log: String,
    },
    /// People are asked whether they accept it.
    ApprovalAsked {
        /// What they are asked.
        approval: ApprovalId,
        /// Who.
        people: Vec<Approver>,
        /// Until when.
        deadline: Timestamp,
        /// Those of them whose mail address was not confirmed, and who got no mail therefore.
        unconfirmed: Vec<Approver>,
        /// Those of them who may not answer, because they had a part in it.
        excluded: Vec<Approver>,
    },
    /// One of them answered.
    Voted {
        /// The answer.
        ballot: Ballot,
    },
    /// It is decided.
    Decided {
        /// How.
        outcome: Outcome,
    },
    /// It bakes: customers use it, and alarms say whether it is good.
    Baking {
        /// Until then, at the earliest.
        until: Timestamp,
        /// By these alarms.
        alarms: Vec<String>,
    },
    /// The bake holds, and people are asked how it goes on.
    BakeAsked {
        /// What they are asked.
        question: Question,
    },
    /// One of them said so.
    BakeAnswered {
        /// What.
        word: Word,
    },
    /// Its bake ended well.
    Baked {
        /// How it was found to be good, in one sentence.
        how: String,
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
    /// It said what it would change, which is all that it was asked for.
    Planned,
    /// A newer deployment made it superfluous, before it began or while people were asked.
    Superseded {
        /// The newer one.
        by: DeploymentId,
    },
    /// A person asked for an earlier release, and the environment has it.
    RolledBack {
        /// This one.
        to: Digest,
        /// Stacks that are there and that one does not have.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        left: BTreeSet<StackName>,
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
        /// Stacks that are there and that one does not have: this deployment's, or of one before it that stayed.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        left: BTreeSet<StackName>,
    },
    /// It was changed, and there is no stable release yet to go back to.
    NoStableRelease,
    /// It keeps the release that was not accepted.
    Stays,
}

impl WayBack {
    /// It went back with everything that it had.
    pub fn went_back(to: Digest) -> Self {
        Self::WentBack {
            to,
            left: BTreeSet::new(),
        }
    }
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
            Self::Deployed | Self::RolledBack { .. } => End::Deployed,
            Self::NothingToDeploy | Self::Planned | Self::Superseded { .. } => End::NothingToDeploy,
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
    /// People are asked.
    Accepting,
    /// Customers use it, and it is watched.
    Baking,
    /// Over.
    Ended,
}

/// What is known of a deployment: the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something else that has happened, or is to happen"
)]
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
    /// The stacks of the release it goes back to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub back_stacks: BTreeSet<StackName>,
    /// Whether its environment asks people, so that it is not deployed before they accepted it.
    #[serde(default)]
    pub asks: bool,
    /// Whether they are asked before anything is executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_before: bool,
    /// Whether it was asked what it would change, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plans: bool,
    /// The change sets that were made for people to decide on: what they say is bound to these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<Prepared>,
    /// Why what people said about them does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided: Option<String>,
    /// How often such change sets were made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub preparations: u32,
    /// Whether its environment has it baked, so that it is not deployed before that ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bakes: bool,
    /// Whether the alarms that are to watch it were there and quiet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// Whether its bake ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baked: bool,
    /// What people were asked last while its bake held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_asked: Option<Question>,
    /// What one of them said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_answered: Option<Word>,
    /// Of each stack that it compared on its way forward, the resources that hold data, and that it replaces or removes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_risk: BTreeMap<StackName, Vec<String>>,
    /// Whether people let it into an environment that is frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub let_in: bool,
    /// Whether it was asked to take its environment back, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolls_back: bool,
    /// What each of those who answered decided.
    #[serde(default)]
    pub votes: BTreeMap<Approver, Choice>,
    /// What the answers came to.
    #[serde(default)]
    pub decided: Option<Outcome>,
    /// Who accepted it, once enough of them have.
    #[serde(default)]
    pub accepted: Option<Acceptance>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Event {
    /// The event's name, as the ledger keeps it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Queued { .. } => "queued",
            Self::LetIn { .. } => "let_in",
            Self::Admitted { .. } => "admitted",
            Self::AlarmsChecked { .. } => "alarms_checked",
            Self::Building { .. } => "building",
            Self::Released { .. } => "released",
            Self::Planned { .. } => "planned",
            Self::Published { .. } => "published",
            Self::Compared { .. } => "compared",
            Self::Prepared { .. } => "prepared",
            Self::Voided { .. } => "voided",
            Self::Executing { .. } => "executing",
            Self::Updated { .. } => "updated",
            Self::NotUpdated { .. } => "not_updated",
            Self::SmokeTested { .. } => "smoke_tested",
            Self::IntegrationTesting { .. } => "integration_testing",
            Self::IntegrationTested { .. } => "integration_tested",
            Self::ApprovalAsked { .. } => "approval_asked",
            Self::Voted { .. } => "voted",
            Self::Decided { .. } => "decided",
            Self::Baking { .. } => "baking",
            Self::BakeAsked { .. } => "bake_asked",
            Self::BakeAnswered { .. } => "bake_answered",
            Self::Baked { .. } => "baked",
            Self::GoingBack { .. } => "going_back",
            Self::Ended(_) => "ended",
        }
    }
}

impl Status {
    /// The stacks that this deployment saw in the environment, and that are not among these.
    pub fn there_beside<'a>(&'a self, stacks: &'a BTreeSet<StackName>) -> impl Iterator<Item = &'a StackName> {
        let is_there = |progress: &Progress| matches!(progress, Progress::Updated | Progress::Unchanged);
        let there = self.stacks.iter().filter(move |(_, progress)| is_there(progress));
        there.map(|(stack, _)| stack).filter(|stack| !stacks.contains(*stack))
    }

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
        if !self.allows(event) {
            return if self.knows(event) {
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
            Event::Requested { deployment } => next.note_request(deployment),
            Event::Queued { .. } => next.phase = Phase::Queued,
            Event::LetIn { .. } => next.let_in = true,
            Event::Admitted { fence } => {
                next.phase = Phase::Admitted;
                next.fence = Some(*fence);
            }
            Event::AlarmsChecked { .. } => next.checked = true,
            // What only plans waits for its build before it waits for the lock.
            Event::Building { .. } if self.fence.is_none() => {}
            Event::Building { .. } => next.phase = Phase::Building,
            Event::Released { release } => {
                if self.fence.is_some() {
                    next.phase = Phase::Released;
                }
                next.release = Some(release.clone());
            }
            Event::Planned { leg, waves, .. } => {
                if next.leg != Some(*leg) {
                    next.leg = Some(*leg);
                }
                next.phase = Phase::Deploying;
                if *leg == Leg::Back {
                    next.back_stacks = waves.iter().flatten().cloned().collect();
                }
                for stack in waves.iter().flatten() {
                    next.stacks.entry(stack.clone()).or_insert(Progress::Planned);
                }
            }
            Event::Published { .. } | Event::IntegrationTesting { .. } | Event::IntegrationTested { .. } => {}
            Event::Compared { leg, stack, summary } => {
                if let (Leg::Forward, Some(summary)) = (leg, summary) {
                    next.note_risk(stack, summary);
                }
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
            Event::Prepared { sets } => next.note_preparation(sets),
            Event::Voided { why } => next.voided = Some(why.clone()),
            Event::Executing { stack, .. } => step(&mut next, stack, Progress::Executing),
            Event::Updated { stack, .. } => step(&mut next, stack, Progress::Updated),
            // However the deployment ends from here, and be it by hand: this stack is nobody's clean ground.
            Event::NotUpdated { stack, failure, .. } if failure.name.class() == Class::Stuck => {
                step(&mut next, stack, Progress::Stuck);
            }
            Event::NotUpdated { stack, .. } => step(&mut next, stack, Progress::NotUpdated),
            Event::SmokeTested { .. } => next.phase = Phase::Testing,
            Event::ApprovalAsked { .. } => next.phase = Phase::Accepting,
            Event::Voted { ballot } => {
                next.votes.insert(ballot.by.clone(), ballot.decision);
            }
            Event::Decided { outcome } => next.note_decision(outcome),
            Event::Baking { .. } => next.phase = Phase::Baking,
            Event::BakeAsked { question } => next.bake_asked = Some(question.clone()),
            Event::BakeAnswered { word } => next.bake_answered = Some(word.clone()),
            Event::Baked { .. } => next.baked = true,
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

    /// Whether people have accepted that this is executed: the change set that they saw, or one of a stack that comes later.
    fn is_accepted(&self, stack: &StackName, change_set: &str) -> bool {
        let saw = self.bound(stack);
        self.accepted.is_some() && saw.is_none_or(|saw| saw.change_set.as_deref() == Some(change_set))
    }

    fn note_request(&mut self, deployment: &Deployment) {
        self.release.clone_from(&deployment.release);
        self.rolls_back = deployment.rollback.is_some();
        self.plans = deployment.plans;
        self.asks = deployment.environment.approval.is_some() && !self.rolls_back;
        self.asks_before = deployment.asks_before(Leg::Forward);
        self.bakes = deployment.environment.bake.is_some() && !self.rolls_back;
        if let Some(rollback) = &deployment.rollback {
            self.back_to.clone_from(&deployment.release);
            self.because = Some(rollback.because.clone());
        }
    }

    /// Told again, it is the same preparation; another one has people asked anew.
    fn note_preparation(&mut self, sets: &[Prepared]) {
        if self.prepared == sets {
            return;
        }
        self.prepared = sets.to_vec();
        self.preparations = self.preparations.saturating_add(1);
        self.votes.clear();
        self.decided = None;
        self.accepted = None;
        self.voided = None;
    }

    fn note_decision(&mut self, outcome: &Outcome) {
        if let Outcome::Accepted { at } = outcome {
            let by = self.voters(Choice::Accept).cloned().collect();
            self.accepted = Some(Acceptance { by, at: *at });
            if self.asks_before {
                self.phase = Phase::Deploying;
            }
        }
        self.decided = Some(outcome.clone());
    }

    /// What people are asked about where they are asked before anything is executed; nothing, before it is known.
    pub fn prepared_hash(&self) -> Option<Digest> {
        (self.asks_before && !self.prepared.is_empty()).then(|| hash_of_all(&self.prepared))
    }

    /// The change set that people decided on for a stack; nothing, where they decide on none.
    pub fn bound(&self, stack: &StackName) -> Option<&Prepared> {
        let bound = self.prepared.iter().filter(|_| self.asks_before);
        bound.into_iter().find(|prepared| prepared.stack == *stack)
    }

    fn note_risk(&mut self, stack: &StackName, summary: &Summary) {
        let at_risk = summary.losses.iter().filter(|loss| loss.stateful);
        let at_risk: Vec<String> = at_risk
            .map(|loss| format!("{stack}/{} ({})", loss.logical_id, loss.resource_type))
            .collect();
        if at_risk.is_empty() {
            self.at_risk.remove(stack);
        } else {
            self.at_risk.insert(stack.clone(), at_risk);
        }
    }

    /// The resources that hold data, and that were replaced or removed on the way forward: going back does not bring back
    /// what was in them. What may have been replaced counts, since only CloudFormation knows in the end.
    pub fn data_at_risk(&self) -> Vec<String> {
        let is_changed = |stack: &StackName| {
            matches!(
                self.stacks.get(stack),
                Some(Progress::Updated | Progress::Executing | Progress::Stuck)
            )
        };
        let changed = self.at_risk.iter().filter(|(stack, _)| is_changed(stack));
        changed.flat_map(|(_, resources)| resources).cloned().collect()
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

    /// Whether an event can have happened now for the first time, or harmlessly once more.
    fn allows(&self, event: &Event) -> bool {
        let forward = self.leg == Some(Leg::Forward) && self.back_to.is_none();
        match event {
            Event::Requested { .. } | Event::Queued { .. } => self.phase <= Phase::Queued,
            Event::LetIn { .. } | Event::Admitted { .. } => self.phase <= Phase::Admitted,
            Event::AlarmsChecked { .. } => self.phase == Phase::Admitted,
            Event::Building { .. } | Event::Released { .. } if self.plans && self.fence.is_none() => {
                self.phase <= Phase::Queued
            }
            Event::Building { .. } => (Phase::Admitted..=Phase::Building).contains(&self.phase),
            Event::Released { .. } => (Phase::Admitted..=Phase::Released).contains(&self.phase),
            Event::Planned { leg: Leg::Forward, .. } => {
                self.phase >= Phase::Released && self.phase <= Phase::Deploying && self.back_to.is_none()
            }
            Event::Planned { leg: Leg::Back, .. } => {
                self.back_to.is_some() && (Phase::Admitted..=Phase::Deploying).contains(&self.phase)
            }
            Event::Published { leg, .. } | Event::Compared { leg, .. } => {
                self.phase == Phase::Deploying && self.leg == Some(*leg)
            }
            Event::Prepared { .. } => {
                let is_asked = self.plans || (self.asks_before && forward);
                self.phase == Phase::Deploying && is_asked && !self.changed_anything()
            }
            Event::Voided { .. } => {
                self.phase == Phase::Deploying && forward && self.asks_before && self.accepted.is_some()
            }
            Event::Executing { leg, stack, change_set } => {
                let may = *leg == Leg::Back || !self.asks_before || self.is_accepted(stack, change_set);
                self.phase == Phase::Deploying && self.leg == Some(*leg) && may && !self.plans
            }
            // What is seen of a stack may be seen late: the test may have been reached by another stack's wake.
            Event::Updated { leg, .. } | Event::NotUpdated { leg, .. } | Event::SmokeTested { leg, .. } => {
                (Phase::Deploying..=Phase::Testing).contains(&self.phase) && self.leg == Some(*leg)
            }
            Event::IntegrationTesting { .. } | Event::IntegrationTested { .. } => {
                self.phase == Phase::Testing && forward
            }
            Event::ApprovalAsked { .. } => {
                let from = if self.asks_before {
                    Phase::Deploying
                } else {
                    Phase::Testing
                };
                (self.phase == from || self.phase == Phase::Accepting)
                    && forward
                    && self.asks
                    && self.decided.is_none()
                    && (!self.asks_before || !self.prepared.is_empty() && !self.changed_anything())
            }
            Event::Voted { ballot } => self.is_asking() && !self.votes.contains_key(&ballot.by),
            Event::Decided { outcome } => self.is_asking() && self.can_come_to(outcome),
            Event::Baking { .. } => {
                (Phase::Testing..=Phase::Baking).contains(&self.phase)
                    && forward
                    && self.bakes
                    && !self.baked
                    && (!self.asks || self.accepted.is_some())
            }
            Event::BakeAsked { .. } | Event::BakeAnswered { .. } | Event::Baked { .. } => {
                self.phase == Phase::Baking && forward && !self.baked
            }
            // Who was superseded leaves the environment to the newer one.
            Event::GoingBack { .. } => {
                (Phase::Deploying..=Phase::Baking).contains(&self.phase)
                    && self.leg == Some(Leg::Forward)
                    && !self.baked
                    && !matches!(self.decided, Some(Outcome::Superseded { .. }))
            }
            Event::Ended(Ending::RolledBack { .. }) => {
                self.phase == Phase::Testing && self.leg == Some(Leg::Back) && self.rolls_back
            }
            Event::Ended(Ending::Deployed | Ending::NothingToDeploy) if self.bakes => {
                self.phase == Phase::Baking && forward && self.baked
            }
            Event::Ended(Ending::Planned) => {
                self.phase == Phase::Deploying && self.plans && self.preparations > 0 && !self.changed_anything()
            }
            Event::Ended(Ending::Deployed | Ending::NothingToDeploy) if self.asks_before => {
                self.phase == Phase::Testing && forward && self.accepted.is_some()
            }
            Event::Ended(Ending::Deployed | Ending::NothingToDeploy) if self.asks => {
                self.phase == Phase::Accepting && forward && self.accepted.is_some()
            }
            Event::Ended(Ending::Deployed | Ending::NothingToDeploy) => self.phase == Phase::Testing && forward,
            Event::Ended(Ending::Superseded { by }) => match &self.decided {
                Some(Outcome::Superseded { by: newer, .. }) => self.phase == Phase::Accepting && newer == by,
                _ => self.phase <= Phase::Admitted,
            },
            Event::Ended(_) => self.phase != Phase::Ended,
        }
    }

    /// Whether people are asked and nothing is decided.
    fn is_asking(&self) -> bool {
        self.phase == Phase::Accepting && self.decided.is_none()
    }

    /// Whether the answers so far can have come to this.
    fn can_come_to(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Accepted { .. } => {
                self.voters(Choice::Accept).next().is_some() && self.voters(Choice::Reject).next().is_none()
            }
            Outcome::Rejected { by, .. } => self.votes.get(by) == Some(&Choice::Reject),
            Outcome::Expired { .. }
            | Outcome::Superseded { .. }
            | Outcome::Unreachable { .. }
            | Outcome::Withdrawn { .. } => true,
        }
    }

    fn voters(&self, decision: Choice) -> impl Iterator<Item = &Approver> {
        self.votes
            .iter()
            .filter(move |(_, decided)| **decided == decision)
            .map(|(by, _)| by)
    }

    /// Whether that happened already. What follows from a decision is done again until all of it is done.
    fn knows(&self, event: &Event) -> bool {
        match event {
            Event::Voted { ballot } => self.votes.get(&ballot.by) == Some(&ballot.decision),
            Event::Decided { outcome } => self.decided.as_ref() == Some(outcome),
            Event::Ended(ending) => self.ending.as_ref() == Some(ending),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
