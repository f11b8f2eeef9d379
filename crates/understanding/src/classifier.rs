//! Which act a text most likely performs: a linear model over the letters and words of its plain spelling.
//!
//! Patterns say what is certain; this finds what people put in words that nobody wrote a pattern for. It was fitted by
//! `cargo xtask fit-acts` on written messages (`evaluation/acts/`) and is measured on others.

use std::sync::LazyLock;

use crate::Plain;

/// What a text can be, for the classifier: the acts, and what is none.
pub const CLASSES: &[&str] = &[
    "harm",
    "stop",
    "injection",
    "health_risk",
    "complaint",
    "person",
    "cancel",
    "receipt",
    "status",
    "order",
    "booking",
    "haggle",
    "identity",
    "applicant",
    "supplier",
    "spam",
    "insult",
    "thanks",
    "greeting",
    "statement",
    "out_of_scope",
    "question",
];

/// How much what is meant counts beside how it is put.
const MEANING: f32 = 0.6;
/// Features are counted in so many buckets.
pub(crate) const BUCKETS: usize = 1 << 16;
/// Numbers of a bucket in the file: its weight in the text's length, and one for each class.
pub(crate) const COLUMNS: usize = CLASSES.len() + 1;
/// Numbers of a sentence's vector.
pub(crate) const WIDTH: usize = 384;
/// The file's header, all `f32`: the scale of each column, the bias of each class; then, for sentence vectors, their
/// mean, and for each class its bias and its weights.
const HEADER: usize = 4 * (COLUMNS + CLASSES.len() + WIDTH + CLASSES.len() * (WIDTH + 1));

static FILE: &[u8] = include_bytes!("../../../models/acts.bin");

/// A fitted model: weights of eight bits.
pub struct Classifier {
    scales: Vec<f32>,
    bias: Vec<f32>,
    weights: &'static [u8],
    mean: Vec<f32>,
    /// Of each class: its bias, then its weights.
    meaning: Vec<f32>,
}

static BUILT_IN: LazyLock<Option<Classifier>> = LazyLock::new(|| Classifier::read(FILE));

/// The model that is linked into the program.
pub fn classifier() -> Option<&'static Classifier> {
    BUILT_IN.as_ref()
}

impl Classifier {
    /// Takes a model's file apart; `None` when it is not of this kind.
    pub fn read(file: &'static [u8]) -> Option<Self> {
        if file.len() != HEADER + BUCKETS * COLUMNS {
            return None;
        }
        let number = |at: usize| {
            let bytes = file.get(4 * at..4 * at + 4)?.try_into().ok()?;
            Some(f32::from_le_bytes(bytes))
        };
        let mut at = 0;
        let mut take = |count: usize| {
            let numbers: Option<Vec<f32>> = (at..at + count).map(number).collect();
            at += count;
            numbers
        };
        Some(Self {
            scales: take(COLUMNS)?,
            bias: take(CLASSES.len())?,
            mean: take(WIDTH)?,
            meaning: take(CLASSES.len() * (WIDTH + 1))?,
            weights: &file[HEADER..],
        })
    }

    /// How likely each of [`CLASSES`] is; together 1. `vector`: of the sentence, by the program's own encoder; with it
    /// what is meant counts beside how it is put.
    pub fn shares(&self, plain: &Plain, vector: Option<&[f32]>) -> Vec<f32> {
        let mut shares = self.by_words(plain);
        let Some(vector) = vector.filter(|vector| vector.len() == WIDTH) else { return shares };
        let mut meant: Vec<f32> = self
            .meaning
            .chunks_exact(WIDTH + 1)
            .map(|row| {
                let centred = vector.iter().zip(&self.mean).map(|(x, mean)| x - mean);
                row[0] + row[1..].iter().zip(centred).map(|(w, x)| w * x).sum::<f32>()
            })
            .collect();
        softmax(&mut meant);
        for (share, meant) in shares.iter_mut().zip(&meant) {
            *share = share.max(1e-9).ln() * (1.0 - MEANING) + meant.max(1e-9).ln() * MEANING;
        }
        softmax(&mut shares);
        shares
    }

    fn by_words(&self, plain: &Plain) -> Vec<f32> {
        let buckets = features(plain);
        let mut sums = vec![0f32; CLASSES.len()];
        let mut length = 0f32;
        for bucket in &buckets {
            let row = &self.weights[bucket * COLUMNS..(bucket + 1) * COLUMNS];
            let own = f32::from(row[0]) * self.scales[0];
            length += own * own;
            for (class, sum) in sums.iter_mut().enumerate() {
                *sum += f32::from(row[class + 1].cast_signed()) * self.scales[class + 1];
            }
        }
        let length = length.sqrt().max(1e-6);
        for (sum, bias) in sums.iter_mut().zip(&self.bias) {
            *sum = *sum / length + bias;
        }
        softmax(&mut sums);
        sums
    }
}

pub(crate) fn softmax(sums: &mut [f32]) {
    let most = sums.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut all = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - most).exp();
        all += *sum;
    }
    for sum in sums {
        *sum /= all;
    }
}

/// The buckets of a text's features, each once: runs of two to five letters within a word with its borders, words, and
/// neighbouring words, and its marks.
pub(crate) fn features(plain: &Plain) -> Vec<usize> {
    // Longer texts are read to here: nobody's wish needs more.
    const LONGEST: usize = 120;
    let words: Vec<&str> = plain.words().take(LONGEST).collect();
    let mut out = Vec::with_capacity(plain.line.len() * 4);
    let mut push = |kind: u8, parts: &[&[u8]]| out.push(bucket(kind, parts));
    let mut padded = Vec::new();
    for (at, word) in words.iter().enumerate() {
        padded.clear();
        padded.push(b' ');
        padded.extend_from_slice(word.as_bytes());
        padded.push(b' ');
        for size in 2..=5 {
            for run in padded.windows(size) {
                push(0, &[run]);
            }
        }
        push(1, &[word.as_bytes()]);
        if let Some(next) = words.get(at + 1) {
            push(2, &[word.as_bytes(), next.as_bytes()]);
        }
        if let (Some(next), Some(third)) = (words.get(at + 1), words.get(at + 2)) {
            push(3, &[word.as_bytes(), next.as_bytes(), third.as_bytes()]);
        }
    }
    let size: &[u8] = match words.len() {
        0..=1 => b"one",
        2..=3 => b"few",
        4..=8 => b"some",
        9..=18 => b"many",
        _ => b"long",
    };
    push(4, &[size]);
    if let (Some(first), Some(last)) = (words.first(), words.last()) {
        push(5, &[first.as_bytes()]);
        push(6, &[last.as_bytes()]);
    }
    if plain.asks {
        push(7, &[b"?"]);
    }
    if plain.angry {
        push(7, &[b"!"]);
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// FNV-1a, to a bucket.
fn bucket(kind: u8, parts: &[&[u8]]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut mix = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    };
    mix(kind);
    for part in parts {
        part.iter().copied().for_each(&mut mix);
        mix(b' ');
    }
    usize::try_from((hash ^ (hash >> 29)) % BUCKETS as u64).unwrap_or(0)
}
