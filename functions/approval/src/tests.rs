#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod asking;
mod before;
mod by_command;
mod by_link;
mod hub;
mod markup;
mod page;
mod secrets;
mod waking;

use std::collections::BTreeMap;

use domain::approval::{Approval, ApprovalId, Approver, Choice, When, token};
use domain::environment_state::{Acceptance, Candidate, EnvironmentState};
use domain::ledger::{Entry, verify};
use domain::life::{Event, Status};
use domain::names::{CommitSha, Digest};
use domain::parking::Parked;
use domain::release::ACCEPTANCE;
use fake_aws::sample::{self, ARTIFACTS, MACHINE};
use fake_aws::{Execution, FakeAws, Fate, Item, Mail, Subscription, TABLE};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use hub::Hub;
use markup::Markup;

/// When people are asked.
const ASKED: &str = "2026-11-23T12:00:00Z";
/// How long they have, in minutes.
const WITHIN: i64 = 3 * 24 * 60;

const PAGES: &str = "https://api.test";
const APPROVERS: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate-approvers";
const OPERATORS: &str = "arn:aws:sns:eu-west-1:111111111111:lockgate";

/// Secrets, so spelled that nothing else is like them.
const KEY: &str = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4";
const OTHER_KEY: &str = "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff";
const HUB_TOKEN: &str = "github_pat_canary";
const TASK: &str = "task-token-canary";

const QA: &str = "qa@acme.example";
const LEAD: &str = "lead@acme.example";
/// Has no mail address.
const OPS: &str = "arn:aws:iam::111111111111:user/ops";
const QA_SESSION: &str = "arn:aws:sts::111111111111:assumed-role/qa/testing";
const ADA_SESSION: &str = "arn:aws:sts::111111111111:assumed-role/ada/testing";

const CHECKLIST: &str = "## Ordering\n- [ ] Order two teas.\n- [ ] Cancel the order.\n";

/// So many minutes after people are asked.
fn after(minutes: i64) -> Timestamp {
    ASKED.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn who(name: &str) -> Approver {
    name.parse().unwrap()
}

/// A commit of this number.
fn sha(number: u8) -> CommitSha {
    format!("{number:02x}").repeat(20).parse().unwrap()
}

/// A policy: so many of the people have to accept.
fn policy(need: u32, people: &[&str]) -> Value {
    let person = |name: &&str| {
        let local = name.split('@').next().unwrap();
        let is_mail = name.contains('@');
        let role = format!("arn:aws:iam::111111111111:role/{local}");
        json!({
            "name": name,
            "logins": if is_mail { vec![local] } else { vec![] },
            "arns": if is_mail { vec![role] } else { vec![] },
        })
    };
    json!({
        "when": "after", "people": people.iter().map(person).collect::<Vec<_>>(),
        "duties": [{ "group": "testers", "people": people, "need": need }],
        "within_seconds": WITHIN * 60, "on_reject": "stay",
    })
}

/// A candidate of this number for the environment test; the higher, the later it happened.
fn candidate(number: u8, policy: &Value) -> Deployment {
    let mut deployment = json!(sample::deployment(number));
    deployment["id"] = json!(format!("shop-test-{number}"));
    deployment["reference"] = json!(format!("v1.2.0-rc.{number}"));
    deployment["requested"]["by"] = json!("rita");
    deployment["requested"]["because"] = json!("prerelease");
    deployment["requested"]["title"] = json!("Sell tea by the pound");
    let environment = &mut deployment["environment"];
    for (name, value) in [
        ("name", json!("test")),
        ("account", json!("333333333333")),
        ("on", json!(["prerelease"])),
        ("after", json!("dev")),
        ("integration_tests", json!(true)),
        ("approval", policy.clone()),
    ] {
        environment[name] = value;
    }
    serde_json::from_value(deployment).unwrap()
}

/// approval, the AWS and the GitHub it works on, and a candidate that is in the environment and has passed its tests.
struct Site {
    aws: FakeAws,
    hub: Hub,
    context: Context,
    candidate: Deployment,
}

/// What is left of a deployment's approval when everything is done.
#[derive(Debug, PartialEq)]
struct Left {
    entries: Vec<Entry>,
    approval: Option<Approval>,
    answers: Vec<Value>,
    parked: usize,
}

impl Site {
    /// Two can accept it, and one has to.
    async fn new() -> Self {
        Self::asking(policy(1, &[QA, LEAD])).await
    }

    async fn asking(policy: Value) -> Self {
        Box::pin(Self::of(candidate(1, &policy), CHECKLIST)).await
    }

    async fn of(candidate: Deployment, checklist: &str) -> Self {
        let aws = FakeAws::default();
        aws.state().parameters.extend([
            ("/keys/key".to_owned(), KEY.to_owned()),
            ("/lockgate/github/token".to_owned(), HUB_TOKEN.to_owned()),
        ]);
        for person in &candidate.environment.approval.as_ref().unwrap().people {
            if let Some(mail) = person.name.mail() {
                subscribe(&aws, mail, true);
            }
        }
        let hub = Hub::default();
        let context = context(&aws, &hub).await;
        let site = Self {
            aws,
            hub,
            context,
            candidate,
        };
        let release = site
            .aws
            .stores(&[("manifest.json", b"{}"), (ACCEPTANCE, checklist.as_bytes())]);
        site.runs(&site.candidate);
        let policy = site.candidate.environment.approval.as_ref().unwrap();
        let happened = match policy.when {
            When::After => tested(&site.candidate, &release),
            When::Before => before::prepared(&site.candidate, &release),
        };
        site.record(happened).await;
        let (fence, stable) = (site.candidate.clone(), sha(9));
        site.change_environment(|state| {
            state.admit(Candidate::of(&fence), after(-30));
            let mut accepted = sample::stable(&sample::deployment(9));
            accepted.commit = stable.clone();
            accepted.accepted = Some(Acceptance {
                by: vec![who(QA)],
                at: after(-60),
            });
            state.accepted = Some(stable.clone());
            state.stable = Some(accepted);
        })
        .await;
        site.aws.forget_calls();
        site
    }

    fn runs(&self, deployment: &Deployment) {
        self.stands(deployment, "RUNNING");
    }

    fn stands(&self, deployment: &Deployment, status: &str) {
        let execution = Execution {
            input: json!(deployment),
            status: status.to_owned(),
        };
        let mut state = self.aws.state();
        state.executions.insert(deployment.id.to_string(), execution);
        if status != "RUNNING" {
            state.gone.insert(TASK.to_owned());
        }
    }

    /// The state was called again, and parks another token.
    async fn park_again(&self) {
        let mut again = self.parked().await.pop().unwrap();
        again.token = "again".to_owned().into();
        self.context.ledger.park(&again).await.unwrap();
    }

    async fn record(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let recorded = self.context.ledger.record(&self.candidate.id, event, after(-1));
            recorded.await.unwrap();
        }
    }

    async fn change_environment(&self, change: impl Fn(&mut EnvironmentState)) {
        let (application, environment) = (&self.candidate.application, &self.candidate.environment.name);
        let changed = self.context.ledger.change_environment(application, environment, change);
        changed.await.unwrap();
    }

    /// A newer candidate queues behind this one.
    async fn newer(&self, number: u8) {
        let newer = Candidate::of(&candidate(number, &policy(1, &[QA])));
        self.change_environment(|state| {
            state.admit(newer.clone(), after(1));
        })
        .await;
    }

    /// Is called as API Gateway, the state machine or the sweep does it.
    async fn call(&self, input: Value, now: Timestamp) -> Result<Output, Error> {
        let input = serde_json::from_value(input).unwrap();
        Box::pin(handle_at(&self.context, input, now)).await
    }

    async fn ask(&self) -> Result<Output, Error> {
        self.ask_with(TASK, after(0)).await
    }

    async fn ask_with(&self, token: &str, now: Timestamp) -> Result<Output, Error> {
        let task = json!({ "do": "ask", "deployment": self.candidate, "token": token });
        self.call(task, now).await
    }

    async fn wake(&self, minutes: i64) -> Result<Output, Error> {
        let task = json!({ "do": "wake", "key": Key::approval(&self.candidate.id) });
        self.call(task, after(minutes)).await
    }

    async fn request(&self, event: Value, now: Timestamp) -> Response {
        let output = self.call(event, now).await.unwrap();
        let Output::Response(response) = output else {
            panic!("a person got {output:?}");
        };
        response
    }

    fn id(&self) -> ApprovalId {
        ApprovalId::of(&self.candidate.id, When::After)
    }

    /// The link that somebody got with their last mail: its token.
    fn link(&self, approver: &str) -> String {
        let mails = self.mails_to(approver);
        let start = format!("{PAGES}/approvals/{}?token=", self.id());
        let links: Vec<&str> = mails
            .last()
            .unwrap()
            .body
            .lines()
            .filter_map(|line| line.strip_prefix(&start))
            .collect();
        let [token] = links.as_slice() else {
            panic!("a mail with {} links", links.len());
        };
        (*token).to_owned()
    }

    /// The token that would be in somebody's link.
    async fn token_of(&self, approver: &str) -> String {
        let keys = self.context.keys.keys(after(0)).await.unwrap();
        let (approval, approver) = (self.approval().await, who(approver));
        token::mint(&keys, &token::Claims::of(&approval, &approver))
            .expose()
            .to_owned()
    }

    async fn open(&self, token: &str, minutes: i64) -> Response {
        self.request(opens("GET", &self.id(), token), after(minutes)).await
    }

    /// The nonce of the page that somebody opens.
    async fn nonce(&self, token: &str, minutes: i64) -> String {
        let page = self.open(token, minutes).await;
        Markup::of(&page.body).field("nonce").unwrap()
    }

    /// Somebody opens their link, and answers at once.
    async fn answers(&self, approver: &str, decision: Choice, minutes: i64) -> Response {
        let token = self.token_of(approver).await;
        let nonce = self.nonce(&token, minutes).await;
        let form = Form::new(&token, &nonce, decision);
        self.send(&form, minutes).await
    }

    async fn send(&self, form: &Form, minutes: i64) -> Response {
        self.request(form.event(&self.id()), after(minutes)).await
    }

    /// Somebody answers by the command.
    async fn says(&self, arn: &str, body: &Value, minutes: i64) -> Response {
        self.request(said(&self.id(), arn, &body.to_string()), after(minutes))
            .await
    }

    fn mails_to(&self, approver: &str) -> Vec<Mail> {
        let wanted = BTreeMap::from([("approver".to_owned(), approver.to_owned())]);
        let mails = self.aws.state().mails.clone();
        let of = |mail: &Mail| mail.topic == APPROVERS && mail.attributes == wanted;
        mails.into_iter().filter(of).collect()
    }

    fn mails_to_operators(&self) -> Vec<Mail> {
        let mails = self.aws.state().mails.clone();
        mails.into_iter().filter(|mail| mail.topic == OPERATORS).collect()
    }

    async fn found(&self) -> Option<Approval> {
        self.context.ledger.approval(&self.id()).await.unwrap()
    }

    async fn approval(&self) -> Approval {
        self.found().await.unwrap()
    }

    async fn entries(&self) -> Vec<Entry> {
        let entries = self.context.ledger.entries(&self.candidate.id).await.unwrap();
        verify(&self.candidate.id, &entries).unwrap();
        entries
    }

    /// What has happened since the tests, by name.
    async fn story(&self) -> Vec<&'static str> {
        let entries = self.entries().await;
        let names = entries.iter().map(|entry| entry.what.name());
        names.skip_while(|name| *name != "integration_tested").skip(1).collect()
    }

    async fn status(&self) -> Status {
        self.context
            .ledger
            .head(&self.candidate.id)
            .await
            .unwrap()
            .unwrap()
            .status
    }

    async fn parked(&self) -> Vec<Parked> {
        self.context
            .ledger
            .parked(&Key::approval(&self.candidate.id))
            .await
            .unwrap()
    }

    /// What the waiting task was answered.
    fn told(&self) -> Vec<Value> {
        self.aws.answers().into_iter().map(|(_, answer)| answer).collect()
    }

    /// What is kept of refused answers: why, whose and from where.
    fn audit(&self) -> Vec<(String, Option<String>, String)> {
        let state = self.aws.state();
        let of = format!("approval#{}", self.id());
        let refused = state
            .table
            .items
            .iter()
            .filter(|((pk, sk), _)| *pk == of && sk.starts_with("refused#"));
        let text = |item: &Item, name: &str| item[name]["S"].as_str().map(str::to_owned);
        refused
            .map(|(_, item)| {
                (
                    text(item, "why").unwrap(),
                    text(item, "by"),
                    text(item, "source").unwrap(),
                )
            })
            .collect()
    }

    /// Who gave those of them that came by the command.
    fn callers(&self) -> Vec<String> {
        let state = self.aws.state();
        let refused = state
            .table
            .items
            .iter()
            .filter(|((_, sk), _)| sk.starts_with("refused#"));
        let caller = |item: &Item| item["caller"]["S"].as_str().map(str::to_owned);
        refused.filter_map(|(_, item)| caller(item)).collect()
    }

    /// All that is kept, but for what is kept of refused answers.
    fn kept(&self) -> BTreeMap<(String, String), Item> {
        let mut items = self.aws.state().table.items.clone();
        items.retain(|(_, sk), _| !sk.starts_with("refused#"));
        items
    }

    async fn left(&self) -> Left {
        Left {
            entries: self.entries().await,
            approval: self.found().await,
            answers: self.told(),
            parked: self.parked().await.len(),
        }
    }
}

async fn context(aws: &FakeAws, hub: &Hub) -> Context {
    let way = Aws::with(aws.config().await);
    let parameters = Parameters::new(way.ssm());
    let patience = Patience {
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    Context {
        ledger: Ledger::new(way.dynamodb(), TABLE),
        tasks: Tasks::new(way.step_functions()),
        executions: Executions::new(way.step_functions(), MACHINE),
        artifacts: Artifacts::new(&way, ARTIFACTS),
        approvers: Approvers::new(way.sns(), APPROVERS),
        operators: Notifications::new(way.sns(), OPERATORS),
        keys: KeyStore::new(parameters.clone(), "/keys".to_owned()),
        parameters,
        github: Access::new(
            GitHub::new(github::API, Credentials::None)
                .unwrap()
                .patient(patience)
                .through(hub.clone()),
            "/lockgate/github",
        ),
        github_api: github::API.to_owned(),
        pages: PAGES.to_owned(),
        asks_within: ASKS_WITHIN,
    }
}

fn subscribe(aws: &FakeAws, mail: &str, confirmed: bool) {
    aws.state().subscriptions.push(Subscription {
        topic: APPROVERS.to_owned(),
        endpoint: mail.to_owned(),
        confirmed,
    });
}

/// Everything that happens to a candidate before people are asked.
fn tested(deployment: &Deployment, release: &Digest) -> Vec<Event> {
    let event = |value: Value| serde_json::from_value(value).unwrap();
    let (leg, stack) = ("forward", "shop-test");
    vec![
        Event::Requested {
            deployment: Box::new(deployment.clone()),
        },
        Event::Admitted { fence: 1 },
        Event::Released {
            release: release.clone(),
        },
        event(json!({ "event": "planned", "leg": leg, "release": release, "waves": [[stack, "shop-test-web"]] })),
        event(json!({ "event": "compared", "leg": leg, "stack": stack, "summary": {
            "add": 2, "modify": 1, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 1, "truncated": 0,
            "losses": [{
                "logical_id": "Orders", "resource_type": "AWS::DynamoDB::Table", "how": "replaced",
                "stateful": true, "kept": false,
            }],
            "changes": [{ "logical_id": "Basket", "resource_type": "AWS::SQS::Queue", "action": "add" }],
        } })),
        event(json!({ "event": "compared", "leg": leg, "stack": "shop-test-web", "summary": null })),
        event(json!({ "event": "executing", "leg": leg, "stack": stack, "change_set": "arn:set" })),
        event(json!({ "event": "updated", "leg": leg, "stack": stack })),
        event(
            json!({ "event": "smoke_tested", "leg": leg, "report": { "passed": true, "checks": [{
            "name": "front page", "kind": "http", "passed": true, "attempts": 1, "took_ms": 12, "reasons": [],
        }] } }),
        ),
        event(json!({ "event": "integration_testing", "build": "b:1", "log": "https://logs.test/b:1" })),
        event(json!({
            "event": "integration_tested", "passed": true, "cause": null, "log": "https://logs.test/b:1",
        })),
    ]
}

/// A browser opens a link.
fn opens(method: &str, id: &ApprovalId, token: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": format!("{method} /approvals/{{id}}"),
        "rawPath": format!("/approvals/{id}"),
        "rawQueryString": format!("token={token}"),
        "queryStringParameters": { "token": token },
        "pathParameters": { "id": id },
        "headers": { "host": "api.test", "user-agent": "a browser" },
        "requestContext": { "http": { "method": method, "path": format!("/approvals/{id}") } },
        "isBase64Encoded": false,
    })
}

/// The command's request, as API Gateway hands it on once IAM has let it in.
fn said(id: &ApprovalId, arn: &str, body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /approvals/{id}/ballots",
        "pathParameters": { "id": id },
        "headers": { "content-type": "application/json" },
        "requestContext": { "authorizer": { "iam": { "userArn": arn, "accountId": "111111111111" } } },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// A page's form as a browser sends it.
#[derive(Clone)]
struct Form {
    fields: Vec<(&'static str, String)>,
    headers: BTreeMap<&'static str, String>,
}

impl Form {
    fn new(token: &str, nonce: &str, decision: Choice) -> Self {
        let comment = match decision {
            Choice::Accept => "",
            Choice::Reject => "the prices are wrong",
        };
        Self {
            fields: vec![
                ("token", token.to_owned()),
                ("nonce", nonce.to_owned()),
                ("comment", comment.to_owned()),
                ("decision", decision.to_string()),
            ],
            // What Chromium sends along with the form of a page that says "no-referrer".
            headers: BTreeMap::from([
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ("origin", "null".to_owned()),
                ("sec-fetch-site", "same-origin".to_owned()),
            ]),
        }
    }

    fn with(mut self, field: &'static str, value: &str) -> Self {
        self.fields.retain(|(name, _)| *name != field || field == "tick");
        self.fields.push((field, value.to_owned()));
        self
    }

    fn without(mut self, field: &str) -> Self {
        self.fields.retain(|(name, _)| *name != field);
        self
    }

    fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.remove(name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    fn body(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.fields);
        form.finish()
    }

    /// API Gateway hands a form on in base64.
    fn event(&self, id: &ApprovalId) -> Value {
        use base64::Engine as _;
        let mut event = opens("POST", id, "");
        event["headers"] = json!(self.headers);
        event["body"] = base64::engine::general_purpose::STANDARD.encode(self.body()).into();
        event["isBase64Encoded"] = true.into();
        event
    }
}

/// The ways in which one call can go wrong.
fn ways_to_fail() -> [fn() -> Fate; 3] {
    [
        || Fate::Refused("ThrottlingException"),
        || Fate::Faulted,
        || Fate::Unanswered,
    ]
}

/// Acts once in peace, and then once more for each call that this takes and each way in which the call can fail, each
/// time in a world of its own. What is left after `finish` has to be the same.
async fn whichever_call_fails(
    begin: impl AsyncFn() -> Site,
    act: impl AsyncFn(&Site),
    finish: impl AsyncFn(&Site),
    check: impl Fn(&Site, &str),
) {
    let calm = Box::pin(begin()).await;
    calm.aws.forget_calls();
    Box::pin(act(&calm)).await;
    let calls = calm.aws.operations();
    Box::pin(finish(&calm)).await;
    check(&calm, "no call fails");
    let expected = calm.left().await;
    for (number, operation) in calls.iter().enumerate() {
        let operation: &'static str = operation.clone().leak();
        let before = calls[..number].iter().filter(|call| *call == operation).count();
        for (way, fate) in ways_to_fail().into_iter().enumerate() {
            let site = Box::pin(begin()).await;
            let fates = std::iter::repeat_with(|| Fate::Done).take(before).chain([fate()]);
            site.aws.fates(operation, fates);
            Box::pin(act(&site)).await;
            Box::pin(finish(&site)).await;
            let what = format!("call {number}, {operation}, fails in way {way}");
            check(&site, &what);
            assert_eq!(site.left().await, expected, "{what}");
        }
    }
}
