//! The description of the API (OpenAPI 3.1), generated from the types and handlers that serve it.

use std::sync::LazyLock;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoParams, Modify, OpenApi as _};

use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::{
    announcements, asyncapi, audit, blocks, catalogue, commands, device, devices, display_bulk, displays,
    docs, events, leases, members, messages, metrics, nodes, preset_runs, presets, probes, rooms, sessions,
    state, status, telemetry, tokens, users, vehicles, video_rooms, websocket, yaml,
};

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters that are read one by one")]
pub(super) struct Paging {
    /// Entries of the page: 1 to 200, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Does a call once.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
pub(super) struct IdempotencyKey {
    /// 1 to 255 visible ASCII characters, fresh for each call. The same call with the same key is done once and answered
    /// alike, with `Idempotent-Replayed: true`; another call with it is refused. Answers are kept for a day; refusals and
    /// secrets are not kept. A call that is cut off by a crash between its commit and the keeping of its answer is done
    /// again: where that matters give a room or a user its own number, and a message its `client_message_id`.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$")]
    idempotency_key: Option<String>,
}

/// A user in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct UserPath {
    /// The user's number or handle.
    user: String,
}

/// Another user in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct OtherPath {
    /// The other user's number or handle.
    other: String,
}

/// A room in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents a part of a path")]
pub(super) struct RoomPath {
    /// The room's number, name or token.
    room: String,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bongsu",
        description = "The API of back ends and operators. Calls are signed with `Authorization: Bearer <JWT>` or \
            `X-API-Key`; roles `service` and `admin` may call everything, users what concerns themselves. \
            Every refusal is a problem document (RFC 9457) whose `code` is the contract.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        probes::healthz, probes::readyz, probes::version, status::status, probes::openapi_json, probes::openapi_yaml,
        asyncapi::json, asyncapi::yaml, docs::page, docs::asset, metrics::metrics, websocket::open,
        users::create, users::list, users::read_one, users::read_by_public_token, users::update, users::ban, users::unban, users::disconnect,
        users::sessions, tokens::create, tokens::revoke_one, tokens::revoke_all, tokens::revoke, blocks::list, blocks::add, blocks::remove,
        rooms::create, rooms::list, rooms::read_one, members::list, members::add, members::remove, members::presence,
        messages::create, messages::list, announcements::create, video_rooms::list, video_rooms::read_one, video_rooms::end,
        sessions::list, sessions::end, nodes::list, nodes::read_one, nodes::drain, nodes::shed, audit::list, events::watch, device::open, device::connection,
        devices::create, devices::list, devices::read_one, devices::remove, devices::enrol, devices::revoke_enrolments,
        devices::disconnect, state::read_one, state::replace, state::patch, state::watch, telemetry::read_one, telemetry::watch,
        leases::take, leases::read_one, leases::release, catalogue::read_one,
        presets::create, presets::list, presets::read_one, presets::replace, presets::remove, preset_runs::execute, preset_runs::stop,
        displays::list, displays::read_one, display_bulk::register, display_bulk::rename_all, displays::execute, displays::stop,
        commands::create, commands::list, commands::read_one, commands::cancel, commands::watch, vehicles::act, vehicles::act_too,
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Signing, &Refusing),
    security(("token" = []), ("key" = []))
)]
struct Description;

struct Signing;

impl Modify for Signing {
    fn modify(&self, api: &mut OpenApi) {
        let Some(components) = &mut api.components else {
            return;
        };
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let key = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("key", SecurityScheme::ApiKey(key));
    }
}

/// What every call of the API may be answered: a problem.
struct Refusing;

impl Modify for Refusing {
    fn modify(&self, api: &mut OpenApi) {
        let document = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
        let problem = ResponseBuilder::new()
            .description("Refused")
            .content(PROBLEM_JSON, document)
            .build();
        for (path, item) in &mut api.paths.paths {
            let methods = [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in methods.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    refuse_in_problems(status, response);
                }
                if path.starts_with("/api/") {
                    let responses = &mut operation.responses.responses;
                    responses.insert("default".to_owned(), problem.clone().into());
                }
            }
        }
    }
}

/// Problem documents have a media type of their own.
fn refuse_in_problems(status: &str, response: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(response) = response else { return };
    let refused = !status.starts_with('2');
    if refused && response.content.get("application/json").is_some_and(is_problem) {
        let content = response.content.swap_remove("application/json");
        response
            .content
            .extend(content.map(|it| (PROBLEM_JSON.to_owned(), it)));
    }
    if response.description.is_empty() {
        response.description = if refused { "Refused" } else { "Done" }.to_owned();
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(content) = content else { return false };
    matches!(&content.schema, Some(RefOr::Ref(it)) if it.ref_location.ends_with("/ProblemDocument"))
}

/// The description.
#[must_use]
pub fn openapi() -> OpenApi {
    Description::openapi()
}

/// The description as YAML, as it is checked in.
#[must_use]
pub fn openapi_yaml() -> String {
    /// What a reader looks for first.
    const ORDER: [&str; 6] = ["openapi", "info", "security", "tags", "paths", "components"];
    let value = serde_json::to_value(openapi()).expect("a description of texts and numbers");
    yaml::ordered(&value, &ORDER)
}

/// The description as JSON, made once.
pub(super) fn json() -> &'static str {
    static JSON: LazyLock<String> =
        LazyLock::new(|| openapi().to_json().expect("a description of texts and numbers"));
    &JSON
}

/// The description as YAML, made once.
pub(super) fn yaml() -> &'static str {
    static YAML: LazyLock<String> = LazyLock::new(openapi_yaml);
    &YAML
}
