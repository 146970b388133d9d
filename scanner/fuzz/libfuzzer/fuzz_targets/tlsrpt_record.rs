#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mxray_fuzz::tlsrpt_record(data));
