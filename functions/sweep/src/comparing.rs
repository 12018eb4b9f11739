//! Compares what GitHub shows with what was asked: it sends a delivery once, and none at all of some pushes.
//!
//! What GitHub could not deliver it is asked to deliver again; the newest commit of each branch, and the newest releases, are
//! asked for without their deliveries where those do not come. A GitHub that cannot be asked now is asked again at the next
//! look.

use domain::configuration::Application;
use domain::deployment::Cause;
use domain::intake::lost::{self, Look};
use domain::intake::{Delivery, DeliveryId, Event, Found, LeftToDo, Resolved, asks};
use domain::names::RepositoryName;
use github::{Credentials, GitHub, NoAccess, TagTarget};
use jiff::Timestamp;

use crate::Context;

/// What came of one look.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Attempts that GitHub is to make again.
    pub redelivered: usize,
    /// Pushes and releases that were asked for without their deliveries.
    pub recovered: usize,
    /// What could not be looked at this time.
    pub failed: usize,
}

/// Why something could not be looked at.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error(transparent)]
    Aws(#[from] aws::Error),
    #[error(transparent)]
    GitHub(#[from] github::Error),
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    #[error("{0} is no application ({1}); deploy the stack lockgate-pipeline again")]
    Unreadable(String, serde_json::Error),
}

/// Looks once. One thing that cannot be looked at keeps nothing else from being looked at.
pub async fn compare(context: &Context, now: Timestamp) -> Compared {
    let mut compared = Compared::default();
    let github = match github(context).await {
        Ok(github) => github,
        Err(missed) => {
            compared.missed("GitHub", &missed);
            return compared;
        }
    };
    // Unauthenticated, GitHub answers 60 questions an hour.
    if matches!(github.credentials(), Credentials::None) {
        return compared;
    }
    match redeliver(&github, now).await {
        Ok(again) => compared.redelivered = again,
        Err(missed) => compared.missed("deliveries", &missed),
    }
    let applications = match context.parameters.below(&context.applications).await {
        Ok(applications) => applications,
        Err(error) => {
            compared.missed("the configuration", &error.into());
            return compared;
        }
    };
    for (name, json) in applications {
        match look_at(context, &github, &name, &json, now).await {
            Ok(recovered) => compared.recovered += recovered,
            Err(missed) => compared.missed(&name, &missed),
        }
    }
    compared
}

impl Compared {
    fn missed(&mut self, what: &str, missed: &Missed) {
        self.failed += 1;
        tracing::warn!(compared = what, error.cause = %missed, "not compared with GitHub this time");
    }
}

async fn github(context: &Context) -> Result<GitHub, Missed> {
    let stored = context.parameters.values(&context.github.names()).await?;
    Ok(context.github.by(stored)?)
}

/// Has GitHub deliver again what did not get through.
async fn redeliver(github: &GitHub, now: Timestamp) -> Result<usize, Missed> {
    let Some(attempts) = github.attempts_since(now - lost::LOOKS_BACK).await? else {
        return Ok(0);
    };
    let again = lost::to_redeliver(&attempts, now);
    for attempt in &again {
        github.redeliver(*attempt).await?;
        tracing::info!(github.attempt = attempt, "GitHub is to deliver this again");
    }
    Ok(again.len())
}

async fn look_at(context: &Context, github: &GitHub, name: &str, json: &str, now: Timestamp) -> Result<usize, Missed> {
    let application: Application =
        serde_json::from_str(json).map_err(|error| Missed::Unreadable(name.to_owned(), error))?;
    let starts = |cause: Cause| {
        application
            .environments
            .iter()
            .any(|environment| environment.on.contains(&cause))
    };
    let branch = look_at_branch(context, github, &application, now).await?;
    if starts(Cause::Prerelease) || starts(Cause::Release) {
        return Ok(branch + look_at_releases(context, github, &application, now).await?);
    }
    Ok(branch)
}

/// Looks at the newest commit of an application's branch.
async fn look_at_branch(
    context: &Context,
    github: &GitHub,
    application: &Application,
    now: Timestamp,
) -> Result<usize, Missed> {
    let repository = &application.repository;
    let Some(head) = github.head_of(repository, &application.branch).await? else {
        return Ok(0);
    };
    let ledger = &context.ledger;
    let look = ledger
        .change_watched_branch(repository, |watched| watched.look(&head, now))
        .await?;
    if look != Look::Ask {
        return Ok(0);
    }
    let commit = github.commit(repository, &head).await?;
    let (by, title) = commit.map_or_else(Default::default, |commit| {
        let author = commit.author;
        (author.login.unwrap_or(author.name), commit.title)
    });
    let push = lost::push_of(repository, &application.branch, &head, &by, &title, now);
    let id = lost::delivery_of_push(&push);
    let recovered = ask(context, application, &Event::Push(push), id, None, now).await?;
    ledger
        .change_watched_branch(repository, |watched| watched.asked_for(&head, Some(now)))
        .await?;
    Ok(recovered)
}

/// Looks at the newest releases of an application.
async fn look_at_releases(
    context: &Context,
    github: &GitHub,
    application: &Application,
    now: Timestamp,
) -> Result<usize, Missed> {
    let watched = context.ledger.watched_branch(&application.repository).await?;
    let mut recovered = 0;
    for release in github.newest_releases(&application.repository).await? {
        if !lost::may_be_missed(&release, &watched, now) {
            continue;
        }
        let Some(resolved) = resolve(context, github, &application.repository, &release, now).await? else {
            continue;
        };
        let id = lost::delivery_of_release(&release);
        recovered += ask(context, application, &Event::Release(release), id, Some(&resolved), now).await?;
    }
    Ok(recovered)
}

/// The commit of a release, as the first who asked found it.
async fn resolve(
    context: &Context,
    github: &GitHub,
    repository: &RepositoryName,
    release: &domain::intake::Release,
    now: Timestamp,
) -> Result<Option<Resolved>, Missed> {
    if let Some(pinned) = context.ledger.pinned_release(release).await? {
        return Ok(Some(pinned));
    }
    let TagTarget::Commit(commit) = github.commit_of_tag(repository, &release.tag).await? else {
        return Ok(None);
    };
    let title = github.commit(repository, &commit).await?.map(|commit| commit.title);
    let resolved = Resolved {
        commit,
        title: title.unwrap_or_default(),
    };
    Ok(Some(context.ledger.pin_release(release, resolved, now).await?))
}

/// Asks as a delivery would have: claims it, and starts what it asks for that was not started. Says whether that was
/// anything.
async fn ask(
    context: &Context,
    application: &Application,
    event: &Event,
    id: Option<DeliveryId>,
    resolved: Option<&Resolved>,
    now: Timestamp,
) -> Result<usize, Missed> {
    let Some(id) = id else { return Ok(0) };
    let found = Found {
        commit: resolved.cloned(),
        may_write: false,
    };
    let decision = asks(event, Some(application), &id, &found, now);
    let kind = match event {
        Event::Release(_) => "release",
        _ => "push",
    };
    let (ledger, delivery) = (&context.ledger, Delivery::new(id, kind, decision, now));
    // A release's deployments have the same names whoever asks; those that began were told of.
    if let domain::intake::Course::Received { deployments } = &delivery.course {
        let mut begun = 0;
        for deployment in deployments {
            begun += usize::from(ledger.head(&deployment.id).await?.is_some());
        }
        if begun == deployments.len() {
            return Ok(0);
        }
    }
    let before = match ledger.claim_delivery(&delivery).await? {
        aws::deliveries::Claim::New => None,
        aws::deliveries::Claim::Before(known) => Some(known),
    };
    let claimed = before.clone().unwrap_or_else(|| delivery.clone());
    let LeftToDo::Start(deployments) = delivery.left_to_do(before) else {
        return Ok(0);
    };
    for deployment in &deployments {
        tracing::warn!(
            deployment.id = %deployment.id,
            commit = %deployment.commit,
            "GitHub did not tell of this, and it is asked for without that"
        );
    }
    if let Event::Push(push) = event
        && let Some(commit) = &push.after
    {
        // Before anything starts: a delivery that comes now asks for nothing any more.
        let recovered = |watched: &mut lost::Watched| watched.asked_for(commit, Some(now));
        ledger.change_watched_branch(&application.repository, recovered).await?;
    }
    Ok(usize::from(
        ledger.complete_delivery(&context.executions, &claimed, now).await?,
    ))
}
