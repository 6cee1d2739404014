//! A trail as bytes, to be kept while its session is gone.
//!
//! Invariant: what was written is read back the same; anything else is [`Damaged`], whatever its length claims.

use std::collections::{BTreeMap, VecDeque};

use bongsu_model::{Epoch, RoomId, Seq};

use super::{Kind, Step, Trail, TrailLimits};

/// The form of the bytes: another one is not read.
const FORM: u8 = 1;
/// Seven bits of a number to a byte; so a number has at most so many.
const NUMBER_BYTES_MAX: usize = 10;

/// Bytes that no trail was written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are not those of a trail")]
pub struct Damaged;

impl Trail {
    /// The trail as bytes; a lost one says nothing when it is read, either.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM, u8::from(self.folded) | u8::from(self.lost) << 1];
        write(&mut bytes, self.heard.len() as u64);
        for (room, epoch) in &self.heard {
            write_room(&mut bytes, *room);
            bytes.extend(epoch.0.to_le_bytes());
        }
        write(&mut bytes, self.base.len() as u64);
        for (room, seq) in &self.base {
            write_room(&mut bytes, *room);
            write(&mut bytes, seq.0);
        }
        write(&mut bytes, self.steps.len() as u64);
        for step in &self.steps {
            let (kind, seq) = match step.kind {
                Kind::Began(seq) => (0, seq),
                Kind::Pushed(seq) => (1, seq),
                Kind::Left => (2, Seq::ZERO),
            };
            bytes.push(kind);
            write_room(&mut bytes, step.room);
            write(&mut bytes, seq.0);
        }
        bytes
    }

    /// The trail that was written as these bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn from_bytes(bytes: &[u8], limits: TrailLimits) -> Result<Self, Damaged> {
        let rest = &mut &*bytes;
        if byte(rest)? != FORM {
            return Err(Damaged);
        }
        let flags = byte(rest)?;
        let (folded, lost) = match flags {
            0..=3 => (flags & 1 > 0, flags & 2 > 0),
            _ => return Err(Damaged),
        };
        let (mut heard, mut base, mut steps) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        for _ in 0..number(rest)? {
            let room = room(rest)?;
            let (epoch, after) = rest.split_first_chunk().ok_or(Damaged)?;
            *rest = after;
            heard.insert(room, Epoch(u64::from_le_bytes(*epoch)));
        }
        for _ in 0..number(rest)? {
            base.insert(room(rest)?, Seq(number(rest)?));
        }
        for _ in 0..number(rest)? {
            let (kind, room, seq) = (byte(rest)?, room(rest)?, Seq(number(rest)?));
            let kind = match kind {
                0 => Kind::Began(seq),
                1 => Kind::Pushed(seq),
                2 => Kind::Left,
                _ => return Err(Damaged),
            };
            steps.push_back(Step { room, kind });
        }
        if !rest.is_empty() {
            return Err(Damaged);
        }
        Ok(Self {
            limits,
            heard,
            base,
            steps,
            folded,
            lost,
        })
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// The sign goes last, so that small numbers are short whatever it is.
fn write_room(bytes: &mut Vec<u8>, room: RoomId) {
    write(
        bytes,
        (room.0.cast_unsigned() << 1) ^ (room.0 >> 63).cast_unsigned(),
    );
}

fn byte(rest: &mut &[u8]) -> Result<u8, Damaged> {
    let (first, after) = rest.split_first().ok_or(Damaged)?;
    *rest = after;
    Ok(*first)
}

fn number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0_u64;
    for place in 0..NUMBER_BYTES_MAX {
        let next = byte(rest)?;
        let bits = u64::from(next & 0x7f);
        let shifted = bits << (7 * place);
        if shifted >> (7 * place) != bits {
            return Err(Damaged);
        }
        number |= shifted;
        if next <= 0x7f {
            return Ok(number);
        }
    }
    Err(Damaged)
}

fn room(rest: &mut &[u8]) -> Result<RoomId, Damaged> {
    let number = number(rest)?;
    Ok(RoomId((number >> 1).cast_signed() ^ -(number & 1).cast_signed()))
}
