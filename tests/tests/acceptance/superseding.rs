//! A newer candidate takes the place of one that people were asked about.

use domain::life::Ending;
use end_to_end::outcome::deployed;
use local::tester::{Answer, OWN_PAGE};

use crate::{QA, in_the_laboratory};

#[test]
fn f42_links_of_a_candidate_that_a_newer_one_took_the_place_of_say_so_and_count_for_neither() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("superseded").await;
        scenario.deploys("Sell tea").await;
        let old = scenario.prerelease("v1.0.0-rc.1").await;
        let old_link = old.link(QA).await;
        let old_page = old.opens(QA).await;

        scenario.application.description = "second".to_owned();
        scenario.deploys("Sell better tea").await;
        let new = scenario.prerelease("v1.0.0-rc.2").await;
        let superseded = old.ends().await;
        let by = new.deployment.clone();
        assert_eq!(
            superseded.head.status.ending,
            Some(Ending::Superseded { by }),
            "{superseded:#?}"
        );
        assert_eq!(superseded.status, "SUCCEEDED");

        let qa = old.person(QA);
        let page = qa.open(&old_link).await.expect("there is a page");
        assert_eq!((page.status, page.field("nonce")), (410, None));
        assert!(page.html.contains(new.deployment.as_str()), "{}", page.html);
        let form = old_page.form(&Answer::accept("")).expect("it had a form");
        let late = qa
            .send(&old_link, form.clone(), &OWN_PAGE)
            .await
            .expect("there is a page");
        assert_eq!(late.status, 410, "{}", late.html);

        new.is_asked_about().await;
        let bent = old_link.replace(old.approval_id().await.as_str(), new.approval_id().await.as_str());
        let foreign = qa.open(&bent).await.expect("there is a page");
        assert_eq!(foreign.status, 403, "a link is for one candidate: {}", foreign.html);
        let foreign = qa.send(&bent, form, &OWN_PAGE).await.expect("there is a page");
        assert_eq!(foreign.status, 403, "{}", foreign.html);
        for candidate in [&old, &new] {
            let approval = candidate.approval().await.expect("it was asked");
            assert_eq!(approval.ballots, [], "nothing was counted");
        }

        new.answers(QA, &Answer::accept("")).await;
        deployed(&new.ends().await);
        assert_eq!(scenario.in_test().await.as_deref(), Some("second"));
    });
}
