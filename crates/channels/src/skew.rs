//! Whether our clock and the times that a provider tells agree.
//!
//! A message that is old when it comes was either delivered late or timed by another clock. It is the
//! clock when the provider's own answers to our calls show the same difference, or when several
//! messages over a while do: two clocks that disagree do so by the same amount each time, while what
//! a provider delivers late grows younger as it catches up. Answers that show another time are no
//! proof of the contrary: behind them may stand another machine than the one that times messages.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use inbox::LATE;
use kernel::{ChannelId, Moment};
use messaging::ProviderClocks;
use parking_lot::Mutex;

/// Seconds that delivery and clocks take without anything being wrong.
const TOLERATED: i64 = 5 * 60;
/// Messages that must agree, over how long, and how closely, before it is the clock.
const SAMPLES: usize = 4;
const SPAN: Duration = Duration::from_secs(600);
const SPREAD: i64 = 30;
/// How closely the provider's own clock must show the same.
const AGREE: i64 = 90;

/// What a message's time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As it should be, after what is already allowed for.
    OnTime,
    /// By so many seconds older than now, without any allowance; late, or another clock.
    Old(i64),
    /// The clocks disagree by so many seconds, ours ahead when positive; 0 when they agree again.
    Offset(i64),
}

struct Sample {
    /// By the clock that nobody sets.
    arrived: Moment,
    offset: i64,
}

impl Reading {
    /// What a person is told of it; `None` when nothing is wrong.
    pub(crate) fn alarm(self, now: Moment) -> Option<String> {
        let minutes = |seconds: i64| (seconds.abs() + 30) / 60;
        match self {
            Self::Old(seconds) if seconds > LATE.as_secs().cast_signed() => Some(format!(
                "messages come {} minutes old: the provider delivers late, or a clock is wrong. This server's \
                 clock shows {}; see that it is right",
                minutes(seconds),
                now.rfc3339(),
            )),
            Self::Offset(seconds) if seconds != 0 => Some(format!(
                "the provider's times are {} minutes {} this server's clock, which shows {}. That is allowed \
                 for; see that this server's clock is right",
                minutes(seconds),
                if seconds > 0 { "behind" } else { "ahead of" },
                now.rfc3339(),
            )),
            _ => None,
        }
    }
}

/// The latest messages of each channel, as far as they were not on time.
#[derive(Clone)]
pub(crate) struct Clocks {
    /// What the providers' own clocks show.
    providers: ProviderClocks,
    late: Arc<Mutex<HashMap<ChannelId, VecDeque<Sample>>>>,
}

/// When a message came, by our clock and by the one that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) now: Moment,
    pub(crate) steady: Moment,
}

impl Clocks {
    pub(crate) fn new(providers: ProviderClocks) -> Self {
        Self { providers, late: Arc::default() }
    }

    /// What the time of a message says that came just now. `allowed` is the offset that is known.
    pub(crate) fn read(
        &self,
        channel: ChannelId,
        came: Arrival,
        told: Moment,
        allowed: i64,
    ) -> Reading {
        let offset = came.now.0.saturating_sub(told.0) / 1_000_000;
        if (offset - allowed).abs() <= TOLERATED {
            return Reading::OnTime;
        }
        if offset.abs() <= TOLERATED {
            return Reading::Offset(0);
        }
        // The provider's own clock differs from ours as the message does.
        let theirs = self.providers.ahead(channel);
        if theirs.is_some_and(|ahead| (ahead - offset).abs() <= AGREE) {
            return Reading::Offset(offset);
        }
        let late = self.late.lock();
        let alike = late.get(&channel).into_iter().flatten();
        let alike = alike.filter(|sample| (sample.offset - offset).abs() <= SPREAD);
        let (mut count, mut first) = (1, came.steady);
        for sample in alike {
            count += 1;
            first = first.min(sample.arrived);
        }
        if count >= SAMPLES && came.steady.since(first) >= SPAN {
            return Reading::Offset(offset);
        }
        Reading::Old(offset)
    }

    /// Takes note of what was read, once the message is kept: one that comes twice counts once.
    pub(crate) fn keep(&self, channel: ChannelId, came: Arrival, reading: Reading) {
        let mut late = self.late.lock();
        let Reading::Old(offset) = reading else {
            late.remove(&channel);
            return;
        };
        let samples = late.entry(channel).or_default();
        // A step of our own clock makes what was measured before it worthless.
        samples.retain(|sample| (sample.offset - offset).abs() <= SPREAD);
        samples.push_back(Sample { arrived: came.steady, offset });
        if samples.len() > SAMPLES {
            // The first stays: it holds how long they have agreed.
            samples.remove(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks() -> (Clocks, ChannelId) {
        (Clocks::new(ProviderClocks::new(kernel::Clock::System)), ChannelId::generate())
    }

    fn read((clocks, channel): &(Clocks, ChannelId), at: i64, told: i64, allowed: i64) -> Reading {
        let now = Moment::from_seconds(1_000_000 + at);
        let came = Arrival { now, steady: now };
        let reading = clocks.read(*channel, came, Moment::from_seconds(1_000_000 + told), allowed);
        clocks.keep(*channel, came, reading);
        reading
    }

    #[test]
    fn one_offset_over_ten_minutes_is_the_clock_and_a_backlog_is_not() {
        let clocks = clocks();
        assert_eq!(read(&clocks, 0, -3, 0), Reading::OnTime);
        assert_eq!(read(&clocks, 10, -1190, 0), Reading::Old(1200));
        assert_eq!(read(&clocks, 200, -1002, 0), Reading::Old(1202));
        assert_eq!(read(&clocks, 400, -800, 0), Reading::Old(1200));
        assert_eq!(read(&clocks, 500, -700, 0), Reading::Old(1200), "too short a while");
        assert_eq!(read(&clocks, 615, -586, 0), Reading::Offset(1201));
        assert_eq!(read(&clocks, 620, -580, 1201), Reading::OnTime);
        assert_eq!(read(&clocks, 630, 629, 1201), Reading::Offset(0), "it was set right");
        // A provider that was away for an hour delivers what waited, within minutes.
        for step in 0..20 {
            let (at, told) = (700 + step * 40, -2900 + step * 180);
            let reading = read(&clocks, at, told, 0);
            assert!(!matches!(reading, Reading::Offset(1..)), "{step}: {reading:?}");
        }
    }

    #[test]
    fn times_of_the_future_count_when_they_agree() {
        let clocks = clocks();
        assert_eq!(read(&clocks, 0, 604_800, 0), Reading::Old(-604_800));
        for at in [10, 300, 400] {
            assert_eq!(read(&clocks, at, at + 900, 0), Reading::Old(-900));
        }
        assert_eq!(read(&clocks, 700, 1600, 0), Reading::Offset(-900));
    }
}
