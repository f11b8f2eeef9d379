//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.

use crate::features::Weights;

pub(crate) const ALONE: Weights = Weights {
    bias: -0.258,
    of: [
        1.104, 0.503, 0.102, -0.468, 0.745, 3.527, 1.641, -0.760, -0.947, -0.070, -0.240, 0.013,
        0.139, 0.111, 0.790, -0.076, 0.520, -0.364, 0.000, 0.000, 0.081, -1.135, 0.615, -0.208,
        0.000,
    ],
};
pub(crate) const LEANING: Weights = Weights {
    bias: -1.006,
    of: [
        0.894, 2.138, 0.494, 0.079, 0.484, 2.510, 0.131, 0.037, -0.096, -0.254, -0.700, -0.090,
        0.194, -0.206, -0.313, 0.099, 1.266, -0.418, 1.366, 1.541, 0.162, 1.427, 0.233, 0.000,
        2.270,
    ],
};
