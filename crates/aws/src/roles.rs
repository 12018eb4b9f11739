//! Roles, looked at.

use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use percent_encoding::percent_decode_str;

use crate::error::{Error, Kind, during};

/// IAM's roles of one account.
#[derive(Debug, Clone)]
pub struct Roles {
    client: aws_sdk_iam::Client,
}

impl Roles {
    /// The roles of the account that this client acts in.
    pub fn new(client: aws_sdk_iam::Client) -> Self {
        Self { client }
    }

    /// Whom a role trusts, as a policy in JSON; nothing, where there is no such role.
    pub async fn trust_policy(&self, role: &str) -> Result<Option<String>, Error> {
        let operation = "iam:GetRole";
        let answer = self.client.get_role().role_name(role).send().await;
        let policy = match answer.map_err(during(operation)) {
            Ok(answer) => answer.role.and_then(|role| role.assume_role_policy_document),
            Err(error) if error.is(Kind::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let policy = policy.ok_or_else(|| Error::unexpected(operation, "the answer has no trust policy"))?;
        // IAM writes it as a part of a URL (AWS IAM API reference, `GetRole`).
        let decoded = percent_decode_str(&policy).decode_utf8();
        decoded
            .map(|policy| Some(policy.into_owned()))
            .map_err(|error| Error::unexpected(operation, error.to_string()))
    }

    /// Whether a role's own policies let it assume another, whatever that one says. Policies of the organisation are not
    /// looked at (AWS IAM user guide, "IAM policy testing with the IAM policy simulator").
    pub async fn may_assume(&self, role: &str, other: &str) -> Result<bool, Error> {
        let operation = "iam:SimulatePrincipalPolicy";
        let request = self.client.simulate_principal_policy().policy_source_arn(role);
        let answer = request.action_names("sts:AssumeRole").resource_arns(other).send().await;
        let results = answer
            .map_err(during(operation))?
            .evaluation_results
            .unwrap_or_default();
        let [result] = results.as_slice() else {
            return Err(Error::unexpected(operation, "the answer has not one result"));
        };
        Ok(result.eval_decision == PolicyEvaluationDecisionType::Allowed)
    }
}
