//! Two facts of a certificate: the names it is for, and when it ends.

use std::net::IpAddr;

use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// DNS names and addresses, lower case, and the end in seconds since 1970. Whether the certificate is valid is
/// for clients to say.
pub(crate) fn facts(der: &[u8]) -> (Vec<String>, Option<i64>) {
    let Ok(certificate) = Certificate::from_der(der) else { return (Vec::new(), None) };
    let tbs = certificate.tbs_certificate();
    let end = tbs.validity().not_after.to_unix_duration().as_secs();
    let names = match tbs.get_extension::<SubjectAltName>() {
        Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
        _ => Vec::new(),
    };
    (names, i64::try_from(end).ok())
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            v4 if v4.len() == 4 => Some(IpAddr::from(<[u8; 4]>::try_from(v4).ok()?).to_string()),
            v6 => Some(IpAddr::from(<[u8; 16]>::try_from(v6).ok()?).to_string()),
        },
        _ => None,
    }
}
