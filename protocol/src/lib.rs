//! What every Conclave node computes: objects, authority, acceptance, sync.
#![allow(dead_code)]
pub mod address;
pub mod codec;
pub mod control;
pub mod engine;
pub mod envelope;
pub mod found;
pub mod id;
pub mod join;
pub mod limits;
pub mod name;
pub mod object;
pub mod room;
pub mod signed;
pub mod sync;
pub mod time;
pub mod view;
pub mod keys;
