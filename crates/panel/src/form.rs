//! Forms: proven to be ours, then read.

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use web::{Problem, WhyCut};

use crate::app::App;
use crate::door::expected_csrf;
use crate::failure::Failure;

const HEADER: &str = "x-csrf-token";

/// A form of one of our pages.
pub(crate) struct Form<T>(pub(crate) T);

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "_csrf", default)]
    csrf: String,
}

fn proven(expected: Option<&str>, given: &str) -> bool {
    // Tokens are hashes: comparing them tells nothing of the cookie.
    expected.is_some_and(|expected| !expected.is_empty() && expected == given)
}

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let expected = expected_csrf(app, request.headers());
        let header = request.headers().get(HEADER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let why = request.extensions().get::<WhyCut>().cloned();
        let bytes = axum::body::Bytes::from_request(request, app).await.map_err(|cause| {
            let other = || Problem::new(cause.status(), "unreadable_body", cause.body_text());
            why.and_then(|why| why.problem()).unwrap_or_else(other)
        })?;
        let token = match header {
            Some(token) => token,
            None => read::<Token>(&bytes)?.csrf,
        };
        if !proven(expected.as_deref(), &token) {
            return Err(Failure::foreign());
        }
        Ok(Self(read(&bytes)?))
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_html_form::from_bytes(bytes).map_err(|cause| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_form", cause.to_string()).into()
    })
}

/// A JSON body that our own script sent.
pub(crate) struct Script<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Script<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let expected = expected_csrf(app, request.headers());
        let given = request.headers().get(HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !proven(expected.as_deref(), given) {
            return Err(Failure::foreign());
        }
        let web::Json(value) = web::Json::<T>::from_request(request, app).await?;
        Ok(Self(value))
    }
}

/// A form with files.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) files: Vec<File>,
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) field: String,
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) bytes: Vec<u8>,
}

impl Upload {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The file of a field, if one was chosen.
    pub(crate) fn file(&self, field: &str) -> Option<&File> {
        self.files.iter().find(|file| file.field == field && !file.bytes.is_empty())
    }
}

impl FromRequest<App> for Upload {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let expected = expected_csrf(app, request.headers());
        let header = request.headers().get(HEADER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut known = header.is_some_and(|token| proven(expected.as_deref(), &token));
        let why = request.extensions().get::<WhyCut>().cloned();
        let bad = |status: StatusCode, text: String| -> Failure {
            let cut = why.as_ref().and_then(WhyCut::problem);
            cut.unwrap_or_else(|| Problem::new(status, "unreadable_body", text)).into()
        };
        let mut parts = Multipart::from_request(request, app)
            .await
            .map_err(|cause| bad(cause.status(), cause.body_text()))?;
        let mut upload = Self::default();
        while let Some(part) =
            parts.next_field().await.map_err(|cause| bad(cause.status(), cause.body_text()))?
        {
            let field = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(|name| {
                kernel::line::Line::<200>::shown(name).map(String::from).unwrap_or_default()
            });
            let mime = part.content_type().unwrap_or("application/octet-stream").to_owned();
            let bytes =
                part.bytes().await.map_err(|cause| bad(cause.status(), cause.body_text()))?;
            if field == "_csrf" {
                known |= proven(expected.as_deref(), &String::from_utf8_lossy(&bytes));
                continue;
            }
            // The token stands first in every form: a stranger's file is not even read.
            if !known {
                return Err(Failure::foreign());
            }
            match file {
                Some(name) => upload.files.push(File { field, name, mime, bytes: bytes.to_vec() }),
                None => {
                    upload.fields.push((field, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        if known { Ok(upload) } else { Err(Failure::foreign()) }
    }
}
