//! Real connections to servers on loopback, which answer as GitHub does, or worse.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

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

fn page_of(target: &str) -> usize {
    let (_, query) = target.split_once('?').unwrap();
    let mut page = None;
    for pair in query.split('&') {
        match pair.split_once('=').unwrap() {
            ("page", number) => page = number.parse().ok(),
            ("per_page", size) => assert_eq!(size, "100"),
            ("sha", head) => assert_eq!(head, sha(HEAD).as_str()),
            other => panic!("{other:?}"),
        }
    }
    page.unwrap()
}

/// The commits that lead to the head, in this order, a hundred on a page; and their comparison with a base, of which
/// nothing but the second page may be asked for.
async fn history(listed: Vec<Value>, compared: Option<(usize, usize)>) -> Server {
    Server::saying(move |_, target| {
        if target.starts_with("/repos/acme/shop/compare/") {
            let Some((base, total)) = compared else {
                return not_found();
            };
            let between = format!("{}...{}", sha(base), sha(HEAD));
            assert_eq!(target, format!("/repos/acme/shop/compare/{between}?per_page=1&page=2"));
            return ok(&json!({
                "status": "ahead", "ahead_by": total, "behind_by": 0, "total_commits": total,
                "base_commit": commit(base), "merge_base_commit": commit(base), "commits": [commit(base + 2)],
            }));
        }
        assert!(target.starts_with("/repos/acme/shop/commits?"), "{target}");
        let page = page_of(target);
        let commits: Vec<Value> = listed.iter().skip((page - 1) * 100).take(100).cloned().collect();
        let link = if page * 100 < listed.len() {
            format!(
                "link: <https://api.github.com/repositories/1/commits?page={}>; rel=\"next\"\r\n",
                page + 1
            )
        } else {
            String::new()
        };
        answer("200 OK", &link, &Value::from(commits).to_string())
    })
    .await
}

/// So many commits, one after the other, up to the head.
fn straight(total: usize) -> Vec<Value> {
    (HEAD - total + 1..=HEAD).rev().map(commit).collect()
}

/// A commit of this number that comes right after these.
fn after(number: usize, parents: &[usize]) -> Value {
    let mut commit = commit(number);
    commit["parents"] = parents.iter().map(|parent| json!({ "sha": sha(*parent) })).collect();
    commit
}

async fn between(server: &Server, base: usize, at_most: usize) -> Result<Between, Error> {
    let github = server.github();
    github
        .commits_between(&repository(), &sha(base), &sha(HEAD), at_most)
        .await
}

fn shas(commits: &[Commit]) -> Vec<CommitSha> {
    commits.iter().map(|commit| commit.sha.clone()).collect()
}

#[tokio::test]
async fn what_is_new_is_all_of_it_without_the_files_or_too_much() {
    for (total, at_most, pages) in [
        (0, 100, 0),
        (1, 100, 1),
        (100, 100, 1),
        (101, 200, 2),
        (250, 300, 3),
        (250, 250, 3),
    ] {
        let server = history(straight(400), Some((HEAD - total, total))).await;
        let Between::Commits(commits) = between(&server, HEAD - total, at_most).await.unwrap() else {
            panic!("{total} {at_most}");
        };
        let newest: Vec<CommitSha> = (HEAD - total + 1..=HEAD).rev().map(sha).collect();
        assert_eq!(shas(&commits), newest);
        assert_eq!(server.count(), 1 + pages, "{total} {at_most}");
    }
    // It is known at once, and nothing is listed.
    for (total, at_most) in [(101, 100), (1, 0), (100_000, 2_000)] {
        let server = history(straight(400), Some((HEAD - 400, total))).await;
        assert_eq!(between(&server, HEAD - 400, at_most).await, Ok(Between::TooMany));
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn what_was_merged_is_new_though_it_is_older_than_the_base() {
    // 998 is the base. 997 and 995 were made beside it, on a branch that began at 994.
    let listed = vec![
        after(HEAD, &[998, 997]),
        after(997, &[995]),
        after(998, &[996]),
        after(996, &[994]),
        after(995, &[994]),
        after(994, &[993]),
        after(993, &[]),
    ];
    let server = history(listed, Some((998, 3))).await;
    let Ok(Between::Commits(commits)) = between(&server, 998, 100).await else {
        panic!("they are not found");
    };
    assert_eq!(shas(&commits), [HEAD, 997, 995].map(sha));

    // One that waited until a hundred others were accepted.
    let mut listed = vec![after(HEAD, &[998, 10])];
    listed.extend((800..=998).rev().map(commit));
    listed.extend([after(10, &[799]), commit(799)]);
    let server = history(listed, Some((998, 2))).await;
    let Ok(Between::Commits(commits)) = between(&server, 998, 300).await else {
        panic!("they are not found");
    };
    assert_eq!(shas(&commits), [HEAD, 10].map(sha));
    assert_eq!(between(&server, 998, 200).await, Ok(Between::TooMany));
}

#[tokio::test]
async fn where_two_histories_part_twice_nothing_new_is_taken_for_listed() {
    // GitHub names 500. Through the other place, which it does not name, 801 to 950 are in what was accepted as well, and
    // are more than it counts before 10 and 9 come.
    let mut listed = vec![after(HEAD, &[950, 10])];
    listed.extend((802..=950).rev().map(commit));
    listed.extend([after(801, &[500]), after(10, &[9]), after(9, &[500]), commit(500)]);
    let server = history(listed, Some((500, 3))).await;
    let Ok(Between::Commits(commits)) = between(&server, 500, 300).await else {
        panic!("they are not found");
    };
    for new in [HEAD, 10, 9] {
        assert!(commits.iter().any(|commit| commit.sha == sha(new)), "{new}");
    }
}

#[tokio::test]
async fn where_nothing_is_in_common_all_that_lead_to_the_head_can_be_listed() {
    for (total, at_most, pages, is_whole) in [
        (0, 100, 1, true),
        (1, 100, 1, true),
        (100, 100, 1, true),
        (101, 100, 1, false),
        (250, 300, 3, true),
        (250, 201, 3, true),
        (250, 200, 2, false),
    ] {
        let server = history(straight(total), None).await;
        assert_eq!(between(&server, 1, at_most).await, Ok(Between::Unrelated));
        let github = server.github();
        let all = github.commits_up_to(&repository(), &sha(HEAD), at_most).await.unwrap();
        assert_eq!(server.count(), 1 + pages, "{total} {at_most}");
        let newest: Vec<CommitSha> = (HEAD - total + 1..=HEAD).rev().map(sha).collect();
        assert_eq!(
            all.map(|all| shas(&all)),
            is_whole.then_some(newest),
            "{total} {at_most}"
        );
    }
    let server = Server::having([]).await;
    let gone = server.github().commits_up_to(&repository(), &sha(HEAD), 100).await;
    assert_eq!(gone.unwrap_err().name(), Name::GitHubDenied);
}

#[tokio::test]
async fn a_page_that_is_missing_is_not_taken_for_the_end() {
    let server = Server::saying(|_, target| {
        if target.contains("/compare/") {
            ok(&json!({ "total_commits": 250, "merge_base_commit": commit(HEAD - 250), "commits": [] }))
        } else if page_of(target) == 1 {
            let commits = Value::from(straight(100));
            answer("200 OK", "link: <https://x>; rel=\"next\"\r\n", &commits.to_string())
        } else {
            not_found()
        }
    })
    .await;
    let error = between(&server, HEAD - 250, 300).await.unwrap_err();
    assert_eq!(error.name(), Name::GitHubUnavailable);
    assert!(
        error.to_string().ends_with("a page of the commits is missing"),
        "{error}"
    );
    // Nor is a list that ends before them.
    let server = history(straight(249), Some((HEAD - 250, 250))).await;
    let error = between(&server, HEAD - 250, 300).await.unwrap_err();
    assert!(
        error.to_string().ends_with("it counts more commits than it lists"),
        "{error}"
    );
}

#[tokio::test]
async fn all_questions_together_have_the_time_that_they_are_given() {
    let server = Server::having([]).await;
    let github = server.github().within(Duration::ZERO);
    for error in [
        github.commit_of_tag(&repository(), "v1").await.unwrap_err(),
        github.commit(&repository(), &sha(HEAD)).await.unwrap_err(),
    ] {
        assert!(error.to_string().ends_with("it did not answer in time"), "{error}");
    }
    assert_eq!(server.count(), 0, "nothing is asked that nobody waits for");
    let commit = server.github().commit(&repository(), &sha(HEAD)).await;
    assert_eq!(commit.unwrap_err().name(), Name::GitHubDenied, "others have theirs");
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    for (first, name) in [
        (answer("500 Internal Server Error", "", "{}"), "500"),
        (answer("502 Bad Gateway", "", "<html>Unicorn!</html>"), "502"),
        (answer("503 Service Unavailable", "retry-after: 0\r\n", ""), "503"),
        (answer("429 Too Many Requests", "retry-after: 0\r\n", "{}"), "429"),
        (
            answer(
                "403 Forbidden",
                "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1795435200\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n",
                "{}",
            ),
            "limited",
        ),
        // Hung up without an answer, in its head, and in its body.
        (String::new(), "nothing"),
        ("HTTP/1.1 200 OK\r\ncontent-".to_owned(), "half a head"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{".to_owned(),
            "half a body",
        ),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "no HTTP"),
    ] {
        let server = Server::saying(move |number, _| {
            if number == 0 {
                first.clone()
            } else {
                ok(&object("commit", 1))
            }
        })
        .await;
        assert_eq!(v1(&server).await, Ok(TagTarget::Commit(sha(1))), "{name}");
        assert_eq!(server.count(), 2, "{name}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_given_up() {
    let server = Server::saying(|_, _| answer("503 Service Unavailable", "", "")).await;
    assert_eq!(
        v1(&server).await.unwrap_err().to_string(),
        "GitHub could not be asked for the tag v1 of acme/shop: it answers 503"
    );
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn a_limit_beyond_our_patience_is_told_with_its_end_and_not_waited_for() {
    let reset = jiff::Timestamp::now().as_second() + 3_600;
    for headers in [
        format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}\r\n"),
        "retry-after: 3600\r\n".to_owned(),
    ] {
        let server =
            Server::saying(move |_, _| answer("403 Forbidden", &headers, r#"{"message":"API rate limit"}"#)).await;
        let error = v1(&server).await.unwrap_err();
        assert_eq!((error.name(), server.count()), (Name::GitHubUnavailable, 1));
        let Error::Unavailable { until: Some(until), .. } = &error else {
            panic!("{error:?}");
        };
        assert!((until.as_second() - reset).abs() <= 60, "{until}");
        assert_eq!(
            error.to_string(),
            format!(
                "GitHub could not be asked for the tag v1 of acme/shop: it asks to be called less often; it answers \
                 again from {until}"
            )
        );
        assert_eq!(until.subsec_nanosecond(), 0);
    }
    // Whoever asks without end gets no time at all.
    let server =
        Server::saying(|_, _| answer("429 Too Many Requests", "retry-after: 18446744073709551615\r\n", "")).await;
    assert!(matches!(v1(&server).await, Err(Error::Unavailable { until: None, .. })));
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    for (status, body, why) in [
        (
            "401 Unauthorized",
            r#"{"message":"Bad credentials"}"#,
            "the token is not valid (401 Bad credentials)",
        ),
        (
            "403 Forbidden",
            r#"{"message":"Resource not accessible by integration"}"#,
            "403 Resource not accessible by integration",
        ),
    ] {
        let server = Server::saying(move |_, _| answer(status, "x-ratelimit-remaining: 4999\r\n", body)).await;
        let error = v1(&server).await.unwrap_err();
        assert_eq!(error.name(), Name::GitHubDenied);
        assert_eq!(
            error.failure().cause,
            format!("GitHub does not show the tag v1 of acme/shop: {why}")
        );
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_limit_in_head_and_body() {
    for (begin, dribble) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n", " "),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n"),
    ] {
        let server = Server::start(move |_, _, mut stream| async move {
            let _ = stream.write_all(begin.as_bytes()).await;
            // Always a little, so that no reading ever waits long.
            let mut beat = tokio::time::interval(Duration::from_millis(10));
            while stream.write_all(dribble.as_bytes()).await.is_ok() {
                beat.tick().await;
            }
        })
        .await;
        let patience = |call: u64, question: u64| Patience {
            call: Duration::from_millis(call),
            question: Duration::from_millis(question),
            pause: Duration::from_millis(1),
        };
        // One call's limit, and the whole question's.
        for patience in [patience(20, 10_000), patience(10_000, 50)] {
            let answer = server
                .github()
                .patient(patience)
                .commit_of_tag(&repository(), "v1")
                .await;
            assert_eq!(
                answer.unwrap_err().to_string(),
                "GitHub could not be asked for the tag v1 of acme/shop: it did not answer in time",
                "{begin:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_githubs_json_is_no_answer() {
    for body in [
        "",
        "null",
        "[]",
        "<html>It works!</html>",
        "{\"object\":{}}",
        "{\"object\":{\"type\":\"commit\",\"sha\":\"../../secret\"}}",
        "{\"object\":{\"type\":\"commit\",\"sha\":\"DEADBEEF\"}}",
        "{\"object\":",
        "{\"object\":{\"type\":\"commit\"",
    ] {
        let server = Server::saying(move |_, _| answer("200 OK", "", body)).await;
        let error = v1(&server).await.unwrap_err();
        assert_eq!(error.name(), Name::GitHubUnavailable, "{body}");
        let sentence = error.to_string();
        assert!(sentence.contains(": its answer cannot be read (line "), "{sentence}");
        assert!(!sentence.contains("secret") && server.count() == 1, "{sentence}");
    }
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    let server = Server::saying(move |_, _| answer("200 OK", "", &deep)).await;
    assert_eq!(v1(&server).await.unwrap_err().name(), Name::GitHubUnavailable);
}

#[tokio::test]
async fn an_answer_of_a_gigabyte_is_read_to_the_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        // Without an end.
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        // A refusal is read for GitHub's words, and not further either.
        "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n",
    ] {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = written.clone();
        let server = Server::start(move |_, _, mut stream| {
            let written = counted.clone();
            async move {
                let _ = stream.write_all(head.as_bytes()).await;
                let block = vec![b' '; 64 * 1024];
                while stream.write_all(&block).await.is_ok() {
                    written.fetch_add(block.len(), Ordering::SeqCst);
                }
            }
        })
        .await;
        let error = v1(&server).await.unwrap_err();
        assert_eq!(error.name(), Name::TooMuchToRead, "it is no shorter later");
        assert_eq!(
            error.to_string(),
            "GitHub's answer about the tag v1 of acme/shop is longer than 4 MB, and is not read"
        );
        // What the kernel's buffers took in the meantime, and not the gigabyte.
        assert!(written.load(Ordering::SeqCst) < 64 * 1024 * 1024, "{written:?}");
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn an_answer_just_within_the_limit_is_whole() {
    let document = object("commit", 1).to_string();
    let body = format!("{document}{}", " ".repeat(4 * 1024 * 1024 - document.len()));
    let server = Server::saying(move |_, _| answer("200 OK", "", &body)).await;
    assert_eq!(v1(&server).await, Ok(TagTarget::Commit(sha(1))));
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_another_host_is_not() {
    let moved = |location: &str| answer("301 Moved Permanently", &format!("location: {location}\r\n"), "{}");
    let other = Server::having([("/x".to_owned(), object("commit", 1))]).await;
    for location in [
        format!("{}/x", other.url),
        other.url.replace("127.0.0.1", "localhost"),
        format!("//{}/x", other.url.strip_prefix("http://").unwrap()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "ftp://x/".to_owned(),
    ] {
        let server = Server::saying(move |_, _| moved(&location)).await;
        let error = v1(&server).await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(": it redirects to another host, which is not followed")
        );
        assert_eq!(server.count(), 1);
    }
    assert_eq!(other.count(), 0);

    for (stops_at, answers) in [(1, true), (3, true), (4, false)] {
        let server = Server::saying(move |number, _| {
            if number == stops_at {
                ok(&object("commit", 1))
            } else {
                moved(&format!("/repositories/{}", number + 1))
            }
        })
        .await;
        assert_eq!(v1(&server).await.is_ok(), answers, "{stops_at}");
        let mut targets = vec![V1.to_owned()];
        targets.extend((1..=stops_at.min(3)).map(|number| format!("/repositories/{number}")));
        assert_eq!(server.targets(), targets);
    }
}

#[tokio::test]
async fn an_absolute_redirect_to_the_same_host_is_followed() {
    let server = Server::start(|number, _, stream| async move {
        let own = stream.local_addr().unwrap();
        let text = if number == 0 {
            answer(
                "307 Temporary Redirect",
                &format!("location: http://{own}/repositories/1/git/ref/tags/v1\r\n"),
                "",
            )
        } else {
            ok(&object("commit", 1))
        };
        say(stream, text).await;
    })
    .await;
    assert_eq!(v1(&server).await, Ok(TagTarget::Commit(sha(1))));
    assert_eq!(server.targets(), [V1, "/repositories/1/git/ref/tags/v1"]);
}

#[tokio::test]
async fn where_nobody_listens_is_no_answer() {
    // Its port is taken until the end, so that nobody else comes to listen there.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let github = GitHub::new(&url, Credentials::None).unwrap().patient(PATIENCE);
    let error = github.commit_of_tag(&repository(), "v1").await.unwrap_err();
    assert_eq!(error.name(), Name::GitHubUnavailable);
    assert!(error.to_string().contains("refused"), "{error}");
}

fn app() -> Credentials {
    Credentials::App(Arc::new(App::new("Iv23li", app::tests::KEY).unwrap()))
}

#[tokio::test]
async fn an_app_is_told_what_it_may_do_and_a_token_is_not() {
    let permissions = json!({ "contents": "write", "deployments": "write", "checks": "read", "metadata": "read" });
    let installed = |suspended: Value| json!({ "id": 1, "permissions": permissions, "suspended_at": suspended });
    let granted = Permissions {
        contents: Level::Write,
        deployments: Level::Write,
        checks: Level::Read,
        pull_requests: Level::None,
    };
    for (documents, grant) in [
        (vec![], Grant::NotInstalled),
        (vec![installed(Value::Null)], Grant::Installed(granted)),
        (vec![installed(json!("2026-11-23T12:00:00Z"))], Grant::Suspended),
        (
            vec![json!({ "id": 1, "permissions": {} })],
            Grant::Installed(Permissions::default()),
        ),
    ] {
        let at = |document| ("/repos/acme/shop/installation".to_owned(), document);
        let server = Server::having(documents.into_iter().map(at)).await;
        let github = server.github().bearing(app());
        assert_eq!(github.grant(&repository()).await, Ok(grant));
        assert_eq!(server.targets(), ["/repos/acme/shop/installation"]);
    }
    let server = Server::having([]).await;
    let github = server.github();
    assert_eq!(github.grant(&repository()).await, Ok(Grant::Untold));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn what_github_shows_of_a_token_is_read_and_nothing_is_written_for_it() {
    for (headers, deployments, scopes, expires, reads) in [
        (
            "x-oauth-scopes: repo, read:org\r\n",
            "200 OK",
            Some(vec!["repo", "read:org"]),
            None,
            true,
        ),
        (
            "github-authentication-token-expiration: 2026-12-31 09:00:00 UTC\r\n",
            "403 Forbidden",
            None,
            Some("2026-12-31T09:00:00Z"),
            false,
        ),
        ("", "404 Not Found", None, None, false),
    ] {
        let server = Server::saying(move |_, target| {
            if target == "/repos/acme/shop" {
                answer("200 OK", headers, r#"{"id":1,"private":true}"#)
            } else {
                answer(deployments, "", "[]")
            }
        })
        .await;
        let seen = server.github().token_seen(&repository()).await.unwrap();
        let scopes = scopes.map(|scopes| scopes.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            (seen.scopes, seen.reads_deployments, seen.private),
            (scopes, reads, true)
        );
        assert_eq!(seen.expires.map(|at| at.to_string()).as_deref(), expires);
        assert_eq!(
            server.targets(),
            ["/repos/acme/shop", "/repos/acme/shop/deployments?per_page=1"]
        );
    }
    let server = Server::having([]).await;
    server.github().token_seen(&repository()).await.unwrap_err();
    server.github().is_private(&repository()).await.unwrap_err();
}

#[tokio::test]
async fn a_key_that_is_not_the_apps_is_said() {
    let refused = r#"{"message":"A JSON web token could not be decoded"}"#;
    let server = Server::saying(move |_, _| answer("401 Unauthorized", "", refused)).await;
    let error = server.github().bearing(app()).grant(&repository()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GitHub does not show the GitHub App's installation on acme/shop: the token is not valid (401 A JSON web token could \
         not be decoded)"
    );
}

#[tokio::test]
async fn a_branch_is_seen_or_not_there_or_hidden_with_its_repository() {
    let of_repository = ("/repos/acme/shop".to_owned(), json!({ "id": 1 }));
    let branch = (
        "/repos/acme/shop/branches/release/2%2B".to_owned(),
        json!({ "name": "release/2+", "commit": { "sha": "2".repeat(40) } }),
    );
    let sight = async |documents: Vec<(String, Value)>, branch: &str| {
        Server::having(documents)
            .await
            .github()
            .sight(&repository(), branch)
            .await
    };
    assert_eq!(sight(vec![branch], "release/2+").await, Sight::Seen);
    assert_eq!(sight(vec![of_repository.clone()], "main").await, Sight::NoBranch);
    assert_eq!(sight(vec![of_repository], "../..").await, Sight::NoBranch);
    let Sight::Hidden(why) = sight(vec![], "main").await else {
        panic!("it is not there");
    };
    assert_eq!(
        why,
        "GitHub does not show the branch main of acme/shop: GitHub shows no such repository; it is private and there is no \
         token that may read it, or it is gone"
    );
    let server = Server::saying(|_, _| answer("503 Service Unavailable", "", "")).await;
    let unknown = server.github().sight(&repository(), "main").await;
    assert!(matches!(unknown, Sight::Unknown(_)), "{unknown:?}");
}
