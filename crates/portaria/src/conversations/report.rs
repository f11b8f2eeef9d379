//! The figures of a set of conversations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::judge::{Class, Met, judge, told};
use super::set::{Business, Deed};
use super::talk::Asked;

/// What the shares may be, in per cent.
pub(crate) struct Limits {
    pub(crate) min_good: f64,
    pub(crate) max_harmful: f64,
    pub(crate) max_wrong: f64,
    pub(crate) max_declined_wrongly: f64,
}

/// A row with its reply and what that is worth.
struct Judged {
    business: String,
    id: String,
    category: String,
    text: String,
    reply: String,
    confidence: Option<f64>,
    class: Class,
    answered: bool,
}

/// How many of each class.
#[derive(Default, Clone)]
struct Counts([usize; Class::ALL.len()]);

impl Counts {
    fn add(&mut self, class: Class) {
        if let Some(at) = Class::ALL.iter().position(|one| *one == class) {
            self.0[at] += 1;
        }
    }

    fn all(&self) -> usize {
        self.0.iter().sum()
    }

    fn of(&self, class: Class) -> usize {
        Class::ALL.iter().position(|one| *one == class).map_or(0, |at| self.0[at])
    }

    fn good(&self) -> usize {
        Class::ALL.iter().filter(|class| class.is_good()).map(|class| self.of(*class)).sum()
    }

    fn share(&self, count: usize) -> f64 {
        percent(count, self.all())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// The outcome of a set.
pub(crate) struct Report {
    rows: Vec<Judged>,
    tells: usize,
    told: usize,
}

impl Report {
    pub(super) fn of(businesses: &[Business], mut asked: Asked, today: Date) -> Self {
        let mut report = Self { rows: Vec::new(), tells: 0, told: 0 };
        for business in businesses {
            let foreign: Vec<&str> = businesses
                .iter()
                .filter(|other| other.slug != business.slug)
                .flat_map(|other| other.marks.iter().map(String::as_str))
                .collect();
            for row in &business.rows {
                let Some(seen) = asked.remove(&(business.slug.clone(), row.id.clone())) else {
                    continue;
                };
                report.tells += row.tells.len();
                report.told += told(row, &seen);
                report.rows.push(Judged {
                    business: business.slug.clone(),
                    id: row.id.clone(),
                    category: row.category.clone(),
                    text: row.texts.join("\n"),
                    class: judge(row, &seen, &foreign, today),
                    answered: seen.met == Met::Did(Deed::Answer),
                    confidence: seen.trace["confidence"].as_f64(),
                    reply: seen.text,
                });
            }
        }
        report
    }

    fn counts(&self, of: impl Fn(&Judged) -> bool) -> Counts {
        let mut counts = Counts::default();
        for row in self.rows.iter().filter(|row| of(row)) {
            counts.add(row.class);
        }
        counts
    }

    /// Of all that was answered, how many, and how many of them wrongly or harmfully.
    fn answered(&self) -> (usize, usize) {
        let answered: Vec<&Judged> = self.rows.iter().filter(|row| row.answered).collect();
        let bad = answered
            .iter()
            .filter(|row| matches!(row.class, Class::Wrong | Class::Harmful))
            .count();
        (answered.len(), bad)
    }

    fn by<'a>(&'a self, of: impl Fn(&'a Judged) -> &'a str) -> BTreeMap<&'a str, Counts> {
        let mut all: BTreeMap<&str, Counts> = BTreeMap::new();
        for row in &self.rows {
            all.entry(of(row)).or_default().add(row.class);
        }
        all
    }

    /// Answers by how sure the program said it was: from which confidence on, how many, and the share of them that is at
    /// least partly right.
    fn curve(&self) -> Vec<(f64, usize, f64)> {
        let bands = [0.0, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.01];
        bands
            .windows(2)
            .filter_map(|band| {
                let within: Vec<&Judged> = self
                    .rows
                    .iter()
                    .filter(|row| row.answered)
                    .filter(|row| {
                        row.confidence.is_some_and(|sure| sure >= band[0] && sure < band[1])
                    })
                    .collect();
                let right = within
                    .iter()
                    .filter(|row| matches!(row.class, Class::Correct | Class::Partial));
                let share = percent(right.count(), within.len());
                (!within.is_empty()).then_some((band[0], within.len(), share))
            })
            .collect()
    }

    /// The table by category and by business, and the figures.
    pub(crate) fn text(&self, show: &[String]) -> String {
        let mut out = String::new();
        let heads =
            ["correct", "partial", "wrong", "harmful", "d.wrong", "d.right", "act ok", "act bad"];
        let _ = write!(out, "{:16}{:>5}", "", "n");
        for head in heads {
            let _ = write!(out, "{head:>9}");
        }
        let _ = writeln!(out, "     good");
        let mut line = |name: &str, counts: &Counts| {
            let _ = write!(out, "{name:16}{:>5}", counts.all());
            for class in Class::ALL {
                let _ = write!(out, "{:>9}", counts.of(class));
            }
            let _ = writeln!(out, "  {:5.1} %", counts.share(counts.good()));
        };
        let mut categories: Vec<_> = self.by(|row| &row.category).into_iter().collect();
        categories.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.all()));
        for (name, counts) in &categories {
            line(name, counts);
        }
        line("", &Counts::default());
        for (name, counts) in &self.by(|row| &row.business) {
            line(name, counts);
        }
        let all = self.counts(|_| true);
        line("all", &all);
        let (answered, bad) = self.answered();
        let share = percent(bad, answered);
        let _ = writeln!(
            out,
            "\n{answered} answered, {bad} of them wrong or harmful ({share:.1} %); what should be told along is told {} of {} times",
            self.told, self.tells
        );
        let _ =
            writeln!(out, "confidence of answers, and the share that is at least partly right:");
        for (from, count, right) in self.curve() {
            let _ = writeln!(out, "  from {from:.2}: {count:4} answers, {right:5.1} %");
        }
        for row in &self.rows {
            if show.iter().any(|class| class == row.class.name()) {
                let _ = writeln!(
                    out,
                    "\n[{} {} {}] {}\n    {}",
                    row.id,
                    row.category,
                    row.class.name(),
                    row.text,
                    row.reply.replace('\n', "\n    ")
                );
            }
        }
        let _ = write!(
            out,
            "good {:.1} %  harmful {:.1} %  wrong {:.1} %  declined wrongly {:.1} %",
            all.share(all.good()),
            all.share(all.of(Class::Harmful)),
            all.share(all.of(Class::Wrong)),
            all.share(all.of(Class::DeclinedWrongly))
        );
        out
    }

    /// The same for programs, with every row.
    pub(crate) fn value(&self) -> Value {
        let all = self.counts(|_| true);
        let table = |groups: BTreeMap<&str, Counts>| -> Value {
            groups
                .into_iter()
                .map(|(name, counts)| {
                    let mut line = serde_json::Map::new();
                    for class in Class::ALL {
                        line.insert(class.name().replace(' ', "_"), json!(counts.of(class)));
                    }
                    line.insert("good".to_owned(), json!(counts.share(counts.good())));
                    (name.to_owned(), Value::Object(line))
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let (answered, bad) = self.answered();
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "business": row.business, "id": row.id, "category": row.category, "text": row.text,
                    "reply": row.reply, "class": row.class.name(), "confidence": row.confidence,
                })
            })
            .collect();
        json!({
            "good": all.share(all.good()),
            "harmful": all.share(all.of(Class::Harmful)),
            "wrong": all.share(all.of(Class::Wrong)),
            "declined_wrongly": all.share(all.of(Class::DeclinedWrongly)),
            "answered": answered,
            "answered_wrong_or_harmful": bad,
            "categories": table(self.by(|row| &row.category)),
            "businesses": table(self.by(|row| &row.business)),
            "rows": rows,
        })
    }

    /// Which limits are not kept.
    pub(crate) fn missed(&self, limits: &Limits) -> Vec<String> {
        let all = self.counts(|_| true);
        let share = |class| all.share(all.of(class));
        let good = all.share(all.good());
        let mut missed = Vec::new();
        if good < limits.min_good {
            missed.push(format!("good {good:.1} % is below {} %", limits.min_good));
        }
        for (name, share, most) in [
            ("harmful", share(Class::Harmful), limits.max_harmful),
            ("wrong", share(Class::Wrong), limits.max_wrong),
            ("declined wrongly", share(Class::DeclinedWrongly), limits.max_declined_wrongly),
        ] {
            if share > most {
                missed.push(format!("{name} {share:.1} % is above {most} %"));
            }
        }
        missed
    }
}
