//! A CDK cloud assembly: which stacks it holds, what they need, and which of them belong to an environment.
//!
//! Reading takes two phases, because the files lie on a disk for one caller and in a bucket for the other:
//! [`documents_needed`] names what has to be fetched next until it names nothing more, then [`read`] has all it takes.
//! Plain CloudFormation is deployed the same way, by a `manifest.json` written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::failure::{Failure, Name};
use crate::harmless::harmless;
use crate::names::{AccountId, Qualifier, Region, StackName};
use crate::release::{Packaging, RelativePath, UnsafePath};

mod manifest;
mod reading;
mod selection;

pub use reading::{documents_needed, read, remarks};
pub use selection::{Publication, document, partition, publications, select, template_location};

/// The documents of an assembly that were fetched so far: `manifest.json`, the manifests of nested assemblies, and
/// asset manifests, by their paths from the assembly's root.
pub type Documents = BTreeMap<RelativePath, Vec<u8>>;

/// The most bytes of a document: who reads one into memory refuses a larger one first.
pub const DOCUMENT_LIMIT: u64 = 32 * 1024 * 1024;

/// The most bytes of a template (AWS CloudFormation User Guide, "Understand CloudFormation quotas": 1 MB in a bucket).
pub const TEMPLATE_LIMIT: u64 = 1_048_576;

/// How deep assemblies may be nested; CDK stages inside stages make a level each.
const DEPTH_LIMIT: usize = 10;

/// An assembly, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// Its stacks, those of nested assemblies too, in the order of their ids.
    pub stacks: Vec<Stack>,
    /// Everything that has to be in a release of it.
    pub files: BTreeMap<RelativePath, Packaging>,
    /// What its author should know and what was ignored, one sentence each.
    pub warnings: Vec<String>,
}

/// What CDK calls a stack inside an assembly; nested assemblies' folders come before it.
///
/// Not the stack's name: two stages may each hold a stack of one name, for different accounts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactId(String);

impl ArtifactId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ArtifactId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stack of an assembly. What [`select`] returns has account and region, and no placeholders left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// What it is called inside its assembly.
    pub id: ArtifactId,
    /// Its name in CloudFormation.
    pub name: StackName,
    /// What its author calls it: the path of its construct, such as `dev/Web`.
    pub display: String,
    /// The account it was synthesised for; `None` is any.
    pub account: Option<AccountId>,
    /// The region it was synthesised for; `None` is any.
    pub region: Option<Region>,
    /// Where its template lies in the release.
    pub template: RelativePath,
    /// Where its template is meant to lie in the environment, if its synthesiser said so.
    pub template_location: Option<Location>,
    /// Values for the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// SNS topics that CloudFormation tells about the stack.
    pub notification_arns: Vec<String>,
    /// Whether the stack is protected against deletion.
    pub termination_protection: bool,
    /// The role to deploy it with.
    pub deploy_role: Option<DeployRole>,
    /// The role that CloudFormation makes the resources with.
    pub execution_role: Option<String>,
    /// What it asks of the account's bootstrap.
    pub bootstrap: Option<Bootstrap>,
    /// Files that have to lie in the environment before the stack is deployed; its template may be one of them.
    pub assets: Vec<AssetFile>,
    /// The stacks that have to be deployed before it.
    pub depends_on: BTreeSet<ArtifactId>,
}

/// The role to deploy a stack with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployRole {
    /// Its ARN.
    pub arn: String,
    /// The external id to assume it with.
    pub external_id: Option<String>,
}

/// A version of the CDK bootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The oldest one that will do.
    pub version: u32,
    /// The SSM parameter that tells which one an account has; `None` is the one of the environment's qualifier.
    pub parameter: Option<String>,
}

impl Bootstrap {
    /// The SSM parameter that tells which bootstrap an account has.
    pub fn parameter(&self, qualifier: &Qualifier) -> String {
        self.parameter
            .clone()
            .unwrap_or_else(|| format!("/cdk-bootstrap/{qualifier}/version"))
    }
}

/// A file that a stack needs in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetFile {
    /// What its author calls it.
    pub display: String,
    /// Where it lies in the release.
    pub path: RelativePath,
    /// Whether it is a file or a zipped folder.
    pub packaging: Packaging,
    /// Where it has to lie in the environment.
    pub to: Location,
    /// The region of that place; `None` is the environment's.
    pub region: Option<String>,
}

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// What stands in the way of deploying an assembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A document is not there.
    #[error("{0} is missing")]
    Missing(RelativePath),
    /// A document is not what it should be.
    #[error("{path} cannot be read: {detail}")]
    Unreadable {
        /// The document.
        path: RelativePath,
        /// Where and why reading stopped.
        detail: String,
    },
    /// A document is too large to be read.
    #[error("{path} has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// The document.
        path: RelativePath,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A document was written by a CDK newer than this program.
    #[error(
        "{path} is of schema {found}, and this version of Lockgate reads up to {newest}: \
         update Lockgate, or pin aws-cdk-lib to an older version{cli}",
        newest = manifest::NEWEST_SCHEMA,
        cli = minimum_cli.as_ref().map(|v| format!(" (the CDK CLI would need {v})")).unwrap_or_default()
    )]
    NewerSchema {
        /// The document.
        path: RelativePath,
        /// Its schema.
        found: String,
        /// The CDK CLI that it asks for.
        minimum_cli: Option<String>,
    },
    /// A path leads out of the assembly.
    #[error("{path} names a file outside: {fault}")]
    Outside {
        /// The document that names it.
        path: RelativePath,
        /// What is wrong with the path.
        fault: UnsafePath,
    },
    /// Assemblies are nested in themselves, or too deep.
    #[error("{0} nests assemblies without end")]
    Nesting(RelativePath),
    /// A path is both a file and a folder to zip.
    #[error("{0} is named both as a file and as a folder to zip")]
    TwoPackagings(RelativePath),
    /// The application itself marked a construct as wrong.
    #[error("{construct}: {message}")]
    MarkedAsError {
        /// The construct's path.
        construct: String,
        /// What the application says.
        message: String,
    },
    /// Assets of the synthesiser of CDK 1.
    #[error("{stack} has assets of the legacy synthesiser: use the DefaultStackSynthesizer")]
    LegacyAssets {
        /// The stack.
        stack: String,
    },
    /// A Docker image.
    #[error(
        "{asset} is a Docker image, which Lockgate does not publish: refer to an image in a registry by its digest"
    )]
    DockerImage {
        /// The image's name.
        asset: String,
    },
    /// An asset that only a command can make.
    #[error("{asset} is made by a command at the time of publishing: let the build make the file")]
    Executable {
        /// The asset's name.
        asset: String,
    },
    /// An asset that cannot be understood.
    #[error("{asset}: {detail}")]
    Asset {
        /// The asset's name.
        asset: String,
        /// Why not.
        detail: String,
    },
    /// An asset that goes to another region than its stack.
    #[error("{asset} of {stack} goes to {region}, and the environment is in {environment}")]
    OtherRegion {
        /// The asset's name.
        asset: String,
        /// The stack that needs it.
        stack: StackName,
        /// Where it goes.
        region: String,
        /// Where the stack goes.
        environment: Region,
    },
    /// A stack that cannot be understood.
    #[error("{stack}: {detail}")]
    Stack {
        /// The stack's id.
        stack: String,
        /// Why not.
        detail: String,
    },
    /// Two stacks of one environment have one name.
    #[error("{first} and {second} are both named {name}")]
    SameName {
        /// The name.
        name: StackName,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// The synthesis was short of context.
    #[error("context {key:?} is missing (provider {provider})")]
    MissingContext {
        /// The key.
        key: String,
        /// Who would know the value.
        provider: String,
    },
    /// Nothing is for the environment.
    #[error("no stack for {environment} ({place}){patterns}; the release holds {available}")]
    NoStacks {
        /// The environment's name.
        environment: String,
        /// Its account and region.
        place: String,
        /// The patterns that were looked for, if any.
        patterns: String,
        /// What there is.
        available: String,
    },
    /// A pattern of the environment's `stacks` is not one.
    #[error("the pattern {pattern:?} of {environment} is not valid: {detail}")]
    Pattern {
        /// The environment's name.
        environment: String,
        /// The pattern.
        pattern: String,
        /// Why not.
        detail: String,
    },
    /// The release lacks a file that its manifest names.
    #[error("the release has no {packaging} {path}")]
    NotInRelease {
        /// The file.
        path: RelativePath,
        /// As what it is needed.
        packaging: &'static str,
    },
}

/// Why an assembly is not deployed: every reason, not only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons, at least one.
    pub problems: Vec<Problem>,
}

impl Refusal {
    /// The failure's name: that of its first problem, except that missing context explains most others.
    pub fn name(&self) -> Name {
        let names = || self.problems.iter().map(Problem::name);
        names()
            .find(|name| *name == Name::MissingContext)
            .or_else(|| names().next())
            .unwrap_or(Name::UnsupportedAssembly)
    }

    /// The failure as the ledger keeps it.
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }
}

impl Problem {
    fn name(&self) -> Name {
        match self {
            Self::MissingContext { .. } => Name::MissingContext,
            Self::NoStacks { .. } | Self::Pattern { .. } => Name::NoStacks,
            Self::NotInRelease { .. } => Name::ReleaseMissing,
            _ => Name::UnsupportedAssembly,
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self
            .problems
            .iter()
            .map(|problem| harmless(&problem.to_string(), 400))
            .collect();
        f.write_str(&texts.join("; "))
    }
}

impl std::error::Error for Refusal {}

/// The path of the assembly's own manifest.
pub fn root_manifest() -> RelativePath {
    "manifest.json"
        .parse()
        .unwrap_or_else(|_| unreachable!("a plain name is a safe path"))
}

#[cfg(test)]
mod tests;
