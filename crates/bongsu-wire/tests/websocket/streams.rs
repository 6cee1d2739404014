//! Any stream, right or wrong, in any cut: what a plain model says, the codec says.

use bongsu_wire::websocket::{Decoder, MessageLimits, Opcode, Role, deflated};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{End, listen};
use crate::wire::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, Said, TEXT, header, header_in, kept_bytes_max, masked,
};

/// Small, so that streams reach every limit.
const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 300,
    fragments_max: 4,
};

/// One frame, perhaps with a length in another form than the shortest, or masked by the wrong side.
#[derive(Clone, Debug)]
struct Sent {
    first: u8,
    payload: Vec<u8>,
    form: Option<usize>,
    mask: [u8; 4],
    wrong_side: bool,
}

impl Sent {
    fn bytes(&self, role: Role) -> Vec<u8> {
        let mask = ((role == Role::Server) != self.wrong_side).then_some(self.mask);
        let length = self.payload.len() as u64;
        let mut bytes = match self.form {
            Some(form) => header_in(self.first, mask, length, form),
            None => header(self.first, mask, length),
        };
        bytes.extend(masked(&self.payload, mask.unwrap_or_default()));
        bytes
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z가-힣é😀]{0,12}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => (120_usize..132).prop_map(|bytes| vec![b'x'; bytes]),
        1 => (296_usize..305).prop_map(|bytes| vec![b'y'; bytes]),
        1 => Just("글".as_bytes()[..2].to_vec()),
    ]
}

/// The compressed form of a payload, where there is one.
fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    let frame = deflated(Opcode::Text, payload);
    let header = match frame[1] {
        126 => 4,
        _ => 2,
    };
    (frame[0] & RSV1 != 0).then(|| frame[header..].to_vec())
}

/// A message that is well formed before it is spoilt, in up to six fragments with control frames between them.
fn message() -> impl Strategy<Value = Vec<Sent>> {
    let controls = proptest::collection::vec((proptest::sample::select(&[PING, PONG][..]), payload()), 0..3);
    (
        any::<bool>(),
        any::<bool>(),
        1_usize..4,
        payload(),
        proptest::collection::vec(any::<Index>(), 0..5),
        controls,
    )
        .prop_map(|(text, packed, times, payload, cuts, controls)| {
            let kind = if text { TEXT } else { BINARY };
            let mut bytes = payload.repeat(times);
            let mut first = kind;
            if packed && let Some(packed) = pack(&bytes) {
                bytes = packed;
                first |= RSV1;
            }
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let mut sent: Vec<Sent> = places
                .windows(2)
                .enumerate()
                .map(|(at, pair)| {
                    let last = if at + 2 == places.len() { FIN } else { 0 };
                    let opcode = if at == 0 { first } else { CONTINUATION };
                    sent(last | opcode, &bytes[pair[0]..pair[1]])
                })
                .collect();
            for (at, (opcode, mut payload)) in controls.into_iter().enumerate() {
                payload.truncate(125);
                sent.insert((at * 2).min(sent.len()), self::sent(FIN | opcode, &payload));
            }
            sent
        })
}

fn sent(first: u8, payload: &[u8]) -> Sent {
    Sent {
        first,
        payload: payload.to_vec(),
        form: None,
        mask: [0x11, 0x80, 0xff, payload.len() as u8],
        wrong_side: false,
    }
}

/// A frame that knows no rules.
fn rogue() -> impl Strategy<Value = Vec<Sent>> {
    let form = prop_oneof![4 => Just(None), 1 => proptest::sample::select(&[2, 8][..]).prop_map(Some)];
    let wrong_side = proptest::bool::weighted(0.1);
    (any::<u8>(), payload(), form, any::<[u8; 4]>(), wrong_side).prop_map(
        |(first, payload, form, mask, wrong_side)| {
            vec![Sent {
                first,
                payload,
                form,
                mask,
                wrong_side,
            }]
        },
    )
}

fn close() -> impl Strategy<Value = Vec<Sent>> {
    (990_u16..1020, payload()).prop_map(|(code, reason)| {
        let reason = &reason[..reason.len().min(123)];
        let payload = [&code.to_be_bytes()[..], reason].concat();
        vec![sent(FIN | CLOSE, &payload)]
    })
}

/// Bytes of a stream for a role: messages, now and then nonsense, now and then a byte that is not what it was.
fn stream(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![8 => message(), 1 => rogue(), 1 => close()];
    let spoilt = prop_oneof![
        3 => Just(vec![]),
        1 => proptest::collection::vec((any::<Index>(), any::<u8>()), 1..3),
    ];
    (proptest::collection::vec(part, 0..8), spoilt, 0_usize..3).prop_map(move |(parts, spoilt, lost)| {
        let mut bytes: Vec<u8> = parts.iter().flatten().flat_map(|sent| sent.bytes(role)).collect();
        for (at, byte) in spoilt {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(lost));
        bytes
    })
}

/// What the codec hears of a stream that is cut at these places.
fn hear(stream: &[u8], cuts: &[Index], role: Role, deflate: bool) -> (Vec<Said>, End) {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut decoder = Decoder::new(role, deflate);
    let mut said: Vec<Said> = Vec::new();
    for pair in places.windows(2) {
        let mut piece = stream[pair[0]..pair[1]].to_vec();
        let pushed = decoder.push(&mut piece, &LIMITS, &mut |heard| said.push(heard.into()));
        assert!(decoder.kept_bytes() <= kept_bytes_max(&LIMITS));
        if let Err(violation) = pushed {
            return (said, End::Broken(vec![violation]));
        }
    }
    let end = if matches!(said.last(), Some(Said::Close(_))) {
        assert!(!decoder.in_frame());
        End::Closed
    } else {
        let in_frame = decoder.in_frame();
        End::Quiet { in_frame }
    };
    (said, end)
}

/// The codec, in these cuts, byte by byte and at once, against the model.
fn same(stream: &[u8], cuts: &[Index], role: Role, deflate: bool) -> Result<(), TestCaseError> {
    let (said, end) = listen(stream, role, deflate, &LIMITS);
    let one_piece = hear(stream, &[], role, deflate);
    prop_assert_eq!(&one_piece.0, &said);
    match (&end, &one_piece.1) {
        (End::Broken(either), End::Broken(one)) => {
            prop_assert!(either.contains(&one[0]), "{one:?} of {either:?}")
        }
        (end, heard) => prop_assert_eq!(end, heard),
    }
    prop_assert_eq!(&hear(stream, cuts, role, deflate), &one_piece);
    let every_byte: Vec<Said> = {
        let mut decoder = Decoder::new(role, deflate);
        let mut said = Vec::new();
        for byte in stream {
            if decoder
                .push(&mut [*byte], &LIMITS, &mut |heard| said.push(heard.into()))
                .is_err()
            {
                break;
            }
        }
        said
    };
    prop_assert_eq!(every_byte, said);
    Ok(())
}

proptest! {
    #[test]
    fn a_server_hears_what_the_model_hears(
        stream in stream(Role::Server),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
        deflate in proptest::bool::weighted(0.7),
    ) {
        same(&stream, &cuts, Role::Server, deflate)?;
    }

    #[test]
    fn a_client_hears_what_the_model_hears(
        stream in stream(Role::Client),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
        deflate in any::<bool>(),
    ) {
        same(&stream, &cuts, Role::Client, deflate)?;
    }

    #[test]
    fn any_bytes_end_as_in_the_model(
        stream in proptest::collection::vec(
            prop_oneof![
                6 => proptest::sample::select(&[0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x83, 0x89, 0xc1, 0xfe, b'x'][..]),
                1 => any::<u8>(),
            ],
            0..200,
        ),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
        server in any::<bool>(),
        deflate in any::<bool>(),
    ) {
        let role = if server { Role::Server } else { Role::Client };
        same(&stream, &cuts, role, deflate)?;
    }
}
