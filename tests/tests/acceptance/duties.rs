//! Who has to accept, and who may not.

use domain::approval::Approver;
use domain::life::{Event, WayBack};
use end_to_end::TEST;
use end_to_end::outcome::{deployed, failed_clean};
use local::deliveries::Release;
use local::repository::Person;
use local::tester::Answer;

use crate::{LEAD, QA, in_the_laboratory};

const TESS: &str = "tess@acme.example";
const BOSS: &str = "boss@acme.example";
const SAM: &str = "sam@acme.example";
/// One of them, as her laptop spells her.
const TESS_AT_HER_LAPTOP: Person<'_> = Person {
    name: "Tess",
    mail: "Tess+laptop@ACME.example",
};

#[test]
fn two_duties_take_two_people_and_nobody_answers_who_wrote_it_helped_or_asked_for_it() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("duties").await;
        let message = "Sell tea\n\nCo-authored-by: Lea D. <4711+lead-login@users.noreply.github.com>";
        let push = scenario.commit_as(TESS_AT_HER_LAPTOP, message).await;
        deployed(&scenario.end_of(&scenario.deliver(&push).await).await);
        scenario.repository.tag("v1.0.0-rc.1").await.expect("git tags");
        let release = Release::prereleased(&scenario.repository.name, "v1.0.0-rc.1", "Boss");
        let candidate = scenario.publish(&release).await;

        let mut excluded = candidate.is_asked_about().await.excluded();
        excluded.sort();
        let names: Vec<&str> = excluded.iter().map(Approver::as_str).collect();
        assert_eq!(names, [BOSS, LEAD, TESS]);

        // In both groups, and one person.
        let one = candidate.answers(QA, &Answer::accept("")).await;
        assert_eq!(one.status, 200, "{}", one.html);
        assert_eq!(candidate.approval().await.and_then(|approval| approval.outcome), None);
        let two = candidate.answers(SAM, &Answer::accept("")).await;
        assert_eq!(two.status, 200, "{}", two.html);
        deployed(&candidate.ends().await);
        let stable = scenario.is_at_rest_in(TEST).await.stable.expect("it is stable");
        let by = stable.accepted.expect("it is accepted").by;
        let by: Vec<&str> = by.iter().map(Approver::as_str).collect();
        assert_eq!(by, [QA, SAM]);
    });
}

#[test]
fn where_only_its_author_is_asked_it_ends_at_once() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("own-work").await;
        let push = scenario.commit_as(TESS_AT_HER_LAPTOP, "Sell tea").await;
        deployed(&scenario.end_of(&scenario.deliver(&push).await).await);
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let ended = candidate.ends().await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.NobodyMayAccept", &WayBack::Stays));
        assert!(cause.contains(TESS), "{cause}");
        let asked = ended
            .entries
            .iter()
            .any(|entry| matches!(&entry.what, Event::ApprovalAsked { excluded, .. } if excluded.len() == 1));
        assert!(asked, "{ended:#?}");
        let mails = candidate.mails().await;
        assert!(
            mails.iter().all(|mail| mail.to != TESS),
            "nobody is asked in vain: {mails:#?}"
        );
        scenario.is_at_rest_in(TEST).await;
    });
}
