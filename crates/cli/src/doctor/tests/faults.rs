//! One broken set-up for each finding.

use super::*;

/// What is done to an installation, and what is found then that is not found in a healthy one.
type Fault = (fn(&Healthy), &'static [&'static str]);

const IN_TOOLS: &[Fault] = &[
    (
        |at| at.tools.backend.state().stacks.clear(),
        &["broken pipeline_stack", "unchecked pipeline_stack"],
    ),
    (
        |at| {
            at.outputs(|outputs| {
                outputs.remove("LedgerTable");
            });
        },
        &["broken ledger"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("GetItem", [Fate::Refused("ResourceNotFoundException")]);
        },
        &["broken ledger"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("GetItem", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked ledger"],
    ),
    (
        |at| {
            at.tools.backend.state().machines.remove(sample::MACHINE);
        },
        &["broken state_machine"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("DescribeStateMachine", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked state_machine"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("GetParametersByPath", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked applications"],
    ),
    (
        |at| at.tools.backend.state().concurrent_executions = 10,
        &["warning lambda_concurrency"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("GetAccountSettings", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked lambda_concurrency"],
    ),
    (
        |at| {
            at.tools.backend.state().rules.get_mut("Sweep").unwrap().0 = false;
        },
        &["broken event_rules"],
    ),
    (
        |at| {
            at.tools
                .backend
                .state()
                .rules
                .get_mut("lockgate|Settled")
                .unwrap()
                .1
                .clear();
        },
        &["broken event_rules"],
    ),
    (
        |at| {
            at.tools.backend.state().rules.remove("lockgate|Settled");
        },
        &["broken event_rules"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("DescribeRule", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked event_rules"],
    ),
    (
        |at| {
            at.tools.backend.state().projects.remove("lockgate-integration");
        },
        &["broken build_project"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("BatchGetProjects", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked build_project"],
    ),
    (
        |at| at.tools.backend.state().source_credentials.clear(),
        &["broken build_source"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("ListSourceCredentials", [Fate::Refused("AccessDeniedException")]);
        },
        &["unchecked build_source"],
    ),
    (
        |at| {
            let role = "arn:aws:iam::333333333333:role/lockgate-tester-eu-west-1";
            at.tools.backend.state().unassumable.insert(role.to_owned());
        },
        &["broken role_grants"],
    ),
    (
        |at| {
            at.tools
                .backend
                .fates("SimulatePrincipalPolicy", [Fate::Refused("AccessDenied")]);
        },
        &["unchecked role_grants"],
    ),
    (
        |at| at.parameter("/lockgate/approval/key", None),
        &["broken approval_key"],
    ),
    (
        |at| at.parameter("/lockgate/approval/key", Some("short")),
        &["broken approval_key"],
    ),
    (
        |at| at.tools.backend.state().subscriptions[0].confirmed = false,
        &["warning operators_mail"],
    ),
    (
        |at| at.tools.backend.state().subscriptions.clear(),
        &["warning operators_mail", "broken approvers_mail"],
    ),
    (
        |at| at.tools.backend.state().subscriptions[1].confirmed = false,
        &["broken approvers_mail"],
    ),
];

/// GitHub is asked by a token, and not by an App.
fn by_token(at: &Healthy) {
    at.parameter("/lockgate/github/app", None);
    at.parameter("/lockgate/github/app-key", None);
    at.parameter("/lockgate/github/token", Some("ghp_1"));
}

const AT_GITHUB: &[Fault] = &[
    (
        |at| at.parameter("/lockgate/webhook/secret", None),
        &["broken webhook_secret"],
    ),
    (
        |at| at.parameter("/lockgate/webhook/secret", Some("with its line end\n")),
        &["broken webhook_secret"],
    ),
    (
        |at| at.parameter("/lockgate/webhook/secret-previous", Some("before")),
        &["warning webhook_secret"],
    ),
    (
        |at| at.parameter("/lockgate/webhook/secret-previous", Some("before\n")),
        &["warning webhook_secret", "broken webhook_secret"],
    ),
    (
        |at| at.parameter("/lockgate/webhook/secret", Some("GitHub has another")),
        &["broken webhook_signature"],
    ),
    (
        |at| at.outside.lock().unwrap().unsigned = 200,
        &["broken webhook_address"],
    ),
    (
        |at| at.outside.lock().unwrap().signed = 503,
        &["broken webhook_signature"],
    ),
    (
        |at| {
            // A port on which nobody listens: 1 is for a service that nobody runs any more (RFC 1078).
            at.outputs(|outputs| {
                outputs.extend(pairs([("WebhookUrl", "http://127.0.0.1:1/webhooks/github")]));
            });
        },
        &["unchecked webhook_address", "unchecked webhook_signature"],
    ),
    (
        |at| at.parameter("/lockgate/github/app-key", None),
        // Nobody can be asked whether the repository is private.
        &["broken github_credentials", "unchecked build_source"],
    ),
    (
        |at| {
            at.parameter("/lockgate/github/app", None);
            at.parameter("/lockgate/github/app-key", None);
        },
        &["warning github_credentials"],
    ),
    (
        |at| {
            at.parameter("/lockgate/github/app", None);
            at.parameter("/lockgate/github/app-key", None);
            at.parameter("/lockgate/github/token", Some("ghp_1"));
        },
        &["warning github_credentials", "unchecked github_permissions"],
    ),
    (
        |at| {
            by_token(at);
            at.outside.lock().unwrap().token.1 = false;
        },
        &["warning github_credentials", "warning github_permissions"],
    ),
    (
        |at| {
            by_token(at);
            at.outside.lock().unwrap().token.0 = &[("x-oauth-scopes", "read:org")];
        },
        &["warning github_credentials", "warning github_permissions"],
    ),
    (
        |at| {
            by_token(at);
            at.outside.lock().unwrap().token.0 = &[
                ("x-oauth-scopes", "repo"),
                ("github-authentication-token-expiration", "2001-01-01 00:00:00 UTC"),
            ];
        },
        &["warning github_credentials", "warning github_permissions"],
    ),
    (
        |at| at.outside.lock().unwrap().installation = None,
        &["broken github_permissions", "unchecked build_source"],
    ),
    (
        |at| at.outside.lock().unwrap().installation = Some(installation(&json!({ "contents": "write" }))),
        &["warning github_permissions", "warning github_permissions"],
    ),
    (
        |at| at.outside.lock().unwrap().branch = false,
        &["broken github_repository"],
    ),
];

/// Nobody may look at a role of the target account.
fn refuses_roles(at: &Healthy) {
    let refused = || Fate::Refused("AccessDenied");
    at.target.fates("GetRole", [refused(), refused(), refused(), refused()]);
}

const IN_TARGET: &[Fault] = &[
    (
        |at| at.target.fates("GetCallerIdentity", [Fate::Refused("ExpiredToken")]),
        &["unchecked target"],
    ),
    (
        |at| at.target.state().parameters.clear(),
        &["broken bootstrap", "broken bootstrap"],
    ),
    (
        |at| {
            let other = json!({ "AWS": "arn:aws:iam::999999999999:root" });
            let statement = json!({ "Effect": "Allow", "Principal": other, "Action": "sts:AssumeRole" });
            trusts(&mut at.target.state(), BOOTSTRAP_ROLE, &statement);
        },
        &["broken bootstrap_trust", "broken bootstrap_trust"],
    ),
    (
        |at| {
            at.target.state().roles.remove(BOOTSTRAP_ROLE);
        },
        &["broken bootstrap_trust", "broken bootstrap_trust"],
    ),
    // Who may not look at the role is told what its stack was told.
    (
        |at| {
            let mut state = at.target.state();
            let toolkit = state.stacks.get_mut("CDKToolkit").unwrap();
            toolkit.parameters.remove("TrustedAccounts");
            drop(state);
            refuses_roles(at);
        },
        &[
            "broken bootstrap_trust",
            "unchecked environment_roles",
            "broken bootstrap_trust",
            "unchecked environment_roles",
        ],
    ),
    (
        |at| {
            at.target.state().stacks.remove("CDKToolkit");
            refuses_roles(at);
        },
        &[
            "unchecked bootstrap_trust",
            "unchecked environment_roles",
            "unchecked bootstrap_trust",
            "unchecked environment_roles",
        ],
    ),
    (
        |at| {
            let statement = json!({
                "Effect": "Allow", "Principal": { "AWS": "AROAEXAMPLEID0123456" }, "Action": "sts:AssumeRole",
            });
            trusts(&mut at.target.state(), "lockgate-tester-eu-west-1", &statement);
        },
        &["broken environment_roles", "broken environment_roles"],
    ),
    (
        |at| {
            at.target.state().roles.remove("lockgate-observer-eu-west-1");
        },
        &["broken environment_roles", "broken environment_roles"],
    ),
    (
        |at| {
            let mut state = at.tools.backend.state();
            let deploy = state.variables.get_mut("lockgate-deploy").unwrap();
            deploy.insert("LOCKGATE_EXTERNAL_ID".to_owned(), "another".to_owned());
        },
        &["broken environment_roles", "broken environment_roles"],
    ),
    (
        |at| {
            at.tools.backend.state().variables.clear();
        },
        // One for each role of both environments.
        &["unchecked environment_roles"; 6],
    ),
    (
        |at| {
            at.target.state().rules.get_mut("Settled1").unwrap().0 = false;
        },
        &["broken environment_rules", "broken environment_rules"],
    ),
    (
        |at| {
            at.target.state().rules.get_mut("Fired1").unwrap().1.pop();
        },
        &["broken environment_rules", "broken environment_rules"],
    ),
    (
        |at| {
            at.target.state().rules.remove("Fired1");
        },
        &["broken environment_rules", "broken environment_rules"],
    ),
    (
        |at| {
            at.target.state().stacks.remove("lockgate-environment");
        },
        &["broken environment_stack", "broken environment_stack"],
    ),
    (
        |at| {
            let mut state = at.target.state();
            let stack = state.stacks.get_mut("lockgate-environment").unwrap();
            stack.resources.remove("Fired1");
        },
        &["broken environment_parts", "broken environment_parts"],
    ),
    (
        |at| at.target.says("DescribeAlarms", [(200, "{}".to_owned())]),
        &["warning alarms"],
    ),
    (
        |at| at.target.says("DescribeAlarms", [alarms("ALARM")]),
        &["warning alarms"],
    ),
];

#[tokio::test]
async fn each_fault_is_found_and_nothing_else() {
    let healthy = Healthy::new().await;
    let well: Vec<Finding> = healthy.report().await.findings;
    for (number, (fault, found)) in [IN_TOOLS, AT_GITHUB, IN_TARGET].concat().iter().enumerate() {
        let ill = Healthy::new().await;
        fault(&ill);
        let findings = ill.report().await.findings;
        let is_new = |finding: &&Finding| finding.severity != Severity::Ok && !well.contains(finding);
        let new = findings.iter().filter(is_new);
        let new: Vec<String> = new
            .map(|finding| format!("{} {}", finding.severity, finding.name))
            .collect();
        assert_eq!(new, *found, "fault {number}");
    }
}
