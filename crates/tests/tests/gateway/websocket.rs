//! Every case of a conformance suite for WebSocket (after the groups of Autobahn's), against one server twice: directly and through
//! the gateway. The server's bytes are to be the same: a gateway is nothing that a WebSocket could notice.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world;

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary())
                        && socket.send(message).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    at
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame as clients send it. `first` is the byte of FIN, reserved bits and opcode.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

/// A part of a message that goes on.
fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(opcode, payload)
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

struct Case {
    name: String,
    sent: Vec<u8>,
    /// Bytes that are written at once; 0 for all.
    chop: usize,
}

fn cases() -> Vec<Case> {
    let mut all: Vec<(String, Vec<u8>, usize)> = Vec::new();
    let mut add =
        |name: String, frames: &[Vec<u8>], chop: usize| all.push((name, frames.concat(), chop));
    // 1: messages of all lengths at which a frame's head changes, whole and in pieces.
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537] {
        let payload: Vec<u8> = (0..length).map(|at| b'a' + (at % 26) as u8).collect();
        add(format!("1.1 text of {length}"), &[frame(TEXT, &payload)], 0);
        add(format!("1.2 binary of {length}"), &[frame(BINARY, &payload)], 0);
        let chop = if length < 1000 { 1 } else { 997 };
        add(format!("1.1 text of {length}, {chop} bytes at once"), &[frame(TEXT, &payload)], chop);
    }
    // 2: pings and pongs.
    for length in [0, 5, 125] {
        add(format!("2.1 ping of {length}"), &[frame(PING, &vec![0xfe; length])], 0);
        add(format!("2.2 ping of {length}, byte by byte"), &[frame(PING, &vec![0xfe; length])], 1);
    }
    add("2.5 a ping that is too long".into(), &[frame(PING, &[0xfe; 126])], 0);
    add("2.7 a pong that nobody asked for".into(), &[frame(PONG, b"x")], 0);
    add("2.8 a pong, then a ping".into(), &[frame(PONG, b"x"), frame(PING, b"y")], 0);
    let pings: Vec<Vec<u8>> =
        (0..10).map(|number| frame(PING, format!("payload-{number}").as_bytes())).collect();
    add("2.10 ten pings".into(), &pings, 0);
    add("2.11 ten pings, byte by byte".into(), &pings, 1);
    // 3: reserved bits without an extension that means something by them.
    for bits in 1..=7u8 {
        add(
            format!("3 reserved bits {bits}"),
            &[frame(TEXT, b"first"), raw(0x80 | (bits << 4) | TEXT, b"x"), frame(PING, b"")],
            0,
        );
    }
    // 4: opcodes that mean nothing.
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        add(
            format!("4 opcode {opcode}"),
            &[frame(TEXT, b"first"), frame(opcode, b""), frame(PING, b"")],
            0,
        );
    }
    // 5: messages in parts.
    add("5.1 a ping in parts".into(), &[part(PING, b"a"), frame(0, b"b")], 0);
    add("5.3 text in two parts".into(), &[part(TEXT, b"fragment1"), frame(0, b"fragment2")], 0);
    add(
        "5.5 text in two parts, byte by byte".into(),
        &[part(TEXT, b"fragment1"), frame(0, b"fragment2")],
        1,
    );
    add(
        "5.6 a ping between parts".into(),
        &[part(TEXT, b"fragment1"), frame(PING, b"ping"), frame(0, b"fragment2")],
        0,
    );
    add(
        "5.8 the same, byte by byte".into(),
        &[part(TEXT, b"fragment1"), frame(PING, b"ping"), frame(0, b"fragment2")],
        1,
    );
    add("5.9 a part of nothing".into(), &[frame(0, b"x"), frame(TEXT, b"Hello")], 0);
    add("5.12 a part of nothing that goes on".into(), &[part(0, b"x"), frame(TEXT, b"Hello")], 0);
    add(
        "5.15 a message after its end".into(),
        &[part(TEXT, b"1"), frame(0, b"2"), part(0, b"3"), frame(TEXT, b"4")],
        0,
    );
    add("5.18 a message within another".into(), &[part(TEXT, b"1"), frame(TEXT, b"2")], 0);
    add(
        "5.19 many parts with pings".into(),
        &[
            part(TEXT, b"1"),
            part(0, b"2"),
            frame(PING, b"a"),
            part(0, b"3"),
            part(0, b"4"),
            frame(PING, b"b"),
            frame(0, b"5"),
        ],
        0,
    );
    // 6: text that is UTF-8, or is not.
    for (name, text) in [
        ("6.2 of two and more bytes", "Hello-µ@ßöäüàá-UTF-8!!".as_bytes().to_vec()),
        ("6.5 greek", "κόσμε".as_bytes().to_vec()),
        ("6.3 a surrogate", vec![0xce, 0xba, 0xed, 0xa0, 0x80, 0x65]),
        ("6.4 above the last", vec![0xf4, 0x90, 0x80, 0x80]),
        ("6.6 a first byte alone", vec![0xce]),
        ("6.8 an end that is missing", vec![0xe2, 0x82]),
        ("6.14 a byte that never is", vec![0xfe]),
        ("6.20 an overlong slash", vec![0xc0, 0xaf]),
        ("6.9 the last of all", "\u{10ffff}".as_bytes().to_vec()),
    ] {
        add(name.to_owned(), &[frame(TEXT, &text)], 0);
        let middle = text.len() / 2;
        add(
            format!("{name}, in two parts"),
            &[part(TEXT, &text[..middle]), frame(0, &text[middle..])],
            0,
        );
    }
    // 7: how it ends.
    add("7.1 a message, then the end".into(), &[frame(TEXT, b"Hello World!")], 0);
    add("7.1.2 two ends".into(), &[frame(CLOSE, b""), frame(CLOSE, b"")], 0);
    add("7.1.3 a ping after the end".into(), &[close(1000, ""), frame(PING, b"")], 0);
    add("7.1.4 a message after the end".into(), &[close(1000, ""), frame(TEXT, b"late")], 0);
    add("7.3.1 without a word".into(), &[frame(CLOSE, b"")], 0);
    add("7.3.2 half a code".into(), &[frame(CLOSE, b"a")], 0);
    add("7.3.4 with a reason".into(), &[close(1000, "Hello World!")], 0);
    add("7.3.5 with the longest reason".into(), &[close(1000, &"*".repeat(123))], 0);
    add("7.3.6 with a reason that is too long".into(), &[close(1000, &"*".repeat(124))], 0);
    add("7.5.1 with a reason that is no text".into(), &[frame(CLOSE, &[0x03, 0xe8, 0xce])], 0);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        add(format!("7.7 code {code}"), &[close(code, "")], 0);
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        add(format!("7.9 code {code}, which may not be"), &[close(code, "")], 0);
    }
    // 9 and 10: large ones, and large ones in parts.
    let large: Vec<u8> = (0..4 << 20).map(|at: u32| b'a' + (at % 26) as u8).collect();
    add("9.1 text of four million".into(), &[frame(TEXT, &large)], 0);
    add("9.2 binary of four million".into(), &[frame(BINARY, &large)], 0);
    add("9.5 text of a million, 128 bytes at once".into(), &[frame(TEXT, &large[..1 << 20])], 128);
    let parts: Vec<Vec<u8>> = large[..1 << 20]
        .chunks(4096)
        .enumerate()
        .map(|(at, piece)| part(if at == 0 { BINARY } else { 0 }, piece))
        .collect();
    add("9.4 a million in parts".into(), &[&parts[..], &[frame(0, b"")]].concat(), 0);
    let small: Vec<Vec<u8>> = (0..1000).map(|_| frame(TEXT, &large[..64])).collect();
    add("9.7 a thousand small ones".into(), &small, 0);
    all.into_iter().map(|(name, sent, chop)| Case { name, sent, chop }).collect()
}

/// What a server says to a case, to the end of the connection. A case that has no end gets one.
async fn said(at: SocketAddr, case: &Case) -> Vec<u8> {
    let stream = TcpStream::connect(at).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let hello = "GET /chat?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    writer.write_all(hello.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.unwrap());
    }
    let text = String::from_utf8(head).unwrap().to_lowercase();
    assert!(text.starts_with("http/1.1 101"), "{}: {text}", case.name);
    assert!(text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{text}");
    let mut bytes = case.sent.clone();
    bytes.extend(close(1000, ""));
    let chop = if case.chop == 0 { bytes.len() } else { case.chop };
    let writing = tokio::spawn(async move {
        for piece in bytes.chunks(chop) {
            // A server that has heard enough closes.
            if writer.write_all(piece).await.is_err() {
                break;
            }
        }
        writer
    });
    let mut seen = Vec::new();
    // A reset after the last word is an end, too.
    let _ = tokio::time::timeout(world::PATIENCE, reader.read_to_end(&mut seen))
        .await
        .expect("it ends");
    drop(writing.await.unwrap());
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_does_not_notice_the_gateway() {
    let server = echo().await;
    let gateway = world::gateway(&world::file(&[server], ""));
    let at = world::plain(&gateway);
    let cases = cases();
    assert!(cases.len() > 120, "{}", cases.len());
    for case in &cases {
        let (direct, through) = (said(server, case).await, said(at, case).await);
        let place = direct.iter().zip(&through).position(|(a, b)| a != b);
        assert!(
            direct == through,
            "{}: {} bytes directly, {} through the gateway, other from {place:?}",
            case.name,
            direct.len(),
            through.len()
        );
    }
    gateway.stop().await;
}
