//! Fitting the classifier of acts, for `cargo xtask fit-acts`; the program itself never does.

use crate::Plain;
use crate::classifier::{BUCKETS, CLASSES, COLUMNS, WIDTH, features, softmax};

/// Rounds over all examples, the step of the first, and what large weights cost.
const ROUNDS: usize = 40;
const STEP: f32 = 0.5;
const DECAY: f32 = 2e-6;
const MEANING_ROUNDS: usize = 60;
const MEANING_STEP: f32 = 0.4;
const MEANING_DECAY: f32 = 2e-5;

/// A written message.
pub struct Example {
    pub text: String,
    /// One of [`CLASSES`].
    pub class: String,
    /// Of the program's own encoder.
    pub vector: Vec<f32>,
}

/// Fits a model to examples and gives its file. The same examples give the same file.
///
/// # Panics
/// When a class is none of [`CLASSES`].
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "weights of a model"
)]
pub fn fit(examples: &[Example]) -> Vec<u8> {
    let classes = CLASSES.len();
    let rows: Vec<(Vec<usize>, usize)> = examples
        .iter()
        .map(|Example { text, class, .. }| {
            let at = CLASSES.iter().position(|name| name == class);
            (features(&Plain::of(text)), at.unwrap_or_else(|| panic!("no class `{class}`")))
        })
        .collect();
    let mut seen = vec![0usize; BUCKETS];
    for (buckets, _) in &rows {
        buckets.iter().for_each(|bucket| seen[*bucket] += 1);
    }
    // What stands in one example only says nothing about others.
    let own: Vec<f32> = seen
        .iter()
        .map(|count| match count {
            0 | 1 => 0.0,
            count => ((1.0 + rows.len() as f32) / (1.0 + *count as f32)).ln() + 1.0,
        })
        .collect();
    let mut weights = vec![0f32; BUCKETS * classes];
    let mut squares = vec![1e-3f32; BUCKETS * classes];
    let mut bias = vec![0f32; classes];
    let mut shuffle = Shuffle::new(rows.len());
    for round in 0..ROUNDS {
        let step = STEP / (1.0 + round as f32 * 0.15);
        for at in shuffle.next() {
            let (buckets, class) = &rows[*at];
            let length = buckets.iter().map(|b| own[*b] * own[*b]).sum::<f32>().sqrt().max(1e-6);
            let mut shares = bias.clone();
            for bucket in buckets {
                let value = own[*bucket] / length;
                for (class, share) in shares.iter_mut().enumerate() {
                    *share += value * weights[bucket * classes + class];
                }
            }
            softmax(&mut shares);
            shares[*class] -= 1.0;
            for bucket in buckets {
                let value = own[*bucket] / length;
                if value == 0.0 {
                    continue;
                }
                for (class, share) in shares.iter().enumerate() {
                    let at = bucket * classes + class;
                    let slope = share * value + DECAY * weights[at];
                    squares[at] += slope * slope;
                    weights[at] -= step * slope / squares[at].sqrt();
                }
            }
            for (bias, share) in bias.iter_mut().zip(&shares) {
                *bias -= 0.01 * step * share;
            }
        }
    }
    let mut scales = vec![own.iter().copied().fold(0f32, f32::max) / 255.0];
    for class in 0..classes {
        let most = (0..BUCKETS)
            .map(|bucket| (weights[bucket * classes + class] * own[bucket]).abs())
            .fold(1e-6f32, f32::max);
        scales.push(most / 127.0);
    }
    let mut out = Vec::with_capacity(BUCKETS * COLUMNS + 256);
    let classes_of: Vec<usize> = rows.iter().map(|(_, class)| *class).collect();
    let meaning = fit_meaning(examples, &classes_of);
    for number in scales.iter().chain(&bias).chain(&meaning) {
        out.extend(number.to_le_bytes());
    }
    for bucket in 0..BUCKETS {
        #[expect(clippy::cast_sign_loss, reason = "never negative")]
        out.push((own[bucket] / scales[0]).round() as u8);
        for class in 0..classes {
            let weight = weights[bucket * classes + class] * own[bucket] / scales[class + 1];
            out.push((weight.round() as i8).cast_unsigned());
        }
    }
    out
}

/// Orders of the examples, which stand sorted by class: another one each round, the same ones each time.
struct Shuffle {
    order: Vec<usize>,
    state: u64,
}

impl Shuffle {
    fn new(count: usize) -> Self {
        Self { order: (0..count).collect(), state: 0x2545_f491_4f6c_dd1d }
    }

    fn next(&mut self) -> &[usize] {
        for at in (1..self.order.len()).rev() {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let with = usize::try_from(self.state % (at as u64 + 1)).unwrap_or(0);
            self.order.swap(at, with);
        }
        &self.order
    }
}

/// The mean of the vectors, then for each class its bias and weights.
#[expect(clippy::cast_precision_loss, reason = "counts of examples")]
fn fit_meaning(examples: &[Example], classes_of: &[usize]) -> Vec<f32> {
    let mut mean = vec![0f32; WIDTH];
    for example in examples {
        for (sum, number) in mean.iter_mut().zip(&example.vector) {
            *sum += number / examples.len() as f32;
        }
    }
    let mut weights = vec![0f32; CLASSES.len() * (WIDTH + 1)];
    let mut squares = vec![1e-4f32; weights.len()];
    let mut shuffle = Shuffle::new(examples.len());
    for round in 0..MEANING_ROUNDS {
        let step = MEANING_STEP / (1.0 + round as f32 * 0.1);
        for at in shuffle.next() {
            let centred: Vec<f32> =
                examples[*at].vector.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            let mut shares: Vec<f32> = weights
                .chunks_exact(WIDTH + 1)
                .map(|row| row[0] + row[1..].iter().zip(&centred).map(|(w, x)| w * x).sum::<f32>())
                .collect();
            softmax(&mut shares);
            shares[classes_of[*at]] -= 1.0;
            let rows = weights.chunks_exact_mut(WIDTH + 1).zip(squares.chunks_exact_mut(WIDTH + 1));
            for ((row, squares), share) in rows.zip(&shares) {
                row[0] -= 0.02 * share;
                for ((w, square), x) in row[1..].iter_mut().zip(&mut squares[1..]).zip(&centred) {
                    let slope = share * x + MEANING_DECAY * *w;
                    *square += slope * slope;
                    *w -= step * slope / square.sqrt();
                }
            }
        }
    }
    mean.into_iter().chain(weights).collect()
}
