//! Just enough of HTTP/1.1 for clients that are known: connections that stay open, and bodies of a stated length.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// What is asked for: the path, and the query after it.
    pub path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, without the body's length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Listens on a free port of this machine and answers whatever comes, until the runtime ends.
pub async fn serve<Answering, Handle>(handle: Handle) -> io::Result<SocketAddr>
where
    Answering: Future<Output = Answer> + Send,
    Handle: Fn(Request) -> Answering + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handle = handle.clone();
            // A client that goes away, or is not understood, loses its connection, and whoever waits for it says so.
            tokio::spawn(async move { converse(stream, handle).await });
        }
    });
    Ok(address)
}

async fn converse<Answering, Handle>(stream: TcpStream, handle: Handle) -> io::Result<()>
where
    Answering: Future<Output = Answer> + Send,
    Handle: Fn(Request) -> Answering + Send + Sync,
{
    // Nagle's algorithm would be measured otherwise.
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let answer = handle(request).await;
        stream.write_all(&written(&answer)).await?;
    }
    Ok(())
}

/// The next request of a connection; nothing, where the client has closed it.
async fn read<R: AsyncRead + Unpin>(stream: &mut BufReader<R>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(not_understood("a request without a method or a path"));
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| not_understood("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    if request.header("transfer-encoding").is_some() {
        return Err(not_understood("a body in chunks"));
    }
    let length = request.header("content-length").unwrap_or("0");
    let length: usize = length.parse().map_err(|_| not_understood("a body of no length"))?;
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

fn not_understood(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// An answer's bytes, in one piece: two writes would be two packets, and measured.
fn written(answer: &Answer) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} -\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), &answer.body].concat()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_connection_brings_one_request_after_another() {
        let bytes =
            b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nX-Amz-Target: T.Op\r\n\r\nabcGET /b HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut stream = BufReader::new(bytes.as_slice());
        let first = read(&mut stream).await.unwrap().unwrap();
        assert_eq!(
            (first.method.as_str(), first.path.as_str(), first.body.as_slice()),
            ("POST", "/a", b"abc".as_slice())
        );
        assert_eq!(first.header("x-amz-target"), Some("T.Op"));
        let second = read(&mut stream).await.unwrap().unwrap();
        assert_eq!((second.method.as_str(), second.path.as_str()), ("GET", "/b"));
        assert!(second.body.is_empty());
        assert_eq!(read(&mut stream).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_not_spoken_here_is_refused_and_not_misread() {
        for bytes in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
            "POST / HTTP/1.1\r\nno header\r\n\r\n",
            "\r\n",
        ] {
            let mut stream = BufReader::new(bytes.as_bytes());
            assert!(read(&mut stream).await.is_err(), "{bytes:?}");
        }
    }
}
