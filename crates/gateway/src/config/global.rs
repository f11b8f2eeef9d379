//! The block `global`.

use std::path::PathBuf;
use std::time::Duration;

use super::read::Map;
use super::{AccessLog, Auto, Certificate, ClientIp, ErrorPages, Global, Limits, Rate, Tls, Token};
use crate::trust::Networks;

/// The directory that is asked unless the file names another.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// An open door is no default: shorter than this is refused.
const SECRET: usize = 16;

pub(super) fn read(root: &Map<'_>) -> Global {
    let mut global = Global {
        bind: None,
        tls_bind: None,
        metrics: None,
        admin: None,
        admin_token: None,
        workers: 0,
        tls: Tls { force: true, hsts: Duration::from_secs(365 * 86_400), ..Tls::default() },
        rate: None,
        rate_exclude: Vec::new(),
        limits: Limits::default(),
        trusted: Networks::default(),
        pass_fields: Vec::new(),
        denials: super::Denials::default(),
        proxy_protocol: None,
        drain_deadline: Duration::from_secs(10),
        upgrade_socket: None,
        access_log: None,
        error_pages: ErrorPages::default(),
        sticky_secret: None,
        security_headers: false,
        block: Networks::default(),
        geo: None,
        cache_size: 64 << 20,
        compress: false,
        waf: None,
    };
    let Some(map) = root.block("global") else {
        global.bind = Some(([0, 0, 0, 0], 80).into());
        return global;
    };
    global.bind = map.address("bind_address");
    global.tls_bind = map.address("tls_bind_address");
    global.metrics = map.address("metrics_address");
    global.admin = map.address("admin_address");
    global.admin_token = secret(&map, "admin_token");
    global.sticky_secret = secret(&map, "sticky_secret");
    global.workers = map.number("workers", 0, 256).unwrap_or(0) as usize;
    global.security_headers = map.flag("security_headers").unwrap_or(false);
    global.trusted = networks(&map, "trusted_proxies");
    global.block = networks(&map, "block");
    for text in map.texts("pass_fields") {
        match http::HeaderName::from_bytes(text.as_bytes()) {
            Ok(name) => global.pass_fields.push(name),
            Err(_) => map.fault("pass_fields", format!("has {text:?}, which is no header name")),
        }
    }
    if let Some(block) = map.block("denials") {
        let standard = super::Denials::default();
        global.denials = super::Denials {
            ignore_case: block.flag("ignore_case").unwrap_or(standard.ignore_case),
            decode_twice: block.flag("decode_twice").unwrap_or(standard.decode_twice),
        };
        block.finish();
    }
    global.upgrade_socket = map.text("upgrade_socket").map(PathBuf::from);
    if let Some(deadline) = map.duration("drain_deadline") {
        global.drain_deadline = deadline;
    }
    if let Some(tls) = map.block("tls") {
        read_tls(tls, &mut global.tls);
    }
    let has_certificates = !global.tls.certificates.is_empty() || global.tls.auto.is_some();
    if has_certificates && global.tls_bind.is_none() {
        global.tls_bind = Some(([0, 0, 0, 0], 443).into());
    }
    if global.tls_bind.is_some() && !has_certificates {
        map.fault(
            "tls_bind_address",
            "listens for TLS, but global.tls.certificates is empty; add one, set tls.auto_cert, or take the address away",
        );
    }
    if global.bind.is_none() && global.tls_bind.is_none() {
        global.bind = Some(([0, 0, 0, 0], 80).into());
    }
    if global.admin.is_some() && map.node("admin_token").is_none() {
        map.fault(
            "admin_address",
            "opens the admin API, but global.admin_token is not set; set one of 16 characters or more",
        );
    }
    if let Some(block) = map.block("rate_limit") {
        global.rate_exclude = block.texts("exclude_paths");
        block.pass(&["cleanup_interval"]);
        // The cluster's reader looks at it.
        block.pass(&["redis_address"]);
        global.rate = read_rate(&block);
        block.finish();
    }
    if let Some(block) = map.block("cache") {
        if let Some(size) = block.size("size") {
            if (1 << 20..=1 << 40).contains(&size) {
                global.cache_size = size;
            } else {
                block.fault("size", format!("is {size} bytes; use 1MiB to 1024GiB"));
            }
        }
        block.finish();
    }
    global.compress = map.flag("compression").unwrap_or(false);
    if let Some(block) = map.block("limits") {
        read_limits(block, &mut global.limits);
    }
    if let Some(block) = map.block("proxy_protocol") {
        let trusted = networks(&block, "trusted_ips");
        if block.flag("enabled").unwrap_or(true) {
            if trusted.is_empty() {
                block.fault(
                    "enabled",
                    "needs trusted_ips: the networks that may speak for others, such as 10.0.0.0/8",
                );
            }
            global.proxy_protocol = Some(trusted);
        }
        block.finish();
    }
    if let Some(block) = map.block("access_log") {
        global.access_log = read_access_log(block);
    }
    if let Some(block) = map.block("error_pages") {
        if let Some(file) = block.text("template") {
            match std::fs::read_to_string(&file) {
                Ok(text) => global.error_pages.template = Some(text),
                Err(cause) => block.fault("template", format!("cannot be read: {cause}")),
            }
        }
        block.finish();
    }
    global.waf = map.block("waf").and_then(super::waf::read);
    global.geo = super::regions::geoip(&map);
    super::elsewhere::defaults(&map);
    map.finish();
    global
}

fn secret(map: &Map<'_>, key: &'static str) -> Option<Token> {
    map.parsed(key, |text| {
        if text.chars().count() < SECRET {
            return Err(format!(
                "is shorter than {SECRET} characters; use the output of `openssl rand -hex 32`"
            ));
        }
        Ok(Token(text.to_owned()))
    })
}

pub(super) fn networks(map: &Map<'_>, key: &'static str) -> Networks {
    let mut found = Vec::new();
    for text in map.texts(key) {
        match Networks::one(&text) {
            Some(network) => found.push(network),
            None => map.fault(
                key,
                format!("has {text:?}; write an address or a network, such as 10.0.0.0/8"),
            ),
        }
    }
    Networks::new(found)
}

fn read_tls(map: Map<'_>, tls: &mut Tls) {
    let auto = Auto {
        email: map.parsed("acme_email", |text| {
            let fine = text.contains('@') && !text.contains([' ', ',', '?']);
            fine.then(|| text.to_owned()).ok_or_else(|| format!("is {text:?}, no e-mail address"))
        }),
        folder: map.text("cert_dir").unwrap_or_else(|| "certificates".to_owned()).into(),
        directory: map
            .parsed("acme_directory", |text| match text.parse::<url::Url>() {
                Ok(url) if url.scheme() == "https" => Ok(text.to_owned()),
                _ => Err(format!("is {text:?}; write the https:// address of a directory")),
            })
            .unwrap_or_else(|| LETS_ENCRYPT.to_owned()),
        root: map.text("acme_ca").map(PathBuf::from),
        tls_alpn: map
            .one_of("acme_challenge", &[("http-01", false), ("tls-alpn-01", true)])
            .unwrap_or(false),
        check: map.flag("acme_check").unwrap_or(true),
    };
    tls.auto = map.flag("auto_cert").unwrap_or(false).then_some(auto);
    tls.force = map.flag("force").unwrap_or(true);
    if let Some(age) = map.duration("hsts") {
        tls.hsts = age;
    }
    let common = map.block("client_auth").and_then(|block| {
        let enabled = block.flag("enabled").unwrap_or(true);
        let authority = block.text("ca_cert").map(PathBuf::from);
        if enabled && authority.is_none() {
            block.fault(
                "enabled",
                "needs ca_cert: the authority that clients' certificates come from",
            );
        }
        block.finish();
        authority.filter(|_| enabled)
    });
    let reading = map.reading();
    for (node, path) in map.items("certificates") {
        let item = reading.map(node, &path);
        let hosts: Vec<String> =
            item.texts("hosts").iter().map(|host| host.to_lowercase()).collect();
        let client_ca = item.text("client_ca").map(PathBuf::from).or_else(|| common.clone());
        let ocsp = item.text("ocsp").map(PathBuf::from);
        match (item.text("cert"), item.text("key"), client_ca) {
            (Some(cert), Some(key), client_ca) => tls.certificates.push(Certificate {
                hosts,
                cert: cert.into(),
                key: key.into(),
                client_ca,
                ocsp,
                line: item.line,
            }),
            (None, None, Some(authority)) if tls.auto.is_some() && !hosts.is_empty() => {
                tls.client_authorities.push((hosts, authority));
            }
            _ => item.fault("cert", "needs both cert and key: the paths of two PEM files"),
        }
        item.finish();
    }
    if let Some(authority) = common.filter(|_| tls.auto.is_some()) {
        tls.client_authorities.push((Vec::new(), authority));
    }
    map.finish();
}

pub(super) fn read_rate(map: &Map<'_>) -> Option<Rate> {
    let per_second = map.real("requests_per_second", 0.01, 10_000_000.0);
    let burst = map.number("burst_size", 1, 100_000_000);
    let status = map.number("response_code", 400, 599).unwrap_or(429);
    let Some(per_second) = per_second else {
        if map.node("requests_per_second").is_none() {
            map.fault(
                "requests_per_second",
                "is missing; say how many requests a second are let through",
            );
        }
        return None;
    };
    Some(Rate {
        per_second,
        burst: burst.map_or_else(|| per_second.max(1.0), |burst| burst as f64),
        status: http::StatusCode::from_u16(status as u16)
            .unwrap_or(http::StatusCode::TOO_MANY_REQUESTS),
    })
}

fn read_limits(map: Map<'_>, limits: &mut Limits) {
    let bounded = |key, least: u64, most: u64| {
        let size = map.size(key)?;
        if !(least..=most).contains(&size) {
            map.fault(key, format!("is {size} bytes; use {least} to {most}"));
            return None;
        }
        Some(size)
    };
    if let Some(size) = bounded("head", 1024, 1 << 20) {
        limits.head = size as usize;
    }
    if let Some(size) = bounded("body", 0, 1 << 50) {
        limits.body = size;
    }
    if let Some(number) = map.number("headers", 8, 1000) {
        limits.headers = number as usize;
    }
    if let Some(number) = map.number("connections", 1, 10_000_000) {
        limits.connections = number as usize;
    }
    if let Some(number) = map.number("connections_per_ip", 0, 10_000_000) {
        limits.connections_per_ip = number as usize;
    }
    for (key, field) in [
        ("header_timeout", &mut limits.header_timeout),
        ("idle_timeout", &mut limits.idle_timeout),
        ("keep_alive", &mut limits.keep_alive),
        ("tls_handshake_timeout", &mut limits.tls_handshake),
    ] {
        if let Some(span) = map.span(key) {
            *field = span;
        }
    }
    map.finish();
}

fn read_access_log(map: Map<'_>) -> Option<AccessLog> {
    let enabled = map.flag("enabled").unwrap_or(true);
    let path = map.text("path").filter(|path| path != "-").map(PathBuf::from);
    let sample = map.real("sample", 0.0, 1.0).unwrap_or(1.0);
    let client_ip = map.one_of(
        "client_ip",
        &[("masked", ClientIp::Masked), ("full", ClientIp::Full), ("none", ClientIp::None)],
    );
    map.finish();
    enabled.then_some(AccessLog { path, sample, client_ip: client_ip.unwrap_or(ClientIp::Masked) })
}
