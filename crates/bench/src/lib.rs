//! What the benchmarks share: the programs that are measured.

pub mod servers;
