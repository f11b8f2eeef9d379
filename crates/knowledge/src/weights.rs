//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::FEATURES;

pub(crate) const BIAS: f64 = -0.0309;
pub(crate) const WEIGHTS: [f64; FEATURES] = [
    2.4158, 2.6161, -1.0523, -0.1827, 0.1779, 5.5290, 1.6955, -0.1537, -0.4638, 0.6653, 0.6801,
    0.0808, -0.0942, -0.0533, -1.1003, -0.0585, 0.8508, 0.2890, 9.5604, 3.6907, 0.2237, 2.7500,
    1.5, 0.0, 0.0, 0.0, 0.0, 0.0,
];
