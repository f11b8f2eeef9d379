//! Every page and every route, as nobody, as each role, and as somebody from another tenant.

use axum::http::Method;
use identity::Role;
use panel::PageAccess;
use serde_json::json;
use testkit::{TestApp, Visitor, both_engines};

const NOBODYS: &str = "00000000-0000-7000-8000-000000000000";

fn address(path: &str, slug: &str) -> String {
    path.replace("{slug}", slug)
        .replace("{id}", NOBODYS)
        .replace("{kind}", "evolution")
        .replace("{secret}", "nobodys-secret")
        .replace("{version}", "0")
        .replace("{name}", "panel.css")
}

async fn ask(visitor: &Visitor<'_>, method: &Method, path: &str) -> u16 {
    let answer = match *method {
        // A stream goes on for ever; its head says whether it opens.
        Method::GET if path.ends_with("/eventos") => return visitor.status(path).await,
        Method::GET => visitor.get(path).await,
        _ => visitor.post(path, &[]).await,
    };
    answer.status.as_u16()
}

/// Pages that are there for everybody, each with its reason.
const PUBLIC: &[&str] = &[
    "GET /painel",
    "GET /painel/entrar",
    "POST /painel/entrar",
    "GET /painel/entrar/codigo",
    "POST /painel/entrar/codigo",
    "GET /painel/senha",
    "POST /painel/senha",
    "GET /painel/senha/{secret}",
    "POST /painel/senha/{secret}",
    "GET /painel/convite/{secret}",
    "POST /painel/convite/{secret}",
    "GET /painel/assets/{version}/{name}",
    "GET /painel/marca/{kind}",
    "POST /painel/entrar/chave",
    "POST /painel/entrar/chave/fim",
    "GET /painel/oidc",
    "GET /painel/oidc/volta",
    "GET /painel/{*rest}",
];

both_engines! {
    async fn every_page_opens_to_whom_it_is_for_and_to_nobody_else(on: On) {
        let app = TestApp::start(on).await;
        let (clinic, bakery) = (app.tenant("clinica").await, app.tenant("padaria").await);
        let (_, pages) = portaria::pages::routes(&app.house, None);
        let mut people = Vec::new();
        for role in Role::ALL {
            let email = format!("{role}@clinica.example");
            people.push((role, app.signed_in(&email, &[(clinic.id, role)]).await));
        }
        let other = app.signed_in("owner@padaria.example", &[(bakery.id, Role::Owner)]).await;
        let operator = app.signed_in_operator("operator@house.example").await;
        let stranger = app.visitor();
        stranger.get("/painel").await.expect(200);
        let (mut tenant_pages, mut public) = (0, Vec::new());
        for page in &pages {
            let path = address(page.path, "clinica");
            let what = format!("{} {}", page.method, page.path);
            let nobody = ask(&stranger, &page.method, &path).await;
            match page.access {
                PageAccess::Public => {
                    public.push(what.clone());
                    continue;
                }
                PageAccess::Demo => {
                    assert_eq!(nobody, 404, "{what}");
                    continue;
                }
                PageAccess::SignedIn | PageAccess::Tenant(_) | PageAccess::Operator => {
                    assert_eq!(nobody, 303, "{what} as nobody");
                }
            }
            match page.access {
                PageAccess::Tenant(permission) => {
                    tenant_pages += 1;
                    assert_eq!(ask(&other, &page.method, &path).await, 404, "{what} as another tenant's owner");
                    assert_eq!(ask(&operator, &page.method, &path).await, 404, "{what} as an operator without a stay");
                    for (role, visitor) in &people {
                        let status = ask(visitor, &page.method, &path).await;
                        let may = role.scopes().contains(&permission);
                        if may {
                            assert!(status != 403 && status != 401 && status < 500, "{what} as {role}: {status}");
                        } else {
                            assert_eq!(status, 403, "{what} as {role}");
                        }
                    }
                }
                PageAccess::Operator => {
                    for (role, visitor) in &people {
                        assert_eq!(ask(visitor, &page.method, &path).await, 404, "{what} as {role}");
                    }
                    // What nobody fills in is refused, not shut.
                    let status = ask(&operator, &page.method, &path).await;
                    assert!(status != 403 && status < 500, "{what} as operator: {status}");
                }
                _ => {
                    if page.path != "/painel/sair" {
                        let status = ask(&operator, &page.method, &path).await;
                        assert!(status < 500 && status != 403, "{what}: {status}");
                    }
                }
            }
        }
        public.sort();
        let mut expected: Vec<String> = PUBLIC.iter().map(|p| (*p).to_owned()).collect();
        expected.sort();
        assert_eq!(public, expected, "a page for everybody needs a reason");
        assert!(tenant_pages >= 50, "{tenant_pages}");
    }
}

both_engines! {
    async fn every_route_of_the_api_knows_people_by_role(on: On) {
        let app = TestApp::start(on).await;
        let (clinic, bakery) = (app.tenant("clinica").await, app.tenant("padaria").await);
        let document = portaria::openapi(&app.house);
        let mut people = Vec::new();
        for role in Role::ALL {
            let email = format!("{role}@clinica.example");
            people.push((role, app.signed_in(&email, &[(clinic.id, role)]).await));
        }
        let other = app.signed_in("owner@padaria.example", &[(bakery.id, Role::Owner)]).await;
        let mut asked = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            let path = path.replace("{id}", NOBODYS).replace("{slug}", "nenhuma").replace("{lane}", "bulk");
            for (method, operation) in methods.as_object().unwrap() {
                let method = method.to_uppercase();
                let scope = operation["security"][0]["apiKey"][0].as_str();
                let body = if operation.get("requestBody").is_some() { json!({}).to_string() } else { String::new() };
                let call = async |visitor: &Visitor<'_>| {
                    let csrf = visitor.csrf();
                    let headers = [("x-portaria-tenant", "clinica"), ("x-csrf-token", csrf.as_str()), ("content-type", "application/json")];
                    visitor.send(&method, &path, &headers, body.clone()).await.status.as_u16()
                };
                // A stream goes on for ever.
                if path.ends_with("/events") {
                    continue;
                }
                asked += 1;
                assert_eq!(call(&other).await, 404, "{method} {path} as another tenant's owner");
                for (role, visitor) in &people {
                    let status = call(visitor).await;
                    let may = scope.is_some_and(|scope| role.scopes().contains(&scope));
                    if may {
                        assert!(status != 401 && status != 403 && status < 500, "{method} {path} as {role}: {status}");
                    } else {
                        assert_eq!(status, 403, "{method} {path} as {role}");
                    }
                }
            }
        }
        assert!(asked >= 35, "{asked}");
        // Without the page's token a cookie changes nothing.
        let (_, owner) = &people[0];
        let body = json!({ "question": "Que horas?", "answer": "8h" }).to_string();
        let headers = [("x-portaria-tenant", "clinica"), ("content-type", "application/json")];
        let foreign = owner.send("POST", "/v1/knowledge/pairs", &headers, body.clone()).await.expect(403);
        assert_eq!(foreign.json()["code"], "foreign_request");
        let csrf = owner.csrf();
        let headers = [headers[0], headers[1], ("x-csrf-token", csrf.as_str())];
        owner.send("POST", "/v1/knowledge/pairs", &headers, body).await.expect(201);
    }
}

#[test]
fn the_documented_table_of_roles_is_the_one_that_holds() {
    let text = include_str!("../../../../docs/roles.md");
    assert!(
        text.contains(&identity::role_table()),
        "write docs/roles.md anew: portaria config roles"
    );
}
