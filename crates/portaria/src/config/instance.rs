//! A dedicated instance: the tenant that a house makes for itself.

type Text<'t> = &'t dyn Fn(&str) -> Option<String>;

/// The tenant that a dedicated instance makes for itself.
#[derive(Clone)]
pub struct Instance {
    pub slug: kernel::Slug,
    pub name: String,
    pub llm_provider: Option<models::Provider>,
    pub llm_model: Option<String>,
    pub llm_temperature: Option<f64>,
    pub llm_max_tokens: Option<u32>,
    pub gemini_api_key: Option<String>,
    pub openai_api_key: Option<String>,
    pub context_messages: Option<usize>,
    pub whaticket: Option<channels::NewChannel>,
    /// Hosts of its own, each with what it is for.
    pub domains: Vec<(String, domains::Purpose)>,
}

/// Reads what the settings say of the instance.
pub(super) fn read(
    id: &str,
    slug: kernel::Slug,
    text: Text<'_>,
    warnings: &mut Vec<String>,
) -> Instance {
    Instance {
        name: text("instance.name").unwrap_or_else(|| slug.to_string()),
        slug,
        llm_provider: text("instance.llm_provider").and_then(|p| p.parse().ok()),
        llm_model: text("instance.llm_model"),
        llm_temperature: text("instance.llm_temperature").and_then(|t| t.parse().ok()),
        llm_max_tokens: text("instance.llm_max_tokens").and_then(|t| t.parse().ok()),
        gemini_api_key: text("instance.gemini_api_key"),
        openai_api_key: text("instance.openai_api_key"),
        context_messages: text("instance.context_messages").and_then(|t| t.parse().ok()),
        whaticket: whaticket(id, text, warnings),
        domains: [
            ("instance.site_domain", domains::Purpose::Site),
            ("instance.api_domain", domains::Purpose::Api),
            ("instance.panel_domain", domains::Purpose::Panel),
            ("instance.panel_api_domain", domains::Purpose::Api),
        ]
        .into_iter()
        .filter_map(|(key, purpose)| Some((text(key)?, purpose)))
        .collect(),
    }
}

/// The Whaticket channel of the instance's tenant, when all that it needs is there.
fn whaticket(
    id: &str,
    text: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Option<channels::NewChannel> {
    let base_url = text("instance.whatsapp_api_url")?;
    let login = match (text("instance.whaticket_email"), text("instance.whaticket_password")) {
        (Some(email), Some(password)) => Some(channels::NewLogin { email, password }),
        _ => None,
    };
    let api_key = text("instance.whatsapp_token").unwrap_or_default();
    let Some(secret) = text("security.whaticket_secret") else {
        warnings.push(
            "the Whaticket channel is not made: SHARED_SECRET is missing, and without it nobody could tell \
             its webhooks from forged ones"
                .to_owned(),
        );
        return None;
    };
    if api_key.is_empty() && login.is_none() {
        warnings.push(
            "the Whaticket channel is not made: WHATSAPP_BEARER_TOKEN is missing (or WHATICKET_JWT_EMAIL and \
             WHATICKET_JWT_PASSWORD for servers that take a login's token)"
                .to_owned(),
        );
        return None;
    }
    Some(channels::NewChannel {
        kind: messaging::Kind::Whaticket,
        instance: text("instance.domain").unwrap_or_else(|| id.to_owned()),
        base_url,
        api_key,
        webhook_token: text("webhooks.token").unwrap_or_default(),
        secret,
        login,
        account: None,
    })
}
