//! `approval`: people are asked, and what they answer is decided by one write and carried out by whoever finds it undone.

use std::sync::Arc;

use domain::approval::token::{Claims, mint, verify};
use domain::approval::{Act, Approval, Approver, Ballot, Choice, KeyId, Outcome, Via};
use domain::failure::Name;
use domain::life::{Event, Phase};
use jiff::Timestamp;

use super::{Answer, Died, Pen, Pipeline};
use crate::world::{self, Call, Course, Guard, NOW, World, person};

/// Who may try to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voter {
    /// Whoever is asked and has not answered.
    Awaited,
    /// Whoever wrote the release, and is on the list of those who are asked.
    Author,
    /// Somebody who is on no list.
    Stranger,
    /// Somebody who has answered.
    Again,
    /// Whoever is awaited, at the deadline.
    Late,
    /// Whoever is awaited, by the link that was made for another release.
    AboutAnother,
}

impl Voter {
    pub const ALL: [Self; 6] = [
        Self::Awaited,
        Self::Author,
        Self::Stranger,
        Self::Again,
        Self::Late,
        Self::AboutAnother,
    ];
}

/// An answer on its way.
#[derive(Debug)]
pub struct Said {
    by: Approver,
    /// The deployment that the link was made for.
    about: usize,
    at: Timestamp,
}

impl Pipeline {
    /// Parks, makes the approval's record unless it is there, says so, and looks at it.
    pub(super) fn ask_people(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        pen.write()?;
        if w.runs[d].question.0.is_none() {
            pen.write()?;
            let approval = self.given.approvals[d].clone().expect("it asks people");
            w.run(d).question = world::Question(Some(Arc::new(approval)));
        }
        let answer = self.look_at(w, d, NOW, pen)?;
        Ok(answer.unwrap_or(Answer::Parks))
    }

    /// Somebody answers by a link. In which order those do who are awaited makes no difference.
    pub fn vote(&self, w: &mut World, d: usize, voter: Voter, decision: Choice, pen: &mut Pen) -> Result<(), Died> {
        let (Some(said), Some(known)) = (self.says(w, d, voter), w.runs[d].question.0.clone()) else {
            return Ok(());
        };
        let Some((by, key)) = self.holder_of(&said, &known) else {
            return Ok(());
        };
        pen.write()?;
        let ballot = Ballot {
            by,
            via: Via::Link { key },
            decision,
            comment: "because".to_owned(),
            ticked: Vec::new(),
            at: said.at,
        };
        let counted = self.change(w, d, |approval| self.take(approval, ballot.clone()));
        if counted != Some(true) {
            return Ok(());
        }
        w.seen.answer_about_another |= said.about != d;
        pen.write()?;
        self.record(w, d, &Event::Voted { ballot });
        if self.outcome(w, d).is_some() {
            let answer = self.look_at(w, d, NOW, pen)?;
            self.answer_people(w, d, answer);
        }
        Ok(())
    }

    /// What somebody of that kind says now; nothing, where there is nobody.
    pub fn says(&self, w: &World, d: usize, voter: Voter) -> Option<Said> {
        let mut approval = Approval::clone(w.runs[d].question.0.as_ref()?);
        if self.lacks(Guard::DecidedOnce) {
            approval.outcome = None;
        }
        // Links are sent when the record says that people are asked.
        if w.runs[d].status().phase != Phase::Accepting || approval.outcome.is_some() {
            return None;
        }
        let awaited = || approval.awaited().into_iter().next();
        let said = |by: Approver| Said { by, about: d, at: NOW };
        match voter {
            Voter::Awaited => awaited().map(said),
            Voter::Author => Some(said(self.given.author.clone())),
            Voter::Stranger => Some(said(self.given.stranger.clone())),
            Voter::Again => approval.ballots.first().map(|ballot| said(ballot.by.clone())),
            Voter::Late => awaited().map(|by| Said {
                at: approval.deadline,
                ..said(by)
            }),
            Voter::AboutAnother => {
                let asked = |other: &usize| *other != d && self.given.approvals[*other].is_some();
                let about = (0..self.given.approvals.len()).find(asked)?;
                awaited().map(|by| Said { about, ..said(by) })
            }
        }
    }

    /// Whose link it is, if it is one for this approval and still holds.
    fn holder_of(&self, said: &Said, approval: &Approval) -> Option<(Approver, KeyId)> {
        let about = self.given.approvals[said.about].as_ref()?;
        let token = mint(&self.given.keys, &Claims::of(about, &said.by));
        let bound_to = if self.lacks(Guard::LinkBound) { about } else { approval };
        let now = if self.lacks(Guard::InTime) { NOW } else { said.at };
        verify(&self.given.keys, bound_to, token.expose(), now).ok()
    }

    /// Takes an answer, and says whether it counts. What a missing guard would have looked at is hidden, and put back.
    fn take(&self, approval: &mut Approval, ballot: Ballot) -> bool {
        let hidden = approval.clone();
        if self.lacks(Guard::AuthorExcluded) {
            approval.contributors.clear();
        }
        if self.lacks(Guard::StrangerRefused) {
            approval.policy.people.push(person(ballot.by.as_str()));
        }
        if self.lacks(Guard::VotedOnce) {
            approval.ballots.retain(|before| before.by != ballot.by);
        }
        if self.lacks(Guard::InTime) {
            approval.deadline = Timestamp::MAX;
        }
        let counts = approval.vote(ballot).is_ok();
        let ballots = if self.lacks(Guard::VotedOnce) && counts {
            let last = approval.ballots.pop();
            hidden.ballots.into_iter().chain(last).collect()
        } else {
            std::mem::take(&mut approval.ballots)
        };
        *approval = Approval {
            ballots,
            outcome: approval.outcome.take(),
            ..Approval {
                ballots: Vec::new(),
                ..hidden
            }
        };
        counts
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
    fn change<R>(&self, w: &mut World, d: usize, transition: impl FnOnce(&mut Approval) -> R) -> Option<R> {
        let approval = Arc::make_mut(w.run(d).question.0.as_mut()?);
        if self.lacks(Guard::DecidedOnce) {
            approval.outcome = None;
        }
        Some(transition(approval))
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
