//! Word files.

use std::io::{BufReader, Cursor, Read as _};

use isolation::Reporter;
use quick_xml::events::Event;

use super::{Collected, Stop, sniff};

/// Bytes that the text of a Word file may unpack to.
const UNPACKED: u64 = 64 << 20;
/// Events between two steps of progress.
const STEP: usize = 10_000;

/// The paragraphs of a Word file, headings marked. At most `limit` bytes of text are taken.
pub(super) fn docx(bytes: &[u8], limit: usize, reporter: &mut Reporter) -> Result<String, Stop> {
    if !sniff::has_zip_end(bytes) {
        return Err(Stop::CutOff);
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let file = archive.by_name("word/document.xml").map_err(|e| e.to_string())?;
    let unpacks = || Stop::Unpacks(usize::try_from(UNPACKED >> 20).unwrap_or(usize::MAX));
    // What the archive says of itself is no promise: the reading stops there as well.
    if file.size() > UNPACKED {
        return Err(unpacks());
    }
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(file.take(UNPACKED + 1)));
    let mut out = Collected::new(limit);
    let mut buffer = Vec::new();
    let mut in_text = false;
    for count in 1usize.. {
        if count.is_multiple_of(STEP) {
            reporter.step();
        }
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|e| e.to_string());
        if reader.buffer_position() > UNPACKED {
            return Err(unpacks());
        }
        match event? {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "w:t" => in_text = true,
                "w:tab" | "w:br" => out.push(" ")?,
                "w:pStyle" => {
                    let style = tag
                        .try_get_attribute("w:val")
                        .ok()
                        .flatten()
                        .map(|value| value.value.to_lowercase())
                        .unwrap_or_default();
                    if style.starts_with("heading")
                        || style.starts_with("ttulo")
                        || style == "title"
                    {
                        out.push("# ")?;
                    }
                }
                _ => {}
            },
            Event::End(tag) => match tag.name().as_ref() {
                "w:t" => in_text = false,
                "w:p" => out.push("\n")?,
                "w:tc" => out.push(" ")?,
                _ => {}
            },
            Event::Text(text) if in_text => out.push(&text.xml10_content())?,
            Event::GeneralRef(name) if in_text => out.push(match &*name.xml10_content() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                _ => "",
            })?,
            _ => {}
        }
    }
    Ok(out.text)
}
