//! Reading values out of the tree: every fault is kept, with its line, what is wrong and what is allowed.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::yaml::{Node, Value};

/// Something in the file that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// The way to the value, such as `pools[0].backends[1].address`.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {} {}", self.line, self.path, self.reason)
    }
}

/// Looks up `${NAME}`.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(crate) struct Reading<'a> {
    faults: RefCell<Vec<Fault>>,
    notes: RefCell<Vec<Fault>>,
    variables: Variables<'a>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(variables: Variables<'a>) -> Self {
        Self { faults: RefCell::default(), notes: RefCell::default(), variables }
    }

    pub(crate) fn fault(&self, line: usize, path: &str, reason: impl Into<String>) {
        let fault = Fault { line, path: path.to_owned(), reason: reason.into() };
        self.faults.borrow_mut().push(fault);
    }

    pub(crate) fn note(&self, line: usize, path: &str, reason: impl Into<String>) {
        let note = Fault { line, path: path.to_owned(), reason: reason.into() };
        self.notes.borrow_mut().push(note);
    }

    pub(crate) fn finish(self) -> (Vec<Fault>, Vec<Fault>) {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        (faults, self.notes.into_inner())
    }

    /// A node as a map, or a fault and an empty one.
    pub(crate) fn map<'n>(&'n self, node: &'n Node, path: &str) -> Map<'n> {
        let entries: &[_] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                self.fault(node.line, path, "must be a block of keys");
                &[]
            }
        };
        Map {
            reading: self,
            entries,
            path: path.to_owned(),
            line: node.line,
            asked: RefCell::default(),
        }
    }

    pub(crate) fn text(&self, node: &Node, path: &str) -> Option<String> {
        let Value::Scalar(text) = &node.value else {
            self.fault(node.line, path, "must be a text");
            return None;
        };
        let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            return Some(text.clone());
        };
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (name, None),
        };
        let found = (self.variables)(name).filter(|value| !value.is_empty()).or(default);
        if found.is_none() {
            self.fault(
                node.line,
                path,
                format!("names the environment variable {name}, which is not set"),
            );
        }
        found
    }
}

/// One block of the file.
pub(crate) struct Map<'n> {
    reading: &'n Reading<'n>,
    entries: &'n [(crate::yaml::Key, Node)],
    pub(crate) path: String,
    pub(crate) line: usize,
    asked: RefCell<Vec<&'static str>>,
}

impl<'n> Map<'n> {
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether it has keys at all: an empty block, and something that is no block, have none.
    pub(crate) fn is_block(&self) -> bool {
        !self.entries.is_empty()
    }

    pub(crate) fn reading(&self) -> &'n Reading<'n> {
        self.reading
    }

    pub(crate) fn fault(&self, key: &str, reason: impl Into<String>) {
        let line = self.line_of(key);
        self.reading.fault(line, &self.at(key), reason);
    }

    pub(crate) fn line_of(&self, key: &str) -> usize {
        let found = self.entries.iter().find(|(name, _)| name.text == key);
        found.map_or(self.line, |(name, _)| name.line)
    }

    pub(crate) fn node(&self, key: &'static str) -> Option<&'n Node> {
        self.asked.borrow_mut().push(key);
        let (_, node) = self.entries.iter().find(|(name, _)| name.text == key)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Whether a key has a plain value.
    pub(crate) fn is_text(&self, key: &'static str) -> bool {
        self.node(key).is_some_and(|node| matches!(node.value, Value::Scalar(_)))
    }

    pub(crate) fn block(&self, key: &'static str) -> Option<Map<'n>> {
        let node = self.node(key)?;
        Some(self.reading.map(node, &self.at(key)))
    }

    /// The items of a list, each with its path.
    pub(crate) fn items(&self, key: &'static str) -> Vec<(&'n Node, String)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.fault(key, "must be a list (lines that begin with \"- \")");
            return Vec::new();
        };
        let path = self.at(key);
        items.iter().enumerate().map(|(index, item)| (item, format!("{path}[{index}]"))).collect()
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<String> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Scalar(_)) => self.text(key).into_iter().collect(),
            Some(_) => {
                let items = self.items(key);
                items.iter().filter_map(|(item, path)| self.reading.text(item, path)).collect()
            }
            None => Vec::new(),
        }
    }

    /// A block whose keys the file chooses, such as header names.
    pub(crate) fn pairs(&self, key: &'static str) -> Vec<(String, String, usize)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::Map(entries) = &node.value else {
            self.fault(key, "must be a block of names and values");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, node) in entries {
            let path = format!("{}.{}", self.at(key), name.text);
            if let Some(text) = self.reading.text(node, &path) {
                pairs.push((name.text.clone(), text, name.line));
            }
        }
        pairs
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        let node = self.node(key)?;
        self.reading.text(node, &self.at(key))
    }

    /// A value that `parse` understands; its error says what is allowed.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(key, reason);
                None
            }
        }
    }

    pub(crate) fn flag(&self, key: &'static str) -> Option<bool> {
        self.parsed(key, |text| match text {
            "true" | "True" | "yes" | "on" => Ok(true),
            "false" | "False" | "no" | "off" => Ok(false),
            _ => Err(format!("is {text:?}; use true or false")),
        })
    }

    pub(crate) fn number(&self, key: &'static str, least: u64, most: u64) -> Option<u64> {
        self.parsed(key, |text| match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("is {text:?}; use a whole number from {least} to {most}")),
        })
    }

    pub(crate) fn real(&self, key: &'static str, least: f64, most: f64) -> Option<f64> {
        self.parsed(key, |text| match text.parse::<f64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("is {text:?}; use a number from {least} to {most}")),
        })
    }

    pub(crate) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, duration)
    }

    /// A span that must not be nothing: an interval of zero would never rest.
    pub(crate) fn span(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, |text| match duration(text)? {
            Duration::ZERO => Err("is zero; use at least 1ms".to_owned()),
            span => Ok(span),
        })
    }

    pub(crate) fn size(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, size)
    }

    pub(crate) fn address(&self, key: &'static str) -> Option<SocketAddr> {
        self.parsed(key, |text| {
            // As in the seed's world, ":8080" means every address of the machine.
            let full =
                if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
            full.parse().map_err(|_| {
                format!("is {text:?}; write IP:PORT, such as 127.0.0.1:8088 or 0.0.0.0:80")
            })
        })
    }

    pub(crate) fn one_of<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.parsed(key, |text| {
            let found = choices.iter().find(|(name, _)| *name == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let hint = like(text, &names);
                format!("is {text:?}; use one of {}{hint}", names.join(", "))
            })
        })
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries {
            if !asked.contains(&key.text.as_str()) {
                let hint = like(&key.text, &asked);
                self.reading.fault(key.line, &self.at(&key.text), format!("is no known key{hint}"));
            }
        }
    }

    /// Marks keys as read that somebody else looks at.
    pub(crate) fn pass(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }
}

/// "; did you mean …?" when something close is known.
pub(crate) fn like(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word.to_lowercase(), name), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4))
        .min();
    near.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Spans as Go writes them: `500ms`, `30s`, `5m`, `1h30m`; also `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("is {text:?}; write a number with a unit, such as 500ms, 30s, 5m or 1h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        total += number * seconds;
        rest = &rest[unit..];
    }
    if text.is_empty() || total > 366.0 * 86_400.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

/// Sizes: plain bytes, or `64KiB`, `10MB`, `1GiB`.
fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("is {text:?}; write bytes, or a number with KiB, MiB, GiB, KB, MB or GB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim_start() {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "KiB" | "K" | "k" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" | "M" | "m" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" | "G" | "g" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "-1s", "1x", "1s2", ".", "999999999h", "1e9s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10 MB"), Ok(10_000_000));
        assert!(
            size("10 parsecs").is_err() && size("").is_err() && size("99999999999GiB").is_err()
        );
    }
}
