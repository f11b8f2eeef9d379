//! Every answer carries an `X-Request-Id`, the caller's own if it sent a sane one.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// The id of the request being served.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

static HEADER: HeaderName = HeaderName::from_static("x-request-id");
static CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// Middleware that names the request. The guides' `X-Correlation-ID` is taken and echoed as well.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let given = [&HEADER, &CORRELATION].into_iter().find_map(|name| {
        let value = request.headers().get(name)?.to_str().ok()?;
        let sane = !value.is_empty()
            && value.len() <= 64
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        sane.then(|| (name, value.to_owned()))
    });
    let (name, id) = given.unwrap_or_else(|| (&HEADER, kernel::JobId::generate().to_string()));
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if response.status().is_server_error() {
        tracing::error!(
            event = "http_failed",
            request_id = id,
            status = response.status().as_u16()
        );
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        if name == CORRELATION {
            response.headers_mut().insert(&CORRELATION, value.clone());
        }
        response.headers_mut().insert(&HEADER, value);
    }
    response
}
