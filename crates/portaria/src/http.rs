//! All routes of the house under one router.

use std::collections::HashMap;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use channels::Limits;
use metrics_exporter_prometheus::PrometheusHandle;
use panel::PageRoute;
use serde_json::Value;
use web::{Access, Bodies, BodySize, Built, Door, Gate, Operation, Problem};

use crate::admin;
use crate::health::{self, Readiness};
use crate::house::House;
use crate::pages;
use crate::trail::{Trail, trail};

fn api(house: &House) -> Built {
    let door = || house.door.clone();
    admin::routes(house.clone())
        .merge(domains::routes(door(), house.config.allow_private_upstreams))
        .merge(traffic::routes(door()))
        .merge(inbox::routes(door()))
        .merge(knowledge::routes(door(), house.library.clone(), house.outbound.clone()))
        .merge(assistant::routes(
            door(),
            house.vault.clone(),
            house.contexts.clone(),
            house.answerer.clone(),
            house.outbound.clone(),
        ))
        .merge(channels::routes(door(), house.intake.clone(), house.manage.clone()))
        .merge(channels::message_routes(door(), house.sender.clone()))
        .merge(hooks::routes(door(), house.vault.clone(), house.outbound.clone()))
        .merge(notices::routes(door()))
}

/// The OpenAPI document of this version.
pub fn openapi(house: &House) -> Value {
    api(house).openapi()
}

/// The router of the whole house, with metrics if they are collected.
pub fn router(house: &House, metrics: Option<PrometheusHandle>) -> Router {
    routes(house, metrics, Readiness::default(), pages::routes(house, None))
}

pub(crate) fn routes(
    house: &House,
    metrics: Option<PrometheusHandle>,
    readiness: Readiness,
    (extra, extra_routes): (Router, Vec<PageRoute>),
) -> Router {
    let built = api(house);
    let document = built.openapi();
    let trail_of = Trail::new(house, &built.operations);
    let gate = Gate::new(house.door.clone(), &built.operations);
    let sizes = sizes(&built.operations, &extra_routes);
    let bodies = Bodies::new(
        house.bodies.clone(),
        house.config.body_sizes,
        house.config.proxies.clone(),
        sizes,
    );
    let v1 = built
        .router
        .layer(middleware::from_fn_with_state(trail_of, trail))
        // Bodies are bounded by route, below.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(house.door.clone(), web::idempotency))
        .layer(middleware::from_fn_with_state(gate, web::gate))
        .layer(middleware::from_fn_with_state(house.door.clone(), web::cors));
    let limits = Limits {
        body: house.config.webhook_body_limit,
        time: house.config.body_sizes.time,
        proxies: house.config.proxies.clone(),
        budget: house.bodies.clone(),
        folder: house.config.data.clone(),
    };
    let (door, proxies) = (house.door.clone(), house.config.proxies.clone());
    Router::new()
        .merge(v1)
        .merge(channels::webhooks(house.intake.clone(), limits))
        .merge(health::routes(house.clone(), readiness.clone()))
        .merge(extra)
        .route(
            "/openapi.json",
            get(move || {
                let document = document.clone();
                async move { axum::Json(document) }
            }),
        )
        .route(
            "/metrics",
            get(move |parts: Parts| {
                let text = metrics.as_ref().map(PrometheusHandle::render);
                let (door, proxies) = (door.clone(), proxies.clone());
                async move {
                    // They name tenants and say how busy each is.
                    if !proxies.is_local(&parts.headers, &parts.extensions)
                        && let Err(problem) = measured(&door, &parts).await
                    {
                        return problem.into_response();
                    }
                    match text {
                        Some(text) => {
                            let kind = "text/plain; version=0.0.4; charset=utf-8";
                            ([(header::CONTENT_TYPE, kind)], text).into_response()
                        }
                        None => Problem::not_found("metrics").into_response(),
                    }
                }
            }),
        )
        .fallback(|| async { Problem::not_found("page") })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            // Where a form was sent to, typed or gone back to: the page of the form is above it.
            if matches!(method, Method::GET | Method::HEAD)
                && let Some(page) = page_above(uri.path())
            {
                return Redirect::to(&page).into_response();
            }
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address takes another method; see /openapi.json",
            )
            .into_response()
        })
        .layer(middleware::from_fn_with_state(bodies, web::bodies))
        .layer(middleware::from_fn_with_state(readiness, health::end_streams))
        .layer(middleware::from_fn(web::request_id))
}

/// Whether a caller from elsewhere may read the metrics.
async fn measured(door: &Door, parts: &Parts) -> Result<(), Problem> {
    door.who(parts).await?.may_call(Access::Operator("metrics:read"))
}

/// How large the bodies of routes may be, where that is no form's size.
fn sizes(
    operations: &[Operation],
    pages: &[PageRoute],
) -> HashMap<(Method, &'static str), BodySize> {
    let api = operations.iter().map(|one| ((one.method.clone(), one.path), one.size));
    let pages = pages.iter().map(|one| ((one.method.clone(), one.path), one.size));
    // Providers' bodies are read by the door itself, which knows whose they may be.
    let doors = channels::WEBHOOKS.iter().map(|path| ((Method::POST, *path), BodySize::Own));
    api.chain(pages).chain(doors).filter(|(_, size)| *size != BodySize::Small).collect()
}

/// The page that a form of this address stands on.
fn page_above(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let kept = match parts.as_slice() {
        ["painel", "t", _, _, _, ..] | ["painel", "operador", "empresas", _, ..] => 4,
        ["painel", "operador", "empresas"] | ["painel", "conta", ..] => 2,
        ["painel", "operador", _, ..] => 3,
        ["painel", ..] => 1,
        _ => return None,
    };
    Some(format!("/{}", parts[..kept.min(parts.len())].join("/")))
}

#[cfg(test)]
mod tests {
    use super::page_above;

    #[test]
    fn a_form_stands_on_a_page_above_it() {
        for (form, page) in [
            ("/painel/t/x/equipe/1/remover", Some("/painel/t/x/equipe")),
            ("/painel/t/x/ajustes/respostas", Some("/painel/t/x/ajustes")),
            ("/painel/operador/empresas", Some("/painel/operador")),
            ("/painel/operador/empresas/x/estado", Some("/painel/operador/empresas/x")),
            ("/painel/operador/chaves/1/encerrar", Some("/painel/operador/chaves")),
            ("/painel/conta/sessoes/1/encerrar", Some("/painel/conta")),
            ("/painel/sair", Some("/painel")),
            ("/v1/chat", None),
        ] {
            assert_eq!(page_above(form).as_deref(), page, "{form}");
        }
    }
}
