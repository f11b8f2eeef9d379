//! A message that somebody else than the assistant wants to send: a person or a program.

use db::{Error, TenantTx, args};
use kernel::{ChannelId, ContactId, ConversationId, MessageId, Moment, Phone};

use crate::Owner;
use crate::handoff::{self, Event};
use crate::journey::{self, Note};
use crate::model::WINDOW;
use crate::people::{Handles, find_contact};
use crate::receive::{Opening, open_conversation};
use crate::turn::enqueue_send;
use crate::unasked;

/// To whom.
#[derive(Debug, Clone, Copy)]
pub enum To<'a> {
    Conversation(ConversationId),
    Contact { contact: ContactId, channel: ChannelId },
    Phone { phone: &'a Phone, channel: ChannelId },
}

/// On whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// A person: the assistant keeps quiet from then on.
    Person,
    /// A program that tells something. Leaves whoever owns the conversation, and changes no owner.
    Integration,
    /// A program that answers in the assistant's place: never while a person owns the conversation.
    Bot,
}

impl Author {
    fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Integration => "integration",
            Self::Bot => "bot",
        }
    }
}

/// What is to leave.
#[derive(Debug, Clone, Copy)]
pub struct NewOutgoing<'a> {
    pub to: To<'a>,
    pub author: Author,
    pub content: &'a str,
    /// As the inbox shows it.
    pub body: &'a str,
    /// As the sender needs it, where text is not all.
    pub payload: Option<&'a str>,
    pub media: Option<&'a str>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Only where the contact wrote in the last 24 hours.
    pub needs_window: bool,
}

/// Why it does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no such conversation")]
    NoSuchConversation,
    #[error("no such contact")]
    NoSuchContact,
    #[error(
        "this contact has no address on that channel: nobody wrote there and no phone is known"
    )]
    NoAddress,
    #[error("no such message to reply to in this conversation")]
    NoSuchReply,
    #[error(
        "the contact's last message is more than 24 hours old: on this channel only an approved template may leave"
    )]
    WindowShut,
    #[error("a person owns this conversation; give it back, or send as author `integration`")]
    OwnedByPerson,
    #[error("this contact asked for no more messages; they may be answered when they write")]
    OptedOut,
}

/// What was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    pub message: MessageId,
    pub conversation: ConversationId,
    pub channel: ChannelId,
}

/// Stores the message and enqueues its sending.
///
/// # Errors
/// When the database refuses; the inner result says why the message is refused.
pub async fn outgoing(
    tx: &mut TenantTx,
    new: &NewOutgoing<'_>,
    now: Moment,
) -> Result<Result<Enqueued, Refused>, Error> {
    let thread = match new.to {
        To::Conversation(id) => by_id(tx, id).await?,
        To::Contact { contact, channel } => match by_contact(tx, contact, channel, now).await? {
            Ok(thread) => Some(thread),
            Err(refused) => return Ok(Err(refused)),
        },
        To::Phone { phone, channel } => {
            let handles = Handles { phone: Some(phone), ..Handles::default() };
            let contact = find_contact(tx, handles, None, now).await?;
            Some(open(tx, contact, channel, phone.digits(), now).await?)
        }
    };
    let Some(thread) = thread else { return Ok(Err(Refused::NoSuchConversation)) };
    if new.needs_window && now.since(thread.last_inbound_at) >= WINDOW {
        return Ok(Err(Refused::WindowShut));
    }
    // A person who writes knows whom; a program that tells something does so unasked.
    if new.author == Author::Integration && unasked::is_opted_out(tx, thread.contact).await? {
        return Ok(Err(Refused::OptedOut));
    }
    if new.author == Author::Bot && thread.owner != Owner::Bot {
        return Ok(Err(Refused::OwnedByPerson));
    }
    let reply_to = match new.reply_to {
        None => None,
        Some(id) => match provider_id(tx, thread.id, id).await? {
            Some(id) => Some(id),
            None => return Ok(Err(Refused::NoSuchReply)),
        },
    };
    let tenant = tx.tenant();
    if new.author == Author::Person {
        handoff::apply(tx, thread.id, Event::TakenOver, now).await?;
        let row = tx
            .fetch_opt(
                "SELECT answered_seq FROM conversations WHERE tenant_id = $1 AND id = $2",
                args![tenant, thread.id],
            )
            .await?;
        let answered: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        journey::answered_by_person(tx, thread.id, (answered, i64::MAX), "person", now).await?;
        tx.execute(
            "UPDATE conversations SET answered_seq = inbound_seq WHERE tenant_id = $1 AND id = $2",
            args![tenant, thread.id],
        )
        .await?;
    }
    tx.execute(
        "UPDATE conversations SET last_message_at = $1 WHERE tenant_id = $2 AND id = $3",
        args![now, tenant, thread.id],
    )
    .await?;
    let message = MessageId::generate();
    // A program in the assistant's place gives way to a person, whatever the contact writes meanwhile.
    let yields = new.author == Author::Bot;
    tx.execute(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, direction, author, content, \
         body, at, seq, cancellable, state, state_at, payload, media, reply_to) \
         VALUES ($1, $2, $3, $4, 'out', $5, $6, $7, $8, $9, $10, 'queued', $8, $11, $12, $13)",
        args![
            message,
            tenant,
            thread.id,
            thread.channel,
            new.author.name(),
            new.content,
            new.body,
            now,
            if yields { i64::MAX } else { 0 },
            yields,
            new.payload,
            new.media,
            reply_to
        ],
    )
    .await?;
    journey::note(tx, message, "queued", Note { code: Some(new.author.name()), detail: None }, now)
        .await?;
    enqueue_send(tx, thread.id, message, now).await?;
    Ok(Ok(Enqueued { message, conversation: thread.id, channel: thread.channel }))
}

struct Found {
    id: ConversationId,
    channel: ChannelId,
    owner: Owner,
    contact: ContactId,
    last_inbound_at: Moment,
}

async fn by_id(tx: &mut TenantTx, id: ConversationId) -> Result<Option<Found>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id, channel_id, owner, last_inbound_at, contact_id FROM conversations \
             WHERE tenant_id = $1 AND id = $2",
            args![tenant, id],
        )
        .await?;
    row.map(|row| {
        Ok(Found {
            id: row.get(0)?,
            channel: row.get(1)?,
            owner: Owner::parse(&row.get::<String>(2)?),
            last_inbound_at: row.get(3)?,
            contact: row.get(4)?,
        })
    })
    .transpose()
}

async fn by_contact(
    tx: &mut TenantTx,
    contact: ContactId,
    channel: ChannelId,
    now: Moment,
) -> Result<Result<Found, Refused>, Error> {
    let Some(view) = crate::people::contact(tx, contact).await? else {
        return Ok(Err(Refused::NoSuchContact));
    };
    let contact = crate::people::root(tx, view.id).await?;
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT id FROM conversations WHERE tenant_id = $1 AND channel_id = $2 AND contact_id = $3",
            args![tenant, channel, contact],
        )
        .await?;
    if let Some(row) = row {
        let found = by_id(tx, row.get(0)?).await?;
        return Ok(found.ok_or(Refused::NoSuchConversation));
    }
    let row = tx
        .fetch_opt(
            "SELECT value FROM contact_handles WHERE tenant_id = $1 AND contact_id = $2 \
             AND kind = 'phone' ORDER BY seen_at DESC LIMIT 1",
            args![tenant, contact],
        )
        .await?;
    let Some(row) = row else { return Ok(Err(Refused::NoAddress)) };
    let phone: String = row.get(0)?;
    Ok(Ok(open(tx, contact, channel, &phone, now).await?))
}

async fn open(
    tx: &mut TenantTx,
    contact: ContactId,
    channel: ChannelId,
    address: &str,
    now: Moment,
) -> Result<Found, Error> {
    let opening =
        Opening { channel, contact, address, counts: false, written: None, learns_address: false };
    let thread = open_conversation(tx, &opening, now).await?;
    Ok(Found {
        id: thread.id,
        channel,
        owner: thread.owner,
        contact,
        last_inbound_at: thread.last_inbound_at,
    })
}

/// The provider's id of a message of this conversation.
async fn provider_id(
    tx: &mut TenantTx,
    conversation: ConversationId,
    message: MessageId,
) -> Result<Option<String>, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT COALESCE(provider_id, shared_id) FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND id = $3",
            args![tenant, conversation, message],
        )
        .await?;
    row.map(|row| row.get(0)).transpose().map(Option::flatten)
}
