//! Phone numbers as people have them, including Brazil's ninth digit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An E.164 number without the plus sign, such as `5511987654321`.
///
/// A Brazilian mobile number is always held with its ninth digit: WhatsApp still reports many
/// accounts in the eight-digit form, and both forms are one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

/// The text is no phone number that can be called from abroad.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in international form (country code first, 8 to 15 digits)")]
pub struct NotAPhone;

impl Phone {
    /// Digits with the country code in front, no plus sign.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The last four digits, all that logs and lists may show.
    pub fn masked(&self) -> String {
        format!("…{}", &self.0[self.0.len() - 4..])
    }
}

impl FromStr for Phone {
    type Err = NotAPhone;

    /// Takes international numbers only; punctuation and a leading plus are ignored.
    fn from_str(text: &str) -> Result<Self, NotAPhone> {
        if text.chars().any(|c| !(c.is_ascii_digit() || " +-.()".contains(c))) {
            return Err(NotAPhone);
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if !(8..=15).contains(&digits.len()) || digits.starts_with('0') {
            return Err(NotAPhone);
        }
        // The library tells the country code from the rest, which a fixed prefix cannot.
        let parsed = phonenumber::parse(None, format!("+{digits}")).map_err(|_| NotAPhone)?;
        let national = parsed.national().value().to_string();
        let code = parsed.code().value();
        if code == 55 && national.len() == 10 && matches!(national.as_bytes()[2], b'6'..=b'9') {
            let (area, subscriber) = national.split_at(2);
            return Ok(Self(format!("55{area}9{subscriber}")));
        }
        Ok(Self(digits))
    }
}

impl TryFrom<String> for Phone {
    type Error = NotAPhone;
    fn try_from(text: String) -> Result<Self, NotAPhone> {
        text.parse()
    }
}
impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}
impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        let parsed = input.parse::<Phone>().ok();
        assert_eq!(parsed.as_ref().map(Phone::digits), expected, "{input}");
    }

    #[test]
    fn both_forms_of_a_brazilian_mobile_are_one_number() {
        check("551187654321", Some("5511987654321"));
        check("5511987654321", Some("5511987654321"));
        check("+55 (11) 98765-4321", Some("5511987654321"));
    }

    #[test]
    fn land_lines_and_foreign_numbers_stay_as_they_are() {
        check("551133334444", Some("551133334444"));
        check("14155552671", Some("14155552671"));
        check("351912345678", Some("351912345678"));
        check("5555991234567", Some("5555991234567"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        check("", None);
        check("abc", None);
        check("123", None);
        check("1203630000000000011", None);
    }

    /// Every area code of Brazil.
    const AREAS: &[u32] = &[
        11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 27, 28, 31, 32, 33, 34, 35, 37, 38, 41, 42,
        43, 44, 45, 46, 47, 48, 49, 51, 53, 54, 55, 61, 62, 63, 64, 65, 66, 67, 68, 69, 71, 73, 74,
        75, 77, 79, 81, 82, 83, 84, 85, 86, 87, 88, 89, 91, 92, 93, 94, 95, 96, 97, 98, 99,
    ];

    /// Country code, then shapes of mobile numbers there: `x` is any digit, `n` one of 2 to 9.
    const ABROAD: &[(&str, &str)] = &[
        ("1", "nxxnxxxxxx"),
        ("351", "91xxxxxxx"),
        ("351", "93xxxxxxx"),
        ("34", "6xxxxxxxx"),
        ("44", "7400xxxxxx"),
        ("49", "151nxxxxxxx"),
        ("33", "6xxxxxxxx"),
        ("39", "33nxxxxxxx"),
        ("54", "911nxxxxxxx"),
        ("595", "98nxxxxxx"),
        ("598", "9nxxxxxx"),
        ("57", "300xxxxxxx"),
        ("52", "155nxxxxxxx"),
        ("81", "90nxxxxxxx"),
        ("91", "98xxxxxxxx"),
        ("244", "92xxxxxxx"),
    ];

    fn filled(shape: &str, digits: &[u8]) -> String {
        let mut digits = digits.iter();
        let mut next = || digits.next().copied().unwrap_or(5);
        shape
            .chars()
            .map(|c| match c {
                'x' => char::from(b'0' + next() % 10),
                'n' => char::from(b'2' + next() % 8),
                other => other,
            })
            .collect()
    }

    fn punctuated(digits: &str, style: u8) -> String {
        let (country, rest) = digits.split_at(2);
        match style % 4 {
            0 => digits.to_owned(),
            1 => format!("+{digits}"),
            2 => format!("+{country} ({}) {}-{}", &rest[..2], &rest[2..6], &rest[6..]),
            _ => format!("+{country} {}.{}", &rest[..4], &rest[4..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn a_brazilian_mobile_is_one_person_in_every_spelling(
            area in 0..AREAS.len(), first in 6u32..=9, rest in 0u32..10_000_000, style in 0u8..4,
        ) {
            let area = AREAS[area];
            let short = format!("55{area}{first}{rest:07}");
            let long = format!("55{area}9{first}{rest:07}");
            let canonical: Phone = long.parse().unwrap();
            proptest::prop_assert_eq!(canonical.digits(), long.as_str());
            for form in [punctuated(&short, style), punctuated(&long, style)] {
                proptest::prop_assert_eq!(&form.parse::<Phone>().unwrap(), &canonical);
            }
            proptest::prop_assert_eq!(&canonical.digits().parse::<Phone>().unwrap(), &canonical);
            proptest::prop_assert!(!canonical.masked().contains(&long[..9]));
        }

        #[test]
        fn a_brazilian_land_line_gets_no_ninth_digit(
            area in 0..AREAS.len(), first in 2u32..=5, rest in 0u32..10_000_000,
        ) {
            let line = format!("55{}{first}{rest:07}", AREAS[area]);
            let parsed = line.parse::<Phone>().unwrap();
            proptest::prop_assert_eq!(parsed.digits(), line.as_str());
        }

        #[test]
        fn a_foreign_number_keeps_its_country_and_every_digit(
            which in 0..ABROAD.len(), digits in proptest::collection::vec(0u8..10, 12), style in 0u8..2,
        ) {
            let (country, shape) = ABROAD[which];
            let number = format!("{country}{}", filled(shape, &digits));
            let parsed: Phone = punctuated(&number, style).parse().unwrap();
            proptest::prop_assert_eq!(parsed.digits(), number.as_str());
        }

        #[test]
        fn nothing_that_is_read_panics_or_changes_when_read_again(text in "[0-9 +().-]{0,24}|\\PC{0,16}") {
            if let Ok(phone) = text.parse::<Phone>() {
                proptest::prop_assert_eq!(&phone.digits().parse::<Phone>().unwrap(), &phone);
                proptest::prop_assert!((8..=15).contains(&phone.digits().len()));
            }
        }
    }
}
