//! Sentence vectors inside the program: the encoder multilingual-e5-small (MIT licence, Microsoft) with weights of four
//! bits and a vocabulary for Portuguese, English and Spanish. `models/README.md` says where the file comes from.
//!
//! A module of our own, because the libraries for it (candle, ort) bring a whole machine learning framework, and their
//! four-bit kernels are fast only when the program is compiled for one kind of processor. Here `pulp` chooses the
//! instructions at run time, and the compiler makes vector code of plain loops.

mod encoder;
mod file;
mod matrix;
mod prune;
mod tokenizer;

use std::sync::LazyLock;

pub use encoder::Encoder;
pub use file::ModelError;
pub use prune::prune;

/// Numbers of a vector.
pub const WIDTH: usize = 384;
/// Names the model and its version: vectors of another one do not compare.
pub const NAME: &str = "e5-small-pt-4";

static FILE: &[u8] = include_bytes!("../../../models/e5-small-pt-en-es.bin");

/// The encoder that is linked into the program; made on first use.
///
/// # Panics
/// When the file in the program is damaged, which a test excludes.
pub fn encoder() -> &'static Encoder {
    static ENCODER: LazyLock<Encoder> =
        LazyLock::new(|| Encoder::read(FILE).expect("the model file is whole"));
    &ENCODER
}

/// The dot product of two vectors: of unit length, their cosine, -1 to 1.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // In eight lanes: the order of a plain sum would keep the processor from using them.
    let mut lanes = [0f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
