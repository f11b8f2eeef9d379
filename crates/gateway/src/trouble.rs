//! What can go wrong with a request: whose fault it is, and what the client is told.

use http::StatusCode;

use crate::body::Fault;

/// Where an error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Upstream,
    Client,
    Gateway,
}

impl Origin {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge => Self::TooLarge,
            Fault::Broken => Self::BadBody,
            Fault::Stalled => Self::SlowBody,
        }
    }
}

macro_rules! troubles {
    ($($name:ident $origin:ident $status:ident $code:literal $detail:literal;)*) => {
        /// Every answer that is our own and not an upstream's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Trouble { $($name),* }

        impl Trouble {
            pub(crate) fn origin(self) -> Origin {
                match self { $(Self::$name => Origin::$origin),* }
            }
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }
            /// Stable, for programs: header `x-gateway-error`, access log.
            pub(crate) fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
            pub(crate) fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),* }
            }
        }
    };
}

troubles! {
    UnknownHost Client NOT_FOUND "unknown_host" "Nothing is served under this host name.";
    Misdirected Client MISDIRECTED_REQUEST "unknown_host" "Nothing is served under this host name.";
    NoRoute Client NOT_FOUND "no_route" "Nothing is served at this address.";
    Method Client METHOD_NOT_ALLOWED "method_not_allowed" "This address does not take the method.";
    BadHost Client BAD_REQUEST "bad_host" "The host name is malformed or contradicts itself.";
    BadPath Client BAD_REQUEST "bad_path" "The path is malformed.";
    BadBody Client BAD_REQUEST "bad_body" "The request's body is malformed or was not sent to its end.";
    SlowBody Client REQUEST_TIMEOUT "slow_body" "The request's body did not come in time.";
    HeadTooLarge Client REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large" "The request has more header fields than are taken here.";
    Forbidden Client FORBIDDEN "address_not_allowed" "This address may not be reached from where you are.";
    Suspicious Client FORBIDDEN "blocked_by_firewall" "The request looks like an attack and was not passed on. If it is none, tell who runs this site its number.";
    TooLarge Client PAYLOAD_TOO_LARGE "body_too_large" "The request's body is larger than is taken here.";
    Limited Client TOO_MANY_REQUESTS "rate_limited" "There were too many requests. Try again a little later.";
    Draining Gateway SERVICE_UNAVAILABLE "draining" "This server is about to be replaced. Try again at once.";
    TenantDraining Gateway SERVICE_UNAVAILABLE "tenant_draining" "The service moves to another place. Try again in a moment.";
    NotCached Client GATEWAY_TIMEOUT "not_cached" "The answer is not kept here, and was asked for only if it were.";
    NoUpstream Upstream SERVICE_UNAVAILABLE "no_upstream" "No server is there that could answer.";
    Busy Upstream SERVICE_UNAVAILABLE "busy" "All servers have as much to do as they can. Try again in a moment.";
    Refused Upstream BAD_GATEWAY "upstream_refused" "The server could not be reached.";
    ConnectTimeout Upstream GATEWAY_TIMEOUT "upstream_connect_timeout" "The server could not be reached in time.";
    Tls Upstream BAD_GATEWAY "upstream_tls" "The server's certificate or encryption was not accepted.";
    Closed Upstream BAD_GATEWAY "upstream_closed" "The server closed the connection before it answered.";
    Garbled Upstream BAD_GATEWAY "upstream_garbled" "The server's answer could not be understood.";
    AnswerTooLarge Upstream BAD_GATEWAY "upstream_head_too_large" "The server's answer has a larger head than is taken here.";
    Timeout Upstream GATEWAY_TIMEOUT "upstream_timeout" "The server did not answer in time.";
    Broken Gateway INTERNAL_SERVER_ERROR "gateway_error" "The request could not be passed on.";
}
