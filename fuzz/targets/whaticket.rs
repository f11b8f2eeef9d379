//! Webhooks of Whaticket servers.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(value) = messaging::json::read(bytes)
        && let Ok(message) = messaging::whaticket::parse(&value, || "fallback".to_owned())
    {
        assert!(!message.provider_id.is_empty());
    }
});
