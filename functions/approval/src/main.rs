//! The Lambda function **approval**.

use lockgate_approval::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::StartError> {
    lambda::start_logging();
    let context = Context::from_environment()?;
    lambda::run(|input| handle(&context, input)).await
}
