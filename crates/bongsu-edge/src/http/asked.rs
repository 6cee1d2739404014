//! What stands in a request's path and query.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use bongsu_model::{Refusal, UserId, UserRef, Want};
use serde::de::DeserializeOwned;

use super::caller::Caller;
use super::problem::Problem;
use super::service::App;

/// The parts of the path that the route names.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        // What is no text, or no number where one belongs, names nothing.
        path.map(|Path(at)| Self(at)).map_err(|_| Problem::no_route())
    }
}

/// The query. Unknown names are ignored.
pub(super) struct Asked(Vec<(String, String)>);

impl FromRequestParts<App> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, app).await;
        query
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| Refusal::field("query", Want::Text).into())
    }
}

impl Asked {
    /// A value; not more than once.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self
            .0
            .iter()
            .filter(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Refusal::field(name, Want::Once)),
        }
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let value = self.text(name)?;
        value
            .map(|text| text.parse().map_err(|_| Refusal::field(name, Want::Integer)))
            .transpose()
    }

    /// A whole number in a range.
    pub(super) fn between(&self, name: &'static str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
        match self.integer(name)? {
            Some(value) if !(min..=max).contains(&value) => {
                Err(Refusal::field(name, Want::Between(min, max)))
            }
            value => Ok(value),
        }
    }
}

/// The number of the user that a path names by number or handle.
pub(super) async fn user_id(app: &App, caller: &Caller, reference: &str) -> Result<UserId, Refusal> {
    match UserRef::parse(reference) {
        UserRef::Id(user) => Ok(user),
        handle @ UserRef::Handle(_) => app.node.user(&caller.by, handle).await.map(|user| user.id),
    }
}
