//! What both adapters share: sending, and telling failures apart.

use std::time::Duration;

use messaging::http::read_json;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::ModelError;

/// Sends the request and reads a JSON answer of any status.
pub(crate) async fn exchange(
    request: RequestBuilder,
    timeout: Duration,
) -> Result<(StatusCode, Value), ModelError> {
    let response = request.timeout(timeout).send().await.map_err(|error| {
        // The error's own text may hold the address; its kind is enough.
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "connection failed"
        } else {
            "the connection broke"
        };
        ModelError::Unavailable(what.to_owned())
    })?;
    let status = response.status();
    match read_json(response).await {
        Some(body) => Ok((status, body)),
        None if status.is_success() => {
            Err(ModelError::Unavailable("an unreadable answer".to_owned()))
        }
        // Proxies answer errors in HTML.
        None => Ok((status, Value::Null)),
    }
}

/// By status; `detail` names the provider's own code, never its message, which may echo the key.
pub(crate) fn failure(status: StatusCode, detail: &str) -> ModelError {
    let text = format!("HTTP {} {detail}", status.as_u16()).trim_end().to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS => ModelError::Throttled(text),
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => ModelError::Unavailable(text),
        status if status.is_server_error() => ModelError::Unavailable(text),
        _ => ModelError::Refused(text),
    }
}

pub(crate) fn vector(value: &Value) -> Option<Vec<f32>> {
    #[expect(clippy::cast_possible_truncation, reason = "vectors are single precision")]
    value.as_array()?.iter().map(|number| number.as_f64().map(|n| n as f32)).collect()
}
