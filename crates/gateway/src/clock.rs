//! Time as the data plane counts it: microseconds since the process began to ask.

use std::sync::OnceLock;

use tokio::time::Instant;

/// Microseconds since the first call. Monotonic.
pub(crate) fn micros() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

pub(crate) fn millis() -> u64 {
    micros() / 1000
}
