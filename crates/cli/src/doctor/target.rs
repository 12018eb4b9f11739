//! What is in the account of an environment.

use std::collections::BTreeMap;

use aws::alarms::Alarms;
use aws::clients::{deploy_role, observer_role, publisher_role, role_arn, tester_role};
use aws::parameters::Parameters;
use aws::roles::Roles;
use aws::rules::Rules;
use aws::stacks::{self, Stacks};
use aws::{Aws, Kind, bootstrap};
use domain::bake::BakePolicy;
use domain::doctor::{self as findings, Assumed, Check, Finding, Place, RuleSeen, Toolkit};
use domain::names::AccountId;
use domain::stack_status::StackResource;

use super::not_told;
use super::tools::{DEPLOY, ROLLBACK, SMOKE_TEST};

/// Under this name the CDK CLI bootstraps where no other is chosen.
const TOOLKIT: &str = "CDKToolkit";
/// Lockgate's own stack in a target account.
const STACK: &str = "lockgate-environment";
/// Its rules, by how their ids begin, and what each is for.
const RULES: [(&str, &str); 2] = [
    ("Settled", "the rule that tells of stacks"),
    ("Fired", "the rule that tells of alarms"),
];

/// An account that is looked at with a profile of it.
pub(super) struct Target<'a> {
    pub(super) aws: Aws,
    pub(super) place: &'a Place,
    pub(super) profile: &'a str,
    /// The external id that each function says, where it could be seen.
    pub(super) says: &'a BTreeMap<&'static str, Option<String>>,
    /// Where its rules have to send their events.
    pub(super) bus: String,
    pub(super) bake: Option<&'a BakePolicy>,
    /// Whether a release is stable there.
    pub(super) has_stable: bool,
}

impl Target<'_> {
    /// Looks at all of it.
    pub(super) async fn examine(&self) -> Vec<Finding> {
        let place = self.place;
        match bootstrap::acting_account(&self.aws).await {
            Ok(account) if account == place.account.as_str() => {}
            Ok(account) => return vec![findings::other_account(place, self.profile, &account)],
            Err(error) => return vec![not_told(Check::Target, &place.about, &error)],
        }
        let mut found = vec![self.version().await, self.trust().await];
        found.extend(self.stack().await);
        if let Some(bake) = self.bake {
            match Alarms::new(&self.aws).look_before(&bake.alarms).await {
                Ok((seen, _)) => found.extend(findings::alarms(place, &seen, self.has_stable)),
                Err(error) => found.push(not_told(Check::Alarms, &place.about, &error)),
            }
        }
        found
    }

    async fn version(&self) -> Finding {
        let place = self.place;
        let parameter = format!("/cdk-bootstrap/{}/version", place.qualifier);
        match Parameters::new(self.aws.ssm()).value(&parameter).await {
            Ok(version) => findings::bootstrap(place, version.as_deref()),
            Err(error) => not_told(Check::Bootstrap, &place.about, &error),
        }
    }

    /// Whom the deploy role trusts. Who may not look at it is told what the bootstrap's stack was told.
    async fn trust(&self) -> Finding {
        let place = self.place;
        if place.account.as_str() == place.tools {
            return findings::toolkit(place, None);
        }
        let role = named(&deploy_role(&place.account, &place.region, &place.qualifier));
        match Roles::new(self.aws.iam()).trust_policy(&role).await {
            Ok(policy) => {
                let trust = policy.map(|policy| self.trusted(&policy, DEPLOY));
                findings::deploy_role(place, &role, trust.as_ref())
            }
            Err(error) if error.is(Kind::AccessDenied) => self.toolkit().await,
            Err(error) => not_told(Check::BootstrapTrust, &place.about, &error),
        }
    }

    async fn toolkit(&self) -> Finding {
        let told = match stacks::told(&self.aws, TOOLKIT).await {
            Ok(told) => told,
            Err(error) => return not_told(Check::BootstrapTrust, &self.place.about, &error),
        };
        let toolkit = told.map(|told| {
            let parameter = |name: &str| told.parameters.get(name).cloned().unwrap_or_default();
            Toolkit {
                qualifier: parameter("Qualifier"),
                trusted: parameter("TrustedAccounts"),
            }
        });
        findings::toolkit(self.place, toolkit.as_ref())
    }

    /// What a trust policy means for a function of the tools account.
    fn trusted(&self, policy: &str, function: &str) -> findings::Trust {
        let Place { tools, region, .. } = self.place;
        // The partition is the same for both: nothing is assumed across partitions.
        let role = tools
            .parse::<AccountId>()
            .map(|account| role_arn(&account, region, function));
        findings::trust(policy, tools, &role.unwrap_or_default())
    }

    async fn stack(&self) -> Vec<Finding> {
        let (aws, place) = (&self.aws, self.place);
        let told = match stacks::told(aws, STACK).await {
            Ok(told) => told,
            Err(error) => return vec![not_told(Check::EnvironmentStack, &place.about, &error)],
        };
        let mut found = vec![findings::environment_stack(
            place,
            told.as_ref().map(|told| &told.status),
        )];
        if told.is_none() {
            return found;
        }
        match Stacks::new(aws, &place.region).resources(STACK).await {
            Ok(resources) => {
                found.push(findings::parts(place, &resources));
                found.extend(self.roles().await);
                found.extend(self.rules(&resources).await);
            }
            Err(error) => found.push(not_told(Check::EnvironmentParts, &place.about, &error)),
        }
        found
    }

    /// Whether our roles there trust the functions that assume them.
    async fn roles(&self) -> Vec<Finding> {
        let place = self.place;
        let iam = Roles::new(self.aws.iam());
        let pairs = [
            (DEPLOY, publisher_role(&place.account, &place.region)),
            (SMOKE_TEST, tester_role(&place.account, &place.region)),
            (ROLLBACK, observer_role(&place.account, &place.region)),
        ];
        let mut assumed = Vec::new();
        for (function, arn) in pairs {
            let role = named(&arn);
            match iam.trust_policy(&role).await {
                Ok(policy) => assumed.push(Assumed {
                    function,
                    role,
                    trust: policy.map(|policy| self.trusted(&policy, function)),
                    says: self.says.get(function).cloned().flatten(),
                }),
                Err(error) => return vec![not_told(Check::EnvironmentRoles, &place.about, &error)],
            }
        }
        findings::own_roles(place, &assumed)
    }

    /// Whether the rules there send their events to the pipeline. Those that the stack does not have were told of before.
    async fn rules(&self, resources: &[StackResource]) -> Vec<Finding> {
        let (name, place) = (Check::EnvironmentRules, self.place);
        let events = Rules::new(self.aws.events());
        let mut seen = Vec::new();
        for (id, what) in RULES {
            let is_it = |resource: &&StackResource| {
                resource.resource_type == "AWS::Events::Rule" && resource.logical_id.starts_with(id)
            };
            let Some(resource) = resources.iter().find(is_it) else {
                continue;
            };
            match events.look(&resource.physical_id).await {
                Ok(rule) => seen.push(RuleSeen {
                    name: resource.physical_id.clone(),
                    what: what.to_owned(),
                    found: rule.map(|rule| (rule.is_on, rule.targets)),
                }),
                Err(error) => return vec![not_told(name, &place.about, &error)],
            }
        }
        findings::rules(name, &place.about, &seen, Some(&self.bus))
    }
}

/// A role's name, of its ARN.
fn named(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}
