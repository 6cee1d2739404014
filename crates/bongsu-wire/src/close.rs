//! The texts for people: every refusal and every cause of a close, in English and Korean.
//!
//! Invariant: one exhaustive match per language; a text names the field and what would be right, and holds
//! nothing that a stranger must not learn.

use std::borrow::Cow;

use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::{Code, Locale, Reconnect, Refusal, Want, Why};
use bytes::Bytes;

use crate::websocket::close_frame;

/// What a refused client reads.
#[must_use]
pub fn refusal_text(refusal: &Refusal, locale: Locale) -> String {
    let mut text = match locale {
        Locale::En => english(refusal),
        Locale::Ko => korean(refusal),
    }
    .into_owned();
    if let Why::Reason(reason) = refusal.why {
        text.push_str(&match locale {
            Locale::En => format!(" Reason: {reason}."),
            Locale::Ko => format!(" 사유: {reason}."),
        });
    }
    if let Some(ms) = refusal.retry_after_ms {
        // Whole seconds, never less than the client must wait.
        let seconds = ms.div_ceil(1_000).max(1);
        text.push_str(&match locale {
            Locale::En => format!(" Try again in {seconds} s."),
            Locale::Ko => format!(" {seconds}초 뒤에 다시 시도하세요."),
        });
    }
    text
}

/// What a client reads whose session is closed.
#[must_use]
pub fn closing_text(cause: &CloseCause, locale: Locale) -> Cow<'static, str> {
    if let CloseCause::Refused(refusal) = cause {
        return Cow::Owned(refusal_text(refusal, locale));
    }
    Cow::Borrowed(match locale {
        Locale::En => closing_english(cause),
        Locale::Ko => closing_korean(cause),
    })
}

/// The WebSocket close code that a session is closed with; the `4xxx` of the specification of the type protocol.
#[must_use]
pub fn close_code(cause: &CloseCause) -> u16 {
    match cause {
        CloseCause::Refused(refusal) => match refusal.code {
            Code::InvalidToken if matches!(refusal.why, Why::Reason("banned")) => 4403,
            Code::InvalidToken | Code::NotAuthenticated => 4401,
            Code::PermissionDenied | Code::UserBlocked => 4403,
            Code::MessageTooLarge => 4413,
            Code::RateLimited => 4429,
            Code::Overloaded | Code::ShuttingDown | Code::DeviceUnknownState => 4503,
            Code::InternalError => 1011,
            Code::InvalidAction
            | Code::InvalidData
            | Code::MessageRejected
            | Code::RoomNotFound
            | Code::VideoRoomNotFound
            | Code::UserNotFound
            | Code::RoomFull
            | Code::VideoRoomFull
            | Code::DeviceOffline
            | Code::DeviceLeased
            | Code::DeviceNotFound
            | Code::NameTaken
            | Code::PresetNotFound
            | Code::CommandNotFound
            | Code::CommandTimeout
            | Code::CommandExpired
            | Code::CommandRefused => 4400,
        },
        CloseCause::FrameTimeout => 4400,
        CloseCause::SignInTimeout
        | CloseCause::TokenExpired
        | CloseCause::TokenRevoked
        | CloseCause::CertificateRevoked => 4401,
        CloseCause::Replaced => 4409,
        CloseCause::Banned | CloseCause::Disconnected => 4403,
        CloseCause::Idle | CloseCause::Slow => 4408,
        CloseCause::Flooding => 4429,
        CloseCause::ShuttingDown => 4503,
    }
}

/// The WebSocket close frame with a close code and, as its reason, the advice.
#[must_use]
pub fn closing_frame(close_code: u16, reconnect: Reconnect) -> Bytes {
    close_frame(close_code, &format!("reconnect={}", reconnect.name()))
}

/// What every client reads when the server is about to stop.
#[must_use]
pub const fn shutdown_text(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "The server is about to stop. Everything acknowledged is kept; reconnect and resume.",
        Locale::Ko => "서버가 곧 종료됩니다. 접수된 내용은 모두 보존되니 다시 연결하여 이어 받으세요.",
    }
}

fn english(refusal: &Refusal) -> Cow<'static, str> {
    match &refusal.why {
        Why::Code | Why::Reason(_) => Cow::Borrowed(code_english(refusal.code)),
        Why::Field { name, want } => Cow::Owned(format!("`{name}` {}.", want_english(*want))),
        Why::Malformed { offset, what } => {
            let what: Cow<'_, str> = match what {
                Malformed::NotAnObject => "An object must begin with `{` here".into(),
                Malformed::NotJson => "This is not valid JSON".into(),
                Malformed::NotUtf8 => "This is not valid UTF-8".into(),
                Malformed::TooDeep => "Objects and arrays are nested too deep".into(),
                Malformed::DuplicateKey => "A key stands twice in the envelope".into(),
                Malformed::FrameTooLarge(max) => format!("A request has at most {max} bytes").into(),
                Malformed::TooManyFragments(max) => format!("A message has at most {max} fragments").into(),
                Malformed::Binary => "Only text is spoken here; send JSON in text frames".into(),
                Malformed::Framing => "This is no frame that RFC 6455 allows".into(),
                Malformed::Packet => {
                    "This is no packet of Engine.IO or Socket.IO, or none that may come now".into()
                }
                Malformed::NotConnected => "Connect to a namespace before you send to it".into(),
                Malformed::Attachments => "There are no attachments here; send JSON alone".into(),
                Malformed::TooManyAttachments(max) => {
                    format!("A packet has at most {max} attachments").into()
                }
                Malformed::NotProtobuf => "This is no message of the Protobuf contract".into(),
                Malformed::Text => "Protobuf is spoken here; send it in binary frames".into(),
                Malformed::Hello => "A session begins with one hello, and has no other".into(),
            };
            // Where it is wrong from the first byte on, or as a whole, there is no place to name.
            Cow::Owned(match offset {
                0 => format!("{what}."),
                _ => format!("{what} (at byte {offset} of what you sent)."),
            })
        }
        Why::TooLarge { what, bytes_max } => Cow::Owned(format!("`{what}` has at most {bytes_max} bytes.")),
        Why::Incident(incident) => Cow::Owned(format!(
            "Something broke on our side. Try again, and quote incident {incident} to the operator."
        )),
        Why::Command(command) => Cow::Owned(format!("{} Its id is {command}.", code_english(refusal.code))),
        Why::Holder(holder) => Cow::Owned(format!("{} It is `{holder}`.", code_english(refusal.code))),
        Why::Argument { pointer, says } if pointer.is_empty() => {
            Cow::Owned(format!("The arguments are wrong: {says}."))
        }
        Why::Argument { pointer, says } => Cow::Owned(format!("The argument `{pointer}` is wrong: {says}.")),
    }
}

const fn code_english(code: Code) -> &'static str {
    match code {
        Code::InvalidToken => "The token is missing, malformed, expired or revoked. Sign in with a new one.",
        Code::NotAuthenticated => "Sign in first.",
        Code::InvalidAction => "There is no such request. Check the spelling of its name.",
        Code::InvalidData => "The request has not the form that it must have.",
        Code::MessageTooLarge => "The request is too large. Send less at once.",
        Code::MessageRejected => "The message was not accepted. Change its content before sending it again.",
        Code::RoomNotFound => "There is no such room, or you may not enter it.",
        Code::VideoRoomNotFound => "There is no such video room, or it has ended.",
        Code::UserNotFound => "There is no such user, or the user is not in this call.",
        Code::PermissionDenied => "You may not do this.",
        Code::UserBlocked => "This user does not receive anything from you.",
        Code::RoomFull => "The room is full.",
        Code::VideoRoomFull => "The video room is full.",
        Code::DeviceOffline => "The device is not connected.",
        Code::DeviceUnknownState => "Whether the device is connected cannot be found out at the moment.",
        Code::DeviceLeased => "Another operator has control of the device.",
        Code::DeviceNotFound => "There is no such device.",
        Code::NameTaken => "Somebody else has this name.",
        Code::PresetNotFound => "There is no such preset.",
        Code::CommandNotFound => "There is no such command.",
        Code::CommandTimeout => {
            "The device did not answer in time. The command may have been carried out: look it up before you repeat it."
        }
        Code::CommandExpired => "The command was not sent before its deadline and was not carried out.",
        Code::CommandRefused => "The command catalogue does not allow this command.",
        Code::RateLimited => "Too many requests in too short a time.",
        Code::Overloaded => "The server is busy at the moment.",
        Code::ShuttingDown => "The server is stopping. Reconnect and resume.",
        Code::InternalError => "Something broke on our side. Try again later.",
    }
}

fn want_english(want: Want) -> Cow<'static, str> {
    match want {
        Want::Present => "is required".into(),
        Want::Integer => "must be a whole number of 64 bits, without quotes, point or exponent".into(),
        Want::Between(min, max) if max == i64::MAX => format!("must be a whole number from {min} up").into(),
        Want::Between(min, max) => format!("must be a whole number from {min} to {max}").into(),
        Want::Text => "must be a string of valid Unicode".into(),
        Want::TextOf(0, max) => format!("must be a string of at most {max} bytes").into(),
        Want::TextOf(min, max) => format!("must be a string of {min} to {max} bytes").into(),
        Want::Bool => "must be true or false".into(),
        Want::Object => "must be an object".into(),
        Want::Array => "must be an array".into(),
        Want::ArrayOf(max) => format!("must be an array of at most {max} entries").into(),
        Want::EntriesOf(max) => format!("must have at most {max} entries").into(),
        Want::Languages => {
            "must have language tags such as ko, en or zh-TW as its keys, each of at most 16 bytes".into()
        }
        Want::OneOf(names) => format!("must be one of: {}", names.join(", ")).into(),
        Want::Hex(digits) => format!("must be a string of {digits} lower-case hex digits").into(),
        Want::RoomName => "must be a room's name: 1 to 64 of a-z, 0-9, _ and -, and no number".into(),
        Want::Gzip => "must be a string: the base64 of one whole gzip stream of JSON".into(),
        Want::Alone => "excludes another field of this request; send only one of them".into(),
        Want::Other => "has a value that is not allowed here".into(),
        Want::Once => "stands more than once; send it once".into(),
    }
}

fn korean(refusal: &Refusal) -> Cow<'static, str> {
    match &refusal.why {
        Why::Code | Why::Reason(_) => Cow::Borrowed(code_korean(refusal.code)),
        Why::Field { name, want } => Cow::Owned(format!("`{name}` 필드: {}.", want_korean(*want))),
        Why::Malformed { offset, what } => {
            let what: Cow<'_, str> = match what {
                Malformed::NotAnObject => "여기서 `{`로 시작하는 객체가 와야 합니다".into(),
                Malformed::NotJson => "올바른 JSON이 아닙니다".into(),
                Malformed::NotUtf8 => "올바른 UTF-8이 아닙니다".into(),
                Malformed::TooDeep => "객체와 배열이 너무 깊이 중첩되었습니다".into(),
                Malformed::DuplicateKey => "봉투에 같은 키가 두 번 있습니다".into(),
                Malformed::FrameTooLarge(max) => format!("요청 하나는 최대 {max}바이트입니다").into(),
                Malformed::TooManyFragments(max) => format!("메시지 하나는 최대 {max}조각입니다").into(),
                Malformed::Binary => "텍스트만 받습니다. JSON을 텍스트 프레임으로 보내세요".into(),
                Malformed::Framing => "RFC 6455가 허용하는 프레임이 아닙니다".into(),
                Malformed::Packet => {
                    "Engine.IO나 Socket.IO의 패킷이 아니거나 지금 올 수 없는 패킷입니다".into()
                }
                Malformed::NotConnected => "네임스페이스에 먼저 연결한 뒤에 보내세요".into(),
                Malformed::Attachments => "여기서는 첨부를 받지 않습니다. JSON만 보내세요".into(),
                Malformed::TooManyAttachments(max) => format!("패킷 하나는 첨부가 최대 {max}개입니다").into(),
                Malformed::NotProtobuf => "Protobuf 계약에 없는 메시지입니다".into(),
                Malformed::Text => "Protobuf만 받습니다. 바이너리 프레임으로 보내세요".into(),
                Malformed::Hello => "세션은 hello 하나로 시작하며 다시 보낼 수 없습니다".into(),
            };
            Cow::Owned(match offset {
                0 => format!("{what}."),
                _ => format!("{what} (보낸 내용의 바이트 위치 {offset})."),
            })
        }
        Why::TooLarge { what, bytes_max } => {
            Cow::Owned(format!("`{what}` 크기는 최대 {bytes_max}바이트입니다."))
        }
        Why::Incident(incident) => Cow::Owned(format!(
            "서버 내부에 문제가 생겼습니다. 다시 시도하고, 운영자에게 사고 번호 {incident}번을 알려 주세요."
        )),
        Why::Command(command) => Cow::Owned(format!("{} 명령 ID: {command}.", code_korean(refusal.code))),
        Why::Holder(holder) => Cow::Owned(format!("{} 제어권자: {holder}.", code_korean(refusal.code))),
        Why::Argument { pointer, says } if pointer.is_empty() => {
            Cow::Owned(format!("인자가 올바르지 않습니다: {says}."))
        }
        Why::Argument { pointer, says } => Cow::Owned(format!("인자 `{pointer}`: {says}.")),
    }
}

const fn code_korean(code: Code) -> &'static str {
    match code {
        Code::InvalidToken => "토큰이 없거나 잘못되었거나 만료 또는 폐기되었습니다. 새 토큰으로 연결하세요.",
        Code::NotAuthenticated => "먼저 인증하세요.",
        Code::InvalidAction => "지원하지 않는 요청입니다. 이름의 철자를 확인하세요.",
        Code::InvalidData => "요청의 형식이 올바르지 않습니다.",
        Code::MessageTooLarge => "요청이 너무 큽니다. 나누어 보내세요.",
        Code::MessageRejected => "메시지가 거부되었습니다. 내용을 고쳐서 다시 보내세요.",
        Code::RoomNotFound => "채팅방이 없거나 들어갈 수 없습니다.",
        Code::VideoRoomNotFound => "영상회의 방이 없거나 이미 끝났습니다.",
        Code::UserNotFound => "사용자가 없거나 이 영상회의에 참가하고 있지 않습니다.",
        Code::PermissionDenied => "권한이 없습니다.",
        Code::UserBlocked => "이 사용자는 회원님이 보내는 것을 받지 않습니다.",
        Code::RoomFull => "채팅방 인원이 가득 찼습니다.",
        Code::VideoRoomFull => "영상회의 인원이 가득 찼습니다.",
        Code::DeviceOffline => "장치가 연결되어 있지 않습니다.",
        Code::DeviceUnknownState => "장치가 연결되어 있는지 지금은 알 수 없습니다.",
        Code::DeviceLeased => "다른 운영자가 장치를 제어하고 있습니다.",
        Code::DeviceNotFound => "그런 장치가 없습니다.",
        Code::NameTaken => "이미 존재하는 이름입니다.",
        Code::PresetNotFound => "그런 프리셋이 없습니다.",
        Code::CommandNotFound => "그런 명령이 없습니다.",
        Code::CommandTimeout => {
            "장치가 제때 응답하지 않았습니다. 명령이 수행되었을 수도 있으니 다시 보내기 전에 조회하세요."
        }
        Code::CommandExpired => "기한 안에 명령을 보내지 못했으며 수행되지 않았습니다.",
        Code::CommandRefused => "명령 카탈로그가 허용하지 않는 명령입니다.",
        Code::RateLimited => "짧은 시간에 요청이 너무 많습니다.",
        Code::Overloaded => "지금은 서버가 바쁩니다.",
        Code::ShuttingDown => "서버가 종료되는 중입니다. 다시 연결하여 이어 받으세요.",
        Code::InternalError => "서버 내부에 문제가 생겼습니다. 잠시 뒤에 다시 시도하세요.",
    }
}

fn want_korean(want: Want) -> Cow<'static, str> {
    match want {
        Want::Present => "반드시 있어야 합니다".into(),
        Want::Integer => "따옴표, 소수점, 지수가 없는 64비트 정수여야 합니다".into(),
        Want::Between(min, max) if max == i64::MAX => format!("{min} 이상의 정수여야 합니다").into(),
        Want::Between(min, max) => format!("{min} 이상 {max} 이하의 정수여야 합니다").into(),
        Want::Text => "올바른 유니코드 문자열이어야 합니다".into(),
        Want::TextOf(0, max) => format!("최대 {max}바이트의 문자열이어야 합니다").into(),
        Want::TextOf(min, max) => format!("{min} 이상 {max} 이하 바이트의 문자열이어야 합니다").into(),
        Want::Bool => "true 또는 false여야 합니다".into(),
        Want::Object => "객체여야 합니다".into(),
        Want::Array => "배열이어야 합니다".into(),
        Want::ArrayOf(max) => format!("항목이 최대 {max}개인 배열이어야 합니다").into(),
        Want::EntriesOf(max) => format!("항목이 최대 {max}개여야 합니다").into(),
        Want::Languages => "키는 ko, en, zh-TW 같은 언어 태그여야 하며 각각 최대 16바이트입니다".into(),
        Want::OneOf(names) => format!("다음 중 하나여야 합니다: {}", names.join(", ")).into(),
        Want::Hex(digits) => format!("16진수 소문자 {digits}자리 문자열이어야 합니다").into(),
        Want::RoomName => {
            "방 이름이어야 합니다: a-z, 0-9, _, - 로 된 1자 이상 64자 이하, 숫자만으로는 안 됩니다".into()
        }
        Want::Gzip => "JSON을 gzip으로 압축한 온전한 스트림 하나의 base64 문자열이어야 합니다".into(),
        Want::Alone => "이 요청의 다른 필드와 함께 쓸 수 없습니다. 하나만 보내세요".into(),
        Want::Other => "여기서 허용되지 않는 값입니다".into(),
        Want::Once => "두 번 이상 있습니다. 한 번만 보내세요".into(),
    }
}

const fn closing_english(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Refused(_) => "A request that ends the session was refused.",
        CloseCause::Idle => "Nothing was heard from you for too long. Reconnect, and ping regularly.",
        CloseCause::SignInTimeout => "No sign-in came in time. Sign in right after connecting.",
        CloseCause::FrameTimeout => {
            "A request was begun and not finished in time. Send each request at once."
        }
        CloseCause::Slow => "You read too slowly for what is sent to you. Reconnect and resume.",
        CloseCause::Flooding => "You went on far beyond your rate. Reconnect later, and slow down.",
        CloseCause::TokenExpired => "The token has expired. Sign in with a new one.",
        CloseCause::TokenRevoked => "The token was revoked. Sign in with a new one.",
        CloseCause::Banned => "An operator has banned this account.",
        CloseCause::Disconnected => "An operator closed this session. You may reconnect.",
        CloseCause::Replaced => "A newer session of the same device took this one's place.",
        CloseCause::CertificateRevoked => "The client certificate was revoked.",
        CloseCause::ShuttingDown => "The server stops. Reconnect later and resume.",
    }
}

const fn closing_korean(cause: &CloseCause) -> &'static str {
    match cause {
        CloseCause::Refused(_) => "세션을 끝내는 요청이 거부되었습니다.",
        CloseCause::Idle => "너무 오래 아무것도 오지 않았습니다. 다시 연결하고 핑을 주기적으로 보내세요.",
        CloseCause::SignInTimeout => "제때 인증하지 않았습니다. 연결하자마자 인증하세요.",
        CloseCause::FrameTimeout => "시작한 요청이 제때 끝나지 않았습니다. 요청을 한 번에 보내세요.",
        CloseCause::Slow => "받는 속도가 보내는 양보다 느립니다. 다시 연결하여 이어 받으세요.",
        CloseCause::Flooding => {
            "허용된 빈도를 크게 넘겨 계속 보냈습니다. 나중에 다시 연결하고 천천히 보내세요."
        }
        CloseCause::TokenExpired => "토큰이 만료되었습니다. 새 토큰으로 연결하세요.",
        CloseCause::TokenRevoked => "토큰이 폐기되었습니다. 새 토큰으로 연결하세요.",
        CloseCause::Banned => "운영자가 이 계정의 이용을 막았습니다.",
        CloseCause::Disconnected => "운영자가 이 세션을 닫았습니다. 다시 연결해도 됩니다.",
        CloseCause::Replaced => "같은 장치의 새 세션이 이 세션을 대신합니다.",
        CloseCause::CertificateRevoked => "클라이언트 인증서가 폐기되었습니다.",
        CloseCause::ShuttingDown => "서버가 종료됩니다. 나중에 다시 연결하여 이어 받으세요.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::{Closing, CommandId, Incident};

    fn hangul(text: &str) -> bool {
        text.chars().any(|c| ('가'..='힣').contains(&c))
    }

    /// Every refusal that has words of its own.
    fn refusals() -> Vec<Refusal> {
        const NAMES: &[&str] = &["a", "b"];
        let wants = [
            Want::Present,
            Want::Integer,
            Want::Between(0, i64::MAX),
            Want::Between(2, 50),
            Want::Text,
            Want::TextOf(0, 128),
            Want::TextOf(1, 64),
            Want::Bool,
            Want::Object,
            Want::Array,
            Want::ArrayOf(100),
            Want::EntriesOf(16),
            Want::Languages,
            Want::OneOf(NAMES),
            Want::Hex(32),
            Want::RoomName,
            Want::Gzip,
            Want::Alone,
            Want::Other,
            Want::Once,
        ];
        let faults = [
            Malformed::NotAnObject,
            Malformed::NotJson,
            Malformed::NotUtf8,
            Malformed::TooDeep,
            Malformed::DuplicateKey,
            Malformed::FrameTooLarge(65_536),
            Malformed::TooManyFragments(10_000),
            Malformed::Binary,
            Malformed::Framing,
            Malformed::Packet,
            Malformed::NotConnected,
            Malformed::Attachments,
            Malformed::TooManyAttachments(8),
            Malformed::NotProtobuf,
            Malformed::Text,
            Malformed::Hello,
        ];
        let mut refusals: Vec<Refusal> = Code::ALL.into_iter().map(Refusal::new).collect();
        refusals.extend(wants.map(|want| Refusal::field("chatroom_id", want)));
        refusals.extend(faults.map(|what| Refusal {
            code: Code::InvalidData,
            why: Why::Malformed { offset: 1_234, what },
            retry_after_ms: None,
        }));
        refusals.push(Refusal::too_large("content", 4_096));
        refusals.push(Refusal::because(Code::MessageRejected, "flood"));
        refusals.push(Refusal::incident(Incident(0xdead_beef)));
        let because = |code, why| Refusal {
            why,
            ..Refusal::new(code)
        };
        let argument = |pointer: &str| Why::Argument {
            pointer: pointer.into(),
            says: "it must be one of: open, closed".into(),
        };
        refusals.push(because(
            Code::CommandTimeout,
            Why::Command(Box::new(CommandId(0xab))),
        ));
        refusals.push(because(Code::DeviceLeased, Why::Holder("operator-7".into())));
        refusals.push(because(Code::InvalidData, argument("/position")));
        refusals.push(because(Code::InvalidData, argument("")));
        refusals
    }

    #[test]
    fn every_refusal_has_its_own_text_in_both_languages() {
        for locale in [Locale::En, Locale::Ko] {
            let mut texts: Vec<_> = refusals().iter().map(|it| refusal_text(it, locale)).collect();
            for text in &texts {
                assert_eq!(hangul(text), locale == Locale::Ko, "{text}");
                assert!(text.ends_with('.'), "{text}");
            }
            texts.sort_unstable();
            let all = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), all);
        }
    }

    #[test]
    fn texts_name_what_is_wrong() {
        for locale in [Locale::En, Locale::Ko] {
            for refusal in refusals() {
                let text = refusal_text(&refusal, locale);
                match refusal.why {
                    Why::Code => {}
                    Why::Reason(reason) => assert!(text.contains(reason), "{text}"),
                    Why::Field { name, .. } => assert!(text.contains(&format!("`{name}`")), "{text}"),
                    Why::Malformed { offset, .. } => assert!(text.contains(&offset.to_string()), "{text}"),
                    Why::TooLarge { what, bytes_max } => {
                        assert!(
                            text.contains(what) && text.contains(&bytes_max.to_string()),
                            "{text}"
                        );
                    }
                    Why::Incident(incident) => assert!(text.contains(&incident.to_string()), "{text}"),
                    Why::Command(command) => assert!(text.contains(&command.to_string()), "{text}"),
                    Why::Holder(holder) => assert!(text.contains(&*holder), "{text}"),
                    Why::Argument { pointer, says } => {
                        assert!(text.contains(&*pointer) && text.contains(&*says), "{text}");
                    }
                }
            }
            for (ms, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2")] {
                let text = refusal_text(&Refusal::retry(Code::RateLimited, ms), locale);
                assert!(text.contains(&format!(" {seconds}")), "{text}");
            }
        }
    }

    #[test]
    fn what_is_wrong_as_a_whole_names_no_place() {
        let text = |offset, locale| {
            let why = Why::Malformed {
                offset,
                what: Malformed::Binary,
            };
            let code = Code::InvalidData;
            refusal_text(
                &Refusal {
                    code,
                    why,
                    retry_after_ms: None,
                },
                locale,
            )
        };
        for locale in [Locale::En, Locale::Ko] {
            assert!(!text(0, locale).contains('0') && text(10, locale).contains("10"));
        }
    }

    #[test]
    fn every_close_has_its_own_text_in_both_languages() {
        let causes = || {
            [
                CloseCause::Refused(Refusal::new(Code::PermissionDenied)),
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
            ]
            .map(Closing::new)
        };
        for locale in [Locale::En, Locale::Ko] {
            let mut texts = causes().map(|it| closing_text(&it.cause, locale)).to_vec();
            texts.push(shutdown_text(locale).into());
            assert!(texts.iter().all(|text| hangul(text) == (locale == Locale::Ko)));
            texts.sort_unstable();
            let all = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), all);
        }
    }
}
