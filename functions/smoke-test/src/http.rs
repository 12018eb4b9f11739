//! Asking over HTTP without being led astray.
//!
//! What is asked is written by those who are tested, and names are resolved by whoever owns them. So every address is
//! judged before anything is sent to it, the client can only reach addresses that were judged (it has no resolver of
//! its own), and everything that a server can make long is capped.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::causes::with_causes;
use domain::smoke_test::{Allowed, Denied, HttpReply, HttpRequest, LONGEST_ANSWER, LONGEST_REPLY};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

#[cfg(test)]
pub(crate) mod tests;

/// Finds the addresses of a host.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// What a server can make long, and where it ends.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// A connection, TLS included.
    pub connect: Duration,
    /// A whole try: looking up, connecting, redirects, and the answer to its last byte.
    pub total: Duration,
    /// The bytes of a body.
    pub body: usize,
    /// Redirects on the same host.
    pub redirects: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: LONGEST_ANSWER,
            body: LONGEST_REPLY,
            redirects: 3,
        }
    }
}

/// Asks over HTTP, within caps, only addresses that are allowed.
#[derive(Clone)]
pub struct Asker {
    client: Client,
    judged: Judged,
    allowed: Allowed,
    lookup: Lookup,
    caps: Caps,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent: the host is at an address that may not be spoken to.
    #[error("{host} is not asked: {denied}")]
    Denied {
        /// The host.
        host: String,
        /// The first of its addresses.
        denied: Denied,
    },
    /// Nothing was sent: the URL reads differently here than where the stack's output was looked at.
    #[error("the URL is not asked: its host is not {host}")]
    OtherHost {
        /// The host that the output names.
        host: String,
    },
    /// The host has no address.
    #[error("{host} has no address: {source}")]
    NoAddress {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The answer did not end in time.
    #[error("there was no whole answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// Connecting, TLS or the answer itself failed.
    #[error("there was no answer: {0}")]
    Broken(String),
}

impl NoAnswer {
    /// Whether asking again can help.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Denied { .. } | Self::OtherHost { .. })
    }
}

impl Asker {
    /// An asker that may speak to these addresses.
    ///
    /// # Errors
    /// When the system's root certificates cannot be read.
    pub fn new(allowed: Allowed, lookup: Lookup, caps: Caps) -> Result<Self, reqwest::Error> {
        // The only provider in the program (reqwest is built without one); a second call finds it installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let judged = Judged::default();
        let client = Client::builder()
            .user_agent(concat!("lockgate-smoke-test/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(judged.clone()))
            .no_proxy()
            .redirect(same_host(caps.redirects))
            .referer(false)
            .connect_timeout(caps.connect)
            // A try that finds the connection of the try before would not find the server that took its place.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            client,
            judged,
            allowed,
            lookup,
            caps,
        })
    }

    /// Asks once.
    pub async fn ask(&self, request: &HttpRequest) -> Result<HttpReply, NoAnswer> {
        match tokio::time::timeout(self.caps.total, self.look_up_and_ask(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::TooSlow(self.caps.total)),
        }
    }

    async fn look_up_and_ask(&self, request: &HttpRequest) -> Result<HttpReply, NoAnswer> {
        let url = self.judged_url(request).await?;
        let method = request
            .method
            .to_string()
            .parse()
            .map_err(|_| NoAnswer::Broken("no such method".to_owned()))?;
        let mut asked = self.client.request(method, url);
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        if let Some(body) = &request.body {
            asked = asked.body(body.clone());
        }
        let started = Instant::now();
        let mut response = asked.send().await.map_err(broken)?;
        let headers = response.headers().iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let mut reply = HttpReply {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: Vec::new(),
            truncated: false,
            took: Duration::ZERO,
        };
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            let room = self.caps.body - reply.body.len();
            if chunk.len() > room {
                reply.body.extend_from_slice(&chunk[..room]);
                reply.truncated = true;
                break;
            }
            reply.body.extend_from_slice(&chunk);
        }
        reply.took = started.elapsed();
        Ok(reply)
    }

    /// The URL to ask, once the addresses behind it are judged and the client can reach those that are allowed.
    async fn judged_url(&self, request: &HttpRequest) -> Result<Url, NoAnswer> {
        let other_host = || NoAnswer::OtherHost {
            host: request.host.clone(),
        };
        let url = Url::parse(&request.url).map_err(|_| other_host())?;
        let with_credentials = !url.username().is_empty() || url.password().is_some();
        if url.host_str() != Some(&request.host) || with_credentials || !matches!(url.scheme(), "http" | "https") {
            return Err(other_host());
        }
        let host = request.host.clone();
        let addresses = match url.host() {
            // The client connects to these without asking its resolver.
            Some(url::Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(url::Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            _ => match (self.lookup)(host.clone()).await {
                Ok(addresses) => addresses,
                Err(source) => return Err(NoAnswer::NoAddress { host, source }),
            },
        };
        let mut denied = None;
        let mut allowed = Vec::new();
        for address in addresses {
            match self.allowed.judge(address) {
                Ok(()) => allowed.push(address),
                Err(refusal) => denied = denied.or(Some(refusal)),
            }
        }
        match (allowed.is_empty(), denied) {
            (false, _) => {
                self.judged.put(host, allowed);
                Ok(url)
            }
            (true, Some(denied)) => Err(NoAnswer::Denied { host, denied }),
            (true, None) => Err(NoAnswer::NoAddress {
                host,
                source: io::Error::new(io::ErrorKind::NotFound, "the list is empty"),
            }),
        }
    }
}

/// Looks hosts up as the operating system does.
pub fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0))
                .await?
                .map(|address| address.ip())
                .collect())
        })
    })
}

/// The client's resolver: it knows the addresses that were judged and allowed, and nothing else, so that a name which
/// changes its mind between judging and connecting (DNS rebinding) gains nothing.
#[derive(Clone, Default)]
struct Judged {
    addresses: Arc<Mutex<HashMap<String, Vec<IpAddr>>>>,
}

impl Judged {
    fn put(&self, host: String, addresses: Vec<IpAddr>) {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(host, addresses);
    }
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name.as_str())
            .cloned();
        Box::pin(async move {
            // The port is that of the URL; 0 leaves it so.
            let addresses = found
                .ok_or("its addresses were not judged")?
                .into_iter()
                .map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Follows redirects that stay on scheme, host and port. Any other is the answer itself, and is judged as such.
fn same_host(most: usize) -> Policy {
    Policy::custom(move |attempt| {
        let stays = attempt
            .previous()
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        // The list begins with the URL that was asked for.
        if stays && attempt.previous().len() <= most {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Why there is no answer, without the URL, which stands in the release.
fn broken(error: reqwest::Error) -> NoAnswer {
    NoAnswer::Broken(with_causes(&error.without_url()))
}
