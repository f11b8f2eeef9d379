//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.891;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    1.312, 0.636, 0.706, -0.499, 0.781, 3.517, 1.474, -0.519, -0.755, -0.129, -0.434, 0.010, 0.171,
    0.107, 0.791, -0.070, 0.726, -0.417, 3.019, 0.938, 0.045, 0.206, 0.393, 0.106,
];
