//! Webhooks of Meta's Cloud API.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(value) = messaging::json::read(bytes) {
        let _ = messaging::cloud::changes(&value);
    }
});
