//! Whatever a frame holds, it is answered: decoding ends, costs bounded memory, and every refusal can be said.
#![no_main]

use bongsu_model::{Limits, Locale, Request, Timestamp};
use bongsu_wire::action::ActionCodec;
use bongsu_wire::incoming::{Incoming, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let limits = Limits { decompressed_bytes_max: 4_096, ..Limits::DEFAULT };
    let domains = ["game".into(), "app".into()];
    let rules = Rules { limits: &limits, application_domains: &domains };
    let mut codec = ActionCodec::new();
    let mut out = Vec::new();
    let end = codec.handle_bytes(stream, &rules, &mut out);
    if let Err(fatal) = &end {
        let tag = Default::default();
        serde_json::from_slice::<serde_json::Value>(&codec.refusal(&tag, &fatal.refusal, Locale::Ko, Timestamp(0), 0))
            .unwrap();
    }
    for incoming in &out {
        match incoming {
            Incoming::Refused { tag, refusal } => {
                let line = codec.refusal(tag, refusal, Locale::En, Timestamp(0), 0);
                serde_json::from_slice::<serde_json::Value>(&line).unwrap();
            }
            Incoming::Request(asked) => {
                let carried = match &asked.request {
                    Request::Post(post) => post.metadata.as_ref(),
                    Request::Signal { signal, .. } => Some(signal.payload()),
                    Request::Emit(emit) => Some(&emit.data),
                    _ => None,
                };
                if let Some(json) = carried {
                    assert!(!json.as_str().contains(['\n', '\r']));
                    serde_json::from_str::<serde_json::Value>(json.as_str()).unwrap();
                }
            }
            Incoming::Echo(_) | Incoming::Goodbye(_) | Incoming::SignOut => panic!("a transport's own: {incoming:?}"),
        }
    }
});
