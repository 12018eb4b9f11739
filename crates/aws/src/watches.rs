//! What is watched by the alarms of an account and region: one item an environment.

use domain::bake::{Course, Watch};
use domain::names::{AccountId, EnvironmentName, Region, RepositoryName};
use domain::parking::Key;
use jiff::Timestamp;

use crate::error::Error;
use crate::ledger::{Condition, Ledger, state, text};

/// The kind under which watches are due: those whose release an alarm takes back. While it bakes, its task is due before.
const WATCH: &str = "watch";

impl Ledger {
    /// Everything that the alarms of an account and region watch.
    pub async fn watches(&self, account: &AccountId, region: &Region) -> Result<Vec<Watch>, Error> {
        let mut watches = Vec::new();
        for item in self.query(&partition(account, region), None).await? {
            watches.extend(state::<Option<Watch>>(item)?);
        }
        Ok(watches)
    }

    /// What is watched in an environment; nothing, where nothing ever was.
    pub async fn watch(
        &self,
        (account, region): (&AccountId, &Region),
        application: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<Option<Watch>, Error> {
        self.look(&partition(account, region), &sort(application, environment))
            .await
    }

    /// Changes what is watched in an environment.
    pub async fn change_watch<Answer>(
        &self,
        (account, region): (&AccountId, &Region),
        application: &RepositoryName,
        environment: &EnvironmentName,
        change: impl Fn(&mut Option<Watch>) -> Answer,
    ) -> Result<Answer, Error> {
        let due = |watch: &Option<Watch>| match watch {
            Some(watch) if matches!(watch.course, Course::Watching { .. } | Course::Baking) => {
                Some((WATCH, watch.look_at))
            }
            _ => None,
        };
        let (pk, sk) = (partition(account, region), sort(application, environment));
        self.change(&pk, &sk, change, due, |_| Condition::default()).await
    }

    /// The accounts and regions whose alarms have to be looked at, as the keys of what they watch.
    pub async fn overdue_watches(&self, now: Timestamp) -> Result<Vec<Key>, Error> {
        let found = self.due(WATCH, now).await?;
        let places = found.iter().filter_map(|item| {
            let (account, region) = text(item, "pk")?.strip_prefix("watch#")?.split_once('#')?;
            Some(Key::alarms(&account.parse().ok()?, &region.parse().ok()?))
        });
        let mut keys: Vec<Key> = places.collect();
        keys.sort();
        keys.dedup();
        Ok(keys)
    }
}

fn partition(account: &AccountId, region: &Region) -> String {
    format!("watch#{account}#{region}")
}

fn sort(application: &RepositoryName, environment: &EnvironmentName) -> String {
    format!("{application}#{environment}")
}
