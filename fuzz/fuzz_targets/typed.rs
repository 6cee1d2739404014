//! Whatever a text message holds, it is answered once, by a whole frame of JSON, on either protocol.
#![no_main]

use bongsu_model::{Limits, Locale, Request, Timestamp};
use bongsu_wire::incoming::{Incoming, Rules};
use bongsu_wire::typed::{TypeVoice, client::Heard};
use bongsu_wire::websocket::{Decoder, Heard as Frame, MessageLimits, Role};
use bongsu_wire::{action, typed};
use libfuzzer_sys::fuzz_target;

/// The text of the one frame that these bytes are.
fn framed(bytes: &[u8]) -> String {
    let limits = MessageLimits { message_bytes_max: 1 << 24, fragments_max: 1 };
    let mut texts = Vec::new();
    Decoder::new(Role::Client, false)
        .push(&mut bytes.to_vec(), &limits, &mut |heard| match heard {
            Frame::Text(text) => texts.push(text.to_owned()),
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(texts.len(), 1);
    texts.remove(0)
}

fuzz_target!(|text: &str| {
    let limits = Limits { decompressed_bytes_max: 4_096, ..Limits::DEFAULT };
    let domains = ["game".into(), "app".into()];
    let rules = Rules { limits: &limits, application_domains: &domains };
    let mut out = Vec::new();
    typed::message(text, &rules, &mut out);
    assert_eq!(out.len(), 1);
    match &out[0] {
        Incoming::Refused { tag, refusal } => {
            let text = framed(&TypeVoice::default().refusal(tag, refusal, Locale::En));
            let heard = Heard::parse(text.as_bytes()).unwrap();
            assert_eq!((&*heard.kind, heard.ref_id.as_deref()), ("error", tag.reference.as_deref()));
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
        other => panic!("{other:?}"),
    }
    out.clear();
    action::message(text, &rules, &mut out);
    for incoming in &out {
        if let Incoming::Refused { tag, refusal } = incoming {
            let line = action::Voice::default().refusal(tag, refusal, Locale::Ko, Timestamp(0), 0);
            serde_json::from_str::<serde_json::Value>(&framed(&action::text_frame(&line))).unwrap();
        }
    }
});
