//! A deployment asks: what people need to know is put together, and each of them gets a link.

use domain::approval::{
    Approval, ApprovalId, ApprovalPolicy, Approver, ChecklistItem, CommitLine, Contributor, Counted, Facts,
    IntegrationFacts, Question, When, checklist, co_authors, compared, joined, later, left_by, token,
};
use domain::deployment::{Deployment, Leg};
use domain::environment_state::Unaccepted;
use domain::failure::{Class, Failure, Name};
use domain::ledger::Entry;
use domain::life::{Event, Phase};
use domain::message;
use domain::names::{CommitSha, Digest, RepositoryName, TaskToken};
use domain::parking::{Parked, WaitsFor};
use domain::release::ACCEPTANCE;
use github::{Between, Commit, GitHub};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::{Context, Error, TaskOutput, look};

/// How many commits are read at most, to know who wrote a release: 20 pages, for which GitHub takes most of the time that
/// it has. With more, nobody would know who may accept it.
const COMMITS: usize = 2000;

/// Parks the deployment, then asks.
pub async fn ask(
    context: &Context,
    deployment: &Deployment,
    token: TaskToken,
    now: Timestamp,
) -> Result<TaskOutput, Error> {
    let approval = match policy(deployment)?.when {
        When::After => ApprovalId::of(&deployment.id, When::After),
        When::Before => {
            let head = context.ledger.head(&deployment.id).await?;
            let prepared = head.and_then(|head| head.status.prepared_hash());
            let prepared =
                prepared.ok_or_else(|| look::contradiction("its record does not say what is to be approved"))?;
            ApprovalId::of_change_sets(&deployment.id, &prepared)
        }
    };
    let waits_for = WaitsFor::Approval {
        approval,
        application: deployment.application.clone(),
        environment: deployment.environment.name.clone(),
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    context.ledger.park(&parked).await?;
    // From here on the sweep goes on with it, within minutes: what may pass keeps a release waiting, and never takes one
    // back.
    let looked = timeout(context.asks_within, Box::pin(look::at(context, &parked, now))).await;
    let why = match looked {
        Ok(Ok(_)) => return Ok(TaskOutput::Parked),
        Ok(Err(error)) => {
            let failure = Failure::from(error);
            if failure.name.class() != Class::Transient {
                return Err(Error::Named(failure));
            }
            failure.cause
        }
        Err(_) => "it took too long".to_owned(),
    };
    tracing::warn!(deployment.id = %deployment.id, why, "not everybody is asked yet");
    Ok(TaskOutput::Parked)
}

/// Puts the question together and writes its record. Another invocation may have been first, and its record counts.
pub async fn put(
    context: &Context,
    deployment: &Deployment,
    waits_since: Timestamp,
    now: Timestamp,
) -> Result<Approval, Error> {
    let head = context.ledger.head(&deployment.id).await?;
    let status = head.map(|head| head.status).unwrap_or_default();
    let release = status
        .release
        .clone()
        .ok_or_else(|| look::contradiction("its record does not say which release is to be accepted"))?;
    // Without a key nobody could be sent a link.
    context.keys.keys(now).await?;
    let prepared = status.prepared_hash();
    let question = question(
        context,
        deployment,
        (release, prepared),
        policy(deployment)?,
        waits_since,
    )
    .await?;
    let approval = Approval::ask(deployment, question, now);
    Ok(context.ledger.create_approval(&approval).await?)
}

/// Tells the ledger that people are asked, unless it knows. Before that it would believe no answer.
pub async fn announce(context: &Context, approval: &Approval, now: Timestamp) -> Result<(), Error> {
    let head = context.ledger.head(&approval.deployment).await?;
    if head.is_none_or(|head| head.status.phase >= Phase::Accepting || head.status.decided.is_some()) {
        return Ok(());
    }
    let people = approval.policy.people.iter().map(|person| person.name.clone());
    let asked = Event::ApprovalAsked {
        approval: approval.id.clone(),
        people: people.collect(),
        deadline: approval.deadline,
        unconfirmed: approval.unconfirmed.clone(),
        excluded: approval.excluded(),
    };
    Ok(context.ledger.tell(&approval.deployment, asked, now).await?)
}

fn policy(deployment: &Deployment) -> Result<&ApprovalPolicy, Error> {
    deployment.environment.approval.as_ref().ok_or_else(|| {
        Error::Named(Failure::new(
            Name::InvalidInput,
            format!("{} asks nobody, and was asked for", deployment.environment.name),
        ))
    })
}

async fn question(
    context: &Context,
    deployment: &Deployment,
    (release, prepared): (Digest, Option<Digest>),
    policy: &ApprovalPolicy,
    waits_since: Timestamp,
) -> Result<Question, Error> {
    let (application, environment) = (&deployment.application, &deployment.environment);
    let state = context.ledger.environment(application, &environment.name).await?;
    let counts_from = match (state.accepted, state.stable) {
        (Some(accepted), _) => Some((accepted, Counted::SinceAccepted)),
        (None, Some(stable)) => Some((stable.commit, Counted::SinceStable)),
        (None, None) => None,
    };
    let work = work(
        &context.github().await?,
        application,
        counts_from.as_ref(),
        &deployment.commit,
    )
    .await?;
    let since = counts_from.map(|(since, _)| since);
    let confirmed = context.approvers.confirmed().await?;
    let tested = tested(&context.ledger.entries(&deployment.id).await?);
    let facts = match prepared {
        // They decide on what is to be changed, and on nothing that others have changed before.
        Some(_) => tested,
        None => with_unaccepted(context, deployment, tested, &state.unaccepted).await?,
    };
    let compare_url = since
        .as_ref()
        .filter(|_| matches!(work.counted, Counted::SinceAccepted | Counted::SinceStable))
        .map(|since| compare_page(&context.github_api, application, since, &deployment.commit));
    Ok(Question {
        // What is not there yet cannot be tried.
        checklist: match prepared {
            Some(_) => Vec::new(),
            None => questions(context, &release).await?,
        },
        release,
        prepared,
        policy: policy.clone(),
        contributors: work.commits.iter().chain(&work.own).flat_map(contributors).collect(),
        facts: Facts {
            counted: work.counted,
            compare_url,
            author: work.author(&deployment.commit),
            commits: work.commits.iter().map(line).collect(),
            since,
            ..facts
        },
        unconfirmed: Approval::without_mail(policy, &confirmed),
        waits_since,
    })
}

/// What is to be accepted, as commits.
struct Work {
    counted: Counted,
    /// All that count, newest first.
    commits: Vec<Commit>,
    /// The release's own, where it is none of those: it is still somebody's work.
    own: Option<Commit>,
}

impl Work {
    fn author(&self, commit: &CommitSha) -> String {
        let own = self.commits.iter().chain(&self.own).find(|own| own.sha == *commit);
        own.map(|own| own.author.name.clone()).unwrap_or_default()
    }
}

/// Whose work a release is. Where not all of it can be read, nobody knows who may accept it, and nobody is asked.
async fn work(
    github: &GitHub,
    application: &RepositoryName,
    counts_from: Option<&(CommitSha, Counted)>,
    head: &CommitSha,
) -> Result<Work, Error> {
    let own = async || Ok::<_, Error>(github.commit(application, head).await?);
    let Some((since, counted)) = counts_from else {
        // All of history would leave nobody in an existing repository who may accept its first release.
        return Ok(Work {
            counted: Counted::Own,
            commits: own().await?.into_iter().collect(),
            own: None,
        });
    };
    match github.commits_between(application, since, head, COMMITS).await? {
        Between::Commits(commits) => Ok(Work {
            counted: *counted,
            own: if commits.is_empty() { own().await? } else { None },
            commits,
        }),
        Between::TooMany => Err(too_much(format!(
            "more than {COMMITS} commits would have to be read to know who wrote what is new since {}, which was here \
             before",
            since.short()
        ))),
        Between::Unrelated => {
            let commits = github.commits_up_to(application, head, COMMITS).await?;
            let commits = commits.ok_or_else(|| {
                too_much(format!(
                    "GitHub finds nothing in common with {}, which was here before, and more than {COMMITS} commits lead to \
                     {}",
                    since.short(),
                    head.short()
                ))
            })?;
            Ok(Work {
                counted: Counted::All,
                commits,
                own: None,
            })
        }
    }
}

fn too_much(cause: String) -> Error {
    Error::Named(Failure::new(Name::TooMuchToRead, cause))
}

/// Where GitHub shows the difference between two commits. GitHub Enterprise Server has its API below `/api/v3` of the
/// same host (GitHub Enterprise Server documentation, "Getting started with the REST API").
fn compare_page(api: &str, application: &RepositoryName, since: &CommitSha, head: &CommitSha) -> String {
    let site = match api.trim_end_matches('/') {
        github::API => "https://github.com",
        own => own.trim_end_matches("/api/v3"),
    };
    format!("{site}/{application}/compare/{since}...{head}")
}

/// Everybody who had a part in a commit.
fn contributors(commit: &Commit) -> Vec<Contributor> {
    let mut people = vec![commit.author.clone(), commit.committer.clone()];
    people.extend(co_authors(&commit.message));
    people
}

fn line(commit: &Commit) -> CommitLine {
    CommitLine {
        commit: commit.sha.clone(),
        title: commit.title.clone(),
        author: commit.author.name.clone(),
    }
}

/// What the ledger knows of this deployment's stacks and tests.
fn tested(entries: &[Entry]) -> Facts {
    let mut facts = Facts {
        stacks: compared(entries.iter().map(|entry| &entry.what), Leg::Forward),
        later: later(entries.iter().map(|entry| &entry.what)),
        ..Facts::default()
    };
    for entry in entries {
        match &entry.what {
            Event::SmokeTested {
                leg: Leg::Forward,
                report,
            } => facts.smoke_tests = Some(report.clone()),
            // Without a log, the release had none to run.
            Event::IntegrationTested { passed, log, .. } => {
                facts.integration_tests = (!log.is_empty()).then(|| IntegrationFacts {
                    passed: *passed,
                    log: log.clone(),
                });
            }
            _ => {}
        }
    }
    facts
}

/// The same facts, with what others have changed before that were not accepted.
async fn with_unaccepted(
    context: &Context,
    deployment: &Deployment,
    facts: Facts,
    unaccepted: &Unaccepted,
) -> Result<Facts, Error> {
    let mut records = Vec::new();
    for id in unaccepted.deployments.iter().filter(|id| **id != deployment.id) {
        records.push(context.ledger.entries(id).await?);
    }
    let earlier = left_by(records.iter().map(|entries| entries.iter().map(|entry| &entry.what)));
    Ok(Facts {
        earlier: u32::try_from(earlier.len()).unwrap_or(u32::MAX),
        more_earlier: unaccepted.more,
        stacks: joined(earlier, facts.stacks),
        ..facts
    })
}

/// The checklist that travelled in the release.
async fn questions(context: &Context, release: &Digest) -> Result<Vec<ChecklistItem>, Error> {
    let index = context.artifacts.read_index(release).await?;
    let Some(file) = index.files().iter().find(|file| file.path.as_str() == ACCEPTANCE) else {
        return Ok(Vec::new());
    };
    let markdown = context.artifacts.read_object(file).await?;
    checklist::read(&String::from_utf8_lossy(&markdown))
        .map_err(|error| Error::Named(Failure::new(Name::InvalidChecklist, error.to_string())))
}

/// The mail of one approver, with the link that is theirs.
pub async fn mail(
    context: &Context,
    approval: &Approval,
    approver: &Approver,
    is_reminder: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = context.keys.keys(now).await?;
    let token = token::mint(&keys, &token::Claims::of(approval, approver));
    let link = format!("{}/approvals/{}?token={}", context.pages, approval.id, token.expose());
    let message = if is_reminder {
        message::reminder(approval, approver, &link)
    } else {
        message::asked(approval, approver, &link)
    };
    context.approvers.ask(approver, &message.subject, &message.body).await?;
    Ok(())
}
