//! The Lambda function **smoke-test**; see the library.

use aws::{Aws, Ledger};
use domain::smoke_test::Allowed;
use futures::FutureExt as _;
use lockgate_smoke_test::http::{Asker, Caps, system_lookup};
use lockgate_smoke_test::release::Releases;
use lockgate_smoke_test::rounds::Pace;
use lockgate_smoke_test::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::StartError> {
    lambda::start_logging();
    // Not `lambda::setting`: the usual value is empty, which allows public addresses only.
    let allowed: Allowed = std::env::var("LOCKGATE_SMOKE_ALLOW").unwrap_or_default().parse()?;
    let aws = Aws::from_environment().await;
    let context = Context {
        ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
        releases: Releases {
            aws: aws.clone(),
            bucket: lambda::setting("LOCKGATE_ARTIFACTS")?,
        },
        external_id: lambda::setting("LOCKGATE_EXTERNAL_ID")?,
        asker: Asker::new(allowed, system_lookup(), Caps::default())?,
        pace: Pace::default(),
        aws,
    };
    // Boxed: the SDK's futures are nested deeper than the compiler follows by itself.
    lambda::run(|input| handle(&context, input).boxed()).await
}
