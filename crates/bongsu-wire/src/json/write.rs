//! Writing JSON straight into one buffer.
//!
//! Invariant: every value leaves a comma behind it, which the end of its object or array replaces; strings are
//! escaped exactly as `serde_json` escapes them.

use bongsu_model::{RawJson, Timestamp};

/// `"name":` as one literal.
macro_rules! key {
    ($name:literal) => {
        concat!("\"", $name, "\":")
    };
}
pub(crate) use key;

/// JSON under construction.
#[derive(Debug)]
pub(crate) struct Json {
    out: Vec<u8>,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Json {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
        }
    }

    /// JSON behind so many bytes that are reserved for a header.
    pub(crate) fn behind(header: usize, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(header + bytes);
        out.resize(header, 0);
        Self { out }
    }

    pub(crate) const fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn from(&self, at: usize) -> &[u8] {
        &self.out[at..]
    }

    /// Takes back everything from `at` on.
    pub(crate) fn truncate(&mut self, at: usize) {
        self.out.truncate(at);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Text that is JSON already, without a comma after it.
    #[inline]
    pub(crate) fn literal(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Ends an object.
    pub(crate) fn end_object(&mut self) {
        self.end(b'}');
    }

    /// Ends an array.
    pub(crate) fn end_array(&mut self) {
        self.end(b']');
    }

    fn end(&mut self, close: u8) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = close,
            Some(_) | None => self.out.push(close),
        }
        self.out.push(b',');
    }

    /// Takes back the comma after the last value.
    pub(crate) fn drop_comma(&mut self) {
        if self.out.last() == Some(&b',') {
            self.out.pop();
        }
    }

    pub(crate) fn integer(&mut self, key: &str, value: i64) {
        self.literal(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b',');
    }

    pub(crate) fn unsigned(&mut self, key: &str, value: u64) {
        self.literal(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b',');
    }

    pub(crate) fn bool(&mut self, key: &str, value: bool) {
        self.literal(key);
        self.literal(if value { "true," } else { "false," });
    }

    pub(crate) fn null(&mut self, key: &str) {
        self.literal(key);
        self.literal("null,");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.literal(key);
        self.string(value);
        self.out.push(b',');
    }

    /// A text known to need no escapes.
    pub(crate) fn plain(&mut self, key: &str, value: &str) {
        self.literal(key);
        self.out.push(b'"');
        self.literal(value);
        self.literal("\",");
    }

    pub(crate) fn raw(&mut self, key: &str, value: &RawJson) {
        self.literal(key);
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b',');
    }

    /// What has printed itself as JSON.
    pub(crate) fn values(&mut self, key: &str, printed: &str) {
        self.literal(key);
        self.literal(printed);
        self.out.push(b',');
    }

    /// The members of an object that holds no white space outside strings, as members of the object being written.
    pub(crate) fn members(&mut self, object: &RawJson) {
        let inner = object.as_bytes();
        debug_assert!(inner.starts_with(b"{") && inner.ends_with(b"}"));
        if inner.len() > 2 {
            self.out.extend_from_slice(&inner[1..inner.len() - 1]);
            self.out.push(b',');
        }
    }

    pub(crate) fn moment(&mut self, key: &str, value: Timestamp) {
        self.literal(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&value.rfc_3339());
        self.literal("\",");
    }

    /// A string of a prefix and `digits` hex digits.
    pub(crate) fn hex(&mut self, key: &str, prefix: &str, value: u128, digits: u32) {
        self.literal(key);
        self.out.push(b'"');
        self.literal(prefix);
        let mut text = [0_u8; 32];
        for (digit, byte) in (0..digits).rev().zip(&mut text) {
            *byte = HEX[(value >> (digit * 4)) as usize & 15];
        }
        self.out.extend_from_slice(&text[..digits as usize]);
        self.literal("\",");
    }

    /// Bytes as a string of hex digits, two each.
    pub(crate) fn hex_bytes(&mut self, key: &str, bytes: &[u8]) {
        self.literal(key);
        self.out.push(b'"');
        for byte in bytes {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            self.out.extend_from_slice(&digits);
        }
        self.literal("\",");
    }

    /// A whole number as a string.
    pub(crate) fn number_text(&mut self, key: &str, value: i64) {
        self.plain(key, itoa::Buffer::new().format(value));
    }

    /// Bytes that are known to need no escapes, as a string.
    pub(crate) fn ascii(&mut self, key: &str, fill: impl FnOnce(&mut Vec<u8>)) {
        self.literal(key);
        self.out.push(b'"');
        fill(&mut self.out);
        self.literal("\",");
    }

    /// A quoted, escaped string without a comma.
    fn string(&mut self, value: &str) {
        self.out.push(b'"');
        let mut rest = value.as_bytes();
        loop {
            let clean = clean_prefix(rest);
            self.out.extend_from_slice(&rest[..clean]);
            let Some(&byte) = rest.get(clean) else { break };
            self.escape(byte);
            rest = &rest[clean + 1..];
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                let low = HEX[usize::from(byte & 15)];
                self.out
                    .extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], low]);
                return;
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }
}

/// How many bytes need no escape. Perf: `encode_new_message`; eight bytes a step.
fn clean_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    // The high bit of each byte that is less than `n`, for n ≤ 0x80; exact for the lowest such byte.
    const fn below(word: u64, n: u64) -> u64 {
        word.wrapping_sub(ONES * n) & !word & HIGHS
    }
    let mut at = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        let quote = below(word ^ (ONES * b'"' as u64), 1);
        let backslash = below(word ^ (ONES * b'\\' as u64), 1);
        let found = below(word, 0x20) | quote | backslash;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let end = bytes[at..]
        .iter()
        .position(|&b| b < 0x20 || b == b'"' || b == b'\\');
    end.map_or(bytes.len(), |ahead| at + ahead)
}
