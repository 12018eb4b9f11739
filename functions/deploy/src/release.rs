//! A release, read as the stacks of one environment.

use aws::artifacts::Artifacts;
use domain::assembly::{self, Documents, Stack};
use domain::deployment::Environment;
use domain::names::{Digest, StackName};
use domain::release::Index;

use crate::Error;
use domain::failure::Name;

/// What a release has for an environment.
#[derive(Debug)]
pub struct Selection {
    /// The release's index.
    pub index: Index,
    /// The environment's stacks.
    pub stacks: Vec<Stack>,
}

impl Selection {
    /// Reads a release, every part of it verified by its digest.
    pub async fn read(artifacts: &Artifacts, release: &Digest, environment: &Environment) -> Result<Self, Error> {
        let index = artifacts.read_index(release).await?;
        let mut documents = Documents::new();
        loop {
            let needed = assembly::documents_needed(&documents)?;
            if needed.is_empty() {
                break;
            }
            for path in needed {
                let file = assembly::document(&index, &path)?;
                documents.insert(path, artifacts.read_object(file).await?);
            }
        }
        let assembly = assembly::read(&documents)?;
        let stacks = assembly::select(&assembly, environment)?;
        Ok(Self { index, stacks })
    }

    /// The stack of this name.
    pub fn stack(&self, name: &StackName) -> Result<&Stack, Error> {
        let found = self.stacks.iter().find(|stack| stack.name == *name);
        found.ok_or_else(|| Error::new(Name::Unexpected, format!("the release has no stack {name} any more")))
    }
}
