//! Bodies of the fuzz targets in `tests/fuzz`: each takes any bytes and panics if something that
//! must hold does not. Tests run them too, over the corpus and over random bytes.
//!
//! These files are compiled twice, here and in the package of the fuzz targets, so they use
//! `conclave-protocol` and `blake3` and nothing else of this crate.
//!
//! - [`codec`]: bytes from a peer, as every kind of thing that a peer may send.
//! - [`evaluator`]: a control log from bytes, evaluated in several orders.
//! - [`frames`]: a pull from a peer that answers whatever it likes.

mod bounds;
pub mod codec;
pub mod evaluator;
pub mod frames;
mod reader;
