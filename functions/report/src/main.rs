//! The Lambda function **report**.

use lockgate_report::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::StartError> {
    lambda::start_logging();
    let context = Context::from_environment()?;
    lambda::run(|input| handle(&context, input)).await
}
