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
}
