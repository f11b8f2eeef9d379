//! Tokens of an identity provider that lie, and accounts that stand already: by a provider on
//! loopback that says what it is told to.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Role;
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use testkit::{Answer, PASSWORD, TestApp, Visitor, both_engines};

/// Made for these tests.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEICQyJ+0qWF5SmGQ+9+yX/3t60DvoJXYUQzF3q11ucNPR\n\
    -----END PRIVATE KEY-----\n";

fn key() -> CoreEdDsaPrivateSigningKey {
    let kid = Some(JsonWebKeyId::new("k1".to_owned()));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, kid).unwrap()
}

fn signed(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": "k1" })), part(claims));
    let signature = key().sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

struct Provider {
    issuer: String,
    clock: kernel::Clock,
    /// The claims of the next ID token, and of the access token where that is a signed one.
    says: Arc<Mutex<(Value, Value)>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let says: Arc<Mutex<(Value, Value)>> = Arc::default();
        let discovery = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        });
        let keys = json!({ "keys": [key().as_verification_key()] });
        let told = says.clone();
        let token = move || {
            let told = told.clone();
            async move {
                let (id, access) = told.lock().clone();
                let access = if access.is_null() { "opaque".to_owned() } else { signed(&access) };
                axum::Json(json!({
                    "access_token": access, "token_type": "Bearer", "expires_in": 60,
                    "id_token": signed(&id),
                }))
            }
        };
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(move || async move { axum::Json(discovery) }),
            )
            .route("/jwks", get(move || async move { axum::Json(keys) }))
            .route("/token", post(token));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, clock: kernel::Clock::System, says }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("PORTARIA_OIDC_ENABLED", "true"),
            ("PORTARIA_OIDC_PROVIDER", "generic"),
            ("PORTARIA_OIDC_ISSUER", self.issuer.as_str()),
            ("PORTARIA_OIDC_CLIENT_ID", "panel"),
            ("PORTARIA_OIDC_CLIENT_SECRET", "panel-secret-of-the-tests"),
            ("PORTARIA_PUBLIC_URL", "http://localhost"),
        ]
    }

    /// Somebody whose address and claims these are comes back from the provider; `off` is the page
    /// that sent the browser there.
    async fn returns(
        &self,
        visitor: &Visitor<'_>,
        off: Answer,
        email: &str,
        claims: &Value,
        access: Value,
    ) -> Answer {
        let away = off.expect(303).location().to_owned();
        let asked = |name: &str| {
            let query = away.split_once('?').unwrap().1;
            let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.unwrap().to_owned()
        };
        let now = self.clock.now().0 / 1_000_000;
        let mut id = json!({
            "iss": self.issuer, "sub": format!("subject of {email}"), "aud": "panel",
            "iat": now, "exp": now + 300, "nonce": asked("nonce"),
            "email": email, "email_verified": true, "name": "Ana", "tenant_id": "clinica",
            "roles": ["attendant"],
        });
        for (name, value) in claims.as_object().unwrap() {
            match value {
                Value::Null => id.as_object_mut().unwrap().remove(name),
                value => id.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        *self.says.lock() = (id, access);
        visitor.get(&format!("/painel/oidc/volta?code=c&state={}", asked("state"))).await
    }

    async fn signs_in(&self, app: &TestApp, email: &str, claims: &Value, access: Value) -> Answer {
        let visitor = app.visitor();
        let off = visitor.get("/painel/oidc").await;
        self.returns(&visitor, off, email, claims, access).await
    }
}

both_engines! {
    async fn a_token_of_another_time_or_client_is_not_believed(on: On) {
        let mut provider = Provider::start().await;
        let app = TestApp::start_with(on, &provider.settings()).await;
        provider.clock = app.clock.clone();
        app.tenant("clinica").await;
        let now = app.clock.now().0 / 1_000_000;
        let nothing = Value::Null;
        for (case, claims) in [
            ("old", json!({ "iat": now - 3600 })),
            ("of the future", json!({ "iat": now + 3600, "exp": now + 7200 })),
            ("another client's", json!({ "azp": "other" })),
            ("for others too", json!({ "aud": ["panel", "other"] })),
            ("another audience", json!({ "aud": "other" })),
            ("another nonce", json!({ "nonce": "n" })),
        ] {
            let answer = provider.signs_in(&app, "ana@clinica.example", &claims, nothing.clone()).await;
            assert_eq!(answer.status, 403, "{case}");
            assert!(answer.text.contains("oidc_token_validation_error"), "{case}: {}", answer.text);
        }
        let ours = json!({ "azp": "panel" });
        let back = provider.signs_in(&app, "ana@clinica.example", &ours, nothing).await.expect(303);
        assert_eq!(back.location(), "/painel/t/clinica");
    }
}

both_engines! {
    async fn roles_of_an_access_token_count_only_when_it_was_made_for_us(on: On) {
        let mut provider = Provider::start().await;
        let app = TestApp::start_with(on, &provider.settings()).await;
        provider.clock = app.clock.clone();
        app.tenant("clinica").await;
        let (email, without) = ("ana@clinica.example", json!({ "roles": null }));
        let access = |more: Value| {
            let mut claims = json!({
                "iss": provider.issuer, "sub": format!("subject of {email}"), "roles": ["owner"],
            });
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            claims
        };
        for other in [json!({ "azp": "other" }), json!({ "aud": "other" }), json!({})] {
            let answer = provider.signs_in(&app, email, &without, access(other)).await;
            assert!(answer.text.contains("oidc_claim_not_found"), "{}", answer.text);
        }
        let ours = access(json!({ "azp": "panel", "aud": "account" }));
        provider.signs_in(&app, email, &without, ours).await.expect(303);
    }
}

both_engines! {
    async fn an_account_that_stands_is_tied_by_its_owner_and_by_nobody_else(on: On) {
        let mut provider = Provider::start().await;
        let app = TestApp::start_with(on, &provider.settings()).await;
        provider.clock = app.clock.clone();
        let clinic = app.tenant("clinica").await;
        app.person("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        app.operator_person("casa@portaria.example").await;
        let nothing = json!({});
        let claims = json!({ "roles": ["operator", "owner"] });
        for email in ["ana@clinica.example", "casa@portaria.example"] {
            let answer = provider.signs_in(&app, email, &claims, Value::Null).await;
            assert_eq!(answer.status, 403);
            assert!(answer.text.contains("Já existe aqui uma conta"), "{}", answer.text);
        }
        let mut tx = app.house.db.read_system().await.unwrap();
        let ana = identity::person_by_email(&mut tx, "ana@clinica.example").await.unwrap().unwrap();
        drop(tx);
        assert!(!ana.operator, "and nothing was given by it");
        // Somebody without a way of their own, as after an invitation by the provider, comes in.
        provider.signs_in(&app, "eva@clinica.example", &nothing, Value::Null).await.expect(303);
        provider.signs_in(&app, "eva@clinica.example", &nothing, Value::Null).await.expect(303);

        let visitor = app.visitor();
        visitor.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let page = visitor.get("/painel/conta").await.expect(200);
        assert!(page.text.contains("Provedor de identidade") && page.text.contains("Não vinculada"));
        let off = visitor.post("/painel/conta/provedor", &[]).await;
        let back = provider
            .returns(&visitor, off, "ana@outro.example", &nothing, Value::Null)
            .await
            .expect(303);
        assert_eq!(back.location(), "/painel/conta");
        assert!(visitor.get("/painel/conta").await.text.contains("Vinculada"));
        // From now on by either way, whatever the provider's address is.
        let back = provider.signs_in(&app, "ana@outro.example", &nothing, Value::Null).await.expect(303);
        assert_eq!(back.location(), "/painel/t/clinica");
        // Who goes off to tie and has left meanwhile ties nothing.
        let casa = app.visitor();
        casa.signs_in("casa@portaria.example", PASSWORD).await.expect(303);
        let off = casa.post("/painel/conta/provedor", &[]).await;
        casa.post("/painel/sair", &[]).await.expect(303);
        let back = provider.returns(&casa, off, "casa@portaria.example", &nothing, Value::Null).await;
        assert!(back.expect(303).location().starts_with("/painel/entrar"));
        let answer = provider.signs_in(&app, "casa@portaria.example", &nothing, Value::Null).await;
        assert_eq!(answer.status, 403);
        // An old session must prove itself first.
        let late = app.visitor();
        late.signs_in("casa@portaria.example", PASSWORD).await.expect(303);
        app.pass(Duration::from_secs(3600)).await;
        assert_eq!(late.post("/painel/conta/provedor", &[]).await.status, 403);
    }
}
