//! The state machine's file: its rules, its picture, its names, and what it does with answers as functions give them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::change_set::Prepared;
use domain::configuration::Configuration;
use domain::deployment::Leg;
use domain::failure::{Name, ReportedError};
use domain::names::{Digest, StackName};
use end_to_end::statemachine::{Call, Definition, Walk, contract, lint, picture, walk};
use lockgate_deploy::plan::Wave;
use lockgate_gate::{Admission, Output};
use serde_json::{Value, json};

fn read(file: &str) -> String {
    std::fs::read_to_string(local::workspace().join(file)).expect("the file is there")
}

static DEFINITION: LazyLock<Definition> = LazyLock::new(|| {
    Definition::parse(&read("statemachine/deployment.asl.json")).expect("it is a state machine's file")
});

#[test]
fn the_file_breaks_no_rule() {
    let put_in = contract::put_in(&read("infra/lib/constructs/deployment-machine.ts"));
    let findings: Vec<String> = lint(&DEFINITION, &put_in).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn docs_errors_has_a_section_for_every_name_and_for_no_other() {
    let text = read("docs/ERRORS.md");
    let sections: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|name| contract::CLASSES.iter().any(|class| name.starts_with(class)))
        .collect();
    let names: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(sections, names);
}

#[test]
fn the_readme_shows_the_machine_as_its_file_has_it() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once("```mermaid\n").expect("README.md has a picture");
    let (shown, after) = rest.split_once("```").expect("the picture ends");
    let drawn = picture(&DEFINITION);
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        let text = format!("{before}```mermaid\n{drawn}```{after}");
        std::fs::write(local::workspace().join("README.md"), text).expect("README.md can be written");
    } else {
        assert_eq!(
            shown, drawn,
            "draw it again: UPDATE_PICTURE=1 cargo test --package end-to-end --test statemachine"
        );
    }
}

/// A deployment as the webhook makes it.
static DEPLOYMENT: LazyLock<Value> = LazyLock::new(|| {
    let configuration = r#"
        [pipeline]
        account = "111111111111"
        region = "eu-west-1"
        external_id = "0123456789abcdef0123456789abcdef"
        [application."acme/shop"]
        branch = "main"
        [application."acme/shop".environment.dev]
        account = "222222222222"
        on = "push"
    "#;
    let configuration = Configuration::read(configuration).expect("it is a lockgate.toml");
    json!({
        "id": "shop-dev-1", "application": "acme/shop", "environment": configuration.applications[0].environments[0],
        "commit": "c".repeat(40), "reference": "main", "release": null,
        "requested": {
            "by": "ada", "at": "2026-11-23T18:00:00Z", "happened_at": "2026-11-23T18:00:00Z", "because": "push",
            "delivery": null, "before": null, "title": "Add prices"
        }
    })
});

/// Why change sets are made before anything is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepares {
    /// People decide on them.
    ForPeople,
    /// Somebody only wants to see them.
    ToBeSeen,
}

/// What all functions together answer.
struct World {
    /// The stacks of each wave.
    waves: Vec<Vec<&'static str>>,
    /// Whether the release changes them.
    changes: bool,
    /// What closing says.
    end: Output,
    /// What a failure leads to, the first time it is assessed; the second time, nothing is left but to give up.
    follows: Output,
    /// Whether the environment watches what is deployed.
    bakes: bool,
    /// Why change sets are made before anything is executed.
    prepares: Option<Prepares>,
    /// What a state is answered the first time it asks, or which error fails it.
    first: Vec<(String, Result<Value, String>)>,
}

impl World {
    /// One stack, and all goes well.
    fn well() -> Self {
        Self {
            waves: vec![vec!["shop-dev-web"]],
            changes: true,
            end: Output::Deployed,
            follows: Output::GiveUp,
            bakes: false,
            prepares: None,
            first: Vec::new(),
        }
    }

    fn waves(waves: &[&[&'static str]]) -> Self {
        Self {
            waves: waves.iter().map(|wave| wave.to_vec()).collect(),
            ..Self::well()
        }
    }

    fn and_first(mut self, state: &str, answer: Result<Value, &str>) -> Self {
        self.first.push((state.to_owned(), answer.map_err(str::to_owned)));
        self
    }

    fn walk(mut self) -> Result<Walk, String> {
        let mut deployment = DEPLOYMENT.clone();
        if self.bakes {
            deployment["environment"]["bake"] = json!({ "begins": "after_tests", "for_seconds": 60, "alarms": [{ "named": "errors" }], "silence": "ask" });
        }
        if self.prepares == Some(Prepares::ForPeople) {
            deployment["environment"]["approval"] = json!({
                "when": "before", "people": [{ "name": "qa@acme.example" }], "within_seconds": 60, "on_reject": "stay",
                "duties": [{ "group": null, "people": ["qa@acme.example"], "need": 1 }],
            });
        }
        if self.prepares == Some(Prepares::ToBeSeen) {
            deployment["plans"] = json!(true);
        }
        walk(&DEFINITION, deployment, |call| self.answer(call))
    }

    fn answer(&mut self, call: &Call<'_>) -> Result<Value, ReportedError> {
        if let Some(place) = self.first.iter().position(|(state, _)| state == call.state) {
            let (_, answer) = self.first.remove(place);
            let cause = "why".to_owned();
            return answer.map_err(|error| ReportedError { error, cause });
        }
        let stack: StackName = "shop-dev-web".parse().expect("it is a stack's name");
        Ok(match call.state {
            "Admit" => json!(Admission::Admitted {
                fence: 1,
                leg: Leg::Forward,
                failure: None
            }),
            "Build" | "Build beforehand" => json!(lockgate_build::Built::Built {
                release: Digest::of(b"release")
            }),
            "Check alarms" => json!(lockgate_rollback::Output::Clear { guards: Vec::new() }),
            "Plan" => {
                let stacks = |wave: &Vec<&str>| wave.iter().map(|name| name.parse().expect("a stack's name")).collect();
                let waves = self.waves.iter().map(|wave| Wave { stacks: stacks(wave) });
                let waves: Vec<Wave> = waves.collect();
                let prepares = waves.first().map(|wave| wave.stacks.clone()).unwrap_or_default();
                json!(lockgate_deploy::Output::Planned { waves, prepares })
            }
            "Publish assets" if self.prepares.is_some() => {
                json!(lockgate_deploy::Output::ToPrepare { copied: 0, present: 1 })
            }
            "Compare stack" => json!(lockgate_deploy::Answer::Prepared(Prepared {
                stack,
                change_set: None,
                hash: Digest::of(b"change set"),
            })),
            "Create change set" if self.changes => json!(lockgate_deploy::Answer::Changes {
                stack,
                change_set: "arn".to_owned(),
                creates: false
            }),
            "Create change set" => json!(lockgate_deploy::Answer::NoChanges { stack }),
            "Execute change set" => json!(lockgate_deploy::Answer::Updated { stack }),
            "Review wave" => return review(call.payload),
            "Assess failure" => {
                self.end = Output::FailedClean;
                json!(std::mem::replace(&mut self.follows, Output::GiveUp))
            }
            "Close" => json!(self.end),
            // Of the others' answers, nobody reads more than the outcome.
            state => json!({ "outcome": contract::answered(state).and_then(|outcomes| outcomes.first()) }),
        })
    }
}

/// The first failure of the wave, or none.
fn review(payload: &Value) -> Result<Value, ReportedError> {
    let results = payload["results"].as_array().expect("a wave has results");
    match results.iter().find(|result| result["outcome"] == "failed") {
        None => Ok(json!({ "outcome": "settled" })),
        Some(failed) => Err(serde_json::from_value(failed["failure"].clone()).expect("it is an error")),
    }
}

fn operator() -> Output {
    let (error, cause) = ("Stuck.WayBackClosed".to_owned(), "why".to_owned());
    Output::CallOperator {
        failure: ReportedError { error, cause },
    }
}

fn back() -> Output {
    Output::GoBack {
        release: Digest::of(b"stable"),
    }
}

/// What a deployment is admitted with that takes its environment back.
fn goes_back() -> Value {
    json!(Admission::Admitted {
        fence: 1,
        leg: Leg::Back,
        failure: Some(ReportedError {
            error: "Failed.TakenBack".to_owned(),
            cause: "why".to_owned()
        })
    })
}

fn are_billed<const ROWS: usize>(table: [(&str, World, usize, &str); ROWS]) {
    for (what, world, transitions, ending) in table {
        let walk = world.walk().expect("it comes to an end");
        assert_eq!(
            (walk.entered.len(), walk.ending()),
            (transitions, ending),
            "{what}: {:?}",
            walk.entered
        );
    }
}

#[test]
fn aws_bills_three_more_where_a_release_bakes_and_none_for_waiting() {
    let one = || World::waves(&[&["web"]]);
    let alarm = json!(lockgate_rollback::Baked::AlarmRaised {
        cause: "why".to_owned()
    });
    are_billed([
        (
            "one stack that bakes",
            World { bakes: true, ..one() },
            20 + 3,
            "Deployed",
        ),
        (
            "an alarm while it bakes, and the way back",
            World {
                bakes: true,
                follows: back(),
                ..one()
            }
            .and_first("Bake", Ok(alarm)),
            20 + 3 - 3 + 2 + 4 + 5 + 6 - 1,
            "Failed, environment clean",
        ),
        (
            "a rollback by itself",
            World {
                end: Output::Deployed,
                ..one()
            }
            .and_first("Admit", Ok(goes_back())),
            20,
            "Deployed",
        ),
    ]);
}

#[test]
fn aws_bills_eight_more_and_one_for_each_stack_where_people_are_asked_before() {
    let one = || World {
        prepares: Some(Prepares::ForPeople),
        ..World::waves(&[&["web"]])
    };
    let void = || json!(lockgate_deploy::Output::Void);
    let rejected = json!(lockgate_approval::Decision::Rejected { cause: "no".to_owned() });
    let planned = json!(lockgate_deploy::Output::OnlyPlanned);
    are_billed([
        ("one stack", one(), 20 + 8 + 1, "Deployed"),
        (
            "what was approved is not what would be executed, and people are asked once more",
            one().and_first("Confirm change sets", Ok(void())),
            20 + 8 + 1 + 8 + 1,
            "Deployed",
        ),
        (
            "the same, found at the last moment",
            one()
                .and_first("Create change set", Err("Rejected.ApprovalVoid"))
                .and_first("Review wave", Err("Rejected.ApprovalVoid"))
                .and_first("Confirm change sets", Ok(json!(lockgate_deploy::Output::Confirmed)))
                .and_first("Confirm change sets", Ok(void())),
            20 + 8 + 1 + 6 + 1 + 8 + 1,
            "Deployed",
        ),
        (
            "people say no",
            one().and_first("Wait for approval", Ok(rejected)),
            20,
            "Failed, environment clean",
        ),
        (
            "what a pull request would change, of a commit that was not built",
            World {
                prepares: Some(Prepares::ToBeSeen),
                end: Output::NothingToDeploy,
                ..World::waves(&[&["web"]])
            }
            .and_first("Admit", Ok(json!(Admission::NotBuilt)))
            .and_first("Review preparation", Ok(planned.clone())),
            16 + 3,
            "Nothing to deploy",
        ),
        (
            "the same, where the build fails",
            World {
                prepares: Some(Prepares::ToBeSeen),
                ..World::waves(&[&["web"]])
            }
            .and_first("Admit", Ok(json!(Admission::NotBuilt)))
            .and_first("Build beforehand", Err("Rejected.BuildFailed")),
            11,
            "Failed, environment clean",
        ),
        (
            "a way back that is only to be seen",
            World {
                prepares: Some(Prepares::ToBeSeen),
                end: Output::NothingToDeploy,
                ..World::waves(&[&["web"]])
            }
            .and_first("Admit", Ok(goes_back()))
            .and_first("Review preparation", Ok(planned)),
            16,
            "Nothing to deploy",
        ),
    ]);
}

#[test]
fn aws_bills_as_many_transitions_as_the_readme_says() {
    let one = || World::waves(&[&["web"]]);
    let red = json!(lockgate_smoke_test::Output::Failed {
        cause: "why".to_owned()
    });
    let superseded = json!(Admission::Superseded {
        by: "shop-dev-2".parse().expect("it is a deployment's id")
    });
    let table = [
        ("one stack that changes", one(), 20, "Deployed"),
        (
            "one stack that does not",
            World {
                changes: false,
                end: Output::NothingToDeploy,
                ..one()
            },
            20,
            "Nothing to deploy",
        ),
        (
            "one more in the same wave",
            World::waves(&[&["web", "api"]]),
            20 + 3,
            "Deployed",
        ),
        (
            "one more in a wave of its own",
            World::waves(&[&["web"], &["api"]]),
            20 + 3 + 2,
            "Deployed",
        ),
        (
            "a newer one comes while it waits",
            World {
                end: Output::NothingToDeploy,
                ..one()
            }
            .and_first("Admit", Ok(superseded)),
            8,
            "Nothing to deploy",
        ),
        // `Keep failure` is one more, and `Assess failure` and `What follows?` come in place of the smoke tests; then the
        // way from `Plan` once more, to the end.
        (
            "a stack that fails, and the way back",
            World {
                follows: back(),
                ..one()
            }
            .and_first("Execute change set", Err("Failed.StackRolledBack")),
            9 + 6 + 2 + 4 + 5 + 6,
            "Failed, environment clean",
        ),
        (
            "a red smoke test, and the way back",
            World {
                follows: back(),
                ..one()
            }
            .and_first("Run smoke tests", Ok(red)),
            9 + 5 + 4 + 4 + 5 + 6,
            "Failed, environment clean",
        ),
    ];
    are_billed(table);
}

#[test]
fn a_stack_that_fails_does_not_cut_off_the_others_of_its_wave() {
    let world = World::waves(&[&["web", "api"], &["late"]]);
    let world = world.and_first("Create change set", Err("Rejected.ChangeSetRefused"));
    let walk = world.walk().expect("it comes to an end");
    let times = |state: &str| walk.entered.iter().filter(|entered| *entered == state).count();
    assert_eq!(
        (
            times("Create change set"),
            times("Execute change set"),
            times("Review wave")
        ),
        (2, 1, 1)
    );
    assert_eq!(walk.ending(), "Failed, environment clean");
}

/// Whatever fails, wherever, with whatever follows: the right ending is reached, and the lock was dealt with.
#[test]
fn no_failure_is_left_without_its_ending() {
    let nobody_knows = ["States.Permissions", "&alloc::boxed::Box<dyn …>"];
    let errors = Name::ALL.iter().map(|name| name.as_str());
    let errors: Vec<&str> = errors
        .chain(["States.Timeout", "Lambda.Unknown"])
        .chain(nobody_knows)
        .collect();
    let well = World::well().walk().expect("it comes to an end").entered;
    let after_a_failure = ["Assess failure", "Call operator"];
    let states: BTreeSet<&str> = well.iter().map(String::as_str).chain(after_a_failure).collect();
    let asks = |state: &&str| contract::answered(state).is_some() || state.starts_with("Report");
    for state in states.into_iter().filter(asks) {
        for error in &errors {
            for follows in [Output::GiveUp, operator(), back()] {
                let mut world = World {
                    follows,
                    ..World::well()
                }
                .and_first(state, Err(error));
                if after_a_failure.contains(&state) {
                    let known = if state == "Call operator" {
                        nobody_knows[0]
                    } else {
                        "Rejected.NoStacks"
                    };
                    world = world.and_first("Plan", Err(known));
                }
                let walk = world
                    .walk()
                    .unwrap_or_else(|why| panic!("{state} fails with {error}: {why}"));
                let entered = |state: &str| walk.entered.iter().any(|entered| entered == state);
                let ending = if entered("Call operator") {
                    "Failed, operator needed"
                } else if entered("Assess failure") {
                    "Failed, environment clean"
                } else {
                    "Deployed"
                };
                assert_eq!(walk.ending(), ending, "{state} fails with {error}: {:?}", walk.entered);
                assert!(
                    entered("Call operator") || entered("Close"),
                    "{state} fails with {error}"
                );
                if contract::answered(state).is_some() && nobody_knows.contains(error) {
                    assert!(
                        entered("Call operator"),
                        "{state} fails with {error}: {:?}",
                        walk.entered
                    );
                }
            }
        }
    }
}
