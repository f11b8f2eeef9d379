//! `/v1/contacts` and `/v1/contact-merges`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use kernel::{ContactId, MergeId, Moment, Phone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::permission::{InboxRead, InboxWrite};
use web::{Access, Api, Built, Door, Json, Page, PageQuery, PathId, Problem, Query, Scope};

use crate::merge::{self, MergeRefused, MergeView};
use crate::people::{self, ContactView};

pub(crate) fn routes(door: Door) -> Built {
    let read = Access::Scope("inbox:read");
    let write = Access::Scope("inbox:write");
    Api::<Door>::default()
        .get::<Page<ContactView>, _, _>(
            "/v1/contacts",
            read,
            "List contacts, the newest first, or find one by phone",
            list,
        )
        .get::<ContactView, _, _>(
            "/v1/contacts/{id}",
            read,
            "Show a contact with its addresses",
            show,
        )
        .body::<MergeIn, MergeOut, _, _>(
            Method::POST,
            "/v1/contacts/{id}/merge",
            write,
            "Make another contact part of this one",
            merge,
        )
        .get::<Page<MergeView>, _, _>(
            "/v1/contact-merges",
            read,
            "List merges of contacts, the newest first",
            merges,
        )
        .bodyless::<MergeView, _, _>(
            Method::POST,
            "/v1/contact-merges/{id}/undo",
            write,
            "Part two contacts again",
            undo,
        )
        .build(door)
}

impl From<MergeRefused> for Problem {
    fn from(refused: MergeRefused) -> Self {
        use MergeRefused as R;
        match refused {
            R::NoSuchContact => Self::not_found("contact"),
            R::NoSuchMerge => Self::not_found("merge"),
            R::Same => Self::field("other", refused.to_string()),
            R::MergedAlready | R::UndoneAlready | R::BuiltUpon => {
                Self::new(StatusCode::CONFLICT, "merge_conflict", refused.to_string())
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct ContactQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    phone: Option<String>,
}

async fn list(
    scope: Scope<InboxRead>,
    Query(query): Query<ContactQuery>,
) -> Result<Json<Page<ContactView>>, Problem> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let before: Option<(Moment, ContactId)> = page.position()?;
    let phone: Option<Phone> = query
        .phone
        .map(|text| text.parse())
        .transpose()
        .map_err(|bad: kernel::phone::NotAPhone| Problem::field("phone", bad.to_string()))?;
    let mut tx = scope.read().await?;
    let found = people::contacts(&mut tx, phone.as_ref(), before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |c| format!("{}_{}", c.created_at.0, c.id))))
}

async fn show(
    scope: Scope<InboxRead>,
    PathId(id): PathId<kernel::id::ContactKind>,
) -> Result<Json<ContactView>, Problem> {
    let mut tx = scope.read().await?;
    let view = people::contact(&mut tx, id).await?;
    view.map(Json).ok_or_else(|| Problem::not_found("contact"))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MergeIn {
    /// The contact that becomes part of the one in the address.
    other: ContactId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct MergeOut {
    merge: MergeId,
}

async fn merge(
    scope: Scope<InboxWrite>,
    State(door): State<Door>,
    PathId(id): PathId<kernel::id::ContactKind>,
    Json(body): Json<MergeIn>,
) -> Result<Json<MergeOut>, Problem> {
    let mut tx = scope.begin().await?;
    let merged = merge::merge(&mut tx, id, body.other, door.clock.now()).await??;
    tx.commit().await?;
    Ok(Json(MergeOut { merge: merged }))
}

async fn merges(
    scope: Scope<InboxRead>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<MergeView>>, Problem> {
    let limit = page.limit()?;
    let before = page.position()?;
    let mut tx = scope.read().await?;
    let found = merge::merges(&mut tx, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |m| format!("{}_{}", m.at.0, m.id))))
}

async fn undo(
    scope: Scope<InboxWrite>,
    State(door): State<Door>,
    PathId(id): PathId<kernel::id::MergeKind>,
) -> Result<Json<MergeView>, Problem> {
    let mut tx = scope.begin().await?;
    let view = merge::undo(&mut tx, id, door.clock.now()).await??;
    tx.commit().await?;
    Ok(Json(view))
}
