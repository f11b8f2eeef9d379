//! What a file is by its first bytes, whatever its name says.

use super::Format;

/// Texts of any encoding that people use hold hardly a control character.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    // With its mark, UTF-16 is text, whatever zeros it holds.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return false;
    }
    let control = |b: &&u8| b.is_ascii_control() && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c);
    bytes.contains(&0) || bytes.iter().filter(control).count() * 100 > bytes.len()
}

/// Whether a PDF has the mark by which it ends.
pub(super) fn has_pdf_end(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(2048)..];
    holds(tail, b"%%EOF")
}

/// Whether an archive has the directory by which it ends.
pub(super) fn has_zip_end(bytes: &[u8]) -> bool {
    // A comment of at most 64 KiB follows it.
    holds(&bytes[bytes.len().saturating_sub(66_000)..], b"PK\x05\x06")
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What the content of a file is, and what to do, when it is not what its name says.
pub(super) fn mismatch(format: Format, bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let first = &bytes[..bytes.len().min(1024)];
    let text = first.trim_ascii_start();
    let begins = |marks: &[&[u8]]| {
        marks.iter().any(|m| text.len() >= m.len() && text[..m.len()].eq_ignore_ascii_case(m))
    };
    let zip = first.starts_with(b"PK\x03\x04");
    // The names of an archive's files stand in its directory, at the end, and before each file.
    let names = |part: &[u8]| {
        holds(&bytes[..bytes.len().min(4096)], part)
            || holds(&bytes[bytes.len().saturating_sub(65_536)..], part)
    };
    let found = if holds(first, b"%PDF-") {
        ("a PDF", "name it .pdf")
    } else if zip && names(b"word/document.xml") {
        ("a Word file", "name it .docx")
    } else if zip && names(b"xl/workbook") {
        ("an Excel file", "name it .xlsx")
    } else if zip && names(b"ppt/presentation") {
        ("a PowerPoint file", "save it as PDF and send that")
    } else if zip && names(b"opendocument") {
        ("an OpenDocument file", "save it as .docx or PDF and send that")
    } else if zip {
        ("a ZIP archive", "unpack it and send the files in it")
    } else if first.starts_with(b"\xd0\xcf\x11\xe0") {
        ("an old Office file (Word 97 to 2003)", "save it as .docx or PDF and send that")
    } else if begins(&[b"{\\rtf"]) {
        ("rich text (RTF)", "save it as .docx or PDF and send that")
    } else if begins(&[b"<!doctype html", b"<html", b"<head", b"<body"]) {
        ("a web page (HTML)", "name it .html, or save the document itself")
    } else if first.starts_with(b"\x89PNG") || first.starts_with(b"\xff\xd8\xff") {
        ("a picture", "send the text itself, or a PDF with text")
    } else if !is_binary(bytes) {
        ("plain text", "name it .txt")
    } else {
        ("something else", "save it again in this format and send that")
    };
    let fits = match format {
        Format::Pdf => found.0 == "a PDF",
        // Of a cut one the names may be missing; its reader says that it is cut.
        Format::Docx => found.0 == "a Word file" || (zip && !has_zip_end(bytes)),
        Format::Xlsx => found.0 == "an Excel file" || (zip && !has_zip_end(bytes)),
        // Text is whatever no other kind is; a page may begin with anything.
        _ => matches!(found.0, "plain text" | "something else" | "a web page (HTML)"),
    };
    (!fits).then_some(found)
}
