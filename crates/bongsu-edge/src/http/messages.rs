//! `/rooms/{room}/messages`: posting and reading back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bongsu_model::{ClientMessageId, MessageId, MessageKind, PageFrom, Refusal, RoomRef, Seq, UserId, Want};
use bongsu_node::usecases::operate::PostAs;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, At};
use super::body::JsonBody;
use super::caller::Caller;
use super::fields::{Fields, required};
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::views::MessageView;

/// Messages of a page that was not told how many.
const PAGE: u32 = 50;

/// A message to be posted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "content": "안녕하세요", "sender_id": 123, "client_message_id": "a-1" }))]
pub(super) struct MessageBody {
    /// 1 to 4,096 bytes.
    content: String,
    /// `text` (default), `image`, `file`, `audio`, `video`, `location` or `custom`.
    message_type: Option<String>,
    /// In whose name; services only. Users post as themselves.
    sender_id: Option<i64>,
    /// The caller's own name for the message, at most 64 bytes: a second message with it is not stored again.
    client_message_id: Option<String>,
    /// The message it answers: 32 hex digits.
    reply_to: Option<String>,
    /// The application's own object, at most 4,096 bytes.
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A message that was accepted.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "message_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "room_id": 1, "seq": 42, "created_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct PostedView {
    /// 32 hex digits.
    message_id: String,
    room_id: i64,
    seq: u64,
    created_at: String,
    /// Present and true where the same sender had posted it before under the same `client_message_id`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeat: bool,
}

/// A page of history, ascending.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryView {
    room_id: i64,
    messages: Vec<MessageView>,
    /// Whether there is more in the direction asked for.
    has_more: bool,
    /// The tag of the history: 16 hex digits.
    epoch: String,
    /// The number of the room's last message.
    seq: u64,
}

fn read(fields: &Fields<'_>, metadata_bytes_max: usize) -> Result<PostAs, Refusal> {
    const CLIENT_ID: &str = "client_message_id";
    let client_id = fields.text(CLIENT_ID)?.map(|text| {
        ClientMessageId::new(&text).ok_or(Refusal::field(
            CLIENT_ID,
            Want::TextOf(1, ClientMessageId::BYTES_MAX),
        ))
    });
    let reply_to = fields
        .text("reply_to")?
        .map(|text| MessageId::parse(&text).ok_or(Refusal::field("reply_to", Want::Hex(32))));
    Ok(PostAs {
        sender: fields.integer("sender_id")?.map(UserId),
        content: required("content", fields.text("content")?)?,
        kind: fields
            .word("message_type", &MessageKind::NAMES, MessageKind::parse)?
            .unwrap_or(MessageKind::Text),
        client_id: client_id.transpose()?,
        reply_to: reply_to.transpose()?,
        metadata: fields.carried("metadata", metadata_bytes_max)?,
    })
}

/// Post a message. Members post as themselves, services in anyone's name.
#[utoipa::path(post, operation_id = "messages_create", path = "/api/v1/rooms/{room}/messages", tag = "rooms",
    params(super::openapi::RoomPath, super::openapi::IdempotencyKey), request_body = MessageBody,
    responses((status = 201, body = PostedView), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 422, description = "Wrong, or refused by moderation", body = ProblemDocument),
        (status = 429, body = ProblemDocument)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(room): At<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<PostedView>), Problem> {
    let post = read(&body.fields()?, app.limits().metadata_bytes_max)?;
    let posted = app.node.post_as(&caller.by, &RoomRef::parse(&room), post).await?;
    let message = &posted.message;
    let view = PostedView {
        message_id: message.id.to_string(),
        room_id: message.room.0,
        seq: message.seq.0,
        created_at: message.created_at.to_string(),
        repeat: posted.repeat,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Read a page of history, ascending: the newest messages, or those after or before one. Members read theirs.
#[utoipa::path(get, operation_id = "messages_list", path = "/api/v1/rooms/{room}/messages", tag = "rooms", params(super::openapi::RoomPath,
        ("after_seq" = Option<u64>, Query, description = "The oldest messages after this one"),
        ("before_seq" = Option<u64>, Query, description = "The newest messages before this one"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if absent")),
    responses((status = 200, body = HistoryView), (status = 404, body = ProblemDocument)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(room): At<String>,
    asked: Asked,
) -> Result<Json<HistoryView>, Problem> {
    let seq = |name| {
        Ok::<_, Refusal>(
            asked
                .between(name, 0, i64::MAX)?
                .map(|seq| Seq(seq.unsigned_abs())),
        )
    };
    let from = match (seq("after_seq")?, seq("before_seq")?) {
        (Some(_), Some(_)) => return Err(Refusal::field("before_seq", Want::Alone).into()),
        (Some(after), None) => PageFrom::After(after),
        (None, Some(before)) => PageFrom::Before(before),
        (None, None) => PageFrom::Latest,
    };
    let limit_max = app.limits().history_page_max;
    let limit = asked.between("limit", 1, i64::from(limit_max))?;
    let limit = limit.map_or(PAGE.min(limit_max), |limit| {
        u32::try_from(limit).expect("between 1 and a u32")
    });
    let page = app
        .node
        .history(&caller.by, &RoomRef::parse(&room), from, limit)
        .await?;
    Ok(Json(HistoryView {
        room_id: page.room.0,
        messages: page
            .messages
            .iter()
            .map(|message| MessageView::of(message))
            .collect(),
        has_more: page.has_more,
        epoch: page.epoch.to_string(),
        seq: page.head.0,
    }))
}
