//! Each environment's lock and queue, one item an environment.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::build_record::BuildRecord;
use domain::deployment::Deployment;
use domain::emergency::{Emergency, Plea};
use domain::environment_state::{EnvironmentState, Fence, Refusal, Rejection, StableRelease, TakenBack};
use domain::failure::{Failure, Name};
use domain::names::{CommitSha, DeploymentId, Digest, EnvironmentName, RepositoryName};
use domain::parking::StackChange;
use domain::promotion::promote;
use jiff::Timestamp;

use crate::error::Error;
use crate::ledger::{Condition, Ledger, state, text};

/// The kind under which environments with a holder are due.
const LEASE: &str = "lease";

impl Ledger {
    /// An environment's lock and queue.
    pub async fn environment(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
    ) -> Result<EnvironmentState, Error> {
        self.look(&partition(application, name), "state").await
    }

    /// Changes an environment's lock and queue by a transition of the domain.
    pub async fn change_environment<Answer>(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        transition: impl Fn(&mut EnvironmentState) -> Answer,
    ) -> Result<Answer, Error> {
        self.change(&partition(application, name), "state", transition, lease, |_| {
            Condition::default()
        })
        .await
    }

    /// Begins the change of a stack: the one conditional write that decides whether anything may be changed.
    ///
    /// That the deployment owns the lock with this fence, and that nothing of another operation is in flight, is decided
    /// by the transition and stated once more in the write's own condition, where no bug of ours can get around it.
    pub async fn begin_operation(
        &self,
        deployment: &DeploymentId,
        change: &StackChange,
        now: Timestamp,
    ) -> Result<Result<(), Refusal>, Error> {
        self.change(
            &partition(&change.application, &change.environment),
            "state",
            |state: &mut EnvironmentState| {
                state.begin(
                    deployment,
                    change.fence,
                    change.leg,
                    change.stack.clone(),
                    change.change_set.clone(),
                    now,
                )
            },
            lease,
            |_| owned(deployment, change.fence),
        )
        .await
    }

    /// Writes down that a release got to the end of a deployment here. The newest time it did is kept.
    pub async fn record_stable(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        stable: &StableRelease,
    ) -> Result<(), Error> {
        let (pk, sk) = (partition(application, name), stable_key(&stable.release));
        let keep = |found: &mut Option<StableRelease>| {
            if found.as_ref().is_none_or(|found| found.since <= stable.since) {
                let rejected = found.take().and_then(|found| found.rejected);
                let kept = found.insert(stable.clone());
                if let Some(rejection) = &rejected {
                    kept.reject(rejection);
                }
            }
        };
        self.change(&pk, &sk, keep, |_| None, |_| Condition::default()).await
    }

    /// Keeps that a release was rejected here. Of one that was never stable here there is nothing to take back.
    pub async fn record_rejection(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        release: &Digest,
        rejection: &Rejection,
    ) -> Result<(), Error> {
        let (pk, sk) = (partition(application, name), stable_key(release));
        let keep = |found: &mut Option<StableRelease>| {
            if let Some(found) = found {
                found.reject(rejection);
            }
        };
        self.change(&pk, &sk, keep, |_| None, |_| Condition::default()).await
    }

    /// When a release got to the end of a deployment here last; nothing, where it never did.
    pub async fn stable(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        release: &Digest,
    ) -> Result<Option<StableRelease>, Error> {
        self.look(&partition(application, name), &stable_key(release)).await
    }

    /// Every release that got to the end of a deployment here, and was not forgotten since, the newest first.
    pub async fn stable_releases(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
    ) -> Result<Vec<StableRelease>, Error> {
        let pk = partition(application, name);
        let mut releases = Vec::new();
        for item in self.query(&pk, Some(STABLE)).await? {
            releases.extend(state::<Option<StableRelease>>(item)?);
        }
        releases.sort_by_key(|stable| std::cmp::Reverse(stable.since));
        Ok(releases)
    }

    /// Every release that went back from here.
    pub async fn taken_back_releases(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
    ) -> Result<Vec<(Digest, TakenBack)>, Error> {
        let mut releases = Vec::new();
        for item in self.query(&partition(application, name), Some(TAKEN_BACK)).await? {
            let key = text(&item, "sk").and_then(|sk| sk.strip_prefix(TAKEN_BACK)?.parse().ok());
            if let (Some(release), Some(taken_back)) = (key, state::<Option<TakenBack>>(item)?) {
                releases.push((release, taken_back));
            }
        }
        Ok(releases)
    }

    /// Writes down that a release went back from here. The first time is kept; one that was let in again keeps that.
    pub async fn record_taken_back(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        release: &Digest,
        taken_back: &TakenBack,
    ) -> Result<(), Error> {
        let keep = |found: &mut Option<TakenBack>| {
            found.get_or_insert_with(|| taken_back.clone());
        };
        self.change_taken_back(application, name, release, keep).await
    }

    /// Changes what is known of a release that went back from here.
    pub async fn change_taken_back<Answer>(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        release: &Digest,
        change: impl Fn(&mut Option<TakenBack>) -> Answer,
    ) -> Result<Answer, Error> {
        let (pk, sk) = (partition(application, name), format!("{TAKEN_BACK}{release}"));
        self.change(&pk, &sk, change, |_| None, |_| Condition::default()).await
    }

    /// That a release went back from here; nothing, where it never did.
    pub async fn taken_back(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        release: &Digest,
    ) -> Result<Option<TakenBack>, Error> {
        self.look(&partition(application, name), &format!("{TAKEN_BACK}{release}"))
            .await
    }

    /// What people said of a commit that is to come into this environment although it is frozen.
    pub async fn emergency(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        commit: &CommitSha,
    ) -> Result<Emergency, Error> {
        self.look(&partition(application, name), &format!("{EMERGENCY}{commit}"))
            .await
    }

    /// Adds one person's word to that, and returns all of them.
    pub async fn plead(
        &self,
        application: &RepositoryName,
        name: &EnvironmentName,
        commit: &CommitSha,
        plea: &Plea,
    ) -> Result<Emergency, Error> {
        let add = |emergency: &mut Emergency| {
            emergency.plead(plea.clone());
            emergency.clone()
        };
        let (pk, sk) = (partition(application, name), format!("{EMERGENCY}{commit}"));
        self.change(&pk, &sk, add, |_| None, |_| Condition::default()).await
    }

    /// The release that a deployment brings on from the environment before its own, or why there is none; nothing, where
    /// its environment comes after no other, where it takes its environment back, or where it only shows what a pull request
    /// would change.
    pub async fn promoted(
        &self,
        deployment: &Deployment,
        now: Timestamp,
    ) -> Result<Option<Result<Digest, Failure>>, Error> {
        let Some(after) = deployment
            .environment
            .after
            .as_ref()
            .filter(|_| deployment.rollback.is_none() && !deployment.previews())
        else {
            return Ok(None);
        };
        let (application, commit) = (&deployment.application, &deployment.commit);
        let build = self.build(application, commit).await?;
        let stable = match &build {
            BuildRecord::Built { release, .. } => self.stable(application, after, release).await?,
            BuildRecord::None | BuildRecord::Building { .. } | BuildRecord::Failed { .. } => None,
        };
        let must_be_accepted = deployment.environment.after_acceptance;
        let age = (deployment.environment.max_age_seconds, now);
        let promoted = promote(after, must_be_accepted, commit, &build, stable.as_ref(), age);
        // What was taken back there was stable there, and is not fit to go on.
        if let Ok(release) = &promoted
            && let Some(taken_back) = self.taken_back(application, after, release).await?
            && let Some(refused) = taken_back.refuses(release, after)
        {
            return Ok(Some(Err(Failure::new(Name::NotStableBefore, refused.cause))));
        }
        Ok(Some(promoted))
    }

    /// The environments whose holder has not been heard of for longer than its lease.
    pub async fn overdue_environments(&self, now: Timestamp) -> Result<Vec<(RepositoryName, EnvironmentName)>, Error> {
        let found = self.due(LEASE, now).await?;
        Ok(found.iter().filter_map(|item| parse(text(item, "pk")?)).collect())
    }
}

fn lease(state: &EnvironmentState) -> Option<(&'static str, Timestamp)> {
    let holder = state.holder.as_ref().filter(|_| state.quarantine.is_none())?;
    Some((LEASE, holder.lease_until))
}

fn owned(deployment: &DeploymentId, fence: Fence) -> Condition {
    // An absent value is stored as NULL, so "nothing in flight" is a type and not an absence.
    let expression = "#state.holder.deployment = :me AND #state.holder.fence = :fence \
                      AND (attribute_type(#state.operation, :nothing) OR #state.operation.deployment = :me)";
    Condition {
        expression: expression.to_owned(),
        names: HashMap::from([("#state".to_owned(), "state".to_owned())]),
        values: HashMap::from([
            (":me".to_owned(), AttributeValue::S(deployment.as_str().to_owned())),
            (":fence".to_owned(), AttributeValue::N(fence.to_string())),
            (":nothing".to_owned(), AttributeValue::S("NULL".to_owned())),
        ]),
    }
}

/// How the sort keys of stable releases begin.
const STABLE: &str = "stable#";
/// How the sort keys of emergencies begin.
const EMERGENCY: &str = "emergency#";
/// How the sort keys of releases that went back begin.
const TAKEN_BACK: &str = "taken_back#";

fn stable_key(release: &Digest) -> String {
    format!("{STABLE}{release}")
}

pub(crate) fn partition(application: &RepositoryName, name: &EnvironmentName) -> String {
    format!("environment#{application}#{name}")
}

fn parse(partition: &str) -> Option<(RepositoryName, EnvironmentName)> {
    let (application, name) = partition.strip_prefix("environment#")?.rsplit_once('#')?;
    Some((application.parse().ok()?, name.parse().ok()?))
}
