#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use fake_aws::FakeAws;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpSocket;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request as it came over the wire.
#[derive(Debug)]
pub struct Received {
    /// The method and the path.
    pub line: String,
    /// The headers, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// A server on this machine that gives these answers (status and body), one a connection, and the base URL of it.
pub fn server(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        answers
            .into_iter()
            .map(|(status, body)| {
                let (mut stream, _) = listener.accept().unwrap();
                let received = receive(&mut BufReader::new(stream.try_clone().unwrap()));
                write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
                received
            })
            .collect()
    };
    (base, thread::spawn(serve))
}

/// The headers of an answer.
type Headers = Vec<(&'static str, &'static str)>;

/// A server on this machine that answers whatever it is asked, for as long as the tests run, and the base URL of it. With
/// the status, it says these headers.
pub fn answering_with(answer: impl Fn(&Received) -> (u16, Headers, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let received = receive(&mut BufReader::new(stream.try_clone().unwrap()));
            let (status, headers, body) = answer(&received);
            let more: String = headers
                .iter()
                .flat_map(|(name, value)| [name, ": ", value, "\r\n"])
                .collect();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    base
}

fn receive(stream: &mut BufReader<std::net::TcpStream>) -> Received {
    let mut lines = stream.by_ref().lines().map(|line| line.unwrap());
    let line = lines.next().unwrap();
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Received {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// The API there, called by somebody who took on a role.
pub async fn api(base: &str) -> Api {
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, Some("session".to_owned()), None, "test");
    let config = FakeAws::default().config().await.to_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
    Api::at(Aws::with(config.build()), base).unwrap()
}

/// What a request's `Authorization` has to be, by the steps of the IAM user guide ("Create a signed AWS API request").
fn authorization(received: &Received, signed: &str, region: &str, service: &str) -> String {
    let hash = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let sign = |key: &[u8], text: &str| -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let (method, path) = received.line.split_once(' ').unwrap();
    let headers: Vec<String> = signed
        .split(';')
        .map(|name| format!("{name}:{}", received.headers[name]))
        .collect();
    let (headers, body) = (headers.join("\n"), hash(&received.body));
    let canonical = format!("{method}\n{path}\n\n{headers}\n\n{signed}\n{body}");
    let at = &received.headers["x-amz-date"];
    let day = &at[..8];
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| sign(&key, part));
    let signature = hex::encode(sign(
        &key,
        &format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hash(&canonical)),
    ));
    format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={signed}, Signature={signature}")
}

#[test]
fn signatures_are_checked_by_what_signs_awss_own_example_as_aws_does() {
    // `get-vanilla` of the Signature Version 4 test suite.
    let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
    let received = Received {
        line: "GET /".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: String::new(),
    };
    let signed = authorization(&received, "host;x-amz-date", "us-east-1", "service");
    let expected = "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert!(signed.ends_with(expected), "{signed}");
}

#[tokio::test]
async fn what_is_sent_is_signed_to_the_last_byte_for_the_api_and_its_region() {
    let body = json!({ "decision": "reject", "comment": "die Summe stimmt nicht, ü" });
    for (path, body) in [("/approvals", None), ("/approvals/0a1b/ballots", Some(&body))] {
        let (base, served) = server(vec![(200, "[]".to_owned())]);
        api(&format!("{base}/")).await.call::<Value>(path, body).await.unwrap();
        let received = served.join().unwrap().pop().unwrap();
        let method = if body.is_some() { "POST" } else { "GET" };
        assert_eq!(received.line, format!("{method} {path}"));
        assert_eq!(received.body, body.map(ToString::to_string).unwrap_or_default());
        assert_eq!(received.headers["host"], base.trim_start_matches("http://"));
        assert_eq!(received.headers["x-amz-security-token"], "session");
        let signed = "content-type;host;x-amz-date;x-amz-security-token";
        let expected = authorization(&received, signed, "eu-west-1", "execute-api");
        assert_eq!(received.headers["authorization"], expected);
    }
}

#[tokio::test]
async fn whatever_the_api_says_that_is_no_answer_is_told_in_one_harmless_line() {
    let mut told = Vec::new();
    for (status, body) in [
        (403, "{\"message\":\"Forbidden\"}"),
        (403, "\u{1b}[31mUser is not authorized\n to perform: execute-api:Invoke"),
        (429, "{\"message\":\"Too Many Requests\"}"),
        (503, "<!doctype html>\n<h1>Please try again</h1>"),
        (307, ""),
        (200, "<html>"),
    ] {
        let (base, served) = server(vec![(status, body.to_owned())]);
        let error = api(&base)
            .await
            .call::<Vec<String>>("/approvals", None)
            .await
            .unwrap_err();
        served.join().unwrap();
        told.push(error.to_string().replace(&base, "https://api"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn an_api_that_is_not_there_and_credentials_that_are_not_there_are_told() {
    // Nobody listens there, and its port is taken until the end, so that nobody else comes to.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let error = api(&base).await.call::<Value>("/approvals", None).await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Unreachable(url, _) if *url == format!("{base}/approvals")),
        "{error}"
    );

    let mut nobody = FakeAws::default().config().await.to_builder();
    nobody.set_credentials_provider(None);
    let error = Api::at(Aws::with(nobody.build()), &base)
        .unwrap()
        .call::<Value>("/approvals", None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ApiError::Access(AccessError::Credentials(_))),
        "{error}"
    );

    let mut config = FakeAws::default().config().await.to_builder();
    config.set_region(None);
    let error = Api::at(Aws::with(config.build()), &base)
        .unwrap()
        .call::<Value>("/approvals", None)
        .await
        .unwrap_err();
    assert!(matches!(error, ApiError::Access(AccessError::Region)), "{error}");
}
