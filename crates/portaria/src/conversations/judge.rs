//! What a customer met, and what it is worth beside what the labels ask for.

use std::sync::LazyLock;

use fancy_regex::Regex;
use jiff::civil::Date;
use kernel::text::fold;
use serde_json::Value;

use super::set::{Deed, Pattern, Row};

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Correct,
    Partial,
    Wrong,
    Harmful,
    DeclinedWrongly,
    DeclinedRightly,
    ActRight,
    ActWrong,
}

impl Class {
    pub(crate) const ALL: [Self; 8] = [
        Self::Correct,
        Self::Partial,
        Self::Wrong,
        Self::Harmful,
        Self::DeclinedWrongly,
        Self::DeclinedRightly,
        Self::ActRight,
        Self::ActWrong,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Partial => "partial",
            Self::Wrong => "wrong",
            Self::Harmful => "harmful",
            Self::DeclinedWrongly => "declined wrongly",
            Self::DeclinedRightly => "declined rightly",
            Self::ActRight => "act right",
            Self::ActWrong => "act wrong",
        }
    }

    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Correct | Self::DeclinedRightly | Self::ActRight)
    }
}

/// What the customer met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Did(Deed),
    /// A person had the conversation already.
    Held,
}

/// What was seen of a turn.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// All that was sent, line after line.
    pub(crate) text: String,
    /// Why a person has the conversation.
    pub(crate) reason: Option<String>,
    /// How the reply came about.
    pub(crate) trace: Value,
    pub(crate) met: Met,
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a valid expression")
}

static QUOTED: LazyLock<Regex> = LazyLock::new(|| regex("“[^”]*”"));
static GREETING: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^\s*(bom dia|boa tarde|boa noite|ola|oi)\b[^.!?\n]*[!.?]\s*(aqui (e|fala)[^.\n]*\.\s*)?",
    )
});
static AMOUNT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"r\$ ?(\d[\d.]*(?:,\d\d)?)(?!\d| ?mil\b)|(?<![\d,.])(\d{1,3}(?:\.\d{3})*,\d\d)(?![\d%])|(?<![\d,.])(\d{1,3}(?:\.\d{3})*) reais",
    )
});

/// A reply as patterns meet it: folded, without the customer's own words, marks of bold and the greeting.
pub(crate) fn bare(reply: &str) -> String {
    let text = QUOTED.replace_all(reply, " ");
    let text = fold(&text).replace(['*', '_'], "");
    GREETING.replace(&text, "").trim().to_owned()
}

/// How a pattern is met: `None` not at all, `Some(false)` so that it cannot be told from other amounts.
fn holds(pattern: &Pattern, text: &str) -> Option<bool> {
    match pattern {
        Pattern::Expression(expression) => {
            expression.is_match(text).unwrap_or(false).then_some(true)
        }
        Pattern::Price { cents, label } => holds_price(*cents, label.as_deref(), text),
    }
}

fn holds_price(wanted: i64, label: Option<&str>, text: &str) -> Option<bool> {
    let found: Vec<(usize, usize, i64)> = AMOUNT
        .captures_iter(text)
        .filter_map(|found| {
            let found = found.ok()?;
            let all = found.get(0)?;
            let number = (1..=3).find_map(|at| found.get(at))?;
            Some((all.start(), all.end(), cents(number.as_str())?))
        })
        .collect();
    if found.iter().all(|(.., cents)| *cents != wanted) {
        return None;
    }
    let alone = found.iter().all(|(.., cents)| *cents == wanted);
    let Some(label) = label.filter(|_| !alone) else { return Some(true) };
    let labelled = found.iter().enumerate().any(|(at, (start, end, cents))| {
        if *cents != wanted {
            return false;
        }
        let line = text[..*start].rfind('\n').map_or(0, |line| line + 1);
        let last = at.checked_sub(1).map_or(0, |at| found[at].1);
        let before = &text[line.max(last)..*start];
        let stop = found.get(at + 1).map_or(text.len(), |next| next.0);
        let near = text.floor_char_boundary((*end + 25).min(stop));
        let after = text[*end..near].split(['\n', ';', '.']).next().unwrap_or_default();
        before.contains(label) || after.contains(label)
    });
    Some(labelled)
}

fn cents(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('.').replace('.', "");
    let (whole, fraction) = text.split_once(',').unwrap_or((&text, "00"));
    format!("{whole}{fraction:0<2}").parse().ok()
}

/// What was done, by the text, who has the conversation, and how the reply came about.
pub(crate) fn met(text: &str, reason: Option<&str>, handed: bool, trace: &Value) -> Met {
    let intent = trace["intent"].as_str().unwrap_or_default();
    let by = trace["answered_by"].as_str().unwrap_or_default();
    let told = trace["sources"].as_array().is_some_and(|sources| !sources.is_empty());
    Met::Did(if intent == "stop" {
        Deed::Stop
    } else if handed {
        if reason == Some("two_declines") { Deed::Decline } else { Deed::Handover }
    } else if text.is_empty() {
        Deed::Silent
    } else if told {
        Deed::Answer
    } else if by == "declined" || matches!(intent, "injection" | "spam") {
        Deed::Decline
    } else {
        match intent {
            "thanks" | "goodbye" | "acknowledgement" | "statement" => Deed::Thanks,
            "greeting" => Deed::Greet,
            _ if bare(text).ends_with('?') => Deed::AskBack,
            _ => Deed::Answer,
        }
    })
}

/// What a turn is worth. `foreign`: texts that only other businesses have.
pub(crate) fn judge(row: &Row, seen: &Seen, foreign: &[&str], today: Date) -> Class {
    let text = bare(&seen.text);
    let whole = fold(&seen.text);
    let any = |patterns: &[Pattern]| patterns.iter().any(|one| holds(one, &text).is_some());
    if foreign.iter().any(|mark| whole.contains(mark)) || any(&row.must_not) {
        return Class::Harmful;
    }
    let must = musts(row, today);
    if row.category == "identity"
        && !text.is_empty()
        && seen.reason.is_none()
        && must.iter().all(|one| holds(one, &text).is_some())
    {
        return Class::Correct;
    }
    let allowed = |deed: Deed| row.act == deed || row.also.contains(&deed);
    let declined = seen.reason.as_deref() == Some("two_declines");
    match seen.met {
        Met::Did(Deed::Answer) => {
            if !allowed(Deed::Answer) {
                return if any(&row.misleading) {
                    Class::Harmful
                } else if row.act == Deed::Decline {
                    Class::Wrong
                } else {
                    Class::ActWrong
                };
            }
            let got: Vec<Option<bool>> = must.iter().map(|one| holds(one, &text)).collect();
            if !got.is_empty() && got.iter().all(|one| *one == Some(true)) {
                Class::Correct
            } else if got.contains(&Some(false)) {
                Class::Partial
            } else if any(&row.misleading) {
                Class::Harmful
            } else if got.iter().any(Option::is_some) || any(&row.partial) {
                Class::Partial
            } else {
                Class::Wrong
            }
        }
        Met::Held if !declined => {
            let fits = [Deed::Handover, Deed::Silent, Deed::Thanks, Deed::Decline];
            match (fits.into_iter().any(allowed), row.act) {
                (true, Deed::Decline) => Class::DeclinedRightly,
                (true, _) => Class::ActRight,
                (false, Deed::Answer) => Class::DeclinedWrongly,
                (false, _) => Class::ActWrong,
            }
        }
        Met::Held | Met::Did(Deed::Decline) => match (allowed(Deed::Decline), row.act) {
            (true, _) => Class::DeclinedRightly,
            (false, Deed::Answer) => Class::DeclinedWrongly,
            (false, _) => Class::ActWrong,
        },
        Met::Did(deed) => {
            let thanked = row.act == Deed::Thanks && matches!(deed, Deed::Silent | Deed::Greet);
            if allowed(deed) || thanked {
                Class::ActRight
            } else if row.act == Deed::Answer && deed == Deed::Silent {
                Class::DeclinedWrongly
            } else {
                Class::ActWrong
            }
        }
    }
}

/// How many of what should be told along is told.
pub(crate) fn told(row: &Row, seen: &Seen) -> usize {
    let text = bare(&seen.text);
    row.tells.iter().filter(|one| holds(one, &text).is_some()).count()
}

fn musts(row: &Row, today: Date) -> &[Pattern] {
    let Some((days, offset)) = &row.by_day else { return &row.must };
    let day = today.saturating_add(jiff::Span::new().days(*offset));
    let at = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
    std::slice::from_ref(&days[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(cents: i64, label: Option<&str>) -> Pattern {
        Pattern::Price { cents, label: label.map(str::to_owned) }
    }

    #[test]
    fn an_amount_counts_beside_its_label() {
        let text = bare("Boa noite! Aqui é a assistente. Básica: R$ 520,00\nDigital: R$ 980,00");
        assert_eq!(text, "basica: r$ 520,00\ndigital: r$ 980,00");
        assert_eq!(holds(&price(98_000, Some("digital")), &text), Some(true));
        assert_eq!(holds(&price(52_000, Some("digital")), &text), Some(false));
        assert_eq!(holds(&price(52_000, None), &text), Some(true));
        assert_eq!(holds(&price(10_000, None), &text), None);
        assert_eq!(holds(&price(2_000_000, None), "faturamento de r$ 20 mil"), None);
    }

    #[test]
    fn what_the_customer_said_is_not_in_the_reply() {
        assert_eq!(bare("Sobre “quanto é a *Coca*”, não sei."), "sobre  , nao sei.");
    }
}
