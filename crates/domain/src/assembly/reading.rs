//! From the files of an assembly to our own nouns.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::{
    ArtifactId, Assembly, AssetFile, Bootstrap, DEPTH_LIMIT, DeployRole, Documents, Location, Problem, Refusal, Stack,
    manifest, root_manifest,
};
use crate::harmless::harmless;
use crate::names::{AccountId, Region, StackName};
use crate::release::{Packaging, RelativePath};

/// The documents that are needed and not there yet. Fetching some makes others known: ask until none is named.
pub fn documents_needed(documents: &Documents) -> Result<BTreeSet<RelativePath>, Refusal> {
    let mut reader = Reader::new(documents);
    reader.assembly(&root_manifest(), 0);
    let (missing, others): (Vec<Problem>, Vec<Problem>) = reader
        .problems
        .into_iter()
        .partition(|problem| matches!(problem, Problem::Missing(_)));
    // What is wrong with a stack can wait until all are read; what cannot be read at all names nothing further.
    let hopeless = |problem: &Problem| matches!(problem, Problem::Unreadable { .. } | Problem::NewerSchema { .. });
    if missing.is_empty() || others.iter().any(hopeless) {
        let problems: Vec<Problem> = others.into_iter().filter(hopeless).collect();
        return if problems.is_empty() {
            Ok(BTreeSet::new())
        } else {
            Err(Refusal { problems })
        };
    }
    let paths = missing.into_iter().filter_map(|problem| match problem {
        Problem::Missing(path) => Some(path),
        _ => None,
    });
    Ok(paths.collect())
}

/// The files that hold what CDK says about constructs: warnings, and errors that forbid a deployment.
///
/// They are read where the assembly was made and are not part of a release: they hold the paths of the machine that
/// synthesised, which would give the same commit another digest every time.
pub fn remarks(documents: &Documents) -> BTreeSet<RelativePath> {
    let mut reader = Reader::new(documents);
    reader.assembly(&root_manifest(), 0);
    reader.remarks
}

/// Understands an assembly of which all documents are there; of the [`remarks`], those that are.
pub fn read(documents: &Documents) -> Result<Assembly, Refusal> {
    let mut reader = Reader::new(documents);
    reader.assembly(&root_manifest(), 0);
    if !reader.problems.is_empty() {
        return Err(Refusal {
            problems: reader.problems,
        });
    }
    let stacks = reader.stacks.into_values().collect();
    Ok(Assembly {
        stacks,
        files: reader.files,
        warnings: reader.warnings,
    })
}

/// An asset manifest, read.
#[derive(Default, Clone)]
struct Assets {
    files: Vec<AssetFile>,
    bootstrap: Option<Bootstrap>,
    dependencies: Vec<String>,
}

struct Reader<'a> {
    documents: &'a Documents,
    manifests: BTreeSet<RelativePath>,
    stacks: BTreeMap<ArtifactId, Stack>,
    files: BTreeMap<RelativePath, Packaging>,
    remarks: BTreeSet<RelativePath>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(documents: &'a Documents) -> Self {
        Self {
            documents,
            manifests: BTreeSet::new(),
            stacks: BTreeMap::new(),
            files: BTreeMap::new(),
            remarks: BTreeSet::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads the assembly of this manifest and those nested in it; returns the ids of their stacks.
    fn assembly(&mut self, path: &RelativePath, depth: usize) -> BTreeSet<ArtifactId> {
        if depth > DEPTH_LIMIT || !self.manifests.insert(path.clone()) {
            self.problems.push(Problem::Nesting(path.clone()));
            return BTreeSet::new();
        }
        let Some(manifest) = self.versioned::<manifest::Manifest>(path) else {
            return BTreeSet::new();
        };
        self.problems
            .extend(manifest.missing.iter().map(|missing| Problem::MissingContext {
                key: missing.key.clone(),
                provider: missing.provider.clone(),
            }));

        let mut assets: BTreeMap<&str, Assets> = BTreeMap::new();
        let mut nested: BTreeMap<&str, BTreeSet<ArtifactId>> = BTreeMap::new();
        for (id, artifact) in &manifest.artifacts {
            self.metadata(&artifact.metadata);
            match artifact.kind.as_str() {
                manifest::ASSET_MANIFEST => {
                    assets.insert(id, self.asset_manifest(path, id, artifact));
                }
                manifest::NESTED_ASSEMBLY => {
                    nested.insert(id, self.nested_assembly(path, id, artifact, depth));
                }
                kind if kind == manifest::STACK || manifest::IGNORED.contains(&kind) => {}
                kind => self
                    .warnings
                    .push(harmless(&format!("{id} of type {kind} is ignored"), 400)),
            }
        }

        let mut stacks: BTreeMap<&str, Stack> = BTreeMap::new();
        for (id, artifact) in manifest
            .artifacts
            .iter()
            .filter(|(_, artifact)| artifact.kind == manifest::STACK)
        {
            if let Some(stack) = self.stack(path, id, artifact) {
                stacks.insert(id, stack);
            }
        }
        let siblings = Siblings {
            artifacts: &manifest.artifacts,
            assets: &assets,
            nested: &nested,
            manifest: path,
        };
        for (id, stack) in &mut stacks {
            let found = siblings.needs(&manifest.artifacts[*id].dependencies, id, &mut self.problems);
            stack.depends_on = found.stacks;
            for assets in found.assets {
                stack.assets.extend(assets.files.iter().cloned());
                stack.bootstrap = newest(stack.bootstrap.take(), assets.bootstrap.clone());
            }
        }
        for (id, inside) in &nested {
            let found = siblings.needs(&manifest.artifacts[*id].dependencies, id, &mut self.problems);
            for inner in inside {
                if let Some(stack) = self.stacks.get_mut(inner) {
                    stack.depends_on.extend(found.stacks.iter().cloned());
                }
            }
        }
        let mut all: BTreeSet<ArtifactId> = nested.into_values().flatten().collect();
        for stack in stacks.into_values() {
            all.insert(stack.id.clone());
            self.stacks.insert(stack.id.clone(), stack);
        }
        all
    }

    fn nested_assembly(
        &mut self,
        path: &RelativePath,
        id: &str,
        artifact: &manifest::Artifact,
        depth: usize,
    ) -> BTreeSet<ArtifactId> {
        let Some(properties) = self.properties::<manifest::NestedAssemblyProperties>(path, id, artifact) else {
            return BTreeSet::new();
        };
        let inner = self.beside(path, &format!("{}/manifest.json", properties.directory_name));
        inner.map(|inner| self.assembly(&inner, depth + 1)).unwrap_or_default()
    }

    fn stack(&mut self, path: &RelativePath, id: &str, artifact: &manifest::Artifact) -> Option<Stack> {
        if artifact
            .metadata
            .values()
            .flatten()
            .any(|entry| entry.kind == "aws:cdk:asset")
        {
            self.problems.push(Problem::LegacyAssets { stack: id.to_owned() });
        }
        if let Some(file) = &artifact.additional_metadata_file {
            self.remarks(path, id, file);
        }
        let properties = self.properties::<manifest::StackProperties>(path, id, artifact)?;
        let template = self.beside(path, &properties.template_file)?;
        self.file(&template, Packaging::File);
        let mut refuse = |detail: String| {
            self.problems.push(Problem::Stack {
                stack: id.to_owned(),
                detail,
            });
            None
        };
        let name = match properties.stack_name.as_deref().unwrap_or(id).parse::<StackName>() {
            Ok(name) => name,
            Err(invalid) => return refuse(invalid.to_string()),
        };
        let Some((account, region)) = environment(artifact.environment.as_deref()) else {
            let given = artifact.environment.as_deref().unwrap_or_default();
            return refuse(format!("the environment {given:?} is not aws://account/region"));
        };
        Some(Stack {
            id: global_id(path, id),
            display: harmless(artifact.display_name.as_deref().unwrap_or(name.as_str()), 200),
            name,
            account,
            region,
            template,
            template_location: properties
                .stack_template_asset_object_url
                .as_deref()
                .and_then(s3_location),
            parameters: properties.parameters,
            tags: properties.tags,
            notification_arns: properties.notification_arns,
            termination_protection: properties.termination_protection,
            deploy_role: properties.assume_role_arn.map(|arn| DeployRole {
                arn,
                external_id: properties.assume_role_external_id,
            }),
            execution_role: properties.cloud_formation_execution_role_arn,
            bootstrap: properties.requires_bootstrap_stack_version.map(|version| Bootstrap {
                version,
                parameter: properties.bootstrap_stack_version_ssm_parameter,
            }),
            assets: Vec::new(),
            depends_on: BTreeSet::new(),
        })
    }

    fn asset_manifest(&mut self, path: &RelativePath, id: &str, artifact: &manifest::Artifact) -> Assets {
        let read = self
            .properties::<manifest::AssetManifestProperties>(path, id, artifact)
            .and_then(|properties| {
                let file = self.beside(path, &properties.file)?;
                let manifest = self.versioned::<manifest::AssetManifest>(&file)?;
                Some((properties, file, manifest))
            });
        let Some((properties, file, manifest)) = read else {
            return Assets::default();
        };
        for (id, image) in manifest.docker_images {
            self.problems.push(Problem::DockerImage {
                asset: image.display_name.unwrap_or(id),
            });
        }
        let mut files = Vec::new();
        for (id, asset) in manifest.files {
            let display = asset.display_name.unwrap_or(id);
            let Some((source, packaging)) = self.source(&file, &display, &asset.source) else {
                continue;
            };
            self.file(&source, packaging);
            if asset.destinations.is_empty() {
                self.warnings.push(harmless(
                    &format!("{display} has no destination and is not published"),
                    400,
                ));
            }
            files.extend(asset.destinations.into_values().map(|destination| AssetFile {
                display: display.clone(),
                path: source.clone(),
                packaging,
                to: Location {
                    bucket: destination.bucket_name,
                    key: destination.object_key,
                },
                region: destination.region.filter(|region| !region.is_empty()),
            }));
        }
        Assets {
            files,
            bootstrap: properties.requires_bootstrap_stack_version.map(|version| Bootstrap {
                version,
                parameter: properties.bootstrap_stack_version_ssm_parameter,
            }),
            dependencies: artifact.dependencies.clone(),
        }
    }

    fn source(
        &mut self,
        manifest: &RelativePath,
        asset: &str,
        source: &manifest::FileSource,
    ) -> Option<(RelativePath, Packaging)> {
        let problem = match (&source.path, source.packaging.as_deref()) {
            _ if source.executable.is_some() => Problem::Executable {
                asset: asset.to_owned(),
            },
            (None, _) => Problem::Asset {
                asset: asset.to_owned(),
                detail: "it has no path".to_owned(),
            },
            (Some(path), None | Some("file")) => {
                return self.beside(manifest, path).map(|path| (path, Packaging::File));
            }
            (Some(path), Some("zip")) => return self.beside(manifest, path).map(|path| (path, Packaging::Zip)),
            (Some(_), Some(other)) => Problem::Asset {
                asset: asset.to_owned(),
                detail: format!("the packaging {other:?} is not known"),
            },
        };
        self.problems.push(problem);
        None
    }

    fn file(&mut self, path: &RelativePath, packaging: Packaging) {
        if self
            .files
            .insert(path.clone(), packaging)
            .is_some_and(|before| before != packaging)
        {
            self.problems.push(Problem::TwoPackagings(path.clone()));
        }
    }

    fn remarks(&mut self, manifest: &RelativePath, id: &str, file: &str) {
        let Some(path) = self.beside(manifest, file) else {
            return;
        };
        if let Some(bytes) = self.documents.get(&path) {
            match serde_json::from_slice::<manifest::Metadata>(bytes) {
                Ok(metadata) => {
                    if metadata.values().flatten().any(|entry| entry.kind == "aws:cdk:asset") {
                        self.problems.push(Problem::LegacyAssets { stack: id.to_owned() });
                    }
                    self.metadata(&metadata);
                }
                Err(error) => self.problems.push(Problem::Unreadable {
                    path: path.clone(),
                    detail: error.to_string(),
                }),
            }
        }
        self.remarks.insert(path);
    }

    fn metadata(&mut self, metadata: &manifest::Metadata) {
        for (construct, entry) in metadata
            .iter()
            .flat_map(|(path, entries)| entries.iter().map(move |entry| (path, entry)))
        {
            match entry.kind.as_str() {
                "aws:cdk:error" => self.problems.push(Problem::MarkedAsError {
                    construct: construct.trim_start_matches('/').to_owned(),
                    message: entry.text().to_owned(),
                }),
                "aws:cdk:warning" => {
                    let construct = construct.trim_start_matches('/');
                    self.warnings
                        .push(harmless(&format!("{construct}: {}", entry.text()), 400));
                }
                _ => {}
            }
        }
    }

    fn beside(&mut self, document: &RelativePath, name: &str) -> Option<RelativePath> {
        document
            .beside(name)
            .map_err(|fault| {
                self.problems.push(Problem::Outside {
                    path: document.clone(),
                    fault,
                });
            })
            .ok()
    }

    fn properties<T: DeserializeOwned>(
        &mut self,
        path: &RelativePath,
        id: &str,
        artifact: &manifest::Artifact,
    ) -> Option<T> {
        let text = artifact.properties.as_ref().map_or("{}", |raw| raw.get());
        serde_json::from_str(text)
            .map_err(|error| {
                let detail = format!("artifact {id}: {error}");
                self.problems.push(Problem::Unreadable {
                    path: path.clone(),
                    detail,
                });
            })
            .ok()
    }

    fn versioned<T: DeserializeOwned>(&mut self, path: &RelativePath) -> Option<T> {
        self.file(path, Packaging::File);
        let Some(bytes) = self.documents.get(path) else {
            self.problems.push(Problem::Missing(path.clone()));
            return None;
        };
        let read = || -> Result<Result<T, Problem>, serde_json::Error> {
            // The version first: a newer document may be of another shape altogether.
            let version: manifest::Version = serde_json::from_slice(bytes)?;
            if version.major().is_some_and(|major| major <= manifest::NEWEST_SCHEMA) {
                return serde_json::from_slice(bytes).map(Ok);
            }
            Ok(Err(Problem::NewerSchema {
                path: path.clone(),
                found: version.version,
                minimum_cli: version.minimum_cli_version,
            }))
        };
        let problem = match read() {
            Ok(Ok(document)) => return Some(document),
            Ok(Err(problem)) => problem,
            Err(error) => Problem::Unreadable {
                path: path.clone(),
                detail: error.to_string(),
            },
        };
        self.problems.push(problem);
        None
    }
}

/// The artifacts of one manifest, among which dependencies are resolved.
struct Siblings<'a> {
    artifacts: &'a BTreeMap<String, manifest::Artifact>,
    assets: &'a BTreeMap<&'a str, Assets>,
    nested: &'a BTreeMap<&'a str, BTreeSet<ArtifactId>>,
    manifest: &'a RelativePath,
}

#[derive(Default)]
struct Needs<'a> {
    stacks: BTreeSet<ArtifactId>,
    assets: Vec<&'a Assets>,
}

impl<'a> Siblings<'a> {
    /// What an artifact with these dependencies needs: stacks, and the assets of the asset manifests among them.
    fn needs(&self, dependencies: &[String], of: &str, problems: &mut Vec<Problem>) -> Needs<'a> {
        let mut needs = Needs::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = dependencies.iter().rev().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some((id, artifact)) = self.artifacts.get_key_value(id) else {
                let detail = format!("it depends on {id}, which does not exist");
                problems.push(Problem::Stack {
                    stack: of.to_owned(),
                    detail,
                });
                continue;
            };
            if let Some(assets) = self.assets.get(id.as_str()) {
                needs.assets.push(assets);
                open.extend(assets.dependencies.iter().rev().map(String::as_str));
            } else if let Some(inside) = self.nested.get(id.as_str()) {
                needs.stacks.extend(inside.iter().cloned());
            } else if artifact.kind == manifest::STACK && id != of {
                needs.stacks.insert(global_id(self.manifest, id));
            }
        }
        needs
    }
}

fn global_id(manifest: &RelativePath, id: &str) -> ArtifactId {
    match manifest.as_str().rsplit_once('/') {
        Some((folder, _)) => ArtifactId(format!("{folder}/{id}")),
        None => ArtifactId(id.to_owned()),
    }
}

fn newest(one: Option<Bootstrap>, other: Option<Bootstrap>) -> Option<Bootstrap> {
    [one, other]
        .into_iter()
        .flatten()
        .max_by_key(|bootstrap| bootstrap.version)
}

/// `aws://account/region`, either of which may be unknown: then the stack fits everywhere.
fn environment(text: Option<&str>) -> Option<(Option<AccountId>, Option<Region>)> {
    let Some(text) = text else { return Some((None, None)) };
    let (account, region) = text.strip_prefix("aws://")?.split_once('/')?;
    let account = if account == "unknown-account" {
        None
    } else {
        Some(account.parse().ok()?)
    };
    let region = if region == "unknown-region" {
        None
    } else {
        Some(region.parse().ok()?)
    };
    Some((account, region))
}

fn s3_location(url: &str) -> Option<Location> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty() && !key.is_empty()).then(|| Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    })
}
