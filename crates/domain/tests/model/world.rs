//! The modelled world: what is true at AWS, what the ledger says, and what each execution is about to do.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::approval::token::Keys;
use domain::approval::{
    Approval, ApprovalPolicy, Approver, Contributor, Duty, Facts, OnReject, Outcome as Decided, Person,
    Question as Asked, Role, When,
};
use domain::build_record::BuildRecord;
use domain::change_set::{self, client_token};
use domain::configuration::Application;
use domain::deployment::{Cause, Deployment, Environment, Leg, QueuePolicy, WithoutStable};
use domain::environment_state::{EnvironmentState, Fence, StableRelease};
use domain::failure::Name;
use domain::intake::{self, Course as Got, Decision, Delivery, DeliveryId, Push, Release, ReleaseAction, Resolved};
use domain::ledger::{Entry, Head, verify};
use domain::life::{Ending, Event, Status};
use domain::names::{CommitSha, Digest, StackName};
use jiff::Timestamp;

/// The most stacks of a deployment, all in one wave.
pub const STACKS: usize = 2;

/// Every moment that is not compared with another one.
pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Later than that, longer than any lease, and after every deadline.
pub const MUCH_LATER: Timestamp = Timestamp::MAX;

/// A protection whose absence has to be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// `begin` compares the fence.
    FenceCompared,
    /// `begin` compares owner and fence.
    OwnerCompared,
    /// `begin` refuses while another operation is in flight.
    NothingInFlight,
    /// An operation is cleared only after its change was seen to have ended.
    EndSeen,
    /// A quarantined environment admits nothing.
    QuarantineHeeded,
    /// Of a stack's events, those count that carry the token of the change that is waited for.
    ItsEventsRead,
    /// The change set that is asked after is the one that is waited for, whatever the stack went through since.
    ItsChangeSetAsked,
    /// An end is the end.
    EndAbsorbs,
    /// A delivery is claimed with a state, and one that stopped half-way is completed.
    ClaimHasState,
    /// A copy of a delivery does what is left to do of what was decided first.
    ClaimHeeded,
    /// That a delivery asks for nothing is recorded before it is answered.
    ReasonRecorded,
    /// An execution is named after what is asked, and not after the delivery.
    NamedAfterWhatIsAsked,
    /// Between beginning an operation and executing a change set, the record takes note, and may refuse.
    RecordedBeforeExecuted,
    /// The sweep looks at whatever waits.
    SweepWakes,
    /// Dead executions are put right.
    DeadArePutRight,
    /// An older push never supersedes a newer one.
    NewestKept,
    /// "Superseded" and "unknown" are believed only of a deployment that has asked.
    AskedBeforeTold,
    /// Assessing knows on which leg the failure happened.
    LegTold,
    /// Calling an operator without having the lock gives up the place in the queue.
    PlaceGivenUp,
    /// A stack that could not be put back stays unsettled in the record.
    StuckKept,
    /// A build's end counts only for the attempt under way.
    BuildIdentified,
    /// What people decided says where the execution goes on.
    AnswerHeeded,
    /// The record takes no release for deployed that people were to accept and did not.
    AcceptanceAwaited,
    /// An approval is decided by one conditional write.
    DecidedOnce,
    /// Whoever wrote a release has no say in it.
    AuthorExcluded,
    /// Only those have a say who are asked.
    StrangerRefused,
    /// An answer is given once.
    VotedOnce,
    /// After the deadline no link holds and no answer counts.
    InTime,
    /// A link holds for the release that it was made for.
    LinkBound,
    /// An entry is written on condition that the record still stands where its writer read it.
    HeadCompared,
    /// Who is superseded while people are asked leaves the environment to the newer one.
    SupersededLeaves,
    /// People's time is over some day.
    DeadlineKept,
    /// Only what was stable before, and accepted there, comes into the next environment.
    PromotionHeeded,
}

/// How much of everything one exploration has.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether something can happen at all"
)]
pub struct Scope {
    pub name: &'static str,
    /// One policy for each environment.
    pub environments: Vec<(QueuePolicy, WithoutStable)>,
    /// What becomes of a candidate that is not accepted, for each environment that asks people.
    pub asks: [Option<OnReject>; 2],
    /// How many people are asked, of whom all have to accept.
    pub people: usize,
    /// Whether the second environment takes only what was stable in the first, and is asked for on its own.
    pub promotes: bool,
    pub releases: usize,
    pub stacks: usize,
    /// Whether commits are built, or all releases are known beforehand.
    pub builds: bool,
    /// Whether a push that asks for nothing is delivered as well.
    pub ignored: bool,
    /// Whether nothing goes from one environment to the other, so that they are explored one after the other.
    pub apart: bool,
    /// Whether the entries of each record are kept, with their hashes.
    pub chained: bool,
    /// Whether two pushes may bear the same second.
    pub same_second: bool,
    /// What may happen beyond the expected, and how often each.
    pub left: Left,
    /// How a change may end other than well.
    pub rolls_back: bool,
    pub rollback_fails: bool,
    /// Whether smoke tests may be red, and whether a release may hold no change.
    pub red: bool,
    pub no_changes: bool,
    /// Whether what is needed on the way back may be gone.
    pub plan_fails: bool,
}

impl Scope {
    /// How many deliveries ask for something: one for each push, and one for each pre-release where those are asked for on
    /// their own.
    pub fn deliveries(&self) -> usize {
        self.releases * if self.promotes { self.environments.len() } else { 1 }
    }

    /// How many deliveries GitHub will surely send. Each may come once more, under an id of its own.
    pub fn pushes(&self) -> usize {
        self.deliveries() + usize::from(self.ignored)
    }

    /// The deployments that a delivery asks for.
    pub fn asked_by(&self, delivery: usize) -> std::ops::Range<usize> {
        let each = self.releases * self.environments.len() / self.deliveries();
        delivery * each..(delivery + 1) * each
    }
}

/// How often each unexpected thing may still happen, and how many in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Left {
    pub any: u8,
    pub crashes: u8,
    pub pauses: u8,
    pub stops: u8,
    pub mistakes: u8,
    pub lifts: u8,
    pub redeliveries: u8,
}

/// What an invocation of a function is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// gate: park.
    Park,
    /// gate: ask for the lock, record, answer.
    Ask,
    /// Nothing: its token is parked under its environment's lock.
    WaitForLock,
    /// build: park, ask for the release, start.
    Build,
    /// Nothing: its token is parked under its commit's build.
    WaitForBuild,
    /// approval: park, make the approval's record, say so.
    AskPeople,
    /// Nothing: its token is parked until people have decided.
    WaitForPeople,
    /// deploy: read the release, create the change sets.
    Plan,
    /// The stacks of the wave, each on its own.
    Wave,
    /// deploy: park, begin the operation.
    Begin(usize),
    /// deploy: record, execute the change set.
    Execute(usize),
    /// smoke-test.
    Smoke,
    /// gate: decide what follows from a failure.
    Assess,
    /// gate: end, give the lock back.
    Close,
    /// gate: keep the lock, end.
    Operator,
}

/// How far a stack is within its wave, as its execution sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Branch {
    Begins,
    Executes,
    Waits,
    Done,
    Failed(Name),
}

/// A change set as CloudFormation has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Available,
    Running,
    Over(Outcome),
}

/// How a stack's change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Updated,
    RolledBack,
    RollbackFailed,
}

/// An execution as Step Functions has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Course {
    NotStarted,
    Runs,
    Over,
    /// Stopped by hand or dead: nobody inside it finished the path.
    Dead,
}

/// An invocation that its execution no longer waits for, and which goes on all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Invocation {
    pub call: Call,
    pub leg: Leg,
    pub fence: Fence,
    pub failure: Option<Name>,
}

/// One deployment: its execution, its record, its changes.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Run {
    pub started: u8,
    pub course: Course,
    pub now: Invocation,
    pub branches: [Branch; STACKS],
    pub ghost: Option<Invocation>,
    pub changes: [[Change; STACKS]; 2],
    pub record: Known,
    pub question: Question,
}

/// What people are asked about a deployment, and what they answered. What is compared and hashed is all that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Question(pub Option<Arc<Approval>>);

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Some(approval) = &self.0 else {
            return 0.hash(state);
        };
        for ballot in &approval.ballots {
            (&ballot.by, ballot.decision, ballot.at).hash(state);
        }
        outcome_code(approval.outcome.as_ref()).hash(state);
    }
}

fn outcome_code(outcome: Option<&Decided>) -> (u8, Option<&str>) {
    match outcome {
        None => (1, None),
        Some(Decided::Accepted { .. }) => (2, None),
        Some(Decided::Rejected { by, .. }) => (3, Some(by.as_str())),
        Some(Decided::Expired { .. }) => (4, None),
        Some(Decided::Superseded { by, .. }) => (5, Some(by.as_str())),
        Some(Decided::Unreachable { .. }) => (6, None),
        Some(Decided::Withdrawn { .. }) => (7, None),
    }
}

/// A deployment's record. What is compared and hashed is its fold: two ways to the same fold are not told apart.
#[derive(Debug, Clone)]
pub struct Known {
    pub status: Arc<Status>,
    /// The entries, where the scope keeps them.
    pub chain: Option<Arc<Chain>>,
    /// Where the record stood when an invocation was paused that may have read it before.
    pub at_pause: Option<Head>,
    /// Where whoever writes next read that it stands, if that was a while ago.
    pub read_before: Option<Head>,
}

/// A record's entries, and where its writers believe that it stands.
#[derive(Debug)]
pub struct Chain {
    pub entries: Vec<Entry>,
    pub head: Head,
    /// Whether a reader takes the entries for that record, and each entry is what was written there first.
    pub whole: bool,
}

impl Chain {
    /// With one entry more, or with another one in the place of one that was there.
    pub fn with(&self, entry: Entry, head: Head) -> Self {
        let mut entries = self.entries.clone();
        let place = usize::try_from(entry.sequence).unwrap_or(1) - 1;
        match entries.get_mut(place) {
            Some(there) => *there = entry,
            None => entries.push(entry),
        }
        let kept = entries.starts_with(&self.entries);
        let whole = self.whole && kept && verify(&head.deployment, &entries).is_ok_and(|found| found == head);
        Self { entries, head, whole }
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let status = &*self.status;
        (status.phase, status.leg, status.fence).hash(state);
        (&status.release, &status.back_to, &status.stacks).hash(state);
        (
            &status.votes,
            outcome_code(status.decided.as_ref()),
            status.accepted.is_some(),
        )
            .hash(state);
        status.because.as_ref().map(|failure| failure.name).hash(state);
        match &status.ending {
            None => 0.hash(state),
            Some(Ending::Deployed) => 1.hash(state),
            Some(Ending::NothingToDeploy) => 2.hash(state),
            Some(Ending::Superseded { by }) => (3, by).hash(state),
            Some(Ending::FailedClean { failure, way_back }) => (4, failure.name, way_back_code(way_back)).hash(state),
            Some(Ending::OperatorNeeded { failure }) => (5, failure.name).hash(state),
            Some(Ending::RolledBack { to, .. }) => (6, to).hash(state),
            Some(Ending::Planned) => 7.hash(state),
        }
    }
}

fn way_back_code(way_back: &domain::life::WayBack) -> u8 {
    use domain::life::WayBack::{NoStableRelease, NothingChanged, Stays, WentBack};
    match way_back {
        NothingChanged => 0,
        WentBack { .. } => 1,
        NoStableRelease => 2,
        Stays => 3,
    }
}

/// A commit's builds: what the ledger says, and CodeBuild's own. A build's id is its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Builds {
    pub record: Arc<BuildRecord>,
    /// The attempt each build belongs to, and whether it ended well.
    pub known: Vec<(u32, Option<bool>)>,
}

impl Hash for Builds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &*self.record {
            BuildRecord::None => 0.hash(state),
            BuildRecord::Building { attempt, build, .. } => (1, attempt, build).hash(state),
            BuildRecord::Built { release, build, .. } => (2, release, build).hash(state),
            BuildRecord::Failed { attempt, build, .. } => (3, attempt, build).hash(state),
        }
        self.known.hash(state);
    }
}

/// A delivery as far as GitHub and the ledger have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intake {
    /// Whether GitHub was told that it is taken in.
    pub answered: bool,
    pub record: Option<Arc<Delivery>>,
}

impl Intake {
    /// Whether it is claimed, and not all of what it asks for is started.
    pub fn is_half_way(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.look_at().is_some())
    }

    /// Whether GitHub has still to send it, or to send it again because nobody took it in.
    pub fn is_to_come(&self) -> bool {
        !self.answered && self.record.is_none()
    }
}

impl Hash for Intake {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.answered.hash(state);
        match self.record.as_ref().map(|record| &record.course) {
            None => 0.hash(state),
            Some(Got::Received { deployments }) => (1, deployments.len()).hash(state),
            Some(Got::Started { deployments }) => (2, deployments.len()).hash(state),
            Some(Got::Ignored { reason }) => (3, reason).hash(state),
        }
    }
}

/// Something that must never happen and cannot be seen in a state afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a sighting of its own")]
pub struct Seen {
    pub stale_begin: bool,
    pub stale_effect: bool,
    pub second_end: bool,
    pub entered_quarantine: bool,
    pub foreign_event_heeded: bool,
    pub newer_superseded_by_older: bool,
    pub second_decision: bool,
    pub skipped_ahead: bool,
    /// A copy of a delivery did something else than what is recorded of it.
    pub second_meaning: bool,
    /// An answer counted that was given about another release.
    pub answer_about_another: bool,
}

/// A state of the world.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct World {
    pub environments: Vec<Arc<EnvironmentState>>,
    pub deliveries: Vec<Intake>,
    pub runs: Vec<Arc<Run>>,
    pub builds: Vec<Arc<Builds>>,
    /// The releases that ever became stable in each environment, where another one asks for that.
    pub kept: Vec<Arc<BTreeMap<Digest, StableRelease>>>,
    pub left: Left,
    pub seen: Seen,
}

/// What a scope holds that never changes: the deployments as `intake::asks` decides them, in the order of their pushes.
#[derive(Debug)]
pub struct Given {
    /// By release, then by environment.
    pub deployments: Vec<Deployment>,
    pub releases: Vec<Digest>,
    pub stacks: Vec<StackName>,
    /// The token that a stack's events carry, by deployment, leg and stack.
    pub tokens: Vec<[Vec<String>; 2]>,
    /// What each delivery leads to; the one that asks for nothing comes last.
    pub decisions: Vec<Decision>,
    /// What each would lead to if it came after operators had named another branch.
    pub decisions_after_change: Vec<Decision>,
    pub ids: Vec<DeliveryId>,
    /// What people are asked about each deployment, where its environment asks.
    pub approvals: Vec<Option<Approval>>,
    /// Those whose answer may count.
    pub may_answer: Vec<Approver>,
    pub author: Approver,
    pub stranger: Approver,
    pub keys: Keys,
}

impl Given {
    pub fn of(scope: &Scope) -> Self {
        let application = application(scope);
        let changed = Application {
            branch: "next".to_owned(),
            ..application.clone()
        };
        let mut events = Vec::new();
        for release in 0..scope.releases {
            events.push((push(scope, release, "refs/heads/main"), None));
            if scope.promotes {
                let resolved = Resolved {
                    commit: commit(release),
                    title: String::new(),
                };
                events.push((candidate(release), Some(resolved)));
            }
        }
        if scope.ignored {
            events.push((push(scope, scope.releases, "refs/heads/next"), None));
        }
        let ids: Vec<DeliveryId> = (1..=2 * events.len())
            .map(|n| format!("{n:032x}").parse().expect("an id"))
            .collect();
        let decide = |application: &Application| -> Vec<Decision> {
            let asks = |((event, resolved), id): (&(intake::Event, Option<Resolved>), &DeliveryId)| {
                let found = intake::Found {
                    commit: resolved.clone(),
                    may_write: false,
                };
                intake::asks(event, Some(application), id, &found, NOW)
            };
            events.iter().zip(&ids).map(asks).collect()
        };
        let decisions = decide(&application);
        let deployments: Vec<Deployment> = decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::Ask(asked) => Some(asked.clone()),
                Decision::Ignored(_) => None,
            })
            .flatten()
            .collect();
        assert_eq!(
            deployments.len(),
            scope.releases * scope.environments.len(),
            "each asks for what the scope says"
        );
        let releases: Vec<Digest> = (0..scope.releases)
            .map(|n| Digest::of(&[n.try_into().unwrap_or(u8::MAX)]))
            .collect();
        let stacks: Vec<StackName> = ["data", "web"]
            .iter()
            .map(|name| name.parse().expect("a stack's name"))
            .collect();
        let tokens = |deployment: &Deployment| {
            [Leg::Forward, Leg::Back].map(|leg| {
                let token = |stack| client_token(change_set::Call::Execute, &deployment.id, leg, stack);
                stacks.iter().map(token).collect()
            })
        };
        let author = person(AUTHOR);
        let approvals = deployments.iter().enumerate().map(|(d, deployment)| {
            let question = Asked {
                release: releases[d / scope.environments.len()].clone(),
                policy: deployment.environment.approval.clone()?,
                contributors: vec![Contributor {
                    name: "Author".to_owned(),
                    login: None,
                    mail: Some(AUTHOR.to_owned()),
                    role: Role::Author,
                }],
                facts: Facts::default(),
                checklist: Vec::new(),
                unconfirmed: Vec::new(),
                prepared: None,
                waits_since: NOW,
            };
            Some(Approval::ask(deployment, question, NOW))
        });
        Self {
            tokens: deployments.iter().map(tokens).collect(),
            decisions_after_change: decide(&changed),
            decisions,
            ids,
            approvals: approvals.collect(),
            may_answer: ASKED[..scope.people].iter().map(|name| person(name).name).collect(),
            author: author.name,
            stranger: person("stranger@acme.example").name,
            keys: Keys {
                current: "0f".repeat(32).parse().expect("a key"),
                previous: None,
            },
            deployments,
            releases,
            stacks,
        }
    }
}

const ASKED: [&str; 2] = ["qa@acme.example", "lead@acme.example"];
const AUTHOR: &str = "author@acme.example";

pub fn person(name: &str) -> Person {
    Person {
        name: name.parse().expect("a mail address"),
        logins: Vec::new(),
        mails: Vec::new(),
        arns: Vec::new(),
    }
}

fn commit(n: usize) -> CommitSha {
    format!("{:040x}", n + 1).parse().expect("a commit")
}

/// The pre-release of a release's commit.
fn candidate(release: usize) -> intake::Event {
    intake::Event::Release(Release {
        repository: "acme/shop".parse().expect("a repository"),
        fork: false,
        id: release.try_into().expect("small"),
        tag: format!("v{release}"),
        draft: false,
        prerelease: true,
        action: ReleaseAction::Published,
        by: "ada".to_owned(),
        name: String::new(),
        at: Some(Timestamp::from_second(release.try_into().expect("small")).expect("a moment")),
    })
}

fn push(scope: &Scope, release: usize, reference: &str) -> intake::Event {
    let second = if scope.same_second { 1 } else { release };
    intake::Event::Push(Push {
        repository: "acme/shop".parse().expect("a repository"),
        fork: false,
        reference: reference.to_owned(),
        before: release.checked_sub(1).map(commit),
        after: Some(commit(release)),
        pushed_at: Some(Timestamp::from_second(second.try_into().expect("small")).expect("a moment")),
        by: "ada".to_owned(),
        title: String::new(),
    })
}

fn application(scope: &Scope) -> Application {
    let environment = |(place, (queue, without_stable)): (usize, &(QueuePolicy, WithoutStable))| Environment {
        name: ["dev", "test"][place].parse().expect("a name"),
        account: ["222222222222", "333333333333"][place].parse().expect("an account"),
        region: "eu-west-1".parse().expect("a region"),
        on: vec![if scope.promotes && place == 1 {
            Cause::Prerelease
        } else {
            Cause::Push
        }],
        after: (scope.promotes && place == 1).then(|| "dev".parse().expect("a name")),
        queue: *queue,
        stacks: Vec::new(),
        qualifier: "hnb659fds".parse().expect("a qualifier"),
        without_stable: *without_stable,
        replace_failed_stacks: true,
        freezes: Vec::new(),
        integration_tests: false,
        approval: scope.asks[place].map(|on_reject| policy(scope, on_reject)),
        after_acceptance: scope.promotes && place == 1 && scope.asks[0].is_some(),
        max_age_seconds: None,
        pull_requests: false,
        url: None,
        bake: None,
        watch_seconds: None,
        holds: false,
        keep: domain::deployment::KEEP,
    };
    Application {
        repository: "acme/shop".parse().expect("a repository"),
        branch: "main".to_owned(),
        environments: scope.environments.iter().enumerate().map(environment).collect(),
    }
}

fn policy(scope: &Scope, on_reject: OnReject) -> ApprovalPolicy {
    let asked = ASKED[..scope.people].iter().chain([&AUTHOR]);
    let people: Vec<Person> = asked.map(|name| person(name)).collect();
    ApprovalPolicy {
        when: When::After,
        duties: vec![Duty {
            group: None,
            people: people.iter().map(|person| person.name.clone()).collect(),
            need: scope.people.try_into().expect("few"),
        }],
        people,
        within_seconds: 60,
        on_reject,
    }
}

impl World {
    pub fn new(scope: &Scope, given: &Given) -> Self {
        let run = |deployment: &Deployment| {
            let requested = Event::Requested {
                deployment: Box::new(deployment.clone()),
            };
            let head = Head::empty(deployment.id.clone());
            let begun = head.append(requested, NOW).expect("it begins so");
            let (entry, head) = begun.expect("the first entry is written");
            let status = head.status.clone();
            let chain = Chain {
                entries: vec![entry],
                head,
                whole: true,
            };
            Arc::new(Run {
                started: 0,
                course: Course::NotStarted,
                now: Invocation {
                    call: Call::Park,
                    leg: Leg::Forward,
                    fence: 0,
                    failure: None,
                },
                branches: [Branch::Done; STACKS],
                ghost: None,
                changes: [[Change::Available; STACKS]; 2],
                record: Known {
                    status: Arc::new(status),
                    chain: scope.chained.then(|| Arc::new(chain)),
                    at_pause: None,
                    read_before: None,
                },
                question: Question(None),
            })
        };
        let builds = Arc::new(Builds {
            record: Arc::default(),
            known: Vec::new(),
        });
        Self {
            environments: vec![Arc::default(); scope.environments.len()],
            // Those that come once more have a record of their own.
            deliveries: vec![Intake::default(); scope.pushes() * if scope.left.redeliveries > 0 { 2 } else { 1 }],
            runs: given.deployments.iter().map(run).collect(),
            kept: vec![Arc::default(); if scope.promotes { scope.environments.len() } else { 0 }],
            builds: vec![builds; if scope.builds { scope.releases } else { 0 }],
            left: scope.left,
            seen: Seen::default(),
        }
    }

    pub fn run(&mut self, deployment: usize) -> &mut Run {
        Arc::make_mut(&mut self.runs[deployment])
    }

    /// The environment of a deployment.
    pub fn place(&self, deployment: usize) -> usize {
        deployment % self.environments.len()
    }

    /// The release, and so the push, of a deployment. A greater one is newer.
    pub fn release(&self, deployment: usize) -> usize {
        deployment / self.environments.len()
    }

    pub fn environment(&self, deployment: usize) -> &EnvironmentState {
        &self.environments[self.place(deployment)]
    }

    pub fn environment_mut(&mut self, deployment: usize) -> &mut EnvironmentState {
        let place = self.place(deployment);
        Arc::make_mut(&mut self.environments[place])
    }

    /// Every change of a stack in an environment, and how far it is.
    pub fn changes_of(&self, place: usize, stack: usize) -> impl Iterator<Item = ((usize, Leg), Change)> {
        let here = self
            .runs
            .iter()
            .enumerate()
            .filter(move |(d, _)| self.place(*d) == place);
        here.flat_map(move |(d, run)| [Leg::Forward, Leg::Back].map(|leg| ((d, leg), run.changes[row(leg)][stack])))
    }

    /// The changes that CloudFormation is at work on in an environment: which deployment's, on which leg.
    pub fn in_flight(&self, place: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (deployment, run) in self.runs.iter().enumerate() {
            for leg in 0..2 {
                if self.place(deployment) == place && run.changes[leg].contains(&Change::Running) {
                    found.push((deployment, leg));
                }
            }
        }
        found
    }
}

impl Run {
    /// An invocation is given up by Step Functions, and goes on all the same.
    pub fn pause(&mut self, me: Invocation) {
        self.ghost = Some(me);
        self.record.at_pause = self.record.chain.as_ref().map(|chain| chain.head.clone());
    }

    pub fn status(&self) -> &Status {
        &self.record.status
    }

    /// Whether its execution waits for the end of a stack's change.
    pub fn waits_for(&self, leg: Leg, stack: usize) -> bool {
        let in_wave = self.course == Course::Runs && self.now.call == Call::Wave && self.now.leg == leg;
        in_wave && self.branches[stack] == Branch::Waits
    }

    /// Whether an invocation of it has begun an operation and may still execute a change set.
    pub fn may_still_execute(&self) -> bool {
        matches!(
            self.ghost,
            Some(Invocation {
                call: Call::Execute(_),
                ..
            })
        ) || (self.course == Course::Runs && self.now.call == Call::Wave && self.branches.contains(&Branch::Executes))
    }
}

/// Which row of `Run::changes`.
pub fn row(leg: Leg) -> usize {
    match leg {
        Leg::Forward => 0,
        Leg::Back => 1,
    }
}
