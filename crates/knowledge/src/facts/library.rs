//! The ways to a tenant's facts and their corrections.

use db::TenantTx;
use kernel::{DocumentId, TenantId};

use super::{CorrectionError, Fact, Kind, amounts, store};
use crate::{Library, vectors};

/// A correction that was looked over and may be kept.
#[derive(Debug)]
pub struct Corrected {
    document: String,
    key: String,
    name: String,
    original: String,
    corrected: String,
}

impl Corrected {
    /// What is corrected: "Polimento, SUV".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the document says.
    pub fn original(&self) -> &str {
        &self.original
    }

    pub fn corrected(&self) -> &str {
        &self.corrected
    }
}

impl Library {
    /// What the tenant's documents state, with corrections in place, in the order of the documents.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn facts(&self, tenant: TenantId) -> Result<Vec<Fact>, db::Error> {
        let index = self.index(tenant).await?;
        tokio::task::spawn_blocking(move || index.facts().to_vec())
            .await
            .map_err(|cause| db::Error::Setup(format!("reading facts: {cause}")))
    }

    /// Looks a correction over: the fact must be there, and a price stays one.
    ///
    /// # Errors
    /// When the value does not do, no document states such a fact, or the rows cannot be read.
    pub async fn correction(
        &self,
        tenant: TenantId,
        document: DocumentId,
        key: &str,
        value: &str,
    ) -> Result<Corrected, CorrectionError> {
        let value = value.trim();
        if !(1..=store::LONGEST).contains(&value.chars().count())
            || value.contains(char::is_control)
        {
            return Err(CorrectionError::Value);
        }
        let facts = self.facts(tenant).await?;
        let fact = facts.into_iter().find(|fact| fact.document == document && fact.key == key);
        let fact = fact.ok_or(CorrectionError::Unknown)?;
        let corrected = if fact.kind == Kind::Price && amounts::all(value).is_empty() {
            // "45" where "R$ 40" stood is R$ 45.
            let cents = amounts::of_cell(value, true).ok_or(CorrectionError::Price)?;
            amounts::written(cents)
        } else {
            value.to_owned()
        };
        Ok(Corrected {
            document: fact.title.clone(),
            key: fact.key.clone(),
            name: fact.name(),
            original: fact.corrected_from.unwrap_or(fact.value),
            corrected,
        })
    }

    /// Keeps a correction. It is told from now on, also after the document is uploaded again.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn correct(
        &self,
        tx: &mut TenantTx,
        correction: &Corrected,
    ) -> Result<(), db::Error> {
        store::keep(tx, correction_row(correction), self.clock.now()).await?;
        vectors::schedule(tx, self.clock.now()).await
    }

    /// Lets a document speak for itself again. `false` when there was no such correction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn undo_correction(
        &self,
        tx: &mut TenantTx,
        document: &str,
        key: &str,
    ) -> Result<bool, db::Error> {
        let undone = store::remove(tx, document, key).await?;
        if undone {
            vectors::schedule(tx, self.clock.now()).await?;
        }
        Ok(undone)
    }
}

fn correction_row(correction: &Corrected) -> store::Row<'_> {
    store::Row {
        document: &correction.document,
        key: &correction.key,
        original: &correction.original,
        corrected: &correction.corrected,
    }
}
