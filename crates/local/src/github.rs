//! GitHub's REST API, answered from the repositories on this machine, and from what was written to it.
//!
//! Routes, fields, statuses and headers are those of GitHub's documentation ("REST API endpoints for Git references",
//! "… for Git tags", "… for commits", "Rate limits for the REST API"), reduced to what a program may rely on: addresses
//! that only people follow are left out.

mod git;
mod records;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::deliveries::Delivery;
use crate::http::{Answer, Request, serve};
use crate::{Trouble, repository};

use git::Git;
use records::{Asker, Records};

/// The client id of the App that is installed on every repository here.
pub const APP: &str = "Iv23liLocalAws";

/// Its private key, which opens nothing anywhere else.
pub const APP_KEY: &str = include_str!("github/app.pem");

/// GitHub, as far as Lockgate asks it.
#[derive(Debug)]
pub struct GitHubStandIn {
    /// Where its API is, for `LOCKGATE_GITHUB_API` and `github_api`.
    pub url: String,
    known: Arc<Known>,
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Asked {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, and the query after it.
    pub target: String,
    /// Whether it carried a token.
    pub authorized: bool,
    /// What it sent; `null` where that is nothing.
    pub body: Value,
}

#[derive(Debug)]
struct Known {
    folder: PathBuf,
    logins: BTreeMap<String, String>,
    mood: Mutex<Mood>,
    /// The repositories about which nothing is answered.
    down: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<Asked>>,
    everything: Mutex<Vec<Asked>>,
    records: Mutex<Records>,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    Down,
    Limited(Timestamp),
    Slow(Duration),
}

impl GitHubStandIn {
    /// Answers from all repositories below a folder (that of [`Emulator::folder`](crate::Emulator::folder), where there
    /// is one), whenever they are made. `logins` says which mail address belongs to which account; these accounts may
    /// write, and others may read.
    pub async fn start(folder: &Path, logins: &[(&str, &str)]) -> Result<Self, Trouble> {
        let known = Arc::new(Known {
            folder: folder.to_path_buf(),
            logins: logins
                .iter()
                .map(|(mail, login)| (mail.to_lowercase(), (*login).to_owned()))
                .collect(),
            mood: Mutex::new(Mood::Well),
            down: Mutex::default(),
            asked: Mutex::default(),
            everything: Mutex::default(),
            records: Mutex::default(),
        });
        let answering = known.clone();
        let address = serve(move |request| {
            let known = answering.clone();
            async move { known.answer(&request).await }
        })
        .await
        .map_err(Trouble::during("listening on this machine"))?;
        Ok(Self {
            url: format!("http://{address}"),
            known,
        })
    }

    /// Everything is answered again, at once.
    pub fn be_well(&self) {
        *locked(&self.known.mood) = Mood::Well;
    }

    /// Everything is answered by 503 from now on.
    pub fn be_down(&self) {
        *locked(&self.known.mood) = Mood::Down;
    }

    /// Whatever is asked about one repository is answered by 503 from now on, or no longer.
    pub fn be_down_for(&self, repository: &str, on: bool) {
        let mut down = locked(&self.known.down);
        if on {
            down.insert(repository.to_owned());
        } else {
            down.remove(repository);
        }
    }

    /// Everything is refused until then, as where the calls of an hour are used up.
    pub fn rate_limit_until(&self, at: Timestamp) {
        *locked(&self.known.mood) = Mood::Limited(at);
    }

    /// Everything is answered so much later.
    pub fn slow(&self, by: Duration) {
        *locked(&self.known.mood) = Mood::Slow(by);
    }

    /// Publishes a release, whose page says this.
    pub fn publish(&self, release: &crate::deliveries::Release, page: &str) {
        locked(&self.known.records).publish(release, page);
    }

    /// A person asks for a deployment of a commit, in GitHub's own terms, and gets its number.
    pub fn ask_for_deployment(&self, asked: &crate::deliveries::AskedDeployment) -> u64 {
        locked(&self.known.records).ask_for_deployment(asked, Timestamp::now())
    }

    /// Has a delivery be one that did not get through to this address: it is made again when that is asked for.
    pub fn lose(&self, delivery: &Delivery, url: &str) {
        locked(&self.known.records).lose(delivery, url, Timestamp::now());
    }

    /// What the page of a release says.
    pub fn release_page(&self, repository: &str, tag: &str) -> Option<String> {
        locked(&self.known.records).release_page(repository, tag)
    }

    /// Everything that was written to a repository: `deployments` with their `statuses`, `checks` and `releases`.
    pub fn written(&self, repository: &str) -> Value {
        locked(&self.known.records).all(repository)
    }

    /// Everything that was asked since it was started.
    pub fn everything_asked(&self) -> Vec<Asked> {
        locked(&self.known.everything).clone()
    }

    /// What was asked since this was called last.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *locked(&self.known.asked))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A document, or a status and GitHub's words for it.
type Found = Result<Page, (u16, String)>;

/// A document, and whether there are others before and after it.
struct Page {
    status: u16,
    document: Value,
    links: Vec<(&'static str, usize)>,
}

impl From<Value> for Page {
    fn from(document: Value) -> Self {
        Self {
            status: 200,
            document,
            links: Vec::new(),
        }
    }
}

fn not_found() -> (u16, String) {
    (404, "Not Found".to_owned())
}

impl Known {
    async fn answer(&self, request: &Request) -> Answer {
        let asked = Asked {
            method: request.method.clone(),
            target: request.path.clone(),
            authorized: request.header("authorization").is_some(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        };
        locked(&self.everything).push(asked.clone());
        locked(&self.asked).push(asked);
        let now = Timestamp::now();
        let mut headers = vec![("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())];
        let mood = if self.is_down_for(&request.path) {
            Mood::Down
        } else {
            *locked(&self.mood)
        };
        let found = match mood {
            Mood::Down => {
                return Answer {
                    status: 503,
                    headers: vec![("content-type", "text/html".to_owned())],
                    body: b"<html><title>Unicorn! &middot; GitHub</title></html>".to_vec(),
                };
            }
            Mood::Limited(until) if now < until => {
                headers.extend([
                    ("x-ratelimit-limit", "60".to_owned()),
                    ("x-ratelimit-remaining", "0".to_owned()),
                    ("x-ratelimit-reset", until.as_second().to_string()),
                ]);
                Err((403, "API rate limit exceeded for 127.0.0.1.".to_owned()))
            }
            _ => {
                if let Mood::Slow(by) = mood {
                    tokio::time::sleep(by).await;
                }
                headers.extend([
                    ("x-ratelimit-limit", "5000".to_owned()),
                    ("x-ratelimit-remaining", "4999".to_owned()),
                    ("x-ratelimit-reset", (now.as_second() + 3_600).to_string()),
                ]);
                self.find(request).await
            }
        };
        headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
        let (status, document) = match found {
            Ok(page) => {
                headers.extend(page.link(request));
                (page.status, page.document)
            }
            Err((status, message)) => (
                status,
                json!({
                    "message": message,
                    "documentation_url": "https://docs.github.com/rest",
                    "status": status.to_string(),
                }),
            ),
        };
        Answer {
            status,
            headers,
            body: document.to_string().into_bytes(),
        }
    }

    fn is_down_for(&self, path: &str) -> bool {
        let about = path.strip_prefix("/repos/").unwrap_or_default();
        let down = locked(&self.down);
        down.iter()
            .any(|repository| about.starts_with(&format!("{repository}/")))
    }

    async fn find(&self, request: &Request) -> Found {
        let asker = locked(&self.records).asker(request.header("authorization"), Timestamp::now())?;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match (request.method.as_str(), &*path.split('/').skip(1).collect::<Vec<_>>()) {
            ("POST", ["app", "installations", "4711", "access_tokens"]) => {
                return locked(&self.records).token(asker, Timestamp::now());
            }
            ("GET", ["app", "hook", "deliveries"]) => {
                return locked(&self.records).attempts(asker, &Paging::of(query));
            }
            ("POST", ["app", "hook", "deliveries", number, "attempts"]) => {
                return self.deliver_again(asker, number).await;
            }
            _ => {}
        }
        let mut segments = path.split('/').skip(1);
        let (Some("repos"), Some(owner), Some(name)) = (segments.next(), segments.next(), segments.next()) else {
            return Err(not_found());
        };
        let repository = format!("{owner}/{name}");
        // Which also says that it leads to no other folder.
        let is_name = repository.parse::<domain::names::RepositoryName>().is_ok();
        let mirror = repository::mirror(&self.folder, &repository);
        if !is_name || !mirror.is_dir() {
            return Err(not_found());
        }
        let rest: Vec<&str> = segments.collect();
        let git = Git::new(&mirror, &repository, &self.logins);
        let paging = Paging::of(query);
        if request.method != "GET" {
            return self.write(request, &repository, &rest, asker, &git).await;
        }
        match rest.as_slice() {
            ["installation"] => locked(&self.records).installation(asker),
            ["deployments"] => Ok(locked(&self.records).deployments(&repository, query, &paging)),
            ["commits", sha, "check-runs"] => Ok(locked(&self.records).checks(&repository, sha, &paging)),
            ["releases"] => Ok(locked(&self.records).releases(&repository, &paging)),
            ["releases", "tags", tag @ ..] => {
                locked(&self.records).release_by_tag(&repository, &decoded(&tag.join("/")))
            }
            ["branches", branch @ ..] => git.branch(&decoded(&branch.join("/"))).await,
            [] => Ok(shapes::repository(&repository).into()),
            ["git", "ref", "tags", tag @ ..] => git.tag_reference(&decoded(&tag.join("/"))).await,
            ["git", "tags", sha] => git.tag_object(sha).await,
            ["collaborators", login, "permission"] => {
                let writes = self.logins.values().any(|known| known == login);
                Ok(shapes::permission(login, if writes { "write" } else { "read" }).into())
            }
            ["commits"] => {
                let head = parameter(query, "sha").unwrap_or_else(|| "HEAD".to_owned());
                git.commits(&head, &paging).await
            }
            ["commits", reference @ ..] => git.commit(&decoded(&reference.join("/"))).await,
            ["compare", between @ ..] => {
                let between = decoded(&between.join("/"));
                let (base, head) = between.split_once("...").ok_or_else(not_found)?;
                git.comparison(base, head, &paging).await
            }
            _ => Err(not_found()),
        }
    }

    /// Delivers something again, before it answers that it will.
    async fn deliver_again(&self, asker: Asker, number: &str) -> Found {
        let (delivery, url) = locked(&self.records).again(asker, number)?;
        let sent = delivery.send(&reqwest::Client::new(), &url).await;
        let status = sent.map_or(0, |(status, _)| status);
        locked(&self.records).attempted(&delivery, status, Timestamp::now());
        Ok(Page {
            status: 202,
            ..json!({}).into()
        })
    }

    async fn write(&self, request: &Request, repository: &str, path: &[&str], asker: Asker, git: &Git<'_>) -> Found {
        if asker == Asker::Nobody {
            return Err((401, "Requires authentication".to_owned()));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| (400, "Problems parsing JSON".to_owned()))?;
        let records = || locked(&self.records);
        match (request.method.as_str(), path) {
            ("POST", ["deployments"]) => {
                let reference = body["ref"].as_str().unwrap_or_default();
                let no_ref = || (422, format!("No ref found for: {reference}"));
                let sha = git.commit_of(reference).await.ok_or_else(no_ref)?;
                records().deploy(repository, &sha, &body, Timestamp::now())
            }
            ("POST", ["deployments", number, "statuses"]) => {
                records().tell_status(repository, number, &body, Timestamp::now())
            }
            ("POST", ["check-runs"]) => records().check(repository, asker, None, &body),
            ("PATCH", ["check-runs", number]) => records().check(repository, asker, Some(number), &body),
            ("PATCH", ["releases", number]) => records().edit_release(repository, number, &body),
            _ => Err(not_found()),
        }
    }
}

impl Page {
    /// The `Link` header, with addresses as the request's own.
    fn link(&self, request: &Request) -> Option<(&'static str, String)> {
        let host = request.header("host").unwrap_or_default();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let rest: String = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("page="))
            .flat_map(|pair| [pair, "&"])
            .collect();
        let links: Vec<String> = self
            .links
            .iter()
            .map(|(relation, page)| format!("<http://{host}{path}?{rest}page={page}>; rel=\"{relation}\""))
            .collect();
        (!links.is_empty()).then(|| ("link", links.join(", ")))
    }
}

/// Which page of a list is asked for.
struct Paging {
    page: usize,
    size: usize,
    /// Whether the request says anything of pages.
    is_asked: bool,
}

impl Paging {
    fn of(query: &str) -> Self {
        let number = |name: &str| parameter(query, name).and_then(|text| text.parse::<usize>().ok());
        let (page, size) = (number("page"), number("per_page"));
        Self {
            page: page.unwrap_or(1).max(1),
            size: size.unwrap_or(30).clamp(1, 100),
            is_asked: page.is_some() || size.is_some(),
        }
    }

    fn links(&self, total: usize) -> Vec<(&'static str, usize)> {
        let last = total.div_ceil(self.size).max(1);
        let mut links = Vec::new();
        if self.page > 1 {
            links.extend([("prev", self.page - 1), ("first", 1)]);
        }
        if self.page < last {
            links.extend([("next", self.page + 1), ("last", last)]);
        }
        links
    }

    /// What is on the page.
    fn of_all<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter()
            .skip((self.page - 1) * self.size)
            .take(self.size)
            .collect()
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
