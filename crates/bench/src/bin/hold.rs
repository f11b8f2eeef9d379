//! Opens connections to an HTTP server, asks once on each, and holds them: `hold ADDRESS COUNT`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: hold ADDRESS COUNT";
    let address = arguments.next().context(usage)?;
    let count: usize = arguments.next().context(usage)?.parse().context(usage)?;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(&address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        let mut answer = [0; 1024];
        anyhow::ensure!(stream.read(&mut answer)? > 0, "closed without an answer");
        held.push(stream);
    }
    let mut out = std::io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
