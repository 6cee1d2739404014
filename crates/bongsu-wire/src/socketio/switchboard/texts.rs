//! What people read on a display's screen and in its log, in the words of the guide where that has some.

use std::borrow::Cow;

use bongsu_model::{Code, Locale, Refusal};

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
    if refusal.code != Code::NameTaken {
        return refusal_text(refusal, locale).into();
    }
    Cow::Borrowed(match locale {
        Locale::En => "There is a client of this name already.",
        Locale::Ko => "이미 존재하는 클라이언트 이름입니다.",
    })
}

pub(super) const fn beat(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The heartbeat has come in.",
        Locale::Ko => "하트비트 수신 완료",
    }
}

pub(super) fn not_beat(refusal: &Refusal, locale: Locale) -> String {
    let why = refusal_text(refusal, locale);
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
