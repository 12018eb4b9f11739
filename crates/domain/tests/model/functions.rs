//! The Lambda functions, write by write, in the order in which they have to write. Every decision in here is one of the
//! domain's own functions; what a missing [`Guard`] weakens stands around the call of it, never inside.

#[path = "functions/approval.rs"]
mod approval;
#[path = "functions/build.rs"]
mod build;
#[path = "functions/deploy.rs"]
mod deploy;
#[path = "functions/execution.rs"]
mod execution;
#[path = "functions/gate.rs"]
mod gate;
#[path = "functions/webhook.rs"]
mod webhook;

use std::sync::Arc;

use domain::deployment::Leg;
use domain::environment_state::Fence;
use domain::failure::Name;
use domain::life::{Event, Phase, Status};
use domain::names::DeploymentId;
use domain::smoke_test::Report;

use super::world::{Call, Given, Guard, Invocation, Known, NOW, Scope, World};

pub use approval::Voter;

/// A scope, what is given in it, and which of the protections are missing.
#[derive(Debug)]
pub struct Pipeline {
    pub scope: Scope,
    pub given: Given,
    pub without: &'static [Guard],
}

/// A function that dies does so between two of its writes.
#[derive(Debug)]
pub struct Died;

/// How many writes a function gets to make before it dies.
#[derive(Debug)]
pub struct Pen(u8);

impl Pen {
    pub fn that_lasts() -> Self {
        Self(u8::MAX)
    }

    pub fn for_writes(writes: u8) -> Self {
        Self(writes)
    }

    fn write(&mut self) -> Result<(), Died> {
        self.0 = self.0.checked_sub(1).ok_or(Died)?;
        Ok(())
    }
}

/// What the world has in store for a call that asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Luck {
    Good,
    Bad,
    NothingToChange,
}

/// What a function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Parks,
    Admitted(Fence),
    Superseded,
    Released,
    Planned { changes: bool },
    Begun,
    Executes,
    Passed,
    Accepted,
    GoBack,
    GiveUp,
    CallOperator,
    Ended,
    Fails(Name),
}

impl Pipeline {
    pub fn new(scope: Scope, without: &'static [Guard]) -> Self {
        let given = Given::of(&scope);
        Self { scope, given, without }
    }

    pub fn lacks(&self, guard: Guard) -> bool {
        self.without.contains(&guard)
    }

    pub fn id(&self, deployment: usize) -> &DeploymentId {
        &self.given.deployments[deployment].id
    }

    pub fn index(&self, id: &DeploymentId) -> Option<usize> {
        self.given.deployments.iter().position(|given| given.id == *id)
    }

    /// The name of the change set that brings a stack on a leg of a deployment.
    pub fn change_set(deployment: usize, leg: Leg, stack: usize) -> String {
        format!("{deployment}/{leg}/{stack}")
    }

    /// Does what an invocation is about to do.
    pub fn invoke(&self, w: &mut World, d: usize, me: Invocation, luck: Luck, pen: &mut Pen) -> Result<Answer, Died> {
        match me.call {
            Call::Park => {
                pen.write()?;
                Ok(Answer::Parks)
            }
            Call::Ask => self.ask(w, d, pen),
            Call::Build => Self::build(w, d, pen),
            Call::Plan => self.plan(w, d, me, luck, pen),
            Call::WaitForLock | Call::WaitForBuild | Call::WaitForPeople | Call::Wave => Ok(Answer::Parks),
            Call::AskPeople => self.ask_people(w, d, pen),
            Call::Begin(stack) => self.begin(w, d, me, stack, pen),
            Call::Execute(stack) => self.execute(w, d, me, stack, luck, pen),
            Call::Smoke => {
                let passed = luck != Luck::Bad;
                let checks = Vec::new();
                pen.write()?;
                self.record(
                    w,
                    d,
                    &Event::SmokeTested {
                        leg: me.leg,
                        report: Report {
                            passed,
                            checks,
                            url: None,
                        },
                    },
                );
                Ok(if passed {
                    Answer::Passed
                } else {
                    Answer::Fails(Name::SmokeTestsFailed)
                })
            }
            Call::Assess => self.assess(w, d, me, pen),
            Call::Close => self.close(w, d, me, pen),
            Call::Operator => {
                self.need_operator(w, d, me.failure.unwrap_or(Name::Unexpected), pen)?;
                Ok(Answer::Ended)
            }
        }
    }

    /// What an invocation does that was paused: all of it lasts. Without [`Guard::HeadCompared`], it writes on from where a
    /// record stood when it was paused.
    pub fn invoke_after_pause(&self, w: &mut World, d: usize, me: Invocation) -> Answer {
        let record = &mut w.run(d).record;
        record.read_before = record.at_pause.take().filter(|_| self.lacks(Guard::HeadCompared));
        let answer = self.invoke(w, d, me, Luck::Good, &mut Pen::that_lasts());
        w.run(d).record.read_before = None;
        answer.expect("it does not die")
    }

    /// Appends to a record; false where that cannot have happened now.
    pub fn record(&self, w: &mut World, d: usize, event: &Event) -> bool {
        let Known { status, chain, .. } = &w.runs[d].record;
        let (before, chain) = (Arc::clone(status), chain.clone());
        let mut known = Arc::clone(&before);
        if self.lacks(Guard::EndAbsorbs) && known.ending.is_some() {
            let known = Arc::make_mut(&mut known);
            known.ending = None;
            known.phase = Phase::Testing;
        }
        if self.lacks(Guard::AcceptanceAwaited) && matches!(event, Event::Ended(_)) && known.phase == Phase::Accepting {
            let known = Arc::make_mut(&mut known);
            known.asks = false;
            known.phase = Phase::Testing;
        }
        let leaves = !self.lacks(Guard::SupersededLeaves) || !matches!(event, Event::GoingBack { .. });
        let decided = (!leaves).then(|| Arc::make_mut(&mut known).decided.take());
        let (next, chain) = match chain {
            None => {
                let Ok(next) = known.next(event) else { return false };
                (next, None)
            }
            Some(chain) => {
                let read_before = w.run(d).record.read_before.take();
                match read_before.as_ref().unwrap_or(&chain.head).append(event.clone(), NOW) {
                    Err(_) => return false,
                    Ok(None) => return true,
                    Ok(Some((entry, head))) => (head.status.clone(), Some(Arc::new(chain.with(entry, head)))),
                }
            }
        };
        let next = Status {
            decided: decided.unwrap_or_else(|| next.decided.clone()),
            ..next
        };
        if chain.is_some() {
            w.run(d).record.chain = chain;
        }
        if next != *before {
            w.seen.second_end |= before.ending.is_some();
            w.run(d).record.status = Arc::new(next);
        }
        true
    }
}
