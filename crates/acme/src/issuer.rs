//! Ordering a certificate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use kernel::Moment;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::Mutex;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::leads::{self, Leads};
use crate::shelf::{AccountKept, Kept, Lease, Proof, Shelf, ShelfError};

/// How a host is proved to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// A file under `/.well-known/acme-challenge/` on port 80.
    #[default]
    Http01,
    /// A certificate shown to whoever asks for `acme-tls/1` on port 443.
    TlsAlpn01,
}

/// Whom to ask, and on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address of the authority's directory.
    pub directory: String,
    /// Where the authority writes when something is about to end.
    pub email: Option<String>,
    /// The authority that the directory's own certificate comes from, when it is not a public one.
    pub root: Option<PathBuf>,
    pub method: Method,
    /// Whether it is looked first where a host's name leads; not where this machine's resolver knows other names than
    /// the authority's.
    pub look: bool,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    #[error("the authority: {}", whole(.0))]
    Authority(#[from] instant_acme::Error),
    #[error("the authority does not offer {0}; set the other tls.acme_challenge")]
    NoChallenge(&'static str),
    #[error(
        "the authority could not see this host here ({0}); its DNS must lead to this gateway, port {1} open to the internet"
    )]
    NotProved(String, u16),
    #[error(
        "{0}; it must lead to this gateway before a certificate is ordered (or set tls.acme_check: false)"
    )]
    Elsewhere(String),
    #[error("the authority's certificate cannot be read")]
    Unreadable,
    #[error("certificates cannot be kept: {0}")]
    Shelf(#[from] ShelfError),
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

/// What came of trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Made(Kept),
    /// Another node is at it, or the host is to be left alone for a while.
    NotNow,
}

/// Orders certificates.
pub struct Issuer {
    settings: Settings,
    shelf: Arc<dyn Shelf>,
    account: Mutex<Option<Account>>,
}

/// Other nodes show a proof within a second of its being kept.
const SPREAD: Duration = Duration::from_millis(1200);
/// An authority looks at a host and signs within this, or another time.
const PATIENCE: Duration = Duration::from_secs(90);

impl Issuer {
    pub fn new(settings: Settings, shelf: Arc<dyn Shelf>) -> Self {
        Self { settings, shelf, account: Mutex::new(None) }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes or finds the account. Its key's thumbprint.
    ///
    /// # Errors
    /// When the authority or the shelf cannot be reached.
    pub async fn open(&self) -> Result<String, AcmeError> {
        let directory = &self.settings.directory;
        if let Some(kept) = self.shelf.account(directory).await? {
            return Ok(kept.thumbprint);
        }
        let contact: Vec<String> =
            self.settings.email.iter().map(|email| format!("mailto:{email}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) = self.builder()?.create(&new, directory.clone(), None).await?;
        let credentials = serde_json::to_string(&credentials)
            .map_err(|error| ShelfError(format!("the account: {error}")))?;
        let thumbprint = account.key_thumbprint().to_owned();
        let kept =
            self.shelf.keep_account(directory, AccountKept { credentials, thumbprint }).await?;
        Ok(kept.thumbprint)
    }

    fn builder(&self) -> Result<instant_acme::AccountBuilder, instant_acme::Error> {
        match &self.settings.root {
            Some(path) => Account::builder_with_root(path),
            None => Account::builder(),
        }
    }

    async fn account(&self) -> Result<Account, AcmeError> {
        let mut held = self.account.lock().await;
        if let Some(account) = &*held {
            return Ok(account.clone());
        }
        self.open().await?;
        let kept = self.shelf.account(&self.settings.directory).await?;
        let kept = kept.ok_or_else(|| ShelfError("the account is gone".to_owned()))?;
        let credentials = serde_json::from_str(&kept.credentials)
            .map_err(|error| ShelfError(format!("the account: {error}")))?;
        let account = self.builder()?.from_credentials(credentials).await?;
        *held = Some(account.clone());
        Ok(account)
    }

    /// Gets a certificate for a host, unless somebody else is at it.
    ///
    /// # Errors
    /// Why there is none; the host is left alone for a while then, whose end comes with it.
    pub async fn obtain(&self, host: &str) -> Result<Outcome, (AcmeError, Option<Moment>)> {
        let lease = self.shelf.lease(host).await.map_err(|error| (error.into(), None))?;
        let Some(lease) = lease else { return Ok(Outcome::NotNow) };
        if self.settings.look
            && let Ok(thumbprint) = self.open().await
            && let Leads::Elsewhere(why) = leads::look(host, 80, &thumbprint).await
        {
            let error = AcmeError::Elsewhere(why);
            let until = self.shelf.postpone(&lease, &error.to_string()).await.ok();
            return Err((error, until));
        }
        let done = match tokio::time::timeout(PATIENCE * 2, self.order(&lease)).await {
            Ok(done) => done,
            Err(_) => Err(AcmeError::NotProved("no answer in time".to_owned(), self.port())),
        };
        match done {
            Ok(kept) => match self.shelf.keep(&lease, &kept).await {
                Ok(true) => Ok(Outcome::Made(kept)),
                Ok(false) => Ok(Outcome::NotNow),
                Err(error) => Err((error.into(), None)),
            },
            Err(error) => {
                let until = self.shelf.fail(&lease, &error.to_string()).await.ok();
                Err((error, until))
            }
        }
    }

    fn port(&self) -> u16 {
        match self.settings.method {
            Method::Http01 => 80,
            Method::TlsAlpn01 => 443,
        }
    }

    /// An error that may say that the authority did not find the host here.
    fn unproved(&self, error: instant_acme::Error) -> AcmeError {
        const NOT_HERE: &[&str] =
            &["connection", "dns", "incorrectResponse", "tls", "unauthorized"];
        match &error {
            instant_acme::Error::Api(problem)
                if problem
                    .r#type
                    .as_deref()
                    .and_then(|kind| kind.rsplit(':').next())
                    .is_some_and(|kind| NOT_HERE.contains(&kind)) =>
            {
                let why = problem.detail.clone();
                let why = why.unwrap_or_else(|| "it gave no reason".to_owned());
                AcmeError::NotProved(why, self.port())
            }
            _ => error.into(),
        }
    }

    async fn order(&self, lease: &Lease) -> Result<Kept, AcmeError> {
        let done = self.proved_order(lease).await;
        if self.settings.method == Method::TlsAlpn01 {
            // A proof that stays is forgotten with its time.
            let _ = self.shelf.prove(&lease.host, None).await;
        }
        done
    }

    async fn proved_order(&self, lease: &Lease) -> Result<Kept, AcmeError> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(lease.host.clone())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let (kind, name) = match self.settings.method {
                Method::Http01 => (ChallengeType::Http01, "http-01"),
                Method::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
            };
            let mut challenge =
                authorization.challenge(kind).ok_or(AcmeError::NoChallenge(name))?;
            if self.settings.method == Method::TlsAlpn01 {
                let digest = challenge.key_authorization().digest().as_ref().to_vec();
                let proof = Proof { host: lease.host.clone(), digest };
                self.shelf.prove(&lease.host, Some(&proof)).await?;
                tokio::time::sleep(SPREAD).await;
            }
            // One that looks at once may say here already that it saw nothing.
            challenge.set_ready().await.map_err(|error| self.unproved(error))?;
        }
        let retries = RetryPolicy::new()
            .initial_delay(Duration::from_millis(300))
            .backoff(1.5)
            .timeout(PATIENCE);
        match order.poll_ready(&retries).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(AcmeError::NotProved(why(&mut order).await, self.port())),
            Err(error) => return Err(self.unproved(error)),
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&retries).await?;
        let (starts, ends) = times(&chain).ok_or(AcmeError::Unreadable)?;
        Ok(Kept { host: lease.host.clone(), chain, key, starts, ends })
    }
}

/// What the authority says of a proof that it did not accept.
async fn why(order: &mut instant_acme::Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        for challenge in &authorization.challenges {
            if let Some(error) = &challenge.error {
                return error.to_string();
            }
        }
    }
    "it gave no reason".to_owned()
}

/// From when to when a chain's first certificate holds.
pub(crate) fn times(chain: &str) -> Option<(Moment, Moment)> {
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let certificate = Certificate::from_der(&leaf).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let moment = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).ok().map(Moment::from_seconds)
    };
    Some((moment(validity.not_before)?, moment(validity.not_after)?))
}

/// The certificate that proves a host to whoever asks for `acme-tls/1`, with its key, both DER.
///
/// # Errors
/// When it cannot be made.
pub fn challenge_certificate(proof: &Proof) -> Result<(Vec<u8>, Vec<u8>), AcmeError> {
    let digest: [u8; 32] = proof.digest.as_slice().try_into().map_err(|_| AcmeError::Unreadable)?;
    let told = |error: rcgen::Error| ShelfError(format!("the challenge: {error}"));
    let mut params = rcgen::CertificateParams::new(vec![proof.host.clone()]).map_err(told)?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&digest)];
    let key = rcgen::KeyPair::generate().map_err(told)?;
    let certificate = params.self_signed(&key).map_err(told)?;
    Ok((certificate.der().to_vec(), key.serialize_der()))
}
