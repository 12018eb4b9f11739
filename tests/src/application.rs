//! The application that tests deploy: a cloud assembly as `cdk synth` writes it, made in milliseconds.

use domain::names::Digest;
use local::{REGION, Repository, Trouble};
use serde_json::{Value, json};

/// An application of one stack or two, in the state the next commit gives it.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its name; stacks are named after it.
    pub name: String,
    /// The account it is for.
    pub account: String,
    /// What its function answers as `status`; the smoke test wants `ok`.
    pub answers: String,
    /// What its topic is described as: changing it changes the stack.
    pub description: String,
    /// Resources beside the usual ones.
    pub more: Value,
    /// What the build says before it fails; nothing lets it succeed.
    pub build_fails: Option<String>,
    /// The template's text, where it is not to be a valid one.
    pub template: Option<String>,
    /// How long the smoke test is tried again.
    pub smoke_within: String,
    /// What else the build runs, first.
    pub build_runs: String,
}

impl Application {
    /// A good one.
    pub fn new(name: &str, account: &str) -> Self {
        Self {
            name: name.to_owned(),
            account: account.to_owned(),
            answers: "ok".to_owned(),
            description: "first".to_owned(),
            more: json!({}),
            build_fails: None,
            template: None,
            smoke_within: "2 seconds".to_owned(),
            build_runs: "echo building".to_owned(),
        }
    }

    /// The stack's name.
    pub fn stack(&self) -> String {
        format!("{}-web", self.name)
    }

    /// Writes everything for the next commit.
    pub fn write(&self, repository: &Repository) -> Result<(), Trouble> {
        let template = self
            .template
            .clone()
            .unwrap_or_else(|| self.good_template().to_string());
        let hash = Digest::of(template.as_bytes());
        repository.write("cdk.out/web.template.json", &template)?;
        repository.write("cdk.out/web.assets.json", self.assets(hash.as_str()).to_string())?;
        repository.write("cdk.out/manifest.json", self.manifest(hash.as_str()).to_string())?;
        repository.write("lockgate.smoke.toml", self.smoke_tests())?;
        repository.write("buildspec.yml", self.build_specification())
    }

    fn good_template(&self) -> Value {
        let code = format!(
            "def handler(event, context):\n    return {{'status': '{}'}}\n",
            self.answers
        );
        let mut resources = json!({
            "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "DisplayName": self.description } },
            "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [
                { "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }] } } },
            "Function": { "Type": "AWS::Lambda::Function", "Properties": {
                "Runtime": "python3.13", "Handler": "index.handler", "Role": { "Fn::GetAtt": ["Role", "Arn"] },
                "Code": { "ZipFile": code } } },
        });
        if let (Some(resources), Some(more)) = (resources.as_object_mut(), self.more.as_object()) {
            resources.extend(more.clone());
        }
        json!({ "Resources": resources, "Outputs": { "FunctionName": { "Value": { "Ref": "Function" } } } })
    }

    fn assets(&self, hash: &str) -> Value {
        json!({ "version": "50.0.0", "dockerImages": {}, "files": { hash: {
            "displayName": "web template",
            "source": { "path": "web.template.json", "packaging": "file" },
            "destinations": { "target": {
                "bucketName": format!("cdk-hnb659fds-assets-{}-{REGION}", self.account),
                "objectKey": format!("{hash}.json"),
                "region": REGION,
                "assumeRoleArn": format!("arn:${{AWS::Partition}}:iam::{0}:role/cdk-hnb659fds-file-publishing-role-{0}-{REGION}", self.account),
            } },
        } } })
    }

    fn manifest(&self, hash: &str) -> Value {
        let role = |kind: &str| {
            format!(
                "arn:${{AWS::Partition}}:iam::{0}:role/cdk-hnb659fds-{kind}-role-{0}-{REGION}",
                self.account
            )
        };
        json!({ "version": "50.0.0", "artifacts": {
            "web.assets": { "type": "cdk:asset-manifest", "properties": { "file": "web.assets.json", "requiresBootstrapStackVersion": 6 } },
            "web": {
                "type": "aws:cloudformation:stack",
                "environment": format!("aws://{}/{REGION}", self.account),
                "dependencies": ["web.assets"],
                "properties": {
                    "templateFile": "web.template.json",
                    "stackName": self.stack(),
                    "assumeRoleArn": role("deploy"),
                    "cloudFormationExecutionRoleArn": role("cfn-exec"),
                    "stackTemplateAssetObjectUrl": format!("s3://cdk-hnb659fds-assets-{}-{REGION}/{hash}.json", self.account),
                    "requiresBootstrapStackVersion": 6,
                    "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
                },
            },
        } })
    }

    fn smoke_tests(&self) -> String {
        format!(
            "within = \"{}\"\n\n[[lambda]]\nname = \"it answers\"\nfunction = \"${{{}.FunctionName}}\"\npayload = {{}}\n\
             expect = {{ json = {{ \"$.status\" = \"ok\" }} }}\n",
            self.smoke_within,
            self.stack()
        )
    }

    fn build_specification(&self) -> String {
        let test = match &self.build_fails {
            Some(why) => format!("echo '{why}'; exit 1"),
            None => "test -f cdk.out/manifest.json".to_owned(),
        };
        format!(
            "version: 0.2\nenv:\n  exported-variables: [LOCKGATE_RELEASE]\nphases:\n  build:\n    commands:\n      - {}\n      - {test}\n      \
             - LOCKGATE_RELEASE=$(\"$CODEBUILD_SRC_DIR_lockgate/lockgate\" package cdk.out)\n      - export LOCKGATE_RELEASE\n",
            self.build_runs
        )
    }
}
