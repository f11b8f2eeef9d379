//! The encoder: twelve layers of attention over the pieces of a text, and the mean of what comes out.

use crate::WIDTH;
use crate::file::{ModelError, Parts};
use crate::matrix::{Inputs, Kernel, Matrix, Plain};
use crate::tokenizer::Tokenizer;

/// Pieces of a text that are read; the model was trained on no more than 512, and knowledge is cut shorter.
const LONGEST: usize = 256;

struct Product {
    matrix: Matrix<'static>,
    bias: Vec<f32>,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    query: Product,
    key: Product,
    value: Product,
    out: Product,
    after_attention: Norm,
    inner: Product,
    outer: Product,
    after_inner: Norm,
}

/// Makes vectors of texts. They have [`WIDTH`] numbers and the length 1.
pub struct Encoder {
    tokenizer: Tokenizer,
    words: Matrix<'static>,
    positions: Vec<f32>,
    /// Of the only type of token.
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    inner: usize,
    epsilon: f32,
    begin: u32,
    end: u32,
}

impl Encoder {
    /// Takes a model's file apart.
    ///
    /// # Errors
    /// When the file is damaged or of another kind.
    pub fn read(file: &'static [u8]) -> Result<Self, ModelError> {
        let parts = Parts::read(file)?;
        let [width, layers, heads, inner, pieces, ..] = parts.sizes;
        let product = |name: &str, bias: &str, rows, columns| {
            let tensor = parts.tensor(name)?;
            let matrix = Matrix::new((tensor.bytes, tensor.kind), rows, columns)?;
            Ok(Product { matrix, bias: parts.numbers(bias, rows)? })
        };
        let norm = |name: &str| {
            Ok::<_, ModelError>(Norm {
                weight: parts.numbers(&format!("{name}.w"), width)?,
                bias: parts.numbers(&format!("{name}.b"), width)?,
            })
        };
        let mut all = Vec::new();
        for at in 0..layers {
            let of = |what: &str, rows, columns| {
                product(&format!("l{at}.{what}.w"), &format!("l{at}.{what}.b"), rows, columns)
            };
            all.push(Layer {
                query: of("q", width, width)?,
                key: of("k", width, width)?,
                value: of("v", width, width)?,
                out: of("ao", width, width)?,
                after_attention: norm(&format!("l{at}.aln"))?,
                inner: of("fi", inner, width)?,
                outer: of("fo", width, inner)?,
                after_inner: norm(&format!("l{at}.oln"))?,
            });
        }
        Ok(Self {
            tokenizer: Tokenizer::new(&parts),
            words: Matrix::new((parts.tensor("emb.word")?.bytes, 4), pieces, width)?,
            positions: parts.numbers("emb.pos", width * (LONGEST + 2))?,
            kind: parts.numbers("emb.type", width)?,
            norm: norm("emb.ln")?,
            layers: all,
            heads,
            inner,
            epsilon: parts.epsilon,
            begin: parts.special[0],
            end: parts.special[1],
        })
    }

    /// The vector of a question, to be compared with those of passages.
    pub fn question(&self, text: &str) -> Vec<f32> {
        self.vector(&format!("query: {text}"))
    }

    /// The vector of a passage.
    pub fn passage(&self, text: &str) -> Vec<f32> {
        self.vector(&format!("passage: {text}"))
    }

    /// The ids of a text's pieces, with those of its begin and end, as `models/fit_encoder.py` needs them.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.begin];
        ids.extend(self.tokenizer.pieces(text, LONGEST));
        ids.push(self.end);
        ids
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let ids = self.ids(text);
        let mut out = vec![0f32; WIDTH];
        #[cfg(target_arch = "x86_64")]
        if let Some(processor) = pulp::x86::V3::try_new() {
            let run = Run { encoder: self, ids: &ids, out: &mut out, kernel: processor };
            pulp::Simd::vectorize(processor, run);
            return out;
        }
        self.run(Plain, &ids, &mut out);
        out
    }

    #[inline(always)]
    fn run<K: Kernel>(&self, kernel: K, ids: &[u32], out: &mut [f32]) {
        let count = ids.len();
        let mut x = vec![0f32; count * WIDTH];
        for (at, (row, id)) in x.chunks_exact_mut(WIDTH).zip(ids).enumerate() {
            self.words.numbers(*id as usize, row);
            let place = &self.positions[at * WIDTH..(at + 1) * WIDTH];
            for k in 0..WIDTH {
                row[k] += place[k] + self.kind[k];
            }
        }
        self.norm.apply(&mut x, None, self.epsilon);
        let sized = || vec![0f32; count * WIDTH];
        let (mut query, mut key, mut value, mut mixed, mut part) =
            (sized(), sized(), sized(), sized(), sized());
        let mut wide = vec![0f32; count * self.inner];
        for layer in &self.layers {
            let inputs = Inputs::new(&x);
            layer.query.apply(kernel, &inputs, &mut query);
            layer.key.apply(kernel, &inputs, &mut key);
            layer.value.apply(kernel, &inputs, &mut value);
            attend(&query, &key, &value, self.heads, &mut mixed);
            layer.out.apply(kernel, &Inputs::new(&mixed), &mut part);
            layer.after_attention.apply(&mut x, Some(&part), self.epsilon);
            layer.inner.apply(kernel, &Inputs::new(&x), &mut wide);
            for number in &mut wide {
                *number = gelu(*number);
            }
            layer.outer.apply(kernel, &Inputs::new(&wide), &mut part);
            layer.after_inner.apply(&mut x, Some(&part), self.epsilon);
        }
        for row in x.chunks_exact(WIDTH) {
            for (sum, number) in out.iter_mut().zip(row) {
                *sum += number;
            }
        }
        let length = out.iter().map(|n| n * n).sum::<f32>().sqrt().max(1e-12);
        for number in out {
            *number /= length;
        }
    }
}

/// All that this calls must be inlined, or it is compiled for the oldest processor.
struct Run<'a, K> {
    encoder: &'a Encoder,
    ids: &'a [u32],
    out: &'a mut [f32],
    kernel: K,
}

impl<K: Kernel> pulp::WithSimd for Run<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.encoder.run(self.kernel, self.ids, self.out);
    }
}

impl Product {
    #[inline(always)]
    fn apply<K: Kernel>(&self, kernel: K, inputs: &Inputs, out: &mut [f32]) {
        self.matrix.times(kernel, inputs, &self.bias, out);
    }
}

impl Norm {
    /// Adds `more` and brings each row to the mean 0 and the variance 1, then to this layer's own.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    fn apply(&self, rows: &mut [f32], more: Option<&[f32]>, epsilon: f32) {
        for (at, row) in rows.chunks_exact_mut(WIDTH).enumerate() {
            if let Some(more) = more {
                for (number, more) in row.iter_mut().zip(&more[at * WIDTH..]) {
                    *number += more;
                }
            }
            let mean = row.iter().sum::<f32>() / WIDTH as f32;
            let variance = row.iter().map(|n| (n - mean) * (n - mean)).sum::<f32>() / WIDTH as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for (k, number) in row.iter_mut().enumerate() {
                *number = (*number - mean) * inverse * self.weight[k] + self.bias[k];
            }
        }
    }
}

/// What each piece takes from all others.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "a small constant")]
fn attend(query: &[f32], key: &[f32], value: &[f32], heads: usize, out: &mut [f32]) {
    let size = WIDTH / heads;
    let scale = 1.0 / (size as f32).sqrt();
    let count = query.len() / WIDTH;
    let mut shares = vec![0f32; count];
    for at in 0..count {
        for head in 0..heads {
            let of = |row: usize| row * WIDTH + head * size..row * WIDTH + (head + 1) * size;
            let own = &query[of(at)];
            let mut most = f32::NEG_INFINITY;
            for (other, share) in shares.iter_mut().enumerate() {
                *share = crate::dot(own, &key[of(other)]) * scale;
                most = most.max(*share);
            }
            let mut all = 0.0;
            for share in &mut shares {
                *share = (*share - most).exp();
                all += *share;
            }
            let into = &mut out[of(at)];
            into.fill(0.0);
            for (other, share) in shares.iter().enumerate() {
                let share = share / all;
                for (sum, number) in into.iter_mut().zip(&value[of(other)]) {
                    *sum += share * number;
                }
            }
        }
    }
}

/// x·Φ(x). The error function is Abramowitz and Stegun's 7.1.28 (off by less than 3e-7), which needs no exponential.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let poly = 1.0
        + z * (0.070_523_08
            + z * (0.042_282_01
                + z * (0.009_270_527
                    + z * (0.000_152_014_3 + z * (0.000_276_567_2 + z * 0.000_043_063_8)))));
    let p2 = poly * poly;
    let p4 = p2 * p2;
    let p8 = p4 * p4;
    let erf = 1.0 - 1.0 / (p8 * p8);
    0.5 * x * (1.0 + if x < 0.0 { -erf } else { erf })
}
