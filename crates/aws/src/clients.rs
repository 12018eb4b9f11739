//! One SDK configuration per function, and the ones of roles in other accounts.

use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self as credentials, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::assembly::partition;
use domain::names::{AccountId, DeploymentId, Qualifier, Region};

use crate::error::{Error, during};

pub(crate) const IDENTITY: &str = "sts:GetCallerIdentity";

/// The way into AWS: credentials, region, HTTP client and endpoints, made once when a function starts.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// As Lambda says it: credentials, region and, where it is not AWS's own, the endpoint are in the environment.
    ///
    /// The SDK's usual way looks for credentials in files, containers, machines and web identities too, and carries all
    /// of that into every function.
    pub fn in_lambda() -> Self {
        let setting = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(
                EnvironmentVariableCredentialsProvider::new(),
            ))
            .region(setting("AWS_REGION").map(aws_config::Region::new))
            .http_client(http_client())
            .retry_config(retries())
            .timeout_config(timeouts());
        config.set_endpoint_url(setting("AWS_ENDPOINT_URL"));
        Self { config: config.build() }
    }

    /// Wherever the SDK finds credentials, region and endpoints: for the operator's command.
    ///
    /// A profile that is named is used whatever credentials the environment has, as the AWS CLI does; the SDK would prefer
    /// the environment's. A region that is not named is that of the environment, and then the profile's.
    pub async fn from_environment(profile: Option<&str>, region: Option<&str>) -> Self {
        let region = region.map(|region| aws_config::Region::new(region.to_owned()));
        let mut config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .retry_config(retries())
            .timeout_config(timeouts());
        if let Some(region) = &region {
            config = config.region(region.clone());
        }
        let Some(profile) = profile else {
            return Self {
                config: config.load().await,
            };
        };
        // Once for the region and endpoints that the profile names, and once for its credentials.
        let found = config.profile_name(profile).load().await;
        let asked = ProviderConfig::without_region()
            .with_region(found.region().cloned())
            .with_http_client(http_client());
        let credentials = ProfileFileCredentialsProvider::builder()
            .configure(&asked)
            .profile_name(profile)
            .build();
        let config = found
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self { config }
    }

    /// With a configuration made elsewhere: tests, and the operator's command.
    pub fn with(config: SdkConfig) -> Self {
        Self { config }
    }

    /// The same, acting as a role, with credentials that the SDK renews before they end.
    ///
    /// The session is named after the deployment, so that CloudTrail in the target account tells which one it was.
    #[must_use]
    pub fn acting_as(&self, role: &str, deployment: &DeploymentId, region: &Region, external_id: Option<&str>) -> Self {
        let session: String = deployment
            .as_str()
            .chars()
            .rev()
            .take(64)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let credentials = AssumedRole {
            sts: aws_sdk_sts::Client::new(&self.config),
            role: role.to_owned(),
            session,
            external_id: external_id.map(str::to_owned),
        };
        let config = self
            .config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // Cached per credentials provider: a shared cache would hand one role's credentials to another.
            .identity_cache(aws_config::identity::IdentityCache::lazy().build())
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .build();
        Self { config }
    }

    /// Who is acting, by ARN: a user, or a role and its session.
    pub async fn caller(&self) -> Result<String, Error> {
        let arn = self.identity().await?.arn;
        arn.ok_or_else(|| Error::unexpected(IDENTITY, "the answer names no ARN"))
    }

    pub(crate) async fn identity(&self) -> Result<GetCallerIdentityOutput, Error> {
        let request = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        request.send().await.map_err(during(IDENTITY))
    }

    /// The SDK configuration itself.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// S3. Against an endpoint of one's own, buckets are in the path: a bucket's own host name does not exist there.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let path_style = self.config.endpoint_url().is_some();
        aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&self.config)
                .force_path_style(path_style)
                .build(),
        )
    }

    /// DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// CloudFormation.
    pub fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    /// CloudWatch.
    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.config)
    }

    /// The Resource Groups Tagging API.
    pub fn tags(&self) -> aws_sdk_resourcegroupstagging::Client {
        aws_sdk_resourcegroupstagging::Client::new(&self.config)
    }

    /// CodeBuild.
    pub fn codebuild(&self) -> aws_sdk_codebuild::Client {
        aws_sdk_codebuild::Client::new(&self.config)
    }

    /// Lambda.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// IAM, which is one for all regions.
    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    /// EventBridge.
    pub fn events(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// Step Functions.
    pub fn step_functions(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config)
    }

    /// SNS.
    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config)
    }

    /// Systems Manager.
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.config)
    }
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(25))
        .build()
}

/// Credentials of a role. The SDK caches them, and asks again before they end.
#[derive(Debug)]
struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role: String,
    session: String,
    external_id: Option<String>,
}

impl AssumedRole {
    async fn assume(&self) -> credentials::Result {
        let request = self
            .sts
            .assume_role()
            .role_arn(&self.role)
            .role_session_name(&self.session)
            .set_external_id(self.external_id.clone())
            // Role chaining ends a session after an hour at most (IAM user guide, "Role chaining").
            .duration_seconds(3600);
        let answer = request.send().await.map_err(CredentialsError::provider_error)?;
        let given = answer
            .credentials
            .ok_or_else(|| CredentialsError::unhandled("STS gave no credentials"))?;
        let until = SystemTime::try_from(given.expiration).map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(until),
            "AssumeRole",
        ))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// The HTTP client that every SDK client shares.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The ARN of a role.
pub fn role_arn(account: &AccountId, region: &Region, name: &str) -> String {
    format!("arn:{}:iam::{account}:role/{name}", partition(region))
}

/// CDK bootstrap's deploy role.
pub fn deploy_role(account: &AccountId, region: &Region, qualifier: &Qualifier) -> String {
    role_arn(
        account,
        region,
        &format!("cdk-{qualifier}-deploy-role-{account}-{region}"),
    )
}

/// CDK bootstrap's CloudFormation execution role, which deploy passes on and never assumes.
pub fn execution_role(account: &AccountId, region: &Region, qualifier: &Qualifier) -> String {
    role_arn(
        account,
        region,
        &format!("cdk-{qualifier}-cfn-exec-role-{account}-{region}"),
    )
}

/// Our role that copies from the artifacts bucket into the bootstrap bucket.
pub fn publisher_role(account: &AccountId, region: &Region) -> String {
    role_arn(account, region, &format!("lockgate-publisher-{region}"))
}

/// Our role that reads stack outputs and invokes functions for smoke tests.
pub fn tester_role(account: &AccountId, region: &Region) -> String {
    role_arn(account, region, &format!("lockgate-tester-{region}"))
}

/// Our role that looks at alarms.
pub fn observer_role(account: &AccountId, region: &Region) -> String {
    role_arn(account, region, &format!("lockgate-observer-{region}"))
}
