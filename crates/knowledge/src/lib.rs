//! What a business knows: documents in, pieces out, and answers made of its own sentences.
//!
//! # Invariants
//! - Rows are the truth. An index is built from one tenant's rows on first use, is replaced when
//!   the tenant's generation number moved (whichever process moved it), and dropped when idle.
//! - A search sees one tenant's index; there is no shared one.

mod api;
mod embed;
pub mod eval;
mod extract;
mod index;
mod lexicon;
mod library;
mod question;
mod read;
mod schema;
mod split;
mod store;
mod versions;

pub use api::routes;
pub use embed::{Embed, EmbedDue, set_embedding};
pub use extract::{DECLINE_BELOW, Extract, LONGEST};
pub use index::{Chunk, Index};
pub use library::{Added, Hit, KnowledgeError, Library, Prepared};
pub use read::{Format, Item, ReadError, Reading, read};
pub use schema::MIGRATIONS;
pub use split::{OVERLAP, PIECE, pieces};
pub use store::{Document, clear, find, list, remove, remove_tenant};
pub use versions::{Editable, Version, editable, removed, versions};
