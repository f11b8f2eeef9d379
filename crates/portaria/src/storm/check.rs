//! The ledger against the truth.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use db::TenantTx;
use messaging::Kind;
use sandbox::Sent;
use serde::Serialize;

use super::world::{Line, World};

/// What was compared, and what did not fit.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: usize,
    pub(crate) deliveries: usize,
    pub(crate) stored: usize,
    pub(crate) sent: usize,
    pub(crate) unknown: usize,
    pub(crate) failed: usize,
    pub(crate) received_by_customers: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) leaked: usize,
    /// The first of them, in words.
    pub(crate) faults: Vec<String>,
}

impl Ledger {
    fn lost(&mut self, count: usize, what: String) {
        if count > 0 {
            self.lost += count;
            self.faults.push(format!("lost: {what}"));
        }
    }

    fn doubled(&mut self, count: usize, what: String) {
        if count > 0 {
            self.doubled += count;
            self.faults.push(format!("doubled: {what}"));
        }
    }

    fn leaked(&mut self, what: String) {
        self.leaked += 1;
        self.faults.push(format!("leaked: {what}"));
    }
}

/// Compares every business's rows with what its provider knows. `open` jobs were still under way.
pub(super) async fn compare(
    world: &World,
    open: usize,
    ended_itself: usize,
) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger {
        acknowledged: world.acknowledged(),
        deliveries: world.deliveries.load(Ordering::SeqCst),
        ..Ledger::default()
    };
    ledger.lost(ended_itself, format!("the server ended by itself {ended_itself} times"));
    let taken = world.attacks.files_taken.load(Ordering::SeqCst);
    ledger.lost(taken, format!("{taken} files that cost much to read were not refused"));
    ledger.lost(open, format!("{open} answers were still under way at the end"));
    for (at, line) in world.lines.iter().enumerate() {
        let mut tx = world.db.read(line.tenant).await?;
        inbound(world, at, &mut tx, &mut ledger).await?;
        covered(line, &mut tx, &mut ledger).await?;
        outbound(world, at, &mut tx, &mut ledger).await?;
        letters(world, line, &mut tx, &mut ledger).await?;
    }
    Ok(ledger)
}

/// Every acknowledged message is stored once, and only with the business it was written to.
async fn inbound(
    world: &World,
    at: usize,
    tx: &mut TenantTx,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
    let line = &world.lines[at];
    let mut expected: HashSet<String> = HashSet::new();
    let mut others: HashSet<String> = HashSet::new();
    {
        let truth = world.truth.lock();
        for (phone, ids) in &truth.acknowledged {
            let own = truth.of.get(phone) == Some(&at);
            let into = if own { &mut expected } else { &mut others };
            into.extend(ids.iter().cloned());
        }
    }
    let mut stored: HashMap<String, usize> = HashMap::new();
    for view in every_message(tx).await? {
        if view.direction == "in" {
            // A build whose look for duplicates is broken marks its copies so.
            let refused = view.media.as_ref().is_some_and(|file| file["state"] == "refused");
            world.attacks.pictures_refused.fetch_add(usize::from(refused), Ordering::SeqCst);
            let id = view.provider_id.unwrap_or_default();
            let id = id.split("~copy").next().unwrap_or_default().to_owned();
            *stored.entry(id).or_default() += 1;
        }
    }
    ledger.stored += stored.values().sum::<usize>();
    let missing = expected.iter().filter(|id| !stored.contains_key(*id)).count();
    ledger
        .lost(missing, format!("{missing} acknowledged messages of {} are not stored", line.slug));
    let twice: usize = stored.values().map(|count| count - 1).sum();
    ledger.doubled(twice, format!("{twice} messages of {} are stored more than once", line.slug));
    for id in stored.keys().filter(|id| others.contains(*id)) {
        ledger.leaked(format!("{} has a message of another business: {id}", line.slug));
    }
    Ok(())
}

/// Where somebody waits for a person, a letter said so to that business's people and to nobody else.
async fn letters(
    world: &World,
    line: &Line,
    tx: &mut TenantTx,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
    if !world.told(line, tx).await? {
        ledger.lost(1, format!("nobody of {} was told that somebody waits", line.slug));
    }
    let lines = |letter: &&String| letter.lines().any(|line| line.starts_with("Bcc:"));
    let letters = world.mail.letters();
    if letters.iter().any(|letter| lines(&letter)) {
        ledger.leaked("a letter has a recipient that somebody's name brought".to_owned());
    }
    Ok(())
}

async fn every_message(tx: &mut TenantTx) -> anyhow::Result<Vec<inbox::MessageView>> {
    let mut all = Vec::new();
    for conversation in every_conversation(tx).await? {
        all.extend(inbox::messages(tx, conversation.id, None, 10_000).await?);
    }
    Ok(all)
}

async fn every_conversation(tx: &mut TenantTx) -> anyhow::Result<Vec<inbox::ConversationView>> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = inbox::conversations(tx, before, 500).await?;
        let Some(last) = page.last() else { return Ok(all) };
        before = Some((last.last_message_at, last.id));
        all.extend(page);
    }
}

/// Whoever wrote was answered, or waits for a person who is shown it.
async fn covered(line: &Line, tx: &mut TenantTx, ledger: &mut Ledger) -> anyhow::Result<()> {
    for conversation in every_conversation(tx).await? {
        let forgotten = conversation.unanswered > 0
            && conversation.owner == inbox::Owner::Bot
            && !conversation.needs_person;
        if forgotten {
            let count = usize::try_from(conversation.unanswered).unwrap_or(1);
            ledger.lost(
                count,
                format!("{count} messages of {} were never answered nor shown", line.slug),
            );
        }
    }
    Ok(())
}

async fn phone_of(tx: &mut TenantTx, contact: kernel::ContactId) -> anyhow::Result<String> {
    let view = inbox::contact(tx, contact).await?;
    let handles = view.map(|view| view.handles).unwrap_or_default();
    Ok(handles.into_iter().find(|h| h.kind == "phone").map(|h| h.value).unwrap_or_default())
}

/// Each answer left once at most; one that is said to have left did; nobody got another's.
async fn outbound(
    world: &World,
    at: usize,
    tx: &mut TenantTx,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
    let line = &world.lines[at];
    let all = world.sent(line.kind);
    let own: Vec<Sent> = {
        let truth = world.truth.lock();
        all.into_iter()
            .filter(|sent| match line.kind {
                // Its stand-in does not tell channels apart: the number does.
                Kind::Whaticket => truth.of.get(&sent.number) == Some(&at),
                _ => sent.instance == line.name,
            })
            .collect()
    };
    ledger.received_by_customers += own.len();
    for sent in &own {
        let stranger = world.truth.lock().of.get(&sent.number) != Some(&at);
        if stranger || !sent.text.contains(&format!("O código é {}.", line.slug)) {
            ledger.leaked(format!(
                "{} sent to somebody, or something, of another business",
                line.slug
            ));
        }
    }
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for sent in &own {
        *by_id.entry(sent.provider_id.as_str()).or_default() += 1;
    }
    let (mut claimed, mut missing) = (0usize, 0usize);
    // What each customer may have got at most: one's answer too many is not made up for by
    // another's that never left.
    let mut most: HashMap<String, usize> = HashMap::new();
    for conversation in every_conversation(tx).await? {
        let number = phone_of(tx, conversation.contact).await?;
        for view in inbox::messages(tx, conversation.id, None, 10_000).await? {
            if view.direction != "out" {
                continue;
            }
            match view.state.as_str() {
                "sent" | "delivered" | "read" => {
                    ledger.sent += 1;
                    claimed += 1;
                    *most.entry(number.clone()).or_default() += 1;
                    if let Some(id) = view.provider_id {
                        missing += usize::from(!by_id.contains_key(id.as_str()));
                    }
                }
                "unknown" | "sending" => {
                    ledger.unknown += 1;
                    *most.entry(number.clone()).or_default() += 1;
                }
                "failed" => ledger.failed += 1,
                "cancelled" => {}
                other => ledger.lost(1, format!("an answer of {} is still {other}", line.slug)),
            }
        }
    }
    ledger.lost(
        missing,
        format!("{missing} answers of {} are said to have left and did not", line.slug),
    );
    if line.kind == Kind::Whaticket {
        // No ids: what is claimed is there, and there is no more than what is claimed or in doubt.
        let short = claimed.saturating_sub(own.len());
        ledger.lost(
            short,
            format!("{short} answers of {} are said to have left and did not", line.slug),
        );
    }
    let mut got: HashMap<&str, usize> = HashMap::new();
    for sent in &own {
        *got.entry(sent.number.as_str()).or_default() += 1;
    }
    let over: usize = got
        .iter()
        .map(|(number, count)| count.saturating_sub(most.get(*number).copied().unwrap_or(0)))
        .sum();
    ledger.doubled(
        over,
        format!("customers of {} got {over} answers more than were written", line.slug),
    );
    Ok(())
}
