//! Files that strangers bring: small ones that cost much to read.

use std::io::Write as _;

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default()
}

/// A PDF of these objects; the first is its catalogue.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend(format!("{} 0 obj\n", at + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for offset in offsets {
        out.extend(format!("{offset:010} 00000 n \n").into_bytes());
    }
    let end = format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    );
    out.extend(end.into_bytes());
    out
}

/// A packed stream object with more in its dictionary.
pub fn stream(content: &[u8], more: &str) -> Vec<u8> {
    let packed = deflated(content);
    let mut out = format!("<< /Length {} /Filter /FlateDecode {more} >>\nstream\n", packed.len());
    let mut out = std::mem::take(&mut out).into_bytes();
    out.extend(packed);
    out.extend(b"\nendstream");
    out
}

/// One page with this content, and more objects from the sixth on.
pub fn page(content: Vec<u8>, resources: &str, more: Vec<Vec<u8>>) -> Vec<u8> {
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R \
             /Resources << /Font << /F1 5 0 R >> {resources} >> >>"
        )
        .into_bytes(),
        content,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
    ];
    objects.extend(more);
    pdf(&objects)
}

/// What a page says.
pub const TEXT: &[u8] = b"BT /F1 12 Tf 72 700 Td (Ola mundo) Tj ET";

/// A form that draws itself.
pub fn draws_itself() -> Vec<u8> {
    let form =
        "/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /X 6 0 R >> >>";
    page(stream(b"/X Do", ""), "/XObject << /X 6 0 R >>", vec![stream(b"/X Do /X Do", form)])
}

/// Forms that draw others ten times, nine deep.
pub fn draws_a_billion() -> Vec<u8> {
    let forms = (0..9).map(|depth| {
        let next = if depth < 8 { 7 + depth } else { 6 + depth };
        let form = format!(
            "/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /Font << /F1 5 0 R >> \
             /XObject << /X {next} 0 R >> >>"
        );
        let content = if depth < 8 { b"/X Do ".repeat(10) } else { TEXT.to_vec() };
        stream(&content, &form)
    });
    page(stream(b"/X Do", ""), "/XObject << /X 6 0 R >>", forms.collect())
}

/// A page whose parents are each other's.
pub fn parents_in_a_circle() -> Vec<u8> {
    pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /Parent 5 0 R >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>".to_vec(),
        stream(TEXT, ""),
        b"<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>".to_vec(),
    ])
}

/// Pages of one line each, all at the same height.
pub fn pages_of(lines: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        Vec::new(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
    ];
    let mut kids = String::new();
    for line in lines {
        let at = objects.len() + 1;
        kids.push_str(&format!("{at} 0 R "));
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>",
            at + 1
        );
        objects.push(page.into_bytes());
        objects.push(stream(format!("BT /F1 12 Tf 72 700 Td ({line}) Tj ET").as_bytes(), ""));
    }
    objects[1] = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", lines.len()).into_bytes();
    pdf(&objects)
}

/// A page that unpacks to a gigabyte.
pub fn unpacks_to_a_gigabyte() -> Vec<u8> {
    page(stream(&vec![b' '; 1 << 30], ""), "", Vec::new())
}

/// A table of characters with four billion rows.
pub fn maps_every_character() -> Vec<u8> {
    let map: &[u8] = b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange \
        <00000000> <FFFFFFFF> endcodespacerange 1 beginbfrange <00000000> <FFFFFFFE> <0041> endbfrange endcmap end end";
    pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_vec(),
        stream(TEXT, ""),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /ToUnicode 6 0 R /DescendantFonts [7 0 R] >>".to_vec(),
        stream(map, ""),
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 1000 >>".to_vec(),
    ])
}

/// A Word file of this body.
pub fn docx(xml: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let written = archive
        .start_file("word/document.xml", options)
        .and_then(|()| Ok(archive.write_all(xml)?))
        .and_then(|()| archive.finish());
    written.map(std::io::Cursor::into_inner).unwrap_or_default()
}

/// A Word file whose text is a little over 64 MiB.
pub fn unpacks_to_more() -> Vec<u8> {
    let mut xml = b"<w:document><w:body><w:p>".to_vec();
    xml.extend(b"<w:r/>".repeat(((64 << 20) / 6) + 100));
    xml.extend(b"<w:r><w:t>fim</w:t></w:r></w:p></w:body></w:document>");
    docx(&xml)
}
