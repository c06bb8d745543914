//! What the suites stand on: a simulated world, forged objects, a model, golden vectors.
//!
//! - [`world`]: several engines in one process, with simulated network, disk and clock.
//! - [`forge`]: signed objects made by hand, honest and not.
//! - [`model`]: access as the document says it, in sets and fixpoints; slow and plain.
//! - [`random_log`]: control logs from a seed, some objects of them void.
//! - [`vectors`]: the golden vectors, from fixed seeds.

pub mod forge;
pub mod model;
pub mod process;
pub mod random_log;
pub mod vectors;
pub mod world;
