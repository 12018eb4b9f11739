//! The state machine's file as data: its states, and the ways between them.
//!
//! A field or a kind of state that nothing here knows is refused, so that no part of the file is beside the rules.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The whole file.
#[derive(Debug)]
pub struct Definition {
    pub(crate) machine: Machine,
    /// What stands as `${…}` in it.
    pub(crate) tokens: BTreeSet<String>,
}

/// States that lead to one another: the file's own, or those inside a Map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Machine {
    #[serde(rename = "Comment")]
    _comment: Option<String>,
    #[serde(rename = "QueryLanguage")]
    _query_language: Option<String>,
    #[serde(rename = "ProcessorConfig")]
    _processor_config: Option<Value>,
    pub(crate) timeout_seconds: Option<Value>,
    pub(crate) start_at: String,
    /// In the order of the file.
    #[serde(deserialize_with = "in_order")]
    pub(crate) states: Vec<(String, State)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Kind {
    Task,
    Pass,
    Choice,
    Map,
    Succeed,
    Fail,
}

/// One state. Which field goes with which kind is for statelint to say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) comment: Option<String>,
    #[serde(rename = "Type")]
    pub(crate) kind: Kind,
    pub(crate) resource: Option<String>,
    pub(crate) arguments: Option<Value>,
    pub(crate) timeout_seconds: Option<Value>,
    pub(crate) items: Option<Value>,
    pub(crate) max_concurrency: Option<u64>,
    pub(crate) item_processor: Option<Machine>,
    #[serde(default)]
    pub(crate) choices: Vec<Branch>,
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) assign: Map<String, Value>,
    pub(crate) output: Option<Value>,
    #[serde(default)]
    pub(crate) retry: Vec<Retrier>,
    #[serde(default)]
    pub(crate) catch: Vec<Catcher>,
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) end: bool,
    pub(crate) error: Option<Value>,
    pub(crate) cause: Option<Value>,
}

/// One of a choice's ways.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Branch {
    pub(crate) condition: String,
    #[serde(default)]
    pub(crate) assign: Map<String, Value>,
    pub(crate) next: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Retrier {
    pub(crate) error_equals: Vec<String>,
    pub(crate) interval_seconds: Option<f64>,
    pub(crate) backoff_rate: Option<f64>,
    pub(crate) max_attempts: Option<u64>,
    pub(crate) max_delay_seconds: Option<f64>,
    pub(crate) jitter_strategy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Catcher {
    pub(crate) error_equals: Vec<String>,
    #[serde(default)]
    pub(crate) assign: Map<String, Value>,
    pub(crate) output: Option<Value>,
    pub(crate) next: String,
}

/// A way from a state to the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'d> {
    pub(crate) to: &'d str,
    pub(crate) by: By<'d>,
    /// The variables that are set on it.
    pub(crate) assign: &'d Map<String, Value>,
}

/// When a way is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'d> {
    Next,
    Branch(&'d Branch),
    Default,
    Catch(&'d Catcher),
}

/// A state and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed<'d> {
    pub(crate) name: &'d str,
    pub(crate) state: &'d State,
    /// The machine that it is a state of.
    pub(crate) machine: &'d Machine,
    /// The Maps that it is inside of, the outermost first.
    pub(crate) around: Vec<&'d State>,
}

impl Definition {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let tokens = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
        Ok(Self {
            machine: serde_json::from_str(text)?,
            tokens: tokens.map(|(token, _)| token.to_owned()).collect(),
        })
    }

    /// Every state, those inside Maps too.
    pub(crate) fn all(&self) -> Vec<Placed<'_>> {
        self.machine.all(&[])
    }
}

impl Machine {
    fn all<'d>(&'d self, around: &[&'d State]) -> Vec<Placed<'d>> {
        let mut found = Vec::new();
        for (name, state) in &self.states {
            found.push(Placed {
                name,
                state,
                machine: self,
                around: around.to_vec(),
            });
            if let Some(inner) = &state.item_processor {
                let around: Vec<&State> = around.iter().copied().chain([state]).collect();
                found.extend(inner.all(&around));
            }
        }
        found
    }

    pub(crate) fn state(&self, name: &str) -> Option<&State> {
        self.states
            .iter()
            .find_map(|(this, state)| (this == name).then_some(state))
    }

    /// All states that can be reached from one without going through certain others.
    pub(crate) fn reachable<'d>(&'d self, from: &'d str, not_through: &[&str]) -> BTreeSet<&'d str> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            if found.insert(name) && !not_through.contains(&name) {
                let ways = self.state(name).map(State::ways).unwrap_or_default();
                open.extend(ways.iter().map(|way| way.to));
            }
        }
        found
    }
}

impl State {
    /// Where it leads: in the ordinary case, and when something fails.
    pub(crate) fn ways(&self) -> Vec<Way<'_>> {
        let next = self.next.iter().map(|to| Way {
            to,
            by: By::Next,
            assign: &self.assign,
        });
        let branches = self.choices.iter().map(|branch| Way {
            to: &branch.next,
            by: By::Branch(branch),
            assign: &branch.assign,
        });
        // A choice's own `Assign` belongs to its default.
        let default = self.default.iter().map(|to| Way {
            to,
            by: By::Default,
            assign: &self.assign,
        });
        let catch = self.catch.iter().map(|catcher| Way {
            to: &catcher.next,
            by: By::Catch(catcher),
            assign: &catcher.assign,
        });
        next.chain(branches).chain(default).chain(catch).collect()
    }

    /// Whether its machine, or the iteration that it is in, is over after it.
    pub(crate) fn is_last(&self) -> bool {
        self.end || matches!(self.kind, Kind::Succeed | Kind::Fail)
    }

    /// The function that it calls, by its token.
    pub(crate) fn calls(&self) -> Option<&str> {
        let name = self.arguments.as_ref()?.get("FunctionName")?.as_str()?;
        name.strip_prefix("${")?.strip_suffix('}')
    }

    /// The functions that it calls, or that are called inside of it.
    pub(crate) fn calls_inside(&self) -> BTreeSet<&str> {
        let inner = self.item_processor.iter().flat_map(|inner| &inner.states);
        let inner = inner.flat_map(|(_, state)| state.calls_inside());
        self.calls().into_iter().chain(inner).collect()
    }

    /// Whether it waits until somebody answers its token.
    pub(crate) fn parks(&self) -> bool {
        self.resource.as_deref().is_some_and(|arn| arn.ends_with(PARKED))
    }
}

/// How the resource of a task ends that waits for its token.
pub(crate) const PARKED: &str = ".waitForTaskToken";

impl Placed<'_> {
    /// The catchers for what it raises: its own, or those of the nearest Map around it that has any.
    pub(crate) fn catchers(&self) -> &[Catcher] {
        std::iter::once(&self.state)
            .chain(self.around.iter().rev())
            .map(|state| &state.catch[..])
            .find(|catchers| !catchers.is_empty())
            .unwrap_or_default()
    }
}

fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, State)>, D::Error> {
    struct InOrder;

    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(String, State)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("states by their names")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut states = Vec::new();
            while let Some(state) = access.next_entry()? {
                states.push(state);
            }
            Ok(states)
        }
    }

    deserializer.deserialize_map(InOrder)
}
