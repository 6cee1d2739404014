//! Any bytes in any cuts end like the whole, keep no more than a frame, and hand out balanced objects of UTF-8.
#![no_main]

use bongsu_model::Limits;
use bongsu_wire::action::{FrameFault, Frames};
use libfuzzer_sys::fuzz_target;

fn run(stream: &[u8], size: usize, limits: &Limits) -> (Vec<(u64, String)>, Option<FrameFault>) {
    let mut frames = Frames::new();
    let mut seen = Vec::new();
    for piece in stream.chunks(size) {
        let pushed = frames.push(piece, limits, |frame| {
            assert!(frame.text.starts_with('{') && frame.text.ends_with('}'));
            assert!(frame.text.len() <= limits.frame_bytes_max);
            seen.push((frame.at, frame.text.to_owned()));
        });
        assert!(frames.kept_bytes() <= limits.frame_bytes_max);
        if let Err(fault) = pushed {
            return (seen, Some(fault));
        }
    }
    (seen, None)
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (size, stream) = input;
    let limits = Limits { frame_bytes_max: 256, json_depth_max: 8, ..Limits::DEFAULT };
    let whole = run(&stream, stream.len().max(1), &limits);
    assert_eq!(whole, run(&stream, usize::from(size).max(1), &limits));
    for (at, text) in whole.0 {
        assert!(stream[usize::try_from(at).unwrap()..].starts_with(text.as_bytes()));
    }
});
