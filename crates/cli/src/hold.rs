//! `lockgate hold`: nothing goes forward until a person lets it.

use aws::Aws;
use aws::operator_acts::{Act, OperatorAct};
use domain::environment_state::Hold;
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use domain::parking::Key;
use jiff::Timestamp;
use serde::Serialize;

use crate::records::{Records, RecordsError, reason};
use crate::table::Output;

/// Lets nothing go forward in an environment until `lockgate release`.
///
/// What is under way there goes on to its end, unless people are still asked before it changes anything; what waits, and
/// what is asked for meanwhile, is refused with your reason.
/// Going back (`lockgate rollback`) works all the same.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    records: Records,
    /// Why: it is told to whoever is refused, and kept beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What became of it, for programs.
#[derive(Debug, Serialize)]
struct Held<'h> {
    application: &'h RepositoryName,
    environment: &'h EnvironmentName,
    /// Whether it was held before, in which case nothing has changed.
    before: bool,
    /// The hold that counts.
    hold: Hold,
    /// Those that waited there, and are refused.
    refused: Vec<DeploymentId>,
}

/// Holds the environment, and says so.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let Options { records, why, output } = options;
    let (application, environment) = (&records.application, &records.environment);
    let ledger = records.ledger(aws).await?;
    records.state(aws, &ledger).await?;
    let now = Timestamp::now();
    let by = aws.caller().await?;
    let act = OperatorAct {
        act: Act::Held,
        deployment: None,
        release: None,
        by: by.clone(),
        why: why.clone(),
        at: now,
    };
    ledger.record_operator_act(application, environment, &act).await?;
    let hold = Hold {
        by: by.clone(),
        why: why.clone(),
        since: now,
    };
    let (waiting, found) = ledger
        .change_environment(application, environment, |state| {
            (state.hold(hold.clone()), state.hold.clone())
        })
        .await?;
    for id in &waiting {
        for parked in ledger.parked(&Key::lock(id)).await? {
            ledger.look_again(&parked, now).await?;
        }
    }
    let hold = found.unwrap_or(hold);
    let became = Held {
        application,
        environment,
        before: hold.by != by || hold.since != now,
        hold,
        refused: waiting,
    };
    Ok(output.print(&became, || became.text(&records.place())))
}

impl Held<'_> {
    fn text(&self, place: &str) -> String {
        let Hold { by, why, since } = &self.hold;
        if self.before {
            return format!("{place} was held before, since {since} by {by}: {why}");
        }
        format!(
            "{place} is held by {by}; {} refused. `lockgate release` lets go of it.",
            match self.refused.len() {
                0 => "nothing waits that is".to_owned(),
                1 => "the one that waits is".to_owned(),
                n => format!("the {n} that wait are"),
            }
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::environment_state::{Candidate, EnvironmentState};
    use fake_aws::sample;

    use super::*;
    use crate::fake::Fake;

    #[tokio::test]
    async fn who_holds_is_told_what_is_refused_and_who_comes_second_who_was_first() {
        let fake = Fake::new().await;
        let deployment = sample::deployment(1);
        fake.brings(&deployment, &sample::stable(&deployment).release).await;
        let options = Options {
            records: fake.records("acme/shop", "dev"),
            why: "the warehouse burns".to_owned(),
            output: Output::Text,
        };
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap(), @"dev of acme/shop is held by arn:aws:sts::111111111111:assumed-role/one/session; nothing waits that is refused. `lockgate release` lets go of it.");
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let state = fake.ledger().environment(application, environment).await.unwrap();
        let since = state.hold.unwrap().since.to_string();
        // Acts are told apart by their millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let second = run(&options, &fake.aws).await.unwrap();
        insta::assert_snapshot!(second.replace(&since, "<since>"), @"dev of acme/shop was held before, since <since> by arn:aws:sts::111111111111:assumed-role/one/session: the warehouse burns");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let programs = Options {
            output: Output::Json,
            ..options
        };
        let third = run(&programs, &fake.aws).await.unwrap();
        insta::assert_snapshot!(third.replace(&since, "<since>"));
        let acts = fake.ledger().operator_acts(application, environment).await.unwrap();
        assert_eq!(acts.len(), 3);
    }

    #[tokio::test]
    async fn programs_get_who_holds_it_and_what_is_refused() {
        let fake = Fake::new().await;
        let ledger = fake.ledger();
        let (first, second) = (sample::deployment(1), sample::deployment(2));
        fake.brings(&first, &sample::stable(&first).release).await;
        let (application, environment) = (&first.application, &first.environment.name);
        for deployment in [&first, &second] {
            let candidate = Candidate::of(deployment);
            let admit = |state: &mut EnvironmentState| drop(state.admit(candidate.clone(), deployment.requested.at));
            ledger
                .change_environment(application, environment, admit)
                .await
                .unwrap();
        }
        let options = Options {
            records: fake.records("acme/shop", "dev"),
            why: "the warehouse burns".to_owned(),
            output: Output::Json,
        };
        let said = run(&options, &fake.aws).await.unwrap();
        let since = ledger
            .environment(application, environment)
            .await
            .unwrap()
            .hold
            .unwrap()
            .since;
        insta::assert_snapshot!(said.replace(&since.to_string(), "<since>"));
    }
}
