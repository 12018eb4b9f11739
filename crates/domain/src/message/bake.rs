//! What operators are told of a release that is watched.

use std::fmt::Write as _;

use super::{Message, subject, what};
use crate::bake::Question;
use crate::deployment::Deployment;
use crate::failure::Failure;

/// A bake holds: a person has to say how it goes on.
pub fn bake_asks(deployment: &Deployment, question: &Question) -> Message {
    let mut body = match question.alarm() {
        Some(alarm) => format!("{alarm}\n\nIt does not go back by itself: {}.\n", question.why()),
        None => format!("Its bake is over, and {}.\n", question.why()),
    };
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let _ = write!(
        body,
        "\nThe release stays where it is, and nothing else is deployed there, until somebody says how it goes on:\n\
         \x20 lockgate release {application} {environment} --why \"…\"    it is good\n\
         \x20 lockgate rollback {application} {environment} --why \"…\"   it has to go\n",
    );
    if question.alarm().is_none() {
        body.push_str("Should what is missing come in the meantime, it passes by itself.\n");
    }
    let _ = write!(body, "\n{}", what(deployment));
    Message {
        subject: subject(deployment, "waits for a person's word"),
        body,
    }
}

/// An alarm went off, and nothing is done about it.
pub fn alarm_told(deployment: &Deployment, alarm: &Failure, why: &str) -> Message {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let body = format!(
        "{alarm}\n\nNothing is done about it: {why}.\n\nTo go back to the stable release before it:\n\
         \x20 lockgate rollback {application} {environment} --why \"…\"\n\n{}",
        what(deployment)
    );
    Message {
        subject: subject(deployment, "an alarm went off"),
        body,
    }
}
