//! What a text wants done with a price: paid in some way, in instalments, with a banknote, divided among people.

use std::sync::LazyLock;

use regex::Regex;

use super::number_word;
use super::parts::is_counted_by;
use crate::facts::amounts::Cents;
use crate::split::{Words, expression, set};

/// Into how many instalments, at most.
const MOST_INSTALMENTS: i64 = 24;
/// How many people share a price, at most.
const MOST_PEOPLE: i64 = 500;

static INSTALMENTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:\b(?:dividi\w+|divide|parcela\w*)\b )?(?:\b(?:em|de|ate|no|por) )?\b([0-9]{1,2}) ?(?:x|vezes|parcelas)\b(?: (?:no|de|do) (?:cartao|credito))?",
    )
});
static NOT_INSTALMENTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b[0-9] ?(?:x|vezes) (?:por|na|ao|a cada|no mes|mensal|semanal|a semana|[0-9])")
});
/// With which banknote is paid.
static PAID: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:e |vou |se eu )?(?:notas? de|cedulas? de|troco (?:para|de|p)|levo|levar|pag\w+ com|dou|tenho)(?: uma?)?(?: notas? de)?(?: r\$)? ?([0-9]{1,4})\b(?: reais)?(?: em dinheiro)?",
    )
});
/// How much there is to spend.
static BUDGET: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:(?:se )?(?:eu )?(?:tenho|tiver|estou com|com|so tenho|gastar)) (?:so |uns |r\$ ?)?([0-9]{1,3}(?:\.[0-9]{3})|[0-9]{1,5})(?: reais| real| contos?| pilas?)?\b",
    )
});
static HOW_MANY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:(?:da|daria|consigo|posso|levo|compro|pego|dao) (?:para )?(?:\w+[aei]r )?)?quant[oa]s\b|\b(?:e )?(?:quanto )?(?:sobra|sobraria|resta|falta)(?: de troco| quanto)?\b|\bconsigo \w+[aei]r\b|\b(?:eu )?levo\b",
    )
});
static DIFFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:qual (?:e |seria )?)?(?:a )?diferenca(?: de (?:preco|valor))?(?: (?:entre|de|da|do|para))?\b",
    )
});
static WAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:e )?(?:se )?(?:eu )?(?:(?:for )?pag\w+ )?(?:tudo )?(?:no|em|com|por|de|a) ?(pix|vista|dinheiro)\b",
    )
});
static ON_CARD: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:(?:for )?pag\w+ )?(?:tudo )?no (?:cartao|credito|debito)(?: de (?:credito|debito))?\b",
    )
});
static PEOPLE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:somos|seremos|sao|vamos|vao|seriam|estamos em|para|para os|em|por|entre)(?: (?:nos|em))? ([0-9]{1,3}|dois|duas|tres|quatro|cinco|seis|sete|oito|nove|dez|doze|quinze|vinte)(?: (?:pessoas|amigas|amigos|adultos|alunos|na banda|no grupo|colegas|convidados))?\b",
    )
});
/// Who says how many they are names no thing by it.
static WE_ARE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:somos|seremos)(?: em)? [a-z0-9]+ (?:pessoas|amigas|amigos|colegas|(?:na|no) \w+)\b",
    )
});
/// "Os dois juntos": of what was named.
static THE_TWO: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:os|as) (?:dois|duas|tres)(?: (?:juntos|juntas|servicos|coisas|itens|pecas))?\b",
    )
});
/// "2h".
static HOURS: LazyLock<Regex> = LazyLock::new(|| expression(r"\b([0-9]{1,2})hs?\b"));
/// "Qual o total", which asks for no other thing.
static WHICH_TOTAL: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\bqual (?:(?:e|seria|fica|vai ser|sera) )?o (?:total|valor total|valor final|preco final|preco total|valor)\b",
    )
});
static PEOPLE_COUNTED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b([0-9]{1,3}|dois|duas|tres|quatro|cinco|seis|sete|oito|nove|dez|doze|quinze|vinte) (?:pessoas|amigas|amigos|convidados|colegas)\b",
    )
});
static TWO_OF_US: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:eu e (?:o |a )?(?:meu|minha) \w+|nos dois|nos duas|para (?:os |as )?(?:dois|duas)|por nos dois|eu mais um|para mim e (?:para )?(?:o |a )?(?:meu|minha) \w+)\b",
    )
});
/// The price is divided among people.
static EACH: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:(?:fica|sai|da|paga|seria) )?(?:quanto )?(?:dividi\w+|rachando|rachar|racha)(?: igual| tudo)?(?: (?:por|entre|em|para) (?:nos )?(?:todos|[a-z0-9]+))?|(?:para|por) cada(?: uma?)?\b|\bcada uma? paga\b",
    )
});
/// "Cada uma quer uma marmita".
static EACH_WANTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b(?:e )?cada uma? (?:quer|querendo|com|de nos quer|pede|vai)\b")
});
/// Units that a number measures and does not count.
pub(super) static SIZES: LazyLock<Words> = LazyLock::new(|| {
    set(
        "l lt litro litros ml g gr kg quilo quilos km m cm mm min minutos anos ano x vezes reais h polegadas gb tb mb",
    )
});

/// A way to pay that may change the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Pix,
    AtOnce,
    Cash,
}

impl Way {
    /// As rules name it, folded.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pix => "pix",
            Self::AtOnce => "vista",
            Self::Cash => "dinheiro",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pix => "No Pix",
            Self::AtOnce => "À vista",
            Self::Cash => "Em dinheiro",
        }
    }
}

/// What a text wants done with a price.
pub(super) struct Wanted {
    /// The whole text, and what is left of it when that is taken out; folded.
    pub(super) full: String,
    pub(super) rest: String,
    /// The same with all numbers of people.
    pub(super) counted: String,
    pub(super) way: Option<Way>,
    pub(super) instalments: Option<i64>,
    /// It asks for the change, of this banknote.
    pub(super) change: bool,
    pub(super) paid: Option<Cents>,
    /// How many people there are, and whether the price is divided among them, or wanted for each.
    pub(super) people: Option<i64>,
    pub(super) shared: bool,
    pub(super) for_each: bool,
    /// How many can be had for this amount is asked.
    pub(super) budget: Option<Cents>,
    /// How much one costs more than the other is asked.
    pub(super) difference: bool,
}

impl Wanted {
    /// Of a plain text: see [`understanding::Plain`].
    pub(super) fn read(plain: &str) -> Self {
        let full = HOURS.replace_all(plain, "$1 h").into_owned();
        let mut rest = WHICH_TOTAL.replace_all(&full, " ").into_owned();
        let change = rest.contains("troco") || rest.contains("quanto volta");
        let mut paid = None;
        if change {
            if let Some(found) = PAID.captures(&rest) {
                paid = found[1].parse::<Cents>().ok().map(|amount| amount * 100);
                rest = rest.replace(&found[0], " ");
            }
            for said in [
                "quanto volta de troco",
                "quanto vem de troco",
                "quanto volta",
                "quanto de troco",
                "troco",
            ] {
                rest = rest.replace(said, " ");
            }
        }
        let mut budget = None;
        if rest.contains("quantas") || rest.contains("quantos") {
            if let Some(found) = BUDGET.captures(&rest) {
                budget = found[1].replace('.', "").parse::<Cents>().ok().map(|amount| amount * 100);
                rest = rest.replace(&found[0], " ");
            }
            if budget.is_some() {
                rest = HOW_MANY.replace_all(&rest, " ").into_owned();
            }
        }
        let difference = rest.contains("diferenca");
        if difference {
            rest = DIFFERENCE.replace_all(&rest, " ").replace(" para ", " e ");
        }
        let instalments = (!NOT_INSTALMENTS.is_match(&rest))
            .then(|| INSTALMENTS.captures(&rest))
            .flatten()
            .and_then(|found| Some((found[1].parse::<i64>().ok()?, found[0].to_owned())))
            .filter(|(parts, _)| {
                (2..=MOST_INSTALMENTS).contains(parts)
                    && ["parcel", "cada", "divid", "cartao", "credito", "fica", "vezes"]
                        .iter()
                        .any(|word| full.contains(word))
            });
        if let Some((_, said)) = &instalments {
            rest = rest.replace(said, " ").replace("cada parcela", " ").replace("parcela", " ");
        }
        let way = WAY.captures(&rest).map(|found| {
            let way = match &found[1] {
                "pix" => Way::Pix,
                "vista" => Way::AtOnce,
                _ => Way::Cash,
            };
            (way, found[0].to_owned())
        });
        if let Some((_, said)) = &way {
            rest = rest.replace(said, " ");
        }
        // Who pays with a banknote asks for the change, and not for a discount.
        let way = way.map(|(way, _)| way).filter(|_| !change);
        rest = ON_CARD.replace_all(&rest, " ").into_owned();
        let for_each = EACH_WANTS.is_match(&rest);
        rest = EACH_WANTS.replace_all(&rest, " e ").into_owned();
        let two = TWO_OF_US.is_match(&rest);
        let shared = instalments.is_none() && EACH.is_match(&rest);
        let people = PEOPLE
            .captures(&rest)
            // "Por 4 meses" is no number of people.
            .filter(|found| {
                let all = found.get(0).map_or("", |all| all.as_str());
                let after = found.get(0).map_or("", |all| &rest[all.end()..]);
                // "Faz por 12?" is a price, unless it says of whom.
                let bare = ["por ", "em ", "entre "].iter().any(|start| all.starts_with(start))
                    && all.ends_with(&found[1]);
                if bare {
                    return false;
                }
                !after.split_whitespace().next().is_some_and(|word| {
                    is_counted_by(word) || SIZES.contains(word) || word == "vezes"
                })
            })
            .or_else(|| PEOPLE_COUNTED.captures(&rest))
            .and_then(|found| number_word(&found[1]).or_else(|| found[1].parse().ok()))
            .filter(|people| (2..=MOST_PEOPLE).contains(people))
            .or(two.then_some(2));
        let counted = rest.clone();
        rest = WE_ARE.replace_all(&rest, " ").into_owned();
        rest = TWO_OF_US.replace_all(&rest, " ").into_owned();
        rest = THE_TWO.replace_all(&rest, " ").into_owned();
        if shared {
            rest = EACH.replace_all(&rest, " ").into_owned();
        }
        Self {
            full,
            rest,
            counted,
            way,
            instalments: instalments.map(|(parts, _)| parts),
            change,
            paid,
            people,
            shared,
            for_each,
            budget,
            difference,
        }
    }

    /// Whether it asks for more than a price.
    pub(super) fn asks(&self) -> bool {
        self.way.is_some()
            || self.instalments.is_some()
            || self.change
            || self.shared
            || self.budget.is_some()
            || self.difference
    }
}
