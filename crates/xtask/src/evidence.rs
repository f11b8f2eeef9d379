//! Fitting what each feature of a sentence is worth (`crates/knowledge/src/weights.rs`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use knowledge::{Asked, Before, DECLINE_BELOW, FEATURES, Index};
use serde::Deserialize;

/// Rounds, the step, and what large weights cost.
const ROUNDS: i32 = 500;
const STEP: f64 = 0.05;
const DECAY: f64 = 0.06;
/// Less for questions that lean on another: what both come to together tells more than any word of theirs.
const DECAY_LEANING: f64 = 0.02;
/// Of the short questions every so manieth is asked after another of its business, on which it does not lean.
const CHANGES: usize = 9;
/// How many questions later that other one stands, and words of a short question at most.
const FURTHER: usize = 7;
const SHORT: usize = 8;

#[derive(Deserialize)]
struct Business {
    lines: Vec<Line>,
    asks: Vec<Ask>,
}

#[derive(Deserialize)]
struct Line {
    heading: Option<String>,
    question: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct Ask {
    before: Option<String>,
    q: String,
    lines: Vec<usize>,
}

/// A question's sentences: their features, and whether each answers it.
type Example = Vec<([f64; FEATURES], bool)>;

/// Fits the weights to businesses with their questions, on which the encoder was not fitted, and writes them.
pub(crate) fn fit(arguments: &[String]) -> anyhow::Result<String> {
    let [from, to] = arguments else { bail!("usage: cargo xtask fit-evidence FOLDER TO") };
    let mut files: Vec<_> =
        fs::read_dir(from)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let (mut alone, mut leaning) = (Vec::new(), Vec::new());
    for file in files {
        let (more_alone, more_leaning) = measured(&file)?;
        alone.extend(more_alone);
        leaning.extend(more_leaning);
    }
    fs::write(to, source(&train(&alone, DECAY), &train(&leaning, DECAY_LEANING)))?;
    Ok(format!("{to}: {} questions alone, {} after others", alone.len(), leaning.len()))
}

/// Log-odds at which the curve is printed.
const CUTS: [f64; 9] = [-2.0, -1.0, -0.5, DECLINE_BELOW, 0.5, 1.0, 1.5, 2.0, 3.0];

/// Shows how well the questions of businesses are answered, by the best sentence or by none, for each score below which
/// is declined.
pub(crate) fn measure(files: &[String]) -> anyhow::Result<String> {
    // Of each question the best sentence's score, whether it answers, and whether any does.
    let mut best: Vec<(f64, bool, bool)> = Vec::new();
    for file in files {
        each(Path::new(file), false, |index, asked, answers| {
            let known = answers.iter().any(|yes| *yes);
            best.push(match index.best(asked) {
                Some((sentence, score)) => (score, answers[sentence as usize], known),
                None => (f64::NEG_INFINITY, false, known),
            });
        })?;
    }
    let count = |of: &dyn Fn(&(f64, bool, bool)) -> bool| best.iter().filter(|one| of(one)).count();
    let mut out = String::from("below  right  wrong  declined | unknown: declined  answered\n");
    for cut in CUTS {
        let right = count(&|one| one.0 >= cut && one.1);
        let wrong = count(&|one| one.0 >= cut && one.2 && !one.1);
        let declined = count(&|one| one.0 < cut && one.2);
        let refused = count(&|one| one.0 < cut && !one.2);
        let made_up = count(&|one| one.0 >= cut && !one.2);
        let _ = writeln!(
            out,
            "{cut:>5.1}  {right:>5}  {wrong:>5}  {declined:>8} | {refused:>17}  {made_up:>8}"
        );
    }
    Ok(out)
}

/// The questions that stand alone, and those that are asked after another.
fn measured(file: &Path) -> anyhow::Result<(Vec<Example>, Vec<Example>)> {
    let (mut alone, mut leaning) = (Vec::new(), Vec::new());
    each(file, true, |index, asked, answers| {
        let sentences = index.features(asked).into_iter();
        let example: Example =
            sentences.map(|one| (one.features, answers[one.sentence as usize])).collect();
        // Only a heading would answer.
        let headed = answers.contains(&true) && !example.iter().any(|(_, answers)| *answers);
        if !headed {
            if asked.before.is_some() { leaning.push(example) } else { alone.push(example) }
        }
    })?;
    Ok((alone, leaning))
}

/// Goes through the questions of the businesses of a file, each with its index, and with whether each sentence answers;
/// with `changes` also through some that change the subject.
fn each(
    file: &Path,
    changes: bool,
    mut of: impl FnMut(&Index, &Asked<'_>, &[bool]),
) -> anyhow::Result<()> {
    for line in fs::read_to_string(file)?.lines() {
        let business: Business =
            serde_json::from_str(line).with_context(|| format!("{}", file.display()))?;
        let mut notes = String::new();
        let mut faq = String::from("Pergunta\tResposta\n");
        let mut heading: Option<&str> = None;
        for line in &business.lines {
            if let Some(question) = &line.question {
                let _ = writeln!(faq, "{question}\t{}", line.text);
                continue;
            }
            if line.heading.as_deref() != heading {
                heading = line.heading.as_deref();
                let _ = writeln!(notes, "\n## {}", heading.unwrap_or_default());
            }
            let _ = writeln!(notes, "- {}", line.text);
        }
        let files = [("notas.md", notes.as_str()), ("faq.csv", faq.as_str())];
        let files: Vec<(&str, &str)> =
            files.into_iter().filter(|(_, text)| text.lines().count() > 1).collect();
        let mut index = Index::of_files(&files)?;
        let encoder = embedding::encoder();
        index.set_vectors(index.to_encode().iter().map(|text| encoder.passage(text)).collect());
        let sentences = u32::try_from(index.to_encode().len())?;
        let texts: Vec<String> = (0..sentences)
            .map(|one| index.sentence_text(one).trim_end_matches('.').to_owned())
            .collect();
        // Who asks just as a question is noted is the easiest case, and must never be missed.
        let noted = business.lines.iter().enumerate().filter_map(|(at, line)| {
            Some(Ask { before: None, q: line.question.clone()?, lines: vec![at] })
        });
        let mut asks: Vec<Ask> = noted.collect();
        if changes {
            asks.extend(changing(&business.asks));
        }
        for ask in business.asks.iter().chain(&asks) {
            let right: Vec<&str> =
                ask.lines.iter().map(|at| business.lines[*at].text.trim_end_matches('.')).collect();
            let text = index.as_written(&ask.q);
            let vector = encoder.question(&text);
            let both =
                ask.before.as_ref().map(|before| encoder.question(&format!("{before} {text}")));
            let asked = Asked {
                text: &text,
                before: ask.before.as_deref().map(|asked| Before { asked, told: "" }),
                vector: Some(&vector),
                both: both.as_deref(),
                today: None,
            };
            let answers: Vec<bool> = texts
                .iter()
                .map(|text| right.iter().any(|line| line.contains(text) || text.contains(line)))
                .collect();
            // A question whose line was cut in an unexpected way teaches nothing.
            if right.is_empty() || answers.iter().any(|yes| *yes) {
                of(&index, &asked, &answers);
            }
        }
    }
    Ok(())
}

/// Questions that do not lean on the one before them: not each that follows another goes on with it.
fn changing(asks: &[Ask]) -> Vec<Ask> {
    let short = asks
        .iter()
        .enumerate()
        .filter(|(_, ask)| ask.before.is_none() && ask.q.split_whitespace().count() <= SHORT);
    let some = short.step_by(CHANGES);
    some.map(|(at, ask)| Ask {
        before: Some(asks[(at + FURTHER) % asks.len()].q.clone()),
        q: ask.q.clone(),
        lines: ask.lines.clone(),
    })
    .collect()
}

/// Maximises the share of the sentences that answer, or of none where none does, by Adam.
fn train(examples: &[Example], decay: f64) -> (f64, [f64; FEATURES]) {
    let (mean, spread) = spread(examples);
    let mut weights = [0.0; FEATURES + 1];
    weights[FEATURES] = -2.0;
    let (mut first, mut second) = ([0.0; FEATURES + 1], [0.0; FEATURES + 1]);
    for round in 1..=ROUNDS {
        let mut slope = [0.0; FEATURES + 1];
        for example in examples {
            let rows: Vec<[f64; FEATURES]> = example
                .iter()
                .map(|(features, _)| std::array::from_fn(|k| (features[k] - mean[k]) / spread[k]))
                .collect();
            let scores: Vec<f64> = rows
                .iter()
                .map(|row| {
                    weights[FEATURES] + row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>()
                })
                .collect();
            let most = scores.iter().copied().fold(0.0, f64::max);
            let all: f64 = scores.iter().map(|s| (s - most).exp()).sum::<f64>() + (-most).exp();
            let right: f64 = scores
                .iter()
                .zip(example)
                .filter(|(_, (_, answers))| *answers)
                .map(|(s, _)| (s - most).exp())
                .sum();
            for ((row, score), (_, answers)) in rows.iter().zip(&scores).zip(example) {
                let share = (score - most).exp();
                let wrong = share / all - if *answers { share / right } else { 0.0 };
                for (slope, x) in slope.iter_mut().zip(row) {
                    *slope += wrong * x;
                }
                slope[FEATURES] += wrong;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of questions")]
        let count = examples.len().max(1) as f64;
        for k in 0..=FEATURES {
            let decay = if k < FEATURES { decay * weights[k] } else { 0.0 };
            let g = slope[k] / count + decay;
            first[k] = 0.9 * first[k] + 0.1 * g;
            second[k] = 0.999 * second[k] + 0.001 * g * g;
            let (m, v) =
                (first[k] / (1.0 - 0.9f64.powi(round)), second[k] / (1.0 - 0.999f64.powi(round)));
            weights[k] -= STEP * m / (v.sqrt() + 1e-8);
        }
    }
    let scaled = std::array::from_fn(|k| weights[k] / spread[k]);
    let moved: f64 = (0..FEATURES).map(|k| weights[k] * mean[k] / spread[k]).sum();
    (weights[FEATURES] - moved, scaled)
}

#[expect(clippy::cast_precision_loss, reason = "a count of sentences")]
fn spread(examples: &[Example]) -> ([f64; FEATURES], [f64; FEATURES]) {
    let count = examples.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let all = || examples.iter().flatten().map(|(features, _)| features);
    let mean: [f64; FEATURES] = std::array::from_fn(|k| all().map(|m| m[k]).sum::<f64>() / count);
    let spread = std::array::from_fn(|k| {
        (all().map(|m| (m[k] - mean[k]).powi(2)).sum::<f64>() / count).sqrt() + 1e-6
    });
    (mean, spread)
}

fn source(alone: &(f64, [f64; FEATURES]), leaning: &(f64, [f64; FEATURES])) -> String {
    let mut out = String::from(
        "//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.\n\n\
         use crate::features::Weights;\n\n",
    );
    for (name, (bias, weights)) in [("ALONE", alone), ("LEANING", leaning)] {
        let _ = writeln!(
            out,
            "pub(crate) const {name}: Weights = Weights {{\n    bias: {bias:.3},\n    of: ["
        );
        for weight in weights {
            let _ = writeln!(out, "        {weight:.3},");
        }
        out += "    ],\n};\n";
    }
    out
}
