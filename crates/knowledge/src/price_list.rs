//! What a business offers, with its prices: for those who ask for the menu, the list, or what is done here.

use jiff::civil::Date;
use understanding::Plain;

use crate::choose::is_list_line;
use crate::facts::{Fact, Kind};
use crate::index::Index;
use crate::lexicon;
use crate::split::capital;
use crate::sums::FromFacts;

/// Lines and characters that are told, at most.
const LINES: usize = 12;
const LONGEST: usize = 480;
/// Prices of which there must be this many to be a list.
const FEWEST: usize = 3;

/// Words that ask for all of it.
const LISTS: &str = "cardapio menu tabela lista catalogo precos valores servicos produtos tratamentos procedimentos portfolio";
/// Words around them.
const AROUND: &str = "me manda mandar mande envia enviar envie passa passar passe mostra mostrar ver quero queria gostaria saber pode \
    poderia podem conseguem consegue de do da dos das a o os as um uma e com seu sua seus suas voces por favor ai aqui tem qual \
    quais oi ola bom boa dia tarde noite todos todas todo toda completa completo atualizada atualizado preco valor que sao os \
    para eu tudo bem no na em foto";
/// "O que vocês fazem?"
const OFFERING: &[&str] = &["fazem", "vendem", "oferecem", "servem"];
const ASKING: &str = "o que voces quais sao os servicos ai tudo e oi ola bom boa dia tarde noite tipo de coisa coisas";

/// What is paid for failing, waiting or delivering, and what is added to another price: no offer by itself.
fn is_a_fee(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "taxa", "falta", "faltas", "multa", "frete", "entrega", "ate", "acima", "abaixo",
        "cobrada", "cobradas", "cobrado", "mais", "desconto", "sinal", "atraso",
    ];
    let folded = kernel::text::fold_words(name);
    folded.split(' ').any(|word| WORDS.contains(&word))
}

fn asks_for_all(text: &str) -> bool {
    let plain = Plain::of(text);
    let words: Vec<&str> = plain.words().collect();
    let has = |list: &str, word: &str| list.split_ascii_whitespace().any(|one| one == word);
    let listed = words.iter().any(|word| has(LISTS, word))
        && words
            .iter()
            .all(|word| [LISTS, AROUND, lexicon::VENUE].iter().any(|list| has(list, word)));
    let offered = words.iter().any(|word| OFFERING.contains(word))
        && words.contains(&"que")
        && words.iter().all(|word| OFFERING.contains(word) || has(ASKING, word));
    listed || offered
}

impl Index {
    /// What is offered, where a text asks for all of it and the knowledge states prices.
    pub(crate) fn listed(&self, text: &str, today: Option<Date>) -> Option<FromFacts> {
        if !asks_for_all(text) {
            return None;
        }
        let mut lines: Vec<String> = Vec::new();
        let mut pieces: Vec<usize> = Vec::new();
        let mut more = 0usize;
        let stated: Vec<&Fact> = self
            .facts()
            .iter()
            .filter(|fact| {
                fact.kind == Kind::Price
                    && !fact.outdated
                    && !fact.subject.is_empty()
                    && !is_a_fee(&fact.name())
                    && today.is_none_or(|today| !fact.is_over(today))
            })
            .collect();
        // A list is what stands as one; only where there is none, prices in sentences are gathered.
        let rows: Vec<&Fact> =
            stated.iter().copied().filter(|fact| is_list_line(&fact.line)).collect();
        let stated = if rows.len() >= FEWEST { rows } else { stated };
        for fact in stated {
            let unit = fact.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            let line = format!("{}: {}{unit}", capital(&fact.name()), fact.value);
            if lines.contains(&line) {
                continue;
            }
            let told: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
            if lines.len() >= LINES || told + line.chars().count() > LONGEST {
                more += 1;
                continue;
            }
            lines.push(line);
            if !pieces.contains(&fact.piece) {
                pieces.push(fact.piece);
            }
        }
        if lines.len() < FEWEST {
            return None;
        }
        if more > 0 {
            lines.push(format!("… e mais {more}. Sobre qual você quer saber?"));
        }
        Some(FromFacts { reply: lines.join("\n"), pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::asks_for_all;

    #[test]
    fn the_whole_list_is_asked_for_in_several_ways() {
        for text in [
            "me manda a tabela de preço ai pfv",
            "manda o cardapio",
            "o que vcs fazem?",
            "quais serviços vocês têm?",
            "passa os valores da academia",
        ] {
            assert!(asks_for_all(text), "{text}");
        }
        for text in [
            "qual o preço da limpeza?",
            "tabela de horários",
            "vocês fazem botox?",
            "qual o valor?",
        ] {
            assert!(!asks_for_all(text), "{text}");
        }
    }
}
