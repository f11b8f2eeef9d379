//! Opening hours: the assistant tells them once somebody confirmed them.

use axum::response::Response;
use knowledge::Week;
use maud::{Markup, html};
use serde_json::json;
use tenancy::OpeningHours;
use ui::{Field, Lang, badge, notice};
use web::permission::AssistantWrite;
use web::{Permission, Problem};

use crate::assistant_page::{Fields, text};
use crate::door::At;
use crate::failure::Failure;
use crate::form::Form;
use crate::registry::Pages;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_action::<AssistantWrite, _, _>("/painel/t/{slug}/assistente/horario", save_hours);
}

pub(crate) fn form<Q: Permission>(
    at: &At<Q>,
    (hours, confirmed): (&[OpeningHours], bool),
    stated: Option<&Week>,
    writes: bool,
) -> Markup {
    let lang = at.lang();
    let days = days(lang);
    let of_documents = |weekday: i64| stated.and_then(|week| day_of(week, weekday)).map(typed);
    let begins_with_documents = !confirmed && stated.is_some();
    // What nobody confirmed yet begins with what the documents say.
    let spans = |weekday: i64| match of_documents(weekday) {
        Some(day) if begins_with_documents => day,
        _ => as_typed(hours, weekday),
    };
    let apart: Vec<(&str, String, String)> = (1..)
        .zip(days)
        .filter_map(|(weekday, day)| {
            let (here, there) = (as_typed(hours, weekday), of_documents(weekday)?);
            (confirmed && here != there).then_some((day, here, there))
        })
        .collect();
    let closed = |spans: &str| match spans {
        "" => lang.t("fechado", "closed").to_owned(),
        spans => spans.to_owned(),
    };
    html! {
        form.stack #horario method="post" action=(at.url("/assistente/horario")) {
            (ui::csrf_field(at.csrf()))
            fieldset {
                legend { (lang.t("Horário de funcionamento", "Opening hours")) }
                @if confirmed { p { (badge(ui::Tone::Good, lang.t("Confirmado", "Confirmed"))) } }
                @else { (notice(ui::Tone::Warn, lang.t("Ainda não confirmado: até lá a assistente só diz o que os documentos dizem.", "Not confirmed yet: until then the assistant only tells what the documents say."))) }
                @if begins_with_documents { p { (lang.t("Preenchido com o que os documentos dizem: confira e confirme.", "Filled in with what the documents say: look it over and confirm it.")) } }
                @if !apart.is_empty() {
                    (notice(ui::Tone::Warn, lang.t("Os documentos dizem outra coisa. Vale o que está confirmado aqui; corrija um dos dois.", "The documents say otherwise. What is confirmed here counts; correct one of the two.")))
                    ul { @for (day, here, there) in &apart { li {
                        strong { (day) } ": " (lang.t("aqui", "here")) " " (closed(here)) ", " (lang.t("nos documentos", "in the documents")) " " (closed(there))
                    } } }
                }
                div.pair {
                    @for (weekday, day) in (1..).zip(days) {
                        (Field::input(&format!("day{weekday}"), day, "text").value(&spans(weekday)).most(60))
                    }
                }
                p.small.muted { (lang.t("Como 08:00-12:00, 13:30-18:00, ou 18:00-02:00 para a madrugada. Vazio: fechado.", "Such as 08:00-12:00, 13:30-18:00, or 18:00-02:00 into the night. Empty: closed.")) }
                @if writes { div.row { (ui::submit(lang.t("Confirmar horário", "Confirm hours"))) } }
            }
        }
    }
}

/// `08:00-12:00, 13:30-18:00` as spans of a day.
fn spans(weekday: i64, text: &str) -> Option<Vec<OpeningHours>> {
    let clock = |part: &str| {
        let (hour, minute) = part.trim().split_once([':', 'h']).unwrap_or((part.trim(), "0"));
        let hour: i64 = hour.trim().parse().ok()?;
        let minute: i64 = if minute.trim().is_empty() { 0 } else { minute.trim().parse().ok()? };
        let whole = hour * 60 + minute;
        ((0..60).contains(&minute) && (0..=1440).contains(&whole)).then_some(whole)
    };
    let text = text.replace(" e ", ",").replace(" and ", ",");
    let mut day: Vec<OpeningHours> = text
        .split([',', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (from, to) = part.split_once(['-', '–']).or_else(|| {
                [" às ", " as ", " até ", " ate ", " a ", " to "]
                    .iter()
                    .find_map(|to| part.split_once(to))
            })?;
            let (opens_minute, closes_minute) = (clock(from)?, clock(to)?);
            // A night goes on into the next day, but not until noon: that would be a slip.
            let night = closes_minute <= opens_minute && closes_minute <= tenancy::NIGHT;
            let closes_minute = if night { closes_minute + 1440 } else { closes_minute };
            (opens_minute < closes_minute && opens_minute < 1440).then_some(OpeningHours {
                weekday,
                opens_minute,
                closes_minute,
            })
        })
        .collect::<Option<_>>()?;
    day.sort_by_key(|span| span.opens_minute);
    // Two that overlap are a slip of the fingers.
    let apart = day.windows(2).all(|two| two[0].closes_minute <= two[1].opens_minute);
    if !apart {
        return None;
    }
    // Kept by the day on which each part is.
    if let Some(last) = day.last_mut().filter(|last| last.closes_minute > 1440) {
        let rest = last.closes_minute - 1440;
        last.closes_minute = 1440;
        day.push(OpeningHours { weekday: weekday % 7 + 1, opens_minute: 0, closes_minute: rest });
    }
    Some(day)
}

/// A day's spans as they are typed.
fn as_typed(week: &[OpeningHours], weekday: i64) -> String {
    typed(&tenancy::day_spans(week, weekday))
}

fn day_of(week: &Week, weekday: i64) -> Option<&[knowledge::Hours]> {
    week.get(usize::try_from(weekday - 1).ok()?)?.as_deref()
}

/// From and until, in minutes of the day, as they are typed.
fn typed(day: &[(i64, i64)]) -> String {
    let clock = |minute: i64| {
        let minute = if minute > 1440 { minute - 1440 } else { minute };
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    day.iter()
        .map(|(opens, closes)| format!("{}-{}", clock(*opens), clock(*closes)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A week as people read it, by day.
fn shown(week: &[OpeningHours], days: [&str; 7]) -> serde_json::Value {
    let day = |(weekday, day): (i64, &str)| (day.to_owned(), json!(as_typed(week, weekday)));
    serde_json::Value::Object((1..).zip(days).map(day).collect())
}

fn days(lang: Lang) -> [&'static str; 7] {
    match lang {
        Lang::Pt => ["Segunda", "Terça", "Quarta", "Quinta", "Sexta", "Sábado", "Domingo"],
        Lang::En => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    }
}

async fn save_hours(
    at: At<AssistantWrite>,
    Form(fields): Form<Fields>,
) -> Result<Response, Failure> {
    let lang = at.lang();
    let mut week = Vec::new();
    let mut wrong = Vec::new();
    for weekday in 1..=7 {
        let given = text(&fields, &format!("day{weekday}"));
        match spans(weekday, given) {
            Some(day) => week.extend(day),
            None => {
                let why = match lang {
                    Lang::Pt => format!(
                        "“{given}” não é um horário que se entenda: escreva como 08:00-12:00, 13:30-18:00, em ordem e sem sobrepor."
                    ),
                    Lang::En => format!(
                        "“{given}” is no span of hours: write it as 08:00-12:00, 13:30-18:00, in order and without overlap."
                    ),
                };
                wrong.push((format!("day{weekday}"), why));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::Fields(wrong));
    }
    // A night may run into what the next day was given.
    for weekday in 1..=7 {
        let mut day: Vec<_> = week.iter().filter(|span| span.weekday == weekday).collect();
        day.sort_by_key(|span| span.opens_minute);
        if day.windows(2).any(|two| two[0].closes_minute > two[1].opens_minute) {
            let why = lang.t(
                "Começa antes de a noite anterior terminar.",
                "Begins before the night before it ends.",
            );
            return Err(Problem::field(format!("day{weekday}"), why).into());
        }
    }
    let mut tx = at.begin().await?;
    let (before, _) = tenancy::opening_hours(&mut tx).await?;
    tenancy::set_opening_hours(&mut tx, &week).await?;
    at.note(
        &mut tx,
        "hours.changed",
        "",
        (Some(shown(&before, days(lang))), Some(shown(&week, days(lang)))),
    )
    .await?;
    tx.commit().await?;
    Ok(at.done("/assistente#horario", "salvo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_people_write_them() {
        let span =
            |opens_minute, closes_minute| OpeningHours { weekday: 1, opens_minute, closes_minute };
        assert_eq!(
            spans(1, "08:00-12:00, 13:30-18:00"),
            Some(vec![span(480, 720), span(810, 1080)])
        );
        assert_eq!(spans(1, "8h–18h"), Some(vec![span(480, 1080)]));
        assert_eq!(spans(1, "8h às 18h"), Some(vec![span(480, 1080)]));
        assert_eq!(spans(1, "08:00-12:00, 11:00-14:00"), None, "they overlap");
        let night = spans(7, "18:00-02:00").unwrap();
        let after = OpeningHours { weekday: 1, opens_minute: 0, closes_minute: 120 };
        assert_eq!(night, [OpeningHours { weekday: 7, ..span(1080, 1440) }, after]);
        assert_eq!(as_typed(&night, 7), "18:00-02:00");
        assert_eq!(as_typed(&night, 1), "");
        assert_eq!(spans(1, " "), Some(Vec::new()));
        assert_eq!(spans(1, "18:00-24:00"), Some(vec![span(1080, 1440)]));
        for bad in ["08:00", "18:00-08:00", "25:00-26:00", "08:70-09:00", "fechado"] {
            assert_eq!(spans(1, bad), None, "{bad}");
        }
    }
}
