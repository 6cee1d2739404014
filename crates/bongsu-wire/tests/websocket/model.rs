//! A plain, slow reading of the RFCs: byte by byte, one pass, nothing shared with the codec but the names.

use bongsu_wire::websocket::{MessageLimits, Role, Violation};
use flate2::{Decompress, FlushDecompress, Status};

use crate::wire::{Said, packed_bytes_max};

/// How a stream ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// There is no more of it; within a frame or a message, or not.
    Quiet { in_frame: bool },
    /// With a close.
    Closed,
    /// With one of these violations.
    Broken(Vec<Violation>),
}

struct Message {
    text: bool,
    packed: bool,
    bytes: Vec<u8>,
    frames: usize,
    utf8: Utf8,
}

/// What a whole stream says and how it ends.
pub(crate) fn listen(stream: &[u8], role: Role, deflate: bool, limits: &MessageLimits) -> (Vec<Said>, End) {
    let mut said = Vec::new();
    let end = match read_all(stream, role, deflate, limits, &mut said) {
        Ok(end) => end,
        Err(violations) => End::Broken(violations),
    };
    (said, end)
}

fn broken<T>(violation: Violation) -> Result<T, Vec<Violation>> {
    Err(vec![violation])
}

fn read_all(
    stream: &[u8],
    role: Role,
    deflate: bool,
    limits: &MessageLimits,
    said: &mut Vec<Said>,
) -> Result<End, Vec<Violation>> {
    let mut bytes = stream.iter().copied();
    let mut message: Option<Message> = None;
    loop {
        let Some(first) = bytes.next() else {
            let in_frame = message.is_some();
            return Ok(End::Quiet { in_frame });
        };
        check_first(first, deflate, message.as_ref(), limits)?;
        let Some((length, mask)) = read_rest(&mut bytes, first, role, message.as_ref(), limits)? else {
            return Ok(End::Quiet { in_frame: true });
        };
        let opcode = first & 15;
        let control = opcode >= 8;
        let mut short = Vec::new();
        if !control {
            let message = message.get_or_insert(Message {
                text: opcode == 1,
                packed: first & 64 != 0,
                bytes: Vec::new(),
                frames: 0,
                utf8: Utf8::default(),
            });
            message.frames += 1;
        }
        for at in 0..length {
            let Some(byte) = bytes.next() else {
                return Ok(End::Quiet { in_frame: true });
            };
            let byte = byte ^ mask[at as usize % 4];
            match &mut message {
                Some(message) if !control => {
                    message.bytes.push(byte);
                    if message.text && !message.packed && !message.utf8.takes(byte) {
                        return broken(Violation::NotUtf8);
                    }
                }
                _ => short.push(byte),
            }
        }
        match opcode {
            8 => {
                said.push(Said::Close(read_close(&short)?));
                return Ok(End::Closed);
            }
            9 => said.push(Said::Ping(short)),
            10 => said.push(Said::Pong(short)),
            _ if first & 128 != 0 => said.push(finish(message.take().expect("a message was begun"), limits)?),
            _ => {}
        }
    }
}

fn check_first(
    first: u8,
    deflate: bool,
    message: Option<&Message>,
    limits: &MessageLimits,
) -> Result<(), Vec<Violation>> {
    let (last, packed, opcode) = (first & 128 != 0, first & 64 != 0, first & 15);
    if first & 32 != 0 || first & 16 != 0 || packed && !deflate {
        return broken(Violation::ReservedBits);
    }
    if !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10) {
        return broken(Violation::UnknownOpcode(opcode));
    }
    if packed && (opcode == 0 || opcode >= 8) {
        return broken(Violation::ReservedBits);
    }
    if opcode >= 8 {
        if !last {
            return broken(Violation::FragmentedControl);
        }
        return Ok(());
    }
    if opcode == 0 && message.is_none() {
        return broken(Violation::NothingToContinue);
    }
    if opcode != 0 && message.is_some() {
        return broken(Violation::MessageInMessage);
    }
    let frames = message.map_or(0, |message| message.frames) + 1;
    if (frames > 1 || !last) && frames > limits.fragments_max {
        return broken(Violation::TooManyFragments);
    }
    Ok(())
}

/// The length and the mask; nothing if the stream ends before them.
fn read_rest(
    bytes: &mut impl Iterator<Item = u8>,
    first: u8,
    role: Role,
    message: Option<&Message>,
    limits: &MessageLimits,
) -> Result<Option<(u64, [u8; 4])>, Vec<Violation>> {
    let Some(second) = bytes.next() else {
        return Ok(None);
    };
    let masked = second >= 128;
    if masked && role == Role::Client {
        return broken(Violation::Masked);
    }
    if !masked && role == Role::Server {
        return broken(Violation::Unmasked);
    }
    let mut length = u64::from(second & 127);
    let control = first & 15 >= 8;
    if control && length > 125 {
        return broken(Violation::ControlTooLong);
    }
    let (long, least) = match length {
        126 => (2, 126),
        127 => (8, 65_536),
        _ => (0, 0),
    };
    for at in 0..long {
        let Some(byte) = bytes.next() else {
            return Ok(None);
        };
        if long == 8 && at == 0 && byte >= 128 {
            return broken(Violation::LengthHighBit);
        }
        length = if at == 0 { 0 } else { length * 256 } + u64::from(byte);
    }
    if length < least {
        return broken(Violation::LengthNotMinimal);
    }
    if !control {
        let packed = message.map_or(first & 64 != 0, |message| message.packed);
        let before = message.map_or(0, |message| message.bytes.len());
        let max = if packed {
            packed_bytes_max(limits)
        } else {
            limits.message_bytes_max
        };
        if u128::from(length) + before as u128 > max as u128 {
            return broken(Violation::TooLarge);
        }
    }
    let mut mask = [0; 4];
    if masked {
        for part in &mut mask {
            let Some(byte) = bytes.next() else {
                return Ok(None);
            };
            *part = byte;
        }
    }
    Ok(Some((length, mask)))
}

fn read_close(payload: &[u8]) -> Result<Option<(u16, String)>, Vec<Violation>> {
    match payload {
        [] => Ok(None),
        [_] => broken(Violation::BadCloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from(*high) * 256 + u16::from(*low);
            let sent = [
                1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
            ];
            if !sent.contains(&code) && !(3000..5000).contains(&code) {
                return broken(Violation::BadCloseCode(code));
            }
            match String::from_utf8(reason.to_vec()) {
                Ok(reason) => Ok(Some((code, reason))),
                Err(_) => broken(Violation::CloseReasonNotUtf8),
            }
        }
    }
}

fn finish(message: Message, limits: &MessageLimits) -> Result<Said, Vec<Violation>> {
    let bytes = if message.packed {
        inflate(&message.bytes, limits.message_bytes_max)?
    } else {
        message.bytes
    };
    if !message.text {
        return Ok(Said::Binary(bytes));
    }
    let mut utf8 = Utf8::default();
    if bytes.iter().all(|byte| utf8.takes(*byte)) && utf8.more == 0 {
        Ok(Said::Text(
            String::from_utf8(bytes).expect("every byte was judged"),
        ))
    } else {
        broken(Violation::NotUtf8)
    }
}

/// All at once, into more room than the streams of the tests can fill.
fn inflate(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Vec<Violation>> {
    let all = [packed, &[0, 0, 255, 255], &[1, 0, 0, 255, 255]].concat();
    let mut out = vec![0; all.len() * 1_100];
    let mut engine = Decompress::new(false);
    let status = engine.decompress(&all, &mut out, FlushDecompress::Finish);
    let read = engine.total_in() as usize;
    let whole = read == all.len() || matches!(packed.get(read..), Some([] | [0]));
    if !matches!(status, Ok(Status::StreamEnd)) || !whole {
        // A decoder that stops in time may have seen too much before it saw what is wrong.
        return Err(vec![Violation::NotDeflate, Violation::InflatedTooLarge]);
    }
    out.truncate(engine.total_out() as usize);
    if out.len() > bytes_max {
        return broken(Violation::InflatedTooLarge);
    }
    Ok(out)
}

/// Table 3-7 of the Unicode standard, one byte at a time.
#[derive(Default)]
struct Utf8 {
    more: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    fn takes(&mut self, byte: u8) -> bool {
        if self.more > 0 {
            let good = (self.low..=self.high).contains(&byte);
            *self = Self {
                more: self.more - 1,
                low: 0x80,
                high: 0xbf,
            };
            return good;
        }
        let (more, low, high) = match byte {
            0x00..=0x7f => (0, 0, 0),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xe1..=0xec | 0xee..=0xef => (2, 0x80, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        *self = Self { more, low, high };
        true
    }
}
