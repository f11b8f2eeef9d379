//! Rules that change what something costs: discounts and surcharges, instalments, deliveries that cost nothing.

use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;

use super::wanted::Wanted;
use crate::facts::amounts::{self, Cents};
use crate::index::{Index, Sentence};
use crate::split::{STOP, Words, all_digits, expression, set, stem, words};

/// Characters of a rule that is told beside a sum.
const RULE: usize = 200;

/// A share in figures.
pub(super) static PER_CENT: LazyLock<Regex> = LazyLock::new(|| expression(r"\b([0-9]{1,2}) ?%"));
static INSTALMENTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b([0-9]{1,2}) ?(?:x|vezes|parcelas)\b(?: [a-z]+){0,3}? ?(sem juros|com juros)?")
});
static FROM: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?:acima de|a partir de|minim[ao] de|maior(?:es)? que|mais de)[^0-9]{0,12}")
});
/// What takes something off a price, and what puts something on it.
static OFF: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\bdescontos?\b|% ?(?:off|(?:a )?menos)\b|\babat(?:e|em|emos|imento)\b")
});
static ON: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\bacrescimo\b|\bacrescent\w+|% ?a mais\b|\badicional\b"));
/// Shares of a price that are paid, and no change of it.
static OF_A_PART: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:sinal|entrada|adiantad[oa]|adiantamento|reserva\w*|juros|multa|comissao|pagu?\w*|restante|resto|metade|acresc\w*|taxa)\b",
    )
});
/// For what alone a rule holds, and for what not.
static ONLY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:desconto|off|%|dinheiro|pix|vista|acrescimo|a mais|(so|somente|apenas))(?: (?:vale|e|valido))? (?:em|nos|nas|no|na|para|p/) ([^.;!()]{3,60})",
    )
});
static EXCEPT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:nao (?:vale|valem|se aplica|inclui|da|e valido)|menos|exceto|salvo|fora|tirando|mas nao|nao em)\b([^.;!()]{3,90})",
    )
});
static LEFT_OUT: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"([^.;!()]{3,90}?),? (?:nao|nem) (?:entram?|tem|ganham?|recebem?)\b")
});
/// A delivery that costs nothing; a place where it does, and that it does not.
static FREE: LazyLock<Regex> = LazyLock::new(|| {
    let brings = r"(?:entregas?|frete|delivery|taxa de entrega|deslocamento|a taxa)";
    let free = r"(?:gratis|gratuit[ao]|de graca|livre|isent[ao])";
    expression(&format!(
        r"\b{brings}\b[^.;!]{{0,40}}\b{free}\b|\b{free}\b[^.;!]{{0,20}}\b{brings}\b"
    ))
});
static NOT_FREE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\bnao (?:e|ha|tem|temos|sai|fica) (?:\w+ )?(?:gratis|gratuit|de graca|livre|isent)",
    )
});
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:so |somente |apenas )?(?:n[oa]s?|para [oa]s?|em) ((?:[a-z]{3,}(?: e |, ?)?){1,4})",
    )
});
/// Words that name everything, or no thing.
static ANYTHING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "compra compras pedido pedidos produto produtos servico servicos tudo qualquer valor total pagamento pagamentos loja item itens \
         todos todas preco precos desconto pix dinheiro debito credito cartao vista cada avista nosso nossos vale valido esse essa isso \
         promocao promocoes oferta ofertas promocional acima partir reais r outro outros descontos cupom soma acumula",
    )
});
/// Words of a rule by which nobody calls it.
static GENERAL: LazyLock<Words> = LazyLock::new(|| {
    set(
        "desconto off menos acrescimo mais taxa valor valores preco total compra compras pedido pagamento pago paga pagando quem \
         vale valido sobre cada tem ganha dia dias mes reais minimo partir acima pessoa pessoas servico servicos produto produtos \
         loja cliente clientes nao so somente apenas todos todas avulso avulsa pacote pacotes plano planos \
         cartao credito debito parcela parcelas vezes juros",
    )
});

/// A share that is taken off or put on.
pub(super) struct Rule {
    /// In per cent; what is put on is greater than 0.
    pub(super) share: i64,
    /// As the documents say it.
    pub(super) text: String,
    /// It holds for some things only.
    pub(super) has_exceptions: bool,
    /// Nobody can say for which.
    is_vague: bool,
    only: Vec<Vec<String>>,
    except: Vec<Vec<String>>,
    least: Option<Cents>,
}

/// Something with its price, to which rules are put.
pub(super) struct Item {
    pub(super) cents: Cents,
    /// Stems of all that is said of it.
    pub(super) stems: Vec<String>,
    /// It is paid for bringing or fetching.
    pub(super) fee: bool,
}

/// What is named in a part of a rule: "película, acessório e tela original" are three things.
fn things(text: &str) -> Vec<Vec<String>> {
    let text = text.replace(" e ", ",").replace(" nem ", ",").replace(" ou ", ",");
    text.split(',')
        .map(|part| {
            words(part)
                .filter(|word| {
                    word.len() > 1
                        && !all_digits(word)
                        && !STOP.contains(*word)
                        && !ANYTHING.contains(*word)
                })
                .map(stem)
                .collect::<Vec<String>>()
        })
        .filter(|thing| !thing.is_empty())
        .collect()
}

/// The amount from which folded text says that something holds.
fn least(folded: &str) -> Option<Cents> {
    let from = FROM.find(folded)?;
    // The expression takes the amount's mark with it.
    let mut all = amounts::all(folded).into_iter();
    all.find(|amount| amount.at.start + 4 >= from.end()).map(|amount| amount.cents)
}

impl Rule {
    fn read(text: &str, share: i64) -> Self {
        let folded = fold(text);
        let mut except: Vec<Vec<String>> =
            EXCEPT.captures_iter(&folded).flat_map(|found| things(&found[1])).collect();
        except.extend(LEFT_OUT.captures_iter(&folded).flat_map(|found| things(&found[1])));
        let without = EXCEPT.replace_all(&folded, " . ");
        let without = LEFT_OUT.replace_all(&without, " . ");
        let only: Vec<Vec<String>> =
            ONLY.captures_iter(&without).flat_map(|found| things(&found[2])).collect();
        let leaves_out = EXCEPT.is_match(&folded) || LEFT_OUT.is_match(&folded);
        // "Exceto itens em promoção" leaves out what is named too broadly to be told from the rest; that a discount is not
        // added to another one leaves out nothing.
        let adds_up = folded.contains("acumul") || folded.contains("soma");
        Self {
            share,
            text: text.to_owned(),
            has_exceptions: !only.is_empty() || leaves_out,
            is_vague: leaves_out && except.is_empty() && !adds_up,
            only,
            except,
            least: least(&folded),
        }
    }

    /// Whether it holds for a thing.
    pub(super) fn holds(&self, item: &Item) -> bool {
        let named = |thing: &Vec<String>| thing.iter().all(|word| item.stems.contains(word));
        !item.fee
            && !self.is_vague
            && !self.except.iter().any(named)
            && (self.only.is_empty() || self.only.iter().any(named))
    }

    pub(super) fn reaches(&self, total: Cents) -> bool {
        self.least.is_none_or(|least| total >= least)
    }
}

impl Index {
    /// The rule by which a text wants a price changed: of a way to pay, or called by its own words. Of two, nobody says which.
    pub(super) fn rule(
        &self,
        wanted: &Wanted,
        items: &[Item],
        today: Option<Date>,
    ) -> Option<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let stated = |one: &&Sentence| one.holds_on(today) && one.text.contains('%');
        for sentence in self.sentences.iter().filter(stated) {
            // "Tem desconto à vista?" may stand in the question alone.
            let folded = fold(if sentence.pair { &sentence.spoken } else { &sentence.text });
            let (mut off, on) = (OFF.is_match(&folded), ON.is_match(&folded));
            // "Pix: 5% nos cursos" says of what by itself.
            off |= !on && wanted.way.is_some() && !OF_A_PART.is_match(&folded);
            if off == on {
                continue;
            }
            let called = match wanted.way {
                Some(way) => folded.contains(way.word()),
                None => self.is_called(&folded, wanted, items),
            };
            let shares: Vec<i64> =
                PER_CENT.captures_iter(&folded).filter_map(|found| found[1].parse().ok()).collect();
            let ([share], true) = (shares.as_slice(), called) else { continue };
            let line = &sentence.line_text;
            let rule = if line.chars().count() <= RULE { &**line } else { &sentence.text };
            let share = if on { *share } else { -share };
            let known = rules.iter().any(|other| other.share == share);
            if (1..=50).contains(&share.abs()) && !known {
                rules.push(Rule::read(rule, share));
            }
        }
        match rules.len() {
            1 => rules.pop(),
            _ => None,
        }
    }

    /// Whether a text calls a rule by words that are of no thing: "com desconto de irmãos", "sou estudante".
    fn is_called(&self, rule: &str, wanted: &Wanted, items: &[Item]) -> bool {
        let asked: Vec<String> = words(&wanted.full).map(stem).collect();
        // "Plano semestral: 10% de desconto" is called by its name.
        let name = rule.split_once(": ").map_or("", |(name, _)| name);
        let mut named = words(name).filter(|word| !GENERAL.contains(*word)).peekable();
        let by_name = named.peek().is_some() && named.all(|word| asked.contains(&stem(word)));
        let calls = ["desconto", "acrescimo", "urgen", "adicional", "expressa"];
        if !by_name && !calls.iter().any(|word| wanted.full.contains(word)) {
            return false;
        }
        let mut own = words(rule)
            .filter(|word| word.len() > 3 && !STOP.contains(*word) && !GENERAL.contains(*word));
        own.any(|word| {
            let stem = stem(word);
            asked.contains(&stem) && items.iter().all(|item| !item.stems.contains(&stem))
        })
    }

    /// Whether an amount may be paid in so many instalments without interest.
    pub(super) fn allows(&self, instalments: i64, total: Cents, today: Option<Date>) -> bool {
        let holds = |one: &&Sentence| !one.outdated && !one.is_over(today) && one.shows_number;
        self.sentences.iter().filter(holds).any(|sentence| {
            let folded = fold(&sentence.text);
            let money = ["cart", "juros", "parcel", "credito"].iter().any(|w| folded.contains(w));
            let most = INSTALMENTS.captures_iter(&folded).filter_map(|found| {
                let interest = found.get(2).is_some_and(|word| word.as_str() == "com juros");
                found[1].parse::<i64>().ok().filter(|_| !interest)
            });
            money
                && most.max().is_some_and(|most| instalments <= most)
                && least(&folded).is_none_or(|least| total >= least)
        })
    }

    /// The line by which a delivery costs nothing for a sum of goods.
    pub(super) fn delivers_free(
        &self,
        goods: Cents,
        fee: &Item,
        today: Option<Date>,
    ) -> Option<String> {
        let stated = |one: &&Sentence| one.holds_on(today) && one.shows_number;
        self.sentences.iter().filter(stated).find_map(|sentence| {
            let folded = fold(&sentence.text);
            if !FREE.is_match(&folded) || NOT_FREE.is_match(&folded) {
                return None;
            }
            // "Grátis no Centro" is so nowhere else.
            let places: Vec<String> = PLACE
                .captures_iter(&folded)
                .flat_map(|found| words(&found[1]).map(stem).collect::<Vec<_>>())
                .filter(|word| !STOP.contains(word.as_str()) && !ANYTHING.contains(word.as_str()))
                .collect();
            if !places.is_empty() && !places.iter().any(|place| fee.stems.contains(place)) {
                return None;
            }
            let rule = Rule::read(&sentence.text, 0);
            let left_out =
                rule.except.iter().any(|thing| thing.iter().any(|word| fee.stems.contains(word)));
            let reached = rule.least.is_some_and(|least| goods >= least);
            (reached && !left_out).then(|| sentence.text.clone())
        })
    }
}
