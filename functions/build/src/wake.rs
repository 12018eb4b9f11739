//! A build has ended, or nothing was heard of it for long: the truth is asked of CodeBuild, and everybody who waits is told.

use aws::artifacts::ArtifactError;
use aws::builds::{Build, BuildState, Start};
use aws::tasks::Delivered;
use domain::build_record::{BuildRecord, Step};
use domain::failure::{Class, Failure, Name};
use domain::life::Event;
use domain::names::{CommitSha, Digest, RepositoryName};
use domain::parking::{Key, Parked, WaitsFor};
use domain::release::Index;
use jiff::Timestamp;

use crate::{Built, Context, Error, Output, ask, integrate};

/// CodeBuild says that a build ended.
pub async fn ended(context: &Context, id: &str, now: Timestamp) -> Result<Output, Error> {
    let Some(build) = context.builds.look(id).await? else {
        if let Some(tests) = context.integration.look(id).await? {
            return integrate::ended(context, &tests, now).await;
        }
        tracing::info!(build = id, "no build of ours");
        return Ok(Output::Woken { answered: 0 });
    };
    let (Some(application), Some(commit)) = (&build.application, &build.commit) else {
        tracing::info!(build = id, "nobody asked for this build");
        return Ok(Output::Woken { answered: 0 });
    };
    settle(context, application, commit, Some(&build), now).await
}

/// The sweep asks after a build.
pub async fn look(context: &Context, key: &Key, now: Timestamp) -> Result<Output, Error> {
    let waiting = context.ledger.awaited(&context.tasks, key).await?;
    let Some(first) = waiting.first() else {
        tracing::info!(key = key.as_str(), "nothing waits here");
        return Ok(Output::Woken { answered: 0 });
    };
    let WaitsFor::Build {
        application,
        commit,
        pull_request,
    } = &first.waits_for
    else {
        let mut answered = 0;
        for parked in &waiting {
            answered += usize::from(integrate::look(context, parked, now).await?);
        }
        return Ok(Output::Woken { answered });
    };
    let build = match context.ledger.build(application, commit).await? {
        BuildRecord::Building { build: Some(id), .. } => Some(match context.builds.look(&id).await? {
            Some(build) => build,
            None => vanished(id, application, commit),
        }),
        // Decided on, and CodeBuild took no more, or nobody came back from starting it.
        BuildRecord::Building {
            build: None, attempt, ..
        } => return start(context, &waiting, (application, commit, *pull_request), attempt, now).await,
        BuildRecord::None => {
            if let Step::Start(attempt) = context
                .ledger
                .change_build(application, commit, BuildRecord::ask, now)
                .await?
            {
                return start(context, &waiting, (application, commit, *pull_request), attempt, now).await;
            }
            None
        }
        BuildRecord::Built { .. } | BuildRecord::Failed { .. } => None,
    };
    settle(context, application, commit, build.as_ref(), now).await
}

/// Starts an attempt for those who wait, and tells them if it never will.
async fn start(
    context: &Context,
    waiting: &[Parked],
    commit: (&RepositoryName, &CommitSha, Option<u64>),
    attempt: u32,
    now: Timestamp,
) -> Result<Output, Error> {
    match ask::start(context, commit, attempt, now).await? {
        Start::Begun(build) => {
            for parked in waiting {
                let event = Event::Building {
                    build: build.id.clone(),
                    log: build.log.clone(),
                };
                context.ledger.tell(&parked.deployment, event, now).await?;
                context.ledger.wait_on(parked, now).await?;
            }
            Ok(Output::Woken { answered: 0 })
        }
        Start::Full => {
            for parked in waiting {
                context.ledger.wait_on(parked, now).await?;
            }
            Ok(Output::Woken { answered: 0 })
        }
        Start::Refused(failure) => {
            let refused = Err(failure);
            for parked in waiting {
                answer(context, parked, &refused, now).await?;
            }
            Ok(Output::Woken {
                answered: waiting.len(),
            })
        }
    }
}

/// Writes down what a build came to, and answers everybody who waits for it.
async fn settle(
    context: &Context,
    application: &RepositoryName,
    commit: &CommitSha,
    build: Option<&Build>,
    now: Timestamp,
) -> Result<Output, Error> {
    if let Some(build) = build
        && let Some(result) = result(context, build).await?
    {
        let ended = |record: &BuildRecord, now| ((), record.ended(&build.id, result.clone(), now));
        context.ledger.change_build(application, commit, ended, now).await?;
    }
    let known = match context.ledger.build(application, commit).await? {
        BuildRecord::Built { release, .. } => Some(Ok(release)),
        BuildRecord::Failed { failure, .. } => Some(Err(failure)),
        BuildRecord::None | BuildRecord::Building { .. } => None,
    };
    let mut answered = 0;
    let key = Key::build(application, commit);
    for parked in context.ledger.parked(&key).await? {
        match &known {
            Some(known) => {
                answer(context, &parked, known, now).await?;
                answered += 1;
            }
            None => context.ledger.wait_on(&parked, now).await?,
        }
    }
    Ok(Output::Woken { answered })
}

/// Answers one that waits.
pub async fn answer(
    context: &Context,
    parked: &Parked,
    known: &Result<Digest, Failure>,
    now: Timestamp,
) -> Result<(), Error> {
    let delivered = match known {
        Ok(release) => {
            context
                .ledger
                .tell(
                    &parked.deployment,
                    Event::Released {
                        release: release.clone(),
                    },
                    now,
                )
                .await?;
            context
                .tasks
                .succeed(
                    &parked.token,
                    &Built::Built {
                        release: release.clone(),
                    },
                )
                .await?
        }
        Err(failure) => context.tasks.fail(&parked.token, failure).await?,
    };
    if delivered == Delivered::Gone {
        tracing::info!(deployment.id = %parked.deployment, "nobody waits for this build any more");
    }
    Ok(context.ledger.unpark(parked).await?)
}

/// Whether a release is there, whole and under its own name.
pub async fn check(context: &Context, release: &Digest) -> Result<Digest, Failure> {
    known(release.clone(), context.artifacts.read_index(release).await)
}

fn known(release: Digest, read: Result<Index, ArtifactError>) -> Result<Digest, Failure> {
    match read {
        Ok(_) => Ok(release),
        Err(error) => Err(error.failure()),
    }
}

/// What a build came to; nothing while it runs.
async fn result(context: &Context, build: &Build) -> Result<Option<Result<Digest, Failure>>, Error> {
    let failed = |name, what: &str| Some(Err(Failure::new(name, format!("{what}. Log: {}", build.log))));
    Ok(match &build.state {
        BuildState::InProgress => None,
        BuildState::Failed(why) => failed(Name::BuildFailed, why),
        BuildState::Stopped => failed(Name::BuildStopped, &format!("{} was stopped", build.id)),
        BuildState::TimedOut => failed(Name::BuildTimedOut, &format!("{} took too long", build.id)),
        BuildState::Succeeded => match build.release.as_deref().map(str::parse::<Digest>) {
            // A bucket that cannot be read now says nothing about the build: whoever woke us tries again.
            Some(Ok(release)) => match context.artifacts.read_index(&release).await {
                Err(ArtifactError::Aws(error)) if error.name().class() == Class::Transient => return Err(error.into()),
                read => Some(known(release, read)),
            },
            Some(Err(invalid)) => failed(Name::NoRelease, &invalid.to_string()),
            None => failed(Name::NoRelease, "the build exported no LOCKGATE_RELEASE"),
        },
    })
}

fn vanished(id: String, application: &RepositoryName, commit: &CommitSha) -> Build {
    Build {
        state: BuildState::Failed(format!("CodeBuild no longer knows {id}")),
        id,
        application: Some(application.clone()),
        commit: Some(commit.clone()),
        deployment: None,
        log: String::new(),
        release: None,
    }
}
