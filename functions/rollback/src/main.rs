//! The Lambda function **rollback**; see the library.

use futures::FutureExt as _;
use lockgate_rollback::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::StartError> {
    lambda::start_logging();
    let context = Context::from_environment()?;
    // Boxed: the SDK's futures are nested deeper than the compiler follows by itself.
    lambda::run(|input| handle(&context, input).boxed()).await
}
