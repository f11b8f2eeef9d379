//! The gateway over real sockets: what it refuses, where it sends, what it survives.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod balancing;
mod caching;
mod changes;
mod claims;
mod edges;
mod faults;
mod firewall;
mod http2;
mod limits;
mod load;
mod messages;
mod places;
mod routing;
mod smuggling;
mod streams;
mod tunnels;
mod websocket;
mod world;
