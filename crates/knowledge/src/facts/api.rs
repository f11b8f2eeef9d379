//! `/v1/knowledge/facts`.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::DocumentId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::permission::{KnowledgeRead, KnowledgeWrite};
use web::{Json, Page, PageQuery, Problem, Query, Scope};

use super::problems::{self, Problem as Oddity};
use super::{CorrectionError, Fact};
use crate::api::App;

impl From<CorrectionError> for Problem {
    fn from(error: CorrectionError) -> Self {
        match error {
            CorrectionError::Value | CorrectionError::Price => {
                Self::field("value", error.to_string())
            }
            CorrectionError::Unknown => {
                Self::new(StatusCode::NOT_FOUND, "unknown_fact", error.to_string())
            }
            CorrectionError::Storage(error) => error.into(),
        }
    }
}

/// Facts in the order of the documents; the cursor is a number of facts.
pub(crate) async fn list(
    scope: Scope<KnowledgeRead>,
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Fact>>, Problem> {
    let limit = page.limit()?;
    let from: usize = match page.cursor.as_deref() {
        None | Some("") => 0,
        Some(text) => text.parse().map_err(|_| {
            Problem::field("cursor", "pass the `next` of the page before, as it came")
        })?,
    };
    let facts = app.library.facts(scope.tenant().id).await?;
    let numbered = facts.into_iter().enumerate().skip(from).take(limit + 1);
    let page = Page::of(numbered.collect(), limit, |(at, _): &(usize, Fact)| (at + 1).to_string());
    Ok(Json(Page {
        items: page.items.into_iter().map(|(_, fact)| fact).collect(),
        next: page.next,
    }))
}

/// Something that does not fit together.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OddityOut {
    /// `contradiction`, `ended` or `far_off`.
    kind: &'static str,
    /// The facts concerned; of a contradiction, the first is what customers are told.
    facts: Vec<Fact>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Oddities {
    items: Vec<OddityOut>,
}

pub(crate) async fn oddities(
    scope: Scope<KnowledgeRead>,
    State(app): State<App>,
) -> Result<Json<Oddities>, Problem> {
    let tenant = scope.tenant();
    let facts = app.library.facts(tenant.id).await?;
    let today = tenant.day(app.door.clock.now());
    let named = |numbers: &[usize]| numbers.iter().map(|at| facts[*at].clone()).collect();
    let items = problems::problems(&facts, today)
        .into_iter()
        .map(|one| match one {
            Oddity::Contradiction(group) => {
                OddityOut { kind: "contradiction", facts: named(&group) }
            }
            Oddity::Ended(at) => OddityOut { kind: "ended", facts: named(&[at]) },
            Oddity::FarOff(at) => OddityOut { kind: "far_off", facts: named(&[at]) },
        })
        .collect();
    Ok(Json(Oddities { items }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorrectionIn {
    document: DocumentId,
    /// As the list of facts has it.
    key: String,
    /// What is right; of a price, an amount.
    value: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CorrectionOut {
    /// What the document says.
    original: String,
    /// What customers are told from now on.
    corrected: String,
}

pub(crate) async fn correct(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Json(body): Json<CorrectionIn>,
) -> Result<Json<CorrectionOut>, Problem> {
    let tenant = scope.tenant().id;
    let correction = app.library.correction(tenant, body.document, &body.key, &body.value).await?;
    let mut tx = scope.begin().await?;
    app.library.correct(&mut tx, &correction).await?;
    tx.commit().await?;
    Ok(Json(CorrectionOut {
        original: correction.original().to_owned(),
        corrected: correction.corrected().to_owned(),
    }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoIn {
    document: DocumentId,
    key: String,
}

pub(crate) async fn undo(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Json(body): Json<UndoIn>,
) -> Result<StatusCode, Problem> {
    let mut tx = scope.begin().await?;
    let document = crate::find(&mut tx, body.document).await?;
    let document = document.ok_or_else(|| Problem::not_found("document"))?;
    if !app.library.undo_correction(&mut tx, &document.name, &body.key).await? {
        return Err(Problem::not_found("correction"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
