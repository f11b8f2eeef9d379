//! What speaks against a sentence as an answer: that it is of another thing, another number or another kind of question, or of
//! what is not wanted.

use kernel::text::fold;

use crate::choose::is_list_line;
use crate::index::{Index, Sentence, Term, sorted};
use crate::named_prices::{naming, subject_of};
use crate::question::Question;
use crate::ranges;
use crate::split::stem;

/// Share of the things that are named, by weight, which a price must not lack to be theirs; and what lacking them costs.
pub(crate) const ANOTHER: f64 = 0.5;
pub(crate) const OTHER_THING: f64 = 4.0;
/// What it costs to answer the question of a price without one, unless it is said that there is none to tell.
const NO_PRICE: f64 = 2.0;
const WITHOUT_PRICE: &str = "orcamento avaliacao depende consulte consultar combinar gratis gratuito gratuita cortesia inclui \
    inclusa incluso incluida incluido cobra cobramos paga pagar custo taxa sob";
/// Log-odds that the very number which is named is worth.
const OWN_NUMBER: f64 = 1.5;
/// Log-odds that another number costs.
pub(crate) const OTHER_NUMBER: f64 = 4.0;
/// Log-odds that it costs where a thing is asked for by a price that nothing has.
pub(crate) const OTHER_PRICE: f64 = 8.0;
/// What it costs to answer another kind of question of the same thing.
const OTHER_INTENT: f64 = 3.0;

impl Index {
    /// What it costs to tell the price of something else than what is named.
    pub(crate) fn other_thing(&self, question: &Question, sentence: &Sentence) -> f64 {
        if !question.asks_price(self) {
            return 0.0;
        }
        let mut all: Vec<Term> = sentence.line.iter().chain(&sentence.about).copied().collect();
        if let Some(heading) = sentence.heading_text.as_deref() {
            let terms = crate::split::terms(heading);
            all.extend(terms.iter().filter_map(|term| self.vocabulary.get(term.as_str()).copied()));
        }
        let all = sorted(all.into_iter());
        let priced = self
            .vocabulary
            .get(crate::question::PRICE)
            .is_some_and(|tag| sentence.line.binary_search(tag).is_ok());
        let folded = fold(&sentence.line_text);
        let without = || {
            crate::split::words(&folded)
                .any(|word| WITHOUT_PRICE.split_ascii_whitespace().any(|one| one == word))
        };
        // A list of prices may leave out the "R$"; where any has it, a number without it is none.
        let number = sentence.shows_number && !self.vocabulary.contains_key(crate::question::PRICE);
        let share = folded.contains('%');
        let no_price = if !priced && !number && !share && !without() { NO_PRICE } else { 0.0 };
        no_price + if question.lacks(self, &all) > ANOTHER { OTHER_THING } else { 0.0 }
    }

    /// What it costs to tell a price to who asks whether something may be, or does harm.
    pub(crate) fn other_intent(
        &self,
        (asks_leave, urgent): (bool, bool),
        sentence: &Sentence,
    ) -> f64 {
        // What to do in an emergency is for who has one.
        if !urgent && sentence.pair && crate::emergency::is_of_one(&sentence.spoken) {
            return OTHER_INTENT;
        }
        let of_price = || {
            let tag = self.vocabulary.get(crate::question::PRICE);
            let noted = tag.is_some_and(|tag| sentence.about.binary_search(tag).is_ok());
            (sentence.pair && noted) || is_list_line(&sentence.text)
        };
        if asks_leave && of_price() { OTHER_INTENT } else { 0.0 }
    }

    /// What it costs to speak of another number than the one that is named. `unknown`: of each number that the index does
    /// not know, what any answer costs.
    pub(crate) fn other_number(
        &self,
        question: &Question,
        sentence: &Sentence,
        unknown: &[f64],
    ) -> f64 {
        // "12 kg" is within "10 a 25 kg", although that names neither.
        match ranges::within(&sentence.ranges, &question.sizes) {
            // "Perdi um dente faz dois anos, quanto é o implante?" asks for no age.
            Some(true) if !question.asks_price(self) || is_list_line(&sentence.text) => {
                return -OWN_NUMBER;
            }
            // A rule says no to an age that is not within it; a row of prices is another age's.
            Some(false) if is_list_line(&sentence.text) => return OTHER_NUMBER,
            _ => {}
        }
        let has = |term: Term| {
            sentence.set.binary_search(&term).is_ok() || sentence.about.binary_search(&term).is_ok()
        };
        let costs = question.numbers.iter().zip(unknown).map(|(named, unknown)| {
            let Some(number) = named.number else { return *unknown };
            let follows = named.before.is_some_and(|word| self.bigram_df((word, number)) > 0);
            match (has(number), named.telling) {
                (true, true) => -OWN_NUMBER,
                (true, false) => 0.0,
                (false, telling) if telling || follows => OTHER_NUMBER,
                (false, _) => 0.0,
            }
        });
        costs.sum()
    }

    /// A text without what it says it wants not, where rows are named by having it; and the stems of that.
    pub(crate) fn without_denied(&self, text: &str) -> (String, Vec<String>) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let bare = |word: &str| fold(word.trim_matches(|c: char| !c.is_alphanumeric()));
        let is_article = |word: &&str| matches!(bare(word).as_str(), "o" | "a" | "os" | "as");
        let mut kept: Vec<&str> = Vec::new();
        let mut denied: Vec<String> = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let skip = 1 + usize::from(words.get(at + 1).is_some_and(is_article));
            let what = words.get(at + skip).map(|word| stem(&bare(word)));
            let said = bare(words[at]) == "sem";
            match what.filter(|what| said && self.names_rows_with(what)) {
                Some(what) => {
                    denied.push(what);
                    at += skip + 1;
                }
                None => {
                    kept.push(words[at]);
                    at += 1;
                }
            }
        }
        match denied.is_empty() {
            true => (text.to_owned(), denied),
            false => (kept.join(" "), denied),
        }
    }

    /// Whether some rows are named by having a thing, and none by lacking it.
    pub(crate) fn names_rows_with(&self, stem: &str) -> bool {
        let rows = self.sentences.iter().filter(|one| !one.heading && is_list_line(&one.text));
        let named = rows.map(|one| naming(&subject_of(&one.text)));
        let with: Vec<Vec<String>> = named.filter(|name| name.iter().any(|w| w == stem)).collect();
        !with.is_empty() && !with.iter().any(|name| name.iter().any(|word| word == "sem"))
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;
    use crate::features::Asked;

    const NOTES: &str = "# Planos\n| Plano | Mensalidade |\n|---|---|\n| Anual Total | R$ 129 |\n| Anual Total com Piscina | R$ 189 |\n\n\
        # Montagem\n- guarda-roupa de 6 portas R$ 150\n\n# Quartos\n- Guarda-roupa Araucária de 6 portas: R$ 1.490\n";

    fn said(text: &str) -> String {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        index.answer(&Asked { text, before: None, vector: None, both: None, today: None }).reply
    }

    #[test]
    fn what_is_not_wanted_is_not_told() {
        assert!(said("quanto custa o anual total sem piscina?").contains("129"));
        assert!(said("quanto custa o anual total com piscina?").contains("189"));
    }

    #[test]
    fn the_price_of_a_thing_is_not_that_of_its_assembly() {
        let told = said("quanto custa o guarda-roupa de 6 portas?");
        assert!(told.contains("1.490"), "{told}");
        let told = said("quanto custa a montagem do guarda-roupa de 6 portas?");
        assert!(told.contains("150"), "{told}");
    }
}
