#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;

use super::*;
use crate::approval::token::UnusableKey;
use crate::bake::{AlarmChoice, AlarmSeen, AlarmState, Seen};
use crate::signature::UnusableSecret;
use crate::stack_status::{StackResource, StackStatus};

/// Findings as a person compares them: what each case comes to.
fn shown(findings: impl IntoIterator<Item = Finding>) -> String {
    let lines = findings.into_iter().map(|finding| {
        let Finding {
            name,
            severity,
            about,
            what,
            remedy,
        } = finding;
        assert_eq!(
            severity == Severity::Ok,
            remedy.is_none(),
            "what is not ok has a remedy: {what}"
        );
        let remedy = remedy.map(|remedy| format!("\n    {remedy}")).unwrap_or_default();
        format!("{severity} {name} {about}: {what}{remedy}\n")
    });
    lines.collect()
}

#[test]
fn a_stack_is_whole_or_half_way_or_being_changed_or_not_there() {
    for status in StackStatus::DOCUMENTED {
        let severity = pipeline_stack("lockgate-pipeline", Some(status)).severity;
        let expected = match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => Severity::Ok,
            "UPDATE_ROLLBACK_COMPLETE" => Severity::Warning,
            word if word.ends_with("_IN_PROGRESS") && word != "REVIEW_IN_PROGRESS" => Severity::Warning,
            _ => Severity::Broken,
        };
        assert_eq!(severity, expected, "{status}");
    }
    let said = [
        None,
        Some(StackStatus::UpdateComplete),
        Some(StackStatus::UpdateRollbackComplete),
        Some(StackStatus::UpdateInProgress),
        Some(StackStatus::UpdateRollbackFailed),
        Some(StackStatus::Other("NEWER_THAN_US".to_owned())),
    ]
    .map(|status| pipeline_stack("lockgate-pipeline", status.as_ref()));
    insta::assert_snapshot!(shown(said));
}

#[test]
fn what_is_in_the_tools_account() {
    let secret = "/lockgate/webhook/secret";
    let previous = "/lockgate/webhook/secret-previous";
    let key = "/lockgate/approval/key";
    let asking = ["test of acme/shop".to_owned()];
    insta::assert_snapshot!(shown([
        nothing_else("lockgate-pipeline"),
        no_output(Check::Ledger, "lockgate-pipeline", "LedgerTable"),
        ledger("table", true),
        ledger("table", false),
        state_machine("arn:machine", true),
        state_machine("arn:machine", false),
        no_application(),
        webhook_secret(secret, Some(Ok(())), None),
        webhook_secret(secret, Some(Ok(())), Some(previous)),
        webhook_secret(secret, None, None),
        webhook_secret(
            secret,
            Some(Err(UnusableSecret::SurroundedByWhiteSpace)),
            Some(previous)
        ),
        approval_key(key, Some(Ok(())), &asking),
        approval_key(key, Some(Err(UnusableKey)), &asking),
        approval_key(key, None, &asking),
        approval_key(key, None, &[]),
        concurrency("111111111111, eu-west-1", 1000),
        concurrency("111111111111, eu-west-1", CONCURRENT_AT_LEAST),
        concurrency("111111111111, eu-west-1", 10),
        Finding::not_told(Check::Ledger, "table", "dynamodb:GetItem: not authorised"),
    ]));
}

#[test]
fn what_the_webhook_answers() {
    let url = "https://hook.test";
    let answers = [Ok(200), Ok(401), Ok(404), Ok(503), Err("no such host")];
    insta::assert_snapshot!(shown(
        answers
            .iter()
            .map(|answer| unsigned_delivery(url, *answer))
            .chain(answers.iter().map(|answer| signed_ping(url, *answer)))
    ));
}

#[test]
fn what_github_lets_us_do() {
    let path = "/lockgate/github";
    let who = [
        Who::App,
        Who::Token,
        Who::Nobody,
        Who::Unusable("its key is none".to_owned()),
    ];
    let sights = [
        Sight::Seen,
        Sight::NoBranch,
        Sight::Hidden("the token is not valid".to_owned()),
        Sight::Unknown("it answers 503".to_owned()),
    ];
    let all = Permissions {
        contents: Level::Write,
        deployments: Level::Write,
        checks: Level::Admin,
        pull_requests: Level::Read,
    };
    let grants = [
        Grant::Untold,
        Grant::NotInstalled,
        Grant::Suspended,
        Grant::Installed(all),
        Grant::Installed(Permissions {
            pull_requests: Level::None,
            ..all
        }),
        Grant::Installed(Permissions {
            checks: Level::Read,
            ..all
        }),
        Grant::Installed(Permissions {
            contents: Level::Read,
            ..Permissions::default()
        }),
        Grant::Installed(Permissions::default()),
    ];
    let findings = who
        .iter()
        .map(|who| credentials(path, who))
        .chain(sights.iter().map(|sight| repository("acme/shop", "main", sight)))
        .chain(grants.iter().flat_map(|grant| permissions("acme/shop", grant, true)));
    insta::assert_snapshot!(shown(findings));
}

#[test]
fn who_gets_mail() {
    let one = |address: &str, confirmed| Subscription {
        address: address.to_owned(),
        confirmed,
    };
    let by = |by_command| Asked {
        by: vec!["test of acme/shop".to_owned(), "production of acme/shop".to_owned()],
        by_command,
    };
    let asked = BTreeMap::from([
        ("boss@acme.example".to_owned(), by(true)),
        ("lead@acme.example".to_owned(), by(false)),
        ("qa@acme.example".to_owned(), by(false)),
    ]);
    let pending = [one("lead@acme.example", false), one("old@acme.example", false)];
    let mixed = [one("qa@acme.example", true), pending[0].clone(), pending[1].clone()];
    let findings = [
        operators("arn:topic", &[]),
        operators("arn:topic", &mixed),
        approvers("arn:approvers", &BTreeMap::new(), &[]),
        approvers("arn:approvers", &asked, &mixed),
    ];
    insta::assert_snapshot!(shown(findings.concat()));
}

fn place() -> Place {
    Place {
        about: "dev of acme/shop".to_owned(),
        environment: "dev".to_owned(),
        account: "222222222222".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        qualifier: "hnb659fds".parse().unwrap(),
        tools: "111111111111".to_owned(),
    }
}

#[test]
fn what_is_in_a_target_account() {
    let place = place();
    let own = Place {
        tools: place.account.to_string(),
        ..place.clone()
    };
    let other = Place {
        qualifier: "acme".parse().unwrap(),
        ..place.clone()
    };
    let told = |trusted: &str| Toolkit {
        qualifier: "hnb659fds".to_owned(),
        trusted: trusted.to_owned(),
    };
    let findings = [
        not_looked_at(&place),
        other_account(&place, "prod", "444444444444"),
        bootstrap(&place, Some("23")),
        bootstrap(&place, Some("22")),
        bootstrap(&place, Some("new")),
        bootstrap(&place, None),
        bootstrap(&other, None),
        toolkit(&own, None),
        toolkit(&place, None),
        toolkit(&other, Some(&told("111111111111"))),
        toolkit(&place, Some(&told("999999999999, 111111111111"))),
        toolkit(&place, Some(&told(""))),
        environment_stack(&place, Some(&StackStatus::CreateComplete)),
        environment_stack(&place, None),
    ];
    insta::assert_snapshot!(shown(findings));
}

fn resource(kind: &str, id: &str, status: &str) -> StackResource {
    StackResource {
        logical_id: format!("{id}0123ABCD"),
        physical_id: format!("lockgate-{id}"),
        resource_type: kind.to_owned(),
        status: status.to_owned(),
    }
}

#[test]
fn what_the_environment_s_stack_has_to_have() {
    let mut resources = vec![
        resource("AWS::IAM::Role", "Publisher", "CREATE_COMPLETE"),
        resource("AWS::IAM::Role", "Tester", "UPDATE_COMPLETE"),
        resource("AWS::IAM::Role", "Observer", "CREATE_COMPLETE"),
        resource("AWS::Events::Rule", "Settled", "CREATE_COMPLETE"),
        resource("AWS::Events::Rule", "Fired", "CREATE_COMPLETE"),
    ];
    let whole = parts(&place(), &resources);
    resources[4].status = "CREATE_FAILED".to_owned();
    // A policy of that name is no role.
    resources[2] = resource("AWS::IAM::Policy", "ObserverDefaultPolicy", "CREATE_COMPLETE");
    insta::assert_snapshot!(shown([whole, parts(&place(), &resources)]));
}

#[test]
fn what_alarms_say() {
    let alarm = |name: &str, state| AlarmSeen {
        name: name.to_owned(),
        state,
        fired: None,
    };
    let well = Seen {
        alarms: vec![alarm("errors", AlarmState::Ok)],
        ..Seen::default()
    };
    let ill = Seen {
        alarms: vec![
            alarm("errors", AlarmState::Alarm),
            alarm("slow", AlarmState::InsufficientData),
        ],
        missing: vec![AlarmChoice::Named("lost".to_owned())],
        ..Seen::default()
    };
    let findings = [
        alarms(&place(), &well, true),
        alarms(&place(), &ill, true),
        alarms(&place(), &ill, false),
    ];
    insta::assert_snapshot!(shown(findings.concat()));
}

#[test]
fn whom_the_roles_of_a_target_account_trust() {
    let place = place();
    let role = "cdk-hnb659fds-deploy-role-222222222222-eu-west-1";
    let ids = |ids: &[&str]| Trust::WithExternalId(ids.iter().map(|id| (*id).to_owned()).collect());
    let trusts = [
        Some(Trust::Trusted),
        Some(Trust::Untrusted),
        Some(Trust::Gone("AROAEXAMPLEID".to_owned())),
        Some(ids(&["ours"])),
        Some(Trust::Perhaps("conditions on aws:PrincipalOrgID".to_owned())),
        Some(Trust::Unreadable("it is no JSON".to_owned())),
        None,
    ];
    let own = |trust: &Option<Trust>, says: Option<&str>| {
        let assumed = Assumed {
            function: "lockgate-deploy",
            role: "lockgate-publisher-eu-west-1".to_owned(),
            trust: trust.clone(),
            says: says.map(str::to_owned),
        };
        own_roles(&place, &[assumed])
    };
    let of_bootstrap = trusts.iter().map(|trust| deploy_role(&place, role, trust.as_ref()));
    let of_ours = trusts.iter().flat_map(|trust| own(trust, Some("ours")));
    let other_ids = [Some("another"), None]
        .map(|says| own(&Some(ids(&["ours"])), says))
        .concat();
    let refused = [(
        "lockgate-deploy",
        "arn:aws:iam::222222222222:role/lockgate-publisher-eu-west-1",
    )];
    let granted = [grants(&place, &[]), grants(&place, &refused)].concat();
    insta::assert_snapshot!(shown(of_bootstrap.chain(of_ours).chain(other_ids).chain(granted)));
}

#[test]
fn rules_are_on_and_send_their_events_on_or_are_told() {
    let bus = "arn:aws:events:eu-west-1:111111111111:event-bus/lockgate";
    let rule = |name: &str, found: Option<(bool, &[&str])>| RuleSeen {
        name: name.to_owned(),
        what: "the rule that tells of stacks".to_owned(),
        found: found.map(|(on, targets)| (on, targets.iter().map(|target| (*target).to_owned()).collect())),
    };
    let seen = [
        rule("well", Some((true, &["arn:other", bus]))),
        rule("gone", None),
        rule("off", Some((false, &[bus]))),
        rule("lockgate|off", Some((false, &[bus]))),
        rule("silent", Some((true, &[]))),
        rule("elsewhere", Some((true, &["arn:other"]))),
    ];
    let findings = [
        rules(Check::EnvironmentRules, "dev of acme/shop", &seen, Some(bus)),
        rules(Check::EventRules, "lockgate-pipeline", &seen, None),
        rules(Check::EnvironmentRules, "dev of acme/shop", &seen[..1], Some(bus)),
        rules(Check::EventRules, "lockgate-pipeline", &seen[..1], None),
        vec![
            build_project("lockgate-build", true),
            build_project("lockgate-build", false),
        ],
    ];
    insta::assert_snapshot!(shown(findings.concat()));
}

#[test]
fn what_is_seen_of_a_token_and_of_how_codebuild_clones() {
    let now = "2026-12-01T12:00:00Z".parse().unwrap();
    let seen = |scopes: Option<&[&str]>, expires: Option<&str>, reads_deployments: bool, private: bool| TokenSeen {
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        expires: expires.map(|at| at.parse().unwrap()),
        reads_deployments,
        private,
    };
    let tokens = [
        seen(Some(&["repo"]), None, true, true),
        seen(Some(&["public_repo", "repo_deployment"]), None, true, false),
        seen(Some(&["public_repo", "repo_deployment"]), None, true, true),
        seen(Some(&[]), None, true, false),
        seen(None, None, true, true),
        seen(None, Some("2026-12-15T12:00:00Z"), false, true),
        seen(None, Some("2026-12-15T11:59:59Z"), true, true),
    ];
    let tokens = tokens
        .iter()
        .flat_map(|seen| token("acme/shop", "/lockgate/github/token", seen, now));
    let kinds = ["PERSONAL_ACCESS_TOKEN".to_owned()];
    let sources = [
        build_source("acme/shop", Some(false), &[]),
        build_source("acme/shop", Some(true), &[]),
        build_source("acme/shop", Some(true), &kinds),
        build_source("acme/shop", None, &kinds),
    ];
    insta::assert_snapshot!(shown(tokens.chain(sources)));
}

#[test]
fn findings_are_counted_by_how_bad_they_are() {
    let findings = [
        ledger("table", true),
        ledger("table", false),
        no_application(),
        not_looked_at(&place()),
    ];
    assert_eq!(
        Summary::of(&findings).to_string(),
        "1 broken, 1 warning, 1 not checked, 1 ok"
    );
    assert_eq!(
        Summary::default().to_string(),
        "0 broken, 0 warnings, 0 not checked, 0 ok"
    );
}
