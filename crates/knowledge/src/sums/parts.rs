//! The things that a text names beside each other, each with how many: "3 suculentas do pote 11 e 2 do pote 6, entrega no
//! centro".

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::priced::Priced;
use super::wanted::Wanted;
use super::{Part, Told, number_word};
use crate::index::{Index, Term};
use crate::split::{STOP, Words, all_digits, expression, set};

/// How many of a thing, at most.
const MOST: i64 = 10_000;
/// The least number of a thing that may be part of its name.
const FEWEST_IN_A_NAME: i64 = 5;
/// Joints between parts of which every one may also be within a name, at most.
const JOINTS_TRIED: usize = 6;
/// Parts of a sum that no price is named by, at most.
const UNNAMED: usize = 2;

/// Words where a part ends.
const JOINTS: &[&str] = &["e", "mais", "com", "alem", "somado", "somada", "somando"];
/// What a part carries along that is one of its own: "… para o centro", "… na savassi".
static QUALIFIERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r" (?:para o|para a|para os|para as|para|no|na|nos|nas|aqui no|aqui na|ate|ate o|ate a|em) ",
    )
});
/// What makes a number a size, an hour or an age, not a count.
static SIZES: LazyLock<Words> = LazyLock::new(|| {
    set(
        "l lt litro litros ml g gr gramas kg quilo quilos kilo km m cm mm h hs hora horas min minutos anos ano o a x \
         vezes por reais dias dia meses mes semanas pedacos fatias andar serie grau",
    )
});
/// Words that ask for the sum and name no part of it.
static ASKING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "quanto fica ficaria ficam sai sairia saem da daria dao custa custam custaria total soma somando tudo junto \
         juntos valor preco pago pagar pagaria vou seria e qual o a os as no de do se eu levar comprar pegar fizer \
         fazer quiser pedir contratar para mim me ai entao so por favor contando incluindo cada em um uma unidade \
         unidades deu dava passa ver calcula calcular queria quero saber gostaria oi ola boa bom tarde noite voces \
         voce aqui mais com meu minha na nesse nessa esse essa dois duas ambos pra dar custo somos pessoas pessoa nos gente \
         entregue entregar entregando entrega entregam mandar manda enviar receber casa levando pegando querendo juntas final \
         ficar dando tambem ja agora hoje isso ficando custando saindo tenho preciso precisava precisamos quer mes gasto gastaria \
         comprei levei peguei sou estou pega pegue ponto fecha fechar sairiam tal alugar aluga alugo aluguel contratar \
         colocar botar trocar lavar cortar imprimir retirar retirada retiro buscar busco queremos fariam fazendo pro pros",
    )
});
/// Units in which a price may be counted, by what shows that it is.
const COUNTED_BY: &[(&[&str], &[&str])] = &[
    (
        &["kg", "kgs", "quilo", "quilos", "kilo", "kilos"],
        &["kg", "kgs", "quilo", "quilos", "kilo", "kilos"],
    ),
    (&["h", "hs", "hora", "horas"], &["hora", "horas", "h"]),
    (
        &["dia", "dias", "noite", "noites", "diaria", "diarias"],
        &["dia", "dias", "diaria", "diarias", "noite", "noites", "pernoite"],
    ),
    (&["mes", "meses"], &["mes", "mensal", "mensalidade", "meses"]),
    (&["semana", "semanas"], &["semana", "semanal"]),
    (&["m", "metro", "metros"], &["metro", "m", "linear"]),
    (&["m2"], &["m2", "metro"]),
    (&["km"], &["km", "quilometro"]),
    (&["litro", "litros", "l"], &["litro", "l"]),
];

/// A stretch of a text between two joints, read.
struct Segment<'a> {
    count: i64,
    /// What counts: "horas" in "3 horas na sala".
    by: Option<&'a str>,
    /// Words that may name something.
    named: Vec<&'a str>,
    /// What follows the number: it must be known.
    noun: Option<&'a str>,
}

pub(super) fn is_counted_by(word: &str) -> bool {
    COUNTED_BY.iter().any(|(words, _)| words.contains(&word))
}

/// Whether a price is for each of a unit: by its own column or unit, else by what it stands under.
pub(super) fn is_by(fact: &Priced<'_>, unit: &str) -> bool {
    let column = fact.fact.aspect.as_deref().unwrap_or_default();
    let own = kernel::text::fold(&format!(
        "{} {}",
        column.rsplit(", ").next().unwrap_or_default(),
        fact.fact.unit.as_deref().unwrap_or_default()
    ));
    let around = if column.is_empty() { &fact.around } else { &own };
    let words: Vec<&str> = crate::split::words(around).collect();
    COUNTED_BY.iter().filter(|(said, _)| said.contains(&unit)).any(|(_, shown)| {
        // "2h" is a length of its own.
        words.iter().any(|word| shown.contains(word))
    })
}

/// Reads a segment: the first number counts, unless it is a size; "um" before a thing is its article.
fn segment<'a>(words: &[&'a str]) -> Segment<'a> {
    let mut out = Segment { count: 1, by: None, named: Vec::new(), noun: None };
    let mut counts = true;
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let number = number_word(word)
            .or_else(|| (all_digits(word) && word.len() <= 5).then(|| word.parse().ok()).flatten());
        match number {
            // "3 horas na sala", "a sala por 3 horas".
            Some(number)
                if number > 0
                    && out.by.is_none()
                    && (counts || out.count == 1)
                    && is_counted_by(next) =>
            {
                (out.count, out.by, counts) = (number, Some(next), false);
            }
            Some(number) if counts && out.named.is_empty() && !SIZES.contains(next) => {
                (out.count, counts) = (number, false);
            }
            _ if at > 0 && out.by == Some(*word) && words[at - 1] == out.count.to_string() => {}
            _ if at > 0
                && out.by == Some(*word)
                && number_word(words[at - 1]) == Some(out.count) => {}
            // Of "raio-x de duas posições" the number is part of the name.
            Some(number) if number > 1 && !out.named.is_empty() => out.named.push(*word),
            _ if ASKING.contains(*word) => {}
            _ => {
                if !counts && out.by.is_none() {
                    out.noun.get_or_insert(*word);
                }
                out.named.push(*word);
            }
        }
    }
    out.count = out.count.clamp(0, MOST);
    out
}

/// What came of a segment.
enum Read<'a> {
    /// It names nothing.
    Nothing,
    Parts(Vec<Part<'a>>),
    /// It names something that no price is named by.
    Unknown(i64, String),
}

impl Read<'_> {
    fn unknown_words(&self) -> usize {
        match self {
            Self::Unknown(_, name) => 1 + name.split(' ').count(),
            _ => 0,
        }
    }
}

/// Parts of a sum while they are looked for.
struct Finder<'a, 'i> {
    index: &'i Index,
    priced: &'a [Priced<'a>],
    /// All that prices are named by, sorted.
    terms: Vec<Term>,
    /// What was looked up: a text is cut in many ways, and most of their parts are the same.
    known: RefCell<HashMap<String, bool>>,
    columns: RefCell<HashMap<String, bool>>,
    parts: RefCell<HashMap<(i64, String, String), Option<Part<'a>>>>,
}

impl<'a> Finder<'a, '_> {
    fn names_a_price(&self, word: &str) -> bool {
        if let Some(known) = self.known.borrow().get(word) {
            return *known;
        }
        let asked = crate::question::Question::read(self.index, word);
        let names = asked
            .terms
            .iter()
            .any(|term| !term.is_price(self.index) && term.hit(&self.terms) >= super::priced::FITS);
        self.known.borrow_mut().insert(word.to_owned(), names);
        names
    }

    /// The words of a segment that name its thing: what stands before them may say anything.
    fn naming<'w>(&self, read: &Segment<'w>) -> Option<Vec<&'w str>> {
        if read.noun.is_some_and(|noun| !self.names_a_price(noun)) {
            return None;
        }
        let named = &read.named;
        let first = named.iter().position(|word| self.names_a_price(word) || all_digits(word))?;
        Some(named[first..].to_vec())
    }

    fn part(&self, count: i64, by: Option<&str>, name: &str) -> Option<Part<'a>> {
        let key = (count, by.unwrap_or_default().to_owned(), name.to_owned());
        if let Some(known) = self.parts.borrow().get(&key) {
            return *known;
        }
        let found = self.found(count, by, name);
        self.parts.borrow_mut().insert(key, found);
        found
    }

    fn found(&self, count: i64, by: Option<&str>, name: &str) -> Option<Part<'a>> {
        if let Some(unit) = by {
            // "2 horas", "30 dias" may be part of the name.
            let named = format!("{count} {unit} {name}");
            if let Some(fact) = self.index.thing(&named, self.priced, &|_| true) {
                return Some(Part { count: 1, fact });
            }
            // What spans a measure is not counted by it: "até 3 km".
            let sizes = crate::ranges::sizes(&format!("{count} {unit}"));
            let fact = self.index.thing(name, self.priced, &|one| {
                is_by(one, unit) && crate::ranges::within(&one.ranges, &sizes).is_none()
            })?;
            return Some(Part { count, fact });
        }
        // "12 rosas" may be a bunch of twelve, and "mil cartões" the price of a thousand.
        if count > 1 {
            let named = format!("{count} {name}");
            let fact = self.index.thing(&named, self.priced, &|one| one.lot.is_none());
            if let Some(fact) = fact.filter(|_| count >= FEWEST_IN_A_NAME) {
                return Some(Part { count: 1, fact });
            }
            let lot = self.index.thing(name, self.priced, &|one| one.lot == Some(count));
            if let Some(fact) = lot {
                return Some(Part { count: 1, fact });
            }
        }
        let one_each = |one: &Priced<'_>| one.lot.is_none_or(|lot| lot == 1);
        let fact = self.index.thing(name, self.priced, &one_each)?;
        Some(Part { count, fact })
    }

    /// Whether words name columns only, as "já sou aluna" does after two things: which of their prices is meant.
    fn names_columns(&self, words: &[&str]) -> bool {
        let key = words.join(" ");
        if let Some(known) = self.columns.borrow().get(&key) {
            return *known;
        }
        let names = self.are_columns(words);
        self.columns.borrow_mut().insert(key, names);
        names
    }

    fn are_columns(&self, words: &[&str]) -> bool {
        let read = segment(words);
        let Some(named) = self.naming(&read) else { return false };
        let asked = crate::question::Question::read(self.index, &named.join(" "));
        let column = |term: &crate::question::QuestionTerm| {
            self.priced.iter().any(|one| term.hit(&one.column) >= super::priced::FITS)
        };
        let name = |term: &crate::question::QuestionTerm| {
            self.priced.iter().any(|one| {
                term.hit(&one.own) >= super::priced::FITS
                    || (one.column.is_empty() && term.hit(&one.which) >= super::priced::FITS)
            })
        };
        !asked.terms.is_empty()
            && read.count == 1
            && asked.terms.iter().all(|term| column(term) && !name(term))
    }

    /// Reads a segment. `last`: the thing before it, whose name it may leave out. `column`: which of several prices is meant.
    fn read(&self, words: &[&str], last: Option<&Priced<'_>>, column: &str) -> Read<'a> {
        let read = segment(words);
        if read.named.is_empty() {
            return if read.count == 1 || read.by.is_some() {
                Read::Nothing
            } else {
                Read::Unknown(read.count, String::new())
            };
        }
        let Some(named) = self.naming(&read) else {
            // Verbs and who it is for name nothing.
            let nothing = read.named.iter().all(|word| {
                STOP.contains(*word)
                    || (word.len() > 4
                        && ["ar", "er", "ir", "ndo"].iter().any(|end| word.ends_with(end)))
            });
            return if nothing && read.count == 1 {
                Read::Nothing
            } else {
                Read::Unknown(read.count, read.named.join(" "))
            };
        };
        let name = named.join(" ");
        if !column.is_empty()
            && let Some(part) = self.part(read.count, read.by, &format!("{name} {column}"))
        {
            return Read::Parts(vec![part]);
        }
        if let Some(part) = self.part(read.count, read.by, &name) {
            return Read::Parts(vec![part]);
        }
        if let Some(last) = last
            && let Some(part) =
                self.part(read.count, read.by, &format!("{} {name}", last.fact.subject))
        {
            return Read::Parts(vec![part]);
        }
        // "12 rosas entregues no centro": a thing, and where it goes.
        let spaced = format!(" {} ", words.join(" "));
        for cut in QUALIFIERS.find_iter(&spaced) {
            let (thing, place) = (&spaced[..cut.start()], &spaced[cut.end()..]);
            let of = |text: &str| -> Option<Part<'a>> {
                let read = segment(&text.split_whitespace().collect::<Vec<_>>());
                let named = self.naming(&read)?;
                self.part(read.count, read.by, &named.join(" "))
            };
            if let (Some(thing), Some(place)) = (of(thing), of(place)) {
                return Read::Parts(vec![thing, place]);
            }
        }
        Read::Unknown(read.count, name)
    }
}

impl Index {
    /// The things that a text names, each with how many; `None` where one is not known, or is named twice.
    pub(super) fn parts<'a>(
        &self,
        wanted: &Wanted,
        priced: &'a [Priced<'a>],
        sums: bool,
        told: &dyn Fn(&str) -> Option<Told>,
    ) -> Option<Vec<Part<'a>>> {
        let words: Vec<&str> = wanted.rest.split_whitespace().collect();
        let mut segments: Vec<Vec<&str>> = Vec::new();
        let mut joints: Vec<&str> = Vec::new();
        let mut joint = Some("e");
        for word in words {
            if JOINTS.contains(&word) {
                joint.get_or_insert(word);
                continue;
            }
            if let Some(joint) = joint.take() {
                if !segments.is_empty() {
                    joints.push(joint);
                }
                segments.push(Vec::new());
            }
            segments.last_mut().expect("the first word begins one").push(word);
        }
        let finder = Finder {
            index: self,
            priced,
            terms: crate::index::sorted(priced.iter().flat_map(|one| one.terms.iter().copied())),
            known: RefCell::default(),
            columns: RefCell::default(),
            parts: RefCell::default(),
        };
        let tried = joints.len().min(JOINTS_TRIED);
        let mut ways: Vec<u32> = (0..1u32 << tried).collect();
        // "Frente e verso" is one name before it is two.
        ways.sort_by_key(|way| std::cmp::Reverse(way.count_ones()));
        let mut best: Option<(usize, Vec<Read<'a>>)> = None;
        for way in ways {
            let mut joined: Vec<Vec<&str>> = Vec::new();
            for (at, segment) in segments.iter().enumerate() {
                match joined.last_mut() {
                    Some(last) if at <= tried && way & (1 << (at - 1)) != 0 => {
                        last.push(joints[at - 1]);
                        last.extend(segment);
                    }
                    _ => joined.push(segment.clone()),
                }
            }
            let mut read: Vec<Read<'a>> = Vec::new();
            let mut last: Option<&Priced<'_>> = None;
            let columns: Vec<bool> =
                joined.iter().map(|words| finder.names_columns(words)).collect();
            let column = joined.iter().zip(&columns).filter(|(_, is)| **is);
            let column: Vec<&str> = column.flat_map(|(words, _)| words.iter().copied()).collect();
            let column = match columns.iter().all(|is| *is) {
                true => String::new(),
                false => segment(&column).named.join(" "),
            };
            for (words, is_column) in joined.iter().zip(&columns) {
                if *is_column && !column.is_empty() {
                    continue;
                }
                let one = finder.read(words, last, &column);
                if let Read::Parts(parts) = &one {
                    last = parts.first().map(|part| part.fact);
                }
                read.push(one);
            }
            let unknown = read.iter().map(Read::unknown_words).sum();
            if best.as_ref().is_none_or(|(least, _)| unknown < *least) {
                best = Some((unknown, read));
            }
            if unknown == 0 {
                break;
            }
        }
        let (_, read) = best?;
        // Without any sign of a sum nobody looks further.
        let unknown = read.iter().filter(|one| matches!(one, Read::Unknown(..))).count();
        if unknown > UNNAMED || (unknown > 0 && !sums) {
            return None;
        }
        let mut out: Vec<Part<'a>> = Vec::new();
        for one in read {
            match one {
                Read::Nothing => {}
                Read::Parts(parts) => out.extend(parts),
                Read::Unknown(count, name) => {
                    let (cents, pieces) = told(&name).filter(|_| !name.is_empty())?;
                    let fact = priced
                        .iter()
                        .find(|one| one.cents == cents && pieces.contains(&one.fact.piece))?;
                    out.push(Part { count, fact });
                }
            }
        }
        // So many people want one each.
        let each = |part: &Part<'_>| {
            let fact = part.fact.fact;
            let unit = fact.unit.as_deref().unwrap_or_default();
            let own = kernel::text::fold_words(&format!("{} {unit}", fact.name()));
            part.count == 1
                && !part.fact.fee
                && (wanted.for_each
                    || ["por pessoa", "cada", "por aluno", "por convidado"]
                        .iter()
                        .any(|unit| kernel::text::has_phrase(&own, unit)))
        };
        if let Some(people) = wanted.people.filter(|_| !wanted.shared) {
            for part in &mut out {
                if each(part) {
                    part.count = people;
                }
            }
        }
        // The same thing named twice is no sum of two.
        let twice = out
            .iter()
            .enumerate()
            .any(|(at, one)| out[..at].iter().any(|other| std::ptr::eq(one.fact, other.fact)));
        (!twice).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    const NOTES: &str = "# Tabela\n| Item | Preço |\n|---|---|\n| Suculenta pote 6 | R$ 9,50 |\n| Suculenta pote 11 | R$ 19 |\n\
        | Corte | R$ 40 |\n| Barba | R$ 30 |\n| Corte e barba | R$ 60 |\n| Cartão frente e verso, mil | R$ 149 |\n\
        | Banho, cão até 10 kg | R$ 50 |\n| Banho, cão de 10 a 25 kg | R$ 70 |\n\n# Entrega\n- Centro: R$ 10\n- Savassi: R$ 15\n\n\
        # Salas\n- Sala grande: R$ 60 por hora\n- Jantar: R$ 50 por pessoa\n\n# Pagamento\n- 5% de desconto no pix, menos em barba.\n\
        - Cartão em até 3x sem juros.\n- Entrega grátis acima de R$ 200, menos Savassi.\n";

    fn sum(text: &str) -> String {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        index.sum(text, None, &|_| None).map(|sum| sum.reply).unwrap_or_default()
    }

    #[test]
    fn what_is_named_beside_each_other_is_summed() {
        for (text, comes_to) in [
            ("3 suculentas do pote 11 e 2 do pote 6 dá quanto?", "Total: R$ 76,00"),
            ("quanto fica 2 suculentas do pote 6 entregue no centro?", "Total: R$ 29,00"),
            ("corte e 2 barbas, quanto dá?", "Total: R$ 100,00"),
            ("quanto fica 2 cartões frente e verso", "R$ 298,00"),
            ("com 100 reais quantos cortes dá pra fazer?", "dá para 2, e sobram R$ 20,00"),
            ("quanto fica 2 banhos pra cachorro de 12 kg?", "R$ 140,00"),
            ("quanto fica 3 horas na sala grande?", "R$ 180,00"),
            ("jantar pra nós dois, quanto fica tudo?", "R$ 100,00"),
            ("2 cortes pagando no pix, quanto fica?", "com 5% de desconto: R$ 76,00"),
            ("4 cartões frente e verso em 3x, quanto cada parcela?", "Em 3x: R$ 198,67"),
            (
                "quero 2 cortes, levo nota de 100, quanto de troco?",
                "Troco para R$ 100,00: R$ 20,00",
            ),
            (
                "2 cartoes frente e verso entregue no centro qto fica",
                "R$ 298,00\nEntrega grátis acima de R$ 200",
            ),
            ("2 cartoes frente e verso entregue na savassi qto fica", "Total: R$ 313,00"),
        ] {
            let told = sum(text);
            assert!(told.contains(comes_to), "{text}: {told}");
        }
    }

    #[test]
    fn a_delivery_is_free_only_where_it_is_said_to_be() {
        let notes = "# Tabela\n- Bolo: R$ 150\n\n# Entrega\n- Centro: R$ 10\n- Savassi: R$ 15\n\n# Regras\n\
            - Entrega grátis no Centro acima de R$ 100.\n- Taxa de matrícula isenta a partir de R$ 120.\n";
        let index = Index::of_files(&[("notas.md", notes)]).unwrap();
        let sum =
            |text: &str| index.sum(text, None, &|_| None).map(|sum| sum.reply).unwrap_or_default();
        let told = sum("1 bolo entregue na savassi, quanto fica o total?");
        assert!(told.contains("Total: R$ 165,00"), "{told}");
        let told = sum("1 bolo entregue no centro, quanto fica o total?");
        assert!(!told.contains("160") && told.contains("grátis"), "{told}");
    }

    #[test]
    fn what_is_not_known_is_in_no_sum() {
        for text in [
            "2 cortes e uma massagem, quanto fica?",
            "corte ou barba, quanto fica?",
            "quanto custa o corte?",
            "quanto fica o corte e barba?",
            "tem 2 suculentas?",
            "2 suculentas quanto fica?",
        ] {
            assert_eq!(sum(text), "", "{text}");
        }
        // A discount that does not hold for the thing is told, not computed.
        let told = sum("2 barbas no pix quanto fica?");
        assert!(told.contains("R$ 60,00") && !told.contains("57,00"), "{told}");
    }
}
