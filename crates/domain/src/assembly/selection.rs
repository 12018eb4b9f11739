//! Which stacks of an assembly belong to an environment, and what has to be copied there for them.

use std::collections::BTreeMap;

use glob::{MatchOptions, Pattern};

use super::{Assembly, DOCUMENT_LIMIT, Location, Problem, Refusal, Stack};
use crate::deployment::Environment;
use crate::names::{AccountId, Digest, Region, StackName};
use crate::release::{Index, IndexedFile, Packaging, RelativePath};

/// The stacks of an assembly that belong to an environment, with their placeholders resolved.
pub fn select(assembly: &Assembly, environment: &Environment) -> Result<Vec<Stack>, Refusal> {
    let patterns = patterns(environment)?;
    let matches = |pattern: &Pattern, name: &str| pattern.matches_with(name, INSIDE_ONE_LEVEL);
    let place = Place::of(environment);
    let mut problems = Vec::new();
    let mut selected: BTreeMap<StackName, Stack> = BTreeMap::new();
    for stack in &assembly.stacks {
        let fits = stack
            .account
            .as_ref()
            .is_none_or(|account| *account == environment.account)
            && stack.region.as_ref().is_none_or(|region| *region == environment.region);
        let named = patterns.is_empty()
            || patterns
                .iter()
                .any(|pattern| matches(pattern, stack.name.as_str()) || matches(pattern, &stack.display));
        if !(fits && named) {
            continue;
        }
        let stack = place.resolve(stack);
        for asset in &stack.assets {
            if let Some(region) = asset
                .region
                .as_ref()
                .filter(|region| **region != environment.region.as_str())
            {
                problems.push(Problem::OtherRegion {
                    asset: asset.display.clone(),
                    stack: stack.name.clone(),
                    region: region.clone(),
                    environment: environment.region.clone(),
                });
            }
        }
        if let Some(other) = selected.get(&stack.name) {
            problems.push(Problem::SameName {
                name: stack.name.clone(),
                first: other.id.to_string(),
                second: stack.id.to_string(),
            });
        }
        selected.insert(stack.name.clone(), stack);
    }
    if selected.is_empty() {
        problems.push(no_stacks(assembly, environment));
    }
    if problems.is_empty() {
        Ok(selected.into_values().collect())
    } else {
        Err(Refusal { problems })
    }
}

/// As the CDK CLI selects stacks: `*` stays inside one level of the construct tree, `**` does not.
const INSIDE_ONE_LEVEL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

fn patterns(environment: &Environment) -> Result<Vec<Pattern>, Refusal> {
    let compiled = environment.stacks.iter().map(|pattern| {
        Pattern::new(pattern).map_err(|error| {
            Problem::Pattern {
                environment: environment.name.to_string(),
                pattern: pattern.clone(),
                detail: error.msg.to_owned(),
            }
            .into()
        })
    });
    compiled.collect()
}

fn no_stacks(assembly: &Assembly, environment: &Environment) -> Problem {
    const SHOWN: usize = 12;
    let or_any = |text: Option<&str>| text.unwrap_or("any").to_owned();
    let mut available: Vec<String> = assembly
        .stacks
        .iter()
        .take(SHOWN)
        .map(|stack| {
            let account = or_any(stack.account.as_ref().map(AccountId::as_str));
            let region = or_any(stack.region.as_ref().map(Region::as_str));
            format!("{} ({account}/{region})", stack.name)
        })
        .collect();
    if assembly.stacks.len() > SHOWN {
        available.push(format!("and {} more", assembly.stacks.len() - SHOWN));
    }
    Problem::NoStacks {
        environment: environment.name.to_string(),
        place: format!("{}/{}", environment.account, environment.region),
        patterns: match environment.stacks.as_slice() {
            [] => String::new(),
            patterns => format!(" named {}", patterns.join(", ")),
        },
        available: if available.is_empty() {
            "none".to_owned()
        } else {
            available.join(", ")
        },
    }
}

/// What has to be copied into an environment for a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The content, which names the object in the artifacts bucket.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
    /// Where it goes.
    pub to: Location,
}

/// The files of a selected stack and where they go, the template first.
pub fn publications(index: &Index, stack: &Stack, environment: &Environment) -> Result<Vec<Publication>, Refusal> {
    let mut problems = Vec::new();
    let mut publications = Vec::new();
    let to = template_location(index, stack, environment)?;
    let mut add = |path: &RelativePath, packaging: Packaging, to: &Location| match lookup(index, path, packaging) {
        Ok(file) => {
            let publication = Publication {
                sha256: file.sha256.clone(),
                size: file.size,
                to: to.clone(),
            };
            if !publications.contains(&publication) {
                publications.push(publication);
            }
        }
        Err(problem) if problems.contains(&problem) => {}
        Err(problem) => problems.push(problem),
    };
    add(&stack.template, Packaging::File, &to);
    for asset in &stack.assets {
        add(&asset.path, asset.packaging, &asset.to);
    }
    if problems.is_empty() {
        Ok(publications)
    } else {
        Err(Refusal { problems })
    }
}

/// Where a selected stack's template lies in its environment once it is published.
///
/// A stack whose synthesiser names no place gets one in the bootstrap's bucket, named by content as CDK does it.
pub fn template_location(index: &Index, stack: &Stack, environment: &Environment) -> Result<Location, Refusal> {
    if let Some(location) = &stack.template_location {
        return Ok(location.clone());
    }
    let file = lookup(index, &stack.template, Packaging::File)?;
    let Environment {
        account,
        region,
        qualifier,
        ..
    } = environment;
    Ok(Location {
        bucket: format!("cdk-{qualifier}-assets-{account}-{region}"),
        key: format!("{}.json", file.sha256),
    })
}

/// The document at this path of a release, small enough to be read.
pub fn document<'a>(index: &'a Index, path: &RelativePath) -> Result<&'a IndexedFile, Refusal> {
    let file = lookup(index, path, Packaging::File)?;
    if file.size > DOCUMENT_LIMIT {
        return Err(Problem::TooLarge {
            path: path.clone(),
            size: file.size,
            limit: DOCUMENT_LIMIT,
        }
        .into());
    }
    Ok(file)
}

fn lookup<'a>(index: &'a Index, path: &RelativePath, packaging: Packaging) -> Result<&'a IndexedFile, Problem> {
    index
        .get(path)
        .filter(|file| file.packaging == packaging)
        .ok_or_else(|| Problem::NotInRelease {
            path: path.clone(),
            packaging: match packaging {
                Packaging::File => "file",
                Packaging::Zip => "zipped folder",
            },
        })
}

/// What the placeholders of an assembly stand for in one environment.
struct Place<'a> {
    account: &'a AccountId,
    region: &'a Region,
    partition: &'static str,
}

impl<'a> Place<'a> {
    fn of(environment: &'a Environment) -> Self {
        Self {
            account: &environment.account,
            region: &environment.region,
            partition: partition(&environment.region),
        }
    }

    fn text(&self, text: &str) -> String {
        text.replace("${AWS::AccountId}", self.account.as_str())
            .replace("${AWS::Region}", self.region.as_str())
            .replace("${AWS::Partition}", self.partition)
    }

    fn location(&self, location: &Location) -> Location {
        Location {
            bucket: self.text(&location.bucket),
            key: self.text(&location.key),
        }
    }

    fn resolve(&self, stack: &Stack) -> Stack {
        let mut resolved = stack.clone();
        resolved.account = Some(self.account.clone());
        resolved.region = Some(self.region.clone());
        resolved.template_location = stack.template_location.as_ref().map(|location| self.location(location));
        resolved.execution_role = stack.execution_role.as_ref().map(|arn| self.text(arn));
        if let Some(role) = &mut resolved.deploy_role {
            role.arn = self.text(&role.arn);
        }
        for arn in &mut resolved.notification_arns {
            *arn = self.text(arn);
        }
        for asset in &mut resolved.assets {
            asset.to = self.location(&asset.to);
            asset.region = asset.region.as_ref().map(|region| self.text(region));
        }
        resolved
    }
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names": `aws`, `aws-cn`, `aws-us-gov`, …).
pub fn partition(region: &Region) -> &'static str {
    let prefixes = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    prefixes
        .iter()
        .find(|(prefix, _)| region.as_str().starts_with(prefix))
        .map_or("aws", |(_, partition)| partition)
}
