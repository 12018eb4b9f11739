//! What an earlier deployment came to, in a word, what it spent its time with, and how long people were waited for.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::deployment::Leg;
use crate::failure::Name;
use crate::ledger::Entry;
use crate::life::{Ending, Event, Phase, Status, WayBack};

/// What a deployment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, Display, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CameTo {
    /// It is not over.
    UnderWay,
    /// Its release is there, and stable.
    Deployed,
    /// The environment had its release already.
    NothingToDeploy,
    /// It only said what it would change.
    Planned,
    /// A newer one took its place.
    Superseded,
    /// Somebody asked for an earlier release, and the environment has it.
    TakenBack,
    /// A person did not accept it, whatever the environment has now.
    Rejected,
    /// It failed, and the environment went back to its last stable release.
    WentBack,
    /// It failed otherwise, and nobody has to do anything in the environment.
    FailedClean,
    /// It failed, and a person has to look.
    OperatorNeeded,
}

impl CameTo {
    /// What a deployment of this status came to.
    pub fn of(status: &Status) -> Self {
        match &status.ending {
            None => Self::UnderWay,
            Some(Ending::Deployed) => Self::Deployed,
            Some(Ending::NothingToDeploy) => Self::NothingToDeploy,
            Some(Ending::Planned) => Self::Planned,
            Some(Ending::Superseded { .. }) => Self::Superseded,
            Some(Ending::RolledBack { .. }) => Self::TakenBack,
            Some(Ending::FailedClean { failure, .. }) if failure.name == Name::NotAccepted => Self::Rejected,
            Some(Ending::FailedClean {
                way_back: WayBack::WentBack { .. },
                ..
            }) => Self::WentBack,
            Some(Ending::FailedClean { .. }) => Self::FailedClean,
            Some(Ending::OperatorNeeded { .. }) => Self::OperatorNeeded,
        }
    }

    /// The same, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Deployed => "deployed",
            Self::NothingToDeploy => "nothing to deploy",
            Self::Planned => "planned",
            Self::Superseded => "superseded",
            Self::TakenBack => "taken back",
            Self::Rejected => "rejected",
            Self::WentBack => "went back",
            Self::FailedClean => "failed clean",
            Self::OperatorNeeded => "operator needed",
        }
    }
}

/// For how long people were waited for: from each question, whether they accept or how a bake goes on, until it was
/// decided or nobody waited any more. A question that is open lasts until `now`.
pub fn waited_for_people(entries: &[Entry], now: Timestamp) -> SignedDuration {
    let mut waited = SignedDuration::ZERO;
    let mut asked: Option<Timestamp> = None;
    for entry in entries {
        match entry.what {
            Event::ApprovalAsked { .. } | Event::BakeAsked { .. } => asked = asked.or(Some(entry.at)),
            Event::Decided { .. }
            | Event::BakeAnswered { .. }
            | Event::Baked { .. }
            | Event::GoingBack { .. }
            | Event::Ended(_) => {
                waited += asked
                    .take()
                    .map_or(SignedDuration::ZERO, |asked| entry.at.duration_since(asked));
            }
            _ => {}
        }
    }
    waited + asked.map_or(SignedDuration::ZERO, |asked| now.duration_since(asked))
}

/// What a deployment spends its time with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spends {
    /// It waits for the environment.
    Waiting,
    /// It has the environment, and nothing else is known yet: its alarms are looked at.
    Beginning,
    /// Its commit is built.
    Building,
    /// Its stacks are changed, and asked whether they work.
    Deploying,
    /// Its integration tests run.
    Testing,
    /// People are asked.
    Asking,
    /// It bakes.
    Baking,
    /// It goes back, and what is there then is tested.
    GoingBack,
}

impl Spends {
    /// The same, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Beginning => "beginning",
            Self::Building => "building",
            Self::Deploying => "deploying",
            Self::Testing => "testing",
            Self::Asking => "people asked",
            Self::Baking => "baking",
            Self::GoingBack => "going back",
        }
    }

    /// What it spends its time with while this is its status; nothing, once it is over.
    fn of(status: &Status) -> Option<Self> {
        // From the decision to go back on, and what a rollback does from the beginning.
        let is_back = status.leg == Some(Leg::Back) || status.back_to.is_some();
        Some(match status.phase {
            Phase::Requested | Phase::Queued => Self::Waiting,
            Phase::Admitted => Self::Beginning,
            Phase::Building => Self::Building,
            Phase::Released | Phase::Deploying | Phase::Testing if is_back => Self::GoingBack,
            Phase::Released | Phase::Deploying => Self::Deploying,
            Phase::Testing => Self::Testing,
            Phase::Accepting => Self::Asking,
            Phase::Baking => Self::Baking,
            Phase::Ended => return None,
        })
    }
}

/// What a deployment spent its time with, in order and without a gap, until it ended or until `now`. An entry that cannot
/// have happened then changes nothing: who shows the record says that it is broken.
pub fn spent(entries: &[Entry], now: Timestamp) -> Vec<(Spends, SignedDuration)> {
    let mut spent: Vec<(Spends, SignedDuration)> = Vec::new();
    let mut status = Status::default();
    for (place, entry) in entries.iter().enumerate() {
        if let Ok(next) = status.next(&entry.what) {
            status = next;
        }
        let Some(spends) = Spends::of(&status) else {
            break;
        };
        let until = entries.get(place + 1).map_or(now, |next| next.at);
        let took = until.duration_since(entry.at).max(SignedDuration::ZERO);
        match spent.last_mut() {
            Some((last, so_far)) if *last == spends => *so_far += took,
            _ => spent.push((spends, took)),
        }
    }
    spent
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::names::Digest;

    fn entries(story: &[(i64, Value)]) -> Vec<Entry> {
        let entry = |(sequence, (second, event)): (usize, &(i64, Value))| Entry {
            deployment: "shop-test-1".parse().unwrap(),
            sequence: sequence as u64 + 1,
            at: Timestamp::from_second(*second).unwrap(),
            what: serde_json::from_value(event.clone()).unwrap(),
            previous: Digest::of(b""),
        };
        story.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn time_is_spent_with_one_thing_after_another_until_the_end_or_now() {
        let release = Digest::of(b"a release");
        let planned =
            |leg: &str| json!({ "event": "planned", "leg": leg, "release": release, "waves": [["shop-dev"]] });
        let failure = json!({ "name": "Failed.SmokeTests", "cause": "" });
        let story = [
            (0, json!({ "event": "queued", "before": 1 })),
            (60, json!({ "event": "admitted", "fence": 1 })),
            (61, json!({ "event": "building", "build": "b", "log": "" })),
            (100, json!({ "event": "released", "release": release })),
            (101, planned("forward")),
            (
                150,
                json!({ "event": "smoke_tested", "leg": "forward", "report": { "passed": false, "checks": [] } }),
            ),
            (160, json!({ "event": "going_back", "to": release, "because": failure })),
            (161, planned("back")),
        ];
        let seconds = |story: &[(i64, Value)], now: i64| {
            let spent = spent(&entries(story), Timestamp::from_second(now).unwrap());
            spent
                .into_iter()
                .map(|(spends, took)| (spends.words(), took.as_secs()))
                .collect::<Vec<_>>()
        };
        let expected = [
            ("waiting", 60),
            ("beginning", 1),
            ("building", 39),
            ("deploying", 50),
            ("testing", 10),
            ("going back", 40),
        ];
        assert_eq!(seconds(&story, 200), expected);
        // It ends, and time goes on; and what cannot have happened is passed over.
        let ending = json!({ "event": "ended", "ending": "failed_clean", "failure": failure, "way_back": { "way_back": "stays" } });
        let over = [&story[..], &[(170, ending), (180, planned("forward"))]].concat();
        assert_eq!(seconds(&over, 900).last(), Some(&("going back", 10)));
        assert_eq!(seconds(&[], 900), []);
    }

    #[test]
    fn people_are_waited_for_from_each_question_to_its_answer() {
        let asked = json!({
            "event": "approval_asked", "approval": "0".repeat(32), "people": [], "unconfirmed": [], "excluded": [],
            "deadline": "2026-11-20T10:00:00Z",
        });
        let decided = json!({ "event": "decided", "outcome": { "outcome": "expired", "at": "2026-11-20T10:00:00Z" } });
        let waits = json!({ "event": "bake_asked", "question": { "question": "silent", "missing": "nobody uses it" } });
        let baked = json!({ "event": "baked", "how": "quiet" });
        let waited = |story: &[(i64, Value)]| {
            waited_for_people(&entries(story), Timestamp::from_second(1000).unwrap()).as_secs()
        };
        assert_eq!(waited(&[(1, baked.clone())]), 0);
        assert_eq!(waited(&[(10, asked.clone()), (40, decided.clone())]), 30);
        // Asked anew, and asked once more while the first question is open.
        let anew = [
            (10, asked.clone()),
            (20, asked.clone()),
            (40, decided.clone()),
            (50, asked.clone()),
            (55, decided.clone()),
        ];
        assert_eq!(waited(&anew), 35);
        let bake = [
            (10, asked.clone()),
            (40, decided),
            (100, waits.clone()),
            (103, waits),
            (160, baked),
        ];
        assert_eq!(waited(&bake), 90);
        assert_eq!(waited(&[(400, asked)]), 600, "nobody has answered yet");
    }

    #[test]
    fn each_ending_has_its_word() {
        let release = Digest::of(b"stable");
        let failed = |name: &str, way_back: Value| json!({ "ending": "failed_clean", "failure": { "name": name, "cause": "" }, "way_back": way_back });
        let went_back = json!({ "way_back": "went_back", "to": release });
        for (ending, word) in [
            (Value::Null, "under way"),
            (json!({ "ending": "deployed" }), "deployed"),
            (json!({ "ending": "nothing_to_deploy" }), "nothing to deploy"),
            (json!({ "ending": "planned" }), "planned"),
            (json!({ "ending": "superseded", "by": "shop-dev-2" }), "superseded"),
            (json!({ "ending": "rolled_back", "to": release }), "taken back"),
            (failed("Failed.NotAccepted", json!({ "way_back": "stays" })), "rejected"),
            (failed("Failed.NotAccepted", went_back.clone()), "rejected"),
            (failed("Failed.SmokeTests", went_back), "went back"),
            (
                failed("Rejected.Frozen", json!({ "way_back": "nothing_changed" })),
                "failed clean",
            ),
            (
                json!({ "ending": "operator_needed", "failure": { "name": "Stuck.TimedOut", "cause": "" } }),
                "operator needed",
            ),
        ] {
            let status = Status {
                ending: serde_json::from_value(ending.clone()).unwrap(),
                ..Status::default()
            };
            assert_eq!(CameTo::of(&status).words(), word, "{ending}");
        }
    }
}
