//! What integration tests are told of the environment: the outputs of its stacks, as one environment variable.

use serde_json::json;

use super::Outputs;

/// CodeBuild hands the outputs over as an environment variable, and refuses one of more characters. All variables
/// together it takes up to about 5,500 (CodeBuild user guide, "Troubleshooting", "environment variables that are too
/// large"), which leaves a thousand for ours beside it. It is also far below the 256 KiB that Step Functions lets one
/// state give the next, and which no state can catch.
pub const OUTPUTS_LIMIT: usize = 4096;

/// The outputs are more than CodeBuild hands over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the outputs of the environment's stacks have {characters} characters as JSON, and CodeBuild hands over \
     {OUTPUTS_LIMIT}"
)]
pub struct TooManyOutputs {
    /// How many characters they have.
    pub characters: usize,
}

/// The outputs as integration tests get them.
///
/// # Errors
/// Where they are more than CodeBuild hands over.
pub fn handed_over(outputs: &Outputs) -> Result<String, TooManyOutputs> {
    let text = json!(outputs).to_string();
    let characters = text.chars().count();
    if characters > OUTPUTS_LIMIT {
        return Err(TooManyOutputs { characters });
    }
    Ok(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_handed_over_up_to_the_last_character_that_codebuild_takes() {
        let outputs = |length: usize| -> Outputs {
            serde_json::from_value(json!({ "shop-dev": { "Url": "ü".repeat(length) } })).unwrap()
        };
        let room = OUTPUTS_LIMIT - handed_over(&outputs(0)).unwrap().len();
        assert_eq!(handed_over(&outputs(room)).unwrap().chars().count(), OUTPUTS_LIMIT);
        assert_eq!(
            handed_over(&outputs(room + 1)).unwrap_err().to_string(),
            "the outputs of the environment's stacks have 4097 characters as JSON, and CodeBuild hands over 4096"
        );
    }
}
