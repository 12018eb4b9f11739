//! `approval`: people are asked, and what they answer is decided by one write and carried out by whoever finds it undone.

use std::sync::Arc;

use domain::approval::{Act, Approval, Approver, Ballot, Choice, Facts, Outcome, Question, Via};
use domain::failure::Name;
use domain::life::{Event, Phase};
use jiff::Timestamp;

use super::{Answer, Died, Pen, Pipeline};
use crate::world::{self, Call, Course, Guard, NOW, World};

impl Pipeline {
    /// Parks, makes the approval's record unless it is there, says so, and looks at it.
    pub(super) fn ask_people(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        pen.write()?;
        if w.runs[d].question.0.is_none() {
            pen.write()?;
            let deployment = &self.given.deployments[d];
            let question = Question {
                release: self.given.releases[w.release(d)].clone(),
                policy: deployment.environment.approval.clone().expect("it asks people"),
                contributors: Vec::new(),
                facts: Facts::default(),
                checklist: Vec::new(),
                unconfirmed: Vec::new(),
                waits_since: NOW,
            };
            let approval = Approval::ask(deployment, question, NOW);
            w.run(d).question = world::Question(Some(Arc::new(approval)));
        }
        let answer = self.look_at(w, d, NOW, pen)?;
        Ok(answer.unwrap_or(Answer::Parks))
    }

    /// Whoever is asked next answers. In which order they do makes no difference.
    pub fn vote(&self, w: &mut World, d: usize, decision: Choice, pen: &mut Pen) -> Result<(), Died> {
        let Some(by) = self.next_voter(w, d) else { return Ok(()) };
        pen.write()?;
        let ballot = Ballot {
            by,
            via: Via::Link {
                key: "00000000".parse().expect("a key"),
            },
            decision,
            comment: "because".to_owned(),
            ticked: Vec::new(),
            at: NOW,
        };
        self.change(w, d, |approval| {
            drop(approval.vote(ballot.clone()));
        });
        pen.write()?;
        self.record(w, d, &Event::Voted { ballot });
        if self.outcome(w, d).is_some() {
            let answer = self.look_at(w, d, NOW, pen)?;
            self.answer_people(w, d, answer);
        }
        Ok(())
    }

    /// Who may answer now.
    pub fn next_voter(&self, w: &World, d: usize) -> Option<Approver> {
        let mut approval = Approval::clone(w.runs[d].question.0.as_ref()?);
        if self.lacks(Guard::DecidedOnce) {
            approval.outcome = None;
        }
        // Links are sent when the record says that people are asked.
        let asked = w.runs[d].status().phase == Phase::Accepting;
        approval.awaited().into_iter().next().filter(|_| asked)
    }

    /// The sweep, or gate when somebody newer queues, has an approval looked at.
    pub fn wake_for_people(&self, w: &mut World, d: usize, now: Timestamp, pen: &mut Pen) -> Result<(), Died> {
        let answer = self.look_at(w, d, now, pen)?;
        self.answer_people(w, d, answer);
        Ok(())
    }

    /// Does what is due, and carries out what was decided.
    fn look_at(&self, w: &mut World, d: usize, now: Timestamp, pen: &mut Pen) -> Result<Option<Answer>, Died> {
        let Some(approval) = w.runs[d].question.0.clone() else {
            return Ok(None);
        };
        pen.write()?;
        self.record(
            w,
            d,
            &Event::ApprovalAsked {
                approval: approval.id.clone(),
                people: Vec::new(),
                deadline: approval.deadline,
                unconfirmed: Vec::new(),
                excluded: Vec::new(),
            },
        );
        let newer = w.environment(d).newer_waiting(self.id(d)).cloned();
        match approval.next_act(newer.as_ref(), now) {
            Act::Supersede(by) => {
                pen.write()?;
                self.change(w, d, |approval| {
                    approval.supersede(by.clone(), now);
                });
            }
            Act::Expire => {
                pen.write()?;
                self.change(w, d, |approval| {
                    approval.expire(now);
                });
            }
            Act::GiveUp | Act::Mail { .. } | Act::Nothing => {}
        }
        let Some(outcome) = self.outcome(w, d).cloned() else {
            return Ok(None);
        };
        let ballots = w.runs[d].question.0.as_ref().map(|approval| approval.ballots.clone());
        for ballot in ballots.into_iter().flatten() {
            self.record(w, d, &Event::Voted { ballot });
        }
        pen.write()?;
        let answer = match &outcome {
            Outcome::Accepted { .. } => Answer::Accepted,
            Outcome::Superseded { .. } => Answer::Superseded,
            Outcome::Rejected { .. } => Answer::Fails(Name::NotAccepted),
            Outcome::Expired { .. } => Answer::Fails(Name::ApprovalExpired),
            Outcome::Unreachable { .. } => Answer::Fails(Name::NobodyMayAccept),
            Outcome::Withdrawn { .. } => Answer::Fails(Name::Unexpected),
        };
        self.record(w, d, &Event::Decided { outcome });
        pen.write()?;
        Ok(Some(answer))
    }

    fn outcome<'w>(&self, w: &'w World, d: usize) -> Option<&'w Outcome> {
        w.runs[d].question.0.as_ref()?.outcome.as_ref()
    }

    /// Changes an approval's record, as it is now.
    fn change(&self, w: &mut World, d: usize, transition: impl Fn(&mut Approval)) {
        let decided_once = !self.lacks(Guard::DecidedOnce);
        let Some(approval) = &mut w.run(d).question.0 else {
            return;
        };
        let approval = Arc::make_mut(approval);
        if !decided_once {
            approval.outcome = None;
        }
        transition(approval);
    }

    /// Answers the task, if one waits for that.
    fn answer_people(&self, w: &mut World, d: usize, answer: Option<Answer>) {
        let run = &w.runs[d];
        if let Some(answer) = answer
            && run.course == Course::Runs
            && run.now.call == Call::WaitForPeople
        {
            self.proceed(w, d, Call::WaitForPeople, &answer);
        }
    }

    /// Whether people are asked for an execution that waits for them.
    pub fn waits_for_people(w: &World, d: usize) -> bool {
        w.runs[d].course == Course::Runs && w.runs[d].now.call == Call::WaitForPeople
    }
}
