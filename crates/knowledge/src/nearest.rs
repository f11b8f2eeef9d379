//! Pieces nearest to a vector, fused with those that share words.

use std::collections::HashMap;

use jiff::civil::Date;
use kernel::{ChunkId, DocumentId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::library::cut;
use crate::read::ReadError;
use crate::{Chunk, Index};

/// A piece of knowledge that a search found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// Name of the document.
    pub title: String,
    pub heading: Option<String>,
    pub text: String,
    pub score: f64,
}

impl Index {
    /// Builds an index straight from files, without any database.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_files(files: &[(&str, &str)]) -> Result<Self, ReadError> {
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec()))
            .collect();
        Self::of_bytes(&files)
    }

    /// As [`Index::of_files`], of files of any kind.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_bytes(files: &[(String, Vec<u8>)]) -> Result<Self, ReadError> {
        let mut chunks = Vec::new();
        for (name, content) in files {
            let document = DocumentId::generate();
            let reading = crate::read(name, content)?;
            chunks.extend(cut(&reading.items, None).into_iter().map(|chunk| Chunk {
                id: ChunkId::generate(),
                document,
                title: name.as_str().into(),
                heading: chunk.heading,
                question: chunk.question,
                body: chunk.body,
                vector: None,
            }));
        }
        Ok(Self::build(chunks))
    }
}

/// Reciprocal rank fusion's constant: how much the very first places count.
const RRF: f64 = 60.0;

impl Index {
    pub fn has_vectors(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.vector.is_some())
    }

    /// The pieces nearest to a vector of unit length, best first: exact.
    pub fn nearest(&self, vector: &[f32], limit: usize) -> Vec<(f64, usize)> {
        let mut all: Vec<(f64, usize)> = self
            .chunks
            .iter()
            .enumerate()
            .filter_map(|(at, chunk)| {
                let own = chunk.vector.as_ref().filter(|own| own.len() == vector.len())?;
                Some((f64::from(embedding::dot(own, vector)), at))
            })
            .collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if all.len() > limit && limit > 0 {
            all.select_nth_unstable_by(limit - 1, order);
            all.truncate(limit);
        }
        all.sort_by(order);
        all
    }

    pub(crate) fn fuse(
        &self,
        lexical: &[(f64, usize)],
        vector: &[f32],
        limit: usize,
    ) -> Vec<(f64, usize)> {
        let mut scores: HashMap<usize, f64> = HashMap::new();
        let near = self.nearest(vector, limit.max(20));
        for list in [lexical, &near] {
            for (rank, (_, piece)) in list.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "a rank")]
                let share = 1.0 / (RRF + rank as f64 + 1.0);
                *scores.entry(*piece).or_default() += share;
            }
        }
        let mut all: Vec<(f64, usize)> = scores.into_iter().map(|(p, s)| (s, p)).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.truncate(limit);
        all
    }

    /// Everything that may be said on a day, where it fits into `bytes`: what was found first, then the rest in the order
    /// of its documents. `None` where there is more.
    pub fn whole(&self, found: &[Hit], today: Option<Date>, bytes: usize) -> Option<Vec<Hit>> {
        let size: usize = self.chunks.iter().map(|chunk| chunk.body.len()).sum();
        if size > bytes {
            return None;
        }
        let all = (0..self.chunks.len()).map(|piece| self.hit_on(piece, 0.0, today));
        let rest =
            all.filter(|hit| !hit.text.is_empty() && found.iter().all(|f| f.text != hit.text));
        Some(found.iter().cloned().chain(rest).collect())
    }

    /// Facts that share a word with a text, as they stand in their lines.
    pub fn facts_of(&self, text: &str, limit: usize) -> Vec<Hit> {
        let asked = crate::split::terms(text);
        let mut lines: Vec<&str> = Vec::new();
        self.facts()
            .iter()
            .filter(|fact| !fact.outdated && !fact.subject.is_empty())
            .filter(|fact| {
                crate::split::terms(&fact.subject).iter().any(|term| asked.contains(term))
            })
            .filter(|fact| {
                let new = !lines.contains(&fact.line.as_str());
                lines.push(&fact.line);
                new
            })
            .take(limit)
            .map(|fact| Hit {
                title: fact.title.clone(),
                heading: None,
                text: fact.line.clone(),
                score: 0.0,
            })
            .collect()
    }

    /// A piece as people see it, without what has ended or what a newer document replaces.
    pub fn hit_on(&self, piece: usize, score: f64, today: Option<Date>) -> Hit {
        let mut hit = self.hit(piece, score);
        for sentence in self.pieces[piece].sentences.iter().map(|id| &self.sentences[*id as usize])
        {
            if sentence.is_over(today) || sentence.outdated {
                hit.text = hit.text.replace(&*sentence.line_text, "");
            }
        }
        if hit.text.len() < self.chunks[piece].body.len() {
            let lines: Vec<&str> =
                hit.text.lines().filter(|line| !line.trim().is_empty()).collect();
            hit.text = lines.join("\n");
        }
        hit
    }

    /// A piece as people see it.
    pub fn hit(&self, piece: usize, score: f64) -> Hit {
        let chunk = &self.chunks[piece];
        let text = match &chunk.question {
            Some(question) => format!("{question} {}", chunk.body),
            None => chunk.body.clone(),
        };
        Hit { title: chunk.title.to_string(), heading: chunk.heading.clone(), text, score }
    }
}
