//! The client's side against the server's: frames, the request to upgrade, and every answer that is none.

use bongsu_wire::websocket::{
    NotUpgraded, Opcode, Role, Upgrade, Upgraded, accept_key, client_frame, client_key, negotiate_deflate,
};

use crate::wire::{Said, hear, hear_as, text};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn upgrade(deflate: bool) -> Upgrade<'static> {
    Upgrade {
        host: "127.0.0.1:8000",
        target: "/ws?token=x",
        key: KEY,
        subprotocols: Some("bongsu.type.v1"),
        authorization: None,
        deflate,
    }
}

fn answer(lines: &[&str]) -> String {
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for line in lines {
        answer.push_str(line);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    answer
}

#[test]
fn a_server_hears_what_a_client_sends() {
    for bytes in [0, 1, 7, 8, 9, 125, 126, 1_000] {
        let payload = "x".repeat(bytes);
        let frame = client_frame(Opcode::Text, payload.as_bytes(), [1, 2, 3, 4]);
        assert_eq!(hear(&frame), (vec![text(&payload)], Ok(())), "{bytes}");
        assert!(hear_as(Role::Client, false, &frame).1.is_err());
    }
    assert_eq!(
        hear(&client_frame(Opcode::Close, &[0x0f, 0xa1], [9; 4])),
        (vec![Said::Close(Some((4001, String::new())))], Ok(()))
    );
    let long = client_frame(Opcode::Binary, &vec![0; 70_000], [0; 4]);
    assert_eq!(long[..10], [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
}

#[test]
fn keys_are_such_as_a_server_accepts() {
    for chance in [[0; 16], [0xff; 16], *b"sixteen bytes !!"] {
        assert!(accept_key(&client_key(chance)).is_some());
    }
}

#[test]
fn the_request_says_all_that_is_needed() {
    assert_eq!(
        upgrade(false).request(),
        "GET /ws?token=x HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: bongsu.type.v1\r\n\r\n"
    );
    let more = Upgrade {
        subprotocols: None,
        authorization: Some("Bearer x"),
        ..upgrade(true)
    };
    let more = more.request();
    assert!(more.contains("\r\nAuthorization: Bearer x\r\n"));
    assert!(!more.contains("Sec-WebSocket-Protocol"));
    let offer = more
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "))
        .expect("it offers compression");
    assert!(negotiate_deflate(offer).is_some());
}

#[test]
fn consent_is_read_when_it_is_whole() {
    let accept = format!("sec-websocket-ACCEPT:  {}", accept_key(KEY).expect("a key"));
    let deflate = format!(
        "Sec-WebSocket-Extensions: {}",
        negotiate_deflate("permessage-deflate").expect("an offer")
    );
    let whole = answer(&[
        "Upgrade: WebSocket",
        &accept,
        "Sec-WebSocket-Protocol: bongsu.type.v1",
        &deflate,
    ]);
    for cut in 0..whole.len() {
        assert_eq!(
            upgrade(true).answered(&whole.as_bytes()[..cut]),
            Ok(None),
            "{cut}"
        );
    }
    let with_frames = [whole.as_bytes(), &[0x81, 0]].concat();
    assert_eq!(
        upgrade(true).answered(&with_frames),
        Ok(Some(Upgraded {
            bytes: whole.len(),
            subprotocol: Some("bongsu.type.v1".into()),
            deflate: true,
        }))
    );
    let plain = answer(&["Upgrade: websocket", &accept]);
    assert_eq!(
        upgrade(true).answered(plain.as_bytes()),
        Ok(Some(Upgraded {
            bytes: plain.len(),
            subprotocol: None,
            deflate: false,
        }))
    );
    // Compression that was not offered, or that keeps a context.
    assert_eq!(
        upgrade(false).answered(whole.as_bytes()),
        Err(NotUpgraded::Extension)
    );
    for extension in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; x",
        "x",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {extension}");
        let answer = answer(&["Upgrade: websocket", &accept, &line]);
        assert_eq!(
            upgrade(true).answered(answer.as_bytes()),
            Err(NotUpgraded::Extension),
            "{extension}"
        );
    }
}

#[test]
fn answers_that_are_none() {
    let accept = format!("Sec-WebSocket-Accept: {}", accept_key(KEY).expect("a key"));
    for (bytes, end) in [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(),
            NotUpgraded::Status(403),
        ),
        ("HTTP/1.0 101 x\r\n\r\n".to_owned(), NotUpgraded::NotHttp),
        ("HTTP/1.1 1\r\n\r\n".to_owned(), NotUpgraded::NotHttp),
        ("\u{1}\r\n\r\n".to_owned(), NotUpgraded::NotHttp),
        (answer(&["no colon"]), NotUpgraded::NotHttp),
        ("x".repeat(16 * 1024), NotUpgraded::NotHttp),
        (answer(&["Upgrade: websocket"]), NotUpgraded::NotAccepted),
        (answer(&[&accept]), NotUpgraded::NotAccepted),
        (
            answer(&[
                "Upgrade: websocket",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=",
            ]),
            NotUpgraded::NotAccepted,
        ),
    ] {
        assert_eq!(upgrade(true).answered(bytes.as_bytes()), Err(end), "{bytes:?}");
    }
}
