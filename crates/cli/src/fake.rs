//! A pipeline in memory, for tests: its ledger, its applications and what its stack says.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use aws::{Aws, Ledger};
use clap::Parser as _;
use domain::configuration::{Application, Configuration};
use domain::deployment::Deployment;
use domain::environment_state::{Candidate, EnvironmentState, StableRelease};
use domain::life::Event;
use domain::names::Digest;
use fake_aws::{FakeAws, TABLE, sample};

use crate::records::{Pipeline, Records};

/// The pipeline.
pub struct Fake {
    /// What it runs on.
    pub backend: FakeAws,
    /// The way there.
    pub aws: Aws,
}

#[derive(clap::Parser)]
struct OfPipeline {
    #[command(flatten)]
    pipeline: Pipeline,
}

#[derive(clap::Parser)]
struct OfRecords {
    #[command(flatten)]
    records: Records,
}

impl Fake {
    /// One that nothing was configured for.
    pub async fn new() -> Self {
        let backend = FakeAws::default();
        let aws = Aws::with(backend.config().await);
        Self { backend, aws }
    }

    /// One that these applications of a `lockgate.toml` are configured for.
    pub async fn with(applications: &str) -> Self {
        let fake = Self::new().await;
        for application in configured(applications) {
            let name = format!("/lockgate/applications/{}", application.repository);
            let json = serde_json::to_string(&application).unwrap();
            fake.backend.state().parameters.insert(name, json);
        }
        fake
    }

    /// Its ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(self.aws.dynamodb(), TABLE)
    }

    /// Where its records are, as the options say it.
    pub fn pipeline(&self) -> Pipeline {
        self.has_stack();
        OfPipeline::try_parse_from(["lockgate", "--ledger", TABLE])
            .unwrap()
            .pipeline
    }

    /// An environment, as the options say it.
    pub fn records(&self, application: &str, environment: &str) -> Records {
        self.has_stack();
        let words = ["lockgate", application, environment, "--ledger", TABLE];
        OfRecords::try_parse_from(words).unwrap().records
    }

    /// A deployment that became stable: it was asked for, and its environment and its list of releases say so.
    pub async fn brings(&self, deployment: &Deployment, release: &Digest) {
        let ledger = self.ledger();
        let at = deployment.requested.at;
        let event = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        ledger.record(&deployment.id, event, at).await.unwrap();
        let stable = StableRelease {
            release: release.clone(),
            ..sample::stable(deployment)
        };
        let (application, name) = (&deployment.application, &deployment.environment.name);
        ledger.record_stable(application, name, &stable).await.unwrap();
        let bring = |state: &mut EnvironmentState| {
            state.newest = Some(Candidate::of(deployment));
            state.stable = Some(stable.clone());
        };
        ledger.change_environment(application, name, bring).await.unwrap();
    }

    /// The names of the executions that were started.
    pub fn executions(&self) -> Vec<String> {
        self.backend.state().executions.keys().cloned().collect()
    }

    fn has_stack(&self) {
        let outputs = [
            ("StateMachine", sample::MACHINE),
            ("ArtifactsBucket", sample::ARTIFACTS),
        ];
        let outputs = outputs.map(|(key, value)| {
            format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
        });
        let stack = format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>lockgate-pipeline</StackName>\
             <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>UPDATE_COMPLETE</StackStatus>\
             <Outputs>{}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
            outputs.concat()
        );
        self.backend.says("DescribeStacks", [(200, stack)]);
    }
}

/// The applications of a `lockgate.toml` whose pipeline is in account 111111111111.
pub fn configured(applications: &str) -> Vec<Application> {
    let pipeline = "[pipeline]\naccount = \"111111111111\"\nregion = \"eu-west-1\"\n\
                    external_id = \"0123456789abcdef0123456789abcdef\"\n";
    Configuration::read(&format!("{pipeline}{applications}"))
        .unwrap()
        .applications
}
