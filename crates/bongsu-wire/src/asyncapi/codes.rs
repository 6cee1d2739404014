//! The codes that all protocols share, as tables: why a request is refused, and why a WebSocket is closed.

use std::collections::BTreeSet;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Locale, Reconnect, Refusal};
use serde_json::{Value, json};

use crate::close;

/// A close code of WebSocket, and when the server sends it, in English and Korean.
type CloseCode = (u16, &'static str, &'static str);

/// Every close code that the server sends.
const CLOSE_CODES: [CloseCode; 11] = [
    (
        1002,
        "A frame breaks RFC 6455.",
        "프레임이 RFC 6455에 어긋납니다.",
    ),
    (
        1007,
        "A text is no UTF-8, or a compressed message cannot be unpacked.",
        "텍스트가 UTF-8이 아니거나 압축된 메시지를 풀 수 없습니다.",
    ),
    (
        1011,
        "Something broke on our side.",
        "서버 내부에 문제가 생겼습니다.",
    ),
    (
        4400,
        "Nonsense before signing in, a binary frame, too many fragments, or a message that was not finished in time.",
        "인증 전에 알 수 없는 것을 보냈거나, 바이너리 프레임이거나, 조각이 너무 많거나, 메시지를 제때 끝내지 않았습니다.",
    ),
    (
        4401,
        "No sign-in in time, or a token that is refused, revoked or expired.",
        "제때 인증하지 않았거나 토큰이 거부, 폐기 또는 만료되었습니다.",
    ),
    (
        4403,
        "An operator banned the user or ended the session, or the client may not connect.",
        "운영자가 이용을 막았거나 세션을 끝냈거나, 연결할 권한이 없습니다.",
    ),
    (
        4408,
        "Nothing was heard for too long, or the client reads too slowly.",
        "너무 오래 아무것도 오지 않았거나 클라이언트가 너무 느리게 읽습니다.",
    ),
    (
        4409,
        "A newer session of the same device or display took this one's place.",
        "같은 장치나 디스플레이의 새 세션이 이 세션을 대신했습니다.",
    ),
    (
        4413,
        "A message is over its limit.",
        "메시지가 한계를 넘었습니다.",
    ),
    (
        4429,
        "The client went on far beyond its rate.",
        "허용된 빈도를 크게 넘겨 계속 보냈습니다.",
    ),
    (
        4503,
        "The server stops, or is too busy.",
        "서버가 종료되거나 바쁩니다.",
    ),
];

/// Every error code: its spellings, and what people are told.
pub(super) fn errors() -> Value {
    Code::ALL
        .into_iter()
        .map(|code| {
            let refusal = Refusal::new(code);
            json!({
                "code": code.name(), "type_code": code.lower_name(),
                "en": close::refusal_text(&refusal, Locale::En), "ko": close::refusal_text(&refusal, Locale::Ko),
            })
        })
        .collect()
}

/// Every close code: when it is sent, and what the close frame's reason may say about coming back.
pub(super) fn closings() -> Value {
    CLOSE_CODES
        .into_iter()
        .map(|(code, en, ko)| json!({ "code": code, "en": en, "ko": ko, "reconnect": advice(code) }))
        .collect()
}

fn advice(code: u16) -> BTreeSet<&'static str> {
    let ours = causes()
        .into_iter()
        .filter(|cause| close::close_code(cause) == code)
        .map(|cause| Closing::new(cause).reconnect.name());
    let ours: BTreeSet<_> = ours.collect();
    // What breaks the rules of WebSocket itself is no better the next time.
    if ours.is_empty() {
        BTreeSet::from([Reconnect::Never.name()])
    } else {
        ours
    }
}

/// Every cause of a close.
fn causes() -> Vec<CloseCause> {
    let refused = Code::ALL
        .into_iter()
        .map(|code| CloseCause::Refused(Refusal::new(code)));
    let others = [
        CloseCause::Idle,
        CloseCause::SignInTimeout,
        CloseCause::FrameTimeout,
        CloseCause::Slow,
        CloseCause::Flooding,
        CloseCause::TokenExpired,
        CloseCause::TokenRevoked,
        CloseCause::Banned,
        CloseCause::Disconnected,
        CloseCause::Replaced,
        CloseCause::CertificateRevoked,
        CloseCause::ShuttingDown,
    ];
    refused.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_a_session_is_closed_with_is_listed() {
        let listed = CLOSE_CODES.map(|it| it.0);
        assert!(listed.is_sorted());
        for cause in causes() {
            assert!(listed.contains(&close::close_code(&cause)), "{cause:?}");
        }
    }

    #[test]
    fn advice_is_what_the_causes_have() {
        assert_eq!(advice(4401), BTreeSet::from(["later", "never"]));
        assert_eq!(advice(4408), BTreeSet::from(["now"]));
        assert_eq!(advice(1002), BTreeSet::from(["never"]));
    }
}
