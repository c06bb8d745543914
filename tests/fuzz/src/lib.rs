//! What the fuzz targets run: the same files as in `conclave-tests`, where ordinary tests run them
//! over the corpus. Included by path, because that crate brings the whole network along.

#[path = "../../src/fuzzing/mod.rs"]
pub mod fuzzing;
