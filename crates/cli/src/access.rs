//! Whose credentials a command uses, and in which region.

use aws::Aws;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_runtime_api::client::identity::Identity;
use domain::causes::with_causes;

/// Whose credentials, and which region: as every tool of AWS takes them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Access {
    /// The profile of ~/.aws whose credentials are used, whatever the environment says [default: the environment's].
    #[arg(long, global = true, value_name = "PROFILE", help_heading = "AWS")]
    profile: Option<String>,
    /// The pipeline's region [default: the environment's, then the profile's].
    #[arg(long, global = true, value_name = "REGION", help_heading = "AWS")]
    region: Option<String>,
}

/// Why AWS cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There are no credentials.
    #[error(
        "there are no AWS credentials ({0}); sign in, and where that is IAM Identity Center: \
         eval \"$(aws configure export-credentials --format env)\""
    )]
    Credentials(String),
    /// The profile has none that can be used.
    #[error(
        "the profile {profile} gives no AWS credentials ({why}); `aws configure list-profiles` lists those that there are. \
         One of IAM Identity Center, or of a process, is taken from the environment, without --profile: \
         eval \"$(aws configure export-credentials --profile {profile} --format env)\""
    )]
    Profile {
        /// Its name.
        profile: String,
        /// Why.
        why: String,
    },
    /// Nobody said in which region the pipeline is.
    #[error("no AWS region is configured; name the pipeline's with --region or AWS_REGION")]
    Region,
}

impl Access {
    /// The region that was named.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The region of the environment, for who asks AWS nothing.
    pub fn usual_region(&self) -> Option<String> {
        let named = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok());
        named.filter(|region| !region.is_empty())
    }

    /// The way into AWS. Who has no credentials, or no region, is told before anything is asked.
    pub async fn aws(&self) -> Result<Aws, AccessError> {
        let aws = Aws::from_environment(self.profile.as_deref(), self.region.as_deref()).await;
        match (identity(&aws).await, &self.profile) {
            (Err(AccessError::Credentials(why)), Some(profile)) => Err(AccessError::Profile {
                profile: profile.clone(),
                why,
            }),
            (Err(error), _) => Err(error),
            (Ok(_), _) if aws.config().region().is_none() => Err(AccessError::Region),
            (Ok(_), _) => Ok(aws),
        }
    }
}

/// Whose credentials these are is what AWS tells whoever is called.
pub async fn identity(aws: &Aws) -> Result<Identity, AccessError> {
    let missing = || AccessError::Credentials("none are configured".to_owned());
    let provider = aws.config().credentials_provider().ok_or_else(missing)?;
    let credentials = provider.provide_credentials().await;
    credentials
        .map(Identity::from)
        .map_err(|error| AccessError::Credentials(with_causes(&error)))
}
