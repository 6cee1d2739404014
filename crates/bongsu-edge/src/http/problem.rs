//! Refusals as problem documents (RFC 9457).
//!
//! Invariant: whoever refuses only says what is wrong; the text, in the caller's language, is made in one place, on
//! the way out.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bongsu_model::{Code, Locale, Refusal, Why};
use bongsu_wire::close::refusal_text;
use serde::Serialize;
use utoipa::ToSchema;

use crate::origin::Stranger;
use crate::websocket::NotUpgraded;

/// The media type of problem documents.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal on its way out, in the response's extensions.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) refusal: Refusal,
    says: Says,
    /// Where in the body it is wrong, as a JSON pointer.
    at: Option<String>,
}

/// What is wrong where the code's own text speaks of something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Says {
    /// What the refusal says.
    Refusal,
    Host,
    NoRoute,
    Method,
    MediaType,
    ContentCoding,
    Credentials,
    TwoCredentials,
    KeyReused,
    KeyMalformed,
    ShownOnce,
    Timeout,
    Taken,
    NotUpgraded(NotUpgraded),
    Connected,
    OpenCommands,
    /// These texts, in English and in Korean.
    These(&'static (&'static str, &'static str)),
}

/// A problem document. The `code` is the contract; the texts are for people.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:bongsu:problem:ROOM_NOT_FOUND", "title": "Room not found", "status": 404,
    "detail": "There is no such room, or you may not enter it.", "code": "ROOM_NOT_FOUND",
    "request_id": "0193e5a8c4f37a1c9d2b6e8f01234567"
}))]
pub(super) struct ProblemDocument {
    /// Names the kind of problem: `urn:bongsu:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What was wrong, in the language of `Accept-Language` (`en` or `ko`).
    detail: Cow<'static, str>,
    /// One of the codes that all protocols share.
    #[schema(value_type = String)]
    code: &'static str,
    /// A word that says more, where the code has several causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
    /// The field that is missing or wrong, with dots into objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    field: Option<&'static str>,
    /// When trying again makes sense, in milliseconds; `Retry-After` has it in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The command that it is about, which may be asked for under `/api/v1/commands/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    command_id: Option<String>,
    /// The operator who holds the device's control lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    holder: Option<String>,
    /// Where in the arguments of a command, or in a list of many, it is wrong, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    argument: Option<String>,
    /// The number under which the log has what broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    /// The request's `X-Request-Id`.
    request_id: String,
}

impl Problem {
    pub(super) const fn new(status: StatusCode, code: Code, reason: &'static str, says: Says) -> Self {
        Self {
            status,
            refusal: Refusal::because(code, reason),
            says,
            at: None,
        }
    }

    /// It is this place of the body that is wrong: a JSON pointer.
    pub(super) fn at(mut self, pointer: String) -> Self {
        self.at = Some(pointer);
        self
    }

    /// The name or number that was asked for is another's.
    pub(super) fn taken(refusal: Refusal) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            refusal,
            says: Says::Taken,
            at: None,
        }
    }

    /// All header fields together are over the limit.
    pub(super) const fn headers_too_large(bytes_max: usize) -> Self {
        let refusal = Refusal::too_large("headers", bytes_max as u64);
        Self {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            refusal,
            says: Says::Refusal,
            at: None,
        }
    }

    pub(super) const fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::InvalidAction,
            "no_such_path",
            Says::NoRoute,
        )
    }

    /// The document, with the headers that belong to it.
    pub(super) fn render(&self, locale: Locale, request_id: &str) -> Response {
        let refusal = &self.refusal;
        let (reason, field, incident) = match &refusal.why {
            Why::Reason(reason) => (Some(*reason), None, None),
            Why::Field { name, .. } => (None, Some(*name), None),
            Why::TooLarge { what, .. } => (None, Some(*what), None),
            Why::Incident(incident) => (None, None, Some(incident.to_string())),
            Why::Code | Why::Malformed { .. } | Why::Command(_) | Why::Holder(_) | Why::Argument { .. } => {
                (None, None, None)
            }
        };
        let (command_id, holder, argument) = about(&refusal.why);
        let code = refusal.code.name();
        let document = ProblemDocument {
            kind: format!("urn:bongsu:problem:{code}"),
            title: in_words(code),
            status: self.status.as_u16(),
            detail: self.text(locale),
            code,
            reason: if self.says == Says::Taken {
                Some("taken")
            } else {
                reason
            },
            field,
            retry_after_ms: refusal.retry_after_ms,
            command_id,
            holder,
            argument: self.at.clone().or(argument),
            incident,
            request_id: request_id.to_owned(),
        };
        let body = serde_json::to_vec(&document).expect("a document of texts and numbers");
        let mut response = (self.status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"bongsu\""),
            );
        }
        if let Some(ms) = refusal.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1)));
        }
        response
    }

    fn text(&self, locale: Locale) -> Cow<'static, str> {
        let english = locale == Locale::En;
        let own = |en, ko| Cow::Borrowed(if english { en } else { ko });
        match self.says {
            Says::Refusal => Cow::Owned(refusal_text(&self.refusal, locale)),
            Says::Taken => match &self.refusal.why {
                Why::Field { name, .. } if english => Cow::Owned(format!("`{name}` is already taken.")),
                Why::Field { name, .. } => Cow::Owned(format!("`{name}` 값은 이미 쓰이고 있습니다.")),
                Why::Code
                | Why::Malformed { .. }
                | Why::TooLarge { .. }
                | Why::Reason(_)
                | Why::Incident(_)
                | Why::Command(_)
                | Why::Holder(_)
                | Why::Argument { .. } => Cow::Owned(refusal_text(&self.refusal, locale)),
            },
            Says::Host => own(
                "The request must have one Host header.",
                "요청에는 Host 헤더가 하나 있어야 합니다.",
            ),
            Says::NotUpgraded(why) => {
                let (en, ko) = not_upgraded(why);
                own(en, ko)
            }
            Says::NoRoute => own(
                "There is nothing at this path. /openapi.json lists all paths.",
                "이 경로에는 아무것도 없습니다. 모든 경로는 /openapi.json에 있습니다.",
            ),
            Says::Method => own(
                "This path does not take this method. The Allow header lists those it takes.",
                "이 경로는 이 메서드를 받지 않습니다. 받는 메서드는 Allow 헤더에 있습니다.",
            ),
            Says::MediaType => own(
                "The body must be JSON: send Content-Type: application/json.",
                "본문은 JSON이어야 합니다. Content-Type: application/json으로 보내세요.",
            ),
            Says::ContentCoding => own(
                "The body must not be compressed: send no Content-Encoding.",
                "본문을 압축하지 말고 Content-Encoding 없이 보내세요.",
            ),
            Says::Credentials => own(
                "Sign the call: Authorization: Bearer <token>, or X-API-Key: <key>.",
                "인증이 필요합니다. Authorization: Bearer <토큰> 또는 X-API-Key: <키>를 보내세요.",
            ),
            Says::TwoCredentials => own(
                "Send either Authorization or X-API-Key, once.",
                "Authorization과 X-API-Key 중 하나만 한 번 보내세요.",
            ),
            Says::KeyReused => own(
                "This Idempotency-Key was used for another request. Take a fresh key for each request.",
                "이 Idempotency-Key는 다른 요청에 쓰였습니다. 요청마다 새 키를 쓰세요.",
            ),
            Says::KeyMalformed => own(
                "Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters.",
                "Idempotency-Key는 보이는 ASCII 문자 1~255자로 한 번만 보내세요.",
            ),
            Says::ShownOnce => own(
                "The call was made, and its token was shown once and is not kept. Make another token with a fresh key.",
                "이미 처리된 호출이며, 토큰은 한 번만 보여 주고 보관하지 않습니다. 새 키로 토큰을 다시 만드세요.",
            ),
            Says::Connected => own(CONNECTED.0, CONNECTED.1),
            Says::OpenCommands => own(OPEN_COMMANDS.0, OPEN_COMMANDS.1),
            Says::These((en, ko)) => own(en, ko),
            Says::Timeout => own(
                "The request took too long. It may still have been done; ask again with the same Idempotency-Key.",
                "요청 처리가 너무 오래 걸렸습니다. 이미 처리되었을 수 있으니 같은 Idempotency-Key로 다시 시도하세요.",
            ),
        }
    }
}

/// What a refusal is about, where that is a command, its holder or one of its arguments.
fn about(why: &Why) -> (Option<String>, Option<String>, Option<String>) {
    match why {
        Why::Command(command) => (Some(command.to_string()), None, None),
        Why::Holder(holder) => (None, Some(holder.to_string()), None),
        Why::Argument { pointer, .. } => (None, None, Some(pointer.to_string())),
        Why::Code
        | Why::Field { .. }
        | Why::Malformed { .. }
        | Why::TooLarge { .. }
        | Why::Reason(_)
        | Why::Incident(_) => (None, None, None),
    }
}

/// Why a display is not renamed, in English and in Korean.
const CONNECTED: (&str, &str) = (
    "The display is connected, and would come back under its old name. Disconnect it for good first.",
    "디스플레이가 연결되어 있어 이전 이름으로 다시 접속합니다. 먼저 연결을 완전히 끊으세요.",
);
const OPEN_COMMANDS: (&str, &str) = (
    "The display has commands that have not ended. Wait for their end, or cancel them.",
    "디스플레이에 끝나지 않은 명령이 있습니다. 끝날 때까지 기다리거나 취소하세요.",
);

/// Why a request is not upgraded to WebSocket, in English and in Korean.
const fn not_upgraded(why: NotUpgraded) -> (&'static str, &'static str) {
    match why {
        NotUpgraded::NoHandshake => (
            "This path speaks WebSocket: send an upgrade request as RFC 6455 has it.",
            "이 경로는 웹소켓입니다. RFC 6455대로 업그레이드 요청을 보내세요.",
        ),
        NotUpgraded::Version => (
            "Only version 13 of WebSocket is spoken here.",
            "웹소켓 13 버전만 지원합니다.",
        ),
        NotUpgraded::Subprotocol => (
            "None of the offered subprotocols is spoken here: offer bongsu.type.v1, bongsu.action.v1 or none.",
            "제안한 서브프로토콜을 지원하지 않습니다. bongsu.type.v1이나 bongsu.action.v1을 제안하거나 비워 두세요.",
        ),
        NotUpgraded::DeviceSubprotocol => (
            "None of the offered subprotocols is one of a device: offer bongsu.device.json.v1, bongsu.device.proto.v1 or none.",
            "제안한 서브프로토콜은 장치용이 아닙니다. bongsu.device.json.v1이나 bongsu.device.proto.v1을 제안하거나 비워 두세요.",
        ),
        NotUpgraded::Stranger(Stranger::Origin) => (
            "Pages of this origin may not connect. The operator can name it in server.cors_origins.",
            "이 출처의 페이지는 연결할 수 없습니다. 운영자가 server.cors_origins에 추가할 수 있습니다.",
        ),
        NotUpgraded::Stranger(Stranger::Host) => (
            "The Host header does not name this server. The operator can name it in server.hosts.",
            "Host 헤더가 이 서버의 이름이 아닙니다. 운영자가 server.hosts에 추가할 수 있습니다.",
        ),
    }
}

/// `ROOM_NOT_FOUND` as `Room not found`.
fn in_words(code: &str) -> String {
    let mut words = code.replace('_', " ").to_ascii_lowercase();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// The status of a code, as the specification's registry has it.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.code {
        Code::InvalidToken | Code::NotAuthenticated => StatusCode::UNAUTHORIZED,
        Code::InvalidAction | Code::RoomNotFound | Code::VideoRoomNotFound | Code::UserNotFound => {
            StatusCode::NOT_FOUND
        }
        Code::InvalidData => match refusal.why {
            Why::Malformed { .. } => StatusCode::BAD_REQUEST,
            Why::Code
            | Why::Field { .. }
            | Why::TooLarge { .. }
            | Why::Reason(_)
            | Why::Incident(_)
            | Why::Command(_)
            | Why::Holder(_)
            | Why::Argument { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        },
        Code::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::MessageRejected => StatusCode::UNPROCESSABLE_ENTITY,
        Code::PermissionDenied | Code::UserBlocked | Code::CommandRefused => StatusCode::FORBIDDEN,
        Code::RoomFull | Code::VideoRoomFull | Code::DeviceLeased | Code::NameTaken => StatusCode::CONFLICT,
        Code::DeviceOffline | Code::DeviceNotFound | Code::PresetNotFound | Code::CommandNotFound => {
            StatusCode::NOT_FOUND
        }
        Code::CommandTimeout | Code::CommandExpired => StatusCode::GATEWAY_TIMEOUT,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Overloaded | Code::ShuttingDown | Code::DeviceUnknownState => StatusCode::SERVICE_UNAVAILABLE,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: status(&refusal),
            refusal,
            says: Says::Refusal,
            at: None,
        }
    }
}

impl IntoResponse for Problem {
    /// An empty answer that carries the problem out to where it is written.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
