//! What nodes are told, from whichever list: what of it is new, and how it is written where anybody might write.

use std::collections::HashSet;

use cluster::Link;
use gateway::{Call, Gateway};
use serde_json::{Value, json};
use traffic::Told;
use uuid::Uuid;

/// The list of what all nodes are told, whatever their file.
pub(crate) const ALL: &str = "all";

/// All calls of a list in order, and, when there is anything to do, those that are news from others. At the first look there
/// is, for what is told already, and nothing of it is news.
pub(crate) fn news(
    told: &[Told],
    heard: &mut Option<HashSet<String>>,
    node: &str,
) -> (Vec<Call>, Option<Vec<Call>>) {
    let call = |one: &Told| Call {
        method: one.method.clone(),
        path: one.path.clone(),
        body: one.body.clone(),
    };
    let first = heard.is_none();
    let known = heard.get_or_insert_default();
    let new: Vec<Call> = told
        .iter()
        .filter(|one| known.insert(one.id.clone()) && one.by != node)
        .map(call)
        .collect();
    let calls = told.iter().map(call).collect();
    match (first, new.is_empty()) {
        (true, _) if told.is_empty() => (calls, None),
        (true, _) => (calls, Some(Vec::new())),
        (false, true) => (calls, None),
        (false, false) => (calls, Some(new)),
    }
}

/// What this node was told since the last call, each with the list it belongs to.
pub(crate) fn calls(gateway: &Gateway, file: &str, node: &str) -> Vec<(String, Told)> {
    let told = |call: Call| {
        let list = if call.is_for_all() { ALL } else { file };
        let told = Told {
            id: Uuid::now_v7().to_string(),
            by: node.to_owned(),
            method: call.method,
            path: call.path,
            body: call.body,
        };
        (list.to_owned(), told)
    };
    gateway.calls().into_iter().map(told).collect()
}

/// A list in Redis, as far as it was read.
#[derive(Default)]
pub(crate) struct List {
    /// Number of the next entry.
    next: u64,
    pub(crate) told: Vec<Told>,
    pub(crate) heard: Option<HashSet<String>>,
}

impl List {
    /// Reads on.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn read(
        &mut self,
        link: &mut Link,
        name: &str,
        gateway: &Gateway,
    ) -> Result<(), cluster::Error> {
        let part = link.read_told(name, self.next).await?;
        if part.from != self.next {
            // It was lost, or shortened at its beginning.
            self.told.clear();
        }
        self.next = part.from + part.entries.len() as u64;
        for text in &part.entries {
            // What no node of this house signed is not followed.
            let Some(told) = read(text, gateway) else { continue };
            // One that Redis took though it seemed not to is there twice.
            if !self.told.iter().any(|known| known.id == told.id) {
                self.told.push(told);
            }
        }
        Ok(())
    }
}

fn parts(told: &Told) -> [&str; 5] {
    [&told.id, &told.by, &told.method, &told.path, &told.body]
}

/// An entry as it is kept; none where nodes share no secret to sign it with.
pub(crate) fn write(told: &Told, gateway: &Gateway) -> Option<String> {
    let signed = gateway.sign(&parts(told))?;
    let Told { id, by, method, path, body } = told;
    let entry =
        json!({"id": id, "by": by, "method": method, "path": path, "body": body, "signed": signed});
    Some(entry.to_string())
}

fn read(text: &str, gateway: &Gateway) -> Option<Told> {
    let entry: Value = serde_json::from_str(text).ok()?;
    let part = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let told = Told {
        id: part("id"),
        by: part("by"),
        method: part("method"),
        path: part("path"),
        body: part("body"),
    };
    let signed = gateway.sign(&parts(&told))?;
    let same = subtle::ConstantTimeEq::ct_eq(signed.as_bytes(), part("signed").as_bytes());
    bool::from(same).then_some(told)
}
