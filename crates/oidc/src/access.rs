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
