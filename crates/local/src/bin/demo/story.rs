//! The story that the demo tells.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::alarms::Alarms;
use domain::approval::{ApprovalId, When};
use domain::bake::AlarmChoice;
use domain::ledger::Entry;
use domain::life::Event;
use domain::message;
use domain::names::{CommitSha, DeploymentId};
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::deliveries::{Delivery, Push, Release};
use local::tester::{Answer, Tester};
use local::{Emulator, GitHubStandIn, Pipeline, REGION, Repository, TOOLS, Trouble, pipeline, workspace};
use tokio::time::Instant;

use crate::customers::Customers;
use crate::on_github::{self, OnGitHub};
use crate::screen::Screen;
use crate::summary::{Shop, StackTimes, Summary, Told};

const DEV: &str = "222222222222";
const TEST: &str = "333333333333";
const PRODUCTION: &str = "444444444444";
const LADDER: [(&str, &str); 3] = [("dev", DEV), ("test", TEST), ("production", PRODUCTION)];
const SHOP: &str = "acme/shop";
const FIRST: &str = "v1.0.0";
const SECOND: &str = "v1.2.0";
const ALARM: &str = "shop-production-errors";
/// For how long customers go on after the story, to show that they are served.
const LAST_CUSTOMERS: Duration = Duration::from_secs(2);
const TESTER: &str = "qa@acme.example";
const LEAD: &str = "lead@acme.example";

/// How long nothing may happen; a first build installs the application's packages.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long people may take where nobody reads along, so that a script without `--yes` comes to its end.
const PATIENCE_UNSEEN: Duration = Duration::from_mins(15);
/// How long people may take: the configuration's three days, and what it takes to see that they are over.
const PATIENCE_WITH_PEOPLE: Duration = Duration::from_hours(73);

/// Who answers the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// Whoever sits here, in a browser.
    Person,
    /// The demo itself.
    Demo,
}

/// What the story is told with.
struct Scene<'d> {
    emulator: &'d Emulator,
    screen: &'d Screen,
    github: &'d GitHubStandIn,
    pipeline: &'d Pipeline,
    repository: &'d Repository,
    answering: Answering,
    /// When CloudFormation was asked for each change set, while that could be told: it forgets those that another overtook.
    asked: Mutex<BTreeMap<String, Timestamp>>,
}

/// One thing that happens on GitHub, and where it leads.
struct Happening {
    environment: &'static str,
    account: &'static str,
    /// What it is called.
    headline: String,
    sentence: String,
    commit: CommitSha,
    delivery: Delivery,
}

/// A version of the shop, on its way from GitHub to production.
struct Version {
    commit: CommitSha,
    title: &'static str,
    number: &'static str,
}

/// Sets Lockgate up and tells of two versions of the shop: one that gets to production and stays there, and one that passes
/// every test and fails customers.
pub async fn tell(emulator: &Emulator, screen: &Screen, answering: Answering) -> Result<Summary, Trouble> {
    let logins = [("ada@acme.example", "ada"), (TESTER, "qa")];
    let github = GitHubStandIn::start(emulator.folder(), &logins).await?;
    let resolved = pipeline::resolve(emulator, &configuration(&github.url)).await?;
    screen
        .act("Bootstrapping the accounts tools, dev, test and production", async {
            tokio::try_join!(
                pipeline::bootstrap(emulator, TOOLS),
                pipeline::bootstrap(emulator, DEV),
                pipeline::bootstrap(emulator, TEST),
                pipeline::bootstrap(emulator, PRODUCTION)
            )
            .map(drop)
        })
        .await?;
    let deployed = Box::pin(Pipeline::deploy(emulator, &resolved, &["--all"]));
    let pipeline = screen.act("Deploying Lockgate with the CDK", deployed).await?;
    let repository = Repository::create(emulator, SHOP).await?;
    repository.copy_from(&workspace().join("examples/shop"))?;
    let scene = Scene {
        emulator,
        screen,
        github: &github,
        pipeline: &pipeline,
        repository: &repository,
        answering,
        asked: Mutex::default(),
    };
    let mut deployments = Vec::new();
    let mut customers = None;
    let title = "Open the shop";
    let first = Version {
        commit: repository.commit(title).await?,
        title,
        number: FIRST,
    };
    Box::pin(scene.bring_up(&first, &mut deployments)).await?;
    if deployments.iter().all(Told::went_well) {
        let shop = scene.shop("production", PRODUCTION).await;
        let shop = shop.ok_or_else(|| Trouble("the shop in production has no address".to_owned()))?;
        screen.say("\n  Customers come to the shop in production, and order tea");
        let orders = Customers::come(emulator.http(), &shop.url);
        let second = scene.second().await?;
        let told = Box::pin(scene.bring_up(&second, &mut deployments)).await;
        tokio::time::sleep(LAST_CUSTOMERS).await;
        customers = Some(orders.leave().await);
        told?;
    }
    let mut shops = Vec::new();
    for (environment, account) in LADDER {
        shops.extend(scene.shop(environment, account).await);
    }
    let alarm = scene.alarm().await;
    let last = if customers.is_some() { SECOND } else { FIRST };
    let shown = OnGitHub::of(&github, SHOP, deployments.len(), last).await;
    on_github::keep_requests(&github, &emulator.folder().join("github-requests.json"))?;
    Ok(Summary {
        pipeline,
        github: shown,
        shops,
        deployments,
        customers,
        alarm,
    })
}

impl Scene<'_> {
    /// Merges two improvements to `main`, of which the second prints labels, and fails whoever has an umlaut in their name.
    async fn second(&self) -> Result<Version, Trouble> {
        let commits = workspace().join("examples/commits");
        self.repository
            .apply(&commits.join("0001-better-three-or-more-are-cheaper.patch"))
            .await?;
        self.repository.commit("Three or more are cheaper").await?;
        self.repository
            .apply(&commits.join("0002-fails-customers-parcel-labels.patch"))
            .await?;
        let title = "Print a label for every parcel";
        Ok(Version {
            commit: self.repository.commit(title).await?,
            title,
            number: SECOND,
        })
    }

    /// Merges a version, publishes it as a pre-release when it stands in dev, and as a release when people accepted it.
    async fn bring_up(&self, version: &Version, deployments: &mut Vec<Told>) -> Result<(), Trouble> {
        let Version { commit, title, number } = version;
        let short = commit.short();
        let merged = Happening {
            environment: "dev",
            account: DEV,
            headline: format!("{short}  {title}"),
            sentence: format!("{short} was merged to main"),
            delivery: Push::of(SHOP, commit, title).delivery()?,
            commit: commit.clone(),
        };
        if !self.bring_next(merged, deployments).await? {
            return Ok(());
        }
        let candidate = format!("{number}-rc.1");
        self.repository
            .annotated_tag(&candidate, "The shop, for its testers")
            .await?;
        let release = Release::prereleased(SHOP, &candidate, "ada");
        self.github
            .publish(&release, "For those who try it before customers do.");
        let published = Happening {
            environment: "test",
            account: TEST,
            headline: format!("{candidate}  {short}  {title}"),
            sentence: format!("{candidate} was published as a pre-release"),
            delivery: release.delivery()?,
            commit: commit.clone(),
        };
        if !self.bring_next(published, deployments).await? {
            return Ok(());
        }
        self.repository
            .annotated_tag(number, "The shop, for its customers")
            .await?;
        let release = Release::released(SHOP, number, "ada");
        self.github.publish(&release, title);
        let released = Happening {
            environment: "production",
            account: PRODUCTION,
            headline: format!("{number}  {short}  {title}"),
            sentence: format!("{number} was published as a release"),
            delivery: release.delivery()?,
            commit: commit.clone(),
        };
        self.bring_next(released, deployments).await.map(drop)
    }

    /// Whether what happened got its release to where it was to go.
    async fn bring_next(&self, happening: Happening, deployments: &mut Vec<Told>) -> Result<bool, Trouble> {
        let told = Box::pin(self.bring(happening)).await?;
        let went_well = told.went_well();
        deployments.push(told);
        Ok(went_well)
    }

    /// The shop in an environment, if it stands there.
    async fn shop(&self, environment: &'static str, account: &str) -> Option<Shop> {
        let outputs = self.emulator.account(account).await;
        let outputs = outputs.outputs(&format!("shop-{environment}-web")).await;
        let url = outputs.ok()?.remove("Url")?;
        Some(Shop { environment, url })
    }

    /// When the alarm in production went off, if it did.
    async fn alarm(&self) -> Option<Timestamp> {
        let production = self.emulator.account(PRODUCTION).await;
        let alarms = Alarms::new(&production.aws);
        let watched = [AlarmChoice::Named(ALARM.to_owned())];
        let seen = alarms.look_at_alarms(&watched, Timestamp::UNIX_EPOCH).await.ok()?;
        seen.alarms
            .into_iter()
            .find_map(|alarm| alarm.fired)
            .map(|fired| fired.at)
    }

    /// Delivers what happened, and watches the deployment that it leads to.
    async fn bring(&self, happening: Happening) -> Result<Told, Trouble> {
        let webhook = &self.pipeline.webhook;
        let sent = Timestamp::now();
        let (status, answer) = happening.delivery.send(self.emulator.http(), webhook).await?;
        let id: DeploymentId = answer["deployments"][0]
            .as_str()
            .ok_or_else(|| Trouble(format!("the webhook answered {status}: {answer}")))?
            .parse()
            .map_err(Trouble::during("reading the deployment's id"))?;
        self.screen
            .say(&format!("\n  {}\n  deployment {id}", happening.sentence));
        let bar = self.screen.begin("Deploying");
        let ended = tokio::select! {
            ended = self.pipeline.end_of(&id, PATIENCE + PATIENCE_WITH_PEOPLE) => ended,
            trouble = self.watch(&id, happening.account, &bar) => Err(trouble),
        };
        bar.finish_and_clear();
        let ended = ended?;
        let transitions = self.emulator.transitions(&self.pipeline.execution_arn(&id)).await?;
        let approval = self
            .pipeline
            .ledger
            .approval(&ApprovalId::of(&id, When::After))
            .await
            .map_err(Trouble::during("reading the ledger"))?;
        let page = match &approval {
            // Nobody gets a mail where too few are left who may answer.
            Some(approval) => Tester::new(self.emulator, TESTER).link(approval.id.as_str()).await.ok(),
            None => None,
        };
        let stacks = self.stack_times(happening.account, &ended.entries).await?;
        Ok(Told {
            environment: happening.environment,
            headline: happening.headline,
            commit: happening.commit,
            sent,
            stacks,
            ended,
            transitions,
            approval,
            page,
        })
    }

    /// Notes when CloudFormation was asked for a change set.
    async fn note(&self, account: &str, change_set: &str) {
        let account = self.emulator.account(account).await;
        if let Ok(at) = account.change_set_asked(change_set).await {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(change_set.to_owned(), at);
        }
    }

    /// What CloudFormation itself says of each stack that was changed.
    async fn stack_times(&self, account: &str, entries: &[Entry]) -> Result<Vec<StackTimes>, Trouble> {
        let account = self.emulator.account(account).await;
        let mut times = Vec::new();
        for entry in entries {
            if let Event::Executing { leg, stack, change_set } = &entry.what {
                times.push(StackTimes {
                    leg: *leg,
                    change_set_asked: self.asked(change_set),
                    settled: account.stack_settled(stack.as_str()).await?,
                });
            }
        }
        Ok(times)
    }

    fn asked(&self, change_set: &str) -> Option<Timestamp> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(change_set).copied()
    }

    /// Says what happens, and has people answer when they are asked. It ends only where it went wrong.
    async fn watch(&self, id: &DeploymentId, account: &str, bar: &ProgressBar) -> Trouble {
        let mut shown = 0;
        let mut news = Instant::now();
        let mut waits_for_people = false;
        loop {
            let entries = self.pipeline.ledger.entries(id).await.unwrap_or_default();
            for entry in entries.iter().skip(shown) {
                shown += 1;
                news = Instant::now();
                let sentence = message::sentence(&entry.what);
                self.say(bar, &format!("  {}  {sentence}", entry.at.strftime("%H:%M:%S")));
                bar.set_message(sentence);
                match &entry.what {
                    Event::Executing { change_set, .. } => self.note(account, change_set).await,
                    Event::ApprovalAsked { approval, .. } => {
                        waits_for_people = true;
                        if let Err(trouble) = self.answer(approval, bar).await {
                            return trouble;
                        }
                    }
                    Event::Decided { .. } => waits_for_people = false,
                    _ => {}
                }
            }
            let patience = patience(waits_for_people, self.screen.is_terminal());
            if news.elapsed() > patience {
                return out_of_patience(id, waits_for_people, patience);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Answers the tester's mail, or shows whoever sits here how they can.
    async fn answer(&self, approval: &ApprovalId, bar: &ProgressBar) -> Result<(), Trouble> {
        let tester = Tester::new(self.emulator, TESTER);
        let link = tester.link(approval.as_str()).await?;
        match self.answering {
            Answering::Demo => self.accept(&tester, &link, bar).await,
            Answering::Person => {
                self.say(bar, &invitation(&link, self.screen.is_terminal()));
                bar.set_message(format!("Waiting for {TESTER}"));
                Ok(())
            }
        }
    }

    /// Does in the tester's browser what a tester does who likes what they see.
    async fn accept(&self, tester: &Tester<'_>, link: &str, bar: &ProgressBar) -> Result<(), Trouble> {
        let boxes = tester.open(link).await?.boxes();
        let text = format!(
            "  {TESTER} opens the link in the mail, ticks {} items and accepts",
            boxes.len()
        );
        self.say(bar, &text);
        let answer = Answer::accept("Tried by the demo.").ticking(boxes);
        let page = tester.answer(link, &answer).await?;
        if page.status == 200 {
            Ok(())
        } else {
            let (status, heading) = (page.status, page.heading());
            Err(Trouble(format!("the page answered {status}: {heading}")))
        }
    }

    fn say(&self, bar: &ProgressBar, text: &str) {
        bar.suspend(|| self.screen.say(text));
    }
}

/// What whoever sits here reads when it is their turn.
fn invitation(link: &str, terminal: bool) -> String {
    let how_long = if terminal {
        "The demo waits for it; Ctrl-C ends it."
    } else {
        "The demo waits for 15 minutes, since this is no terminal."
    };
    format!(
        "\n  {TESTER} and {LEAD} got a mail each.\n  Be {TESTER}: open this page in your browser, and accept or \
         reject.\n\n{link}\n\n  {how_long} With --yes it answers by itself.\n"
    )
}

fn patience(waits_for_people: bool, terminal: bool) -> Duration {
    match (waits_for_people, terminal) {
        (false, _) => PATIENCE,
        (true, false) => PATIENCE_UNSEEN,
        (true, true) => PATIENCE_WITH_PEOPLE,
    }
}

fn out_of_patience(id: &DeploymentId, waited_for_people: bool, patience: Duration) -> Trouble {
    let minutes = patience.as_secs() / 60;
    Trouble(if waited_for_people {
        format!("Nobody answered within {minutes} minutes; with --yes, the demo answers by itself.")
    } else {
        format!("Nothing happened to {id} for {minutes} minutes; what functions wrote is in target/lockgate/demo.")
    })
}

fn configuration(github: &str) -> String {
    format!(
        r#"[pipeline]
account              = "{TOOLS}"
region               = "{REGION}"
external_id          = "an-external-id-of-the-local-aws"
notify               = ["developers@acme.example"]
smoke_test_addresses = ["127.0.0.0/8"]
github_api           = "{github}"

[application."{SHOP}"]
branch = "main"

[application."{SHOP}".people]
"{TESTER}"   = {{ github = ["qa"] }}
"{LEAD}" = {{ github = [], aws = ["arn:aws:iam::{TOOLS}:user/lead"] }}

[application."{SHOP}".environment.dev]
account = "{DEV}"
on      = "push"

[application."{SHOP}".environment.test]
account  = "{TEST}"
on       = "prerelease"
after    = "dev"
approval = {{ by = ["{TESTER}", "{LEAD}"], need = 1, within = "3 days", on_reject = "stay" }}

[application."{SHOP}".environment.production]
account = "{PRODUCTION}"
on      = "release"
after   = "test"
bake    = {{ for = "8 seconds", alarms = ["{ALARM}"] }}
watch   = "24 hours"
"#
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_person_gets_the_link_on_a_line_of_its_own_and_is_told_how_long_it_holds() {
        let link = "http://127.0.0.1:4566/approvals/1#token";
        for (terminal, how_long) in [(true, "Ctrl-C ends it"), (false, "15 minutes")] {
            let text = invitation(link, terminal);
            assert!(text.lines().any(|line| line == link), "{text}");
            assert!(
                text.contains(how_long) && text.contains("--yes") && text.contains(TESTER),
                "{text}"
            );
        }
    }

    #[test]
    fn a_person_has_days_and_a_script_a_quarter_of_an_hour() {
        assert!(
            patience(true, true) > Duration::from_hours(72),
            "the configuration's three days"
        );
        assert_eq!(patience(true, false), Duration::from_mins(15));
        assert_eq!((patience(false, true), patience(false, false)), (PATIENCE, PATIENCE));
        let id = "shop-test-1".parse().unwrap();
        let Trouble(sentence) = out_of_patience(&id, true, patience(true, false));
        assert_eq!(
            sentence,
            "Nobody answered within 15 minutes; with --yes, the demo answers by itself."
        );
        let Trouble(sentence) = out_of_patience(&id, false, PATIENCE);
        assert!(
            sentence.starts_with("Nothing happened to shop-test-1 for 10 minutes"),
            "{sentence}"
        );
    }
}
