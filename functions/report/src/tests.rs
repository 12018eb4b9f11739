#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use domain::life::{Ending, Event, WayBack};
use fake_aws::sample::{MACHINE, deployment};
use fake_aws::{FakeAws, Fate, TABLE};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

mod on_github;

const TOPIC: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate";
const CONSOLE: &str = "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/\
                       arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:shop-dev-1";

/// report, the AWS it works on, and the GitHub it tells.
struct Desk {
    aws: FakeAws,
    hub: on_github::Hub,
    context: Context,
}

impl Desk {
    async fn new() -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let hub = on_github::Hub::default();
        let github = GitHub::new(::github::API, Credentials::None).unwrap();
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            notifications: Notifications::new(way.sns(), TOPIC),
            parameters: Parameters::new(way.ssm()),
            github: Access::new(github.through(hub.clone()), "/lockgate/github"),
            region: "eu-west-1".to_owned(),
            machine: MACHINE.to_owned(),
        };
        Self { aws, hub, context }
    }

    /// A desk where the first deployment ended so, and its report is owed.
    async fn where_it(ending: Ending) -> Self {
        let desk = Self::new().await;
        desk.record([Event::Ended(ending)]).await;
        desk.owe().await;
        desk
    }

    async fn owe(&self) {
        self.context
            .ledger
            .owe_report(&deployment(1).id, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }

    async fn record(&self, events: impl IntoIterator<Item = Event>) {
        self.record_of(&deployment(1), events).await;
    }

    async fn record_of(&self, deployment: &Deployment, events: impl IntoIterator<Item = Event>) {
        let requested = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        for event in [requested].into_iter().chain(events) {
            self.context
                .ledger
                .record(&deployment.id, event, Timestamp::now())
                .await
                .unwrap();
        }
    }

    /// Asks as the state machine or the sweep does.
    async fn ask(&self, input: Value) -> Result<Output, Error> {
        handle(&self.context, serde_json::from_value(input).unwrap()).await
    }

    async fn ended(&self) -> Result<Output, Error> {
        self.ask(json!({ "do": "ended", "deployment": deployment(1) })).await
    }

    async fn owed(&self) -> bool {
        !self
            .context
            .ledger
            .overdue_reports(Timestamp::now())
            .await
            .unwrap()
            .is_empty()
    }

    fn subjects(&self) -> Vec<String> {
        self.aws.state().mails.iter().map(|mail| mail.subject.clone()).collect()
    }
}

fn failed(name: Name) -> Ending {
    Ending::FailedClean {
        failure: Failure::new(name, "why"),
        way_back: WayBack::NothingChanged,
    }
}

#[tokio::test]
async fn a_beginning_is_told_with_where_to_follow_it() {
    let desk = Desk::new().await;
    let told = desk.ask(json!({ "do": "started", "deployment": deployment(1) })).await;
    assert_eq!(told.unwrap(), Output::Told);
    let mail = desk.aws.state().mails[0].clone();
    assert_eq!(
        (mail.topic.as_str(), mail.subject.as_str()),
        (TOPIC, "[dev] acme/shop 010101010101 has begun")
    );
    assert!(
        mail.body.contains("Sell apples") && mail.body.contains(CONSOLE),
        "{}",
        mail.body
    );
    assert_eq!(
        desk.aws.operations(),
        ["Publish"],
        "a beginning is told from what was asked alone"
    );
}

#[tokio::test]
async fn an_end_is_told_as_the_ledger_has_it() {
    for (ending, subject) in [
        (failed(Name::BuildFailed), "FAILED"),
        (Ending::Superseded { by: deployment(2).id }, "was superseded"),
        (
            Ending::OperatorNeeded {
                failure: Failure::new(Name::RollbackFailed, "why"),
            },
            "FAILED, an operator is needed",
        ),
    ] {
        let desk = Desk::where_it(ending).await;
        assert_eq!(desk.ended().await.unwrap(), Output::Told);
        assert_eq!(desk.subjects(), [format!("[dev] acme/shop 010101010101 {subject}")]);
        let body = desk.aws.state().mails[0].body.clone();
        assert!(
            body.contains("What happened (times in UTC)") && body.contains(CONSOLE),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_long_record_is_told_to_its_end() {
    let desk = Desk::new().await;
    let builds = (1..=9).map(|number| Event::Building {
        build: format!("lockgate-build:{number}"),
        log: String::new(),
    });
    let ended = Event::Ended(failed(Name::BuildFailed));
    desk.record([Event::Admitted { fence: 1 }].into_iter().chain(builds).chain([ended]))
        .await;
    desk.owe().await;
    desk.aws.state().table.page = Some(2);
    desk.ended().await.unwrap();
    let body = desk.aws.state().mails[0].body.clone();
    assert!(body.contains("building: lockgate-build:9"), "{body}");
}

#[tokio::test]
async fn what_was_told_is_owed_no_more_and_what_was_not_is() {
    for fate in [
        Fate::Refused("Throttling"),
        Fate::Refused("AuthorizationError"),
        Fate::Refused("InternalError"),
    ] {
        let desk = Desk::where_it(failed(Name::BuildFailed)).await;
        desk.aws.fates("Publish", [fate]);
        desk.ended().await.unwrap_err();
        assert!(desk.owed().await);
        let told = desk.ask(json!({ "do": "owed", "id": deployment(1).id })).await;
        assert_eq!((told.unwrap(), desk.owed().await), (Output::Told, false));
        assert_eq!(desk.subjects().len(), 1);
    }
}

#[tokio::test]
async fn that_it_was_told_is_noted_after_it_was_told() {
    let desk = Desk::where_it(failed(Name::BuildFailed)).await;
    desk.aws.forget_calls();
    desk.ended().await.unwrap();
    let operations = desk.aws.operations();
    assert_eq!(operations[..4], ["GetItem", "Query", "Publish", "DeleteItem"]);
}

#[tokio::test]
async fn a_telling_whose_note_got_lost_is_told_again_rather_than_never() {
    let desk = Desk::where_it(failed(Name::BuildFailed)).await;
    desk.aws.fates("DeleteItem", [Fate::Refused("ThrottlingException")]);
    let error = desk.ended().await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert!(desk.owed().await);
    desk.ended().await.unwrap();
    assert_eq!((desk.subjects().len(), desk.owed().await), (2, false));
}

#[tokio::test]
async fn an_end_that_was_told_is_not_told_again() {
    let desk = Desk::where_it(failed(Name::BuildFailed)).await;
    desk.ended().await.unwrap();
    assert_eq!(desk.ended().await.unwrap(), Output::NothingToTell);
    assert_eq!(desk.subjects().len(), 1);
}

#[tokio::test]
async fn without_an_end_there_is_nothing_to_tell_and_what_is_owed_stays_owed() {
    let desk = Desk::new().await;
    desk.owe().await;
    assert_eq!(
        desk.ended().await.unwrap(),
        Output::NothingToTell,
        "nothing at all is known"
    );
    desk.record([Event::Admitted { fence: 1 }]).await;
    let owed = desk.ask(json!({ "do": "owed", "id": deployment(1).id })).await;
    assert_eq!(owed.unwrap(), Output::NothingToTell);
    assert_eq!((desk.subjects().len(), desk.owed().await), (0, true));
}
