//! Vectors, when the tenant sets an embedding provider: made by jobs, searched exactly.

use async_trait::async_trait;
use db::{Error, TenantTx};
use kernel::{Moment, TenantId};
use models::{ModelRef, Provider};
use queue::{Done, Handler, JobCx, JobError, Lane, NewJob, Payload};
use serde::{Deserialize, Serialize};
use tenancy::{Vault, VaultError};

use crate::{KnowledgeError, Library, store};

/// Name of the sealed key.
const KEY: &str = "embedding_api_key";
/// Texts per call.
const BATCH: usize = 64;

/// Some of the tenant's chunks have no vector yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmbedDue {}

impl Payload for EmbedDue {
    const KIND: &'static str = "knowledge.embed_due";
    const LANE: Lane = Lane::Bulk;
}

/// Runs [`EmbedDue`].
pub struct Embed(pub Library);

/// Asks for vectors of whatever lacks them, if the tenant has a provider.
pub(crate) async fn schedule(tx: &mut TenantTx, now: Moment) -> Result<(), Error> {
    if store::embedding(tx).await?.is_none() {
        return Ok(());
    }
    let job = NewJob {
        payload: &EmbedDue {},
        run_at: now,
        order_key: Some("embed".to_owned()),
        dedupe_key: Some("embed".to_owned()),
        now,
    };
    queue::enqueue(tx, job).await
}

/// Sets or removes the tenant's embedding provider. All vectors are made anew.
///
/// # Errors
/// When the database refuses.
pub async fn set_embedding(
    tx: &mut TenantTx,
    vault: &Vault,
    model: Option<&ModelRef>,
    now: Moment,
) -> Result<(), VaultError> {
    match model {
        Some(model) => {
            let setting = (model.provider.name(), model.base_url.as_str(), model.model.as_str());
            store::set_embedding(tx, Some(setting)).await?;
            vault.put(tx, KEY, &model.api_key, now).await?;
        }
        None => {
            store::set_embedding(tx, None).await?;
            vault.remove(tx, KEY).await?;
        }
    }
    // Vectors of another model do not compare: those there are count no more.
    tenancy::bump_knowledge(tx).await?;
    schedule(tx, now).await?;
    Ok(())
}

async fn model(library: &Library, tx: &mut TenantTx) -> Result<Option<ModelRef>, VaultError> {
    let Some((provider, base_url, model)) = store::embedding(tx).await? else { return Ok(None) };
    let Ok(provider) = provider.parse::<Provider>() else { return Ok(None) };
    let api_key = library.vault.get(tx, KEY).await?.unwrap_or_default();
    Ok(Some(ModelRef { provider, base_url, api_key, model }))
}

/// The vector of a question; `None` when it cannot be had, and search goes on without.
pub(crate) async fn question(library: &Library, tenant: TenantId, text: &str) -> Option<Vec<f32>> {
    let attempt = async {
        let mut tx = library.db.read(tenant).await?;
        let Some(model) = model(library, &mut tx).await? else { return Ok(None) };
        drop(tx);
        let mut vectors = library.models.embed(&model, &[text.to_owned()]).await?;
        Ok::<_, KnowledgeError>(vectors.pop().map(unit))
    };
    attempt.await.unwrap_or_else(|cause| {
        tracing::warn!(event = "model_failed", tenant_id = %tenant, what = "embedding", cause = %cause);
        None
    })
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

#[async_trait]
impl Handler<EmbedDue> for Embed {
    async fn run(&self, _: EmbedDue, cx: &JobCx) -> Result<Done, JobError> {
        let library = &self.0;
        let retry = |cause: String| JobError::Retry { after: None, cause };
        loop {
            let mut tx = library.db.read(cx.tenant).await?;
            let model = model(library, &mut tx).await.map_err(|e| retry(e.to_string()))?;
            let Some(model) = model else { return Ok(Done::Finish) };
            let batch = store::without_vector(&mut tx, BATCH).await?;
            let epoch = store::vector_epoch(&mut tx).await?;
            drop(tx);
            if batch.is_empty() {
                return Ok(Done::Finish);
            }
            let texts: Vec<String> = batch.iter().map(|(_, text)| text.clone()).collect();
            let vectors = library.models.embed(&model, &texts).await.map_err(|e| match e {
                models::ModelError::Refused(_) => JobError::GiveUp(e.to_string()),
                other => retry(other.to_string()),
            })?;
            let mut tx = library.db.begin(cx.tenant).await?;
            tenancy::bump_knowledge(&mut tx).await?;
            // Another model's vectors do not compare: what was asked for may have changed meanwhile.
            let wanted = store::embedding(&mut tx).await?;
            let made = (model.provider.name().to_owned(), model.base_url, model.model);
            if wanted != Some(made) || store::vector_epoch(&mut tx).await? != epoch {
                continue;
            }
            for ((chunk, _), vector) in batch.iter().zip(vectors) {
                store::set_vector(&mut tx, *chunk, &unit(vector), epoch).await?;
            }
            tx.commit().await?;
        }
    }
}
