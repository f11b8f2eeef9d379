//! `/v1/knowledge`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use isolation::ChildError;
use kernel::DocumentId;
use messaging::http::Outbound;
use models::{ModelRef, Provider};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::permission::{KnowledgeRead, KnowledgeWrite};
use web::{
    Access, Api, BodySize, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope,
};

use crate::facts::{Fact, api as facts};
use crate::{Added, Document, Hit, KnowledgeError, Library, Progress, store};

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) door: Door,
    pub(crate) library: Library,
    outbound: Outbound,
}

impl axum::extract::FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        app.door.clone()
    }
}

/// The routes of knowledge.
pub fn routes(door: Door, library: Library, outbound: Outbound) -> Built {
    let read = Access::Scope("knowledge:read");
    let write = Access::Scope("knowledge:write");
    Api::<App>::default()
        .get::<Page<Document>, _, _>("/v1/knowledge/documents", read, "List documents", list)
        .body::<DocumentIn, Added, _, _>(
            Method::POST,
            "/v1/knowledge/documents",
            write,
            "Add a document, in place of one of the same name",
            add,
        )
        .takes(BodySize::Upload)
        .get::<Document, _, _>("/v1/knowledge/documents/{id}", read, "Show a document", show)
        .bodyless::<(), _, _>(
            Method::DELETE,
            "/v1/knowledge/documents/{id}",
            write,
            "Remove a document",
            remove,
        )
        .body::<PairIn, Added, _, _>(
            Method::POST,
            "/v1/knowledge/pairs",
            write,
            "Add a question with its answer",
            add_pair,
        )
        .body::<SearchIn, SearchOut, _, _>(
            Method::POST,
            "/v1/knowledge/search",
            read,
            "Find the pieces that speak to a question",
            search,
        )
        .bodyless::<ReindexOut, _, _>(
            Method::POST,
            "/v1/knowledge/reindex",
            write,
            "Cut all documents anew; with ?reread=true the uploaded files are read again, too",
            reindex,
        )
        .get::<Progress, _, _>(
            "/v1/knowledge/reindex",
            read,
            "How far cutting all documents anew has got",
            progress,
        )
        .bodyless::<ClearOut, _, _>(
            Method::DELETE,
            "/v1/knowledge",
            write,
            "Remove all knowledge",
            clear,
        )
        .get::<Page<Fact>, _, _>(
            "/v1/knowledge/facts",
            read,
            "List what the documents state",
            facts::list,
        )
        .body::<facts::CorrectionIn, facts::CorrectionOut, _, _>(
            Method::PUT,
            "/v1/knowledge/facts",
            write,
            "Correct what a document states; the correction survives another upload",
            facts::correct,
        )
        .body::<facts::UndoIn, (), _, _>(
            Method::POST,
            "/v1/knowledge/facts/undo",
            write,
            "Let a document speak for itself again",
            facts::undo,
        )
        .get::<facts::Oddities, _, _>(
            "/v1/knowledge/facts/problems",
            read,
            "List contradictions, ended offers and prices far from others",
            facts::oddities,
        )
        .body::<EmbeddingIn, EmbeddingOut, _, _>(
            Method::PUT,
            "/v1/knowledge/embedding",
            write,
            "Set or remove the model that makes vectors; all vectors are made anew",
            set_embedding,
        )
        .build(App { door, library, outbound })
}

impl From<KnowledgeError> for Problem {
    fn from(error: KnowledgeError) -> Self {
        use KnowledgeError as E;
        match error {
            E::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
            }
            E::Read(crate::ReadError::Child { cause: ChildError::Busy, .. }) => {
                Self::too_many("busy", error.to_string(), Duration::from_secs(10))
            }
            E::Read(crate::ReadError::Child {
                cause: ChildError::Stopping | ChildError::NotConfined(_) | ChildError::Start(_),
                ..
            }) => Self::unavailable(error.to_string(), 10),
            E::Read(_) | E::Pieces { .. } => Self::field("content", error.to_string()),
            E::TenantFull { .. } => {
                Self::new(StatusCode::CONFLICT, "knowledge_full", error.to_string())
            }
            E::Raced(_) => Self::new(StatusCode::CONFLICT, "raced", error.to_string()),
            E::Running => Self::new(StatusCode::CONFLICT, "running", error.to_string()),
            E::Pair => Self::field("question", error.to_string()),
            E::Name => Self::field("name", error.to_string()),
            E::Storage(error) => error.into(),
            E::Vault(error) => error.into(),
            E::Model(error) => {
                Self::new(StatusCode::BAD_GATEWAY, "model_failed", error.to_string())
            }
        }
    }
}

async fn list(
    scope: Scope<KnowledgeRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Document>>, Problem> {
    let limit = page.limit()?;
    let mut tx = scope.read().await?;
    let after = page.cursor.unwrap_or_default();
    let found = store::list(&mut tx, &after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |d| d.name.clone())))
}

async fn show(
    scope: Scope<KnowledgeRead>,
    PathId(id): PathId<kernel::id::DocumentKind>,
) -> Result<Json<Document>, Problem> {
    let mut tx = scope.read().await?;
    store::find(&mut tx, id).await?.map(Json).ok_or_else(|| Problem::not_found("document"))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DocumentIn {
    /// File name; its ending says the format: .md .txt .pdf .docx .html .csv.
    name: String,
    /// The text of the file.
    text: Option<String>,
    /// The file in base64, for formats that are not text.
    content_base64: Option<String>,
    category: Option<String>,
}

async fn add(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Json(body): Json<DocumentIn>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let bytes = match (body.text, body.content_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => base64::engine::general_purpose::STANDARD
            .decode(encoded.as_bytes())
            .map_err(|_| Problem::field("content_base64", "this is not base64"))?,
        _ => {
            return Err(Problem::field("text", "send either text or content_base64"));
        }
    };
    let category = body.category.as_deref();
    let file = app.library.prepare(scope.tenant().id, &body.name, bytes, category).await?;
    let mut tx = scope.begin().await?;
    let added = app.library.add(&mut tx, &file).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(added)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PairIn {
    question: String,
    answer: String,
    category: Option<String>,
}

async fn add_pair(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Json(body): Json<PairIn>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let category = body.category.as_deref();
    let pair = app.library.pair(scope.tenant().id, &body.question, &body.answer, category).await?;
    let mut tx = scope.begin().await?;
    let added = app.library.add(&mut tx, &pair).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(added)))
}

async fn remove(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    // By id only here: names may hold slashes.
    let id: DocumentId = id.parse().map_err(|_| Problem::not_found("document"))?;
    let mut tx = scope.begin().await?;
    if !store::remove(&mut tx, &id.to_string(), app.door.clock.now()).await? {
        return Err(Problem::not_found("document"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchIn {
    question: String,
    /// 1 to 20; 5 when absent.
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SearchOut {
    hits: Vec<Hit>,
    /// What the knowledge alone, without a model, would answer; absent when it supports none.
    extract: Option<String>,
    /// 0 to 1.
    confidence: f64,
}

async fn search(
    scope: Scope<KnowledgeRead>,
    State(app): State<App>,
    Json(body): Json<SearchIn>,
) -> Result<Json<SearchOut>, Problem> {
    let limit = body.limit.unwrap_or(5);
    if !(1..=20).contains(&limit) {
        return Err(Problem::field("limit", "limit must be 1 to 20"));
    }
    let tenant = scope.tenant().id;
    let hits = app.library.search(tenant, &body.question, limit, None).await?;
    let found = app.library.extract(tenant, &body.question).await?;
    let confidence = found.confidence();
    let extract = found.supported().then_some(found.reply);
    Ok(Json(SearchOut { hits, extract, confidence }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReindexOut {
    documents: usize,
    chunks: usize,
}

#[derive(Debug, Default, Deserialize)]
struct ReindexIn {
    /// Reads the uploaded files that are kept again, too.
    #[serde(default)]
    reread: bool,
}

async fn reindex(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Query(asked): Query<ReindexIn>,
) -> Result<Json<ReindexOut>, Problem> {
    let tenant = scope.tenant().id;
    let library = app.library.clone();
    // In a task of its own: a caller that hangs up does not leave it half done.
    let cutting = tokio::spawn(async move { library.reindex(tenant, asked.reread, |_| {}).await });
    let done = cutting.await.map_err(|cause| Problem::internal(&cause))??;
    Ok(Json(ReindexOut { documents: done.documents, chunks: done.chunks }))
}

async fn progress(scope: Scope<KnowledgeRead>, State(app): State<App>) -> Json<Progress> {
    Json(app.library.progress(scope.tenant().id))
}

#[derive(Debug, Serialize, JsonSchema)]
struct ClearOut {
    documents: u64,
    chunks: u64,
}

async fn clear(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
) -> Result<Json<ClearOut>, Problem> {
    let removed = app.library.clear(scope.tenant().id).await?;
    let count = |what: &str| removed.iter().find(|r| r.what == what).map_or(0, |r| r.count);
    Ok(Json(ClearOut { documents: count("documents"), chunks: count("chunks") }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EmbeddingIn {
    /// `openai`, `gemini`, or null to search without vectors.
    provider: Option<Provider>,
    base_url: Option<String>,
    model: Option<String>,
    /// Written, never shown.
    api_key: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EmbeddingOut {
    provider: Option<Provider>,
    base_url: Option<String>,
    model: Option<String>,
}

async fn set_embedding(
    scope: Scope<KnowledgeWrite>,
    State(app): State<App>,
    Json(body): Json<EmbeddingIn>,
) -> Result<Json<EmbeddingOut>, Problem> {
    let model = match body.provider {
        None => None,
        Some(provider) => {
            let address = body.base_url.as_deref().unwrap_or(provider.base_url());
            Some(ModelRef {
                provider,
                base_url: app
                    .outbound
                    .check(address)
                    .map_err(|bad| Problem::field("base_url", bad.to_string()))?,
                api_key: body.api_key.unwrap_or_default(),
                model: body.model.unwrap_or_else(|| provider.default_embedding_model().to_owned()),
            })
        }
    };
    let mut tx = scope.begin().await?;
    let now = app.door.clock.now();
    crate::set_embedding(&mut tx, &app.library.vault, model.as_ref(), now).await?;
    tx.commit().await?;
    Ok(Json(EmbeddingOut {
        provider: model.as_ref().map(|m| m.provider),
        base_url: model.as_ref().map(|m| m.base_url.clone()),
        model: model.map(|m| m.model),
    }))
}
