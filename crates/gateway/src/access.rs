//! The access log: one JSON object a line, gathered on the worker and written by a thread of its own, so that a
//! slow disk never holds up a request. When the writer cannot keep up, lines are dropped and counted.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use crate::account::{Account, Line};
use crate::config::{AccessLog, ClientIp};

/// Bytes gathered before they are handed over.
const BLOCK: usize = 64 << 10;

/// Where blocks of lines go.
#[derive(Clone)]
pub(crate) struct Sink {
    blocks: SyncSender<Vec<u8>>,
    config: AccessLog,
    wall: kernel::Clock,
}

/// A worker's side.
pub(crate) struct Writer {
    sink: Sink,
    gathered: RefCell<Vec<u8>>,
}

impl Sink {
    /// Opens the log and starts its thread.
    pub(crate) fn open(config: AccessLog, wall: kernel::Clock) -> std::io::Result<Self> {
        let mut out: Box<dyn std::io::Write + Send> = match &config.path {
            None => Box::new(std::io::stdout()),
            Some(path) => {
                Box::new(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
            }
        };
        let (blocks, waiting) = sync_channel::<Vec<u8>>(64);
        std::thread::Builder::new().name("gateway-log".to_owned()).spawn(move || {
            while let Ok(block) = waiting.recv() {
                if let Err(cause) = out.write_all(&block).and_then(|()| out.flush()) {
                    tracing::warn!(event = "gateway_access_log_failed", cause = %cause);
                }
            }
        })?;
        Ok(Self { blocks, config, wall })
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer { sink: self.clone(), gathered: RefCell::new(Vec::with_capacity(BLOCK)) }
    }
}

impl Writer {
    pub(crate) fn write(&self, account: &Account, line: &Line, took: u64) {
        let config = &self.sink.config;
        if account.status < 500 && config.sample < 1.0 && rand::random::<f64>() >= config.sample {
            return;
        }
        let mut text = String::with_capacity(320);
        let _ = write!(
            text,
            "{{\"timestamp\":\"{}\",\"event\":\"request\",\"request_id\":\"{:032x}\",\"tenant_id\":",
            self.sink.wall.now().rfc3339(),
            account.request_id
        );
        let route = account.route.as_ref();
        let tenant = route.and_then(|route| route.config.tenant.as_deref());
        string_or_null(&mut text, tenant);
        text.push_str(",\"method\":");
        string(&mut text, line.method.as_str());
        text.push_str(",\"host\":");
        string(&mut text, &line.host);
        text.push_str(",\"path\":");
        string(&mut text, &line.path);
        let _ = write!(
            text,
            ",\"protocol\":\"{}\",\"tls\":{},\"status\":{},\"duration_ms\":{}.{:03},\"received\":{},\"sent\":{},\"retries\":{},\"complete\":{}",
            line.protocol,
            line.secure,
            account.status,
            took / 1000,
            took % 1000,
            account.progress.received.get(),
            account.sent,
            account.retries,
            account.whole,
        );
        text.push_str(",\"client_ip\":");
        match config.client_ip {
            ClientIp::None => text.push_str("null"),
            ClientIp::Full => string(&mut text, &line.client.to_string()),
            ClientIp::Masked => string(&mut text, &masked(line.client)),
        }
        text.push_str(",\"route\":");
        string_or_null(&mut text, route.map(|route| route.label.as_str()));
        text.push_str(",\"upstream\":");
        string_or_null(&mut text, account.upstream());
        text.push_str(",\"error\":");
        let cut = account.cut.then_some("upstream_cut_off");
        string_or_null(&mut text, account.trouble.map(|trouble| trouble.code()).or(cut));
        text.push_str(",\"error_origin\":");
        let origin = account.trouble.map(|trouble| trouble.origin().name());
        string_or_null(&mut text, origin.or(account.cut.then_some("upstream")));
        text.push_str("}\n");
        let mut gathered = self.gathered.borrow_mut();
        gathered.extend_from_slice(text.as_bytes());
        if gathered.len() >= BLOCK {
            self.hand_over(&mut gathered);
        }
    }

    /// Hands over what is there; called now and then, so that a quiet log is not late.
    pub(crate) fn flush(&self) {
        let mut gathered = self.gathered.borrow_mut();
        if !gathered.is_empty() {
            self.hand_over(&mut gathered);
        }
    }

    fn hand_over(&self, gathered: &mut Vec<u8>) {
        let block = std::mem::replace(gathered, Vec::with_capacity(BLOCK));
        if let Err(TrySendError::Full(block)) = self.sink.blocks.try_send(block) {
            let lines = block.iter().filter(|byte| **byte == b'\n').count();
            tracing::warn!(event = "gateway_access_log_dropped", lines);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn masked(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
    }
}

fn string_or_null(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.push_str("null"),
    }
}

/// A JSON string. What a client wrote cannot leave its quotes.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
