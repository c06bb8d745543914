//! Reading requests, with errors in our shape.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::auth::is_json;
use super::error::ApiError;
use super::server::App;

/// Largest body of a request.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;

/// Query parameters, with errors in our shape.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let parsed = Query::<T>::try_from_uri(&parts.uri);
        let Query(params) = parsed.map_err(|error| ApiError::usage(error.body_text()))?;
        Ok(Self(params))
    }
}

/// The last part of the path, decoded.
pub(super) struct PathText(pub(super) String);

impl FromRequestParts<App> for PathText {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = path.map_err(|error| ApiError::usage(error.body_text()))?;
        Ok(Self(text))
    }
}

/// A JSON body, bounded, with errors in our shape.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "usage",
                "the body of a request is JSON and says so",
                "send the header `Content-Type: application/json`",
            ));
        }
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "usage",
                &format!("the body of a request has at most {BODY_BYTES_MAX} bytes"),
                "ask for less at once",
            )
        })?;
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Self).map_err(|error| ApiError::usage(format!("not the JSON expected: {error}")))
    }
}
