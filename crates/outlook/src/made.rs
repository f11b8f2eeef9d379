//! Made series with known anomalies, for tests and for measuring how well those are found.

use crate::{DAY, HOUR};

/// What is put into a series: from a point on, for so many, its values times a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Injected {
    pub from: usize,
    pub points: usize,
    pub factor: f64,
}

/// A series of counts like a shop's: quiet nights, two tops a day, less on the seventh day, noise.
#[derive(Debug, Clone)]
pub struct Made {
    pub values: Vec<f64>,
}

/// `seed` gives the noise; the same seed the same series.
#[must_use]
pub fn made(seed: u64, days: usize, injected: &[Injected]) -> Made {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut values = Vec::with_capacity(days * DAY);
    let mut drift = 0.0f64;
    for at in 0..days * DAY {
        let hour = (at % DAY) as f64 / HOUR as f64;
        let top = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
        let day = if (at / DAY) % 7 == 6 { 0.6 } else { 1.0 };
        drift = drift * 0.98 + dice.normal() * 0.01;
        let mean = (20.0 + 250.0 * top(11.0, 2.5) + 320.0 * top(19.5, 2.0)) * day * (1.0 + drift);
        let factor: f64 = injected
            .iter()
            .filter(|one| (one.from..one.from + one.points).contains(&at))
            .map(|one| one.factor)
            .product();
        let mean = mean * factor;
        // More scattered than independent arrivals would be.
        let count = mean + dice.normal() * (mean * 1.8).sqrt();
        values.push(count.round().max(0.0));
    }
    Made { values }
}

struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        // xorshift64*: good enough for noise, and the same everywhere.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().max(1e-12).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}
