//! How characters on a page make words, lines, columns, tables and paragraphs.

use super::blocks::Block;
use super::pdf::Mark;

/// A run of text on one baseline, without a wide gap in it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    x: f64,
    end: f64,
    text: String,
}

/// All that stands on one baseline.
#[derive(Debug, Clone)]
pub(super) struct Line {
    y: f64,
    size: f64,
    runs: Vec<Run>,
}

impl Line {
    pub(super) fn letters(&self) -> usize {
        self.runs.iter().map(|run| run.text.chars().filter(|c| !c.is_whitespace()).count()).sum()
    }

    pub(super) fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect::<Vec<_>>().join("   ")
    }

    fn start(&self) -> f64 {
        self.runs.first().map_or(0.0, |run| run.x)
    }

    fn end(&self) -> f64 {
        self.runs.iter().map(|run| run.end).fold(0.0, f64::max)
    }
}

/// The lines of a page, from top to bottom. Text that is turned is read in its own direction, after the rest.
pub(super) fn lines(marks: Vec<Mark>) -> Vec<Line> {
    let mut out = Vec::new();
    for turn in 0..4 {
        let mut own: Vec<Mark> = marks.iter().filter(|mark| mark.turn == turn).cloned().collect();
        own.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)));
        let mut rows: Vec<Vec<Mark>> = Vec::new();
        for mark in own {
            // Letters of one line differ a little in height: raised digits, another font.
            let near = rows.last().and_then(|row| row.first()).is_some_and(|first| {
                (mark.y - first.y).abs() <= 0.45 * first.size.min(mark.size).max(1.0)
            });
            match rows.last_mut() {
                Some(row) if near => row.push(mark),
                _ => rows.push(vec![mark]),
            }
        }
        out.extend(rows.into_iter().filter_map(line));
    }
    out
}

fn line(mut marks: Vec<Mark>) -> Option<Line> {
    marks.sort_by(|a, b| a.x.total_cmp(&b.x));
    // Bold print is sometimes the same letter twice, a hair apart.
    marks.dedup_by(|next, mark| {
        next.text == mark.text
            && (next.x - mark.x).abs() < 0.15 * mark.size
            && next.text.trim() != ""
    });
    let size = median(marks.iter().map(|mark| mark.size).collect());
    let y = marks.first()?.y;
    let mut runs: Vec<Run> = Vec::new();
    for mark in marks {
        let blank = mark.text.trim().is_empty();
        match runs.last_mut() {
            Some(run) => {
                let gap = mark.x - run.end;
                if blank {
                    if gap < 0.9 * size && !run.text.ends_with(' ') {
                        run.text.push(' ');
                        // A space's own width says nothing: what follows it decides.
                    }
                    continue;
                }
                if gap > 1.15 * size.max(1.0) && !run.text.trim().is_empty() {
                    runs.push(Run { x: mark.x, end: mark.x + mark.width, text: mark.text });
                    continue;
                }
                if gap > 0.19 * size && !run.text.ends_with(' ') {
                    run.text.push(' ');
                }
                run.text.push_str(&mark.text);
                run.end = run.end.max(mark.x + mark.width);
            }
            None if blank => {}
            None => runs.push(Run { x: mark.x, end: mark.x + mark.width, text: mark.text }),
        }
    }
    for run in &mut runs {
        run.text = super::composed(run.text.trim());
    }
    runs.retain(|run| !run.text.is_empty());
    // Leading dots are one run with what they lead to.
    (!runs.is_empty()).then(|| Line { y, size, runs: led(runs) })
}

/// Runs of dots join the name before them to the price behind them.
fn led(runs: Vec<Run>) -> Vec<Run> {
    let dots = |text: &str| {
        text.len() >= 3 && text.chars().all(|c| matches!(c, '.' | '_' | '…' | ' ' | '-'))
    };
    let ends = |text: &str| {
        text.ends_with("...")
            || text.ends_with("…")
            || text.ends_with("___")
            || text.ends_with(". . .")
    };
    let mut out: Vec<Run> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(before) if dots(&run.text) || ends(&before.text) => {
                before.text = format!("{} {}", before.text, run.text);
                before.end = run.end;
            }
            _ => out.push(run),
        }
    }
    out
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(1.0)
}

/// The blocks of all pages.
pub(super) fn blocks(pages: Vec<Vec<Line>>) -> Vec<Block> {
    let body = median(
        pages.iter().flatten().flat_map(|line| vec![line.size; line.letters().min(200)]).collect(),
    );
    let mut out: Vec<Block> = Vec::new();
    for page in pages {
        let made = page_blocks(&page, body);
        // A sentence may go on from the page before.
        let goes_on = matches!((out.last(), made.first()), (Some(Block::Line(before)), Some(Block::Line(next)))
            if !before.ends_with(['.', '!', '?', ':', ';']) && next.starts_with(char::is_lowercase));
        if goes_on
            && let (Some(Block::Line(before)), Some(Block::Line(next))) =
                (out.last_mut(), made.first())
        {
            *before = joined(before, next);
            out.extend(made.into_iter().skip(1));
        } else {
            out.push(Block::Blank);
            out.extend(made);
        }
    }
    out
}

/// Lines that stand in the same columns, one after the other.
struct Band<'a> {
    lines: Vec<&'a Line>,
    /// Where the gaps between columns are, from left to right.
    gaps: Vec<(f64, f64)>,
}

fn page_blocks(lines: &[Line], body: f64) -> Vec<Block> {
    let mut out = Vec::new();
    for band in bands(lines) {
        if band.gaps.is_empty() {
            paragraphs(
                &band.lines.iter().map(|line| (*line).clone()).collect::<Vec<_>>(),
                body,
                &mut out,
            );
            continue;
        }
        let columns = columns(&band);
        if is_prose(&columns) {
            for column in columns {
                out.push(Block::Blank);
                paragraphs(&column, body, &mut out);
            }
            out.push(Block::Blank);
        } else {
            out.push(Block::Table(rows(&band)));
        }
    }
    out
}

/// Where a line has nothing, between its runs.
fn gaps_of(line: &Line) -> Vec<(f64, f64)> {
    line.runs.windows(2).map(|pair| (pair[0].end, pair[1].x)).collect()
}

/// Groups lines by the gaps that run through all of them.
fn bands(lines: &[Line]) -> Vec<Band<'_>> {
    let mut out: Vec<Band<'_>> = Vec::new();
    for line in lines {
        let own = gaps_of(line);
        if let Some(band) = out.last_mut() {
            let apart = band.lines.last().map_or(0.0, |last| line.y - last.y);
            let near = apart < 3.2 * line.size.max(1.0);
            if band.gaps.is_empty() && own.is_empty() {
                if band
                    .lines
                    .last()
                    .is_some_and(|last| (last.size - line.size).abs() < 0.2 * line.size)
                    || near
                {
                    band.lines.push(line);
                    continue;
                }
            } else if near {
                let kept = through(&band.gaps, line);
                // A line with one run that stands within a column keeps the gaps that it does not cross.
                if !kept.is_empty()
                    && (kept.len() == band.gaps.len()
                        || own.is_empty()
                        || kept.len() + 1 == band.gaps.len())
                    && (band.lines.len() > 1 || own.len() == band.gaps.len() || own.is_empty())
                {
                    band.gaps = kept;
                    band.lines.push(line);
                    continue;
                }
            }
        }
        out.push(Band { lines: vec![line], gaps: own });
    }
    // One line with a gap is no column: a name with its price, or a label.
    for band in &mut out {
        if band.lines.iter().filter(|line| line.runs.len() > 1).count() < 2 {
            band.gaps.clear();
        }
    }
    out
}

/// The parts of the gaps that a line leaves free.
fn through(gaps: &[(f64, f64)], line: &Line) -> Vec<(f64, f64)> {
    gaps.iter()
        .filter_map(|(from, to)| {
            let (mut from, mut to) = (*from, *to);
            for run in &line.runs {
                if run.end <= from || run.x >= to {
                    continue;
                }
                // The run reaches into the gap from one side, or crosses it.
                if run.x <= from && run.end >= to {
                    return None;
                }
                if run.x <= from {
                    from = run.end;
                } else if run.end >= to {
                    to = run.x;
                } else {
                    return None;
                }
            }
            (to - from > 0.4 * line.size).then_some((from, to))
        })
        .collect()
}

/// The column in which a run stands.
fn column_of(gaps: &[(f64, f64)], run: &Run) -> usize {
    gaps.iter().filter(|(from, to)| run.x >= (from + to) / 2.0 - 0.01).count()
}

fn columns(band: &Band<'_>) -> Vec<Vec<Line>> {
    let mut out = vec![Vec::new(); band.gaps.len() + 1];
    for line in &band.lines {
        for (column, lines) in out.iter_mut().enumerate() {
            let runs: Vec<Run> = line
                .runs
                .iter()
                .filter(|run| column_of(&band.gaps, run) == column)
                .cloned()
                .collect();
            if !runs.is_empty() {
                lines.push(Line { y: line.y, size: line.size, runs });
            }
        }
    }
    out
}

/// Whether columns are read one after the other: lines of sentences, not cells.
fn is_prose(columns: &[Vec<Line>]) -> bool {
    let long = |lines: &Vec<Line>| {
        let lengths: Vec<f64> = lines
            .iter()
            .map(|line| f64::from(u32::try_from(line.text().chars().count()).unwrap_or(0)))
            .collect();
        median(lengths) >= 22.0
    };
    let amounts = |lines: &Vec<Line>| {
        lines
            .iter()
            .filter(|line| line.text().contains("R$") && line.text().chars().count() < 22)
            .count()
            * 2
            > lines.len()
    };
    // A line in small letters goes on with the one above it: cells of a table begin anew.
    let goes_on = |lines: &Vec<Line>| {
        lines.windows(2).any(|pair| {
            let (above, below) = (pair[0].text(), pair[1].text());
            above.chars().count() >= 14
                && !above.ends_with(['.', '!', '?', ':', ';'])
                && below.starts_with(char::is_lowercase)
        })
    };
    let filled: Vec<&Vec<Line>> = columns.iter().filter(|lines| !lines.is_empty()).collect();
    filled.len() > 1
        && (filled.iter().all(|lines| long(lines) && lines.len() > 1)
            || filled.iter().all(|lines| goes_on(lines)))
        && !filled.iter().any(|lines| amounts(lines))
}

fn rows(band: &Band<'_>) -> Vec<Vec<String>> {
    let mut out: Vec<Vec<String>> = Vec::new();
    let mut last: Option<(f64, f64)> = None;
    for line in &band.lines {
        let mut row = vec![String::new(); band.gaps.len() + 1];
        for run in &line.runs {
            let cell = &mut row[column_of(&band.gaps, run)];
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(&run.text);
        }
        // A cell of two lines: the second has nothing in the first column and stands close below.
        let close = last.is_some_and(|(y, size)| line.y - y < 1.35 * size);
        let goes_on = row[0].is_empty()
            && close
            && row.iter().filter(|cell| !cell.is_empty()).count() < row.len();
        last = Some((line.y, line.size));
        if goes_on && let Some(above) = out.last_mut() {
            for (cell, more) in above.iter_mut().zip(row) {
                if !more.is_empty() {
                    *cell = joined(cell, &more);
                }
            }
            continue;
        }
        out.push(row);
    }
    out
}

fn joined(before: &str, next: &str) -> String {
    if before.is_empty() {
        return next.to_owned();
    }
    if before.ends_with('-') && next.starts_with(char::is_lowercase) {
        let kept = if super::keeps_its_hyphen(before, next) {
            before
        } else {
            &before[..before.len() - 1]
        };
        return format!("{kept}{next}");
    }
    format!("{before} {next}")
}

/// Whether dots lead from a name to what it costs: an entry of a list, however full its line is.
fn leads(text: &str) -> bool {
    text.contains("....") || text.contains(". . . ") || text.contains("____") || text.contains("……")
}

/// Lines of print to paragraphs and headings.
fn paragraphs(lines: &[Line], body: f64, out: &mut Vec<Block>) {
    let right = lines.iter().map(Line::end).fold(0.0, f64::max);
    let left = lines.iter().map(Line::start).fold(f64::INFINITY, f64::min);
    let steps: Vec<f64> =
        lines.windows(2).map(|pair| pair[1].y - pair[0].y).filter(|step| *step > 0.0).collect();
    let step = median(steps.clone());
    let mut current = String::new();
    let mut before: Option<&Line> = None;
    let close = |current: &mut String, out: &mut Vec<Block>| {
        let text = std::mem::take(current);
        if !text.trim().is_empty() {
            out.push(Block::Line(text.trim().to_owned()));
        }
    };
    for line in lines {
        let text = line.text();
        let words = text.split_whitespace().count();
        if line.size > 1.18 * body && words <= 12 {
            close(&mut current, out);
            let level = if line.size > 1.6 * body { 1 } else { 2 };
            out.push(Block::Heading(level, text));
            before = Some(line);
            continue;
        }
        let item = text.starts_with(['•', '-', '–', '*', '▪', '●', '✓', '→'])
            || text.split_once([')', '.']).is_some_and(|(head, _)| {
                head.len() <= 2 && head.chars().all(|c| c.is_ascii_digit()) && !head.is_empty()
            });
        let goes_on = before.is_some_and(|above| {
            let gap = line.y - above.y;
            let full = above.end() > right - 0.18 * (right - left).max(1.0);
            let ended = current.ends_with(['.', '!', '?', ':', ';']);
            let lower = text.starts_with(char::is_lowercase);
            (above.size - line.size).abs() < 0.15 * line.size
                && gap < 1.6 * step.max(line.size)
                && !item
                && !current.is_empty()
                && ((!ended && (lower || full))
                    || (ended && full && gap <= 1.25 * step.max(1.0) && lower))
                && !(current.contains("R$") && text.contains("R$") && !full)
                && !(leads(&current) && leads(&text))
        });
        let apart = before
            .is_some_and(|above| line.y - above.y > 1.6 * step.max(line.size) || line.y < above.y);
        if goes_on {
            current = joined(&current, &text);
        } else {
            close(&mut current, out);
            if apart {
                out.push(Block::Blank);
            }
            current = text;
        }
        before = Some(line);
    }
    close(&mut current, out);
}
