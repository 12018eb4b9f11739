//! What people get who are asked whether a release is accepted, and what operators get about them.

use std::fmt::Write as _;

use super::{Message, minute, smoke_tests};
use crate::approval::{Approval, Approver, Choice, Counted, Duty, Facts, StackFacts};
use crate::change_set::{Loss, Tense};
use crate::harmless::harmless;

/// The most commits that a mail lists.
const COMMITS: usize = 20;

/// The most characters of a comment that a mail repeats; all of it is in the record.
pub(super) const COMMENT: usize = 300;

/// Somebody is asked whether a release is accepted. The link is theirs alone.
pub fn asked(approval: &Approval, to: &Approver, link: &str) -> Message {
    let first = format!("You are asked whether {}.", asked_whether(approval));
    Message {
        subject: subject(approval, "please accept or reject"),
        body: question(approval, to, &first, link),
    }
}

/// Somebody who was asked has not answered.
pub fn reminder(approval: &Approval, to: &Approver, link: &str) -> Message {
    let first = format!(
        "You were asked on {} whether {}, and your answer is still missing.",
        minute(approval.asked_at),
        asked_whether(approval)
    );
    Message {
        subject: subject(approval, "your answer is still missing"),
        body: question(approval, to, &first, link),
    }
}

fn asked_whether(approval: &Approval) -> String {
    let what = format!("{} {}", approval.application, approval.version);
    match tense(approval) {
        Tense::Done => format!("{what} is accepted in {}", approval.environment),
        Tense::Planned => format!(
            "{what} may be deployed to {}, where nothing is changed yet",
            approval.environment
        ),
    }
}

/// Operators are told whom no mail reaches.
pub fn unconfirmed(approval: &Approval) -> Message {
    let people: Vec<String> = approval.unreached().iter().map(ToString::to_string).collect();
    let people = people.join("\n  ");
    let waits = match tense(approval) {
        Tense::Done => "waits to be accepted in",
        Tense::Planned => "waits to be let into",
    };
    let body = format!(
        "{} {} {waits} {}, and no mail about it reaches these people, because they have not confirmed \
         that their address wants mail from Lockgate, or have unsubscribed it:\n\n\
         \x20 {people}\n\n\
         What to do: have them click the link in the mail \"AWS Notification - Subscription Confirmation\". It works for \
         two days, and then Amazon SNS forgets the subscription: docs/OPERATIONS.md, \"An approver gets no mail\", has \
         the command `aws sns subscribe` that sends it anew. The question reaches them when they have confirmed.\n\
         Those who have an AWS identity in lockgate.toml can answer without mail: lockgate approve {}{}\n\n\
         {}",
        approval.application,
        approval.version,
        approval.environment,
        approval.deployment,
        approval
            .prepared
            .as_ref()
            .map(|prepared| format!(" --changes {}", prepared.short()))
            .unwrap_or_default(),
        what(approval)
    );
    Message {
        subject: subject(approval, "not everybody who is asked gets mail"),
        body,
    }
}

/// A version may be called anything, and SNS takes subjects of ASCII below 100 characters.
fn subject(approval: &Approval, what: &str) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let name = format!("{} {}", approval.application, approval.version);
    let room = 98_usize.saturating_sub(approval.environment.as_str().len() + what.len() + 5);
    format!(
        "[{}] {}: {what}",
        approval.environment,
        name.chars().map(plain).take(room).collect::<String>().trim_end()
    )
}

fn question(approval: &Approval, to: &Approver, first: &str, link: &str) -> String {
    let mut text = format!(
        "{first}\n\n\
         Open this page before {}, read what it shows, and accept or reject:\n\n\
         {link}\n\n\
         The link is yours alone: whoever has it answers in your name. Do not forward this mail.\n\n\
         {}",
        minute(approval.deadline),
        what(approval)
    );
    let _ = write!(
        text,
        "\n{}\n{}\n{}{}",
        commits(approval),
        stacks(approval),
        match tense(approval) {
            Tense::Done => format!("{}\n", tests(approval)),
            // It was tested elsewhere; here it is not yet.
            Tense::Planned => String::new(),
        },
        others(approval, to)
    );
    text
}

fn what(approval: &Approval) -> String {
    let title = format!("{} {}", approval.commit.short(), approval.title);
    format!(
        "Application  {}\nVersion      {}\nCommit       {}\nAuthor       {}\nAsked by     {}\nRelease      {}\n\
         {}Environment  {} (account {}, {})\nDeployment   {}\nDeadline     {}\n",
        approval.application,
        approval.version,
        title.trim_end(),
        author(approval),
        approval.requested_by,
        approval.release,
        approval
            .prepared
            .as_ref()
            .map(|prepared| format!("Changes      {prepared}\n"))
            .unwrap_or_default(),
        approval.environment,
        approval.account,
        approval.region,
        approval.deployment,
        minute(approval.deadline),
    )
}

/// Who wrote the commit that a release was built from, as people read it.
pub fn author(approval: &Approval) -> &str {
    approval.author().unwrap_or("not known")
}

/// Which commits are listed, and whose authors therefore may not answer.
pub fn counted(facts: &Facts) -> String {
    match (&facts.since, facts.counted) {
        (Some(since), Counted::SinceAccepted) => {
            format!("Commits since {}, which was accepted here last", since.short())
        }
        (Some(since), Counted::SinceStable) => format!(
            "Commits since {}, which is stable here, though nobody was asked to accept it; authors of earlier commits may \
             answer",
            since.short()
        ),
        (Some(since), Counted::All) => format!(
            "All commits: GitHub finds nothing in common with {}, which was here before",
            since.short()
        ),
        (_, Counted::Own) | (None, _) => {
            "The release's own commit: nothing was stable here before; authors of earlier commits may answer".to_owned()
        }
    }
}

/// That deployments before those whose changes are listed may have changed something as well.
pub fn still_earlier(count: u32) -> String {
    let deployments = if count == 1 { "deployment" } else { "deployments" };
    format!("{count} still earlier {deployments} may have made changes that are not listed here")
}

fn commits(approval: &Approval) -> String {
    let facts = &approval.facts;
    let mut text = format!("{}\n", counted(facts));
    for line in facts.commits.iter().take(COMMITS) {
        let _ = match line.author.as_str() {
            "" => writeln!(text, "  {} {}", line.commit.short(), line.title),
            author => writeln!(text, "  {} {} ({author})", line.commit.short(), line.title),
        };
    }
    let more = facts.commits.len().saturating_sub(COMMITS) + facts.more_commits as usize;
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    } else if facts.commits.is_empty() {
        text.push_str("  none\n");
    }
    if let Some(url) = &facts.compare_url {
        let _ = writeln!(text, "  all of it: {url}");
    }
    text
}

/// What changed in the stacks, or will. What may cost data comes before everything else.
fn stacks(approval: &Approval) -> String {
    let (facts, tense) = (&approval.facts, tense(approval));
    let mut text = with_data(&facts.stacks, facts.data_lost(), tense);
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(match (&facts.since, tense) {
        (_, Tense::Planned) => "Resources that will change\n",
        (Some(_), Tense::Done) => "Resources that changed since then\n",
        (None, Tense::Done) => "Resources that changed\n",
    });
    match facts.earlier {
        0 => {}
        1 => text.push_str("  some of it by a deployment before this one, which was not accepted\n"),
        earlier => {
            let _ = writeln!(
                text,
                "  some of it by {earlier} deployments before this one, which were not accepted"
            );
        }
    }
    if facts.more_earlier > 0 {
        let _ = writeln!(text, "  {}", still_earlier(facts.more_earlier));
    }
    for stack in &facts.stacks {
        text.push_str(&of_stack(stack, tense));
    }
    match facts.unlisted.stacks {
        0 if facts.stacks.is_empty() => text.push_str("  none\n"),
        0 => {}
        more => {
            let _ = writeln!(text, "  and in {more} more stacks");
        }
    }
    for stack in &facts.later {
        let _ = writeln!(text, "  {stack}: {LATER}");
    }
    text
}

/// What is said of a stack whose changes nobody can know yet.
pub const LATER: &str = "comes later, and what changes there is known when the stacks before it are changed";

/// Resources that hold data and go; `lost` is how many of these there are, listed or not.
fn with_data(stacks: &[StackFacts], lost: u32, tense: Tense) -> String {
    let summaries = stacks
        .iter()
        .filter_map(|StackFacts { stack, summary }| summary.as_ref().map(|summary| (stack, summary)));
    let mut data: Vec<_> = summaries
        .flat_map(|(stack, summary)| summary.losses.iter().map(move |loss| (stack, loss)))
        .filter(|(_, loss)| loss.stateful)
        .collect();
    data.sort_by_key(|(_, loss)| (loss.kept, loss.how));
    let listed = data.iter().filter(|(_, loss)| !loss.kept).count();
    let more_lost = (lost as usize).saturating_sub(listed);
    if data.is_empty() && more_lost == 0 {
        return String::new();
    }
    let mut text = match tense {
        Tense::Done => "RESOURCES WITH DATA that were removed or replaced, or may have been\n",
        Tense::Planned => "RESOURCES WITH DATA that are removed or replaced, or may be\n",
    }
    .to_owned();
    for (stack, loss) in data {
        let _ = writeln!(text, "  {stack}: {}; {}", gone(loss, tense), loss.fate(tense));
    }
    if more_lost > 0 {
        let what = match tense {
            Tense::Done => "is gone, or may be",
            Tense::Planned => "is lost, or may be",
        };
        let _ = writeln!(text, "  and {more_lost} more whose data {what}");
    }
    text
}

fn of_stack(StackFacts { stack, summary }: &StackFacts, tense: Tense) -> String {
    let Some(summary) = summary else {
        return format!("  {stack}: no changes\n");
    };
    let mut text = format!("  {stack}: {}\n", summary.counts(tense));
    for loss in summary.losses.iter().filter(|loss| !loss.stateful) {
        let _ = writeln!(text, "    {}", gone(loss, tense));
    }
    if summary.truncated > 0 {
        let what = match tense {
            Tense::Done => "were",
            Tense::Planned => "are",
        };
        let _ = writeln!(
            text,
            "    and {} more that {what} replaced or removed",
            summary.truncated
        );
    }
    for change in &summary.changes {
        let _ = writeln!(
            text,
            "    {} ({}) {}",
            change.logical_id,
            change.resource_type,
            change.action.told(tense)
        );
    }
    if summary.more_changes() > 0 {
        let _ = writeln!(text, "    and {} more", summary.more_changes());
    }
    text
}

fn gone(loss: &Loss, tense: Tense) -> String {
    format!("{} ({}) {}", loss.logical_id, loss.resource_type, loss.told(tense))
}

/// Whether the changes that people are asked about were made.
pub fn tense(approval: &Approval) -> Tense {
    match approval.prepared {
        Some(_) => Tense::Planned,
        None => Tense::Done,
    }
}

/// What was changed in these stacks, or is to be.
pub fn changes(stacks: &[StackFacts], tense: Tense) -> String {
    let mut text = with_data(stacks, 0, tense);
    if !text.is_empty() {
        text.push('\n');
    }
    for facts in stacks {
        text.push_str(&of_stack(facts, tense));
    }
    text
}

fn tests(approval: &Approval) -> String {
    let smoke = match &approval.facts.smoke_tests {
        Some(report) => smoke_tests(report, approval.facts.unlisted.checks),
        None => "no smoke tests".to_owned(),
    };
    let integration = match &approval.facts.integration_tests {
        None => "no integration tests".to_owned(),
        Some(facts) => {
            let came_to = if facts.passed { "passed" } else { "failed" };
            format!("integration tests {came_to}: {}", facts.log)
        }
    };
    format!("Tests\n  {smoke}\n  {integration}\n")
}

/// Who else is asked, what their answers have to come to, and what they said so far.
fn others(approval: &Approval, to: &Approver) -> String {
    let mut text = "Who is asked\n".to_owned();
    for Duty { group, people, need } in &approval.policy.duties {
        let of = group.as_deref().unwrap_or("these");
        let have = if *need == 1 { "has" } else { "have" };
        let _ = writeln!(
            text,
            "  At least {need} of {of} {have} to accept, and nobody may reject:"
        );
        for approver in people {
            let _ = writeln!(text, "    {approver}{}", standing(approval, approver, to));
        }
    }
    text
}

fn standing(approval: &Approval, approver: &Approver, to: &Approver) -> String {
    if let Some(ballot) = approval.ballots.iter().find(|ballot| ballot.by == *approver) {
        let did = match ballot.decision {
            Choice::Accept => "accepts",
            Choice::Reject => "rejects",
        };
        return match harmless(&ballot.comment, COMMENT).as_str() {
            "" => format!(", {did}"),
            comment => format!(", {did}: {comment}"),
        };
    }
    if approval.excluded().contains(approver) {
        return " (may not answer: worked on it, or asked for it)".to_owned();
    }
    if approver == to {
        return ", that is you".to_owned();
    }
    String::new()
}
