//! Errors as RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What the caller is told: a status, a stable code, a sentence, and the field at fault.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, retry_after: None }
    }

    /// 422: a field of the request is not acceptable.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail);
        problem.field = Some(field.into());
        problem
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 500, logged with its cause; the caller sees a request id only.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(event = "http_failed", cause = %cause);
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; quote the X-Request-Id of this answer to your operator",
        )
    }

    /// 503: come back in some seconds.
    pub fn unavailable(detail: impl Into<String>, retry_after: u64) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.retry_after = Some(retry_after);
        problem
    }

    /// 429: too many; come back after a while.
    pub fn too_many(
        code: &'static str,
        detail: impl Into<String>,
        wait: std::time::Duration,
    ) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
        problem.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        problem
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The field at fault.
    pub fn at_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        if error.is_unavailable() {
            tracing::error!(event = "http_failed", cause = %error);
            return Self::unavailable("the database is not available right now", 5);
        }
        let mut causes = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes = format!("{causes}: {cause}");
            source = cause.source();
        }
        Self::internal(&causes)
    }
}

impl From<tenancy::TenantError> for Problem {
    fn from(error: tenancy::TenantError) -> Self {
        use tenancy::TenantError as E;
        match error {
            E::SlugTaken(_) => Self::new(StatusCode::CONFLICT, "slug_taken", error.to_string()),
            E::Language(_) => Self::field("language", error.to_string()),
            E::TimeZone(_) => Self::field("time_zone", error.to_string()),
            E::Name => Self::field("name", error.to_string()),
            E::NoSuchTenant(_) => Self::not_found("tenant"),
            E::Storage(error) => error.into(),
        }
    }
}

impl From<tenancy::VaultError> for Problem {
    fn from(error: tenancy::VaultError) -> Self {
        match error {
            tenancy::VaultError::Storage(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:portaria:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
