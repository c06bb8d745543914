//! The shell round the Conclave protocol: network, store, local API.
//!
//! [`node::Node::start`] wires it all; [`handle::Handle`] is the way into a running node. What
//! decides anything lives in `conclave-protocol`.

pub mod api;
pub mod backup;
mod checks;
mod driver;
pub mod error;
pub mod forge;
pub mod handle;
pub mod identity;
mod names;
pub mod net;
pub mod node;
pub mod store;
pub mod transcript;
