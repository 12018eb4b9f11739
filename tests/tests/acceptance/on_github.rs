//! GitHub shows what is where: deployments with their statuses, check runs, and the release's page.

use aws_sdk_cloudformation::types::{ChangeSetSummary, ExecutionStatus};
use domain::intake::lost::Watched;
use domain::names::RepositoryName;
use end_to_end::Scenario;
use end_to_end::outcome::deployed;
use jiff::{SignedDuration, Timestamp};
use local::deliveries::{AskedDeployment, PullRequest, Push, Release};
use local::tester::Answer;
use serde_json::Value;

use crate::{QA, in_the_laboratory};

#[test]
fn github_shows_what_is_where_and_is_told_in_order_what_happened_while_it_was_down() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("shown").await;
        let github = &laboratory.github;
        let name = scenario.repository.name.clone();

        let first = scenario.deploys("Sell tea").await;
        shows(&scenario, 0, "success").await;
        let written = github.written(&name);
        let deployment = &written["deployments"][0];
        assert_eq!(deployment["payload"]["lockgate"], first.deployment.as_str());
        assert_eq!(
            (&deployment["environment"], &deployment["production_environment"]),
            (&Value::from("dev"), &Value::from(false))
        );
        let seen = states(&written, 0);
        assert_eq!((seen[0], seen[1]), ("queued", "in_progress"), "{seen:?}");
        assert!(
            deployment["statuses"][0]["log_url"]
                .as_str()
                .is_some_and(|url| url.ends_with(first.deployment.as_str())),
            "{deployment:#}"
        );
        scenario
            .eventually("the commit has a check run", async || {
                github.written(&name)["checks"][0]["conclusion"] == "success"
            })
            .await;
        let written = github.written(&name);
        let check = &written["checks"][0];
        assert_eq!(
            (check["name"].as_str(), check["output"]["title"].as_str()),
            (Some("Lockgate / dev"), Some("Deployed to dev"))
        );
        let summary = check["output"]["summary"].as_str().unwrap_or_default();
        assert!(
            summary.contains("| Stack | Added |") && summary.contains("Smoke tests passed"),
            "{summary}"
        );

        github.be_down_for(&name, true);
        "second".clone_into(&mut scenario.application.description);
        let second = scenario.deploys("Sell more tea").await;
        assert_eq!(
            github.written(&name)["deployments"][1],
            Value::Null,
            "it was down all the time"
        );
        github.be_down_for(&name, false);
        shows(&scenario, 1, "success").await;
        shows(&scenario, 0, "inactive").await;
        let written = github.written(&name);
        assert_eq!(
            written["deployments"][1]["payload"]["lockgate"],
            second.deployment.as_str()
        );
        assert_eq!(
            states(&written, 1).len(),
            states(&written, 0).len() - 1,
            "nothing of it was lost: {written:#}"
        );

        let tag = "v1.0.0-rc.1";
        scenario.repository.annotated_tag(tag, tag).await.expect("git tags");
        let release = Release::prereleased(&name, tag, "ada");
        github.publish(&release, "Tea, and more of it.");
        let candidate = scenario.publish(&release).await;
        candidate.is_asked_about().await;
        page_says(&scenario, tag, "2 people asked since").await;
        candidate.answers(QA, &Answer::accept("Tastes well")).await;
        deployed(&candidate.ends().await);
        page_says(&scenario, tag, "**deployed** at").await;
        let page = github.release_page(&name, tag).expect("it has a page");
        assert!(page.starts_with("Tea, and more of it.\n"), "{page}");
        assert!(
            page.contains("- **dev**: stable since") && page.contains("qa@acme.example accepts"),
            "{page}"
        );
        assert_eq!(page.matches("- **test**:").count(), 1, "{page}");

        let asked = serde_json::to_string(&github.everything_asked()).expect("requests are JSON");
        assert_eq!(payloads::deviations(&asked).expect("they can be held against it"), "");
    });
}

#[test]
fn f10_what_github_could_not_deliver_is_delivered_again_and_what_it_never_tells_is_asked_for_once() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("lost").await;
        let github = &laboratory.github;
        let ledger = &laboratory.pipeline.ledger;
        let name: RepositoryName = "acme/lost".parse().expect("a repository");
        let first = scenario.deploys("Sell tea").await;
        scenario
            .eventually("the branch is looked at", async || {
                let watched = ledger.watched_branch(&name).await.expect("the ledger answers");
                watched.since.is_some()
            })
            .await;

        // The webhook was down: GitHub knows that, and is asked to try again.
        "second".clone_into(&mut scenario.application.description);
        let push = scenario.commit("Sell more tea").await;
        let delivery = push.delivery().expect("a delivery");
        github.lose(&delivery, &laboratory.pipeline.webhook);
        is_deployed(&scenario, &push).await;

        // Nothing was ever sent of this one.
        "third".clone_into(&mut scenario.application.description);
        let silent = scenario.commit("Sell all the tea").await;
        scenario
            .eventually("it is missed", async || {
                let watched = ledger.watched_branch(&name).await.expect("the ledger answers");
                watched.missing.is_some_and(|missing| missing.commit == silent.after)
            })
            .await;
        let long_ago = |watched: &mut Watched| {
            if let Some(missing) = &mut watched.missing {
                missing.since = Timestamp::UNIX_EPOCH;
            }
        };
        ledger
            .change_watched_branch(&name, long_ago)
            .await
            .expect("the ledger answers");
        is_deployed(&scenario, &silent).await;
        let late = scenario.send(&silent.delivery().expect("a delivery"), 202).await;
        assert_eq!(
            (late["outcome"].as_str(), late["reason"].as_str()),
            (Some("ignored"), Some("recovered")),
            "{late}"
        );
        assert_eq!(
            laboratory.executions("lost").await,
            3,
            "each once: {}",
            first.deployment
        );

        // A release of which no event came.
        let tag = "v1.0.0-rc.1";
        scenario.repository.annotated_tag(tag, tag).await.expect("git tags");
        let mut release = Release::prereleased("acme/lost", tag, "ada");
        release.published_at = Some(Timestamp::now() - SignedDuration::from_mins(5));
        let since_long = |watched: &mut Watched| watched.since = Some(Timestamp::UNIX_EPOCH);
        ledger
            .change_watched_branch(&name, since_long)
            .await
            .expect("the ledger answers");
        github.publish(&release, "");
        scenario
            .eventually("it is brought to test", async || {
                laboratory.executions_in("lost", "test").await == 1
            })
            .await;
        let late = scenario.publish(&release).await;
        late.is_asked_about().await;
        assert_eq!(
            laboratory.executions_in("lost", "test").await,
            1,
            "its event asks for the same"
        );
    });
}

#[test]
fn a_pull_request_is_shown_what_it_would_change_and_nothing_is_changed() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("proposed").await;
        let first = scenario.deploys("Sell tea").await;
        let stable = scenario.environment().await.stable.expect("it is stable");

        // Of a branch of the repository itself.
        "proposed".clone_into(&mut scenario.application.description);
        let mut pull = proposal(&scenario, 7, "Sell tea by the pound").await;
        let title = is_shown(&scenario, &pull, "success").await;
        assert_eq!(title, "dev: 0 to add, 1 to change, 0 to remove");

        // The same of a fork, whose commits no branch of the repository has.
        "from a fork".clone_into(&mut scenario.application.description);
        pull = proposal(&scenario, 8, "Sell coffee").await;
        "eve/proposed".clone_into(&mut pull.from);
        "eve".clone_into(&mut pull.by);
        assert_eq!(reason(&scenario, &pull).await, "foreign_pull_request");
        "labeled".clone_into(&mut pull.action);
        pull.label = Some("lockgate-plan".to_owned());
        assert_eq!(reason(&scenario, &pull).await, "may_not_write");
        "ada".clone_into(&mut pull.by);
        is_shown(&scenario, &pull, "success").await;

        // One that cannot be built.
        scenario.application.build_fails = Some("It does not build.".to_owned());
        let pull = proposal(&scenario, 9, "Break it").await;
        let title = is_shown(&scenario, &pull, "failure").await;
        assert_eq!(title, "Rejected.BuildFailed: not compared with dev");

        let environment = scenario.environment().await;
        assert_eq!(environment.stable, Some(stable));
        assert_eq!((environment.holder, environment.queue.len()), (None, 0));
        scenario
            .eventually("what was compared is deleted", async || {
                change_sets(&scenario).await == 0
            })
            .await;
        let written = laboratory.github.written(&scenario.repository.name);
        let deployments = written["deployments"].as_array().map_or(0, Vec::len);
        assert_eq!(deployments, 1, "only {} is a deployment", first.deployment);
        assert_eq!(laboratory.subjects("proposed").await.len(), 2, "of the first alone");
    });
}

#[test]
fn whoever_may_write_asks_for_a_deployment_at_github_and_is_told_there_how_it_goes() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("wished-for").await;
        let github = &laboratory.github;
        "https://shop.example/".clone_into(&mut scenario.application.description);
        let push = scenario.commit("Sell tea").await;
        let mut asked = AskedDeployment {
            repository: scenario.repository.name.clone(),
            number: 0,
            environment: "dev".to_owned(),
            reference: "main".to_owned(),
            commit: push.after.clone(),
            by: "eve".to_owned(),
        };
        asked.number = github.ask_for_deployment(&asked);
        let answer = scenario.send(&asked.delivery().expect("a delivery"), 202).await;
        assert_eq!(answer["reason"], "may_not_write", "{answer}");
        let written = github.written(&scenario.repository.name);
        assert_eq!(states(&written, 0), ["error"]);

        "ada".clone_into(&mut asked.by);
        asked.number = github.ask_for_deployment(&asked);
        let deployment = scenario.starts(&asked.delivery().expect("a delivery")).await;
        deployed(&laboratory.end_of(&deployment).await);
        shows(&scenario, 1, "success").await;
        let written = github.written(&scenario.repository.name);
        assert_eq!(written["deployments"].as_array().map(Vec::len), Some(2), "{written:#}");
        let statuses = written["deployments"][1]["statuses"]
            .as_array()
            .expect("it was told of");
        let last = statuses.last().expect("it was told of");
        assert_eq!(last["environment_url"], "https://shop.example/", "{last}");
        assert_eq!(
            scenario.environment().await.stable.map(|stable| stable.commit),
            Some(push.after)
        );

        // By a dispatch, which names a branch.
        "https://shop.example/tea".clone_into(&mut scenario.application.description);
        let push = scenario.commit("Sell more tea").await;
        let deployment = scenario.starts(&asked.dispatch().expect("a delivery")).await;
        deployed(&laboratory.end_of(&deployment).await);
        assert_eq!(
            scenario.environment().await.stable.map(|stable| stable.commit),
            Some(push.after)
        );
    });
}

/// The application as it is now, as the newest commit of a pull request that was just opened.
async fn proposal(scenario: &Scenario, number: u64, title: &str) -> PullRequest {
    scenario
        .application
        .write(&scenario.repository)
        .expect("the application can be written");
    let repository = &scenario.repository;
    let head = repository.commit_for_pull_request(number, title).await;
    PullRequest {
        repository: repository.name.clone(),
        number,
        action: "opened".to_owned(),
        head: head.expect("git commits"),
        from: repository.name.clone(),
        label: None,
        title: title.to_owned(),
        by: "ada".to_owned(),
    }
}

/// Sends what happened to a pull request, waits for its check run to end so, and returns its title.
async fn is_shown(scenario: &Scenario, pull: &PullRequest, conclusion: &str) -> String {
    let delivery = pull.delivery().expect("a delivery");
    let deployment = scenario.starts(&delivery).await;
    scenario.laboratory.end_of(&deployment).await;
    let check = || {
        let written = scenario.laboratory.github.written(&scenario.repository.name);
        let checks = written["checks"].as_array().cloned().unwrap_or_default();
        let of_this = |check: &&Value| check["head_sha"] == pull.head.as_str() && check["status"] == "completed";
        checks.iter().find(of_this).cloned()
    };
    scenario
        .eventually("its check run ends", async || check().is_some())
        .await;
    let check = check().expect("it has ended");
    assert_eq!(
        (check["name"].as_str(), check["conclusion"].as_str()),
        (Some("Lockgate plan / dev"), Some(conclusion)),
        "{check:#}"
    );
    check["output"]["title"].as_str().unwrap_or_default().to_owned()
}

/// Why a pull request leads to nothing.
async fn reason(scenario: &Scenario, pull: &PullRequest) -> String {
    let answer = scenario.send(&pull.delivery().expect("a delivery"), 202).await;
    answer["reason"].as_str().unwrap_or_default().to_owned()
}

/// How many change sets of the application's stack in dev might be executed.
async fn change_sets(scenario: &Scenario) -> usize {
    let cloudformation = scenario.account.aws.cloudformation();
    let stack = scenario.application.stack_name("web");
    let listed = cloudformation.list_change_sets().stack_name(stack).send().await;
    let listed = listed.expect("the stack is there");
    let open = |set: &&ChangeSetSummary| set.execution_status() != Some(&ExecutionStatus::ExecuteComplete);
    listed.summaries().iter().filter(open).count()
}

/// Waits until what was pushed is stable in dev.
async fn is_deployed(scenario: &Scenario, push: &Push) {
    scenario
        .eventually("it is deployed", async || {
            let stable = scenario.environment().await.stable;
            stable.is_some_and(|stable| stable.commit == push.after)
        })
        .await;
}

/// Waits until GitHub shows the deployment of this place in this state.
async fn shows(scenario: &Scenario, place: usize, state: &str) {
    let github = &scenario.laboratory.github;
    scenario
        .eventually("GitHub shows it", async || {
            let written = github.written(&scenario.repository.name);
            states(&written, place).last().copied() == Some(state)
        })
        .await;
}

/// Waits until a release's page says something.
async fn page_says(scenario: &Scenario, tag: &str, words: &str) {
    let github = &scenario.laboratory.github;
    scenario
        .eventually("the release's page says so", async || {
            github
                .release_page(&scenario.repository.name, tag)
                .is_some_and(|page| page.contains(words))
        })
        .await;
}

/// What GitHub showed of the deployment of this place, in order.
fn states(written: &Value, place: usize) -> Vec<&str> {
    let statuses = written["deployments"][place]["statuses"].as_array();
    let states = statuses.into_iter().flatten();
    states.filter_map(|status| status["state"].as_str()).collect()
}
