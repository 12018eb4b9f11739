//! An emergency: two people let a commit into an environment that is frozen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::approval::{names_nobody, person_behind};

/// How many different people it takes.
pub const PEOPLE: usize = 2;

/// For how long their words count, from the first of them that is needed.
pub const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(4);

/// What people said of a commit that is to come into a frozen environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Their words, in the order in which they came.
    pub words: Vec<Plea>,
}

/// One person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plea {
    /// Who, by ARN. All sessions of a role are one person.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// Whether an ARN stands for one person: who takes a name of their own choice with it could be several.
pub fn is_somebody(arn: &str) -> bool {
    names_nobody(&person_behind(arn)).is_none()
}

impl Emergency {
    /// Adds a word. One who speaks again is heard from then on, and counts once.
    pub fn plead(&mut self, plea: Plea) {
        let who = person_behind(&plea.by);
        self.words.retain(|word| person_behind(&word.by) != who);
        self.words.push(plea);
    }

    /// Those whose words count now, one for each person.
    pub fn heard(&self, now: Timestamp) -> Vec<&Plea> {
        let mut people = BTreeSet::new();
        let counts =
            |word: &&Plea| is_somebody(&word.by) && word.at <= now && now.duration_since(word.at) <= COUNTS_FOR;
        let heard = self.words.iter().rev().filter(counts);
        heard.filter(|word| people.insert(person_behind(&word.by))).collect()
    }

    /// Those who let it in; nothing, where too few do.
    pub fn lets_in(&self, now: Timestamp) -> Option<Vec<&Plea>> {
        Some(self.heard(now)).filter(|heard| heard.len() >= PEOPLE)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    const ANN: &str = "arn:aws:iam::111111111111:user/ann";
    const BOB: &str = "arn:aws:iam::111111111111:user/bob";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn session(name: &str) -> String {
        format!("arn:aws:sts::111111111111:assumed-role/Operator/{name}")
    }

    /// The words of these people, in this order.
    fn emergency<'a>(words: impl IntoIterator<Item = (&'a str, i64)>) -> Emergency {
        let mut emergency = Emergency::default();
        for (by, second) in words {
            emergency.plead(Plea {
                by: by.to_owned(),
                why: format!("payments fail since {second}"),
                at: at(second),
            });
        }
        emergency
    }

    /// Who lets it in, and when they said so.
    fn let_in_by(emergency: &Emergency, now: i64) -> Option<Vec<(&str, i64)>> {
        let words = emergency.lets_in(at(now))?;
        Some(
            words
                .iter()
                .map(|word| (word.by.as_str(), word.at.as_second()))
                .collect(),
        )
    }

    #[test]
    fn it_takes_two_people_and_not_two_spellings_of_one() {
        let (noon, evening) = (session("noon"), session("evening"));
        let center = |user: &str| {
            format!("arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Operator_0123456789abcdef/{user}")
        };
        let (ann_of_center, bob_of_center) = (center("ann"), center("bob"));
        let role = "arn:aws:iam::111111111111:role/teams/Operator";
        let federated = ["ann", "bob"].map(|name| format!("arn:aws:sts::111111111111:federated-user/{name}"));
        let federated = [federated[0].as_str(), &federated[1]];
        let elsewhere = "arn:aws:iam::222222222222:user/ann";
        for (words, is_let_in, what) in [
            (&[][..], false, "nobody"),
            (&[ANN], false, "one"),
            (&[ANN, ANN], false, "one person twice"),
            (&[&noon, &evening], false, "two sessions of a role"),
            (&[&noon, role], false, "a role and its session"),
            (&[ANN, BOB], true, "two users"),
            (&[ANN, &noon], true, "a user and a role"),
            (&[ANN, elsewhere], true, "the user of the same name in another account"),
            (
                &[&ann_of_center, &bob_of_center],
                true,
                "two users of IAM Identity Center",
            ),
            (&[&ann_of_center, &ann_of_center], false, "one of them twice"),
            (&[ANN, ANN, BOB], true, "one of two twice"),
            (&federated, false, "two who were free to choose these names"),
            (&[ANN, federated[0]], false, "a user, and one of those"),
        ] {
            let emergency = emergency(words.iter().map(|by| (*by, 10)));
            assert_eq!(emergency.lets_in(at(10)).is_some(), is_let_in, "{what}");
        }
    }

    #[test]
    fn who_speaks_again_is_heard_from_then_on_and_counts_once() {
        let (first, again) = (session("first"), session("again"));
        let emergency = emergency([(first.as_str(), 0), (BOB, 100), (again.as_str(), 200)]);
        assert_eq!(emergency.words.len(), 2);
        let both = Some(vec![(again.as_str(), 200), (BOB, 100)]);
        assert_eq!(let_in_by(&emergency, 200), both);
        assert_eq!(
            let_in_by(&emergency, 100 + COUNTS_FOR.as_secs()),
            both,
            "the first of them would be over"
        );
        // However it came to be kept: the last word of a person is the one that is heard.
        let mut twice = emergency;
        twice.words.insert(
            0,
            Plea {
                by: first,
                why: String::new(),
                at: at(0),
            },
        );
        assert_eq!(let_in_by(&twice, 200), both);
        twice.words.remove(1);
        assert_eq!(let_in_by(&twice, 200), None);
    }

    #[test]
    fn a_word_counts_for_four_hours_to_the_second() {
        let emergency = emergency([(ANN, 0), (BOB, 3600)]);
        let over = COUNTS_FOR.as_secs();
        assert_eq!(over, 4 * 3600);
        let both = Some(vec![(BOB, 3600), (ANN, 0)]);
        assert_eq!(let_in_by(&emergency, over), both);
        assert_eq!(let_in_by(&emergency, over + 1), None);
        assert_eq!(emergency.heard(at(over + 1)).len(), 1, "the other is heard still");
        assert_eq!(emergency.heard(at(3600 + over + 1)), Vec::<&Plea>::new());
    }

    #[test]
    fn where_clocks_differ_a_word_counts_from_when_it_was_said() {
        let ahead = emergency([(ANN, 100), (BOB, 50)]);
        assert_eq!(let_in_by(&ahead, 49), None);
        assert_eq!(let_in_by(&ahead, 99), None, "one of them has not spoken yet");
        assert_eq!(let_in_by(&ahead, 100), Some(vec![(BOB, 50), (ANN, 100)]));
        // Who speaks again by a clock that is behind has spoken last all the same.
        let behind = emergency([(ANN, 100), (BOB, 100), (ANN, 50)]);
        assert_eq!(let_in_by(&behind, 100), Some(vec![(ANN, 50), (BOB, 100)]));
        assert_eq!(let_in_by(&behind, 51 + COUNTS_FOR.as_secs()), None);
    }
}
