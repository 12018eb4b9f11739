//! What is in the tools account.

use super::{Check, Finding, deploy, store};
use crate::approval::token::UnusableKey;
use crate::signature::UnusableSecret;
use crate::stack_status::StackStatus;

/// Lockgate has nine functions, and builds, events and people wake several of them at once. A new account may have as few
/// as ten at once until AWS raises that; 1,000 are usual (AWS Lambda developer guide, "Lambda quotas").
pub const CONCURRENT_AT_LEAST: i32 = 20;

/// What a stack's state means; nothing is where there is no stack.
pub(super) fn stack(name: Check, about: &str, status: Option<&StackStatus>, construct: &str) -> Finding {
    let deploy = deploy(construct);
    match status {
        None | Some(StackStatus::Absent | StackStatus::DeleteComplete) => Finding::broken(
            name,
            about,
            "there is no such stack in this account and region",
            format!("Run {deploy}, or name the right account and region with a profile and --region."),
        ),
        Some(StackStatus::UpdateRollbackComplete) => Finding::warning(
            name,
            about,
            "its last deployment failed and was taken back (UPDATE_ROLLBACK_COMPLETE)",
            format!("Read why in the stack's events, mend it, and run {deploy}."),
        ),
        Some(status) if status.stable() => Finding::ok(name, about, format!("is {status}")),
        Some(status) if status.in_progress() => Finding::warning(
            name,
            about,
            format!("is being changed ({status})"),
            "Ask again when CloudFormation is done.",
        ),
        Some(status) => Finding::broken(
            name,
            about,
            format!("is half-way ({status})"),
            format!("Mend it in the CloudFormation console, then run {deploy}."),
        ),
    }
}

/// The pipeline's stack.
pub fn pipeline_stack(about: &str, status: Option<&StackStatus>) -> Finding {
    stack(Check::PipelineStack, about, status, "Pipeline")
}

/// Without the pipeline's stack nobody knows where the rest is.
pub fn nothing_else(stack: &str) -> Finding {
    Finding::unchecked(
        Check::PipelineStack,
        stack,
        "nothing else was looked at: the stack's outputs say where it is",
        "Ask again when the stack is there and can be read.",
    )
}

/// The stack does not say what it should: it is of another version, or is not the pipeline's.
pub fn no_output(name: Check, stack: &str, output: &str) -> Finding {
    Finding::broken(
        name,
        stack,
        format!("the stack has no output {output}"),
        format!("Run {}, or name the pipeline's stack with --stack.", deploy("Pipeline")),
    )
}

/// The ledger's table.
pub fn ledger(table: &str, answers: bool) -> Finding {
    if answers {
        return Finding::ok(Check::Ledger, table, "the table answers");
    }
    Finding::broken(
        Check::Ledger,
        table,
        "there is no such table",
        "Restore it under this name from its point-in-time recovery or a backup: it is the record of every deployment.",
    )
}

/// A state machine.
pub fn state_machine(machine: &str, is_active: bool) -> Finding {
    if is_active {
        return Finding::ok(Check::StateMachine, machine, "is active");
    }
    Finding::broken(
        Check::StateMachine,
        machine,
        "there is no such state machine, or it is being deleted",
        format!("Delete what is left of it, and run {}.", deploy("Pipeline")),
    )
}

/// Nothing is configured.
pub fn no_application() -> Finding {
    Finding::warning(
        Check::Applications,
        "/lockgate/applications",
        "no application is configured",
        format!(
            "Write one into lockgate.toml, resolve it with `lockgate config`, and run {}.",
            deploy("Pipeline")
        ),
    )
}

/// The secret that GitHub signs with, where it is stored, and whether the one before still counts.
pub fn webhook_secret(parameter: &str, current: Option<Result<(), UnusableSecret>>, previous: Option<&str>) -> Finding {
    let name = Check::WebhookSecret;
    let put = store(parameter, "\"<the secret of the GitHub webhook>\"");
    match (current, previous) {
        (None, _) => Finding::broken(
            name,
            parameter,
            "there is no such parameter, so that every delivery is turned away",
            format!("Run {put}."),
        ),
        (Some(Err(fault)), _) => Finding::broken(name, parameter, fault.to_string(), format!("Run {put}.")),
        (Some(Ok(())), Some(previous)) => Finding::warning(
            name,
            parameter,
            format!("the rotation is not finished: {previous} still counts"),
            format!("When GitHub signs with the new one everywhere, run `aws ssm delete-parameter --name {previous}`."),
        ),
        (Some(Ok(())), None) => Finding::ok(name, parameter, "is stored"),
    }
}

/// The key that links are signed with, and the environments that ask people.
pub fn approval_key(parameter: &str, key: Option<Result<(), UnusableKey>>, asking: &[String]) -> Finding {
    let name = Check::ApprovalKey;
    let put = store(parameter, "\"$(openssl rand -hex 32)\"");
    match key {
        Some(Ok(())) => Finding::ok(name, parameter, "is stored"),
        Some(Err(fault)) => Finding::broken(name, parameter, fault.to_string(), format!("Run {put}.")),
        None if asking.is_empty() => Finding::ok(name, parameter, "is not stored, and no environment asks people"),
        None => Finding::broken(
            name,
            parameter,
            format!(
                "there is no such parameter, and {} cannot ask people",
                asking.join(", ")
            ),
            format!("Run {put}."),
        ),
    }
}

/// What the webhook answers, as an HTTP status, to a delivery that nobody signed.
pub fn unsigned_delivery(url: &str, answer: Result<u16, &str>) -> Finding {
    let name = Check::WebhookAddress;
    match answer {
        Ok(401) => Finding::ok(name, url, "turns away what nobody signed (401)"),
        Ok(200..=299) => Finding::broken(
            name,
            url,
            "takes a delivery that nobody signed",
            format!(
                "Something else answers there than Lockgate: run {}.",
                deploy("Pipeline")
            ),
        ),
        Ok(503) => no_secret(name, url),
        other => elsewhere(name, url, "an unsigned delivery", other),
    }
}

/// What the webhook answers, as an HTTP status, to a ping that the stored secret signed.
pub fn signed_ping(url: &str, answer: Result<u16, &str>) -> Finding {
    let name = Check::WebhookSignature;
    match answer {
        Ok(200) => Finding::ok(
            name,
            url,
            "takes a ping that the stored secret signed; whether GitHub has the same secret, its Recent deliveries show",
        ),
        Ok(401) => Finding::broken(
            name,
            url,
            "does not take a ping that the stored secret signed (401), so the function has another secret",
            "Ask again in five minutes, by when the function has read it anew; then look for \"the webhook secrets cannot be \
             read\" with `aws logs tail /aws/lambda/lockgate-webhook --since 1h`.",
        ),
        Ok(503) => no_secret(name, url),
        other => elsewhere(name, url, "a signed ping", other),
    }
}

fn no_secret(name: Check, url: &str) -> Finding {
    Finding::broken(
        name,
        url,
        "has no secret that it can use (503)",
        "Mend what webhook_secret says; where that is ok, see why with `aws logs tail /aws/lambda/lockgate-webhook --since 1h`.",
    )
}

fn elsewhere(name: Check, url: &str, sent: &str, answer: Result<u16, &str>) -> Finding {
    match answer {
        Ok(status) => Finding::broken(
            name,
            url,
            format!("answers {sent} with HTTP status {status}"),
            format!(
                "Look at `aws logs tail /aws/vendedlogs/lockgate/api --since 1h`; where nothing is there, run {}.",
                deploy("Pipeline")
            ),
        ),
        // What keeps this machine from the address need not keep GitHub from it.
        Err(why) => Finding::unchecked(
            name,
            url,
            format!("could not be reached from here: {why}"),
            "Ask again from where addresses of the internet can be reached; GitHub's Recent deliveries show whether it reaches it.",
        ),
    }
}

/// How many functions may run at once in the tools account and region.
pub fn concurrency(account_and_region: &str, limit: i32) -> Finding {
    let what = format!("{limit} functions may run at once");
    if limit >= CONCURRENT_AT_LEAST {
        return Finding::ok(Check::LambdaConcurrency, account_and_region, what);
    }
    Finding::warning(
        Check::LambdaConcurrency,
        account_and_region,
        format!("{what}, all of the account's together, and deliveries may be turned away"),
        "Run `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \
         --desired-value 1000`.",
    )
}
