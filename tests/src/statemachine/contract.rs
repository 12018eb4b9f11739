//! What the file is held against: a new state, function, answer or verb is a new line in one of these tables.

use std::collections::BTreeSet;

use domain::configuration::{LONGEST_BAKE, LONGEST_WITHIN};
use domain::deployment::Leg;
use domain::failure::{Class, Name};
use domain::life::End;
use serde::de::DeserializeOwned;
use serde_json::Value;
use strum::VariantNames as _;

use super::definition::{Kind, State};

/// A function that states call.
pub(crate) struct Function {
    /// Its token in the file, `${…}`.
    pub(crate) token: &'static str,
    /// Takes what it is sent as its `Input`.
    pub(crate) takes: fn(Value) -> Result<(), serde_json::Error>,
    pub(crate) raises: &'static [Name],
    /// Whether the deployment waits for what it does; otherwise it goes on whatever is raised.
    pub(crate) on_the_path: bool,
    /// Whether it may be called only while the deployment has the environment's lock.
    pub(crate) needs_lock: bool,
}

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        token: "GateFunctionArn",
        takes: read::<lockgate_gate::Input>,
        raises: lockgate_gate::RAISES,
        on_the_path: true,
        needs_lock: false,
    },
    Function {
        token: "BuildFunctionArn",
        takes: read::<lockgate_build::Input>,
        raises: lockgate_build::RAISES,
        on_the_path: true,
        needs_lock: true,
    },
    Function {
        token: "DeployFunctionArn",
        takes: read::<lockgate_deploy::Input>,
        raises: lockgate_deploy::RAISES,
        on_the_path: true,
        needs_lock: true,
    },
    Function {
        token: "SmokeTestFunctionArn",
        takes: read::<lockgate_smoke_test::Input>,
        raises: lockgate_smoke_test::RAISES,
        on_the_path: true,
        needs_lock: true,
    },
    Function {
        token: "ApprovalFunctionArn",
        takes: read::<lockgate_approval::Input>,
        raises: lockgate_approval::RAISES,
        on_the_path: true,
        needs_lock: true,
    },
    Function {
        token: "RollbackFunctionArn",
        takes: read::<lockgate_rollback::Input>,
        raises: lockgate_rollback::RAISES,
        on_the_path: true,
        needs_lock: true,
    },
    Function {
        token: "ReportFunctionArn",
        takes: read::<lockgate_report::Input>,
        raises: lockgate_report::RAISES,
        on_the_path: false,
        needs_lock: false,
    },
];

fn read<Input: DeserializeOwned>(payload: Value) -> Result<(), serde_json::Error> {
    serde_json::from_value::<Input>(payload).map(drop)
}

/// A Rust type whose variants are the outcomes that states are answered.
pub(crate) struct Answers {
    pub(crate) of: &'static str,
    pub(crate) variants: &'static [&'static str],
    /// Which states are answered with which of them; the first is the answer where all goes well.
    pub(crate) to: &'static [(&'static str, &'static [&'static str])],
    /// Those that no state is answered with.
    pub(crate) elsewhere: &'static [&'static str],
}

pub(crate) const ANSWERS: &[Answers] = &[
    Answers {
        of: "lockgate_gate::Admission",
        variants: lockgate_gate::Admission::VARIANTS,
        to: &[("Admit", &["admitted", "superseded", "not_built"])],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_gate::Output",
        variants: lockgate_gate::Output::VARIANTS,
        to: &[
            ("Check admission", &["still_admitted"]),
            ("Assess failure", &["give_up", "go_back", "call_operator"]),
            // `operator_needed`, where somebody called one meanwhile: whoever closes again learns how it had ended.
            (
                "Close",
                &["deployed", "nothing_to_deploy", "failed_clean", "operator_needed"],
            ),
            // Another, where it had ended before something went wrong: it is carried to that end.
            (
                "Call operator",
                &["operator_needed", "deployed", "nothing_to_deploy", "failed_clean"],
            ),
        ],
        elsewhere: &["parked", "tidy", "in_flight"],
    },
    Answers {
        of: "lockgate_build::Built",
        variants: lockgate_build::Built::VARIANTS,
        to: &[("Build", &["built"]), ("Build beforehand", &["built"])],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_build::Integrated",
        variants: lockgate_build::Integrated::VARIANTS,
        to: &[("Run integration tests", &["passed", "failed"])],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_approval::Decision",
        variants: lockgate_approval::Decision::VARIANTS,
        to: &[(
            "Wait for approval",
            &["accepted", "rejected", "expired", "unreachable", "superseded"],
        )],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_rollback::Output",
        variants: lockgate_rollback::Output::VARIANTS,
        to: &[("Check alarms", &["clear"])],
        elsewhere: &["parked", "looked", "started"],
    },
    Answers {
        of: "lockgate_rollback::Baked",
        variants: lockgate_rollback::Baked::VARIANTS,
        to: &[("Bake", &["passed", "alarm_raised", "taken_back"])],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_deploy::Output",
        variants: lockgate_deploy::Output::VARIANTS,
        to: &[
            ("Plan", &["planned"]),
            ("Publish assets", &["published", "to_prepare"]),
            ("Review preparation", &["prepared", "only_planned"]),
            ("Confirm change sets", &["confirmed", "void"]),
            ("Review wave", &["settled"]),
        ],
        elsewhere: &["parked", "woken"],
    },
    Answers {
        of: "lockgate_deploy::Answer",
        variants: lockgate_deploy::Answer::VARIANTS,
        to: &[
            ("Compare stack", &["prepared"]),
            ("Create change set", &["changes", "no_changes"]),
            ("Execute change set", &["updated"]),
        ],
        elsewhere: &[],
    },
    Answers {
        of: "lockgate_smoke_test::Output",
        variants: lockgate_smoke_test::Output::VARIANTS,
        to: &[("Run smoke tests", &["passed", "failed"])],
        elsewhere: &[],
    },
];

/// A variable of the file that holds a variant of a Rust type.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) of: &'static str,
    pub(crate) variants: &'static [&'static str],
}

pub(crate) const VARIABLES: &[Variable] = &[
    Variable {
        name: "leg",
        of: "domain::deployment::Leg",
        variants: Leg::VARIANTS,
    },
    Variable {
        name: "ending",
        of: "domain::life::End",
        variants: End::VARIANTS,
    },
];

/// Outcomes that a choice knows and does not name, because its `Default` is their way.
pub(crate) const BY_DEFAULT: &[(&str, &str)] = &[("Anything to change?", "no_changes")];

/// Where the default of every other choice leads: what it does not know is an operator's to look at.
pub(crate) const FOR_THE_UNKNOWN: [&str; 2] = ["Call operator", "Failed, operator needed"];

/// The state that takes the lock, and those that deal with it.
pub(crate) const LOCK_IS_TAKEN: &str = "Admit";
pub(crate) const LOCK_IS_DEALT_WITH: [&str; 2] = ["Close", "Call operator"];

/// The state that an execution ends in.
pub(crate) struct Ending {
    pub(crate) state: &'static str,
    pub(crate) kind: Kind,
    /// What `$ending` is then.
    pub(crate) end: &'static str,
}

/// One for each variant of [`End`]; red is what went wrong.
pub(crate) const ENDINGS: [Ending; 4] = [
    Ending {
        state: "Deployed",
        kind: Kind::Succeed,
        end: "deployed",
    },
    Ending {
        state: "Nothing to deploy",
        kind: Kind::Succeed,
        end: "nothing_to_deploy",
    },
    Ending {
        state: "Failed, environment clean",
        kind: Kind::Fail,
        end: "failed_clean",
    },
    Ending {
        state: "Failed, operator needed",
        kind: Kind::Fail,
        end: "operator_needed",
    },
];

/// What names of states begin with, but for choices and endings.
pub(crate) const VERBS: &[&str] = &[
    "Accept", "Admit", "Assess", "Bake", "Build", "Call", "Check", "Close", "Compare", "Confirm", "Create", "Deploy",
    "Execute", "Keep", "Leave", "Plan", "Prepare", "Publish", "Report", "Review", "Run", "Wait",
];

/// The classes of our own failures, as they begin names.
pub const CLASSES: [&str; 5] = ["Transient.", "Rejected.", "Failed.", "Stuck.", "Bug."];

/// The names that Step Functions gives its own errors.
///
/// Amazon States Language, appendix A (<https://states-language.net/spec.html#appendix-a>), and Step Functions
/// Developer Guide, "Handling errors"
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).
pub(crate) const OF_STEP_FUNCTIONS: [&str; 17] = [
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// What is raised where Lambda did not run a function, or did not say what it answered: the same call is safe, because
/// everything that a function does may be done twice.
///
/// Step Functions Developer Guide, "Handle transient Lambda service exceptions"
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>).
pub(crate) const OF_LAMBDA_TRANSIENT: [&str; 5] = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    TOO_MANY_REQUESTS,
];

/// What is raised while the account runs as many functions as it may. That lasts as long as they run, so it is retried
/// for at least [`BUSY_FOR`].
pub(crate) const TOO_MANY_REQUESTS: &str = "Lambda.TooManyRequestsException";

/// In seconds, if every retry comes as late as it may.
pub(crate) const BUSY_FOR: f64 = 300.0;

/// What is raised in place of a function's answer when its process dies or takes too long; the same page, and
/// `errorType` of Lambda's own answer (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
pub(crate) const OF_LAMBDA_AFTER: [&str; 3] = ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError"];

/// States that people's answers are waited for in, be it another deployment's, which keeps the lock meanwhile, and for how
/// long they last at least, in seconds.
pub(crate) const OUTLAST_PEOPLE: [(&str, u64); 3] = [
    ("Admit", APPROVAL_AND_SLACK + BAKE_AND_ANSWER),
    ("Wait for approval", APPROVAL_AND_SLACK),
    ("Bake", BAKE_AND_ANSWER),
];

const DAY: u64 = 24 * 60 * 60;

/// The longest time that people may be given to answer, and a day for what comes before and after.
const APPROVAL_AND_SLACK: u64 = LONGEST_WITHIN + DAY;

/// The longest bake, and two weeks for people to say how it goes on.
const BAKE_AND_ANSWER: u64 = LONGEST_BAKE + 14 * DAY;

/// These only look, decide and write records. Whoever calls them again after they died or took too long finds what is left to
/// be done; the others do work that lasts, and would do it twice at once.
const CALLED_AGAIN_AFTER_ITS_DEATH: [&str; 2] = ["GateFunctionArn", "RollbackFunctionArn"];

/// What a state may try again: the same call is safe.
pub(crate) fn may_be_retried(state: &State, error: &str) -> bool {
    let ours = Name::ALL.iter().find(|name| name.as_str() == error);
    let died = OF_LAMBDA_AFTER.contains(&error)
        && state
            .calls()
            .is_some_and(|called| CALLED_AGAIN_AFTER_ITS_DEATH.contains(&called));
    died || ours.is_some_and(|name| name.class() == Class::Transient) || OF_LAMBDA_TRANSIENT.contains(&error)
}

pub(crate) fn is_of_lambda(error: &str) -> bool {
    OF_LAMBDA_TRANSIENT.contains(&error) || OF_LAMBDA_AFTER.contains(&error)
}

pub(crate) fn is_ours(error: &str) -> bool {
    Name::ALL.iter().any(|known| known.as_str() == error)
}

/// What a function raises, by its token; `None`, where there is no such function.
pub(crate) fn function(token: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.token == token)
}

/// What a state raises: the names of the function that it calls, and Lambda's own.
pub(crate) fn raised_by(state: &State) -> impl Iterator<Item = &'static str> {
    let function = state.calls().and_then(function);
    function.into_iter().flat_map(|function| {
        let ours = function.raises.iter().map(|name| name.as_str());
        ours.chain(OF_LAMBDA_TRANSIENT).chain(OF_LAMBDA_AFTER)
    })
}

/// What a state may be answered, first where all goes well; `None`, where no table says.
pub fn answered(state: &str) -> Option<&'static [&'static str]> {
    ANSWERS
        .iter()
        .flat_map(|answers| answers.to)
        .find_map(|(to, outcomes)| (*to == state).then_some(*outcomes))
}

/// The tokens that the CDK app puts in: the keys of the object `functions` in deployment-machine.ts.
pub fn put_in(typescript: &str) -> BTreeSet<String> {
    let body = typescript
        .split_once("const functions = {")
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(body, _)| body);
    body.lines()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(token, _)| token.to_owned())
        .collect()
}
