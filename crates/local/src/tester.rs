//! Somebody who was asked, with a mail program and a browser.

use std::time::Duration;

use url::form_urlencoded;

use crate::{Emulator, TOOLS, Trouble};

/// How long a mail may take: far longer than any takes, so that a hang and nothing else is found by it.
const PATIENCE: Duration = Duration::from_mins(4);

/// What a browser says of a form that a page without a referrer sends to where the page came from.
pub const OWN_PAGE: [(&str, &str); 2] = [("origin", "null"), ("sec-fetch-site", "same-origin")];

/// Somebody who was asked.
#[derive(Debug, Clone)]
pub struct Tester<'e> {
    emulator: &'e Emulator,
    /// Where their mail goes.
    pub mail: String,
}

/// A page as a browser shows it.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// What it says, as HTML.
    pub html: String,
}

/// What is given with an answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// `accept` or `reject`.
    pub decision: String,
    /// Why.
    pub comment: String,
    /// The ticks, by their place in the list.
    pub ticked: Vec<usize>,
}

impl<'e> Tester<'e> {
    /// Whoever has this address.
    pub fn new(emulator: &'e Emulator, mail: &str) -> Self {
        Self {
            emulator,
            mail: mail.to_owned(),
        }
    }

    /// Waits for a mail about a deployment, and returns the link in it.
    pub async fn link(&self, approval: &str) -> Result<String, Trouble> {
        let began = tokio::time::Instant::now();
        loop {
            let mails = self.emulator.mails(TOOLS).await?;
            let words = mails
                .iter()
                .rev()
                .filter(|mail| mail.to == self.mail)
                .flat_map(|mail| mail.body.split_whitespace());
            let mut links = words.filter(|word| word.starts_with("http") && word.contains(approval));
            if let Some(link) = links.next() {
                return Ok(link.to_owned());
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble(format!("{} got no mail about {approval}", self.mail)));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Opens a link.
    pub async fn open(&self, link: &str) -> Result<Page, Trouble> {
        let answer = self
            .emulator
            .http()
            .get(link)
            .header("sec-fetch-site", "none")
            .send()
            .await;
        Page::of(answer).await
    }

    /// Opens a link, and presses a button of its form.
    pub async fn answer(&self, link: &str, answer: &Answer) -> Result<Page, Trouble> {
        let page = self.open(link).await?;
        match page.form(answer) {
            Some(form) => self.send(link, form, &OWN_PAGE).await,
            None => Ok(page),
        }
    }

    /// Sends a form with these headers.
    pub async fn send(&self, link: &str, form: String, headers: &[(&str, &str)]) -> Result<Page, Trouble> {
        let mut request = self.emulator.http().post(link);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let form = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        Page::of(form.send().await).await
    }
}

impl Answer {
    /// Yes, with everything ticked that is on the list.
    pub fn accept(comment: &str) -> Self {
        Self {
            decision: "accept".to_owned(),
            comment: comment.to_owned(),
            ticked: Vec::new(),
        }
    }

    /// No, and why.
    pub fn reject(comment: &str) -> Self {
        Self {
            decision: "reject".to_owned(),
            comment: comment.to_owned(),
            ticked: Vec::new(),
        }
    }

    /// The same with these items ticked.
    #[must_use]
    pub fn ticking(mut self, ticked: impl IntoIterator<Item = usize>) -> Self {
        self.ticked = ticked.into_iter().collect();
        self
    }
}

impl Page {
    async fn of(answer: Result<reqwest::Response, reqwest::Error>) -> Result<Self, Trouble> {
        let answer = answer.map_err(|error| Trouble(format!("opening a page: {}", error.without_url())))?;
        let status = answer.status().as_u16();
        let html = answer.text().await.map_err(Trouble::during("reading a page"))?;
        Ok(Self { status, html })
    }

    /// What its form sends when it is filled in like this; nothing, where it has no form.
    pub fn form(&self, answer: &Answer) -> Option<String> {
        let (token, nonce) = (self.field("token")?, self.field("nonce")?);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", &token).append_pair("nonce", &nonce);
        for place in &answer.ticked {
            form.append_pair("tick", &place.to_string());
        }
        form.append_pair("comment", &answer.comment)
            .append_pair("decision", &answer.decision);
        Some(form.finish())
    }

    /// The value of a hidden field; our own pages escape nothing in it.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    }

    /// The checklist's boxes, by their place in the list.
    pub fn boxes(&self) -> Vec<usize> {
        let after = self.html.split("name=\"tick\" value=\"").skip(1);
        after.filter_map(|rest| rest.split_once('"')?.0.parse().ok()).collect()
    }

    /// What stands between `<h1>` and its end.
    pub fn heading(&self) -> &str {
        let after = self.html.split_once("<h1>").map_or("", |(_, rest)| rest);
        after.split_once("</h1>").map_or("", |(heading, _)| heading)
    }
}
