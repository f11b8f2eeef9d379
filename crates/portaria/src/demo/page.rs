//! The demo's page: write to either business as a customer, see the answer with its sources.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use sandbox::EvolutionSandbox;
use serde::Deserialize;
use serde_json::{Value, json};
use web::Json;

use super::{BUSINESSES, write_as_customer};
use crate::house::House;

#[derive(Clone)]
struct App {
    house: House,
    /// Held so that the stand-in lives as long as the page.
    _evolution: Arc<EvolutionSandbox>,
}

pub(super) fn routes(house: House, evolution: Arc<EvolutionSandbox>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/demo/style.css", get(|| asset("text/css", include_str!("style.css"))))
        .route("/demo/demo.js", get(|| asset("text/javascript", include_str!("demo.js"))))
        .route("/demo/messages", get(messages))
        .route("/demo/messages", post(write))
        .with_state(App { house, _evolution: evolution })
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text).into_response()
}

async fn page() -> Response {
    let markup: Markup = html! {
        (DOCTYPE)
        html lang="pt-BR" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Portaria: demonstração" }
                link rel="stylesheet" href="/demo/style.css";
                link rel="icon" href="data:,";
            }
            body {
                header.top {
                    h1 { "Portaria" }
                    p { "Escreva como cliente. A resposta sai do conhecimento da própria empresa, com as fontes ao lado." }
                }
                main.phones {
                    @for business in &BUSINESSES {
                        section.phone data-tenant=(business.slug) aria-label=(business.name) {
                            header.bar {
                                div.avatar aria-hidden="true" { (business.name.chars().next().unwrap_or('P')) }
                                div {
                                    h2 { (business.name) }
                                    p.status { (business.trade) }
                                }
                            }
                            ol.thread tabindex="0" aria-live="polite" aria-label={ "Conversa com " (business.name) } {}
                            div.hints {
                                @for hint in business.hints {
                                    button type="button" class="hint" { (hint) }
                                }
                            }
                            form.composer {
                                label.hidden for={ "text-" (business.slug) } { "Mensagem para " (business.name) }
                                input id={ "text-" (business.slug) } name="text" autocomplete="off" maxlength="1000"
                                    placeholder="Mensagem";
                                button type="submit" { "Enviar" }
                            }
                        }
                    }
                }
                script src="/demo/demo.js" defer {}
            }
        }
    };
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string())
        .into_response();
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; img-src data:; frame-ancestors 'none'"),
    );
    response
}

/// The demo page's own customer, one number for both businesses: they never see each other.
const VISITOR: &str = "5511900007777";

#[derive(Deserialize)]
struct Asked {
    tenant: String,
}

async fn messages(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, web::Problem> {
    let tenant = tenancy::by_slug(&app.house.db, &asked.tenant).await?;
    let mut tx = app.house.db.read(tenant.id).await?;
    let mut out: Vec<Value> = Vec::new();
    for conversation in inbox::conversations(&mut tx, None, 50).await? {
        if conversation.contact_name.as_deref() != Some("Você") {
            continue;
        }
        let mut list = inbox::messages(&mut tx, conversation.id, None, 100).await?;
        list.reverse();
        for message in list {
            let trace = message.trace.unwrap_or_default();
            out.push(json!({
                "id": message.id, "from": message.direction, "text": message.body,
                "state": message.state, "at": message.at.rfc3339(),
                "sources": trace["sources"], "confidence": trace["confidence"],
            }));
        }
        let person = conversation.owner != inbox::Owner::Bot;
        return Ok(Json(json!({ "messages": out, "person": person })));
    }
    Ok(Json(json!({ "messages": out, "person": false })))
}

#[derive(Deserialize)]
struct Written {
    tenant: String,
    text: String,
}

async fn write(
    State(app): State<App>,
    Json(written): Json<Written>,
) -> Result<StatusCode, web::Problem> {
    let text = written.text.trim();
    if text.is_empty() || text.chars().count() > 1000 {
        return Err(web::Problem::field("text", "text must have 1 to 1000 characters"));
    }
    let client = app.house.outbound.client();
    let listen = &app.house.config.listen;
    write_as_customer(client, listen, &written.tenant, VISITOR, "Você", text)
        .await
        .map_err(|cause| web::Problem::internal(&cause))?;
    Ok(StatusCode::ACCEPTED)
}
