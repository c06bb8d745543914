//! See `tests/src/fuzzing/frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conclave_fuzz::fuzzing::frames::run(data));
