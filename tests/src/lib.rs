//! What the suites stand on: a simulated world, forged objects, a reference model, golden
//! vectors.
//!
//! - [`world`]: several engines in one process, with simulated network, disk and clock.
//! - [`bulk`]: homes with a million messages.
//! - [`canary`]: words that must not be found, in any encoding.
//! - [`forge`]: signed objects made by hand, honest and not.
//! - [`found`]: signed messages in the files of a home.
//! - [`fuzzing`]: what the fuzz targets in `tests/fuzz` run.
//! - [`hostile_text`]: text that tries to be more than text.
//! - [`outsider`]: a libp2p peer that is not our node, and what it can open.
//! - [`reference`](mod@reference): what a control log means as the document says it, in sets and
//!   fixpoints; slow and plain.
//! - [`random_log`]: control logs of many authors from a seed, with every kind of quarrel.
//! - [`snapshot`]: what the real control log says, in the reference model's terms.
//! - [`vectors`]: the golden vectors, from fixed seeds.

pub mod bulk;
pub mod canary;
pub mod forge;
pub mod found;
pub mod fuzzing;
pub mod hostile_text;
pub mod outsider;
pub mod process;
pub mod random_log;
pub mod reference;
pub mod snapshot;
pub mod vectors;
pub mod world;
