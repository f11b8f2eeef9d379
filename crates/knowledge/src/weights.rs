//! What each measure of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::units::MEASURES;

pub(crate) const BIAS: f64 = -6.3863;
pub(crate) const WEIGHTS: [f64; MEASURES] = [
    8.4764,
    3.6458,
    4.8545,
    -3.4539,
    1.1412,
    4.9349,
    2.5253,
    -0.2689,
    1.6386,
    -3.0572,
    -0.4420,
    -0.1543,
    -0.4418,
    -0.5953,
    -0.7652,
    -0.5809,
    1.4066,
    -0.1067,
    4.7017,
    1.7443,
    0.2944,
    6.1024,
];
