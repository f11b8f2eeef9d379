//! Making the model's file smaller: only the pieces that some texts need stay.

use std::collections::BTreeSet;

use crate::file::{MAGIC, ModelError, Parts};
use crate::tokenizer::Tokenizer;

/// Pieces that stay whatever the texts: single characters of these and no others are ever typed here.
fn is_ours(c: char) -> bool {
    matches!(c, ' '..='ÿ' | '\u{2581}' | '–' | '—' | '‘' | '’' | '“' | '”' | '…' | '€' | '™' | '•')
}

/// The file with only those pieces that cut `words`, with and without capitals, and single characters.
///
/// # Errors
/// When the file is damaged.
pub fn prune<'a>(file: &[u8], words: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, ModelError> {
    let parts = Parts::read(file)?;
    let tokenizer = Tokenizer::new(&parts);
    let mut kept: BTreeSet<u32> = parts.special.iter().copied().collect();
    for text in ["query: ", "passage: "] {
        kept.extend(tokenizer.pieces(text, 64));
    }
    for (id, piece) in (0u32..).zip(&parts.pieces) {
        let text = String::from_utf8_lossy(piece);
        let letters = text.trim_start_matches('\u{2581}');
        if letters.chars().count() <= 1 && text.chars().all(is_ours) {
            kept.insert(id);
        }
        // Numbers, prices and times.
        if !letters.is_empty()
            && letters.len() <= 4
            && letters.chars().all(|c| c.is_ascii_digit() || ",.:$%".contains(c))
        {
            kept.insert(id);
        }
    }
    for word in words {
        kept.extend(tokenizer.pieces(word, 64));
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            let capital: String = first.to_uppercase().chain(letters).collect();
            kept.extend(tokenizer.pieces(&capital, 64));
        }
    }
    let ids: Vec<usize> = kept.iter().map(|id| *id as usize).collect();
    Ok(write(&parts, &ids))
}

fn write(parts: &Parts<'_>, kept: &[usize]) -> Vec<u8> {
    fn push(out: &mut Vec<u8>, number: usize) {
        let number = u32::try_from(number).expect("sizes of a model fit 32 bits");
        out.extend(number.to_le_bytes());
    }
    let mut out = Vec::new();
    out.extend(MAGIC);
    push(&mut out, 1);
    for (at, size) in parts.sizes.iter().enumerate() {
        push(&mut out, if at == 4 { kept.len() } else { *size });
    }
    out.extend(parts.epsilon.to_le_bytes());
    push(&mut out, crate::matrix::BLOCK);
    push(&mut out, kept.len());
    for id in parts.special {
        push(&mut out, kept.iter().position(|k| *k == id as usize).unwrap_or(0));
    }
    let bytes: usize = kept.iter().map(|id| parts.pieces[*id].len()).sum();
    out.extend((bytes as u64).to_le_bytes());
    let mut offset = 0;
    push(&mut out, 0);
    for id in kept {
        offset += parts.pieces[*id].len();
        push(&mut out, offset);
    }
    for id in kept {
        out.extend(parts.scores[*id].to_le_bytes());
    }
    for id in kept {
        out.extend(parts.pieces[*id]);
    }
    // Only replacements that lead to characters which are typed here.
    let replaced: Vec<&(u32, Vec<u32>)> = parts
        .replaced
        .iter()
        .filter(|(_, to)| to.iter().all(|c| char::from_u32(*c).is_some_and(is_ours)))
        .collect();
    push(&mut out, replaced.len());
    push(&mut out, replaced.iter().map(|(_, to)| 5 + 4 * to.len()).sum());
    for (from, to) in replaced {
        out.extend(from.to_le_bytes());
        out.push(u8::try_from(to.len()).unwrap_or(u8::MAX));
        for c in to {
            out.extend(c.to_le_bytes());
        }
    }
    let rows: Vec<(String, u8, usize, Vec<u8>)> = parts
        .tensors
        .iter()
        .map(|tensor| {
            if tensor.name != "emb.word" {
                return (tensor.name.clone(), tensor.kind, tensor.numbers, tensor.bytes.to_vec());
            }
            let size = tensor.bytes.len() / parts.pieces.len();
            let rows: Vec<u8> = kept
                .iter()
                .flat_map(|id| &tensor.bytes[id * size..(id + 1) * size])
                .copied()
                .collect();
            (tensor.name.clone(), tensor.kind, kept.len() * parts.sizes[0], rows)
        })
        .collect();
    push(&mut out, rows.len());
    let directory: usize = rows.iter().map(|(name, ..)| 2 + name.len() + 1 + 4 + 16).sum();
    let mut offset = out.len() + directory;
    for (name, kind, numbers, bytes) in &rows {
        out.extend(u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
        out.extend(name.as_bytes());
        out.push(*kind);
        push(&mut out, *numbers);
        out.extend((offset as u64).to_le_bytes());
        out.extend((bytes.len() as u64).to_le_bytes());
        offset += bytes.len();
    }
    for (.., bytes) in rows {
        out.extend(bytes);
    }
    out
}
