//! What was asked and told before, as far as a question may lean on it.

use inbox::Line;

use crate::parts;
use crate::reply::asks;

/// What the contact asked last, with what that leans on itself; and what they were told.
pub(crate) fn before(history: &[Line]) -> Option<(String, String)> {
    let at = asked_last(history)?;
    let earlier = last_question(&history[..at]);
    let told: Vec<&str> = history[at..]
        .iter()
        .filter(|line| !line.from_contact)
        .map(|line| line.body.as_str())
        .collect();
    let topic = parts::topic(earlier, &history[at].body);
    Some((topic, told.join("\n")))
}

/// What the contact asked last.
pub(crate) fn last_question(history: &[Line]) -> Option<&str> {
    asked_last(history).map(|at| history[at].body.as_str())
}

fn asked_last(history: &[Line]) -> Option<usize> {
    history.iter().rposition(|line| line.from_contact && asks(&line.body))
}
