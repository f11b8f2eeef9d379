//! Claims of an access token that is a signed JWT (RFC 9068, and Keycloak before it). Read only after
//! the provider gave it to us, and believed only with its signature, its issuer, its subject and us as the client it was made for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyId};
use serde_json::Value;

use crate::ALGORITHMS;

/// What a token must say of itself.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) client: &'a str,
}

/// The claims, if it is such a token; one that is opaque, or does not fit, has none.
pub(crate) fn claims(token: &str, keys: &[CoreJsonWebKey], wanted: &Expected<'_>) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Value = serde_json::from_slice(&part(header)?).ok()?;
    let algorithm: CoreJwsSigningAlgorithm =
        serde_json::from_value(header.get("alg")?.clone()).ok()?;
    if !ALGORITHMS.contains(&algorithm) {
        return None;
    }
    let kid = header["kid"].as_str().map(|kid| JsonWebKeyId::new(kid.to_owned()));
    let signature = part(signature)?;
    let fits = keys
        .iter()
        .filter(|key| kid.is_none() || key.key_id() == kid.as_ref())
        .any(|key| key.verify_signature(&algorithm, signed.as_bytes(), &signature).is_ok());
    let claims: Value = serde_json::from_slice(&part(payload)?).ok()?;
    let says = |name: &str, text: &str| claims[name].as_str().is_some_and(|said| said == text);
    let same = says("iss", wanted.issuer) && says("sub", wanted.subject);
    (fits && same && made_for(&claims, wanted.client)).then_some(claims)
}

/// Whether a token was given to this client: by `client_id` (RFC 9068), `azp` or Okta's `cid`, and where it names
/// neither by its audience. Another client's may speak of roles that are none here.
fn made_for(claims: &Value, client: &str) -> bool {
    let named: Vec<&str> =
        ["client_id", "azp", "cid"].into_iter().filter_map(|name| claims[name].as_str()).collect();
    if !named.is_empty() {
        return named.iter().all(|name| *name == client);
    }
    match &claims["aud"] {
        Value::String(audience) => audience == client,
        Value::Array(list) => list.iter().any(|audience| audience.as_str() == Some(client)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::PrivateSigningKey as _;
    use openidconnect::core::CoreEdDsaPrivateSigningKey;
    use serde_json::json;

    use super::*;

    /// Made for this test.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEICQyJ+0qWF5SmGQ+9+yX/3t60DvoJXYUQzF3q11ucNPR\n\
        -----END PRIVATE KEY-----\n";

    fn signed(header: &Value, claims: &Value, key: &CoreEdDsaPrivateSigningKey) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = key.sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn only_a_token_of_this_issuer_about_this_person_is_read() {
        let kid = Some(JsonWebKeyId::new("k1".to_owned()));
        let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, kid).unwrap();
        let keys = [key.as_verification_key()];
        let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
        let body = json!({ "iss": "https://id.example", "sub": "42", "azp": "panel", "aud": "account", "realm_access": { "roles": ["owner"] } });
        let token = signed(&header, &body, &key);
        let who = |issuer, subject| Expected { issuer, subject, client: "panel" };
        let other = |issuer, subject| claims(&token, &keys, &who(issuer, subject));
        let ours = who("https://id.example", "42");
        let read = claims(&token, &keys, &ours).unwrap();
        assert_eq!(read["realm_access"]["roles"][0], "owner");
        assert_eq!(other("https://other.example", "42"), None);
        assert_eq!(other("https://id.example", "43"), None);
        assert_eq!(claims(&token, &[], &ours), None, "no key of the provider's");
        assert_eq!(claims("opaque-token", &keys, &ours), None);
        let forged = json!({ "iss": "https://id.example", "sub": "42", "realm_access": { "roles": ["operator"] } });
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(forged.to_string());
        parts[1] = &other;
        assert_eq!(claims(&parts.join("."), &keys, &ours), None, "another body");
        let none = format!("{}.{other}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(claims(&none, &keys, &ours), None, "no signature");
        let unknown = json!({ "alg": "EdDSA", "kid": "k2" });
        assert_eq!(claims(&signed(&unknown, &body, &key), &keys, &ours), None, "another key");
        for (extra, read) in [
            (json!({ "azp": "panel" }), true),
            (json!({ "client_id": "panel", "aud": "https://api.example" }), true),
            (json!({ "aud": ["account", "panel"] }), true),
            (json!({ "aud": "panel" }), true),
            (json!({ "azp": "other", "aud": "panel" }), false),
            (json!({ "azp": "panel", "client_id": "other" }), false),
            (json!({ "aud": "other" }), false),
            (json!({}), false),
        ] {
            let mut body = json!({ "iss": "https://id.example", "sub": "42" });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let token = signed(&header, &body, &key);
            assert_eq!(claims(&token, &keys, &ours).is_some(), read, "{body}");
        }
    }
}
