//! What prices come to as they are wanted: so many of them, with a discount, in instalments, with what is added later.

use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use super::parts::{is_by, is_counted_by};
use super::priced::Priced;
use super::rules::Item;
use super::wanted::{SIZES, Wanted};
use super::{FromFacts, Part, number_word, shown};
use crate::facts::amounts::{self, Cents, written};
use crate::index::Index;
use crate::split::{Words, expression, set, stem};

/// How lines begin that say what something comes to.
const COMPUTED: &[&str] =
    &["Total: ", "No Pix, ", "À vista, ", "Em dinheiro, ", "Com ", "Metade: "];
/// How many of a thing, at most.
const MOST: i64 = 10_000;
/// How many were counted in what was told.
static COUNTED: LazyLock<Regex> = LazyLock::new(|| expression(r"\b([0-9]{1,5}) × "));
/// How many there are in a pack.
static PACK: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b(?:pacotes?|caixas?|kits?|combos?|packs?|fardos?) (?:com|de|c/) ?([0-9]{1,4})\b")
});
/// Words of a text that only does something with a price.
static AROUND: LazyLock<Words> = LazyLock::new(|| {
    set(
        "e se eu for fosse no na em a o os as com pra para pros pras por pagar pagando pago pix vista dinheiro cartao credito \
         parcela parcelado parcelando parcelar parcelas dividir dividindo vezes x cada vez um uma unidade quanto fica ficaria sai \
         sairia da daria seria entao levar levando pegar pessoas pessoa juntos total troco nota notas de tudo qual valor fazer vou \
         mas sao somos nos gente meses mes todos todas desconto",
    )
});
/// How a text begins that adds to what was asked for before.
static ADDS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^ ?(?:(?:e|mas|ai|entao) )?(?:com|mais|levando|entreg\w+|incluindo|poe|bota|coloca|inclui|adiciona|acrescenta|soma|junta|se (?:eu )?(?:levar tambem|pegar tambem|entregar|mandar|incluir|botar|colocar)|junto com|somando)\b",
    )
});
/// Words of a text that only says another number.
const RECOUNTS: &[&str] = &[
    "forem",
    "fossem",
    "quiser",
    "precisar",
    "for",
    "isso",
    "ai",
    "voce",
    "por",
    "so",
    "apenas",
    "eu",
    "quero",
    "queria",
    "tambem",
    "mesmo",
    "pelos",
    "pelas",
    "adultos",
    "convidados",
    "amigos",
];
/// Words by which the thing that was told is meant.
const OF_IT: &[&str] = &[
    "desse", "dessa", "desses", "dessas", "dele", "dela", "deles", "delas", "unidades", "comprar",
    "levar", "levando", "pegar",
];
/// A number that names another thing: "e o de 36?".
static NOT_RECOUNTS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b[oa]s? (?:de |do |da |com )?[0-9]|\bde [0-9]+\b|[0-9]x\b"));
/// Words of one, at most.
const LONGEST_RECOUNT: usize = 9;
/// The greatest number that is read of a word.
const MOST_IN_WORDS: i64 = 12;

/// A number of several things, by its word.
fn several(word: &str) -> Option<i64> {
    number_word(word).filter(|number| (2..=MOST_IN_WORDS).contains(number))
}

/// Whether a text only asks what a price comes to that was told before: "se pagar no pix", "pra dois cachorros?".
fn only_calculates(text: &str) -> bool {
    let plain = Plain::of(text);
    let words: Vec<&str> = plain.words().collect();
    let number = |word: &str| {
        word.trim_end_matches('x').bytes().all(|b| b.is_ascii_digit()) || several(word).is_some()
    };
    words.len() <= 9
        && words.iter().enumerate().all(|(at, word)| {
            AROUND.contains(*word) || number(word) || (at > 0 && number(words[at - 1]))
        })
}

impl Index {
    /// What a price or a sum that was told before comes to, where a text adds to it, says how many, or how it is paid.
    pub(crate) fn comes_to(
        &self,
        text: &str,
        told: &str,
        today: Option<Date>,
    ) -> Option<FromFacts> {
        if !told.contains("R$") {
            return None;
        }
        if let Some(share) = self.shared(text, told, today) {
            return Some(share);
        }
        let wanted = Wanted::read(Plain::of(text).line.trim());
        let priced = self.priced(today);
        if let Some(parts) = super::told::parts(told, &priced)
            && let Some(mut parts) = self.changed(parts, &wanted, text, &priced)
        {
            let free = self.delivered(&mut parts, today)?;
            let mut sum = shown(&parts);
            sum.reply.push_str(&free);
            sum.reply.push_str(&self.settled(&parts, &wanted, today));
            return Some(sum);
        }
        let sum = only_calculates(text).then(|| self.calculated(text, told, today)).flatten()?;
        Some(FromFacts { reply: sum.trim().to_owned(), pieces: Vec::new() })
    }

    /// The parts of a sum as a text changes them; `None` where it does not.
    fn changed<'a>(
        &self,
        mut parts: Vec<Part<'a>>,
        wanted: &Wanted,
        text: &str,
        priced: &'a [Priced<'a>],
    ) -> Option<Vec<Part<'a>>> {
        if ADDS.is_match(&wanted.rest) {
            // "E com laminação?" may be another row of its table.
            if let [part] = parts.as_slice() {
                let name = format!("{} {}", part.fact.fact.name(), wanted.rest);
                let fact = self.thing(&name, priced, &|_| true);
                if let Some(fact) = fact.filter(|fact| !std::ptr::eq(*fact, part.fact)) {
                    return Some(vec![Part { count: part.count, fact }]);
                }
                if priced.iter().any(|one| self.is_named(&name, one)) {
                    return None;
                }
            }
            let added = self.parts(wanted, priced, false, &|_| None)?;
            // What is named again is counted anew: "e com duas sessões?".
            let stems: Vec<String> = Plain::of(&wanted.rest)
                .words()
                .filter(|word| !AROUND.contains(*word))
                .map(stem)
                .collect();
            let known = |part: &Part<'_>| {
                let own = part.fact.stems();
                stems.iter().any(|stem| stem.len() > 2 && own.contains(stem))
            };
            if parts.iter().any(known) {
                return None;
            }
            let new: Vec<Part<'a>> = added
                .into_iter()
                .filter(|one| parts.iter().all(|old| !std::ptr::eq(old.fact, one.fact)))
                .collect();
            parts.extend(new.iter().copied());
            return (!new.is_empty()).then_some(parts);
        }
        // "E se for em Santa Eulália?": brought elsewhere.
        let words: Vec<&str> = wanted.rest.split_whitespace().collect();
        if words.len() <= LONGEST_RECOUNT && matches!(words.first(), Some(&("e" | "mas"))) {
            let place: Vec<&str> =
                words.iter().copied().filter(|word| !AROUND.contains(*word)).collect();
            let fee = self.thing(&place.join(" "), priced, &|one| one.fee);
            if let Some(fact) = fee.filter(|_| parts.iter().any(|part| !part.fact.fee)) {
                parts.retain(|part| !part.fact.fee);
                parts.push(Part { count: 1, fact });
                return Some(parts);
            }
        }
        let goods: Vec<usize> = (0..parts.len()).filter(|at| !parts[*at].fact.fee).collect();
        if let ([at], Some(count)) = (goods.as_slice(), self.recounted(wanted, &parts, priced)) {
            parts[*at] = count;
            return Some(parts);
        }
        (wanted.asks() && only_calculates(text)).then_some(parts)
    }

    /// The one thing that was told, in the number that a text names: "e 7 resmas?", "se fosse 120", "e pra 3 dias?".
    fn recounted<'a>(
        &self,
        wanted: &Wanted,
        parts: &[Part<'a>],
        priced: &'a [Priced<'a>],
    ) -> Option<Part<'a>> {
        let part = parts.iter().find(|part| !part.fact.fee)?;
        if NOT_RECOUNTS.is_match(&wanted.rest) {
            return None;
        }
        let words: Vec<&str> = wanted.rest.split_whitespace().collect();
        let mut counts = words.iter().filter_map(|word| {
            number_word(word).filter(|number| *number > 1).or_else(|| word.parse::<i64>().ok())
        });
        let (count, None) = (counts.next()?, counts.next()) else { return None };
        let stems = part.fact.stems();
        let mut unit = None;
        let mut of_it = part.count > 1 || part.fact.fact.unit.is_some();
        for word in &words {
            let number = number_word(word).is_some() || word.parse::<i64>().is_ok();
            of_it |= stems.contains(&stem(word)) || OF_IT.contains(word);
            if number || AROUND.contains(*word) || RECOUNTS.contains(word) || OF_IT.contains(word) {
                continue;
            }
            if stems.contains(&stem(word)) {
                continue;
            }
            if !is_counted_by(word) {
                return None;
            }
            unit = Some(*word);
        }
        if words.len() > LONGEST_RECOUNT || !(1..=MOST).contains(&count) {
            return None;
        }
        if part.fact.lot.is_some_and(|lot| lot > 1) {
            // The price of 500 says nothing of 1000: that has a row of its own.
            let same = |one: &&Priced<'_>| {
                (&one.own, &one.which) == (&part.fact.own, &part.fact.which)
                    && one.lot == Some(count)
            };
            return priced.iter().find(same).map(|fact| Part { count: 1, fact });
        }
        let Some(unit) = unit else { return of_it.then_some(Part { count, fact: part.fact }) };
        if is_by(part.fact, unit) {
            return Some(Part { count, fact: part.fact });
        }
        // Another column of its row: by the day, by the month.
        let fact =
            priced.iter().find(|one| one.fact.line == part.fact.fact.line && is_by(one, unit))?;
        Some(Part { count, fact })
    }

    /// What an answer with one price comes to, as a text asks for it; `None` where it asks for no more than the price, or no
    /// rule says what that is.
    pub fn calculated(&self, text: &str, told: &str, today: Option<Date>) -> Option<String> {
        let plain = Plain::of(text);
        let wanted = Wanted::read(plain.line.trim());
        let price = price_of(told)?;
        let lines: Vec<String> = self.lines_with(price).collect();
        let around = fold(told) + " " + &lines.join(" ");
        let mut total = price;
        let mut said = String::new();
        if let Some(count) = self.count(&wanted, &around) {
            total = price * count;
            let _ = write!(said, "\n{count} × {} = {}", written(price), written(total));
        }
        let stems: Vec<String> = crate::split::words(&around).map(stem).collect();
        if let (true, Some(half)) = (said.is_empty(), Self::half(&wanted.full, &stems, price)) {
            total = half;
            let _ = write!(said, "\nMetade: {}", written(half));
        }
        said.push_str(&self.comes_to_as(
            &[Item { cents: total, stems, fee: false }],
            &wanted,
            today,
        ));
        if said.is_empty()
            && let Some(parts) = self.each(&wanted.full, told, price)
        {
            let _ = write!(said, "\nCada: {}", written(part(total, parts)));
        }
        (!said.is_empty()).then_some(said)
    }

    /// What the parts of a sum come to as it is wanted; empty where no more than their sum is.
    pub(super) fn settled(
        &self,
        parts: &[Part<'_>],
        wanted: &Wanted,
        today: Option<Date>,
    ) -> String {
        let items: Vec<Item> = parts.iter().map(item).collect();
        let mut said = String::new();
        said.push_str(&self.comes_to_as(&items, wanted, today));
        if let ([part], true) = (parts, said.is_empty())
            && let Some(pack) = self.each(&wanted.full, &part.fact.fact.name(), part.fact.cents)
        {
            let _ = write!(said, "\nCada: {}", written(self::part(part.fact.cents, pack)));
        }
        said
    }

    /// Takes a delivery that costs nothing for so much out of a sum, and says by which rule; `None` where so little is not
    /// brought at all.
    pub(super) fn delivered(
        &self,
        parts: &mut Vec<Part<'_>>,
        today: Option<Date>,
    ) -> Option<String> {
        let goods: Cents = parts
            .iter()
            .filter(|part| !part.fact.fee)
            .map(|part| part.fact.cents * part.count)
            .sum();
        let mut said = String::new();
        if goods == 0 {
            return Some(said);
        }
        let mut too_little = false;
        parts.retain(|part| {
            if !part.fact.fee {
                return true;
            }
            // "Só com pedido a partir de 150": less is not brought.
            let stated = amounts::all(&part.fact.fact.line);
            let only = fold(&part.fact.fact.line).contains(" so com ");
            too_little |= only && stated.iter().any(|least| least.cents > goods);
            let free = self.delivers_free(goods, &item(part), today);
            if let Some(rule) = &free {
                let _ = write!(said, "\n{rule}");
            }
            free.is_none()
        });
        (!too_little).then_some(said)
    }

    fn comes_to_as(&self, items: &[Item], wanted: &Wanted, today: Option<Date>) -> String {
        let mut said = String::new();
        let mut total: Cents = items.iter().map(|item| item.cents).sum();
        if let (true, [one, other]) = (wanted.difference, items) {
            return format!("\nDiferença: {}", written((one.cents - other.cents).abs()));
        }
        if let Some(budget) = wanted.budget.filter(|_| total > 0) {
            // What is brought is paid once.
            let fees: Cents = items.iter().filter(|item| item.fee).map(|item| item.cents).sum();
            let each = total - fees;
            let count = if each > 0 { ((budget - fees) / each).max(0) } else { 0 };
            if count == 0 {
                return format!("\nCom {} não dá.", written(budget));
            }
            let total = each;
            let budget_left = budget - fees - count * total;
            let left = written(budget_left);
            return format!("\nCom {} dá para {count}, e sobram {left}.", written(budget));
        }
        if let Some(rule) = self.rule(wanted, items, today) {
            let base: Cents =
                items.iter().filter(|item| rule.holds(item)).map(|item| item.cents).sum();
            if base == 0 || !rule.reaches(base) {
                let _ = write!(said, "\n{}", rule.text);
            } else {
                total += (base * rule.share + 50 * rule.share.signum()) / 100;
                let share = rule.share.abs();
                let kind = if rule.share < 0 { "desconto" } else { "acréscimo" };
                let _ = match wanted.way {
                    Some(way) => {
                        write!(said, "\n{}, com {share}% de {kind}: {}", way.name(), written(total))
                    }
                    None => write!(said, "\nCom {share}% de {kind}: {}", written(total)),
                };
                if rule.has_exceptions {
                    let _ = write!(said, "\n{}", rule.text);
                }
            }
        }
        if let Some(paid) = wanted.paid.filter(|paid| *paid >= total) {
            let _ = write!(said, "\nTroco para {}: {}", written(paid), written(paid - total));
        }
        if let Some(parts) = wanted.instalments.filter(|parts| self.allows(*parts, total, today)) {
            let _ = write!(said, "\nEm {parts}x: {} cada parcela", written(part(total, parts)));
        }
        if let Some(people) = wanted.people.filter(|_| wanted.shared) {
            let _ = write!(said, "\nPara cada um: {}", written(part(total, people)));
        }
        said
    }

    /// The lines that state an amount, in lower case.
    fn lines_with(&self, price: Cents) -> impl Iterator<Item = String> + '_ {
        self.facts().iter().filter(move |fact| fact.cents == Some(price)).map(|fact| {
            fold(&format!("{} {}", fact.line, fact.unit.as_deref().unwrap_or_default()))
        })
    }

    /// How many of what is told a text wants: "2 banners", "pra 3 pessoas", "os dois". `around`: what is told, and its lines.
    fn count(&self, wanted: &Wanted, around: &str) -> Option<i64> {
        let words: Vec<&str> = wanted.counted.split_whitespace().collect();
        let stems: Vec<String> = crate::split::words(around).map(stem).collect();
        let spaced = kernel::text::fold_words(around);
        let each = ["por pessoa", "cada", "por aluno", "por maquina", "por unidade"]
            .iter()
            .any(|unit| kernel::text::has_phrase(&spaced, unit));
        for (at, word) in words.iter().enumerate() {
            let number = several(word);
            let Some(count) = number.or_else(|| word.parse().ok()) else { continue };
            let (last, next) = (at.checked_sub(1).map(|at| words[at]), words.get(at + 1).copied());
            let sized = next.is_some_and(|next| SIZES.contains(next));
            let of =
                matches!(last, Some("de" | "com" | "nota" | "notas" | "em" | "r$" | "a" | "as"));
            // A number that is part of its name, or of its row, is already in the price.
            let own = stems.iter().any(|stem| stem == word);
            if !(2..=MOST).contains(&count) || sized || of || own {
                continue;
            }
            let counted = next.is_some_and(|next| stems.contains(&stem(next)));
            // "Pra dois cachorros", but neither "pra 20 de maio" nor "pra 15 horas".
            let dated = next.is_some_and(|next| next == "de" || is_counted_by(next));
            let for_so_many = matches!(last, Some("pra" | "para" | "pros" | "pras"))
                && (number.is_some() || next == Some("pessoas"));
            if counted || (!dated && (for_so_many || (each && next.is_some()))) {
                return Some(count);
            }
        }
        wanted.people.filter(|_| !wanted.shared && (each || wanted.for_each))
    }

    /// How many there are in a pack, where a text asks for the price of each.
    fn each(&self, asked: &str, told: &str, price: Cents) -> Option<i64> {
        if let Some(count) = self.counted_in_row(asked, told, price) {
            return Some(count);
        }
        let each = ["cada um", "cada uma", "cada ", "por unidade", "a unidade"]
            .iter()
            .any(|words| asked.contains(words));
        if !each || asked.contains("parcela") || fold(told).contains("cada") {
            return None;
        }
        let numbers = |text: &str| -> Vec<i64> {
            crate::split::words(text).filter_map(|word| word.parse().ok()).collect()
        };
        let asked = numbers(asked);
        let mut packs: Vec<i64> = self
            .lines_with(price)
            .flat_map(|line| match asked.is_empty() {
                false => numbers(&line),
                true => PACK.captures_iter(&line).filter_map(|pack| pack[1].parse().ok()).collect(),
            })
            .filter(|number| {
                (2..=MOST).contains(number) && (asked.is_empty() || asked.contains(number))
            })
            .collect();
        packs.dedup();
        (packs.len() == 1).then(|| packs[0])
    }
}

/// What an answer with one price comes to for as many as were counted before: "e se for sem almoço?".
pub(crate) fn as_many(told: &str, reply: &str) -> Option<String> {
    let mut counted = COUNTED.captures_iter(told);
    let (count, None) = (counted.next()?, counted.next()) else { return None };
    let count: i64 = count[1].parse().ok()?;
    let price = price_of(reply)?;
    Some(format!("\n{count} × {} = {}", written(price), written(price * count)))
}

fn item(part: &Part<'_>) -> Item {
    Item { cents: part.fact.cents * part.count, stems: part.fact.stems(), fee: part.fact.fee }
}

/// One of equal parts, rounded to the cent.
pub(super) fn part(total: Cents, parts: i64) -> Cents {
    (total * 2 + parts) / (parts * 2)
}

/// The one price of an answer: its total, or the only amount in it.
pub(super) fn price_of(told: &str) -> Option<Cents> {
    // What it came to at last.
    let computed = |line: &&str| {
        COMPUTED.iter().any(|start| line.starts_with(start)) || line.contains(" = R$ ")
    };
    if let Some(line) = told.lines().rev().find(computed) {
        return amounts::all(line).last().map(|amount| amount.cents);
    }
    let told = told.rsplit_once("Total: ").map_or(told, |(_, total)| total);
    if fold(told).contains("a partir de") {
        return None;
    }
    let mut all: Vec<Cents> = amounts::all(told).into_iter().map(|amount| amount.cents).collect();
    all.dedup();
    match all.as_slice() {
        [price] if *price > 0 => Some(*price),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::only_calculates;
    use crate::Index;

    const NOTES: &str = "# Tabela\n- Instalação de chuveiro: R$ 90\n- Pacote de 10 visitas: R$ 700\n- Visita: R$ 80 por pessoa\n\n\
        # Pagamento\n- 5% de desconto no pix.\n- Cartão em até 3x sem juros, acima de R$ 200.\n";

    fn sum(text: &str, told: &str) -> String {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        index.calculated(text, told, None).unwrap_or_default()
    }

    #[test]
    fn a_price_comes_to_what_is_asked_of_it() {
        for (text, told, comes_to) in [
            (
                "2 chuveiros, quanto dá?",
                "Instalação de chuveiro: R$ 90",
                "2 × R$ 90,00 = R$ 180,00",
            ),
            ("somos 3 pessoas", "Visita: R$ 80 por pessoa", "3 × R$ 80,00 = R$ 240,00"),
            (
                "pagando no pix",
                "Pacote de 10 visitas: R$ 700",
                "No Pix, com 5% de desconto: R$ 665,00",
            ),
            (
                "o pacote em 3x, quanto fica cada parcela?",
                "Pacote de 10 visitas: R$ 700",
                "Em 3x: R$ 233,33",
            ),
            (
                "no pacote de 10 sai quanto cada uma?",
                "Pacote de 10 visitas: R$ 700",
                "Cada: R$ 70,00",
            ),
            (
                "levo uma nota de 100, quanto de troco?",
                "Visita: R$ 80 por pessoa",
                "Troco para R$ 100,00: R$ 20,00",
            ),
            (
                "pra dois chuveiros no pix?",
                "Total: R$ 180,00",
                "No Pix, com 5% de desconto: R$ 342,00",
            ),
        ] {
            let said = sum(text, told);
            assert!(said.contains(comes_to), "{text}: {said}");
        }
    }

    #[test]
    fn nothing_is_computed_that_no_rule_allows() {
        for (text, told) in [
            // What is in the price already, more instalments than there are, too small a sum for them.
            ("o pacote de 10 visitas quanto é?", "Pacote de 10 visitas: R$ 700"),
            ("dá pra fazer em 6x? quanto cada parcela?", "Pacote de 10 visitas: R$ 700"),
            ("em 2x fica quanto cada parcela?", "Instalação de chuveiro: R$ 90"),
            ("quanto é o chuveiro?", "Instalação de chuveiro: R$ 90"),
            ("2 vezes por semana, quanto é?", "Visita: R$ 80 por pessoa"),
            ("no pix", "Visitas a partir de R$ 80"),
        ] {
            assert_eq!(sum(text, told), "", "{text}");
        }
    }

    #[test]
    fn a_rule_holds_only_where_it_says_so() {
        let of = |rule: &str, text: &str, told: &str| {
            let notes =
                format!("# Tabela\n- Diária: R$ 100\n- Corte: R$ 40\n\n# Regras\n- {rule}\n");
            let index = Index::of_files(&[("notas.md", &*notes)]).unwrap();
            let today = Some(jiff::civil::date(2026, 11, 29));
            index.calculated(text, told, today).unwrap_or_default()
        };
        for (rule, text, told) in [
            ("Para reservar, pague pelo menos 50% no Pix.", "2 diárias no pix", "Diária: R$ 100"),
            ("10% de desconto no Pix até 30/06/2024.", "no pix, quanto fica?", "Corte: R$ 40"),
            ("5% de desconto no Pix, exceto itens em promoção.", "no pix, quanto?", "Corte: R$ 40"),
            ("Cada um paga o seu.", "quanto custa o corte pra 20 de maio?", "Corte: R$ 40"),
            ("Escadas no cadastro.", "o corte pra 15 horas", "Corte: R$ 40"),
        ] {
            let said = of(rule, text, told);
            assert!(!said.contains("desconto:") && !said.contains("20 ×"), "{rule}: {said}");
            assert!(!said.contains("15 ×"), "{rule}: {said}");
        }
        assert!(
            of("5% de desconto no Pix.", "no pix, quanto fica?", "Corte: R$ 40").contains("38,00")
        );
    }

    #[test]
    fn what_goes_on_with_a_price_is_known() {
        for text in
            ["e no pix?", "pra dois cachorros?", "e em 3x", "se eu levar 4", "e qto fica cada vez"]
        {
            assert!(only_calculates(text), "{text}");
        }
        for text in ["tem estacionamento?", "e o grande?", "aceita pix na loja do centro?"] {
            assert!(!only_calculates(text), "{text}");
        }
    }
}
