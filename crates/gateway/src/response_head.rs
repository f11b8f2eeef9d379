//! Heads of answers from upstreams: where they end, what they say, and those that come before the answer's own.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};

use crate::client::Fail;
use crate::forward;

/// Fields of an answer's head that are read without an allocation; more are, up to what the pool takes.
pub(crate) const FIELDS: usize = 128;

/// Where a head ends, with the empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// A head that comes before the answer's own, as it is passed on.
pub(crate) fn early_head(response: Response<()>) -> Vec<u8> {
    let (status, mut headers) = (response.status(), response.into_parts().0.headers);
    forward::strip(&mut headers);
    // It has no body, and says nothing of who asks.
    headers.remove(CONTENT_LENGTH);
    headers.remove(http::header::SET_COOKIE);
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in &headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// A head of at most so many fields. Values are parts of the buffer, not copies.
pub(crate) fn parse(head: &Bytes, most: usize) -> Result<Response<()>, Fail> {
    let mut near = [MaybeUninit::uninit(); FIELDS];
    match parse_into(head, &mut near[..most.min(FIELDS)]) {
        Err(httparse::Error::TooManyHeaders) if most > FIELDS => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Fail::TooLarge),
        other => return other.ok().flatten().ok_or(Fail::Garbled),
    }
    let mut far = vec![MaybeUninit::uninit(); most];
    match parse_into(head, &mut far) {
        Err(httparse::Error::TooManyHeaders) => Err(Fail::TooLarge),
        other => other.ok().flatten().ok_or(Fail::Garbled),
    }
}

fn parse_into<'b>(
    head: &'b Bytes,
    fields: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Option<Response<()>>, httparse::Error> {
    let mut parsed = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(false);
    let done = config.parse_response_with_uninit_headers(&mut parsed, head, fields)?;
    Ok(if done.is_complete() { response_of(head, &parsed) } else { None })
}

fn response_of(head: &Bytes, parsed: &httparse::Response<'_, '_>) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(parsed.code?).ok()?;
    *response.version_mut() =
        if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let headers = response.headers_mut();
    headers.reserve(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value)).ok()?;
        headers.append(name, value);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_strictly() {
        let read = |text: &'static str| parse(&Bytes::from_static(text.as_bytes()), 512).ok();
        let response = read("HTTP/1.1 204 No\r\nA: b\r\na: c\r\n\r\n").expect("sound");
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers().get_all("a").iter().count(), 2);
        assert_eq!(read("HTTP/1.0 200\r\n\r\n").expect("sound").version(), Version::HTTP_10);
        for text in [
            "nonsense\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 99\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn heads_have_as_many_fields_as_the_pool_takes() {
        let head = |fields: usize| {
            let fields: String = (0..fields).map(|at| format!("x-{at}: 1\r\n")).collect();
            Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
        };
        for (fields, most, fits) in [
            (128, 128, true),
            (129, 128, false),
            (200, 512, true),
            (17, 16, false),
            (512, 512, true),
        ] {
            match parse(&head(fields), most) {
                Ok(response) => assert!(fits && response.headers().len() == fields),
                Err(fail) => assert!(!fits && matches!(fail, Fail::TooLarge), "{fields} of {most}"),
            }
        }
    }
}
