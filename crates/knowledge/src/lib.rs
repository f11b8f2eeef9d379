//! What a business knows: documents in, pieces out, and answers made of its own sentences.
//!
//! # Invariants
//! - Rows are the truth. An index is built from one tenant's rows on first use, is replaced when
//!   the tenant's generation number moved (whichever process moved it), and dropped when idle.
//! - A search sees one tenant's index; there is no shared one.
//! - No transaction writes or deletes more than a few hundred pieces: others' messages do not wait for a document.
//! - A file of a stranger's format is read in a child process with limits, never in this one.

mod alike;
mod api;
mod body;
mod choose;
mod dates;
mod embed;
mod emergency;
mod encoding;
pub mod eval;
mod extract;
mod extractor;
pub mod facts;
mod features;
mod index;
mod intents;
mod lexicon;
mod library;
mod named_prices;
mod nearest;
mod penalties;
mod price_list;
mod question;
mod ranges;
mod read;
mod reader;
mod rebuild;
mod reread;
mod schema;
mod siblings;
mod sources;
mod split;
mod store;
mod sums;
mod sweep;
mod timetable;
mod told_row;
mod typed;
mod vectors;
mod versions;
mod weights;

pub use api::routes;
pub use dates::names_a_date;
pub use embed::{Embed, EmbedDue, set_embedding};
pub use extract::{DECLINE_BELOW, Extract, LONGEST, SURELY};
pub use extractor::{Extractor, is_of_a_day};
pub use features::{Asked, Before, FEATURES, Featured};
pub use index::{Chunk, Index};
pub use isolation::ChildError;
pub use library::{Added, Bounds, FILE_LIMIT, KnowledgeError, Library, Staged, ask};
pub use nearest::Hit;
pub use read::{Format, Item, ReadError, Reading, read};
pub use reader::{Reader, Task, serve};
pub use rebuild::Progress;
pub use reread::{Reread, RereadDue, keep_as_read, schedule_rereading};
pub use schema::MIGRATIONS;
pub use split::{OVERLAP, PIECE, pieces, terms as stems};
pub use store::{Document, find, list, remove};
pub use sweep::{Sweep, SweepDue};
pub use timetable::{Hours, Week, asks_for_usual_hours, asks_when_open};
pub use vectors::{Encode, EncodeDue};
pub use versions::{Editable, Version, editable, removed, versions};
