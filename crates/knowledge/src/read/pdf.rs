//! PDF files: what stands on each page, and how it is laid out.
//!
//! The library (`hayro`, kept by a developer of Typst) reads the file and says where each character stands; lines,
//! columns, tables and paragraphs are found here.

use std::collections::HashMap;

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt as _, interpret_page,
};
use isolation::Reporter;

use super::blocks::Block;
use super::{Stop, layout, sniff};

/// Pages that are read.
const PAGES: usize = 2_000;
/// Characters of a page that are laid out.
const CHARACTERS: usize = 60_000;

/// A character where it stands: the beginning and end of its baseline, and its size.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) size: f64,
    /// Of its baseline, in quarters of a turn.
    pub(super) turn: u8,
    pub(super) text: String,
}

/// Collects a page's characters.
#[derive(Default)]
struct Collector {
    marks: Vec<Mark>,
    images: usize,
    /// Characters of which nobody knows what they mean.
    unknown: usize,
}

impl<'a> Device<'a> for Collector {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.images += 1;
    }
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        for glyph in run.glyphs() {
            if self.marks.len() >= CHARACTERS {
                return;
            }
            let place = props.transform * glyph.transform();
            let advance = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width(),
                Glyph::Type3(drawn) => drawn.advance_width(),
            };
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text.to_string(),
                None => {
                    self.unknown += 1;
                    continue;
                }
            };
            self.push(place, f64::from(advance.unwrap_or(500.0)), text);
        }
    }
}

impl Collector {
    fn push(&mut self, place: Affine, advance: f64, text: String) {
        let [a, b, c, d, e, f] = place.as_coeffs();
        let along = Vec2::new(a, b);
        let size = Vec2::new(c, d).hypot() * 1000.0;
        if !size.is_finite() || size <= 0.5 || text.chars().all(char::is_control) {
            return;
        }
        let angle = b.atan2(a).to_degrees().rem_euclid(360.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 3")]
        let turn = ((angle + 45.0) / 90.0).floor() as u8 % 4;
        let (x, y) = match turn {
            0 => (e, f),
            1 => (f, -e),
            2 => (-e, -f),
            _ => (-f, e),
        };
        self.marks.push(Mark { x, y, width: along.hypot() * advance, size, turn, text });
    }
}

/// What a PDF says.
pub(super) struct Pages {
    pub(super) blocks: Vec<Block>,
    /// Pages that show something, and no text that can be read.
    pub(super) unread: Vec<usize>,
}

/// The blocks of a PDF; at most `limit` bytes of text.
pub(super) fn pdf(bytes: &[u8], limit: usize, reporter: &mut Reporter) -> Result<Pages, Stop> {
    // The library means never to panic; the child that this runs in may die of it all the same.
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(bytes, limit, reporter)));
    match outcome {
        Ok(Ok(pages)) => Ok(pages),
        Ok(Err(stop @ (Stop::Text | Stop::Locked))) => Err(stop),
        _ if !sniff::has_pdf_end(bytes) => Err(Stop::CutOff),
        Ok(Err(stop)) => Err(stop),
        Err(_) => Err(Stop::Broken("the file is damaged".to_owned())),
    }
}

fn read(bytes: &[u8], limit: usize, reporter: &mut Reporter) -> Result<Pages, Stop> {
    let file = Pdf::new(bytes.to_vec()).map_err(|cause| match cause {
        LoadPdfError::Decryption(_) => Stop::Locked,
        LoadPdfError::Invalid => Stop::Broken("the file is damaged".to_owned()),
    })?;
    let cache = InterpreterCache::new();
    let mut pages: Vec<Vec<layout::Line>> = Vec::new();
    let mut unread = Vec::new();
    let mut size = 0;
    for (number, page) in file.pages().iter().take(PAGES).enumerate() {
        reporter.step();
        let (width, height) = page.render_dimensions();
        let area = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let place = page.initial_transform(true).to_kurbo();
        let settings = InterpreterSettings::default();
        let mut context = Context::new(place, area, &cache, page.xref(), settings);
        let mut collector = Collector::default();
        interpret_page(page, &mut context, &mut collector);
        let lines = layout::lines(collector.marks);
        let letters: usize = lines.iter().map(layout::Line::letters).sum();
        size += letters;
        if size > limit {
            return Err(Stop::Text);
        }
        if letters == 0 && (collector.images > 0 || collector.unknown > 0) {
            unread.push(number + 1);
        }
        pages.push(lines);
    }
    Ok(Pages { blocks: layout::blocks(without_furniture(pages)), unread })
}

/// Pages without the lines that head or end each of them, and without their numbers.
fn without_furniture(mut pages: Vec<Vec<layout::Line>>) -> Vec<Vec<layout::Line>> {
    let edge = |count: usize, at: usize| at < 2 || at + 2 >= count;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (number, lines) in pages.iter().enumerate() {
        for (at, line) in lines.iter().enumerate() {
            if edge(lines.len(), at) {
                *seen.entry(shape(&line.text(), number + 1)).or_default() += 1;
            }
        }
    }
    let count = pages.len();
    for (number, lines) in pages.iter_mut().enumerate() {
        let all = lines.len();
        let mut at = 0;
        lines.retain(|line| {
            let at_edge = edge(all, at);
            at += 1;
            let text = shape(&line.text(), number + 1);
            let only_number = text.chars().all(|c| c.is_ascii_digit() || " /-.#".contains(c));
            let repeated = count > 1 && seen.get(&text).is_some_and(|times| *times * 2 > count);
            let short = text.chars().count() < 120;
            !(at_edge && ((repeated && short) || (only_number && count > 1)))
        });
    }
    pages
}

/// A line with the number of its page left out, the first that could be it: by that, what stands on every page is told. Other numbers stay: lines
/// that differ in them say different things.
fn shape(line: &str, page: usize) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    let mut numbered = false;
    for c in line.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        // A cover is often not counted.
        let own =
            !numbered && digits.parse::<usize>().is_ok_and(|number| number.abs_diff(page) <= 1);
        numbered |= own;
        out.push_str(if own { "#" } else { &digits });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn only_the_page_number_is_left_out() {
        assert_eq!(shape("Página 3 de 10", 3), "Página # de 10");
        assert_eq!(shape("Página 2 de 10", 2), "Página # de 10");
        assert_eq!(shape("Página 2 de 3", 2), "Página # de 3");
        assert_eq!(shape("A vaga 37 custa R$ 60", 38), "A vaga # custa R$ 60");
        assert_ne!(shape("A vaga 37 custa R$ 60", 38), shape("A vaga 38 custa R$ 61", 39));
    }
}
