//! The week as the documents state it, for whoever confirms the opening hours.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;

use super::asked::{Asked, GENERAL_STEMS};
use super::{CLOSED, EVERY_DAY, HOLIDAY, ONE, SPAN, block, day_of, days};
use crate::Index;
use crate::split::expression;

/// From and until, in minutes of the day; until may be after midnight.
pub type Hours = (i64, i64);

/// What is stated of each weekday, Monday first: nothing, or its hours; none where it is closed.
pub type Week = [Option<Vec<Hours>>; 7];

static HOURS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b([0-2]?[0-9])(?:[h:]([0-5][0-9])| ?h(?:s|rs|oras)?| horas)? ?(?:as|a|ate(?: as)?|-|–) ?([0-2]?[0-9])(?:[h:]([0-5][0-9])| ?h(?:s|rs|oras)?| horas)?\b",
    )
});

static SHORT: LazyLock<Regex> = LazyLock::new(|| expression(r"\b(seg|ter|qua|qui|sex|sab|dom)\."));

/// What a line says, in order.
enum Said {
    Days(BTreeSet<i8>),
    Hours(Hours),
    Closed,
}

impl Index {
    /// The week of the business itself, as far as its documents state it; `None` where they do not.
    pub fn stated_week(&self, today: Option<Date>) -> Option<Week> {
        let chosen = block(self.lines_on(today), &Asked::default());
        if !chosen.iter().flat_map(|line| &line.block.2).all(|stem| GENERAL_STEMS.contains(stem)) {
            return None;
        }
        let mut week = Week::default();
        for line in chosen.iter().filter(|line| line.dates.is_empty()) {
            read(&self.sentences[line.sentence as usize].line_text, &mut week);
        }
        week.iter().any(Option::is_some).then_some(week)
    }
}

/// Reads a line into a week. What it says of holidays and of days that are named already is left out.
fn read(line: &str, week: &mut Week) {
    // The dot of "seg." ends no sentence.
    let folded = SHORT.replace_all(&fold(line), "$1").into_owned();
    for sentence in folded.split(['.', ';', '\n']) {
        let mut named: BTreeSet<i8> = BTreeSet::new();
        let mut hours: Vec<Hours> = Vec::new();
        let mut closed = false;
        for said in said(sentence) {
            match said {
                // "Não abrimos aos domingos": what was said first is of the days that follow; else days begin anew where
                // something was said of those before.
                Said::Days(days) if named.is_empty() || (hours.is_empty() && !closed) => {
                    named.extend(days);
                }
                Said::Days(days) => {
                    put(week, &named, &hours, closed);
                    (named, hours, closed) = (days, Vec::new(), false);
                }
                Said::Hours(span) => hours.push(span),
                Said::Closed if hours.is_empty() => closed = true,
                // "Segunda a sexta das 8h às 18h, fechado domingo": of the days that follow.
                Said::Closed => {
                    put(week, &named, &hours, closed);
                    (named, hours, closed) = (BTreeSet::new(), Vec::new(), true);
                }
            }
        }
        put(week, &named, &hours, closed);
    }
}

fn put(week: &mut Week, named: &BTreeSet<i8>, hours: &[Hours], closed: bool) {
    if hours.is_empty() && !closed {
        return;
    }
    for day in named.iter().filter(|day| **day != HOLIDAY) {
        let place = usize::try_from(day - 1).ok().and_then(|at| week.get_mut(at));
        if let Some(place) = place.filter(|place| place.is_none()) {
            *place = Some(hours.to_vec());
        }
    }
}

/// The days, hours and closings of a sentence, in order.
fn said(sentence: &str) -> Vec<Said> {
    let mut found: Vec<(usize, Said)> = Vec::new();
    let mut spans = Vec::new();
    for span in SPAN.find_iter(sentence).chain(EVERY_DAY.find_iter(sentence)) {
        found.push((span.start(), Said::Days(days(span.as_str()))));
        spans.push(span.range());
    }
    for one in ONE.find_iter(sentence) {
        if spans.iter().all(|span| !span.contains(&one.start()))
            && let Some(day) = day_of(one.as_str())
        {
            found.push((one.start(), Said::Days(BTreeSet::from([day]))));
        }
    }
    for hours in HOURS.captures_iter(sentence) {
        let minutes = |hour: usize, minute: usize| -> Option<i64> {
            let hour: i64 = hours.get(hour)?.as_str().parse().ok()?;
            let minute: i64 = hours.get(minute).map_or(Ok(0), |m| m.as_str().parse()).ok()?;
            (hour <= 24).then_some(hour * 60 + minute)
        };
        let (Some(from), Some(to)) = (minutes(1, 2), minutes(3, 4)) else { continue };
        let start = hours.get(0).map_or(0, |all| all.start());
        // Until after midnight.
        let to = if to <= from { to + 24 * 60 } else { to };
        found.push((start, Said::Hours((from, to))));
    }
    for closed in CLOSED.find_iter(sentence) {
        found.push((closed.start(), Said::Closed));
    }
    found.sort_by_key(|(start, _)| *start);
    found.into_iter().map(|(_, said)| said).collect()
}

#[cfg(test)]
mod tests {
    use super::{Week, read};

    fn week(lines: &[&str]) -> String {
        let mut week = Week::default();
        for line in lines {
            read(line, &mut week);
        }
        let clock = |minute: i64| format!("{}:{:02}", minute / 60, minute % 60);
        let day = |hours: &Option<Vec<(i64, i64)>>| match hours {
            None => "?".to_owned(),
            Some(hours) if hours.is_empty() => "-".to_owned(),
            Some(hours) => {
                let all: Vec<String> = hours
                    .iter()
                    .map(|(from, to)| format!("{}-{}", clock(*from), clock(*to)))
                    .collect();
                all.join(",")
            }
        };
        week.iter().map(day).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_week_is_read_as_businesses_write_it() {
        for (lines, said) in [
            (
                &[
                    "De segunda a sexta, das 8h às 19h. Aos sábados, das 9h às 13h. Não abrimos aos domingos e feriados.",
                ][..],
                "8:00-19:00 8:00-19:00 8:00-19:00 8:00-19:00 8:00-19:00 9:00-13:00 -",
            ),
            (
                &["De terça a domingo, das 18h às 23h30. Às segundas não abrimos."],
                "- 18:00-23:30 18:00-23:30 18:00-23:30 18:00-23:30 18:00-23:30 18:00-23:30",
            ),
            (
                &["seg a sex 8h as 12h e 13h30 as 18h, sab 8:30-13:00", "domingo fechado"],
                "8:00-12:00,13:30-18:00 8:00-12:00,13:30-18:00 8:00-12:00,13:30-18:00 8:00-12:00,13:30-18:00 8:00-12:00,13:30-18:00 8:30-13:00 -",
            ),
            (
                &["Seg. a sex. 8h às 18h, sáb. 9h às 13h"],
                "8:00-18:00 8:00-18:00 8:00-18:00 8:00-18:00 8:00-18:00 9:00-13:00 ?",
            ),
            (&["Quinta e sexta: 19h às 2h"], "? ? ? 19:00-26:00 19:00-26:00 ? ?"),
            (
                &["Todos os dias, das 10h às 22h"],
                "10:00-22:00 10:00-22:00 10:00-22:00 10:00-22:00 10:00-22:00 10:00-22:00 10:00-22:00",
            ),
            (&["Atendemos com hora marcada"], "? ? ? ? ? ? ?"),
        ] {
            assert_eq!(week(lines), said, "{lines:?}");
        }
    }
}
