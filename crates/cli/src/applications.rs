//! The applications as the pipeline was configured with them: one SSM parameter each, as the CDK app stored it.

use aws::Aws;
use aws::parameters::Parameters;
use domain::configuration::Application;

use crate::records::RecordsError;

/// Below which parameter the CDK app stores each application.
const APPLICATIONS: &str = "/lockgate/applications";

/// All of them, by name.
pub async fn all(aws: &Aws) -> Result<Vec<Application>, RecordsError> {
    let mut applications: Vec<Application> = Vec::new();
    for (parameter, json) in Parameters::new(aws.ssm()).below(APPLICATIONS).await? {
        let application = serde_json::from_str(&json);
        applications.push(application.map_err(|error| {
            RecordsError::Unreadable(format!("the parameter {parameter} is no application ({error})"))
        })?);
    }
    applications.sort_by(|a, b| a.repository.cmp(&b.repository));
    Ok(applications)
}
