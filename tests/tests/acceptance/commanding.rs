//! People without mail answer by command, under their AWS identity.

use domain::approval::{Approver, Via};
use end_to_end::create_stack;
use end_to_end::outcome::{deployed, failed_clean};
use local::TOOLS;
use serde_json::{Value, json};

use crate::{NEW, in_the_laboratory};

/// Everything that IAM lets somebody do with approvals.
pub const POLICY: &str = "arn:aws:iam::111111111111:policy/lockgate-approver";

/// A role of the tools account that people sign in to.
pub fn role(name: &str, policies: &[&str]) -> Value {
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": TOOLS }, "Action": "sts:AssumeRole" }] });
    json!({ "Type": "AWS::IAM::Role", "Properties": {
        "RoleName": name, "AssumeRolePolicyDocument": trust, "ManagedPolicyArns": policies } })
}

#[test]
fn f43_whom_no_mail_reaches_is_found_at_once_and_decides_by_command_if_iam_lets_them_in() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("by-command").await;
        let tools = &laboratory.pipeline.tools;
        let roles = json!({ "Resources": {
            "Tester": role("Tester", &[POLICY]),
            "Guest": role("Guest", &[POLICY]),
            "Developer": role("Developer", &[]),
        } });
        create_stack(tools, "people", &roles.to_string(), &[]).await;
        let lockgate = async |role: &str, person: &str, arguments: &[&str]| {
            let identity = tools.sign_in(role, person).await.expect("they may sign in");
            let place = ["--api", &laboratory.pipeline.api];
            laboratory.lockgate(&identity, &[arguments, &place].concat()).await
        };

        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let asked = candidate.is_asked_about().await;
        let unconfirmed: Vec<&str> = asked.unconfirmed.iter().map(Approver::as_str).collect();
        assert_eq!(unconfirmed, [NEW]);
        scenario
            .eventually("operators are told", async || {
                let mails = candidate.mails().await;
                mails
                    .iter()
                    .any(|mail| mail.to == "developers@acme.example" && mail.body.contains(NEW))
            })
            .await;

        let approve = ["approve", candidate.deployment.as_str(), "--comment", "Tastes well"];
        let refused = lockgate("Developer", "new", &["pending"])
            .await
            .expect_err("IAM lets nobody in without the policy");
        assert!(refused.contains("lockgate-approver"), "{refused}");
        let refused = lockgate("Developer", "new", &approve)
            .await
            .expect_err("IAM lets nobody in without the policy");
        assert!(refused.contains("lockgate-approver"), "{refused}");
        let refused = lockgate("Guest", "new", &approve)
            .await
            .expect_err("only who is asked may answer");
        assert!(
            refused.contains("assumed-role/Guest/new is not among the people asked"),
            "{refused}"
        );
        assert_eq!(candidate.approval().await.expect("it is asked").ballots, []);

        let pending = lockgate("Tester", "new", &["pending"]).await.expect("they may look");
        assert!(
            pending.contains(candidate.deployment.as_str()) && pending.contains(NEW),
            "{pending}"
        );
        // It is the role that says who it is: the session is called what they like.
        let said = lockgate("Tester", "tasting", &approve).await.expect("they may answer");
        assert!(said.contains("the release is accepted"), "{said}");
        deployed(&candidate.ends().await);
        let approval = candidate.approval().await.expect("it was asked");
        let [ballot] = approval.ballots.as_slice() else {
            panic!("{approval:#?}")
        };
        assert_eq!((ballot.by.as_str(), ballot.comment.as_str()), (NEW, "Tastes well"));
        let Via::Command { arn } = &ballot.via else {
            panic!("{ballot:#?}")
        };
        assert_eq!(arn.as_str(), "arn:aws:sts::111111111111:assumed-role/Tester/tasting");
        assert!(candidate.mails().await.iter().all(|mail| mail.to != NEW));
    });
}

#[test]
fn who_decides_by_command_may_reject_with_a_comment_and_is_recorded() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("against-command").await;
        let tools = &laboratory.pipeline.tools;
        let roles = json!({ "Resources": { "Critic": role("Critic", &[POLICY]) } });
        create_stack(tools, "people-who-reject", &roles.to_string(), &[]).await;
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        candidate.is_asked_about().await;

        let identity = tools.sign_in("Critic", "new").await.expect("they may sign in");
        let id = candidate.deployment.as_str();
        let reject = [
            "reject",
            id,
            "--comment",
            "Too strong",
            "--api",
            &laboratory.pipeline.api,
        ];
        let said = laboratory.lockgate(&identity, &reject).await.expect("they may answer");
        assert!(said.contains("rejected"), "{said}");
        let ended = candidate.ends().await;
        let (name, cause, _) = failed_clean(&ended);
        assert_eq!(name, "Failed.NotAccepted");
        assert!(cause.contains(NEW) && cause.contains("Too strong"), "{cause}");
        let approval = candidate.approval().await.expect("it was asked");
        let [ballot] = approval.ballots.as_slice() else {
            panic!("{approval:#?}")
        };
        assert_eq!((ballot.by.as_str(), ballot.comment.as_str()), (NEW, "Too strong"));
        let Via::Command { arn } = &ballot.via else {
            panic!("{ballot:#?}")
        };
        assert_eq!(arn.as_str(), "arn:aws:sts::111111111111:assumed-role/Critic/new");
    });
}
