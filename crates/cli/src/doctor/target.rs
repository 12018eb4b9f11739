//! What is in the account of an environment.

use aws::alarms::Alarms;
use aws::parameters::Parameters;
use aws::stacks::{self, Stacks};
use aws::{Aws, bootstrap};
use domain::bake::BakePolicy;
use domain::doctor::{self as findings, Check, Finding, Place, Toolkit};

use super::not_told;

/// Under this name the CDK CLI bootstraps where no other is chosen.
const TOOLKIT: &str = "CDKToolkit";
/// Lockgate's own stack in a target account.
const STACK: &str = "lockgate-environment";

/// Looks at the account with a profile of it.
pub(super) async fn examine(
    aws: &Aws,
    place: &Place,
    profile: &str,
    bake: Option<&BakePolicy>,
    has_stable: bool,
) -> Vec<Finding> {
    match bootstrap::acting_account(aws).await {
        Ok(account) if account == place.account.as_str() => {}
        Ok(account) => return vec![findings::other_account(place, profile, &account)],
        Err(error) => return vec![not_told(Check::Target, &place.about, &error)],
    }
    let mut found = vec![version(aws, place).await, trust(aws, place).await];
    found.extend(stack(aws, place).await);
    if let Some(bake) = bake {
        match Alarms::new(aws).look_before(&bake.alarms).await {
            Ok((seen, _)) => found.extend(findings::alarms(place, &seen, has_stable)),
            Err(error) => found.push(not_told(Check::Alarms, &place.about, &error)),
        }
    }
    found
}

async fn version(aws: &Aws, place: &Place) -> Finding {
    let parameter = format!("/cdk-bootstrap/{}/version", place.qualifier);
    match Parameters::new(aws.ssm()).value(&parameter).await {
        Ok(version) => findings::bootstrap(place, version.as_deref()),
        Err(error) => not_told(Check::Bootstrap, &place.about, &error),
    }
}

async fn trust(aws: &Aws, place: &Place) -> Finding {
    let told = match stacks::told(aws, TOOLKIT).await {
        Ok(told) => told,
        Err(error) => return not_told(Check::BootstrapTrust, &place.about, &error),
    };
    let toolkit = told.map(|told| {
        let parameter = |name: &str| told.parameters.get(name).cloned().unwrap_or_default();
        Toolkit {
            qualifier: parameter("Qualifier"),
            trusted: parameter("TrustedAccounts"),
        }
    });
    findings::trust(place, toolkit.as_ref())
}

async fn stack(aws: &Aws, place: &Place) -> Vec<Finding> {
    let told = match stacks::told(aws, STACK).await {
        Ok(told) => told,
        Err(error) => return vec![not_told(Check::EnvironmentStack, &place.about, &error)],
    };
    let mut found = vec![findings::environment_stack(
        place,
        told.as_ref().map(|told| &told.status),
    )];
    if told.is_some() {
        found.push(match Stacks::new(aws, &place.region).resources(STACK).await {
            Ok(resources) => findings::parts(place, &resources),
            Err(error) => not_told(Check::EnvironmentParts, &place.about, &error),
        });
    }
    found
}
