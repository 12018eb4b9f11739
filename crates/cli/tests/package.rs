//! `lockgate package` as a build calls it, against a bucket that keeps the two promises of S3 that it relies on.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use domain::names::Digest;
use domain::release::{Index, index_key, object_key};
use tempfile::TempDir;

/// A bucket: `If-None-Match: *` never overwrites, and `x-amz-checksum-sha256` is checked on arrival and told later.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    /// The key and the answer of each write, in order.
    writes: Vec<(String, u16)>,
    /// Keys of which every write is refused.
    denied: Vec<String>,
    /// The key of each question after an object, in order.
    asked: Vec<String>,
}

impl Bucket {
    /// What S3 tells of an object without its content: its length and its checksum.
    fn describe(&mut self, key: &str) -> Option<(usize, String)> {
        self.asked.push(key.to_owned());
        let content = self.objects.get(key)?;
        Some((content.len(), base64(Digest::of(content).as_str())))
    }

    fn write(&mut self, key: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> (u16, &'static str) {
        let header = |name: &str| headers.get(name).map(String::as_str);
        let answer = if self.denied.iter().any(|denied| key.starts_with(denied)) {
            (403, "AccessDenied")
        } else if header("if-none-match") != Some("*") {
            (400, "NotConditional")
        } else if header("x-amz-checksum-sha256") != Some(&base64(Digest::of(body).as_str())) {
            (400, "BadDigest")
        } else if self.objects.contains_key(key) {
            (412, "PreconditionFailed")
        } else {
            self.objects.insert(key.to_owned(), body.to_vec());
            (200, "")
        };
        self.writes.push((key.to_owned(), answer.0));
        answer
    }
}

fn base64(hex: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Three bytes are six hexadecimal digits and four letters.
    let letters = |digits: &[u8]| {
        let padded = format!("{:0<6}", std::str::from_utf8(digits).unwrap());
        let bits = usize::from_str_radix(&padded, 16).unwrap();
        let kept = digits.len() * 4 / 6 + usize::from(digits.len() < 6);
        let all = [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift) & 63]));
        all.into_iter()
            .enumerate()
            .map(|(at, letter)| if at < kept { letter } else { '=' })
            .collect::<String>()
    };
    hex.as_bytes().chunks(6).map(letters).collect()
}

fn serve(bucket: &Arc<Mutex<Bucket>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bucket = Arc::clone(bucket);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || answer(&bucket, &stream.unwrap()));
        }
    });
    address
}

/// Answers the requests of one connection until the client closes it.
fn answer(bucket: &Mutex<Bucket>, stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let (method, target) = line.split_once(' ')?;
        let key = target
            .split(' ')
            .next()?
            .split('?')
            .next()?
            .strip_prefix("/artifacts/")?
            .to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![
            0;
            headers
                .get("content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0)
        ];
        reader.read_exact(&mut body).ok()?;
        if method == "HEAD" {
            let described = bucket.lock().unwrap().describe(&key);
            let (status, length, checksum) = match described {
                Some((length, checksum)) => (200, length, checksum),
                None => (404, 0, String::new()),
            };
            write!(
                &mut &*stream,
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nx-amz-checksum-sha256: {checksum}\r\n\r\n"
            )
            .ok()?;
            continue;
        }
        let (status, code) = bucket.lock().unwrap().write(&key, &headers, &body);
        let text = if code.is_empty() {
            String::new()
        } else {
            format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")
        };
        write!(
            &mut &*stream,
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        )
        .ok()?;
    }
}

fn application() -> TempDir {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("cdk.out");
    fs::create_dir_all(out.join("asset.code")).unwrap();
    let manifest = r#"{"version":"48.0.0","artifacts":{
      "web.assets":{"type":"cdk:asset-manifest","properties":{"file":"web.assets.json"}},
      "web":{"type":"aws:cloudformation:stack","dependencies":["web.assets"],"properties":{"templateFile":"web.template.json"}}}}"#;
    let assets = r#"{"version":"48.0.0","files":{"code":{"source":{"path":"asset.code","packaging":"zip"},
      "destinations":{"here":{"bucketName":"b","objectKey":"code.zip"}}}}}"#;
    for (name, text) in [
        ("manifest.json", manifest),
        ("web.assets.json", assets),
        ("web.template.json", "{}"),
        ("asset.code/index.py", "print('tea')"),
    ] {
        fs::write(out.join(name), text).unwrap();
    }
    folder
}

fn lockgate(folder: &Path, endpoint: Option<SocketAddr>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
    command.current_dir(folder).args(arguments).env_clear();
    if let Some(endpoint) = endpoint {
        command
            .env("AWS_ENDPOINT_URL", format!("http://{endpoint}"))
            .env("AWS_ACCESS_KEY_ID", "111111111111")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("AWS_REGION", "eu-west-1")
            .env("LOCKGATE_ARTIFACTS", "artifacts");
    }
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_release_is_stored_once_and_its_index_last() {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let endpoint = serve(&bucket);
    let folder = application();

    let first = lockgate(folder.path(), Some(endpoint), &["package", "cdk.out"]);
    assert!(first.status.success(), "{}", stderr(&first));
    let digest: Digest = stdout(&first).trim_end().parse().unwrap();
    assert_eq!(stdout(&first), format!("{digest}\n"));
    {
        let mut bucket = bucket.lock().unwrap();
        let index = Index::verify(&bucket.objects[&index_key(&digest)], &digest).unwrap();
        for file in index.files() {
            let stored = &bucket.objects[&object_key(&file.sha256)];
            assert_eq!(
                (Digest::of(stored), stored.len() as u64),
                (file.sha256.clone(), file.size)
            );
        }
        assert_eq!(bucket.writes.last().unwrap(), &(index_key(&digest), 200));
        assert_eq!(bucket.writes.len(), 5);
        bucket.writes.clear();
    }

    let second = lockgate(folder.path(), Some(endpoint), &["package", "cdk.out"]);
    assert_eq!(stdout(&second), stdout(&first));
    {
        let bucket = bucket.lock().unwrap();
        assert!(bucket.writes.iter().all(|(_, status)| *status == 412));
        let mut asked = bucket.asked.clone();
        asked.sort();
        let mut written: Vec<String> = bucket.writes.iter().map(|(key, _)| key.clone()).collect();
        written.sort();
        assert_eq!(asked, written, "what is there is taken on S3's word, not on its name");
    }
    assert!(
        stderr(&second).contains("the same release is there already"),
        "{}",
        stderr(&second)
    );
}

#[test]
fn what_another_applications_build_wrote_under_the_same_digest_fails_this_build_by_name() {
    let object = object_key(&Digest::of(b"{}"));
    let bucket = Arc::new(Mutex::new(Bucket {
        objects: BTreeMap::from([(object.clone(), b"garbage".to_vec())]),
        ..Bucket::default()
    }));
    let endpoint = serve(&bucket);
    let output = lockgate(application().path(), Some(endpoint), &["package", "cdk.out"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let told = format!(
        "error: web.template.json could not be stored: {object} is not what its name says: S3 holds 7 bytes with the \
         checksum "
    );
    assert!(stderr(&output).contains(&told), "{}", stderr(&output));
}

#[test]
fn a_release_that_is_not_complete_has_no_index() {
    let bucket = Arc::new(Mutex::new(Bucket {
        denied: vec!["objects/44136fa3".to_owned()],
        ..Bucket::default()
    }));
    let endpoint = serve(&bucket);
    let output = lockgate(application().path(), Some(endpoint), &["package", "cdk.out"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    assert!(
        stderr(&output).contains("error: web.template.json could not be stored: s3:PutObject: artifacts: AccessDenied"),
        "{}",
        stderr(&output)
    );
    assert!(
        bucket
            .lock()
            .unwrap()
            .objects
            .keys()
            .all(|key| key.starts_with("objects/"))
    );
}

#[test]
fn a_dry_run_gives_the_same_digest_and_needs_no_bucket() {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let endpoint = serve(&bucket);
    let folder = application();
    let dry = lockgate(folder.path(), None, &["package", "--dry-run"]);
    let dry_with_bucket = lockgate(folder.path(), Some(endpoint), &["package", "cdk.out", "--dry-run"]);
    assert!(bucket.lock().unwrap().writes.is_empty());
    let real = lockgate(folder.path(), Some(endpoint), &["package"]);
    assert_eq!(stdout(&dry), stdout(&real));
    assert_eq!(stdout(&dry_with_bucket), stdout(&real));
    assert_eq!(stderr(&dry), "packed asset.code\ndry run: nothing was sent\n");
}

#[test]
fn exit_codes_tell_wrong_use_from_failure_and_text_has_no_colour_off_a_terminal() {
    let folder = application();
    let unknown = lockgate(folder.path(), None, &["unpackage"]);
    let no_bucket = lockgate(folder.path(), None, &["package"]);
    assert_eq!((unknown.status.code(), no_bucket.status.code()), (Some(2), Some(2)));
    let missing = lockgate(folder.path(), None, &["package", "elsewhere", "--dry-run"]);
    assert_eq!((missing.status.code(), stdout(&missing)), (Some(1), String::new()));
    assert_eq!(
        stderr(&missing),
        "error: elsewhere cannot be made a release:\n  - manifest.json: No such file or directory (os error 2)\n"
    );
    for output in [unknown, no_bucket, missing] {
        assert!(!stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    }
}
