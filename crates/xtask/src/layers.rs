//! Who may import what (DESIGN, 2), checked against what the packages' manifests say.

use std::fs;
use std::path::Path;

/// What a package may depend on inside the workspace, and whether it may use the AWS SDK or an asynchronous runtime.
struct Layer {
    folder: &'static str,
    may: &'static [&'static str],
    outside: Outside,
}

/// What a layer may use of the outside.
#[derive(PartialEq)]
enum Outside {
    /// Neither AWS nor anything asynchronous.
    Nothing,
    /// No AWS SDK.
    NoAws,
    /// No AWS SDK, except for its HTTP stack, which every function has anyway.
    HttpStack,
    /// Whatever it needs.
    Anything,
}

const LAYERS: [Layer; 11] = [
    Layer {
        folder: "crates/domain",
        may: &["workspace-hack"],
        outside: Outside::Nothing,
    },
    Layer {
        folder: "crates/aws",
        may: &["domain", "workspace-hack"],
        outside: Outside::Anything,
    },
    Layer {
        folder: "crates/github",
        may: &["domain", "workspace-hack"],
        outside: Outside::HttpStack,
    },
    Layer {
        folder: "crates/lambda",
        may: &["domain", "workspace-hack"],
        outside: Outside::NoAws,
    },
    Layer {
        folder: "crates/local",
        may: &["domain", "aws", "payloads", "workspace-hack"],
        outside: Outside::Anything,
    },
    Layer {
        folder: "crates/cli",
        may: &["domain", "aws", "github", "lambda", "local", "workspace-hack"],
        outside: Outside::Anything,
    },
    // For tests only: it stands in nobody's list.
    Layer {
        folder: "crates/fake-aws",
        may: &["domain", "workspace-hack"],
        outside: Outside::Anything,
    },
    // In place of a package from outside, and as unknowing of us.
    Layer {
        folder: "crates/crc-fast",
        may: &[],
        outside: Outside::Nothing,
    },
    Layer {
        folder: "tests/payloads",
        may: &["workspace-hack"],
        outside: Outside::Nothing,
    },
    Layer {
        folder: "crates/xtask",
        may: &[],
        outside: Outside::NoAws,
    },
    Layer {
        folder: "functions",
        may: &["domain", "aws", "github", "lambda", "workspace-hack"],
        outside: Outside::NoAws,
    },
];

const OURS: [&str; 10] = [
    "domain",
    "aws",
    "github",
    "lambda",
    "local",
    "cli",
    "xtask",
    "workspace-hack",
    "fake-aws",
    "payloads",
];
const HTTP_STACK: [&str; 4] = [
    "aws-smithy-http-client",
    "aws-smithy-runtime-api",
    "aws-smithy-types",
    // Of TLS, how keys are written down, and no more: an App's key is a PEM file.
    "rustls-pki-types",
];
const ASYNCHRONOUS: [&str; 4] = ["tokio", "futures", "reqwest", "lambda_runtime"];

/// Finds every dependency that a layer may not have. Dependencies of tests are free.
pub fn check(root: &Path) -> Result<(), String> {
    let mut wrong = Vec::new();
    for layer in &LAYERS {
        let folder = root.join(layer.folder);
        let packages = if folder.join("Cargo.toml").exists() {
            vec![folder]
        } else {
            let entries =
                fs::read_dir(&folder).map_err(|error| format!("{} cannot be read: {error}.", folder.display()))?;
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.join("Cargo.toml").exists())
                .collect()
        };
        for package in packages {
            let manifest = package.join("Cargo.toml");
            let text = fs::read_to_string(&manifest)
                .map_err(|error| format!("{} cannot be read: {error}.", manifest.display()))?;
            let name = package.strip_prefix(root).unwrap_or(&package).display().to_string();
            wrong.extend(
                dependencies(&text)
                    .filter(|on| !allowed(layer, on))
                    .map(|on| format!("{name} may not depend on {on}")),
            );
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}.", wrong.join(".\n")))
    }
}

fn allowed(layer: &Layer, dependency: &str) -> bool {
    if OURS.contains(&dependency) || dependency.starts_with("lockgate-") {
        return layer.may.contains(&dependency);
    }
    match layer.outside {
        Outside::Anything => true,
        Outside::NoAws => !is_aws(dependency),
        Outside::HttpStack => HTTP_STACK.contains(&dependency) || !is_http(dependency) && !is_aws(dependency),
        Outside::Nothing => !is_aws(dependency) && !ASYNCHRONOUS.contains(&dependency),
    }
}

fn is_aws(dependency: &str) -> bool {
    dependency.starts_with("aws-sdk-") || dependency.starts_with("aws-config") || dependency.starts_with("aws-smithy")
}

/// Other ways to speak HTTP or TLS.
fn is_http(dependency: &str) -> bool {
    ["reqwest", "rustls", "hyper", "native-tls", "octocrab"]
        .iter()
        .any(|stack| dependency.starts_with(stack))
}

/// The names in `[dependencies]`.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_under_dependencies_counts() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\n# a reason\ndomain.workspace = true\ntokio = \"1\"\n\n[dev-dependencies]\naws.workspace = true\n";
        assert_eq!(dependencies(manifest).collect::<Vec<_>>(), ["domain", "tokio"]);
    }

    #[test]
    fn the_domain_knows_no_aws_and_a_function_no_sdk() {
        let [domain, .., functions] = &LAYERS;
        assert!(
            allowed(domain, "serde")
                && !allowed(domain, "tokio")
                && !allowed(domain, "aws")
                && !allowed(domain, "aws-sdk-s3")
        );
        assert!(allowed(functions, "aws") && !allowed(functions, "aws-sdk-s3") && !allowed(functions, "lockgate-gate"));
        assert!(
            LAYERS.iter().all(|layer| !allowed(layer, "fake-aws")),
            "it is for tests only"
        );
        let [_, _, github, ..] = &LAYERS;
        assert!(allowed(github, "aws-smithy-http-client") && allowed(github, "tokio") && allowed(github, "domain"));
        for other in ["aws", "aws-sdk-ssm", "aws-config", "reqwest", "hyper-util", "rustls"] {
            assert!(!allowed(github, other), "{other}");
        }
    }
}
