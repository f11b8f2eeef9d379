//! YAML as a tree that knows its lines, so that a fault can name one.
//!
//! Anchors are refused: a file of a gateway needs none, and a few lines of them can be made to fill the memory.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Nesting that no sensible file reaches.
const DEPTH: usize = 32;

/// A value with the line it starts at, counted from 1.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Where reading stopped, and why.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

enum Open {
    List(usize, Vec<Node>),
    Map(usize, Vec<(Key, Node)>, Option<Key>),
}

/// Reads one document. An empty text is an empty map.
pub(crate) fn read(text: &str) -> Result<Node, Unreadable> {
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            line: error.marker().line(),
            reason: error.info().to_owned(),
        })?;
        let line = span.start.line();
        let stop = |reason: &str| Err(Unreadable { line, reason: reason.to_owned() });
        let done = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return stop("a second document begins; keep one");
                }
                continue;
            }
            Event::Alias(_) => return stop("aliases are not read; write the value out"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return stop("anchors are not read; write the value out");
            }
            Event::SequenceStart(..) => {
                stack.push(Open::List(line, Vec::new()));
                if stack.len() > DEPTH {
                    return stop("is nested too deeply");
                }
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open::Map(line, Vec::new(), None));
                if stack.len() > DEPTH {
                    return stop("is nested too deeply");
                }
                continue;
            }
            Event::Scalar(text, style, ..) => {
                let null =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null");
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                Node { line, value }
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(line, items)) => Node { line, value: Value::List(items) },
                Some(Open::Map(line, entries, _)) => Node { line, value: Value::Map(entries) },
                None => return stop("ends something that did not begin"),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        match stack.last_mut() {
            None => root = Some(done),
            Some(Open::List(_, items)) => items.push(done),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, done)),
                None => {
                    let Value::Scalar(text) = done.value else {
                        return stop("a key must be plain text");
                    };
                    if let Some((before, _)) = entries.iter().find(|(key, _)| key.text == text) {
                        return Err(Unreadable {
                            line,
                            reason: format!("{text} is there already, at line {}", before.line),
                        });
                    }
                    *key = Some(Key { line: done.line, text });
                }
            },
        }
    }
    Ok(match root {
        None | Some(Node { value: Value::Null, .. }) => {
            Node { line: 1, value: Value::Map(Vec::new()) }
        }
        Some(node) => node,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_and_tricks_are_refused() {
        let node = read("a: 1\nb:\n  - x\n  - {y: z}\n").expect("reads");
        let Value::Map(entries) = node.value else { panic!("no map") };
        assert_eq!(entries[1].0.line, 2);
        let Value::List(items) = &entries[1].1.value else { panic!("no list") };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [3, 4]);

        for (text, line, word) in [
            ("a: 1\na: 2\n", 2, "already, at line 1"),
            ("a: &x 1\nb: *x\n", 1, "anchors"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: [1\nb: 2\n", 2, ""),
        ] {
            let fault = read(text).expect_err(text);
            assert!(fault.reason.contains(word), "{text}: {}", fault.reason);
            assert_eq!(fault.line, line, "{text}: {}", fault.reason);
        }
        assert!(read(&"[".repeat(100)).is_err());
        assert!(matches!(read("").expect("reads").value, Value::Map(_)));
    }
}
