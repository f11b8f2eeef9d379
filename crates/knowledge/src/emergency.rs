//! What a business says of emergencies: whom to call and where to go when nobody is there.

use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;

use crate::index::Index;
use crate::split::expression;

/// Sentences that are told, at most, and the characters of one.
const MOST: usize = 2;
const LONGEST: usize = 220;

static EMERGENCY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:emergencias?|urgencias?|pronto[- ]socorro|pronto atendimento|plantao|upa|hospital|fora d[oe] horario)\b",
    )
});
static WHERE_TO: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:procure|procurar|ligue|ligar|chame|chamar|va (?:a|ao|para)|dirija|leve|levar|acione|mandar)\b|\b9?[0-9]{4}[- .]?[0-9]{4}\b",
    )
});
/// What is for some customers only, or of something else that is urgent.
static NOT_FOR_ALL: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:so|somente|apenas) (?:para|p/|pra|quem)|\bcontrato|\balugad|\bacrescimo|\btaxa de urgencia",
    )
});

static ASKED: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"^[^?]*\b(?:emergencias?|urgencias?|plantao|pronto[- ]socorro)\b[^?]*\?")
});
static URGENT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:emergencias?|urgencias?|urgente|plantao|socorro|dor|dores|doendo|inchad\w+|inchou|quebr\w+|caiu|sangr\w+|encaix\w+|acidente|machuc\w+|hoje|agora|domingo|noite|madrugada|feriado|fora d[oe] horario)\b",
    )
});

/// Whether what is noted, with its question, answers who asks of emergencies.
pub(crate) fn is_of_one(spoken: &str) -> bool {
    ASKED.is_match(&fold(spoken))
}

/// Whether a text may ask of one.
pub(crate) fn is_urgent(text: &str) -> bool {
    URGENT.is_match(&fold(text))
}

impl Index {
    /// The sentences that say what to do in an emergency; empty where the documents do not.
    pub fn in_an_emergency(&self, today: Option<Date>) -> Vec<&str> {
        let mut told: Vec<&str> = Vec::new();
        let sentences = self
            .pieces
            .iter()
            .flat_map(|piece| piece.sentences.iter().map(|id| &self.sentences[*id as usize]));
        for sentence in sentences.filter(|one| one.holds_on(today)) {
            // Of a pair only the sentence that says where to go.
            for (_, text) in crate::split::sentences(&sentence.text) {
                let folded = fold(text);
                let around = fold(&sentence.spoken);
                if text.chars().count() <= LONGEST
                    && EMERGENCY.is_match(&around)
                    && WHERE_TO.is_match(&folded)
                    && !NOT_FOR_ALL.is_match(&folded)
                    && !told.contains(&text)
                {
                    told.push(text);
                }
            }
        }
        told.truncate(MOST);
        told
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    #[test]
    fn what_to_do_is_told_as_the_business_says_it() {
        let told = |notes: &str| -> Vec<String> {
            let index = Index::of_files(&[("notas.md", notes)]).unwrap();
            index.in_an_emergency(None).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(
            told(
                "## Vocês atendem emergência?\nSim, no mesmo dia. Fora do horário, procure um pronto-socorro.\n\n\
                 ## Preço\nA consulta de urgência custa R$ 90."
            ),
            ["Fora do horário, procure um pronto-socorro."]
        );
        assert_eq!(
            told(
                "## Plantão\n- Todo dia das 19h às 23h, telefone (35) 99900-4127\n- No plantão não aplicamos vacina"
            ),
            ["Todo dia das 19h às 23h, telefone (35) 99900-4127"]
        );
        assert!(
            told("## Plantão\n- (15) 99655-0271, só para quem está com gerador alugado").is_empty()
        );
        assert!(told("## Entrega\n- No hospital deixamos só na recepção").is_empty());
    }
}
