//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.8449;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    1.3495, 0.8141, 0.7679, -0.3952, 0.7690, 3.5467, 1.5929, -0.5262, -0.7635, -0.1208, -0.4943,
    0.0094, 0.2914, 0.1556, 0.6788, -0.0258, 0.5461, -0.3536, 2.9184, 0.9384, 0.0401, 0.1013,
    0.3953, 0.0490,
];
/// Of each hidden unit the weights, the bias, and what it is worth.
pub(crate) const UNITS: [([f64; FEATURES], f64, f64); 0] = [];
