//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.4667;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    1.5900, 1.2991, 0.7669, -0.4459, 0.6798, 3.4841, 1.7713, -0.6765, -0.6051, 0.1064, -0.2683,
    -0.0847, 0.4046, -0.1457, 0.4688, -0.0557, 0.2741, -0.3433, 3.7803, 1.0466, 0.1029, 1.0099,
    0.3096, -0.3652,
];
