//! The webhook function: see the library of this package.

use aws::parameters::Parameters;
use aws::{Aws, Ledger, executions::Executions};
use domain::failure::Failure;
use github::{Access, Credentials, GitHub};
use jiff::Timestamp;
use lambda::{StartError, setting};
use lockgate_webhook::{Webhook, applications::Applications, handle, questions, secrets::SecretStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    lambda::start_logging();
    let aws = Aws::in_lambda();
    let parameters = Parameters::new(aws.ssm());
    let github = GitHub::new(&setting("LOCKGATE_GITHUB_API")?, Credentials::None)?.patient(questions::PATIENCE);
    let webhook = Webhook {
        secrets: SecretStore::open(parameters.clone(), &setting("LOCKGATE_SECRETS")?, Timestamp::now()).await,
        applications: Applications::new(parameters.clone(), &setting("LOCKGATE_APPLICATIONS")?),
        questions: questions::Questions::new(
            Access::new(github, &setting("LOCKGATE_GITHUB")?),
            parameters,
            questions::PAUSES,
        ),
        ledger: Ledger::new(aws.dynamodb(), setting("LOCKGATE_LEDGER")?),
        executions: Executions::new(aws.step_functions(), setting("LOCKGATE_STATE_MACHINE")?),
    };
    let webhook = &webhook;
    lambda::run(move |input| async move { Ok::<_, Failure>(handle(webhook, input, Timestamp::now()).await) }).await
}
