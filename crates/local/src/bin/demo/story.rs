//! The story that the demo tells.

use std::time::Duration;

use domain::approval::{ApprovalId, When};
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

use crate::screen::Screen;
use crate::summary::{Shop, StackTimes, Summary, Told};

const DEV: &str = "222222222222";
const TEST: &str = "333333333333";
const SHOP: &str = "acme/shop";
const CANDIDATE: &str = "v1.0.0-rc.1";
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
    pipeline: &'d Pipeline,
    answering: Answering,
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

/// Sets Lockgate up, merges the example to `main`, publishes it as a pre-release when it stands in dev, and waits until
/// people have accepted it in test.
pub async fn tell(emulator: &Emulator, screen: &Screen, answering: Answering) -> Result<Summary, Trouble> {
    let logins = [("ada@acme.example", "ada"), (TESTER, "qa")];
    let github = GitHubStandIn::start(emulator.folder(), &logins).await?;
    let resolved = pipeline::resolve(emulator, &configuration(&github.url)).await?;
    screen
        .act("Bootstrapping the accounts tools, dev and test", async {
            tokio::try_join!(
                pipeline::bootstrap(emulator, TOOLS),
                pipeline::bootstrap(emulator, DEV),
                pipeline::bootstrap(emulator, TEST)
            )
            .map(drop)
        })
        .await?;
    let deployed = Box::pin(Pipeline::deploy(emulator, &resolved, &["--all"]));
    let pipeline = screen.act("Deploying Lockgate with the CDK", deployed).await?;
    let repository = Repository::create(emulator, SHOP).await?;
    repository.copy_from(&workspace().join("examples/shop"))?;
    let title = "Open the shop";
    let commit = repository.commit(title).await?;
    let scene = Scene {
        emulator,
        screen,
        pipeline: &pipeline,
        answering,
    };
    let merged = Happening {
        environment: "dev",
        account: DEV,
        headline: format!("{}  {title}", commit.short()),
        sentence: format!("{} was merged to main", commit.short()),
        delivery: Push::of(SHOP, &commit, title).delivery()?,
        commit: commit.clone(),
    };
    let mut deployments = vec![scene.bring(merged).await?];
    if deployments.iter().all(Told::went_well) {
        repository.annotated_tag(CANDIDATE, "The shop, for its testers").await?;
        let published = Happening {
            environment: "test",
            account: TEST,
            headline: format!("{CANDIDATE}  {}  {title}", commit.short()),
            sentence: format!("{CANDIDATE} was published as a pre-release"),
            delivery: Release::prereleased(SHOP, CANDIDATE, "ada").delivery()?,
            commit,
        };
        deployments.push(scene.bring(published).await?);
    }
    let mut shops = Vec::new();
    for (environment, account) in [("dev", DEV), ("test", TEST)] {
        let outputs = emulator.account(account).await;
        let outputs = outputs.outputs(&format!("shop-{environment}-web")).await;
        let url = outputs.ok().and_then(|mut outputs| outputs.remove("Url"));
        shops.extend(url.map(|url| Shop { environment, url }));
    }
    Ok(Summary {
        pipeline,
        github: github.url,
        shops,
        deployments,
    })
}

impl Scene<'_> {
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
            trouble = self.watch(&id, &bar) => Err(trouble),
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

    /// What CloudFormation itself says of each stack that was changed.
    async fn stack_times(&self, account: &str, entries: &[Entry]) -> Result<Vec<StackTimes>, Trouble> {
        let account = self.emulator.account(account).await;
        let mut times = Vec::new();
        for entry in entries {
            if let Event::Executing { stack, change_set, .. } = &entry.what {
                times.push(StackTimes {
                    change_set_asked: account.change_set_asked(change_set).await?,
                    settled: account.stack_settled(stack.as_str()).await?,
                });
            }
        }
        Ok(times)
    }

    /// Says what happens, and has people answer when they are asked. It ends only where it went wrong.
    async fn watch(&self, id: &DeploymentId, bar: &ProgressBar) -> Trouble {
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
