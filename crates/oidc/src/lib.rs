//! Signing in at an identity provider: OpenID Connect by code flow with PKCE, state and nonce.
//!
//! The protocol and the checking of tokens are `openidconnect`'s; this room makes the issuer of each
//! kind of provider, reads claims by dotted paths, and says in plain words what went wrong.
//!
//! # Invariants
//! - Only asymmetric signatures are accepted (RS256, PS256, ES256, EdDSA), whatever a provider offers.
//! - The issuer of discovery and of tokens is compared to the letter with the configured one.
//! - A token that was made for another client, or not just now, is not believed.
//! - Keys are fetched anew when a token's signature does not fit, at most every half minute.

mod access;
mod claims;
mod settings;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::{Clock, Moment};
use messaging::http::Outbound;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse as _, UserInfoClaims,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use claims::{list, text_at};
pub use settings::{BadSettings, Given, Kind, Settings};

/// Discovery and keys are held this long.
const HELD: Duration = Duration::from_secs(600);
/// Seconds that a token's time of issue may be from now.
const ISSUED_WITHIN: i64 = 600;
/// Keys are fetched anew for a token that does not fit no more often than this.
const AGAIN: Duration = Duration::from_secs(30);

/// Claims beside the standard ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rest(Map<String, Value>);

impl AdditionalClaims for Rest {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Rest,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type Client = openidconnect::Client<
    Rest,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What went wrong. The event is what the log calls it; the cause is for people and names nobody.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OidcError {
    /// The provider was not reached, is another one, or refused us.
    #[error("{0}")]
    Auth(String),
    /// A claim that the mapping names is not in what the provider said.
    #[error(
        "the claim `{0}` is neither in the ID token, nor in a signed access token, nor in the provider's user info: add \
         it to one of them at the provider (Keycloak: a mapper with \"Add to ID token\"; Auth0: an Action), or change \
         the mapping"
    )]
    ClaimNotFound(String),
    /// The token is not to be believed.
    #[error("{0}")]
    TokenRejected(String),
}

impl OidcError {
    /// As the log calls it.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Auth(_) => "oidc_auth_error",
            Self::ClaimNotFound(_) => "oidc_claim_not_found",
            Self::TokenRejected(_) => "oidc_token_validation_error",
        }
    }
}

/// What a browser is sent off with, and what must be known when it comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begun {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// Who the provider says somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who it is at this issuer, for good; the address may be given to somebody else one day.
    pub issuer: String,
    pub subject: String,
    pub email: String,
    pub name: String,
    /// Slugs of tenants.
    pub tenants: Vec<String>,
    pub roles: Vec<String>,
}

struct Held {
    metadata: CoreProviderMetadata,
    at: Instant,
}

/// One identity provider.
pub struct Oidc {
    settings: Settings,
    clock: Clock,
    http: Http,
    held: Mutex<Option<Arc<Held>>>,
    looked_again: Mutex<Option<Instant>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotAnswered(String);

/// The house's own client under the library's protocol.
struct Http(Outbound);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NotAnswered;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NotAnswered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(call(&self.0, request))
    }
}

async fn call(outbound: &Outbound, request: HttpRequest) -> Result<HttpResponse, NotAnswered> {
    let (head, body) = request.into_parts();
    let said = |cause: reqwest::Error| {
        let what = if cause.is_timeout() { "did not answer in time" } else { "was not reached" };
        NotAnswered(format!("{} {what}", head.uri.host().unwrap_or("the provider")))
    };
    let answer = outbound
        .client()
        .request(head.method.clone(), head.uri.to_string())
        .headers(head.headers.clone())
        .body(body)
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .map_err(said)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.map_err(said)?;
    if bytes.len() > 1024 * 1024 {
        return Err(NotAnswered("the provider's answer is larger than 1 MB".to_owned()));
    }
    let mut response = HttpResponse::new(bytes.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

impl Oidc {
    pub fn new(settings: Settings, outbound: Outbound, clock: Clock) -> Self {
        Self {
            settings,
            clock,
            http: Http(outbound),
            held: Mutex::new(None),
            looked_again: Mutex::new(None),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether keys may be fetched out of turn: a flood of bad tokens must not become one of requests.
    fn may_look_again(&self) -> bool {
        let mut last = self.looked_again.lock();
        let may = last.is_none_or(|at| at.elapsed() >= AGAIN);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Discovery and keys, no older than `age`.
    async fn metadata(&self, age: Duration) -> Result<Arc<Held>, OidcError> {
        if let Some(held) = self.held.lock().clone()
            && held.at.elapsed() < age
        {
            return Ok(held);
        }
        let issuer = IssuerUrl::new(self.settings.issuer.clone())
            .map_err(|_| OidcError::Auth("the issuer is no address".to_owned()))?;
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(|error| {
                let why = match &error {
                    openidconnect::DiscoveryError::Request(cause) => cause.to_string(),
                    openidconnect::DiscoveryError::Validation(cause) => {
                        format!("the provider names another issuer: {cause}")
                    }
                    other => other.to_string(),
                };
                OidcError::Auth(format!(
                    "discovery at {}/.well-known/openid-configuration failed: {why}; see that provider, domain, realm or \
                     issuer are right",
                    self.settings.issuer.trim_end_matches('/')
                ))
            })?;
        let held = Arc::new(Held { metadata, at: Instant::now() });
        *self.held.lock() = Some(held.clone());
        Ok(held)
    }

    fn verifier<'c>(
        &'c self,
        client: &'c Client,
    ) -> openidconnect::IdTokenVerifier<'c, CoreJsonWebKey> {
        client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(|| {
                chrono::DateTime::from_timestamp_micros(self.clock.now().0).unwrap_or_default()
            })
            .set_issue_time_verifier_fn(|made| fresh(made, self.clock.now()))
    }

    fn client(&self, held: &Held, redirect: &str) -> Result<Client, OidcError> {
        let redirect = RedirectUrl::new(redirect.to_owned())
            .map_err(|_| OidcError::Auth("server.public_url is no address".to_owned()))?;
        let client: Client = openidconnect::Client::from_provider_metadata(
            held.metadata.clone(),
            ClientId::new(self.settings.client_id.clone()),
            Some(ClientSecret::new(self.settings.client_secret.clone())),
        );
        Ok(client.set_redirect_uri(redirect))
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, redirect: &str) -> Result<(String, Begun), OidcError> {
        let held = self.metadata(HELD).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .client(&held, redirect)?
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let begun = Begun {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        };
        Ok((url.to_string(), begun))
    }

    /// Who came back with this code.
    ///
    /// # Errors
    /// By what somebody has to look at: the connection, the mapping, or the token.
    pub async fn finish(
        &self,
        code: &str,
        begun: &Begun,
        redirect: &str,
    ) -> Result<Known, OidcError> {
        let held = self.metadata(HELD).await?;
        let client = self.client(&held, redirect)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| OidcError::Auth("the provider has no token endpoint".to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| OidcError::Auth(refusal(&error)))?;
        let id_token = tokens.id_token().ok_or_else(|| {
            OidcError::TokenRejected(
                "the provider sent no ID token: allow the scope openid".to_owned(),
            )
        })?;
        let nonce = Nonce::new(begun.nonce.clone());
        let mut claims = id_token.clone().into_claims(&self.verifier(&client), &nonce);
        let unfit = |error: &openidconnect::ClaimsVerificationError| {
            matches!(error, openidconnect::ClaimsVerificationError::SignatureVerification(_))
        };
        // The provider may have new keys.
        if claims.as_ref().is_err_and(unfit) && self.may_look_again() {
            let held = self.metadata(Duration::ZERO).await?;
            let client = self.client(&held, redirect)?;
            claims = id_token.clone().into_claims(&self.verifier(&client), &nonce);
        }
        let claims = claims.map_err(|error| {
            OidcError::TokenRejected(format!(
                "the ID token was not believed: {error}; see that this machine's clock and the provider's agree, and that \
                 the provider signs with RS256, PS256, ES256 or EdDSA"
            ))
        })?;
        // The library leaves this to its callers.
        if let Some(party) = claims.authorized_party()
            && party.as_str() != self.settings.client_id
        {
            return Err(OidcError::TokenRejected(
                "the ID token was made for another client (claim azp)".to_owned(),
            ));
        }
        let mut all = serde_json::to_value(&claims).unwrap_or_default();
        let lacks = |all: &Value| {
            self.settings.paths().iter().any(|path| claims::at(all, path).is_none())
                || all["email"].is_null()
                || all["email_verified"].is_null()
        };
        // Keycloak keeps roles in the access token unless it is told otherwise.
        if lacks(&all)
            && let Some(more) = access::claims(
                tokens.access_token().secret(),
                held.metadata.jwks().keys(),
                &access::Expected {
                    issuer: &self.settings.issuer,
                    subject: claims.subject().as_str(),
                    client: &self.settings.client_id,
                },
            )
        {
            claims::add(&mut all, &more);
        }
        if lacks(&all) {
            let subject = Some(claims.subject().clone());
            if let Ok(request) = client.user_info(tokens.access_token().clone(), subject) {
                let info: Result<UserInfoClaims<Rest, CoreGenderClaim>, _> =
                    request.request_async(&self.http).await;
                if let Ok(info) = info {
                    let more = serde_json::to_value(&info).unwrap_or_default();
                    claims::add(&mut all, &more);
                }
            }
        }
        self.known(&all, claims.subject().as_str())
    }

    fn known(&self, all: &Value, subject: &str) -> Result<Known, OidcError> {
        let email =
            text_at(all, "email").ok_or_else(|| OidcError::ClaimNotFound("email".to_owned()))?;
        // Whoever types any address at the provider must not become that person here.
        if claims::at(all, "email_verified").is_none_or(|value| !claims::truth(value)) {
            return Err(OidcError::TokenRejected(
                "the provider does not say that the e-mail address is verified (claim email_verified)".to_owned(),
            ));
        }
        let claim = |path: &str| {
            claims::at(all, path).map(list).ok_or_else(|| OidcError::ClaimNotFound(path.to_owned()))
        };
        let roles = claim(&self.settings.roles_claim)?;
        let operator = roles.iter().any(|role| role.eq_ignore_ascii_case("operator"));
        let tenants = match claim(&self.settings.tenant_claim) {
            // Whoever runs the house need belong to no tenant.
            Err(_) if operator => Vec::new(),
            other => other?,
        };
        let name = text_at(all, "name").unwrap_or_else(|| email.clone());
        let (issuer, subject) = (self.settings.issuer.clone(), subject.to_owned());
        Ok(Known { issuer, subject, email, name, tenants, roles })
    }

    /// What a look at the provider finds, a line each: what was looked at, and what is wrong with it.
    pub async fn check(&self) -> Vec<(&'static str, Result<String, String>)> {
        let mut found = Vec::new();
        let held = match self.metadata(Duration::ZERO).await {
            Ok(held) => held,
            Err(error) => return vec![("discovery", Err(error.to_string()))],
        };
        found.push(("discovery", Ok(format!("issuer {}", self.settings.issuer))));
        let keys = held.metadata.jwks().keys();
        let usable = keys
            .iter()
            .filter(|key| {
                use openidconnect::JsonWebKey as _;
                key.key_use()
                    .is_none_or(|u| *u == openidconnect::core::CoreJsonWebKeyUse::Signature)
            })
            .count();
        found.push(if usable > 0 {
            ("keys", Ok(format!("{usable} for signatures, {} in all", keys.len())))
        } else {
            ("keys", Err("the provider publishes no key for signatures".to_owned()))
        });
        let algorithms = held.metadata.id_token_signing_alg_values_supported();
        let ours = algorithms.iter().any(|a| ALGORITHMS.contains(a));
        found.push(if ours {
            ("algorithms", Ok("an asymmetric one is offered".to_owned()))
        } else {
            ("algorithms", Err("the provider offers none of RS256, PS256, ES256, EdDSA".to_owned()))
        });
        found
    }
}

const ALGORITHMS: [CoreJwsSigningAlgorithm; 4] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Whether a token was made just now, as it is when a code is exchanged for it.
fn fresh(made: chrono::DateTime<chrono::Utc>, now: Moment) -> Result<(), String> {
    let age = now.timestamp().as_second() - made.timestamp();
    if age.abs() > ISSUED_WITHIN {
        let side = if age > 0 { "before" } else { "after" };
        return Err(format!("it was made {} seconds {side} now (claim iat)", age.abs()));
    }
    Ok(())
}

/// Why the provider gave no token, without what it was asked with.
fn refusal<E: std::error::Error>(
    error: &openidconnect::RequestTokenError<E, StandardErrorResponse<CoreErrorResponseType>>,
) -> String {
    use openidconnect::RequestTokenError as R;
    match error {
        R::ServerResponse(response) => format!(
            "the provider refused the code: {}; see that client id, client secret and redirect address are right",
            response.error()
        ),
        R::Request(cause) => cause.to_string(),
        R::Parse(..) => "the provider's answer to the code cannot be read".to_owned(),
        R::Other(text) => text.clone(),
    }
}
