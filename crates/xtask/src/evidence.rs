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
/// Units that look at several features together, and what their weights cost.
const HIDDEN: usize = 12;
const HIDDEN_DECAY: f64 = 0.01;

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
    let mut examples = Vec::new();
    for file in files {
        examples.extend(measured(&file)?);
    }
    fs::write(to, source(&train(&examples)))?;
    Ok(format!("{to}: {} questions", examples.len()))
}

/// Shows how well the questions of businesses are answered: by the best sentence, or by none.
pub(crate) fn measure(files: &[String]) -> anyhow::Result<String> {
    let mut counts = Counts::default();
    for file in files {
        each(Path::new(file), |index, asked, answers| {
            let best = index.best(asked).filter(|(_, score)| *score >= DECLINE_BELOW);
            let known = answers.iter().any(|yes| *yes);
            match best {
                Some((sentence, _)) if answers[sentence as usize] => counts.right += 1,
                Some(_) if known => counts.wrong += 1,
                Some(_) => counts.made_up += 1,
                None if known => counts.missed += 1,
                None => counts.declined += 1,
            }
        })?;
    }
    let Counts { right, wrong, missed, declined, made_up } = counts;
    Ok(format!(
        "answerable: {right} right, {wrong} wrong, {missed} declined; unanswerable: {declined} declined, {made_up} answered"
    ))
}

#[derive(Default)]
struct Counts {
    right: usize,
    wrong: usize,
    missed: usize,
    declined: usize,
    made_up: usize,
}

fn measured(file: &Path) -> anyhow::Result<Vec<Example>> {
    let mut out = Vec::new();
    each(file, |index, asked, answers| {
        let sentences = index.features(asked).into_iter();
        let example: Example =
            sentences.map(|one| (one.features, answers[one.sentence as usize])).collect();
        // Only a heading would answer.
        let headed = answers.contains(&true) && !example.iter().any(|(_, answers)| *answers);
        if !headed {
            out.push(example);
        }
    })?;
    Ok(out)
}

/// Goes through the questions of the businesses of a file, each with its index, and with whether each sentence answers.
fn each(file: &Path, mut of: impl FnMut(&Index, &Asked<'_>, &[bool])) -> anyhow::Result<()> {
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
        for ask in business.asks.iter().chain(&noted.collect::<Vec<_>>()) {
            let right: Vec<&str> =
                ask.lines.iter().map(|at| business.lines[*at].text.trim_end_matches('.')).collect();
            let vector = encoder.question(&ask.q);
            let both =
                ask.before.as_ref().map(|before| encoder.question(&format!("{before} {}", ask.q)));
            let asked = Asked {
                text: &ask.q,
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

/// Parameters in one row: a weight of each feature and a bias; then of each hidden unit its weights, its bias, and what it
/// is worth.
const UNIT: usize = FEATURES + 2;
const PARAMETERS: usize = FEATURES + 1 + HIDDEN * UNIT;

/// The score of a sentence, and what each hidden unit says.
fn scored(parameters: &[f64], row: &[f64; FEATURES]) -> (f64, [f64; HIDDEN]) {
    let dot = |weights: &[f64]| row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
    let unit = |at: usize| &parameters[FEATURES + 1 + at * UNIT..][..UNIT];
    let says: [f64; HIDDEN] = std::array::from_fn(|at| (dot(unit(at)) + unit(at)[FEATURES]).tanh());
    let hidden: f64 = says.iter().enumerate().map(|(at, says)| says * unit(at)[FEATURES + 1]).sum();
    (dot(parameters) + parameters[FEATURES] + hidden, says)
}

/// Maximises the share of the sentences that answer, or of none where none does, by Adam.
fn train(examples: &[Example]) -> Fitted {
    let (mean, spread) = spread(examples);
    let rows: Vec<Vec<[f64; FEATURES]>> = examples
        .iter()
        .map(|example| {
            let scaled = |(features, _): &([f64; FEATURES], bool)| {
                std::array::from_fn(|k| (features[k] - mean[k]) / spread[k])
            };
            example.iter().map(scaled).collect()
        })
        .collect();
    let mut parameters = vec![0.0; PARAMETERS];
    parameters[FEATURES] = -2.0;
    // Units must differ to learn different things; always in the same way, so that a fit can be made again.
    let mut seed = 1u64;
    for parameter in &mut parameters[FEATURES + 1..] {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "any small number will do")]
        let unit = (seed >> 33) as f64 / f64::from(1u32 << 31);
        *parameter = (unit - 0.5) * 0.4;
    }
    let (mut first, mut second) = (vec![0.0; PARAMETERS], vec![0.0; PARAMETERS]);
    for round in 1..=ROUNDS {
        let slope = slope(examples, &rows, &parameters);
        #[expect(clippy::cast_precision_loss, reason = "a count of questions")]
        let count = examples.len().max(1) as f64;
        for k in 0..PARAMETERS {
            let decay = match k {
                k if k < FEATURES => DECAY,
                FEATURES => 0.0,
                _ => HIDDEN_DECAY,
            };
            let g = slope[k] / count + decay * parameters[k];
            first[k] = 0.9 * first[k] + 0.1 * g;
            second[k] = 0.999 * second[k] + 0.001 * g * g;
            let (m, v) =
                (first[k] / (1.0 - 0.9f64.powi(round)), second[k] / (1.0 - 0.999f64.powi(round)));
            parameters[k] -= STEP * m / (v.sqrt() + 1e-8);
        }
    }
    // Features come as they are measured: what scales them goes into the weights.
    let scaled = |weights: &[f64]| -> ([f64; FEATURES], f64) {
        let moved = (0..FEATURES).map(|k| weights[k] * mean[k] / spread[k]).sum::<f64>();
        (std::array::from_fn(|k| weights[k] / spread[k]), weights[FEATURES] - moved)
    };
    let (weights, bias) = scaled(&parameters);
    let units = parameters[FEATURES + 1..]
        .chunks(UNIT)
        .map(|unit| {
            let (weights, bias) = scaled(unit);
            (weights, bias, unit[FEATURES + 1])
        })
        .collect();
    Fitted { bias, weights, units }
}

/// The slope of the loss by each parameter.
fn slope(examples: &[Example], rows: &[Vec<[f64; FEATURES]>], parameters: &[f64]) -> Vec<f64> {
    let halves = examples.len().div_ceil(2);
    let of = |examples: &[Example], rows: &[Vec<[f64; FEATURES]>]| {
        let mut slope = vec![0.0; PARAMETERS];
        for (example, rows) in examples.iter().zip(rows) {
            let scores: Vec<(f64, [f64; HIDDEN])> =
                rows.iter().map(|row| scored(parameters, row)).collect();
            let most = scores.iter().map(|(score, _)| *score).fold(0.0, f64::max);
            let all: f64 =
                scores.iter().map(|(s, _)| (s - most).exp()).sum::<f64>() + (-most).exp();
            let right: f64 = scores
                .iter()
                .zip(example)
                .filter(|(_, (_, answers))| *answers)
                .map(|((s, _), _)| (s - most).exp())
                .sum();
            for ((row, (score, says)), (_, answers)) in rows.iter().zip(&scores).zip(example) {
                let share = (score - most).exp();
                let wrong = share / all - if *answers { share / right } else { 0.0 };
                for (slope, x) in slope.iter_mut().zip(row) {
                    *slope += wrong * x;
                }
                slope[FEATURES] += wrong;
                for (at, says) in says.iter().enumerate() {
                    let from = FEATURES + 1 + at * UNIT;
                    let inner = wrong * parameters[from + FEATURES + 1] * (1.0 - says * says);
                    for (slope, x) in slope[from..].iter_mut().zip(row) {
                        *slope += inner * x;
                    }
                    slope[from + FEATURES] += inner;
                    slope[from + FEATURES + 1] += wrong * says;
                }
            }
        }
        slope
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| of(&examples[halves..], &rows[halves..]));
        let mut slope = of(&examples[..halves], &rows[..halves]);
        let other = other.join().expect("sums do not panic");
        slope.iter_mut().zip(other).for_each(|(one, other)| *one += other);
        slope
    })
}

/// What was fitted: see `crates/knowledge/src/weights.rs`.
struct Fitted {
    bias: f64,
    weights: [f64; FEATURES],
    /// Of each hidden unit: weights, bias, worth.
    units: Vec<([f64; FEATURES], f64, f64)>,
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

fn source(fitted: &Fitted) -> String {
    let row = |weights: &[f64]| -> String {
        weights.iter().map(|weight| format!("{weight:.4}, ")).collect()
    };
    let mut out = String::from(
        "//! What each feature of a sentence is worth. Written by `cargo xtask fit-evidence`.\n\n\
         use crate::features::FEATURES;\n\n",
    );
    let _ = writeln!(out, "pub(crate) const BIAS: f64 = {:.4};", fitted.bias);
    let weights = row(&fitted.weights);
    let _ = writeln!(out, "pub(crate) const WEIGHTS: [f64; FEATURES] = [{weights}];");
    let _ = writeln!(out, "/// Of each hidden unit the weights, the bias, and what it is worth.");
    let _ = writeln!(out, "pub(crate) const UNITS: [([f64; FEATURES], f64, f64); {HIDDEN}] = [");
    for (weights, bias, worth) in &fitted.units {
        let _ = writeln!(out, "([{}], {bias:.4}, {worth:.4}),", row(weights));
    }
    out + "];\n"
}
