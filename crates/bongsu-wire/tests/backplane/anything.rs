//! What holds of every word, and of whatever else arrives.

use bongsu_model::Heard;
use bongsu_wire::backplane::{Word, decode, encode, encode_canary, origin};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::{arb, variants};

/// Whatever these bytes are: if they are heard, what was heard can be said, and is heard again as the same. So it is a value
/// that the model allows.
fn survives(bytes: &[u8]) {
    match decode(bytes) {
        Ok(Word::Heard(heard)) => {
            let origin = origin(bytes).unwrap();
            let again = encode(&heard, origin);
            assert_eq!(decode(&again), Ok(Word::Heard(heard)));
        }
        Ok(Word::Canary(number)) => {
            let again = encode_canary(origin(bytes).unwrap(), number);
            assert_eq!(decode(&again), Ok(Word::Canary(number)));
        }
        Err(_) => {}
    }
}

/// What may happen to bytes on their way.
#[derive(Clone, Debug)]
enum Harm {
    Put(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Add(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Harm::Put(at, byte)),
        (index(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, 1 << bit)),
        index().prop_map(Harm::Cut),
        (index(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Harm::Add(at, bytes)),
        (index(), index()).prop_map(|(from, to)| Harm::Repeat(from, to)),
    ]
}

fn harmed(bytes: &mut Vec<u8>, harm: Harm) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match harm {
        Harm::Put(at, byte) => bytes[at.index(length)] = byte,
        Harm::Flip(at, bit) => bytes[at.index(length)] ^= bit,
        Harm::Cut(at) => bytes.truncate(at.index(length)),
        Harm::Add(at, more) => {
            let at = at.index(length);
            bytes.splice(at..at, more);
        }
        Harm::Repeat(from, to) => {
            let part = bytes[from.index(length)..].to_vec();
            let at = to.index(length);
            bytes.splice(at..at, part);
        }
    }
}

proptest! {
    #[test]
    fn it_is_heard_as_it_was_said(heard in arb::heard(), from in any::<u64>()) {
        let bytes = encode(&heard, from);
        prop_assert_eq!(origin(&bytes), Some(from));
        let Ok(Word::Heard(came)) = decode(&bytes) else { panic!("{:?}", decode(&bytes)) };
        // The bytes tell apart what is equal as a number, such as the zeros.
        prop_assert_eq!(encode(&came, from), bytes);
        prop_assert_eq!(came, heard);
    }

    #[test]
    fn a_canary_comes_back(from in any::<u64>(), number in any::<u64>()) {
        let bytes = encode_canary(from, number);
        prop_assert_eq!(origin(&bytes), Some(from));
        prop_assert_eq!(decode(&bytes), Ok(Word::Canary(number)));
    }

    #[test]
    fn whatever_arrives_is_survived(bytes in any::<Vec<u8>>()) {
        survives(&bytes);
        survives(&[&[0xb5, 1, 0, 0, 0, 0, 0, 0, 0, 7], &bytes[..]].concat());
    }

    #[test]
    fn what_is_harmed_is_survived(heard in arb::heard(), harms in prop::collection::vec(harm(), 1..6)) {
        let mut bytes = encode(&heard, 7).to_vec();
        for harm in harms {
            harmed(&mut bytes, harm);
            survives(&bytes);
        }
    }
}

/// Else the properties would say nothing of what is never tried.
#[test]
fn the_properties_try_everything() {
    let mut runner = TestRunner::deterministic();
    let strategy = arb::heard();
    let tried: Vec<Heard> = (0..2_000)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    assert_eq!(variants::missing(&tried), Vec::<&str>::new());
}
