//! What people are told: that a deployment has begun, and how it ended.

use domain::deployment::Deployment;
use domain::life::Event;
use domain::message;
use domain::names::DeploymentId;

use crate::{Context, Error, Output};

/// Tells that a deployment has begun.
pub async fn started(context: &Context, deployment: &Deployment) -> Result<Output, Error> {
    // Whoever wanted to know what would be changed is told so by the command.
    if deployment.plans {
        return Ok(Output::NothingToTell);
    }
    let message = message::started(deployment, &context.console(&deployment.id));
    context.notifications.tell(&message.subject, &message.body).await?;
    Ok(Output::Told)
}

/// Tells how a deployment ended.
pub async fn ended(context: &Context, deployment: &Deployment) -> Result<Output, Error> {
    // One that was asked for again long after it had ended was told of then.
    if !context.ledger.is_report_owed(&deployment.id).await? {
        return Ok(Output::NothingToTell);
    }
    owed(context, &deployment.id).await
}

/// Tells the end that the ledger knows, and that alone.
pub async fn owed(context: &Context, id: &DeploymentId) -> Result<Output, Error> {
    let entries = context.ledger.entries(id).await?;
    let requested = entries.iter().find_map(|entry| match &entry.what {
        Event::Requested { deployment } => Some(deployment),
        _ => None,
    });
    let ending = entries.iter().rev().find_map(|entry| match &entry.what {
        Event::Ended(ending) => Some(ending),
        _ => None,
    });
    let (Some(deployment), Some(ending)) = (requested, ending) else {
        return Ok(Output::NothingToTell);
    };
    let message = message::ended(deployment, ending, &entries, &context.console(id));
    context.notifications.tell(&message.subject, &message.body).await?;
    context.ledger.report_given(id).await?;
    Ok(Output::Told)
}
