//! What a provider remembers, and what that says of a send whose outcome nobody knows.

use std::collections::HashSet;
use std::time::Duration;

use db::{Db, TenantTx};
use kernel::{Moment, Phone};
use messaging::{Chat, Content, Inbound, InboundMessage, Messenger, SendError, Span};

use crate::Entry;

/// Pages of one look at most.
const PAGES: u32 = 50;

/// A stretch of the past.
pub(crate) struct Past {
    /// Oldest first: what came later must find what came before.
    pub(crate) items: Vec<Inbound>,
    /// Whether nothing was left out.
    pub(crate) whole: bool,
}

/// Asks for a stretch of the past, page by page.
pub(crate) async fn stretch(
    messenger: &dyn Messenger,
    entry: &Entry,
    (from, to): (Moment, Moment),
    sent_only: bool,
) -> Result<Past, SendError> {
    let mut items = Vec::new();
    let mut whole = false;
    // In the provider's own times.
    let theirs =
        |at: Moment| Moment(at.0.saturating_sub(entry.clock_offset.saturating_mul(1_000_000)));
    for page in 1..=PAGES {
        let span = Span { from: theirs(from), to: theirs(to), page, sent_only };
        let history = messenger.history(&entry.endpoint, &span).await?;
        items.extend(history.items);
        if !history.more {
            whole = true;
            break;
        }
    }
    items.reverse();
    Ok(Past { items, whole })
}

/// A send that is looked for.
pub(crate) struct Wanted<'a> {
    pub(crate) address: &'a str,
    pub(crate) content: &'a str,
    pub(crate) body: &'a str,
    /// It left no earlier than this.
    pub(crate) since: Moment,
}

/// What the past says of a send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there, under this id.
    Left(String),
    /// Something is there that may be it.
    Doubt,
    Absent,
}

impl Past {
    /// Ids of what left, as far as they are not of messages that are known as ours.
    pub(crate) async fn strange(
        &self,
        db: &Db,
        entry: &Entry,
    ) -> Result<HashSet<String>, db::Error> {
        let mut tx: TenantTx = db.read(entry.tenant).await?;
        let ids: Vec<&str> = self.sent().map(|sent| sent.provider_id.as_str()).collect();
        let own = inbox::own_ids(&mut tx, entry.id, &ids).await?;
        Ok(ids.into_iter().filter(|id| !own.contains(*id)).map(str::to_owned).collect())
    }

    /// What left through the provider's API.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &InboundMessage> {
        self.items.iter().filter_map(|item| match item {
            Inbound::Sent(sent) => Some(&**sent),
            _ => None,
        })
    }

    pub(crate) fn verdict(&self, wanted: &Wanted<'_>, strange: &HashSet<String>) -> Verdict {
        let words = inbox::words(wanted.body);
        let mut verdict = if self.whole { Verdict::Absent } else { Verdict::Doubt };
        for sent in self.sent().filter(|sent| strange.contains(&sent.provider_id)) {
            let early = sent.at.is_some_and(|at| at + Duration::from_secs(2) < wanted.since);
            let said = inbox::words(sent.text.as_deref().unwrap_or_default());
            if early || said != words || !alike(wanted.content, sent.content) {
                continue;
            }
            match (same_person(&sent.chat, wanted.address), words.is_empty()) {
                (Some(true), false) => return Verdict::Left(sent.provider_id.clone()),
                (Some(false), _) => {}
                // Under WhatsApp's own id of somebody, or a picture without words.
                _ => verdict = Verdict::Doubt,
            }
        }
        verdict
    }
}

fn alike(ours: &str, theirs: Content) -> bool {
    inbox::form(ours) == inbox::form(theirs.name())
}

/// Whether a chat is with whom this address is of; `None` when that cannot be told.
fn same_person(chat: &Chat, address: &str) -> Option<bool> {
    if chat.address == address {
        return Some(true);
    }
    let wanted: Phone = address.parse().ok()?;
    chat.phone.as_ref().map(|phone| *phone == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(address: &str, text: &str, id: &str) -> Inbound {
        let chat = match address.parse::<Phone>() {
            Ok(phone) => Chat::of_phone(phone),
            Err(_) => Chat {
                kind: messaging::ChatKind::Person,
                address: address.to_owned(),
                phone: None,
                lid: Some(address.to_owned()),
                bsuid: None,
            },
        };
        Inbound::Sent(Box::new(InboundMessage {
            provider_id: id.to_owned(),
            chat,
            from_me: true,
            name: None,
            at: Some(Moment(1_000_000_000)),
            content: Content::Text,
            text: Some(text.to_owned()),
            media: None,
            raw: None,
        }))
    }

    #[test]
    fn a_send_is_absent_only_when_nothing_can_be_it() {
        let wanted = Wanted {
            address: "5511987654321",
            content: "text",
            body: "Até  logo!",
            since: Moment(999_000_000),
        };
        let of = |item: Inbound, whole: bool| {
            let past = Past { items: vec![item], whole };
            let strange = past.sent().map(|sent| sent.provider_id.clone()).collect();
            past.verdict(&wanted, &strange)
        };
        assert_eq!(
            of(sent("5511987654321", "Até logo!", "A"), true),
            Verdict::Left("A".to_owned())
        );
        assert_eq!(of(sent("551187654321", "Até logo!", "A"), true), Verdict::Left("A".to_owned()));
        assert_eq!(of(sent("777@lid", "Até logo!", "A"), true), Verdict::Doubt);
        assert_eq!(of(sent("5511900000000", "Até logo!", "A"), true), Verdict::Absent);
        assert_eq!(of(sent("5511987654321", "Bom dia!", "A"), true), Verdict::Absent);
        assert_eq!(of(sent("5511987654321", "Bom dia!", "A"), false), Verdict::Doubt);
        let past = Past { items: vec![sent("5511987654321", "Até logo!", "A")], whole: true };
        assert_eq!(past.verdict(&wanted, &HashSet::new()), Verdict::Absent, "it is another's");
        let later = Wanted { since: Moment(2_000_000_000), ..wanted };
        let strange = HashSet::from(["A".to_owned()]);
        assert_eq!(past.verdict(&later, &strange), Verdict::Absent, "it was said before");
    }
}
