//! Products of matrices whose weights have four or eight bits.

use crate::file::ModelError;

/// Weights that share a scale.
pub(crate) const BLOCK: usize = 32;

/// Rows of weights that are multiplied together.
const ROWS: usize = 4;

/// A matrix of weights, as it stands in the file. A block has a scale of 16 bits and 32 weights: of four bits, 0 to 15
/// for -8 to 7, the low halves of the bytes first; or of eight bits.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    bytes: &'a [u8],
    /// Blocks of a row, and the bytes of one.
    blocks: usize,
    size: usize,
    rows: usize,
}

impl<'a> Matrix<'a> {
    pub(crate) fn new(
        (bytes, bits): (&'a [u8], u8),
        rows: usize,
        columns: usize,
    ) -> Result<Self, ModelError> {
        let blocks = columns / BLOCK;
        let size = if bits == 8 { 2 + BLOCK } else { 2 + BLOCK / 2 };
        // What one matrix has in columns, the next one has in rows, which are multiplied by fours.
        if bytes.len() < rows * blocks * size || !columns.is_multiple_of(4 * BLOCK) {
            return Err(ModelError::Damaged);
        }
        Ok(Self { bytes, blocks, size, rows })
    }

    fn row(&self, row: usize) -> &'a [u8] {
        let size = self.blocks * self.size;
        &self.bytes[row * size..(row + 1) * size]
    }

    /// The weights and scales of a row.
    #[inline(always)]
    fn unpack(&self, row: usize, weights: &mut [[i16; BLOCK]], scales: &mut [f32]) {
        let blocks = self.row(row).chunks_exact(self.size);
        for ((block, into), scale) in blocks.zip(weights).zip(scales) {
            *scale = half([block[0], block[1]]);
            if self.size == 2 + BLOCK {
                for (into, byte) in into.iter_mut().zip(&block[2..]) {
                    *into = i16::from(byte.cast_signed());
                }
            } else {
                for k in 0..BLOCK / 2 {
                    let byte = block[2 + k];
                    into[k] = i16::from(byte & 15) - 8;
                    into[k + 16] = i16::from(byte >> 4) - 8;
                }
            }
        }
    }

    /// A row as numbers.
    pub(crate) fn numbers(&self, row: usize, out: &mut [f32]) {
        let (mut weights, mut scales) = (vec![[0i16; BLOCK]; self.blocks], vec![0f32; self.blocks]);
        self.unpack(row, &mut weights, &mut scales);
        for ((block, scale), out) in weights.iter().zip(&scales).zip(out.chunks_exact_mut(BLOCK)) {
            for (weight, out) in block.iter().zip(out) {
                *out = scale * f32::from(*weight);
            }
        }
    }

    /// For each of the inputs: its product with every row, and the bias, into `out` (inputs × rows).
    #[inline(always)]
    pub(crate) fn times<K: Kernel>(
        &self,
        kernel: K,
        inputs: &Inputs,
        bias: &[f32],
        out: &mut [f32],
    ) {
        let mut weights = vec![[0i16; BLOCK]; ROWS * self.blocks];
        let mut scales = vec![0f32; ROWS * self.blocks];
        for first in (0..self.rows).step_by(ROWS) {
            let each =
                weights.chunks_exact_mut(self.blocks).zip(scales.chunks_exact_mut(self.blocks));
            for (row, (weights, scales)) in each.enumerate() {
                self.unpack(first + row, weights, scales);
            }
            let values = inputs.values.chunks_exact(self.blocks);
            let own = inputs.scales.chunks_exact(self.blocks);
            for (input, (values, own)) in values.zip(own).enumerate() {
                let sums = kernel.dots(&weights, &scales, values, own);
                let at = input * self.rows + first;
                for ((out, bias), sum) in
                    out[at..at + ROWS].iter_mut().zip(&bias[first..]).zip(sums)
                {
                    *out = bias + sum;
                }
            }
        }
    }
}

/// The innermost loop, for a kind of processor.
pub(crate) trait Kernel: Copy {
    /// For each of [`ROWS`] rows of weights, which stand one after the other: the sum of the products of all its blocks
    /// with those of the input, each times its two scales.
    fn dots(self, w: &[[i16; BLOCK]], a: &[f32], x: &[[i16; BLOCK]], b: &[f32]) -> [f32; ROWS];
}

/// Any processor.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Kernel for Plain {
    #[inline(always)]
    fn dots(self, w: &[[i16; BLOCK]], a: &[f32], x: &[[i16; BLOCK]], b: &[f32]) -> [f32; ROWS] {
        std::array::from_fn(|row| {
            let own = row * x.len()..(row + 1) * x.len();
            let mut sum = 0.0;
            for (((w, x), a), b) in w[own.clone()].iter().zip(x).zip(&a[own]).zip(b) {
                let dot: i32 = w.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
                #[expect(clippy::cast_precision_loss, reason = "at most 2^19")]
                let dot = dot as f32;
                sum += a * b * dot;
            }
            sum
        })
    }
}

/// x86-64 with AVX2 and FMA (since 2013): the compiler does not find these instructions by itself.
#[cfg(target_arch = "x86_64")]
impl Kernel for pulp::x86::V3 {
    #[inline(always)]
    fn dots(self, w: &[[i16; BLOCK]], a: &[f32], x: &[[i16; BLOCK]], b: &[f32]) -> [f32; ROWS] {
        let blocks = x.len();
        let (w, a, b) = (&w[..ROWS * blocks], &a[..ROWS * blocks], &b[..blocks]);
        // Several rows at once: their sums need not wait for each other, and the input is loaded once.
        let mut sums = [self.splat_f32x8(0.0); ROWS];
        for (at, x) in x.iter().enumerate() {
            let x: [pulp::i16x16; 2] = pulp::cast(*x);
            for (row, sum) in sums.iter_mut().enumerate() {
                let own = row * blocks + at;
                *sum = block(self, &w[own], x, a[own] * b[at], *sum);
            }
        }
        sums.map(|sum| {
            let [a, b, c, d, e, f, g, h]: [f32; 8] = pulp::cast(sum);
            ((a + e) + (c + g)) + ((b + f) + (d + h))
        })
    }
}

/// Adds the product of two blocks to a sum, by lanes. Inlined for sure: outside of code for this kind of processor each
/// instruction would be a call.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn block(
    processor: pulp::x86::V3,
    w: &[i16; BLOCK],
    x: [pulp::i16x16; 2],
    scale: f32,
    sum: pulp::f32x8,
) -> pulp::f32x8 {
    let w: [pulp::i16x16; 2] = pulp::cast(*w);
    let low = processor.multiply_wrapping_add_adjacent_i16x16(w[0], x[0]);
    let high = processor.multiply_wrapping_add_adjacent_i16x16(w[1], x[1]);
    let dot = processor.convert_i32x8_to_f32x8(processor.wrapping_add_i32x8(low, high));
    processor.mul_add_f32x8(processor.splat_f32x8(scale), dot, sum)
}

/// Inputs of a product, each block of them as whole numbers of eight bits with a scale.
pub(crate) struct Inputs {
    values: Vec<[i16; BLOCK]>,
    scales: Vec<f32>,
}

impl Inputs {
    #[inline(always)]
    pub(crate) fn new(numbers: &[f32]) -> Self {
        let blocks = numbers.len() / BLOCK;
        let (mut values, mut scales) = (vec![[0i16; BLOCK]; blocks], vec![0f32; blocks]);
        for ((from, into), scale) in numbers.chunks_exact(BLOCK).zip(&mut values).zip(&mut scales) {
            let most = from.iter().fold(0f32, |most, x| most.max(x.abs()));
            *scale = most / 127.0;
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            for (x, out) in from.iter().zip(into) {
                #[expect(clippy::cast_possible_truncation, reason = "within -127 to 127")]
                let value = (x * inverse).round_ties_even() as i16;
                *out = value;
            }
        }
        Self { values, scales }
    }
}

/// A floating point number of 16 bits.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from((bits >> 10) & 31);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        0 => {
            #[expect(clippy::cast_precision_loss, reason = "ten bits")]
            let small = fraction as f32 / 16_777_216.0;
            if sign == 0 { small } else { -small }
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        for (bits, value) in
            [(0x3c00u16, 1.0f32), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8)]
        {
            assert!((half(bits.to_le_bytes()) - value).abs() < 1e-9, "{bits:x}");
        }
    }
}
