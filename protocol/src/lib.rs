//! What every Conclave node computes, whatever order things arrive in: objects, authority,
//! acceptance, synchronisation. No IO, no clock, no ambient randomness.
//!
//! The same set of signed objects gives the same company, the same rooms, the same access
//! lists and the same messages on every node, and nobody outside a room's access list can add
//! to that set.
//!
//! From the outside in:
//!
//! - [`engine`]: one node's protocol; inputs in, effects out. Everything else serves it.
//! - [`control`]: the control log, and who may do what because of it.
//! - [`room`]: the log of one room, and which of its messages are accepted.
//! - [`sync`]: how two nodes come to hold the same.
//! - [`instant`]: rooms that agents start without a control object.
//! - [`join`], [`found`]: how a device comes to be a member.
//! - [`crypt`]: how content is kept from those outside a room; [`vault`]: and from readers of the store.
//! - [`object`], [`envelope`], [`epoch`], [`address`], [`report`], [`presence`]: what is signed; [`signed`] and [`codec`]: its bytes.
//! - [`id`], [`name`], [`time`], [`keys`], [`limits`]: the vocabulary; [`view`]: what is shown.

#![warn(missing_docs)]

pub mod address;
mod bits;
mod cached;
pub mod codec;
pub mod confirmed;
pub mod control;
pub mod crypt;
pub mod engine;
pub mod envelope;
pub mod epoch;
pub mod found;
pub mod hidden;
pub mod id;
pub mod instant;
pub mod join;
pub mod keys;
pub mod limits;
pub mod name;
pub mod object;
pub mod presence;
pub mod report;
pub mod room;
pub mod signed;
pub mod sync;
pub mod time;
pub mod topic;
pub mod vault;
pub mod view;
