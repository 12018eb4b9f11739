//! What the parts of an installation reach of each other: roles that are assumed, rules that wake, projects that build.

use super::target::Place;
use super::trust::Trust;
use super::{Check, Finding, deploy};

/// A rule of EventBridge, as far as it can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSeen {
    /// Its name.
    pub name: String,
    /// What it is for, in words.
    pub what: String,
    /// Whether it is on, and the ARNs that it sends events to; nothing, where there is no such rule.
    pub found: Option<(bool, Vec<String>)>,
}

/// A role that a function assumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumed {
    /// The function's name, which is its role's too.
    pub function: &'static str,
    /// The role's name.
    pub role: String,
    /// Whether it lets the function; nothing, where there is no such role.
    pub trust: Option<Trust>,
    /// The external id that the function says; nothing, where that could not be seen.
    pub says: Option<String>,
}

/// Whether the deploy role of the account's bootstrap lets the pipeline deploy; nothing is where there is no such role.
pub fn deploy_role(place: &Place, role: &str, trust: Option<&Trust>) -> Finding {
    let name = Check::BootstrapTrust;
    let about = &place.about;
    let again = format!("Run {}.", place.bootstrap());
    match trust {
        None => Finding::broken(name, about, format!("there is no role {role}"), again),
        Some(Trust::Trusted) => Finding::ok(
            name,
            about,
            format!("the bootstrap's deploy role trusts the tools account {}", place.tools),
        ),
        Some(Trust::Untrusted) => Finding::broken(
            name,
            about,
            format!(
                "the bootstrap's deploy role does not trust the tools account {}",
                place.tools
            ),
            again,
        ),
        Some(Trust::Gone(id)) => Finding::broken(
            name,
            about,
            format!("the bootstrap's deploy role trusts somebody who was deleted ({id}), and not the tools account"),
            again,
        ),
        Some(Trust::WithExternalId(_)) => Finding::warning(
            name,
            about,
            "the bootstrap's deploy role asks for an external id, which only those stacks say whose synthesizer names one",
            "Name it as deployRoleExternalId of the application's synthesizer, or bootstrap without it.",
        ),
        Some(Trust::Perhaps(why)) => Finding::unchecked(
            name,
            about,
            format!("whom the bootstrap's deploy role trusts hangs on {why}"),
            format!(
                "Look at `aws iam get-role --role-name {role}` there: lockgate-deploy of {} has to pass.",
                place.tools
            ),
        ),
        Some(Trust::Unreadable(why)) => Finding::unchecked(
            name,
            about,
            format!("whom the bootstrap's deploy role trusts cannot be read: {why}"),
            format!("Look at `aws iam get-role --role-name {role}` there."),
        ),
    }
}

/// Whether the roles of `lockgate-environment` let the functions assume them.
pub fn own_roles(place: &Place, roles: &[Assumed]) -> Vec<Finding> {
    let name = Check::EnvironmentRoles;
    let about = &place.about;
    // CloudFormation does not see what was changed without it, and deploys nothing where its template is the same.
    let anew = format!(
        "Run `aws cloudformation delete-stack --stack-name lockgate-environment` there, while nothing is deployed, and then {}.",
        deploy(&place.stack())
    );
    let same = format!(
        "Resolve lockgate.toml once, and run {} and {} with it.",
        deploy("Pipeline"),
        deploy(&place.stack())
    );
    let mut findings = Vec::new();
    for Assumed {
        function,
        role,
        trust,
        says,
    } in roles
    {
        findings.extend(match trust {
            None => Some(Finding::broken(
                name,
                about,
                format!("there is no role {role}"),
                anew.clone(),
            )),
            Some(Trust::WithExternalId(ids)) => match says {
                Some(said) if ids.contains(said) => None,
                Some(_) => Some(Finding::broken(
                    name,
                    about,
                    format!("{role} wants another external id than {function} says"),
                    same.clone(),
                )),
                None => Some(Finding::unchecked(
                    name,
                    about,
                    format!("whether {function} says the external id that {role} wants could not be seen"),
                    "Ask again, with credentials that may read the function's configuration in the tools account.",
                )),
            },
            Some(Trust::Trusted) => Some(Finding::warning(
                name,
                about,
                format!("{role} trusts {function} without an external id"),
                anew.clone(),
            )),
            Some(Trust::Untrusted) => Some(Finding::broken(
                name,
                about,
                format!("{role} does not trust {function} of {}", place.tools),
                anew.clone(),
            )),
            Some(Trust::Gone(id)) => Some(Finding::broken(
                name,
                about,
                format!("{role} trusts a role that was deleted ({id}), as after the pipeline's stack was made anew"),
                anew.clone(),
            )),
            Some(Trust::Perhaps(why)) => Some(Finding::unchecked(
                name,
                about,
                format!("whether {role} trusts {function} hangs on {why}, which Lockgate has not written"),
                anew.clone(),
            )),
            Some(Trust::Unreadable(why)) => Some(Finding::unchecked(
                name,
                about,
                format!("whom {role} trusts cannot be read: {why}"),
                format!("Look at `aws iam get-role --role-name {role}` there."),
            )),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            name,
            about,
            "its three roles trust the pipeline's functions, which say the external id that they want",
        ));
    }
    findings
}

/// Whether the functions' own policies let them assume the roles of an environment; with each its function's name, and the
/// role's ARN.
pub fn grants(place: &Place, refused: &[(&str, &str)]) -> Vec<Finding> {
    let name = Check::RoleGrants;
    if refused.is_empty() {
        let what = "the pipeline's functions may assume its roles, as far as their own policies go";
        return vec![Finding::ok(name, &place.about, what)];
    }
    let finding = |(function, role): &(&str, &str)| {
        Finding::broken(
            name,
            &place.about,
            format!("{function} may not assume {role}"),
            format!(
                "Run {} with the configuration that names the account.",
                deploy("Pipeline")
            ),
        )
    };
    refused.iter().map(finding).collect()
}

/// Whether rules are on and send their events on; `bus` is where those of a target account have to send them.
pub fn rules(name: Check, about: &str, seen: &[RuleSeen], bus: Option<&str>) -> Vec<Finding> {
    let finding = |RuleSeen {
                       name: rule,
                       what,
                       found,
                   }: &RuleSeen| match found {
        None => Some(Finding::broken(
            name,
            about,
            format!("there is no rule {rule} ({what})"),
            "Make it again as the stack's template has it (`aws cloudformation get-template`); CloudFormation does not see that \
             it is gone. CloudTrail's DeleteRule says who it was.",
        )),
        Some((false, _)) => Some(Finding::broken(
            name,
            about,
            format!("the rule {rule} ({what}) is off"),
            format!("Run `aws events enable-rule --name {}`.", shown(rule)),
        )),
        Some((true, targets)) => {
            let is_right = |target: &String| bus.is_none_or(|bus| target == bus);
            if targets.iter().any(is_right) {
                return None;
            }
            let to = bus.map_or_else(|| "to nobody".to_owned(), |bus| format!("not to {bus}"));
            Some(Finding::broken(
                name,
                about,
                format!("the rule {rule} ({what}) sends its events {to}"),
                "Put its target back as the stack's template has it (`aws events put-targets`); CloudFormation does not see that \
                 it is gone. CloudTrail's RemoveTargets says who it was.",
            ))
        }
    };
    let mut findings: Vec<Finding> = seen.iter().filter_map(finding).collect();
    if findings.is_empty() {
        let what = match bus {
            None => format!("all {} of its rules are on, and have their targets", seen.len()),
            Some(bus) => format!("all {} of its rules are on, and send their events to {bus}", seen.len()),
        };
        findings.push(Finding::ok(name, about, what));
    }
    findings
}

/// A rule of a bus of its own is named with it, as CloudFormation writes it: `bus|rule`.
fn shown(rule: &str) -> String {
    match rule.split_once('|') {
        Some((bus, rule)) => format!("{rule} --event-bus-name {bus}"),
        None => rule.to_owned(),
    }
}

/// Whether a CodeBuild project is there.
pub fn build_project(project: &str, is_there: bool) -> Finding {
    if is_there {
        return Finding::ok(Check::BuildProject, project, "is there");
    }
    Finding::broken(
        Check::BuildProject,
        project,
        "there is no such CodeBuild project",
        format!(
            "Delete what is left of it in the stack, and run {}.",
            deploy("Pipeline")
        ),
    )
}
