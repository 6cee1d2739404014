//! What people read on a display's screen and in its log, in the words of the guide where that has some.

use std::borrow::Cow;

use bongsu_model::{Code, Locale, Refusal, Why};

use crate::close::refusal_text;

pub(super) const fn registered(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The client is registered.",
        Locale::Ko => "클라이언트 등록이 완료되었습니다.",
    }
}

pub(super) const fn not_registered(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The client could not be registered.",
        Locale::Ko => "클라이언트 등록에 실패했습니다.",
    }
}

/// Why a client could not be registered.
pub(super) fn reason(refusal: &Refusal, locale: Locale) -> Cow<'static, str> {
    let [english, korean] = match (refusal.code, &refusal.why) {
        (Code::NameTaken, _) => [
            "There is a client of this name already.",
            "이미 존재하는 클라이언트 이름입니다.",
        ],
        (Code::NotAuthenticated, Why::Code) => [
            "Who registers needs a token or a client certificate, or an address from which displays are let in.",
            "등록하려면 토큰이나 클라이언트 인증서, 또는 등록이 허용된 주소가 필요합니다.",
        ],
        (_, Why::Field { name: "name", .. }) => [
            "The name must be 1 to 128 of `A-Z a-z 0-9 . _ : -`.",
            "이름은 `A-Z a-z 0-9 . _ : -` 가운데 1~128자여야 합니다.",
        ],
        _ => return refusal_text(refusal, locale).into(),
    };
    Cow::Borrowed(match locale {
        Locale::En => english,
        Locale::Ko => korean,
    })
}

pub(super) const fn beat(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The heartbeat has come in.",
        Locale::Ko => "하트비트 수신 완료",
    }
}

pub(super) fn not_beat(refusal: &Refusal, locale: Locale) -> String {
    let why: Cow<'_, str> = match (refusal.code, locale) {
        (Code::NotAuthenticated, Locale::En) => "Register first.".into(),
        (Code::NotAuthenticated, Locale::Ko) => "먼저 등록하세요.".into(),
        _ => refusal_text(refusal, locale).into(),
    };
    match locale {
        Locale::En => format!("The heartbeat was not taken: {why}"),
        Locale::Ko => format!("하트비트 처리 중 오류 발생: {why}"),
    }
}

pub(super) const fn shutdown(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The server is about to stop. Come back after the time that is given.",
        Locale::Ko => "서버가 곧 종료됩니다. 안내된 시간 후에 다시 연결하세요.",
    }
}
