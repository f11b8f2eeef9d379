//! A gateway on loopback, upstreams that do what they are told, and clients that speak bytes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::Gateway;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes; a test that meets it has found something that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a gateway of a file's text. `BIND` stands for a free address of its own.
pub(crate) fn gateway(text: &str) -> Gateway {
    let text = with_bind(text);
    let report = gateway::check(&text, &|_| None);
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    let config = report.config.unwrap_or_else(|| panic!("{faults:?}\n{text}"));
    let hosted = gateway::Hosted::default();
    let variables = Arc::new(|_: &str| None);
    Gateway::start(config, hosted, kernel::Clock::System, variables, None, Vec::new()).unwrap()
}

fn with_bind(text: &str) -> String {
    text.replace("BIND", "\"127.0.0.1:0\"")
}

pub(crate) fn config(text: &str) -> gateway::Config {
    let report = gateway::check(&with_bind(text), &|_| None);
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    report.config.unwrap()
}

pub(crate) fn plain(gateway: &Gateway) -> SocketAddr {
    gateway.addresses().plain.unwrap()
}

/// A file with one pool of these upstreams and one route for everything.
pub(crate) fn file(upstreams: &[SocketAddr], pool: &str) -> String {
    let list: Vec<String> = upstreams.iter().map(|at| format!("{{address: \"{at}\"}}")).collect();
    format!(
        "global:\n  bind_address: BIND\npools:\n  - name: web\n    backends: [{}]\n{pool}routes:\n  - {{host: \"*\", pool: web}}\n",
        list.join(", ")
    )
}

/// What an upstream got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// What an upstream does with a request.
#[derive(Clone)]
pub(crate) enum Do {
    /// Answers with these bytes, and goes on.
    Say(String),
    /// Answers with these bytes and closes.
    SayAndClose(String),
    /// Closes without a word.
    Close,
    /// Resets the connection after these bytes.
    Reset(String),
    /// Never answers.
    Hang,
    /// Says this, then nothing more, and stays.
    Stall(String),
    /// Waits for the signal, then says this.
    When(Arc<tokio::sync::Notify>, String),
}

pub(crate) type Act = Arc<dyn Fn(&Got) -> Do + Send + Sync>;

/// An upstream on raw sockets.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) at: SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    act: Arc<Mutex<Act>>,
    stop: tokio_util::sync::CancellationToken,
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

impl Origin {
    /// Answers every request with its name.
    pub(crate) async fn named(name: &str) -> Self {
        let answer = ok(name);
        Self::doing(move |_| Do::Say(answer.clone())).await
    }

    pub(crate) async fn doing(act: impl Fn(&Got) -> Do + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            at: listener.local_addr().unwrap(),
            got: Arc::default(),
            connections: Arc::default(),
            act: Arc::new(Mutex::new(Arc::new(act))),
            stop: tokio_util::sync::CancellationToken::new(),
        };
        tokio::spawn(origin.clone().accept(listener));
        origin
    }

    pub(crate) fn now(&self, act: impl Fn(&Got) -> Do + Send + Sync + 'static) {
        *self.act.lock() = Arc::new(act);
    }

    /// Nothing listens here any more.
    pub(crate) fn die(&self) {
        self.stop.cancel();
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let (stream, _) = accepted.unwrap();
            self.connections.fetch_add(1, Ordering::SeqCst);
            let origin = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = origin.serve(stream) => {}
                    () = origin.stop.cancelled() => {}
                }
            });
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = Peer::new(stream);
        loop {
            let Some(got) = stream.request().await else { return };
            self.got.lock().push(got.clone());
            let act = self.act.lock().clone();
            match act(&got) {
                Do::Say(text) => stream.send(text.as_bytes()).await,
                Do::SayAndClose(text) => {
                    stream.send(text.as_bytes()).await;
                    return;
                }
                Do::Close => return,
                Do::Reset(text) => {
                    stream.send(text.as_bytes()).await;
                    stream.stream.set_zero_linger().unwrap();
                    return;
                }
                Do::Hang => std::future::pending().await,
                Do::Stall(text) => {
                    stream.send(text.as_bytes()).await;
                    std::future::pending::<()>().await;
                }
                Do::When(signal, text) => {
                    signal.notified().await;
                    stream.send(text.as_bytes()).await;
                }
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().len()
    }

    pub(crate) fn last(&self) -> Got {
        self.got.lock().last().cloned().unwrap_or_default()
    }
}

/// One end of a connection, in bytes.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The end of the body came.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn connect(at: SocketAddr) -> Self {
        Self::new(TcpStream::connect(at).await.unwrap())
    }

    pub(crate) async fn connect_maybe(at: SocketAddr) -> Option<Self> {
        TcpStream::connect(at).await.ok().map(Self::new)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // A peer that closed is found out by what it says, or does not.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads more; false at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let mut piece = vec![0; 64 << 10];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await;
        match read.expect("something comes, or the end") {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&piece[..count]);
                true
            }
        }
    }

    async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The body that a head announces. Chunks are put together; trailers go to the end of the head.
    async fn body(&mut self, head: &mut String, until_close: bool) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        if header(head, "transfer-encoding").is_some() {
            loop {
                let Some(line) = self.line().await else { return (body, false) };
                let size =
                    usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
                if size == 0 {
                    while let Some(line) = self.line().await {
                        if line.is_empty() {
                            return (body, true);
                        }
                        head.push_str(&line);
                        head.push_str("\r\n");
                    }
                    return (body, false);
                }
                while self.buffer.len() < size + 2 {
                    if !self.more().await {
                        body.append(&mut self.buffer);
                        return (body, false);
                    }
                }
                body.extend(self.buffer.drain(..size));
                self.buffer.drain(..2);
            }
        }
        let Some(length) = header(head, "content-length") else {
            if until_close {
                while self.more().await {}
                return (std::mem::take(&mut self.buffer), true);
            }
            return (body, true);
        };
        let length: usize = length.parse().unwrap();
        while self.buffer.len() < length {
            if !self.more().await {
                return (std::mem::take(&mut self.buffer), false);
            }
        }
        body.extend(self.buffer.drain(..length));
        (body, true)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn request(&mut self) -> Option<Got> {
        let mut head = self.head().await?;
        if header(&head, "expect").is_some() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let (body, whole) = self.body(&mut head, false).await;
        whole.then_some(Got { head, body })
    }

    /// The next answer; `None` when the connection ended without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET").await
    }

    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let mut head = self.head().await?;
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        let none = method == "HEAD" || status == 204 || status == 304 || status < 200;
        let (body, whole) =
            if none { (Vec::new(), true) } else { self.body(&mut head, true).await };
        Some(Answer { status, head, body, whole })
    }

    /// All that comes until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request.as_bytes()).await;
        let method = request.split(' ').next().unwrap();
        self.answer_to(method).await.expect("an answer")
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A request without a body.
pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// One request on a connection of its own.
pub(crate) async fn fetch(at: SocketAddr, request: &str) -> Answer {
    Peer::connect(at).await.ask(request).await
}

/// Asks until `done` likes the answer.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> T, done: impl Fn(&T) -> bool) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = ask().await;
        if done(&found) {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come to that in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often each answer was given.
pub(crate) fn tally(answers: impl IntoIterator<Item = String>) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for answer in answers {
        *tally.entry(answer).or_default() += 1;
    }
    tally
}
