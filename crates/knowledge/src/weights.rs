//! What each measure of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::units::MEASURES;

pub(crate) const BIAS: f64 = -0.0142;
pub(crate) const WEIGHTS: [f64; MEASURES] = [
    2.5690, 2.4675, -1.1642, -0.5912, 0.2029, 5.5377, 1.6902, -0.1762, -0.5754, 0.6650, 0.6866,
    0.0729, -0.0949, -0.0558, -3.7752, 0.0180, 0.8225, 0.2910, 9.2752, 3.6082, 0.2123, 2.7497,
];
