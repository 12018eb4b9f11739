#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::json;

use super::*;
use crate::change_set::{Action, Changed, How, Loss, Summary};
use crate::deployment::Deployment;
use crate::names::{CommitSha, DeploymentId, Digest};
use crate::smoke_test::{CheckResult, Kind, Report};

/// When people are asked in these tests; they have 1,000 seconds.
const ASKED: i64 = 1_790_000_000;
const WITHIN: i64 = 1000;

/// Seconds after people were asked.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(ASKED + second).unwrap()
}

pub(super) fn who(name: &str) -> Approver {
    format!("{name}@acme.example").parse().unwrap()
}

/// Somebody's role, and a session of it.
fn role(name: &str) -> PrincipalArn {
    format!("arn:aws:iam::111111111111:role/testers/{name}")
        .parse()
        .unwrap()
}

fn arn(name: &str) -> PrincipalArn {
    format!("arn:aws:sts::111111111111:assumed-role/{name}/testing")
        .parse()
        .unwrap()
}

fn id(name: &str) -> DeploymentId {
    name.parse().unwrap()
}

fn people(names: &str) -> Vec<Approver> {
    names.split_whitespace().map(who).collect()
}

fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "id": "shop-test-1",
        "application": "acme/shop",
        "environment": {
            "name": "test", "account": "333333333333", "region": "eu-west-1", "on": ["prerelease"], "after": "dev",
            "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
            "replace_failed_stacks": true,
        },
        "commit": "c".repeat(40),
        "reference": "v1.4.0-rc.1",
        "release": "d".repeat(64),
        "requested": {
            "by": "rita", "at": at(-600), "happened_at": at(-601), "because": "prerelease", "delivery": null,
            "before": null, "title": "Add prices",
        },
    }))
    .unwrap()
}

/// Everybody can also answer by command, and has the login that is their name.
fn policy(duties: &[(u32, &str)]) -> ApprovalPolicy {
    let duties: Vec<Duty> = duties
        .iter()
        .map(|(need, names)| Duty {
            group: None,
            people: people(names),
            need: *need,
        })
        .collect();
    let names: BTreeSet<&Approver> = duties.iter().flat_map(|duty| &duty.people).collect();
    let person = |name: &&Approver| {
        let local = name.as_str().split_once('@').unwrap().0;
        Person {
            name: (*name).clone(),
            logins: local.parse().ok().into_iter().collect(),
            mails: vec![],
            arns: vec![role(local)],
        }
    };
    ApprovalPolicy {
        when: When::After,
        people: names.iter().map(person).collect(),
        duties,
        within_seconds: u64::try_from(WITHIN).unwrap(),
        on_reject: OnReject::Stay,
    }
}

fn question(policy: ApprovalPolicy) -> Question {
    Question {
        release: Digest::of(b"release"),
        prepared: None,
        policy,
        contributors: vec![],
        facts: Facts::default(),
        checklist: checklist::read("- [ ] a\n- [ ] b\n- [ ] c").unwrap(),
        unconfirmed: vec![],
        waits_since: at(0),
    }
}

pub(super) fn asked(duties: &[(u32, &str)]) -> Approval {
    Approval::ask(&deployment(), question(policy(duties)), at(0))
}

fn written_by(duties: &[(u32, &str)], contributors: &[(Role, Option<&str>, Option<&str>)]) -> Approval {
    let contributors = contributors
        .iter()
        .map(|(role, login, mail)| Contributor {
            name: "Somebody".to_owned(),
            login: login.map(str::to_owned),
            mail: mail.map(str::to_owned),
            role: *role,
        })
        .collect();
    let question = Question {
        contributors,
        ..question(policy(duties))
    };
    Approval::ask(&deployment(), question, at(0))
}

fn ballot(name: &str, decision: Choice, second: i64) -> Ballot {
    Ballot {
        by: who(name),
        via: Via::Link {
            key: "0a1b2c3d".parse().unwrap(),
        },
        decision,
        comment: match decision {
            Choice::Accept => String::new(),
            Choice::Reject => "the prices are wrong".to_owned(),
        },
        ticked: vec![],
        at: at(second),
    }
}

fn accept(name: &str, second: i64) -> Ballot {
    ballot(name, Choice::Accept, second)
}

fn reject(name: &str, second: i64) -> Ballot {
    ballot(name, Choice::Reject, second)
}

/// A refusal changes nothing.
fn refused(approval: &mut Approval, ballot: Ballot) -> Refusal {
    let before = approval.clone();
    let refusal = approval.vote(ballot).unwrap_err();
    assert_eq!(*approval, before);
    refusal
}

#[test]
fn the_id_is_derived_and_differs_for_every_deployment() {
    let one = ApprovalId::of(&id("shop-test-1"), When::After);
    assert_eq!(one, asked(&[(1, "qa")]).id);
    // `printf 'approval\nshop-test-1\nafter' | sha256sum | cut -c 1-32`
    insta::assert_snapshot!(one, @"aa9ad09c0f5fec7e3998d7615c378b66");
    assert_ne!(one, ApprovalId::of(&id("shop-test-2"), When::After));
}

#[test]
fn enough_who_accept_decide_it() {
    for (duties, votes, decided_by) in [
        (&[(1, "qa lead")][..], "qa", Some(1)),
        (&[(2, "qa lead tess")], "tess qa lead", Some(2)),
        (&[(2, "qa lead")], "qa", None),
        (&[(1, "qa lead"), (1, "cleo")], "qa lead cleo", Some(3)),
        (&[(1, "qa lead"), (1, "cleo")], "qa lead", None),
        // Whoever is in both groups stands in one place.
        (&[(1, "qa"), (1, "qa lead")], "qa", None),
        (&[(1, "qa"), (1, "qa lead")], "lead", None),
        (&[(1, "qa"), (1, "qa lead")], "lead qa", Some(2)),
    ] {
        let mut approval = asked(duties);
        let mut decided = None;
        for (place, name) in votes.split_whitespace().enumerate() {
            let second = i64::try_from(place).unwrap() + 1;
            if let Ok(Some(outcome)) = approval.vote(accept(name, second)) {
                assert_eq!(outcome, Outcome::Accepted { at: at(second) });
                decided = Some(place + 1);
            }
        }
        assert_eq!(decided, decided_by, "{duties:?} {votes}");
        assert_eq!(approval.outcome.is_some(), decided_by.is_some());
    }
}

#[test]
fn one_rejection_ends_it_whatever_the_others_said() {
    let mut approval = asked(&[(2, "qa lead tess")]);
    assert_eq!(approval.vote(accept("qa", 1)), Ok(None));
    let outcome = Outcome::Rejected {
        by: who("lead"),
        comment: "the prices are wrong".to_owned(),
        at: at(2),
    };
    assert_eq!(approval.vote(reject("lead", 2)), Ok(Some(outcome.clone())));
    assert_eq!(
        refused(&mut approval, accept("tess", 3)),
        Refusal::Over(Box::new(outcome))
    );
}

#[test]
fn f41_of_two_answers_in_one_instant_the_first_write_counts_and_the_other_is_told() {
    for (first, second) in [
        (accept("qa", 5), reject("lead", 5)),
        (reject("lead", 5), accept("qa", 5)),
        (accept("qa", 5), accept("lead", 5)),
        (reject("qa", 5), reject("lead", 5)),
    ] {
        let mut approval = asked(&[(1, "qa lead")]);
        let outcome = approval.vote(first.clone()).unwrap().unwrap();
        assert_eq!(refused(&mut approval, second), Refusal::Over(Box::new(outcome.clone())));
        assert_eq!((approval.ballots.len(), approval.outcome), (1, Some(outcome)));
    }
}

#[test]
fn f40_an_answer_is_given_once() {
    let mut approval = asked(&[(2, "qa lead")]);
    approval.vote(accept("qa", 1)).unwrap();
    for again in [accept("qa", 1), accept("qa", 2), reject("qa", 3)] {
        assert_eq!(
            refused(&mut approval, again),
            Refusal::Answered(Box::new(accept("qa", 1)))
        );
    }
    // By another way it is the same person.
    let by_command = Ballot {
        via: Via::Command { arn: arn("qa") },
        ..accept("qa", 4)
    };
    assert!(matches!(refused(&mut approval, by_command), Refusal::Answered(_)));
    // After the end it is still their own answer that they are told.
    approval.vote(accept("lead", 5)).unwrap();
    assert_eq!(
        approval.may_answer(&who("qa"), at(6)),
        Err(Refusal::Answered(Box::new(accept("qa", 1))))
    );
}

#[test]
fn one_person_under_two_names_answers_once() {
    // Such a configuration is refused; a deployment that was asked by hand has seen none.
    let mut approval = asked(&[(2, "qa qa+2")]);
    approval.vote(accept("qa", 1)).unwrap();
    assert!(matches!(
        refused(&mut approval, accept("qa+2", 2)),
        Refusal::Answered(_)
    ));
}

#[test]
fn a_stranger_is_not_asked() {
    let mut approval = asked(&[(1, "qa")]);
    assert_eq!(refused(&mut approval, accept("mallory", 1)), Refusal::NotAsked);
    let as_another = |name| Ballot {
        via: Via::Command { arn: arn(name) },
        ..accept("qa", 1)
    };
    assert_eq!(refused(&mut approval, as_another("mallory")), Refusal::NotAsked);
    assert!(approval.vote(as_another("qa")).is_ok());
    // Nobody else is told how it ended.
    assert_eq!(refused(&mut approval, accept("mallory", 1)), Refusal::NotAsked);
}

#[test]
fn nobody_answers_for_what_they_wrote_or_asked_for() {
    let duties = [(1, "ada bob")];
    for (role, login, mail) in [
        (Role::Author, None, Some("ada@acme.example")),
        (Role::Author, None, Some("Ada+git@ACME.example.")),
        (Role::Author, Some("ADA"), None),
        (Role::Committer, None, Some("1+Ada@users.noreply.github.com")),
        (Role::CoAuthor, None, Some("ada@acme.example")),
        (Role::Requester, Some("ada"), None),
        (
            Role::Requester,
            Some("arn:aws:sts::111111111111:assumed-role/ada/somebody-else"),
            None,
        ),
    ] {
        let mut approval = written_by(&duties, &[(role, login, mail)]);
        for ballot in [accept("ada", 1), reject("ada", 1)] {
            let refusal = refused(&mut approval, ballot);
            assert!(
                matches!(&refusal, Refusal::WroteIt(part) if part.role == role),
                "{refusal:?} {login:?} {mail:?}"
            );
        }
        assert_eq!(approval.excluded(), people("ada"));
        assert!(matches!(
            approval.vote(accept("bob", 2)),
            Ok(Some(Outcome::Accepted { .. }))
        ));
    }
    // GitHub, which commits whatever is merged on its pages, is nobody; and so is somebody else.
    for (login, mail) in [
        (Some("web-flow"), Some("noreply@github.com")),
        (None, Some("ada@other.example")),
        (None, None),
    ] {
        let mut approval = written_by(&duties, &[(Role::Committer, login, mail)]);
        assert_eq!((approval.excluded(), &approval.contributors), (vec![], &vec![]));
        assert!(approval.vote(accept("ada", 1)).is_ok());
    }
}

#[test]
fn who_asked_for_the_deployment_is_known_from_it() {
    let approval = asked(&[(1, "rita qa")]);
    assert_eq!(approval.excluded(), people("rita"));
    assert_eq!(approval.contributors, vec![Contributor::requester("rita")]);
}

#[test]
fn contributors_are_kept_as_those_who_are_asked_and_no_more_of_them_than_needed() {
    let spellings: Vec<String> = (0..5000).map(|n| format!("ada+{n}@acme.example")).collect();
    let strangers: Vec<String> = (0..5000).map(|n| format!("s{n}@acme.example")).collect();
    let contributors: Vec<_> = strangers
        .iter()
        .chain(&spellings)
        .flat_map(|mail| [Role::Author, Role::Committer].map(|role| (role, None, Some(mail.as_str()))))
        .collect();
    let approval = written_by(&[(1, "ada bob")], &contributors);
    let kept: Vec<_> = approval
        .contributors
        .iter()
        .map(|part| (part.role, part.mail.as_deref()))
        .collect();
    assert_eq!(
        kept,
        [
            (Role::Author, Some("ada+0@acme.example")),
            (Role::Committer, Some("ada+0@acme.example"))
        ]
    );
}

#[test]
fn an_answer_at_the_deadline_or_after_it_comes_too_late() {
    for (second, counts) in [
        (-100_000, true),
        (0, true),
        (WITHIN - 1, true),
        (WITHIN, false),
        (WITHIN + 1, false),
    ] {
        for decision in [Choice::Accept, Choice::Reject] {
            let mut approval = asked(&[(1, "qa")]);
            // The sweep has not come: there is no outcome yet.
            assert_eq!(approval.may_answer(&who("qa"), at(second)).is_ok(), counts, "{second}");
            if counts {
                assert!(approval.vote(ballot("qa", decision, second)).unwrap().is_some());
            } else {
                assert_eq!(refused(&mut approval, ballot("qa", decision, second)), Refusal::TooLate);
            }
        }
    }
    let mut approval = asked(&[(1, "qa")]);
    let just_before = at(WITHIN) - SignedDuration::from_nanos(1);
    assert!(!approval.expire(just_before));
    assert!(approval.may_answer(&who("qa"), just_before).is_ok());
    assert!(approval.expire(at(WITHIN)));
    assert_eq!(approval.outcome, Some(Outcome::Expired { at: at(WITHIN) }));
}

#[test]
fn the_deadline_and_the_reminder_are_whole_seconds_that_always_exist() {
    let now = at(0) + SignedDuration::from_millis(999);
    let ask = |within_seconds| {
        let policy = ApprovalPolicy {
            within_seconds,
            ..policy(&[(1, "qa")])
        };
        let question = Question {
            waits_since: now,
            ..question(policy)
        };
        // Whatever kept it from being asked at once.
        Approval::ask(&deployment(), question, now + SignedDuration::from_secs(20))
    };
    let usual = ask(61);
    assert_eq!((usual.remind_at, usual.deadline), (at(30), at(61)));
    assert_eq!(usual.asked_at, now + SignedDuration::from_secs(20));
    assert!(ask(u64::MAX).deadline > at(1_000_000));
}

/// Everything that can happen to an approval, tried on a copy; true where it changed something.
fn try_everything(approval: &Approval, second: i64) -> bool {
    let mut after = approval.clone();
    for name in ["qa", "lead", "tess", "mallory"] {
        let _ = after.vote(accept(name, second));
        let _ = after.vote(reject(name, second));
    }
    after.expire(at(second))
        | after.supersede(id("newer"), at(second))
        | after.give_up_unreachable(at(second))
        | after.withdraw(at(second))
        || after != *approval
}

#[test]
fn f42_after_the_end_nothing_changes() {
    let ended: Vec<Approval> = {
        let start = || asked(&[(1, "qa lead tess")]);
        let (mut accepted, mut rejected, mut expired, mut superseded) = (start(), start(), start(), start());
        accepted.vote(accept("qa", 1)).unwrap();
        rejected.vote(reject("qa", 1)).unwrap();
        assert!(expired.expire(at(WITHIN)));
        assert!(superseded.supersede(id("shop-test-2"), at(1)));
        let mut unreachable = asked(&[(2, "qa rita")]);
        assert!(unreachable.give_up_unreachable(at(1)));
        let mut withdrawn = start();
        assert!(withdrawn.withdraw(at(1)));
        vec![accepted, rejected, expired, superseded, unreachable, withdrawn]
    };
    assert!(try_everything(&asked(&[(1, "qa lead tess")]), 1));
    for approval in ended {
        for second in [-5, 1, WITHIN, WITHIN + 5] {
            assert!(!try_everything(&approval, second), "{:?}", approval.outcome);
        }
        // Whoever comes with a good link is told what was decided.
        let outcome = approval.outcome.clone().unwrap();
        let free = approval
            .policy
            .people
            .iter()
            .find(|person| approval.ballots.iter().all(|one| one.by != person.name));
        assert_eq!(
            approval.may_answer(&free.unwrap().name, at(2)),
            Err(Refusal::Over(Box::new(outcome)))
        );
        assert_eq!(approval.next_act(Some(&id("newer")), at(WITHIN)), Act::Nothing);
        assert!(approval.awaited().is_empty());
    }
}

#[test]
fn it_is_never_superseded_by_itself() {
    let mut approval = asked(&[(1, "qa")]);
    assert!(!approval.supersede(id("shop-test-1"), at(1)));
    assert!(matches!(
        approval.next_act(Some(&id("shop-test-1")), at(1)),
        Act::Mail { .. }
    ));
    assert_eq!(
        approval.next_act(Some(&id("shop-test-2")), at(1)),
        Act::Supersede(id("shop-test-2"))
    );
    assert!(approval.supersede(id("shop-test-2"), at(1)));
}

#[test]
fn it_is_given_up_where_too_few_are_left_who_may_accept() {
    for (duties, reachable) in [
        (&[(1, "qa rita")][..], true),
        (&[(2, "qa rita")], false),
        (&[(1, "rita")], false),
        (&[(1, "qa"), (1, "rita lead")], true),
        (&[(1, "qa"), (1, "rita qa")], false),
        (&[(3, "qa lead")], false),
    ] {
        let mut approval = asked(duties);
        assert_eq!(approval.reachable(), reachable, "{duties:?}");
        assert_eq!(approval.next_act(None, at(1)) == Act::GiveUp, !reachable, "{duties:?}");
        assert_eq!(approval.give_up_unreachable(at(1)), !reachable, "{duties:?}");
        assert_eq!(
            approval.outcome,
            (!reachable).then_some(Outcome::Unreachable { at: at(1) })
        );
    }
    let mut rejected = asked(&[(1, "qa")]);
    rejected.vote(reject("qa", 1)).unwrap();
    assert!(!rejected.reachable());
}

#[test]
fn a_comment_is_one_harmless_paragraph_and_a_rejection_has_one() {
    let vote = |decision, comment: &str| {
        let mut approval = asked(&[(1, "qa")]);
        let before = approval.clone();
        let given = Ballot {
            comment: comment.to_owned(),
            ..ballot("qa", decision, 1)
        };
        let result = approval.vote(given);
        assert_eq!(result.is_err(), approval == before);
        result.map(|_| approval.ballots.remove(0).comment)
    };
    for (given, kept) in [
        ("fine", "fine"),
        (" two\r\nlines\n\nand more ", "two lines and more"),
        ("<script>alert(1)</script> & \"x\"", "<script>alert(1)</script> & \"x\""),
        ("\u{202e}evil\u{0}\u{1b}[31m", "evil [31m"),
    ] {
        assert_eq!(vote(Choice::Accept, given), Ok(kept.to_owned()));
        assert_eq!(vote(Choice::Reject, given), Ok(kept.to_owned()));
    }
    for empty in ["", " \r\n\t", "\u{200b}\u{feff}"] {
        assert_eq!(vote(Choice::Accept, empty), Ok(String::new()));
        assert_eq!(vote(Choice::Reject, empty), Err(Refusal::CommentMissing));
    }
    let longest = "\u{1f375}".repeat(COMMENT_LIMIT);
    assert_eq!(vote(Choice::Reject, &longest), Ok(longest.clone()));
    let with_line_ends = "ab\r\n".repeat(COMMENT_LIMIT / 3);
    assert_eq!(
        vote(Choice::Accept, &with_line_ends).unwrap().len(),
        COMMENT_LIMIT / 3 * 3 - 1
    );
    for too_long in [
        format!("{longest}x"),
        "x".repeat(COMMENT_LIMIT + 1),
        "x".repeat(10 * 1024 * 1024),
        // It would be empty; nobody reads this far to find out.
        " ".repeat(10 * 1024 * 1024),
    ] {
        for decision in [Choice::Accept, Choice::Reject] {
            assert_eq!(vote(decision, &too_long), Err(Refusal::CommentTooLong));
        }
    }
}

#[test]
fn ticks_are_kept_once_and_only_of_what_was_there() {
    let mut approval = asked(&[(1, "qa")]);
    let given = Ballot {
        ticked: vec![2, 0, 2, 3, usize::MAX],
        ..accept("qa", 1)
    };
    approval.vote(given).unwrap();
    assert_eq!(approval.ballots[0].ticked, [0, 2]);
}

#[test]
fn mail_goes_to_those_who_may_still_answer_and_twice_at_most() {
    let mut policy = policy(&[(2, "qa lead tess rita")]);
    policy.people.push(Person {
        name: "arn:aws:iam::111111111111:user/ops".parse().unwrap(),
        ..policy.people[0].clone()
    });
    policy.people[4].logins = vec![];
    policy.people[4].arns = vec![];
    let question = Question {
        unconfirmed: people("tess"),
        ..question(policy)
    };
    let mut approval = Approval::ask(&deployment(), question, at(0));
    let mail = |ask: &str, remind: &str| Act::Mail {
        ask: people(ask),
        remind: people(remind),
    };
    // Not to who asked for it, not to an address that would get nothing, not to a principal.
    assert_eq!(approval.next_act(None, at(1)), mail("lead qa", ""));
    assert_eq!(approval.look_at(at(1)), at(121));
    approval.note_mailed(&who("qa"), at(1));
    assert_eq!(approval.next_act(None, at(2)), mail("lead", ""));
    approval.note_mailed(&who("lead"), at(2));
    assert_eq!(approval.next_act(None, at(3)), Act::Nothing);
    assert!(approval.owes_operators());
    assert_eq!(approval.look_at(at(3)), at(123));
    approval.operators_told = true;
    assert!(!approval.owes_operators());
    assert_eq!(approval.look_at(at(3)), at(303));
    assert_eq!(
        approval.look_at(at(300)),
        at(500),
        "half time is sooner than five minutes"
    );
    // Half time: a reminder for whoever was asked and has not answered.
    assert_eq!(approval.next_act(None, at(499)), Act::Nothing);
    approval.vote(accept("lead", 499)).unwrap();
    assert_eq!(approval.next_act(None, at(500)), mail("", "qa"));
    // An address that is confirmed late is asked, and need not be reminded at once.
    approval.note_confirmed(&mails("qa tess lead"));
    assert_eq!(approval.next_act(None, at(501)), mail("tess", "qa"));
    approval.note_mailed(&who("tess"), at(501));
    approval.note_mailed(&who("qa"), at(501));
    assert_eq!(approval.next_act(None, at(502)), Act::Nothing);
    assert_eq!(approval.next_act(None, at(WITHIN - 1)), Act::Nothing);
    assert_eq!(approval.look_at(at(800)), at(WITHIN));
    assert_eq!(approval.next_act(None, at(WITHIN)), Act::Expire);
    assert_eq!(approval.look_at(at(WITHIN + 7)), at(WITHIN), "it is due already");
    assert_eq!(
        approval.next_act(Some(&id("newer")), at(WITHIN)),
        Act::Supersede(id("newer"))
    );
    approval.vote(accept("qa", 503)).unwrap();
    assert_eq!(approval.look_at(at(503)), at(623), "what follows may be half done");
}

fn mails(names: &str) -> BTreeSet<String> {
    people(names).iter().map(ToString::to_string).collect()
}

#[test]
fn f43_who_ends_a_subscription_gets_no_reminder_and_operators_are_told_anew() {
    let mut approval = asked(&[(2, "qa lead tess")]);
    for name in ["qa", "lead", "tess"] {
        approval.note_mailed(&who(name), at(1));
    }
    approval.note_confirmed(&mails("qa lead tess"));
    assert!(!approval.owes_operators());
    approval.note_confirmed(&mails("qa tess"));
    assert!(approval.owes_operators());
    assert_eq!(approval.unreached(), people("lead"));
    approval.operators_told = true;
    approval.note_confirmed(&mails("qa tess"));
    assert!(!approval.owes_operators(), "it is no news");
    let remind = |names| Act::Mail {
        ask: vec![],
        remind: people(names),
    };
    assert_eq!(approval.next_act(None, at(500)), remind("qa tess"));
    // Who has answered needs no mail.
    approval.vote(accept("tess", 501)).unwrap();
    approval.note_confirmed(&mails("qa"));
    assert!(!approval.owes_operators());
    approval.note_confirmed(&mails(""));
    assert!(approval.owes_operators());
    assert_eq!(approval.unreached(), people("lead qa"));
    // Who subscribes again is reminded after all.
    approval.note_confirmed(&mails("lead"));
    assert_eq!(approval.next_act(None, at(502)), remind("lead"));
}

#[test]
fn a_clock_that_is_behind_does_no_harm() {
    let mut approval = asked(&[(1, "qa")]);
    assert_eq!(
        approval.next_act(None, at(-9)),
        Act::Mail {
            ask: people("qa"),
            remind: vec![]
        }
    );
    assert!(!approval.expire(at(-9)));
    assert_eq!(
        approval.vote(accept("qa", -9)),
        Ok(Some(Outcome::Accepted { at: at(-9) }))
    );
}

#[test]
fn every_ending_is_said_in_one_sentence() {
    let two = [(2, "qa lead tess")];
    let mut sentences = vec![asked(&two).cause(), asked(&[(1, "a b c d e f g")]).cause()];
    let mut say = |approval: &Approval| sentences.push(approval.cause());
    let mut approval = asked(&two);
    approval.vote(accept("qa", 1)).unwrap();
    approval.vote(accept("lead", 2)).unwrap();
    say(&approval);
    approval = asked(&two);
    approval.vote(reject("qa", 1)).unwrap();
    say(&approval);
    approval = asked(&two);
    approval.expire(at(WITHIN));
    say(&approval);
    approval = asked(&two);
    approval.vote(accept("tess", 1)).unwrap();
    approval.expire(at(WITHIN));
    say(&approval);
    approval = asked(&two);
    approval.supersede(id("shop-test-2"), at(1));
    say(&approval);
    approval = asked(&[(2, "qa rita")]);
    approval.give_up_unreachable(at(1));
    say(&approval);
    approval = asked(&[(3, "qa lead")]);
    approval.give_up_unreachable(at(1));
    say(&approval);
    approval = asked(&[(2, "qa rita")]);
    approval.vote(accept("qa", 1)).unwrap();
    say(&approval);
    approval.expire(at(WITHIN));
    say(&approval);
    approval = asked(&two);
    approval.withdraw(at(1));
    say(&approval);
    insta::assert_snapshot!(sentences.join("\n"), @"
    the answer of lead@acme.example, qa@acme.example or tess@acme.example is awaited until 2026-09-21 14:30 UTC
    the answer of a@acme.example, b@acme.example, c@acme.example, d@acme.example, e@acme.example or 2 more is awaited until 2026-09-21 14:30 UTC
    lead@acme.example and qa@acme.example accepted it
    qa@acme.example rejected it: the prices are wrong
    no answer came until 2026-09-21 14:30 UTC from lead@acme.example, qa@acme.example or tess@acme.example
    tess@acme.example accepted it, which is not enough, and no answer came until 2026-09-21 14:30 UTC from lead@acme.example or qa@acme.example
    the newer deployment shop-test-2 took its place
    too few are left who may accept it, since nobody accepts what they wrote or asked for themselves, as rita@acme.example did
    the people who are asked are too few for what the policy needs
    everybody who may answer has accepted it, which is not enough
    qa@acme.example accepted it, which is not enough, and nobody else was there to answer until 2026-09-21 14:30 UTC
    the deployment was over before people had decided
    ");
}

#[test]
fn refusals_are_sentences() {
    let ballot = Box::new(accept("qa", 1));
    let sentences: Vec<String> = [
        Refusal::NotAsked,
        Refusal::WroteIt(Box::new(Contributor::requester("rita"))),
        Refusal::Answered(ballot),
        Refusal::Over(Box::new(Outcome::Expired { at: at(1) })),
        Refusal::TooLate,
        Refusal::CommentMissing,
        Refusal::CommentTooLong,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    insta::assert_snapshot!(sentences.join("\n"), @"
    you are not among the people asked
    nobody accepts or rejects what they wrote or asked for themselves
    you have answered already
    it has been decided already
    the deadline has passed
    a rejection needs a comment that says why
    the comment is longer than 2000 characters
    ");
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let mut approval = written_by(
        &[(2, "qa lead ada")],
        &[(Role::Author, Some("ada"), Some("ada@acme.example"))],
    );
    approval.note_mailed(&who("qa"), at(1));
    approval.vote(accept("qa", 1)).unwrap();
    let by_command = Ballot {
        via: Via::Command { arn: arn("lead") },
        comment: "prices".to_owned(),
        decision: Choice::Reject,
        ..accept("lead", 2)
    };
    approval.vote(by_command).unwrap();
    let text = serde_json::to_string(&approval).unwrap();
    assert_eq!(serde_json::from_str::<Approval>(&text).unwrap(), approval);
    let short = json!({ "contributors": approval.contributors, "mails": approval.mails, "ballots": approval.ballots, "outcome": approval.outcome });
    insta::assert_snapshot!(short.to_string(), @r#"{"ballots":[{"at":"2026-09-21T14:13:21Z","by":"qa@acme.example","comment":"","decision":"accept","ticked":[],"via":{"key":"0a1b2c3d","via":"link"}},{"at":"2026-09-21T14:13:22Z","by":"lead@acme.example","comment":"prices","decision":"reject","ticked":[],"via":{"arn":"arn:aws:sts::111111111111:assumed-role/lead/testing","via":"command"}}],"contributors":[{"login":"ada","mail":"ada@acme.example","name":"Somebody","role":"author"}],"mails":{"qa@acme.example":"asked"},"outcome":{"at":"2026-09-21T14:13:22Z","by":"lead@acme.example","comment":"prices","outcome":"rejected"}}"#);
}

fn summary(losses: usize) -> Summary {
    let long = "\u{1f375}".repeat(Summary::NAME_LIMIT);
    let loss = Loss {
        logical_id: long.clone(),
        resource_type: long,
        how: How::MayBeReplaced,
        stateful: true,
        kept: false,
    };
    let change = Changed {
        logical_id: "Handler".to_owned(),
        resource_type: "AWS::Lambda::Function".to_owned(),
        action: Action::Modify,
    };
    Summary {
        modify: 99,
        losses: vec![loss; losses],
        changes: vec![change; Summary::CHANGES_LIMIT],
        ..Summary::default()
    }
}

fn commits(count: usize, text: &str) -> Vec<CommitLine> {
    let line = |at| CommitLine {
        commit: format!("{at:040x}").parse::<CommitSha>().unwrap(),
        title: text.to_owned(),
        author: text.to_owned(),
    };
    (0..count).map(line).collect()
}

#[test]
fn facts_of_a_usual_size_are_kept_as_they_are() {
    let facts = Facts {
        commits: commits(101, "Add prices\u{202e}"),
        more_commits: 2,
        stacks: vec![
            StackFacts {
                stack: "shop-test-web".parse().unwrap(),
                summary: Some(summary(12)),
            };
            5
        ],
        ..Facts::default()
    };
    let kept = Approval::ask(
        &deployment(),
        Question {
            facts: facts.clone(),
            ..question(policy(&[(1, "qa")]))
        },
        at(0),
    )
    .facts;
    assert_eq!((kept.commits.len(), kept.more_commits), (100, 3));
    assert_eq!(kept.commits[0].commit, facts.commits[0].commit, "the newest are kept");
    assert_eq!(kept.commits[0].title, "Add prices");
    assert_eq!(kept.stacks, facts.stacks);
}

#[test]
fn the_largest_approval_fits_into_a_ledger_item() {
    let tea = |count| "\u{1f375}".repeat(count);
    let names: Vec<String> = (0..ApprovalPolicy::MOST_PEOPLE)
        .map(|n| format!("p{n}-{}", "x".repeat(230)))
        .collect();
    let check = CheckResult {
        name: tea(100),
        kind: Kind::Http,
        passed: true,
        attempts: 1,
        took_ms: 1,
        reasons: vec![tea(150); 5],
    };
    let mut large = summary(12);
    for change in &mut large.changes {
        (change.logical_id, change.resource_type) = (tea(Summary::NAME_LIMIT), tea(Summary::NAME_LIMIT));
    }
    let facts = Facts {
        commits: commits(5000, &tea(5000)),
        compare_url: Some("x".repeat(100_000)),
        stacks: vec![
            StackFacts {
                stack: "s".repeat(128).parse().unwrap(),
                summary: Some(Summary { data_lost: 3, ..large }),
            };
            600
        ],
        smoke_tests: Some(Report::new(vec![check; 100])),
        ..Facts::default()
    };
    let mut markdown = format!("# {}\n", tea(100));
    markdown.push_str(&format!("- [ ] {}\n", tea(320)).repeat(50));
    let question = Question {
        facts,
        checklist: checklist::read(&markdown).unwrap(),
        ..question(policy(&[(20, &names.join(" "))]))
    };
    let mut approval = Approval::ask(&deployment(), question, at(0));
    assert!(serde_json::to_vec(&approval.facts).unwrap().len() <= Facts::SIZE_LIMIT);
    assert!(approval.facts.smoke_tests.as_ref().unwrap().passed && !approval.facts.stacks.is_empty());
    assert_eq!(
        approval.facts.commits.len() as u64 + u64::from(approval.facts.more_commits),
        5000
    );
    // What there is no room for is counted.
    let unlisted = approval.facts.unlisted;
    assert_eq!((unlisted.checks, approval.facts.data_lost()), (100, 1800));
    assert!(unlisted.stacks > 0 && unlisted.data_lost > 0);
    assert_eq!(approval.facts.stacks.len() as u64 + u64::from(unlisted.stacks), 600);
    for (place, name) in names.iter().enumerate() {
        let last = place + 1 == names.len();
        let answer = Ballot {
            comment: tea(COMMENT_LIMIT),
            ticked: (0..50).collect(),
            ..ballot(name, if last { Choice::Reject } else { Choice::Accept }, 1)
        };
        approval.vote(answer).unwrap();
    }
    let size = serde_json::to_vec(&approval).unwrap().len();
    // An item holds 409,600 bytes, its names and keys included.
    assert!(size < 390_000, "{size}");
}

/// Everybody who plays in the properties below. The last two are not asked.
const PLAYERS: [&str; 7] = ["ann", "ben", "cy", "dee", "eve", "mallory", "rita"];

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Try {
    Vote {
        by: usize,
        accept: bool,
        comment: String,
        /// Whose principal it comes from, or by link.
        principal: Option<usize>,
        second: i64,
    },
    Expire(i64),
    Supersede(bool, i64),
    GiveUp(i64),
    Withdraw(i64),
}

fn any_second() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -20..WITHIN, 1 => (WITHIN - 2)..(WITHIN + 3), 1 => WITHIN..(WITHIN + 100)]
}

fn any_try() -> impl Strategy<Value = Try> {
    let comment = prop_oneof![
        4 => Just("no".to_owned()),
        1 => Just(" \u{200b}".to_owned()),
        1 => Just("x".repeat(COMMENT_LIMIT + 1)),
        1 => ".{0,20}",
    ];
    let vote = (
        0..PLAYERS.len(),
        proptest::bool::weighted(0.85),
        comment,
        proptest::option::weighted(0.3, 0..PLAYERS.len()),
        any_second(),
    )
        .prop_map(|(by, accept, comment, principal, second)| Try::Vote {
            by,
            accept,
            comment,
            principal,
            second,
        });
    prop_oneof![
        20 => vote,
        1 => any_second().prop_map(Try::Expire),
        1 => (any::<bool>(), any_second()).prop_map(|(other, second)| Try::Supersede(other, second)),
        1 => any_second().prop_map(Try::GiveUp),
        1 => any_second().prop_map(Try::Withdraw),
    ]
}

type Duties = Vec<(Vec<&'static str>, u32)>;

fn any_duties() -> impl Strategy<Value = Duties> {
    proptest::collection::vec((subsequence(PLAYERS[..5].to_vec(), 1..=5), 1_u32..3), 1..3)
}

/// Which of the people wrote some of it, under one of several spellings.
fn any_authors() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0..5_usize, 0..4_usize), 0..3)
}

fn play(duties: &Duties, authors: &[(usize, usize)]) -> Approval {
    let duties: Vec<(u32, String)> = duties.iter().map(|(names, need)| (*need, names.join(" "))).collect();
    let duties: Vec<(u32, &str)> = duties.iter().map(|(need, names)| (*need, names.as_str())).collect();
    let spelled: Vec<(Option<String>, Option<String>)> = authors
        .iter()
        .map(|(who, how)| {
            let name = PLAYERS[*who];
            match how {
                0 => (None, Some(format!("{name}@acme.example"))),
                1 => (None, Some(format!("{}+git@ACME.example.", name.to_uppercase()))),
                2 => (Some(name.to_uppercase()), None),
                _ => (None, Some(format!("7+{name}@users.noreply.github.com"))),
            }
        })
        .collect();
    let contributors: Vec<_> = spelled
        .iter()
        .map(|(login, mail)| (Role::Author, login.as_deref(), mail.as_deref()))
        .collect();
    written_by(&duties, &contributors)
}

fn attempt(approval: &mut Approval, what: &Try) -> bool {
    match what {
        Try::Vote {
            by,
            accept,
            comment,
            principal,
            second,
        } => {
            let given = Ballot {
                comment: comment.clone(),
                via: match principal {
                    Some(name) => Via::Command {
                        arn: arn(PLAYERS[*name]),
                    },
                    None => Via::Link {
                        key: "0a1b2c3d".parse().unwrap(),
                    },
                },
                ..ballot(
                    PLAYERS[*by],
                    if *accept { Choice::Accept } else { Choice::Reject },
                    *second,
                )
            };
            approval.vote(given).is_ok()
        }
        Try::Expire(second) => approval.expire(at(*second)),
        Try::Supersede(other, second) => {
            approval.supersede(id(if *other { "shop-test-2" } else { "shop-test-1" }), at(*second))
        }
        Try::GiveUp(second) => approval.give_up_unreachable(at(*second)),
        Try::Withdraw(second) => approval.withdraw(at(*second)),
    }
}

/// Tries every way of giving each person to one duty or to none.
fn met_by_trying(duties: &Duties, people: &[&str], left: &mut [u32]) -> bool {
    let Some((person, rest)) = people.split_first() else {
        return left.iter().all(|need| *need == 0);
    };
    (0..duties.len()).any(|at| {
        let fits = left[at] > 0 && duties[at].0.contains(person);
        if fits {
            left[at] -= 1;
        }
        let met = fits && met_by_trying(duties, rest, left);
        if fits {
            left[at] += 1;
        }
        met
    }) || met_by_trying(duties, rest, left)
}

fn met(duties: &Duties, people: &BTreeSet<&'static str>) -> bool {
    let mut left: Vec<u32> = duties.iter().map(|(_, need)| *need).collect();
    met_by_trying(duties, &people.iter().copied().collect::<Vec<_>>(), &mut left)
}

/// The rules once more, in other words, over plain names: what an approval has to come to.
#[derive(Debug, Default)]
struct Rules {
    accepted: BTreeSet<&'static str>,
    end: Option<&'static str>,
}

impl Rules {
    fn attempt(&mut self, duties: &Duties, authors: &[(usize, usize)], what: &Try) -> bool {
        if self.end.is_some() {
            return false;
        }
        let asked: BTreeSet<&str> = duties.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        let wrote: BTreeSet<&str> = authors.iter().map(|(who, _)| PLAYERS[*who]).collect();
        self.end = match what {
            Try::Vote {
                by,
                accept,
                comment,
                principal,
                second,
            } => {
                let name = PLAYERS[*by];
                let says = crate::harmless::harmless(comment, usize::MAX);
                let counts = asked.contains(name)
                    && !wrote.contains(name)
                    && !self.accepted.contains(name)
                    && *second < WITHIN
                    && principal.is_none_or(|principal| principal == *by)
                    && says.chars().count() <= COMMENT_LIMIT
                    && (*accept || !says.is_empty());
                if !counts {
                    return false;
                }
                if *accept {
                    self.accepted.insert(name);
                    met(duties, &self.accepted).then_some("accepted")
                } else {
                    Some("rejected")
                }
            }
            Try::Expire(second) if *second >= WITHIN => Some("expired"),
            Try::Supersede(true, _) => Some("superseded"),
            Try::Withdraw(_) => Some("withdrawn"),
            Try::GiveUp(_) => {
                let left = asked.difference(&wrote).copied();
                let left = PLAYERS
                    .into_iter()
                    .filter(|name| left.clone().any(|other| other == *name))
                    .collect();
                (!met(duties, &left)).then_some("unreachable")
            }
            Try::Expire(_) | Try::Supersede(..) => None,
        };
        self.end.is_some() || matches!(what, Try::Vote { .. })
    }
}

fn end_of(approval: &Approval) -> Option<&'static str> {
    approval.outcome.as_ref().map(|outcome| match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Expired { .. } => "expired",
        Outcome::Superseded { .. } => "superseded",
        Outcome::Unreachable { .. } => "unreachable",
        Outcome::Withdrawn { .. } => "withdrawn",
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_tried_in_whatever_order_the_rules_hold(
        duties in any_duties(),
        authors in any_authors(),
        tries in proptest::collection::vec(any_try(), 0..30),
    ) {
        let mut approval = play(&duties, &authors);
        let mut rules = Rules::default();
        for what in &tries {
            let before = approval.clone();
            let changed = attempt(&mut approval, what);
            prop_assert_eq!(changed, rules.attempt(&duties, &authors, what), "{:?}", what);
            prop_assert_eq!(changed, approval != before, "who is told so is told the truth");
            prop_assert_eq!(end_of(&approval), rules.end, "{:?}", what);
            if before.outcome.is_some() {
                prop_assert_eq!(&approval, &before, "nothing changes after the end");
            }
        }
        // Each of these follows from the rules above; they are what the record is relied on for.
        let mut voters: Vec<&Approver> = approval.ballots.iter().map(|ballot| &ballot.by).collect();
        let count = voters.len();
        voters.sort();
        voters.dedup();
        prop_assert_eq!(voters.len(), count, "nobody counts twice");
        for ballot in &approval.ballots {
            prop_assert!(ballot.at < approval.deadline);
            prop_assert!(approval.policy.person(&ballot.by).is_some());
            prop_assert!(!approval.excluded().contains(&ballot.by));
        }
        let accepted = PLAYERS.into_iter().filter(|name| approval.accepted_by().contains(&who(name))).collect();
        let rejected = approval.ballots.iter().any(|ballot| ballot.decision == Choice::Reject);
        prop_assert_eq!(end_of(&approval) == Some("accepted"), met(&duties, &accepted) && !rejected);
        prop_assert_eq!(end_of(&approval) == Some("rejected"), rejected);
    }

    #[test]
    fn the_order_of_those_who_accept_does_not_matter(
        duties in any_duties(),
        authors in any_authors(),
        voters in Just(PLAYERS.to_vec()).prop_shuffle(),
        repeated in proptest::collection::vec(any::<Index>(), 0..5),
    ) {
        let mut approval = play(&duties, &authors);
        let mut order = voters.clone();
        for index in repeated {
            order.push(*index.get(&voters));
        }
        for name in order {
            let _ = approval.vote(accept(name, 1));
        }
        let allowed = PLAYERS[..5].iter().enumerate().filter(|(place, name)| {
            duties.iter().any(|(names, _)| names.contains(name)) && authors.iter().all(|(who, _)| who != place)
        });
        let allowed = allowed.map(|(_, name)| *name).collect();
        prop_assert_eq!(end_of(&approval), met(&duties, &allowed).then_some("accepted"));
        prop_assert_eq!(approval.reachable(), met(&duties, &allowed));
    }

    #[test]
    fn of_two_writers_with_the_same_record_the_second_begins_again_and_one_decides(
        duties in any_duties(),
        authors in any_authors(),
        earlier in proptest::collection::vec(any_try(), 0..6),
        rivals in (any_try(), any_try()),
    ) {
        let mut stored = play(&duties, &authors);
        for what in &earlier {
            attempt(&mut stored, what);
        }
        // Both read the record; the first writes; the second's write is refused, so it reads again.
        let mut first = stored.clone();
        let mut second = stored.clone();
        let (first_changed, second_changed) = (attempt(&mut first, &rivals.0), attempt(&mut second, &rivals.1));
        let mut last = if first_changed { first.clone() } else { stored.clone() };
        let after_all = attempt(&mut last, &rivals.1);
        prop_assert!(second_changed || !after_all, "nothing becomes possible by coming second");
        if first.outcome.is_some() {
            prop_assert_eq!(&last, &first);
        }
        prop_assert!(last.ballots.len() <= stored.ballots.len() + 2);
    }

    #[test]
    fn mail_is_only_ever_due_for_who_may_answer(
        duties in any_duties(),
        authors in any_authors(),
        tries in proptest::collection::vec(any_try(), 0..10),
        second in any_second(),
        mailed in proptest::collection::vec((0..5_usize, any_second()), 0..10),
    ) {
        let mut approval = play(&duties, &authors);
        for what in &tries {
            attempt(&mut approval, what);
        }
        for (name, when) in mailed {
            approval.note_mailed(&who(PLAYERS[name]), at(when));
        }
        let due = match approval.next_act(None, at(second)) {
            Act::Mail { ask, remind } => {
                prop_assert!(ask.iter().all(|approver| !remind.contains(approver)));
                prop_assert!(remind.is_empty() || at(second) >= approval.remind_at);
                [ask, remind].concat()
            }
            _ => vec![],
        };
        for approver in &due {
            prop_assert_eq!(approval.may_answer(approver, at(second)), Ok(()));
        }
        // However often it is looked at, nobody gets more than two mails.
        for _ in 0..2 {
            for approver in &due {
                approval.note_mailed(approver, at(second));
            }
        }
        if !due.is_empty() {
            let again = approval.next_act(None, at(second));
            prop_assert_eq!(again, Act::Nothing);
        }
        prop_assert!(approval.look_at(at(second)) <= at(second) + SignedDuration::from_mins(5));
    }
}

#[test]
fn who_wrote_it_is_known_from_its_commit_whatever_is_listed() {
    let mut approval = asked(&[(1, "qa")]);
    assert_eq!(approval.author(), None);
    approval.facts.commits = vec![CommitLine {
        commit: approval.commit.clone(),
        title: "Add prices".to_owned(),
        author: "Ben".to_owned(),
    }];
    assert_eq!(approval.author(), Some("Ben"));
    approval.facts.author = "Ada".to_owned();
    approval.facts.commits.clear();
    assert_eq!(approval.author(), Some("Ada"));
}

#[test]
fn what_is_listed_of_one_that_waits_is_small_and_says_for_whom() {
    let names: Vec<String> = (0..ApprovalPolicy::MOST_PEOPLE)
        .map(|n| format!("p{n}-{}", "x".repeat(230)))
        .collect();
    let mut approval = asked(&[(20, &names.join(" "))]);
    approval.version = "\u{1f375}".repeat(255);
    approval.vote(accept(&names[0], 1)).unwrap();
    let waiting = Waiting::from(&approval);
    assert_eq!((waiting.accepted.len(), waiting.awaited.len()), (1, 19));
    // 200 of them are an answer of 6 MB at most.
    let size = serde_json::to_vec(&waiting).unwrap().len();
    assert!(size < 30_000, "{size}");
    let read: Waiting = serde_json::from_value(json!(waiting)).unwrap();
    assert_eq!(read, waiting);
}
