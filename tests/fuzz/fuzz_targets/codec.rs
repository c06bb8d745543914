//! See `tests/src/fuzzing/codec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conclave_fuzz::fuzzing::codec::run(data));
