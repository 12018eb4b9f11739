//! Calls that fail, take long, say too much or lead elsewhere.

use super::*;

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
