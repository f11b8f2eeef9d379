//! Text into pieces of words: the cut of highest probability, as SentencePiece's unigram model makes it.

use std::collections::HashMap;

use crate::file::Parts;

/// Stands for a space.
const SPACE: char = '\u{2581}';
/// What an unknown character costs beside the least likely piece.
const UNKNOWN: f32 = 10.0;

pub(crate) struct Tokenizer {
    ids: HashMap<Box<[u8]>, u32>,
    scores: Vec<f32>,
    replaced: HashMap<char, Vec<char>>,
    longest: usize,
    unknown: u32,
    unknown_score: f32,
}

impl Tokenizer {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let ids = (0u32..)
            .zip(&parts.pieces)
            .filter(|(_, piece)| !piece.is_empty())
            .map(|(id, piece)| (Box::from(*piece), id))
            .collect();
        let replaced = parts.replaced.iter().filter_map(|(from, to)| {
            let to: Option<Vec<char>> = to.iter().map(|c| char::from_u32(*c)).collect();
            Some((char::from_u32(*from)?, to?))
        });
        let least = parts.scores.iter().copied().fold(f32::INFINITY, f32::min);
        Self {
            ids,
            scores: parts.scores.clone(),
            replaced: replaced.collect(),
            longest: parts.pieces.iter().map(|piece| piece.len()).max().unwrap_or(1),
            unknown: parts.special[3],
            unknown_score: least - UNKNOWN,
        }
    }

    /// The pieces of a text, at most `most`.
    pub(crate) fn pieces(&self, text: &str, most: usize) -> Vec<u32> {
        let line = self.normal(text);
        let starts: Vec<usize> =
            line.char_indices().map(|(at, _)| at).chain(std::iter::once(line.len())).collect();
        let count = starts.len() - 1;
        let bytes = line.as_bytes();
        // The best cut up to each character: its score, its last piece, and where that begins.
        let mut best = vec![(f32::NEG_INFINITY, self.unknown, 0usize); count + 1];
        best[0].0 = 0.0;
        for from in 0..count {
            let score = best[from].0;
            for to in from + 1..=count {
                if starts[to] - starts[from] > self.longest {
                    break;
                }
                if let Some(id) = self.ids.get(&bytes[starts[from]..starts[to]])
                    && *id != self.unknown
                {
                    let with = score + self.scores[*id as usize];
                    if with > best[to].0 {
                        best[to] = (with, *id, from);
                    }
                }
            }
            let with = score + self.unknown_score;
            if with > best[from + 1].0 {
                best[from + 1] = (with, self.unknown, from);
            }
        }
        let mut out = Vec::new();
        let mut at = count;
        while at > 0 {
            out.push(best[at].1);
            at = best[at].2;
        }
        out.reverse();
        out.truncate(most);
        out
    }

    /// Replaced characters, single spaces, and the mark that stands for them.
    fn normal(&self, text: &str) -> String {
        let mut line = String::with_capacity(text.len() + 8);
        let mut push = |c: char| {
            let c = if c == ' ' { SPACE } else { c };
            if line.is_empty() && c != SPACE {
                line.push(SPACE);
            }
            if !(c == SPACE && line.ends_with(SPACE)) {
                line.push(c);
            }
        };
        for c in text.chars() {
            match self.replaced.get(&c) {
                Some(to) => to.iter().copied().for_each(&mut push),
                None => push(c),
            }
        }
        line
    }
}
