//! Where people look on: the addresses of what they see elsewhere.

use crate::names::{CommitSha, DeploymentId, RepositoryName};

/// A deployment's execution in the Step Functions console, given the state machine's ARN and its region.
pub fn execution(machine: &str, region: &str, deployment: &DeploymentId) -> String {
    let execution = machine.replacen(":stateMachine:", ":execution:", 1);
    format!(
        "https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{execution}:{deployment}"
    )
}

/// A commit on GitHub.
pub fn commit(application: &RepositoryName, commit: &CommitSha) -> String {
    format!("https://github.com/{application}/commit/{commit}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_execution_and_a_commit_have_addresses() {
        let machine = "arn:aws:states:eu-west-1:111111111111:stateMachine:lockgate-deployment";
        insta::assert_snapshot!(
            execution(machine, "eu-west-1", &"shop-dev-1".parse().unwrap()),
            @"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:111111111111:execution:lockgate-deployment:shop-dev-1"
        );
        insta::assert_snapshot!(
            commit(&"acme/shop".parse().unwrap(), &"01".repeat(20).parse().unwrap()),
            @"https://github.com/acme/shop/commit/0101010101010101010101010101010101010101"
        );
    }
}
