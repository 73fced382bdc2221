//! Any bytes at all, held against the laws of `openai_responses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::openai_responses(data));
