//! `/devices/{device}/telemetry`: the latest that a device measured.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use super::asked::At;
use super::caller::Caller;
use super::device_views::TelemetryView;
use super::devices::{DevicePath, device_id};
use super::problem::{Problem, ProblemDocument};
use super::service::App;
use super::watch::{Events, LastEventId};

/// Read the latest that a device measured. It is not stored: what was heard before this node started is gone.
#[utoipa::path(get, operation_id = "telemetry_read", path = "/api/v1/devices/{device}/telemetry", tag = "devices", params(DevicePath),
    responses((status = 200, body = TelemetryView), (status = 404, body = ProblemDocument)))]
pub(super) async fn read_one(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
) -> Result<Json<TelemetryView>, Problem> {
    let latest = app.node.telemetry(&caller.by, &device_id(&device)?).await?;
    Ok(Json(TelemetryView::of(&device, &latest)))
}

/// Watch what a device measures: server-sent events named `telemetry`, each with the latest of it all. Who is slow misses
/// what is old.
#[utoipa::path(get, operation_id = "telemetry_watch", path = "/api/v1/devices/{device}/telemetry/watch", tag = "devices",
    params(DevicePath, LastEventId),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = TelemetryView),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn watch(
    State(app): State<App>,
    caller: Caller,
    At(device): At<String>,
    events: Events,
) -> Result<Response, Problem> {
    let id = device_id(&device)?;
    // From before it is read, so that no news of it is missed.
    let mut news = app.node.watch_telemetry(&caller.by, &id).await?;
    let first = app.node.telemetry(&caller.by, &id).await?;
    let seen = events.last().and_then(|last| last.parse::<i64>().ok());
    Ok(events.tell(async move |to| {
        let mut latest = first;
        let mut skip = seen == Some(latest.at.0);
        loop {
            if !skip {
                let id = latest.at.0.to_string();
                to.put("telemetry", Some(&id), &TelemetryView::of(&device, &latest))
                    .await;
            }
            skip = false;
            latest = news.next().await;
        }
    }))
}
