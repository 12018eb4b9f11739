//! The append-only record of a deployment, each entry bound to the one before by its hash.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::life::{Event, IllegalTransition, Status};
use crate::names::{DeploymentId, Digest};

/// One thing that happened, in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its place, from 1.
    pub sequence: u64,
    /// When Lockgate recorded it.
    pub at: Timestamp,
    /// What happened.
    pub what: Event,
    /// The hash of the entry before; of the deployment's id for the first.
    pub previous: Digest,
}

/// Where a deployment's record stands: what an append is conditional on, and what is known without reading the entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The place of the last entry; 0 before the first.
    pub sequence: u64,
    /// The hash of the last entry.
    pub hash: Digest,
    /// The fold of all entries.
    pub status: Status,
}

/// What is wrong with a chain of entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// An entry is missing, twice there, or does not continue the one before.
    #[error("entry {0} does not continue the one before it")]
    Link(u64),
    /// An entry tells of something that cannot have happened then.
    #[error("entry {0}: {1}")]
    Story(u64, IllegalTransition),
}

impl Entry {
    /// The hash that the next entry carries on. Its input is the entry's canonical JSON (field order of the type).
    pub fn hash(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Head {
    /// A record without entries.
    pub fn empty(deployment: DeploymentId) -> Self {
        let hash = Digest::of(deployment.as_str().as_bytes());
        Self {
            deployment,
            sequence: 0,
            hash,
            status: Status::default(),
        }
    }

    /// The next entry, and where the record stands after it; nothing, where the record says so already.
    ///
    /// # Errors
    /// [`IllegalTransition`], when that cannot have happened now.
    pub fn append(&self, what: Event, at: Timestamp) -> Result<Option<(Entry, Self)>, IllegalTransition> {
        let status = self.status.next(&what)?;
        // The first entry changes nothing about an empty status and has to be written all the same; so has whatever
        // tells more than the status keeps.
        let tells_more = matches!(
            what,
            Event::Published { .. }
                | Event::SmokeTested { .. }
                | Event::Building { .. }
                | Event::IntegrationTesting { .. }
                | Event::IntegrationTested { .. }
        ) || (self.status.asks_before && matches!(what, Event::Compared { .. }));
        if status == self.status && self.sequence > 0 && !tells_more {
            return Ok(None);
        }
        let sequence = self.sequence + 1;
        let entry = Entry {
            deployment: self.deployment.clone(),
            sequence,
            at,
            what,
            previous: self.hash.clone(),
        };
        let head = Self {
            deployment: self.deployment.clone(),
            sequence,
            hash: entry.hash(),
            status,
        };
        Ok(Some((entry, head)))
    }
}

/// Checks a whole record and folds it.
///
/// # Errors
/// [`BrokenChain`], naming the first entry that is not what it should be.
pub fn verify(deployment: &DeploymentId, entries: &[Entry]) -> Result<Head, BrokenChain> {
    let mut head = Head::empty(deployment.clone());
    for entry in entries {
        if entry.deployment != *deployment || entry.sequence != head.sequence + 1 || entry.previous != head.hash {
            return Err(BrokenChain::Link(entry.sequence));
        }
        let status = head
            .status
            .next(&entry.what)
            .map_err(|illegal| BrokenChain::Story(entry.sequence, illegal))?;
        head = Head {
            deployment: deployment.clone(),
            sequence: entry.sequence,
            hash: entry.hash(),
            status,
        };
    }
    Ok(head)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bake::{BakePolicy, Begins, Question, Silence};
    use crate::change_set::Summary;
    use crate::deployment::{Deployment, Leg, Rollback};
    use crate::failure::{Failure, Name};
    use crate::life::Ending;
    use crate::smoke_test::Report;

    /// What the version before this one wrote, before environments asked people.
    const ENTRY: &str = r#"{"deployment":"shop-dev-22222222-c1f57357f043341e","sequence":1,"at":"2026-11-23T12:00:00Z","what":{"event":"requested","deployment":{"id":"shop-dev-22222222-c1f57357f043341e","application":"acme/shop","environment":{"name":"dev","account":"222222222222","region":"eu-west-1","on":["push"],"after":null,"queue":"newest","stacks":[],"qualifier":"hnb659fds","without_stable":"give_back","replace_failed_stacks":true},"commit":"2222222222222222222222222222222222222222","reference":"main","release":null,"requested":{"by":"ann","at":"2026-11-23T12:00:00Z","happened_at":"2019-05-15T15:20:57Z","because":"push","delivery":"72d3162e-cc78-11e3-81ab-4c9367dc0958","before":"1111111111111111111111111111111111111111","title":"Add prices"}}},"previous":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"}"#;
    const HEAD: &str = r#"{"deployment":"shop-dev-22222222-c1f57357f043341e","sequence":9,"hash":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","status":{"phase":"testing","leg":"forward","fence":4,"release":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","back_to":null,"because":null,"stacks":{"shop-dev-web":"updated"},"ending":null}}"#;

    #[test]
    fn an_entry_that_the_version_before_wrote_is_read_and_hashes_as_it_did() {
        let entry: Entry = serde_json::from_str(ENTRY).unwrap();
        assert_eq!(entry.hash(), Digest::of(ENTRY.as_bytes()));
        let Event::Requested { deployment } = entry.what else {
            panic!("{entry:?}")
        };
        let environment = deployment.environment;
        assert_eq!(
            (
                environment.integration_tests,
                environment.approval,
                environment.after_acceptance
            ),
            (false, None, false)
        );
        assert_eq!(
            (environment.freezes, environment.max_age_seconds, environment.bake),
            (Vec::new(), None, None)
        );
        assert_eq!(
            (environment.watch_seconds, environment.holds, environment.keep),
            (None, false, crate::deployment::KEEP)
        );
        assert_eq!(deployment.rollback, None);
    }

    #[test]
    fn an_entry_of_an_environment_that_asks_people_hashes_as_it_did_before_any_was_watched() {
        let asks = r#""replace_failed_stacks":true,"integration_tests":true,"approval":{"when":"after","people":[{"name":"qa@acme.example","logins":["qa-acme"],"mails":[],"arns":[]}],"duties":[{"group":null,"people":["qa@acme.example"],"need":1}],"within_seconds":259200,"on_reject":"stay"},"after_acceptance":true}"#;
        let text = ENTRY.replace(r#""replace_failed_stacks":true}"#, asks);
        let entry: Entry = serde_json::from_str(&text).unwrap();
        assert!(matches!(&entry.what, Event::Requested { deployment } if deployment.environment.approval.is_some()));
        assert_eq!(entry.hash(), Digest::of(text.as_bytes()));
    }

    #[test]
    fn a_deployment_that_the_version_before_began_goes_on_to_its_end() {
        let head: Head = serde_json::from_str(HEAD).unwrap();
        assert!(!head.status.asks && head.status.accepted.is_none());
        assert!(!head.status.bakes && !head.status.rolls_back && head.status.at_risk.is_empty());
        let ended = Event::Ended(crate::verdict::ending_of(&head.status));
        let (_, head) = head.append(ended, Timestamp::UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(head.status.ending, Some(Ending::Deployed));
    }

    /// The record of what these tell, one a second.
    fn record(id: &DeploymentId, story: Vec<Event>) -> Vec<Entry> {
        let mut head = Head::empty(id.clone());
        let mut entries = Vec::new();
        for (second, event) in (0..).zip(story) {
            let told = head.append(event, Timestamp::from_second(second).unwrap()).unwrap();
            let (entry, next) = told.unwrap();
            entries.push(entry);
            head = next;
        }
        entries
    }

    /// The deployment of the entry above, which takes its environment back.
    fn rollback() -> Deployment {
        let entry: Entry = serde_json::from_str(ENTRY).unwrap();
        let Event::Requested { mut deployment } = entry.what else {
            panic!("{entry:?}")
        };
        deployment.release = Some(Digest::of(b"stable"));
        deployment.rollback = Some(Rollback {
            from: Digest::of(b"bad"),
            stable: Digest::of(b"bad"),
            because: Failure::new(Name::TakenBack, "ann says: payments fail"),
        });
        *deployment
    }

    #[test]
    fn the_record_of_a_rollback_is_a_chain_from_asking_to_its_end() {
        let deployment = rollback();
        let (id, to) = (deployment.id.clone(), Digest::of(b"stable"));
        let stack = || "shop-dev-web".parse().unwrap();
        let leg = Leg::Back;
        let entries = record(
            &id,
            vec![
                Event::Requested {
                    deployment: Box::new(deployment),
                },
                Event::Queued { before: 0 },
                Event::Admitted { fence: 4 },
                Event::Released { release: to.clone() },
                Event::Planned {
                    leg,
                    release: to.clone(),
                    waves: vec![vec![stack()]],
                },
                Event::Published {
                    leg,
                    copied: 0,
                    present: 3,
                },
                Event::Compared {
                    leg,
                    stack: stack(),
                    summary: Some(Summary::default()),
                },
                Event::Executing {
                    leg,
                    stack: stack(),
                    change_set: "cs".to_owned(),
                },
                Event::Updated { leg, stack: stack() },
                Event::SmokeTested {
                    leg,
                    report: Report::new(vec![]),
                },
                Event::Ended(Ending::RolledBack {
                    to: to.clone(),
                    left: BTreeSet::new(),
                }),
            ],
        );
        // As the ledger gives them back.
        let written = serde_json::to_string(&entries).unwrap();
        let entries: Vec<Entry> = serde_json::from_str(&written).unwrap();
        let head = verify(&id, &entries).unwrap();
        assert_eq!(head.sequence, 11);
        assert_eq!(crate::verdict::ending_of(&head.status), head.status.ending.unwrap());
        for missing in 0..entries.len() - 1 {
            let mut altered = entries.clone();
            altered.remove(missing);
            let next = altered[missing].sequence;
            assert_eq!(verify(&id, &altered), Err(BrokenChain::Link(next)));
        }
        let mut altered = entries;
        let Event::Requested { deployment } = &mut altered[0].what else {
            panic!("{altered:?}")
        };
        deployment.rollback = None;
        assert_eq!(
            verify(&id, &altered),
            Err(BrokenChain::Link(2)),
            "why it goes back is part of it"
        );
    }

    #[test]
    fn what_is_told_twice_of_a_bake_is_written_once() {
        let mut deployment = rollback();
        deployment.rollback = None;
        deployment.environment.bake = Some(BakePolicy {
            begins: Begins::AfterTests,
            for_seconds: 60,
            alarms: vec![],
            evidence: None,
            silence: Silence::Ask,
        });
        let leg = Leg::Forward;
        let (id, release) = (deployment.id.clone(), Digest::of(b"stable"));
        let baking = || Event::Baking {
            until: Timestamp::UNIX_EPOCH,
            alarms: vec![],
        };
        let asked = |missing: &str| Event::BakeAsked {
            question: Question::Silent {
                missing: missing.to_owned(),
            },
        };
        let entries = record(
            &id,
            vec![
                Event::Requested {
                    deployment: Box::new(deployment),
                },
                Event::Admitted { fence: 1 },
                Event::Released {
                    release: release.clone(),
                },
                Event::Planned {
                    leg,
                    release,
                    waves: vec![],
                },
                Event::SmokeTested {
                    leg,
                    report: Report::new(vec![]),
                },
                baking(),
                asked("nobody uses it"),
            ],
        );
        let head = verify(&id, &entries).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(head.append(baking(), now), Ok(None));
        assert_eq!(head.append(asked("nobody uses it"), now), Ok(None));
        assert!(
            head.append(asked("the alarm errors has no data"), now)
                .unwrap()
                .is_some()
        );
    }
}
