//! A release bakes: it is in its environment, customers use it, and alarms say whether it is good.
//!
//! What is seen of the alarms and of the evidence comes in as data; what follows goes out as data. Silence is not health:
//! a release about which nothing can be said holds, and people are asked.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::deployment::Deployment;
use crate::failure::{Failure, Name};
use crate::harmless::harmless;
use crate::names::{AccountId, DeploymentId, Digest, EnvironmentName, Region, RepositoryName};

/// How a release is watched before it counts as stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BakePolicy {
    /// When it begins. It is written out because the state machine compares with literals alone.
    pub begins: Begins,
    /// For so many seconds.
    pub for_seconds: u64,
    /// By these alarms of the environment's account and region.
    pub alarms: Vec<AlarmChoice>,
    /// What has to be seen meanwhile, so that a healthy release is told from one that nobody uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidencePolicy>,
    /// What becomes of a release about which nothing can be said in the end.
    pub silence: Silence,
}

/// When a bake begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Begins {
    /// When the tests have passed, and people, where they are asked, have accepted the release.
    AfterTests,
}

/// One alarm, or all that carry a tag. Both metric and composite alarms are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlarmChoice {
    /// The alarm of this name.
    Named(String),
    /// Every alarm with this tag.
    Tagged {
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: String,
    },
}

/// A metric, and how much of it has to come together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePolicy {
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// All of its dimensions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// What its datapoints have to add up to.
    pub at_least: u64,
}

/// What becomes of a release about which nothing can be said when its bake is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Silence {
    /// It holds, and people are asked.
    Ask,
    /// It passes.
    Pass,
}

impl fmt::Display for AlarmChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Tagged { key, value } => write!(f, "all with the tag {key}={value}"),
        }
    }
}

/// A release that is watched, from the beginning of its bake until nothing takes it back any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The deployment that brought it.
    pub deployment: DeploymentId,
    /// The application.
    pub application: RepositoryName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// The release.
    pub release: Digest,
    /// How it is watched.
    pub policy: BakePolicy,
    /// Since when.
    pub since: Timestamp,
    /// When the bake is over, at the earliest.
    pub bakes_until: Timestamp,
    /// For how long an alarm takes it back after its bake, in seconds.
    pub watch_seconds: u64,
    /// How far it is.
    pub course: Course,
    /// What people are asked, while the bake holds.
    pub asked: Option<Asked>,
    /// What one of them said.
    pub word: Option<Word>,
    /// When the alarm had gone off of which people were told last, after the bake.
    pub told_of: Option<Timestamp>,
    /// Resources that hold data, and that deployments before this one had replaced or removed when they brought the same
    /// release: going back from it does not bring their data back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// When the sweep looks at it, while an alarm takes it back; while it bakes, its task is looked at.
    pub look_at: Timestamp,
}

/// How far a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "course", rename_all = "snake_case")]
pub enum Course {
    /// The release bakes.
    Baking,
    /// It is stable, and an alarm takes it back.
    Watching {
        /// Until then.
        until: Timestamp,
    },
    /// It is stable, and an alarm is told to people.
    Telling,
    /// It is not the environment's release any more, or it is on its way out.
    Over,
}

/// What people are asked while a bake holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What.
    pub question: Question,
    /// Since when.
    pub at: Timestamp,
    /// Whether they got their mail.
    pub told: bool,
}

/// Why a person has to say how a bake goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// Nothing shows that the release is healthy.
    Silent {
        /// What is missing, in one sentence.
        missing: String,
    },
    /// An alarm went off, and going back might lose data.
    DataAtRisk {
        /// The alarm.
        alarm: Failure,
        /// What holds data, and was replaced or removed.
        resources: Vec<String>,
    },
    /// An alarm went off, and the release was taken back once before.
    TakenBackBefore {
        /// The alarm.
        alarm: Failure,
    },
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What is to follow.
    pub says: Says,
    /// Who says so, by ARN.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What a person can say of a release that bakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It is good.
    Pass,
    /// It has to go.
    GoBack,
}

/// An alarm as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSeen {
    /// Its name.
    pub name: String,
    /// What it says now.
    pub state: AlarmState,
    /// When it went off last since the watch began, or before that, if it has not ceased.
    pub fired: Option<Fired>,
}

/// That an alarm went off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// When.
    pub at: Timestamp,
    /// CloudWatch's reason.
    pub reason: String,
}

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlarmState {
    /// The metric is within its bounds.
    Ok,
    /// It is not.
    Alarm,
    /// There is no telling.
    InsufficientData,
}

/// An alarm by which CloudFormation itself turns back while it changes a stack: a rollback trigger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The alarm's name.
    pub alarm: String,
    /// Its ARN.
    pub arn: String,
    /// Whether it is made of other alarms.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub composite: bool,
}

impl Guard {
    /// The most that one stack operation takes (AWS CloudFormation API reference, `RollbackConfiguration`).
    pub const LIMIT: usize = 5;

    /// Those of these that guard, and the names of those for which there is no room. Composite alarms come first: each
    /// speaks for several.
    pub fn choose(mut all: Vec<Self>) -> (Vec<Self>, Vec<String>) {
        all.sort_by(|a, b| b.composite.cmp(&a.composite).then_with(|| a.cmp(b)));
        let others = all.split_off(all.len().min(Self::LIMIT));
        (all, others.into_iter().map(|guard| guard.alarm).collect())
    }
}

/// What was seen of everything that a watch looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The alarms.
    pub alarms: Vec<AlarmSeen>,
    /// Those of the policy that are not there.
    pub missing: Vec<AlarmChoice>,
    /// What the evidence adds up to; nothing, where none is asked for.
    pub evidence: Option<u64>,
    /// Why none of this could be seen.
    pub blind: Option<String>,
}

/// What stands in the way of going back without a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Resources that hold data, and that the release replaced or removed.
    pub data_at_risk: Vec<String>,
    /// Whether the release was taken back here before.
    pub taken_back_before: bool,
}

/// What follows for a release that bakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet: look again then, at the latest.
    Wait(Timestamp),
    /// It is good.
    Passed,
    /// It has to go.
    GoBack(Failure),
    /// People are to be asked.
    Ask(Question),
}

/// For so many seconds after its bake, a watch is looked after by its task alone.
const FORSAKEN_AFTER: u64 = 300;

/// How often a watch looks by itself: an alarm's event may get lost.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(1);

impl Watch {
    /// Begins to watch what a deployment has brought.
    ///
    /// Nothing, where its environment watches nothing.
    pub fn begin(deployment: &Deployment, release: Digest, now: Timestamp) -> Option<Self> {
        let environment = &deployment.environment;
        let policy = environment.bake.clone()?;
        let bakes_until = later(now, policy.for_seconds);
        Some(Self {
            deployment: deployment.id.clone(),
            application: deployment.application.clone(),
            environment: environment.name.clone(),
            account: environment.account.clone(),
            region: environment.region.clone(),
            release,
            policy,
            since: now,
            bakes_until,
            watch_seconds: environment.watch_seconds.unwrap_or_default(),
            course: Course::Baking,
            asked: None,
            word: None,
            told_of: None,
            at_risk: Vec::new(),
            look_at: later(bakes_until, FORSAKEN_AFTER),
        })
    }

    /// What follows for a release that bakes, from what is seen now.
    pub fn bake(&self, seen: &Seen, obstacles: &Obstacles, now: Timestamp) -> Next {
        if let Some(word) = &self.word {
            return match word.says {
                Says::Pass => Next::Passed,
                Says::GoBack => Next::GoBack(taken_back(word)),
            };
        }
        // An alarm that people were asked about stays one, whether or not it can still be seen.
        if let Some(Asked { question, .. }) = self.asked.as_ref().filter(|asked| asked.question.alarm().is_some()) {
            return Next::Ask(question.clone());
        }
        if let Some(Raised { alarm, .. }) = raised(&seen.alarms, None) {
            return obstacles.question(&alarm).map_or(Next::GoBack(alarm), Next::Ask);
        }
        if now < self.bakes_until {
            return Next::Wait(self.bakes_until.min(now + LOOK_EVERY));
        }
        match self.silent(seen) {
            // What nobody can look at is no silence that somebody asked to pass over. It is asked once, in the words of the first
            // time: evidence adds up, and each look would find another sum.
            Some(missing) if self.policy.silence == Silence::Ask || seen.blind.is_some() => {
                Next::Ask(match &self.asked {
                    Some(asked) => asked.question.clone(),
                    None => Question::Silent { missing },
                })
            }
            _ => Next::Passed,
        }
    }

    /// What is missing to say that the release is healthy.
    fn silent(&self, seen: &Seen) -> Option<String> {
        self.missing(seen).map(|missing| harmless(&missing, 300))
    }

    fn missing(&self, seen: &Seen) -> Option<String> {
        if let Some(why) = &seen.blind {
            return Some(format!("the alarms cannot be read: {why}"));
        }
        if let Some(alarm) = seen.missing.first() {
            return Some(format!("there is no such alarm any more: {alarm}"));
        }
        let silent = seen
            .alarms
            .iter()
            .filter(|alarm| alarm.state == AlarmState::InsufficientData);
        if let Some(name) = silent.map(|alarm| &alarm.name).min() {
            return Some(format!("the alarm {name} has no data"));
        }
        let evidence = self.policy.evidence.as_ref()?;
        let found = seen.evidence.unwrap_or_default();
        (found < evidence.at_least).then(|| {
            format!(
                "{} of {} adds up to {found}, and {} are asked for",
                evidence.metric, evidence.namespace, evidence.at_least
            )
        })
    }

    /// What was seen, for the record: how it was found to be good.
    pub fn passed(&self, seen: &Seen) -> String {
        let mut text = match (&self.word, self.silent(seen)) {
            (Some(word), _) => format!("{} says that it is good: {}", word.by, word.why),
            (None, Some(missing)) => format!("nothing went off, and silence passes here: {missing}"),
            (None, None) => match seen.alarms.as_slice() {
                [alarm] => format!("the alarm {} stayed OK", alarm.name),
                alarms => format!("{} alarms stayed OK", alarms.len()),
            },
        };
        if let (Some(found), Some(evidence)) = (seen.evidence, &self.policy.evidence) {
            let _ = write!(text, "; {} {found}", evidence.metric);
        }
        text
    }

    /// How far a watch is whose bake passed at this time.
    pub fn after_bake(&self, now: Timestamp) -> Course {
        match self.watch_seconds {
            0 => Course::Telling,
            seconds => Course::Watching {
                until: later(now, seconds),
            },
        }
    }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// What follows for a release that is stable and is watched on, from what is seen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Nothing: look again then.
    Wait(Timestamp),
    /// Nothing, and nobody needs to look before an alarm goes off.
    Quiet,
    /// It is taken back.
    RollBack(Failure),
    /// People are told that an alarm went off, and why nothing is done about it.
    Tell {
        /// The alarm.
        alarm: Failure,
        /// When it went off.
        at: Timestamp,
        /// Why nothing is done.
        why: String,
    },
    /// The release is not the environment's any more.
    Over,
}

/// What an environment has while one of its releases is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The release that is stable there.
    pub stable: Option<Digest>,
    /// The deployment that is under way there.
    pub under_way: Option<DeploymentId>,
    /// Whether there is an earlier stable release to go back to.
    pub has_earlier: bool,
}

impl Watch {
    /// What follows for a release that is stable, from what is seen now.
    pub fn after(&self, seen: &Seen, obstacles: &Obstacles, around: &Surroundings, now: Timestamp) -> After {
        if around.stable.as_ref() != Some(&self.release) {
            return After::Over;
        }
        let quiet = match self.course {
            Course::Baking | Course::Over => return After::Over,
            Course::Telling => After::Quiet,
            Course::Watching { until } if now >= until => After::Quiet,
            Course::Watching { .. } => After::Wait(now + LOOK_EVERY),
        };
        let Some(Raised { alarm, first, last }) = raised(&seen.alarms, self.told_of) else {
            return quiet;
        };
        let tell = |why: String| After::Tell {
            alarm: alarm.clone(),
            at: last,
            why,
        };
        match self.course {
            Course::Watching { until } if first < until => {}
            _ => return tell("its bake, and the time for which it is watched, are over".to_owned()),
        }
        if let Some(other) = &around.under_way {
            return tell(format!("{other} is under way there"));
        }
        if let Some(question) = obstacles.question(&alarm) {
            return tell(question.why());
        }
        if !around.has_earlier {
            return tell("there is no earlier stable release to go back to".to_owned());
        }
        After::RollBack(alarm)
    }
}

impl Obstacles {
    /// What people have to be asked before a release goes back because of this alarm.
    fn question(&self, alarm: &Failure) -> Option<Question> {
        if !self.data_at_risk.is_empty() {
            return Some(Question::DataAtRisk {
                alarm: alarm.clone(),
                resources: self.data_at_risk.clone(),
            });
        }
        self.taken_back_before
            .then(|| Question::TakenBackBefore { alarm: alarm.clone() })
    }
}

impl Question {
    /// Why a person has to say what follows.
    pub fn why(&self) -> String {
        match self {
            Self::Silent { missing } => format!("nothing shows that the release is healthy: {missing}"),
            Self::DataAtRisk { resources, .. } => data_at_risk_sentence(resources),
            Self::TakenBackBefore { .. } => "it was taken back here once before, and that is done once only".to_owned(),
        }
    }

    /// The alarm, where one went off.
    pub fn alarm(&self) -> Option<&Failure> {
        match self {
            Self::Silent { .. } => None,
            Self::DataAtRisk { alarm, .. } | Self::TakenBackBefore { alarm } => Some(alarm),
        }
    }
}

/// Why a release that replaced or removed these does not go back by itself.
pub fn data_at_risk_sentence(resources: &[String]) -> String {
    format!(
        "going back would not bring back the data of what it replaced or removed: {}",
        harmless(&resources.join(", "), 300)
    )
}

/// Alarms that went off.
struct Raised {
    /// All of them as one failure; the earliest is named first.
    alarm: Failure,
    /// When the earliest did.
    first: Timestamp,
    /// When the latest did.
    last: Timestamp,
}

/// The alarms that went off, and of which people were not told already.
fn raised(alarms: &[AlarmSeen], told_of: Option<Timestamp>) -> Option<Raised> {
    let mut fired: Vec<(&str, &Fired)> = alarms
        .iter()
        .filter_map(|alarm| Some((alarm.name.as_str(), alarm.fired.as_ref()?)))
        .filter(|(_, fired)| told_of.is_none_or(|told| fired.at > told))
        .collect();
    fired.sort_by_key(|(name, fired)| (fired.at, *name));
    let ((name, first), (_, last)) = (fired.first()?, fired.last()?);
    let also: Vec<&str> = fired[1..].iter().map(|(name, _)| *name).collect();
    let mut cause = format!(
        "{name} went into ALARM at {}: {}",
        first.at.strftime("%H:%M:%S UTC"),
        harmless(&first.reason, 300)
    );
    if !also.is_empty() {
        let _ = write!(cause, "; so did {}", harmless(&also.join(", "), 200));
    }
    Some(Raised {
        alarm: Failure::new(Name::AlarmRaised, cause),
        first: first.at,
        last: last.at,
    })
}

fn taken_back(word: &Word) -> Failure {
    Failure::new(Name::TakenBack, format!("{} says: {}", word.by, word.why))
}

/// Why a deployment may not begin: an alarm that is to watch it has gone off already, or is not there. With its first
/// release, an environment may get the alarms that the application brings itself: nothing is there yet that could be lost, and
/// a bake without its alarms asks.
///
/// # Errors
/// [`Name::AlarmAlreadyRaised`], [`Name::AlarmMissing`].
pub fn may_begin(seen: &Seen, has_stable: bool) -> Result<(), Failure> {
    if let Some(alarm) = seen.missing.first().filter(|_| has_stable) {
        return Err(Failure::new(
            Name::AlarmMissing,
            format!("there is no such alarm in the environment's account and region: {alarm}"),
        ));
    }
    let raised = |alarm: &&AlarmSeen| alarm.state == AlarmState::Alarm;
    match seen.alarms.iter().find(raised) {
        Some(alarm) => {
            let since = alarm.fired.as_ref().map(|fired| {
                format!(
                    " since {}: {}",
                    fired.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                    harmless(&fired.reason, 300)
                )
            });
            Err(Failure::new(
                Name::AlarmAlreadyRaised,
                format!("{} is in ALARM{}", alarm.name, since.unwrap_or_default()),
            ))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
