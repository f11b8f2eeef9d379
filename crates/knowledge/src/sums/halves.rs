//! A thing made of two halves: "meia calabresa, meia quatro queijos".

use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use super::FromFacts;
use super::comes_to::part;
use crate::facts::amounts::written;
use crate::index::Index;
use crate::split::{capital, expression};

static HALVES: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:mei[ao]|metade) (?:de |da |do )?(?P<one>[a-z0-9 ]{3,40}?)(?: e| com| mais| por)? (?:a outra )?(?:mei[ao]|metade) (?:de |da |do )?(?P<other>[a-z0-9 ]{3,40}?)(?: (?:fica|quanto|sai|custa|da|grande|media|pequena|por|seria|e quanto|a grande|com|na|pizza)\b.*)?$",
    )
});
/// What the house says that two halves cost.
static OF_HALVES: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\bmei[ao][- ](?:a|e)[- ]mei[ao]\b|\bdois sabores\b|\b2 sabores\b|\bmetade\b")
});
static THE_DEARER: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\bmaior (?:valor|preco)\b|\bmais car[oa]\b|\bvalor maior\b|\bpreco maior\b")
});
static THE_MEAN: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\bmedia (?:dos|entre|de)\b|\bpela media\b"));

impl Index {
    /// The price of two halves, by the house's own rule; `None` where it has none, or a half is not known.
    pub(super) fn halves(&self, text: &str, today: Option<Date>) -> Option<FromFacts> {
        let plain = Plain::of(&text.replace([',', '/'], " "));
        let found = HALVES.captures(plain.line.trim())?;
        let rule = self.sentences.iter().find(|sentence| {
            let folded = fold(&sentence.text);
            sentence.holds_on(today)
                && OF_HALVES.is_match(&folded)
                && (THE_DEARER.is_match(&folded) || THE_MEAN.is_match(&folded))
        })?;
        let priced = self.priced(today);
        let thing = |name: &str| self.thing(name, &priced, &|one| !one.fee);
        let (one, other) = (thing(&found["one"])?, thing(&found["other"])?);
        let comes_to = match THE_DEARER.is_match(&fold(&rule.text)) {
            true => one.cents.max(other.cents),
            false => part(one.cents + other.cents, 2),
        };
        let line = |half: &super::Priced<'_>| {
            format!("{}: {}", capital(&half.fact.name()), written(half.cents))
        };
        let mut pieces = vec![one.fact.piece];
        if other.fact.piece != one.fact.piece {
            pieces.push(other.fact.piece);
        }
        Some(FromFacts {
            reply: format!(
                "{}\n{}\nMeio a meio: {}\n{}",
                line(one),
                line(other),
                written(comes_to),
                rule.text
            ),
            pieces,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    #[test]
    fn two_halves_cost_what_the_house_says() {
        let said = |rule: &str, text: &str| {
            let notes = format!(
                "# Pizzas\n- Calabresa: R$ 60\n- Quatro queijos: R$ 78\n\n# Regras\n{rule}\n"
            );
            let index = Index::of_files(&[("cardapio.md", &*notes)]).unwrap();
            index.sum(text, None, &|_| None).map(|told| told.reply).unwrap_or_default()
        };
        let dearer = "Meio a meio cobra o sabor de maior valor.";
        let text = "meia calabresa meia 4 queijos fica qnto a grande?";
        assert!(said(dearer, text).contains("Meio a meio: R$ 78,00"), "{}", said(dearer, text));
        let mean = "No meio a meio vale a média dos dois preços.";
        assert!(
            said(mean, "metade calabresa e metade quatro queijos, quanto sai?")
                .contains("R$ 69,00")
        );
        // Without a rule nobody says what it costs.
        assert!(!said("Todas as pizzas têm 8 pedaços.", text).contains("Meio a meio"));
    }
}
