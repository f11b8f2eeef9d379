//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.4321;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    1.9239, 1.4778, -1.1437, -0.9211, 0.7139, 3.5674, 1.8643, -0.3997, -0.4314, -0.2216, -0.4362,
    -0.0481, 0.0707, -0.0603, 0.5029, -0.0375, 0.1371, -0.2459, 3.7302, 1.0863, 0.0552, 1.0591,
    0.0153, -0.1549,
];
