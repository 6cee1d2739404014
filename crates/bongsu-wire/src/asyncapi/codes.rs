//! The codes that all protocols share, as tables: why a request is refused, and why a WebSocket is closed.

use bongsu_model::{Code, Locale, Refusal};
use serde_json::{Value, json};

use crate::close;

/// A close code of WebSocket, and when the server sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseCode {
    /// As RFC 6455 has it, or one of our own from 4400 on.
    pub code: u16,
    /// When it is sent, for people.
    pub when: &'static str,
    /// Whether to come back: `now`, `later` or `never`, as the close frame's reason says with `reconnect=`.
    pub reconnect: &'static str,
}

const fn closing(code: u16, when: &'static str, reconnect: &'static str) -> CloseCode {
    CloseCode {
        code,
        when,
        reconnect,
    }
}

/// Every close code that the server sends.
pub const CLOSE_CODES: [CloseCode; 10] = [
    closing(1002, "A frame breaks RFC 6455.", "never"),
    closing(
        1007,
        "A text is no UTF-8, or a compressed message cannot be unpacked.",
        "never",
    ),
    closing(1011, "Something broke on our side.", "later"),
    closing(
        4400,
        "A frame that is not understood before signing in, a binary frame, or a frame that was not finished in time.",
        "never",
    ),
    closing(
        4401,
        "No sign-in in time, or a token that is refused, revoked or expired.",
        "never",
    ),
    closing(4403, "An operator banned the user or ended the session.", "never"),
    closing(
        4408,
        "Nothing was heard for too long, or the client reads too slowly.",
        "now",
    ),
    closing(4413, "A message is over its limit.", "never"),
    closing(4429, "The client went on far beyond its rate.", "later"),
    closing(4503, "The server stops, or is too busy.", "later"),
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

/// Every close code.
pub(super) fn closings() -> Value {
    CLOSE_CODES
        .into_iter()
        .map(|it| json!({ "code": it.code, "when": it.when, "reconnect": it.reconnect }))
        .collect()
}

#[cfg(test)]
mod tests {
    use bongsu_model::refusal::CloseCause;

    use super::*;

    #[test]
    fn every_code_that_a_session_is_closed_with_is_listed() {
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
            CloseCause::ShuttingDown,
        ];
        let listed = CLOSE_CODES.map(|it| it.code);
        assert!(listed.is_sorted());
        for cause in refused.chain(others) {
            assert!(listed.contains(&close::close_code(&cause)), "{cause:?}");
        }
    }
}
