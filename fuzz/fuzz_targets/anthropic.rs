//! Any bytes at all, held against the laws of `anthropic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::anthropic(data));
