//! Request parts, with problems instead of axum's plain texts.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Request, rejection::JsonRejection};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kernel::Id;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Problem, WhyCut};

/// A JSON body, in or out.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let why = request.extensions().get::<WhyCut>().cloned();
        let rejection = match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        if let Some(cut) = why.and_then(|why| why.problem()) {
            return Err(cut);
        }
        Err(match rejection {
            JsonRejection::JsonDataError(error) => {
                let text = error.body_text();
                Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid_body",
                    text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest).to_owned(),
                )
            }
            JsonRejection::JsonSyntaxError(error) => {
                Problem::new(StatusCode::BAD_REQUEST, "not_json", error.body_text())
            }
            JsonRejection::MissingJsonContentType(_) => Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "send Content-Type: application/json",
            ),
            other => Problem::new(other.status(), "unreadable_body", other.body_text()),
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(error) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_query", error.body_text()))
            }
        }
    }
}

/// The one id in the path. What is no id is not found, like an id that nobody has.
#[derive(Debug)]
pub struct PathId<K>(pub Id<K>);

impl<K, S: Send + Sync> FromRequestParts<S> for PathId<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("resource"))?;
        Id::from_str(&text).map(Self).map_err(|_| Problem::not_found("resource"))
    }
}
