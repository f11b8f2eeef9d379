//! Portaria: the command line, the configuration, and the wiring of the rooms.

mod admin;
mod certificates;
pub mod cli;
pub mod config;
mod conversations;
mod demo;
mod desk;
mod doctor;
mod foresight;
mod front;
mod handover;
mod health;
mod hosts;
pub mod house;
mod http;
mod loadtest;
pub mod names;
mod nodes;
pub mod pages;
mod redis;
mod serve;
mod storm;
pub mod tenants;
mod told;
mod trail;

pub use http::{openapi, router};
pub use serve::{Role, Serving, serve};
