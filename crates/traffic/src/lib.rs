//! The gateways of a house, as its database knows them: which nodes there are and how they are, what tenants' clients
//! asked of them, what is expected, and what operators want of them.
//!
//! # Invariants
//! - Nothing here is on the path of a request: nodes write beside it, and serve the same without it.
//! - What all nodes of a file are to do is a list with one order.
//! - A question to a node is answered once, by that node.
//!
//! # Elsewhere
//! What nodes do and report: crate `gateway`; what is expected: crate `outlook`.

mod api;
mod schema;
mod store;

pub use api::routes;
pub use schema::MIGRATIONS;
pub use store::{Ask, Desk, Node, Said, Told, Used};
