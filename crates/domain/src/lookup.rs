//! An application and an environment, found by name among those that are configured.

use crate::configuration::Application;
use crate::deployment::Environment;
use crate::names::{EnvironmentName, RepositoryName};
use crate::nearest;

/// Nothing that is configured is called that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// No application is.
    #[error("{given} is no application of lockgate.toml{hint}{}", else_there_are(hint, known))]
    Application {
        /// The name.
        given: RepositoryName,
        /// `, did you mean …?`, or nothing.
        hint: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The application has no such environment.
    #[error("{application} has no environment {given}{hint}{}", else_there_are(hint, known))]
    Environment {
        /// The application.
        application: RepositoryName,
        /// The name.
        given: EnvironmentName,
        /// `, did you mean …?`, or nothing.
        hint: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// The application of this name.
pub fn application<'a>(
    applications: &'a [Application],
    name: &RepositoryName,
) -> Result<&'a Application, NotConfigured> {
    let found = applications.iter().find(|application| application.repository == *name);
    found.ok_or_else(|| {
        let known: Vec<&str> = applications.iter().map(|known| known.repository.as_str()).collect();
        NotConfigured::Application {
            given: name.clone(),
            hint: nearest::hint(name.as_str(), &known),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    })
}

/// The environment of this name, and its application.
pub fn environment<'a>(
    applications: &'a [Application],
    repository: &RepositoryName,
    name: &EnvironmentName,
) -> Result<(&'a Application, &'a Environment), NotConfigured> {
    let application = application(applications, repository)?;
    let found = application
        .environments
        .iter()
        .find(|environment| environment.name == *name);
    found.map(|environment| (application, environment)).ok_or_else(|| {
        let known: Vec<&str> = application
            .environments
            .iter()
            .map(|known| known.name.as_str())
            .collect();
        NotConfigured::Environment {
            application: repository.clone(),
            given: name.clone(),
            hint: nearest::hint(name.as_str(), &known),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    })
}

/// What there is, where nothing is near to what was given.
fn else_there_are(hint: &str, known: &[String]) -> String {
    match known {
        _ if !hint.is_empty() => String::new(),
        [] => "; there is none in this account and region".to_owned(),
        known => format!("; there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::configuration::Configuration;

    const TOML: &str = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.production]
account = "333333333333"
on = "release"
[application."acme/stock"]
branch = "main"
[application."acme/stock".environment.dev]
account = "222222222222"
on = "push"
stacks = ["stock-*"]
"#;

    #[test]
    fn a_mistyped_name_suggests_the_nearest_and_any_other_lists_what_there_is() {
        let applications = Configuration::read(TOML).unwrap().applications;
        let said = |application: &str, name: &str| match environment(
            &applications,
            &application.parse().unwrap(),
            &name.parse().unwrap(),
        ) {
            Ok((application, environment)) => format!("{} {}", application.repository, environment.name),
            Err(unknown) => unknown.to_string(),
        };
        let said = [
            said("acme/shop", "production"),
            said("acme/shop", "prodution"),
            said("acme/shop", "prod"),
            said("acme/shop", "qa"),
            said("acme/shpo", "dev"),
            said("other/thing", "dev"),
        ];
        insta::assert_snapshot!(said.join("\n"));
        let none = application(&[], &"acme/shop".parse().unwrap()).unwrap_err();
        assert_eq!(
            none.to_string(),
            "acme/shop is no application of lockgate.toml; there is none in this account and region"
        );
    }
}
