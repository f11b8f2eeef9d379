//! WebSockets that send a small frame and wait for it to come back: `socket serve ADDRESS` gives back what comes,
//! `socket load ADDRESS CONNECTIONS SECONDS` prints messages a second, there and back counted as one, and the 99th
//! percentile in milliseconds.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A text frame of 32 bytes as a client sends it, masked by nothing.
fn frame() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 32, 0, 0, 0, 0];
    frame.extend([b'x'; 32]);
    frame
}

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", address] => serve(address),
        ["load", address, connections, seconds] => load(
            address,
            connections.parse().context("CONNECTIONS is a number")?,
            Duration::from_secs(seconds.parse().context("SECONDS is a number")?),
        ),
        _ => anyhow::bail!("usage: socket serve ADDRESS | socket load ADDRESS CONNECTIONS SECONDS"),
    }
}

fn head(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    Ok(())
}

fn serve(address: &str) -> anyhow::Result<()> {
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || -> std::io::Result<()> {
            head(&mut stream)?;
            stream.write_all(AGREED)?;
            let mut piece = [0; 4096];
            loop {
                let count = stream.read(&mut piece)?;
                if count == 0 {
                    return Ok(());
                }
                stream.write_all(&piece[..count])?;
            }
        });
    }
    Ok(())
}

fn load(address: &str, connections: usize, span: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + span;
    let asking: Vec<_> = (0..connections)
        .map(|_| {
            let address = address.to_owned();
            std::thread::spawn(move || -> anyhow::Result<Vec<Duration>> {
                let mut stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.write_all(HELLO)?;
                head(&mut stream)?;
                let frame = frame();
                let (mut back, mut times) = (vec![0; frame.len()], Vec::new());
                while Instant::now() < until {
                    let begun = Instant::now();
                    stream.write_all(&frame)?;
                    stream.read_exact(&mut back)?;
                    anyhow::ensure!(back == frame, "another frame came back");
                    times.push(begun.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for one in asking {
        times.extend(one.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
    }
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    let rate = times.len() as f64 / span.as_secs_f64();
    writeln!(std::io::stdout(), "{rate:.0} {:.3}", p99.as_secs_f64() * 1000.0)?;
    Ok(())
}
