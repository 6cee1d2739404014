//! The arithmetic of the upgrade: the key's answer, and the choice of a subprotocol.
//!
//! Invariant: pure; who may connect, and the rest of HTTP, is the edge's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What RFC 6455 appends to every key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; `None` if the key is not base64 of 16 bytes.
#[must_use]
pub fn accept_key(key: &str) -> Option<String> {
    let mut nonce = [0; 18];
    match STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) => {}
        Ok(_) | Err(_) => return None,
    }
    Some(STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()))
}

/// The first subprotocol of the client's list that we know. `offered` is the value of `Sec-WebSocket-Protocol`, several
/// of them joined with commas; names are compared exactly.
#[must_use]
pub fn choose_subprotocol(offered: &str, known: &[&'static str]) -> Option<&'static str> {
    offered
        .split(',')
        .map(|name| name.trim_matches([' ', '\t']))
        .find_map(|name| known.iter().copied().find(|known| *known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sixteen_bytes_in_base64() {
        // The example of RFC 6455, 1.3.
        assert_eq!(
            accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZR==",
            " dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZSEh",
            "dGhlIHNhbXBsZSBub25jZ_==",
            "dGhlIHNhbXBsZSBub25jZSEhdGhlIHNhbXBsZSBub25jZSEh",
        ] {
            assert_eq!(accept_key(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_client_s_order_decides() {
        let known = ["bongsu.type.v1", "bongsu.action.v1"];
        for (offered, chosen) in [
            ("", None),
            ("chat", None),
            ("bongsu.type", None),
            ("BONGSU.TYPE.V1", None),
            ("bongsu.type.v1", Some("bongsu.type.v1")),
            ("bongsu.action.v1,bongsu.type.v1", Some("bongsu.action.v1")),
            ("chat ,\tbongsu.action.v1 , x", Some("bongsu.action.v1")),
        ] {
            assert_eq!(choose_subprotocol(offered, &known), chosen, "{offered:?}");
        }
    }
}
