//! Builds: what is kept of them, and CodeBuild.

use aws_sdk_codebuild::types::{
    EnvironmentVariable, EnvironmentVariableType, ProjectEnvironment, ServerType, SourceType, StatusType,
};
use domain::build_record::BuildRecord;
use domain::failure::Failure;
use domain::names::{CommitSha, DeploymentId, EnvironmentName, RepositoryName};
use jiff::Timestamp;

use crate::error::{Error, Kind, during};
use crate::ledger::{Condition, Ledger};

/// The variable by which a build names the release it made.
pub const RELEASE_VARIABLE: &str = "LOCKGATE_RELEASE";
const APPLICATION_VARIABLE: &str = "LOCKGATE_APPLICATION";
const DEPLOYMENT_VARIABLE: &str = "LOCKGATE_DEPLOYMENT";

impl Ledger {
    /// What is known of a commit's build.
    pub async fn build(&self, application: &RepositoryName, commit: &CommitSha) -> Result<BuildRecord, Error> {
        self.look(&partition(application, commit), "build").await
    }

    /// Changes what is known of a commit's build by a transition of the domain, and returns what the transition said.
    pub async fn change_build<Answer>(
        &self,
        application: &RepositoryName,
        commit: &CommitSha,
        transition: impl Fn(&BuildRecord, Timestamp) -> (Answer, BuildRecord),
        now: Timestamp,
    ) -> Result<Answer, Error> {
        let change = |record: &mut BuildRecord| {
            let (answer, next) = transition(record, now);
            *record = next;
            answer
        };
        self.change(
            &partition(application, commit),
            "build",
            change,
            |_| None,
            |_| Condition::default(),
        )
        .await
    }
}

fn partition(application: &RepositoryName, commit: &CommitSha) -> String {
    format!("build#{application}#{commit}")
}

/// One run of a release's integration tests.
#[derive(Debug)]
pub struct TestRun<'run> {
    /// The application.
    pub application: &'run RepositoryName,
    /// The commit whose source is checked out.
    pub commit: &'run CommitSha,
    /// The deployment that waits.
    pub deployment: &'run DeploymentId,
    /// The environment that is tested.
    pub environment: &'run EnvironmentName,
    /// What to run: a buildspec's text.
    pub specification: &'run str,
    /// The outputs of the environment's stacks, as JSON.
    pub outputs: &'run str,
}

/// CodeBuild, and one project that runs something of all applications.
#[derive(Debug, Clone)]
pub struct Builds {
    client: aws_sdk_codebuild::Client,
    project: String,
}

/// A build as CodeBuild tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its id, `<project>:<uuid>`.
    pub id: String,
    /// The application it builds, as we said when it was started.
    pub application: Option<RepositoryName>,
    /// The commit it builds.
    pub commit: Option<CommitSha>,
    /// The deployment whose environment it tests.
    pub deployment: Option<DeploymentId>,
    /// How far it is.
    pub state: BuildState,
    /// Where its log can be read.
    pub log: String,
    /// The release it named, as it named it.
    pub release: Option<String>,
}

/// What came of asking CodeBuild to start a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It runs, or has run already for the same token.
    Begun(Build),
    /// As many builds wait as the account may have (`AccountLimitExceededException`), or CodeBuild was asked too often.
    /// Nothing happened, and later it may.
    Full,
    /// CodeBuild will not, however often it is asked.
    Refused(Failure),
}

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildState {
    /// Not over.
    InProgress,
    /// Over and well.
    Succeeded,
    /// A command failed; which, in CodeBuild's words.
    Failed(String),
    /// Somebody stopped it.
    Stopped,
    /// It took too long.
    TimedOut,
}

/// Which of these projects are there.
pub async fn projects(client: &aws_sdk_codebuild::Client, names: &[&str]) -> Result<Vec<String>, Error> {
    let asked = names.iter().map(|name| (*name).to_owned()).collect();
    let answer = client.batch_get_projects().set_names(Some(asked)).send().await;
    let found = answer
        .map_err(during("codebuild:BatchGetProjects"))?
        .projects
        .unwrap_or_default();
    Ok(found.into_iter().filter_map(|project| project.name).collect())
}

/// By what kinds of credentials CodeBuild shows itself to GitHub in this account and region; it shows them to nobody.
pub async fn source_credentials(client: &aws_sdk_codebuild::Client) -> Result<Vec<String>, Error> {
    let answer = client.list_source_credentials().send().await;
    let found = answer
        .map_err(during("codebuild:ListSourceCredentials"))?
        .source_credentials_infos;
    let of_github = |kind: Option<&ServerType>| kind == Some(&ServerType::Github);
    let found = found
        .unwrap_or_default()
        .into_iter()
        .filter(|one| of_github(one.server_type.as_ref()));
    Ok(found
        .filter_map(|one| one.auth_type)
        .map(|kind| kind.as_str().to_owned())
        .collect())
}

impl Builds {
    /// The builds of this project.
    pub fn new(client: aws_sdk_codebuild::Client, project: impl Into<String>) -> Self {
        Self {
            client,
            project: project.into(),
        }
    }

    /// Starts the build of a commit, which the repository may have as the head of a pull request only. Starting it again with
    /// the same token within five minutes returns the same build.
    pub async fn start(
        &self,
        application: &RepositoryName,
        commit: &CommitSha,
        pull_request: Option<u64>,
        token: String,
    ) -> Result<Start, Error> {
        let variables = [(APPLICATION_VARIABLE, application.as_str())];
        let version = source_version(commit, pull_request);
        self.run(application, version, &variables, None, token).await
    }

    /// Starts integration tests. Starting them again with the same token within five minutes returns the same build.
    pub async fn test(&self, run: &TestRun<'_>, token: String) -> Result<Start, Error> {
        let variables = [
            (APPLICATION_VARIABLE, run.application.as_str()),
            (DEPLOYMENT_VARIABLE, run.deployment.as_str()),
            ("LOCKGATE_ENVIRONMENT", run.environment.as_str()),
            ("LOCKGATE_COMMIT", run.commit.as_str()),
            ("LOCKGATE_OUTPUTS", run.outputs),
        ];
        let version = source_version(run.commit, None);
        self.run(run.application, version, &variables, Some(run.specification), token)
            .await
    }

    async fn run(
        &self,
        application: &RepositoryName,
        version: String,
        variables: &[(&str, &str)],
        specification: Option<&str>,
        token: String,
    ) -> Result<Start, Error> {
        let operation = "codebuild:StartBuild";
        let variables = variables.iter().map(|(name, value)| {
            EnvironmentVariable::builder()
                .name(*name)
                .value(*value)
                .r#type(EnvironmentVariableType::Plaintext)
                .build()
                .map_err(|error| Error::unexpected(operation, error.to_string()))
        });
        let answer = self
            .client
            .start_build()
            .project_name(&self.project)
            .source_type_override(SourceType::Github)
            .source_location_override(format!("https://github.com/{application}.git"))
            .source_version(version)
            .set_environment_variables_override(Some(variables.collect::<Result<_, _>>()?))
            .set_buildspec_override(specification.map(str::to_owned))
            .idempotency_token(token)
            .send()
            .await
            .map_err(during(operation));
        match answer {
            Ok(answer) => answer
                .build_value
                .as_ref()
                .map(|build| Start::Begun(read(build)))
                .ok_or_else(|| Error::unexpected(operation, "the answer names no build")),
            Err(error) => match error.kind {
                Kind::Throttled => {
                    tracing::warn!(error.cause = %error, "CodeBuild takes no more at the moment");
                    Ok(Start::Full)
                }
                Kind::Unavailable | Kind::Unanswered | Kind::AlreadyAsked => Err(error),
                Kind::AccessDenied | Kind::NotFound | Kind::Conflict | Kind::Invalid | Kind::Unexpected => {
                    Ok(Start::Refused(error.failure()))
                }
            },
        }
    }

    /// A build as it is now, by id or ARN; nothing, where CodeBuild knows none.
    pub async fn look(&self, id: &str) -> Result<Option<Build>, Error> {
        let id = id.rsplit_once(":build/").map_or(id, |(_, id)| id);
        let answer = self
            .client
            .batch_get_builds()
            .ids(id)
            .send()
            .await
            .map_err(during("codebuild:BatchGetBuilds"))?;
        Ok(answer
            .builds()
            .first()
            .filter(|build| build.project_name() == Some(&self.project))
            .map(read))
    }
}

/// A commit as CodeBuild is told it. One of a fork is found only by the pull request that brings it (AWS CodeBuild user
/// guide, "Source version sample": a reference and a commit ID).
fn source_version(commit: &CommitSha, pull_request: Option<u64>) -> String {
    match pull_request {
        Some(number) => format!("refs/pull/{number}/head^{{{commit}}}"),
        None => commit.to_string(),
    }
}

fn commit_of(source_version: &str) -> Option<CommitSha> {
    let commit = source_version
        .split_once("^{")
        .map_or(Some(source_version), |(_, rest)| rest.strip_suffix('}'));
    commit?.parse().ok()
}

fn read(build: &aws_sdk_codebuild::types::Build) -> Build {
    let variable = |name: &str| {
        build
            .environment()
            .into_iter()
            .flat_map(ProjectEnvironment::environment_variables)
            .find(|variable| variable.name() == name)
            .map(EnvironmentVariable::value)
    };
    let state = match build.build_status() {
        Some(StatusType::Succeeded) => BuildState::Succeeded,
        Some(StatusType::Stopped) => BuildState::Stopped,
        Some(StatusType::TimedOut) => BuildState::TimedOut,
        Some(StatusType::InProgress) | None => BuildState::InProgress,
        Some(_) => BuildState::Failed(why(build)),
    };
    Build {
        id: build.id().unwrap_or_default().to_owned(),
        application: variable(APPLICATION_VARIABLE).and_then(|name| name.parse().ok()),
        deployment: variable(DEPLOYMENT_VARIABLE).and_then(|id| id.parse().ok()),
        commit: build.source_version().and_then(commit_of),
        state,
        log: build
            .logs()
            .and_then(|logs| logs.deep_link())
            .unwrap_or_default()
            .to_owned(),
        release: build
            .exported_environment_variables()
            .iter()
            .find(|variable| variable.name() == Some(RELEASE_VARIABLE))
            .and_then(|variable| variable.value())
            .map(str::to_owned),
    }
}

/// The first phase that did not succeed, in CodeBuild's words.
fn why(build: &aws_sdk_codebuild::types::Build) -> String {
    build
        .phases()
        .iter()
        .filter(|phase| {
            phase
                .phase_status()
                .is_some_and(|status| *status != StatusType::Succeeded)
        })
        .find_map(|phase| {
            let kind = phase.phase_type().map_or("a phase", |kind| kind.as_str());
            let message = phase.contexts().iter().find_map(|context| context.message())?;
            Some(format!("{kind}: {message}"))
        })
        .unwrap_or_else(|| "CodeBuild gives no reason".to_owned())
}
