//! What GitHub was told of a deployment, and what it is told next.
//!
//! The outbox of a deployment is a record of the ledger: the news follow from the entries, this says how far they were told.
//! One teller at a time takes it ([`Outbox::take`]), tells one thing after another ([`Outbox::next`]), and writes each down
//! ([`Outbox::told`]) before the next. Whoever dies in between is found by the sweep, and the next teller goes on where it
//! stopped; what has no undoing, the making of something, is looked for first where an earlier teller may have made it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::News;
use crate::harmless::harmless;
use crate::names::{DeploymentId, Digest};

/// How long a teller may be silent before the sweep has another go on: longer than the function may run.
const HOLD: SignedDuration = SignedDuration::from_secs(90);
/// How long GitHub is given after it failed once; each further time twice as long, up to an hour.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// For how long what GitHub does not take is offered again.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24 * 14);
/// How many characters of GitHub's reason are kept.
const REASON_LIMIT: usize = 300;

/// How far GitHub was told of one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outbox {
    /// GitHub's deployment.
    pub deployment: Made,
    /// How many of the statuses were told.
    pub statuses: u32,
    /// The check run.
    pub check: Made,
    /// What the check run shows.
    pub check_shows: Option<Digest>,
    /// Why there is no check run: GitHub refuses it to whom it does not know as an App.
    pub no_check: Option<String>,
    /// What the release's page says.
    pub page_says: Option<Digest>,
    /// Why the release's page says nothing.
    pub no_page: Option<String>,
    /// Whether what its environment ran before was told to be inactive.
    pub took_its_place: bool,
    /// Until when one teller has it.
    pub held_until: Option<Timestamp>,
    /// Whether there was more to tell while one had it.
    pub more: bool,
    /// How often GitHub failed since it took something last.
    pub failures: u32,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Why it did not take the last thing.
    pub refused: Option<String>,
    /// When somebody has to go on.
    pub due: Option<Timestamp>,
}

/// Something that GitHub makes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// Nobody asked for it yet.
    #[default]
    NotYet,
    /// Somebody has begun to, and may not have heard that it was made.
    Begun,
    /// GitHub has it under this number.
    As(u64),
}

impl Made {
    /// GitHub's number of it.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::As(number) => Some(number),
            Self::NotYet | Self::Begun => None,
        }
    }

    fn begin(&mut self) {
        if *self == Self::NotYet {
            *self = Self::Begun;
        }
    }
}

/// Whether a teller may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Yours,
    /// Another is at it, and will see to what is new.
    Anothers,
    /// GitHub asked for a pause, or failed: not before this.
    Later(Timestamp),
}

/// One thing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Make GitHub's deployment, where `look_first` says that there may be one after it was looked for.
    MakeDeployment {
        /// Whether somebody may have made it before.
        look_first: bool,
    },
    /// Tell the status of this place in the list.
    TellStatus(u32),
    /// Take the place of what the environment ran before, which is told to be inactive.
    TakePlace,
    /// Make the check run.
    MakeCheck {
        /// Whether somebody may have made it before.
        look_first: bool,
    },
    /// Have the check run show this.
    UpdateCheck(u64),
    /// Have the release's page say so.
    WritePage,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// GitHub made it, under this number.
    Made(u64),
    /// GitHub took it.
    Taken,
    /// GitHub has no place for it, or refuses it for good: nothing else waits for it.
    Never(String),
}

impl Outbox {
    /// Notes that there is something to tell, and that the sweep is to look after it if nobody else does.
    pub fn notice(&mut self, now: Timestamp) {
        if self.is_held(now) {
            self.more = true;
        } else if self.due.is_none() {
            self.due = Some(now + HOLD);
        }
    }

    /// Takes it, unless another has it or GitHub wants to be left alone.
    pub fn take(&mut self, now: Timestamp) -> Turn {
        if self.is_held(now) {
            self.more = true;
            return Turn::Anothers;
        }
        if let Some(due) = self.due.filter(|due| self.failures > 0 && now < *due) {
            return Turn::Later(due);
        }
        self.more = false;
        self.held_until = Some(now + HOLD);
        self.due = self.held_until;
        Turn::Yours
    }

    /// What is told next; nothing, when all was told.
    pub fn next(&self, news: &News<'_>) -> Option<Act> {
        if self.deployment.number().is_none() && !news.deployment.plans {
            return Some(Act::MakeDeployment {
                look_first: self.deployment == Made::Begun,
            });
        }
        if (self.statuses as usize) < news.statuses.len() {
            return Some(Act::TellStatus(self.statuses));
        }
        if news.in_place_since.is_some() && !self.took_its_place {
            return Some(Act::TakePlace);
        }
        if self.no_check.is_none() {
            match self.check.number() {
                None => {
                    return Some(Act::MakeCheck {
                        look_first: self.check == Made::Begun,
                    });
                }
                Some(number) if self.check_shows.as_ref() != Some(&shown(news)) => {
                    return Some(Act::UpdateCheck(number));
                }
                Some(_) => {}
            }
        }
        let says = said(news)?;
        (self.no_page.is_none() && self.page_says.as_ref() != Some(&says)).then_some(Act::WritePage)
    }

    /// Notes that something is about to be made, before GitHub hears of it.
    pub fn begin(&mut self, act: Act) {
        match act {
            Act::MakeDeployment { .. } => self.deployment.begin(),
            Act::MakeCheck { .. } => self.check.begin(),
            _ => {}
        }
    }

    /// Notes what came of it; what it was is said by the news that it was told of.
    pub fn told(&mut self, act: Act, done: Done, news: &News<'_>, now: Timestamp) {
        self.failures = 0;
        self.failing_since = None;
        self.refused = None;
        self.held_until = Some(now + HOLD);
        self.due = self.held_until;
        match (act, done) {
            (Act::MakeDeployment { .. }, Done::Made(number)) => self.deployment = Made::As(number),
            (Act::TellStatus(place), _) => self.statuses = place + 1,
            (Act::TakePlace, _) => self.took_its_place = true,
            (Act::MakeCheck { .. }, Done::Made(number)) => {
                self.check = Made::As(number);
                self.check_shows = Some(shown(news));
            }
            (Act::UpdateCheck(_), Done::Taken) => self.check_shows = Some(shown(news)),
            (Act::MakeCheck { .. } | Act::UpdateCheck(_), Done::Never(why)) => {
                self.no_check = Some(harmless(&why, REASON_LIMIT));
            }
            (Act::WritePage, Done::Never(why)) => self.no_page = Some(harmless(&why, REASON_LIMIT)),
            (Act::WritePage, _) => self.page_says = said(news),
            (Act::MakeDeployment { .. } | Act::MakeCheck { .. } | Act::UpdateCheck(_), _) => {}
        }
    }

    /// Puts it down after everything was told, and says whether there is more by now.
    pub fn put_down(&mut self) -> bool {
        if std::mem::take(&mut self.more) {
            return true;
        }
        self.held_until = None;
        self.due = None;
        false
    }

    /// Puts it down because GitHub did not take something: it is offered again after a while, and from `until` on at the
    /// earliest, which is never more than an hour away (GitHub counts calls by the hour). Says whether it is offered again at
    /// all.
    pub fn failed(&mut self, why: &str, until: Option<Timestamp>, now: Timestamp) -> bool {
        let since = *self.failing_since.get_or_insert(now);
        let pause = FIRST_PAUSE
            .checked_mul(1 << self.failures.min(10))
            .unwrap_or(LONGEST_PAUSE)
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.refused = Some(harmless(why, REASON_LIMIT));
        self.held_until = None;
        self.more = false;
        let goes_on = now.duration_since(since) < PATIENCE;
        let until = until.unwrap_or(now).min(now + LONGEST_PAUSE);
        self.due = goes_on.then(|| until.max(now + pause));
        goes_on
    }

    fn is_held(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }
}

/// What the check run shows, in short.
fn shown(news: &News<'_>) -> Digest {
    Digest::of(&serde_json::to_vec(&news.check).unwrap_or_default())
}

/// What the page says, in short.
fn said(news: &News<'_>) -> Option<Digest> {
    let line = news.line.as_ref()?;
    Some(Digest::of(format!("{}: {}", line.environment, line.text).as_bytes()))
}

/// Which deployment an environment's users see at GitHub as the active one, and which others have to be told inactive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// The active one.
    pub active: Option<Active>,
    /// GitHub's numbers of those that were active before and were not told so yet.
    pub leaving: Vec<u64>,
}

/// A deployment that was active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// The deployment.
    pub deployment: DeploymentId,
    /// GitHub's number of it.
    pub number: u64,
    /// Since when its environment runs what it brought.
    pub since: Timestamp,
}

impl Place {
    /// Has a deployment take the place of the active one, unless that came later. Saying it again changes nothing.
    pub fn taken_by(&mut self, deployment: &DeploymentId, number: u64, since: Timestamp) {
        match &self.active {
            Some(active) if active.deployment == *deployment => return,
            Some(active) if active.since > since => {
                if !self.leaving.contains(&number) {
                    self.leaving.push(number);
                }
                return;
            }
            Some(active) => {
                let number = active.number;
                if !self.leaving.contains(&number) {
                    self.leaving.push(number);
                }
            }
            None => {}
        }
        self.leaving.retain(|leaving| *leaving != number);
        self.active = Some(Active {
            deployment: deployment.clone(),
            number,
            since,
        });
    }

    /// Notes that GitHub knows of one that it is inactive.
    pub fn left(&mut self, number: u64) {
        self.leaving.retain(|leaving| *leaving != number);
    }
}
