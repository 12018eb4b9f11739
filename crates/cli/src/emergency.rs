//! `lockgate emergency`: two people let a commit into an environment that is frozen.

use aws::Aws;
use aws::operator_acts::{Act, OperatorAct};
use domain::emergency::{COUNTS_FOR, PEOPLE, Plea, is_somebody};
use domain::message::duration;
use domain::names::{CommitSha, EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::Serialize;

use crate::records::{Records, RecordsError, reason};
use crate::table::Output;

/// Says that a commit has to come into an environment although it is frozen.
///
/// It takes two people, each with their own AWS identity; then the commit is let in for four hours from the earlier word,
/// and the deployment's record says who did and why. Ask for the deployment afterwards, for example by publishing the release.
/// Everything else is asked of it as of any other: that it was accepted before, that no alarm has gone off.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    records: Records,
    /// The commit, by all 40 of its digits.
    commit: CommitSha,
    /// Why it cannot wait: it is on the deployment's record, and kept beside your name.
    #[arg(long, value_parser = reason)]
    why: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What became of it, for programs.
#[derive(Debug, Serialize)]
struct Said<'s> {
    application: &'s RepositoryName,
    environment: &'s EnvironmentName,
    commit: &'s CommitSha,
    /// Those whose words count now, one for each person, the newest first.
    words: Vec<&'s Plea>,
    /// How many people it takes.
    needed: usize,
    /// Until when the commit is let in; nothing, where too few have said so.
    let_in_until: Option<Timestamp>,
}

/// Says so.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let Options {
        records,
        commit,
        why,
        output,
    } = options;
    let (application, environment) = (&records.application, &records.environment);
    let ledger = records.ledger(aws).await?;
    let (by, now) = (aws.caller().await?, Timestamp::now());
    if !is_somebody(&by) {
        return Err(RecordsError::Nobody(by));
    }
    let act = OperatorAct {
        act: Act::Pleaded,
        deployment: None,
        release: None,
        by: by.clone(),
        why: format!("commit {commit}: {why}"),
        at: now,
    };
    ledger.record_operator_act(application, environment, &act).await?;
    let plea = Plea {
        by,
        why: why.clone(),
        at: now,
    };
    let emergency = ledger.plead(application, environment, commit, &plea).await?;
    let first = |heard: Vec<&Plea>| heard.iter().map(|word| word.at).min().unwrap_or(now);
    let said = Said {
        application,
        environment,
        commit,
        words: emergency.heard(now),
        needed: PEOPLE,
        let_in_until: emergency.lets_in(now).map(|heard| first(heard) + COUNTS_FOR),
    };
    Ok(output.print(&said, || match said.let_in_until {
        Some(until) => format!(
            "{} is let into {} for {}. Ask for its deployment now.",
            commit.short(),
            records.place(),
            duration(until.duration_since(now))
        ),
        None => format!(
            "{} says so; {PEOPLE} people have to. The next one runs the same command with their own AWS identity within {}.",
            plea.by,
            duration(COUNTS_FOR)
        ),
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use fake_aws::sample;

    use super::*;
    use crate::fake::Fake;

    fn options(fake: &Fake, deployment: &domain::deployment::Deployment, output: Output) -> Options {
        Options {
            records: fake.records("acme/shop", "dev"),
            commit: deployment.commit.clone(),
            why: "orders are lost".to_owned(),
            output,
        }
    }

    #[tokio::test]
    async fn one_person_hears_that_a_second_one_has_to_say_so() {
        let fake = Fake::new().await;
        let deployment = sample::deployment(1);
        let options = options(&fake, &deployment, Output::Text);
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap(), @"arn:aws:sts::111111111111:assumed-role/one/session says so; 2 people have to. The next one runs the same command with their own AWS identity within 4 h 0 min.");
        let plea = Plea {
            by: "arn:aws:iam::111111111111:user/bob".to_owned(),
            why: "they are".to_owned(),
            at: Timestamp::now(),
        };
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let plead = fake
            .ledger()
            .plead(application, environment, &deployment.commit, &plea)
            .await;
        plead.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let heard = run(&options, &fake.aws).await.unwrap();
        assert!(
            heard.starts_with("010101010101 is let into dev of acme/shop for "),
            "{heard}"
        );
        assert!(heard.ends_with(". Ask for its deployment now."), "{heard}");
    }

    #[tokio::test]
    async fn programs_get_whose_words_count_and_until_when_it_is_let_in() {
        let fake = Fake::new().await;
        let deployment = sample::deployment(1);
        let options = options(&fake, &deployment, Output::Json);
        let alone = run(&options, &fake.aws).await.unwrap();
        let at = Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let plea = Plea {
            by: "arn:aws:iam::111111111111:user/bob".to_owned(),
            why: "they are".to_owned(),
            at,
        };
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let plead = fake
            .ledger()
            .plead(application, environment, &deployment.commit, &plea)
            .await;
        plead.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let heard = run(&options, &fake.aws).await.unwrap();
        let until = (at + COUNTS_FOR).to_string();
        assert!(heard.contains(&format!("\"let_in_until\": \"{until}\"")), "{heard}");
        // The times are those of this run.
        let dated = [alone, heard].map(|said| {
            let lines = said.lines().map(|line| match line.split_once("\": \"20") {
                Some((key, _)) => format!("{key}\": \"<time>\""),
                None => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
        });
        insta::assert_snapshot!(dated.join("\n\n"));
    }
}
