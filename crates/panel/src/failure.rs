//! What went wrong, as a page: what happened, what we did, what to do.

use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use maud::html;
use web::Problem;

use crate::address::{encode, redirect};
use crate::app::App;
use crate::door::Visitor;

/// Why a page is not shown.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Somebody must sign in first; the page they wanted.
    SignIn(String),
    NotFound,
    Forbidden,
    /// A form that did not come from our own page, or from one that is too old.
    Foreign,
    Problem(Problem),
    /// Fields of a form that are not acceptable, in their order, each with why.
    Fields(Vec<(String, String)>),
}

impl Failure {
    pub(crate) fn sign_in(here: &str) -> Self {
        Self::SignIn(here.to_owned())
    }
    pub(crate) fn not_found() -> Self {
        Self::NotFound
    }
    pub(crate) fn forbidden() -> Self {
        Self::Forbidden
    }
    pub(crate) fn foreign() -> Self {
        Self::Foreign
    }
}

impl Failure {
    /// Whether it is a fault of ours, and says nothing of what the visitor may do.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status().is_server_error())
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<tenancy::VaultError> for Failure {
    fn from(error: tenancy::VaultError) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::SignIn(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Problem(problem) => problem.status(),
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn retry_after(failure: &Failure) -> AppendHeaders<Option<(HeaderName, String)>> {
    let seconds = match failure {
        Failure::Problem(problem) => problem.retry_after(),
        _ => None,
    };
    AppendHeaders(seconds.map(|seconds| (header::RETRY_AFTER, seconds.to_string())))
}

/// Where a form's answer sends the browser, as a script can read it.
fn told_where(mut response: Response) -> Response {
    if response.status() != StatusCode::SEE_OTHER {
        return response;
    }
    let Some(location) = response.headers_mut().remove(header::LOCATION) else { return response };
    let go = location.to_str().unwrap_or("/painel");
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::OK;
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut told = axum::Json(serde_json::json!({ "go": go })).into_response();
    for (name, value) in &parts.headers {
        told.headers_mut().append(name, value.clone());
    }
    told
}

/// Middleware that turns a failure into a page in the visitor's language and brand.
pub(crate) async fn show(State(app): State<App>, request: Request, next: Next) -> Response {
    let fragment = request.headers().contains_key("hx-request");
    let json = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    // Sent by our own script, which stays on the page.
    let form = request.headers().contains_key("x-form");
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let Some(failure) = response.extensions_mut().remove::<Failure>() else {
        return if form { told_where(response) } else { response };
    };
    let Ok(visitor) = Visitor::of(&asked, &app).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "503").into_response();
    };
    let status = response.status();
    if let Failure::SignIn(here) = &failure
        && !fragment
        && !json
        && !form
    {
        if here == "/painel" {
            return redirect("/painel");
        }
        let next = encode(here);
        return redirect(&format!("/painel/entrar?next={next}"));
    }
    let lang = visitor.lang;
    let (title, text) = match &failure {
        Failure::SignIn(_) => (
            lang.t("Entre de novo", "Sign in again"),
            lang.t(
                "Sua sessão terminou. Nada do que você escreveu se perdeu: entre e envie de novo.",
                "Your session has ended. Nothing that you wrote is lost: sign in and send it again.",
            )
            .to_owned(),
        ),
        Failure::NotFound => (
            lang.t("Página não encontrada", "Page not found"),
            lang.t(
                "Ela não existe, ou é de um lugar a que você não pertence.",
                "It does not exist, or belongs to a place that you do not.",
            )
            .to_owned(),
        ),
        Failure::Forbidden => (
            lang.t("Seu papel não permite isto", "Your role does not allow this"),
            lang.t(
                "Peça a uma pessoa dona ou administradora da empresa.",
                "Ask an owner or an administrator of the business.",
            )
            .to_owned(),
        ),
        Failure::Foreign => (
            lang.t("A página ficou velha", "The page has grown old"),
            lang.t(
                "Nada foi mudado. Volte, recarregue a página e envie de novo.",
                "Nothing was changed. Go back, reload the page and send it again.",
            )
            .to_owned(),
        ),
        Failure::Problem(problem) if status.is_server_error() => {
            let _ = problem;
            (
                lang.t("Algo falhou aqui", "Something failed here"),
                lang.t(
                    "Nada foi mudado. Tente de novo em instantes; se continuar, avise quem cuida do sistema.",
                    "Nothing was changed. Try again in a moment; if it goes on, tell whoever runs the system.",
                )
                .to_owned(),
            )
        }
        Failure::Problem(problem) => (
            lang.t("Isto não foi aceito", "This was not accepted"),
            crate::words::problem(lang, problem),
        ),
        Failure::Fields(wrong) => (
            lang.t("Isto não foi aceito", "This was not accepted"),
            wrong.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join(" "),
        ),
    };
    if form {
        let text = match &failure {
            Failure::Problem(_) | Failure::Fields(_) if !status.is_server_error() => text,
            _ => format!("{title}. {text}"),
        };
        let field = match &failure {
            Failure::Problem(problem) => problem.at_field(),
            _ => None,
        };
        let fields: Vec<_> = match &failure {
            Failure::Fields(wrong) => wrong
                .iter()
                .map(|(field, why)| serde_json::json!({ "field": field, "text": why }))
                .collect(),
            _ => Vec::new(),
        };
        let body = serde_json::json!({
            "text": text, "field": field, "fields": fields, "stale": matches!(failure, Failure::Foreign),
            "sign_in": matches!(failure, Failure::SignIn(_)).then_some("/painel/entrar"),
        });
        return (status, retry_after(&failure), axum::Json(body)).into_response();
    }
    if json {
        let body = axum::Json(serde_json::json!({ "message": format!("{title}. {text}") }));
        return (status, body).into_response();
    }
    if fragment {
        let markup = html! { div.notice.bad role="alert" { p { strong { (title) ". " } (text) } } };
        return (status, markup).into_response();
    }
    let body = html! {
        h1 { (title) }
        p { (text) }
        p { a.button href="/painel" { (lang.t("Voltar ao início", "Back to the start")) } }
    };
    visitor.bare(status, title, &body)
}
