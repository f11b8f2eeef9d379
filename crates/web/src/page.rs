//! Lists come in pages: `?limit=50&cursor=…`, and `next` in the answer while there is more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// What a list is asked with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct PageQuery {
    /// 1 to 200; 50 when absent.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// # Errors
    /// When the limit is out of range.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(50),
            Some(limit @ 1..=200) => Ok(limit),
            Some(_) => Err(Problem::field("limit", "limit must be 1 to 200")),
        }
    }

    /// The two halves of a cursor made of a time and an id.
    ///
    /// # Errors
    /// When it is not one that we handed out.
    pub fn position<K>(&self) -> Result<Option<(kernel::Moment, kernel::Id<K>)>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bad = || Problem::field("cursor", "use the `next` of the page before");
        let (at, id) = cursor.split_once('_').ok_or_else(bad)?;
        let at = at.parse().map_err(|_| bad())?;
        Ok(Some((kernel::Moment(at), id.parse().map_err(|_| bad())?)))
    }
}

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Ask the store for one item more than `limit`; it tells whether there is a next page.
    pub fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
