//! An environment's lock and queue: one operation at a time, and who comes next.
//!
//! This is the lock protocol that a model checker found to hold (DESIGN, 5; `tests/model.rs` drives these very
//! functions). The state is one DynamoDB item. A transition reads it, decides here, and writes it back on condition
//! that nobody changed it meanwhile; beginning an operation states owner, fence and "nothing in flight" in that
//! condition as well. What a transition wants done in the world (somebody to be woken) is in its outcome.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::approval::Approver;
use crate::deployment::{Deployment, Leg, QueuePolicy};
use crate::failure::{Failure, Name};
use crate::names::{CommitSha, DeploymentId, Digest, EnvironmentName, StackName};

/// The most deployments that wait for one environment: the item stays far below DynamoDB's 400 KB.
pub const QUEUE_LIMIT: usize = 500;

/// How long a holder may be silent before the sweep looks at what it does.
pub const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// A number that grows with every change of the lock's owner and never shrinks.
pub type Fence = u64;

/// Everything that is kept about one environment's lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct EnvironmentState {
    /// The fence of the last owner; the next one gets one more.
    pub fence: Fence,
    /// Who has the lock.
    pub holder: Option<Holder>,
    /// What is in flight.
    pub operation: Option<Operation>,
    /// Who waits, first come first.
    pub queue: Vec<Candidate>,
    /// The release that got to the end of a deployment here last.
    pub stable: Option<StableRelease>,
    /// The newest deployment that was ever admitted or queued; an older one that arrives late never runs after it.
    pub newest: Option<Candidate>,
    /// Set while an operator is needed: nothing is admitted.
    pub quarantine: Option<Quarantine>,
    /// Set while nothing goes forward until a person has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The deployment that left the environment changed without being stable, where one did since the stable release came:
    /// that one is not what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<DeploymentId>,
    /// The commit of the release that people accepted here last: what is new to them begins after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<CommitSha>,
    /// What has changed the environment since then; where people never accepted anything, since its last stable release.
    #[serde(default, skip_serializing_if = "Unaccepted::is_empty")]
    pub unaccepted: Unaccepted,
}

/// Deployments that left an environment changed, which nobody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Unaccepted {
    /// The last of them, in their order; at most [`Unaccepted::LIMIT`].
    pub deployments: Vec<DeploymentId>,
    /// How many there were before those.
    pub more: u32,
}

impl Unaccepted {
    /// The most deployments that are remembered.
    pub const LIMIT: usize = 20;

    fn is_empty(&self) -> bool {
        self.deployments.is_empty() && self.more == 0
    }

    fn add(&mut self, deployment: &DeploymentId) {
        if self.deployments.contains(deployment) {
            return;
        }
        if self.deployments.len() >= Self::LIMIT {
            self.deployments.remove(0);
            self.more = self.more.saturating_add(1);
        }
        self.deployments.push(deployment.clone());
    }

    /// Forgets whatever came after a deployment, which was undone. Where it is not known any more, all is kept.
    fn cut_after(&mut self, deployment: &DeploymentId) {
        if let Some(place) = self.deployments.iter().position(|id| id == deployment) {
            self.deployments.truncate(place + 1);
        }
    }
}

/// How a deployment leaves its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// With its release, which is stable.
    Stable(StableRelease),
    /// With the last stable release, to which it went back.
    Back,
    /// With the last stable release, beside what that does not have.
    BackBeside,
    /// With an earlier stable release, which takes the place of the one that was stable last.
    BackTo(StableRelease),
    /// Changed, without being stable.
    Unstable,
    /// As it was.
    AsItWas,
}

/// Who has the lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its fence.
    pub fence: Fence,
    /// When the sweep looks at it, unless it is heard of before.
    pub lease_until: Timestamp,
}

impl Hold {
    /// That nothing goes forward because of it.
    pub fn refusal(&self) -> Failure {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        Failure::new(Name::Held, format!("held since {since} by {}: {}", self.by, self.why))
    }
}

/// What is in flight: the changes of stacks that one deployment has started and not yet seen the end of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// The deployment that started it.
    pub deployment: DeploymentId,
    /// Which way it goes.
    pub leg: Leg,
    /// Each stack in flight, with the ARN of the change set that changes it.
    pub stacks: BTreeMap<StackName, String>,
    /// When the last of them was begun.
    pub since: Timestamp,
}

/// A deployment that asks for the lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its commit.
    pub commit: CommitSha,
    /// When it happened at its origin, in whole seconds.
    pub happened_at: Timestamp,
    /// The branch's commit before it.
    pub before: Option<CommitSha>,
    /// What happens to it while it waits.
    pub queue: QueuePolicy,
    /// Whether it takes the environment back: then it waits for nothing but what is under way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolls_back: bool,
    /// Whether it only says what would change: then it comes after those that go back, and is neither newer nor older than
    /// those that go forward.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plans: bool,
}

/// A release that got to the end of a deployment in this environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StableRelease {
    /// The release.
    pub release: Digest,
    /// The commit it was built from.
    pub commit: CommitSha,
    /// The deployment that brought it.
    pub deployment: DeploymentId,
    /// Since when.
    pub since: Timestamp,
    /// Who accepted it, where people were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// Who rejected it last, where it came here once more and people were asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejection>,
}

/// That somebody rejected a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rejection {
    /// Who.
    pub by: Approver,
    /// When.
    pub at: Timestamp,
}

/// That people accepted a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acceptance {
    /// Who.
    pub by: Vec<Approver>,
    /// When the last of them did.
    pub at: Timestamp,
}

/// What people said last of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastWord<'a> {
    /// They accepted it.
    Accepted(&'a Acceptance),
    /// One of them rejected it.
    Rejected(&'a Rejection),
}

/// Why nothing is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quarantine {
    /// The deployment that ended half-way.
    pub deployment: DeploymentId,
    /// Its failure, in one sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why nothing goes forward.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Who says so: an operator's ARN, or the deployment that went back.
    pub by: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// That a release was taken back, or its failed deployment went back: it does not come here again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// The deployment that went back.
    pub deployment: DeploymentId,
    /// Why.
    pub because: Failure,
    /// When.
    pub at: Timestamp,
    /// Who lets it come here all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
}

impl TakenBack {
    /// Why the release does not come into this environment again; nothing, where an operator lets it.
    pub fn refuses(&self, release: &Digest, environment: &EnvironmentName) -> Option<Failure> {
        if self.allowed.is_some() {
            return None;
        }
        let cause = format!(
            "release {} went back from {environment} at {} with {}: {}",
            release.short(),
            self.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            self.deployment,
            self.because
        );
        Some(Failure::new(Name::TakenBackBefore, cause))
    }
}

/// That an operator lets a release come again that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Who, by ARN.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What becomes of a deployment that asks for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has the lock.
    Holds(Fence),
    /// It waits; this many are before it.
    Waits(usize),
    /// A newer deployment made it superfluous.
    Superseded(DeploymentId),
    /// An operator has to release the environment first.
    Quarantined(Quarantine),
    /// Nothing goes forward until a person has looked.
    Held(Hold),
    /// Too many wait.
    QueueFull,
    /// Nothing is known of it here.
    Unknown,
}

/// Why a transition is refused; nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another deployment, or nobody, has the lock, or it has been taken since with a higher fence.
    #[error("the lock belongs to {}", .0.as_ref().map_or("nobody", |id| id.as_str()))]
    NotHolder(Option<DeploymentId>),
    /// Something is in flight.
    #[error("an operation of {} is in flight", .0)]
    InFlight(DeploymentId),
    /// The environment waits for an operator.
    #[error("the environment waits for an operator since {} ended half-way", .0)]
    Quarantined(DeploymentId),
    /// There is nothing to lift.
    #[error("the environment does not wait for an operator")]
    NotQuarantined,
    /// There is no hold.
    #[error("the environment is not held")]
    NotHeld,
}

impl Candidate {
    /// A deployment as a candidate for its environment's lock.
    pub fn of(deployment: &Deployment) -> Self {
        Self {
            deployment: deployment.id.clone(),
            commit: deployment.commit.clone(),
            happened_at: deployment.requested.happened_at,
            before: deployment.requested.before.clone(),
            queue: deployment.environment.queue,
            rolls_back: deployment.rollback.is_some(),
            plans: deployment.plans,
        }
    }

    /// Whether this one happened after the other.
    ///
    /// GitHub tells the time of a push in whole seconds. Within one second the chain of commits decides, and where
    /// that says nothing, this one counts as newer: it is asked of the one that arrived last.
    fn is_newer_than(&self, other: &Self) -> bool {
        match self.happened_at.cmp(&other.happened_at) {
            std::cmp::Ordering::Equal => other.before.as_ref() != Some(&self.commit),
            order => order.is_gt(),
        }
    }
}

impl StableRelease {
    /// What people said of it last; nothing, where none of them said anything.
    pub fn last_word(&self) -> Option<LastWord<'_>> {
        match (&self.accepted, &self.rejected) {
            // Of two words in one instant, the one that lets nothing go on.
            (Some(accepted), Some(rejected)) if accepted.at > rejected.at => Some(LastWord::Accepted(accepted)),
            (_, Some(rejected)) => Some(LastWord::Rejected(rejected)),
            (Some(accepted), None) => Some(LastWord::Accepted(accepted)),
            (None, None) => None,
        }
    }

    /// Takes note of a rejection, unless a later one is known.
    pub fn reject(&mut self, rejection: &Rejection) {
        if self.rejected.as_ref().is_none_or(|known| known.at < rejection.at) {
            self.rejected = Some(rejection.clone());
        }
    }
}

impl EnvironmentState {
    /// Takes the lock, or a place in the queue.
    ///
    /// Asking again changes nothing. The second part of the answer is who was superseded and has to be told.
    pub fn admit(&mut self, candidate: Candidate, now: Timestamp) -> (Standing, Vec<DeploymentId>) {
        let standing = self.standing(&candidate.deployment);
        match standing {
            Standing::Holds(_) | Standing::Waits(_) | Standing::Quarantined(_) | Standing::Held(_) => {
                return (standing, Vec::new());
            }
            Standing::Superseded(_) | Standing::QueueFull | Standing::Unknown => {}
        }
        if let Some(quarantine) = &self.quarantine {
            return (Standing::Quarantined(quarantine.clone()), Vec::new());
        }
        if candidate.rolls_back {
            let id = candidate.deployment.clone();
            // Before all that go forward: they would bring something to an environment that is to go back.
            let before = |waiting: &&Candidate| waiting.rolls_back && (candidate.plans || !waiting.plans);
            let place = self.queue.iter().take_while(before).count();
            self.queue.insert(place, candidate);
            self.grant(now);
            return (self.standing(&id), Vec::new());
        }
        if let Some(hold) = &self.hold {
            return (Standing::Held(hold.clone()), Vec::new());
        }
        if candidate.plans {
            if self.queue.len() >= QUEUE_LIMIT {
                return (Standing::QueueFull, Vec::new());
            }
            let id = candidate.deployment.clone();
            self.queue.push(candidate);
            self.grant(now);
            return (self.standing(&id), Vec::new());
        }
        if candidate.queue == QueuePolicy::Newest
            && let Some(newest) = &self.newest
            && newest.deployment != candidate.deployment
            && !candidate.is_newer_than(newest)
        {
            return (Standing::Superseded(newest.deployment.clone()), Vec::new());
        }
        let mut superseded = Vec::new();
        if candidate.queue == QueuePolicy::Newest {
            self.queue.retain(|waiting| {
                let stays = waiting.queue == QueuePolicy::Every || waiting.rolls_back || waiting.plans;
                if !stays {
                    superseded.push(waiting.deployment.clone());
                }
                stays
            });
        } else if self.queue.len() >= QUEUE_LIMIT {
            return (Standing::QueueFull, Vec::new());
        }
        let id = candidate.deployment.clone();
        if self
            .newest
            .as_ref()
            .is_none_or(|newest| candidate.is_newer_than(newest))
        {
            self.newest = Some(candidate.clone());
        }
        // Before those that only look: a busy repository's pull requests keep no deployment waiting.
        let before = |waiting: &&Candidate| waiting.rolls_back || !waiting.plans;
        let place = self.queue.iter().take_while(before).count();
        self.queue.insert(place, candidate);
        self.grant(now);
        (self.standing(&id), superseded)
    }

    /// Where a deployment stands, for one that waits and asks again.
    pub fn standing(&self, deployment: &DeploymentId) -> Standing {
        if let Some(holder) = &self.holder
            && holder.deployment == *deployment
            && self.quarantine.is_none()
        {
            return Standing::Holds(holder.fence);
        }
        if let Some(place) = self.queue.iter().position(|waiting| waiting.deployment == *deployment) {
            return match (&self.quarantine, &self.hold) {
                (Some(quarantine), _) => Standing::Quarantined(quarantine.clone()),
                (None, Some(hold)) if !self.queue[place].rolls_back => Standing::Held(hold.clone()),
                (None, _) => Standing::Waits(place),
            };
        }
        match &self.newest {
            Some(newest) if newest.deployment != *deployment => Standing::Superseded(newest.deployment.clone()),
            _ => Standing::Unknown,
        }
    }

    /// The newer deployment that makes this one superfluous while it holds the lock and people are asked; nothing, where
    /// none waits that supersedes others.
    pub fn newer_waiting(&self, deployment: &DeploymentId) -> Option<&DeploymentId> {
        self.holder.as_ref().filter(|holder| holder.deployment == *deployment)?;
        self.queue
            .iter()
            .find(|waiting| waiting.queue == QueuePolicy::Newest && !waiting.rolls_back && !waiting.plans)
            .map(|waiting| &waiting.deployment)
    }

    /// The deployment that waits to take the environment back from what is there, while this one has the lock.
    pub fn way_back_waiting(&self, deployment: &DeploymentId) -> Option<&DeploymentId> {
        self.holder.as_ref().filter(|holder| holder.deployment == *deployment)?;
        let mut back = self.queue.iter().filter(|waiting| waiting.rolls_back && !waiting.plans);
        back.next().map(|waiting| &waiting.deployment)
    }

    /// Leaves the queue: for a deployment that ended while it waited.
    pub fn leave(&mut self, deployment: &DeploymentId) {
        self.queue.retain(|waiting| waiting.deployment != *deployment);
    }

    /// Begins the change of one stack. This is the one write that decides whether anything may be changed.
    ///
    /// # Errors
    /// [`Refusal`] unless the deployment owns the lock with this fence and nothing of another operation is in flight.
    pub fn begin(
        &mut self,
        deployment: &DeploymentId,
        fence: Fence,
        leg: Leg,
        stack: StackName,
        change_set: String,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.held_by(deployment, fence)?;
        if let Some(quarantine) = &self.quarantine {
            return Err(Refusal::Quarantined(quarantine.deployment.clone()));
        }
        match &mut self.operation {
            Some(operation) if operation.deployment != *deployment || operation.leg != leg => {
                return Err(Refusal::InFlight(operation.deployment.clone()));
            }
            Some(operation) => {
                operation.stacks.insert(stack, change_set);
                operation.since = now;
            }
            None => {
                let stacks = BTreeMap::from([(stack, change_set)]);
                self.operation = Some(Operation {
                    deployment: deployment.clone(),
                    leg,
                    stacks,
                    since: now,
                });
            }
        }
        self.renew(deployment, now);
        Ok(())
    }

    /// Clears one stack from what is in flight, after that very change was seen to have ended.
    ///
    /// A stale or foreign word (another deployment, another change set) changes nothing.
    pub fn finish(&mut self, deployment: &DeploymentId, stack: &StackName, change_set: &str) {
        let Some(operation) = &mut self.operation else { return };
        if operation.deployment != *deployment || operation.stacks.get(stack).is_none_or(|begun| begun != change_set) {
            return;
        }
        operation.stacks.remove(stack);
        if operation.stacks.is_empty() {
            self.operation = None;
        }
    }

    /// Gives the lock back and hands it to the next that waits, who is returned and has to be woken.
    ///
    /// Giving back what one no longer has is no error: somebody else already did it.
    ///
    /// # Errors
    /// [`Refusal::InFlight`] while something is in flight, [`Refusal::Quarantined`] while an operator is needed.
    pub fn release(
        &mut self,
        deployment: &DeploymentId,
        left: Left,
        now: Timestamp,
    ) -> Result<Option<DeploymentId>, Refusal> {
        self.leave(deployment);
        if self
            .holder
            .as_ref()
            .is_none_or(|holder| holder.deployment != *deployment)
        {
            return Ok(None);
        }
        if let Some(quarantine) = &self.quarantine {
            return Err(Refusal::Quarantined(quarantine.deployment.clone()));
        }
        if let Some(operation) = &self.operation {
            return Err(Refusal::InFlight(operation.deployment.clone()));
        }
        match &left {
            Left::Stable(_) | Left::Back | Left::BackBeside | Left::BackTo(_) => self.unsettled = None,
            Left::Unstable => self.unsettled = Some(deployment.clone()),
            Left::AsItWas => {}
        }
        match left {
            Left::Stable(stable) => {
                if stable.accepted.is_some() {
                    self.accepted = Some(stable.commit.clone());
                }
                self.stable = Some(stable);
                if self.is_stable_accepted() {
                    self.unaccepted = Unaccepted::default();
                } else {
                    self.unaccepted.add(deployment);
                }
            }
            Left::Back => self.went_back(),
            Left::BackTo(stable) => {
                self.stable = Some(stable);
                self.went_back();
            }
            Left::Unstable | Left::BackBeside => self.unaccepted.add(deployment),
            Left::AsItWas => {}
        }
        self.holder = None;
        self.grant(now);
        Ok(self.holder.as_ref().map(|holder| holder.deployment.clone()))
    }

    fn went_back(&mut self) {
        match &self.stable {
            Some(stable) if !self.is_stable_accepted() => self.unaccepted.cut_after(&stable.deployment),
            _ => self.unaccepted = Unaccepted::default(),
        }
    }

    /// Whether a deployment has the lock.
    pub fn is_held_by(&self, deployment: &DeploymentId) -> bool {
        let holder = self.holder.as_ref();
        holder.is_some_and(|holder| holder.deployment == *deployment)
    }

    /// Lets nothing go forward. Those who wait are returned and have to be told. A hold that is there stays as it is.
    pub fn hold(&mut self, hold: Hold) -> Vec<DeploymentId> {
        self.hold.get_or_insert(hold);
        let forward = self.queue.iter().filter(|waiting| !waiting.rolls_back);
        forward.map(|waiting| waiting.deployment.clone()).collect()
    }

    /// A person has looked: whoever asks goes forward again. Whoever gets the lock is returned and has to be woken.
    ///
    /// # Errors
    /// [`Refusal::NotHeld`] when there is no hold.
    pub fn let_go(&mut self, now: Timestamp) -> Result<Option<DeploymentId>, Refusal> {
        if self.hold.take().is_none() {
            return Err(Refusal::NotHeld);
        }
        let before = self.holder.clone();
        self.grant(now);
        let granted = self.holder.as_ref().filter(|_| self.holder != before);
        Ok(granted.map(|holder| holder.deployment.clone()))
    }

    /// Whether nothing but what is accepted is stable; where people never accepted anything, whatever is stable counts.
    fn is_stable_accepted(&self) -> bool {
        self.accepted.is_none() || self.stable.as_ref().is_none_or(|stable| stable.accepted.is_some())
    }

    /// Keeps the lock and admits nothing until an operator lifts it. Those who wait are returned and have to be told.
    ///
    /// # Errors
    /// [`Refusal::NotHolder`] when the deployment does not have the lock: it may not close an environment to others.
    pub fn quarantine(
        &mut self,
        deployment: &DeploymentId,
        why: &str,
        now: Timestamp,
    ) -> Result<Vec<DeploymentId>, Refusal> {
        if self
            .holder
            .as_ref()
            .is_none_or(|holder| holder.deployment != *deployment)
        {
            return Err(Refusal::NotHolder(
                self.holder.as_ref().map(|holder| holder.deployment.clone()),
            ));
        }
        if self.quarantine.is_none() {
            // Whatever the operator makes of it: nobody has accepted what it changed.
            self.unaccepted.add(deployment);
            self.unsettled = Some(deployment.clone());
            self.quarantine = Some(Quarantine {
                deployment: deployment.clone(),
                why: why.to_owned(),
                since: now,
            });
        }
        Ok(self.queue.iter().map(|waiting| waiting.deployment.clone()).collect())
    }

    /// An operator says that the environment is in order again. Whoever gets the lock is returned and has to be woken.
    ///
    /// # Errors
    /// [`Refusal::NotQuarantined`] when there is nothing to lift. What was in flight is given up: the operator looked.
    pub fn lift(&mut self, now: Timestamp) -> Result<Option<DeploymentId>, Refusal> {
        if self.quarantine.take().is_none() {
            return Err(Refusal::NotQuarantined);
        }
        self.operation = None;
        self.holder = None;
        self.grant(now);
        Ok(self.holder.as_ref().map(|holder| holder.deployment.clone()))
    }

    /// Puts off the sweep's next look at the holder: it has been heard of.
    pub fn renew(&mut self, deployment: &DeploymentId, now: Timestamp) {
        if let Some(holder) = &mut self.holder
            && holder.deployment == *deployment
        {
            holder.lease_until = now + LEASE;
        }
    }

    /// Has the sweep look at the holder at its next turn: its execution is over, and something is still in flight.
    pub fn expire(&mut self, deployment: &DeploymentId, now: Timestamp) {
        if let Some(holder) = &mut self.holder
            && holder.deployment == *deployment
        {
            holder.lease_until = now;
        }
    }

    /// The holder the sweep has to look at: its lease is over.
    pub fn overdue(&self, now: Timestamp) -> Option<&Holder> {
        self.holder
            .as_ref()
            .filter(|holder| self.quarantine.is_none() && holder.lease_until <= now)
    }

    fn held_by(&self, deployment: &DeploymentId, fence: Fence) -> Result<(), Refusal> {
        match &self.holder {
            Some(holder) if holder.deployment == *deployment && holder.fence == fence => Ok(()),
            holder => Err(Refusal::NotHolder(
                holder.as_ref().map(|holder| holder.deployment.clone()),
            )),
        }
    }

    /// Hands the lock to the first that waits, if it is free and nothing is in flight.
    fn grant(&mut self, now: Timestamp) {
        if self.holder.is_some() || self.operation.is_some() || self.quarantine.is_some() {
            return;
        }
        // Those who take it back stand before all others.
        if self
            .queue
            .first()
            .is_none_or(|first| self.hold.is_some() && !first.rolls_back)
        {
            return;
        }
        self.fence += 1;
        let deployment = self.queue.remove(0).deployment;
        self.holder = Some(Holder {
            deployment,
            fence: self.fence,
            lease_until: now + LEASE,
        });
    }
}

#[cfg(test)]
mod tests;
