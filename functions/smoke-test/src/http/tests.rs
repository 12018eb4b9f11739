//! F38: what a hostile, broken or slow server can do to a smoke test. Real servers on loopback, real connections.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::smoke_test::{Ask, Check, Mismatch, Outputs, Report, SmokeTests, evaluate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::rounds::{self, Attempt, Pace};

const CAPS: Caps = Caps {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(5),
    body: 100,
    redirects: 3,
};

/// A server on loopback that counts its connections.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each connection by `answer`, which gets its number (from 0), the request and the stream.
    pub(crate) async fn start<Answer>(answer: impl Fn(usize, String, TcpStream) -> Answer + Send + 'static) -> Self
    where
        Answer: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let request = request_from(&mut stream).await;
                tokio::spawn(answer(number, request, stream));
            }
        });
        Self { address, connections }
    }

    /// Answers every connection with this text.
    pub(crate) async fn saying(text: impl Into<String>) -> Self {
        let text: Arc<str> = text.into().into();
        Self::start(move |_, _, mut stream| {
            let text = text.clone();
            async move { say(&mut stream, &text).await }
        })
        .await
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request: its head, and its body where the head announces one. What cannot be read is no request.
async fn request_from(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return String::new(),
        }
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    request.extend(body);
    String::from_utf8_lossy(&request).into_owned()
}

/// Says it and hangs up; that the other side left earlier is its right.
pub(crate) async fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

/// A resolver that gives these answers in turn, the last one for ever, and counts how often it was asked.
fn resolver(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect())
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let turn = counted.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let addresses = answers[turn].clone();
        Box::pin(async move { Ok(addresses) })
    });
    (lookup, asked)
}

fn asker(allow: &str, lookup: Lookup, caps: Caps) -> Asker {
    Asker::new(allow.parse().unwrap(), lookup, caps).unwrap()
}

/// One check of `url`, as a release would ask it.
fn tests_of(more: &str) -> SmokeTests {
    format!("within = \"1 minute\"\n[[http]]\nname = \"the shop is open\"\nurl = \"${{web.Url}}/health\"\n{more}")
        .parse()
        .unwrap()
}

fn request(check: &Check, url: &str) -> HttpRequest {
    let outputs: Outputs = BTreeMap::from([(
        "web".parse().unwrap(),
        BTreeMap::from([("Url".to_owned(), url.to_owned())]),
    )]);
    let Ask::Http(http) = &check.ask else {
        unreachable!("only HTTP checks are made here")
    };
    http.resolve(&"dev".parse().unwrap(), &outputs).unwrap()
}

/// Asks once for what `more` expects, and tells what is wrong with the answer.
async fn ask(asker: &Asker, url: &str, more: &str) -> Result<Vec<Mismatch>, NoAnswer> {
    let request = request(&tests_of(more).checks[0], url);
    asker.ask(&request).await.map(|reply| evaluate(&request.expect, &reply))
}

async fn ask_loopback(server: &Server, more: &str) -> Vec<String> {
    let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, CAPS);
    match ask(&asker, &server.url("shop.test"), more).await {
        Ok(mismatches) => mismatches.iter().map(Mismatch::to_string).collect(),
        Err(no_answer) => vec![no_answer.to_string()],
    }
}

/// Runs the checks round by round, without long pauses.
async fn run(asker: &Asker, tests: &SmokeTests, url: &str) -> Report {
    let pace = Pace {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(1),
        at_once: 8,
    };
    rounds::run(tests, &"dev".parse().unwrap(), pace, |check, _| {
        let request = request(check, url);
        async move {
            match asker.ask(&request).await {
                Ok(reply) => Attempt {
                    reasons: evaluate(&request.expect, &reply)
                        .iter()
                        .map(Mismatch::to_string)
                        .collect(),
                    took: reply.took,
                    may_pass: true,
                },
                Err(no_answer) => Attempt {
                    reasons: vec![no_answer.to_string()],
                    took: Duration::ZERO,
                    may_pass: no_answer.may_pass(),
                },
            }
        }
    })
    .await
}

#[tokio::test]
async fn f38_a_right_answer_passes_and_the_request_is_the_one_written() {
    let server = Server::start(|_, request, mut stream| async move {
        let request = request.to_ascii_lowercase();
        let right = request.starts_with("post /health http/1.1\r\n")
            && request.contains("\r\nhost: shop.test:")
            && request.contains("\r\nx-environment: dev\r\n")
            && request.ends_with("\r\n\r\norder dev");
        say(&mut stream, &ok(if right { r#"{"status":"ok"}"# } else { "{}" })).await;
    })
    .await;
    let more = "method = \"POST\"\nbody = \"order {environment}\"\nheaders = { x-environment = \"{environment}\" }\n\
                expect = { json = { \"$.status\" = \"ok\" } }";
    assert_eq!(ask_loopback(&server, more).await, [""; 0]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn f38_a_500_and_a_wrong_body_fail() {
    let server = Server::saying("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}").await;
    let more = r#"expect = { json = { "$.status" = "ok" } }"#;
    assert_eq!(
        ask_loopback(&server, more).await,
        ["the status should be 200 and is 500", "there is nothing at $.status"]
    );
    let server = Server::saying(ok(r#"{"status":"down"}"#)).await;
    assert_eq!(
        ask_loopback(&server, more).await,
        [r#"$.status should be "ok" and is "down""#]
    );
}

#[tokio::test]
async fn f38_slow_loris_ends_at_the_cap_in_head_and_body() {
    for (begin, dribble) in [
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("", ""),
    ] {
        let server = Server::start(move |_, _, mut stream| async move {
            let _ = stream.write_all(begin.as_bytes()).await;
            // Always a little, so that no reading ever waits long.
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            while stream.write_all(dribble.as_bytes()).await.is_ok() {
                beat.tick().await;
            }
        })
        .await;
        let caps = Caps {
            total: Duration::from_millis(100),
            ..CAPS
        };
        let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, caps);
        let answer = ask(&asker, &server.url("shop.test"), "").await;
        assert!(matches!(answer, Err(NoAnswer::TooSlow(_))), "{begin:?}: {answer:?}");
    }
}

#[tokio::test]
async fn f38_a_resolver_that_never_answers_ends_at_the_cap() {
    let lookup: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let asker = asker(
        "",
        lookup,
        Caps {
            total: Duration::from_millis(20),
            ..CAPS
        },
    );
    let answer = ask(&asker, "http://shop.test", "").await;
    assert!(matches!(answer, Err(NoAnswer::TooSlow(_))), "{answer:?}");
}

#[tokio::test]
async fn f38_a_body_of_1_gb_is_read_to_the_cap_and_fails() {
    let (written, read) = (Arc::new(AtomicUsize::new(0)), 1 << 30);
    let counted = written.clone();
    let server = Server::start(move |_, _, mut stream| {
        let written = counted.clone();
        async move {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {read}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let block = vec![b'x'; 64 * 1024];
            while stream.write_all(&block).await.is_ok() {
                written.fetch_add(block.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    assert_eq!(ask_loopback(&server, "").await, ["the answer is longer than 100 bytes"]);
    // What the kernel's buffers took in the meantime, and not the gigabyte.
    assert!(written.load(Ordering::SeqCst) < read / 8, "{written:?}");
}

#[tokio::test]
async fn f38_a_body_exactly_at_the_cap_is_whole() {
    let server = Server::saying(ok(&"x".repeat(CAPS.body))).await;
    assert_eq!(ask_loopback(&server, "").await, [""; 0]);
}

#[tokio::test]
async fn f38_a_redirect_to_the_metadata_service_is_not_followed() {
    let server = Server::saying(redirect("http://169.254.169.254/latest/meta-data/")).await;
    assert_eq!(ask_loopback(&server, "").await, ["the status should be 200 and is 302"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn f38_a_redirect_to_another_host_or_port_is_the_answer() {
    let other = Server::saying(ok("{}")).await;
    for location in [other.url("other.test"), other.url("shop.test"), other.url("127.0.0.1")] {
        let server = Server::saying(redirect(&location)).await;
        assert_eq!(
            ask_loopback(&server, "").await,
            ["the status should be 200 and is 302"],
            "{location}"
        );
        assert_eq!(
            ask_loopback(
                &server,
                &format!("expect = {{ status = 302, header = {{ location = {location:?} }} }}")
            )
            .await,
            [""; 0]
        );
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn f38_a_redirect_on_the_same_host_is_followed_three_times() {
    let server = |stops_at: usize| {
        Server::start(move |number, head, mut stream| async move {
            let wanted = if number == 0 {
                "GET /health ".to_owned()
            } else {
                format!("GET /{number} ")
            };
            assert!(head.starts_with(&wanted), "{head}");
            let answer = if number == stops_at {
                ok("{}")
            } else {
                redirect(&format!("/{}", number + 1))
            };
            say(&mut stream, &answer).await;
        })
    };
    let three = server(3).await;
    assert_eq!(ask_loopback(&three, "").await, [""; 0]);
    assert_eq!(three.connections(), 4);
    let four = server(4).await;
    assert_eq!(ask_loopback(&four, "").await, ["the status should be 200 and is 302"]);
    assert_eq!(four.connections(), 4);
}

#[tokio::test]
async fn f38_flapping_1_of_3_passes_by_trying_again() {
    let server = Server::start(|number, _, mut stream| async move {
        let answer = if number < 2 {
            "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else {
            ok("{}")
        };
        say(&mut stream, &answer).await;
    })
    .await;
    let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, CAPS);
    let report = run(&asker, &tests_of(""), &server.url("shop.test")).await;
    assert!(report.passed, "{report:?}");
    assert_eq!((report.checks[0].attempts, server.connections()), (3, 3));
}

#[tokio::test]
async fn f38_what_keeps_failing_fails_when_the_time_is_over() {
    let server = Server::saying("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, CAPS);
    let tests = SmokeTests {
        within: Duration::from_secs(1),
        ..tests_of("")
    };
    let report = run(&asker, &tests, &server.url("shop.test")).await;
    assert!(!report.passed && report.checks[0].attempts > 1, "{report:?}");
    assert_eq!(report.checks[0].reasons, ["the status should be 200 and is 503"]);
}

#[tokio::test]
async fn f38_a_certificate_that_nobody_signed_fails() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate =
        rustls::pki_types::CertificateDer::from(include_bytes!("../../fixtures/untrusted.cert.der").to_vec());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(include_bytes!("../../fixtures/untrusted.key.der").to_vec());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        // Only a client that accepts the certificate gets to the end of the handshake.
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        io::Write::write_all(&mut tls.writer(), ok("{}").as_bytes())?;
        tls.complete_io(&mut stream)
    });
    let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, CAPS);
    let answer = ask(&asker, &format!("https://shop.test:{port}"), "").await;
    assert!(
        matches!(&answer, Err(NoAnswer::Broken(why)) if why.contains("certificate")),
        "{answer:?}"
    );
    assert!(server.join().unwrap().is_err());
}

#[tokio::test]
async fn f38_https_to_a_server_without_tls_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The answer is written and the question read, so that hanging up resets nothing.
        stream.write_all(ok("{}").as_bytes()).await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let asker = asker("127.0.0.0/8", resolver(&[&["127.0.0.1"]]).0, CAPS);
    let answer = ask(&asker, &format!("https://shop.test:{port}"), "").await;
    assert!(
        matches!(&answer, Err(NoAnswer::Broken(why)) if why.contains("corrupt message")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn f38_dns_rebinding_within_a_try_gains_nothing() {
    // The name points at the server when it is judged, and at a denied address whenever it is looked up again: at
    // connecting, and at following the redirect.
    let server = Server::start(|number, _, mut stream| async move {
        say(&mut stream, &if number == 0 { redirect("/again") } else { ok("{}") }).await;
    })
    .await;
    let (lookup, lookups) = resolver(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let asker = asker("127.0.0.0/8", lookup, CAPS);
    assert_eq!(ask(&asker, &server.url("shop.test"), "").await.unwrap(), []);
    assert_eq!((server.connections(), lookups.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn f38_dns_rebinding_between_tries_is_denied_without_a_request() {
    let server = Server::saying("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let denied = TcpListener::bind(("127.0.0.2", server.address.port())).await.unwrap();
    let (lookup, _) = resolver(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let asker = asker("127.0.0.1/32", lookup, CAPS);
    let report = run(&asker, &tests_of(""), &server.url("shop.test")).await;
    assert_eq!(
        report.checks[0].reasons,
        ["shop.test is not asked: 127.0.0.2 is a loopback address, which smoke tests may not speak to"]
    );
    assert_eq!(
        (report.passed, report.checks[0].attempts, server.connections()),
        (false, 2, 1)
    );
    assert_untouched(&denied);
}

#[tokio::test]
async fn f38_a_denied_address_gets_no_request_by_name_or_number() {
    let server = Server::saying(ok("{}")).await;
    for (host, addresses) in [
        ("shop.test", ["127.0.0.1"].as_slice()),
        ("shop.test", &["127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1"]),
        ("127.0.0.1", &["8.8.8.8"]),
        ("[::ffff:7f00:1]", &["8.8.8.8"]),
    ] {
        let (lookup, _) = resolver(&[addresses]);
        let answer = ask(&asker("", lookup, CAPS), &server.url(host), "").await;
        assert!(matches!(answer, Err(NoAnswer::Denied { .. })), "{host}: {answer:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn f38_of_several_addresses_only_the_allowed_ones_are_used() {
    let server = Server::saying(ok("{}")).await;
    let denied = TcpListener::bind(("127.0.0.2", server.address.port())).await.unwrap();
    let (lookup, _) = resolver(&[&["127.0.0.2", "127.0.0.1"]]);
    let asker = asker("127.0.0.1/32", lookup, CAPS);
    assert_eq!(ask(&asker, &server.url("shop.test"), "").await.unwrap(), []);
    assert_untouched(&denied);
}

#[tokio::test]
async fn f38_a_host_that_parsers_read_in_two_ways_is_not_asked() {
    let (lookup, lookups) = resolver(&[&["127.0.0.1"]]);
    let asker = asker("127.0.0.0/8", lookup, CAPS);
    for host in ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::127.0.0.1]"] {
        let answer = ask(&asker, &format!("http://{host}:1"), "").await;
        assert!(matches!(answer, Err(NoAnswer::OtherHost { .. })), "{host}: {answer:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_host_without_addresses_is_tried_again_and_a_denied_one_is_not() {
    let asker = asker("", resolver(&[&[]]).0, CAPS);
    let answer = ask(&asker, "http://shop.test", "").await.unwrap_err();
    assert!(
        matches!(answer, NoAnswer::NoAddress { .. }) && answer.may_pass(),
        "{answer:?}"
    );
}

/// Nobody is in the queue of a listener that accepts.
fn assert_untouched(listener: &TcpListener) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(listener.poll_accept(&mut context).is_pending());
}
