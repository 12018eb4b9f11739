//! What is answered over a connection.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::scene;
use crate::dashboard::serving::Server;

/// The port of a server that answers for as long as the test lasts.
async fn served() -> u16 {
    let (_aws, source) = scene().await;
    let server = Server::listen(0).await.unwrap();
    let port = server.port();
    tokio::spawn(server.serve(source));
    port
}

/// What comes back, up to the end of the connection.
async fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // One that is refused early may be cut off while the rest of it is sent.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn it_answers_under_its_own_names_and_to_those_who_read() {
    let port = served().await;
    let get = |host: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let answer = send(port, &get(&format!("{host}:{port}"))).await;
        assert_eq!(status(&answer), "200", "{answer}");
    }
    for host in ["attacker.example", &format!("attacker.example:{port}"), "localhost"] {
        let answer = send(port, &get(host)).await;
        assert_eq!(status(&answer), "421", "{answer}");
        assert!(!answer.contains("acme"), "{answer}");
    }
    let nowhere = send(port, "GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&nowhere), "421", "{nowhere}");
    let here = format!("host: 127.0.0.1:{port}\r\n\r\n");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = send(port, &format!("{method} / HTTP/1.1\r\ncontent-length: 0\r\n{here}")).await;
        assert_eq!(status(&answer), "405", "{answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let head = send(port, &format!("HEAD / HTTP/1.1\r\n{here}")).await;
    assert!(status(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    let long = format!("GET / HTTP/1.1\r\ncookie: {}\r\n{here}", "a".repeat(500_000));
    let refused = send(port, &long).await;
    assert!(["", "431"].contains(&status(&refused)), "{refused}");
    assert_eq!(status(&send(port, "what is this\r\n\r\n").await), "400");
}

#[tokio::test]
async fn every_answer_is_nobodys_but_the_readers() {
    let port = served().await;
    for path in ["/", "/deployments/shop-test-200", "/deployments/shop-dev-1", "/nothing"] {
        let answer = send(port, &format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")).await;
        let (head, page) = answer.split_once("\r\n\r\n").unwrap();
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = {
            use base64::Engine as _;
            use sha2::Digest as _;
            base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style.as_bytes()))
        };
        let policy = format!(
            "content-security-policy: default-src 'none'; style-src 'sha256-{hash}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        );
        for header in [
            policy.as_str(),
            "content-type: text/html; charset=utf-8",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.lines().any(|line| line == header), "{header} is not in {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
        let moves = path == "/" || path.ends_with("200");
        assert_eq!(head.lines().any(|line| line == "refresh: 15"), moves, "{path}: {head}");
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_keep_others_out() {
    let port = served().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let answer = send(
        port,
        &format!("GET /nothing HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n"),
    )
    .await;
    assert_eq!(status(&answer), "404");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let port = served().await;
    assert!(Server::listen(port).await.is_err());
}
