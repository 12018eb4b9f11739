//! One approval, from the question to its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    ApprovalPolicy, Approver, ChecklistItem, Contributor, KeyId, Person, PrincipalArn, Role, When, is_same_person,
};
use crate::change_set::Summary;
use crate::deployment::Deployment;
use crate::harmless::harmless;
use crate::names::{
    AccountId, CommitSha, DeploymentId, Digest, EnvironmentName, InvalidName, Region, RepositoryName, StackName, name,
};
use crate::smoke_test::Report;

/// The most characters of a comment.
pub const COMMENT_LIMIT: usize = 2000;

/// When an approval is looked at again while mail is due, and at the latest.
const SOON: SignedDuration = SignedDuration::from_mins(2);
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// The most people that a sentence names.
const NAMES_LIMIT: usize = 5;

name!(
    /// The name of an approval, which its links carry. It is derived, so that asking again is asking the same.
    ApprovalId,
    "an approval",
    "32 lower-case hexadecimal digits",
    |text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl ApprovalId {
    /// The approval of a deployment at this point of it.
    pub fn of(deployment: &DeploymentId, when: When) -> Self {
        let whole = Digest::of(format!("approval\n{deployment}\n{when}").as_bytes());
        Self(whole.as_str()[..32].to_owned())
    }

    /// The approval of these change sets of a deployment, and of no others.
    pub fn of_change_sets(deployment: &DeploymentId, prepared: &Digest) -> Self {
        let whole = Digest::of(format!("approval\n{deployment}\n{}\n{prepared}", When::Before).as_bytes());
        Self(whole.as_str()[..32].to_owned())
    }
}

/// What people are asked, and what they answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// The deployment that waits for it.
    pub deployment: DeploymentId,
    /// The application.
    pub application: RepositoryName,
    /// The environment the release is in.
    pub environment: EnvironmentName,
    /// That environment's account.
    pub account: AccountId,
    /// That environment's region.
    pub region: Region,
    /// What is accepted or rejected, and nothing else is.
    pub release: Digest,
    /// The hash of the change sets that it is about, where people are asked before these are executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Digest>,
    /// The commit it was built from.
    pub commit: CommitSha,
    /// What people call it: the tag or branch it was asked from, harmless.
    pub version: String,
    /// The first line of the commit's message, harmless.
    pub title: String,
    /// Who asked for the deployment: a GitHub login or an ARN, harmless.
    pub requested_by: String,
    /// Who is asked, and what their answers have to come to.
    pub policy: ApprovalPolicy,
    /// Those of the people asked who wrote some of it, and may not answer therefore.
    pub contributors: Vec<Contributor>,
    /// What they are shown.
    pub facts: Facts,
    /// What they are to try.
    pub checklist: Vec<ChecklistItem>,
    /// When they were asked.
    pub asked_at: Timestamp,
    /// When those who have not answered are asked again.
    pub remind_at: Timestamp,
    /// From here on no answer counts.
    pub deadline: Timestamp,
    /// Those whose mail address does not want our mail: it was never confirmed, or unsubscribed since.
    pub unconfirmed: Vec<Approver>,
    /// Whether operators were told of these.
    #[serde(default)]
    pub operators_told: bool,
    /// The mail that was sent.
    pub mails: BTreeMap<Approver, MailState>,
    /// The answers, first come first.
    pub ballots: Vec<Ballot>,
    /// How it ended; never changes.
    pub outcome: Option<Outcome>,
}

/// What is to be asked, beyond what the deployment says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The release that is in the environment, or is to come there.
    pub release: Digest,
    /// The hash of the change sets that it is about, where people are asked before these are executed.
    pub prepared: Option<Digest>,
    /// Who is asked, and what their answers have to come to.
    pub policy: ApprovalPolicy,
    /// Everybody who had a part in the release; who asked for the deployment is known from it.
    pub contributors: Vec<Contributor>,
    /// What people are shown.
    pub facts: Facts,
    /// What they are to try.
    pub checklist: Vec<ChecklistItem>,
    /// Those whose mail address does not want our mail.
    pub unconfirmed: Vec<Approver>,
    /// Since when the deployment waits for it. People's time counts from there on, as that of the state that waits does.
    pub waits_since: Timestamp,
}

/// What the people who are asked are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The commit after which what is new begins: the one that people accepted in the environment last or, where they
    /// never accepted any, the one that is stable there.
    pub since: Option<CommitSha>,
    /// Which commits are counted.
    #[serde(default)]
    pub counted: Counted,
    /// Where GitHub shows the difference.
    pub compare_url: Option<String>,
    /// Who wrote the commit that the release was built from, harmless; empty, where nobody knows.
    #[serde(default)]
    pub author: String,
    /// The commits, newest first.
    pub commits: Vec<CommitLine>,
    /// How many more there are.
    pub more_commits: u32,
    /// What changed in the stacks, or will.
    pub stacks: Vec<StackFacts>,
    /// The stacks that come later: what changes there is known when those before them are changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<StackName>,
    /// How many deployments before this one changed some of it, without being accepted.
    #[serde(default)]
    pub earlier: u32,
    /// How many more there were, of which it is not known any more what they changed.
    #[serde(default)]
    pub more_earlier: u32,
    /// How the smoke tests went.
    pub smoke_tests: Option<Report>,
    /// How the integration tests went; nothing where the release has none.
    pub integration_tests: Option<IntegrationFacts>,
    /// What there was no room for, beside commits and losses, which are counted where they are listed.
    #[serde(default)]
    pub unlisted: Unlisted,
}

/// Which commits are counted as those of a release: whoever wrote one of them may not accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Those since the one that people accepted in the environment last.
    #[default]
    SinceAccepted,
    /// Those since the one that is stable in the environment, where people never accepted any.
    SinceStable,
    /// All that lead to the release's own: GitHub finds nothing in common with the one before.
    All,
    /// The release's own, as nothing was stable in the environment before.
    Own,
}

/// How much of the facts there was no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unlisted {
    /// Smoke tests' checks.
    pub checks: u32,
    /// Stacks.
    pub stacks: u32,
    /// Resources of these stacks whose data is gone, or may be.
    pub data_lost: u32,
}

/// One commit, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitLine {
    /// The commit.
    pub commit: CommitSha,
    /// The first line of its message, harmless.
    pub title: String,
    /// Its author's name, harmless.
    pub author: String,
}

/// What a deployment changed in one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFacts {
    /// The stack.
    pub stack: StackName,
    /// What changed; nothing, where there were no changes.
    pub summary: Option<Summary>,
}

/// How the integration tests went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationFacts {
    /// Whether they passed.
    pub passed: bool,
    /// Where their log can be read.
    pub log: String,
}

/// What mail somebody got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// The question.
    Asked,
    /// The question, and no further mail is due.
    Reminded,
}

/// One person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Whose.
    pub by: Approver,
    /// How it came.
    pub via: Via,
    /// What they decided.
    pub decision: Choice,
    /// Why, in one harmless paragraph; may be empty where they accept.
    pub comment: String,
    /// The items of the checklist that they ticked, by their place from 0.
    pub ticked: Vec<usize>,
    /// When.
    pub at: Timestamp,
}

/// How an answer came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "snake_case")]
pub enum Via {
    /// By the link in their mail.
    Link {
        /// The key that its token was made with.
        key: KeyId,
    },
    /// By command.
    Command {
        /// The AWS principal that IAM says it was.
        arn: PrincipalArn,
    },
}

/// What somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::EnumString, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Choice {
    /// The release may stay.
    Accept,
    /// It may not.
    Reject,
}

/// How an approval ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Enough people accepted.
    Accepted {
        /// When the last that was needed did.
        at: Timestamp,
    },
    /// Somebody rejected it.
    Rejected {
        /// Who.
        by: Approver,
        /// Why.
        comment: String,
        /// When.
        at: Timestamp,
    },
    /// Too few had answered at the deadline.
    Expired {
        /// When that was seen.
        at: Timestamp,
    },
    /// A newer deployment took its place.
    Superseded {
        /// The newer one.
        by: DeploymentId,
        /// When.
        at: Timestamp,
    },
    /// Too few people are left who may accept it.
    Unreachable {
        /// When that was seen.
        at: Timestamp,
    },
    /// The deployment was over before people had decided: its execution was stopped, or ran out of time.
    Withdrawn {
        /// When that was seen.
        at: Timestamp,
    },
}

/// Why an answer does not count; nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are not among those who are asked.
    #[error("you are not among the people asked")]
    NotAsked,
    /// They had a part in it.
    #[error("nobody accepts or rejects what they wrote or asked for themselves")]
    WroteIt(Box<Contributor>),
    /// They answered before, and an answer is given once.
    #[error("you have answered already")]
    Answered(Box<Ballot>),
    /// It is over.
    #[error("it has been decided already")]
    Over(Box<Outcome>),
    /// The deadline has passed.
    #[error("the deadline has passed")]
    TooLate,
    /// A rejection says why.
    #[error("a rejection needs a comment that says why")]
    CommentMissing,
    /// The comment is longer than [`COMMENT_LIMIT`].
    #[error("the comment is longer than {COMMENT_LIMIT} characters")]
    CommentTooLong,
}

/// What is due for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is to be superseded by this deployment.
    Supersede(DeploymentId),
    /// Its deadline has passed.
    Expire,
    /// Too few are left who may accept it.
    GiveUp,
    /// Mail is due.
    Mail {
        /// To be asked.
        ask: Vec<Approver>,
        /// To be reminded.
        remind: Vec<Approver>,
    },
    /// Nothing.
    Nothing,
}

impl Approval {
    /// Asks, from now on. Texts are made harmless, and the record is kept small enough for one item of the ledger.
    pub fn ask(deployment: &Deployment, question: Question, now: Timestamp) -> Self {
        let policy = question.policy;
        let since = question.waits_since;
        Self {
            id: question.prepared.as_ref().map_or_else(
                || ApprovalId::of(&deployment.id, policy.when),
                |prepared| ApprovalId::of_change_sets(&deployment.id, prepared),
            ),
            deployment: deployment.id.clone(),
            application: deployment.application.clone(),
            environment: deployment.environment.name.clone(),
            account: deployment.environment.account.clone(),
            region: deployment.environment.region.clone(),
            release: question.release,
            prepared: question.prepared,
            commit: deployment.commit.clone(),
            version: deployment.reference.clone(),
            title: deployment.requested.title.clone(),
            requested_by: deployment.requested.by.clone(),
            contributors: concerned(&policy, &question.contributors, &deployment.requested.by),
            facts: question.facts.fit(),
            checklist: question.checklist,
            asked_at: now,
            remind_at: after(since, policy.within_seconds / 2),
            deadline: Self::deadline_of(&policy, since),
            unconfirmed: question.unconfirmed,
            operators_told: false,
            mails: BTreeMap::new(),
            ballots: Vec::new(),
            outcome: None,
            policy,
        }
    }

    /// From when on no answer counts to what waits since then.
    pub fn deadline_of(policy: &ApprovalPolicy, since: Timestamp) -> Timestamp {
        after(since, policy.within_seconds)
    }

    /// Of the people whom a policy asks, those whose mail address is not among these, which want our mail.
    pub fn without_mail(policy: &ApprovalPolicy, confirmed: &BTreeSet<String>) -> Vec<Approver> {
        let people = policy.people.iter().map(|person| &person.name);
        people
            .filter(|name| name.mail().is_some_and(|mail| !confirmed.contains(mail)))
            .cloned()
            .collect()
    }

    /// Who wrote the commit that the release was built from.
    pub fn author(&self) -> Option<&str> {
        let facts = &self.facts;
        let line = facts.commits.iter().find(|line| line.commit == self.commit);
        let names = [Some(facts.author.as_str()), line.map(|line| line.author.as_str())];
        names.into_iter().flatten().find(|name| !name.is_empty())
    }

    /// Whether this approver's answer would count now.
    pub fn may_answer(&self, by: &Approver, now: Timestamp) -> Result<(), Refusal> {
        let person = self.policy.person(by).ok_or(Refusal::NotAsked)?;
        if let Some(ballot) = self.ballot_of(person) {
            return Err(Refusal::Answered(Box::new(ballot.clone())));
        }
        if let Some(outcome) = &self.outcome {
            return Err(Refusal::Over(Box::new(outcome.clone())));
        }
        if let Some(contributor) = self.part_of(person) {
            return Err(Refusal::WroteIt(Box::new(contributor.clone())));
        }
        if now >= self.deadline {
            return Err(Refusal::TooLate);
        }
        Ok(())
    }

    /// Takes an answer. The outcome is there when this answer decided it.
    pub fn vote(&mut self, ballot: Ballot) -> Result<Option<Outcome>, Refusal> {
        self.may_answer(&ballot.by, ballot.at)?;
        if let Via::Command { arn } = &ballot.via
            && !self
                .policy
                .person(&ballot.by)
                .is_some_and(|person| person.acts_as(arn.as_str()))
        {
            return Err(Refusal::NotAsked);
        }
        let comment = comment(&ballot.comment)?;
        if ballot.decision == Choice::Reject && comment.is_empty() {
            return Err(Refusal::CommentMissing);
        }
        let ticked: BTreeSet<usize> = ballot
            .ticked
            .into_iter()
            .filter(|at| *at < self.checklist.len())
            .collect();
        let ballot = Ballot {
            comment,
            ticked: ticked.into_iter().collect(),
            ..ballot
        };
        let (decision, at) = (ballot.decision, ballot.at);
        let rejected = Outcome::Rejected {
            by: ballot.by.clone(),
            comment: ballot.comment.clone(),
            at,
        };
        self.ballots.push(ballot);
        self.outcome = match decision {
            Choice::Reject => Some(rejected),
            Choice::Accept => self
                .policy
                .met_by(&self.accepted_by())
                .then_some(Outcome::Accepted { at }),
        };
        Ok(self.outcome.clone())
    }

    /// Ends it where its deadline has passed.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        now >= self.deadline && self.end(Outcome::Expired { at: now })
    }

    /// Ends it because a newer deployment takes its place.
    pub fn supersede(&mut self, by: DeploymentId, now: Timestamp) -> bool {
        by != self.deployment && self.end(Outcome::Superseded { by, at: now })
    }

    /// Ends it where too few are left who may accept.
    pub fn give_up_unreachable(&mut self, now: Timestamp) -> bool {
        !self.reachable() && self.end(Outcome::Unreachable { at: now })
    }

    /// Ends it because its deployment is over: nobody waits for an answer any more.
    pub fn withdraw(&mut self, now: Timestamp) -> bool {
        self.end(Outcome::Withdrawn { at: now })
    }

    /// Whether the duties are met when everybody accepts who has accepted or still may.
    pub fn reachable(&self) -> bool {
        let mut may = self.accepted_by();
        may.extend(
            self.policy
                .people
                .iter()
                .filter(|person| self.part_of(person).is_none() && self.ballot_of(person).is_none())
                .map(|person| person.name.clone()),
        );
        self.policy.met_by(&may)
    }

    /// Those who have accepted.
    pub fn accepted_by(&self) -> BTreeSet<Approver> {
        self.ballots
            .iter()
            .filter(|ballot| ballot.decision == Choice::Accept)
            .map(|ballot| ballot.by.clone())
            .collect()
    }

    /// Those who may not answer because they had a part in it.
    pub fn excluded(&self) -> Vec<Approver> {
        let people = self
            .policy
            .people
            .iter()
            .filter(|person| self.part_of(person).is_some());
        people.map(|person| person.name.clone()).collect()
    }

    /// Those whose answer is still awaited; nobody's, when it is over.
    pub fn awaited(&self) -> Vec<Approver> {
        if self.outcome.is_some() {
            Vec::new()
        } else {
            self.silent()
        }
    }

    /// What is due now; `newer` is a deployment that waits to take this one's place.
    pub fn next_act(&self, newer: Option<&DeploymentId>, now: Timestamp) -> Act {
        if self.outcome.is_some() {
            return Act::Nothing;
        }
        if let Some(newer) = newer.filter(|newer| **newer != self.deployment) {
            return Act::Supersede(newer.clone());
        }
        if now >= self.deadline {
            return Act::Expire;
        }
        if !self.reachable() {
            return Act::GiveUp;
        }
        let (ask, remind) = self.mail_due(now);
        if ask.is_empty() && remind.is_empty() {
            Act::Nothing
        } else {
            Act::Mail { ask, remind }
        }
    }

    /// Remembers that mail went to somebody. Who is asked for the first time at half time needs no reminder.
    pub fn note_mailed(&mut self, approver: &Approver, now: Timestamp) {
        let next = match self.mails.get(approver) {
            None if now < self.remind_at => MailState::Asked,
            _ => MailState::Reminded,
        };
        self.mails.insert(approver.clone(), next);
    }

    /// Remembers which addresses want our mail now. Of somebody whom none reaches any more, operators are told anew.
    pub fn note_confirmed(&mut self, confirmed: &BTreeSet<String>) {
        let before = self.unreached();
        self.unconfirmed = Self::without_mail(&self.policy, confirmed);
        if self.unreached().iter().any(|approver| !before.contains(approver)) {
            self.operators_told = false;
        }
    }

    /// Those whose answer is awaited and whom no mail reaches.
    pub fn unreached(&self) -> Vec<Approver> {
        let mut awaited = self.awaited();
        awaited.retain(|approver| self.unconfirmed.contains(approver));
        awaited
    }

    /// Whether operators are still to be told that no mail reaches some of those whose answer is awaited.
    pub fn owes_operators(&self) -> bool {
        !self.operators_told && !self.unreached().is_empty()
    }

    /// When to look again: something may be due then, or half done.
    pub fn look_at(&self, now: Timestamp) -> Timestamp {
        let within = |patience| now.checked_add(patience).unwrap_or(Timestamp::MAX);
        if self.outcome.is_some() {
            return within(SOON);
        }
        let (ask, remind) = self.mail_due(now);
        let patience = if ask.is_empty() && remind.is_empty() && !self.owes_operators() {
            LATER
        } else {
            SOON
        };
        let reminder = (self.remind_at > now).then_some(self.remind_at);
        let soonest = reminder.unwrap_or(self.deadline).min(self.deadline);
        within(patience).min(soonest)
    }

    /// How it ended, or how it stands, in one sentence.
    pub fn cause(&self) -> String {
        let accepted: Vec<Approver> = self.accepted_by().into_iter().collect();
        let silent = self.silent();
        let until = self.deadline.strftime("%Y-%m-%d %H:%M UTC");
        match &self.outcome {
            None if silent.is_empty() => "everybody who may answer has accepted it, which is not enough".to_owned(),
            None => format!("the answer of {} is awaited until {until}", named(&silent, "or")),
            Some(Outcome::Accepted { .. }) => format!("{} accepted it", named(&accepted, "and")),
            Some(Outcome::Rejected { by, comment, .. }) => format!("{by} rejected it: {comment}"),
            Some(Outcome::Expired { .. }) => {
                let silent = match silent.as_slice() {
                    [] => format!("nobody else was there to answer until {until}"),
                    some => format!("no answer came until {until} from {}", named(some, "or")),
                };
                match accepted.as_slice() {
                    [] => silent,
                    some => format!("{} accepted it, which is not enough, and {silent}", named(some, "and")),
                }
            }
            Some(Outcome::Superseded { by, .. }) => format!("the newer deployment {by} took its place"),
            Some(Outcome::Unreachable { .. }) => match self.excluded().as_slice() {
                [] => "the people who are asked are too few for what the policy needs".to_owned(),
                some => format!(
                    "too few are left who may accept it, since nobody accepts what they wrote or asked for themselves, \
                     as {} did",
                    named(some, "and")
                ),
            },
            Some(Outcome::Withdrawn { .. }) => "the deployment was over before people had decided".to_owned(),
        }
    }

    fn end(&mut self, outcome: Outcome) -> bool {
        let ends = self.outcome.is_none();
        if ends {
            self.outcome = Some(outcome);
        }
        ends
    }

    /// Somebody's answer, under whatever name of theirs.
    fn ballot_of(&self, person: &Person) -> Option<&Ballot> {
        self.ballots.iter().find(|ballot| {
            ballot.by == person.name
                || self
                    .policy
                    .person(&ballot.by)
                    .is_some_and(|other| other.in_common(person).is_some())
        })
    }

    fn part_of(&self, person: &Person) -> Option<&Contributor> {
        self.contributors
            .iter()
            .find(|contributor| is_same_person(person, contributor))
    }

    /// Those who could have answered and did not.
    fn silent(&self) -> Vec<Approver> {
        let people = self.policy.people.iter();
        people
            .filter(|person| self.part_of(person).is_none() && self.ballot_of(person).is_none())
            .map(|person| person.name.clone())
            .collect()
    }

    /// Who is to be asked and who to be reminded. An address that is not confirmed would get nothing.
    fn mail_due(&self, now: Timestamp) -> (Vec<Approver>, Vec<Approver>) {
        let reachable = |approver: &Approver| approver.mail().is_some() && !self.unconfirmed.contains(approver);
        let (mut ask, mut remind) = (Vec::new(), Vec::new());
        for approver in self.awaited().into_iter().filter(reachable) {
            match self.mails.get(&approver) {
                None => ask.push(approver),
                Some(MailState::Asked) if now >= self.remind_at => remind.push(approver),
                Some(MailState::Asked | MailState::Reminded) => {}
            }
        }
        (ask, remind)
    }
}

impl Facts {
    /// The most commits that are listed.
    pub const COMMITS_LIMIT: usize = 100;

    /// The most bytes of all facts as JSON. With these, 64 KiB of checklist and everybody's longest comment, the record
    /// stays below the 400 KB of an item.
    pub const SIZE_LIMIT: usize = 80 * 1024;

    /// The same facts, in harmless texts and without what there is no room for.
    fn fit(mut self) -> Self {
        for commit in &mut self.commits {
            commit.title = harmless(&commit.title, 100);
            commit.author = harmless(&commit.author, 100);
        }
        self.author = harmless(&self.author, 100);
        self.compare_url = self.compare_url.filter(|url| url.len() <= 1000);
        self.keep_commits(Self::COMMITS_LIMIT);
        while serde_json::to_vec(&self).is_ok_and(|json| json.len() > Self::SIZE_LIMIT) && self.drop_some() {}
        self
    }

    fn keep_commits(&mut self, most: usize) {
        let over = self.commits.len().saturating_sub(most);
        self.commits.truncate(most);
        self.more_commits = add(self.more_commits, over);
    }

    /// How many resources' data is gone, or may be.
    pub fn data_lost(&self) -> u32 {
        let summaries = self.stacks.iter().filter_map(|stack| stack.summary.as_ref());
        summaries.fold(self.unlisted.data_lost, |sum, summary| {
            sum.saturating_add(summary.data_lost)
        })
    }

    /// Leaves out what is missed least, and says whether there was anything left to leave out.
    fn drop_some(&mut self) -> bool {
        let most_losses = self.summaries().map(|summary| summary.losses.len()).max().unwrap_or(0);
        let most_changes = self.summaries().map(|summary| summary.changes.len()).max().unwrap_or(0);
        if self.commits.len() > 25 {
            self.keep_commits(25);
        } else if most_changes > 0 {
            self.summaries()
                .for_each(|summary| summary.changes.truncate(most_changes / 2));
        } else if most_losses > 0 {
            self.summaries()
                .for_each(|summary| summary.keep_losses(most_losses / 2));
        } else if !self.commits.is_empty() {
            self.keep_commits(0);
        } else if let Some(report) = self.smoke_tests.as_mut().filter(|report| !report.checks.is_empty()) {
            self.unlisted.checks = add(self.unlisted.checks, report.checks.len());
            report.checks.clear();
        } else {
            let dropped = self.stacks.split_off(self.stacks.len() / 2);
            self.unlisted.stacks = add(self.unlisted.stacks, dropped.len());
            for summary in dropped.iter().filter_map(|stack| stack.summary.as_ref()) {
                self.unlisted.data_lost = self.unlisted.data_lost.saturating_add(summary.data_lost);
            }
            return !self.stacks.is_empty();
        }
        true
    }

    fn summaries(&mut self) -> impl Iterator<Item = &mut Summary> {
        self.stacks.iter_mut().filter_map(|stack| stack.summary.as_mut())
    }
}

fn add(count: u32, more: usize) -> u32 {
    count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
}

/// So many seconds later, in whole seconds, as tokens have them.
fn after(since: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(since.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

/// Of those who had a part in a release, the ones who are asked: one for each person and part, so that the list is short
/// and nobody gets off it by having too many spellings.
fn concerned(policy: &ApprovalPolicy, contributors: &[Contributor], requested_by: &str) -> Vec<Contributor> {
    let requester = Contributor::requester(requested_by);
    let mut found = Vec::new();
    for person in &policy.people {
        for role in [Role::Author, Role::Committer, Role::CoAuthor, Role::Requester] {
            let mut parts = contributors.iter().chain([&requester]).filter(|part| part.role == role);
            if let Some(part) = parts
                .find(|part| is_same_person(person, part))
                .map(Contributor::harmless)
                && !found.contains(&part)
            {
                found.push(part);
            }
        }
    }
    found
}

/// One harmless paragraph, of a text that may be of any length.
fn comment(text: &str) -> Result<String, Refusal> {
    // Four bytes a character, and as much again of white space and what is dropped; more is not even read.
    if text.len() > 8 * COMMENT_LIMIT {
        return Err(Refusal::CommentTooLong);
    }
    let comment = harmless(text, COMMENT_LIMIT + 1);
    if comment.chars().count() > COMMENT_LIMIT {
        return Err(Refusal::CommentTooLong);
    }
    Ok(comment)
}

/// People in a sentence.
fn named(people: &[Approver], last: &str) -> String {
    let (shown, others) = people.split_at(people.len().min(NAMES_LIMIT));
    let mut names: Vec<String> = shown.iter().map(ToString::to_string).collect();
    match others.len() {
        0 => {}
        1 => names.push("one more".to_owned()),
        count => names.push(format!("{count} more")),
    }
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((end, _)) => end.clone(),
        None => "nobody".to_owned(),
    }
}
