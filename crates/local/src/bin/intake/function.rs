//! A function in its own process, and the Lambda Runtime API that it asks for events.
//!
//! Paths and headers are those of AWS's documentation, "Using the Lambda runtime API for custom runtimes".

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use local::Trouble;
use local::http::{Answer, Request, serve};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
/// The webhook's timeout in `PipelineStack`, after which Lambda would end it.
const TIMEOUT: Duration = Duration::from_secs(9);
/// One event at a time: one id is as good as many.
const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// What the function did at the Runtime API.
enum Notice {
    /// It asked for an event.
    Asked(Instant),
    /// It was given one.
    HandedOut(Instant),
    /// It answered the event.
    Answered(Instant, Vec<u8>),
    /// It did what a function that works does not do.
    Failed(String),
}

/// The function.
pub struct Function {
    process: Child,
    events: mpsc::UnboundedSender<Vec<u8>>,
    notices: mpsc::UnboundedReceiver<Notice>,
    /// From the start of its process to its first wish for an event.
    pub started_in: Duration,
}

/// How one event went.
pub struct Invocation {
    /// From handing it out to its answer.
    pub took: Duration,
    pub output: Value,
    /// When the function asked for the next one.
    pub ready_again: Instant,
}

impl Function {
    /// Starts a binary, and waits until it asks for its first event.
    pub async fn start(binary: &Path, settings: &[(&str, String)]) -> Result<Self, Trouble> {
        let (events, waiting) = mpsc::unbounded_channel();
        let (notify, notices) = mpsc::unbounded_channel();
        let address = runtime_api(waiting, notify)
            .await
            .map_err(Trouble::during("listening on this machine"))?;
        let began = Instant::now();
        let process = Command::new(binary)
            // Settings of whoever runs this must not reach the SDK.
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value.as_str())))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "lockgate-webhook")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Trouble::during(&format!("starting {}", binary.display())))?;
        let mut function = Self {
            process,
            events,
            notices,
            started_in: Duration::ZERO,
        };
        function.started_in = function.asked().await?.duration_since(began);
        Ok(function)
    }

    /// Gives it one event, and waits until it asks for the next one.
    pub async fn invoke(&mut self, event: Vec<u8>) -> Result<Invocation, Trouble> {
        // That nobody takes it is noticed below, by what the function does instead.
        let _ = self.events.send(event);
        let Notice::HandedOut(from) = self.notice().await? else {
            return Err(out_of_turn());
        };
        let Notice::Answered(until, answer) = self.notice().await? else {
            return Err(out_of_turn());
        };
        let output = serde_json::from_slice(&answer).map_err(Trouble::during("reading the webhook's answer"))?;
        Ok(Invocation {
            took: until.duration_since(from),
            output,
            ready_again: self.asked().await?,
        })
    }

    /// The resident memory of its process in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    /// The processor time that its only thread has used, where the system tells. Nanoseconds are the first field
    /// ("Scheduler Statistics" of the Linux kernel's documentation).
    pub fn processor_time(&self) -> Option<Duration> {
        let nanoseconds = self.proc("schedstat")?.split(' ').next()?.parse().ok()?;
        // A kernel that does not count writes zero.
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }

    fn proc(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id()?)).ok()
    }

    async fn asked(&mut self) -> Result<Instant, Trouble> {
        match self.notice().await? {
            Notice::Asked(at) => Ok(at),
            _ => Err(out_of_turn()),
        }
    }

    async fn notice(&mut self) -> Result<Notice, Trouble> {
        let notice = tokio::select! {
            biased;
            notice = self.notices.recv() => notice,
            status = self.process.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(Trouble(format!("the webhook ended by itself ({status})")));
            }
            () = tokio::time::sleep(TIMEOUT) => {
                return Err(Trouble(format!("the webhook took longer than {TIMEOUT:?}, its timeout on Lambda")));
            }
        };
        match notice {
            Some(Notice::Failed(why)) => Err(Trouble(format!("the webhook failed: {why}"))),
            Some(notice) => Ok(notice),
            None => Err(Trouble("the Runtime API ended by itself".to_owned())),
        }
    }
}

fn out_of_turn() -> Trouble {
    Trouble("the webhook called the Runtime API out of turn".to_owned())
}

async fn runtime_api(
    waiting: mpsc::UnboundedReceiver<Vec<u8>>,
    notify: mpsc::UnboundedSender<Notice>,
) -> std::io::Result<SocketAddr> {
    let waiting = Arc::new(Mutex::new(waiting));
    serve(move |request| {
        let (waiting, notify) = (waiting.clone(), notify.clone());
        async move { answer(request, &waiting, &notify).await }
    })
    .await
}

async fn answer(
    request: Request,
    waiting: &Mutex<mpsc::UnboundedReceiver<Vec<u8>>>,
    notify: &mpsc::UnboundedSender<Notice>,
) -> Answer {
    let now = Instant::now();
    // Nobody listens only when everything is over.
    let tell = |notice| drop(notify.send(notice));
    let call = request.path.strip_prefix(INVOCATION);
    match (request.method.as_str(), call) {
        ("GET", Some("next")) => {
            tell(Notice::Asked(now));
            let Some(event) = waiting.lock().await.recv().await else {
                return accepted(410);
            };
            let answer = handed_out(event);
            tell(Notice::HandedOut(Instant::now()));
            answer
        }
        ("POST", Some(call)) if call.strip_prefix(REQUEST_ID) == Some("/response") => {
            tell(Notice::Answered(now, request.body));
            accepted(202)
        }
        _ => {
            let said = String::from_utf8_lossy(&request.body);
            tell(Notice::Failed(format!("{} {} {said}", request.method, request.path)));
            accepted(202)
        }
    }
}

fn accepted(status: u16) -> Answer {
    Answer {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: b"{\"status\":\"OK\"}".to_vec(),
    }
}

fn handed_out(event: Vec<u8>) -> Answer {
    let deadline = (Timestamp::now() + TIMEOUT).as_millisecond();
    Answer {
        status: 200,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("lambda-runtime-aws-request-id", REQUEST_ID.to_owned()),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-west-1:111111111111:function:lockgate-webhook:live".to_owned(),
            ),
            (
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
            ),
        ],
        body: event,
    }
}
