//! The application that tests deploy: a cloud assembly as `cdk synth` writes it, made in milliseconds.

use std::path::Path;

use domain::names::Digest;
use domain::release::{ACCEPTANCE, INTEGRATION_TESTS};
use local::{REGION, Repository, Trouble};
use serde_json::{Map, Value, json};

/// The stack that the smoke test asks.
pub(crate) const WEB: &str = "web";

/// An application in the state the next commit gives it.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its name; stacks are named after it.
    pub name: String,
    /// The account it is for; nothing, where it is for whichever account it is deployed into.
    pub account: Option<String>,
    /// Its stacks; the one called `web` has the function that the smoke test asks.
    pub stacks: Vec<Stack>,
    /// What the function answers as `status`; the smoke test wants `ok`.
    pub answers: String,
    /// What every stack's topic is described as: changing it changes all stacks.
    pub description: String,
    /// What the build says before it fails; nothing lets it succeed.
    pub build_fails: Option<String>,
    /// What else the build runs, first.
    pub build_runs: String,
    /// What the integration tests run, where it has any.
    pub integration_runs: Option<String>,
    /// What people are to try, as Markdown; nothing, where they are not told.
    pub checklist: Option<String>,
}

/// One stack of an application.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Its name within the application.
    pub name: &'static str,
    /// The stack that has to be there before it.
    pub after: Option<&'static str>,
    /// Resources beside the usual ones.
    pub more: Value,
    /// The template's text, where it is not to be a valid one.
    pub template: Option<String>,
}

impl Stack {
    /// A good one that depends on no other.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            after: None,
            more: json!({}),
            template: None,
        }
    }

    /// A good one that depends on another.
    pub fn after(other: &'static str, name: &'static str) -> Self {
        Self {
            after: Some(other),
            ..Self::new(name)
        }
    }
}

impl Application {
    /// A good one, of one stack, for one account.
    pub fn new(name: &str, account: &str) -> Self {
        Self {
            account: Some(account.to_owned()),
            ..Self::for_any_account(name)
        }
    }

    /// A good one, of one stack, for whichever account it is deployed into.
    pub fn for_any_account(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            account: None,
            stacks: vec![Stack::new(WEB)],
            answers: "ok".to_owned(),
            description: "first".to_owned(),
            build_fails: None,
            build_runs: "echo building".to_owned(),
            integration_runs: None,
            checklist: None,
        }
    }

    /// The stack that every application has.
    pub fn web(&mut self) -> &mut Stack {
        let web = self.stacks.iter_mut().find(|stack| stack.name == WEB);
        web.expect("the application has a stack called web")
    }

    /// From now on its builds go on when the file is there.
    pub fn build_waits_for(&mut self, file: &Path) {
        self.build_runs = format!("until [ -e '{}' ]; do sleep 0.1; done", file.display());
    }

    /// The name that CloudFormation knows a stack by.
    pub fn stack_name(&self, stack: &str) -> String {
        format!("{}-{stack}", self.name)
    }

    /// Writes everything for the next commit.
    pub fn write(&self, repository: &Repository) -> Result<(), Trouble> {
        let mut artifacts = Map::new();
        for stack in &self.stacks {
            let template = stack
                .template
                .clone()
                .unwrap_or_else(|| self.good_template(stack).to_string());
            let hash = Digest::of(template.as_bytes());
            let file = |kind: &str| format!("cdk.out/{}.{kind}.json", stack.name);
            repository.write(&file("template"), &template)?;
            repository.write(&file("assets"), self.assets(stack, hash.as_str()).to_string())?;
            artifacts.extend(self.artifacts(stack, hash.as_str()));
        }
        let manifest = json!({ "version": "50.0.0", "artifacts": artifacts });
        repository.write("cdk.out/manifest.json", manifest.to_string())?;
        repository.write("lockgate.smoke.toml", self.smoke_tests())?;
        if let Some(runs) = &self.integration_runs {
            let specification = json!({ "version": 0.2, "phases": { "build": { "commands": [runs] } } });
            repository.write(INTEGRATION_TESTS, specification.to_string())?;
        }
        if let Some(checklist) = &self.checklist {
            repository.write(ACCEPTANCE, checklist)?;
        }
        repository.write("buildspec.yml", self.build_specification())
    }

    /// The account as templates and manifests spell it.
    fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("${AWS::AccountId}")
    }

    /// Where a stack belongs, as its manifest says it.
    fn environment(&self) -> String {
        match &self.account {
            Some(account) => format!("aws://{account}/{REGION}"),
            None => "aws://unknown-account/unknown-region".to_owned(),
        }
    }

    fn good_template(&self, stack: &Stack) -> Value {
        let mut resources = json!({
            "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "DisplayName": self.description } },
            "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [
                { "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }] } } },
        });
        let mut outputs = json!({ "Description": { "Value": self.description } });
        if stack.name == WEB {
            let code = format!(
                "def handler(event, context):\n    return {{'status': '{}'}}\n",
                self.answers
            );
            resources["Function"] = json!({ "Type": "AWS::Lambda::Function", "Properties": {
                "Runtime": "python3.13", "Handler": "index.handler", "Role": { "Fn::GetAtt": ["Role", "Arn"] },
                "Code": { "ZipFile": code } } });
            outputs["FunctionName"] = json!({ "Value": { "Ref": "Function" } });
        }
        if let (Some(resources), Some(more)) = (resources.as_object_mut(), stack.more.as_object()) {
            resources.extend(more.clone());
        }
        json!({ "Resources": resources, "Outputs": outputs })
    }

    fn assets(&self, stack: &Stack, hash: &str) -> Value {
        json!({ "version": "50.0.0", "dockerImages": {}, "files": { hash: {
            "displayName": format!("{} template", stack.name),
            "source": { "path": format!("{}.template.json", stack.name), "packaging": "file" },
            "destinations": { "target": {
                "bucketName": format!("cdk-hnb659fds-assets-{}-{REGION}", self.account()),
                "objectKey": format!("{hash}.json"),
                "region": REGION,
                "assumeRoleArn": format!("arn:${{AWS::Partition}}:iam::{0}:role/cdk-hnb659fds-file-publishing-role-{0}-{REGION}", self.account()),
            } },
        } } })
    }

    /// What the manifest says of a stack.
    fn artifacts(&self, stack: &Stack, hash: &str) -> Map<String, Value> {
        let role = |kind: &str| {
            format!(
                "arn:${{AWS::Partition}}:iam::{0}:role/cdk-hnb659fds-{kind}-role-{0}-{REGION}",
                self.account()
            )
        };
        let name = stack.name;
        let assets = format!("{name}.assets");
        let mut dependencies = vec![assets.as_str()];
        dependencies.extend(stack.after);
        let described = json!({
            "type": "aws:cloudformation:stack",
            "environment": self.environment(),
            "dependencies": dependencies,
            "properties": {
                "templateFile": format!("{name}.template.json"),
                "stackName": self.stack_name(name),
                "assumeRoleArn": role("deploy"),
                "cloudFormationExecutionRoleArn": role("cfn-exec"),
                "stackTemplateAssetObjectUrl": format!("s3://cdk-hnb659fds-assets-{}-{REGION}/{hash}.json", self.account()),
                "requiresBootstrapStackVersion": 6,
                "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/hnb659fds/version",
            },
        });
        let of_assets = json!({ "file": format!("{assets}.json"), "requiresBootstrapStackVersion": 6 });
        Map::from_iter([
            (name.to_owned(), described),
            (assets, json!({ "type": "cdk:asset-manifest", "properties": of_assets })),
        ])
    }

    fn smoke_tests(&self) -> String {
        format!(
            "within = \"{}\"\n\n[[lambda]]\nname = \"it answers\"\nfunction = \"${{{}.FunctionName}}\"\npayload = {{}}\n\
             expect = {{ json = {{ \"$.status\" = \"ok\" }} }}\n",
            self.smoke_within(),
            self.stack_name(WEB)
        )
    }

    /// How long the smoke test is tried again: what can pass has the time that a busy machine takes to start a function, and
    /// nobody waits for what cannot.
    fn smoke_within(&self) -> &'static str {
        if self.answers == "ok" { "1 minute" } else { "2 seconds" }
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
