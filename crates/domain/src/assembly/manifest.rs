//! The files of a cloud assembly as CDK writes them; only the fields that a deployment needs.
//!
//! Source: the schemas of `@aws-cdk/cloud-assembly-schema` 55 (`lib/cloud-assembly/schema.d.ts`,
//! `artifact-schema.d.ts`, `lib/assets/`). Fields that are not named here are read over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The newest major version that is read. CDK raises it with every field it adds
/// (`@aws-cdk/cloud-assembly-schema`, `schema/version.json`), so that a newer one may ask for what is not known here.
pub const NEWEST_SCHEMA: u32 = 55;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    pub version: String,
    pub minimum_cli_version: Option<String>,
}

impl Version {
    pub fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    #[serde(default)]
    pub artifacts: BTreeMap<String, Artifact>,
    #[serde(default)]
    pub missing: Vec<Missing>,
}

#[derive(Deserialize)]
pub struct Missing {
    pub key: String,
    #[serde(default)]
    pub provider: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    #[serde(rename = "type")]
    pub kind: String,
    pub environment: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
    pub additional_metadata_file: Option<String>,
    #[serde(default)]
    pub dependencies: Vec<String>,
    pub properties: Option<Box<RawValue>>,
    pub display_name: Option<String>,
}

pub const STACK: &str = "aws:cloudformation:stack";
pub const ASSET_MANIFEST: &str = "cdk:asset-manifest";
pub const NESTED_ASSEMBLY: &str = "cdk:cloud-assembly";
pub const IGNORED: [&str; 2] = ["cdk:tree", "cdk:feature-flag-report"];

/// By the path of the construct that an entry speaks of.
pub type Metadata = BTreeMap<String, Vec<Entry>>;

#[derive(Deserialize)]
pub struct Entry {
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Data {
    Text(String),
    Other(IgnoredAny),
}

impl Entry {
    pub fn text(&self) -> &str {
        match &self.data {
            Some(Data::Text(text)) => text,
            Some(Data::Other(_)) | None => "",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackProperties {
    pub template_file: String,
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub notification_arns: Vec<String>,
    pub stack_name: Option<String>,
    #[serde(default)]
    pub termination_protection: bool,
    pub assume_role_arn: Option<String>,
    pub assume_role_external_id: Option<String>,
    pub cloud_formation_execution_role_arn: Option<String>,
    pub stack_template_asset_object_url: Option<String>,
    pub requires_bootstrap_stack_version: Option<u32>,
    pub bootstrap_stack_version_ssm_parameter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetManifestProperties {
    pub file: String,
    pub requires_bootstrap_stack_version: Option<u32>,
    pub bootstrap_stack_version_ssm_parameter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NestedAssemblyProperties {
    pub directory_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetManifest {
    #[serde(default)]
    pub files: BTreeMap<String, FileAsset>,
    #[serde(default)]
    pub docker_images: BTreeMap<String, DockerImage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerImage {
    pub display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileAsset {
    pub display_name: Option<String>,
    pub source: FileSource,
    #[serde(default)]
    pub destinations: BTreeMap<String, Destination>,
}

#[derive(Deserialize)]
pub struct FileSource {
    pub path: Option<String>,
    pub packaging: Option<String>,
    pub executable: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    pub bucket_name: String,
    pub object_key: String,
    pub region: Option<String>,
}
