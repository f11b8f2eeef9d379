//! Names of hosts as routes write them and as requests bring them.

/// What a route may say: a name, `*.example.com`, or `*`; lower case, without a closing dot.
pub(crate) fn pattern(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let (star, name) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    let name = normal(name)?;
    if star.is_empty() || name.parse::<std::net::IpAddr>().is_err() {
        return Some(format!("{star}{name}"));
    }
    None
}

/// The name in an authority: without port, lower case, without a closing dot. `None` when it is no host.
pub(crate) fn of_authority(authority: &str) -> Option<std::borrow::Cow<'_, str>> {
    let name = match authority.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
                return None;
            }
            name.parse::<std::net::Ipv6Addr>().ok()?;
            return Some(name.to_ascii_lowercase().into());
        }
        None => match authority.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return None,
            None => authority,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    // An empty part would make another name of a host that is known.
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return None;
    }
    if name.is_empty() || name.len() > 253 || !name.bytes().all(allowed) {
        return None;
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(name.to_ascii_lowercase().into());
    }
    Some(name.into())
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.parse::<u16>().is_ok() && !text.starts_with('+')
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn normal(name: &str) -> Option<String> {
    if name.contains(':') && !name.starts_with('[') {
        // A bare IPv6 address, or a name with a port: only the first is a host.
        return name.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string());
    }
    of_authority(name).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        for (text, name) in [
            ("Example.COM:8080", "example.com"),
            ("example.com.", "example.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
        ] {
            assert_eq!(of_authority(text).as_deref(), Some(name), "{text}");
        }
        for text in [
            "", ":80", "a b", "a@b", "a/b", "a:b", "a:+1", "a:99999", "[::1", "[::1]x", "a,b",
            "a:80:80",
        ] {
            assert_eq!(of_authority(text), None, "{text}");
        }
        assert_eq!(pattern("*.Loja.com"), Some("*.loja.com".to_owned()));
        assert_eq!(pattern("*"), Some("*".to_owned()));
        for text in ["a.*.com", "*x.com", "loja.com:80", "http://loja.com", "*.10.0.0.1"] {
            assert_eq!(pattern(text), None, "{text}");
        }
    }
}
