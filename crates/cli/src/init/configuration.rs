//! `lockgate.toml`, every key with what it means.

use std::fmt::Write as _;

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlKeyBuilder, TomlStringBuilder};

use super::answers::{Answers, EnvironmentAnswers};

/// The whole file.
pub fn text(answers: &Answers) -> String {
    let application = format!("application.{}", quoted_key(&answers.repository));
    let mut text = format!(
        "# What Lockgate deploys where, who is asked, and what watches it.\n\
         #\n\
         # This file is the operators'. Keep it beside Lockgate's infrastructure and not in the application's repository: a\n\
         # commit must not change who approves it, or which account it lands in. `lockgate validate` checks it; all keys are\n\
         # in docs/OPERATIONS.md, \"Configuration\".\n\n\
         [pipeline]\n\
         # The account that Lockgate itself runs in, called the tools account, and its region.\n\
         account = {account}\n\
         region = {region}\n\
         # What Lockgate's roles say when they assume those of a target account. It is no secret; keep it as it is.\n\
         external_id = {external_id}\n\
         # Who is told by mail how deployments go, and of alarms. AWS asks each address once whether it wants that.\n\
         notify = {notify}\n\n\
         # The GitHub repository, as GitHub spells it.\n\
         [{application}]\n\
         # The branch whose pushes are deployed.\n\
         branch = {branch}\n",
        account = quoted(&answers.account),
        region = quoted(&answers.region),
        external_id = quoted(&answers.external_id),
        notify = list(&answers.notify),
        branch = quoted(&answers.branch),
    );
    if !answers.people.is_empty() {
        let _ = write!(
            text,
            "\n# Who is who: nobody accepts what they wrote or asked for themselves, and those are known by their logins at\n\
             # GitHub. [] is somebody without an account there. `aws` would name the identity that they answer with by command.\n\
             [{application}.people]\n"
        );
        for (person, logins) in &answers.people {
            let _ = writeln!(text, "{} = {{ github = {} }}", quoted_key(person), list(logins));
        }
    }
    for environment in &answers.environments {
        text.push('\n');
        table(&mut text, &application, environment);
    }
    text
}

fn table(text: &mut String, application: &str, environment: &EnvironmentAnswers) {
    let EnvironmentAnswers {
        name,
        account,
        region,
        on,
        after,
        stacks,
        approvers,
        need,
        alarms,
        bake,
    } = environment;
    let _ = writeln!(text, "[{application}.environment.{}]", quoted_key(name));
    let _ = writeln!(
        text,
        "# The account of its stacks, which trusts the tools account by its CDK bootstrap."
    );
    let _ = writeln!(text, "account = {}", quoted(account));
    if let Some(region) = region {
        let _ = writeln!(text, "# The region of its stacks.");
        let _ = writeln!(text, "region = {}", quoted(region));
    }
    let _ = writeln!(text, "# What starts a deployment: {}.", causes(on));
    match on.as_slice() {
        [only] => drop(writeln!(text, "on = {}", quoted(only))),
        all => drop(writeln!(text, "on = {}", list(all))),
    }
    if let Some(after) = after {
        let _ = writeln!(
            text,
            "# It takes what is stable there, and accepted where people are asked, and never builds."
        );
        let _ = writeln!(text, "after = {}", quoted(after));
    }
    if !stacks.is_empty() {
        let _ = writeln!(
            text,
            "# Which stacks of the CDK app are its own; without this key, all of its account and region."
        );
        let _ = writeln!(text, "stacks = {}", list(stacks));
    }
    if !approvers.is_empty() {
        let _ = writeln!(
            text,
            "# Who has to accept a release once it is here, how many of them, and within what time. on_reject: what is here\n\
             # after a rejection, the candidate (\"stay\") or the last stable release (\"roll back\")."
        );
        let _ = writeln!(
            text,
            "approval = {{ by = {}, need = {need}, within = \"3 days\", on_reject = \"stay\" }}",
            list(approvers)
        );
    }
    if !alarms.is_empty() {
        let _ = writeln!(
            text,
            "# How long these CloudWatch alarms of its account watch a release before it counts as stable. One that goes off\n\
             # takes it back. The first release may bring them; for every later one they have to be there."
        );
        let _ = writeln!(text, "bake = {{ for = {}, alarms = {} }}", quoted(bake), list(alarms));
        let _ = writeln!(
            text,
            "# For how long after its bake an alarm still takes a release back by itself."
        );
        let _ = writeln!(text, "watch = \"24 hours\"");
    }
}

fn causes(on: &[String]) -> String {
    let meaning = |word: &String| match word.as_str() {
        "push" => "a push to the branch, built once".to_owned(),
        "prerelease" => "a pre-release at GitHub".to_owned(),
        "release" => "a release at GitHub".to_owned(),
        "manual" => "a person, by `lockgate deploy`".to_owned(),
        // The configuration's reader refuses it.
        _ => "unknown".to_owned(),
    };
    on.iter().map(meaning).collect::<Vec<_>>().join("; ")
}

/// A text as TOML writes it, on one line, whatever stands in it.
fn quoted(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

fn quoted_key(key: &str) -> String {
    TomlKeyBuilder::new(key)
        .as_unquoted()
        .unwrap_or_else(|| TomlKeyBuilder::new(key).as_basic())
        .to_toml_key()
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}
