//! What people read who are asked, and operators about them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::approval::{
    Approval, ApprovalId, ApprovalPolicy, Ballot, CommitLine, Contributor, Counted, Duty, Facts, IntegrationFacts,
    OnReject, Person, Role, StackFacts, Unlisted, Via, When,
};
use crate::change_set::{Action, Changed, How, Loss, Summary, Tense};
use crate::smoke_test::{CheckResult, Kind};

const LINK: &str = "https://example.execute-api.eu-west-1.amazonaws.com/approvals/0011?token=AAECAw";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn approver(name: &str) -> Approver {
    name.parse().unwrap()
}

fn loss(logical_id: &str, resource_type: &str, how: How, stateful: bool, kept: bool) -> Loss {
    Loss {
        logical_id: logical_id.to_owned(),
        resource_type: resource_type.to_owned(),
        how,
        stateful,
        kept,
    }
}

fn changed(logical_id: &str, resource_type: &str, action: Action) -> Changed {
    Changed {
        logical_id: logical_id.to_owned(),
        resource_type: resource_type.to_owned(),
        action,
    }
}

#[expect(clippy::too_many_lines, reason = "everything that a mail shows")]
fn approval() -> Approval {
    let people = ["qa@acme.example", "ada@acme.example", "lead@acme.example"];
    let person = |name: &&str| Person {
        name: approver(name),
        logins: vec![],
        mails: vec![],
        arns: vec![],
    };
    let line = |n: u8| CommitLine {
        commit: if n == 0 {
            "1a2b3c4d".repeat(5).parse().unwrap()
        } else {
            format!("{n:02x}").repeat(20).parse().unwrap()
        },
        title: format!("Change {n}"),
        author: if n == 2 { String::new() } else { "Ada".to_owned() },
    };
    let deployment = "shop-test-1a2b3c4d-0011223344556677".parse().unwrap();
    Approval {
        id: ApprovalId::of(&deployment, When::After),
        deployment,
        application: "acme/shop".parse().unwrap(),
        environment: "test".parse().unwrap(),
        account: "333333333333".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        release: Digest::of(b"candidate"),
        prepared: None,
        commit: "1a2b3c4d".repeat(5).parse().unwrap(),
        version: "v1.2.0-rc.1".to_owned(),
        title: "Sell tea by the pound".to_owned(),
        requested_by: "bob".to_owned(),
        policy: ApprovalPolicy {
            when: When::After,
            people: people.iter().map(person).collect(),
            duties: vec![
                Duty {
                    group: Some("testers".to_owned()),
                    people: people[..2].iter().map(|name| approver(name)).collect(),
                    need: 1,
                },
                Duty {
                    group: None,
                    people: vec![approver(people[2])],
                    need: 1,
                },
            ],
            within_seconds: 259_200,
            on_reject: OnReject::Stay,
        },
        contributors: vec![Contributor {
            name: "Ada".to_owned(),
            login: Some("ada".to_owned()),
            mail: Some("Ada@acme.example".to_owned()),
            role: Role::Author,
        }],
        facts: Facts {
            since: Some("00".repeat(20).parse().unwrap()),
            counted: Counted::SinceAccepted,
            compare_url: Some("https://github.com/acme/shop/compare/0000...1a2b".to_owned()),
            author: "Ada".to_owned(),
            commits: (0..22).map(line).collect(),
            more_commits: 11,
            stacks: vec![
                StackFacts {
                    stack: "shop-test-data".parse().unwrap(),
                    summary: Some(Summary {
                        add: 1,
                        modify: 2,
                        remove: 1,
                        data_lost: 1,
                        losses: vec![
                            loss("Orders", "AWS::DynamoDB::Table", How::Replaced, true, false),
                            loss("Archive", "AWS::S3::Bucket", How::Removed, true, true),
                            loss("Role", "AWS::IAM::Role", How::Replaced, false, false),
                        ],
                        truncated: 4,
                        changes: vec![
                            changed("Topic", "AWS::SNS::Topic", Action::Add),
                            changed("Handler", "AWS::Lambda::Function", Action::Modify),
                        ],
                        ..Summary::default()
                    }),
                },
                StackFacts {
                    stack: "shop-test-web".parse().unwrap(),
                    summary: None,
                },
            ],
            later: vec![],
            earlier: 2,
            more_earlier: 1,
            smoke_tests: Some(Report::new(vec![CheckResult {
                name: "the shop is open".to_owned(),
                kind: Kind::Http,
                passed: true,
                attempts: 1,
                took_ms: 12,
                reasons: vec![],
            }])),
            integration_tests: Some(IntegrationFacts {
                passed: true,
                log: "https://console.example/log".to_owned(),
            }),
            unlisted: Unlisted::default(),
        },
        checklist: vec![],
        asked_at: at("2026-11-23T12:00:00Z"),
        remind_at: at("2026-11-25T00:00:00Z"),
        deadline: at("2026-11-26T12:00:00Z"),
        unconfirmed: vec![approver("lead@acme.example")],
        operators_told: true,
        mails: BTreeMap::new(),
        ballots: vec![],
        outcome: None,
    }
}

fn shown(message: &Message) -> String {
    format!("{}\n----\n{}", message.subject, message.body)
}

#[test]
fn what_people_read_who_are_asked() {
    let message = asked(&approval(), &approver("qa@acme.example"), LINK);
    insta::assert_snapshot!(shown(&message), @"
    [test] acme/shop v1.2.0-rc.1: please accept or reject
    ----
    You are asked whether acme/shop v1.2.0-rc.1 is accepted in test.

    Open this page before 2026-11-26 12:00 UTC, read what it shows, and accept or reject:

    https://example.execute-api.eu-west-1.amazonaws.com/approvals/0011?token=AAECAw

    The link is yours alone: whoever has it answers in your name. Do not forward this mail.

    Application  acme/shop
    Version      v1.2.0-rc.1
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Author       Ada
    Asked by     bob
    Release      dda18a0e21ae47c53b4309434cbc02ae8bf764fa83a6defbb719431242722aa7
    Environment  test (account 333333333333, eu-west-1)
    Deployment   shop-test-1a2b3c4d-0011223344556677
    Deadline     2026-11-26 12:00 UTC

    Commits since 000000000000, which was accepted here last
      1a2b3c4d1a2b Change 0 (Ada)
      010101010101 Change 1 (Ada)
      020202020202 Change 2
      030303030303 Change 3 (Ada)
      040404040404 Change 4 (Ada)
      050505050505 Change 5 (Ada)
      060606060606 Change 6 (Ada)
      070707070707 Change 7 (Ada)
      080808080808 Change 8 (Ada)
      090909090909 Change 9 (Ada)
      0a0a0a0a0a0a Change 10 (Ada)
      0b0b0b0b0b0b Change 11 (Ada)
      0c0c0c0c0c0c Change 12 (Ada)
      0d0d0d0d0d0d Change 13 (Ada)
      0e0e0e0e0e0e Change 14 (Ada)
      0f0f0f0f0f0f Change 15 (Ada)
      101010101010 Change 16 (Ada)
      111111111111 Change 17 (Ada)
      121212121212 Change 18 (Ada)
      131313131313 Change 19 (Ada)
      and 13 more
      all of it: https://github.com/acme/shop/compare/0000...1a2b

    RESOURCES WITH DATA that were removed or replaced, or may have been
      shop-test-data: Orders (AWS::DynamoDB::Table) was replaced; its data is gone
      shop-test-data: Archive (AWS::S3::Bucket) was removed; the old one, or a snapshot of it, is kept

    Resources that changed since then
      some of it by 2 deployments before this one, which were not accepted
      1 still earlier deployment may have made changes that are not listed here
      shop-test-data: 1 added, 2 changed, 1 removed
        Role (AWS::IAM::Role) was replaced
        and 4 more that were replaced or removed
        Topic (AWS::SNS::Topic) was added
        Handler (AWS::Lambda::Function) was changed
      shop-test-web: no changes

    Tests
      smoke tests passed: 1
      integration tests passed: https://console.example/log

    Who is asked
      At least 1 of testers has to accept, and nobody may reject:
        qa@acme.example, that is you
        ada@acme.example (may not answer: worked on it, or asked for it)
      At least 1 of these has to accept, and nobody may reject:
        lead@acme.example
    ");
}

#[test]
fn what_people_read_who_are_asked_before_anything_is_changed() {
    let mut before = approval();
    before.prepared = Some(Digest::of(b"the change sets"));
    before.facts.commits.truncate(1);
    before.facts.more_commits = 0;
    before.facts.later = vec!["shop-test-worker".parse().unwrap()];
    before.facts.unlisted = Unlisted::default();
    (before.facts.earlier, before.facts.more_earlier) = (0, 0);
    let to = approver("qa@acme.example");
    insta::assert_snapshot!(shown(&asked(&before, &to, LINK)), @"
    [test] acme/shop v1.2.0-rc.1: please accept or reject
    ----
    You are asked whether acme/shop v1.2.0-rc.1 may be deployed to test, where nothing is changed yet.

    Open this page before 2026-11-26 12:00 UTC, read what it shows, and accept or reject:

    https://example.execute-api.eu-west-1.amazonaws.com/approvals/0011?token=AAECAw

    The link is yours alone: whoever has it answers in your name. Do not forward this mail.

    Application  acme/shop
    Version      v1.2.0-rc.1
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Author       Ada
    Asked by     bob
    Release      dda18a0e21ae47c53b4309434cbc02ae8bf764fa83a6defbb719431242722aa7
    Changes      5783b9537bc3e487f4de624822d27aa074981672066a6cf0692737345218eca5
    Environment  test (account 333333333333, eu-west-1)
    Deployment   shop-test-1a2b3c4d-0011223344556677
    Deadline     2026-11-26 12:00 UTC

    Commits since 000000000000, which was accepted here last
      1a2b3c4d1a2b Change 0 (Ada)
      all of it: https://github.com/acme/shop/compare/0000...1a2b

    RESOURCES WITH DATA that are removed or replaced, or may be
      shop-test-data: Orders (AWS::DynamoDB::Table) is replaced; its data is lost
      shop-test-data: Archive (AWS::S3::Bucket) is removed; the old one, or a snapshot of it, is kept

    Resources that will change
      shop-test-data: 1 to add, 2 to change, 1 to remove
        Role (AWS::IAM::Role) is replaced
        and 4 more that are replaced or removed
        Topic (AWS::SNS::Topic) is added
        Handler (AWS::Lambda::Function) is changed
      shop-test-web: no changes
      shop-test-worker: comes later, and what changes there is known when the stacks before it are changed

    Who is asked
      At least 1 of testers has to accept, and nobody may reject:
        qa@acme.example, that is you
        ada@acme.example (may not answer: worked on it, or asked for it)
      At least 1 of these has to accept, and nobody may reject:
        lead@acme.example
    ");
    insta::assert_snapshot!(changes(&before.facts.stacks, Tense::Planned), @"
    RESOURCES WITH DATA that are removed or replaced, or may be
      shop-test-data: Orders (AWS::DynamoDB::Table) is replaced; its data is lost
      shop-test-data: Archive (AWS::S3::Bucket) is removed; the old one, or a snapshot of it, is kept

      shop-test-data: 1 to add, 2 to change, 1 to remove
        Role (AWS::IAM::Role) is replaced
        and 4 more that are replaced or removed
        Topic (AWS::SNS::Topic) is added
        Handler (AWS::Lambda::Function) is changed
      shop-test-web: no changes
    ");
}

#[test]
fn what_people_read_who_are_reminded() {
    let approval = Approval {
        ballots: vec![Ballot {
            by: approver("qa@acme.example"),
            via: Via::Command {
                arn: "arn:aws:iam::111111111111:user/qa".parse().unwrap(),
            },
            decision: Choice::Accept,
            comment: "all of it works".to_owned(),
            ticked: vec![],
            at: at("2026-11-24T12:00:00Z"),
        }],
        title: String::new(),
        contributors: vec![],
        facts: Facts::default(),
        ..approval()
    };
    let message = reminder(&approval, &approver("lead@acme.example"), LINK);
    insta::assert_snapshot!(shown(&message), @"
    [test] acme/shop v1.2.0-rc.1: your answer is still missing
    ----
    You were asked on 2026-11-23 12:00 UTC whether acme/shop v1.2.0-rc.1 is accepted in test, and your answer is still missing.

    Open this page before 2026-11-26 12:00 UTC, read what it shows, and accept or reject:

    https://example.execute-api.eu-west-1.amazonaws.com/approvals/0011?token=AAECAw

    The link is yours alone: whoever has it answers in your name. Do not forward this mail.

    Application  acme/shop
    Version      v1.2.0-rc.1
    Commit       1a2b3c4d1a2b
    Author       not known
    Asked by     bob
    Release      dda18a0e21ae47c53b4309434cbc02ae8bf764fa83a6defbb719431242722aa7
    Environment  test (account 333333333333, eu-west-1)
    Deployment   shop-test-1a2b3c4d-0011223344556677
    Deadline     2026-11-26 12:00 UTC

    The release's own commit: nothing was stable here before; authors of earlier commits may answer
      none

    Resources that changed
      none

    Tests
      no smoke tests
      no integration tests

    Who is asked
      At least 1 of testers has to accept, and nobody may reject:
        qa@acme.example, accepts: all of it works
        ada@acme.example
      At least 1 of these has to accept, and nobody may reject:
        lead@acme.example, that is you
    ");
}

#[test]
fn what_there_was_no_room_for_is_said() {
    let approval = || Approval {
        contributors: vec![],
        ..approval()
    };
    let mut cut = approval();
    let facts = &mut cut.facts;
    facts.smoke_tests.as_mut().unwrap().checks.clear();
    facts.stacks[0].summary.as_mut().unwrap().losses.clear();
    facts.unlisted = Unlisted {
        checks: 40,
        stacks: 7,
        data_lost: 2,
    };
    let body = asked(&cut, &approver("qa@acme.example"), LINK).body;
    for said in [
        "RESOURCES WITH DATA that were removed or replaced, or may have been\n  and 3 more whose data is gone, or may be\n",
        "smoke tests passed: 40\n",
        "  and in 7 more stacks\n",
    ] {
        assert!(body.contains(said), "{said} is not in {body}");
    }
}

#[test]
fn which_commits_are_counted_is_said() {
    let since: crate::names::CommitSha = "00".repeat(20).parse().unwrap();
    let said = |since, counted_as| {
        counted(&Facts {
            since,
            counted: counted_as,
            ..Facts::default()
        })
    };
    let all = [
        said(Some(since.clone()), Counted::SinceAccepted),
        said(Some(since.clone()), Counted::SinceStable),
        said(Some(since), Counted::All),
        said(None, Counted::Own),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    Commits since 000000000000, which was accepted here last
    Commits since 000000000000, which is stable here, though nobody was asked to accept it; authors of earlier commits may answer
    All commits: GitHub finds nothing in common with 000000000000, which was here before
    The release's own commit: nothing was stable here before; authors of earlier commits may answer
    ");
}

#[test]
fn f43_what_operators_read_about_those_whom_no_mail_reaches() {
    insta::assert_snapshot!(shown(&unconfirmed(&approval())), @r#"
    [test] acme/shop v1.2.0-rc.1: not everybody who is asked gets mail
    ----
    acme/shop v1.2.0-rc.1 waits to be accepted in test, and no mail about it reaches these people, because they have not confirmed that their address wants mail from Lockgate, or have unsubscribed it:

      lead@acme.example

    What to do: have them click the link in the mail "AWS Notification - Subscription Confirmation". It works for two days, and then Amazon SNS forgets the subscription: docs/OPERATIONS.md, "An approver gets no mail", has the command `aws sns subscribe` that sends it anew. The question reaches them when they have confirmed.
    Those who have an AWS identity in lockgate.toml can answer without mail: lockgate approve shop-test-1a2b3c4d-0011223344556677

    Application  acme/shop
    Version      v1.2.0-rc.1
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Author       Ada
    Asked by     bob
    Release      dda18a0e21ae47c53b4309434cbc02ae8bf764fa83a6defbb719431242722aa7
    Environment  test (account 333333333333, eu-west-1)
    Deployment   shop-test-1a2b3c4d-0011223344556677
    Deadline     2026-11-26 12:00 UTC
    "#);
}

#[test]
fn how_an_acceptance_reads_as_it_happens() {
    let qa = approver("qa@acme.example");
    let ballot = |decision, comment: &str| Event::Voted {
        ballot: Ballot {
            by: qa.clone(),
            via: Via::Command {
                arn: "arn:aws:iam::111111111111:user/qa".parse().unwrap(),
            },
            decision,
            comment: comment.to_owned(),
            ticked: vec![],
            at: at("2026-11-24T12:00:00Z"),
        },
    };
    let now = at("2026-11-24T12:00:00Z");
    let decided = |outcome| Event::Decided { outcome };
    let tested = |passed, cause: Option<&str>, log: &str| Event::IntegrationTested {
        passed,
        cause: cause.map(str::to_owned),
        log: log.to_owned(),
    };
    let question = |unconfirmed: &[Approver], excluded: &[Approver]| Event::ApprovalAsked {
        approval: approval().id,
        people: vec![qa.clone(), approver("ada@acme.example")],
        deadline: at("2026-11-26T12:00:00Z"),
        unconfirmed: unconfirmed.to_vec(),
        excluded: excluded.to_vec(),
    };
    let events = [
        Event::IntegrationTesting {
            build: "lockgate-integration:7".to_owned(),
            log: "https://console.example/log".to_owned(),
        },
        tested(true, None, "https://console.example/log"),
        tested(true, None, ""),
        tested(
            false,
            Some("BUILD: npm test exited with 1"),
            "https://console.example/log",
        ),
        question(&[], &[]),
        question(std::slice::from_ref(&qa), &[approver("ada@acme.example")]),
        ballot(Choice::Accept, ""),
        ballot(Choice::Accept, "fine"),
        ballot(Choice::Reject, &"no ".repeat(600)),
        decided(Outcome::Accepted { at: now }),
        decided(Outcome::Rejected {
            by: qa.clone(),
            comment: "no".to_owned(),
            at: now,
        }),
        decided(Outcome::Expired { at: now }),
        decided(Outcome::Superseded {
            by: "shop-test-2".parse().unwrap(),
            at: now,
        }),
        decided(Outcome::Unreachable { at: now }),
        decided(Outcome::Withdrawn { at: now }),
    ];
    let lines: Vec<String> = events.iter().map(sentence).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    integration tests run: lockgate-integration:7
    integration tests passed
    no integration tests
    integration tests failed: BUILD: npm test exited with 1
    asked until 2026-11-26 12:00 UTC: qa@acme.example, ada@acme.example
    asked until 2026-11-26 12:00 UTC: qa@acme.example, ada@acme.example; ada@acme.example may not answer, having had a part in it; no mail reaches qa@acme.example
    qa@acme.example accepts
    qa@acme.example accepts: fine
    qa@acme.example rejects: no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no no…
    accepted
    rejected by qa@acme.example
    not accepted in time
    superseded by shop-test-2 while people were asked
    too few are left who may accept
    no longer asked, as the deployment was over
    ");
}

#[test]
fn a_deployment_that_people_did_not_accept_says_what_the_environment_has_now() {
    let ending = Ending::FailedClean {
        failure: Failure::new(Name::NotAccepted, "qa@acme.example rejected it: the prices are wrong"),
        way_back: WayBack::Stays,
    };
    let body = ended(&deployment(), &ending, &[], "").body;
    insta::assert_snapshot!(body.lines().take(5).collect::<Vec<_>>().join("\n"), @"
    One of the people who were asked did not accept the release.
    Failed.NotAccepted: qa@acme.example rejected it: the prices are wrong

    What to do: Read their comment in the cause, mend what it says, and publish the next pre-release.
    The environment keeps the release that was not accepted; the next one takes its place.
    ");
}

proptest! {
    #[test]
    fn sns_takes_every_subject_and_the_link_stands_alone(
        version in "\\PC{0,255}",
        owner in "[A-Za-z0-9._-]{1,39}",
        name in "[A-Za-z0-9._-]{1,100}",
        environment in "[a-z][a-z0-9-]{0,19}",
    ) {
        prop_assume!(owner != "." && owner != ".." && name != "." && name != "..");
        let approval = Approval {
            version: harmless(&version, 255),
            application: format!("{owner}/{name}").parse().unwrap(),
            environment: environment.parse().unwrap(),
            ..approval()
        };
        let to = approver("qa@acme.example");
        let messages = [asked(&approval, &to, LINK), reminder(&approval, &to, LINK), unconfirmed(&approval)];
        for message in &messages {
            prop_assert!(message.subject.len() < 100, "{}", message.subject);
            prop_assert!(message.subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        }
        for message in &messages[..2] {
            prop_assert_eq!(message.body.lines().filter(|line| *line == LINK).count(), 1);
            prop_assert_eq!(message.body.matches(LINK).count(), 1);
        }
        prop_assert!(!messages[2].body.contains("token"), "operators get nobody's link");
    }
}
