//! The mask of a client's frames: an exclusive or with four bytes, over and over.
//!
//! Invariant: masking twice from the same place gives the same bytes again.

/// Masks or unmasks in place. `at` is how many bytes of the payload came before.
// Perf: `websocket/masked_text_300` (eight bytes a step, which the compiler widens further).
pub(super) fn apply(bytes: &mut [u8], mut mask: [u8; 4], at: usize) {
    mask.rotate_left(at % 4);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (steps, rest) = bytes.as_chunks_mut::<8>();
    for step in steps {
        *step = (u64::from_ne_bytes(*step) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_steps_do_what_single_bytes_do() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for bytes in 0..70_usize {
            for at in 0..9 {
                let plain: Vec<u8> = (0..bytes).map(|byte| byte as u8 ^ 0x5a).collect();
                let slow: Vec<u8> = plain
                    .iter()
                    .enumerate()
                    .map(|(place, byte)| byte ^ mask[(at + place) % 4])
                    .collect();
                let mut fast = plain.clone();
                apply(&mut fast, mask, at);
                assert_eq!(fast, slow, "{bytes} bytes from {at}");
                apply(&mut fast, mask, at);
                assert_eq!(fast, plain);
            }
        }
    }
}
