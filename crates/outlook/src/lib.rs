//! What is to be expected of a series of counts, and what in it was not to be expected. Pure: a series in, words about
//! it out; no clock, no rows.
//!
//! A series is one number for each five minutes, oldest first; `NaN` where nothing is known.
//!
//! # Invariants
//! - No number is made up: with too little history there is none.
//! - What is judged is judged by what came before it, as it would have been then.

mod advice;
mod anomaly;
mod forecast;
mod history;
mod look;
mod made;
mod measure;

pub use advice::{Advice, Capacity, advise};
pub use anomaly::{Anomaly, Direction, delays, failures, rates};
pub use forecast::{Basis, Forecast, NotYet, Point, next_hour};
pub use history::{Count, History};
pub use look::{About, Look, Traffic};
pub use made::{Injected, Made, made};
pub use measure::{Expected, Found, forecasts, judge, on_made};

/// Points of a day.
pub const DAY: usize = 288;
/// Points of an hour.
pub const HOUR: usize = 12;
/// Seconds of a point.
pub const STEP: i64 = 300;
