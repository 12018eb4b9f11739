//! Every text that people get from Lockgate, in one place.
//!
//! Plain text: SNS mail cannot be styled. Texts of others were made harmless where they came in.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::approval::{Approver, Choice, Outcome};
use crate::deployment::{Cause, Deployment};
use crate::failure::Failure;
use crate::ledger::Entry;
use crate::life::{Ending, Event, WayBack};
use crate::names::StackName;

/// A text with its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line, ASCII, below SNS's 100 characters.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// A deployment has begun.
pub fn started(deployment: &Deployment, console: &str) -> Message {
    let mut body = what(deployment);
    let _ = writeln!(body, "\nFollow it: {console}");
    Message {
        subject: subject(deployment, "has begun"),
        body,
    }
}

/// A deployment has ended; `entries` is its whole record.
pub fn ended(deployment: &Deployment, ending: &Ending, entries: &[Entry], console: &str) -> Message {
    let (short, sentence) = match ending {
        Ending::Deployed => (
            "is deployed",
            "The release is in the environment and answers its smoke tests.".to_owned(),
        ),
        Ending::NothingToDeploy => (
            "changed nothing",
            "The environment had this release already.".to_owned(),
        ),
        Ending::Superseded { by } => ("was superseded", format!("A newer deployment took its place: {by}.")),
        Ending::FailedClean { failure, way_back } => ("FAILED", failed(failure, &way(way_back))),
        Ending::OperatorNeeded { failure } => (
            "FAILED, an operator is needed",
            failed(
                failure,
                "The environment's lock is kept: nothing else is deployed there until an operator has looked.",
            ),
        ),
    };
    let mut body = format!("{sentence}\n\n{}", what(deployment));
    let timeline = timeline(entries);
    if !timeline.is_empty() {
        let _ = write!(body, "\nWhat happened (times in UTC)\n{timeline}");
    }
    let _ = writeln!(body, "\nThe execution: {console}");
    Message {
        subject: subject(deployment, short),
        body,
    }
}

fn subject(deployment: &Deployment, what: &str) -> String {
    let name = format!("{} {}", deployment.application, deployment.commit.short());
    // SNS takes subjects below 100 characters: a long name gives way, what happened does not.
    let room = 98_usize.saturating_sub(deployment.environment.name.as_str().len() + what.len() + 5);
    format!(
        "[{}] {} {what}",
        deployment.environment.name,
        name.chars().take(room).collect::<String>()
    )
}

fn failed(failure: &Failure, then: &str) -> String {
    format!(
        "{}\n{}\n\nWhat to do: {}\n{then}",
        failure.name.meaning(),
        failure,
        failure.name.remedy()
    )
}

fn way(way_back: &WayBack) -> String {
    match way_back {
        WayBack::NothingChanged => "Nothing was changed in the environment.".to_owned(),
        WayBack::WentBack { to } => format!("The environment went back to its last stable release {}.", to.short()),
        WayBack::Stays => {
            "The environment keeps the release that was not accepted; the next one takes its place.".to_owned()
        }
        WayBack::NoStableRelease => {
            "The environment has no stable release yet to go back to, so it was left as it is; the next push may mend it."
                .to_owned()
        }
    }
}

fn what(deployment: &Deployment) -> String {
    let because = match deployment.requested.because {
        Cause::Push => "a push to",
        Cause::Prerelease => "the pre-release",
        Cause::Release => "the release",
        Cause::Manual => "by hand, from",
    };
    format!(
        "Application  {}\nEnvironment  {} (account {}, {})\nCommit       {}\nAsked by     {}, {because} {}\nDeployment   {}\n",
        deployment.application,
        deployment.environment.name,
        deployment.environment.account,
        deployment.environment.region,
        // A push can have a commit without a message.
        format!("{} {}", deployment.commit.short(), deployment.requested.title).trim_end(),
        deployment.requested.by,
        deployment.reference,
        deployment.id,
    )
}

/// What happened and when, a line each, with the time since the one before.
pub fn timeline(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut before: Option<Timestamp> = None;
    for entry in entries {
        let since = before.map_or_else(String::new, |before| {
            format!("+{}", duration(entry.at.duration_since(before)))
        });
        let _ = writeln!(
            text,
            "{}  {since:>12}  {}",
            entry.at.strftime("%H:%M:%S"),
            sentence(&entry.what)
        );
        before = Some(entry.at);
    }
    text
}

/// A duration as people read it.
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        ..60 => format!("{seconds}.{} s", duration.subsec_millis().abs() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A moment as people read it, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What happened, as one line.
pub fn sentence(event: &Event) -> String {
    match event {
        Event::Requested { .. } => "requested".to_owned(),
        Event::Queued { before } => format!("waits for the environment, {before} before it"),
        Event::Admitted { .. } => "admitted".to_owned(),
        Event::Building { build, .. } => format!("building: {build}"),
        Event::Released { release } => format!("release {}", release.short()),
        Event::Planned { waves, .. } => {
            let waves: Vec<String> = waves
                .iter()
                .map(|wave| wave.iter().map(StackName::as_str).collect::<Vec<_>>().join(" + "))
                .collect();
            format!("planned: {}", waves.join(", then "))
        }
        Event::Published { copied, present, .. } => {
            format!("assets published: {copied} copied, {present} there already")
        }
        Event::Compared {
            stack, summary: None, ..
        } => format!("{stack}: no changes"),
        Event::Compared {
            stack,
            summary: Some(summary),
            ..
        } => {
            format!(
                "{stack}: {} to add, {} to change, {} to remove",
                summary.add, summary.modify, summary.remove
            )
        }
        Event::Executing { stack, .. } => format!("{stack}: updating"),
        Event::Updated { stack, .. } => format!("{stack}: updated"),
        Event::NotUpdated { stack, failure, .. } => format!("{stack}: not updated. {failure}"),
        Event::SmokeTested { report, .. } if report.checks.is_empty() => "no smoke tests".to_owned(),
        Event::SmokeTested { report, .. } => {
            let failed: Vec<&str> = report
                .checks
                .iter()
                .filter(|check| !check.passed)
                .map(|check| check.name.as_str())
                .collect();
            match failed.as_slice() {
                [] => format!("smoke tests passed: {}", report.checks.len()),
                failed => format!("smoke tests failed: {}", failed.join(", ")),
            }
        }
        Event::IntegrationTesting { build, .. } => format!("integration tests run: {build}"),
        Event::IntegrationTested { passed: true, log, .. } if log.is_empty() => "no integration tests".to_owned(),
        Event::IntegrationTested { passed: true, .. } => "integration tests passed".to_owned(),
        Event::IntegrationTested { cause, .. } => format!(
            "integration tests failed: {}",
            cause.as_deref().unwrap_or("nobody says why")
        ),
        Event::ApprovalAsked { people, deadline, .. } => format!(
            "asked {} until {}",
            people.iter().map(Approver::as_str).collect::<Vec<_>>().join(", "),
            minute(*deadline)
        ),
        Event::Voted { ballot } => {
            let did = match ballot.decision {
                Choice::Accept => "accepts",
                Choice::Reject => "rejects",
            };
            match ballot.comment.as_str() {
                "" => format!("{} {did}", ballot.by),
                comment => format!("{} {did}: {comment}", ballot.by),
            }
        }
        Event::Decided { outcome } => match outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Rejected { by, .. } => format!("rejected by {by}"),
            Outcome::Expired { .. } => "not accepted in time".to_owned(),
            Outcome::Superseded { by, .. } => format!("superseded by {by} while people were asked"),
            Outcome::Unreachable { .. } => "too few are left who may accept".to_owned(),
        },
        Event::GoingBack { to, because } => format!("going back to {}: {because}", to.short()),
        Event::Ended(Ending::Deployed) => "deployed".to_owned(),
        Event::Ended(Ending::NothingToDeploy) => "nothing to deploy".to_owned(),
        Event::Ended(Ending::Superseded { by }) => format!("superseded by {by}"),
        Event::Ended(Ending::FailedClean { failure, .. }) => format!("failed, environment clean: {failure}"),
        Event::Ended(Ending::OperatorNeeded { failure }) => format!("failed, operator needed: {failure}"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;
    use crate::deployment::{Environment, QueuePolicy, Request, WithoutStable};
    use crate::failure::Name;
    use crate::ledger::Head;
    use crate::names::Digest;

    fn deployment() -> Deployment {
        Deployment {
            id: "shop-dev-1a2b3c4d-0011223344556677".parse().unwrap(),
            application: "acme/shop".parse().unwrap(),
            environment: Environment {
                name: "dev".parse().unwrap(),
                account: "222222222222".parse().unwrap(),
                region: "eu-west-1".parse().unwrap(),
                on: vec![Cause::Push],
                after: None,
                queue: QueuePolicy::Newest,
                stacks: vec![],
                qualifier: "hnb659fds".parse().unwrap(),
                without_stable: WithoutStable::GiveBack,
                replace_failed_stacks: true,
                integration_tests: false,
                approval: None,
                after_acceptance: false,
            },
            commit: "1a2b3c4d".repeat(5).parse().unwrap(),
            reference: "main".to_owned(),
            release: None,
            requested: Request {
                by: "octocat".to_owned(),
                at: Timestamp::from_second(1_790_000_000).unwrap(),
                happened_at: Timestamp::from_second(1_790_000_000).unwrap(),
                because: Cause::Push,
                delivery: None,
                before: None,
                title: "Sell tea by the pound".to_owned(),
            },
        }
    }

    #[test]
    fn what_people_read_when_a_deployment_fails() {
        let deployment = deployment();
        let failure = Failure::new(
            Name::BuildFailed,
            "BUILD: npm test exited with 1. Log: https://console.example/log",
        );
        let ending = Ending::FailedClean {
            failure,
            way_back: WayBack::NothingChanged,
        };
        let mut head = Head::empty(deployment.id.clone());
        let mut entries = Vec::new();
        let story = [
            Event::Requested {
                deployment: Box::new(deployment.clone()),
            },
            Event::Admitted { fence: 1 },
            Event::Building {
                build: "lockgate-build:42".to_owned(),
                log: String::new(),
            },
            Event::Ended(ending.clone()),
        ];
        for (second, event) in [0, 1, 22, 763].into_iter().zip(story) {
            let (entry, next) = head
                .append(event, Timestamp::from_second(1_790_000_000 + second).unwrap())
                .unwrap()
                .unwrap();
            entries.push(entry);
            head = next;
        }
        let message = ended(&deployment, &ending, &entries, "https://console.example/execution");
        insta::assert_snapshot!(format!("{}\n----\n{}", message.subject, message.body), @r"
        [dev] acme/shop 1a2b3c4d1a2b FAILED
        ----
        The repository's own build or tests failed.
        Rejected.BuildFailed: BUILD: npm test exited with 1. Log: https://console.example/log

        What to do: Read the build's log at the link in the cause, mend the commit and push.
        Nothing was changed in the environment.

        Application  acme/shop
        Environment  dev (account 222222222222, eu-west-1)
        Commit       1a2b3c4d1a2b Sell tea by the pound
        Asked by     octocat, a push to main
        Deployment   shop-dev-1a2b3c4d-0011223344556677

        What happened (times in UTC)
        14:13:20                requested
        14:13:21        +1.0 s  admitted
        14:13:42       +21.0 s  building: lockgate-build:42
        14:26:03  +12 min 21 s  failed, environment clean: Rejected.BuildFailed: BUILD: npm test exited with 1. Log: https://console.example/log

        The execution: https://console.example/execution
        ");
    }

    #[test]
    fn a_commit_without_a_message_leaves_nothing_behind_its_number() {
        let mut deployment = deployment();
        deployment.requested.title = String::new();
        let body = started(&deployment, "").body;
        assert!(body.contains("Commit       1a2b3c4d1a2b\n"), "{body}");
    }

    #[test]
    fn a_subject_is_never_too_long() {
        let mut deployment = deployment();
        deployment.application = format!("{}/{}", "a".repeat(39), "b".repeat(100)).parse().unwrap();
        deployment.environment.name = "abcdefghijklmnopqrst".parse().unwrap();
        let ending = Ending::OperatorNeeded {
            failure: Failure::new(Name::StackUnknown, "x"),
        };
        let subject = ended(&deployment, &ending, &[], "").subject;
        assert!(
            subject.len() < 100 && subject.ends_with("an operator is needed"),
            "{subject}"
        );
    }

    #[test]
    fn durations_read_well() {
        for (millis, text) in [
            (0, "0.0 s"),
            (1_234, "1.2 s"),
            (59_999, "59.9 s"),
            (61_000, "1 min 1 s"),
            (3_720_000, "1 h 2 min"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_deployment_that_went_back_says_where_to() {
        let ending = Ending::FailedClean {
            failure: Failure::new(Name::SmokeTestsFailed, "the shop is open: status 500, not 200"),
            way_back: WayBack::WentBack { to: Digest::of(b"v1") },
        };
        let body = ended(&deployment(), &ending, &[], "").body;
        assert!(
            body.contains(&format!(
                "went back to its last stable release {}",
                Digest::of(b"v1").short()
            )),
            "{body}"
        );
    }
}
