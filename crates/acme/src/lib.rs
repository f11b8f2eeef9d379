//! Certificates by ACME (RFC 8555), one host each, proved by HTTP-01 or TLS-ALPN-01 (RFC 8737).
//!
//! Several nodes share a [`Shelf`]: the account, the certificates, and who is about to get which. HTTP-01 needs no
//! word between nodes: what is answered is the token and the account's thumbprint, which all know.
//!
//! # Invariants
//! - Whoever orders holds a lease; a certificate is kept only under the lease that it was ordered with.
//! - After a failure a host is left alone for a while that doubles, so that an authority's limits are not met.
//!
//! # Elsewhere
//! Which hosts want one, and who answers challenges: crates `portaria` and `gateway`.

mod folder;
mod issuer;
mod leads;
mod shelf;

pub use folder::Folder;
pub use issuer::{AcmeError, Issuer, Method, Outcome, Settings, challenge_certificate};
pub use shelf::{AccountKept, Kept, LEASE, Lease, POSTPONED, Proof, Shelf, ShelfError, pause};
