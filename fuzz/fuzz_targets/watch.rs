//! Any bytes at all, held against the laws of `watch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::watch(data));
