//! The PROXY protocol, versions 1 and 2, as a trusted load balancer speaks it before the first byte of HTTP.

use std::io;
use std::net::IpAddr;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, with its line end.
const LINE: usize = 107;
/// Addresses and what may follow them in version 2; balancers send some hundreds of bytes at most.
const BLOCK: usize = 4096;

/// What bytes hold so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    More,
    /// So many bytes, and the source if the balancer speaks for one.
    Complete(usize, Option<IpAddr>),
    Wrong,
}

/// Reads the header; what came after it stays in `ahead`.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    ahead: &mut BytesMut,
) -> io::Result<Option<IpAddr>> {
    loop {
        match parse(ahead) {
            Header::Complete(length, source) => {
                ahead.advance(length);
                return Ok(source);
            }
            Header::Wrong => return Err(io::ErrorKind::InvalidData.into()),
            Header::More => {}
        }
        if stream.read_buf(ahead).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads a header out of the beginning of a stream.
pub(crate) fn parse(bytes: &[u8]) -> Header {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] && !bytes.is_empty() {
        return version_2(bytes);
    }
    let common = bytes.len().min(6);
    if bytes[..common] == b"PROXY "[..common] {
        return version_1(bytes);
    }
    Header::Wrong
}

fn version_1(bytes: &[u8]) -> Header {
    let Some(end) = bytes.iter().take(LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LINE { Header::Wrong } else { Header::More };
    };
    let Some(line) = bytes[..end].strip_suffix(b"\r") else { return Header::Wrong };
    let Ok(line) = std::str::from_utf8(line) else { return Header::Wrong };
    let parts: Vec<&str> = line.split(' ').collect();
    match parts.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Header::Complete(end + 1, None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, target, from, to] => {
            let ports = [from, to].iter().all(|port| port.parse::<u16>().is_ok());
            match (source.parse::<IpAddr>(), target.parse::<IpAddr>()) {
                (Ok(source), Ok(target))
                    if ports
                        && source.is_ipv4() == (*family == "TCP4")
                        && target.is_ipv4() == source.is_ipv4() =>
                {
                    Header::Complete(end + 1, Some(source))
                }
                _ => Header::Wrong,
            }
        }
        _ => Header::Wrong,
    }
}

fn version_2(bytes: &[u8]) -> Header {
    let Some(head) = bytes.get(..16) else { return Header::More };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if head[12] >> 4 != 2 || length > BLOCK {
        return Header::Wrong;
    }
    let Some(block) = bytes.get(16..16 + length) else { return Header::More };
    let whole = 16 + length;
    match (head[12] & 15, head[13] >> 4) {
        // LOCAL: the balancer's own health check.
        (0, _) | (1, 0 | 3) => Header::Complete(whole, None),
        (1, 1) => match block.first_chunk::<4>() {
            Some(source) if length >= 12 => Header::Complete(whole, Some(IpAddr::from(*source))),
            _ => Header::Wrong,
        },
        (1, 2) => match block.first_chunk::<16>() {
            Some(source) if length >= 36 => Header::Complete(whole, Some(IpAddr::from(*source))),
            _ => Header::Wrong,
        },
        _ => Header::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().expect("address"));
        let line = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET";
        assert_eq!(parse(line), Header::Complete(line.len() - 3, ip("203.0.113.7")));
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Header::Complete(15, None));
        assert_eq!(parse(&line[..20]), Header::More);
        let mut block = SIGNATURE.to_vec();
        block.extend([0x21, 0x11, 0, 12, 203, 0, 113, 9, 10, 0, 0, 1, 1, 2, 0, 80]);
        assert_eq!(parse(&block), Header::Complete(28, ip("203.0.113.9")));
        assert_eq!(parse(&block[..20]), Header::More);
        block[12] = 0x20;
        assert_eq!(parse(&block), Header::Complete(28, None));
        for wrong in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 203.0.113.7 ::1 1 2\r\n",
            b"PROXY TCP6 203.0.113.7 203.0.113.8 1 2\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 99999 80\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 1 80\n",
        ] {
            assert_eq!(parse(wrong), Header::Wrong, "{wrong:?}");
        }
        assert_eq!(parse(&[b'P'; 1]), Header::More);
        assert_eq!(parse(format!("PROXY {}", "x".repeat(200)).as_bytes()), Header::Wrong);
    }
}
