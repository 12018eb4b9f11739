//! GitHub is not there, or somebody stops the deployment, while people are to be asked.

use domain::life::{Ending, Event, WayBack};
use end_to_end::TEST;
use local::deliveries::Release;

use crate::{QA, in_the_laboratory};

#[test]
fn f12_where_github_does_not_say_what_a_tag_is_nothing_is_written_and_the_delivery_may_come_again() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("down-at-intake").await;
        let name = &scenario.repository.name;
        let first = scenario.deploys("Sell tea").await;
        scenario.repository.tag("v1.0.0-rc.1").await.expect("git tags");
        let delivery = Release::prereleased(name, "v1.0.0-rc.1", "ada")
            .delivery()
            .expect("a delivery");
        laboratory.github.be_down_for(name, true);
        scenario.send(&delivery, 503).await;
        for written in [format!("delivery#{}", delivery.id), format!("pin#{name}")] {
            assert!(laboratory.items(&written).await.is_empty(), "{written}");
        }
        assert_eq!(laboratory.executions_in("down-at-intake", TEST).await, 0);

        laboratory.github.be_down_for(name, false);
        let candidate = scenario.deliver_release(&delivery).await;
        let asked = candidate.is_asked_about().await;
        assert_eq!(Some(&asked.release), first.head.status.release.as_ref());
        let again = scenario.send(&delivery, 200).await;
        assert_eq!(again["outcome"], "already_known", "{again}");
        assert_eq!(laboratory.executions_in("down-at-intake", TEST).await, 1);
    });
}

#[test]
fn a_deployment_that_is_stopped_while_people_are_asked_is_put_right_and_its_links_say_that_it_is_over() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("stopped").await;
        scenario.deploys("Sell tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.1").await;
        let link = candidate.link(QA).await;
        let arn = laboratory.pipeline.execution_arn(&candidate.deployment);
        let machine = laboratory.pipeline.tools.aws.step_functions();
        let stopped = machine.stop_execution().execution_arn(&arn).send().await;
        stopped.expect("it can be stopped");
        scenario
            .eventually("its lock is given back", async || {
                scenario.state_of(TEST).await.holder.is_none()
            })
            .await;
        let ended = candidate.ends().await;
        assert_eq!(ended.status, "ABORTED");
        let Some(Ending::FailedClean {
            failure,
            way_back: WayBack::NoStableRelease,
        }) = &ended.head.status.ending
        else {
            panic!("{ended:#?}");
        };
        assert_eq!(failure.name.as_str(), "Failed.Stopped");
        assert!(
            !ended
                .entries
                .iter()
                .any(|entry| matches!(entry.what, Event::Voted { .. }))
        );
        scenario
            .eventually("the link says that it is over", async || {
                let page = candidate.person(QA).open(&link).await.expect("there is a page");
                page.status == 410 && page.field("nonce").is_none()
            })
            .await;
        scenario.is_at_rest_in(TEST).await;
    });
}
