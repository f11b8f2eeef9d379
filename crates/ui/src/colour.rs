//! Colours of a brand, made readable.

use std::fmt;
use std::str::FromStr;

/// An opaque colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
}

/// The text is no colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAColour;

impl FromStr for Colour {
    type Err = NotAColour;

    /// Reads `#rrggbb`.
    fn from_str(text: &str) -> Result<Self, NotAColour> {
        let digits = text.strip_prefix('#').ok_or(NotAColour)?;
        if digits.len() != 6 || !digits.is_ascii() {
            return Err(NotAColour);
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| NotAColour);
        Ok(Self { red: part(0)?, green: part(2)?, blue: part(4)? })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl Colour {
    pub const WHITE: Self = Self { red: 255, green: 255, blue: 255 };
    /// What pages stand on in the dark.
    pub const NIGHT: Self = Self { red: 0x1b, green: 0x1d, blue: 0x21 };

    /// Relative luminance of WCAG 2.2.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let value = f64::from(part) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// Contrast ratio of WCAG 2.2, 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn towards(self, other: Self, share: f64) -> Self {
        let mix = |from: u8, to: u8| {
            let value = f64::from(from) + (f64::from(to) - f64::from(from)) * share;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two bytes"
            )]
            let byte = value.round() as u8;
            byte
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
        }
    }

    /// This colour, darkened or lightened no more than it takes to be read on `ground` (4.5 : 1).
    #[must_use]
    pub fn readable_on(self, ground: Self) -> Self {
        let black = Self { red: 0, green: 0, blue: 0 };
        let goal = if ground.luminance() > 0.18 { black } else { Self::WHITE };
        (0..=50)
            .map(|step| self.towards(goal, f64::from(step) / 50.0))
            .find(|colour| colour.contrast(ground) >= 4.5)
            .unwrap_or(goal)
    }

    /// A pale version of it, for grounds.
    #[must_use]
    pub fn tint(self, ground: Self, share: f64) -> Self {
        ground.towards(self, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_becomes_readable_on_both_grounds() {
        for text in ["#ffff00", "#0b57d0", "#ffffff", "#000000", "#808080", "#e91e63", "#25d366"] {
            let colour: Colour = text.parse().expect("a colour");
            for ground in [Colour::WHITE, Colour::NIGHT] {
                let seen = colour.readable_on(ground);
                assert!(seen.contrast(ground) >= 4.5, "{text} became {seen}");
            }
        }
        let blue: Colour = "#0b57d0".parse().expect("a colour");
        assert_eq!(blue.readable_on(Colour::WHITE), blue, "what can be read stays");
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in ["", "red", "#fff", "#12345g", "#ééé"] {
            assert_eq!(text.parse::<Colour>(), Err(NotAColour), "{text}");
        }
    }
}
