//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.934;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    1.320, 0.615, 0.364, -0.544, 0.781, 3.434, 1.471, -0.529, -0.645, -0.120, -0.395, 0.001, 0.151,
    0.093, 0.894, -0.058, 0.699, -0.408, 3.002, 0.934, 0.068, 0.071, 0.460, 0.145,
];
