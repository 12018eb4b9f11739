//! What an earlier deployment came to, in a word, and how long people were waited for.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use crate::failure::Name;
use crate::ledger::Entry;
use crate::life::{Ending, Event, Status, WayBack};

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
