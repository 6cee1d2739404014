//! `/displays`, many at once: registered before they come, and renamed.
//!
//! Invariant: an enrolment token leaves once, in the answer that made it; all that is kept of it is its SHA-256.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use bongsu_model::{Code, DeviceId, Locale, Refusal, Want};
use bongsu_node::displays::{NewDisplay, NewlyRegistered, NotAllRenamed, NotRenamed};
use bongsu_wire::close::refusal_text;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::caller::Caller;
use super::fields::{Fields, required};
use super::idempotency::ShownOnce;
use super::outer;
use super::problem::{Problem, ProblemDocument, Says};
use super::service::App;
use crate::auth::MemberToken;

/// Displays to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "displays": ["Display_01", { "name": "Display_02" }] }))]
pub(super) struct RegisterBody {
    /// Their names, up to 1,000.
    displays: Vec<Named>,
}

/// A display to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by hand; the type documents the shape")]
#[serde(untagged)]
pub(super) enum Named {
    /// Its name: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    Name(String),
    Display {
        /// Its name.
        name: String,
    },
}

/// What became of each display, in their order.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "results": [
    { "name": "Display_01", "client_id": 3, "enrolment_token": "3f9a0c…" },
    { "name": "Display_02", "code": "NAME_TAKEN", "message": "Somebody else has this name." }
] }))]
pub(super) struct RegisteredList {
    results: Vec<RegisteredView>,
}

/// A display that was registered, or was not.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredView {
    /// Its name.
    name: String,
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<i64>,
    /// 48 hex digits, with which the display signs in. It is kept as a hash; `POST /devices/{device}/enrolments` makes others.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment_token: Option<String>,
    /// When the token ends; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment_expires_at: Option<String>,
    /// Why it was not registered: a code of problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<&'static str>,
    /// The same for people, in the language of `Accept-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Displays to be renamed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
#[schema(example = json!({ "renames": [{ "from": "Display_01", "to": "Lobby_01" }] }))]
pub(super) struct RenameBody {
    /// Up to 1,000.
    renames: Vec<Rename>,
}

/// A display to be renamed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; the type documents the shape")]
pub(super) struct Rename {
    /// The name that it has.
    from: String,
    /// The name that it gets.
    to: String,
}

/// How many displays were renamed.
#[derive(Serialize, ToSchema)]
pub(super) struct RenamedView {
    renamed: usize,
}

impl RegisteredView {
    fn of(name: &str, token: &MemberToken, made: &Result<NewlyRegistered, Refusal>, locale: Locale) -> Self {
        let refused = made.as_ref().err();
        let made = made.as_ref().ok();
        Self {
            name: name.to_owned(),
            client_id: made.map(|made| made.device.client),
            enrolment_token: made.map(|_| token.reveal()),
            enrolment_expires_at: made.and_then(|made| Some(made.expires_at?.to_string())),
            code: refused.map(|refusal| refusal.code.name()),
            message: refused.map(|refusal| refusal_text(refusal, locale)),
        }
    }
}

/// A name by itself, or in an object.
fn name(raw: &str) -> Result<Arc<str>, Refusal> {
    if raw.starts_with('{') {
        let fields = Fields::entry("displays", raw)?;
        return required("displays.name", fields.text("displays.name")?);
    }
    let wrong = |_| Refusal::field("displays", Want::Text);
    let name: String = serde_json::from_str(raw).map_err(wrong)?;
    Ok(name.into())
}

fn rename(raw: &str) -> Result<(DeviceId, DeviceId), Refusal> {
    let fields = Fields::entry("renames", raw)?;
    let id = |name| {
        let wrong = Refusal::field(name, Want::TextOf(1, DeviceId::BYTES_MAX));
        DeviceId::parse(&required(name, fields.text(name)?)?).ok_or(wrong)
    };
    Ok((id("renames.from")?, id("renames.to")?))
}

/// Register displays before they come, each with a token that lets it in.
#[utoipa::path(post, operation_id = "displays_register", path = "/api/v1/displays", tag = "displays", request_body = RegisterBody,
    params(super::openapi::IdempotencyKey),
    responses((status = 201, description = "Each was made, or says why not", body = RegisteredList),
        (status = 409, description = "A repeat: the tokens were shown before and are not kept", body = ProblemDocument)))]
pub(super) async fn register(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<RegisteredList>), Problem> {
    let fields = body.fields()?;
    let names = fields.array("displays", app.limits().preset_displays_max, name)?;
    let names = required("displays", names)?;
    let tokens: Vec<_> = names
        .iter()
        .map(|_| MemberToken::draw(&*app.node.ports.chance))
        .collect();
    let new = names.iter().zip(&tokens).map(|(name, token)| NewDisplay {
        name: Arc::clone(name),
        token: token.hash(),
    });
    let made = app.node.register_displays(&caller.by, new.collect()).await?;
    let locale = outer::locale_of(&app, &headers);
    let results = names.iter().zip(&tokens).zip(&made);
    let results = results.map(|((name, token), made)| RegisteredView::of(name, token, made, locale));
    let list = RegisteredList {
        results: results.collect(),
    };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(list)))
}

/// Rename displays: all of them, or none. Their state, their tokens and what presets say of them go with them.
#[utoipa::path(post, operation_id = "displays_rename", path = "/api/v1/displays/rename", tag = "displays", request_body = RenameBody,
    params(super::openapi::IdempotencyKey),
    responses((status = 200, body = RenamedView),
        (status = 404, description = "There is no such display: `argument` says which", body = ProblemDocument),
        (status = 409, description = "The new name is another's, or the display is connected or has open commands", body = ProblemDocument)))]
pub(super) async fn rename_all(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<Json<RenamedView>, Problem> {
    let fields = body.fields()?;
    let renames = fields.array("renames", app.limits().preset_displays_max, rename)?;
    let renames = required("renames", renames)?;
    let renamed = app.node.rename_displays(&caller.by, renames.clone()).await;
    renamed.map_err(|refused| not_renamed(&renames, refused))?;
    Ok(Json(RenamedView {
        renamed: renames.len(),
    }))
}

fn not_renamed(renames: &[(DeviceId, DeviceId)], refused: NotAllRenamed) -> Problem {
    let (display, why) = match refused {
        NotAllRenamed::Refused(refusal) => return refusal.into(),
        NotAllRenamed::Display(display, why) => (display, why),
    };
    let conflict = |reason, says| Problem::new(StatusCode::CONFLICT, Code::InvalidData, reason, says);
    let problem = match why {
        NotRenamed::Absent => Refusal::new(Code::DeviceNotFound).into(),
        NotRenamed::Taken => Refusal::new(Code::NameTaken).into(),
        NotRenamed::Connected => conflict("connected", Says::Connected),
        NotRenamed::HasOpenCommands => conflict("open_commands", Says::OpenCommands),
    };
    // The last of a name that stands there twice is the one that is wrong.
    let at = renames.iter().rposition(|(from, _)| *from == display);
    problem.at(format!("/renames/{}", at.unwrap_or(0)))
}
