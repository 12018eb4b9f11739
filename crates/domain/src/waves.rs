//! The order in which stacks are deployed: in waves, each of stacks that do not wait for one another.

use std::collections::{BTreeMap, BTreeSet};

use crate::assembly::{ArtifactId, Stack};
use crate::deployment::{Deployment, Leg};
use crate::names::StackName;

/// Stacks that wait for one another in a circle, so that none can be first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stacks {} depend on each other in a circle", .0.iter().map(StackName::as_str).collect::<Vec<_>>().join(", "))]
pub struct Cycle(pub Vec<StackName>);

/// The waves of a deployment: every stack comes after those it depends on, as early as it can, in the order of names.
///
/// What a stack depends on outside the selection is not waited for: it belongs to another environment or to nobody.
pub fn waves(stacks: &[Stack]) -> Result<Vec<Vec<StackName>>, Cycle> {
    let selected: BTreeSet<&ArtifactId> = stacks.iter().map(|stack| &stack.id).collect();
    let mut waiting: BTreeMap<&StackName, (&ArtifactId, BTreeSet<&ArtifactId>)> = stacks
        .iter()
        .map(|stack| {
            let needs = stack.depends_on.iter().filter(|id| selected.contains(id)).collect();
            (&stack.name, (&stack.id, needs))
        })
        .collect();
    let mut waves = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<(&StackName, &ArtifactId)> = waiting
            .iter()
            .filter(|(_, (_, needs))| needs.is_empty())
            .map(|(name, (id, _))| (*name, *id))
            .collect();
        if ready.is_empty() {
            return Err(Cycle(waiting.into_keys().cloned().collect()));
        }
        for (name, id) in &ready {
            waiting.remove(name);
            for (_, needs) in waiting.values_mut() {
                needs.remove(id);
            }
        }
        waves.push(ready.into_iter().map(|(name, _)| name.clone()).collect());
    }
    Ok(waves)
}

/// The waves of one leg: on the way back, what was deployed last goes first.
pub fn waves_of_leg(stacks: &[Stack], leg: Leg) -> Result<Vec<Vec<StackName>>, Cycle> {
    let mut waves = waves(stacks)?;
    if leg == Leg::Back {
        waves.reverse();
    }
    Ok(waves)
}

/// The stacks whose change sets are made before anything is executed. What a later wave changes is known when those
/// before it are changed, and not earlier; who only wants to look is shown all that can be known.
pub fn prepared_first(deployment: &Deployment, leg: Leg, waves: &[Vec<StackName>]) -> Vec<StackName> {
    let waves = match waves {
        _ if !deployment.prepares(leg) => &[],
        all if deployment.plans => all,
        [first, ..] => std::slice::from_ref(first),
        [] => &[],
    };
    waves.iter().flatten().cloned().collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stack(name: &str, depends_on: &[&str]) -> Stack {
        Stack {
            id: ArtifactId::from(format!("id-{name}").as_str()),
            name: name.parse().unwrap(),
            display: name.to_owned(),
            account: None,
            region: None,
            template: "t.json".parse().unwrap(),
            template_location: None,
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            notification_arns: Vec::new(),
            termination_protection: false,
            deploy_role: None,
            execution_role: None,
            bootstrap: None,
            assets: Vec::new(),
            depends_on: depends_on
                .iter()
                .map(|name| ArtifactId::from(format!("id-{name}").as_str()))
                .collect(),
        }
    }

    fn shown(waves: &[Vec<StackName>]) -> String {
        let wave = |wave: &Vec<StackName>| wave.iter().map(StackName::as_str).collect::<Vec<_>>().join(" ");
        waves.iter().map(wave).collect::<Vec<_>>().join(" > ")
    }

    #[test]
    fn stacks_go_as_early_as_they_can() {
        let stacks = [
            stack("web", &["data", "network", "elsewhere"]),
            stack("data", &["network"]),
            stack("network", &[]),
            stack("alarms", &[]),
            stack("worker", &["data"]),
        ];
        assert_eq!(shown(&waves(&stacks).unwrap()), "alarms network > data > web worker");
        assert_eq!(
            shown(&waves_of_leg(&stacks, Leg::Back).unwrap()),
            "web worker > data > alarms network"
        );
        assert_eq!(waves(&[]).unwrap(), Vec::<Vec<StackName>>::new());
    }

    #[test]
    fn a_circle_is_named() {
        let stacks = [
            stack("a", &["b"]),
            stack("b", &["c"]),
            stack("c", &["b"]),
            stack("d", &[]),
        ];
        assert_eq!(
            waves(&stacks).unwrap_err().to_string(),
            "the stacks a, b, c depend on each other in a circle"
        );
        assert!(waves(&[stack("a", &["a"])]).is_err());
    }

    /// Stacks that depend only on those before them, so that there is no circle, in a shuffled order.
    fn acyclic() -> impl Strategy<Value = Vec<Stack>> {
        proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..3), 1..12)
            .prop_map(|needs| {
                let name = |at: usize| format!("s{at}");
                let stacks = needs.iter().enumerate().map(|(at, needs)| {
                    let names: Vec<String> = if at == 0 {
                        Vec::new()
                    } else {
                        needs.iter().map(|n| name(n.index(at))).collect()
                    };
                    stack(&name(at), &names.iter().map(String::as_str).collect::<Vec<_>>())
                });
                stacks.collect::<Vec<_>>()
            })
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn each_stack_comes_once_after_all_it_needs_and_no_later_than_it_must(stacks in acyclic()) {
            let waves = waves(&stacks).unwrap();
            prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), stacks.len());
            let wave_of = |id: &ArtifactId| {
                let name = &stacks.iter().find(|stack| stack.id == *id).unwrap().name;
                waves.iter().position(|wave| wave.contains(name)).unwrap()
            };
            for stack in &stacks {
                let latest_need = stack.depends_on.iter().map(wave_of).max();
                prop_assert_eq!(wave_of(&stack.id), latest_need.map_or(0, |wave| wave + 1));
            }
        }

        #[test]
        fn the_order_in_which_stacks_are_listed_does_not_matter(stacks in acyclic()) {
            let mut sorted = stacks.clone();
            sorted.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(waves(&stacks), waves(&sorted));
        }

        #[test]
        fn a_circle_is_never_deployed(stacks in acyclic()) {
            let mut stacks = stacks;
            let last = stacks.len() - 1;
            let (first_id, last_id) = (stacks[0].id.clone(), stacks[last].id.clone());
            stacks[0].depends_on.insert(last_id);
            stacks[last].depends_on.insert(first_id);
            prop_assert!(waves(&stacks).is_err());
        }
    }

    #[test]
    fn people_decide_on_the_first_wave_and_who_looks_sees_all() {
        let json = r#"{"id":"d1","application":"acme/shop","environment":{"name":"test","account":"333333333333","region":"eu-west-1","on":["prerelease"],"after":null,"queue":"newest","stacks":[],"qualifier":"hnb659fds","without_stable":"give_back","replace_failed_stacks":true,"approval":{"when":"before","people":[],"duties":[],"within_seconds":60,"on_reject":"stay"}},"commit":"2222222222222222222222222222222222222222","reference":"v1","release":null,"requested":{"by":"ann","at":"2026-11-23T12:00:00Z","happened_at":"2019-05-15T15:20:57Z","because":"prerelease","delivery":null,"before":null,"title":""}}"#;
        let asks: Deployment = serde_json::from_str(json).unwrap();
        let looks = Deployment {
            plans: true,
            ..asks.clone()
        };
        let mut after = asks.clone();
        after.environment.approval.as_mut().unwrap().when = crate::approval::When::After;
        let mut rolls_back = asks.clone();
        rolls_back.rollback = Some(crate::deployment::Rollback {
            from: crate::names::Digest::of(b"from"),
            stable: crate::names::Digest::of(b"from"),
            because: crate::failure::Failure::new(crate::failure::Name::TakenBack, "x"),
        });
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.parse().unwrap())
                .collect::<Vec<StackName>>()
        };
        let all = [names(&["data", "mail"]), names(&["web"])];
        for (what, deployment, leg, wanted) in [
            ("asks", &asks, Leg::Forward, &["data", "mail"][..]),
            ("asks, and goes back", &asks, Leg::Back, &[]),
            ("asks when it is there", &after, Leg::Forward, &[]),
            ("was asked to go back", &rolls_back, Leg::Forward, &[]),
            ("looks", &looks, Leg::Back, &["data", "mail", "web"]),
        ] {
            assert_eq!(prepared_first(deployment, leg, &all), names(wanted), "{what}");
            assert!(prepared_first(deployment, leg, &[]).is_empty(), "{what}");
        }
    }
}
