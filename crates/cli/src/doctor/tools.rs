//! What is in the tools account.

use std::collections::BTreeMap;

use aws::clients::{deploy_role, observer_role, publisher_role, role_arn, tester_role};
use aws::executions::Executions;
use aws::functions::Functions;
use aws::notifications::subscriptions;
use aws::parameters::Parameters;
use aws::roles::Roles;
use aws::rules::Rules;
use aws::stacks::Stacks;
use aws::{Kind, Ledger, builds};
use domain::approval::token::Key;
use domain::assembly::partition;
use domain::causes::with_causes;
use domain::configuration::Application;
use domain::doctor::{self as findings, Asked, Check, Finding, Place, RuleSeen, Subscription};
use domain::names::{AccountId, Region};
use domain::signature::WebhookSecret;

use super::github::Private;
use super::{Installation, not_told, of};
use crate::api::http_client;

const SECRET: &str = "/lockgate/webhook/secret";
const PREVIOUS: &str = "/lockgate/webhook/secret-previous";
const KEY: &str = "/lockgate/approval/key";

/// The projects of infra/lib/constructs, by name.
const PROJECTS: [&str; 2] = ["lockgate-build", "lockgate-integration"];
/// What a function says when it assumes a role of a target account, by the variable that has it.
const EXTERNAL_ID: &str = "LOCKGATE_EXTERNAL_ID";
/// The functions that assume roles of target accounts. Each one's role is called as it is.
pub(super) const DEPLOY: &str = "lockgate-deploy";
pub(super) const SMOKE_TEST: &str = "lockgate-smoke-test";
pub(super) const ROLLBACK: &str = "lockgate-rollback";

/// What GitHub sends when a webhook is made, as far as anybody reads it.
const PING: &str = r#"{"zen":"lockgate doctor"}"#;
/// Nothing is kept of a ping, so that all of them may be called the same.
const DELIVERY: &str = "00000000-0000-0000-0000-000000000000";

impl Installation<'_> {
    /// The ledger, where its name is known, and whether it answers.
    pub(super) async fn ledger(&self, given: Option<&str>) -> (Option<Ledger>, Finding) {
        let name = Check::Ledger;
        let output = self.outputs.get("LedgerTable").map(String::as_str);
        let Some(table) = given.or(output) else {
            return (None, self.no_output(name, "LedgerTable"));
        };
        let ledger = Ledger::new(self.aws.dynamodb(), table);
        let finding = match ledger.answers().await {
            Ok(()) => findings::ledger(table, true),
            Err(error) if error.is(Kind::NotFound) => findings::ledger(table, false),
            Err(error) => not_told(name, table, &error),
        };
        (Some(ledger), finding)
    }

    pub(super) async fn state_machines(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for output in ["StateMachine", "RollbackMachine"] {
            let name = Check::StateMachine;
            found.push(match self.outputs.get(output) {
                None => self.no_output(name, output),
                Some(machine) => match Executions::new(self.aws.step_functions(), machine).is_active().await {
                    Ok(is_active) => findings::state_machine(machine, is_active),
                    Err(error) => not_told(name, machine, &error),
                },
            });
        }
        found
    }

    /// The webhook's secret, and what the webhook answers to it.
    pub(super) async fn webhook(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let secret = self.webhook_secret(&mut found).await;
        let Some(url) = self.outputs.get("WebhookUrl") else {
            found.push(self.no_output(Check::WebhookAddress, "WebhookUrl"));
            return found;
        };
        found.push(findings::unsigned_delivery(
            url,
            answer(url, None).await.as_ref().map_err(String::as_str).copied(),
        ));
        if let Some(secret) = secret {
            let answered = answer(url, Some(&secret)).await;
            found.push(findings::signed_ping(
                url,
                answered.as_ref().map_err(String::as_str).copied(),
            ));
        }
        found
    }

    async fn webhook_secret(&self, found: &mut Vec<Finding>) -> Option<WebhookSecret> {
        let parameters = Parameters::new(self.aws.ssm());
        let (current, previous) = match (parameters.value(SECRET).await, parameters.value(PREVIOUS).await) {
            (Ok(current), Ok(previous)) => (current, previous),
            (Err(error), _) | (_, Err(error)) => {
                found.push(not_told(Check::WebhookSecret, SECRET, &error));
                return None;
            }
        };
        let current = current.map(WebhookSecret::new);
        let said = current.as_ref().map(|current| match current {
            Ok(_) => Ok(()),
            Err(fault) => Err(*fault),
        });
        found.push(findings::webhook_secret(
            SECRET,
            said,
            previous.as_ref().map(|_| PREVIOUS),
        ));
        // The function takes neither where one of them cannot be used.
        if let Some(Err(fault)) = previous.map(WebhookSecret::new) {
            found.push(findings::webhook_secret(PREVIOUS, Some(Err(fault)), None));
        }
        current.and_then(Result::ok)
    }

    pub(super) async fn approval_key(&self, applications: &[Application]) -> Finding {
        let key = match Parameters::new(self.aws.ssm()).value(KEY).await {
            Ok(key) => key.map(|key| key.parse::<Key>().map(|_| ())),
            Err(error) => return not_told(Check::ApprovalKey, KEY, &error),
        };
        let asking = applications.iter().flat_map(|application| {
            let environments = application.environments.iter();
            let asking = environments.filter(|environment| environment.approval.is_some());
            asking.map(|environment| of(application, environment))
        });
        findings::approval_key(KEY, key, &asking.collect::<Vec<_>>())
    }

    /// Whether CodeBuild has the projects, and can clone.
    pub(super) async fn builds(&self, private: &Private) -> Vec<Finding> {
        let codebuild = self.aws.codebuild();
        let mut found = match builds::projects(&codebuild, &PROJECTS).await {
            Ok(there) => PROJECTS
                .iter()
                .map(|project| findings::build_project(project, there.iter().any(|found| found == project)))
                .collect(),
            Err(error) => vec![not_told(Check::BuildProject, "CodeBuild", &error)],
        };
        match builds::source_credentials(&codebuild).await {
            Ok(kinds) => found.extend(
                private
                    .iter()
                    .map(|(repository, private)| findings::build_source(repository.as_str(), *private, &kinds)),
            ),
            Err(error) => found.push(not_told(Check::BuildSource, "CodeBuild", &error)),
        }
        found
    }

    /// Whether the rules of the pipeline's stack wake its functions.
    pub(super) async fn event_rules(&self) -> Vec<Finding> {
        let (name, stack) = (Check::EventRules, self.stack);
        let Some(region) = self.region() else {
            return vec![not_told(name, stack, &"no region is configured")];
        };
        let resources = match Stacks::new(self.aws, &region).resources(stack).await {
            Ok(resources) => resources,
            Err(error) => return vec![not_told(name, stack, &error)],
        };
        let rules = Rules::new(self.aws.events());
        let mut seen = Vec::new();
        for resource in resources
            .iter()
            .filter(|resource| resource.resource_type == "AWS::Events::Rule")
        {
            match rules.look(&resource.physical_id).await {
                Ok(rule) => seen.push(RuleSeen {
                    name: resource.physical_id.clone(),
                    what: format!("{} of the stack", resource.logical_id),
                    found: rule.map(|rule| (rule.is_on, rule.targets)),
                }),
                Err(error) => return vec![not_told(name, stack, &error)],
            }
        }
        findings::rules(name, stack, &seen, None)
    }

    /// What each function says when it assumes a role of a target account; nothing, where that cannot be seen.
    pub(super) async fn external_ids(&self) -> BTreeMap<&'static str, Option<String>> {
        let functions = Functions::new(self.aws.lambda());
        let mut ids = BTreeMap::new();
        for function in [DEPLOY, SMOKE_TEST, ROLLBACK] {
            let id = functions.variable(function, EXTERNAL_ID).await;
            ids.insert(function, id.ok().flatten());
        }
        ids
    }

    /// Whether the functions' own policies let them assume the roles of an environment.
    pub(super) async fn grants(&self, place: &Place) -> Vec<Finding> {
        let (account, region) = (&place.account, &place.region);
        let Some(tools) = self.tools(place) else {
            return vec![not_told(Check::RoleGrants, &place.about, &"no region is configured")];
        };
        let roles = Roles::new(self.aws.iam());
        let pairs = [
            (DEPLOY, deploy_role(account, region, &place.qualifier)),
            (DEPLOY, publisher_role(account, region)),
            (SMOKE_TEST, tester_role(account, region)),
            (ROLLBACK, observer_role(account, region)),
        ];
        let mut refused = Vec::new();
        for (function, role) in &pairs {
            match roles.may_assume(&role_arn(&tools.0, &tools.1, function), role).await {
                Ok(true) => {}
                Ok(false) => refused.push((*function, role.as_str())),
                Err(error) => return vec![not_told(Check::RoleGrants, &place.about, &error)],
            }
        }
        findings::grants(place, &refused)
    }

    /// The bus that target accounts send their events to.
    pub(super) fn bus(&self, tools: &str) -> String {
        let region = self.region();
        let (partition, region) = match &region {
            Some(region) => (partition(region), region.as_str()),
            None => ("aws", ""),
        };
        format!("arn:{partition}:events:{region}:{tools}:event-bus/lockgate")
    }

    fn region(&self) -> Option<Region> {
        self.aws.config().region()?.as_ref().parse().ok()
    }

    fn tools(&self, place: &Place) -> Option<(AccountId, Region)> {
        Some((place.tools.parse().ok()?, self.region()?))
    }

    pub(super) async fn operators_mail(&self) -> Vec<Finding> {
        match self.subscriptions(Check::OperatorsMail, "Topic").await {
            Ok((topic, subscriptions)) => findings::operators(topic, &subscriptions),
            Err(finding) => vec![*finding],
        }
    }

    pub(super) async fn approvers_mail(&self, applications: &[Application]) -> Vec<Finding> {
        match self.subscriptions(Check::ApproversMail, "ApproversTopic").await {
            Ok((topic, subscriptions)) => findings::approvers(topic, &asked(applications), &subscriptions),
            Err(finding) => vec![*finding],
        }
    }

    async fn subscriptions(&self, name: Check, output: &str) -> Result<(&str, Vec<Subscription>), Box<Finding>> {
        let Some(topic) = self.outputs.get(output) else {
            return Err(Box::new(self.no_output(name, output)));
        };
        match subscriptions(&self.aws.sns(), topic).await {
            Ok(subscriptions) => Ok((topic, subscriptions)),
            Err(error) => Err(Box::new(not_told(name, topic, &error))),
        }
    }

    pub(super) async fn concurrency(&self) -> Finding {
        let region = self.aws.config().region().map(ToString::to_string);
        let about = format!("the tools account in {}", region.unwrap_or_default());
        match Functions::new(self.aws.lambda()).may_run_at_once().await {
            Ok(limit) => findings::concurrency(&about, limit),
            Err(error) => not_told(Check::LambdaConcurrency, about, &error),
        }
    }

    fn no_output(&self, name: Check, output: &str) -> Finding {
        findings::no_output(name, self.stack, output)
    }
}

/// Everybody who is asked by mail.
fn asked(applications: &[Application]) -> BTreeMap<String, Asked> {
    let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
    for application in applications {
        for environment in &application.environments {
            let people = environment.approval.iter().flat_map(|approval| &approval.people);
            for person in people {
                if let Some(mail) = person.name.mail() {
                    let asked = asked.entry(mail.to_owned()).or_default();
                    asked.by.push(of(application, environment));
                    asked.by_command |= !person.arns.is_empty();
                }
            }
        }
    }
    asked
}

/// The HTTP status with which the webhook answers a ping: one that nobody signed, or one that this secret signs. The
/// secret itself is not sent.
async fn answer(url: &str, secret: Option<&WebhookSecret>) -> Result<u16, String> {
    let unreachable = |error: reqwest::Error| with_causes(&error.without_url());
    let mut request = http_client()
        .map_err(unreachable)?
        .post(url)
        .header("content-type", "application/json")
        .header("user-agent", concat!("lockgate/", env!("CARGO_PKG_VERSION")))
        .header("x-github-event", "ping")
        .header("x-github-delivery", DELIVERY);
    if let Some(secret) = secret {
        request = request.header("x-hub-signature-256", secret.sign(PING.as_bytes()));
    }
    let answer = request.body(PING).send().await.map_err(unreachable)?;
    Ok(answer.status().as_u16())
}
