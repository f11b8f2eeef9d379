//! JSON of providers: what is sound is read as the library reads it, but for NUL; what is mended holds nothing odd.
#![no_main]
use serde_json::Value;

fn clean(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(list) => list.iter().all(clean),
        Value::Object(fields) => fields.iter().all(|(name, value)| !name.contains('\0') && clean(value)),
        _ => true,
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let read = messaging::json::read(bytes);
    if let Ok(plain) = serde_json::from_slice::<Value>(bytes)
        && clean(&plain)
    {
        assert_eq!(read.as_ref(), Some(&plain));
    }
    assert!(read.as_ref().is_none_or(clean));
});
