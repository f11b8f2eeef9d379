//! Which files that come with messages are kept.

use base64::Engine as _;

/// What is kept of files that contacts send.
#[derive(Debug, Clone)]
pub struct MediaRules {
    /// Bytes of a file at most.
    pub limit: usize,
    /// Types such as `image/png`, or families such as `image/*`.
    pub types: Vec<String>,
}

impl MediaRules {
    /// Why a file of this type is not kept, if it is not.
    pub(crate) fn refuses(&self, mime: &str) -> Option<String> {
        let mime = plain(mime);
        let fits = |allowed: &String| match allowed.strip_suffix("/*") {
            Some(family) => mime.split('/').next() == Some(family),
            None => mime == *allowed,
        };
        if self.types.iter().any(fits) {
            return None;
        }
        Some(format!("files of type {mime} are not kept (media.types)"))
    }
}

/// A type without its parameters, in lower case.
pub(crate) fn plain(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Bytes that came as base64; `None` when it is none.
pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
    let encoded = encoded.split_once("base64,").map_or(encoded, |(_, rest)| rest);
    // Providers cut padding off at times.
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    engine.decode(encoded.trim()).ok()
}

/// Bytes that a text in base64 holds, about: told before it is decoded.
pub(crate) fn decoded_size(encoded: &str) -> usize {
    encoded.len() / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_their_parameters() {
        let rules = MediaRules {
            limit: 1,
            types: vec!["audio/*".to_owned(), "application/pdf".to_owned()],
        };
        assert_eq!(rules.refuses("audio/ogg; codecs=opus"), None);
        assert_eq!(rules.refuses("Application/PDF"), None);
        assert!(rules.refuses("text/html").is_some());
        assert!(rules.refuses("").is_some());
    }
}
