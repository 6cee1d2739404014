//! `/catalogue`: what commands there are.

use axum::Json;
use axum::extract::State;

use super::caller::Caller;
use super::device_views::CatalogueView;
use super::problem::Problem;
use super::service::App;

/// The commands that devices can be sent, as they were loaded; for services and operators.
#[utoipa::path(get, operation_id = "catalogue_read", path = "/api/v1/catalogue", tag = "commands",
    responses((status = 200, body = CatalogueView)))]
pub(super) async fn read_one(State(app): State<App>, caller: Caller) -> Result<Json<CatalogueView>, Problem> {
    let catalogue = app.node.listed_commands(&caller.by)?;
    Ok(Json(CatalogueView::of(&catalogue)))
}
