//! A receiver of posts that answers by script, and does everything to a caller that servers do on bad days.

use super::Identity;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is answered with this status.
    Status(u16),
    /// It is answered with this status and one header.
    Header(u16, &'static str, String),
    /// It is answered with this status after [`Receiver::release`], or never.
    Held(u16),
    /// Its connection is cut without a word.
    Cut,
    /// Its connection is cut in the middle of the answer's head.
    CutInHead,
    /// It is answered with this status and a body that has no end.
    Endless(u16),
    /// It is answered with what is no HTTP.
    Nonsense,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Method and path, such as `POST /hooks`.
    pub line: String,
    /// Its headers with small names, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// When it was there as a whole.
    pub at: Instant,
}

impl Received {
    /// The value of the header `name`; none when it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }
}

/// The receiver. It answers 204 when its script is at an end, and lives until the test's process ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    released: Condvar,
}

#[derive(Default)]
struct Inner {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    received: Vec<Received>,
    connections: usize,
    under_way: usize,
    most_under_way: usize,
    free: bool,
}

impl Receiver {
    /// Starts one on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one that speaks TLS as `identity`.
    pub fn start_tls(identity: &Identity) -> Self {
        Self::with(Some(identity.server()))
    }

    fn with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let receiver = Self { address: listener.local_addr().unwrap(), scheme, shared: Arc::default() };
        let shared = Arc::clone(&receiver.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                shared.inner.lock().unwrap().connections += 1;
                thread::spawn(move || accept(stream.unwrap(), tls, &shared));
            }
        });
        receiver
    }

    /// The address of `path` at it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Adds what is done with the next requests, one each.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.inner.lock().unwrap().script.extend(answers);
    }

    /// What is done with each request when the script is at an end.
    pub fn always(&self, answer: Answer) {
        self.shared.inner.lock().unwrap().always = Some(answer);
    }

    /// Lets those go who are held, and all later ones.
    pub fn release(&self) {
        self.shared.inner.lock().unwrap().free = true;
        self.shared.released.notify_all();
    }

    /// What came in so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.inner.lock().unwrap().received.clone()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.inner.lock().unwrap().connections
    }

    /// How many requests were under way at once, at most.
    pub fn most_under_way(&self) -> usize {
        self.shared.inner.lock().unwrap().most_under_way
    }
}

fn accept(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) {
    match tls {
        None => serve(stream, shared),
        Some(config) => serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), shared),
    }
}

/// Serves one connection until it ends.
fn serve(stream: impl Read + Write, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let answer = take(shared, request);
        let goes_on = give(stream.get_mut(), answer, shared);
        shared.inner.lock().unwrap().under_way -= 1;
        if !goes_on {
            return;
        }
    }
}

fn take(shared: &Shared, request: Received) -> Answer {
    let mut inner = shared.inner.lock().unwrap();
    inner.received.push(request);
    inner.under_way += 1;
    inner.most_under_way = inner.most_under_way.max(inner.under_way);
    let answer = inner.script.pop_front().or_else(|| inner.always.clone());
    answer.unwrap_or(Answer::Status(204))
}

/// Reads one request; none when the connection ends or what comes is no request.
fn read(stream: &mut impl BufRead) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.first()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let split = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines[1..].iter().map(split).collect::<Option<_>>()?;
    let mut request = Received { line, headers, body: Vec::new(), at: Instant::now() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).ok()?;
    request.at = Instant::now();
    Some(request)
}

/// Answers; true when the connection goes on.
fn give(stream: &mut impl Write, answer: Answer, shared: &Shared) -> bool {
    let head = |status: u16, header: &str| format!("HTTP/1.1 {status} x\r\n{header}content-length: 0\r\n\r\n");
    let text = match answer {
        Answer::Status(204) => "HTTP/1.1 204 x\r\n\r\n".to_owned(),
        Answer::Status(status) => head(status, ""),
        Answer::Header(status, name, value) => head(status, &format!("{name}: {value}\r\n")),
        Answer::Held(status) => {
            let inner = shared.inner.lock().unwrap();
            drop(shared.released.wait_while(inner, |inner| !inner.free).unwrap());
            head(status, "")
        }
        Answer::Cut => return false,
        Answer::CutInHead => {
            let _ = stream.write_all(b"HTTP/1.1 20").and_then(|()| stream.flush());
            return false;
        }
        Answer::Endless(status) => return endless(stream, status),
        Answer::Nonsense => "220 mail.example ESMTP\r\n\r\n".to_owned(),
    };
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
}

fn endless(stream: &mut impl Write, status: u16) -> bool {
    let head = format!("HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut text = head.into_bytes();
    while stream.write_all(&text).and_then(|()| stream.flush()).is_ok() {
        text = b"4\r\nmore\r\n".to_vec();
        thread::sleep(Duration::from_millis(1));
    }
    false
}
