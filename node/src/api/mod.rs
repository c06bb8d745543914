//! The local API: JSON and server-sent events over HTTP on loopback, and its typed client.
//!
//! The shapes in [`types`] are a contract: scripts read them from the command line, which
//! prints what the client here receives. Fields may be added, never removed or renamed.

mod accept;
mod auth;
pub mod client;
mod convert;
mod describe;
mod error;
pub mod escape;
mod events;
mod extract;
mod journal;
mod metrics;
mod page;
mod patient;
mod routes;
pub(crate) mod secret;
mod server;
mod sessions;
#[cfg(test)]
mod shapes;
mod socket_owner;
mod sse;
pub mod stream;
mod streams;
pub mod text;
pub mod time;
pub mod types;

pub(crate) use server::serve;
pub(crate) use sessions::Sessions;
