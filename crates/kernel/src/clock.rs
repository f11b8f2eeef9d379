//! Time as a parameter: production reads the system clock, tests set their own.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// A point in time: microseconds since 1970-01-01 UTC. This is what the database stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

impl Moment {
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As RFC 3339 in UTC with microseconds, for people and JSON.
    pub fn rfc3339(self) -> String {
        self.timestamp().to_string()
    }

    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// People and programs outside read RFC 3339.
impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.timestamp())
    }
}

impl schemars::JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Tells the time.
#[derive(Clone)]
pub enum Clock {
    System,
    /// Stands still until a test moves it.
    Fixed(Arc<Fixed>),
}

/// A time that tests set.
pub struct Fixed {
    wall: AtomicI64,
    /// What runs on when the wall clock is set.
    steady: AtomicI64,
}

impl Clock {
    pub fn fixed(at: Moment) -> Self {
        Self::Fixed(Arc::new(Fixed { wall: at.0.into(), steady: at.0.into() }))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> Moment {
        match self {
            Self::System => Moment(jiff::Timestamp::now().as_microsecond()),
            Self::Fixed(at) => Moment(at.wall.load(Ordering::SeqCst)),
        }
    }

    /// A time that no correction of the wall clock moves, and that runs on while the machine sleeps: microseconds since
    /// it was started. All processes of a machine read the same.
    pub fn steady(&self) -> Moment {
        match self {
            Self::System => {
                let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Moment(since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1000))
            }
            Self::Fixed(at) => Moment(at.steady.load(Ordering::SeqCst)),
        }
    }

    /// Sets a fixed clock as somebody who corrects it does: by so many seconds, also back.
    pub fn step(&self, seconds: i64) {
        if let Self::Fixed(at) = self {
            at.wall.fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
        }
    }

    /// Moves a fixed clock forward; the system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(at) = self {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            at.wall.fetch_add(by, Ordering::SeqCst);
            at.steady.fetch_add(by, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().rfc3339())
    }
}
