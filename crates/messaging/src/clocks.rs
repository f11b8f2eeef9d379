//! What the clocks of providers show, by the `Date` of their answers (RFC 9110, 6.6.1).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use kernel::{ChannelId, Clock, Moment};
use parking_lot::Mutex;

/// A measurement is good for this long.
const FRESH: Duration = Duration::from_secs(600);

struct Seen {
    /// By the clock that nobody sets.
    at: Moment,
    ahead: i64,
}

/// The clocks of the channels' providers, as far as they answered lately.
#[derive(Clone)]
pub struct ProviderClocks {
    clock: Clock,
    seen: Arc<Mutex<HashMap<ChannelId, Seen>>>,
}

impl ProviderClocks {
    pub fn new(clock: Clock) -> Self {
        Self { clock, seen: Arc::default() }
    }

    /// Takes note of an answer's time.
    pub(crate) fn heard(&self, channel: ChannelId, answer: &reqwest::Response) {
        let date = answer.headers().get(reqwest::header::DATE);
        let date = date.and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
        let Some(since) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
            return;
        };
        let theirs = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let ahead = (self.clock.now().0 / 1_000_000).saturating_sub(theirs);
        self.seen.lock().insert(channel, Seen { at: self.clock.steady(), ahead });
    }

    /// Seconds by which our clock is ahead of the provider's, when it answered within ten minutes.
    pub fn ahead(&self, channel: ChannelId) -> Option<i64> {
        let seen = self.seen.lock();
        let seen = seen.get(&channel)?;
        (self.clock.steady().since(seen.at) < FRESH).then_some(seen.ahead)
    }
}
