#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::deployment::{Environment, QueuePolicy, WithoutStable};
use crate::names::Digest;
use crate::release::{Index, IndexedFile};
use crate::waves::waves;

/// What `cdk synth` wrote for a small shop: one stage, two stacks. Cut from the output of aws-cdk-lib 2.276.
const ROOT: &str = r#"{
  "version": "55.0.0",
  "artifacts": {
    "assembly-dev": { "type": "cdk:cloud-assembly", "properties": { "directoryName": "assembly-dev", "displayName": "dev" } },
    "Tree": { "type": "cdk:tree", "properties": { "file": "tree.json" } },
    "aws-cdk-lib/feature-flag-report": { "type": "cdk:feature-flag-report", "properties": { "module": "aws-cdk-lib", "flags": {} } }
  }
}"#;

const STAGE: &str = r#"{
  "version": "55.0.0",
  "artifacts": {
    "devData.assets": { "type": "cdk:asset-manifest", "properties": {
      "file": "devData.assets.json", "requiresBootstrapStackVersion": 6,
      "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version" } },
    "devData": { "type": "aws:cloudformation:stack", "environment": "aws://222222222222/eu-west-1",
      "properties": {
        "templateFile": "devData.template.json", "terminationProtection": true, "validateOnSynth": false,
        "assumeRoleArn": "arn:${AWS::Partition}:iam::222222222222:role/cdk-hnb659fds-deploy-role-222222222222-eu-west-1",
        "cloudFormationExecutionRoleArn": "arn:${AWS::Partition}:iam::222222222222:role/cdk-hnb659fds-cfn-exec-role-222222222222-eu-west-1",
        "stackTemplateAssetObjectUrl": "s3://cdk-hnb659fds-assets-222222222222-eu-west-1/9ebe.json",
        "requiresBootstrapStackVersion": 6, "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
        "additionalDependencies": ["devData.assets"],
        "lookupRole": { "arn": "arn:${AWS::Partition}:iam::222222222222:role/cdk-hnb659fds-lookup-role-222222222222-eu-west-1" },
        "stackName": "shop-dev-data", "tags": { "team": "shop" } },
      "dependencies": ["devData.assets"], "additionalMetadataFile": "devData.metadata.json", "displayName": "dev/Data" },
    "devWeb.assets": { "type": "cdk:asset-manifest", "properties": {
      "file": "devWeb.assets.json", "requiresBootstrapStackVersion": 21 } },
    "devWeb": { "type": "aws:cloudformation:stack", "environment": "aws://222222222222/eu-west-1",
      "properties": { "templateFile": "devWeb.template.json", "requiresBootstrapStackVersion": 6, "stackName": "shop-dev-web",
        "parameters": { "Colour": "blue" }, "notificationArns": ["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:stacks"] },
      "dependencies": ["devData", "devWeb.assets"], "displayName": "dev/Web" }
  }
}"#;

const DATA_ASSETS: &str = r#"{
  "version": "55.0.0",
  "files": { "9ebe": {
    "displayName": "shop-dev-data Template", "source": { "path": "devData.template.json", "packaging": "file" },
    "destinations": { "here": { "bucketName": "cdk-hnb659fds-assets-222222222222-eu-west-1", "objectKey": "9ebe.json", "region": "eu-west-1",
      "assumeRoleArn": "arn:${AWS::Partition}:iam::222222222222:role/cdk-hnb659fds-file-publishing-role-222222222222-eu-west-1" } } } },
  "dockerImages": {}
}"#;

const WEB_ASSETS: &str = r#"{
  "version": "55.0.0",
  "files": { "3bcd": {
    "displayName": "Shop/Code", "source": { "path": "../asset.3bcd", "packaging": "zip" },
    "destinations": { "here": { "bucketName": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}", "objectKey": "3bcd.zip", "region": "${AWS::Region}" } } } }
}"#;

fn path(text: &str) -> RelativePath {
    text.parse().unwrap()
}

fn documents(files: &[(&str, &str)]) -> Documents {
    files
        .iter()
        .map(|(name, text)| (path(name), text.as_bytes().to_vec()))
        .collect()
}

fn shop() -> Documents {
    documents(&[
        ("manifest.json", ROOT),
        ("assembly-dev/manifest.json", STAGE),
        ("assembly-dev/devData.assets.json", DATA_ASSETS),
        ("assembly-dev/devWeb.assets.json", WEB_ASSETS),
    ])
}

fn environment(account: &str, region: &str, stacks: &[&str]) -> Environment {
    Environment {
        name: "dev".parse().unwrap(),
        account: account.parse().unwrap(),
        region: region.parse().unwrap(),
        on: Vec::new(),
        after: None,
        queue: QueuePolicy::Newest,
        stacks: stacks.iter().map(|&pattern| pattern.to_owned()).collect(),
        qualifier: "hnb659fds".parse().unwrap(),
        without_stable: WithoutStable::GiveBack,
        replace_failed_stacks: false,
        freezes: Vec::new(),
        integration_tests: false,
        pull_requests: false,
        url: None,
        approval: None,
        after_acceptance: false,
        max_age_seconds: None,
        bake: None,
        watch_seconds: None,
        holds: false,
        keep: crate::deployment::KEEP,
    }
}

fn dev() -> Environment {
    environment("222222222222", "eu-west-1", &[])
}

fn index(assembly: &Assembly) -> Index {
    let files = assembly.files.iter().map(|(path, packaging)| IndexedFile {
        path: path.clone(),
        sha256: Digest::of(path.as_str().as_bytes()),
        size: 1,
        packaging: *packaging,
    });
    Index::new(files.collect()).unwrap()
}

fn names(stacks: &[Stack]) -> Vec<&str> {
    stacks.iter().map(|stack| stack.name.as_str()).collect()
}

/// An assembly of one manifest without nested ones.
fn single(artifacts: &str) -> Result<Assembly, Refusal> {
    read(&documents(&[(
        "manifest.json",
        &format!(r#"{{"version":"48.0.0","artifacts":{{{artifacts}}}}}"#),
    )]))
}

fn stack_in(environment: &str, properties: &str) -> String {
    format!(
        r#""S":{{"type":"aws:cloudformation:stack","environment":"{environment}","properties":{{"templateFile":"s.json"{properties}}}}}"#
    )
}

#[test]
fn documents_are_asked_for_until_all_are_there() {
    let there = shop();
    let mut have = Documents::new();
    let mut rounds = String::new();
    loop {
        let needed = documents_needed(&have).unwrap();
        if needed.is_empty() {
            break;
        }
        writeln!(
            rounds,
            "{}",
            needed.iter().map(RelativePath::as_str).collect::<Vec<_>>().join(" ")
        )
        .unwrap();
        have.extend(needed.into_iter().map(|path| (path.clone(), there[&path].clone())));
    }
    insta::assert_snapshot!(rounds, @"
    manifest.json
    assembly-dev/manifest.json
    assembly-dev/devData.assets.json assembly-dev/devWeb.assets.json
    ");
    assert_eq!(have, there);
    assert_eq!(
        remarks(&have),
        BTreeSet::from([path("assembly-dev/devData.metadata.json")])
    );
}

#[test]
fn a_stage_is_read_with_its_assets_and_dependencies() {
    let assembly = read(&shop()).unwrap();
    assert!(assembly.warnings.is_empty(), "{:?}", assembly.warnings);
    let files: Vec<String> = assembly
        .files
        .iter()
        .map(|(path, packaging)| format!("{packaging:?} {path}"))
        .collect();
    insta::assert_snapshot!(files.join("\n"), @"
    File assembly-dev/devData.assets.json
    File assembly-dev/devData.template.json
    File assembly-dev/devWeb.assets.json
    File assembly-dev/devWeb.template.json
    File assembly-dev/manifest.json
    Zip asset.3bcd
    File manifest.json
    ");

    let stacks = select(&assembly, &dev()).unwrap();
    let web = &stacks[1];
    insta::assert_debug_snapshot!(web, @r#"
    Stack {
        id: ArtifactId(
            "assembly-dev/devWeb",
        ),
        name: "shop-dev-web",
        display: "dev/Web",
        account: Some(
            "222222222222",
        ),
        region: Some(
            "eu-west-1",
        ),
        template: "assembly-dev/devWeb.template.json",
        template_location: None,
        parameters: {
            "Colour": "blue",
        },
        tags: {},
        notification_arns: [
            "arn:aws:sns:eu-west-1:222222222222:stacks",
        ],
        termination_protection: false,
        deploy_role: None,
        execution_role: None,
        bootstrap: Some(
            Bootstrap {
                version: 21,
                parameter: None,
            },
        ),
        assets: [
            AssetFile {
                display: "Shop/Code",
                path: "asset.3bcd",
                packaging: Zip,
                to: Location {
                    bucket: "cdk-hnb659fds-assets-222222222222-eu-west-1",
                    key: "3bcd.zip",
                },
                region: Some(
                    "eu-west-1",
                ),
            },
        ],
        depends_on: {
            ArtifactId(
                "assembly-dev/devData",
            ),
        },
    }
    "#);
    assert_eq!(
        stacks[0].deploy_role.as_ref().unwrap().arn,
        "arn:aws:iam::222222222222:role/cdk-hnb659fds-deploy-role-222222222222-eu-west-1"
    );
    assert!(stacks[0].termination_protection);
    assert_eq!(
        web.bootstrap.as_ref().unwrap().parameter(&dev().qualifier),
        "/cdk-bootstrap/hnb659fds/version"
    );
    let waves = waves(&stacks).unwrap();
    assert_eq!(
        waves.iter().flatten().map(StackName::as_str).collect::<Vec<_>>(),
        ["shop-dev-data", "shop-dev-web"]
    );
    assert_eq!(waves.len(), 2);
}

#[test]
fn everything_a_stack_needs_is_published_its_template_first() {
    let assembly = read(&shop()).unwrap();
    let index = index(&assembly);
    let mut table = String::new();
    for stack in select(&assembly, &dev()).unwrap() {
        for publication in publications(&index, &stack, &dev()).unwrap() {
            let Location { bucket, key } = publication.to;
            writeln!(
                table,
                "{}: {} -> {bucket}/{key}",
                stack.name,
                publication.sha256.short()
            )
            .unwrap();
        }
    }
    // The data stack's template is one of its assets and goes once; the web stack's has no place of its own.
    insta::assert_snapshot!(table, @"
    shop-dev-data: 454cdacf438d -> cdk-hnb659fds-assets-222222222222-eu-west-1/9ebe.json
    shop-dev-web: bb062cc9e3b3 -> cdk-hnb659fds-assets-222222222222-eu-west-1/bb062cc9e3b3e127a3a6872321166a86194b8595e5972b8194401e5351f7d945.json
    shop-dev-web: b222197b6fde -> cdk-hnb659fds-assets-222222222222-eu-west-1/3bcd.zip
    ");

    let empty = Index::new(Vec::new()).unwrap();
    let refusal = publications(&empty, &select(&assembly, &dev()).unwrap()[0], &dev()).unwrap_err();
    assert_eq!(refusal.name(), Name::ReleaseMissing);
    insta::assert_snapshot!(refusal.to_string(), @"the release has no file assembly-dev/devData.template.json");
}

#[test]
fn stacks_are_chosen_by_account_region_and_pattern() {
    let assembly = read(&shop()).unwrap();
    for (patterns, wanted) in [
        (&[][..], &["shop-dev-data", "shop-dev-web"][..]),
        (&["*"], &["shop-dev-data", "shop-dev-web"]),
        (&["shop-*-web"], &["shop-dev-web"]),
        (&["dev/*"], &["shop-dev-data", "shop-dev-web"]),
        (&["dev/Data", "nothing"], &["shop-dev-data"]),
        (&["**/Web"], &["shop-dev-web"]),
    ] {
        let chosen = select(&assembly, &environment("222222222222", "eu-west-1", patterns)).unwrap();
        assert_eq!(names(&chosen), wanted, "{patterns:?}");
    }
    let refusals: Vec<String> = [
        environment("222222222222", "us-east-1", &[]),
        environment("333333333333", "eu-west-1", &[]),
        environment("222222222222", "eu-west-1", &["dev", "Web"]),
        environment("222222222222", "eu-west-1", &["shop-[a"]),
    ]
    .iter()
    .map(|environment| {
        let refusal = select(&assembly, environment).unwrap_err();
        assert_eq!(refusal.name(), Name::NoStacks);
        refusal.to_string()
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    no stack for dev (222222222222/us-east-1); the release holds shop-dev-data (222222222222/eu-west-1), shop-dev-web (222222222222/eu-west-1)
    no stack for dev (333333333333/eu-west-1); the release holds shop-dev-data (222222222222/eu-west-1), shop-dev-web (222222222222/eu-west-1)
    no stack for dev (222222222222/eu-west-1) named dev, Web; the release holds shop-dev-data (222222222222/eu-west-1), shop-dev-web (222222222222/eu-west-1)
    the pattern "shop-[a" of dev is not valid: invalid range pattern
    "#);
}

#[test]
fn a_stack_for_any_environment_takes_the_place_it_is_deployed_to() {
    let assembly = single(&stack_in(
        "aws://unknown-account/unknown-region",
        r#","stackTemplateAssetObjectUrl":"s3://cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}/a.json",
           "assumeRoleArn":"arn:${AWS::Partition}:iam::${AWS::AccountId}:role/cdk-deploy-${AWS::Region}","assumeRoleExternalId":"x""#,
    ))
    .unwrap();
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
    ] {
        let stack = &select(&assembly, &environment("333333333333", region, &[])).unwrap()[0];
        assert_eq!(stack.name.as_str(), "S");
        assert_eq!(stack.region.as_ref().unwrap().as_str(), region);
        let role = stack.deploy_role.as_ref().unwrap();
        assert_eq!(
            role.arn,
            format!("arn:{partition}:iam::333333333333:role/cdk-deploy-{region}")
        );
        assert_eq!(role.external_id.as_deref(), Some("x"));
        let location = stack.template_location.as_ref().unwrap();
        assert_eq!(location.bucket, format!("cdk-hnb659fds-assets-333333333333-{region}"));
    }
    // Half known: the account is fixed, the region is not.
    let half = single(&stack_in("aws://333333333333/unknown-region", "")).unwrap();
    assert!(select(&half, &environment("333333333333", "us-east-1", &[])).is_ok());
    assert!(select(&half, &environment("222222222222", "us-east-1", &[])).is_err());
}

#[test]
fn plain_cloudformation_is_an_assembly_of_few_lines() {
    let assembly = read(&documents(&[(
        "manifest.json",
        r#"{"version":"48.0.0","artifacts":{"web":{"type":"aws:cloudformation:stack","properties":{"templateFile":"web.yaml"}}}}"#,
    )]))
    .unwrap();
    let stacks = select(&assembly, &dev()).unwrap();
    assert_eq!(names(&stacks), ["web"]);
    let location = template_location(&index(&assembly), &stacks[0], &dev()).unwrap();
    assert_eq!(location.bucket, "cdk-hnb659fds-assets-222222222222-eu-west-1");
    assert_eq!(location.key, format!("{}.json", Digest::of(b"web.yaml")));
}

#[test]
fn dependencies_lead_through_nested_assemblies_and_asset_manifests() {
    let stack = |depends: &str| {
        format!(
            r#"{{"type":"aws:cloudformation:stack","properties":{{"templateFile":"t.json"}},"dependencies":[{depends}]}}"#
        )
    };
    let nested = |name: &str, depends: &str| {
        format!(
            r#"{{"type":"cdk:cloud-assembly","properties":{{"directoryName":"{name}"}},"dependencies":[{depends}]}}"#
        )
    };
    let root = format!(
        r#"{{"version":"48.0.0","artifacts":{{"one":{},"two":{},"last":{},"x.assets":{{"type":"cdk:asset-manifest","properties":{{"file":"x.json"}},"dependencies":["base"]}},"base":{}}}}}"#,
        nested("a1", ""),
        nested("a2", r#""one""#),
        stack(r#""two","x.assets""#),
        stack(""),
    );
    let inner = |id: &str| format!(r#"{{"version":"48.0.0","artifacts":{{"{id}":{}}}}}"#, stack(""));
    let assembly = read(&documents(&[
        ("manifest.json", &root),
        ("a1/manifest.json", &inner("first")),
        ("a2/manifest.json", &inner("second")),
        ("x.json", r#"{"version":"48.0.0"}"#),
    ]))
    .unwrap();
    let needs: Vec<String> = assembly
        .stacks
        .iter()
        .map(|stack| {
            let needs: Vec<&str> = stack.depends_on.iter().map(ArtifactId::as_str).collect();
            let needs = if needs.is_empty() {
                "nothing".to_owned()
            } else {
                needs.join(" ")
            };
            format!("{} <- {needs}", stack.id)
        })
        .collect();
    insta::assert_snapshot!(needs.join("\n"), @"
    a1/first <- nothing
    a2/second <- a1/first
    base <- nothing
    last <- a2/second base
    ");
}

#[test]
fn what_cannot_be_deployed_is_refused_and_every_reason_named() {
    let stage = STAGE.replace(
        "\"version\": \"55.0.0\",",
        r#""version": "55.0.0", "missing": [{"key":"vpc-provider:account=1","provider":"vpc-provider","props":{}}],"#,
    );
    let assets = r#"{"version":"55.0.0",
      "files": {
        "1": {"displayName":"Made","source":{"executable":["make"]},"destinations":{}},
        "2": {"displayName":"Odd","source":{"path":"x","packaging":"tar"},"destinations":{}},
        "3": {"displayName":"Away","source":{"path":"../../secret"},"destinations":{}},
        "4": {"displayName":"Nothing","source":{},"destinations":{}},
        "5": {"displayName":"Both","source":{"path":"../asset.3bcd","packaging":"file"},"destinations":{}}
      },
      "dockerImages": {"img":{"displayName":"Web/Image","source":{"directory":"x"},"destinations":{}}, "plain":{"source":{},"destinations":{}}}}"#;
    let mut files = shop();
    files.insert(path("assembly-dev/manifest.json"), stage.into_bytes());
    files.insert(path("assembly-dev/devData.assets.json"), assets.as_bytes().to_vec());
    files.insert(
        path("assembly-dev/devData.metadata.json"),
        br#"{"/dev/Data/Orders":[{"type":"aws:cdk:error","data":"Orders has no\nbackup"},{"type":"aws:cdk:warning","data":"w"},{"type":"aws:cdk:creationStack","data":["x"]}]}"#.to_vec(),
    );
    let refusal = read(&files).unwrap_err();
    assert_eq!(refusal.name(), Name::MissingContext);
    assert_eq!(refusal.failure().name, Name::MissingContext);
    insta::assert_snapshot!(refusal.to_string().replace("; ", "\n"), @r#"
    context "vpc-provider:account=1" is missing (provider vpc-provider)
    Web/Image is a Docker image, which Lockgate does not publish: refer to an image in a registry by its digest
    plain is a Docker image, which Lockgate does not publish: refer to an image in a registry by its digest
    Made is made by a command at the time of publishing: let the build make the file
    Odd: the packaging "tar" is not known
    assembly-dev/devData.assets.json names a file outside: "../../secret" is not a path inside a release: it leaves the cloud assembly
    Nothing: it has no path
    asset.3bcd is named both as a file and as a folder to zip
    dev/Data/Orders: Orders has no backup
    "#);
}

#[test]
fn documents_that_are_not_what_they_should_be_are_refused() {
    let refusals: Vec<String> = [
        documents(&[]),
        documents(&[("manifest.json", "{")]),
        documents(&[("manifest.json", "{}")]),
        documents(&[("manifest.json", r#"{"version":"56.0.0","minimumCliVersion":"2.1200.0","artifacts":7}"#)]),
        documents(&[("manifest.json", r#"{"version":"newest"}"#)]),
        documents(&[("manifest.json", r#"{"version":"1.0.0","artifacts":{"n":{"type":"cdk:cloud-assembly","properties":{"directoryName":"."}}}}"#)]),
        documents(&[("manifest.json", r#"{"version":"1.0.0","artifacts":{"n":{"type":"cdk:cloud-assembly","properties":{"directoryName":"../n"}}}}"#)]),
        documents(&[("manifest.json", r#"{"version":"1.0.0","artifacts":{"a":{"type":"cdk:asset-manifest","properties":{"file":"/a.json"}}}}"#)]),
    ]
    .iter()
    .map(|documents| read(documents).unwrap_err().to_string())
    .chain([
        single(r#""S":{"type":"aws:cloudformation:stack","properties":{}}"#).unwrap_err().to_string(),
        single(&stack_in("aws://x/eu-west-1", "")).unwrap_err().to_string(),
        single(&stack_in("eu-west-1", "")).unwrap_err().to_string(),
        single(&stack_in("aws://unknown-account/unknown-region", r#","stackName":"my_stack""#)).unwrap_err().to_string(),
        single(&stack_in("aws://unknown-account/unknown-region", r#","parameters":{"P":1}"#)).unwrap_err().to_string(),
        single(r#""S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t"},"dependencies":["gone"]}"#).unwrap_err().to_string(),
        single(r#""S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t"},"metadata":{"/S":[{"type":"aws:cdk:asset","data":{"path":"x"}}]}}"#).unwrap_err().to_string(),
    ])
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    manifest.json is missing
    manifest.json cannot be read: EOF while parsing an object at line 1 column 1
    manifest.json cannot be read: missing field `version` at line 1 column 2
    manifest.json is of schema 56.0.0, and this version of Lockgate reads up to 55: update Lockgate, or pin aws-cdk-lib to an older version (the CDK CLI would need 2.1200.0)
    manifest.json is of schema newest, and this version of Lockgate reads up to 55: update Lockgate, or pin aws-cdk-lib to an older version
    manifest.json nests assemblies without end
    manifest.json names a file outside: "../n/manifest.json" is not a path inside a release: it leaves the cloud assembly
    manifest.json names a file outside: "/a.json" is not a path inside a release: it is absolute
    manifest.json cannot be read: artifact S: missing field `templateFile` at line 1 column 2
    S: the environment "aws://x/eu-west-1" is not aws://account/region
    S: the environment "eu-west-1" is not aws://account/region
    S: "my_stack" is not a stack's name: 1 to 128 letters, digits and '-', beginning with a letter
    manifest.json cannot be read: artifact S: invalid type: integer `1`, expected a string at line 1 column 44
    S: it depends on gone, which does not exist
    S has assets of the legacy synthesiser: use the DefaultStackSynthesizer
    "#);
}

#[test]
fn what_cannot_be_read_is_said_at_once_and_not_asked_for() {
    let newer = documents(&[("manifest.json", r#"{"version":"99.0.0"}"#)]);
    assert_eq!(documents_needed(&newer).unwrap_err().name(), Name::UnsupportedAssembly);
    // One of two nested assemblies is broken: the other need not be fetched.
    let nested = r#"{"version":"1.0.0","artifacts":{"a":{"type":"cdk:cloud-assembly","properties":{"directoryName":"a"}},"b":{"type":"cdk:cloud-assembly","properties":{"directoryName":"b"}}}}"#;
    assert!(documents_needed(&documents(&[("manifest.json", nested), ("a/manifest.json", "[]")])).is_err());
    // What is merely not deployable is left for reading.
    let circular = documents(&[("manifest.json", r#"{"version":"1.0.0","missing":[{"key":"k"}]}"#)]);
    assert!(documents_needed(&circular).unwrap().is_empty());
    assert_eq!(read(&circular).unwrap_err().name(), Name::MissingContext);
}

#[test]
fn warnings_are_kept_and_unknown_artifacts_reported() {
    let assembly = single(
        r#""later":{"type":"cdk:something-new"},
           "S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t"},"metadata":{"/S/Q":[{"type":"aws:cdk:warning","data":"old\u001b[31m runtime"}]}}"#,
    )
    .unwrap();
    assert_eq!(
        assembly.warnings,
        ["S/Q: old [31m runtime", "later of type cdk:something-new is ignored"]
    );
}

#[test]
fn two_stacks_of_one_name_and_assets_for_elsewhere_are_refused_where_they_are_deployed() {
    let stack = r#"{"type":"aws:cloudformation:stack","properties":{"templateFile":"t","stackName":"same"},"dependencies":["x"]}"#;
    let root = format!(
        r#"{{"version":"48.0.0","artifacts":{{"A":{stack},"B":{stack},"x":{{"type":"cdk:asset-manifest","properties":{{"file":"x.json"}}}}}}}}"#
    );
    let assets = r#"{"version":"48.0.0","files":{"f":{"displayName":"F","source":{"path":"f"},"destinations":{"us":{"bucketName":"b","objectKey":"k","region":"us-east-1"}}}}}"#;
    let assembly = read(&documents(&[("manifest.json", &root), ("x.json", assets)])).unwrap();
    let refusal = select(&assembly, &dev()).unwrap_err();
    assert_eq!(refusal.name(), Name::UnsupportedAssembly);
    insta::assert_snapshot!(refusal.to_string().replace("; ", "\n"), @"
    F of same goes to us-east-1, and the environment is in eu-west-1
    F of same goes to us-east-1, and the environment is in eu-west-1
    A and B are both named same
    ");
}

#[test]
fn a_document_too_large_to_read_is_refused_before_it_is_fetched() {
    let file = |size| IndexedFile {
        path: root_manifest(),
        sha256: Digest::of(b""),
        size,
        packaging: Packaging::File,
    };
    assert!(document(&Index::new(vec![file(DOCUMENT_LIMIT)]).unwrap(), &root_manifest()).is_ok());
    let refusal = document(&Index::new(vec![file(DOCUMENT_LIMIT + 1)]).unwrap(), &root_manifest()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "manifest.json has 33554433 bytes, and 33554432 are allowed"
    );
}

proptest! {
    /// Any part of a real assembly may be cut off, doubled or swapped for something else: it is read or refused.
    #[test]
    fn broken_documents_are_refused_without_panic(
        which in 0_usize..4, at in 0_usize..2_000, length in 0_usize..60, with in "[\"{}\\[\\]:,a-z0-9./]{0,12}",
    ) {
        let mut files = shop();
        let name = files.keys().nth(which).unwrap().clone();
        let mut text = String::from_utf8(files[&name].clone()).unwrap();
        let start = at.min(text.len());
        text.replace_range(start..(start + length).min(text.len()), &with);
        files.insert(name, text.into_bytes());
        if let Ok(needed) = documents_needed(&files) {
            if needed.is_empty() {
                if let Ok(assembly) = read(&files) {
                    let _ = select(&assembly, &dev());
                }
            } else {
                prop_assert!(read(&files).is_err());
            }
        }
    }
}
