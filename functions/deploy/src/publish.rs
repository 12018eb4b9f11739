//! Copies what the stacks need to where CloudFormation finds it.

use std::collections::{BTreeMap, BTreeSet};

use aws::artifacts::Brought;
use aws::bootstrap;
use aws::clients::publisher_role;
use domain::assembly::{Publication, document, partition, publications};
use domain::deployment::{Deployment, Environment, Leg};
use domain::failure::Name;
use domain::life::Event;
use domain::names::Digest;
use domain::release::IndexedFile;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use crate::release::Selection;
use crate::{Context, Error, Output};

/// How many copies go on at once: S3 takes thousands, and a function has so many connections.
const AT_ONCE: usize = 8;

pub(crate) async fn publish(
    context: &Context,
    deployment: &Deployment,
    release: &Digest,
    leg: Leg,
) -> Result<Output, Error> {
    let environment = &deployment.environment;
    let selection = Selection::read(&context.artifacts, release, environment).await?;
    let publications = all_publications(&selection, environment)?;
    let role = publisher_role(&environment.account, &environment.region);
    let publisher = context
        .aws
        .acting_as(&role, &deployment.id, &environment.region, Some(&context.external_id));

    let buckets: BTreeSet<&str> = publications
        .iter()
        .map(|publication| publication.to.bucket.as_str())
        .collect();
    for bucket in buckets {
        if !bootstrap::has_bucket(&publisher, bucket, &environment.account).await? {
            let why = format!("there is no bucket {bucket}");
            return Err(bootstrap_missing(context, environment, &why).await?);
        }
    }
    for stack in &selection.stacks {
        // CloudFormation reads the template's copy; what it is a copy of is read here once, byte for byte.
        let template = document(&selection.index, &stack.template)?;
        context.artifacts.read_object(template).await?;
    }

    let files: BTreeMap<&Digest, &IndexedFile> = selection
        .index
        .files()
        .iter()
        .map(|file| (&file.sha256, file))
        .collect();
    let brought: Vec<Brought> = futures::stream::iter(publications.iter().map(|publication| {
        let file = files.get(&publication.sha256).copied();
        let publisher = &publisher;
        async move {
            if let Some(file) = file {
                context.artifacts.verify_object(file).await?;
            }
            let copied = context
                .artifacts
                .copy(publisher, publication, &environment.account)
                .await?;
            Ok::<_, Error>(copied)
        }
    }))
    .buffer_unordered(AT_ONCE)
    .try_collect()
    .await?;

    let copied = brought.iter().filter(|brought| **brought == Brought::Now).count();
    let present = brought.len() - copied;
    let outcome = Event::Published { leg, copied, present };
    context.ledger.record(&deployment.id, outcome, Timestamp::now()).await?;
    Ok(if deployment.prepares(leg) {
        Output::ToPrepare { copied, present }
    } else {
        Output::Published { copied, present }
    })
}

/// Everything that all stacks need, each place once.
fn all_publications(selection: &Selection, environment: &Environment) -> Result<Vec<Publication>, Error> {
    let mut all: BTreeMap<_, Publication> = BTreeMap::new();
    for stack in &selection.stacks {
        for publication in publications(&selection.index, stack, environment)? {
            if let Some(other) = all.insert(publication.to.clone(), publication.clone())
                && other.sha256 != publication.sha256
            {
                let place = format!("s3://{}/{}", other.to.bucket, other.to.key);
                let cause = format!("two different files of the release both have to lie at {place}");
                return Err(Error::new(Name::UnsupportedAssembly, cause));
            }
        }
    }
    Ok(all.into_values().collect())
}

/// That the account is not bootstrapped, with the command that does it.
pub(crate) async fn bootstrap_missing(context: &Context, environment: &Environment, why: &str) -> Result<Error, Error> {
    let tools = bootstrap::acting_account(&context.aws).await?;
    let Environment {
        account,
        region,
        qualifier,
        ..
    } = environment;
    let qualifier = match qualifier.as_str() {
        DEFAULT_QUALIFIER => String::new(),
        chosen => format!(" --qualifier {chosen}"),
    };
    // The policy is what `cdk bootstrap` takes by itself without `--trust`; with it, it has to be said.
    let command = format!(
        "cdk bootstrap aws://{account}/{region} --trust {tools}{qualifier} \
         --cloudformation-execution-policies arn:{}:iam::aws:policy/AdministratorAccess",
        partition(region)
    );
    Ok(Error::new(Name::BootstrapMissing, format!("{why}; run `{command}`")))
}

const DEFAULT_QUALIFIER: &str = "hnb659fds";
