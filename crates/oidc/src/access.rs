//! Claims of an access token that is a signed JWT (RFC 9068, and Keycloak before it). Read only after
//! the provider gave it to us, and believed only with its signature, its issuer and its subject.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyId};
use serde_json::Value;

use crate::ALGORITHMS;

/// The claims, if it is such a token; one that is opaque, or does not fit, has none.
pub(crate) fn claims(
    token: &str,
    keys: &[CoreJsonWebKey],
    (issuer, subject): (&str, &str),
) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Value = serde_json::from_slice(&part(header)?).ok()?;
    let algorithm: CoreJwsSigningAlgorithm =
        serde_json::from_value(header.get("alg")?.clone()).ok()?;
    if !ALGORITHMS.contains(&algorithm) {
        return None;
    }
    let wanted = header["kid"].as_str().map(|kid| JsonWebKeyId::new(kid.to_owned()));
    let signature = part(signature)?;
    let fits = keys
        .iter()
        .filter(|key| wanted.is_none() || key.key_id() == wanted.as_ref())
        .any(|key| key.verify_signature(&algorithm, signed.as_bytes(), &signature).is_ok());
    let claims: Value = serde_json::from_slice(&part(payload)?).ok()?;
    let same = claims["iss"].as_str().is_some_and(|iss| iss == issuer)
        && claims["sub"].as_str().is_some_and(|sub| sub == subject);
    (fits && same).then_some(claims)
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
        let body = json!({ "iss": "https://id.example", "sub": "42", "realm_access": { "roles": ["owner"] } });
        let token = signed(&header, &body, &key);
        let who = ("https://id.example", "42");
        let read = claims(&token, &keys, who).unwrap();
        assert_eq!(read["realm_access"]["roles"][0], "owner");
        assert_eq!(claims(&token, &keys, ("https://other.example", "42")), None);
        assert_eq!(claims(&token, &keys, ("https://id.example", "43")), None);
        assert_eq!(claims(&token, &[], who), None, "no key of the provider's");
        assert_eq!(claims("opaque-token", &keys, who), None);
        let forged = json!({ "iss": "https://id.example", "sub": "42", "realm_access": { "roles": ["operator"] } });
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(forged.to_string());
        parts[1] = &other;
        assert_eq!(claims(&parts.join("."), &keys, who), None, "another body");
        let none = format!("{}.{other}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(claims(&none, &keys, who), None, "no signature");
        let unknown = json!({ "alg": "EdDSA", "kid": "k2" });
        assert_eq!(claims(&signed(&unknown, &body, &key), &keys, who), None, "another key");
    }
}
