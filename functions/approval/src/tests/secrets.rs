//! What must be seen nowhere.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::*;

/// A log that is kept.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything that goes right and wrong with one approval; returns the pages, and the tokens and nonces that were used.
async fn everything_happens() -> (Site, Vec<Response>, Vec<String>) {
    let site = Site::asking(policy(2, &[QA, LEAD, OPS])).await;
    site.aws.state().subscriptions[1].confirmed = false;
    let _ = site
        .call(json!({ "do": "wake", "key": "approval/nobody" }), after(0))
        .await;
    site.hub.state().refuses = Some((502, "Bad gateway"));
    site.ask().await.unwrap();
    site.hub.state().refuses = None;
    // Operators are told first.
    site.aws
        .fates("Publish", [Fate::Done, Fate::Refused("KMSAccessDenied")]);
    let _ = site.wake(1).await;
    site.aws.state().subscriptions[1].confirmed = true;
    site.wake(2).await.unwrap();
    let (qa, lead) = (site.link(QA), site.link(LEAD));
    let nonce = site.nonce(&qa, 3).await;
    let mut secrets = vec![qa.clone(), lead.clone(), nonce.clone()];
    let mut pages = vec![site.open(&qa, 3).await, site.open(&lead[..lead.len() - 4], 4).await];
    let form = Form::new(&qa, &nonce, Choice::Reject).with("comment", "");
    pages.push(
        site.send(&form.clone().header("origin", Some("https://attacker.example")), 5)
            .await,
    );
    pages.push(site.send(&form, 6).await);
    secrets.push(Markup::of(&pages[3].body).field("nonce").unwrap());
    let accept = Form::new(&qa, &nonce, Choice::Accept);
    site.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
    pages.push(site.send(&accept, 7).await);
    pages.push(site.send(&accept, 8).await);
    pages.push(site.send(&accept, 9).await);
    pages.push(
        site.says(
            "arn:aws:iam::111111111111:user/mallory",
            &json!({ "decision": "accept" }),
            10,
        )
        .await,
    );
    site.aws
        .fates("SendTaskSuccess", [Fate::Refused("ThrottlingException")]);
    pages.push(site.says(OPS, &json!({ "decision": "accept" }), 11).await);
    site.wake(12).await.unwrap();
    pages.push(site.open(&lead, 13).await);
    assert_eq!(site.told().len(), 1);
    (site, pages, secrets)
}

#[tokio::test]
async fn no_secret_is_in_a_log_on_a_page_or_in_a_mail() {
    let log = Log::default();
    // Ours in full; of the rest what is logged in production.
    let filter = filter_fn(|metadata| {
        let ours = ["lockgate_approval", "domain", "aws", "github", "lambda"];
        *metadata.level() <= Level::INFO || ours.contains(&metadata.target().split("::").next().unwrap())
    });
    // With one subscriber only, `tracing` takes what it keeps of a place in the code from whichever thread comes there
    // first, and other tests' threads have none.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log.clone());
    let guard = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .set_default();
    let (site, pages, tokens) = everything_happens().await;
    drop(guard);
    let log = log.text();
    // It is a log that would show them.
    for said in [
        "nobody can be asked yet",
        "a mail is not sent yet",
        "an answer does not count",
        "a person got no answer",
    ] {
        assert!(log.contains(said), "{said} is not in {log}");
    }
    let hidden = [TASK, KEY, HUB_TOKEN];
    for secret in tokens.iter().map(String::as_str).chain(hidden) {
        assert!(!log.contains(secret), "{log}");
        // Half of it would do for somebody.
        assert!(!log.contains(&secret[secret.len() / 2..]), "{log}");
    }
    for page in &pages {
        for secret in hidden {
            assert!(!page.body.contains(secret));
        }
        // A token is in its holder's own form and nowhere else.
        let own = (page.status_code < 300 || page.status_code == 422).then(|| Markup::of(&page.body));
        let own = own.and_then(|markup| markup.field("token"));
        for token in &tokens[..2] {
            let times = usize::from(own.as_ref() == Some(token));
            assert_eq!(page.body.matches(token.as_str()).count(), times, "{}", page.body);
        }
        for value in page.headers.values() {
            assert!(tokens.iter().all(|token| !value.contains(token.as_str())));
        }
    }
    for approver in [QA, LEAD] {
        for mail in site.mails_to(approver) {
            let link = format!("{PAGES}/approvals/{}?token={}", site.id(), site.link(approver));
            assert_eq!(mail.body.matches("token=").count(), 1);
            assert_eq!(mail.body.lines().filter(|line| *line == link).count(), 1);
            assert!(
                hidden
                    .iter()
                    .all(|secret| !mail.body.contains(secret) && !mail.subject.contains(secret))
            );
        }
    }
    for mail in site.mails_to_operators() {
        let all = [mail.subject, mail.body].concat();
        assert!(!all.contains("token") && hidden.iter().all(|secret| !all.contains(secret)));
    }
    // The task's token is in what is parked and in nothing else that is kept.
    let kept = serde_json::to_string(&site.aws.state().table.items.values().collect::<Vec<_>>()).unwrap();
    for secret in tokens.iter().map(String::as_str).chain(hidden) {
        assert!(!kept.contains(secret));
    }
}

#[tokio::test]
async fn nothing_that_holds_a_secret_shows_it() {
    let site = Site::new().await;
    site.ask().await.unwrap();
    let token = site.link(QA);
    let page = site.open(&token, 1).await;
    let form = Form::new(&token, "a-nonce", Choice::Accept).event(&site.id());
    let body = form["body"].as_str().unwrap().to_owned();
    let input: Input = serde_json::from_value(form).unwrap();
    let link: Input = serde_json::from_value(opens("GET", &site.id(), &token)).unwrap();
    let ask = json!({ "do": "ask", "deployment": site.candidate, "token": TASK });
    let ask: Input = serde_json::from_value(ask).unwrap();
    let shown = format!(
        "{input:?} {link:?} {ask:?} {page:?} {:?} {:?}",
        site.context,
        Output::Response(page.clone())
    );
    for secret in [token.as_str(), body.as_str(), TASK, KEY, HUB_TOKEN] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        shown.contains("POST /approvals/{id}"),
        "what was asked is shown: {shown}"
    );
}
