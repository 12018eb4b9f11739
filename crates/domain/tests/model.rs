//! What a deployment's life, an environment's lock and its queue can come to, explored exhaustively.
//!
//! **What is modelled.** Pushes and pre-releases are delivered in any order. Each asks for a deployment in every
//! environment that it starts, and each deployment has an execution that follows the path of
//! `statemachine/deployment.asl.json`, one call of a function at a time. The calls (`functions`) make the writes that the
//! Lambda functions make, in their order, and leave every decision to the domain's own functions: `intake::asks`,
//! `Delivery::left_to_do`, `EnvironmentState`, `Status::next`, `Head::append`, `update_state::Seen`, `gravest`,
//! `assess_failure`, `ending_of`, `BuildRecord`, `promote`, `Approval`, `token`. Where an environment asks people, they may
//! answer as they like, or not at all; and whoever may not answer tries to. Around them is what AWS does (`world`): change
//! sets that run and end well, rolled back or broken, builds, executions. Anything may happen between any two calls, and up
//! to a stated number of times (`Left`) something that should not: a function dies between two of its writes and is called
//! again or not; Step Functions gives a function up that goes on all the same, minutes or deployments later; an operator
//! stops an execution; the sweep takes a living holder for dead; an operator opens an environment; GitHub delivers a push
//! once more. Events may come late, twice, or be another change's, with a stack described as that one left it.
//!
//! **What is left out, and why.** Time: all that counts is order, so every moment is the same one, except when pushes
//! happened and when an approval's deadline is; whatever a timer would do may happen at any moment, a deadline among it.
//! Integration tests are smoke tests that take longer. Mail and reports decide nothing. Losing an event is the same as the
//! sweep bringing it later. What one function does between two writes is one step, because nobody can see into it; that a
//! paused function may have read a record before is looked at where records are kept entry by entry. CloudFormation is
//! allowed more than it allows itself: two changes of one stack may run at once here, so that S1 rests on the lock alone.
//! Two assumptions are the operators': an environment is opened again only when nothing is in progress in it and no function
//! that began something can still be at work (15 minutes, the longest a function lives); and Step Functions' word that an
//! execution is over gets through in the end.
//!
//! **What keeps it small.** Two environments that share nothing are explored one after the other (`Part` in `behaviour`
//! says why that is enough, and a test that no end is lost). Two ways to the same fold of a record are one state; the
//! entries are kept and verified in a scope of their own.
//!
//! **How liveness is checked.** The checker's `eventually` overlooks cycles and joins (see its documentation), so nothing
//! rests on it. `comes_to_rest` shows that no scope it explores has a cycle: whatever happens, it stops happening. The
//! properties L1 to L3 then look at every state in which nothing certain is left to happen ([`Pipeline::at_rest`]): work
//! that somebody will surely do (a call, an event or the sweep in its place) counts as certain, faults do not.
//!
//! **Whether it would notice.** For each protection there is a test that takes it away ([`Guard`]), around the product's
//! functions and not in them, and expects a counterexample to the property that needs it. What a reader of a record compares
//! is taken away in `chain`.

#[path = "model/behaviour.rs"]
mod behaviour;
#[path = "model/chain.rs"]
mod chain;
#[path = "model/functions.rs"]
mod functions;
#[path = "model/properties.rs"]
mod properties;
#[path = "model/world.rs"]
mod world;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use domain::approval::OnReject::{self, RollBack, Stay};
use domain::deployment::QueuePolicy::{Every, Newest};
use domain::deployment::WithoutStable::{CallOperator, GiveBack};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use functions::Pipeline;
use properties::{F34, L1, L2, L3, L5, S1, S2, S3, S5, S6, S7, S8, S11, S12, S13};
use world::{Course, Guard, Left, Scope, World};

const ONE_FAULT: Left = Left {
    any: 1,
    crashes: 1,
    pauses: 1,
    stops: 1,
    mistakes: 1,
    lifts: 1,
    redeliveries: 1,
};

const TWO_FAULTS: Left = Left {
    any: 2,
    crashes: 2,
    ..ONE_FAULT
};

fn three_pushes() -> Scope {
    Scope {
        name: "three pushes to one environment, one fault",
        environments: vec![(Newest, GiveBack)],
        asks: [None, None],
        people: 1,
        promotes: false,
        releases: 3,
        stacks: 1,
        builds: false,
        ignored: false,
        apart: false,
        chained: false,
        same_second: false,
        left: ONE_FAULT,
        rolls_back: true,
        rollback_fails: false,
        red: false,
        no_changes: false,
        plan_fails: false,
    }
}

fn served_in_turn() -> Scope {
    Scope {
        name: "three pushes to one environment that serves each, one fault",
        environments: vec![(Every, CallOperator)],
        ..three_pushes()
    }
}

fn three_pushes_two_crashes() -> Scope {
    Scope {
        name: "three pushes to one environment, two crashes",
        left: Left {
            any: 2,
            crashes: 2,
            ..Left::default()
        },
        ..three_pushes()
    }
}

fn two_pushes() -> Scope {
    Scope {
        name: "two pushes of the same second, two faults",
        releases: 2,
        same_second: true,
        left: TWO_FAULTS,
        ..three_pushes()
    }
}

fn ways_back() -> Scope {
    Scope {
        name: "two pushes with every way to fail and back, two faults",
        releases: 2,
        left: TWO_FAULTS,
        rollback_fails: true,
        red: true,
        no_changes: true,
        plan_fails: true,
        ..three_pushes()
    }
}

fn two_stacks() -> Scope {
    Scope {
        name: "two pushes of two stacks with every way to fail and back, one fault",
        stacks: 2,
        left: ONE_FAULT,
        ..ways_back()
    }
}

fn one_build_for_two() -> Scope {
    Scope {
        name: "one push, built once for two environments, and one that asks for nothing, one fault",
        environments: vec![(Newest, GiveBack), (Every, CallOperator)],
        releases: 1,
        builds: true,
        ignored: true,
        rolls_back: false,
        ..three_pushes()
    }
}

fn two_environments() -> Scope {
    Scope {
        name: "two environments, two pushes, built, no fault",
        releases: 2,
        ignored: false,
        left: Left::default(),
        ..one_build_for_two()
    }
}

/// A crash, a stop, a lease that is over or a redelivery, at any place of it.
fn three_pushes_to_two_environments() -> Scope {
    Scope {
        name: "two environments, three pushes, and one that asks for nothing, one fault",
        environments: vec![(Newest, GiveBack), (Every, CallOperator)],
        ignored: true,
        apart: true,
        rolls_back: false,
        left: Left { pauses: 0, ..ONE_FAULT },
        ..three_pushes()
    }
}

fn written_down() -> Scope {
    Scope {
        name: "two pushes whose records are kept entry by entry, one fault",
        releases: 2,
        chained: true,
        red: true,
        ..three_pushes()
    }
}

fn people_are_asked() -> Scope {
    Scope {
        name: "two candidates, one person asked, one fault",
        asks: [Some(RollBack), None],
        releases: 2,
        ..three_pushes()
    }
}

/// What is not accepted goes back, or stays.
fn two_people_are_asked(on_reject: OnReject) -> Scope {
    Scope {
        name: "three candidates, two people asked, no fault",
        asks: [Some(on_reject), None],
        people: 2,
        left: Left::default(),
        ..three_pushes()
    }
}

fn asked_and_two_crashes() -> Scope {
    Scope {
        name: "two candidates, two people asked, two crashes",
        people: 2,
        left: Left {
            any: 2,
            crashes: 2,
            ..Left::default()
        },
        ..people_are_asked()
    }
}

fn promotion() -> Scope {
    Scope {
        name: "a release accepted in one environment before it comes into the next, two faults",
        environments: vec![(Newest, GiveBack), (Every, CallOperator)],
        asks: [Some(Stay), None],
        promotes: true,
        releases: 1,
        left: TWO_FAULTS,
        rolls_back: false,
        ..three_pushes()
    }
}

fn two_promotions() -> Scope {
    Scope {
        name: "two releases, accepted in one environment before they come into the next, no fault",
        releases: 2,
        left: Left::default(),
        ..promotion()
    }
}

/// Everything at once: far too much to be explored, and walked through at random instead.
fn everything() -> Scope {
    Scope {
        name: "two environments that ask, three pushes of two stacks, built, every way to fail, four faults",
        environments: vec![(Newest, GiveBack), (Every, CallOperator)],
        asks: [Some(Stay), Some(RollBack)],
        people: 2,
        releases: 3,
        stacks: 2,
        builds: true,
        ignored: true,
        left: Left {
            any: 4,
            crashes: 2,
            pauses: 2,
            stops: 2,
            mistakes: 1,
            lifts: 2,
            redeliveries: 1,
        },
        ..ways_back()
    }
}

/// Explores all of a scope: every property has to hold, and every ending to be reached.
fn holds(scope: Scope) {
    let (name, began) = (scope.name, Instant::now());
    let model = Pipeline::new(scope, &[]);
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    tell(name, checker.unique_state_count(), began);
    checker.assert_properties();
}

/// Explores a scope without a protection: the property that needs it has to fail.
fn breaks(scope: Scope, without: &'static [Guard], property: &'static str) {
    let (name, began) = (scope.name, Instant::now());
    let model = Pipeline::new(scope, without);
    let finish = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().threads(2).finish_when(finish).spawn_bfs().join();
    tell(
        &format!("without {without:?}, {name}"),
        checker.unique_state_count(),
        began,
    );
    let path = checker
        .discovery(property)
        .unwrap_or_else(|| panic!("without {without:?}, {property:?} still holds"));
    for action in path.into_actions() {
        tell_line(&format!("    {action:?}"));
    }
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Goes one way through a scope, as the seed has it, until nothing happens any more; returns how many states that were.
/// The checker's own simulation cannot always say afterwards which way it went.
fn walk(model: &Pipeline, seed: u64) -> usize {
    let mut world = model.init_states().remove(0);
    let mut way = Vec::new();
    let always: Vec<_> = model
        .properties()
        .into_iter()
        .filter(|p| p.expectation == Expectation::Always)
        .collect();
    loop {
        for property in &always {
            let holds = (property.condition)(model, &world);
            assert!(holds, "seed {seed}: {:?} fails after {way:#?}", property.name);
        }
        let mut next = model.next_steps(&world);
        if next.is_empty() {
            return way.len() + 1;
        }
        let mut hasher = DefaultHasher::new();
        (seed, way.len()).hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % next.len() as u64).unwrap_or(0);
        let (action, after) = next.swap_remove(place);
        way.push(action);
        world = after;
    }
}

/// The states of a scope's first cycle, if it has one: something that could go on for ever.
fn cycle(model: &Pipeline) -> Option<Vec<World>> {
    let steps = |world: &World| model.next_states(world);
    let start = model.init_states().remove(0);
    // On the present path, or done with.
    let mut open = HashMap::from([(fingerprint(&start), true)]);
    let next = steps(&start);
    let mut path = vec![(start, next)];
    while let Some((here, next)) = path.last_mut() {
        let Some(world) = next.pop() else {
            open.insert(fingerprint(here), false);
            path.pop();
            continue;
        };
        match open.entry(fingerprint(&world)) {
            Entry::Occupied(entry) if *entry.get() => {
                let round = path.into_iter().map(|(world, _)| world);
                return Some(round.skip_while(|passed| *passed != world).collect());
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                entry.insert(true);
                let next = steps(&world);
                path.push((world, next));
            }
        }
    }
    tell_line(&format!("{}: {} states, no cycle", model.scope.name, open.len()));
    None
}

/// All states of a scope in which nothing certain is left to happen.
fn ends(model: &Pipeline) -> HashSet<u64> {
    let mut to_look_at = model.init_states();
    let mut known: HashSet<u64> = to_look_at.iter().map(fingerprint).collect();
    let mut ends = HashSet::new();
    while let Some(world) = to_look_at.pop() {
        if model.at_rest(&world) {
            ends.insert(fingerprint(&world));
        }
        let next = model.next_states(&world).into_iter();
        to_look_at.extend(next.filter(|world| known.insert(fingerprint(world))));
    }
    tell_line(&format!(
        "{}: {} states, {} of them ends",
        model.scope.name,
        known.len(),
        ends.len()
    ));
    ends
}

fn tell(what: &str, states: usize, began: Instant) {
    tell_line(&format!(
        "{what}: {states} states, {:.1} s",
        began.elapsed().as_secs_f32()
    ));
}

#[expect(
    clippy::print_stdout,
    reason = "how much was explored is part of what the test tells"
)]
fn tell_line(line: &str) {
    println!("{line}");
}

mod all_properties_hold {
    use super::*;

    #[test]
    fn with_three_pushes() {
        holds(three_pushes());
        holds(served_in_turn());
        holds(three_pushes_two_crashes());
    }

    #[test]
    fn with_two_pushes_of_the_same_second() {
        holds(two_pushes());
    }

    #[test]
    fn on_every_way_back() {
        holds(ways_back());
        holds(two_stacks());
    }

    #[test]
    fn in_two_environments() {
        holds(one_build_for_two());
        holds(two_environments());
        holds(three_pushes_to_two_environments());
    }

    #[test]
    fn and_every_record_is_whole() {
        holds(written_down());
    }

    #[test]
    fn when_people_are_asked() {
        holds(people_are_asked());
        holds(two_people_are_asked(Stay));
        holds(two_people_are_asked(RollBack));
        holds(asked_and_two_crashes());
    }

    #[test]
    fn from_one_environment_to_the_next() {
        holds(promotion());
        holds(two_promotions());
    }

    #[test]
    fn on_random_walks_through_everything() {
        let began = Instant::now();
        let model = Pipeline::new(everything(), &[]);
        let states = (1..=1_000).map(|seed| walk(&model, seed)).sum();
        tell(model.scope.name, states, began);
    }

    #[test]
    fn on_random_walks_from_one_environment_to_the_next() {
        let began = Instant::now();
        let model = Pipeline::new(
            Scope {
                promotes: true,
                ..everything()
            },
            &[],
        );
        let states = (1..=500).map(|seed| walk(&model, seed)).sum();
        tell(
            "the same, of which the second takes what was accepted in the first",
            states,
            began,
        );
    }
}

#[test]
fn comes_to_rest() {
    for scope in [three_pushes(), two_stacks(), one_build_for_two(), people_are_asked()] {
        assert!(cycle(&Pipeline::new(scope, &[])).is_none());
    }
}

/// Looking at environments that share nothing one after the other leaves none of the ends out.
#[test]
fn one_order_of_environments_that_share_nothing_is_enough() {
    for left in [ONE_FAULT, TWO_FAULTS] {
        let scope = |apart| Scope {
            name: "two environments, one push",
            releases: 1,
            apart,
            left,
            ..three_pushes_to_two_environments()
        };
        let all = ends(&Pipeline::new(scope(false), &[]));
        assert_eq!(ends(&Pipeline::new(scope(true), &[])), all);
    }
}

mod each_guard_is_needed {
    use super::*;

    // Whoever passes the lock is refused by the record, and the other way round, so that two protections have to go.

    #[test]
    fn s1_nothing_else_in_flight() {
        breaks(
            two_stacks(),
            &[Guard::NothingInFlight, Guard::RecordedBeforeExecuted],
            S1,
        );
    }

    #[test]
    fn s1_owner() {
        let without = &[
            Guard::OwnerCompared,
            Guard::NothingInFlight,
            Guard::RecordedBeforeExecuted,
        ];
        breaks(two_pushes(), without, S1);
    }

    #[test]
    fn s1_an_end_is_seen_before_an_operation_is_cleared() {
        breaks(three_pushes(), &[Guard::EndSeen], S1);
    }

    #[test]
    fn s1_a_foreign_event_is_no_end() {
        breaks(three_pushes(), &[Guard::ItsEventsRead], S1);
    }

    #[test]
    fn s2_owner() {
        breaks(two_pushes(), &[Guard::OwnerCompared], S2);
    }

    #[test]
    fn s2_fence() {
        breaks(readmitted(), &[Guard::FenceCompared], S2);
    }

    #[test]
    fn s3_promotion() {
        breaks(promotion(), &[Guard::PromotionHeeded], S3);
    }

    // The state machine goes on only where people accepted, and the record refuses what they did not: both have to go.
    #[test]
    fn s5_what_people_decide() {
        breaks(people_are_asked(), &[Guard::AnswerHeeded, Guard::AcceptanceAwaited], S5);
    }

    #[test]
    fn s5_one_write_decides() {
        breaks(people_are_asked(), &[Guard::DecidedOnce], S5);
    }

    #[test]
    fn s5_the_author_has_no_say() {
        breaks(people_are_asked(), &[Guard::AuthorExcluded], S5);
    }

    #[test]
    fn s5_a_stranger_has_no_say() {
        breaks(people_are_asked(), &[Guard::StrangerRefused], S5);
    }

    #[test]
    fn s5_an_answer_is_given_once() {
        breaks(two_people_are_asked(Stay), &[Guard::VotedOnce], S5);
    }

    #[test]
    fn s5_an_answer_comes_in_time() {
        breaks(people_are_asked(), &[Guard::InTime], S5);
    }

    #[test]
    fn s5_a_link_holds_for_one_release() {
        breaks(people_are_asked(), &[Guard::LinkBound], S5);
    }

    // The state machine closes, and the record refuses to go back.
    #[test]
    fn s6_superseded_leaves() {
        breaks(two_people_are_asked(RollBack), &[Guard::SupersededLeaves], S6);
    }

    #[test]
    fn s6_recorded_before_executed() {
        breaks(ways_back(), &[Guard::RecordedBeforeExecuted], S6);
    }

    #[test]
    fn s7_a_claim_has_a_state() {
        breaks(one_build_for_two(), &[Guard::ClaimHasState], S7);
    }

    #[test]
    fn s7_what_was_decided_first_stays() {
        breaks(one_build_for_two(), &[Guard::ClaimHeeded], S7);
    }

    #[test]
    fn s7_the_reason_is_recorded() {
        breaks(one_build_for_two(), &[Guard::ReasonRecorded], S7);
    }

    #[test]
    fn s7_an_execution_is_named_after_what_is_asked() {
        breaks(one_build_for_two(), &[Guard::NamedAfterWhatIsAsked], S7);
    }

    #[test]
    fn s8_an_end_is_the_end() {
        breaks(three_pushes(), &[Guard::EndAbsorbs], S8);
    }

    #[test]
    fn s11_an_entry_follows_what_its_writer_read() {
        breaks(written_down(), &[Guard::HeadCompared], S11);
    }

    #[test]
    fn s12_quarantine() {
        breaks(ways_back(), &[Guard::QuarantineHeeded], S12);
    }

    #[test]
    fn s13_events_of_another_change_tell_nothing() {
        breaks(three_pushes(), &[Guard::ItsEventsRead], S13);
    }

    #[test]
    fn s13_another_change_set_tells_nothing() {
        breaks(three_pushes(), &[Guard::ItsChangeSetAsked], S13);
    }

    #[test]
    fn s13_a_build_is_known_by_its_id() {
        breaks(one_build_for_two(), &[Guard::BuildIdentified], S13);
    }

    #[test]
    fn l1_the_sweep_wakes() {
        breaks(three_pushes(), &[Guard::SweepWakes], L1);
    }

    /// L1 is broken where a deployment comes to rest without an end, and where one goes round for ever.
    #[test]
    fn l1_assessing_knows_the_leg() {
        let round = cycle(&Pipeline::new(two_stacks(), &[Guard::LegTold])).expect("it goes round");
        let never_ends = |d: &usize| {
            round
                .iter()
                .all(|world| world.runs[*d].course == Course::Runs && world.runs[*d].status().ending.is_none())
        };
        let deployment = (0..round[0].runs.len()).find(never_ends);
        assert!(
            deployment.is_some(),
            "{L1}: in each round of {} states one ends",
            round.len()
        );
    }

    #[test]
    fn l2_the_dead_are_put_right() {
        breaks(three_pushes(), &[Guard::DeadArePutRight], L2);
    }

    #[test]
    fn l2_a_place_in_the_queue_is_given_up() {
        breaks(two_pushes(), &[Guard::PlaceGivenUp], L2);
    }

    #[test]
    fn l3_the_newest_is_kept() {
        breaks(three_pushes(), &[Guard::NewestKept], L3);
    }

    #[test]
    fn l3_asked_before_told() {
        breaks(three_pushes(), &[Guard::AskedBeforeTold], L3);
    }

    #[test]
    fn l5_deadline() {
        breaks(people_are_asked(), &[Guard::DeadlineKept], L5);
    }

    #[test]
    fn l5_the_sweep_wakes() {
        breaks(people_are_asked(), &[Guard::SweepWakes], L5);
    }

    #[test]
    fn f34_stuck_is_not_clean() {
        breaks(ways_back(), &[Guard::StuckKept], F34);
    }

    /// A late copy of gate's call brings a deployment back that was put right, under a new fence.
    fn readmitted() -> Scope {
        Scope {
            name: "one push, evicted and brought back by a late call",
            releases: 1,
            left: Left {
                any: 3,
                pauses: 2,
                mistakes: 1,
                ..Left::default()
            },
            ..three_pushes()
        }
    }
}
