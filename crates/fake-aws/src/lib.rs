//! AWS in memory, behind the SDK's own HTTP client, for tests.
//!
//! Requests are real and nothing listens on a port. What is kept (the table, tasks, executions, builds, objects,
//! parameters, mail, functions) behaves as the API references say; what CloudFormation and CloudWatch say, a test writes
//! down. Any call can be given another [`Fate`]: refused, lost on its way back, overtaken. Whatever the fake does not know
//! stops the test, and so does a fate that no call met.

mod cbor;
mod expression;
pub mod sample;
mod services;
mod table;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use table::{Item, TABLE, Table};
use wire::{Answer, Asked, Refusal};

/// An AWS of one's own. Copies of it are the same one.
#[derive(Clone, Default)]
pub struct FakeAws(Arc<Mutex<State>>);

/// What AWS holds, and what became of it.
#[derive(Default)]
pub struct State {
    /// The ledger.
    pub table: Table,
    /// Every object, by bucket and key with a slash between.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// The buckets that can be written to.
    pub buckets: BTreeSet<String>,
    /// Objects whose stored checksum is not that of what they are named by.
    pub altered: BTreeSet<String>,
    /// SSM's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Executions of the state machine, by name.
    pub executions: BTreeMap<String, Execution>,
    /// Since when those that are over are; without it, since they are asked for.
    pub stopped_at: Option<Timestamp>,
    /// The tokens of tasks that nobody waits for any more; every other token is waited for.
    pub gone: BTreeSet<String>,
    /// What tasks were answered: the token, and the output or the error with its cause.
    pub answers: Vec<(String, Value)>,
    /// CodeBuild's builds as CodeBuild tells them, by id.
    pub builds: BTreeMap<String, Value>,
    /// What was published.
    pub mails: Vec<Mail>,
    /// Who subscribed to topics.
    pub subscriptions: Vec<Subscription>,
    /// CloudFormation's stacks, by name, for those who have not written down what it says.
    pub stacks: BTreeMap<String, Stack>,
    /// The state machines that are active, by ARN.
    pub machines: BTreeSet<String>,
    /// IAM's roles, by name, and the policies that say whom they trust.
    pub roles: BTreeMap<String, String>,
    /// Whom the policies of no role let assume, by ARN.
    pub unassumable: BTreeSet<String>,
    /// EventBridge's rules, by the names of their bus and their own: whether each is on, and the ARNs that it sends events to.
    pub rules: BTreeMap<String, (bool, Vec<String>)>,
    /// The variables of functions' environments, by function.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
    /// CodeBuild's projects.
    pub projects: BTreeSet<String>,
    /// By what CodeBuild shows itself to GitHub.
    pub source_credentials: Vec<String>,
    /// How many functions may run at once.
    pub concurrent_executions: u32,
    /// The functions that were invoked.
    pub invocations: Vec<Invocation>,
    starts: BTreeMap<String, String>,
    says: HashMap<&'static str, VecDeque<(u16, String)>>,
    fates: BTreeMap<&'static str, VecDeque<Fate>>,
    calls: Vec<(String, Map<String, Value>)>,
    lingering: BTreeMap<&'static str, Lingering>,
}

/// How many calls of an operation are under way, and how many were at most.
#[derive(Debug, Default)]
struct Lingering {
    under_way: usize,
    most: usize,
}

/// An execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// What it was given.
    pub input: Value,
    /// How it stands, as Step Functions calls it.
    pub status: String,
}

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The topic's ARN.
    pub topic: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The message's attributes, which subscriptions may filter by.
    pub attributes: BTreeMap<String, String>,
}

/// A subscription by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The topic's ARN.
    pub topic: String,
    /// The mail address.
    pub endpoint: String,
    /// Whether its owner has confirmed it.
    pub confirmed: bool,
}

/// A stack as CloudFormation tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its status.
    pub status: String,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// The parameters that it was given.
    pub parameters: BTreeMap<String, String>,
    /// The ids of its resources, and the type of each; all of them were made.
    pub resources: BTreeMap<String, String>,
}

/// A function that was invoked and not waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The function.
    pub function: String,
    /// Its input.
    pub payload: Value,
}

/// What becomes of one call.
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is refused under this code, and nothing is done.
    Refused(&'static str),
    /// It is done, and AWS answers with a fault of its own.
    Faulted,
    /// It is done, and no answer comes in the time that the SDK has for it.
    Unanswered,
    /// It is done, and no answer comes for as long as the caller waits.
    Silent,
    /// It is not sent: there is no connection, or no credentials.
    Unsent(&'static str),
    /// Just before, this happens; somebody else was faster.
    After(Box<dyn FnOnce(&mut State) + Send>),
}

impl Fate {
    /// Just before, this happens.
    pub fn after(happens: impl FnOnce(&mut State) + Send + 'static) -> Self {
        Self::After(Box::new(happens))
    }
}

impl FakeAws {
    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A call that the fake does not know has stopped the test already, with a better sentence.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way into it. No call is tried again by the SDK, so that every call of a test is one of ours.
    pub async fn config(&self) -> SdkConfig {
        self.tried(RetryConfig::disabled()).await
    }

    /// The same with as many attempts as a function's own configuration has, and next to no time between them.
    pub async fn patient_config(&self) -> SdkConfig {
        let retries = RetryConfig::standard()
            .with_max_attempts(4)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(1));
        self.tried(retries).await
    }

    async fn tried(&self, retries: RetryConfig) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .endpoint_url("http://aws.test")
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(retries)
            .load()
            .await
    }

    /// Lets AWS answer an operation so (status and body), in this order; the last answer stands for all that follow. What
    /// CloudWatch answers is written as JSON, and a time in it as `{ "$time": seconds }`.
    pub fn says(&self, operation: &'static str, answers: impl IntoIterator<Item = (u16, String)>) {
        self.state().says.insert(operation, answers.into_iter().collect());
    }

    /// Decides what becomes of the next calls of an operation; those that follow are done and answered.
    pub fn fates(&self, operation: &'static str, fates: impl IntoIterator<Item = Fate>) {
        self.state().fates.entry(operation).or_default().extend(fates);
    }

    /// From now on, calls of an operation are answered only after others had their turn, so that those that are made at
    /// once are under way at once.
    pub fn lingers(&self, operation: &'static str) {
        self.state().lingering.insert(operation, Lingering::default());
    }

    /// How many calls of an operation that lingers were under way at once, at most.
    pub fn most_at_once(&self, operation: &str) -> usize {
        self.state()
            .lingering
            .get(operation)
            .map_or(0, |lingering| lingering.most)
    }

    /// The input of every call of an operation so far.
    pub fn calls(&self, operation: &str) -> Vec<Map<String, Value>> {
        let state = self.state();
        let of_operation = state.calls.iter().filter(|(name, _)| name == operation);
        of_operation.map(|(_, input)| input.clone()).collect()
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name == operation).count()
    }

    /// Every operation that was called, in order.
    pub fn operations(&self) -> Vec<String> {
        self.state().calls.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// What tasks were answered so far.
    pub fn answers(&self) -> Vec<(String, Value)> {
        self.state().answers.clone()
    }

    /// An item of the ledger, as DynamoDB writes it.
    pub fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        self.state().table.items.get(&(pk.to_owned(), sk.to_owned())).cloned()
    }

    /// The ledger as it will be when others have written: `write` is given an AWS of its own, with the same ledger.
    pub async fn others(&self, write: impl AsyncFnOnce(Self)) -> Fate {
        let elsewhere = Self::default();
        elsewhere.state().table.items.clone_from(&self.state().table.items);
        write(elsewhere.clone()).await;
        let items = elsewhere.state().table.items.clone();
        Fate::after(move |state| state.table.items = items)
    }

    /// From now on the index shows what it shows now, whatever is written.
    pub fn index_lags(&self) {
        let mut state = self.state();
        state.table.index = Some(state.table.items.clone());
    }
}

impl fmt::Debug for FakeAws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeAws")
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let left: Vec<&str> = self
            .fates
            .iter()
            .filter(|(_, fates)| !fates.is_empty())
            .map(|(of, _)| *of)
            .collect();
        assert!(
            left.is_empty() || std::thread::panicking(),
            "no call met what was to become of {left:?}"
        );
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.clone();
        HttpConnectorFuture::new(async move {
            let body = ByteStream::new(request.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.to_vec();
            let asked = Asked::read(&request, body);
            if aws.state().enter(&asked.operation) {
                give_way().await;
                aws.state().leave(&asked.operation);
            }
            let met = aws.state().meet(&asked);
            match met {
                Some(answer) => answer,
                None => pending().await,
            }
        })
    }
}

/// Lets everybody else go on first, once.
async fn give_way() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl State {
    /// Whether calls of this operation linger; then this one is under way.
    fn enter(&mut self, operation: &str) -> bool {
        let Some(lingering) = self.lingering.get_mut(operation) else {
            return false;
        };
        lingering.under_way += 1;
        lingering.most = lingering.most.max(lingering.under_way);
        true
    }

    fn leave(&mut self, operation: &str) {
        if let Some(lingering) = self.lingering.get_mut(operation) {
            lingering.under_way -= 1;
        }
    }

    /// The answer, where one comes.
    fn meet(&mut self, asked: &Asked) -> Option<Result<HttpResponse, ConnectorError>> {
        self.calls.push((asked.operation.clone(), asked.input.clone()));
        let fate = self
            .fates
            .get_mut(asked.operation.as_str())
            .and_then(VecDeque::pop_front);
        let protocol = asked.protocol;
        let answer = match fate.unwrap_or(Fate::Done) {
            Fate::Done => self.answer(asked),
            Fate::Refused(code) => Answer::refusal(protocol, Refusal::new(code)),
            Fate::Faulted => {
                self.answer(asked);
                Answer::refusal(protocol, Refusal::new("InternalServerError"))
            }
            Fate::Unanswered => {
                self.answer(asked);
                return Some(Err(ConnectorError::timeout("no answer came".into())));
            }
            Fate::Silent => {
                self.answer(asked);
                return None;
            }
            Fate::Unsent(why) => return Some(Err(ConnectorError::other(why.into(), None))),
            Fate::After(happens) => {
                happens(self);
                self.answer(asked)
            }
        };
        Some(Ok(answer.into_response()))
    }

    fn answer(&mut self, asked: &Asked) -> Answer {
        match self.says.get_mut(asked.operation.as_str()) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        }
        .map_or_else(
            || self.act(asked),
            |(status, body)| Answer::said(asked.protocol, status, body),
        )
    }
}
