//! A deployment asks: what people need to know is put together, and each of them gets a link.

use domain::approval::{
    Approval, ApprovalId, ApprovalPolicy, Approver, ChecklistItem, CommitLine, Contributor, Facts, IntegrationFacts,
    Question, checklist, co_authors, resources, token,
};
use domain::deployment::{Deployment, Leg};
use domain::environment_state::Unstable;
use domain::failure::{Failure, Name};
use domain::ledger::Entry;
use domain::life::{Event, Phase};
use domain::message;
use domain::names::{CommitSha, Digest, RepositoryName, TaskToken};
use domain::parking::{Parked, WaitsFor};
use domain::release::ACCEPTANCE;
use jiff::Timestamp;

use crate::{Context, Error, TaskOutput, look};

/// How many commits since the last accepted release are looked at for their authors. Beyond that, people are told that
/// there are more; whoever wrote only those may answer.
const COMMITS: usize = 500;

/// Parks the deployment, then asks.
pub async fn ask(
    context: &Context,
    deployment: &Deployment,
    token: TaskToken,
    now: Timestamp,
) -> Result<TaskOutput, Error> {
    let policy = policy(deployment)?;
    let waits_for = WaitsFor::Approval {
        approval: ApprovalId::of(&deployment.id, policy.when),
        application: deployment.application.clone(),
        environment: deployment.environment.name.clone(),
    };
    let parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    context.ledger.park(&parked).await?;
    look::at(context, &parked, now).await?;
    Ok(TaskOutput::Parked)
}

/// Puts the question together and writes its record. Another invocation may have been first, and its record counts.
pub async fn put(context: &Context, deployment: &Deployment, now: Timestamp) -> Result<Approval, Error> {
    let head = context.ledger.head(&deployment.id).await?;
    let release = head.and_then(|head| head.status.release);
    let release =
        release.ok_or_else(|| look::contradiction("its record does not say which release is to be accepted"))?;
    let approval = prepare(context, deployment, release, policy(deployment)?, now).await?;
    Ok(context.ledger.create_approval(&approval).await?)
}

/// Tells the ledger that people are asked, unless it knows. Before that it would believe no answer.
pub async fn announce(context: &Context, approval: &Approval, now: Timestamp) -> Result<(), Error> {
    let head = context.ledger.head(&approval.deployment).await?;
    if head.is_none_or(|head| head.status.phase >= Phase::Accepting) {
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

async fn prepare(
    context: &Context,
    deployment: &Deployment,
    release: Digest,
    policy: &ApprovalPolicy,
    now: Timestamp,
) -> Result<Approval, Error> {
    // Without a key nobody could be sent a link.
    context.keys.keys(now).await?;
    let (application, environment) = (&deployment.application, &deployment.environment);
    let state = context.ledger.environment(application, &environment.name).await?;
    let since = state.stable.map(|stable| stable.commit);
    let github = context.github().await?;
    let commits = github
        .commits_between(application, since.as_ref(), &deployment.commit, COMMITS)
        .await?;
    // Where nothing is new, the commit itself is still somebody's work.
    let own = if commits.commits.is_empty() {
        github.commit(application, &deployment.commit).await?
    } else {
        None
    };
    let confirmed = context.approvers.confirmed().await?;
    let unconfirmed = policy
        .people
        .iter()
        .filter(|person| person.name.mail().is_some_and(|mail| !confirmed.contains(mail)))
        .map(|person| person.name.clone());
    let tested = tested(&context.ledger.entries(&deployment.id).await?);
    let facts = with_unstable(context, deployment, tested, &state.unstable).await?;
    let question = Question {
        checklist: questions(context, &release).await?,
        release,
        policy: policy.clone(),
        contributors: commits.commits.iter().chain(&own).flat_map(contributors).collect(),
        facts: Facts {
            compare_url: commits
                .since
                .as_ref()
                .map(|since| compare_page(&context.github_api, application, since, &deployment.commit)),
            more_commits: more_than_listed(&commits),
            commits: commits.commits.iter().map(line).collect(),
            since: commits.since,
            ..facts
        },
        unconfirmed: unconfirmed.collect(),
    };
    Ok(Approval::ask(deployment, question, now))
}

/// How many commits there are beyond those that GitHub was asked for; one, where it does not count them.
fn more_than_listed(commits: &github::Commits) -> u32 {
    let more = match commits.total {
        Some(total) => total.saturating_sub(commits.commits.len()),
        None => usize::from(!commits.complete),
    };
    u32::try_from(more).unwrap_or(u32::MAX)
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
fn contributors(commit: &github::Commit) -> Vec<Contributor> {
    let mut people = vec![commit.author.clone(), commit.committer.clone()];
    people.extend(co_authors(&commit.message));
    people
}

fn line(commit: &github::Commit) -> CommitLine {
    CommitLine {
        commit: commit.sha.clone(),
        title: commit.title.clone(),
        author: commit.author.name.clone(),
    }
}

/// What the ledger knows of this deployment's stacks and tests.
fn tested(entries: &[Entry]) -> Facts {
    let mut facts = Facts {
        stacks: resources::compared(entries.iter().map(|entry| &entry.what)),
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

/// The same facts, with what others have changed since the last stable release that were not accepted.
async fn with_unstable(
    context: &Context,
    deployment: &Deployment,
    facts: Facts,
    unstable: &Unstable,
) -> Result<Facts, Error> {
    let mut earlier = Vec::new();
    for id in unstable.deployments.iter().filter(|id| **id != deployment.id) {
        let entries = context.ledger.entries(id).await?;
        earlier.push(resources::changed(entries.iter().map(|entry| &entry.what)));
    }
    earlier.retain(|stacks| !stacks.is_empty());
    Ok(Facts {
        earlier: u32::try_from(earlier.len()).unwrap_or(u32::MAX),
        more_earlier: unstable.more,
        stacks: resources::joined(earlier, facts.stacks),
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
