//! Asking the knowledge questions without a model, with the program's own encoder at hand.

use std::sync::Arc;

use jiff::civil::Date;
use kernel::TenantId;

use crate::encoding::Encoding;
use crate::extract::Extract;
use crate::features::Asked;
use crate::{Index, Library};

/// Log-odds that a sum answers a question of which every part was found.
const SUM: f64 = 2.5;

/// Extracts answers from an index.
pub struct Extractor<'a> {
    pub index: &'a Index,
    encoder: Encoding,
    today: Option<Date>,
}

impl Extractor<'_> {
    /// The sum that a text asks for, where every part of it is known.
    pub fn sum(&self, text: &str) -> Option<Extract> {
        let sum = self.index.sum(text, self.today)?;
        Some(Extract { reply: sum.reply, score: SUM, pieces: sum.pieces, of_nothing: false })
    }

    /// Answers a question; `before`: what it leans on.
    pub fn answer(&self, text: &str, before: Option<&str>) -> Extract {
        let vector = self.encoder.vector(text);
        let both = before.map(|before| self.encoder.vector(&format!("{before} {text}")));
        let (vector, both) = (Some(vector.as_slice()), both.as_deref().map(Vec::as_slice));
        self.index.answer(&Asked { text, before, vector, both, today: self.today })
    }
}

impl Library {
    /// The vector of a question by the program's own encoder.
    ///
    /// # Errors
    /// When the thread that makes it breaks down.
    pub async fn question_vector(&self, question: &str) -> Result<Arc<Vec<f32>>, db::Error> {
        self.encoder.question(question).await
    }

    /// Asks a tenant's knowledge several questions, beside the threads that serve everybody. `today`: the tenant's own
    /// day, before which offers may have ended.
    ///
    /// # Errors
    /// When the rows cannot be read, or the thread breaks down.
    pub async fn with_extractor<T: Send + 'static>(
        &self,
        tenant: TenantId,
        today: Option<Date>,
        ask: impl FnOnce(&Extractor<'_>) -> T + Send + 'static,
    ) -> Result<T, db::Error> {
        let index = self.index(tenant).await?;
        let encoder = self.encoder.clone();
        self.encoder.run(move || ask(&Extractor { index: &index, encoder, today })).await
    }

    /// What the knowledge alone, without a model, says to a question.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn extract(&self, tenant: TenantId, question: &str) -> Result<Extract, db::Error> {
        let asked = question.to_owned();
        self.with_extractor(tenant, None, move |extractor| extractor.answer(&asked, None)).await
    }
}
