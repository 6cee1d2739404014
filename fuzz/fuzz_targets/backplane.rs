//! Whatever comes from the backplane is counted, or is a value that can be said and is heard again as the same.
#![no_main]

use bongsu_wire::backplane::{Word, decode, encode, encode_canary, origin};
use libfuzzer_sys::fuzz_target;

/// What begins every word of this format: the fuzzer need not find it.
const HEAD: [u8; 10] = [0xb5, 1, 0, 0, 0, 0, 0, 0, 0, 7];

fn survives(bytes: &[u8]) {
    let Ok(word) = decode(bytes) else { return };
    let origin = origin(bytes).unwrap();
    let again = match &word {
        Word::Heard(heard) => encode(heard, origin),
        Word::Canary(number) => encode_canary(origin, *number),
    };
    assert_eq!(decode(&again), Ok(word));
}

fuzz_target!(|bytes: &[u8]| {
    survives(bytes);
    survives(&[&HEAD[..], bytes].concat());
});
