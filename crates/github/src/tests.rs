//! Real connections to servers on loopback, which answer as GitHub does, or worse.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod history;
mod rights;
mod transport;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use domain::approval::Role;
use domain::doctor::{Grant, Level, Permissions, Sight};
use domain::failure::Name;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

/// A second is far more than loopback takes, and what has to end at a limit ends long before.
const PATIENCE: Patience = Patience {
    call: Duration::from_secs(10),
    question: Duration::from_secs(10),
    pause: Duration::from_millis(1),
};

/// A server on loopback that keeps what it was asked.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each connection by `answer`, which gets its number (from 0), the request's target and the stream.
    async fn start<Answer>(answer: impl Fn(usize, String, TcpStream) -> Answer + Send + 'static) -> Self
    where
        Answer: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(head) = head_from(&mut stream).await else {
                    continue;
                };
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let number = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(head);
                    kept.len() - 1
                };
                tokio::spawn(answer(number, target, stream));
            }
        });
        Self { url, requests }
    }

    /// Answers each request by its number and target with a text.
    async fn saying(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |number, target, stream| {
            let text = answer(number, &target);
            say(stream, text)
        })
        .await
    }

    /// Has these documents at these targets, and nothing else.
    async fn having(documents: impl IntoIterator<Item = (String, Value)>) -> Self {
        let documents: BTreeMap<String, Value> = documents.into_iter().collect();
        Self::saying(move |_, target| documents.get(target).map_or_else(not_found, ok)).await
    }

    fn github(&self) -> GitHub {
        GitHub::new(&self.url, Credentials::None).unwrap().patient(PATIENCE)
    }

    /// What was asked for, in order.
    fn targets(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|head| head.split(' ').nth(1).unwrap().to_owned())
            .collect()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// Reads a request without a body; nothing, where whoever asks has gone.
async fn head_from(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Says it and hangs up; that the other side left earlier is its right.
async fn say(mut stream: TcpStream, text: String) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn ok(document: &Value) -> String {
    answer("200 OK", "", &document.to_string())
}

fn not_found() -> String {
    answer("404 Not Found", "", r#"{"message":"Not Found","status":"404"}"#)
}

fn repository() -> RepositoryName {
    "acme/shop".parse().unwrap()
}

/// The commit of this number.
fn sha(number: usize) -> CommitSha {
    format!("{number:040x}").parse().unwrap()
}

fn object(kind: &str, number: usize) -> Value {
    json!({ "object": { "type": kind, "sha": sha(number), "url": "https://api.github.com/…" } })
}

fn commit(number: usize) -> Value {
    json!({
        "sha": sha(number),
        "node_id": "C_kw",
        "commit": {
            "author": { "name": "Ada", "email": "ada@acme.example", "date": "2026-11-23T12:00:00Z" },
            "committer": { "name": "GitHub", "email": "noreply@github.com", "date": "2026-11-23T12:00:00Z" },
            "message": format!("Change {number}\n\nCo-authored-by: Ben <ben@acme.example>"),
            "tree": { "sha": sha(0) },
            "verification": { "verified": false },
        },
        "author": { "login": "ada", "id": 1, "type": "User" },
        "committer": { "login": "web-flow", "id": 2, "type": "User" },
        "parents": [{ "sha": sha(number.saturating_sub(1)), "url": "https://api.github.com/…" }],
    })
}

async fn tag(server: &Server, tag: &str) -> Result<TagTarget, Error> {
    server.github().commit_of_tag(&repository(), tag).await
}

async fn v1(server: &Server) -> Result<TagTarget, Error> {
    tag(server, "v1").await
}

const V1: &str = "/repos/acme/shop/git/ref/tags/v1";

fn tag_object(number: usize) -> String {
    format!("/repos/acme/shop/git/tags/{}", sha(number))
}

#[tokio::test]
async fn a_request_is_written_as_github_asks_and_a_token_stands_in_one_header() {
    let server = Server::having([(V1.to_owned(), object("commit", 1))]).await;
    let token: Token = "github_pat_secret".parse().unwrap();
    let github = server.github().bearing(Credentials::Token(token));
    github.commit_of_tag(&repository(), "v1").await.unwrap();
    assert!(!format!("{github:?}").contains("secret"));
    server.github().commit_of_tag(&repository(), "v1").await.unwrap();

    let host = server.url.strip_prefix("http://").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let mut expected = vec![
        "accept: application/vnd.github+json".to_owned(),
        "authorization: Bearer github_pat_secret".to_owned(),
        format!("host: {host}"),
        format!("user-agent: lockgate/{version}"),
        "x-github-api-version: 2022-11-28".to_owned(),
    ];
    let requests = server.requests.lock().unwrap().clone();
    let headers = |request: &str| {
        let lines = request.trim_end().split("\r\n").skip(1);
        let mut headers: Vec<String> = lines.map(str::to_owned).collect();
        headers.sort_unstable();
        headers
    };
    assert_eq!(requests[0].lines().next().unwrap(), format!("GET {V1} HTTP/1.1"));
    assert_eq!(headers(&requests[0]), expected);
    expected.remove(1);
    assert_eq!(headers(&requests[1]), expected);
}

#[tokio::test]
async fn a_tag_is_peeled_down_to_its_commit() {
    let chain = |length: usize, end: &str| {
        let mut documents = BTreeMap::from([(V1.to_owned(), object(if length == 0 { end } else { "tag" }, 1))]);
        for level in 1..=length {
            let next = object(if level == length { end } else { "tag" }, level + 1);
            documents.insert(tag_object(level), next);
        }
        documents
    };
    for (length, end, commit) in [
        (0, "commit", Some(1)),
        (1, "commit", Some(2)),
        (5, "commit", Some(6)),
        (6, "commit", None),
        (0, "tree", None),
        (0, "blob", None),
        (1, "tree", None),
        (0, "something new", None),
    ] {
        let server = Server::having(chain(length, end)).await;
        let target = commit.map_or(TagTarget::NoCommit, |number| TagTarget::Commit(sha(number)));
        assert_eq!(v1(&server).await, Ok(target), "{length} {end}");
    }
    // A circle, which Git cannot make.
    let server = Server::having([(V1.to_owned(), object("tag", 1)), (tag_object(1), object("tag", 1))]).await;
    assert_eq!(v1(&server).await, Ok(TagTarget::NoCommit));
    assert_eq!(server.count(), 6);
    // What it names is not known, perhaps not yet.
    let server = Server::having([(V1.to_owned(), object("tag", 1))]).await;
    assert_eq!(v1(&server).await, Ok(TagTarget::Missing));
}

#[tokio::test]
async fn a_missing_tag_is_told_from_a_repository_that_we_may_not_see() {
    let visible = Server::having([("/repos/acme/shop".to_owned(), json!({ "id": 1 }))]).await;
    assert_eq!(v1(&visible).await, Ok(TagTarget::Missing));
    assert_eq!(visible.targets(), [V1, "/repos/acme/shop"]);

    let hidden = Server::having([]).await;
    let error = v1(&hidden).await.unwrap_err();
    assert_eq!(error.name(), Name::GitHubDenied);
    assert_eq!(
        error.to_string(),
        "GitHub does not show the tag v1 of acme/shop: GitHub shows no such repository; it is private and there is no \
         token that may read it, or it is gone"
    );
}

#[tokio::test]
async fn hostile_tags_lead_nowhere_else() {
    let server = Server::saying(|_, target| {
        if target.starts_with("/repos/acme/shop/git/ref/tags/") {
            ok(&object("commit", 1))
        } else {
            not_found()
        }
    })
    .await;
    let mut targets = Vec::new();
    for (name, path) in [
        ("release/v1", "release/v1"),
        ("v1#top", "v1%23top"),
        ("%2F%2e%2e%2F%2e%2e%2Fuser", "%252F%252e%252e%252F%252e%252e%252Fuser"),
        ("100%", "100%25"),
        ("grüße-🚀", "gr%C3%BC%C3%9Fe-%F0%9F%9A%80"),
        ("\u{202e}v1", "%E2%80%AEv1"),
        ("v1&x=\"<b>'", "v1%26x%3D%22%3Cb%3E%27"),
        ("refs/tags/v1", "refs/tags/v1"),
        ("@", "%40"),
    ] {
        assert_eq!(tag(&server, name).await, Ok(TagTarget::Commit(sha(1))), "{name}");
        targets.push(format!("/repos/acme/shop/git/ref/tags/{path}"));
    }
    for name in [
        "",
        "../../../user",
        "v1%2F..%2Fuser",
        "a/../b",
        "a?b",
        "a b",
        "a\r\nb",
        "a\0b",
        "/v1",
        "v1/",
        "a//b",
        ".",
    ] {
        assert_eq!(tag(&server, name).await, Ok(TagTarget::NoCommit), "{name:?}");
    }
    assert_eq!(server.targets(), targets);
}

#[tokio::test]
async fn a_commit_has_its_people_as_git_and_github_know_them() {
    let path = |number: usize| format!("/repos/acme/shop/commits/{}?per_page=1", sha(number));
    let mut unknown = commit(2);
    unknown["author"] = Value::Null;
    unknown["committer"] = json!({});
    unknown["commit"]["author"]["name"] = json!("A\u{202e}da\u{1b}[31m");
    unknown["commit"]["message"] = json!("\n\nA \"quoted\"\ttitle\r\nmore");
    let mut bare = commit(3);
    bare["commit"]["author"] = Value::Null;
    bare["commit"]["committer"] = json!({ "name": null, "email": "" });
    let server = Server::having([
        (path(1), commit(1)),
        (path(2), unknown),
        (path(3), bare),
        ("/repos/acme/shop".to_owned(), json!({})),
    ])
    .await;
    let github = server.github();
    let repository = repository();
    let get = async |number: usize| github.commit(&repository, &sha(number)).await.unwrap();

    let known = get(1).await.unwrap();
    assert_eq!((known.sha, known.title.as_str()), (sha(1), "Change 1"));
    assert!(known.message.ends_with("\n\nCo-authored-by: Ben <ben@acme.example>"));
    let shown = |person: &domain::approval::Contributor| {
        (
            person.name.clone(),
            person.login.clone(),
            person.mail.clone(),
            person.role,
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        shown(&known.author),
        ("Ada".to_owned(), text("ada"), text("ada@acme.example"), Role::Author)
    );
    assert_eq!(
        shown(&known.committer),
        (
            "GitHub".to_owned(),
            text("web-flow"),
            text("noreply@github.com"),
            Role::Committer
        )
    );

    let unknown = get(2).await.unwrap();
    assert_eq!(unknown.title, "A \"quoted\" title");
    assert_eq!(
        shown(&unknown.author),
        ("Ada [31m".to_owned(), None, text("ada@acme.example"), Role::Author)
    );
    assert_eq!(unknown.committer.login, None);

    let bare = get(3).await.unwrap();
    assert_eq!(shown(&bare.author), (String::new(), text("ada"), None, Role::Author));
    assert_eq!(bare.committer.mail, None);
    assert_eq!(get(4).await, None);
}

#[tokio::test]
async fn a_commit_that_github_has_never_seen_is_missing() {
    let server = Server::saying(|_, target| {
        if target == "/repos/acme/shop" {
            ok(&json!({}))
        } else {
            answer(
                "422 Unprocessable Entity",
                "",
                r#"{"message":"No commit found for SHA: 1"}"#,
            )
        }
    })
    .await;
    assert_eq!(server.github().commit(&repository(), &sha(1)).await, Ok(None));
}

/// The last commit of every history below.
const HEAD: usize = 1_000;
