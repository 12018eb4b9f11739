//! The program itself: its exit codes, and whose credentials it uses.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

fn lockgate(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
    command.args(words).env_clear();
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_ends_with_0_with_1_or_with_2_where_it_was_used_wrongly() {
    for (words, code) in [
        (vec!["completions", "fish"], 0),
        (vec!["man", "status"], 0),
        (vec!["--help"], 0),
        (vec!["man", "nothing"], 1),
        (vec!["validate", "/nowhere/lockgate.toml"], 1),
        (vec!["statsu"], 2),
        (vec!["hold", "acme/shop"], 2),
        (vec!["completions", "tcsh"], 2),
        (vec!["dashboard", "--port", "65536"], 2),
        (vec!["dashboard", "--since", "yesterday"], 2),
        (vec![], 2),
    ] {
        let output = lockgate(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        assert_eq!(output.stdout.is_empty(), code != 0, "{words:?}");
    }
}

/// `lockgate init` in a checkout of a CDK app, with these options and without a terminal.
fn init(folder: &std::path::Path, more: &[&str]) -> Output {
    let mut command = lockgate(&["init"]);
    // Git is found as everywhere.
    let path = std::env::var_os("PATH").unwrap();
    command
        .args(more)
        .env("PATH", path)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn a_checkout_gets_what_validate_accepts_or_is_told_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cdk.json"), r#"{"app":"go run shop.go"}"#).unwrap();
    let missing = init(folder.path(), &["--branch", "main"]);
    assert_eq!(missing.status.code(), Some(1));
    for option in ["--repository", "--tools-account", "--region", "--environment"] {
        assert!(said(&missing).contains(&format!("\n  {option} ")), "{}", said(&missing));
    }
    let wrong = init(folder.path(), &["--environment", "dev"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing was written"
    );

    let options = [
        "--repository",
        "acme/shop",
        "--branch",
        "main",
        "--tools-account",
        "111111111111",
        "--region",
        "eu-west-1",
        "--environment",
        "dev=222222222222",
        "--output",
        "json",
    ];
    let written = init(folder.path(), &options);
    assert_eq!(written.status.code(), Some(0), "{}", said(&written));
    let report = String::from_utf8(written.stdout).unwrap();
    assert!(report.starts_with("{\n  \"files\": ["), "{report}");
    let file = folder.path().join("lockgate.toml");
    let validated = lockgate(&["validate"]).arg(&file).output().unwrap();
    assert_eq!(validated.status.code(), Some(0), "{}", said(&validated));
    // Two files of one installation have different ids, which nobody can guess.
    let first = std::fs::read_to_string(&file).unwrap();
    let again = init(folder.path(), &options);
    assert_eq!(again.status.code(), Some(1));
    let forced = init(folder.path(), &[&options[..], &["--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
    assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
}

/// The `Authorization` of the first request of `lockgate status` with these options.
fn authorization(options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let config = file("config", "[profile tools]\nregion = eu-north-1\n[profile none]\n");
    let credentials = file(
        "credentials",
        "[tools]\naws_access_key_id = OFPROFILE\naws_secret_access_key = secret\n",
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
            let read = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..read]);
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let mut command = lockgate(&["status", "--ledger", "ledger"]);
    let output = command
        .args(options)
        .env("AWS_CONFIG_FILE", config)
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "OFENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "eu-west-1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let request = served.join().unwrap();
    let mut lines = request.lines();
    let line = lines.find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    line.unwrap().to_owned()
}

#[test]
fn a_profile_and_a_region_that_are_named_go_before_what_the_environment_has() {
    for (options, credentials, region) in [
        (vec![], "OFENVIRONMENT", "eu-west-1"),
        (vec!["--profile", "tools"], "OFPROFILE", "eu-west-1"),
        (vec!["--region", "eu-south-2"], "OFENVIRONMENT", "eu-south-2"),
        (
            vec!["--profile", "tools", "--region", "eu-south-2"],
            "OFPROFILE",
            "eu-south-2",
        ),
    ] {
        let line = authorization(&options);
        let signed = format!("Credential={credentials}/");
        assert!(
            line.contains(&signed) && line.contains(&format!("/{region}/ssm/")),
            "{options:?}: {line}"
        );
    }
}

#[test]
fn a_profile_that_is_not_there_is_told() {
    let mut command = lockgate(&[
        "status",
        "--ledger",
        "ledger",
        "--profile",
        "nobody",
        "--region",
        "eu-west-1",
    ]);
    let output = command
        .env("AWS_CONFIG_FILE", "/nowhere")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .env("AWS_ACCESS_KEY_ID", "OFENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nobody"), "{}", said(&output));
}

/// An AWS in which no application is configured and that tells nothing else.
fn empty_aws() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
                let read = stream.read(&mut part).unwrap();
                request.extend_from_slice(&part[..read]);
            }
            let (status, body) = if String::from_utf8_lossy(&request).contains("GetParametersByPath") {
                ("200 OK", r#"{"Parameters":[]}"#)
            } else {
                ("403 Forbidden", "")
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    endpoint
}

#[test]
fn the_dashboard_says_its_address_answers_there_and_ends_with_0_when_it_is_interrupted() {
    let mut child = lockgate(&["dashboard", "--ledger", "ledger", "--port", "0"])
        .env("AWS_ENDPOINT_URL", empty_aws())
        .env("AWS_ACCESS_KEY_ID", "OFENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "eu-west-1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = printed.next().unwrap().unwrap();
    let place = address.strip_prefix("http://").unwrap().trim_end_matches('/');
    assert!(place.starts_with("127.0.0.1:"), "{address}");
    let mut page = String::new();
    let mut stream = TcpStream::connect(place).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nhost: {place}\r\n\r\n").unwrap();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
    assert!(page.contains("No application is configured."), "{page}");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("Ctrl-C ends it."), "{}", said(&output));
}
