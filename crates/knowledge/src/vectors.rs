//! Vectors of sentences by the program's own encoder: rows, made when a document is added; of long documents, by a job.

use std::collections::HashSet;

use async_trait::async_trait;
use db::{Error, TenantTx};
use kernel::{ChunkId, DocumentId, Moment, TenantId};
use queue::{Done, Handler, JobCx, JobError, Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::{BATCH, NewChunk};
use crate::{Chunk, Index, Library, store};

/// Sentences of a document that are encoded before it counts as added; a job does the rest.
pub(crate) const AT_ONCE: usize = 400;

/// Some of the tenant's sentences have no vector by the program's encoder yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EncodeDue {}

impl Payload for EncodeDue {
    const KIND: &'static str = "knowledge.encode_due";
    const LANE: Lane = Lane::Bulk;
}

/// Runs [`EncodeDue`].
pub struct Encode(pub Library);

pub(crate) async fn schedule(tx: &mut TenantTx, now: Moment) -> Result<(), Error> {
    let job = NewJob {
        payload: &EncodeDue {},
        run_at: now,
        order_key: Some("encode".to_owned()),
        dedupe_key: Some("encode".to_owned()),
        now,
    };
    queue::enqueue(tx, job).await
}

#[async_trait]
impl Handler<EncodeDue> for Encode {
    async fn run(&self, _: EncodeDue, cx: &JobCx) -> Result<Done, JobError> {
        let library = &self.0;
        let index = library.index(cx.tenant).await?;
        library.encode(cx.tenant, index.to_encode()).await?;
        let mut tx = library.db.begin(cx.tenant).await?;
        tenancy::bump_knowledge(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finish)
    }
}

/// By what a sentence is known: a digest of what is encoded, so that a document that is cut anew keeps its vectors.
fn key(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A vector in whole numbers of eight bits, after its scale.
#[expect(clippy::cast_possible_truncation, reason = "within -127 to 127")]
fn pack(vector: &[f32]) -> Vec<u8> {
    let most = vector.iter().fold(1e-9f32, |most, x| most.max(x.abs()));
    let mut out = (most / 127.0).to_le_bytes().to_vec();
    out.extend(vector.iter().map(|x| (x * 127.0 / most).round() as i8).map(i8::cast_unsigned));
    out
}

fn unpack(bytes: &[u8]) -> Vec<f32> {
    let Some((scale, numbers)) = bytes.split_first_chunk::<4>() else { return Vec::new() };
    let scale = f32::from_le_bytes(*scale);
    numbers.iter().map(|byte| f32::from(byte.cast_signed()) * scale).collect()
}

/// The vectors of these texts, in order; empty where there is none yet.
pub(crate) async fn of(tx: &mut TenantTx, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
    let known = store::sentence_vectors(tx, embedding::NAME).await?;
    Ok(texts
        .iter()
        .map(|text| known.get(&key(text)).map_or_else(Vec::new, |bytes| unpack(bytes)))
        .collect())
}

/// Removes vectors of sentences that no document holds any more, a batch at a time.
pub(crate) async fn sweep(library: &Library, tenant: TenantId) -> Result<(), Error> {
    let index = library.index(tenant).await?;
    let wanted: HashSet<String> = index.to_encode().iter().map(|text| key(text)).collect();
    let mut tx = library.db.read(tenant).await?;
    let there = store::sentence_digests(&mut tx).await?;
    drop(tx);
    let gone: Vec<String> = there
        .into_iter()
        .map(|(digest, _)| digest)
        .filter(|digest| !wanted.contains(digest))
        .collect();
    for batch in gone.chunks(BATCH) {
        let mut tx = library.db.begin(tenant).await?;
        for digest in batch {
            store::remove_sentence_vector(&mut tx, digest).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

impl Library {
    /// Makes the vectors that these texts lack, a batch at a time.
    pub(crate) async fn encode(&self, tenant: TenantId, texts: Vec<String>) -> Result<(), Error> {
        if !self.encoder.is_on() {
            return Ok(());
        }
        let mut tx = self.db.read(tenant).await?;
        let there = store::sentence_digests(&mut tx).await?;
        drop(tx);
        let mut seen: HashSet<String> = there
            .into_iter()
            .filter(|(_, model)| model == embedding::NAME)
            .map(|(digest, _)| digest)
            .collect();
        let missing: Vec<String> =
            texts.into_iter().filter(|text| seen.insert(key(text))).collect();
        for batch in missing.chunks(BATCH / 4) {
            let vectors = self.encoder.passages(batch.to_vec()).await?;
            let mut tx = self.db.begin(tenant).await?;
            for (text, vector) in batch.iter().zip(vectors) {
                store::put_sentence_vector(&mut tx, &key(text), embedding::NAME, pack(&vector))
                    .await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// What is to be encoded of these pieces, which may be more than is encoded at once.
pub(crate) fn to_encode(name: &str, chunks: &[NewChunk]) -> Vec<String> {
    let document = DocumentId::generate();
    // Each piece has a sentence at least.
    let chunks = chunks.iter().take(AT_ONCE + 1).map(|chunk| Chunk {
        id: ChunkId::generate(),
        document,
        title: name.into(),
        heading: chunk.heading.clone(),
        question: chunk.question.clone(),
        body: chunk.body.clone(),
        vector: None,
    });
    Index::build(chunks.collect()).to_encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_vector_points_the_same_way() {
        let vector: Vec<f32> = (0..384i16).map(|i| f32::from(i % 13) / 100.0 - 0.05).collect();
        let back = unpack(&pack(&vector));
        assert!(vector.iter().zip(&back).all(|(a, b)| (a - b).abs() < 0.001));
    }
}
