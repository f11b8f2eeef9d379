//! What was asked and told before, as far as a question may lean on it.

use inbox::Line;

use crate::answer::asks;
use crate::parts;

/// What the contact asked last, with what that leans on itself; and what they were told.
pub(crate) fn before(history: &[Line]) -> Option<(String, String)> {
    let asks = |line: &Line| line.from_contact && asks(&line.body);
    let at = history.iter().rposition(asks)?;
    let earlier = history[..at].iter().rev().find(|line| asks(line));
    let told: Vec<&str> = history[at..]
        .iter()
        .filter(|line| !line.from_contact)
        .map(|line| line.body.as_str())
        .collect();
    let topic = parts::topic(earlier.map(|line| line.body.as_str()), &history[at].body);
    Some((topic, told.join("\n")))
}

pub(crate) fn last_question(history: &[Line]) -> Option<&str> {
    let asks = |line: &&Line| line.from_contact && asks(&line.body);
    history.iter().rev().find(asks).map(|line| line.body.as_str())
}
