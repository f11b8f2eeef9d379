//! What people do to a conversation: reply, note, take over, give back, resolve, assign, label.

use axum::http::HeaderValue;
use axum::response::Response;
use channels::{AuthorIn, MediaIn, MessageIn, Signature, TemplateIn};
use kernel::{ConversationId, LabelId, PersonId};
use serde::Deserialize;
use serde_json::{Value, json};
use web::Permission;
use web::permission::InboxWrite;

use crate::address::redirect;
use crate::conversation::{Conversation, SHOWN, talk_now};
use crate::door::{At, PageId};
use crate::failure::Failure;
use crate::form::{Form, Upload};
use crate::registry::Pages;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/responder", reply);
    pages.takes(web::BodySize::Upload);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/modelo", template);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/assumir", take);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/devolver", give);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/resolver", resolve);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/reabrir", reopen);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/atribuir", assign);
    pages.tenant_action::<InboxWrite, _, _>("/painel/t/{slug}/conversas/{id}/etiqueta", label);
}

/// Whether a script asks, which wants the thread, or a plain form, which wants the page.
fn scripted<Q>(at: &At<Q>) -> bool {
    at.me.visitor.headers.contains_key("hx-request")
}

async fn after<Q: Permission>(at: &At<Q>, id: ConversationId) -> Result<Response, Failure> {
    if !scripted(at) {
        return Ok(redirect(&at.url(&format!("/conversas/{id}"))));
    }
    let mut response = talk_now(at, id, SHOWN, "").await?;
    // The list shows it at once, too.
    response.headers_mut().insert("hx-trigger", HeaderValue::from_static("live"));
    Ok(response)
}

async fn reply(
    at: At<InboxWrite>,
    PageId(id): Conversation,
    upload: Upload,
) -> Result<Response, Failure> {
    let now = at.now();
    let text = upload.field("text").trim();
    if upload.field("mode") == "note" {
        if upload.file("file").is_some() {
            let why = at.lang().t(
                "Uma nota não leva arquivo. Tire o arquivo, ou envie como resposta.",
                "A note carries no file. Take the file away, or send it as a reply.",
            );
            return Err(web::Problem::field("file", why).into());
        }
        let mut tx = at.begin().await?;
        inbox::desk(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
        let name = at.me.person.name.clone();
        inbox::add_note(&mut tx, id, &name, text, now)
            .await?
            .map_err(|refused| web::Problem::field("text", refused.to_string()))?;
        tx.commit().await?;
        return after(&at, id).await;
    }
    let media = upload.file("file").map(|file| {
        use base64::Engine as _;
        MediaIn {
            url: None,
            base64: Some(base64::engine::general_purpose::STANDARD.encode(&file.bytes)),
            mime: file.mime.clone(),
            file_name: Some(file.name.clone()),
            caption: Some(text.to_owned()).filter(|text| !text.is_empty()),
            kind: None,
        }
    });
    let message = MessageIn {
        conversation: Some(id),
        text: media.is_none().then(|| text.to_owned()),
        media,
        author: Some(AuthorIn::Person),
        ..MessageIn::default()
    };
    send(&at, id, &message, upload.field("once")).await
}

async fn send(
    at: &At<InboxWrite>,
    id: ConversationId,
    message: &MessageIn,
    once: &str,
) -> Result<Response, Failure> {
    let fresh = identity::token();
    let once = if once.is_empty() || once.len() > 100 { &fresh } else { once };
    let signature = Signature { person: at.me.person.id, once };
    at.app.sender.post_signed(&at.app.db, &at.tenant, at.now(), message, Some(&signature)).await?;
    after(at, id).await
}

#[derive(Debug, Deserialize)]
struct TemplateForm {
    name: String,
    language: String,
    #[serde(default)]
    variables: String,
    #[serde(default)]
    once: String,
}

async fn template(
    at: At<InboxWrite>,
    PageId(id): Conversation,
    Form(form): Form<TemplateForm>,
) -> Result<Response, Failure> {
    let variables: Vec<Value> = form
        .variables
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| json!({ "type": "text", "text": line }))
        .collect();
    let components = if variables.is_empty() {
        json!([])
    } else {
        json!([{ "type": "body", "parameters": variables }])
    };
    let message = MessageIn {
        conversation: Some(id),
        template: Some(TemplateIn {
            name: form.name.trim().to_owned(),
            language: form.language.trim().to_owned(),
            components,
        }),
        author: Some(AuthorIn::Person),
        ..MessageIn::default()
    };
    send(&at, id, &message, &form.once).await
}

#[derive(Debug, Deserialize)]
struct Moved {
    /// Takes back what was just done.
    #[serde(default)]
    undo: String,
}

/// What is taken back must still stand: a colleague may have come in between.
async fn still(
    at: &At<InboxWrite>,
    tx: &mut db::TenantTx,
    id: kernel::ConversationId,
    verb: &str,
) -> Result<(), Failure> {
    let now = inbox::desk(tx, id).await?.ok_or_else(Failure::not_found)?;
    let stands = match verb {
        "give" => now.owner == inbox::Owner::Human && now.assigned_to == Some(at.me.person.id),
        "take" => now.owner == inbox::Owner::Bot,
        _ => now.resolved,
    };
    if stands {
        return Ok(());
    }
    let why = at.lang().t(
        "A conversa mudou enquanto isso: nada foi desfeito.",
        "The conversation changed meanwhile: nothing was undone.",
    );
    Err(web::Problem::new(axum::http::StatusCode::CONFLICT, "changed_meanwhile", why).into())
}

/// Moves a conversation, and writes down who did so.
macro_rules! moves {
    ($name:ident, $verb:ident, $action:literal, $said:literal) => {
        async fn $name(
            at: At<InboxWrite>,
            PageId(id): Conversation,
            Form(form): Form<Moved>,
        ) -> Result<Response, Failure> {
            let mut tx = at.begin().await?;
            if !form.undo.is_empty() {
                still(&at, &mut tx, id, stringify!($verb)).await?;
            }
            if !inbox::$verb(&mut tx, id, at.me.person.id, at.now()).await? {
                return Err(Failure::not_found());
            }
            at.note(&mut tx, $action, id.to_string(), (None, None)).await?;
            tx.commit().await?;
            Ok(at.done(&format!("/conversas/{id}"), $said))
        }
    };
}

moves!(take, take, "conversation.taken", "assumida");
moves!(give, give, "conversation.given_back", "devolvida");
moves!(resolve, resolve, "conversation.resolved", "resolvida");
moves!(reopen, reopen, "conversation.reopened", "reaberta");

#[derive(Debug, Deserialize)]
struct Assigned {
    #[serde(default)]
    person: String,
}

async fn assign(
    at: At<InboxWrite>,
    PageId(id): Conversation,
    Form(form): Form<Assigned>,
) -> Result<Response, Failure> {
    let person: Option<PersonId> = form.person.parse().ok();
    let mut name = None;
    if let Some(person) = person {
        let mut house = at.app.db.read_system().await?;
        let members = identity::members(&mut house, at.tenant.id).await?;
        let member = members.into_iter().find(|member| member.person == person);
        name = Some(member.ok_or_else(Failure::not_found)?.name);
    }
    let mut tx = at.begin().await?;
    if !inbox::assign(&mut tx, id, person, (at.me.person.id, at.now())).await? {
        return Err(Failure::not_found());
    }
    at.note(
        &mut tx,
        "conversation.assigned",
        id.to_string(),
        (None, Some(json!({ "person": name }))),
    )
    .await?;
    tx.commit().await?;
    Ok(at.done(&format!("/conversas/{id}"), "salvo"))
}

#[derive(Debug, Deserialize)]
struct Labelled {
    label: LabelId,
}

async fn label(
    at: At<InboxWrite>,
    PageId(id): Conversation,
    Form(form): Form<Labelled>,
) -> Result<Response, Failure> {
    let mut tx = at.begin().await?;
    if !inbox::toggle_label(&mut tx, id, form.label).await? {
        return Err(Failure::not_found());
    }
    let after = Some(json!({ "label": form.label }));
    at.note(&mut tx, "conversation.labelled", id.to_string(), (None, after)).await?;
    tx.commit().await?;
    Ok(redirect(&at.url(&format!("/conversas/{id}"))))
}
