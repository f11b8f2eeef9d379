//! What a child process that reads files sends back: the same frames, however the stream is cut, and never more than is taken.
#![no_main]
use isolation::Decoder;

const LIMIT: usize = 1024;

fn frames(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<String>, bool) {
    let mut decoder = Decoder::new(LIMIT);
    let mut all = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.take() {
                Ok(Some(frame)) => all.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = frames(&mut std::iter::once(bytes));
    assert_eq!(whole, frames(&mut bytes.chunks(1)));
    assert_eq!(whole, frames(&mut bytes.chunks(7)));
});
