//! What operators are told of a release that is watched.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Message, subject, what};
use crate::bake::{Question, Says, Word};
use crate::deployment::Deployment;
use crate::emergency::Plea;
use crate::failure::Failure;
use crate::harmless::harmless;

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

/// The alarms were looked at before anything was changed.
pub(super) fn checked(guards: &[String], others: &[String]) -> String {
    let mut text = "alarms are quiet".to_owned();
    if !guards.is_empty() {
        let guards = harmless(&guards.join(", "), 200);
        let _ = write!(text, "; CloudFormation itself turns back on {guards}");
    }
    if !others.is_empty() {
        let _ = write!(text, "; it has no room for {}", harmless(&others.join(", "), 200));
    }
    text
}

/// People let it into an environment that is frozen.
pub(super) fn let_in(frozen: &str, words: &[Plea]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{} ({})", word.by, word.why)).collect();
    format!("{frozen}; let in as an emergency by {}", words.join(" and "))
}

/// It bakes.
pub(super) fn baking(until: Timestamp, alarms: &[String]) -> String {
    let alarms = harmless(&alarms.join(", "), 200);
    format!("bakes until {} UTC, watched by {alarms}", until.strftime("%H:%M:%S"))
}

/// A person said how a bake goes on.
pub(super) fn answered(word: &Word) -> String {
    let says = match word.says {
        Says::Pass => "lets it pass",
        Says::GoBack => "has it taken back",
    };
    format!("{} {says}: {}", word.by, word.why)
}
