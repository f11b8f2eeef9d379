//! Answers that are our own: errors, redirects. A page for browsers, a problem document for programs.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Response, StatusCode, Uri, header, uri};

use crate::config::ErrorPages;
use crate::head::Refusal;
use crate::table::Table;
use crate::trouble::Trouble;

/// What a client can tell us of how it reads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reader {
    html: bool,
    english: bool,
}

impl Reader {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
        };
        let language = text(ACCEPT_LANGUAGE);
        Self {
            html: text(ACCEPT).contains("text/html"),
            english: !language.is_empty()
                && !language.trim_start().to_ascii_lowercase().starts_with("pt"),
        }
    }
}

/// The answer to a request that is refused before it is parsed.
pub(crate) fn raw(refusal: Refusal) -> String {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = format!("{}: {}\n", status.canonical_reason().unwrap_or("Error"), refusal.reason);
    let (code, later) = if status == StatusCode::SERVICE_UNAVAILABLE {
        ("connection_limit", "retry-after: 1\r\n")
    } else {
        ("malformed_request", "")
    };
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\nx-gateway-error: {code}\r\n{later}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    )
}

/// The answer that tells of a trouble.
pub(crate) fn error(
    trouble: Trouble,
    reader: Reader,
    request_id: &str,
    pages: &ErrorPages,
) -> Response<Bytes> {
    let status = trouble.status();
    let (kind, body) = if reader.html {
        ("text/html; charset=utf-8", page(trouble, reader, request_id, pages))
    } else {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": trouble.detail(),
            "code": trouble.code(),
            "origin": trouble.origin().name(),
            "request_id": request_id,
        });
        ("application/problem+json", problem.to_string())
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-gateway-error", HeaderValue::from_static(trouble.code()));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", id);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

fn page(trouble: Trouble, reader: Reader, request_id: &str, pages: &ErrorPages) -> String {
    let status = trouble.status();
    let (title, detail) = if reader.english {
        (status.canonical_reason().unwrap_or("Error"), trouble.detail())
    } else {
        portuguese(trouble)
    };
    let template = pages.template.as_deref().unwrap_or(TEMPLATE);
    template
        .replace("{{lang}}", if reader.english { "en" } else { "pt-BR" })
        .replace("{{status}}", status.as_str())
        .replace("{{reason}}", title)
        .replace("{{detail}}", detail)
        .replace("{{request_id}}", request_id)
}

const TEMPLATE: &str = "<!doctype html><html lang=\"{{lang}}\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>{{reason}}</title>\
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;color:#222;background:#fff}\
small{color:#666}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}small{color:#999}}</style>\
<main><h1>{{reason}}</h1><p>{{detail}}</p><small>{{status}} · {{request_id}}</small></main></html>\n";

fn portuguese(trouble: Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::UnknownHost | Trouble::Misdirected => {
            ("Endereço desconhecido", "Não há nada neste nome de domínio.")
        }
        Trouble::NoRoute => ("Não encontrado", "Não há nada neste endereço."),
        Trouble::Method => ("Método não aceito", "Este endereço não aceita este método."),
        Trouble::BadHost | Trouble::BadPath => ("Pedido malformado", "O endereço está malformado."),
        Trouble::BadBody => {
            ("Pedido malformado", "O conteúdo enviado está malformado ou não chegou ao fim.")
        }
        Trouble::SlowBody => ("Tempo esgotado", "O conteúdo do pedido não chegou a tempo."),
        Trouble::HeadTooLarge => ("Pedido grande demais", "O cabeçalho do pedido é grande demais."),
        Trouble::Forbidden => {
            ("Acesso não permitido", "Este endereço não pode ser acessado de onde você está.")
        }
        Trouble::Suspicious => (
            "Pedido bloqueado",
            "O pedido parece um ataque e não foi encaminhado. Se não é, informe o número abaixo a quem cuida deste site.",
        ),
        Trouble::TooLarge => {
            ("Conteúdo grande demais", "O que foi enviado é maior do que se aceita aqui.")
        }
        Trouble::Limited => {
            ("Muitos pedidos", "Houve pedidos demais. Tente de novo daqui a pouco.")
        }
        Trouble::Draining => {
            ("Em manutenção", "Este servidor está sendo substituído. Tente de novo.")
        }
        Trouble::TenantDraining => {
            ("Em mudança", "O serviço está mudando de lugar. Tente de novo em instantes.")
        }
        Trouble::NotCached => ("Sem cópia", "Não há cópia desta resposta aqui."),
        Trouble::NoUpstream => {
            ("Serviço indisponível", "Não há servidor que possa responder agora.")
        }
        Trouble::Busy => {
            ("Muito movimento", "Os servidores estão ocupados. Tente de novo em instantes.")
        }
        Trouble::Refused | Trouble::ConnectTimeout | Trouble::Tls => {
            ("Serviço fora do ar", "O servidor não pôde ser alcançado.")
        }
        Trouble::Closed | Trouble::Garbled | Trouble::AnswerTooLarge => {
            ("Resposta com defeito", "O servidor não respondeu como devia.")
        }
        Trouble::Timeout => ("Tempo esgotado", "O servidor não respondeu a tempo."),
        Trouble::Broken => ("Erro", "O pedido não pôde ser encaminhado."),
    }
}

/// The answer to an authority that looks whether a host is ours (RFC 8555, 8.3). Any token is answered: only the
/// account whose thumbprint it carries can use that.
pub(crate) fn challenge(table: &Table, host: &str, path: &str) -> Option<Response<Bytes>> {
    let token = path.strip_prefix("/.well-known/acme-challenge/")?;
    let thumbprint = table.certificates.thumbprint()?;
    let sound = (1..=128).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !sound || !table.names(host) || !table.certificates.is_automatic(host) {
        return None;
    }
    let mut answer = Response::new(Bytes::from(format!("{token}.{thumbprint}")));
    let kind = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Some(answer)
}

/// The same address by HTTPS.
pub(crate) fn secure_address(port: u16, host: &str, uri: &Uri) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = if matches!(port, 0 | 443) { String::new() } else { format!(":{port}") };
    let rest = uri.path_and_query().map_or("/", uri::PathAndQuery::as_str);
    format!("https://{host}{port}{rest}")
}

/// The address of a redirect, with what the request brought in its places.
pub(crate) fn fill(to: &str, host: &str, path: &str, query: Option<&str>) -> String {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    to.replace("{host}", host).replace("{path}", path).replace("{query}", &query)
}

/// For upstreams that say nothing themselves.
pub(crate) fn secure_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
