//! Whether our clock and the times that a provider tells agree.
//!
//! A message that is old when it comes was either delivered late or timed by another clock. One
//! alone cannot tell. Several over a while can: what a provider delivers late grows younger as it
//! catches up, while two clocks that disagree do so by the same amount each time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use inbox::LATE;
use kernel::{ChannelId, Moment};
use parking_lot::Mutex;

/// Seconds that delivery and clocks take without anything being wrong.
const TOLERATED: i64 = 5 * 60;
/// Messages that must agree, over how long, and how closely, before it is the clock.
const SAMPLES: usize = 3;
const SPAN: Duration = Duration::from_secs(60);
const SPREAD: i64 = 30;

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
#[derive(Clone, Default)]
pub(crate) struct Clocks(Arc<Mutex<HashMap<ChannelId, VecDeque<Sample>>>>);

impl Clocks {
    /// Takes note of a message that came just now. `allowed` is the offset that is known.
    pub(crate) fn note(
        &self,
        channel: ChannelId,
        (now, arrived): (Moment, Moment),
        told: Moment,
        allowed: i64,
    ) -> Reading {
        let offset = now.0.saturating_sub(told.0) / 1_000_000;
        let mut held = self.0.lock();
        if (offset - allowed).abs() <= TOLERATED {
            held.remove(&channel);
            return Reading::OnTime;
        }
        if offset.abs() <= TOLERATED {
            held.remove(&channel);
            return Reading::Offset(0);
        }
        let samples = held.entry(channel).or_default();
        // A step of our own clock makes what was measured before it worthless.
        samples.retain(|sample| (sample.offset - offset).abs() <= SPREAD);
        samples.push_back(Sample { arrived, offset });
        if samples.len() > SAMPLES {
            // The first stays: it holds how long they have agreed.
            samples.remove(1);
        }
        let over = samples.front().map_or(Duration::ZERO, |first| arrived.since(first.arrived));
        if samples.len() >= SAMPLES && over >= SPAN {
            held.remove(&channel);
            return Reading::Offset(offset);
        }
        Reading::Old(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clocks: &Clocks, channel: ChannelId, at: i64, told: i64, allowed: i64) -> Reading {
        let moment = Moment::from_seconds(1_000_000 + at);
        let told = Moment::from_seconds(1_000_000 + told);
        clocks.note(channel, (moment, moment), told, allowed)
    }

    #[test]
    fn one_offset_over_a_minute_is_the_clock_and_a_backlog_is_not() {
        let (clocks, channel) = (Clocks::default(), ChannelId::generate());
        assert_eq!(read(&clocks, channel, 0, -3, 0), Reading::OnTime);
        assert_eq!(read(&clocks, channel, 10, -1190, 0), Reading::Old(1200));
        assert_eq!(read(&clocks, channel, 30, -1172, 0), Reading::Old(1202));
        assert_eq!(read(&clocks, channel, 50, -1150, 0), Reading::Old(1200), "too short a while");
        assert_eq!(read(&clocks, channel, 75, -1126, 0), Reading::Offset(1201));
        assert_eq!(read(&clocks, channel, 80, -1120, 1201), Reading::OnTime);
        assert_eq!(read(&clocks, channel, 90, 89, 1201), Reading::Offset(0), "it was set right");
        // A provider that was away for an hour delivers what waited, within minutes.
        for step in 0..20 {
            let (at, told) = (100 + step * 10, -3500 + step * 180);
            let reading = read(&clocks, channel, at, told, 0);
            assert!(!matches!(reading, Reading::Offset(1..)), "{step}: {reading:?}");
        }
    }

    #[test]
    fn times_of_the_future_count_when_they_agree() {
        let (clocks, channel) = (Clocks::default(), ChannelId::generate());
        assert_eq!(read(&clocks, channel, 0, 604_800, 0), Reading::Old(-604_800));
        for at in [10, 40] {
            assert_eq!(read(&clocks, channel, at, at + 900, 0), Reading::Old(-900));
        }
        assert_eq!(read(&clocks, channel, 70, 970, 0), Reading::Offset(-900));
    }
}
