//! What people accept is deployed, and is stable.

use domain::approval::{Approver, Choice, Outcome, Via};
use domain::life::Event;
use end_to_end::TEST;
use end_to_end::outcome::{deployed, failed_clean};
use local::tester::{Answer, OWN_PAGE};

use crate::{LEAD, QA, in_the_laboratory};

#[test]
fn what_is_stable_in_dev_is_brought_to_test_tested_and_accepted_by_one_of_those_who_are_asked() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("accepted").await;
        scenario.application.checklist = Some("# Tea\n\n- [ ] Order some\n- [ ] Drink it\n".to_owned());
        scenario.application.integration_runs = Some(r#"echo "$LOCKGATE_OUTPUTS" | grep -q FunctionName"#.to_owned());
        let in_dev = scenario.deploys("Sell tea").await;
        let release = in_dev.head.status.release.expect("it has a release");

        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let asked = candidate.is_asked_about().await;
        assert_eq!((&asked.release, asked.version.as_str()), (&release, "v1.0.0-rc.1"));
        assert_eq!(asked.policy.people.len(), 2, "{asked:#?}");
        assert_eq!(
            scenario.in_test().await.as_deref(),
            Some("first"),
            "it is there to be tried"
        );
        assert_eq!(scenario.state_of(TEST).await.stable, None, "and not yet stable");

        let page = candidate.opens(QA).await;
        assert_eq!((page.status, page.boxes().len()), (200, 2), "{}", page.html);
        let answered = candidate
            .answers(QA, &Answer::accept("Tastes well").ticking([0, 1]))
            .await;
        assert_eq!(answered.status, 200, "{}", answered.html);

        let ended = candidate.ends().await;
        deployed(&ended);
        assert_eq!(
            ended.head.status.release.as_ref(),
            Some(&release),
            "it is the very same"
        );
        let stable = scenario
            .is_at_rest_in(TEST)
            .await
            .stable
            .expect("the release is stable");
        let acceptance = stable.accepted.expect("it is accepted");
        let by: Vec<&str> = acceptance.by.iter().map(Approver::as_str).collect();
        assert_eq!((&stable.release, by.as_slice()), (&release, [QA].as_slice()));
        assert!(domain::ledger::verify(&ended.deployment, &ended.entries).is_ok());

        let ballots: Vec<_> = ended
            .entries
            .iter()
            .filter_map(|entry| match &entry.what {
                Event::Voted { ballot } => Some(ballot),
                _ => None,
            })
            .collect();
        let [ballot] = ballots.as_slice() else {
            panic!("{ballots:#?}")
        };
        assert_eq!((ballot.by.as_str(), ballot.decision), (QA, Choice::Accept));
        assert_eq!(
            (ballot.comment.as_str(), ballot.ticked.as_slice()),
            ("Tastes well", [0, 1].as_slice())
        );
        assert!(
            matches!(ballot.via, Via::Link { .. }) && ballot.at == acceptance.at,
            "{ballot:#?}"
        );
        let decided = ended.head.status.decided;
        assert_eq!(decided, Some(Outcome::Accepted { at: ballot.at }));

        let built = laboratory
            .emulator
            .builds("lockgate-build", &scenario.repository.name)
            .await;
        assert_eq!(
            built.expect("it knows its builds").len(),
            1,
            "what is in dev is not built again"
        );
        let arn = laboratory.pipeline.execution_arn(&ended.deployment);
        let counted = laboratory
            .emulator
            .transitions(&arn)
            .await
            .expect("the emulator counts");
        assert_eq!(
            counted.states.len(),
            24,
            "as in dev, and two each for tests and people: {counted:#?}"
        );

        let afterwards = candidate.opens(LEAD).await;
        assert_eq!(afterwards.status, 410, "{}", afterwards.html);
        assert!(
            afterwards.html.contains("Tastes well"),
            "who comes late is told by whom, and why"
        );
    });
}

#[test]
fn f41_of_two_people_who_decide_in_the_same_moment_one_decides_and_the_other_is_told_so() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("race").await;
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let (qa, lead) = (candidate.person(QA), candidate.person(LEAD));
        let links = (candidate.link(QA).await, candidate.link(LEAD).await);
        let pages = (candidate.opens(QA).await, candidate.opens(LEAD).await);
        let yes = pages.0.form(&Answer::accept("Tastes well")).expect("it has a form");
        let no = pages.1.form(&Answer::reject("Too strong")).expect("it has a form");
        let (yes, no) = tokio::join!(qa.send(&links.0, yes, &OWN_PAGE), lead.send(&links.1, no, &OWN_PAGE));
        let mut statuses = [
            yes.expect("there is a page").status,
            no.expect("there is a page").status,
        ];

        let ended = candidate.ends().await;
        let approval = candidate.approval().await.expect("it was asked");
        let [ballot] = approval.ballots.as_slice() else {
            panic!("{approval:#?}")
        };
        match ballot.decision {
            Choice::Accept => deployed(&ended),
            Choice::Reject => {
                assert_eq!(failed_clean(&ended).0, "Failed.NotAccepted");
                statuses.reverse();
            }
        }
        assert_eq!(statuses, [200, 410], "who was first, and who was not");
    });
}
