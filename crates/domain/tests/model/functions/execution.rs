//! The state machine: which state comes after which answer.

use domain::deployment::Leg;
use domain::failure::{Failure, Name, gravest};

use super::{Answer, Pipeline};
use crate::world::{Branch, Call, Course, Guard, Run, STACKS, World};

impl Pipeline {
    /// Takes an execution along its path: `answer` is what its present state was answered.
    pub fn proceed(&self, w: &mut World, d: usize, call: Call, answer: &Answer) {
        let builds = self.scope.builds;
        let all = self.scope.stacks;
        let asks = self.scope.asks[w.place(d)].is_some();
        let run = w.run(d);
        let to = |run: &mut Run, call| run.now.call = call;
        match (call, answer) {
            (Call::Park, _) => to(run, Call::Ask),
            (Call::Ask | Call::WaitForLock, Answer::Admitted(fence)) => {
                run.now.fence = *fence;
                to(run, if builds { Call::Build } else { Call::Plan });
            }
            (Call::Ask, Answer::Parks) => to(run, Call::WaitForLock),
            (Call::Build, Answer::Parks) => to(run, Call::WaitForBuild),
            (Call::Build | Call::WaitForBuild, Answer::Released) => to(run, Call::Plan),
            (Call::Plan, Answer::Planned { changes: true }) => {
                run.branches[..all].fill(Branch::Begins);
                to(run, Call::Wave);
            }
            (Call::Plan, Answer::Planned { changes: false }) => to(run, Call::Smoke),
            (Call::Begin(stack), Answer::Begun) => run.branches[stack] = Branch::Executes,
            (Call::Execute(stack), Answer::Executes) => run.branches[stack] = Branch::Waits,
            (Call::Begin(stack) | Call::Execute(stack), Answer::Fails(name)) => {
                run.branches[stack] = Branch::Failed(*name);
                self.review(w, d);
            }
            (Call::Smoke, Answer::Passed) if asks && run.now.leg == Leg::Forward => to(run, Call::AskPeople),
            (Call::AskPeople, Answer::Parks) => to(run, Call::WaitForPeople),
            (Call::AskPeople | Call::WaitForPeople, _) if self.lacks(Guard::AnswerHeeded) => to(run, Call::Close),
            (Call::AskPeople | Call::WaitForPeople, Answer::Superseded) if self.lacks(Guard::SupersededLeaves) => {
                Self::catch(run, call, Name::NotAccepted);
            }
            (Call::Ask | Call::WaitForLock, Answer::Superseded)
            | (Call::Smoke, Answer::Passed)
            | (Call::AskPeople | Call::WaitForPeople, Answer::Accepted | Answer::Superseded)
            | (Call::Assess, Answer::GiveUp) => to(run, Call::Close),
            (Call::Assess, Answer::GoBack) => {
                run.now.leg = Leg::Back;
                to(run, Call::Plan);
            }
            (Call::Assess, Answer::CallOperator) => to(run, Call::Operator),
            (Call::Close | Call::Operator, Answer::Ended) => run.course = Course::Over,
            (_, Answer::Fails(name)) => Self::catch(run, call, *name),
            (call, answer) => panic!("{call:?} never answers {answer:?}"),
        }
    }

    /// What the state machine does about an error.
    pub fn catch(run: &mut Run, call: Call, name: Name) {
        match call {
            Call::Operator => run.course = Course::Over,
            Call::Assess | Call::Close => {
                run.now.failure = Some(name);
                run.now.call = Call::Operator;
            }
            _ => {
                run.now.failure = Some(name);
                run.now.call = Call::Assess;
            }
        }
    }

    /// What the state machine does about an error in a state of the wave, or in any other.
    pub fn catch_anywhere(&self, w: &mut World, d: usize, call: Call, name: Name) {
        match call {
            Call::Begin(stack) | Call::Execute(stack) => {
                w.run(d).branches[stack] = Branch::Failed(name);
                self.review(w, d);
            }
            call => Self::catch(w.run(d), call, name),
        }
    }

    /// Once every stack of the wave has ended: on, or on with the gravest failure.
    pub(super) fn review(&self, w: &mut World, d: usize) {
        let run = w.run(d);
        let mut failures = Vec::new();
        for branch in &run.branches[..self.scope.stacks] {
            match branch {
                Branch::Failed(name) => failures.push(Failure::new(*name, "")),
                Branch::Done => {}
                Branch::Begins | Branch::Executes | Branch::Waits => return,
            }
        }
        run.branches = [Branch::Done; STACKS];
        match gravest(&failures) {
            None => run.now.call = Call::Smoke,
            Some(failure) => Self::catch(run, Call::Wave, failure.name),
        }
    }
}
