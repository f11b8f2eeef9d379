//! Tenants' domains: which host is whose, what it is for, and who serves it.
//!
//! # Invariants
//! - A host belongs to one tenant of the whole installation, and has one purpose.
//! - Where a domain leads to a server of the tenant's own, that server is not on a private network, unless the
//!   operator allows it; the gateway looks again at every connection.
//! - A certificate's key is in the database only sealed, and ordered by one node at a time.
//!
//! # Elsewhere
//! Which paths a purpose serves, and the gateway that serves them: crates `portaria` and `gateway`.

mod api;
mod certificates;
mod domain;
mod schema;
mod store;

pub use api::routes;
pub use certificates::Certificates;
pub use domain::{Domain, DomainError, NewDomain, Purpose, UnknownPurpose};
pub use schema::MIGRATIONS;
pub use store::{Served, add, list, remove, served};
