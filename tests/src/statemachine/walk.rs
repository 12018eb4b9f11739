//! One execution of the file, with functions that answer what they are told to.
//!
//! What is sent to a function has to be what it takes. Nothing waits and nothing is tried again; what counts is which
//! states are entered.

use domain::failure::ReportedError;
use serde_json::{Map, Value, json};

use super::definition::{By, Catcher, Kind, Machine, State, Way};
use super::expression::{Condition, Expression, Path};
use super::{Definition, contract};

/// More than any execution enters: a walk that gets there goes round and round.
const MOST: usize = 500;

/// A state asks a function something.
#[derive(Debug)]
pub struct Call<'w> {
    /// The state.
    pub state: &'w str,
    /// What it is given.
    pub payload: &'w Value,
}

/// A walk that came to an end.
#[derive(Debug)]
pub struct Walk {
    /// The states that were entered, in that order: AWS bills each once.
    pub entered: Vec<String>,
}

impl Walk {
    /// The ending.
    pub fn ending(&self) -> &str {
        self.entered.last().map_or("", String::as_str)
    }
}

/// Walks from the start to an ending, or says what would have failed the execution on the way.
pub fn walk(
    definition: &Definition,
    input: Value,
    answer: impl FnMut(&Call<'_>) -> Result<Value, ReportedError>,
) -> Result<Walk, String> {
    let mut walker = Walker {
        entered: Vec::new(),
        answer,
    };
    match walker.machine(&definition.machine, Map::new(), input) {
        Ok(_) => Ok(Walk {
            entered: walker.entered,
        }),
        Err(Stop::Raised(error)) => Err(format!("nobody catches {error:?}; entered: {:?}", walker.entered)),
        Err(Stop::Broken(why)) => Err(format!("{why}; entered: {:?}", walker.entered)),
    }
}

/// Why a walk does not go on here.
enum Stop {
    /// An error, for whoever catches it.
    Raised(ReportedError),
    /// The file cannot be walked.
    Broken(String),
}

struct Walker<A> {
    entered: Vec<String>,
    answer: A,
}

/// What expressions of a state may read.
struct Scope<'w> {
    variables: &'w Map<String, Value>,
    states: Value,
}

impl Scope<'_> {
    fn lookup(&self, path: &Path) -> Option<Value> {
        let root = match path.variable.as_str() {
            "states" => &self.states,
            variable => self.variables.get(variable)?,
        };
        let mut fields = path.fields.iter();
        fields.try_fold(root, |value, field| value.get(field)).cloned()
    }

    /// A value of the file with its expressions evaluated.
    fn filled(&self, value: &Value) -> Result<Value, Stop> {
        match value {
            Value::String(text) => match Expression::of(text) {
                None => Ok(value.clone()),
                Some(Ok(expression)) => expression
                    .value(&|path| self.lookup(path))
                    .map_err(|path| Stop::Broken(format!("{path} leads to nothing"))),
                Some(Err(why)) => Err(Stop::Broken(why)),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => Ok(self.all_filled(fields)?.into()),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    fn all_filled(&self, fields: &Map<String, Value>) -> Result<Map<String, Value>, Stop> {
        let filled = fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.filled(value)?)));
        filled.collect()
    }

    /// The output of a state that says nothing of its output.
    fn usual_output(&self) -> Value {
        let of = ["errorOutput", "result", "input"];
        of.iter()
            .find_map(|field| self.states.get(field))
            .cloned()
            .unwrap_or_default()
    }

    fn holds(&self, condition: &str) -> bool {
        let condition = match Expression::of(condition) {
            Some(Ok(Expression::Condition(condition))) => condition,
            _ => Condition::Any(Vec::new()),
        };
        condition.holds(&|path| self.lookup(path))
    }
}

impl<A: FnMut(&Call<'_>) -> Result<Value, ReportedError>> Walker<A> {
    /// Walks one machine to its end, and returns the output of its last state.
    fn machine(&mut self, machine: &Machine, mut variables: Map<String, Value>, input: Value) -> Result<Value, Stop> {
        let (mut name, mut input) = (machine.start_at.as_str(), input);
        loop {
            let state = machine
                .state(name)
                .ok_or_else(|| Stop::Broken(format!("{name} is not there")))?;
            if self.entered.len() == MOST {
                return Err(Stop::Broken("it goes round and round".to_owned()));
            }
            self.entered.push(name.to_owned());
            let (way, scope) = self.state(name, state, &variables, &input)?;
            let output = match way.map(|way| way.by) {
                Some(By::Catch(catcher)) => catcher.output.as_ref(),
                _ => state.output.as_ref(),
            };
            let output = output.map_or_else(|| Ok(scope.usual_output()), |output| scope.filled(output))?;
            let Some(way) = way else { return Ok(output) };
            let set = scope.all_filled(way.assign)?;
            variables.extend(set);
            (name, input) = (way.to, output);
        }
    }

    /// Does what a state does, and says which way it leads on and what may be read there.
    fn state<'d, 'w>(
        &mut self,
        name: &str,
        state: &'d State,
        variables: &'w Map<String, Value>,
        input: &Value,
    ) -> Result<(Option<Way<'d>>, Scope<'w>), Stop> {
        let mut scope = Scope {
            variables,
            states: json!({ "input": input, "context": {} }),
        };
        if state.parks() {
            scope.states["context"]["Task"]["Token"] = json!("token");
        }
        let done = match state.kind {
            Kind::Task => self.task(name, state, &scope).map(Some),
            Kind::Map => self.map(state, &scope).map(Some),
            Kind::Fail => {
                for said in [&state.error, &state.cause].into_iter().flatten() {
                    scope.filled(said)?;
                }
                Ok(None)
            }
            Kind::Pass | Kind::Choice | Kind::Succeed => Ok(None),
        };
        let caught = match done {
            Ok(None) => None,
            Ok(Some(result)) => {
                scope.states["result"] = result;
                None
            }
            Err(Stop::Raised(error)) => {
                let catcher = state.catch.iter().find(|catcher| catches(catcher, &error.error));
                let Some(catcher) = catcher else {
                    return Err(Stop::Raised(error));
                };
                scope.states["errorOutput"]["Error"] = json!(error.error);
                // AWS may leave it out.
                if error.error != "States.Timeout" {
                    scope.states["errorOutput"]["Cause"] = json!(error.cause);
                }
                Some(catcher)
            }
            Err(broken) => return Err(broken),
        };
        let way = state.ways().into_iter().find(|way| match (way.by, caught) {
            (By::Catch(catcher), Some(caught)) => std::ptr::eq(catcher, caught),
            (By::Catch(_), None) | (_, Some(_)) => false,
            (By::Branch(branch), None) => scope.holds(&branch.condition),
            (By::Next | By::Default, None) => true,
        });
        Ok((way, scope))
    }

    fn task(&mut self, name: &str, state: &State, scope: &Scope<'_>) -> Result<Value, Stop> {
        let arguments = state
            .arguments
            .as_ref()
            .map_or(Ok(Value::Null), |arguments| scope.filled(arguments))?;
        let call = Call {
            state: name,
            payload: &arguments["Payload"],
        };
        let function = state.calls().and_then(contract::function);
        let function = function.ok_or_else(|| Stop::Broken(format!("{name} calls no function")))?;
        (function.takes)(call.payload.clone())
            .map_err(|why| Stop::Broken(format!("{} does not take what {name} sends: {why}", function.token)))?;
        let answered = (self.answer)(&call).map_err(Stop::Raised)?;
        Ok(if state.parks() {
            answered
        } else {
            json!({ "Payload": answered })
        })
    }

    fn map(&mut self, state: &State, scope: &Scope<'_>) -> Result<Value, Stop> {
        let items = state
            .items
            .as_ref()
            .map_or(Ok(Value::Null), |items| scope.filled(items))?;
        let (Some(items), Some(inner)) = (items.as_array(), &state.item_processor) else {
            return Err(Stop::Broken("a Map has nothing to go through".to_owned()));
        };
        items
            .iter()
            .map(|item| self.machine(inner, scope.variables.clone(), item.clone()))
            .collect()
    }
}

/// `States.TaskFailed` and `States.ALL` are wildcards, and the first is none for a time-out.
fn catches(catcher: &Catcher, error: &str) -> bool {
    catcher.error_equals.iter().any(|caught| {
        let wild = caught == "States.ALL" || (caught == "States.TaskFailed" && error != "States.Timeout");
        wild || caught == error
    })
}
