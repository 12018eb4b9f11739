//! `lockgate hold`: nothing goes forward until a person lets it.

use aws::Aws;
use aws::operator_acts::{Act, OperatorAct};
use domain::environment_state::Hold;
use domain::parking::Key;
use jiff::Timestamp;

use crate::records::{Records, RecordsError, reason};

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
}

/// Holds the environment, and says so.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let Options { records, why } = options;
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
    let (waiting, hold) = ledger
        .change_environment(application, environment, |state| {
            (state.hold(hold.clone()), state.hold.clone())
        })
        .await?;
    for id in &waiting {
        for parked in ledger.parked(&Key::lock(id)).await? {
            ledger.look_again(&parked, now).await?;
        }
    }
    let place = records.place();
    Ok(match hold {
        Some(hold) if hold.by != by || hold.since != now => {
            format!(
                "{place} was held before, since {} by {}: {}",
                hold.since, hold.by, hold.why
            )
        }
        _ => format!(
            "{place} is held by {by}; {} refused. `lockgate release` lets go of it.",
            match waiting.len() {
                0 => "nothing waits that is".to_owned(),
                1 => "the one that waits is".to_owned(),
                n => format!("the {n} that wait are"),
            }
        ),
    })
}
