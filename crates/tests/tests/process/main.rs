//! The real program in processes of its own: started, killed, started again.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod certificates;
mod channels;
mod churn;
mod cluster;
mod command_line;
mod conversations;
mod crash;
mod domains;
mod front;
mod gateways;
mod outages;
mod program;
mod redis;
mod roles;
mod upgrade;
