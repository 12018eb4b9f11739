//! Which resources changed since the last accepted release: what this deployment changed, and what others before it
//! changed that nobody accepted.

use super::StackFacts;
use crate::change_set::Summary;
use crate::deployment::Leg;
use crate::failure::Class;
use crate::life::{Ending, Event, WayBack};
use crate::names::StackName;

/// What deployments changed that nobody accepted, each in its turn: whoever went back undid what was changed until then,
/// but for the stacks that it left.
pub fn left_by<'a, Events>(deployments: impl IntoIterator<Item = Events>) -> Vec<Vec<StackFacts>>
where
    Events: IntoIterator<Item = &'a Event> + Clone,
{
    let mut all: Vec<Vec<StackFacts>> = Vec::new();
    for events in deployments {
        all.push(changed(events.clone()));
        let left = events.into_iter().find_map(|event| match event {
            Event::Ended(Ending::FailedClean {
                way_back: WayBack::WentBack { left, .. },
                ..
            }) => Some(left),
            _ => None,
        });
        if let Some(left) = left {
            for stacks in &mut all {
                stacks.retain(|facts| left.contains(&facts.stack));
            }
        }
    }
    all.retain(|stacks| !stacks.is_empty());
    all
}

/// What a deployment compared on one of its ways, stack by stack.
pub fn compared<'a>(events: impl IntoIterator<Item = &'a Event>, way: Leg) -> Vec<StackFacts> {
    let mut stacks = Vec::new();
    for event in events {
        if let Event::Compared { leg, stack, summary } = event
            && *leg == way
        {
            put(&mut stacks, stack, summary.clone());
        }
    }
    stacks
}

/// The stacks of waves that come after those whose change sets people are asked about; none, where they are asked about
/// none.
pub fn later<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<StackName> {
    let (mut planned, mut prepared) = (None, None);
    for event in events {
        match event {
            Event::Planned {
                leg: Leg::Forward,
                waves,
                ..
            } => planned = Some(waves),
            Event::Prepared { sets } => prepared = Some(sets),
            _ => {}
        }
    }
    let (Some(waves), Some(prepared)) = (planned, prepared) else {
        return Vec::new();
    };
    let is_later = |stack: &&StackName| prepared.iter().all(|prepared| prepared.stack != **stack);
    waves.iter().flatten().filter(is_later).cloned().collect()
}

/// What a deployment changed on its way forward and left there: the stacks whose change was begun, and that
/// CloudFormation did not put back.
fn changed<'a>(events: impl IntoIterator<Item = &'a Event> + Clone) -> Vec<StackFacts> {
    let mut begun: Vec<&StackName> = Vec::new();
    for event in events.clone() {
        match event {
            Event::Executing {
                leg: Leg::Forward,
                stack,
                ..
            } => begun.push(stack),
            Event::NotUpdated {
                leg: Leg::Forward,
                stack,
                failure,
            } if failure.name.class() != Class::Stuck => begun.retain(|known| *known != stack),
            _ => {}
        }
    }
    let mut stacks = compared(events, Leg::Forward);
    stacks.retain(|facts| begun.contains(&&facts.stack));
    stacks
}

/// What several deployments changed one after the other, by stack. The stacks of the last come first and in its order,
/// and then those that only others before it changed.
pub fn joined(earlier: impl IntoIterator<Item = Vec<StackFacts>>, last: Vec<StackFacts>) -> Vec<StackFacts> {
    let mut before: Vec<StackFacts> = Vec::new();
    for facts in earlier.into_iter().flatten() {
        let known = before.iter().find(|known| known.stack == facts.stack);
        let both = one_after_the_other(known.and_then(|known| known.summary.as_ref()), facts.summary);
        put(&mut before, &facts.stack, both);
    }
    let mut stacks: Vec<StackFacts> = last
        .into_iter()
        .map(|facts| {
            let known = before.iter().position(|known| known.stack == facts.stack);
            let known = known.and_then(|at| before.remove(at).summary);
            StackFacts {
                summary: one_after_the_other(known.as_ref(), facts.summary),
                ..facts
            }
        })
        .collect();
    stacks.append(&mut before);
    stacks
}

fn one_after_the_other(first: Option<&Summary>, second: Option<Summary>) -> Option<Summary> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.and_then(&second)),
        (first, second) => second.or_else(|| first.cloned()),
    }
}

/// The last word about a stack counts, in the place of the first.
fn put(stacks: &mut Vec<StackFacts>, stack: &StackName, summary: Option<Summary>) {
    match stacks.iter_mut().find(|known| known.stack == *stack) {
        Some(known) => known.summary = summary,
        None => stacks.push(StackFacts {
            stack: stack.clone(),
            summary,
        }),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failure::{Failure, Name};

    fn added(count: u32) -> Summary {
        Summary {
            add: count,
            ..Summary::default()
        }
    }

    fn event(name: &str, leg: &str, stack: &str) -> Event {
        let failure = |name| Failure::new(name, "why");
        serde_json::from_value(match name {
            "compared" => json!({ "event": name, "leg": leg, "stack": stack, "summary": added(1) }),
            "same" => json!({ "event": "compared", "leg": leg, "stack": stack, "summary": null }),
            "executing" => json!({ "event": name, "leg": leg, "stack": stack, "change_set": "arn:set" }),
            "put_back" => json!({
                "event": "not_updated", "leg": leg, "stack": stack, "failure": failure(Name::StackRolledBack),
            }),
            "stuck" => json!({
                "event": "not_updated", "leg": leg, "stack": stack, "failure": failure(Name::RollbackFailed),
            }),
            _ => json!({ "event": name, "leg": leg, "stack": stack }),
        })
        .unwrap()
    }

    fn named(facts: &[StackFacts]) -> Vec<(&str, u32)> {
        let of = |facts: &Option<Summary>| facts.as_ref().map_or(0, |summary| summary.add);
        facts
            .iter()
            .map(|facts| (facts.stack.as_str(), of(&facts.summary)))
            .collect()
    }

    #[test]
    fn what_counts_is_what_was_changed_on_the_way_forward_and_left_there() {
        let told = [
            event("compared", "forward", "data"),
            event("compared", "forward", "web"),
            event("same", "forward", "mail"),
            event("compared", "forward", "jobs"),
            event("executing", "forward", "data"),
            event("executing", "forward", "web"),
            event("updated", "forward", "data"),
            event("put_back", "forward", "web"),
            event("executing", "forward", "jobs"),
            event("stuck", "forward", "jobs"),
            event("compared", "back", "mail"),
            event("executing", "back", "mail"),
        ];
        assert_eq!(named(&changed(&told)), [("data", 1), ("jobs", 1)]);
        assert_eq!(
            named(&compared(&told, Leg::Forward)),
            [("data", 1), ("web", 1), ("mail", 0), ("jobs", 1)]
        );
    }

    #[test]
    fn whoever_went_back_undid_what_was_changed_until_then_but_for_the_stacks_that_it_left() {
        let told = |stacks: &[&str]| {
            let of = |stack: &&str| {
                [
                    event("compared", "forward", stack),
                    event("executing", "forward", stack),
                ]
            };
            stacks.iter().flat_map(of).collect::<Vec<_>>()
        };
        let went_back = |mut told: Vec<Event>, left: &[&str]| {
            told.push(Event::Ended(Ending::FailedClean {
                failure: Failure::new(Name::SmokeTestsFailed, ""),
                way_back: WayBack::WentBack {
                    to: crate::names::Digest::of(b"stable"),
                    left: left.iter().map(|stack| stack.parse().unwrap()).collect(),
                },
            }));
            told
        };
        let stayed = told(&["web", "jobs"]);
        let back = went_back(told(&["web", "mail"]), &["jobs", "mail"]);
        let after = told(&["web"]);
        let all = left_by([&stayed, &back, &after]);
        let all: Vec<_> = all.iter().map(|facts| named(facts)).collect();
        assert_eq!(all, [vec![("jobs", 1)], vec![("mail", 1)], vec![("web", 1)]]);
        let all_undone = went_back(told(&["web"]), &[]);
        assert_eq!(left_by([&stayed, &all_undone]), Vec::<Vec<StackFacts>>::new());
    }

    #[test]
    fn what_an_earlier_candidate_changed_is_told_beside_what_this_one_changes() {
        let facts = |stack: &str, summary: Option<Summary>| StackFacts {
            stack: stack.parse().unwrap(),
            summary,
        };
        let first = vec![facts("data", Some(added(1))), facts("web", Some(added(10)))];
        let second = vec![facts("web", Some(added(5))), facts("old", Some(added(3)))];
        let last = vec![facts("web", Some(added(100))), facts("data", None), facts("new", None)];
        assert_eq!(
            named(&joined([first.clone(), second], last.clone())),
            [("web", 115), ("data", 1), ("new", 0), ("old", 3)]
        );
        assert_eq!(joined([], last.clone()), last);
        assert_eq!(joined([first.clone()], vec![]), first);
    }

    #[test]
    fn what_comes_later_is_what_was_planned_and_not_prepared() {
        let event = |value: serde_json::Value| -> Event { serde_json::from_value(value).unwrap() };
        let release = crate::names::Digest::of(b"a release");
        let planned = |leg: &str, waves: serde_json::Value| {
            event(json!({ "event": "planned", "leg": leg, "release": release, "waves": waves }))
        };
        let prepared = |stack: &str| {
            let set = json!({ "stack": stack, "change_set": null, "hash": release });
            event(json!({ "event": "prepared", "sets": [set] }))
        };
        let named = |events: &[Event]| -> Vec<String> { later(events).iter().map(ToString::to_string).collect() };
        let forward = planned("forward", json!([["data"], ["web", "jobs"]]));
        let back = planned("back", json!([["old"]]));
        assert!(named(&[]).is_empty());
        assert!(
            named(std::slice::from_ref(&forward)).is_empty(),
            "nobody is asked about any"
        );
        assert_eq!(named(&[forward.clone(), prepared("data")]), ["web", "jobs"]);
        assert_eq!(
            named(&[forward, prepared("data"), prepared("web"), back]),
            ["data", "jobs"]
        );
    }
}
