//! Dates, numbers, money and phones as people write them.

use std::time::Duration;

use jiff::tz::TimeZone;
use kernel::Moment;

use crate::Lang;

fn zoned(at: Moment, zone: &str) -> jiff::Zoned {
    at.timestamp().to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
}

/// `14:05`.
pub fn clock_time(at: Moment, zone: &str) -> String {
    zoned(at, zone).strftime("%H:%M").to_string()
}

/// `24/11/2026`, `24 Nov 2026`.
pub fn date(at: Moment, zone: &str, lang: Lang) -> String {
    zoned(at, zone).strftime(lang.t("%d/%m/%Y", "%-d %b %Y")).to_string()
}

pub fn date_time(at: Moment, zone: &str, lang: Lang) -> String {
    format!("{} {}", date(at, zone, lang), clock_time(at, zone))
}

/// As [`date_time`], with seconds.
pub fn exact_time(at: Moment, zone: &str, lang: Lang) -> String {
    format!("{} {}", date(at, zone, lang), zoned(at, zone).strftime("%H:%M:%S"))
}

/// The time today, the weekday this week, the date before.
pub fn when(at: Moment, now: Moment, zone: &str, lang: Lang) -> String {
    let (then, today) = (zoned(at, zone), zoned(now, zone));
    if then.date() == today.date() {
        return clock_time(at, zone);
    }
    if let Ok(yesterday) = today.date().yesterday()
        && then.date() == yesterday
    {
        return lang.t("ontem", "yesterday").to_owned();
    }
    if now.since(at) < Duration::from_secs(6 * 86_400) {
        let names = match lang {
            Lang::Pt => ["seg", "ter", "qua", "qui", "sex", "sáb", "dom"],
            Lang::En => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        };
        let day = then.weekday().to_monday_zero_offset();
        return usize::try_from(day).ok().and_then(|d| names.get(d)).unwrap_or(&"").to_string();
    }
    then.strftime(lang.t("%d/%m/%y", "%-d %b %y")).to_string()
}

/// `3 min`, `2 h`, `4 d`: how long something takes or took.
pub fn duration(time: Duration, lang: Lang) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "< 1 s".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => {
            let minutes = seconds % 3_600 / 60;
            if minutes == 0 {
                format!("{} h", seconds / 3_600)
            } else {
                format!("{} h {minutes} min", seconds / 3_600)
            }
        }
        _ => {
            let days = seconds / 86_400;
            let unit = match (days, lang) {
                (1, Lang::Pt) => "dia",
                (_, Lang::Pt) => "dias",
                (1, Lang::En) => "day",
                (_, Lang::En) => "days",
            };
            format!("{days} {unit}")
        }
    }
}

/// `há 3 min`, `3 min ago`.
pub fn ago(at: Moment, now: Moment, lang: Lang) -> String {
    let time = now.since(at);
    if time < Duration::from_secs(60) {
        return lang.t("agora", "just now").to_owned();
    }
    let time = duration(time, lang);
    match lang {
        Lang::Pt => format!("há {time}"),
        Lang::En => format!("{time} ago"),
    }
}

/// `12.345`, `12,345`.
pub fn count(number: i64, lang: Lang) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push_str(lang.t(".", ","));
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// `81%` of `whole`; a dash when there is nothing to count.
pub fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    format!("{}%", (part * 100 + whole / 2) / whole)
}

/// `2,4 MB`.
pub fn bytes(size: i64, lang: Lang) -> String {
    let comma = lang.t(",", ".");
    let tenths = |unit: i64| {
        let value = size * 10 / unit;
        format!("{}{comma}{}", value / 10, value % 10)
    };
    match size {
        ..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        _ => format!("{} MB", tenths(1_000_000)),
    }
}

/// `R$ 1.234,50`, `US$ 0,02`; in English `R$1,234.50`, `$0.02`. The currency by its code (ISO 4217).
pub fn money(amount: f64, currency: &str, lang: Lang) -> String {
    let sign = match (currency, lang) {
        ("BRL", _) => "R$",
        ("USD", Lang::Pt) => "US$",
        ("USD", Lang::En) => "$",
        ("EUR", _) => "€",
        ("GBP", _) => "£",
        (code, _) => code,
    };
    #[expect(clippy::cast_possible_truncation, reason = "an amount in hundredths fits")]
    let hundredths = (amount * 100.0).round() as i64;
    let whole = count(hundredths / 100, lang);
    let space = match sign {
        "" => "",
        _ if lang == Lang::Pt || sign == currency => "\u{a0}",
        _ => "",
    };
    format!("{sign}{space}{whole}{}{:02}", lang.t(",", "."), (hundredths % 100).abs())
}

/// `+55 11 98765-4321`; other countries' numbers with a plus sign.
pub fn phone(digits: &str) -> String {
    let parts = |area: usize, first: usize| {
        let (area, rest) = digits[2..].split_at(area);
        let (first, last) = rest.split_at(first);
        format!("+55 {area} {first}-{last}")
    };
    match digits.len() {
        13 if digits.starts_with("55") && digits.is_ascii() => parts(2, 5),
        12 if digits.starts_with("55") && digits.is_ascii() => parts(2, 4),
        _ => format!("+{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!(count(1_234_567, Lang::Pt), "1.234.567");
        assert_eq!(count(-1_234, Lang::En), "-1,234");
        assert_eq!(phone("5511987654321"), "+55 11 98765-4321");
        assert_eq!(phone("551133334444"), "+55 11 3333-4444");
        assert_eq!(phone("14155552671"), "+14155552671");
        assert_eq!(bytes(2_450_000, Lang::Pt), "2,4 MB");
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(2, 3), "67%");
    }

    #[test]
    fn times_are_said_from_now() {
        let now = Moment::from_seconds(1_767_614_400); // Monday 12:00 UTC
        let hours = |n: u64| now - Duration::from_secs(n * 3_600);
        let zone = "America/Sao_Paulo";
        assert_eq!(when(hours(1), now, zone, Lang::Pt), "08:00");
        assert_eq!(when(hours(20), now, zone, Lang::Pt), "ontem");
        assert_eq!(when(hours(72), now, zone, Lang::En), "Fri");
        assert_eq!(when(hours(24 * 30), now, zone, Lang::Pt), "06/12/25");
        assert_eq!(ago(hours(2), now, Lang::Pt), "há 2 h");
    }
}
