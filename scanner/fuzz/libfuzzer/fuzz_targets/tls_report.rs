#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mxray_fuzz::tls_report(data));
