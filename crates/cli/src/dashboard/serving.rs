//! The server: who is answered, and with which headers.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::page::{self, Page};
use super::reading::Source;
use super::routes;

/// How many connections there are at once; others wait. Each is for one request.
const CONNECTIONS: usize = 64;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of a request's head. Cookies of whatever else runs on this machine come along with it.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long nobody is let in after the machine could not take a connection, which may have too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// Something that listens on this machine alone.
pub struct Server {
    listener: TcpListener,
    port: u16,
}

impl Server {
    /// Listens on this port of 127.0.0.1, or on any that is free where it is 0.
    pub async fn listen(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers, for as long as it is awaited.
    pub async fn serve(self, source: Arc<Source>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let port = self.port;
        // It is never closed.
        while let Ok(place) = room.clone().acquire_owned().await {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let source = source.clone();
            tokio::spawn(async move {
                let answer = |request: Request<Incoming>| {
                    let source = source.clone();
                    async move { Ok::<_, Infallible>(respond(&source, &request, port).await) }
                };
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .max_buf_size(HEAD_LIMIT)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                // Who went away, or sent what is no request, is not told.
                let _ = served.await;
                drop(place);
            });
        }
    }
}

async fn respond(source: &Source, request: &Request<Incoming>, port: u16) -> Response<Full<Bytes>> {
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    let page = if !is_for_us(request.headers(), target, port) {
        page::misdirected(port)
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        page::only_to_be_read()
    } else {
        routes::answer(source, request.uri().path(), request.uri().query()).await
    };
    response(page)
}

/// Whether the browser believes to speak to this machine. A page of somebody else's, whose name they let point here (DNS
/// rebinding), would be asked for under that name.
fn is_for_us(headers: &HeaderMap, target: Option<&str>, port: u16) -> bool {
    let is_here = |host: &str| {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
            host.eq_ignore_ascii_case(&format!("{name}:{port}")) || (port == 80 && host.eq_ignore_ascii_case(name))
        })
    };
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    host.to_str().is_ok_and(is_here) && target.is_none_or(is_here)
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.html)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let fixed = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", page::policy()),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in fixed {
        // The policy is a constant and a hash, in ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if let Some(seconds) = page.refresh {
        // Asked for anew where it was asked for.
        headers.insert("refresh", HeaderValue::from(seconds));
    }
    if page.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert("allow", HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_of_this_machine_and_port_is_answered() {
        let asked = |hosts: &[&str], target: Option<&str>, port: u16| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            is_for_us(&headers, target, port)
        };
        for host in ["127.0.0.1:5625", "localhost:5625", "LocalHost:5625", "[::1]:5625"] {
            assert!(asked(&[host], None, 5625), "{host}");
            assert!(asked(&[host], Some(host), 5625), "{host}");
            assert!(!asked(&[host], Some("attacker.example:5625"), 5625), "{host}");
            assert!(!asked(&[host], None, 5626), "{host}");
        }
        assert!(asked(&["localhost"], None, 80));
        for host in [
            "",
            "localhost",
            "attacker.example",
            "attacker.example:5625",
            "localhost.attacker.example:5625",
            "127.0.0.1:5625.attacker.example",
            "127.0.0.1.nip.io:5625",
            "0.0.0.0:5625",
            "127.0.0.2:5625",
            "user@127.0.0.1:5625",
        ] {
            assert!(!asked(&[host], None, 5625), "{host}");
        }
        assert!(!asked(&[], None, 5625));
        assert!(!asked(&["localhost:5625", "attacker.example"], None, 5625));
    }
}
