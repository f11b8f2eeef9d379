//! Passkeys: WebAuthn's two ceremonies over plain bytes and JSON, so that nobody else needs the types of
//! `webauthn_rp`.
//!
//! That library is pure Rust (the better known one needs OpenSSL) and keeps to the standard's text.

use serde_json::Value;
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions,
    UserHandle, UserHandle64, Username,
};
use webauthn_rp::request::{AsciiDomain, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication64, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

/// The ceremony failed; why is for logs, not for whoever tries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

fn refused(cause: impl std::fmt::Display) -> Refused {
    Refused(cause.to_string())
}

type Fixed = StaticState<CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>>;

/// What is kept of a passkey. All of it is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: Vec<u8>,
    /// The public key and what does not change.
    pub fixed: Vec<u8>,
    /// Counter, backup and verification: changes with each use.
    pub moving: Vec<u8>,
}

/// A ceremony that began: what the browser is told, and what must be known at its end.
pub struct Begun {
    pub options: Value,
    pub state: Vec<u8>,
}

/// Where passkeys are for: the host of the pages, and their exact origin.
#[derive(Debug, Clone)]
pub struct Site {
    domain: String,
    origin: String,
}

impl Site {
    /// The site of this address. `None` where browsers allow no passkeys: an address instead of a name, or no TLS.
    pub fn of(public_url: &str) -> Option<Self> {
        let url = url::Url::parse(public_url).ok()?;
        let Some(url::Host::Domain(domain)) = url.host() else { return None };
        if url.scheme() != "https" && domain != "localhost" {
            return None;
        }
        Some(Self { domain: domain.to_owned(), origin: url.origin().ascii_serialization() })
    }

    fn rp(&self) -> Result<RpId, Refused> {
        let domain =
            AsciiDomain::try_from(self.domain.clone()).map_err(|_| refused("no domain"))?;
        Ok(RpId::Domain(domain))
    }

    /// Begins to make a passkey for a person who is signed in. `handle` is theirs, and says nothing.
    ///
    /// # Errors
    /// When the names cannot be used.
    pub fn begin_making(
        &self,
        handle: [u8; 64],
        (email, name): (&str, &str),
        there_already: &[Vec<u8>],
    ) -> Result<Begun, Refused> {
        let rp = self.rp()?;
        let handle: UserHandle64 = UserHandle::decode(handle).map_err(refused)?;
        let exclude = there_already
            .iter()
            .filter_map(|id| {
                let id = CredentialId::<Vec<u8>>::decode(id.clone()).ok()?;
                Some(PublicKeyCredentialDescriptor { id, transports: AuthTransports::NONE })
            })
            .collect();
        let user = PublicKeyCredentialUserEntity {
            name: Username::try_from(email).map_err(refused)?,
            id: &handle,
            display_name: Nickname::try_from(name).ok(),
        };
        let mut wanted = PublicKeyCredentialCreationOptions::passkey(&rp, user, exclude);
        // Enforced protection is refused by authenticators that do not know it; the person is verified anyway.
        wanted.extensions.cred_protect = CredProtect::None;
        let (server, client) = wanted.start_ceremony().map_err(refused)?;
        let options = serde_json::to_value(&client).map_err(refused)?;
        Ok(Begun { options, state: server.encode().map_err(refused)?.to_vec() })
    }

    /// The passkey that the browser made.
    ///
    /// # Errors
    /// When it does not answer the ceremony that began.
    pub fn finish_making(&self, state: &[u8], response: &Value) -> Result<Passkey, Refused> {
        let server: RegistrationServerState<64> =
            RegistrationServerState::decode(state).map_err(refused)?;
        let json = serde_json::to_vec(response).map_err(refused)?;
        let registration = Registration::from_json_relaxed(&json).map_err(refused)?;
        let origins = [self.origin.as_str()];
        let options = RegistrationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            ..RegistrationVerificationOptions::default()
        };
        let made = server.verify(&self.rp()?, &registration, &options).map_err(refused)?;
        Ok(Passkey {
            id: made.id().as_ref().to_vec(),
            fixed: made.static_state().encode().map_err(refused)?,
            moving: made.dynamic_state().encode().map_err(refused)?.to_vec(),
        })
    }

    /// Begins a sign-in by whichever passkey the browser offers.
    ///
    /// # Errors
    /// When no ceremony can be made.
    pub fn begin_using(&self) -> Result<Begun, Refused> {
        let rp = self.rp()?;
        let (server, client) =
            DiscoverableCredentialRequestOptions::passkey(&rp).start_ceremony().map_err(refused)?;
        let options = serde_json::to_value(&client).map_err(refused)?;
        Ok(Begun { options, state: server.encode().map_err(refused)?.to_vec() })
    }

    /// Which passkey a browser presents. Nothing is proven yet.
    ///
    /// # Errors
    /// When it is no answer to a sign-in.
    pub fn presented(response: &Value) -> Result<Vec<u8>, Refused> {
        let json = serde_json::to_vec(response).map_err(refused)?;
        let answer = DiscoverableAuthentication64::from_json_relaxed(&json).map_err(refused)?;
        Ok(answer.raw_id().as_ref().to_vec())
    }

    /// Proves that a browser has this passkey of the person with this handle; what changed of it.
    ///
    /// # Errors
    /// When it does not prove that.
    pub fn finish_using(
        &self,
        state: &[u8],
        response: &Value,
        passkey: &Passkey,
        handle: [u8; 64],
    ) -> Result<Vec<u8>, Refused> {
        let server = DiscoverableAuthenticationServerState::decode(state).map_err(refused)?;
        let json = serde_json::to_vec(response).map_err(refused)?;
        let answer = DiscoverableAuthentication64::from_json_relaxed(&json).map_err(refused)?;
        let handle: UserHandle64 = UserHandle::decode(handle).map_err(refused)?;
        if answer.response().user_handle() != &handle {
            return Err(refused("the passkey is another person's"));
        }
        let fixed: Fixed = StaticState::decode(passkey.fixed.as_slice()).map_err(refused)?;
        let moving: [u8; 7] = passkey
            .moving
            .as_slice()
            .try_into()
            .map_err(|_| refused("a kept passkey is damaged"))?;
        let moving = DynamicState::decode(moving).map_err(refused)?;
        let id = CredentialId::try_from(passkey.id.as_slice()).map_err(refused)?;
        let mut credential =
            AuthenticatedCredential::new(id, &handle, fixed, moving).map_err(refused)?;
        let origins = [self.origin.as_str()];
        let options = AuthenticationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            ..AuthenticationVerificationOptions::default()
        };
        server.verify(&self.rp()?, &answer, &mut credential, &options).map_err(refused)?;
        Ok(credential.dynamic_state().encode().map_err(refused)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_tls_have_passkeys() {
        for (url, there) in [
            ("https://painel.example.com", true),
            ("http://localhost:8080", true),
            ("http://painel.example.com", false),
            ("http://127.0.0.1:8080", false),
            ("https://10.0.0.1", false),
        ] {
            assert_eq!(Site::of(url).is_some(), there, "{url}");
        }
    }

    #[test]
    fn a_ceremony_asks_for_the_person_to_be_verified() {
        let site = Site::of("https://painel.example.com").expect("a site");
        let begun = site.begin_making([7; 64], ("ana@x.example", "Ana"), &[]).expect("a ceremony");
        let options = begun.options.get("publicKey").unwrap_or(&begun.options);
        assert_eq!(options["rp"]["id"], "painel.example.com");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        let used = site.begin_using().expect("a ceremony");
        let options = used.options.get("publicKey").unwrap_or(&used.options);
        assert_eq!(options["userVerification"], "required");
        assert!(site.finish_making(&begun.state, &serde_json::json!({})).is_err());
    }
}
