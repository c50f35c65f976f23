#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bitcraps_protocol::fuzzing::keyring(bytes));
