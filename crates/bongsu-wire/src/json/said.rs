//! What is written alike in every JSON protocol: the same keys, the same values.

use bongsu_model::media::{IceServer, MediaStatus, Signal};
use bongsu_model::{Epoch, MessageId};

use super::write::{Json, key};

pub(crate) fn message_id(json: &mut Json, key: &str, id: MessageId) {
    json.hex(key, "", id.0, 32);
}

pub(crate) fn epoch(json: &mut Json, epoch: Epoch) {
    json.hex(key!("epoch"), "", epoch.0.into(), 16);
}

pub(crate) fn media(json: &mut Json, media: MediaStatus) {
    json.literal(concat!(key!("media_status"), "{"));
    json.bool(key!("audio_enabled"), media.audio_enabled);
    json.bool(key!("video_enabled"), media.video_enabled);
    if let Some(shares) = media.screen_sharing {
        json.bool(key!("screen_sharing"), shares);
    }
    json.end_object();
}

pub(crate) fn ice_servers(json: &mut Json, servers: &[IceServer]) {
    json.literal(concat!(key!("ice_servers"), "["));
    for it in servers {
        json.literal(concat!("{", key!("urls"), "["));
        for url in &it.urls {
            json.text("", url);
        }
        json.end_array();
        if let Some(username) = &it.username {
            json.text(key!("username"), username);
        }
        if let Some(credential) = &it.credential {
            json.text(key!("credential"), credential);
        }
        json.end_object();
    }
    json.end_array();
}

pub(crate) fn signal(json: &mut Json, signal: &Signal) {
    match signal {
        Signal::Offer(sdp) | Signal::Answer(sdp) => json.raw(key!("sdp"), sdp),
        Signal::Candidate(candidate) => json.raw(key!("candidate"), candidate),
    }
}
