//! PDF files, page by page.

use std::cell::RefCell;

use isolation::Reporter;
use pdf_extract::{
    ConvertToFmt, Document, MediaBox, OutputDev, OutputError, PlainTextOutput, Transform,
};

use super::{Collected, Stop, sniff};

pub(super) struct Writer<'a>(&'a RefCell<Collected>);

impl std::fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.borrow_mut().push(text).map_err(|_| std::fmt::Error)
    }
}

impl<'a> ConvertToFmt for Writer<'a> {
    type Writer = Self;
    fn convert(self) -> Self {
        self
    }
}

/// Plain text, with a step of progress for each page.
struct Pages<'a> {
    out: PlainTextOutput<Writer<'a>>,
    collected: &'a RefCell<Collected>,
    reporter: &'a mut Reporter,
}

type Outcome = Result<(), OutputError>;

impl OutputDev for Pages<'_> {
    fn begin_page(
        &mut self,
        page: u32,
        media: &MediaBox,
        art: Option<(f64, f64, f64, f64)>,
    ) -> Outcome {
        self.reporter.step();
        self.out.begin_page(page, media, art)
    }
    fn end_page(&mut self) -> Outcome {
        self.out.end_page()?;
        // The library ends a line where the next stands lower: on another page it may stand at the same height.
        Ok(self.collected.borrow_mut().push("\n").map_err(|_| std::fmt::Error)?)
    }
    fn output_character(
        &mut self,
        at: &Transform,
        width: f64,
        spacing: f64,
        size: f64,
        text: &str,
    ) -> Outcome {
        self.out.output_character(at, width, spacing, size, text)
    }
    fn begin_word(&mut self) -> Outcome {
        self.out.begin_word()
    }
    fn end_word(&mut self) -> Outcome {
        self.out.end_word()
    }
    fn end_line(&mut self) -> Outcome {
        self.out.end_line()
    }
}

/// The text of a PDF; at most `limit` bytes of it.
pub(super) fn pdf(bytes: &[u8], limit: usize, reporter: &mut Reporter) -> Result<String, Stop> {
    let collected = RefCell::new(Collected::new(limit));
    // The library panics on some broken files; the child that this runs in may die of others.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut document =
            Document::load_mem(bytes).map_err(|cause| Stop::from(cause.to_string()))?;
        if document.is_encrypted() {
            document.decrypt("").map_err(|_| Stop::Locked)?;
        }
        let out = PlainTextOutput::new(Writer(&collected));
        let done =
            pdf_extract::output_doc(&document, &mut Pages { out, collected: &collected, reporter });
        done.map_err(|cause| match cause {
            OutputError::FormatError(_) => Stop::Text,
            other => Stop::from(other.to_string()),
        })
    }));
    match outcome {
        Ok(Ok(())) => Ok(collected.into_inner().text),
        Ok(Err(stop @ (Stop::Text | Stop::Locked))) => Err(stop),
        _ if !sniff::has_pdf_end(bytes) => Err(Stop::CutOff),
        Ok(Err(stop)) => Err(stop),
        Err(_) => Err(Stop::Broken("the file is damaged".to_owned())),
    }
}
